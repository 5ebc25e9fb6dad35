"""The start of a client, and of a renegotiation: what it can offer, and which session it tries to resume.

RFC 8446 2.2, 4.1.2; RFC 5246 7.3, 7.4.1.1.  `client_hello` composes the message, `offering` sends it, and
`server_hello` handles the answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from puretls._base import faults
from puretls._base.deferred import deferred
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto import groups
from puretls._crypto.groups import Offer
from puretls._crypto.kdf import SHA256
from puretls._crypto.transcript import Transcript
from puretls._engine import early_data
from puretls._engine.client_hello import ClientOffer, OfferedPsk
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT
from puretls._engine.early_outcome import EarlyData
from puretls._engine.ech_grease import grease
from puretls._engine.ech_outcome import GREASE, NOT_TRIED, EchOutcome
from puretls._engine.handshake import Handshake, State, go_on
from puretls._engine.offering import send
from puretls._engine.outcome import Outcome
from puretls._engine.requests import Asking, PskClientRequest
from puretls._engine.resumption import fits
from puretls._engine.server_hello import ExpectServerHello, ExpectServerHelloAgain
from puretls._engine.session import Session
from puretls._engine.tickets import MAX_TICKET

if TYPE_CHECKING:
    from puretls._engine import ech_client
    from puretls._engine.ech_client import EchClient
else:
    ech_client = deferred("puretls._engine.ech_client")  # loaded with the first configuration


def begin(hs: Handshake) -> State:
    """The first state of a client, in the first handshake and in a renegotiation."""
    if hs.established:
        return _renegotiate(hs)
    config = hs.config
    if config.hindrance is not None:
        raise Abort(config.hindrance)
    if config.ech is not None:
        hs.config = config = config.tls13_only
    if config.sessions is not None:
        config.sessions.stats.connect += 1
    if config.psk_client and config.max_version >= TLS13:
        return go_on(_with_key(hs))
    return _first(hs, None)


def _with_key(hs: Handshake) -> Asking[State]:
    return _first(hs, (yield PskClientRequest(None)))


def _first(hs: Handshake, external: tuple[bytes, bytes] | None) -> State:
    config = hs.config
    hs.draft.policy_digest = config.policy.digest()
    session, hs.offered = hs.offered, None
    if session is not None and not _resumable(hs, session):
        session = None
    hs.draft.client_random = hs.random(32)
    shares: dict[int, Offer] = {}
    psks: list[OfferedPsk] = []
    early: EarlyData | None = None
    session_id = b""
    if config.max_version >= TLS13:
        shares = groups.offers(config.share_groups)
        if config.options & OP_ENABLE_MIDDLEBOX_COMPAT:
            session_id = hs.random(32)  # RFC 8446 D.4
        if session and session.version == TLS13:
            age = int((hs.clock() - session.time) * 1000) + session.age_add & 0xFFFFFFFF
            psks.append(OfferedPsk(session.ticket, age, session.suite.hash, session.secret, session))
        if hs.early_wanted:
            hs.draft.early = early = early_data.offer(hs, session)
        if external:
            if not external[0]:  # RFC 8446 4.2.11: identity<1..2^16-1>
                raise Abort(faults.EMPTY_PSK_IDENTITY)
            psks.append(OfferedPsk(external[0], 0, SHA256, external[1], None))
    offer = ClientOffer(session_id, shares, psks)
    if early is not None and early.left:
        offer.early = session
    if session and session.version < TLS13:
        offer.session12 = session
        offer.session_id = session.id if session.id and not session.ticket else hs.random(32)  # RFC 5077 3.4
    ech = _encrypted(hs, offer)
    send(hs, offer, ech)
    if offer.early is not None:
        digest = (ech or hs).transcript.digest_with(b"", offer.early.suite.hash)
        early_data.begin(hs, offer.early, psks[0].early, digest, ech.random if ech else hs.draft.client_random)
    return ExpectServerHello(offer, None, ech)


def early_limit(hs: Handshake) -> int:
    """How many bytes of early data a client that has not begun could send with its session."""
    if hs.config.ech is not None:
        hs.config = hs.config.tls13_only
    hs.draft.policy_digest = hs.config.policy.digest()
    session = hs.offered
    if session is not None and not _resumable(hs, session):
        session = None
    hs.draft.early = found = early_data.offer(hs, session)
    return found.left


def _encrypted(hs: Handshake, offer: ClientOffer) -> EchClient | None:
    """What encrypts the hello; without a configuration, perhaps a GREASE extension in the offer."""
    config = hs.config
    if config.ech is None:
        if config.ech_grease and config.max_version >= TLS13:
            offer.extra = grease(hs.random)
            hs.draft.ech = EchOutcome(GREASE)
        return None
    ech = ech_client.EchClient(config, config.ech, hs.server_hostname, hs.random)
    hs.draft.ech = EchOutcome(NOT_TRIED, ech.outer_name, ech.chosen.public_name)
    if hs.layer.watched:
        hs.log_secret("ECH_SECRET", ech.secret)
        hs.log_secret("ECH_CONFIG", ech.chosen.config.raw)
    ech.secret = b""
    return ech


def _renegotiate(hs: Handshake) -> State:
    """A new handshake inside this connection, in the same version, because the server asked (RFC 5246 7.4.1.1)."""
    hs.config = replace(hs.config, versions=(hs.version,), alpn=())  # the connection keeps its protocol
    hs.transcript = Transcript()
    hs.draft = Outcome()
    hs.stream.begin_again()
    hs.draft.client_random = hs.random(32)
    hs.draft.policy_digest = hs.config.policy.digest()
    if hs.config.sessions is not None:
        hs.config.sessions.stats.connect_renegotiate += 1
    offer = ClientOffer(b"", {}, [])
    send(hs, offer)
    return ExpectServerHelloAgain(offer, None, None)


def _resumable(hs: Handshake, session: Session) -> bool:
    """Whether a session still fits what this connection demands."""
    config = hs.config
    return (
        session.alive(hs.clock())
        and fits(hs, session)
        and session.version in config.versions
        and session.suite in config.offered_suites
        and len(session.ticket) <= MAX_TICKET
        and bool(session.ticket if session.version == TLS13 else session.ticket or session.id)
    )
