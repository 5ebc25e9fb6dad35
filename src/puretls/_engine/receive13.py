"""Receive the peer's Certificate and CertificateVerify of TLS 1.3 (RFC 8446 4.4.2, 4.4.3).

Three states do so: a client in the handshake, a server in the handshake, and a server after it.
"""

from __future__ import annotations

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto.transcript import Transcript
from puretls._engine import negotiated, raw_keys
from puretls._engine.authenticate import CLIENT_CONTEXT, SERVER_CONTEXT
from puretls._engine.fetching import examined
from puretls._engine.handshake import Handshake
from puretls._engine.identify import check_scheme, examine
from puretls._engine.outcome import Outcome
from puretls._engine.peer import Claim, Peer
from puretls._engine.policy import CERT_REQUIRED, RAW
from puretls._engine.requests import Asking
from puretls._wire import extensions, messages
from puretls._wire.places import CT, check_response

NOTHING_OFFERED: frozenset[int] = frozenset()  # by a server: its CertificateRequests ask for no extension


def receive_certificate(
    hs: Handshake, message: messages.Certificate, transcript: Transcript, context: bytes = b""
) -> Asking[Claim]:
    """The peer's claim to be the owner of the certificate in this message."""
    _check_context(message, context)
    if not message.entries:
        raise Abort(faults.LENGTH_MISMATCH, "no certificate")
    ders = [entry.der for entry in message.entries]
    if hs.draft.peer_type == RAW:
        claim: Claim = raw_keys.in_message13(hs, message)
    elif hs.server_side:
        claim = examine(hs, ders, _read_entries(hs, message, NOTHING_OFFERED))
    else:  # only a client fetches missing issuers
        ocsp = _read_entries(hs, message, negotiated.offers(hs.config).answerable)
        claim = yield from examined(hs, ders, ocsp)
    transcript.update(message.raw)
    return claim


def receive_from_client(
    hs: Handshake, message: messages.Certificate, transcript: Transcript, context: bytes = b""
) -> Asking[Claim | None]:
    """The same for a client's message, which may be empty unless a certificate is required."""
    if message.entries:
        return (yield from receive_certificate(hs, message, transcript, context))
    _check_context(message, context)
    if hs.config.policy.verify_mode == CERT_REQUIRED:
        raise Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13)
    transcript.update(message.raw)
    return None


def _check_context(message: messages.Certificate, context: bytes) -> None:
    if message.context != context:
        raise Abort(faults.INVALID_CONTEXT._replace(alert=registry.ILLEGAL_PARAMETER))


def _read_entries(hs: Handshake, message: messages.Certificate, offered: frozenset[int]) -> bytes | None:
    """The OCSP response in a Certificate message, with the extensions of each certificate checked; SCTs are kept."""
    ocsp = None
    for position, entry in enumerate(message.entries):
        if entry.extensions:
            check_response(entry.extensions, CT, offered)
            if registry.STATUS_REQUEST in entry.extensions:
                response = extensions.ocsp_response(entry.extensions[registry.STATUS_REQUEST])
                ocsp = response if position == 0 else ocsp
            if position == 0 and registry.SIGNED_CERTIFICATE_TIMESTAMP in entry.extensions:
                hs.draft.scts = entry.extensions[registry.SIGNED_CERTIFICATE_TIMESTAMP]
    return ocsp


def receive_verify(
    hs: Handshake, message: messages.CertificateVerify, claim: Claim, transcript: Transcript, outcome: Outcome
) -> Peer:
    """The authenticated peer, once its signature over the transcript is verified."""
    scheme = check_scheme(hs.config, message.scheme, claim, TLS13)
    context = CLIENT_CONTEXT if hs.server_side else SERVER_CONTEXT
    peer = claim.proven(scheme, message.signature, context + transcript.digest())
    outcome.peer_scheme = scheme
    transcript.update(message.raw)
    return peer
