"""Our own authentication: which certificate and signature scheme suit the peer, and signing with them.

A private key may live elsewhere: then the handshake waits in a SignRequest for the signature.  What is signed is
defined in RFC 8446 4.4.3 and, before TLS 1.3, by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto import signatures
from puretls._crypto.signatures import Scheme
from puretls._engine.config import OP_CIPHER_SERVER_PREFERENCE, Config, Credential
from puretls._engine.handshake import Handshake
from puretls._engine.peer import Claim, ip_address
from puretls._engine.policy import PeerPolicy
from puretls._engine.requests import Asking, LaterRequest, SignRequest, unanswered
from puretls._engine.status import OCSP_REQUIRE, StatusRules
from puretls._wire import extensions, messages, places
from puretls._wire.codec import Ranks
from puretls._x509 import certificate, checks, codes, crlite, issuers, path
from puretls._x509.certificate import Certificate
from puretls._x509.checks import Policy

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
    """The first scheme that both sides have and one of our keys can use, TLS 1.2 or 1.3, by whose order options say.

    For TLS 1.2 `kinds` restricts the keys, and `credentials`, if given, are what there is to choose from.
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


def examine(conn: Handshake, ders: Sequence[bytes], ocsp: bytes | None = None) -> Claim:
    """Parse what the peer presented, and verify it if the configuration says so."""
    chain, rules = presented(conn, ders)
    policy = conn.config.policy
    verified = path.verify(known(policy, chain), policy.store, rules) if builds_paths(policy) else None
    return claim_of(conn, chain, rules, verified, ocsp)


def builds_paths(policy: PeerPolicy) -> bool:
    """Whether paths are built; else nothing is verified, or somebody outside judges the chain."""
    return bool(policy.verify_mode) and policy.path_judge is None


def known(policy: PeerPolicy, chain: tuple[Certificate, ...]) -> Sequence[Certificate]:
    """What a path may be built of, but for the anchors: what the peer sent, and what the context has besides."""
    return chain if policy.intermediates is None else [*chain, *issuers.above(chain, policy.intermediates)]


def presented(conn: Handshake, ders: Sequence[bytes]) -> tuple[tuple[Certificate, ...], Policy]:
    """The chain, and what it is going to be held to."""
    try:
        chain = certificate.presented(ders)
    except ValueError as error:
        raise Abort(faults.UNPARSABLE_CERTIFICATE, f"the peer's certificate: {error}") from None
    policy = conn.config.policy
    if not conn.server_side:
        conn.draft.presented = chain
    name = conn.server_hostname if policy.check_hostname else None
    ech = conn.draft.ech
    if ech is not None and ech.rejected:  # who answered is to be whom the configuration names (RFC 9849 6.1.7)
        name = ech.public_name
    return chain, Policy(
        purpose="clientAuth" if conn.server_side else "serverAuth",
        hostname=name,
        ip=ip_address(name),
        time=conn.clock(),
        flags=policy.verify_flags,
        host_flags=policy.host_flags,
        depth=policy.verify_depth,
        security_level=policy.security_level,
        profile=policy.webpki,
    )


def claim_of(
    conn: Handshake,
    chain: tuple[Certificate, ...],
    rules: Policy,
    verified: tuple[Certificate, ...] | None,
    ocsp: bytes | None,
) -> Claim:
    """What the peer claims to be, with the path if one was built; revocation comes last."""
    policy, asked, status = conn.config.policy, None, None
    if policy.verify_mode:  # CERT_NONE is 0
        if verified is None:  # the chain is judged at the end (admission.py), its leaf as any other
            checks.strong_leaf(chain[0], rules)
            checks.identity(chain[0], rules)
            if policy.ocsp == OCSP_REQUIRE:  # nobody knows the issuer whose word would count
                raise codes.refusal(codes.OCSP_NEEDED, 0)
        name = rules.hostname
        asked = (name, policy.host_flags, True) if name else None
        if policy.crlite is not None and verified is not None and len(verified) > 1:
            said = crlite.check(policy.crlite.current(rules.time), verified[0], verified[1])
            if said is crlite.CRLiteStatus.REVOKED:
                raise codes.refusal(codes.REVOKED, 0)
        if conn.config.request_ocsp and not conn.server_side and verified is not None:
            status = StatusRules(policy.ocsp, rules.time, policy.security_level)
    return Claim(chain, verified, ocsp, asked, status)


def check_scheme(config: Config, code: int, claim: Claim, version: int) -> Scheme:
    """The scheme of the peer's signature: one that we offered, and that its key is for (RFC 8446 4.4.3)."""
    scheme = config.scheme_by_code.get(code)
    if scheme is None or not signatures.usable(scheme, claim.key, version, claim.kind, claim.limits):
        raise Abort(faults.WRONG_SIGNATURE_TYPE, f"scheme {code:#06x} in version {version:#06x}")
    return scheme


def sign(credential: Credential, scheme: Scheme, data: bytes) -> Asking[bytes]:
    """The signature over `data`, by a key here or elsewhere."""
    if credential.key is None:
        signature: Any = yield SignRequest(credential, scheme, data)
        return bytes(signature)
    try:
        signature = signatures.sign(scheme, credential.key, data)
    except BaseException as error:  # noqa: BLE001  # the key may be anything that has the methods of one
        raise unanswered(error)  # noqa: B904  # it has its cause
    if type(signature) is not bytes:
        signature = yield LaterRequest(signature)
        if not isinstance(signature, bytes | bytearray | memoryview):
            raise unanswered(TypeError(f"sign() has to come to bytes, not {type(signature).__name__}"))
    return bytes(signature)


def send_certificate13(conn: Handshake, chosen: tuple[Credential, Scheme], flight: Sequence[bytes]) -> Asking[None]:
    """`flight`, which ends with our Certificate, and CertificateVerify (RFC 8446 4.4.3)."""
    conn.draft.own_credential, conn.draft.own_scheme = credential, scheme = chosen
    conn.send_messages(flight)
    data = (SERVER_CONTEXT if conn.server_side else CLIENT_CONTEXT) + conn.transcript.digest()
    signature = yield from sign(credential, scheme, data)
    conn.send_message(messages.certificate_verify(scheme.code, signature))


def send_finished13(conn: Handshake) -> None:
    """Our Finished under our handshake traffic secret (RFC 8446 4.4.4)."""
    theirs, ours = conn.finished_keys
    conn.draft.finished_sent = sent = conn.draft.digest.hmac(ours, conn.transcript.digest())
    conn.finished_keys = theirs, b""
    conn.send_message(messages.finished(sent))


def check_finished13(conn: Handshake, message: messages.Finished) -> None:
    """The peer's Finished under its handshake traffic secret."""
    theirs, ours = conn.finished_keys
    if not theirs:  # used up: anybody could compute the Finished of an empty key
        raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "a second Finished")
    raw, received = message
    check_finished(received, conn.draft.digest.hmac(theirs, conn.transcript.digest()))
    conn.draft.finished_received, conn.finished_keys = received, (b"", ours)
    conn.transcript.update(raw)


def check_finished(received: bytes, expected: bytes) -> None:
    """The peer's verify_data against what it has to be (RFC 8446 4.4.4, RFC 5246 7.4.9)."""
    if len(received) != len(expected):
        raise Abort(faults.BAD_DIGEST_LENGTH)
    if not compare_digest(received, expected):
        raise Abort(faults.DIGEST_CHECK_FAILED)
