"""Client states of TLS 1.3 (RFC 8446 4, A.1), from EncryptedExtensions to Finished."""

from __future__ import annotations

from typing import NoReturn

from puretls._base import faults, registry
from puretls._base.faults import Abort, EchRejected, Fault
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    COMPRESSED_CERTIFICATE,
    ENCRYPTED_EXTENSIONS,
    FINISHED,
    TLS13,
)
from puretls._crypto import suites
from puretls._crypto.schedule import HandshakeSecret
from puretls._engine import authenticate, compression, early_data, negotiated, selection
from puretls._engine.admission import admitted
from puretls._engine.authenticate import (
    send_certificate13,
    send_finished13,
)
from puretls._engine.client_hello import ClientOffer
from puretls._engine.ech_outcome import EchOutcome
from puretls._engine.established import Established13
from puretls._engine.handshake import Handshake, State, asking_on, on
from puretls._engine.peer import Claim, Peer
from puretls._engine.receive13 import receive_certificate, receive_verify
from puretls._engine.requests import Asking
from puretls._engine.session import Session
from puretls._wire import extensions, messages
from puretls._wire.codec import Ranks
from puretls._wire.places import EE, check_response


def wrong_suite(code: int) -> Fault:
    """The suite of a ServerHello; Abort if it was not offered, or does not belong to the version."""
    return faults.WRONG_CIPHER_RETURNED if code in suites.BY_CODE else faults.UNKNOWN_CIPHER_RETURNED


def count_miss(hs: Handshake) -> None:
    """The server has not accepted the session that was offered."""
    if hs.config.sessions is not None:
        hs.config.sessions.stats.misses += 1


class ExpectEncryptedExtensions(State):
    """The keys are there; the rest of what is negotiated comes protected."""

    __slots__ = ("offer", "resumed", "secret", "with_psk")

    def __init__(self, offer: ClientOffer, secret: HandshakeSecret, resumed: Session | None, with_psk: bool) -> None:
        self.offer, self.secret, self.resumed, self.with_psk = offer, secret, resumed, with_psk

    @on(ENCRYPTED_EXTENSIONS, messages.read_encrypted_extensions)
    def encrypted_extensions(self, hs: Handshake, message: messages.EncryptedExtensions) -> State:  # RFC 8446 4.3.1
        found = message.extensions
        check_response(found, EE, self.offer.offered)
        negotiated.accept(hs, found, EE)
        negotiated.check_protocol(hs)
        hs.transcript.update(message.raw)
        if self.offer.early is not None:
            early_data.answered(hs, self.resumed, accepted=registry.EARLY_DATA in found)
        if self.with_psk:
            hs.draft.resumed, hs.draft.external_psk = self.resumed, self.resumed is None
            return ExpectFinished(self.secret, self.resumed.peer if self.resumed else None, None)
        return ExpectCertificateOrRequest(self.secret)


class ExpectCertificate(State):
    """RFC 8446 4.4.2."""

    __slots__ = ("asked", "secret")

    def __init__(self, secret: HandshakeSecret, asked: Ranks | None = None) -> None:
        self.secret, self.asked = secret, asked

    @asking_on(CERTIFICATE, messages.Certificate.parse)
    def certificate(self, hs: Handshake, message: messages.Certificate) -> Asking[State]:
        claim = yield from receive_certificate(hs, message, hs.transcript)
        return ExpectCertificateVerify(self.secret, self.asked, claim)

    @asking_on(COMPRESSED_CERTIFICATE, messages.CompressedCertificate.parse)
    def compressed_certificate(self, hs: Handshake, message: messages.CompressedCertificate) -> Asking[State]:
        return (yield from self.certificate(hs, compression.expand(hs, message)))


class ExpectCertificateOrRequest(ExpectCertificate):
    """The server may ask for our certificate first (RFC 8446 4.3.2)."""

    __slots__ = ()

    @on(CERTIFICATE_REQUEST, messages.CertificateRequest.parse)
    def certificate_request(self, hs: Handshake, message: messages.CertificateRequest) -> State:
        if message.context:  # only after the handshake
            raise Abort(faults.INVALID_CONTEXT._replace(alert=registry.ILLEGAL_PARAMETER))
        schemes = authenticate.requested_schemes(message)
        if hs.config.selects:
            hs.draft.authorities = selection.authorities_of(message.extensions)
        if registry.COMPRESS_CERTIFICATE in message.extensions:
            hs.draft.peer_compressions = extensions.compressions(message.extensions[registry.COMPRESS_CERTIFICATE])
        hs.transcript.update(message.raw)
        return ExpectCertificate(self.secret, schemes)


class ExpectCertificateVerify(State):
    """The server's certificate is accepted; the proof that it has the key is still to come (RFC 8446 4.4.3)."""

    __slots__ = ("asked", "claim", "secret")

    def __init__(self, secret: HandshakeSecret, asked: Ranks | None, claim: Claim) -> None:
        self.secret, self.asked, self.claim = secret, asked, claim

    @on(CERTIFICATE_VERIFY, messages.CertificateVerify.parse)
    def certificate_verify(self, hs: Handshake, message: messages.CertificateVerify) -> State:
        peer = receive_verify(hs, message, self.claim, hs.transcript, hs.draft)
        return ExpectFinished(self.secret, peer, self.asked)  # no Finished without a peer, but for a PSK


class ExpectFinished(State):
    """RFC 8446 4.4.4; our own flight answers it."""

    __slots__ = ("asked", "peer", "secret")

    def __init__(self, secret: HandshakeSecret, peer: Peer | None, asked: Ranks | None) -> None:
        self.secret, self.peer, self.asked = secret, peer, asked

    @asking_on(FINISHED, messages.Finished.parse)
    def finished(self, hs: Handshake, message: messages.Finished) -> Asking[State]:
        authenticate.check_finished13(hs, message)
        hs.draft.peer = self.peer
        hs.draft.exporter_digest = digest = hs.transcript.digest()
        hs.draft.master = master = self.secret.finish()
        ours, theirs = master.traffic(digest)
        if hs.layer.watched:
            hs.log_secret("CLIENT_TRAFFIC_SECRET_0", ours)
            hs.log_secret("SERVER_TRAFFIC_SECRET_0", theirs)
            hs.log_secret("EXPORTER_SECRET", master.exporter(digest))
        hs.install_read_secret(theirs)
        ech = hs.draft.ech
        if ech is not None and ech.rejected:
            self._rejected(hs, ech, ours)
        if hs.config.policy.judged:
            yield from admitted(hs, self.peer, resumed=hs.draft.resumed is not None)
        if hs.held is not None:
            hs.send_message(messages.END_OF_EARLY_DATA)
            hs.release()
        if self.asked is not None:
            yield from send_client_certificate(hs, self.asked)
        send_finished13(hs)
        hs.install_write_secret(ours)
        return hs.finish(Established13(hs))

    def _rejected(self, hs: Handshake, ech: EchOutcome, secret: bytes) -> NoReturn:
        """End a handshake whose inner hello was not accepted: nothing is sent in the client's name (RFC 9849 6.1.6)."""
        if self.asked is not None:
            hs.send_message(messages.certificate(b"", b"\x00\x00\x00"))
        send_finished13(hs)
        hs.install_write_secret(secret)
        peer = self.peer
        flags = hs.config.policy.host_flags
        verified = peer is not None and peer.path is not None and peer.answers_to(ech.public_name, flags)
        raise EchRejected((ech.retry_configs or b"") if verified else None)


def send_client_certificate(hs: Handshake, asked: Ranks) -> Asking[None]:
    """Send our certificate, if one has a scheme that the server accepts, or else an empty list (RFC 8446 4.4.2)."""
    config = hs.config
    if config.selects:
        pool = selection.welcome(config.credentials, hs.draft.authorities)
        chosen = selection.first(config, TLS13, asked, pool)
    else:
        chosen = authenticate.choose(config, TLS13, asked)
    if chosen is None:
        hs.send_message(messages.certificate(b"", b"\x00\x00\x00"))
        return
    credential = chosen[0]
    raw = credential.message13
    if hs.draft.peer_compressions and not credential.raw:
        raw = compression.shorter(credential, raw, hs.config, hs.draft.peer_compressions)
    yield from send_certificate13(hs, chosen, (raw,))
