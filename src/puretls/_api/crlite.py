"""CRLite for programs: the filters in a folder, and the status that they give a certificate."""

from __future__ import annotations

import os
from time import time as clock
from typing import TYPE_CHECKING

from puretls._api.errors import abort_error
from puretls._api.settings import PROTOCOL_TLS_SERVER
from puretls._api.types import CertificateData
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._x509 import crlite, verify
from puretls._x509.crlite import CRLiteStatus as CRLiteStatus  # noqa: PLC0414 - a public name

if TYPE_CHECKING:
    from puretls._api.settings import Settings


@public
class CRLite:
    """Mozilla's filters of revoked certificates, from a folder with a `manifest.json` (see `puretls crlite`).

    Without a path they are upki's: `$XDG_CACHE_HOME/upki/revocation`, or where /etc/xdg/upki/config.toml says.  Nothing
    is fetched.  Files are read when they are needed, and again when the manifest has changed; a folder that is not
    there, or whose manifest is older than ten days, says NOT_COVERED of everything.
    """

    __slots__ = ("_filters",)

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        from pathlib import Path  # noqa: PLC0415 - with the next line: few programs come here, and both take a while

        from puretls._api import filter_files  # noqa: PLC0415

        if path is None:
            found = list(filter_files.folders())
            path = next((one for one in found if one.is_dir()), found[0])
        self._filters = filter_files.Filters(Path(path))

    def __repr__(self) -> str:
        return f"CRLite({str(self._filters.folder)!r})"

    @property
    def path(self) -> os.PathLike[str]:
        """The folder."""
        return self._filters.folder

    def check(self, leaf: CertificateData, issuer: CertificateData, /, *, time: float | None = None) -> CRLiteStatus:
        """What the filters say of a certificate of that issuer.

        Both are as in `verify_chain()`; SSLError if one cannot be read.  `time` is in seconds since the epoch,
        now unless given, and decides whether the filters are too old.
        """
        try:
            both = [verify.first(one) for one in (leaf, issuer)]
        except Abort as abort:
            raise abort_error(abort) from None
        return crlite.check(self._filters.current(clock() if time is None else time), *both)


class _CRLiteSettings:
    """The attribute of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def crlite(self) -> CRLite | None:
        """Filters that a client asks whether a server's certificate is revoked; None unless set.

        Where they say so, verification fails with verify_code 23; whatever else they say passes, as they know neither
        new certificates nor private CAs.  ValueError on a context for servers.
        """
        filters: CRLite | None = self._settings.crlite
        return filters

    @crlite.setter
    def crlite(self, value: CRLite | None) -> None:
        if value is not None and not isinstance(value, CRLite):
            raise TypeError(f"crlite must be a CRLite or None, not {type(value).__name__}")
        if value is not None and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("crlite cannot be set on a PROTOCOL_TLS_SERVER context")
        self._settings.crlite = value
