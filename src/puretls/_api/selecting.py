"""Choosing by the ClientHello: one of several certificates, and the application protocol (RFC 7301)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

from puretls._api import lists
from puretls._api.judging import refusal
from puretls._api.settings import PROTOCOL_TLS_CLIENT
from puretls._api.types import CertificateSource, KeySource, Password
from puretls._api.unraisable import called, report_unraisable
from puretls._base import faults, registry
from puretls._base.deferred import deferred
from puretls._base.faults import Abort
from puretls._engine.config import Rules
from puretls._wire import extensions
from puretls._wire.codec import vec16

if TYPE_CHECKING:
    from puretls._api import credentials
    from puretls._api.settings import Settings
    from puretls._api.sslconnection import _SSLSocket
    from puretls._engine.requests import AlpnRequest
    from puretls._x509 import ocsp
else:
    credentials = deferred("puretls._api.credentials")
    ocsp = deferred("puretls._x509.ocsp")

AlpnSelectCallback = Callable[[Any, list[str]], Any]


class _SelectionSettings:
    """The methods of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    def add_cert_chain(
        self,
        /,
        certfile: CertificateSource,
        keyfile: KeySource | None = None,
        password: Password | None = None,
        *,
        names: Iterable[str] | None = None,
        signature_algorithms: Iterable[str] | None = None,
        ocsp_response: bytes | None = None,
        sct_list: bytes | Iterable[bytes] | None = None,
        must_match_issuer: bool = False,
    ) -> None:
        """Add a certificate chain and its private key to those that the context has.

        The first three arguments are those of load_cert_chain(), which replaces; this adds, however many there are.  A
        server shows, of those that are for the name that its client asks for, or of all if none is, the first with a
        scheme that the client accepts: in the order in which they were added, what was loaded before all of them.  A
        client chooses the same way from all when a server asks.  So many names need no sni_callback.

        `names` are the host names that it is for, `*.example.org` for any first label; else those of the certificate.
        `signature_algorithms`: names of the only schemes that the key is used with.  `ocsp_response` (DER) is stapled
        for clients that ask, and so is `sct_list`: a SignedCertificateTimestampList (RFC 6962 3.3), or a list of SCTs.
        With `must_match_issuer` it is shown only to peers who have named an issuer of its chain as one that they know.

        Raises what load_cert_chain() raises, and ValueError for the arguments of its own; then nothing has changed.
        """
        settings = self._settings
        rules = Rules(
            names=None if names is None else _names(names),
            schemes=None if signature_algorithms is None else _schemes(signature_algorithms),
            scts=None if sct_list is None else _timestamps(sct_list),
            must_match_issuer=bool(must_match_issuer),
            added=True,
        )
        if ocsp_response is not None:
            ocsp_response = bytes(memoryview(ocsp_response))
            ocsp.serial_numbers(ocsp_response)
        credential = credentials.load(certfile, keyfile, password, settings.security_level)
        if rules.schemes is None:
            rules = rules._replace(schemes=credential.rules.schemes)  # the schemes that the key itself names
        settings.added = (*settings.added, credential.with_rules(rules).with_staple(ocsp_response))

    @property
    def check_own_signatures(self) -> bool:
        """Whether what a key elsewhere has signed is verified before it is sent; True unless set.

        That is for keys that are not of `cryptography`: in a token, in a service, an object of your own.  A signature
        that is wrong is never sent, as it might give the key away (a fault in RSA with CRT does); the handshake ends
        with internal_error.
        """
        return self._settings.check_own_signatures

    @check_own_signatures.setter
    def check_own_signatures(self, value: bool) -> None:
        self._settings.check_own_signatures = bool(value)

    def set_alpn_select_callback(self, callback: AlpnSelectCallback | None, /) -> None:
        """Have a server's protocol be chosen by `callback(connection, protocols)`, in place of set_alpn_protocols().

        `protocols` is what the client offers, best first.  The callback returns one of them, or None to go on without
        (RFC 7301 3.2); if it raises, the handshake ends with no_application_protocol, and the SSLError has the
        exception as its cause.  Anything else is reported to sys.unraisablehook, and the alert is internal_error.  It
        is called once, after sni_callback, and not for clients that offer none; it may return a future, or under
        `puretls.asyncio` something to await.  None: as set_alpn_protocols() says.
        """
        if self._settings.protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("set_alpn_select_callback() is for servers, and this context is for clients")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be a callable or None")
        self._settings.alpn_select = callback


def _names(given: Iterable[str]) -> frozenset[str]:
    """Host names in lower case, as A-labels; ValueError for anything else."""
    found = set()
    for name in [given] if isinstance(given, str) else given:
        if not isinstance(name, str):
            raise TypeError(f"names are strings, not {type(name).__name__}")
        star, rest = ("*.", name[2:]) if name.startswith("*.") else ("", name)
        if not rest.isascii():
            rest = rest.encode("idna").decode("ascii")
        rest = rest.lower().removesuffix(".")
        if not rest or "*" in rest or not all(rest.split(".")):
            raise ValueError(f"not a name of hosts: {name!r}")
        found.add(star + rest)
    if not found:
        raise ValueError("names is empty: leave it out for the names of the certificate")
    return frozenset(found)


def _schemes(given: Iterable[str]) -> frozenset[int]:
    """The numbers of schemes; ValueError for an unknown one."""
    text = given if isinstance(given, str) else ":".join(given)
    return frozenset(scheme.code for scheme in lists.parse_schemes(text))


def _timestamps(given: Any) -> bytes:
    """A SignedCertificateTimestampList; ValueError for anything else."""
    scts = given if isinstance(given, bytes | bytearray | memoryview) else [bytes(memoryview(one)) for one in given]
    try:
        found = vec16(b"".join(map(vec16, scts))) if isinstance(scts, list) else bytes(scts)
        extensions.certificate_timestamps(found)
    except (Abort, IndexError):
        raise ValueError("sct_list is no SignedCertificateTimestampList (RFC 6962 3.3)") from None
    if len(found) > lists.LONGEST:
        raise ValueError("sct_list is too long for one message")
    return found


def protocol(sslobj: _SSLSocket, request: AlpnRequest) -> Generator[Any, Any, bytes | None]:
    """Call the function; the protocol, or None for none."""
    owner = sslobj._callback_owner()
    if owner is None:
        raise refusal(registry.INTERNAL_ERROR)
    offered = [one.decode("ascii", "surrogateescape") for one in request.protocols]
    del sslobj
    try:
        said = called(request.select, owner, list(offered))
        del owner
        said = yield said
    except GeneratorExit:
        raise
    except BaseException as error:
        raise Abort(faults.NO_APPLICATION_PROTOCOL) from error
    if said is None:
        return None
    if isinstance(said, str) and said in offered:
        return request.protocols[offered.index(said)]
    report_unraisable(ValueError("what was chosen is none of the protocols that were offered"))
    raise refusal(registry.INTERNAL_ERROR)
