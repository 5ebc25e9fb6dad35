"""Extensions: their OIDs, and readers for the values that verification uses (RFC 5280 4.2).

A reader takes the DER of a value and raises ValueError if it is broken.  What a value means for a certificate is in
certificate.py and checks.py, for a CRL in crl.py.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV
from cryptography.x509 import ObjectIdentifier

from puretls._base.tuples import NamedTuple
from puretls._x509 import names, shapes

# Extensions, RFC 5280 4.2
SUBJECT_KEY = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
ISSUER_ALT_NAME = "2.5.29.18"
BASIC_CONSTRAINTS = "2.5.29.19"
NAME_CONSTRAINTS = "2.5.29.30"
CRL_POINTS = "2.5.29.31"
AUTHORITY_KEY = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"
AUTHORITY_INFO = "1.3.6.1.5.5.7.1.1"
PROXY = "1.3.6.1.5.5.7.1.14"
IP_BLOCKS, AS_NUMBERS = "1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8"  # RFC 3779
NETSCAPE_TYPE = "2.16.840.1.113730.1.1"

# What may be critical: read here, or by OpenSSL without effect on a verdict unless policies are asked for.
HANDLED = frozenset({
    KEY_USAGE, SUBJECT_ALT_NAME, BASIC_CONSTRAINTS, NAME_CONSTRAINTS, CRL_POINTS, EXTENDED_KEY_USAGE, PROXY,
    NETSCAPE_TYPE,
    "2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54",  # policies, their mappings, constraints, inhibitAnyPolicy
    IP_BLOCKS, AS_NUMBERS,
    "1.3.6.1.5.5.7.48.1.5",  # OCSP no check
})  # fmt: skip

# Key usage, as bits of the first octet and of the second shifted by eight
DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_AGREEMENT, CERT_SIGN, CRL_SIGN = 0x80, 0x20, 0x08, 0x04, 0x02

# Extended key usage
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY_USAGE = "2.5.29.37.0"
GATED_CRYPTO = frozenset({"1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"})  # Microsoft's and Netscape's


_ENUMERATED = b"\x0a"


class Extension(NamedTuple):
    """One extension, its value not read."""

    critical: bool
    value: bytes


class KeyIdentifier(NamedTuple):
    """AuthorityKeyIdentifier: which key of which issuer has signed (4.2.1.1)."""

    key: bytes | None
    issuer: names.Name | None
    serial: int | None
    paired: bool  # issuer and serial number are both there or both not
    empty: bool


def basic_constraints(der: bytes) -> shapes.BasicConstraints:
    """BasicConstraints."""
    return shapes.read(shapes.BasicConstraints, der)


def accesses(der: bytes) -> list[shapes.AccessDescription]:
    """AuthorityInfoAccessSyntax."""
    return shapes.items(shapes.Accesses, der)


def proxy_certificate(der: bytes) -> shapes.ProxyCertInfo:
    """RFC 3820 3.8."""
    return shapes.read(shapes.ProxyCertInfo, der)


def general_names(der: bytes) -> list[tuple[bytes, bytes]]:
    """GeneralNames: the tag and content of each; ValueError if one is of no known type or not well-formed."""
    return _general_names(shapes.items(shapes.Values, der))


def _general_names(values: list[TLV]) -> list[tuple[bytes, bytes]]:
    found = [(bytes(value.tag_bytes), bytes(value.data)) for value in values]
    for tag, content in found:
        if tag == names.DIRECTORY:
            names.canonical(directory_name(content))
        elif tag == names.OTHER:
            other_name(content)
        elif tag == names.EDI_PARTY:
            _edi_party(content)
        elif tag == names.REGISTERED:
            asn1.decode_der(ObjectIdentifier, shapes.tagged(b"\x06", content))
        elif tag not in names.TYPES:
            raise ValueError("not a GeneralName")
    return found


def _edi_party(content: bytes) -> None:
    """Check an EDIPartyName: a party, and perhaps its naming authority, both as text; ValueError if it is none."""
    values = shapes.items(shapes.Values, shapes.sequence(content))
    texts = [text for value in values for text in shapes.items(shapes.Values, shapes.sequence(bytes(value.data)))]
    if [bytes(value.tag_bytes) for value in values] not in _EDI_PARTIES or len(texts) != len(values):
        raise ValueError("not an EDIPartyName")
    for text in texts:
        tag = bytes(text.tag_bytes)
        if tag not in names.DIRECTORY_STRINGS or names.Attribute("", tag, bytes(text.data)).text() is None:
            raise ValueError("not a DirectoryString")


_EDI_PARTIES = ([b"\xa1"], [b"\xa0", b"\xa1"])


def point_name(name: shapes.DistributionPointName | None) -> None:
    """Check a DistributionPointName, if there is one: it is a choice; ValueError if it is malformed."""
    if name is None:
        return
    if (name.full is None) == (name.relative is None):
        raise ValueError("not a DistributionPointName")
    if name.relative is not None:
        names.canonical(names.read([name.relative]))


def distribution_points(der: bytes) -> list[shapes.DistributionPoint]:
    """CRLDistributionPoints; ValueError if one has neither name nor issuer."""
    points = shapes.items(shapes.Points, der)
    for point in points:
        if point.name is None and not point.issuer:
            raise ValueError("a distribution point of nothing")
        point_name(point.name)
        _general_names([*(point.issuer or ()), *((point.name and point.name.full) or ())])
    return points


def subtrees(der: bytes) -> shapes.NameConstraints:
    """NameConstraints; ValueError if a base is no name."""
    constraints = shapes.read(shapes.NameConstraints, der)
    _general_names([subtree.base for subtree in (*(constraints.permitted or ()), *(constraints.excluded or ()))])
    return constraints


def directory_name(content: bytes) -> tuple[names.Rdn, ...]:
    """The name in a directoryName."""
    return names.read(rdn.as_list() for rdn in shapes.read(shapes.Rdns, shapes.sequence(content)).item)


def other_name(content: bytes) -> shapes.OtherName:
    """The type and value of an otherName; ValueError if the value, of whatever type, is not well-formed."""
    name = shapes.read(shapes.OtherName, shapes.sequence(content))
    tag, data = bytes(name.value.tag_bytes), bytes(name.value.data)
    if tag in _SIMPLE:
        asn1.decode_der(_SIMPLE[tag], shapes.whole(name.value))
    if (tag in names.WIDE and names.Attribute("", tag, data).text() is None) or (tag == _ENUMERATED and not data):
        raise ValueError("not a value of its type")
    return name


_SIMPLE: dict[bytes, Any] = {
    b"\x01": bool, b"\x02": int, b"\x03": asn1.BitString, b"\x05": asn1.Null, b"\x06": ObjectIdentifier,
}  # fmt: skip


def key_identifier(der: bytes) -> KeyIdentifier:
    """AuthorityKeyIdentifier, of a certificate or a CRL."""
    value = shapes.read(shapes.AuthorityKeyIdentifier, der)
    issuers = _general_names(value.issuer) if value.issuer is not None else []
    directory = next((content for tag, content in issuers if tag == names.DIRECTORY), None)
    issuer = None if directory is None else names.canonical(directory_name(directory))
    paired = (value.issuer is None) == (value.serial is None)
    return KeyIdentifier(value.key, issuer, value.serial, paired, value.key is None and paired and not issuers)


def oids(der: bytes) -> frozenset[str]:
    """SEQUENCE OF OBJECT IDENTIFIER, as a set."""
    return frozenset(oid.dotted_string for oid in shapes.items(shapes.Oids, der))


def octets(der: bytes) -> bytes:
    """The content of an OCTET STRING."""
    return asn1.decode_der(bytes, der)


def bits(der: bytes) -> int:
    """The first sixteen bits of a BIT STRING."""
    return int.from_bytes(asn1.decode_der(asn1.BitString, der).as_bytes()[:2], "little")
