"""SSLObject: a TLS connection over two memory BIOs, for programs that move the bytes themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from puretls._api import native
from puretls._api.objects import SSLSession
from puretls._api.queries import _Queries
from puretls._api.sslconnection import _SSLSocket
from puretls._api.types import Buffer, PeerCertificate
from puretls._base.public import public

if TYPE_CHECKING:
    from ssl import SSLObject as _Base

    from puretls._api.context import SSLContext
else:
    _Base = object if native.ssl is None else native.ssl.SSLObject


@public
class SSLObject(_Queries, _Base, metaclass=native.StandIn):
    """A connection without a socket: bytes come from one BIO and go to another.

    Made by SSLContext.wrap_bio().  All operations are non-blocking, and there is neither do_handshake_on_connect nor
    suppress_ragged_eofs.
    """

    if TYPE_CHECKING:
        _sslobj: _SSLSocket

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        raise TypeError(
            f"{type(self).__name__} does not have a public constructor. "
            "Instances are returned by SSLContext.wrap_bio()."
        )

    @classmethod
    def _create(
        cls,
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: str | None = None,
        session: SSLSession | None = None,
        context: SSLContext | None = None,
    ) -> SSLObject:
        self = cls.__new__(cls)
        assert context is not None, "wrap_bio() passes itself"  # noqa: S101  # ssl's signature has it optional
        self._sslobj = context._wrap_bio(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            owner=self,
            session=session,
        )
        return self

    @property  # type: ignore[override]  # ours
    def context(self) -> SSLContext:
        """The context in use; sni_callback may assign another."""
        return self._sslobj.context

    @context.setter
    def context(self, ctx: SSLContext) -> None:
        self._sslobj.context = ctx

    @property  # type: ignore[override]  # a class of ours
    def session(self) -> SSLSession | None:
        """The session; a client may set it before the handshake to resume it."""
        return self._sslobj.session

    @session.setter  # type: ignore[override]  # as above
    def session(self, session: SSLSession) -> None:
        self._sslobj.session = session

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return self._sslobj.session_reused

    @property
    def server_side(self) -> bool:
        """Whether this is the server."""
        return self._sslobj.server_side

    @property
    def server_hostname(self) -> str | None:
        """The name of the server that was asked for."""
        return self._sslobj.server_hostname

    @overload  # type: ignore[override]
    def read(self, len: int = 1024, buffer: None = None) -> bytes: ...
    @overload
    def read(self, len: int, buffer: Buffer) -> int: ...
    def read(self, len: int = 1024, buffer: Buffer | None = None) -> bytes | int:  # noqa: A002  # ssl's name
        """Up to `len` bytes of data; with a buffer, how many were put into it."""
        return self._sslobj.read(len) if buffer is None else self._sslobj.read(len, buffer)  # type: ignore[no-any-return]

    def write(self, data: Buffer) -> int:
        """Send data; how many bytes of it were taken."""
        return self._sslobj.write(data)

    @overload  # type: ignore[override]
    def getpeercert(self, binary_form: Literal[False] = False) -> PeerCertificate | None: ...
    @overload
    def getpeercert(self, binary_form: Literal[True]) -> bytes | None: ...
    @overload
    def getpeercert(self, binary_form: bool) -> PeerCertificate | bytes | None: ...
    def getpeercert(self, binary_form: bool = False) -> PeerCertificate | bytes | None:
        """The peer's certificate: a dictionary, empty if it was not verified, or with `binary_form` DER.

        None if there is none.
        """
        return cast("PeerCertificate | bytes | None", self._sslobj.getpeercert(binary_form))

    def pending(self) -> int:
        """How many bytes can be read at once."""
        return self._sslobj.pending()

    def do_handshake(self) -> None:
        """Begin the handshake, or go on with it."""
        self._sslobj.do_handshake()

    def unwrap(self) -> None:
        """Say goodbye: send close_notify and wait for the peer's.  Returns None."""
        self._sslobj.shutdown()

    def set_waker(self, waker: Callable[[], object] | None) -> None:
        """Have `waker` called, from any thread, when an answer is there that a key has promised.

        With it do_handshake() raises SSLWantAnswerError meanwhile; without it do_handshake() blocks.
        """
        self._sslobj.set_waker(waker)

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate now (TLS 1.3 servers)."""
        self._sslobj.verify_client_post_handshake()
