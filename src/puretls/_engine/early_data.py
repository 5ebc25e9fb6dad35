"""Early data, in both roles: who may send it, when it is accepted, and what becomes of it (RFC 8446 2.3, 4.2.10, 8).

What a client sends before the server has answered is protected only by keys of its ticket, and whoever records it can
send it again.  So a server accepts it only for an application that asks for it, and once: under a ticket of its own
that allows it, in a handshake that negotiates what the one before did, at the time that the client states, and if the
memory of flights has not seen it.  Everything else is an ordinary handshake, and the data is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.process import Process
from puretls._base.registry import TLS13
from puretls._crypto.schedule import EARLY, INITIAL, EarlySecret, TrafficSecret
from puretls._engine import negotiated
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, OP_NO_TICKET
from puretls._engine.early_outcome import (
    AGE_SKEW,
    ALPN_MISMATCH,
    DECLINED,
    DISABLED,
    NO_SESSION,
    NOT_RESUMED,
    NOT_SENT,
    REJECTED,
    REPLAY,
    RETRIED,
    UNPROTECTED,
    UNSUPPORTED,
    EarlyData,
)
from puretls._engine.replay import WINDOW
from puretls._engine.requests import Asking, FirstRequest
from puretls._engine.ticket_keys import CLOCKS

if TYPE_CHECKING:
    from puretls._crypto.suites import Suite
    from puretls._engine.handshake import Handshake
    from puretls._engine.session import Session
    from puretls._wire.extensions import OfferedPsks

WITHOUT_END = 0xFFFFFFFF  # the size that a ticket says where there are no records (RFC 9001 4.6.1)
REMEMBERED = 2 * WINDOW + CLOCKS  # seconds for which a flight may be fresh, as the clocks of servers differ


def keys(hs: Handshake, early: EarlySecret, suite: Suite, digest: bytes, random: bytes) -> TrafficSecret:
    """The secret of early data; `digest` is that of the transcript up to ClientHello, `random` the random of the
    ClientHello.
    """
    record, secret = hs.draft.early, early.client_traffic(digest)
    if record is not None:
        record.exporter, record.hash, record.digest, record.open = early, suite.hash, digest, True
    if hs.layer.watched:
        hs.log_secret("CLIENT_EARLY_TRAFFIC_SECRET", secret, random)
        hs.log_secret("EARLY_EXPORTER_SECRET", early.exporter(digest), random)
    return TrafficSecret(suite.hash, secret, suite.cipher.key)


# A client


def offer(hs: Handshake, session: Session | None) -> EarlyData:
    """How much a client that offers this session may send; if `left` is 0, `reason` says why."""
    config = hs.config
    reason, size = None, 0
    if session is None:
        reason = NO_SESSION
    elif not config.early_limit:
        reason = DISABLED
    elif session.version != TLS13 or not session.max_early_data:
        reason = UNSUPPORTED
    elif session.alpn is not None and session.alpn not in config.alpn:
        reason = ALPN_MISMATCH
    else:
        size = min(session.max_early_data, config.early_limit)
    found = EarlyData(NOT_SENT, reason, size)
    if session is not None and size:
        found.alpn = session.alpn
    return found


def begin(hs: Handshake, session: Session, early: EarlySecret, digest: bytes, random: bytes) -> None:
    """The ClientHello that offers it was sent: what follows is early data (RFC 8446 4.2.10, D.4)."""
    secret = keys(hs, early, session.suite, digest, random)
    if hs.draft.early is not None:
        hs.draft.early.status = REJECTED  # until the server says that it is not
    if hs.config.options & OP_ENABLE_MIDDLEBOX_COMPAT:
        hs.stream.send_change_cipher_spec()
    hs.layer.install_write(EARLY, session.suite, secret)
    if hs.profile.end_of_early_data:
        hs.write_level = EARLY


def retried(hs: Handshake) -> None:
    """A HelloRetryRequest rejects it; the next ClientHello is sent without protection again (RFC 8446 4.2.10)."""
    if hs.draft.early is not None:
        hs.draft.early.reject(RETRIED)
    hs.layer.withdraw_early_data()
    hs.write_level = INITIAL


def answered(hs: Handshake, session: Session | None, *, accepted: bool) -> None:
    """EncryptedExtensions shows whether the server accepts it; `session` is the one that it has resumed."""
    draft, early = hs.draft, hs.draft.early
    if early is None:
        raise Abort(faults.INTERNAL)
    if accepted:
        if session is None or draft.suite is not session.suite or draft.alpn != session.alpn:
            raise Abort(faults.MISPLACED_EXTENSION, "early data accepted in another session than it was sent in")
        early.accept()
        return
    early.reject(NOT_RESUMED if session is None else ALPN_MISMATCH if draft.alpn != session.alpn else DECLINED)
    hs.release()


# A server


def promised(hs: Handshake) -> int:
    """How much early data the tickets of this server allow; 0 where it would be refused anyway."""
    config, sessions = hs.config, hs.config.sessions
    if not config.early_limit or sessions is None:
        return 0
    if sessions.anti_replay is None:
        if sessions.tickets.shared or sessions.store is not None:
            return 0
        if not config.options & OP_NO_TICKET and sessions.tickets.own.sealing(hs.clock()).maker is not Process.this:
            return 0  # the key is a parent's, who may have other children
    return config.early_limit if hs.profile.end_of_early_data else WITHOUT_END


def decide(
    hs: Handshake, found: dict[int, bytes], psks: OfferedPsks | None, chosen: tuple[int, Session | None] | None
) -> Asking[bool]:
    """Whether the early data of this ClientHello is accepted; `chosen` is the PSK that the handshake uses."""
    early = hs.draft.early
    if early is None:
        return False
    reason = _refused(hs, found, chosen)
    if reason is None and psks is not None and chosen is not None and (session := chosen[1]) is not None:
        reason = yield from _replayed(hs, psks, session)
        if reason is None:
            early.accept()
            early.left, early.alpn = session.max_early_data, session.alpn
            return True
    early.reject(reason or NOT_RESUMED)
    return False


def _refused(hs: Handshake, found: dict[int, bytes], chosen: tuple[int, Session | None] | None) -> str | None:
    config = hs.config
    if not hs.early_wanted or not config.early_limit:
        return DISABLED
    if chosen is None or chosen[0]:  # early data is always under the first PSK
        return NOT_RESUMED
    session = chosen[1]
    if session is None or not session.max_early_data or session.suite is not hs.draft.suite:
        return UNSUPPORTED
    if session.max_early_data > config.early_limit and hs.profile.end_of_early_data:  # less is taken than was promised
        return UNSUPPORTED
    if session.alpn != negotiated.protocol(hs, found):
        return ALPN_MISMATCH
    return None


def _replayed(hs: Handshake, psks: OfferedPsks, session: Session) -> Asking[str | None]:
    """Why it is not certain that it comes for the first time; None if it is (RFC 8446 8.2, 8.3)."""
    sessions, now = hs.config.sessions, hs.clock()
    age = ((psks.identities[0][1] - session.age_add) & 0xFFFFFFFF) / 1000
    expected = session.time + age
    if abs(now - expected) > WINDOW:
        return AGE_SKEW
    if sessions is None:
        return UNPROTECTED
    binder = psks.binders[0]  # which has been verified
    if sessions.anti_replay is not None:
        first = yield FirstRequest(sessions, binder, REMEMBERED, sessions.anti_replay)
        return None if first is True else REPLAY if first is False else UNPROTECTED
    if session.maker is not Process.this:  # other servers can open its ticket, and do not know what this one has seen
        return UNPROTECTED
    if sessions.replay_memory.first(binder, expected + WINDOW, now):
        return None
    sessions.stats.replays += 1
    return REPLAY


def receiving(hs: Handshake, early: EarlySecret, digest: bytes) -> None:
    """Accept it: what comes next is under its keys."""
    suite = hs.draft.suite
    hs.layer.reject_early_data(0)
    hs.layer.install_read(EARLY, suite, keys(hs, early, suite, digest, hs.draft.client_random))
    if hs.profile.end_of_early_data:
        hs.read_level = EARLY
