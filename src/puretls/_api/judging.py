"""Functions of the program that judge a peer: `verify_callback` and the function of `set_cert_verify_callback()`.

The engine decides when they are asked (_engine/admission.py).  This module decides with what they are called, and what
their result means: None lets the peer in, and anything else ends the handshake.  They can only refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any
from weakref import ref

from puretls._api.errors import SSLCertVerificationError
from puretls._api.names import Purpose
from puretls._api.unraisable import called, report_unraisable
from puretls._base import faults, registry
from puretls._base.faults import Abort, VerifyAbort
from puretls._base.public import public
from puretls._x509 import codes

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._api.sslconnection import _SSLSocket
    from puretls._engine.requests import VerifyRequest

WARNINGS = frozenset(
    {registry.CLOSE_NOTIFY, registry.USER_CANCELED, registry.NO_RENEGOTIATION}
)  # RFC 8446 6, RFC 5246 7.2
FATAL = registry.ALERTS.keys() - WARNINGS


@public
class VerifyInfo:
    """What `SSLContext.verify_callback` learns about the peer."""

    __slots__ = (
        "chain", "ocsp_response", "path", "purpose", "raw_public_key", "resumed", "sct_list", "server_hostname",
    )  # fmt: skip

    chain: list[bytes]
    """The certificates that the peer presented, in DER; empty if it has presented none."""
    path: list[bytes] | None
    """The verified path from the peer's certificate to the anchor, in DER; None if nothing was verified."""
    server_hostname: str | None
    """The name that a client asks for; None on servers."""
    purpose: Purpose
    """What the peer's certificate is for: SERVER_AUTH on clients, CLIENT_AUTH on servers."""
    resumed: bool
    """Whether the peer has proven who it is in an earlier handshake, of which this one resumes the session."""
    ocsp_response: bytes | None
    """The response that a server has stapled, in DER, if `request_ocsp` was set."""
    sct_list: bytes | None
    """Signed certificate timestamps of the handshake (RFC 6962 3.3), if `request_sct` was set and it has some."""
    raw_public_key: bytes | None
    """A public key without a certificate (RFC 7250), as SubjectPublicKeyInfo in DER; None if it has shown none."""

    def __init__(self, conn: Any, peer: Any, resumed: bool) -> None:
        self.chain = [] if peer is None else [x.der for x in peer.chain]
        self.path = None if peer is None or peer.path is None else [x.der for x in peer.path]
        self.server_hostname = conn.server_hostname
        self.purpose = Purpose.CLIENT_AUTH if conn.server_side else Purpose.SERVER_AUTH
        self.resumed = resumed
        self.ocsp_response = None if peer is None or conn.server_side else peer.ocsp
        self.sct_list = None if peer is None or conn.server_side else peer.scts
        self.raw_public_key = None if peer is None else peer.raw

    def __repr__(self) -> str:
        which = "resumed " if self.resumed else ""
        return f"<VerifyInfo {which}{self.purpose.name} with {len(self.chain)} certificates>"


VerifyCallback = Callable[[Any, VerifyInfo], Any]
CertVerifyCallback = Callable[[Any, list[bytes]], Any]


class _JudgeSettings:
    """The two settings of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def verify_callback(self) -> VerifyCallback | None:
        """A function that may refuse a peer that has satisfied everything else; None unless set.

        It is called as `f(connection, info)` at the end of every handshake, of one that resumes a session and of
        post-handshake authentication too: once the peer has proven that it has its key, and before it hears from us
        that the handshake is done.  `info` is a VerifyInfo; getpeercert() has the certificate already.
        None accepts.  A number of a fatal alert (an ALERT_DESCRIPTION_*) refuses with that alert and the reason
        CALLBACK_FAILED; an SSLCertVerificationError refuses with the alert of its `verify_code`, and is what the
        handshake raises.  Anything else that is returned or raised
        goes to sys.unraisablehook, and the alert is internal_error.  It may return a future, or under `puretls.asyncio`
        something to await.  A session is not resumed under another function than it was made under.
        """
        found: VerifyCallback | None = self._settings.verify_callback
        return found

    @verify_callback.setter
    def verify_callback(self, value: VerifyCallback | None) -> None:
        if value is not None and not callable(value):
            raise TypeError("verify_callback must be a callable or None")
        self._settings.verify_callback = value

    def set_cert_verify_callback(self, callback: CertVerifyCallback | None, /) -> None:
        """Have `callback(connection, chain)` judge the peer's certificates in place of path building.

        `chain` is what the peer presented, as a list of DER.  What it returns or raises counts as for
        `verify_callback`, and it is called when that one is.  With check_hostname the name is still checked, and so is
        the strength of the key; trust anchors, dates, purposes, CRLs, OCSP, CRLite and
        timestamps are left to the callback.  What
        it accepts counts as verified.  None goes back to path building.  ValueError if verify_mode is CERT_NONE.
        """
        if callback is not None and not callable(callback):
            raise TypeError("callback must be a callable or None")
        if callback is not None and not self._settings.verify_mode:
            raise ValueError("set_cert_verify_callback() needs CERT_OPTIONAL or CERT_REQUIRED as verify_mode")
        self._settings.path_callback = callback


def verdict(sslobj: _SSLSocket, request: VerifyRequest) -> Generator[Any, Any, None]:
    """Call the function; None if it lets the peer in."""
    conn, peer = sslobj._conn, request.peer
    owner = sslobj._callback_owner()
    if owner is None:
        raise refusal(registry.INTERNAL_ERROR)
    about: Any
    if request.in_place:
        about = [] if peer is None else [x.der for x in peer.chain]
    else:
        about = VerifyInfo(conn, peer, request.resumed)
    sslobj._judged = (peer,)  # so that the function can ask the connection for its certificate
    waiting = ref(sslobj)
    del sslobj
    try:
        said = called(request.judge, owner, about)
        del conn, owner, about
        said = yield said
    except GeneratorExit:
        raise
    except SSLCertVerificationError as error:
        raise unverified(error) from error
    except BaseException as error:
        report_unraisable(error)  # whatever it is, the peer is refused
        raise refusal(registry.INTERNAL_ERROR) from error
    finally:
        connection = waiting()
        if connection is not None:
            connection._judged = None
        del connection
    if said is None:
        return
    if isinstance(said, int) and not isinstance(said, bool) and said in FATAL:
        raise refusal(int(said))
    report_unraisable(TypeError(f"a callback that verifies returns None or the number of a fatal alert, not {said!r}"))
    raise refusal(registry.INTERNAL_ERROR)


def unverified(error: SSLCertVerificationError) -> Abort:
    """The refusal for an error that the function has raised."""
    code = getattr(error, "verify_code", None)
    if not isinstance(code, int) or code <= 0:
        code = codes.APPLICATION
    text, alert = codes.VERDICTS.get(code, codes.VERDICTS[codes.APPLICATION])
    if code not in codes.VERDICTS:
        alert = registry.CERTIFICATE_UNKNOWN
    said = getattr(error, "verify_message", None) or next((x for x in error.args[::-1] if isinstance(x, str)), "")
    return VerifyAbort(code, str(said) or text, 0, alert)


def refusal(alert: int) -> Abort:
    """The Abort that ends the handshake with this alert."""
    return Abort(faults.CALLBACK_FAILED._replace(alert=alert))
