"""Client states of TLS 1.0 to 1.2 (RFC 5246 7.3, RFC 8422, RFC 4279, RFC 5077), from ServerHello on."""

from __future__ import annotations

from functools import partial

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_STATUS,
    FINISHED,
    NEW_SESSION_TICKET,
    SERVER_HELLO_DONE,
    SERVER_KEY_EXCHANGE,
    TLS12,
    TLS13,
)
from puretls._base.tuples import NamedTuple
from puretls._crypto import suites
from puretls._crypto.finite_field import least_prime, of_peer
from puretls._crypto.groups import BY_CODE
from puretls._crypto.primitives import attempt
from puretls._crypto.signatures import RSA, Scheme
from puretls._engine import authenticate, negotiated, raw_keys, selection
from puretls._engine.admission import admitted
from puretls._engine.client13 import count_miss, wrong_suite
from puretls._engine.client_hello import ClientOffer
from puretls._engine.config import OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION, OP_LEGACY_SERVER_CONNECT, Credential
from puretls._engine.fetching import examined
from puretls._engine.handshake import Handshake, State, asking_on, decode, on
from puretls._engine.handshake12 import (
    KINDS,
    PSK_EXCHANGES,
    Keys,
    accept_change_cipher_spec,
    check_finished,
    check_renegotiation,
    choose_before12,
    derive_master,
    finish,
    is_signed,
    lifetime,
    peer_scheme,
    psk_premaster,
    send_finished,
    set_master,
    with_certificate,
)
from puretls._engine.peer import Claim, Peer
from puretls._engine.policy import RAW
from puretls._engine.requests import Asking, PskClientRequest
from puretls._engine.resumption import agreed
from puretls._engine.session import Session, Ticket
from puretls._wire import messages, messages12
from puretls._wire.codec import Reader, vec8, vec16
from puretls._wire.hello import ServerHello
from puretls._wire.places import SH12, check_response

LEGACY_SERVERS = OP_LEGACY_SERVER_CONNECT | OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION  # the second permits more


class Handshake12:
    """What the messages of one handshake leave for the later ones."""

    __slots__ = ("asked", "claim", "hint", "judged", "peer", "session_id", "share", "suite", "ticket_follows")

    def __init__(self, suite: suites.Suite, session_id: bytes) -> None:
        self.suite, self.session_id = suite, session_id
        self.claim: Claim | None = None  # the server's certificate, whose key is not proven yet
        self.peer: Peer | None = None  # the server, once it has proven its key
        self.share: tuple[bytes, bytes] | None = None  # our (EC)DHE share and the secret
        self.hint: bytes | None = None
        self.asked: messages12.CertificateRequest | None = None
        self.ticket_follows = False
        self.judged = False  # whether the program's functions were asked about the peer


def legacy_server_hello(hs: Handshake, offer: ClientOffer, message: ServerHello, version: int) -> State:
    """RFC 5246 7.4.1.3: the server has chosen a version below TLS 1.3."""
    config, found = hs.config, message.extensions
    hs.set_version(version)
    suite = config.offered_by_code.get(message.cipher_suite)
    if suite is None or suite.since > version or suite.since == TLS13:
        raise Abort(wrong_suite(message.cipher_suite), f"cipher suite {message.cipher_suite:#06x}")
    if message.compression_method != 0:
        raise Abort(faults.COMPRESSION_DISABLED)
    hs.set_suite(suite)
    hs.draft.server_random = message.random
    check_response(found, SH12, offer.offered)
    check_renegotiation(hs, found, legacy=bool(config.options & LEGACY_SERVERS))
    negotiated.accept(hs, found, SH12)
    if hs.established:
        _check_what_stays(hs)
    transcript = hs.transcript
    transcript.choose(hs.draft.digest, keep=bool(hs.config.credentials))
    transcript.update(message.raw)
    handshake = Handshake12(suite, message.session_id)
    handshake.ticket_follows = registry.SESSION_TICKET in found
    if offer.session12 and message.session_id and message.session_id == offer.session_id:
        return _resume(hs, offer.session12, handshake)
    if offer.session12 or (offer.psks and any(psk.session for psk in offer.psks)):
        count_miss(hs)
    if with_certificate(suite):
        return ExpectCertificate(handshake, with_status=registry.STATUS_REQUEST in found)
    return _expect_key_exchange(handshake)


def _check_what_stays(hs: Handshake) -> None:
    """Check a renegotiation: it uses EMS if the handshake before did, and keeps encrypt-then-MAC if that had it."""
    before, after = hs.outcome, hs.draft
    if before.ems != after.ems:  # RFC 7627 5.4
        raise Abort(faults.INCONSISTENT_EXTMS)
    if before.etm and not after.etm and isinstance(after.suite.cipher, suites.Block):  # RFC 7366 3.1
        raise Abort(faults.ENCRYPT_THEN_MAC_REQUIRED)


def _resume(hs: Handshake, session: Session, handshake: Handshake12) -> State:
    """The abbreviated handshake (RFC 5246 7.3): the server's Finished comes first."""
    if session.version != hs.version:
        raise Abort(faults.SSL_SESSION_VERSION_MISMATCH)
    if session.suite is not handshake.suite:
        raise Abort(faults.OLD_SESSION_CIPHER_NOT_RETURNED)
    if session.ems != hs.draft.ems:  # RFC 7627 5.3
        raise Abort(faults.INCONSISTENT_EXTMS)
    hs.draft.session = hs.draft.resumed = session
    hs.draft.peer, hs.draft.group = session.peer, BY_CODE.get(session.group)
    set_master(hs, session.secret)
    keys = Keys(hs)
    state = ExpectTicket if handshake.ticket_follows else ExpectChangeCipherSpec
    return state(handshake, keys)


class _Step(State):
    """A state of a full handshake."""

    __slots__ = ("handshake",)

    def __init__(self, handshake: Handshake12) -> None:
        self.handshake = handshake


class ExpectCertificate(_Step):
    """RFC 5246 7.4.2."""

    __slots__ = ("with_status",)

    def __init__(self, handshake: Handshake12, *, with_status: bool) -> None:
        super().__init__(handshake)
        self.with_status = with_status

    @asking_on(CERTIFICATE, messages12.KeyExchange.parse)
    def certificate(self, hs: Handshake, message: messages12.KeyExchange) -> Asking[State]:
        handshake = self.handshake
        if hs.draft.peer_type == RAW:
            claim = raw_keys.in_message12(hs, message.raw)
        else:
            ders = decode(messages12.Certificate.parse, message.raw).ders
            claim = (yield from examined(hs, ders)) if ders else None
        if claim is None:
            raise Abort(faults.LENGTH_MISMATCH, "no certificate")
        handshake.claim = claim
        kinds = KINDS[handshake.suite.auth] if is_signed(handshake.suite) else {RSA}  # for signatures only, or not
        if claim.kind not in kinds:
            raise Abort(faults.WRONG_CERTIFICATE_TYPE)
        hs.transcript.update(message.raw)
        if not self.with_status:
            return _expect_key_exchange(handshake)
        if is_signed(handshake.suite):
            return ExpectStatusOrExchange(handshake)
        return ExpectStatusOrDone(handshake) if handshake.suite.kx == suites.RSA else ExpectStatusHintOrDone(handshake)


def _expect_key_exchange(handshake: Handshake12) -> State:
    kx = handshake.suite.kx
    if kx == suites.RSA:
        return ExpectHelloDone(handshake)
    return ExpectHintOrDone(handshake) if kx in (suites.PSK, suites.RSA_PSK) else ExpectKeyExchange(handshake)


class ExpectHelloDone(_Step):
    """The server may ask for our certificate before it is done (RFC 5246 7.4.4, 7.4.5)."""

    __slots__ = ()

    @on(CERTIFICATE_REQUEST, messages12.KeyExchange.parse)
    def certificate_request(self, hs: Handshake, message: messages12.KeyExchange) -> State:
        if not with_certificate(self.handshake.suite) or self.handshake.asked is not None:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        request = messages12.CertificateRequest
        self.handshake.asked = decode(request.parse if hs.version >= TLS12 else request.parse_tls11, message.raw)
        hs.transcript.update(message.raw)
        return ExpectHelloDone(self.handshake)

    @asking_on(SERVER_HELLO_DONE, messages.Empty.parse)
    def server_hello_done(self, hs: Handshake, message: messages.Empty) -> Asking[State]:
        hs.transcript.update(message.raw)
        handshake = self.handshake
        if (
            handshake.peer is not None and hs.config.policy.judged
        ):  # where the server does not sign, Finished is the proof
            handshake.judged = True
            yield from admitted(hs, handshake.peer)
        return (yield from _answer(hs, handshake))


class ExpectKeyExchange(_Step):
    """RFC 5246 7.4.3."""

    __slots__ = ()

    @on(SERVER_KEY_EXCHANGE, messages12.KeyExchange.parse)
    def server_key_exchange(self, hs: Handshake, message: messages12.KeyExchange) -> State:
        handshake = self.handshake
        read = decode(partial(_read_key_exchange, handshake.suite, hs.version), message.raw)
        _accept_key_exchange(hs, handshake, read)
        hs.transcript.update(message.raw)
        return ExpectHelloDone(handshake)


class ExpectHintOrDone(ExpectHelloDone):
    """PSK: a ServerKeyExchange comes only if there is a hint (RFC 4279 2)."""

    __slots__ = ()

    server_key_exchange = ExpectKeyExchange.server_key_exchange


# A CertificateStatus may come, but need not (RFC 6066 8): a handler that three states have besides their own


@on(CERTIFICATE_STATUS, messages12.CertificateStatus.parse)
def _certificate_status(state: _Step, hs: Handshake, message: messages12.CertificateStatus) -> State:
    handshake = state.handshake
    if message.status_type != 1 or not message.response or handshake.claim is None:
        raise Abort(faults.LENGTH_MISMATCH)
    handshake.claim.ocsp = message.response
    hs.transcript.update(message.raw)
    return _expect_key_exchange(handshake)


class ExpectStatusOrExchange(ExpectKeyExchange):
    """Or ServerKeyExchange."""

    __slots__ = ()
    certificate_status = _certificate_status


class ExpectStatusOrDone(ExpectHelloDone):
    """Or CertificateRequest, or ServerHelloDone."""

    __slots__ = ()
    certificate_status = _certificate_status


class ExpectStatusHintOrDone(ExpectHintOrDone):
    """Or ServerKeyExchange with a hint, or CertificateRequest, or ServerHelloDone."""

    __slots__ = ()
    certificate_status = _certificate_status


class KeyExchange(NamedTuple):
    """ServerKeyExchange, read as the suite has it; parts that it does not have are None or empty."""

    hint: bytes | None
    ecdh: messages12.EcdhParams | None
    dh: messages12.DhParams | None
    params: bytes  # what is signed
    scheme: int  # 0 before TLS 1.2
    signature: bytes


def _read_key_exchange(suite: suites.Suite, version: int, raw: bytes) -> KeyExchange:
    """RFC 5246 7.4.3, RFC 8422 5.4, RFC 4279 2 to 4."""
    r, ecdh, dh, scheme, signature = Reader(raw), None, None, 0, b""
    hint = (r.vec16() or None) if suite.kx in PSK_EXCHANGES else None  # an empty one is none (RFC 4279 5.2)
    start = r.pos
    if suite.kx in (suites.ECDHE, suites.ECDHE_PSK):
        ecdh = messages12.EcdhParams.read(r)
    elif suite.kx in (suites.DHE, suites.DHE_PSK):
        dh = messages12.DhParams.read(r)
    params = raw[start : r.pos]
    if is_signed(suite):
        scheme = r.u16() if version >= TLS12 else 0
        signature = r.vec16()
    r.done()
    return KeyExchange(hint, ecdh, dh, params, scheme, signature)


def _accept_key_exchange(hs: Handshake, handshake: Handshake12, read: KeyExchange) -> None:
    """Our share answers the server's.  Nothing is computed with what it names before its signature is verified."""
    config, group, claim = hs.config, None, handshake.claim
    handshake.hint = read.hint
    if read.ecdh:
        group = config.group_by_code.get(read.ecdh.group)
        if group is None or not group.since <= hs.version <= group.until:
            raise Abort(faults.WRONG_CURVE, f"group {read.ecdh.group:#06x}")
    elif read.dh and read.dh.p.bit_length() < least_prime(config.policy.security_level):
        raise Abort(faults.DH_KEY_TOO_SMALL, f"{read.dh.p.bit_length()} bits")
    if is_signed(handshake.suite):
        if claim is None:
            raise Abort(faults.INTERNAL)
        scheme = peer_scheme(hs, read.scheme, claim)
        handshake.peer = claim.proven(
            scheme, read.signature, hs.draft.client_random + hs.draft.server_random + read.params
        )
        hs.draft.peer_scheme = scheme
    if group and read.ecdh:
        hs.draft.group = group
        handshake.share = group.answer(read.ecdh.point)
    elif read.dh:
        peer = handshake.peer
        field = of_peer(
            read.dh.p, read.dh.g, signed=peer is not None, verified=peer is not None and peer.path is not None
        )
        handshake.share = field.answer(read.dh.y)


def _answer(hs: Handshake, handshake: Handshake12) -> Asking[State]:
    """ServerHelloDone: our flight (RFC 5246 7.4.6 to 7.4.9)."""
    chosen = None
    if handshake.asked is not None:
        chosen = _choose(hs, handshake.asked)
        if chosen:
            hs.draft.own_credential, hs.draft.own_scheme = chosen
        hs.send_message(chosen[0].message12 if chosen else messages12.certificate(()))
    psk = None
    if handshake.suite.kx in PSK_EXCHANGES:
        if hs.config.psk_client:
            psk = yield PskClientRequest(handshake.hint)
        if psk is None:
            raise Abort(faults.PSK_IDENTITY_NOT_FOUND_CLIENT)
    _send_key_exchange(hs, handshake, psk)
    if chosen:
        credential, scheme = chosen
        signature = yield from authenticate.sign(credential, scheme, hs.transcript.messages())
        if hs.version >= TLS12:
            hs.send_message(messages.certificate_verify(scheme.code, signature))
        else:
            hs.send_message(messages12.certificate_verify(signature))
    hs.transcript.forget()
    keys = Keys(hs)
    hs.stream.switch_write_keys(keys.sealer)
    send_finished(hs, keys)
    return (ExpectTicket if handshake.ticket_follows else ExpectChangeCipherSpec)(handshake, keys)


def _choose(hs: Handshake, asked: messages12.CertificateRequest) -> tuple[Credential, Scheme] | None:
    """A certificate of ours that suits the request: as with OpenSSL the one that was loaded last, or else another."""
    types = {messages12.RSA_SIGN: KINDS[suites.RSA], messages12.ECDSA_SIGN: KINDS[suites.ECDSA]}
    kinds = frozenset().union(*(types.get(kind, frozenset()) for kind in asked.certificate_types))
    config, pool = hs.config, hs.config.credentials[::-1]
    if config.selects:
        pool = tuple(selection.welcome(config.credentials, asked.authorities))
    if hs.version >= TLS12:
        return selection.first(config, TLS12, asked.schemes, pool, kinds)
    return choose_before12(hs, pool, kinds)


def _send_key_exchange(hs: Handshake, handshake: Handshake12, psk: tuple[bytes, bytes] | None) -> None:
    """ClientKeyExchange, and the master secret (RFC 5246 7.4.7, RFC 8422 5.7, RFC 4279 2 to 4)."""
    body, secret = b"", b""
    kx = handshake.suite.kx
    if psk:
        body, secret = vec16(psk[0]), bytes(len(psk[1]))
    if handshake.share is not None:
        share, secret = handshake.share
        body += vec8(share) if kx in (suites.ECDHE, suites.ECDHE_PSK) else vec16(share)
    elif kx in (suites.RSA, suites.RSA_PSK):
        claim = handshake.claim
        if claim is None or not isinstance(claim.key, RSAPublicKey):
            raise Abort(faults.WRONG_CERTIFICATE_TYPE)
        secret = min(hs.config.max_version, TLS12).to_bytes(2, "big") + hs.random(46)  # RFC 5246 7.4.7.1
        body += vec16(attempt(faults.CANNOT_ENCRYPT, claim.key.encrypt, secret, PKCS1v15()))
        handshake.peer = claim.encrypted_to()
    hs.send_message(messages12.client_key_exchange(body))
    hs.draft.peer, hs.draft.external_psk = handshake.peer, handshake.suite.auth == suites.PSK
    derive_master(hs, psk_premaster(secret, psk[1]) if psk else secret)


class ExpectChangeCipherSpec(State):
    """The server switches to the new keys (RFC 5246 7.1)."""

    __slots__ = ("handshake", "keys", "ticket")
    expects_ccs = True

    def __init__(self, handshake: Handshake12, keys: Keys, ticket: messages12.NewSessionTicket | None = None) -> None:
        self.handshake, self.keys, self.ticket = handshake, keys, ticket

    def change_cipher_spec(self, hs: Handshake, body: bytes) -> State:
        accept_change_cipher_spec(hs, body, self.keys)
        return ExpectFinished(self.handshake, self.keys, self.ticket)


class ExpectTicket(ExpectChangeCipherSpec):
    """It promised a ticket first (RFC 5077 3.3)."""

    __slots__ = ()

    @on(NEW_SESSION_TICKET, messages12.NewSessionTicket.parse)
    def new_session_ticket(self, hs: Handshake, message: messages12.NewSessionTicket) -> State:
        hs.transcript.update(message.raw)
        return ExpectChangeCipherSpec(self.handshake, self.keys, message)

    def change_cipher_spec(self, hs: Handshake, body: bytes) -> State:
        del hs, body
        raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "NewSessionTicket is missing")


class ExpectFinished(State):
    """RFC 5246 7.4.9."""

    __slots__ = ("handshake", "keys", "ticket")

    def __init__(self, handshake: Handshake12, keys: Keys, ticket: messages12.NewSessionTicket | None) -> None:
        self.handshake, self.keys, self.ticket = handshake, keys, ticket

    @asking_on(FINISHED, messages.Finished.parse)
    def finished(self, hs: Handshake, message: messages.Finished) -> Asking[State]:
        check_finished(hs, message, self.keys)
        resumed = hs.draft.resumed
        if hs.config.policy.judged and not self.handshake.judged:
            yield from admitted(hs, hs.draft.peer, resumed=resumed is not None)
        if resumed:
            hs.stream.switch_write_keys(self.keys.sealer)
            send_finished(hs, self.keys)
        ticket, draft = self.ticket, hs.draft
        if ticket is not None and ticket.ticket:
            draft.authenticated = now = hs.clock()
            draft.ticket = Ticket(_session, (b"", ticket.ticket, ticket.lifetime_hint), now)
        elif not resumed:
            draft.authenticated = now = hs.clock()
            draft.ticket = Ticket(_session, (self.handshake.session_id, b"", 0), now)
        state = finish(hs, resumed)
        if hs.tells_sessions and draft.ticket is not None:
            session = draft.ticket.session(hs)
            if session.ticket or session.id:
                hs.tell_session(session)
        return state


def _session(hs: Handshake, ticket: Ticket) -> Session:
    """The session that the server has given an id (RFC 5246 7.4.1.3), or a ticket (RFC 5077 3.3)."""
    number, sealed, hint = ticket.message
    master = hs.outcome.master
    if not isinstance(master, bytes):
        raise Abort(faults.INTERNAL)
    return agreed(hs, master, lifetime(hs), number, sealed, lifetime_hint=hint, time=ticket.time)
