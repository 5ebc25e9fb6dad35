"""Client states of TLS 1.3 (RFC 8446 4, A.1), from ServerHello, where the version is decided, to Finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._base import faults, registry
from puretls._base.faults import Abort, Fault
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    COMPRESSED_CERTIFICATE,
    ENCRYPTED_EXTENSIONS,
    FINISHED,
    SERVER_HELLO,
    SSL3,
    TLS12,
    TLS13,
)
from puretls._crypto import suites
from puretls._crypto.schedule import HandshakeSecret, without_psk
from puretls._crypto.suites import Suite
from puretls._engine import authenticate, client_hello, compression, negotiated
from puretls._engine.admission import admitted_then
from puretls._engine.authenticate import (
    SERVER_CONTEXT,
    send_certificate13,
    send_finished13,
)
from puretls._engine.client_hello import ClientOffer
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT
from puretls._engine.established import Established13
from puretls._engine.peer import Claim, Peer, examine
from puretls._engine.session import Session
from puretls._engine.state import State, on
from puretls._wire import extensions, messages
from puretls._wire.codec import Ranks
from puretls._wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12, ServerHello
from puretls._wire.places import CT, EE, HRR, SH, check_response

if TYPE_CHECKING:
    from puretls._engine.handshake import Handshake


class ExpectServerHello(State):
    """The offer is out.  `retried` is the HelloRetryRequest that asked for it, if one did."""

    __slots__ = ("offer", "retried")

    def __init__(self, offer: ClientOffer, retried: ServerHello | None) -> None:
        self.offer, self.retried = offer, retried

    @on(SERVER_HELLO, ServerHello.parse)
    def server_hello(self, conn: Handshake, message: ServerHello) -> State:  # RFC 8446 4.1.3
        version = selected_version(conn, message)
        if version != TLS13:
            if self.retried or message.is_retry:
                raise Abort(faults.WRONG_SSL_VERSION._replace(alert=registry.ILLEGAL_PARAMETER))
            from puretls._engine.client12 import legacy_server_hello  # noqa: PLC0415 - see roles.py

            return legacy_server_hello(conn, self.offer, message, version)
        conn.set_version(TLS13)
        suite = self._suite(conn, message)
        return self._retry(conn, message, suite) if message.is_retry else self._accept(conn, message, suite)

    def _suite(self, conn: Handshake, message: ServerHello) -> Suite:
        """The checks that ServerHello and HelloRetryRequest share."""
        suite = conn.config.offered_by_code.get(message.cipher_suite)
        if suite is None or suite.since != TLS13:
            raise Abort(wrong_suite(message.cipher_suite), f"cipher suite {message.cipher_suite:#06x}")
        if self.retried and self.retried.cipher_suite != message.cipher_suite:
            raise Abort(faults.CIPHERSUITE_DIGEST_HAS_CHANGED)
        if message.session_id != self.offer.session_id:
            raise Abort(faults.INVALID_SESSION_ID)
        if message.compression_method != 0:
            raise Abort(faults.INVALID_COMPRESSION_ALGORITHM)
        conn.set_suite(suite)
        return suite

    def _retry(self, conn: Handshake, message: ServerHello, suite: Suite) -> State:  # RFC 8446 4.1.4
        offer, found, transcript = self.offer, message.extensions, conn.transcript
        if self.retried:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "a second HelloRetryRequest")
        if not conn.layer.on_boundary():  # the server cannot go on before it has heard from us
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "something follows HelloRetryRequest")
        check_response(found, HRR, offer.offered | {registry.COOKIE})
        group = None
        if registry.KEY_SHARE in found:
            code = extensions.selected_u16(found[registry.KEY_SHARE])
            group = conn.config.group_by_code.get(code)
            if group is None or group not in conn.config.groups13 or code in offer.shares:
                raise Abort(faults.BAD_KEY_SHARE, f"group {code:#06x} in HelloRetryRequest")
        cookie = extensions.cookie(found[registry.COOKIE]) if registry.COOKIE in found else b""
        if group is None and not cookie:
            raise Abort(faults.NO_CHANGE_FOLLOWING_HRR)
        transcript.choose(suite.hash)
        transcript.rewrite_for_retry()
        transcript.update(message.raw)
        return ExpectServerHello(client_hello.retry(conn, offer, group, cookie, suite.hash), message)

    def _accept(self, conn: Handshake, message: ServerHello, suite: Suite) -> State:
        offer, found, transcript, d = self.offer, message.extensions, conn.transcript, suite.hash
        check_response(found, SH, offer.offered)
        psk = None
        if registry.PRE_SHARED_KEY in found:  # RFC 8446 4.2.11
            index = extensions.selected_u16(found[registry.PRE_SHARED_KEY])
            if index >= len(offer.psks):
                raise Abort(faults.BAD_PSK_IDENTITY)
            psk = offer.psks[index]
            if psk.digest is not d:
                raise Abort(faults.CIPHERSUITE_DIGEST_HAS_CHANGED)
        if offer.psks and (psk is None or psk.session is None) and any(offered.session for offered in offer.psks):
            count_miss(conn)
        if registry.KEY_SHARE not in found:  # we offer psk_dhe_ke only
            raise Abort(faults.MISSING_KEY_SHARE)
        group, share = extensions.key_share(found[registry.KEY_SHARE])
        ours = offer.shares.get(group)
        if ours is None:
            raise Abort(faults.BAD_KEY_SHARE, f"group {group:#06x} was not offered")
        conn.draft.group = conn.config.group_by_code[group]
        secret = (psk.early if psk else without_psk(d)).mix(ours.complete(share))
        if not self.retried:
            transcript.choose(d)
        digest = transcript.digest_after(message.raw)
        next_ours, theirs = secret.traffic(digest)
        if conn.events is not None:
            conn.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", next_ours)
            conn.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", theirs)
        conn.draft.server_random = message.random
        if not self.retried and conn.config.options & OP_ENABLE_MIDDLEBOX_COMPAT:
            conn.stream.change_cipher_spec_due()
        conn.install_handshake_secrets(theirs, next_ours)
        return ExpectEncryptedExtensions(offer, secret, psk.session if psk else None, psk is not None)


class ExpectServerHelloAgain(ExpectServerHello):
    """Of a renegotiation in TLS 1.2 or older; the server may not be done with its data."""

    __slots__ = ()
    accepts_data = True


def selected_version(conn: Handshake, message: ServerHello) -> int:
    """The version of a ServerHello, if it is one that we offered and nobody talked us down (RFC 8446 4.1.3, 4.2.1)."""
    config, body = conn.config, message.extensions.get(registry.SUPPORTED_VERSIONS)
    if body is not None:
        if config.max_version < TLS13:
            raise Abort(faults.UNSOLICITED_EXTENSION)
        if message.legacy_version <= SSL3:  # RFC 8446 D.5
            raise Abort(faults.UNSUPPORTED_PROTOCOL, f"version {message.legacy_version:#06x}")
        if message.legacy_version != TLS12 or extensions.selected_u16(body) != TLS13:
            raise Abort(faults.BAD_PROTOCOL_VERSION_NUMBER)
        return TLS13
    version = message.legacy_version
    if version not in config.versions or version >= TLS13 or message.is_retry:
        raise Abort(faults.WRONG_SSL_VERSION if config.fixed else faults.UNSUPPORTED_PROTOCOL, f"{version:#06x}")
    sentinel = message.random[24:]
    if (config.max_version >= TLS13 and sentinel in (DOWNGRADE_TLS12, DOWNGRADE_TLS11)) or (
        config.max_version == TLS12 and version < TLS12 and sentinel == DOWNGRADE_TLS11
    ):
        raise Abort(faults.DOWNGRADE_DETECTED)
    return version


def wrong_suite(code: int) -> Fault:
    """What a suite is that we have not offered, or that does not go with the version."""
    return faults.WRONG_CIPHER_RETURNED if code in suites.BY_CODE else faults.UNKNOWN_CIPHER_RETURNED


def count_miss(conn: Handshake) -> None:
    """The server did not take the session that it was offered."""
    if conn.config.sessions is not None:
        conn.config.sessions.stats.misses += 1


class ExpectEncryptedExtensions(State):
    """Keys are there; what else was negotiated comes protected."""

    __slots__ = ("offer", "resumed", "secret", "with_psk")

    def __init__(self, offer: ClientOffer, secret: HandshakeSecret, resumed: Session | None, with_psk: bool) -> None:
        self.offer, self.secret, self.resumed, self.with_psk = offer, secret, resumed, with_psk

    @on(ENCRYPTED_EXTENSIONS, messages.EncryptedExtensions.parse)
    def encrypted_extensions(self, conn: Handshake, message: messages.EncryptedExtensions) -> State:  # RFC 8446 4.3.1
        found = message.extensions
        check_response(found, EE, self.offer.offered)
        negotiated.accept(conn, found, EE)
        conn.transcript.update(message.raw)
        if self.with_psk:
            conn.draft.resumed, conn.draft.external_psk = self.resumed, self.resumed is None
            return ExpectFinished(self.secret, self.resumed.peer if self.resumed else None, None)
        return ExpectCertificateOrRequest(self.secret)


class ExpectCertificate(State):
    """RFC 8446 4.4.2."""

    __slots__ = ("asked", "secret")

    def __init__(self, secret: HandshakeSecret, asked: Ranks | None = None) -> None:
        self.secret, self.asked = secret, asked

    @on(CERTIFICATE, messages.Certificate.parse)
    def certificate(self, conn: Handshake, message: messages.Certificate) -> State:
        if message.context:
            raise Abort(faults.INVALID_CONTEXT._replace(alert=registry.ILLEGAL_PARAMETER))
        if not message.entries:
            raise Abort(faults.LENGTH_MISMATCH, "no certificate")
        claim = examine_entries(conn, message, conn.config.hello_offers)
        conn.transcript.update(message.raw)
        return ExpectCertificateVerify(self.secret, self.asked, claim)

    @on(COMPRESSED_CERTIFICATE, messages.CompressedCertificate.parse)
    def compressed_certificate(self, conn: Handshake, message: messages.CompressedCertificate) -> State:
        conn.draft.certificate_compression = message.algorithm
        return self.certificate(conn, compression.expand(conn.config, message))


def examine_entries(conn: Handshake, message: messages.Certificate, offered: frozenset[int]) -> Claim:
    """The certificates of a Certificate message, with the extensions of each checked."""
    ocsp = None
    for position, entry in enumerate(message.entries):
        if entry.extensions:
            check_response(entry.extensions, CT, offered)
            if registry.STATUS_REQUEST in entry.extensions:
                response = extensions.ocsp_response(entry.extensions[registry.STATUS_REQUEST])
                ocsp = response if position == 0 else ocsp
    return examine(conn, [entry.der for entry in message.entries], ocsp)


class ExpectCertificateOrRequest(ExpectCertificate):
    """The server may ask for our certificate first (RFC 8446 4.3.2)."""

    __slots__ = ()

    @on(CERTIFICATE_REQUEST, messages.CertificateRequest.parse)
    def certificate_request(self, conn: Handshake, message: messages.CertificateRequest) -> State:
        if message.context:  # only after the handshake
            raise Abort(faults.INVALID_CONTEXT._replace(alert=registry.ILLEGAL_PARAMETER))
        schemes = authenticate.requested_schemes(message)
        if registry.COMPRESS_CERTIFICATE in message.extensions:
            conn.draft.peer_compressions = extensions.compressions(message.extensions[registry.COMPRESS_CERTIFICATE])
        conn.transcript.update(message.raw)
        return ExpectCertificate(self.secret, schemes)


class ExpectCertificateVerify(State):
    """The path is good, its owner has not spoken yet (RFC 8446 4.4.3)."""

    __slots__ = ("asked", "claim", "secret")

    def __init__(self, secret: HandshakeSecret, asked: Ranks | None, claim: Claim) -> None:
        self.secret, self.asked, self.claim = secret, asked, claim

    @on(CERTIFICATE_VERIFY, messages.CertificateVerify.parse)
    def certificate_verify(self, conn: Handshake, message: messages.CertificateVerify) -> State:
        claim = self.claim
        scheme = authenticate.check_scheme(conn.config, message.scheme, claim, TLS13)
        peer = claim.proven(scheme, message.signature, SERVER_CONTEXT + conn.transcript.digest())
        conn.draft.peer_scheme = scheme
        conn.transcript.update(message.raw)
        return ExpectFinished(self.secret, peer, self.asked)  # no Finished without a peer, but for a PSK


class ExpectFinished(State):
    """RFC 8446 4.4.4; our own flight answers it."""

    __slots__ = ("asked", "peer", "secret")

    def __init__(self, secret: HandshakeSecret, peer: Peer | None, asked: Ranks | None) -> None:
        self.secret, self.peer, self.asked = secret, peer, asked

    @on(FINISHED, messages.Finished.parse)
    def finished(self, conn: Handshake, message: messages.Finished) -> State:
        authenticate.check_finished13(conn, message)
        conn.draft.peer = self.peer
        conn.draft.exporter_digest = digest = conn.transcript.digest()
        conn.draft.master = master = self.secret.finish()
        ours, theirs = master.traffic(digest)
        if conn.events is not None:
            conn.log_secret("CLIENT_TRAFFIC_SECRET_0", ours)
            conn.log_secret("SERVER_TRAFFIC_SECRET_0", theirs)
            conn.log_secret("EXPORTER_SECRET", master.exporter(digest))
        conn.install_read_secret(theirs)

        def finish(conn: Handshake) -> State:
            send_finished13(conn)
            conn.install_write_secret(ours)
            return conn.finish(Established13(conn))

        if not conn.config.policy.judged:
            return finish(conn) if self.asked is None else send_client_certificate(conn, self.asked, finish)
        asked = self.asked

        def go_on(conn: Handshake) -> State:
            return finish(conn) if asked is None else send_client_certificate(conn, asked, finish)

        return admitted_then(conn, self.peer, go_on, resumed=conn.draft.resumed is not None)


def send_client_certificate(conn: Handshake, asked: Ranks, then: authenticate.Then) -> State:
    """Our certificate if one suits the schemes that were asked for, else an empty list (RFC 8446 4.4.2)."""
    chosen = authenticate.choose(conn.config, TLS13, asked)
    if chosen is None:
        conn.send_message(messages.certificate(b"", b"\x00\x00\x00"))
        return then(conn)
    credential = chosen[0]
    raw = credential.message13
    if conn.draft.peer_compressions:
        raw = compression.shorter(credential, raw, conn.config, conn.draft.peer_compressions)
    return send_certificate13(conn, chosen, (raw,), then)
