"""The ASN.1 of RFC 5280, declared for PyCA's decoder.

PyCA's `x509.Certificate.extensions` reads all extensions or none.  A verifier has to distinguish a broken one from an
absent one, and needs the string types of attributes, so it reads them one at a time through these declarations.  Fields
with a DEFAULT are OPTIONAL here, because an encoded default is common and harmless. certificate.py and crl.py define
what the fields mean.

Annotations are not postponed in this module: `_declare` and PyCA need the types.
"""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar, get_args

from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV, BitString, Explicit, GeneralizedTime, Implicit, SetOf, UTCTime
from cryptography.x509 import ObjectIdentifier

T = TypeVar("T")


class Shape:
    """A SEQUENCE by its fields.  It is declared to PyCA when the first one is read, because that takes a third of a
    millisecond.
    """


def read(shape: type[T], der: bytes) -> T:
    """The fields of a SEQUENCE; ValueError if it is another one."""
    if shape not in _declared:
        _declare(shape)
    return asn1.decode_der(shape, der)


def parse(shape: type[T], value: TLV) -> T:
    """The same, of a value that was read with what is around it."""
    if shape not in _declared:
        _declare(shape)
    parsed: T = value.parse(shape)
    return parsed


_declared: set[type] = set()
MOST_TRIES = 100


def _declare(shape: type) -> None:
    """Declare a shape.  Threads and signal handlers may do it at the same time; the result is the same."""
    for kind in shape.__annotations__.values():
        for part in _shapes_in(kind):
            if part not in _declared:
                _declare(part)
    for tries_left in reversed(range(MOST_TRIES)):
        if shape in _declared:
            return
        try:
            asn1.sequence(shape)
        except RuntimeError:  # another thread has changed the class in the meantime
            if not tries_left:
                raise
        else:
            _declared.add(shape)


def _shapes_in(kind: Any) -> Iterator[type[Shape]]:
    if parts := get_args(kind):
        for part in parts:
            yield from _shapes_in(part)
    elif isinstance(kind, type) and issubclass(kind, Shape):
        yield kind


class Attribute(Shape):
    """AttributeTypeAndValue, 4.1.2.4."""

    oid: ObjectIdentifier
    value: TLV


class Extension(Shape):
    """4.2."""

    oid: ObjectIdentifier
    critical: bool | None
    value: bytes


class AlgorithmAlone(Shape):
    """AlgorithmIdentifier without parameters, 4.1.1.2."""

    oid: ObjectIdentifier


class AlgorithmWithParameters(Shape):
    """AlgorithmIdentifier with parameters."""

    oid: ObjectIdentifier
    parameters: TLV


class KeyWithParameters(Shape):
    """SubjectPublicKeyInfo of a key whose algorithm has parameters, 4.1.2.7."""

    algorithm: AlgorithmWithParameters
    key: BitString


class PssParameters(Shape):
    """RFC 4055 3.1; the defaults are SHA-1 in both places, 20 and 1."""

    digest: Annotated[list[TLV] | None, Explicit(0)]  # AlgorithmIdentifiers
    mask: Annotated[list[TLV] | None, Explicit(1)]
    salt: Annotated[int | None, Explicit(2)]
    trailer: Annotated[int | None, Explicit(3)]


class TbsCertificate(Shape):
    """4.1.2."""

    version: Annotated[int | None, Explicit(0)]
    serial: int
    algorithm: TLV
    issuer: TLV  # a Name, which many certificates have in common
    validity: TLV
    subject: list[SetOf[Attribute]]
    key: TLV
    issuer_id: Annotated[BitString | None, Implicit(1)]
    subject_id: Annotated[BitString | None, Implicit(2)]
    extensions: Annotated[list[Extension] | None, Explicit(3)]


class Certificate(Shape):
    """4.1."""

    tbs: TbsCertificate
    algorithm: TLV
    signature: BitString


class Signed(Shape):
    """What certificates and CRLs have in common: enough to tell that a block of bytes is one whole value."""

    tbs: TLV
    algorithm: TLV
    signature: BitString


class ValidationParms(Shape):
    """RFC 3279 2.3.3."""

    seed: BitString
    counter: int


class DhParameters(Shape):
    """PKCS #3 9, and X9.42 in RFC 3279 2.3.3, which agree in the first two fields."""

    p: int
    g: int
    third: int | None  # privateValueLength, or q
    j: int | None
    validation: ValidationParms | None


class TbsEncoded(Shape):
    """4.1.2, where number and names are asked for as they are encoded."""

    version: Annotated[int | None, Explicit(0)]
    serial: TLV
    algorithm: TLV
    issuer: TLV
    validity: TLV
    subject: TLV
    key: TLV
    issuer_id: Annotated[BitString | None, Implicit(1)]
    subject_id: Annotated[BitString | None, Implicit(2)]
    extensions: Annotated[list[Extension] | None, Explicit(3)]


class KeyInfo(Shape):
    """SubjectPublicKeyInfo, 4.1.2.7."""

    algorithm: TLV
    key: BitString


class ResponseBytes(Shape):
    """RFC 6960 4.2.1."""

    type: ObjectIdentifier
    response: bytes


class OcspResponse(Shape):
    """RFC 6960 4.2.1."""

    status: TLV
    body: Annotated[ResponseBytes | None, Explicit(0)]


class BasicOcspResponse(Shape):
    """RFC 6960 4.2.1."""

    tbs: TLV
    algorithm: TLV
    signature: BitString
    certificates: Annotated[list[TLV] | None, Explicit(0)]


class OtherName(Shape):
    """4.2.1.6."""

    type: ObjectIdentifier
    value: Annotated[TLV, Explicit(0)]


class BasicConstraints(Shape):
    """4.2.1.9."""

    ca: bool | None
    path_length: int | None


class AuthorityKeyIdentifier(Shape):
    """4.2.1.1."""

    key: Annotated[bytes | None, Implicit(0)]
    issuer: Annotated[list[TLV] | None, Implicit(1)]
    serial: Annotated[int | None, Implicit(2)]


class GeneralSubtree(Shape):
    """4.2.1.10."""

    base: TLV
    minimum: Annotated[int | None, Implicit(0)]
    maximum: Annotated[int | None, Implicit(1)]


class NameConstraints(Shape):
    """4.2.1.10."""

    permitted: Annotated[list[GeneralSubtree] | None, Implicit(0)]
    excluded: Annotated[list[GeneralSubtree] | None, Implicit(1)]


class DistributionPointName(Shape):
    """4.2.1.13; a CHOICE, so that `extensions.point_name` has to see that it is one of them."""

    full: Annotated[list[TLV] | None, Implicit(0)]
    relative: Annotated[list[Attribute] | None, Implicit(1)]


class DistributionPoint(Shape):
    """4.2.1.13."""

    name: Annotated[DistributionPointName | None, Implicit(0)]
    reasons: Annotated[BitString | None, Implicit(1)]
    issuer: Annotated[list[TLV] | None, Implicit(2)]


class IssuingDistributionPoint(Shape):
    """5.2.5."""

    name: Annotated[DistributionPointName | None, Implicit(0)]
    only_user: Annotated[bool | None, Implicit(1)]
    only_ca: Annotated[bool | None, Implicit(2)]
    reasons: Annotated[BitString | None, Implicit(3)]
    indirect: Annotated[bool | None, Implicit(4)]
    only_attribute: Annotated[bool | None, Implicit(5)]


class AccessDescription(Shape):
    """4.2.2.1."""

    method: ObjectIdentifier
    location: TLV


class ProxyPolicy(Shape):
    """RFC 3820 3.8."""

    language: ObjectIdentifier
    policy: bytes | None


class ProxyCertInfo(Shape):
    """RFC 3820 3.8."""

    path_length: int | None
    policy: ProxyPolicy


class CertAux(Shape):
    """What OpenSSL appends to a certificate in a TRUSTED CERTIFICATE block."""

    trust: list[ObjectIdentifier] | None
    reject: Annotated[list[ObjectIdentifier] | None, Implicit(0)]
    alias: str | None
    key: bytes | None
    other: Annotated[list[TLV] | None, Implicit(1)]


# The decoder starts at a SEQUENCE with fields; a SEQUENCE OF is put into one that has it as its only field.


class Item(Protocol[T]):
    """A shape with one field."""

    item: T


class Values(Shape):
    """SEQUENCE OF ANY: GeneralNames, or certificates one after the other."""

    item: list[TLV]


class Oids(Shape):
    """ExtKeyUsageSyntax, 4.2.1.12."""

    item: list[ObjectIdentifier]


class Integers(Shape):
    """Features, RFC 7633 4."""

    item: list[int]


class Rdns(Shape):
    """Name, 4.1.2.4."""

    item: list[SetOf[Attribute]]


class Points(Shape):
    """CRLDistributionPoints."""

    item: list[DistributionPoint]


class Accesses(Shape):
    """AuthorityInfoAccessSyntax."""

    item: list[AccessDescription]


class RevokedCertificate(Shape):
    """5.1.2.6."""

    serial: int
    date: UTCTime | GeneralizedTime
    extensions: list[Extension] | None


class TbsCertList(Shape):
    """5.1.2."""

    version: int | None
    algorithm: TLV
    issuer: list[SetOf[Attribute]]
    this_update: UTCTime | GeneralizedTime
    next_update: UTCTime | GeneralizedTime | None
    revoked: list[TLV] | None  # RevokedCertificate, read when asked for: there may be very many
    extensions: Annotated[list[Extension] | None, Explicit(0)]


class CertList(Shape):
    """5.1."""

    tbs: TbsCertList
    algorithm: TLV
    signature: BitString


def tagged(tag: bytes, content: bytes) -> bytes:
    """DER of any value.  Of a long one PyCA counts the length: as content of an OCTET STRING it is the same."""
    size = len(content)
    return tag + (bytes((size,)) + content if size < 0x80 else asn1.encode_der(content)[1:])


def sequence(content: bytes) -> bytes:
    """DER of a SEQUENCE."""
    return tagged(b"\x30", content)


def whole(value: TLV) -> bytes:
    """DER of a value that was read into its parts."""
    return tagged(bytes(value.tag_bytes), bytes(value.data))


class AlgorithmIdentifier(NamedTuple):
    """4.1.1.2; read from either of its shapes."""

    oid: str
    parameters: TLV | None


def algorithm(value: TLV, content: bytes | None = None) -> AlgorithmIdentifier:
    """An AlgorithmIdentifier; ValueError if it is none.  Whoever has read its content hands it over."""
    content = bytes(value.data) if content is None else content
    if len(content) > SHORT:
        return _algorithm(value)
    found = _algorithms.get(content)  # there are few, and nearly all certificates have one of three
    if found is None:
        found = _algorithm(value)
        if value.tag_bytes == b"\x30" and len(_algorithms) < MOST_ALGORITHMS:
            _algorithms[content] = found
    elif value.tag_bytes != b"\x30":
        raise ValueError("no SEQUENCE")
    return found


def _algorithm(value: TLV) -> AlgorithmIdentifier:
    content = value.data
    if len(content) > 1 and content[1] + 2 == len(content):
        return AlgorithmIdentifier(parse(AlgorithmAlone, value).oid.dotted_string, None)
    found = parse(AlgorithmWithParameters, value)
    return AlgorithmIdentifier(found.oid.dotted_string, found.parameters)


SHORT = 128  # octets
MOST_ALGORITHMS = 64
_algorithms: dict[bytes, AlgorithmIdentifier] = {}  # by their content


def oid(value: TLV) -> str:
    """An OBJECT IDENTIFIER; ValueError if it is none."""
    return asn1.decode_der(ObjectIdentifier, whole(value)).dotted_string


def items(shape: type[Item[T]], der: bytes) -> T:
    """The elements of a SEQUENCE OF."""
    return read(shape, sequence(der)).item
