"""Server states of TLS 1.3 (RFC 8446 4, A.2), from the choices after ClientHello to Finished and the tickets."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import TYPE_CHECKING

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import CERTIFICATE, CERTIFICATE_VERIFY, CLIENT_HELLO, FINISHED, TLS12, TLS13
from puretls._crypto.groups import Group
from puretls._crypto.kdf import SHA256
from puretls._crypto.schedule import EarlySecret, HandshakeSecret, finished, without_psk
from puretls._crypto.suites import Suite
from puretls._engine import authenticate, negotiate
from puretls._engine.authenticate import (
    CLIENT_CONTEXT,
    send_certificate13,
    send_finished13,
)
from puretls._engine.config import CERT_REQUIRED, OP_NO_TICKET
from puretls._engine.established import Established13
from puretls._engine.negotiate import Offer13
from puretls._engine.peer import Claim, Peer, examine
from puretls._engine.sessions import Session
from puretls._engine.state import Parked, PskServerRequest, State, on
from puretls._wire import extensions, hello, messages
from puretls._wire.codec import extension
from puretls._wire.hello import ClientHello

if TYPE_CHECKING:
    from puretls._engine.connection import Connection

VERSION_EXTENSION = extension(registry.SUPPORTED_VERSIONS, b"\x03\x04")
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


def start(conn: Connection, message: ClientHello, retry: Retry | None = None) -> State:
    """Choose from a ClientHello; answer with a HelloRetryRequest or with our flight."""
    config, transcript = conn.config, conn.transcript
    offer = negotiate.read_offer13(message)
    shared = negotiate.in_order(config, config.suites13, conn.client_suites)
    if not shared:
        raise Abort(faults.NO_SHARED_CIPHER)
    if config.psk_server:  # an external key goes with SHA-256 (RFC 8446 4.2.11): let there be a suite for it
        shared.sort(key=lambda suite: suite.hash is not SHA256)
    if retry is None:
        conn.set_suite(shared[0])
        transcript.choose(conn.digest)
    conn.inbound.drop_ccs = True
    if registry.EARLY_DATA in message.extensions:  # we accept none, but a client may send it under a ticket not ours
        conn.inbound.early_data = MAX_EARLY_DATA
    conn.group, share = negotiate.group13(config, offer)
    if share is None:
        if retry is not None:
            raise Abort(faults.BAD_KEY_SHARE, "the share that was asked for is missing")
        return _send_retry(conn, message, conn.group)
    chosen_share = share
    conn.alpn = negotiate.protocol(config, message.extensions)
    if registry.POST_HANDSHAKE_AUTH in message.extensions:
        extensions.empty(message.extensions[registry.POST_HANDSHAKE_AUTH])
        conn.peer_offers_pha = True
    conn.limit_records(message.extensions)

    def go_on(psk: ChosenPsk | None) -> State:
        transcript.update(message.raw)
        return _answer(conn, message, offer, chosen_share, psk, retried=retry is not None)

    return go_on(None) if offer.psks is None else _find_psk(conn, message, offer, 0, go_on)


def _send_retry(conn: Connection, message: ClientHello, group: Group) -> State:
    """RFC 8446 4.1.4."""
    transcript, suite = conn.transcript, conn.suite
    if suite is None:
        raise Abort(faults.INTERNAL)
    cookie = conn.random(32) if conn.config.retry_cookie else b""
    block = VERSION_EXTENSION + extension(registry.KEY_SHARE, group.code.to_bytes(2, "big"))
    if cookie:
        block += extension(registry.COOKIE, len(cookie).to_bytes(2, "big") + cookie)
    transcript.update(message.raw)
    transcript.rewrite_for_retry()
    conn.send_messages(hello.server_hello(TLS12, hello.HELLO_RETRY_REQUEST, message.session_id, suite.code, block))
    conn.flush()
    if message.session_id:
        conn.send_change_cipher_spec()
    return ExpectSecondClientHello(Retry(message, group, cookie))


class ExpectSecondClientHello(State):
    """After a HelloRetryRequest the client may change only what was asked for (RFC 8446 4.1.2)."""

    __slots__ = ("retry",)
    reads_ahead = True

    def __init__(self, retry: Retry) -> None:
        self.retry = retry

    @on(CLIENT_HELLO, ClientHello.parse)
    def client_hello(self, conn: Connection, message: ClientHello) -> State:
        first, found = self.retry.hello, message.extensions
        extensions.check_place(found, extensions.CH)
        if (message.legacy_version, message.random, message.session_id, message.cipher_suites) != (
            first.legacy_version,
            first.random,
            first.session_id,
            first.cipher_suites,
        ) or TLS13 not in extensions.versions(found.get(registry.SUPPORTED_VERSIONS, b"")):
            raise Abort(faults.MISPLACED_EXTENSION, "the second ClientHello is another one")
        cookie = extensions.cookie(found[registry.COOKIE]) if registry.COOKIE in found else b""
        if not compare_digest(cookie, self.retry.cookie):
            raise Abort(faults.BAD_HRR_COOKIE)
        conn.inbound.early_data = 0
        shares = negotiate.read_offer13(message).shares
        if tuple(shares) != (self.retry.group.code,) or registry.EARLY_DATA in found:
            raise Abort(faults.BAD_KEY_SHARE, "not the share that was asked for")
        return start(conn, message, self.retry)


def _find_psk(
    conn: Connection, message: ClientHello, offer: Offer13, index: int, then: Callable[[ChosenPsk | None], State]
) -> State:
    """The first PSK from `index` on that is good for this handshake (RFC 8446 4.2.11)."""
    suite, offered = conn.suite, offer.psks
    if offered is None or suite is None:
        return then(None)
    sessions, now = conn.config.sessions, conn.clock()
    find = sessions is not None and (sessions.find if conn.config.options & OP_NO_TICKET else sessions.open)
    for i in range(index, min(len(offered.identities), MAX_IDENTITIES)):
        identity = offered.identities[i][0]
        session = find(identity, now) if find else None
        if session is not None:
            if _resumable(conn, session, suite):
                return then(_check_binder(conn, message, offer, i, session.secret, session))
        elif conn.config.psk_server and suite.hash is SHA256:

            def keyed(key: bytes | None, i: int = i) -> State:
                if not key:
                    return _find_psk(conn, message, offer, i + 1, then)
                return then(_check_binder(conn, message, offer, i, key, None))

            return Parked(PskServerRequest(identity), keyed)
    return then(None)


def _resumable(conn: Connection, session: Session, suite: Suite) -> bool:
    verified = session.peer is not None and session.peer.path is not None
    return (
        session.version == TLS13
        and session.suite.hash is suite.hash
        and session.server_name == conn.server_name
        and (verified or conn.config.verify_mode != CERT_REQUIRED)
    )


def _check_binder(
    conn: Connection, message: ClientHello, offer: Offer13, index: int, key: bytes, session: Session | None
) -> ChosenPsk:
    """Who names a PSK has to know it (RFC 8446 4.2.11.2)."""
    psks, transcript = offer.psks, conn.transcript
    if psks is None:
        raise Abort(faults.INTERNAL)
    early = EarlySecret(conn.digest, key)
    covered = message.raw[: -psks.binders_size]
    binder = finished(
        conn.digest, early.binder_key(external=session is None), transcript.digest_with(covered, conn.digest)
    )
    if not compare_digest(binder, psks.binders[index]):
        raise Abort(faults.BINDER_DOES_NOT_VERIFY)
    return ChosenPsk(index, early, session)


def _answer(
    conn: Connection, message: ClientHello, offer: Offer13, share: bytes, psk: ChosenPsk | None, *, retried: bool
) -> State:
    """ServerHello to Finished (RFC 8446 4.1.3, 4.3, 4.4)."""
    config, suite, group, d = conn.config, conn.suite, conn.group, conn.digest
    if suite is None or group is None:
        raise Abort(faults.INTERNAL)
    chosen = None
    if psk is None:
        chosen = authenticate.choose(config, TLS13, offer.schemes, server_side=True)
        if chosen is None:
            if not offer.schemes:  # RFC 8446 4.2.3
                raise Abort(faults.MISSING_SIGALGS)
            raise Abort(faults.NO_SUITABLE_SIGNATURE_ALGORITHM)
    public, shared = group.answer(share)
    secret = (psk.early if psk else without_psk(d)).mix(shared)
    conn.server_random = conn.random(32)
    block = VERSION_EXTENSION + extensions.build_own_share(group.code, public)
    if psk:
        block += extension(registry.PRE_SHARED_KEY, psk.index.to_bytes(2, "big"))
    conn.send_messages(hello.server_hello(TLS12, conn.server_random, message.session_id, suite.code, block))
    conn.flush()
    if message.session_id and not retried:
        conn.send_change_cipher_spec()
    digest = conn.transcript.digest()
    theirs, ours = secret.traffic(digest)
    if conn.events is not None:
        conn.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", theirs)
        conn.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", ours)
    conn.set_handshake_secrets(theirs, ours)
    conn.inbound.allow_plain_alert = True
    encrypted = _encrypted_extensions(conn, message, resumed=psk is not None)
    if psk and psk.session:
        conn.session_reused = True
        conn.peer = psk.session.peer
    if chosen is None:
        conn.send_messages(encrypted)
        return _finish_flight(conn, secret, asked=False)
    asked = bool(config.verify_mode) and not config.post_handshake_auth
    credential = chosen[0]
    certificate = credential.stapled13 if registry.STATUS_REQUEST in message.extensions else credential.message13
    flight = (encrypted, config.request13, certificate) if asked else (encrypted, certificate)
    return send_certificate13(conn, chosen, flight, lambda: _finish_flight(conn, secret, asked=asked))


def _encrypted_extensions(conn: Connection, message: ClientHello, *, resumed: bool) -> bytes:
    """RFC 8446 4.3.1."""
    block = b""
    if conn.server_name is not None and conn.config.choose_context and not resumed:
        block = extension(registry.SERVER_NAME, b"")
    if conn.alpn is not None:
        block += extensions.build_protocols((conn.alpn,))
    if registry.RECORD_SIZE_LIMIT in message.extensions:
        block += conn.config.limit_extension
    return messages.encrypted_extensions(block)


def _finish_flight(conn: Connection, secret: HandshakeSecret, *, asked: bool) -> State:
    """Our Finished, and the keys that follow it (RFC 8446 4.4.4, 7.1)."""
    send_finished13(conn)
    conn.exporter_digest = digest = conn.transcript.digest()
    conn.master = master = secret.finish()
    theirs, ours = master.traffic(digest)
    if conn.events is not None:
        conn.log_secret("CLIENT_TRAFFIC_SECRET_0", theirs)
        conn.log_secret("SERVER_TRAFFIC_SECRET_0", ours)
        conn.log_secret("EXPORTER_SECRET", master.exporter(digest))
    conn.set_write_secret(ours)
    return ExpectCertificate(theirs) if asked else ExpectFinished(theirs)


class ExpectCertificate(State):
    """We have asked the client for its certificate (RFC 8446 4.4.2)."""

    __slots__ = ("next_secret",)

    def __init__(self, next_secret: bytes) -> None:
        self.next_secret = next_secret

    @on(CERTIFICATE, messages.Certificate.parse)
    def certificate(self, conn: Connection, message: messages.Certificate) -> State:
        if message.context:
            raise Abort(faults.INVALID_CONTEXT._replace(alert=registry.ILLEGAL_PARAMETER))
        if not message.entries:
            if conn.config.verify_mode == CERT_REQUIRED:
                raise Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13)
            conn.transcript.update(message.raw)
            return ExpectFinished(self.next_secret)
        for entry in message.entries:
            extensions.check_response(entry.extensions, extensions.CT, frozenset())
        claim = examine(conn, [entry.der for entry in message.entries])
        conn.transcript.update(message.raw)
        return ExpectCertificateVerify(self.next_secret, claim)


class ExpectCertificateVerify(State):
    """The client's path is good, it has not spoken yet (RFC 8446 4.4.3)."""

    __slots__ = ("claim", "next_secret")

    def __init__(self, next_secret: bytes, claim: Claim) -> None:
        self.next_secret, self.claim = next_secret, claim

    @on(CERTIFICATE_VERIFY, messages.CertificateVerify.parse)
    def certificate_verify(self, conn: Connection, message: messages.CertificateVerify) -> State:
        claim = self.claim
        scheme = authenticate.check_scheme(conn.config, message.scheme, claim.kind, claim.key, TLS13)
        peer = claim.proven(scheme, message.signature, CLIENT_CONTEXT + conn.transcript.digest())
        conn.peer_scheme = scheme
        conn.transcript.update(message.raw)
        return ExpectFinished(self.next_secret, peer)


class ExpectFinished(State):
    """RFC 8446 4.4.4."""

    __slots__ = ("next_secret", "peer")

    def __init__(self, next_secret: bytes, peer: Peer | None = None) -> None:
        self.next_secret, self.peer = next_secret, peer

    @on(FINISHED, messages.Finished.parse)
    def finished(self, conn: Connection, message: messages.Finished) -> State:
        authenticate.check_finished13(conn, message)
        conn.peer = self.peer or conn.peer
        conn.set_read_secret(self.next_secret)
        conn.inbound.allow_plain_alert = False
        state = Established13(conn)
        if conn.config.sessions is not None:
            stats = conn.config.sessions.stats
            stats.accept_good += 1
            stats.hits += conn.session_reused
            count = conn.config.num_tickets
            state.send_tickets(conn, min(1, count) if conn.session_reused else count)
        return conn.finish(state)
