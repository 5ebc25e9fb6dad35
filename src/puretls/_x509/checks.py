"""The checks of a path, with OpenSSL's rules in OpenSSL's order, because the first failure is the one that is reported.

They are RFC 5280 6.1, read from the leaf up, with the strict mode that VERIFY_X509_STRICT turns on. path.py finds paths
and runs these checks; constraints.py has name constraints, revocation.py revocation.
"""

from __future__ import annotations

import math
from typing import Protocol

from puretls._base.faults import VerifyAbort
from puretls._base.tuples import NamedTuple
from puretls._x509 import codes, names, strength
from puretls._x509 import resources as internet
from puretls._x509.certificate import Certificate
from puretls._x509.codes import refusal
from puretls._x509.extensions import (
    ANY_USAGE,
    AS_NUMBERS,
    BASIC_CONSTRAINTS,
    CERT_SIGN,
    CLIENT_AUTH,
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    GATED_CRYPTO,
    IP_BLOCKS,
    KEY_AGREEMENT,
    KEY_ENCIPHERMENT,
    SERVER_AUTH,
    SUBJECT_ALT_NAME,
)

SECURITY_LEVEL = 2  # the default of contexts, and of verify_chain()

# X509_V_FLAG_*, of which `ssl` names some
CRL_CHECK = 0x4
CRL_CHECK_ALL = 0x8
IGNORE_CRITICAL = 0x10
STRICT = 0x20
ALLOW_PROXY_CERTS = 0x40
CHECK_SELF_SIGNATURE = 0x4000
TRUSTED_FIRST = 0x8000
PARTIAL_CHAIN = 0x80000
NO_ALT_CHAINS = 0x100000
NO_CHECK_TIME = 0x200000

SERVER, CLIENT = "serverAuth", "clientAuth"
LONGEST = 1000  # certificates in a path, whatever the depth


class Profile(Protocol):
    """Rules beyond RFC 5280."""

    def check(self, path: Path, /) -> None:
        """VerifyAbort unless the path satisfies them."""


class Policy(NamedTuple):
    """The parameters of a verification."""

    purpose: str = SERVER  # what the leaf is used for: "serverAuth" or "clientAuth"
    hostname: str | None = None  # in A-labels; with `ip`, the address as it was written
    ip: bytes | None = None
    flags: int = TRUSTED_FIRST
    host_flags: int = names.NO_PARTIAL_WILDCARDS
    depth: int = 100  # how many intermediates at most
    security_level: int = 1
    profile: Profile | None = None  # further rules, as of the CA/Browser Forum
    time: float = 0.0  # seconds since the epoch; the last field, as all others are the same from one time to the next


class Path(NamedTuple):
    """A path, leaf first; certificates from index `untrusted` on come from the trust store."""

    chain: tuple[Certificate, ...]
    untrusted: int


ANY, LEAF, CA = -1, 0, 1  # what a certificate has to be in its place: either, no CA, a CA


class Place(NamedTuple):
    """A place in a path, and what is asked of a certificate there by itself."""

    purpose: str
    flags: int  # those of BY_ITSELF
    role: int
    last: bool  # the anchor
    alone: bool  # the path has no other certificate
    stored: bool  # it comes from the trust store


BY_ITSELF = IGNORE_CRITICAL | ALLOW_PROXY_CERTS | STRICT


def extensions(path: Path, policy: Policy) -> None:
    """Check extensions, purposes, which certificates are CAs, path lengths and, if asked for, the strict rules.

    What is asked of a certificate by itself is remembered with it, as most of them come again and again.
    """
    chain = path.chain
    purpose, flags, top = policy.purpose, policy.flags & BY_ITSELF, len(chain) - 1
    role, length, proxy_length = ANY, 0, 0
    for i, x in enumerate(chain):
        place = purpose, flags, role, i == top, not top, i >= path.untrusted
        code = x.verdicts.get(place)
        if code is None:
            code = x.verdicts[place] = _by_itself(x, Place(*place))
        if code:
            raise refusal(code, i)
        if i > 1 and x.path_length is not None and length > x.path_length + proxy_length:
            raise refusal(codes.PATH_LENGTH_EXCEEDED, i)
        if i and not x.self_issued:
            length += 1
        role = CA
        if x.proxy is not None:  # RFC 3820 4.1: below an end entity, and each may narrow how many follow
            if x.proxy.path_length is not None:
                if proxy_length > x.proxy.path_length:
                    raise refusal(codes.PROXY_PATH_LENGTH_EXCEEDED, i)
                proxy_length = x.proxy.path_length
            proxy_length += 1
            role = LEAF


def _by_itself(x: Certificate, place: Place) -> int:
    """What is wrong with a certificate in this place, whatever the others are: OpenSSL's code, or 0."""
    return (
        _by_its_extensions(x, place)
        or _in_its_role(x, place)
        or (0 if place.alone else _by_its_key(x))
        or (0 if place.alone or not place.flags & STRICT else _strictly(x, issued=not place.last))
        or _for_its_purpose(x, place)
    )


def _by_its_extensions(x: Certificate, place: Place) -> int:
    """Those that are critical are known, and a proxy certificate is allowed."""
    if x.unhandled and not place.flags & IGNORE_CRITICAL:
        return codes.UNHANDLED_CRITICAL_EXTENSION
    if x.proxy is not None and not place.flags & ALLOW_PROXY_CERTS:
        return codes.PROXY_NOT_ALLOWED
    return 0


def _in_its_role(x: Certificate, place: Place) -> int:
    """It is a CA, or none, as its place demands."""
    kind, exact = x.ca_kind, bool(place.flags & STRICT)
    if place.role == LEAF:
        return codes.INVALID_NON_CA if kind > 0 else 0
    if place.role == CA:
        return codes.INVALID_CA if kind == 0 or (kind > 1 and (exact or not place.last)) else 0
    return codes.INVALID_CA if exact and kind > 1 else 0


def _by_its_key(x: Certificate) -> int:
    """Its key is of a kind, and on a curve, that can be used."""
    if x.spells_out_its_curve:
        return codes.EXPLICIT_CURVE
    return codes.UNSPECIFIED if x.key is None else 0


def _for_its_purpose(x: Certificate, place: Place) -> int:
    """It may be used for the purpose, or the store's settings of trust say so."""
    fits = not place.flags & STRICT if x.invalid else purpose_fits(x, place.purpose, non_leaf=place.role == CA)
    if fits or (place.stored and trust(x, place.purpose, self_signed=False)):
        return 0
    return codes.INVALID_PURPOSE


def _strictly(x: Certificate, *, issued: bool) -> int:
    """What VERIFY_X509_STRICT adds; `issued`: another certificate of the path issued it."""
    return _as_a_ca(x) or _by_its_names(x) or _by_its_form(x, issued=issued)


def _as_a_ca(x: Certificate) -> int:
    """RFC 5280 4.2.1.3, 4.2.1.9: what is a CA says so, and nothing else does.  The error, or 0."""
    usage = x.key_usage or 0
    if x.path_length is not None:
        if not x.ca:
            return codes.PATHLEN_INVALID_FOR_NON_CA
        if not usage & CERT_SIGN:
            return codes.PATHLEN_WITHOUT_CERT_SIGN
    if x.ca and not x.critical(BASIC_CONSTRAINTS):
        return codes.CA_CONSTRAINTS_NOT_CRITICAL
    if x.ca and x.key_usage is None:
        return codes.CA_WITHOUT_KEY_USAGE
    if not x.ca and usage & CERT_SIGN:
        return codes.CERT_SIGN_INVALID_FOR_NON_CA
    return 0


def _by_its_names(x: Certificate) -> int:
    """RFC 5280 4.1.2.4, 4.1.2.6, 4.2.1.6: it names its issuer and its subject.  The error, or 0."""
    if not x.issuer:
        return codes.ISSUER_NAME_EMPTY
    has_names = SUBJECT_ALT_NAME in x.extensions
    if not x.subject:
        if x.ca or (x.key_usage or 0) & CRL_SIGN or not has_names:
            return codes.SUBJECT_NAME_EMPTY
        if not x.critical(SUBJECT_ALT_NAME):
            return codes.ALT_NAME_NOT_CRITICAL
    if has_names and not x.alternative_names:
        return codes.EMPTY_ALT_NAME
    return 0


def _by_its_form(x: Certificate, *, issued: bool) -> int:
    """RFC 5280 4.1.1.2, 4.1.2.1, 4.2.1.1, 4.2.1.2: its parts fit each other and its version.  The error, or 0."""
    if not x.consistent:
        return codes.SIGNATURE_ALGORITHM_INCONSISTENT
    if x.version >= 2:
        if issued and (x.authority_key is None or x.authority_key.key is None):
            return codes.MISSING_AUTHORITY_KEY
        if x.ca and x.subject_key is None:
            return codes.MISSING_SUBJECT_KEY
    elif x.extensions:
        return codes.EXTENSIONS_NEED_VERSION_3
    return 0


def purpose_fits(x: Certificate, purpose: str, *, non_leaf: bool) -> bool:
    """Whether extended key usage, key usage and Netscape's type allow the purpose; CAs are held to the first too."""
    if purpose == SERVER:
        extended, usage, netscape = GATED_CRYPTO | {SERVER_AUTH}, DIGITAL_SIGNATURE | KEY_ENCIPHERMENT, 0x40
    else:
        extended, usage, netscape = frozenset({CLIENT_AUTH}), DIGITAL_SIGNATURE, 0x80
    if x.extended_key_usage is not None and not x.extended_key_usage & extended:
        return False
    if non_leaf:
        ca = x.ca_kind
        return ca != 0 and (ca != 5 or bool((x.netscape_type or 0) & 0x04))
    return x.usable_for(usage | KEY_AGREEMENT) and (x.netscape_type is None or bool(x.netscape_type & netscape))


_PURPOSES = {SERVER: SERVER_AUTH, CLIENT: CLIENT_AUTH}


def trust(x: Certificate, purpose: str, *, self_signed: bool = True) -> bool | None:
    """The trust of a certificate in the store: True trusted, False rejected, None neither.

    The lists of a TRUSTED CERTIFICATE block decide, if there are any; otherwise a self-signed certificate is an anchor,
    unless `self_signed` is False.
    """
    if x.trust is not None:
        wanted = {_PURPOSES[purpose], ANY_USAGE}
        if x.trust.reject & wanted:
            return False
        if x.trust.trust is not None:
            return bool(x.trust.trust & wanted)
    return True if self_signed and not x.invalid and x.self_signed else None


def strong(path: Path, policy: Policy) -> None:
    """Check the strength of issuers' keys and of the digests of all signatures, except the anchor's own."""
    if policy.security_level <= 0:
        return
    floor = strength.floor(policy.security_level)
    for i, x in enumerate(path.chain):
        if i and x.key_bits < floor:
            raise refusal(codes.CA_KEY_TOO_SMALL, i)
        if i < len(path.chain) - 1 and x.signature.bits < floor:
            raise refusal(codes.CA_DIGEST_TOO_WEAK, i)


def strong_leaf(leaf: Certificate, policy: Policy) -> None:
    """Check the strength of the leaf's key, before anything else."""
    if leaf.key_bits < strength.floor(policy.security_level):
        raise refusal(codes.LEAF_KEY_TOO_SMALL, 0)


def identity(leaf: Certificate, policy: Policy) -> None:
    """Check the host or address that was asked for."""
    if policy.ip is not None:
        if not names.ip_matches(leaf, policy.ip):
            shown = policy.hostname or policy.ip.hex(":")
            raise refusal(codes.IP_MISMATCH, 0, f"IP address mismatch, certificate is not valid for '{shown}'.")
    elif policy.hostname is not None and not names.host_matches(leaf, policy.hostname, policy.host_flags):
        raise refusal(
            codes.HOSTNAME_MISMATCH, 0, f"Hostname mismatch, certificate is not valid for '{policy.hostname}'."
        )


def validity(x: Certificate, depth: int, policy: Policy) -> None:
    """Check that a certificate is within its validity period."""
    if policy.flags & NO_CHECK_TIME:
        return
    if policy.time < x.not_before:
        raise _untimely(x, depth, x.not_before, codes.NOT_YET_VALID, codes.BAD_NOT_BEFORE)
    if math.floor(policy.time) > x.not_after:
        raise _untimely(x, depth, x.not_after, codes.EXPIRED, codes.BAD_NOT_AFTER)


def _untimely(x: Certificate, depth: int, limit: float, code: int, malformed: int) -> VerifyAbort:
    """The error of a date: the second code is for a date in a form that is never valid (odd.py)."""
    refused = refusal(malformed if math.isinf(limit) else code, depth)
    refused.note = str(x.odd) if math.isinf(limit) else ""
    return refused


def may_sign(issuer: Certificate, subject: Certificate) -> int:
    """0, or the code that says why the issuer's key usage forbids it to sign the subject."""
    if subject.proxy is not None:
        return 0 if issuer.usable_for(DIGITAL_SIGNATURE) else codes.NO_DIGITAL_SIGNATURE
    return 0 if issuer.usable_for(CERT_SIGN) else codes.NO_CERT_SIGN


def resources(path: Path) -> None:
    """Check a leaf's internet numbers against those of the CAs above it (RFC 3779 2.3, 3.3)."""
    leaf = path.chain[0]
    if AS_NUMBERS in leaf.extensions:
        internet.check_numbers([x.as_numbers for x in path.chain])
    if IP_BLOCKS in leaf.extensions:
        internet.check_blocks([x.ip_blocks for x in path.chain])


def stricter(path: Path, policy: Policy) -> None:
    """Check, in strict mode and after everything else, what RFC 5280 forbids and OpenSSL 3 accepts."""
    last = len(path.chain) - 1
    for i, x in enumerate(path.chain if policy.flags & STRICT else ()):
        if x.serial < 0 or (i < last and not 0 < x.serial.bit_length() <= 160):  # 4.1.2.2; old roots have 0
            raise refusal(codes.INVALID_EXTENSION, i)
        if not last:
            return
        if x.authority_key is not None:  # 4.2.1.1, as OpenSSL 4 has it
            if x.authority_key.empty:
                raise refusal(codes.EMPTY_AUTHORITY_KEY, i)
            if not x.authority_key.paired:
                raise refusal(codes.UNPAIRED_AUTHORITY_KEY, i)
        constrained = x.name_constraints  # 4.2.1.10
        if constrained is not None and not (x.ca and (constrained.permitted or constrained.excluded)):
            raise refusal(codes.INVALID_EXTENSION, i)
        if not x.readable_access:
            raise refusal(codes.INVALID_EXTENSION, i)
