"""Tickets: sessions that clients keep, sealed under keys that rotate (RFC 5077 4, RFC 8446 4.6.1).

What is sealed begins with the version of its format.  A server that does not know a format treats the ticket as not its
own, so servers of different versions may share keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom
from struct import Struct
from typing import Any

from cryptography.exceptions import InvalidTag

from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto import suites
from puretls._crypto.kdf import SHA256
from puretls._crypto.schedule import ticket_psk
from puretls._engine.counters import STORE, TICKETS, Stats
from puretls._engine.peer import Peer, remembered, remembered_key
from puretls._engine.session import Session
from puretls._engine.ticket_keys import CLOCKS, NAME, SHORT_NAME, Keys, OwnKeys, TicketKey
from puretls._wire.codec import Reader, StructError, vec24

FORMAT, EARLY_FORMAT = 1, 2  # of what is sealed, the second if it allows early data; others if anything below changes
ID = 32  # bytes of a session's id in a store, as many as a session_id may have (RFC 5246 7.4.1.2)
MAX_TICKET = 1 << 15  # bytes; a ClientHello or a NewSessionTicket may have no room for more
MAX_VALUE = 1 << 18  # bytes that a store may have of a session: more than the longest chain of certificates

# What differs between a session's tickets: format, age_add, nonce.  What they share: version, suite, group, flags;
# when it was made and its peer authenticated, and until when that holds, in ms; lifetime; the digest of the policy, and
# the lengths of the secret, the alpn and the name that follow.  In EARLY_FORMAT how much early data is before those.
_OWN, _SHARED = "BIQ", "HHHBQQQI32sBBH"
_own, _shared, _fixed = Struct("!" + _OWN), Struct("!" + _SHARED), Struct("!" + _OWN + _SHARED)
_nonces = Struct("12s").iter_unpack
pack_own = _own.pack  # the beginning of one ticket's state, with its format
EMS, VERIFIED, RAW_KEY = 1, 2, 4


def own_state(age_add: int, nonce: int) -> bytes:
    """The beginning of one ticket's state, for a session without early data."""
    return pack_own(FORMAT, age_add, nonce)


def shared_state(session: Session, lifetime: int, secret: bytes) -> bytes:
    """The rest of the state, which is the same in all tickets of a session.

    `secret` is the master secret of TLS 1.2, or the resumption secret of TLS 1.3: the PSK of a ticket is derived when
    the ticket comes back, and most never do.
    """
    about = session.alpn, session.server_name, session.peer, session.time, session.authenticated, session.until
    code, early = session.suite.code, session.max_early_data
    return pack_shared(
        session.version, code, session.group, session.ems, *about, lifetime, session.policy, secret, early
    )


def pack_shared(
    version: int,
    suite: int,
    group: int,
    ems: bool,
    protocol: bytes | None,
    server_name: str | None,
    peer: Peer | None,
    time: float,
    authenticated: float,
    until: float,
    lifetime: int,
    policy: bytes,
    secret: bytes,
    early: int,
) -> bytes:
    """The same from what a handshake has agreed on, which nobody needs as a Session."""
    alpn, name = protocol or b"", server_name.encode("ascii", "surrogateescape") if server_name else b""
    flags, chain = EMS if ems else 0, b""
    if peer is not None:
        if peer.path is not None:
            flags |= VERIFIED
        if peer.raw is not None:
            flags |= RAW_KEY
        chain = b"".join([vec24(x.der) for x in peer.chain]) if peer.raw is None else vec24(peer.raw)
    made, proven, last = int(time * 1000), int(authenticated * 1000), int(until * 1000)
    sizes = len(secret), len(alpn), len(name)
    state = _shared.pack(version, suite, group, flags, made, proven, last, lifetime, policy, *sizes)
    if early:
        state += early.to_bytes(4, "big")
    return state + secret + alpn + name + chain


def read_state(data: bytes) -> Session:
    """The session in a state: `own_state` followed by `shared_state`."""
    (
        written, age_add, nonce, version, code, group, flags, time, authenticated, until, lifetime, policy,
        size, alpn_size, name_size,
    ) = _fixed.unpack_from(data)  # fmt: skip
    begin, most = _fixed.size, 0
    if written == EARLY_FORMAT:
        begin += 4
        most = int.from_bytes(data[begin - 4 : begin], "big")
    elif written != FORMAT:
        raise ValueError(f"format {written}")
    start = begin + size
    middle = start + alpn_size
    end = middle + name_size
    secret, alpn, name = data[begin:start], data[start:middle], data[middle:end]
    suite, chain = suites.BY_CODE[code], []
    if end != len(data):
        r = Reader(data, end)
        while r.more():
            chain.append(r.vec24())
        r.done()  # so no length before it was wrong either
    if version == TLS13:
        secret = ticket_psk(suite.hash, secret, nonce.to_bytes(8, "big"))
    peer = None
    if chain:
        verified = bool(flags & VERIFIED)
        peer = remembered_key(chain[0], verified) if flags & RAW_KEY else remembered(chain, verified=verified)
    about = alpn or None, name.decode("ascii", "surrogateescape") or None, peer, bool(flags & EMS)
    more = 0, group, policy, authenticated / 1000, until / 1000
    session = Session(version, suite, secret, time / 1000, *about, b"", b"", age_add, lifetime, *more)
    session.max_early_data = most
    return session


class TicketKeys:
    """Seals and opens the tickets of one context, and the sessions that its store keeps; used from any thread."""

    __slots__ = ("_stats", "keys", "own", "source")

    def __init__(self, stats: Stats, lifetime: int) -> None:
        self._stats = stats
        self.own = OwnKeys(lifetime)
        self.keys: Keys = self.own  # may be exchanged at any time
        self.source: Any = None  # the program's object that has the keys, if it counts errors

    @property
    def shared(self) -> bool:
        """Whether other servers may have the keys as well."""
        return self.keys is not self.own

    def seal(self, states: Sequence[bytes], now: float) -> list[bytes]:
        """Tickets with these states: the key's name, a nonce, and the encrypted state (RFC 5077 4, with AES-GCM)."""
        key = self.keys.sealing(now)
        name, encrypt = key.name, key.cipher.encrypt
        nonces = _nonces(urandom(12 * len(states)))  # a key seals for an hour: far from 2^32 tickets
        return [name + nonce + encrypt(nonce, state, name) for state, (nonce,) in zip(states, nonces, strict=True)]

    def open(self, ticket: bytes, now: float) -> Session | None:
        """The session in a ticket; None if the ticket is not ours, too old, of another format, or damaged."""
        name = ticket[:NAME]
        key = self.keys.opening(name, now) if len(ticket) > NAME else None
        return None if key is None else self._opened(key, ticket[NAME:], name, now)

    def _opened(self, key: TicketKey, sealed: bytes, beside: bytes, now: float) -> Session | None:
        try:
            session = read_state(key.cipher.decrypt(sealed[:12], sealed[12:], beside))
        except (InvalidTag, Abort, ValueError, KeyError, IndexError, StructError):
            return None
        if not session.alive(now, CLOCKS):
            self._stats.timeouts += 1
            return None
        session.origin, session.maker = TICKETS, key.maker
        return session

    # Sessions in a store, which cannot read them and is never asked for ids that are not ours

    def new_id(self, now: float) -> bytes:
        """The id of a session, 32 bytes: part of the key's name, random bytes, and a MAC over both."""
        key = self.keys.sealing(now)
        beginning = key.name[:SHORT_NAME] + urandom(12)
        return beginning + SHA256.hmac(key.mac, beginning)[:12]

    def is_ours(self, session_id: bytes, now: float) -> bool:
        """Whether this id was made with one of our keys."""
        if len(session_id) != ID:
            return False
        key = self.keys.opening(session_id[:SHORT_NAME], now)
        return key is not None and compare_digest(SHA256.hmac(key.mac, session_id[:-12])[:12], session_id[-12:])

    def seal_for(self, session_id: bytes, state: bytes, now: float) -> bytes:
        """The value for the store under this id."""
        key, nonce = self.keys.sealing(now), urandom(12)
        return key.name + nonce + key.cipher.encrypt(nonce, state, session_id)

    def open_for(self, session_id: bytes, value: bytes, now: float) -> Session | None:
        """The session in a value of the store; None if it is not ours, of another id, too old, or damaged."""
        key = self.keys.opening(value[:NAME], now) if NAME < len(value) <= MAX_VALUE else None
        session = None if key is None else self._opened(key, value[NAME:], session_id, now)
        if session is not None:
            session.origin, session.maker = STORE, None
        return session
