"""CRLite: the attribute of contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._api.settings import PROTOCOL_TLS_SERVER
from puretls._base.deferred import deferred

if TYPE_CHECKING:
    from puretls._api import crlite
    from puretls._api.settings import Settings
else:
    crlite = deferred("puretls._api.crlite")


class _CRLiteSettings:
    """The attribute of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def crlite(self) -> crlite.CRLite | None:
        """Filters that a client asks whether a server's certificate is revoked; None unless set.

        Where they say so, verification fails with verify_code 23; whatever else they say passes, as they know neither
        new certificates nor private CAs.  ValueError on a context for servers.
        """
        filters: crlite.CRLite | None = self._settings.crlite
        return filters

    @crlite.setter
    def crlite(self, value: crlite.CRLite | None) -> None:
        if value is not None and not isinstance(value, crlite.CRLite):
            raise TypeError(f"crlite must be a CRLite or None, not {type(value).__name__}")
        if value is not None and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("crlite cannot be set on a PROTOCOL_TLS_SERVER context")
        self._settings.crlite = value
