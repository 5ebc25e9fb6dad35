"""Tickets: sessions that the client keeps, sealed under keys that rotate (RFC 5077 4, RFC 8446 4.6.1).

What is sealed begins with the version of its format.  A server that reads another opens the ticket and takes it for
none of its own, so servers of different age may share keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from puretls._base.faults import Abort
from puretls._base.locks import new_lock
from puretls._base.registry import TLS13
from puretls._crypto import suites
from puretls._crypto.schedule import Resumption
from puretls._engine.counters import Stats
from puretls._engine.peer import remembered
from puretls._engine.session import Session
from puretls._wire.codec import Reader, StructError, vec24

FORMAT = 1  # of what is sealed; another number whenever anything below changes
KEY_LIFETIME = 3600  # seconds that a ticket key seals; it opens for as long as its last ticket lives
MAX_TICKET = 1 << 15  # bytes: more, a ClientHello or a NewSessionTicket may have no room for

# What each ticket has for itself: format, age_add and nonce.  What all of a session hold: version, suite, group, flags;
# when it was made and its peer authenticated, and until when that holds, in ms; lifetime; the digest of the policy, and
# the lengths of the secret, the alpn and the name that follow.
_OWN, _SHARED = "BIQ", "HHHBQQQI32sBBH"
_own, _shared, _fixed = Struct("!" + _OWN), Struct("!" + _SHARED), Struct("!" + _OWN + _SHARED)
EMS, VERIFIED = 1, 2


def own_state(age_add: int, nonce: int) -> bytes:
    """The beginning of one ticket's state."""
    return _own.pack(FORMAT, age_add, nonce)


def shared_state(session: Session, lifetime: int, secret: bytes) -> bytes:
    """The rest, which is the same in all tickets of a session.

    `secret` is the master secret of TLS 1.2, and of TLS 1.3 the resumption secret: the PSK of a ticket is derived when
    the ticket comes back, and most never do.
    """
    peer, alpn, name = session.peer, session.alpn or b"", (session.server_name or "").encode("ascii", "surrogateescape")
    state = _shared.pack(
        session.version,
        session.suite.code,
        session.group,
        (EMS if session.ems else 0) | (VERIFIED if peer and peer.path is not None else 0),
        int(session.time * 1000),
        int(session.authenticated * 1000),
        int(session.until * 1000),
        lifetime,
        session.policy,
        len(secret),
        len(alpn),
        len(name),
    )
    chain = b"".join([vec24(certificate.der) for certificate in peer.chain]) if peer else b""
    return state + secret + alpn + name + chain


def read_state(data: bytes) -> Session:
    """The session of `own_state` and `shared_state`."""
    (
        written, age_add, nonce, version, code, group, flags, time, authenticated, until, lifetime, policy,
        size, alpn_size, name_size,
    ) = _fixed.unpack_from(data)  # fmt: skip
    if written != FORMAT:
        raise ValueError(f"format {written}")
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
    about = alpn or None, name.decode("ascii", "surrogateescape") or None, peer, bool(flags & EMS)
    more = 0, group, policy, authenticated / 1000, until / 1000
    return Session(version, suite, secret, time / 1000, *about, b"", b"", age_add, lifetime, *more)


class TicketKey:
    """What tickets are sealed under, and since when."""

    __slots__ = ("cipher", "made", "name")

    def __init__(self, name: bytes, cipher: AESGCM, made: float) -> None:
        self.name, self.cipher, self.made = name, cipher, made


class TicketKeys:
    """The keys of one context, which are used by its connections from any thread."""

    __slots__ = ("_keys", "_lifetime", "_lock", "_stats")

    def __init__(self, stats: Stats, lifetime: int) -> None:
        self._stats, self._lifetime = stats, lifetime
        self._keys: tuple[TicketKey, ...] = ()  # the newest first
        self._lock = new_lock()

    def __len__(self) -> int:
        return len(self._keys)

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
        """The session in a ticket of ours; None if it is not ours, too old, of another format, or damaged."""
        name, nonce = ticket[:16], ticket[16:28]
        for key in self._alive(now):
            if key.name == name:
                break
        else:
            return None
        try:
            session = read_state(key.cipher.decrypt(nonce, ticket[28:], name))
        except (InvalidTag, Abort, ValueError, KeyError, IndexError, StructError):
            return None
        if not session.alive(now):
            self._stats.timeouts += 1
            return None
        return session

    def _alive(self, now: float) -> tuple[TicketKey, ...]:
        """The keys whose tickets may be alive; the others are forgotten, so that nobody can open what was recorded."""
        keys = self._keys
        if keys and abs(now - keys[-1].made) >= KEY_LIFETIME + self._lifetime:  # the oldest
            with self._lock:
                self._keys = keys = self._young(now)
        return keys

    def _young(self, now: float) -> tuple[TicketKey, ...]:
        return tuple(key for key in self._keys if abs(now - key.made) < KEY_LIFETIME + self._lifetime)

    def _sealing_key(self, now: float) -> TicketKey:
        keys = self._keys
        if keys and 0 <= now - keys[0].made < KEY_LIFETIME:
            return keys[0]
        fresh = TicketKey(urandom(16), AESGCM(urandom(32)), now)
        with self._lock:
            keys = self._keys
            if not keys or not 0 <= now - keys[0].made < KEY_LIFETIME:
                self._keys = keys = (fresh, *self._young(now))
            return keys[0]
