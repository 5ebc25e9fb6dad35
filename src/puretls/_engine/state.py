"""States of a connection: what may arrive is declared, what comes next is returned.

A state accepts the handshake messages it has marked with `@on` and no others; each handler gets the parsed message and
returns the successor.  A parked state expects nothing: it holds a Request that somebody outside answers with
`Handshake.resume`, so the engine never calls out and is never re-entered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._wire.codec import StructError

if TYPE_CHECKING:
    from puretls._crypto.signatures import Scheme
    from puretls._engine.config import Credential
    from puretls._engine.handshake import Handshake
    from puretls._engine.peer import Peer
    from puretls._wire.hello import ClientHello

Parse = Callable[[bytes], Any]
Handler = Callable[[Any, "Handshake", Any], "State"]
H = TypeVar("H", bound=Callable[..., "State"])
T = TypeVar("T")
HELLO_REQUEST = bytes((registry.HELLO_REQUEST, 0, 0, 0))
MAX_REQUESTS = 32  # in one handshake


def on(kind: int, parse: Parse) -> Callable[[H], H]:
    """Mark a method as the handler of a handshake message, and say how that message is parsed here."""

    def mark(handler: H) -> H:
        handler.__dict__["accepts"] = kind, parse
        return handler

    return mark


def decode(parse: Callable[[bytes], T], raw: bytes) -> T:
    """Only the codec runs in here: what it cannot read is decode_error."""
    try:
        return parse(raw)
    except (IndexError, StructError):
        raise Abort(faults.LENGTH_MISMATCH) from None


class Request:
    """A question that the engine cannot answer itself; the state that holds it waits for `Handshake.resume`."""

    __slots__ = ()


class ClientHelloRequest(Request):
    """A server may still choose its configuration.  Answer: the Config to go on with."""

    __slots__ = ("hello", "server_name")

    def __init__(self, hello: ClientHello, server_name: str | None) -> None:
        self.hello, self.server_name = hello, server_name


class SignRequest(Request):
    """A private key that is not in this process.  Answer: the signature over `data` (bytes)."""

    __slots__ = ("credential", "data", "scheme")

    def __init__(self, credential: Credential, scheme: Scheme, data: bytes) -> None:
        self.credential, self.scheme, self.data = credential, scheme, data


class LaterRequest(Request):
    """A function of the program has returned what may be a promise.  Answer: the same, or what it comes to."""

    __slots__ = ("promise",)

    def __init__(self, promise: Any) -> None:
        self.promise = promise


class VerifyRequest(Request):
    """A peer has shown who it is, or that it is nobody, and `judge` may refuse it.  Answer: None, if it does not.

    `in_place`: the judge stands in for path building, and has not to be asked about who has no certificate.
    """

    __slots__ = ("in_place", "judge", "peer", "resumed")

    def __init__(self, judge: Any, peer: Peer | None, resumed: bool, *, in_place: bool) -> None:
        self.judge, self.peer, self.resumed, self.in_place = judge, peer, resumed, in_place


class PskClientRequest(Request):
    """A client may use a pre-shared key.  Answer: (identity, key), or None to go on without one."""

    __slots__ = ("hint",)

    def __init__(self, hint: bytes | None) -> None:
        self.hint = hint  # TLS 1.2 only


class PskServerRequest(Request):
    """A client has named a pre-shared key.  Answer: the key, or None if there is none of that name."""

    __slots__ = ("identity",)

    def __init__(self, identity: bytes) -> None:
        self.identity = identity


class State:
    """One place in a handshake, or after it."""

    __slots__ = ()
    expects: ClassVar[dict[int, tuple[Parse, Handler]]] = {}
    accepts_data: ClassVar[bool] = False
    expects_ccs: ClassVar[bool] = False
    reads_ahead: ClassVar[bool] = False  # the peer can have sent nothing beyond what is expected here
    request: Request | None = None

    def __init_subclass__(cls) -> None:
        cls.expects = dict(cls.expects)
        for handler in list(vars(cls).values()):
            accepts = getattr(handler, "accepts", None)
            if accepts:
                kind, parse = accepts
                cls.expects[kind] = parse, handler

    def step(self, conn: Handshake, raw: bytes) -> State:
        """Hand one whole handshake message to its handler; the state after it."""
        entry = self.expects.get(raw[0])
        if entry is None:
            if raw == HELLO_REQUEST and not conn.server_side and (conn.version or conn.config.min_version) < TLS13:
                _count_request(conn)
                return self  # in a handshake it means nothing (RFC 5246 7.4.1.1)
            name = registry.HANDSHAKE_TYPES.get(raw[0], raw[0])
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, f"{name} in {type(self).__name__}")
        parse, handler = entry
        try:
            message = parse(raw)  # only the codec runs inside this try
        except (IndexError, StructError):
            raise Abort(faults.LENGTH_MISMATCH) from None
        return handler(self, conn, message)

    def request_authentication(self, conn: Handshake) -> None:
        """Ask the client for its certificate after the handshake; only where nothing else is under way."""
        del conn
        raise Abort(faults.STILL_IN_INIT)

    def change_cipher_spec(self, conn: Handshake, body: bytes) -> State:
        """RFC 5246 7.1; for states of TLS 1.2 and older that set `expects_ccs`."""
        raise NotImplementedError


def _count_request(conn: Handshake) -> None:
    conn.layer.count(faults.UNEXPECTED_HANDSHAKE_MESSAGE, MAX_REQUESTS)


class Parked(State):
    """Waits for the answer to a Request, and goes on with it: `then` is given the connection, and does not keep it."""

    __slots__ = ("request", "then")

    def __init__(self, request: Request, then: Callable[[Handshake, Any], State]) -> None:
        self.request: Request | None = request
        self.then = then


class Failed(State):
    """Nothing is expected any more; the secrets went with the state before."""

    __slots__ = ()
