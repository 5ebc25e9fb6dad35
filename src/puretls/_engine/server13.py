"""Server states of TLS 1.3 (RFC 8446 4, A.2), from the choices after ClientHello to Finished and the tickets."""

from __future__ import annotations

from puretls._base import faults, registry
from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    COMPRESSED_CERTIFICATE,
    END_OF_EARLY_DATA,
    FINISHED,
    TLS12,
    TLS13,
)
from puretls._crypto.groups import Group
from puretls._crypto.kdf import SHA256
from puretls._crypto.schedule import EarlySecret, HandshakeSecret, finished, without_psk
from puretls._crypto.signatures import Scheme
from puretls._crypto.suites import Suite
from puretls._engine import (
    authenticate,
    compression,
    early_data,
    ech_server,
    negotiate,
    negotiated,
    raw_keys,
    selection,
)
from puretls._engine.admission import admitted
from puretls._engine.authenticate import (
    send_certificate13,
    send_finished13,
)
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, OP_NO_TICKET, Config, Credential
from puretls._engine.counters import MEMORY, TICKETS
from puretls._engine.early_outcome import RETRIED, EarlyData
from puretls._engine.established import Established13
from puretls._engine.handshake import Handshake, State, asking_on, on
from puretls._engine.negotiate import Choice13
from puretls._engine.peer import Claim, Peer
from puretls._engine.receive13 import receive_from_client, receive_verify
from puretls._engine.requests import Asking, FirstRequest, KeepRequest, PskServerRequest, RecallRequest
from puretls._engine.resumption import fits
from puretls._engine.session import Session
from puretls._engine.sessions import SessionManager
from puretls._engine.ticket_keys import CLOCKS
from puretls._wire import extensions, hello, messages, places
from puretls._wire.codec import extension
from puretls._wire.ech import NO_CONFIRMATION
from puretls._wire.extensions import OfferedPsks
from puretls._wire.familiar import Hello
from puretls._wire.hello import ClientHello
from puretls._wire.places import EE

VERSION_EXTENSION = extension(registry.SUPPORTED_VERSIONS, b"\x03\x04")
MAY_CHANGE = frozenset(  # in a second ClientHello (RFC 8446 4.1.2, RFC 9849 6.1.5)
    {
        registry.KEY_SHARE,
        registry.EARLY_DATA,
        registry.COOKIE,
        registry.PRE_SHARED_KEY,
        registry.PADDING,
        registry.ENCRYPTED_CLIENT_HELLO,
    }
)
MAX_EARLY_DATA = 1 << 16  # bytes of it that are skipped (RFC 8446 4.2.10)
MAX_IDENTITIES = 8  # PSK identities looked at: each may cost a decryption


class ChosenPsk:
    """The pre-shared key that a handshake goes on with."""

    __slots__ = ("early", "index", "session")

    def __init__(self, index: int, early: EarlySecret, session: Session | None) -> None:
        self.index, self.early, self.session = index, early, session


class Retry:
    """What a HelloRetryRequest asked for, and of whom."""

    __slots__ = ("cookie", "group", "hello")

    def __init__(self, first: ClientHello, group: Group, cookie: bytes) -> None:
        self.hello, self.group, self.cookie = first, group, cookie


def start(hs: Handshake, message: Hello, known: Choice13 | None, retry: Retry | None = None) -> Asking[State]:
    """Choose from a ClientHello; answer with a HelloRetryRequest or with our flight."""
    config, draft = hs.config, hs.draft
    choice, share, psks = negotiate.choose13(config, message, draft.client_suites, known)
    draft.group, draft.peer_takes_tickets = choice.group, choice.takes_tickets
    if retry is None:
        draft.suite = suite = choice.suite
        draft.digest = suite.hash
        hs.transcript.choose(suite.hash)
    if choice.early:  # skipped until it is accepted: its keys may belong to a ticket of another server
        draft.early = EarlyData()
        hs.layer.reject_early_data(max(MAX_EARLY_DATA, config.early_limit))
    if share is None:
        if retry is not None:
            raise Abort(faults.BAD_KEY_SHARE, "the share that was asked for is missing")
        if draft.early is not None:
            draft.early.reject(RETRIED)
        return _send_retry(hs, message, choice.group)
    draft.peer_offers_pha = choice.later and hs.profile.post_handshake_authentication
    psk = None
    if psks is not None:
        psk = yield from _find_psk(hs, message, psks)
    if draft.early is not None and retry is None:
        chosen = None if psk is None else (psk.index, psk.session)
        yield from early_data.decide(hs, message.full.extensions, psks, chosen)
    return (yield from _answer(hs, message, choice, share, psk, retried=retry is not None))


def _send_retry(hs: Handshake, message: Hello, group: Group) -> State:
    """RFC 8446 4.1.4."""
    transcript, suite = hs.transcript, hs.draft.suite
    if not hs.layer.on_boundary():
        raise Abort(faults.NOT_ON_RECORD_BOUNDARY)
    cookie = hs.random(32) if hs.config.retry_cookie else b""
    block = VERSION_EXTENSION + extension(registry.KEY_SHARE, group.code.to_bytes(2, "big"))
    if cookie:
        block += extension(registry.COOKIE, len(cookie).to_bytes(2, "big") + cookie)
    transcript.update(message.raw)
    transcript.rewrite_for_retry()
    ech = hs.draft.ech
    if ech is not None and ech.confirmed:
        block += NO_CONFIRMATION
    raw = hello.server_hello(TLS12, hello.HELLO_RETRY_REQUEST, message.session_id, suite.code, block)
    if ech is not None and ech.confirmed:
        raw = ech_server.confirmed_retry(hs, message.random, raw)
    hs.send_message(raw)
    _flush_with_change_cipher_spec(hs, message.session_id)
    return ExpectSecondClientHello(Retry(message.full, group, cookie))


def _flush_with_change_cipher_spec(hs: Handshake, session_id: bytes) -> None:
    """Send our first message, and a change_cipher_spec for middleboxes if both sides want one (RFC 8446 D.4)."""
    if session_id and hs.config.options & OP_ENABLE_MIDDLEBOX_COMPAT:
        hs.stream.send_change_cipher_spec()
    else:
        hs.layer.flush()


class ExpectSecondClientHello(State):
    """After a HelloRetryRequest the client may change only what was asked for (RFC 8446 4.1.2)."""

    __slots__ = ("retry",)
    reads_ahead = True

    def __init__(self, retry: Retry) -> None:
        self.retry = retry

    @asking_on(CLIENT_HELLO, ClientHello.parse)
    def client_hello(self, hs: Handshake, message: ClientHello) -> Asking[State]:
        if hs.draft.ech is not None:
            message = ech_server.receive_second(hs, message)
        first, found = self.retry.hello, message.extensions
        places.check(found, places.BUT_LONG)
        if message[1:6] != first[1:6] or _what_stays(message) != _what_stays(first) or registry.EARLY_DATA in found:
            raise Abort(faults.MISPLACED_EXTENSION, "the second ClientHello is another one")
        cookie = extensions.cookie(found[registry.COOKIE]) if registry.COOKIE in found else b""
        if not compare_digest(cookie, self.retry.cookie):
            raise Abort(faults.BAD_HRR_COOKIE)
        hs.layer.reject_early_data(0)
        shares = negotiate.read_offer13(message).shares
        if tuple(shares) != (self.retry.group.code,):
            raise Abort(faults.BAD_KEY_SHARE, "not the share that was asked for")
        return (yield from start(hs, message, None, self.retry))


def _what_stays(message: ClientHello) -> dict[int, bytes]:
    return {kind: body for kind, body in message.extensions.items() if kind not in MAY_CHANGE}


def _find_psk(hs: Handshake, message: Hello, psks: OfferedPsks) -> Asking[ChosenPsk | None]:
    """The first PSK that is good for this handshake (RFC 8446 4.2.11)."""
    suite, identities = hs.draft.suite, psks.identities
    sessions, now = hs.config.sessions, hs.clock()
    find = sessions and (sessions.cache.find if hs.config.options & OP_NO_TICKET else sessions.tickets.open)
    outside = _outside(hs.config)  # asked once only
    for index in range(min(len(identities), MAX_IDENTITIES)):
        identity = identities[index][0]
        session = find(identity, now) if find and outside is None else None
        if session is None and outside is not None and outside.tickets.is_ours(identity, now):
            value = yield RecallRequest(outside, identity, once=True)
            session = None if value is None else outside.tickets.open_for(identity, value, now)
            find = outside = None
        if session is not None:
            if _resumable(hs, session, suite):
                psk = _check_binder(hs, message, psks, index, session.secret, session)
                return psk if (yield from _may_be_used(hs, session, identity)) else None
        elif hs.config.psk_server and suite.hash is SHA256:
            key = yield PskServerRequest(identity)
            if key:
                return _check_binder(hs, message, psks, index, key, None)
    return None


def _may_be_used(hs: Handshake, session: Session, ticket: bytes) -> Asking[bool]:
    """Whether the client, which has proven that the ticket is its own, may use it: not if it is good once and was used
    (RFC 8446 8.1).
    """
    sessions = hs.config.sessions
    if sessions is None or sessions.single_use is None or session.origin != TICKETS:
        return True
    seconds = max(1.0, session.time + session.lifetime + CLOCKS - hs.clock())
    first = yield FirstRequest(sessions, SHA256.hash(b"ticket" + ticket), seconds, sessions.single_use)
    return bool(first)


def _resumable(hs: Handshake, session: Session, suite: Suite) -> bool:
    return session.version == TLS13 and session.suite.hash is suite.hash and fits(hs, session)


def _check_binder(
    hs: Handshake, message: Hello, psks: OfferedPsks, index: int, key: bytes, session: Session | None
) -> ChosenPsk:
    """Check that the client knows the PSK that it names (RFC 8446 4.2.11.2)."""
    d, (_, binders, size) = hs.draft.digest, psks
    early = EarlySecret(d, key)
    covered = hs.transcript.digest_with(message.raw[:-size], d)
    if not compare_digest(finished(d, early.binder_key(external=session is None), covered), binders[index]):
        raise Abort(faults.BINDER_DOES_NOT_VERIFY)
    return ChosenPsk(index, early, session)


def _answer(
    hs: Handshake,
    message: Hello,
    choice: Choice13,
    share: bytes,
    psk: ChosenPsk | None,
    *,
    retried: bool,
) -> Asking[State]:
    """ServerHello to Finished (RFC 8446 4.1.3, 4.3, 4.4)."""
    hs.transcript.update(message.raw)
    early = hs.draft.early is not None and hs.draft.early.accepted
    hello_digest = hs.transcript.digest() if early else b""
    shown = choice.shown or _choose_credential(hs, message, choice) if psk is None else None
    secret = _send_server_hello(hs, message, choice.group, share, psk, retried=retried)
    if early and psk:
        early_data.receiving(hs, psk.early, hello_digest)
    theirs, ours = secret.traffic(hs.transcript.digest())
    if hs.layer.watched:
        hs.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", theirs)
        hs.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", ours)
    hs.install_handshake_secrets(theirs, ours, early=early)
    encrypted, _ = negotiated.said(hs, message, choice.said, EE, resumed=psk is not None)
    if hs.profile.alpn_required:
        negotiated.check_protocol(hs)
    config, asked = hs.config, False
    if shown is None:
        _let_in_by(hs, psk)
        hs.send_message(encrypted)
    else:
        credential, scheme, certificate = shown
        asked = bool(config.policy.verify_mode) and not config.policy.post_handshake_auth
        flight = (encrypted, config.request13, certificate) if asked else (encrypted, certificate)
        yield from send_certificate13(hs, (credential, scheme), flight)
    send_finished13(hs)
    hs.draft.exporter_digest = digest = hs.transcript.digest()
    hs.draft.master = master = secret.finish()
    theirs, ours = master.traffic(digest)
    if hs.layer.watched:
        hs.log_secret("CLIENT_TRAFFIC_SECRET_0", theirs)
        hs.log_secret("SERVER_TRAFFIC_SECRET_0", ours)
        hs.log_secret("EXPORTER_SECRET", master.exporter(digest))
    hs.install_write_secret(ours)
    hs.draft.half_rtt = hs.early_wanted and not asked and not config.policy.judged
    if hs.held is not None:
        return ExpectEndOfEarlyData(theirs)
    return ExpectCertificate(theirs) if asked else ExpectFinished(theirs)


def _choose_credential(hs: Handshake, message: Hello, choice: Choice13) -> tuple[Credential, Scheme, bytes]:
    """What a full handshake is signed with (RFC 8446 4.4.2.2), and our Certificate."""
    found, schemes = message.full.extensions, choice.schemes
    if hs.config.typed:
        raw_keys.choose_types(hs, found)
    config = hs.config
    if config.selects:
        pool = selection.candidates(config, hs.draft.server_name, found)
        chosen = selection.first(config, TLS13, schemes, pool)
    else:
        chosen = authenticate.choose(config, TLS13, schemes)
    if chosen is None:
        if not schemes:  # RFC 8446 4.2.3
            raise Abort(faults.MISSING_SIGALGS)
        raise raw_keys.lacking(hs) or Abort(faults.NO_SUITABLE_SIGNATURE_ALGORITHM)
    shown = *chosen, _certificate_message(config, chosen[0], found)
    if not config.selects and not config.typed:  # else the name counts, or types do
        choice.shown = shown
    return shown


def _send_server_hello(
    hs: Handshake, message: Hello, group: Group, share: bytes, psk: ChosenPsk | None, *, retried: bool
) -> HandshakeSecret:
    """ServerHello, and the handshake secret that the key agreement comes to (RFC 8446 4.1.3, 7.1)."""
    draft = hs.draft
    public, shared = group.answer(share)
    secret = (psk.early if psk else without_psk(draft.digest)).mix(shared)
    random, selected = hs.random(32), None if psk is None else psk.index
    answer = hello.server_hello13(random, message.session_id, draft.suite.code, group.code, public, selected)
    if draft.ech is not None and draft.ech.confirmed:
        answer = ech_server.confirmed(hs, message.random, answer)
        random = answer[6:38]
    draft.server_random = random
    hs.send_message(answer)
    if retried:
        hs.layer.flush()
    else:
        _flush_with_change_cipher_spec(hs, message.session_id)
    return secret


def _let_in_by(hs: Handshake, psk: ChosenPsk | None) -> None:
    """A pre-shared key stands for the client's authentication: an external one, or that of an earlier handshake."""
    if psk is None:
        return
    hs.draft.external_psk = psk.session is None
    if psk.session:
        hs.draft.resumed, hs.draft.peer = psk.session, psk.session.peer
        if psk.session.origin == MEMORY and psk.session.id:
            hs.kept = (psk.session.id,)


def _certificate_message(config: Config, credential: Credential, found: dict[int, bytes]) -> bytes:
    """Our Certificate, compressed if the client takes that (RFC 8879)."""
    certificate = credential.shown13(found)
    if config.compressions and not credential.raw and registry.COMPRESS_CERTIFICATE in found:
        known = extensions.compressions(found[registry.COMPRESS_CERTIFICATE])
        return compression.shorter(credential, certificate, config, known)
    return certificate


class ExpectEndOfEarlyData(State):
    """Early data comes until EndOfEarlyData (RFC 8446 4.5)."""

    __slots__ = ("next_secret",)
    takes_early_data = True

    def __init__(self, next_secret: bytes) -> None:
        self.next_secret = next_secret

    @on(END_OF_EARLY_DATA, messages.Empty.parse)
    def end_of_early_data(self, hs: Handshake, message: messages.Empty) -> State:
        hs.transcript.update(message.raw)
        hs.release()
        return ExpectFinished(self.next_secret)


class ExpectCertificate(State):
    """The client was asked for its certificate (RFC 8446 4.4.2)."""

    __slots__ = ("next_secret",)

    def __init__(self, next_secret: bytes) -> None:
        self.next_secret = next_secret

    @asking_on(CERTIFICATE, messages.Certificate.parse)
    def certificate(self, hs: Handshake, message: messages.Certificate) -> Asking[State]:
        claim = yield from receive_from_client(hs, message, hs.transcript)
        if claim is None:
            return ExpectFinished(self.next_secret)
        return ExpectCertificateVerify(self.next_secret, claim)

    @asking_on(COMPRESSED_CERTIFICATE, messages.CompressedCertificate.parse)
    def compressed_certificate(self, hs: Handshake, message: messages.CompressedCertificate) -> Asking[State]:
        return (yield from self.certificate(hs, compression.expand(hs, message)))


class ExpectCertificateVerify(State):
    """The client's certificate is accepted; the proof that it has the key is still to come (RFC 8446 4.4.3)."""

    __slots__ = ("claim", "next_secret")

    def __init__(self, next_secret: bytes, claim: Claim) -> None:
        self.next_secret, self.claim = next_secret, claim

    @on(CERTIFICATE_VERIFY, messages.CertificateVerify.parse)
    def certificate_verify(self, hs: Handshake, message: messages.CertificateVerify) -> State:
        peer = receive_verify(hs, message, self.claim, hs.transcript, hs.draft)
        return ExpectFinished(self.next_secret, peer)


class ExpectFinished(State):
    """RFC 8446 4.4.4."""

    __slots__ = ("next_secret", "peer")

    def __init__(self, next_secret: bytes, peer: Peer | None = None) -> None:
        self.next_secret, self.peer = next_secret, peer

    @asking_on(FINISHED, messages.Finished.parse)
    def finished(self, hs: Handshake, message: messages.Finished) -> Asking[State]:
        authenticate.check_finished13(hs, message)
        draft, config = hs.draft, hs.config
        draft.peer = self.peer or draft.peer
        hs.install_read_secret(self.next_secret)
        if config.policy.judged:
            yield from admitted(hs, draft.peer, resumed=draft.resumed is not None, later=True)
        state = Established13(hs)
        flight, entries = state.tickets(hs, _wanted_tickets(hs))
        if entries and config.sessions is not None and not (yield KeepRequest(config.sessions, entries)):
            flight = ()
        return hs.finish(state, flight)


def _outside(config: Config) -> SessionManager | None:
    """The sessions of a context, if tickets only name them and the program's store keeps them."""
    sessions = config.sessions
    return sessions if sessions is not None and sessions.store is not None and config.options & OP_NO_TICKET else None


def _wanted_tickets(hs: Handshake) -> int:
    """How many tickets to send (RFC 8446 4.6.1, RFC 9149 3)."""
    draft, count = hs.draft, hs.config.num_tickets
    if not draft.peer_takes_tickets:
        return 0
    if draft.tickets is not None:
        return draft.tickets
    return min(1, count) if draft.resumed else count
