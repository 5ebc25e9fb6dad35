"""CRLite for programs: the filters in a folder, and the status that they give a certificate."""

from __future__ import annotations

import os

from puretls._api.errors import abort_error
from puretls._api.moments import moment
from puretls._api.types import CertificateData
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._x509 import crlite, verify
from puretls._x509.crlite import CRLiteStatus as CRLiteStatus  # noqa: PLC0414 - a public name


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

    def check(self, leaf: CertificateData, issuer: CertificateData, *, time: float | None = None) -> CRLiteStatus:
        """What the filters say of a certificate of that issuer.

        Both are as in `verify_chain()`; SSLError if one cannot be read.  `time` is in seconds since the epoch,
        now unless given, and decides whether the filters are too old.
        """
        when = moment(time)
        try:
            both = [verify.first(one) for one in (leaf, issuer)]
        except Abort as abort:
            raise abort_error(abort) from None
        return crlite.check(self._filters.current(when), *both)
