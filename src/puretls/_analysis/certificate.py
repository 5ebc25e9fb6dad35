"""What a certificate and a name say, in a line and part by part.

PyCA's parser reads them; what it cannot read is shown as bytes.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from puretls._analysis.fields import Field, Scan, brief, printable
from puretls._base.quiet import quietly

UNREADABLE = (
    ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension,
)  # fmt: skip
KEY_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign",
)  # fmt: skip

# What a peer's certificate has odd, a serial number or a name, is no business of our user's warnings.
_load, _name_from = quietly(x509.load_der_x509_certificate), quietly(x509.Name.from_bytes)
_names = quietly(attrgetter("issuer", "subject"))


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
    """A part of a certificate; without an encoding it is what lies before the next part."""

    name: str
    encoding: bytes | None
    value: str
    note: str = ""
    rfc: str = ""


def certificate_fields(scan: Scan) -> None:
    """A certificate part by part: PyCA's parser says what they are, and their encodings say where.

    What it does not parse, or writes otherwise than the issuer did, stays one piece with what is before it.
    """
    der = scan.data[scan.pos : scan.pos + scan.left]
    try:
        parts = _parts(_load(der))
    except UNREADABLE:
        leaf, data = scan.take("Certificate", scan.left)
        leaf.value, leaf.fault = brief(data), "this is no certificate that can be read" if data else ""
        return
    node = Field("Certificate", scan.pos, value=certificate(der))
    scan.inside(node, (lambda inner: _cut(inner, der, parts),))


def _cut(scan: Scan, der: bytes, parts: list[Part]) -> None:
    """Leaves for all parts that are found, in order, and for what is between them."""
    pos = 0
    between = Part("encoding", None, "", "Tags and lengths.", "X.690 8.1")
    pending = between
    for part in (*parts, between):
        if part.encoding is None:
            pending = part if part is not between else pending
            at, size = (len(der), 0) if part is between else (pos, 0)
        else:
            at, size = der.find(part.encoding, pos), len(part.encoding)
            if at < 0:
                continue
        if at > pos:
            _leaf(scan, pending, at - pos)
            pending = between
        if size:
            _leaf(scan, part, size)
        pos = at + size


def _leaf(scan: Scan, part: Part, size: int) -> None:
    leaf, data = scan.take(part.name, size, part.note, part.rfc)
    leaf.value = part.value or brief(data)


def _parts(parsed: x509.Certificate) -> list[Part]:
    """In the order of RFC 5280 4.1."""
    serial = parsed.serial_number
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    issuer, subject = _names(parsed)
    valid = f"{parsed.not_valid_before_utc:%Y-%m-%d %H:%M:%S} to {parsed.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    algorithm = parsed.signature_algorithm_oid._name  # PyCA has no public way to ask for it
    parts = [
        Part("version", None, parsed.version.name, "Where it begins, and the version.", "RFC 5280 4.1.2.1"),
        Part("serialNumber", number, str(serial), "Unique for the issuer.", "RFC 5280 4.1.2.2"),
        Part("signature", None, algorithm, "How it is signed, as in signatureAlgorithm below.", "RFC 5280 4.1.2.3"),
        Part("issuer", issuer.public_bytes(), _said_name(issuer), "Who has signed it.", "RFC 5280 4.1.2.4"),
        Part("validity", None, valid, "From when to when it may be used.", "RFC 5280 4.1.2.5"),
        Part(
            "subject",
            subject.public_bytes(),
            _said_name(subject),
            "Whose certificate it is; host names are in subjectAltName.",
            "RFC 5280 4.1.2.6",
        ),
    ]
    try:
        public = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (*UNREADABLE, UnsupportedAlgorithm):
        public = None
    note = "The key that the owner proves to have."
    parts.append(Part("subjectPublicKeyInfo", public, key(parsed), note, "RFC 5280 4.1.2.7"))
    parts += [_extension(one) for one in parsed.extensions]
    note = "How it was signed."
    parts.append(Part("signatureAlgorithm", None, algorithm, note, "RFC 5280 4.1.1.2"))
    note = "The issuer's signature over all before signatureAlgorithm."
    parts.append(Part("signatureValue", parsed.signature, "", note, "RFC 5280 4.1.1.3"))
    return parts


def _said_name(name: x509.Name) -> str:
    return printable(name.rfc4514_string()) or "(empty)"


def _extension(one: x509.Extension[Any]) -> Part:
    name = one.oid._name if one.oid._name != "Unknown OID" else one.oid.dotted_string
    note = "Who does not understand it has to refuse the certificate." if one.critical else ""
    return Part(name, one.value.public_bytes(), _said(one.value), note, "RFC 5280 4.2")


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
