"""Sessions that can be resumed, the server's cache of them, and tickets sealed under keys that rotate.

A Session is what two peers agreed on (RFC 5246 7.3, RFC 8446 2.2).  A server either remembers it under its id or seals
it into a ticket that the client keeps (RFC 5077 4, RFC 8446 4.6.1).  A SessionManager belongs to one context and is
used by its connections from any thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from os import urandom
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto import suites
from puretls._crypto.schedule import Resumption
from puretls._crypto.suites import Suite
from puretls._engine.peer import Peer, remembered
from puretls._wire.codec import Reader, StructError, vec24

LIFETIME = 7200  # seconds; OpenSSL's default
CACHE_SIZE = 20480  # sessions; OpenSSL's default
KEY_LIFETIME = 3600  # seconds that a ticket key seals; it opens for as long as its last ticket lives

# What each ticket has for itself, age_add and nonce, and what all of a session hold: version, suite, flags, time in ms,
# lifetime, and the lengths of the secret, the alpn and the name that follow
own_state = Struct("!IQ").pack
_shared, _fixed = Struct("!HHBQIBBH"), Struct("!IQHHBQIBBH")
EMS, VERIFIED = 1, 2
MAX_TICKET = 1 << 15  # bytes: more, a ClientHello or a NewSessionTicket may have no room for


class Session:
    """One session.  Immutable, but for the ticket that a TLS 1.2 server may renew."""

    __slots__ = (
        "age_add",
        "alpn",
        "ems",
        "id",
        "lifetime",
        "lifetime_hint",
        "peer",
        "secret",
        "server_name",
        "suite",
        "ticket",
        "time",
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
        id: bytes = b"",  # noqa: A002 (session_id, as SSLSession calls it)
        ticket: bytes = b"",
        age_add: int = 0,
        lifetime: int = LIFETIME,
        lifetime_hint: int = 0,
    ) -> None:
        self.version, self.suite, self.secret, self.time = version, suite, secret, time
        self.id, self.ticket, self.age_add, self.lifetime = id, ticket, age_add, lifetime
        self.lifetime_hint, self.alpn, self.server_name, self.peer = lifetime_hint, alpn, server_name, peer
        self.ems = ems

    def __repr__(self) -> str:
        return f"<Session {self.version:#x} {self.suite.openssl}>"

    def alive(self, now: float) -> bool:
        return 0 <= now - self.time + 1 <= self.lifetime + 1

    def encode(self, lifetime: int, secret: bytes) -> bytes:
        """What all tickets of this session hold before they are sealed; `own_state` goes before it.

        `secret` is the master secret of TLS 1.2, and of TLS 1.3 the resumption secret: the PSK of a ticket is derived
        when the ticket comes back, and most never do.
        """
        peer, alpn, name = self.peer, self.alpn or b"", (self.server_name or "").encode("ascii")
        flags = (EMS if self.ems else 0) | (VERIFIED if peer and peer.path else 0)
        time, suite = int(self.time * 1000), self.suite.code
        state = _shared.pack(self.version, suite, flags, time, lifetime, len(secret), len(alpn), len(name))
        chain = b"".join([vec24(certificate.der) for certificate in peer.chain]) if peer else b""
        return state + secret + alpn + name + chain

    @classmethod
    def decode(cls, data: bytes) -> Session:
        """The session of `own_state` and `encode`."""
        age_add, nonce, version, code, flags, time, lifetime, size, alpn_size, name_size = _fixed.unpack_from(data)
        start = _fixed.size + size
        middle = start + alpn_size
        end = middle + name_size
        secret, alpn, name = data[_fixed.size : start], data[start:middle], data[middle:end]
        suite, chain = suites.BY_CODE[code], []
        if end != len(data):
            r = Reader(data, end)
            while r.more():
                chain.append(r.vec24())
            r.done()  # no length before it was wrong, either
        if version == TLS13:
            secret = Resumption(suite.hash, secret).psk(nonce.to_bytes(8, "big"))
        peer = remembered(chain, verified=bool(flags & VERIFIED)) if chain else None
        host, ems = name.decode("ascii") or None, bool(flags & EMS)
        return cls(version, suite, secret, time / 1000, alpn or None, host, peer, ems, b"", b"", age_add, lifetime, 0)


class TicketKey:
    """What tickets are sealed under, and since when."""

    __slots__ = ("cipher", "made", "name")

    def __init__(self, name: bytes, cipher: AESGCM, made: float) -> None:
        self.name, self.cipher, self.made = name, cipher, made


class Stats:
    """The counters of SSLContext.session_stats()."""

    __slots__ = (
        "accept",
        "accept_good",
        "accept_renegotiate",
        "cache_full",
        "connect",
        "connect_good",
        "connect_renegotiate",
        "hits",
        "misses",
        "timeouts",
    )

    def __init__(self) -> None:
        self.hits = self.misses = self.timeouts = self.cache_full = 0
        self.accept = self.accept_good = self.accept_renegotiate = 0
        self.connect = self.connect_good = self.connect_renegotiate = 0

    def done(self, server_side: bool, resumed: bool) -> None:
        """A handshake has ended well."""
        if server_side:
            self.accept_good += 1
        else:
            self.connect_good += 1
        self.hits += resumed


class SessionManager:
    """What the connections of one context remember for those that come after them."""

    __slots__ = ("_cache", "_cache_size", "_keys", "_lock", "lifetime", "stats")

    def __init__(self, *, cache_size: int = CACHE_SIZE, lifetime: int = LIFETIME) -> None:
        self.stats = Stats()
        self.lifetime = lifetime
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, Session] = OrderedDict()
        self._keys: list[TicketKey] = []  # the newest first
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return True  # also while it is empty

    def __len__(self) -> int:
        return len(self._cache)

    # Sessions by id

    def add(self, session: Session) -> None:
        with self._lock:
            while len(self._cache) >= self._cache_size:
                self._cache.popitem(last=False)
                self.stats.cache_full += 1
            self._cache[session.id] = session

    def find(self, session_id: bytes, now: float) -> Session | None:
        session = self._cache.get(session_id)
        if session is None:
            self.stats.misses += 1
            return None
        if not session.alive(now):
            self.stats.timeouts += 1
            self.forget(session_id)
            return None
        return session

    def forget(self, session_id: bytes) -> None:
        """A connection that failed must not be resumed (RFC 5246 7.2.2)."""
        with self._lock:
            self._cache.pop(session_id, None)

    def keep(self, states: Sequence[bytes]) -> list[bytes]:
        """Tickets that only name states, which stay here (RFC 8446 4.6.1)."""
        kept = [Session.decode(state) for state in states]
        for session in kept:
            session.id = urandom(32)
            self.add(session)
        return [session.id for session in kept]

    # Sessions in tickets

    def seal(self, states: Sequence[bytes], now: float) -> list[bytes]:
        """Tickets of sessions' states: key name, nonce, and it encrypted (RFC 5077 4, with AES-GCM)."""
        key, tickets = self._sealing_key(now), []
        name, encrypt = key.name, key.cipher.encrypt
        nonces = urandom(12 * len(states))  # a key seals for an hour: far from 2^32 tickets
        for i, state in enumerate(states):
            nonce = nonces[12 * i : 12 * i + 12]
            tickets.append(name + nonce + encrypt(nonce, state, name))
        return tickets

    def open(self, ticket: bytes, now: float) -> Session | None:
        """The session in a ticket of ours; None if it is not ours, too old, or damaged."""
        name, nonce = ticket[:16], ticket[16:28]
        for key in self._keys:
            if key.name == name:
                break
        else:
            return None
        try:
            session = Session.decode(key.cipher.decrypt(nonce, ticket[28:], name))
        except (InvalidTag, Abort, ValueError, KeyError, IndexError, StructError):
            return None
        if not session.alive(now):
            self.stats.timeouts += 1
            return None
        return session

    def _sealing_key(self, now: float) -> TicketKey:
        keys = self._keys
        if keys and 0 <= now - keys[0].made < KEY_LIFETIME:
            return keys[0]
        with self._lock:
            keys = self._keys
            if not keys or not 0 <= now - keys[0].made < KEY_LIFETIME:
                fresh = TicketKey(urandom(16), AESGCM(urandom(32)), now)
                alive = [key for key in keys if abs(now - key.made) < KEY_LIFETIME + self.lifetime]
                self._keys = [fresh, *alive]
            return self._keys[0]
