"""Requests: what a handshake asks of the program around it.  The handshake waits until `Machine.resume` brings the
answer.

The engine never calls functions of the program, so it is never re-entered, and an answer that comes later is no special
case.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.outside import from_outside, raised_in

if TYPE_CHECKING:
    from puretls._crypto.signatures import Scheme
    from puretls._engine.config import Credential
    from puretls._engine.peer import Peer
    from puretls._engine.sessions import SessionManager
    from puretls._wire.familiar import Hello
    from puretls._wire.hello import ClientHello

CALLBACK_FAILED = faults.CALLBACK_FAILED._replace(alert=registry.INTERNAL_ERROR)  # by an exception


class Request:
    """A question that the engine cannot answer itself; the handshake waits for `Machine.resume`."""

    __slots__ = ()


T = TypeVar("T")
Asking = Generator[Request, Any, T]  # yields requests, is sent their answers, and returns a T


class ClientHelloRequest(Request):
    """A server may still choose its configuration.  Answer: the Config to go on with."""

    __slots__ = ("message", "server_name")

    def __init__(self, message: Hello, server_name: str | None) -> None:
        self.message, self.server_name = message, server_name

    @property
    def hello(self) -> ClientHello:
        """The ClientHello, read."""
        return self.message.full


class AlpnRequest(Request):
    """The function `select` chooses a server's protocol.  Answer: one of `protocols`, or None for none."""

    __slots__ = ("protocols", "select")

    def __init__(self, select: Any, protocols: tuple[bytes, ...]) -> None:
        self.select, self.protocols = select, protocols


class SignRequest(Request):
    """A private key that is not one of `cryptography`'s.  Answer: the signature over `data` (bytes)."""

    __slots__ = ("credential", "data", "scheme")

    def __init__(self, credential: Credential, scheme: Scheme, data: bytes) -> None:
        self.credential, self.scheme, self.data = credential, scheme, data


class VerifyRequest(Request):
    """A peer has proven who it is, or has no certificate, and the function `judge` may refuse it.  Answer: None, if it
    does not.

    `in_place`: `judge` replaces path building, and is not asked about peers without a certificate.
    """

    __slots__ = ("in_place", "judge", "peer", "resumed")

    def __init__(self, judge: Any, peer: Peer | None, resumed: bool, *, in_place: bool) -> None:
        self.judge, self.peer, self.resumed, self.in_place = judge, peer, resumed, in_place


class IssuerRequest(Request):
    """A server has not sent its issuer's certificate.  Answer: the bytes that `fetch` gets from the URL, or None."""

    __slots__ = ("fetch", "url")

    def __init__(self, fetch: Any, url: str) -> None:
        self.fetch, self.url = fetch, url


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


class KeepRequest(Request):
    """Sessions for the program's store, each as (id, value, seconds).  Answer: whether the store keeps them all."""

    __slots__ = ("entries", "sessions")

    def __init__(self, sessions: SessionManager, entries: Sequence[tuple[bytes, bytes, int]]) -> None:
        self.sessions, self.entries = sessions, entries


class RecallRequest(Request):
    """A session that the program's store may have.  Answer: its value, or None.  With `once` it is taken out of the
    store.
    """

    __slots__ = ("id", "once", "sessions")

    def __init__(self, sessions: SessionManager, id: bytes, *, once: bool) -> None:  # noqa: A002
        self.sessions, self.id, self.once = sessions, id, once


class FirstRequest(Request):
    """A ticket that may be used once, or early data; the client has proven that it owns the ticket.

    Answer: whether `judge` says that it comes for the first time; None if it gives no answer.
    """

    __slots__ = ("judge", "key", "seconds", "sessions")

    def __init__(self, sessions: SessionManager, key: bytes, seconds: float, judge: Any) -> None:
        self.sessions, self.key, self.seconds, self.judge = sessions, key, seconds, judge


def unanswered(error: BaseException) -> BaseException:
    """The exception with which the handshake fails if asking has raised `error`, which becomes its cause without being
    shown.

    An Abort is a refusal with its own reason.  What a signal handler or a debugger has raised is passed on as it is.
    """
    if isinstance(error, Abort) or not isinstance(error, Exception) or from_outside(error):
        return error
    whose = raised_in(error)
    where = "what a callback has promised came to it" if whose.startswith("puretls.") else f"raised in {whose}"
    abort = Abort(CALLBACK_FAILED, f"{type(error).__name__}: {where}")
    abort.__cause__ = error
    return abort
