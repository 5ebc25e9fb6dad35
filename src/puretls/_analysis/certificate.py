"""What a certificate and a name say, in a line and part by part.

PyCA's parser reads them; what it cannot read is shown as bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from puretls._analysis.der import Span, dotted
from puretls._analysis.der import spans as der_spans
from puretls._analysis.fields import Field, Scan, brief, printable
from puretls._base.quiet import quietly
from puretls._base.tuples import NamedTuple

UNREADABLE = (
    ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension,
)  # fmt: skip
KEY_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign",
)  # fmt: skip

# What a peer's certificate has odd, a serial number or a name, is no business of our user's warnings.
_load, _name_from = quietly(x509.load_der_x509_certificate), quietly(x509.Name.from_bytes)
_names, _serial = quietly(attrgetter("issuer", "subject")), quietly(attrgetter("serial_number"))
_extensions = quietly(attrgetter("extensions"))


def distinguished_name(der: bytes) -> str:
    """A DER name as RFC 4514 writes it."""
    try:
        return printable(_name_from(der).rfc4514_string()) or "(empty)"
    except UNREADABLE:
        return brief(der)


def certificate(der: bytes) -> str:
    """Subject, issuer, key, names and until when."""
    try:
        parsed = _load(der)
        issuer, subject = (printable(name.rfc4514_string()) for name in _names(parsed))
        until = f"{parsed.not_valid_after_utc:%Y-%m-%d}"
    except UNREADABLE:
        return brief(der)
    return f"{subject or '(no subject)'}, issued by {issuer or '(nobody)'}, {key(parsed)}, until {until}"


def key(parsed: x509.Certificate) -> str:
    """The kind of a certificate's public key."""
    try:
        public: Any = parsed.public_key()
    except (*UNREADABLE, UnsupportedAlgorithm):
        return "a key of an unknown kind"
    curve, size = getattr(public, "curve", None), getattr(public, "key_size", None)
    return str(curve.name if curve else f"RSA {size}" if size else type(public).__name__.removesuffix("PublicKey"))


class Part(NamedTuple):
    """What to say of a part of a certificate."""

    value: str
    note: str = ""
    rfc: str = "RFC 5280 4.2"


NOTES = {  # in the order of RFC 5280 4.1
    "version": ("The version of the format.", "RFC 5280 4.1.2.1"),
    "serialNumber": ("Unique for the issuer.", "RFC 5280 4.1.2.2"),
    "signature": ("How it is signed, as in signatureAlgorithm below.", "RFC 5280 4.1.2.3"),
    "issuer": ("Who has signed it.", "RFC 5280 4.1.2.4"),
    "validity": ("From when to when it may be used.", "RFC 5280 4.1.2.5"),
    "subject": ("Whose certificate it is; host names are in subjectAltName.", "RFC 5280 4.1.2.6"),
    "subjectPublicKeyInfo": ("The key that the owner proves to have.", "RFC 5280 4.1.2.7"),
    "issuerUniqueID": ("A way to use a name again, given up long ago.", "RFC 5280 4.1.2.8"),
    "subjectUniqueID": ("A way to use a name again, given up long ago.", "RFC 5280 4.1.2.8"),
    "signatureAlgorithm": ("How it was signed.", "RFC 5280 4.1.1.2"),
    "signatureValue": ("The issuer's signature over all before signatureAlgorithm.", "RFC 5280 4.1.1.3"),
}
NO_CERTIFICATE = "this is no certificate that can be read"


def certificate_fields(scan: Scan) -> None:
    """A certificate part by part: its tags and lengths say where they are, and PyCA's parser what they say."""
    der = scan.data[scan.pos : scan.pos + scan.left]
    found, whole = der_spans(der)
    parsed: x509.Certificate | None = None
    with suppress(*UNREADABLE):
        parsed = _load(der)
    if not found:
        leaf, data = scan.take("Certificate", scan.left)
        leaf.value, leaf.fault = brief(data), NO_CERTIFICATE if data else ""
        return
    node = Field("Certificate", scan.pos, value=certificate(der), fault="" if parsed else NO_CERTIFICATE)
    scan.inside(node, (lambda inner: _cut(inner, der, found, whole, parsed),))


def _cut(scan: Scan, der: bytes, found: list[Span], whole: bool, parsed: x509.Certificate | None) -> None:
    """A leaf for each part, in order, and for what is between them."""
    said, pos = dict[str, str](), 0
    extensions: dict[str, x509.Extension[Any]] = {}
    if parsed:
        for name, read in VALUES.items():
            with suppress(*UNREADABLE, UnsupportedAlgorithm):
                said[name] = read(parsed)
        with suppress(*UNREADABLE):
            extensions = {one.oid.dotted_string: one for one in _extensions(parsed)}
    for name, start, end, oid in found:
        if start > pos:
            _leaf(scan, "encoding", start - pos, Part("", "Tags and lengths.", "X.690 8.1"))
        if oid:
            numbers = dotted(oid)
            _leaf(scan, _oid_name(numbers), end - start, _extension(extensions.get(numbers)))
        elif end > start:
            _leaf(scan, name, end - start, Part(said.get(name, ""), *NOTES[name]))
        pos = end
    if pos < len(der):
        leaf, data = scan.take("unexpected" if not whole else "encoding", len(der) - pos)
        leaf.value, leaf.fault = brief(data), "" if whole else "no part of a certificate begins so"


def _leaf(scan: Scan, name: str, size: int, part: Part) -> None:
    leaf, data = scan.take(name, size, part.note, part.rfc)
    leaf.value = part.value or brief(data)


def _algorithm(parsed: x509.Certificate) -> str:
    return parsed.signature_algorithm_oid._name  # PyCA has no public way to ask for it


def _validity(parsed: x509.Certificate) -> str:
    return f"{parsed.not_valid_before_utc:%Y-%m-%d %H:%M:%S} to {parsed.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"


VALUES: dict[str, Callable[[x509.Certificate], str]] = {
    "version": lambda parsed: parsed.version.name,
    "serialNumber": lambda parsed: str(_serial(parsed)),
    "signature": _algorithm,
    "issuer": lambda parsed: _said_name(_names(parsed)[0]),
    "validity": _validity,
    "subject": lambda parsed: _said_name(_names(parsed)[1]),
    "subjectPublicKeyInfo": key,
    "signatureAlgorithm": _algorithm,
}


def _oid_name(numbers: str) -> str:
    with suppress(ValueError):
        name = str(x509.ObjectIdentifier(numbers)._name)
        return numbers if name == "Unknown OID" else name
    return "extension"


def _said_name(name: x509.Name) -> str:
    return printable(name.rfc4514_string()) or "(empty)"


def _extension(one: x509.Extension[Any] | None) -> Part:
    if one is None:
        return Part("")
    note = "Who does not understand it has to refuse the certificate." if one.critical else ""
    return Part(_said(one.value), note)


def _said(value: Any) -> str:
    """An extension in words."""
    if isinstance(value, x509.UnrecognizedExtension):
        return brief(value.value)
    if isinstance(value, x509.SubjectAlternativeName | x509.IssuerAlternativeName):
        return printable(", ".join(str(name.value) for name in value))
    if isinstance(value, x509.BasicConstraints):
        limit = "" if value.path_length is None else f", at most {value.path_length} more below it"
        return f"a CA{limit}" if value.ca else "no CA"
    if isinstance(value, x509.ExtendedKeyUsage):
        return ", ".join(usage._name for usage in value)
    if isinstance(value, x509.KeyUsage):
        return ", ".join(usage for usage in KEY_USAGES if getattr(value, usage))
    if isinstance(value, x509.SubjectKeyIdentifier):
        return value.digest.hex()
    if isinstance(value, x509.AuthorityKeyIdentifier):
        return (value.key_identifier or b"").hex()
    if isinstance(value, x509.AuthorityInformationAccess):
        return printable(", ".join(f"{one.access_method._name} {one.access_location.value}" for one in value))
    if isinstance(value, x509.PrecertificateSignedCertificateTimestamps):
        return f"{len(list(value))} timestamps"
    return brief(value.public_bytes())
