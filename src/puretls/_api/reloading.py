"""Reading files again when they have changed: `reload=` of load_cert_chain() and load_verify_locations().

There is no thread.  When a connection is wrapped and enough seconds have passed since the last look, the thread that
wraps it looks whether the files have changed, and reads them again; other threads that wrap at the same time use what
there is.  Files that cannot be used change nothing, and are tried again at the next look.

Names are resolved each time: Kubernetes exchanges a symbolic link in the path of all its files, so that they change
together.  A certificate and a key of which only one is new do not fit each other; both stay as they were until the
other file is new as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from puretls._api import credentials, pkcs11, secret_files, trust
from puretls._api.types import StrOrBytesPath
from puretls._base.locks import new_lock
from puretls._crypto.kdf import SHA256
from puretls._engine.config import Credential
from puretls._x509.store import SETTLED, Bundle

if TYPE_CHECKING:
    from puretls._api.settings import Settings

Stamp = tuple[object, ...]
MOST_TRIES = 3  # of a look: the files may be exchanged while they are read


def interval(seconds: Any) -> float:
    """The checked value of `reload=`: a number of seconds, possibly infinite; TypeError or ValueError for others."""
    if not isinstance(seconds, int | float):
        raise TypeError(f"reload must be a number of seconds or None, not {type(seconds).__name__}")
    if not seconds >= 0:
        raise ValueError("reload must not be negative")
    return float(seconds)


def named(given: Any, argument: str) -> str:
    """The name of a file; ValueError for anything else, which cannot be read again."""
    if (
        not isinstance(given, str | bytes | os.PathLike)
        or not secret_files.is_a_name(given)
        or (isinstance(given, str | bytes) and credentials.is_material(given))
    ):
        raise ValueError(f"reload needs the name of a file in {argument}")
    return os.path.abspath(os.fsdecode(given))  # noqa: PTH100 - a name


def no_terminal() -> str:
    """The password where none was given: there is nobody to ask when the files are read again."""
    raise ValueError("reload needs the password: nobody can be asked for it when the file is read again")


class Source:
    """Files that are read again when they have changed."""

    def __init__(self, names: Sequence[str], seconds: float) -> None:
        self.names, self.seconds = tuple(names), interval(seconds)
        self.due = time.monotonic() + seconds
        self.error: Exception | None = None  # of the last try
        self.warned: Stamp = ()  # the files for which a warning was logged
        self.seen: Stamp = ()  # the files as they were when they were read

    def stamp(self) -> tuple[tuple[str, ...], Stamp, int]:
        """The resolved names, the state of the files, and when the newest was changed; OSError if one is missing."""
        paths, found, newest = tuple(map(os.path.realpath, self.names)), [], 0
        for path in paths:
            status = os.stat(path)  # noqa: PTH116 - a name
            times = status.st_mtime_ns, status.st_ctime_ns
            found.append((path, *times, status.st_size, status.st_ino, status.st_dev))
            newest = max(newest, *times)
        return paths, tuple(found), newest

    def refresh(self, settings: Settings, order: int, *, force: bool = False) -> bool:
        """Look, and read what has changed; whether there is something new."""
        stamp: Stamp = ()
        for left in reversed(range(MOST_TRIES)):
            try:
                paths, stamp, newest = self.stamp()
                if stamp == self.seen and not force:
                    self.error = None
                    return False
                changed = self.read(settings, paths, order)
            except Exception as error:  # noqa: BLE001  # whatever it is, the old content stays in use
                if left and self._has_moved(stamp):
                    continue
                self._failed(error, stamp)
                return False
            settled = time.time_ns() - newest > SETTLED  # otherwise it may still change within the same timestamp
            self.error, self.seen = None, stamp if settled else ()
            return changed
        return False

    def read(self, settings: Settings, paths: tuple[str, ...], order: int) -> bool:
        """Read the files, and replace the old content with theirs; whether it is different."""
        raise NotImplementedError

    def _has_moved(self, stamp: Stamp) -> bool:
        try:
            return self.stamp()[1] != stamp
        except OSError:
            return False

    def _failed(self, error: Exception, stamp: Stamp) -> None:
        error.__traceback__ = error.__context__ = error.__cause__ = None  # their frames may contain keys and passwords
        self.error = error
        if self.warned != (stamp or (0,)):
            self.warned = stamp or (0,)
            import logging  # noqa: PLC0415 - nothing else here needs it

            text = "%s cannot be used, what was loaded before stays: %s"
            logging.getLogger("puretls").warning(text, " and ".join(self.names), error)


class Pair(Source):
    """A certificate chain and its key."""

    def __init__(self, certfile: Any, keyfile: Any, password: Any, level: int, seconds: float) -> None:
        names, self._key = [named(certfile, "certfile")], None
        if keyfile is not None and hasattr(keyfile, "sign"):
            self._key = keyfile  # a key object, which stays
        elif isinstance(keyfile, str) and keyfile.startswith(pkcs11.SCHEME):
            self._key = keyfile  # in a token, where it is looked for again with each new certificate
        elif keyfile is not None:
            names.append(named(keyfile, "keyfile"))
        super().__init__(names, seconds)
        self._password = no_terminal if password is None else password
        self._order, self._lock = -1, new_lock()
        self.credential, self._digests = self._loaded(self._content(tuple(map(os.path.realpath, self.names))), level)

    def read(self, settings: Settings, paths: tuple[str, ...], order: int) -> bool:
        """The certificate and its key, if both files are there and fit each other."""
        content = self._content(paths)
        if tuple(map(SHA256.hash, content)) == self._digests:
            return False
        credential, digests = self._loaded(content, settings.security_level)
        if credential.leaf.not_after < time.time():
            raise ValueError("the new certificate has expired")
        if credential.leaf.not_before > time.time():
            raise ValueError("the new certificate is not valid yet")
        with self._lock:
            if order < self._order:  # another thread has read them later
                return False
            self._order = order
            settings.replace_credential(self.credential, credential)
            self.credential, self._digests = credential, digests
        return True

    def _loaded(self, content: tuple[bytes, ...], level: int) -> tuple[Credential, tuple[bytes, ...]]:
        certificate, *key = map(BytesIO, content)
        credential = credentials.load(certificate, key[0] if key else self._key, self._password, level)
        return credential, tuple(map(SHA256.hash, content))

    @staticmethod
    def _content(paths: tuple[str, ...]) -> tuple[bytes, ...]:
        return tuple(map(secret_files.read, paths))


class Trust(Source):
    """A file of certificates and CRLs."""

    def __init__(self, cafile: StrOrBytesPath, seconds: float) -> None:
        super().__init__([named(cafile, "cafile")], seconds)
        self._order = -1
        self._lock = new_lock()
        self.bundle = trust.read_file(os.path.realpath(self.names[0])).alone()

    def read(self, settings: Settings, paths: tuple[str, ...], order: int) -> bool:
        """Trust what is in the file now, and no longer what was in it before."""
        bundle: Bundle = trust.read_file(paths[0]).alone()
        bundle.named()
        with self._lock:
            if order < self._order or bundle.holds_the_same_as(self.bundle):
                return False
            self._order = order
            settings.store.replace_bundle(self.bundle, bundle)
            self.bundle = bundle
        settings.changed()
        return True


class Reloader:
    """The files that a context reads again."""

    def __init__(self) -> None:
        self.sources: tuple[Source, ...] = ()
        self._next, self._looks = 0.0, 0
        self._turn, self._process = [None], os.getpid()

    def add(self, source: Source) -> None:
        """Add a file."""
        self.sources = (*self.sources, source)
        self._next = 0.0

    def keep(self, wanted: Callable[[Source], bool]) -> None:
        """Replace all files."""
        self.sources = tuple(filter(wanted, self.sources))

    def look(self, settings: Settings) -> None:
        """Look at the files if it is time, because a connection is wrapped."""
        now = time.monotonic()
        if now < self._next:
            return
        if self._process != os.getpid():  # forked, perhaps while another thread was looking
            self._turn, self._process = [None], os.getpid()
        try:
            self._turn.pop()
        except IndexError:  # another thread is looking
            return
        try:
            for source in self.sources:
                if now >= source.due:
                    source.refresh(settings, self._order())
                    source.due = time.monotonic() + source.seconds
            self._next = min((source.due for source in self.sources), default=float("inf"))
        finally:
            self._turn.append(None)

    def reload(self, settings: Settings) -> bool:
        """Read everything now; whether something has changed."""
        return sum(source.refresh(settings, self._order(), force=True) for source in self.sources) > 0

    def _order(self) -> int:
        """The number of a look; looks with a lower number have begun earlier."""
        self._looks += 1
        return self._looks

    @property
    def error(self) -> Exception | None:
        """The error of the last look at any of the files; None if there was none."""
        return next((source.error for source in self.sources if source.error is not None), None)
