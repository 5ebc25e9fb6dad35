"""Server states of TLS 1.0 to 1.2 (RFC 5246 7.3, RFC 8422, RFC 4279, RFC 5077), from the choices on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import CERTIFICATE, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE, FINISHED, TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto import suites
from puretls._crypto.finite_field import least_prime
from puretls._crypto.groups import BY_CODE, Group, Offer
from puretls._crypto.primitives import attempt
from puretls._crypto.suites import Suite
from puretls._engine import authenticate, negotiated, raw_keys
from puretls._engine.admission import admitted
from puretls._engine.choose12 import Choice, choose
from puretls._engine.config import Config
from puretls._engine.counters import MEMORY
from puretls._engine.handshake import Handshake, State, asking_on, decode, on
from puretls._engine.handshake12 import (
    PSK_EXCHANGES,
    Keys,
    accept_change_cipher_spec,
    check_finished,
    check_renegotiation,
    derive_master,
    finish,
    lifetime,
    master_of,
    peer_scheme,
    psk_premaster,
    send_finished,
    set_master,
    with_certificate,
)
from puretls._engine.identify import examine
from puretls._engine.negotiate import remember
from puretls._engine.peer import Claim
from puretls._engine.policy import CERT_REQUIRED, RAW
from puretls._engine.requests import Asking, KeepRequest, PskServerRequest, RecallRequest
from puretls._engine.resumption import agreed, fits, state_of
from puretls._engine.session import Session
from puretls._engine.tickets import MAX_TICKET, own_state
from puretls._wire import extensions, hello, messages, messages12
from puretls._wire.codec import Reader, tuple_of, vec16
from puretls._wire.familiar import Hello
from puretls._wire.hello import ClientHello
from puretls._wire.places import SH12

REQUEST_TYPES = bytes((messages12.RSA_SIGN, messages12.ECDSA_SIGN))  # certificate_types of a CertificateRequest


class Choice12:
    """What a server chooses, whatever the connection's own parts of a ClientHello are."""

    __slots__ = ("ems", "full", "said", "scsv", "secure", "ticket", "version")

    def __init__(self, version: int, found: dict[int, bytes], *, secure: bool, scsv: bool) -> None:
        self.version, self.secure, self.scsv = version, secure, scsv
        self.ems = registry.EXTENDED_MASTER_SECRET in found
        self.ticket = bool(found.get(registry.SESSION_TICKET))
        # Found out when they are needed; for a kind of hello they are kept if they are the same for all of it
        self.full: Choice | None = None  # of a full handshake
        self.said: dict[object, Any] = {}  # the answers to its extensions (`negotiated`)


def start(hs: Handshake, message: Hello, version: int, known: Choice12 | None) -> Asking[State]:
    """ClientHello: read what it offers, then resume a session or begin a full handshake."""
    config, draft = hs.config, hs.draft
    choice = known or _read(hs, message.full, version)
    draft.secure_renegotiation = choice.secure
    draft.server_random = _random(hs, version)
    sessions, number, now = config.sessions, message.session_id, hs.clock()
    session = None
    if sessions is not None:
        if choice.ticket and config.tickets12:
            session = sessions.tickets.open(_ticket(message), now)
        elif number and sessions.store is None:
            session = sessions.cache.find(number, now)
        elif number and sessions.tickets.is_ours(number, now):
            value = yield RecallRequest(sessions, number, once=False)
            session = None if value is None else sessions.tickets.open_for(number, value, now)
    if session is not None and _resumable(hs, choice, session):
        if known is None:
            remember(config, message, choice)
        return _resume(hs, message, session, choice)
    full = choice.full
    if full is None:
        found = message.full.extensions
        if config.typed:
            raw_keys.choose_types(hs, found)
        full = choose(hs, found, version)
        if known is None:
            remember(config, message, choice)
        if not config.selects and not config.typed:  # else the name counts, or types do
            choice.full = full
    return (yield from _full(hs, message, full, choice))


def _ticket(message: Hello) -> bytes:
    if message.kind is not None and message.kind.ticket is not None:
        return message.raw[message.kind.ticket]
    return message.full.extensions[registry.SESSION_TICKET]


def _read(hs: Handshake, message: ClientHello, version: int) -> Choice12:
    """Check what a ClientHello says to a server of TLS 1.2 and older."""
    found = message.extensions
    if 0 not in message.compression_methods:
        raise Abort(faults.NO_COMPRESSION_SPECIFIED)
    scsv = registry.EMPTY_RENEGOTIATION_INFO_SCSV in hs.draft.client_suites
    check_renegotiation(hs, found, legacy=True)
    if registry.KEY_SHARE in found:  # not used here, but checked all the same
        extensions.key_shares(found[registry.KEY_SHARE])
    if registry.PRE_SHARED_KEY in found:
        if registry.PSK_KEY_EXCHANGE_MODES not in found:  # TLS 1.2 has no alert missing_extension
            raise Abort(faults.MISSING_PSK_KEX_MODES._replace(alert=registry.HANDSHAKE_FAILURE))
        extensions.offered_psks(found[registry.PRE_SHARED_KEY])
    return Choice12(version, found, secure=hs.draft.secure_renegotiation, scsv=scsv)


def _random(hs: Handshake, version: int) -> bytes:
    """The random of a server, whose last eight bytes show that it supports a higher version (RFC 8446 4.1.3)."""
    highest = hs.config.served[0]
    if highest >= TLS13 and version == TLS12:
        return hs.random(24) + hello.DOWNGRADE_TLS12
    if highest >= TLS12 and version < TLS12:
        return hs.random(24) + hello.DOWNGRADE_TLS11
    return hs.random(32)


# Resumption (RFC 5246 7.3, RFC 5077 3)


def _resumable(hs: Handshake, choice: Choice12, session: Session) -> bool:
    if session.version != choice.version or not fits(hs, session) or session.suite not in hs.config.suites:
        return False
    if session.suite.code not in hs.draft.client_suites:  # RFC 5246 7.4.1.2
        raise Abort(faults.REQUIRED_CIPHER_MISSING)
    if session.ems and not choice.ems:  # RFC 7627 5.3
        raise Abort(faults.INCONSISTENT_EXTMS)
    return session.ems == choice.ems


def _resume(hs: Handshake, message: Hello, session: Session, choice: Choice12) -> State:
    """The abbreviated handshake: our Finished comes first."""
    transcript = hs.transcript
    hs.set_suite(session.suite)
    hs.draft.resumed, hs.draft.peer = session, session.peer
    hs.draft.group = BY_CODE.get(session.group)
    block, _ = negotiated.said(hs, message, choice.said, SH12, resumed=True, more=choice.scsv)
    transcript.choose(hs.draft.digest)
    transcript.update(message.raw)
    hs.send_message(
        hello.server_hello(hs.version, hs.draft.server_random, message.session_id, session.suite.code, block)
    )
    set_master(hs, session.secret)
    keys = Keys(hs)
    hs.stream.switch_write_keys(keys.sealer)
    send_finished(hs, keys)
    return ExpectChangeCipherSpec(keys, Session12(b"", False))


class Session12(NamedTuple):
    """Prepare what a client needs to resume this full handshake."""

    id: bytes
    by_ticket: bool


# The full handshake


def _full(hs: Handshake, message: Hello, chosen: Choice, choice: Choice12) -> Asking[State]:
    """ServerHello to ServerHelloDone (RFC 5246 7.4.1.3 to 7.4.5)."""
    config, transcript = hs.config, hs.transcript
    suite, credential, scheme, hs.draft.group = chosen
    hs.set_suite(suite)
    hs.draft.own_credential, hs.draft.own_scheme = credential, scheme
    block, answers = negotiated.said(hs, message, choice.said, SH12, resumed=False, more=choice.scsv)
    by_ticket = registry.SESSION_TICKET in answers
    staple = credential.ocsp if credential and registry.STATUS_REQUEST in answers else None
    asked = bool(config.policy.verify_mode) and with_certificate(suite)
    transcript.choose(hs.draft.digest, keep=asked)
    transcript.update(message.raw)
    session_id = b"" if by_ticket or config.sessions is None else hs.random(32)
    if session_id and config.sessions is not None and config.sessions.store is not None:
        session_id = config.sessions.tickets.new_id(hs.clock())
    flight = [hello.server_hello(hs.version, hs.draft.server_random, session_id, suite.code, block)]
    if credential:
        flight.append(credential.message12)
    if staple:
        flight.append(messages12.certificate_status(staple))
    offer, params = _offer(config, suite, chosen.group)
    if params:
        signature = b""
        if credential is not None and scheme is not None:
            signed = hs.draft.client_random + hs.draft.server_random + params
            signature = vec16((yield from authenticate.sign(credential, scheme, signed)))
            if hs.version >= TLS12:
                signature = scheme.code.to_bytes(2, "big") + signature
        flight.append(messages12.server_key_exchange(params + signature))
    if asked:
        schemes = tuple(s.code for s in config.schemes if s.tls12) if hs.version >= TLS12 else None
        if schemes == ():  # the list must not be empty (RFC 5246 7.4.4)
            raise Abort(faults.NO_SUITABLE_SIGNATURE_ALGORITHM, "no scheme for certificates of clients is for TLS 1.2")
        flight.append(messages12.certificate_request(REQUEST_TYPES, schemes, config.ca_names))
    flight.append(messages12.SERVER_HELLO_DONE)
    hs.send_messages(flight)
    hs.layer.flush()
    said = message.raw[4] << 8 | message.raw[5]  # legacy_version, which RSA key exchange repeats
    handshake = Handshake12(suite, offer, said, tuple_of(Session12, (session_id, by_ticket)))
    return ExpectCertificate(handshake) if asked else ExpectKeyExchange(handshake)


def _offer(config: Config, suite: Suite, group: Group | None) -> tuple[Offer | None, bytes]:
    """Our share, and the body of ServerKeyExchange before the signature, if the suite has one (RFC 5246 7.4.3, RFC 8422
    5.4, RFC 4279 2 to 4).
    """
    offer: Offer | None = None
    params = b""
    if group is not None:
        offer = group.offer()
        params = tuple_of(messages12.EcdhParams, (group.code, offer.public)).encode()
    elif suite.kx in (suites.DHE, suites.DHE_PSK) and config.dh:
        field, size = config.dh, config.dh.p.bit_length()
        if size < least_prime(config.policy.security_level):  # the level was raised after they were loaded
            raise Abort(faults.DH_KEY_TOO_SMALL, f"{size} bits")
        offer = field.offer()
        params = messages12.DhParams(field.p, field.g, offer.public).encode()
    if suite.kx in PSK_EXCHANGES and (params or config.psk_hint):
        params = vec16(config.psk_hint or b"") + params

    return offer, params


class Handshake12:
    """What our flight leaves for the client's messages."""

    __slots__ = ("claim", "hello_version", "offer", "session", "suite")

    def __init__(self, suite: Suite, offer: Offer | None, hello_version: int, session: Session12) -> None:
        self.suite, self.offer, self.hello_version, self.session = suite, offer, hello_version, session
        self.claim: Claim | None = None


class _Step(State):
    __slots__ = ("handshake",)

    def __init__(self, handshake: Handshake12) -> None:
        self.handshake = handshake


class ExpectCertificate(_Step):
    """The client was asked for its certificate (RFC 5246 7.4.6)."""

    __slots__ = ()

    @on(CERTIFICATE, messages12.KeyExchange.parse)
    def certificate(self, hs: Handshake, message: messages12.KeyExchange) -> State:
        handshake = self.handshake
        if hs.draft.peer_type == RAW:
            handshake.claim = raw_keys.in_message12(hs, message.raw)
        elif ders := decode(messages12.Certificate.parse, message.raw).ders:
            handshake.claim = examine(hs, ders)
        if handshake.claim is None and hs.config.policy.verify_mode == CERT_REQUIRED:
            raise Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE)
        hs.transcript.update(message.raw)
        return ExpectKeyExchange(self.handshake)


class ExpectKeyExchange(_Step):
    """RFC 5246 7.4.7."""

    __slots__ = ()

    @asking_on(CLIENT_KEY_EXCHANGE, messages12.KeyExchange.parse)
    def client_key_exchange(self, hs: Handshake, message: messages12.KeyExchange) -> Asking[State]:
        handshake, (raw, _) = self.handshake, message
        identity, share = decode(_EXCHANGES[handshake.suite.kx], raw)
        hs.transcript.update(raw)
        key = None
        if identity is not None:
            key = yield PskServerRequest(identity)
            if not key:
                raise Abort(faults.PSK_IDENTITY_NOT_FOUND)
        return _derive(hs, handshake, share, key)


def _read_ecdhe(raw: bytes) -> tuple[None, bytes]:
    """The client's share (RFC 8422 5.7)."""
    share = raw[5:]
    if raw[4] != len(share) or not share:
        raise Abort(faults.LENGTH_MISMATCH)
    return None, share


def _read_key_exchange(kx: str, raw: bytes) -> tuple[bytes | None, bytes]:
    """PSK identity, and the client's share or encrypted secret."""
    r = Reader(raw)
    identity = r.vec16() if kx in PSK_EXCHANGES else None
    if kx == suites.PSK:
        share = b""
    else:
        share = r.vec8() if kx == suites.ECDHE_PSK else r.vec16()
        if not share:
            raise Abort(faults.LENGTH_MISMATCH)
    r.done()
    return identity, share


_EXCHANGES: dict[str, Callable[[bytes], tuple[bytes | None, bytes]]] = {
    kx: partial(_read_key_exchange, kx) for kx in (suites.RSA, suites.DHE, *PSK_EXCHANGES)
}
_EXCHANGES[suites.ECDHE] = _read_ecdhe


def _derive(hs: Handshake, handshake: Handshake12, share: bytes, psk: bytes | None) -> State:
    kx = handshake.suite.kx
    if handshake.offer is not None:
        secret = handshake.offer.complete(share)
    elif kx in (suites.RSA, suites.RSA_PSK):
        secret = _decrypt(hs, handshake.hello_version, share)
    else:
        secret = bytes(len(psk or b""))
    hs.draft.external_psk = handshake.suite.auth == suites.PSK
    derive_master(hs, psk_premaster(secret, psk) if psk else secret)
    keys = Keys(hs)
    if handshake.claim is not None:
        return ExpectCertificateVerify(handshake, handshake.claim, keys)
    hs.transcript.forget()
    return ExpectChangeCipherSpec(keys, handshake.session)


def _decrypt(hs: Handshake, version: int, ciphertext: bytes) -> bytes:
    """Decrypt the premaster secret (RFC 5246 7.4.7.1): if anything is wrong with it, a random one takes its place.

    The primitive rejects bad padding implicitly, with random bytes; length and version are judged without a branch that
    could be observed from outside.
    """
    fallback = hs.random(48)
    try:
        secret: bytes = attempt(faults.DECRYPTION_FAILED, hs.draft.own_credential.key.decrypt, ciphertext, PKCS1v15())
    except Abort:  # of a wrong length
        return fallback
    good = (len(secret) == 48) & (secret[:2] == version.to_bytes(2, "big"))
    return (fallback, secret)[good]


class ExpectCertificateVerify(State):
    """RFC 5246 7.4.8."""

    __slots__ = ("claim", "handshake", "keys")

    def __init__(self, handshake: Handshake12, claim: Claim, keys: Keys) -> None:
        self.handshake, self.claim, self.keys = handshake, claim, keys

    @on(CERTIFICATE_VERIFY, messages12.KeyExchange.parse)
    def certificate_verify(self, hs: Handshake, message: messages12.KeyExchange) -> State:
        verify: messages.CertificateVerify | messages12.CertificateVerify
        if hs.version >= TLS12:
            verify = decode(messages.CertificateVerify.parse, message.raw)
        else:
            verify = decode(messages12.CertificateVerify.parse, message.raw)
        transcript = hs.transcript
        scheme = peer_scheme(hs, verify.scheme, self.claim)
        hs.draft.peer = self.claim.proven(scheme, verify.signature, transcript.messages())
        hs.draft.peer_scheme = scheme
        transcript.forget()
        hs.transcript.update(message.raw)
        return ExpectChangeCipherSpec(self.keys, self.handshake.session)


class ExpectChangeCipherSpec(State):
    """RFC 5246 7.1."""

    __slots__ = ("keys", "session")
    expects_ccs = True

    def __init__(self, keys: Keys, session: Session12) -> None:
        self.keys, self.session = keys, session

    def change_cipher_spec(self, hs: Handshake, body: bytes) -> State:
        accept_change_cipher_spec(hs, body, self.keys)
        return ExpectFinished(self.keys, self.session)


class ExpectFinished(State):
    """RFC 5246 7.4.9."""

    __slots__ = ("keys", "session")

    def __init__(self, keys: Keys, session: Session12) -> None:
        self.keys, self.session = keys, session

    @asking_on(FINISHED, messages.Finished.parse)
    def finished(self, hs: Handshake, message: messages.Finished) -> Asking[State]:
        check_finished(hs, message, self.keys)
        resumed = hs.draft.resumed
        if resumed is not None and resumed.origin == MEMORY and resumed.id:
            hs.kept = (resumed.id,)  # not before: anybody may have seen the id, and only its owner has the secret
        if hs.config.policy.judged:
            yield from admitted(hs, hs.draft.peer, resumed=resumed is not None)
        if resumed is not None:
            return finish(hs, resumed)
        session, sessions, name = None, hs.config.sessions, self.session.id
        if sessions is None or not (self.session.by_ticket or sessions.store is not None):
            session = agreed(hs, master_of(hs), lifetime(hs), name)
            if sessions is not None:
                sessions.cache.add(session)
                hs.kept = (name,)
        else:
            hs.draft.authenticated = now = hs.clock()
            shared, left = state_of(hs, master_of(hs), sessions.lifetime)
            state = own_state(0, 0) + shared
            if self.session.by_ticket:
                fits = len(state) <= MAX_TICKET and left > 0
                tickets = sessions.tickets.seal((state,), now) if fits else [b""]  # RFC 5077 3.3
                hs.send_message(messages12.new_session_ticket(left, tickets[0]))
            elif left:
                yield KeepRequest(sessions, [(name, sessions.tickets.seal_for(name, state, now), left)])
        hs.stream.switch_write_keys(self.keys.sealer)
        send_finished(hs, self.keys)
        return finish(hs, session)
