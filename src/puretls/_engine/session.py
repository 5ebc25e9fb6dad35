"""A session: what two peers have negotiated, from which a later handshake can begin (RFC 5246 7.3, RFC 8446 2.2).

It carries the digest of the policy that its peer has satisfied, the time when the peer was last authenticated, and the
time until which that holds, however often the session is resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from puretls._crypto.suites import Suite
from puretls._engine.counters import MEMORY
from puretls._engine.peer import Peer

LIFETIME = 7200  # seconds; OpenSSL's default
LONGEST = 604800  # seconds from one authentication to the next: a week, as of a single ticket (RFC 8446 4.6.1)
NO_POLICY = bytes(32)  # the digest of no policy: such a session is never resumed


class Session:
    """One session.  It is immutable, except for the ticket, which a server of TLS 1.2 may renew."""

    __slots__ = (
        "age_add",
        "alpn",
        "authenticated",
        "ems",
        "group",
        "id",
        "lifetime",
        "lifetime_hint",
        "maker",
        "max_early_data",
        "origin",
        "peer",
        "policy",
        "secret",
        "server_name",
        "spent",
        "suite",
        "ticket",
        "time",
        "until",
        "version",
    )

    def __init__(
        self,
        version: int,
        suite: Suite,
        secret: bytes,
        time: float,
        alpn: bytes | None = None,
        server_name: str | None = None,
        peer: Peer | None = None,
        ems: bool = False,
        id: bytes = b"",  # noqa: A002 (session_id, as SSLSession calls it); a ticket names itself
        ticket: bytes = b"",
        age_add: int = 0,
        lifetime: int = LIFETIME,
        lifetime_hint: int = 0,
        group: int = 0,
        policy: bytes = NO_POLICY,
        authenticated: float | None = None,
        until: float | None = None,
    ) -> None:
        self.version, self.suite, self.secret, self.time = version, suite, secret, time
        self.id, self.ticket, self.age_add, self.lifetime = id, ticket, age_add, lifetime
        self.lifetime_hint, self.alpn, self.server_name, self.peer = lifetime_hint, alpn, server_name, peer
        self.ems, self.group, self.policy = ems, group, policy
        self.authenticated = time if authenticated is None else authenticated
        self.until = self.authenticated + LONGEST if until is None else until
        self.max_early_data = 0  # bytes that may be sent with its ticket before the server answers (RFC 8446 4.2.10)
        self.maker: object = None  # the only process that can find it or open its ticket, if there is just one
        self.origin = MEMORY  # where a server has found it
        self.spent = False  # it was offered and may be offered only once

    def __repr__(self) -> str:
        return f"<Session {self.version:#x} {self.suite.openssl}>"

    def alive(self, now: float, ahead: float = 1) -> bool:
        """Whether it may still be resumed; the clock of its maker may be ahead by so many seconds."""
        return -ahead <= now - self.time <= self.lifetime and now <= self.until

    def left(self, now: float, lifetime: int) -> int:
        """How many seconds a ticket that is made now may be valid, at most `lifetime`."""
        return max(0, min(lifetime, int(self.until - now)))


class Ticket:
    """What a client has got to resume with.  It becomes a session when somebody asks: most programs never do."""

    __slots__ = ("_made", "_make", "message", "time")

    def __init__(self, make: Callable[[Any, Ticket], Session], message: Any, time: float) -> None:
        """`make` is called with the handshake and this; `message` is for it, `time` is when that has come."""
        self._make, self.message, self.time = make, message, time
        self._made: Session | None = None

    def session(self, hs: Any) -> Session:
        """The session, made once."""
        if self._made is None:
            self._made = self._make(hs, self)
        return self._made
