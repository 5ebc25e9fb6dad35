"""Certificate Transparency (RFC 6962): the attributes of contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from puretls._api.selecting import _timestamps
from puretls._api.settings import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._api.transparency import CTPolicy


class _TransparencySettings:
    """The attributes of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def request_sct(self) -> bool:
        """Whether a client asks for signed certificate timestamps in the handshake (RFC 6962 3.3); False unless set.

        Those in certificates come unasked.  ValueError on a context for servers.
        """
        return self._settings.request_sct

    @request_sct.setter
    def request_sct(self, value: bool) -> None:
        if value and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("request_sct cannot be set on a PROTOCOL_TLS_SERVER context")
        self._settings.request_sct = bool(value)

    @property
    def sct_list(self) -> bytes | None:
        """What a server sends to clients that ask: a SignedCertificateTimestampList (RFC 6962 3.3); None unless set.

        May be set to a list of SCTs as well.  It belongs to the certificate of load_cert_chain(); for several
        certificates, give each its own with add_cert_chain().  ValueError for what is no such list.
        """
        return self._settings.sct_list

    @sct_list.setter
    def sct_list(self, value: Any) -> None:
        if value is not None and self._settings.protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("sct_list cannot be set on a PROTOCOL_TLS_CLIENT context")
        self._settings.sct_list = None if value is None else _timestamps(value)

    @property
    def ct_policy(self) -> CTPolicy | None:
        """What a client demands of the timestamps of a server's certificate; None, which is nothing, unless set.

        Those in the certificate, in the handshake and in the stapled OCSP response count, as far as they were asked
        for.  Where there are too few, verification fails with verify_code 50 and a `verify_message` that counts them; a
        note says what is wrong with the others.  ValueError on a context for servers.
        """
        policy: CTPolicy | None = self._settings.ct_policy
        return policy

    @ct_policy.setter
    def ct_policy(self, value: CTPolicy | None) -> None:
        if value is not None and not _is_policy(value):
            raise TypeError(f"ct_policy must be a CTPolicy or None, not {type(value).__name__}")
        if value is not None and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("ct_policy cannot be set on a PROTOCOL_TLS_SERVER context")
        self._settings.ct_policy = value


def _is_policy(value: object) -> bool:
    from puretls._api.transparency import CTPolicy  # noqa: PLC0415  # few programs have one

    return isinstance(value, CTPolicy)
