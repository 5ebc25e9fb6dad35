"""After the handshake: tickets, KeyUpdate, post-handshake authentication (RFC 8446 4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from struct import unpack_from

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    FINISHED,
    KEY_UPDATE,
    NEW_SESSION_TICKET,
    TLS13,
)
from puretls._crypto.kdf import Digest
from puretls._crypto.schedule import MasterSecret, Resumption, finished
from puretls._crypto.transcript import Transcript
from puretls._engine import authenticate, selection
from puretls._engine.admission import admitted
from puretls._engine.authenticate import CLIENT_CONTEXT
from puretls._engine.config import OP_NO_TICKET
from puretls._engine.early_data import WITHOUT_END, promised
from puretls._engine.handshake import Handshake, State, asking_on, on
from puretls._engine.peer import Claim, Peer
from puretls._engine.policy import CERT_NONE
from puretls._engine.receive13 import receive_from_client, receive_verify
from puretls._engine.requests import Asking
from puretls._engine.resumption import agreed, state_of
from puretls._engine.session import LONGEST, Session, Ticket
from puretls._engine.tickets import EARLY_FORMAT, FORMAT, MAX_TICKET, pack_own
from puretls._record.layer import MAX_IN_A_ROW
from puretls._wire import extensions, messages, places
from puretls._wire.codec import extension


class Established(State):
    """The handshake is done, and data flows."""

    __slots__ = ()
    accepts_data = True


class Established13(Established):
    """TLS 1.3 after the handshake, in both roles; only post-handshake messages may come."""

    __slots__ = ("digest", "nonce", "pending", "resumption", "transcript")

    def __init__(self, hs: Handshake) -> None:
        transcript = hs.transcript
        self.digest = transcript.digest()  # of ClientHello..client Finished
        self.resumption: Resumption | None = None
        # Post-handshake authentication signs the handshake that it follows (RFC 8446 4.4)
        policy = hs.config.policy
        wanted = policy.post_handshake_auth or (hs.draft.peer_offers_pha and policy.verify_mode)
        self.transcript = transcript if wanted else None
        self.pending: bytes | None = None  # the server: the CertificateRequest that waits for its answer
        self.nonce = 0
        del hs.transcript  # nothing may use it from here on
        hs.draft.authenticated = hs.clock()

    def secret_of_tickets(self, hs: Handshake) -> bytes:
        if type(hs.draft.master) is not MasterSecret:
            raise Abort(faults.INTERNAL)
        return hs.draft.master.resumption(self.digest)

    @on(KEY_UPDATE, messages.KeyUpdate.parse)
    def key_update(self, hs: Handshake, message: messages.KeyUpdate) -> State:  # RFC 8446 4.6.3
        if message.request_update not in (registry.UPDATE_NOT_REQUESTED, registry.UPDATE_REQUESTED):
            raise Abort(faults.BAD_KEY_UPDATE)
        if not hs.profile.key_update:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        hs.stream.update_read_keys(message.request_update)
        return self

    # The client

    @on(NEW_SESSION_TICKET, messages.NewSessionTicket.parse)
    def new_session_ticket(self, hs: Handshake, message: messages.NewSessionTicket) -> State:  # RFC 8446 4.6.1
        if hs.server_side:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        found = message.extensions
        if found:
            places.check(found, places.NST)
        if message.lifetime > LONGEST:
            raise Abort(faults.INVALID_TICKET_LIFETIME)
        count(hs)
        if message.lifetime:
            if registry.EARLY_DATA in found and not hs.profile.end_of_early_data:
                _check_without_end(found[registry.EARLY_DATA])
            hs.outcome.ticket = ticket = Ticket(self._session, message, hs.clock())
            if hs.tells_sessions:
                hs.tell_session(ticket.session(hs))
        return self

    def _session(self, hs: Handshake, ticket: Ticket) -> Session:
        message = ticket.message
        if self.resumption is None:  # kept, as there may be more tickets
            self.resumption = Resumption(hs.outcome.digest, self.secret_of_tickets(hs))
        session = agreed(
            hs,
            self.resumption.psk(message.nonce),
            message.lifetime,
            ticket=message.ticket,
            age_add=message.age_add,
            lifetime_hint=message.lifetime,
            time=ticket.time,
        )
        if registry.EARLY_DATA in message.extensions:
            session.max_early_data = extensions.max_early_data(message.extensions[registry.EARLY_DATA])
        return session

    @asking_on(CERTIFICATE_REQUEST, messages.CertificateRequest.parse)
    def certificate_request(
        self, hs: Handshake, message: messages.CertificateRequest
    ) -> Asking[State]:  # RFC 8446 4.6.2
        if hs.server_side or self.transcript is None:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        if not message.context:
            raise Abort(faults.INVALID_CONTEXT)
        schemes = authenticate.requested_schemes(message)
        count(hs)
        if hs.stream.close_sent:  # nothing can be sent any more
            return self
        transcript = self.transcript.copy()
        transcript.update(message.raw)
        flight: list[bytes] = []

        def add(raw: bytes) -> None:
            transcript.update(raw)
            flight.append(raw)

        def answer(digest: Digest, secret: bytes) -> bytes:  # called when it is sealed, as a KeyUpdate may come first
            add(messages.finished(finished(digest, secret, transcript.digest())))
            return b"".join(flight)

        config = hs.config
        if config.selects:
            pool = selection.welcome(config.credentials, selection.authorities_of(message.extensions))
            chosen = selection.first(config, TLS13, schemes, pool)
        else:
            chosen = authenticate.choose(config, TLS13, schemes)
        if chosen is None:
            add(messages.certificate(message.context, b"\x00\x00\x00"))
        else:
            credential, scheme = hs.outcome.own_credential, hs.outcome.own_scheme = chosen
            add(credential.certificate13(message.context, None))
            signature = yield from authenticate.sign(credential, scheme, CLIENT_CONTEXT + transcript.digest())
            add(messages.certificate_verify(scheme.code, signature))
        size = sum(map(len, flight))
        if hs.stream.crowded(size):
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "more requests than answers are taken")
        hs.stream.queue_message(answer, size)
        return self

    # The server

    def tickets(self, hs: Handshake, count: int) -> tuple[Sequence[bytes], Sequence[tuple[bytes, bytes, int]]]:
        """So many NewSessionTicket messages, as one flight (RFC 8446 4.6.1); and, if tickets only name states, the
        entries that the program's store has to keep before they are sent.
        """
        config = hs.config
        sessions = config.sessions
        if sessions is None or not count:
            return (), ()
        first = self.nonce
        self.nonce = end = first + count
        own = list(zip(unpack_from(f"!{count}I", hs.random(4 * count)), range(first, end), strict=True))
        form, early, more = FORMAT, 0, b""
        if config.early_limit and (early := promised(hs)):
            form, more = EARLY_FORMAT, extension(registry.EARLY_DATA, early.to_bytes(4, "big"))
        shared, lifetime = state_of(hs, self.secret_of_tickets(hs), sessions.lifetime, early)
        if not lifetime:
            return (), ()
        states = [pack_own(form, age_add, nonce) + shared for age_add, nonce in own]
        entries: Sequence[tuple[bytes, bytes, int]] = ()
        keys, now = sessions.tickets, hs.draft.authenticated
        if not config.options & OP_NO_TICKET:
            if len(states[0]) > MAX_TICKET:  # a long chain of the client's
                return (), ()
            tickets = keys.seal(states, now)
        elif sessions.store is None:
            tickets = sessions.keep(states)
            hs.kept += tuple(tickets)
        else:
            tickets = [keys.new_id(now) for _ in states]
            values = map(keys.seal_for, tickets, states, repeat(now))
            entries = list(zip(tickets, values, repeat(lifetime)))  # the last has no end
        return messages.new_session_tickets(lifetime, own, tickets, more), entries

    def request_authentication(self, hs: Handshake) -> None:
        """Ask the client for its certificate (RFC 8446 4.6.2)."""
        if not hs.outcome.peer_offers_pha or self.transcript is None:
            raise Abort(faults.EXTENSION_NOT_RECEIVED)
        if self.pending is not None:
            raise Abort(faults.REQUEST_PENDING)
        if hs.config.policy.verify_mode == CERT_NONE:  # the answer would not be verified
            raise Abort(faults.INVALID_CONFIG)
        if hs.stream.close_sent:
            raise Abort(faults.PROTOCOL_IS_SHUTDOWN)
        context = hs.random(32)
        raw = messages.certificate_request(context, hs.config.request_extensions)
        self.pending = raw
        hs.stream.queue_message(raw, len(raw))

    @asking_on(CERTIFICATE, messages.Certificate.parse)
    def certificate(self, hs: Handshake, message: messages.Certificate) -> Asking[State]:
        pending, self.pending = self.pending, None
        if pending is None or self.transcript is None:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        transcript = self.transcript.copy()
        transcript.update(pending)
        context = messages.CertificateRequest.parse(pending).context
        claim = yield from receive_from_client(hs, message, transcript, context)
        if claim is None:
            return ExpectPostFinished(self, transcript, None)
        return ExpectPostCertificateVerify(self, transcript, claim)


class ExpectPostCertificateVerify(Established):
    """Server: after the handshake the client has sent its certificate, and still has to prove that it has the key."""

    __slots__ = ("claim", "established", "transcript")

    def __init__(self, established: Established13, transcript: Transcript, claim: Claim) -> None:
        self.established, self.transcript, self.claim = established, transcript, claim

    accepts_data = False  # the three messages come in a row (RFC 8446 4.6.2)

    @on(CERTIFICATE_VERIFY, messages.CertificateVerify.parse)
    def certificate_verify(self, hs: Handshake, message: messages.CertificateVerify) -> State:
        peer = receive_verify(hs, message, self.claim, self.transcript, hs.outcome)
        return ExpectPostFinished(self.established, self.transcript, peer)


class ExpectPostFinished(Established):
    """Server: the last message of a post-handshake authentication."""

    __slots__ = ("established", "peer", "transcript")
    accepts_data = False

    def __init__(self, established: Established13, transcript: Transcript, peer: Peer | None) -> None:
        self.established, self.transcript, self.peer = established, transcript, peer

    @asking_on(FINISHED, messages.Finished.parse)
    def finished(self, hs: Handshake, message: messages.Finished) -> Asking[State]:
        expected = finished(hs.outcome.digest, hs.stream.read_secret, self.transcript.digest())
        authenticate.check_finished(message.verify_data, expected)
        if hs.config.policy.judged:
            yield from admitted(hs, self.peer)
        hs.outcome.peer = self.peer
        hs.pass_gate(later=False)
        return self.established


def _check_without_end(body: bytes) -> None:
    """Without records there is one size that early_data of a ticket may say (RFC 9001 4.6.1)."""
    if extensions.max_early_data(body) != WITHOUT_END:
        raise Abort(faults.MISPLACED_EXTENSION)


def count(hs: Handshake) -> None:
    """Count a post-handshake message: a peer that sends many of them and no data is cut off."""
    hs.layer.count(faults.TOO_MANY_KEY_UPDATES, MAX_IN_A_ROW)
