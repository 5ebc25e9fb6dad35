"""DER as fields (X.690 8): every element with its identifier, its length and what is in it; certificates by name.

A schema names the elements of a structure in order. What it does not name is shown by its ASN.1 type, and what is not
DER at all as bytes: a certificate is as hostile as anything else that a peer sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurveOID
from cryptography.x509 import oid

from puretls._analysis.fields import Field, Layout, Scan, brief, listed, printable

DEEPEST = 24  # elements within elements; a certificate has about ten
TYPES = {
    1: "BOOLEAN",
    2: "INTEGER",
    3: "BIT STRING",
    4: "OCTET STRING",
    5: "NULL",
    6: "OBJECT IDENTIFIER",
    10: "ENUMERATED",
    12: "UTF8String",
    16: "SEQUENCE",
    17: "SET",
    19: "PrintableString",
    20: "TeletexString",
    22: "IA5String",
    23: "UTCTime",
    24: "GeneralizedTime",
    30: "BMPString",
}
CLASSES = ("", "APPLICATION ", "", "PRIVATE ")
TEXTS = frozenset({12, 19, 20, 22})
CONSTRUCTED, CONTEXT, LONG_TAG = 0x20, 0x80, 0x1F


class Element(NamedTuple):
    """A place in a structure: its name, what is in it, and its identifier octet where it may be missing."""

    name: str
    within: tuple[Element, ...] = ()
    tag: int | None = None
    note: str = ""
    rfc: str = ""
    each: bool = False  # `within` describes every element in it, not one after the other
    inner: bool = False  # its content is DER again


ALGORITHM = (Element("algorithm"), Element("parameters"))
NAME = (
    Element(
        "RelativeDistinguishedName",
        (Element("AttributeTypeAndValue", (Element("type"), Element("value"))),),
        each=True,
    ),
)
EXTENSION = (
    Element("extnID"),
    Element("critical", tag=1, note="Who does not understand it has to refuse the certificate."),
    Element("extnValue", inner=True),
)
CERTIFICATE = Element(
    "Certificate",
    (
        Element(
            "tbsCertificate",
            (
                Element("version", (Element("Version"),), 0xA0, "Counted from 0: 2 is version 3.", "RFC 5280 4.1.2.1"),
                Element("serialNumber", note="Unique for the issuer.", rfc="RFC 5280 4.1.2.2"),
                Element("signature", ALGORITHM, note="As signatureAlgorithm below.", rfc="RFC 5280 4.1.2.3"),
                Element("issuer", NAME, note="Who has signed this certificate.", rfc="RFC 5280 4.1.2.4", each=True),
                Element(
                    "validity",
                    (Element("notBefore"), Element("notAfter")),
                    note="From when to when it may be used.",
                    rfc="RFC 5280 4.1.2.5",
                ),
                Element(
                    "subject",
                    NAME,
                    note="Whose certificate it is; host names are in subjectAltName.",
                    rfc="RFC 5280 4.1.2.6",
                    each=True,
                ),
                Element(
                    "subjectPublicKeyInfo",
                    (Element("algorithm", ALGORITHM), Element("subjectPublicKey")),
                    note="The key that the owner proves to have.",
                    rfc="RFC 5280 4.1.2.7",
                ),
                Element("issuerUniqueID", tag=0x81),
                Element("subjectUniqueID", tag=0x82),
                Element(
                    "extensions",
                    (Element("Extensions", (Element("Extension", EXTENSION),), each=True),),
                    0xA3,
                    "What the key may be used for, and for which names.",
                    "RFC 5280 4.2",
                ),
            ),
            note="What the issuer has signed.",
            rfc="RFC 5280 4.1.2",
        ),
        Element("signatureAlgorithm", ALGORITHM, note="How it was signed.", rfc="RFC 5280 4.1.1.2"),
        Element("signatureValue", note="The issuer's signature over tbsCertificate.", rfc="RFC 5280 4.1.1.3"),
    ),
)


OTHERWISE = {  # than PyCA, and as RFC 5280 has it
    "1.2.840.10045.2.1": "ecPublicKey",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "2.5.29.17": "subjectAltName",
    "2.5.29.18": "issuerAltName",
}


def _camel(constant: str) -> str:
    first, *others = constant.lower().split("_")
    return first + "".join(map(str.capitalize, others))


def _oids() -> dict[str, str]:
    """Names of object identifiers, as PyCA spells its constants."""
    found = dict(OTHERWISE)
    spellings: tuple[tuple[type, Callable[[str], str]], ...] = (
        (oid.NameOID, _camel),
        (oid.ExtensionOID, _camel),
        (oid.ExtendedKeyUsageOID, _camel),
        (oid.AuthorityInformationAccessOID, _camel),
        (oid.CertificatePoliciesOID, _camel),
        (oid.SignatureAlgorithmOID, lambda name: name.replace("_", "-")),
        (oid.PublicKeyAlgorithmOID, lambda name: name.replace("_", "-")),
        (EllipticCurveOID, str.lower),
    )
    for constants, spell in spellings:
        for name, value in vars(constants).items():
            if isinstance(value, oid.ObjectIdentifier):
                found.setdefault(value.dotted_string, spell(name))
    return found


OIDS = _oids()


def element(schema: Element | None, depth: int = 0) -> Layout:
    """One element, with what a schema knows of it."""

    def read(scan: Scan) -> None:
        node = Field(schema.name if schema else "", scan.pos)
        scan.inside(node, (lambda inner: _content(inner, schema, depth),))

    return read


def _content(scan: Scan, schema: Element | None, depth: int) -> None:
    """Identifier, length and contents of the element that is the scan's field."""
    node = scan.field
    leaf, tag = scan.number("identifier", 1)
    kind = TYPES.get(tag & LONG_TAG, "") if not tag >> 6 else f"[{CLASSES[tag >> 6]}{tag & LONG_TAG}]"
    leaf.value = kind or f"type {tag & LONG_TAG}"
    node.name = node.name or leaf.value
    if schema:
        node.note, node.rfc = schema.note, schema.rfc
    if tag & LONG_TAG == LONG_TAG:
        leaf.fault = "an identifier of several octets: nothing in a certificate has one"
    size = _length(scan)
    if size > scan.left:
        node.fault = f"the length says {size} bytes, there are {scan.left}"
    end, scan.end = scan.end, min(scan.end, scan.pos + size)
    try:
        scan.fill(_inside(tag, schema, depth, scan.data[scan.pos : scan.end]))
    finally:
        scan.end = end
    node.value = _says(node, tag)


def _length(scan: Scan) -> int:
    """One octet, or how many follow and those."""
    first = scan.data[scan.pos] if scan.left else 0
    more = first & 0x7F if first & 0x80 else 0
    leaf, data = scan.take("length", 1 + more)
    size = int.from_bytes(data[1:], "big") if more else first & 0x7F
    leaf.value = str(size)
    if first == 0x80:
        leaf.fault = "an indefinite length, which is not DER"
    return size


def _inside(tag: int, schema: Element | None, depth: int, content: bytes) -> tuple[Layout, ...]:
    """How the contents are read: as elements, or as a value."""
    if depth >= DEEPEST:
        return (_value(tag),)
    if tag & CONSTRUCTED:
        return (_elements(schema.within if schema else (), depth + 1, each=bool(schema and schema.each)),)
    if schema and schema.inner and whole(content):
        return (element(None, depth + 1),)
    return (_value(tag),)


def _elements(schema: tuple[Element, ...], depth: int, *, each: bool) -> Layout:
    """Elements one after the other, with their names as far as there are any."""

    def read(scan: Scan) -> None:
        left = list(schema)
        while scan.left:
            tag = scan.data[scan.pos]
            if not each:
                while left and left[0].tag not in (None, tag):
                    left.pop(0)  # it is optional, and missing
            known = schema[0] if each and schema else left.pop(0) if left else None
            element(known, depth)(scan)

    return read


def _value(tag: int) -> Layout:
    """The contents of a primitive element."""

    def read(scan: Scan) -> None:
        if scan.left:
            leaf, data = scan.take("contents", scan.left)
            leaf.value = _meaning(tag, data)

    return read


def _meaning(tag: int, data: bytes) -> str:
    """A primitive value in words."""
    if tag == 1:
        return "true" if data != b"\0" else "false"
    if tag in (2, 10) and len(data) <= 8:
        return str(int.from_bytes(data, "big", signed=True))
    if tag == 6:
        dotted = dotted_oid(data)
        return f"{OIDS[dotted]} ({dotted})" if dotted in OIDS else dotted
    if tag in TEXTS or (tag & 0xC0 == CONTEXT and data and all(32 <= byte < 127 for byte in data)):
        return printable(data.decode("utf-8", "backslashreplace"))
    if tag in (23, 24) and data.endswith(b"Z") and data[:-1].isdigit() and len(data) in (13, 15):
        year, rest = (data[:-11], data[-11:-1])
        century = b"" if len(year) == 4 else b"19" if year >= b"50" else b"20"
        month, day, hour, minute, second = (rest[at : at + 2].decode() for at in range(0, 10, 2))
        return f"{(century + year).decode()}-{month}-{day} {hour}:{minute}:{second} UTC"
    return brief(data) if data else ""


def dotted_oid(data: bytes) -> str:
    """An object identifier as numbers (X.690 8.19)."""
    arcs, arc = [], 0
    for byte in data[:64]:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs:
        return brief(data)
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _says(node: Field, tag: int) -> str:
    """What an element says in a line: its value, or those in it if they are few."""
    inside = [child for child in node.children if child.name not in ("identifier", "length")]
    if not tag & CONSTRUCTED:
        return listed(Field("", 0, children=inside))
    said = ", ".join(child.value for child in inside if child.value)
    return said if len(said) <= 160 else f"{len(inside)} elements"


def whole(data: bytes) -> bool:
    """Whether bytes are one DER element and nothing else, as far as their length tells."""
    if len(data) < 2:
        return False
    more = data[1] & 0x7F if data[1] & 0x80 else 0
    size = int.from_bytes(data[2 : 2 + more], "big") if more else data[1] & 0x7F
    return 2 + more + size == len(data)
