"""Our own authentication: which certificate and signature scheme fit the peer, and signing with them.

For a private key that is the program's own, or lives elsewhere, the handshake waits in a SignRequest for the signature.
What is signed is defined in RFC 8446 4.4.3 and, before TLS 1.3, by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puretls._base import faults, registry
from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto import signatures
from puretls._crypto.signatures import Scheme
from puretls._engine.config import OP_CIPHER_SERVER_PREFERENCE, Config, Credential
from puretls._engine.handshake import Handshake
from puretls._engine.requests import Asking, SignRequest, unanswered
from puretls._wire import extensions, messages, places
from puretls._wire.codec import Ranks

SERVER_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\x00"  # RFC 8446 4.4.3
CLIENT_CONTEXT = b" " * 64 + b"TLS 1.3, client CertificateVerify\x00"


def choose(
    config: Config,
    version: int,
    theirs: Ranks,
    *,
    kinds: frozenset[str] | None = None,
    credentials: Sequence[Credential] | None = None,
) -> tuple[Credential, Scheme] | None:
    """The first scheme that both sides have and one of our keys can use, in TLS 1.2 or 1.3; options decide whose order
    counts.

    For TLS 1.2 `kinds` restricts the keys, and `credentials`, if given, are the ones to choose from.
    """
    best, ours = None, config.options & OP_CIPHER_SERVER_PREFERENCE  # of either role: as OpenSSL has it, "ours"
    for signer in config.signers13 if version == TLS13 else config.signers12:
        credential, scheme = signer
        rank = theirs.get(scheme.code)
        if rank is None or (kinds is not None and credential.kind not in kinds):
            continue
        if credentials is not None and credential not in credentials:
            continue
        if ours:
            return signer
        if best is None or rank < theirs[best[1].code]:
            best = signer
    return best


def requested_schemes(message: messages.CertificateRequest) -> Ranks:
    """RFC 8446 4.3.2: unknown extensions are ignored, signature_algorithms must be there."""
    found = message.extensions
    places.check(found, places.CR)
    if registry.SIGNATURE_ALGORITHMS not in found:
        raise Abort(faults.MISSING_SIGALGS)
    return extensions.numbers(found[registry.SIGNATURE_ALGORITHMS])


def sign(credential: Credential, scheme: Scheme, data: bytes) -> Asking[bytes]:
    """The signature over `data`, by a key here or elsewhere."""
    if not credential.elsewhere:
        try:
            return signatures.sign(scheme, credential.key, data)
        except Exception as error:  # noqa: BLE001  # of OpenSSL, which may have been built without something
            raise unanswered(error)  # noqa: B904  # it has its cause
    signature: Any = yield SignRequest(credential, scheme, data)
    if not isinstance(signature, bytes | bytearray | memoryview):
        raise unanswered(TypeError(f"sign() has to come to bytes, not {type(signature).__name__}"))
    made = bytes(signature)
    if not credential.rules.trusted:
        try:
            signatures.verify(scheme, credential.public_key, made, data)
        except Abort:
            raise Abort(faults.INTERNAL, "sign() of our key has come to a signature that is wrong") from None
    return made


def send_certificate13(hs: Handshake, chosen: tuple[Credential, Scheme], flight: Sequence[bytes]) -> Asking[None]:
    """Send `flight`, which ends with our Certificate, and then CertificateVerify (RFC 8446 4.4.3)."""
    hs.draft.own_credential, hs.draft.own_scheme = credential, scheme = chosen
    hs.send_messages(flight)
    data = (SERVER_CONTEXT if hs.server_side else CLIENT_CONTEXT) + hs.transcript.digest()
    signature = yield from sign(credential, scheme, data)
    hs.send_message(messages.certificate_verify(scheme.code, signature))


def send_finished13(hs: Handshake) -> None:
    """Send our Finished, under our handshake traffic secret (RFC 8446 4.4.4)."""
    theirs, ours = hs.finished_keys
    hs.draft.finished_sent = sent = hs.draft.digest.hmac(ours, hs.transcript.digest())
    hs.finished_keys = theirs, b""
    hs.send_message(messages.finished(sent))


def check_finished13(hs: Handshake, message: messages.Finished) -> None:
    """Check the peer's Finished, under its handshake traffic secret."""
    theirs, ours = hs.finished_keys
    if not theirs:  # used already: anybody could compute a Finished with an empty key
        raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "a second Finished")
    raw, received = message
    check_finished(received, hs.draft.digest.hmac(theirs, hs.transcript.digest()))
    hs.draft.finished_received, hs.finished_keys = received, (b"", ours)
    hs.transcript.update(raw)


def check_finished(received: bytes, expected: bytes) -> None:
    """Compare the peer's verify_data with the expected one (RFC 8446 4.4.4, RFC 5246 7.4.9)."""
    if len(received) != len(expected):
        raise Abort(faults.BAD_DIGEST_LENGTH)
    if not compare_digest(received, expected):
        raise Abort(faults.DIGEST_CHECK_FAILED)
