"""A certificate in words: its facts, as text for people and as values for JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from hashlib import sha256
from operator import attrgetter
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from puretls._base.quiet import quietly
from puretls.cli.idn import both_ways
from puretls.cli.text import printable

# What a peer's certificate has odd, such as a long name, is no business of our user's warnings.
load, extensions = quietly(x509.load_der_x509_certificate), quietly(attrgetter("extensions"))
subject, issuer, serial = (quietly(attrgetter(name)) for name in ("subject", "issuer", "serial_number"))
SHOWN = 12  # names of a certificate on a screen; JSON has all of them


def certificate(der: bytes) -> dict[str, Any]:
    """The facts of one certificate. Whatever cannot be read is None: it comes from the peer, and may be nonsense."""
    facts: dict[str, Any] = dict.fromkeys((*READERS, "sha256"))
    try:
        parsed = load(der)
    except UNREADABLE:
        return facts
    facts["sha256"] = parsed.fingerprint(hashes.SHA256()).hex()
    for fact, read in READERS.items():
        with suppress(*UNREADABLE):
            facts[fact] = read(parsed)
    return facts


def days_left(end: datetime) -> int:
    """Whole days until then; negative once it is over."""
    return (end - datetime.now(timezone.utc)).days


def key(public: Any) -> str:
    """Kind and size."""
    curve, size = getattr(public, "curve", None), getattr(public, "key_size", None)
    if curve:
        return {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(curve.name) or str(curve.name)
    kind = type(public).__name__.removesuffix("PublicKey").lstrip("_")
    return f"{kind} {size}" if size else kind


def signature(parsed: x509.Certificate) -> str:
    """The algorithm the issuer signed it with."""
    oid = parsed.signature_algorithm_oid
    name = str(getattr(oid, "_name", ""))
    return str(oid.dotted_string) if name in ("", "Unknown OID") else name


def names(parsed: x509.Certificate) -> list[str]:
    """The hosts and addresses it is for (RFC 5280 4.2.1.6)."""
    try:
        alternative = extensions(parsed).get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in alternative if isinstance(name, x509.DNSName | x509.IPAddress)]


def pin(parsed: x509.Certificate) -> str:
    """What pins of public keys are made of: SHA-256 of the SubjectPublicKeyInfo, in base64 (RFC 7469 2.4)."""
    spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(sha256(spki).digest()).decode()


def urls(parsed: x509.Certificate) -> dict[str, list[str]]:
    """Where the issuer's certificate, revocation lists and OCSP responder are (RFC 5280 4.2.1.13, 4.2.2.1)."""
    found: dict[str, list[str]] = {"issuer": [], "ocsp": [], "crl": []}
    kinds = {AuthorityInformationAccessOID.CA_ISSUERS: "issuer", AuthorityInformationAccessOID.OCSP: "ocsp"}
    for extension in extensions(parsed):
        if isinstance(extension.value, x509.AuthorityInformationAccess):
            for access in extension.value:
                if access.access_method in kinds and isinstance(access.access_location, x509.UniformResourceIdentifier):
                    found[kinds[access.access_method]].append(access.access_location.value)
        elif isinstance(extension.value, x509.CRLDistributionPoints):
            for point in extension.value:
                places = point.full_name or ()
                found["crl"] += [one.value for one in places if isinstance(one, x509.UniformResourceIdentifier)]
    return found


def must_staple(parsed: x509.Certificate) -> bool:
    """Whether it demands a stapled OCSP response (TLS feature status_request, RFC 7633)."""
    for extension in extensions(parsed):
        if isinstance(extension.value, x509.TLSFeature):
            return x509.TLSFeatureType.status_request in extension.value
    return False


UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
READERS: dict[str, Callable[[x509.Certificate], Any]] = {
    "subject": lambda parsed: subject(parsed).rfc4514_string(),
    "issuer": lambda parsed: issuer(parsed).rfc4514_string(),
    "serial": lambda parsed: f"{serial(parsed):x}",
    "not_before": lambda parsed: parsed.not_valid_before_utc.isoformat(),
    "not_after": lambda parsed: parsed.not_valid_after_utc.isoformat(),
    "days_left": lambda parsed: days_left(parsed.not_valid_after_utc),
    "key": lambda parsed: key(parsed.public_key()),
    "signature": signature,
    "names": names,
    "pin_sha256": pin,
    "urls": urls,
    "must_staple": must_staple,
}


def timestamps(der: bytes) -> int | None:
    """How many signed timestamps are in a certificate (RFC 6962 3.3); None if it cannot be read."""
    with suppress(*UNREADABLE):
        for one in extensions(load(der)):
            if isinstance(one.value, x509.PrecertificateSignedCertificateTimestamps):
                return len(list(one.value))
        return 0
    return None


def validity(facts: dict[str, Any]) -> str:
    """From when to when, and how long still."""
    if facts["not_before"] is None or facts["not_after"] is None:
        return "cannot be read"
    left = facts["days_left"]
    still = "expired" if left < 0 else f"{left} day{'s' * (left != 1)} left"
    if datetime.fromisoformat(facts["not_before"]) > datetime.now(timezone.utc):
        still = "not yet valid"
    return f"{facts['not_before'][:10]} to {facts['not_after'][:10]} ({still})"


def lines(facts: dict[str, Any], *, leaf: bool) -> list[tuple[str, str]]:
    """The facts as a screen shows them: named lines, everything foreign escaped."""
    if facts["sha256"] is None:
        return [("", "a certificate that cannot be read")]
    shown = [
        ("subject", printable(facts["subject"] or "-")),
        ("issuer", printable(facts["issuer"] or "-")),
        ("valid", validity(facts)),
        ("key", f"{facts['key'] or '?'}, signed with {facts['signature'] or '?'}"),
    ]
    for kind, label in (("ocsp", "OCSP at"), ("crl", "CRL at"), ("issuer", "issuer at")):
        if leaf and facts["urls"] and facts["urls"][kind]:
            shown.append((label, printable(" ".join(facts["urls"][kind]))))
    if leaf:
        found = facts["names"] or []
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        shown.append(("names", ", ".join(both_ways(name) for name in found[:SHOWN]) + more or "none"))
        if facts["must_staple"]:
            shown.append(("demands", "a stapled OCSP response (must-staple)"))
        shown.append(("SHA-256", facts["sha256"]))
        shown.append(("key pin", f"sha256//{facts['pin_sha256'] or '?'}"))
    return shown
