"""The certificates that the peer has sent: parsed, and verified if the policy demands it.

That the peer has the key is proven later, by a signature (`receive13`, `handshake12`) or by Finished (`peer`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from puretls._base import faults
from puretls._base.deferred import deferred
from puretls._base.faults import Abort
from puretls._crypto import signatures
from puretls._crypto.signatures import Scheme
from puretls._engine.config import Config
from puretls._engine.handshake import Handshake
from puretls._engine.peer import Claim, ip_address
from puretls._engine.policy import X509, PeerPolicy
from puretls._engine.status import OCSP_REQUIRE, StatusRules, Transparency
from puretls._wire.codec import tuple_of
from puretls._x509 import certificate, checks, codes, issuers, path
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import CLIENT, CRL_CHECK, SERVER, Policy

if TYPE_CHECKING:
    from puretls._x509 import crlite
else:
    crlite = deferred("puretls._x509.crlite")  # where the policy has filters, they are of this module

SERVER_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\x00"  # RFC 8446 4.4.3
CLIENT_CONTEXT = b" " * 64 + b"TLS 1.3, client CertificateVerify\x00"


def examine(hs: Handshake, ders: Sequence[bytes], ocsp: bytes | None = None) -> Claim:
    """Parse what the peer has sent, and verify it if the configuration demands it."""
    chain, rules = presented(hs, ders)
    policy = hs.config.policy
    if not builds_paths(policy):
        return claim_of(hs, chain, rules, None, math.inf, ocsp)
    budget = Budget() if policy.verify_flags & CRL_CHECK else None  # which knows until when the CRLs hold
    verified = path.verify(known(policy, chain), policy.store, rules, budget)
    return claim_of(hs, chain, rules, verified, math.inf if budget is None else budget.lists_until, ocsp)


def builds_paths(policy: PeerPolicy) -> bool:
    """Whether paths are built.  If not, nothing is verified, or a function of the program judges the chain."""
    return bool(policy.verify_mode) and policy.path_judge is None


def known(policy: PeerPolicy, chain: tuple[Certificate, ...]) -> Sequence[Certificate]:
    """The certificates of which a path may be built, besides the anchors: the peer's, and the context's
    intermediates.
    """
    return chain if policy.intermediates is None else [*chain, *issuers.above(chain, policy.intermediates)]


def presented(hs: Handshake, ders: Sequence[bytes]) -> tuple[tuple[Certificate, ...], Policy]:
    """The arguments of verification: the chain, and what it has to satisfy."""
    try:
        chain = certificate.presented(ders)
    except ValueError as error:
        raise Abort(faults.UNPARSABLE_CERTIFICATE, f"the peer's certificate: {error}") from None
    policy = hs.config.policy
    if X509 not in policy.types:
        raise Abort(faults.UNWANTED_CERTIFICATE_TYPE, "a certificate, where only raw public keys are taken")
    if not hs.server_side:
        hs.draft.presented = chain
    name = hs.server_hostname if policy.check_hostname else None
    ech = hs.draft.ech
    if ech is not None and ech.rejected:  # the certificate has to name the configuration's public name (RFC 9849 6.1.7)
        name = ech.public_name
    rules = (  # in the order of Policy
        CLIENT if hs.server_side else SERVER,
        name,
        ip_address(name),
        policy.verify_flags,
        policy.host_flags,
        policy.verify_depth,
        policy.security_level,
        policy.webpki,
        hs.clock(),
    )
    return chain, tuple_of(Policy, rules)


def claim_of(
    hs: Handshake,
    chain: tuple[Certificate, ...],
    rules: Policy,
    verified: tuple[Certificate, ...] | None,
    until: float,
    ocsp: bytes | None,
) -> Claim:
    """The peer's claim, with the path if one was built, and until when its CRLs hold; revocation is checked last."""
    policy, asked, status = hs.config.policy, None, None
    if policy.verify_mode:  # CERT_NONE is 0
        if verified is None:  # a function judges the chain at the end (admission.py); its leaf is checked here
            checks.strong_leaf(chain[0], rules)
            checks.identity(chain[0], rules)
            if policy.ocsp == OCSP_REQUIRE:  # the issuer that would have to sign a response is not known
                raise codes.refusal(codes.OCSP_NEEDED, 0)
        name = rules.hostname
        asked = (name, policy.host_flags, True) if name else None
        if policy.crlite is not None and verified is not None and len(verified) > 1:
            said = crlite.check(policy.crlite.current(rules.time), verified[0], verified[1])
            if said is crlite.CRLiteStatus.REVOKED:
                raise codes.refusal(codes.REVOKED, 0)
        if hs.config.request_ocsp and not hs.server_side and verified is not None:
            status = StatusRules(policy.ocsp, rules.time, policy.security_level)
    claim = Claim(chain, verified, ocsp, asked, status, until)
    claim.scts = hs.draft.scts
    if policy.ct is not None and verified is not None:
        claim.transparency = Transparency(policy.ct, claim.scts, rules.time)
    return claim


def check_scheme(config: Config, code: int, claim: Claim, version: int) -> Scheme:
    """The scheme of the peer's signature, which we must have offered and its key must be for (RFC 8446 4.4.3)."""
    scheme = config.scheme_by_code.get(code)
    if scheme is None or not signatures.usable(scheme, claim.key, version, claim.kind, claim.limits):
        raise Abort(faults.WRONG_SIGNATURE_TYPE, f"scheme {code:#06x} in version {version:#06x}")
    return scheme
