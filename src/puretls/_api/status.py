"""OCSP (RFC 6960): what a client asks for and how it treats the response, and what a server staples."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from puretls._api.settings import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER
from puretls._base.deferred import deferred
from puretls._base.public import public
from puretls._engine.status import OCSP_CHECK, OCSP_IGNORE, OCSP_REQUIRE

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._x509 import ocsp
else:
    ocsp = deferred("puretls._x509.ocsp")

OcspSource = bytes | Callable[[Any], bytes | None] | None


@public
class OCSPPolicy(IntEnum):
    """How a client treats the stapled OCSP response that it has asked for."""

    IGNORE = OCSP_IGNORE
    """Nothing: the program looks at `ocsp_response` itself."""
    CHECK = OCSP_CHECK
    """A certificate that a good response calls revoked is refused; so is one that demands a response and has none."""
    REQUIRE = OCSP_REQUIRE
    """No certificate is accepted without a response that calls it good."""


class _StatusSettings:
    """The attributes of an SSLContext about OCSP."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def request_ocsp(self) -> bool:
        """Whether a client asks for a stapled OCSP response (RFC 6066 8); False unless set.

        What it makes of the answer is for `ocsp_policy` to say.  ValueError on a context for servers.
        """
        return self._settings.request_ocsp

    @request_ocsp.setter
    def request_ocsp(self, value: bool) -> None:
        if value and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("request_ocsp cannot be set on a PROTOCOL_TLS_SERVER context")
        self._settings.request_ocsp = bool(value)

    @property
    def ocsp_policy(self) -> OCSPPolicy:
        """What a client makes of the OCSP response that it has asked for: OCSPPolicy.CHECK unless set.

        It counts where `request_ocsp` is set and certificates are verified.  A response counts if it is signed by the
        certificate's issuer or by whom that has certified for it, is about this certificate, and is neither stale nor
        from the future (RFC 6960 3.2).  Nothing is ever fetched.  A certificate is refused with verify_code 23
        (revoked), 73 (no response), 74 (one that says nothing) or 75 (the responder does not know it).
        """
        return OCSPPolicy(self._settings.ocsp_policy)

    @ocsp_policy.setter
    def ocsp_policy(self, value: OCSPPolicy) -> None:
        self._settings.ocsp_policy = OCSPPolicy(value)

    @property
    def ocsp_response(self) -> OcspSource:
        """What a server staples for clients that ask: a response in DER, a function of the connection, or None.

        A response goes with the certificate that it is about; to have several, or one that is renewed, assign a
        function: it is called as `f(connection)` once sni_callback has run, and returns a response or None.  If it
        raises, or returns what is none, the handshake fails with internal_error and sys.unraisablehook is told.  Bytes
        that are no response are a ValueError.
        """
        source: OcspSource = self._settings.ocsp_response
        return source

    @ocsp_response.setter
    def ocsp_response(self, value: OcspSource) -> None:
        if self._settings.protocol == PROTOCOL_TLS_CLIENT and value is not None:
            raise ValueError("ocsp_response cannot be set on a PROTOCOL_TLS_CLIENT context")
        if value is not None and not callable(value):
            value = bytes(memoryview(value))
            ocsp.serial_numbers(value)
        self._settings.ocsp_response = value
