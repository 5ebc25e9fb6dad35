"""The files of CRLite: a folder with a manifest, mapped into memory, read again when it has changed."""

from __future__ import annotations

import datetime as dt
import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from puretls._x509.crlite import Filter

MAX_AGE = 10 * 86400.0  # seconds: what is older counts as absent
AHEAD = 3600.0  # seconds that a manifest may be of the future
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 20


class Filters:
    """The filters of a folder, as its manifest lists them; read again when the manifest has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)
        self._known: tuple[object, tuple[Filter, ...], float] = (None, (), 0.0)
        self._told: object = None  # the manifest that was complained about

    def current(self, now: float) -> tuple[Filter, ...]:
        """Those that count now: none if the folder has none, or if they are older than ten days.

        A file that cannot be read, or is not what the manifest says, counts as absent.
        """
        try:
            found = (self.folder / MANIFEST).stat()
        except OSError:
            return ()
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        if self._known[0] != stamp:
            self._known = (stamp, *self._read())
        _, filters, made = self._known
        if made <= now + AHEAD and now - made <= MAX_AGE:
            return filters
        if self._told != stamp:
            self._told = stamp
            import logging  # noqa: PLC0415 - it takes a while to load, and is seldom needed

            logging.getLogger("puretls").warning("%s: the filters are too old, or of tomorrow: not used", self.folder)
        return ()

    def _read(self) -> tuple[tuple[Filter, ...], float]:
        try:
            with (self.folder / MANIFEST).open("rb") as file:
                manifest = json.loads(file.read(LARGEST_MANIFEST))
            made = _seconds(manifest["generated_at"])
            named = [(str(one["filename"]), int(one["size"])) for one in manifest["files"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return (), 0.0
        return tuple(one for name, size in named if (one := self._open(name, size)) is not None), made

    def _open(self, name: str, size: int) -> Filter | None:
        if Path(name).name != name:  # a manifest names files beside it
            return None
        try:
            with (self.folder / name).open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return Filter(data) if len(data) == size else None
        except (OSError, ValueError):
            return None


def _seconds(value: Any) -> float:
    """`generated_at`: seconds since the epoch, or a date as RFC 3339 writes it."""
    if isinstance(value, int | float):
        return float(value)
    moment = dt.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).timestamp()


def folders() -> Iterator[Path]:
    """Where upki keeps its filters: the user's cache, then what the system's configuration names."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~").expanduser() / ".cache")
    yield Path(base) / "upki" / "revocation"
    try:
        text = Path("/etc/xdg/upki/config.toml").read_text("utf-8")
    except (OSError, ValueError):
        return
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and name.strip() == "cache-dir":
            yield Path(value.strip().strip("\"'")) / "revocation"
