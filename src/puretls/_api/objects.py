"""SSLSession and Certificate: the objects that a connection returns, as views of objects of the engine and of
`_x509`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from puretls._api.errors import ssl_error
from puretls._api.names import DER_cert_to_PEM_cert
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._crypto.kdf import SHA256
from puretls._engine.session import Session
from puretls._engine.session_bytes import dump
from puretls._x509 import certificate, peercert, pem

if TYPE_CHECKING:
    from puretls._api.context import SSLContext

ENCODING_PEM, ENCODING_DER = 1, 2


@public
class SSLSession:
    """A session that a client can resume, by SSLContext.wrap_socket(session=); belongs to the context it was made with.

    With TLS 1.3 each ticket is a session: ask SSLSocket.session after data has been read, and use each once.
    """

    __slots__ = ("__weakref__", "_context", "_session")
    __hash__ = None  # type: ignore[assignment]  # unhashable, as ssl's

    if TYPE_CHECKING:
        _session: Session
        _context: SSLContext | None  # None: from a cache, which contexts may share

    def __init__(self) -> None:
        raise TypeError("cannot create 'SSLSession' instances")

    @classmethod
    def _of(cls, session: Session, context: SSLContext | None) -> SSLSession:
        self = cls.__new__(cls)
        self._session, self._context = session, context
        return self

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, SSLSession) else NotImplemented

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle 'SSLSession' object")

    @property
    def id(self) -> bytes:
        """The session id (RFC 5246 7.4.1.2); of a session in a ticket, a digest of the ticket."""
        session = self._session
        return SHA256.hash(session.ticket) if session.ticket else session.id

    @property
    def time(self) -> int:
        """When it was established, in seconds since the epoch."""
        return int(self._session.time)

    @property
    def timeout(self) -> int:
        """For how many seconds after `time` it may be resumed."""
        return self._session.left(self._session.time, self._session.lifetime)

    @property
    def ticket_lifetime_hint(self) -> int:
        """How long the server promises to honour the ticket, in seconds."""
        return self._session.lifetime_hint

    @property
    def has_ticket(self) -> bool:
        """Whether there is a ticket to resume it with."""
        return bool(self._session.ticket)

    @property
    def max_early_data(self) -> int:
        """How many bytes of early data the server takes with it; 0 if none (SSLContext.max_early_data)."""
        return self._session.max_early_data

    def to_bytes(self) -> bytes:
        """The session for another process, or for later: SSLContext.load_session() takes it.

        They hold the secret of the session, the server's name and certificates, and that these were verified: keep
        them as you keep a private key.  The format is of this library, and has a version.
        """
        return dump(self._session)


@public
class Certificate:
    """A certificate of the peer's chain."""

    __slots__ = ("__weakref__", "_certificate")

    if TYPE_CHECKING:
        _certificate: certificate.Certificate

    def __init__(self) -> None:
        raise TypeError("cannot create 'Certificate' instances")

    @classmethod
    def _of(cls, parsed: certificate.Certificate) -> Certificate:
        self = cls.__new__(cls)
        self._certificate = parsed
        return self

    def __eq__(self, other: object) -> bool:
        return self._certificate.der == other._certificate.der if isinstance(other, Certificate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._certificate.der)

    def __repr__(self) -> str:
        try:
            subject = peercert.one_line(self._certificate.subject_rdns)
        except ValueError:  # in a chain that was not verified
            return "<_ssl.Certificate that cannot be read>"
        return f"<_ssl.Certificate '{subject}'>"

    def public_bytes(self, format: int = ENCODING_PEM) -> str | bytes:  # noqa: A002  # _ssl's name
        """The certificate as PEM (str) or DER (bytes)."""
        if format == ENCODING_PEM:
            return DER_cert_to_PEM_cert(self._certificate.der)
        if format == ENCODING_DER:
            return self._certificate.der
        raise ValueError("Unsupported format")

    def get_info(self) -> dict[str, Any]:
        """The dictionary that getpeercert() would return."""
        return peercert.peercert(self._certificate)


def decode_certificate(path: str, /) -> dict[str, Any]:
    """The getpeercert() dictionary of the first certificate in a PEM file: `_ssl._test_decode_cert`."""
    with open(path, "rb") as file:  # noqa: PTH123  # str and bytes alike
        data = file.read()
    try:
        body = next(body for label, body, _ in pem.blocks(data) if label in pem.CERTIFICATES)
        return peercert.peercert(certificate.load(pem.decoded(body)))
    except (StopIteration, ValueError, Abort):
        raise ssl_error(0, "Error decoding PEM-encoded file") from None
