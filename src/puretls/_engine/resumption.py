"""How handshakes and sessions depend on each other: which sessions may be resumed, and what a new one contains."""

from __future__ import annotations

from puretls._base.registry import TLS13
from puretls._engine.handshake import Handshake
from puretls._engine.outcome import Outcome
from puretls._engine.session import LONGEST, NO_POLICY, Session
from puretls._engine.tickets import pack_shared
from puretls._x509.checks import NO_CHECK_TIME


def fits(hs: Handshake, session: Session) -> bool:
    """Whether the peer of a session would be let in here: under the same policy and name, and through the gate."""
    policy, name = hs.config.policy, hs.draft.server_name if hs.server_side else hs.server_hostname
    return (
        session.policy == hs.draft.policy_digest
        and session.server_name == name
        and policy.admits(session.peer, hs.server_side, hs.server_hostname, session.version == TLS13)
    )


def reliance(hs: Handshake, draft: Outcome, now: float) -> tuple[float, float]:
    """When the peer of a handshake was authenticated, `now` if that is not a resumed one, and until when sessions may
    rely on it.
    """
    policy = hs.config.policy
    peer, resumed, own = draft.peer, draft.resumed, draft.own_credential
    if resumed is not None:
        return resumed.authenticated, resumed.until
    until = now + LONGEST
    if peer is not None and peer.path:
        dated = [] if policy.verify_flags & NO_CHECK_TIME else [one.not_after for one in peer.path]
        until = min(until, peer.until, *dated)
    if own is not None and hs.server_side:  # the certificate that a ticket stands for (RFC 8446 4.6.1)
        until = min(until, own.leaf.not_after)
    return now, until


def policy_of(hs: Handshake, draft: Outcome) -> bytes:
    """The digest of the policy that the peer of a handshake has satisfied.

    What is trusted may have changed meanwhile, and nobody knows which it was verified under.
    """
    digest = draft.policy_digest
    return digest if digest == hs.config.policy.digest() else NO_POLICY


def state_of(hs: Handshake, secret: bytes, most: int, early: int = 0) -> tuple[bytes, int]:
    """What the tickets of a server's handshake share, see `tickets.shared_state`, and for how many seconds, at most
    `most`, they are good: 0 if the peer has to be authenticated anew by then.  They are made when it is done.
    """
    draft = hs.draft
    now, group = draft.authenticated, draft.group
    authenticated, until = reliance(hs, draft, now)
    lifetime = max(0, min(most, int(until - now)))
    state = pack_shared(
        draft.version,
        draft.suite.code,
        0 if group is None else group.code,
        draft.ems,
        draft.alpn,
        draft.server_name,
        draft.peer,
        now,
        authenticated,
        until,
        lifetime,
        policy_of(hs, draft),
        secret,
        early,
    )
    return state, lifetime


def agreed(
    hs: Handshake,
    secret: bytes,
    lifetime: int,
    id: bytes = b"",  # noqa: A002
    ticket: bytes = b"",
    age_add: int = 0,
    lifetime_hint: int = 0,
    time: float | None = None,
) -> Session:
    """The session of the handshake under way; with `time` that of the one that is done, as it was then.  Sessions are
    made nowhere else.

    If the handshake has resumed a session, that one says when the peer was authenticated.
    """
    draft, now = (hs.draft, hs.clock()) if time is None else (hs.outcome, time)
    if draft.until == 0.0:  # the first session of this handshake
        draft.authenticated, draft.until = reliance(hs, draft, draft.authenticated or now)
    return Session(  # by position, which is a third of the cost
        draft.version,
        draft.suite,
        secret,
        now,
        draft.alpn,
        draft.server_name if hs.server_side else hs.server_hostname,
        draft.peer,
        draft.ems,
        id,
        ticket,
        age_add,
        lifetime,
        lifetime_hint,
        draft.group.code if draft.group is not None else 0,
        policy_of(hs, draft),
        draft.authenticated,
        draft.until,
    )
