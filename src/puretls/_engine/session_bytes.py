"""A client's session as bytes, to be kept longer than the process lives.

The bytes have to be protected as the session itself: whoever has them can resume it, and whoever can change them
decides who the server appears to be.  The format has a version and is not meant for other programs.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from puretls._base.faults import Abort
from puretls._base.registry import VERSIONS
from puretls._crypto import suites
from puretls._engine.peer import Peer, remembered_key
from puretls._engine.session import Session
from puretls._wire.codec import Reader, StructError, vec8, vec16, vec24
from puretls._x509 import certificate

FORMAT, EARLY_FORMAT = 1, 2  # the second if early data may be sent: how much is behind what is fixed
MAGIC = b"puretls session "  # and the format
EMS, VERIFIED, STAPLED, RAW_KEY, LOGGED = 1, 2, 4, 8, 16

# format; version, suite, group, flags; when it was made and its peer authenticated, and until when that holds, in ms;
# lifetime, the server's hint, age_add; the digest of the policy.  Behind it vectors: the secret, the id, the alpn; the
# name, the ticket; the chain as it was sent, the verified path, the stapled OCSP response; if LOGGED, timestamps.
_fixed = Struct("!16sBHHHBQQQIII32s")


def dump(session: Session) -> bytes:
    """The session as bytes."""
    peer = session.peer
    path = peer.path if peer is not None else None
    staple, scts = (None, None) if peer is None else (peer.ocsp, peer.scts)
    flags = (EMS if session.ems else 0) | (VERIFIED if path is not None else 0) | (STAPLED if staple else 0)
    shown = () if peer is None else [x.der for x in peer.chain] if peer.raw is None else [peer.raw]
    flags |= (RAW_KEY if peer is not None and peer.raw is not None else 0) | (LOGGED if scts else 0)
    fixed = _fixed.pack(
        MAGIC,
        EARLY_FORMAT if session.max_early_data else FORMAT,
        session.version,
        session.suite.code,
        session.group,
        flags,
        *(int(moment * 1000) for moment in (session.time, session.authenticated, session.until)),
        session.lifetime,
        session.lifetime_hint,
        session.age_add,
        session.policy,
    )
    name = (session.server_name or "").encode("ascii", "surrogateescape")
    return b"".join(
        (
            fixed,
            session.max_early_data.to_bytes(4, "big") if session.max_early_data else b"",
            vec8(session.secret),
            vec8(session.id),
            vec8(session.alpn or b""),
            vec16(name),
            vec24(session.ticket),
            _listed(shown),
            _listed(x.der for x in (path or ())),
            vec24(staple or b""),
            vec16(scts) if scts else b"",
        )
    )


def load(data: bytes) -> Session:
    """The session in these bytes; ValueError if they are not those of one."""
    try:
        return _load(data)
    except (Abort, IndexError, KeyError, StructError, UnicodeDecodeError):
        raise ValueError("these are not the bytes of a session") from None


def _load(data: bytes) -> Session:
    (
        magic, written, version, code, group, flags, time, authenticated, until, lifetime, hint, age_add, policy,
    ) = _fixed.unpack_from(data)  # fmt: skip
    if magic != MAGIC or written not in (FORMAT, EARLY_FORMAT):
        raise ValueError("these are not the bytes of a session, or are of another version of puretls")
    suite = suites.BY_CODE[code]
    if version not in VERSIONS:
        raise KeyError(version)
    early = written == EARLY_FORMAT
    r = Reader(data, _fixed.size + 4 * early)
    secret, number, alpn, name, ticket = r.vec8(), r.vec8(), r.vec8(), r.vec16(), r.vec24()
    shown, path, staple = _ders(r.vec24()), _ders(r.vec24()), r.vec24()
    scts = r.vec16() if flags & LOGGED else None
    r.done()
    peer = None
    if flags & RAW_KEY:
        (key,) = shown
        peer = remembered_key(key, bool(flags & VERIFIED))
    elif shown:
        way = _certificates(path) if flags & VERIFIED else None
        peer = Peer(_certificates(shown), way, ocsp=staple if flags & STAPLED else None)
        peer.scts = scts
    about = alpn or None, name.decode("ascii") or None, peer, bool(flags & EMS), number, ticket, age_add
    when = policy, authenticated / 1000, until / 1000
    session = Session(version, suite, secret, time / 1000, *about, lifetime, hint, group, *when)
    if early:
        session.max_early_data = int.from_bytes(data[_fixed.size : _fixed.size + 4], "big")
    return session


def _listed(ders: Iterable[bytes]) -> bytes:
    return vec24(b"".join(map(vec24, ders)))


def _ders(data: bytes) -> list[bytes]:
    r, found = Reader(data, 0), []
    while r.more():
        found.append(r.vec24())
    return found


def _certificates(ders: list[bytes]) -> tuple[certificate.Certificate, ...]:
    return certificate.presented(ders) if ders else ()
