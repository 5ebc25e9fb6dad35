"""How handshakes and sessions depend on each other: which sessions may be resumed, and what a new one contains."""

from __future__ import annotations

from puretls._base.registry import TLS13
from puretls._engine.handshake import Handshake
from puretls._engine.session import LONGEST, NO_POLICY, Session
from puretls._x509.checks import NO_CHECK_TIME


def fits(hs: Handshake, session: Session) -> bool:
    """Whether the peer of a session would be let in here: under the same policy and name, and through the gate."""
    policy, name = hs.config.policy, hs.draft.server_name if hs.server_side else hs.server_hostname
    return (
        session.policy == hs.draft.policy_digest
        and session.server_name == name
        and policy.admits(session.peer, hs.server_side, hs.server_hostname, session.version == TLS13)
    )


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
    """The session of a handshake, made at `time`, or now; sessions are made nowhere else.

    If the handshake has resumed a session, that one says when the peer was authenticated.
    """
    draft, policy, now = hs.draft, hs.config.policy, hs.clock() if time is None else time
    peer, resumed, digest = draft.peer, draft.resumed, draft.policy_digest
    if draft.until == 0.0:  # the first session of this handshake
        if resumed is not None:
            draft.authenticated, draft.until = resumed.authenticated, resumed.until
        else:
            draft.authenticated = draft.authenticated or now
            draft.until = draft.authenticated + LONGEST
            if peer is not None and peer.path:
                dated = [] if policy.verify_flags & NO_CHECK_TIME else [one.not_after for one in peer.path]
                draft.until = min(draft.until, peer.until, *dated)
            if (
                hs.server_side and draft.own_credential is not None
            ):  # the certificate that a ticket stands for (RFC 8446 4.6.1)
                draft.until = min(draft.until, draft.own_credential.leaf.not_after)
    return Session(  # by position, which is a third of the cost
        draft.version,
        draft.suite,
        secret,
        now,
        draft.alpn,
        draft.server_name if hs.server_side else hs.server_hostname,
        peer,
        draft.ems,
        id,
        ticket,
        age_add,
        lifetime,
        lifetime_hint,
        draft.group.code if draft.group is not None else 0,
        # What is trusted may have changed meanwhile, and nobody knows which it was verified under
        digest if digest == policy.digest() else NO_POLICY,
        draft.authenticated,
        draft.until,
    )
