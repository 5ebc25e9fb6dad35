"""A certificate: PyCA's parsed object, and the fields that path validation uses, each read once (RFC 5280 4).

Where it decides verdicts, reading follows OpenSSL: a repeated or unreadable extension that it uses makes the
certificate `invalid` as a whole, an unknown critical one makes it `unhandled`. checks.py decides what follows from
that.  `load` shares objects, so that the intermediates of the big CAs are read once per process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

from puretls._base.foreign import asked
from puretls._base.quiet import quietly
from puretls._base.slotted import at_once, slotted
from puretls._base.tuples import NamedTuple
from puretls._x509 import algorithms, extensions, names, odd, resources, shapes, strength
from puretls._x509.algorithms import Algorithm, Pss
from puretls._x509.extensions import (
    AS_NUMBERS,
    AUTHORITY_INFO,
    AUTHORITY_KEY,
    BASIC_CONSTRAINTS,
    CERT_SIGN,
    CRL_POINTS,
    EXTENDED_KEY_USAGE,
    HANDLED,
    IP_BLOCKS,
    ISSUER_ALT_NAME,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    NETSCAPE_TYPE,
    PROXY,
    SUBJECT_ALT_NAME,
    SUBJECT_KEY,
    Extension,
    KeyIdentifier,
)
from puretls._x509.resources import Resources

T = TypeVar("T")
tuple_of = tuple.__new__  # as `_wire.codec` has it


class Trust(NamedTuple):
    """The trust settings of a TRUSTED CERTIFICATE block: what a certificate may and may not be used for; None: no
    setting.
    """

    trust: frozenset[str] | None
    reject: frozenset[str]


class LastPath(NamedTuple):
    """The path that was found last from a leaf; without that, which has it and is in no circle.

    It is found again in the same store, under the same rules, while all of its certificates are valid: until then the
    time only decides which of several paths it is.
    """

    under: tuple[object, ...]  # the store's revision, what else was sent, the rules
    begin: float
    end: float
    first: Certificate | None  # the store's, in the place of the leaf
    above: tuple[Certificate, ...]


# What verdicts depend on: whose attribute each is, and its reader
_MATTERING: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    BASIC_CONSTRAINTS: ("basic_constraints", extensions.basic_constraints),
    KEY_USAGE: ("key_usage", extensions.bits),
    EXTENDED_KEY_USAGE: ("extended_key_usage", extensions.oids),
    NETSCAPE_TYPE: ("netscape_type", extensions.bits),
    SUBJECT_KEY: ("subject_key", extensions.octets),
    AUTHORITY_KEY: ("authority_key", extensions.key_identifier),
    SUBJECT_ALT_NAME: ("subject_alt_name", extensions.general_names),
    NAME_CONSTRAINTS: ("name_constraints", extensions.subtrees),
    CRL_POINTS: ("crl_points", extensions.distribution_points),
    PROXY: ("proxy", extensions.proxy_certificate),
    IP_BLOCKS: ("ip_blocks", resources.blocks),
    AS_NUMBERS: ("as_numbers", resources.numbers),
}
_NOTHING: dict[str, Any] = {name: None for name, _ in _MATTERING.values()}  # what a certificate without extensions has


@slotted("der", "last_path", "odd", "trust", "verdicts")
class Certificate:
    """One certificate.  Fields are read when they are asked for; ValueError if the part that holds them is broken."""

    def __init__(self, der: bytes, trust: Trust | None = None, *, oddity: odd.Odd | None = None) -> None:
        self.der = der
        self.trust = trust
        self.odd = oddity  # if PyCA refuses its encoding
        self.last_path: LastPath | None = None  # what path.py has found, of a leaf
        # Known answers of `checks.extensions`, by the place in a path
        self.verdicts: dict[tuple[str, int, int, bool, bool, bool], int] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        try:
            return f"<Certificate {'/'.join(a.text() or '?' for rdn in self.subject_rdns for a in rdn)!r}>"
        except ValueError:
            return f"<Certificate of {len(self.der)} octets, broken>"

    @property
    def regular(self) -> bytes:
        """The encoding that is read: its own, or that of its twin (odd.py).  ValueError, with the reason, if there is
        none.
        """
        if self.odd is None:
            return self.der
        if self.odd.twin is None:
            raise ValueError(str(self.odd))
        return self.odd.twin

    _outer: shapes.Certificate
    tbs: shapes.TbsCertificate  # the fields as they are encoded

    @at_once("_outer", "tbs")
    def _decoded(self) -> tuple[shapes.Certificate, shapes.TbsCertificate]:
        outer = shapes.read(shapes.Certificate, self.regular)
        return outer, outer.tbs

    @cached_property
    def parsed(self) -> x509.Certificate:
        """PyCA's view, which has the key, the dates and the signature."""
        return _parsed(self.regular)

    @cached_property
    def readable(self) -> bool:
        """Whether all the fields can be read in which an error is not reported separately: asking for them cannot raise
        then.
        """
        try:
            self.subject, self.issuer, self.key_algorithm, self.algorithm, self.not_before, self.not_after  # noqa: B018
        except ValueError:
            return False
        return True

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate, by which caches know it."""
        return algorithms.digest_of(algorithms.SHA_256, self.der)  # PyCA's fingerprint() takes five times as long

    @property
    def version(self) -> int:
        """As it is encoded: 0 is v1, 2 is v3."""
        return self.tbs.version or 0 if self.odd is None else self.odd.version

    @cached_property
    def serial(self) -> int:
        """Its number, which may be negative."""
        return self.tbs.serial

    @cached_property
    def subject_rdns(self) -> tuple[names.Rdn, ...]:
        """The subject as it is written."""
        return self.odd.subject if self.odd is not None else names.read(rdn.as_list() for rdn in self.tbs.subject)

    @cached_property
    def issuer_rdns(self) -> tuple[names.Rdn, ...]:
        """The issuer as it is written."""
        if self.odd is not None:
            return self.odd.issuer
        content = shapes.whole(self.tbs.issuer)
        return _issuer(content) if len(content) <= SHARED else extensions.directory_name(content)

    @cached_property
    def subject(self) -> names.Name:
        """The subject as it is compared."""
        return names.canonical(self.subject_rdns)

    @cached_property
    def issuer(self) -> names.Name:
        """The issuer as it is compared."""
        return names.canonical(self.issuer_rdns)

    not_before: float  # seconds since the epoch; infinite, so never, if the date is not in the required form
    not_after: float  # the last second in which it is valid
    key_algorithm: str  # the algorithm of its key: an OID

    @at_once("not_before", "not_after", "key_algorithm")
    def _plainly(self) -> tuple[float, float, str]:
        parsed = self.parsed
        begin, end = (False, False) if self.odd is None else self.odd.undated
        return (
            math.inf if begin else asked(_begin, parsed),
            -math.inf if end else asked(_end, parsed),
            asked(getattr, parsed, "public_key_algorithm_oid").dotted_string,
        )

    # Its key

    @cached_property
    def key_der(self) -> bytes:
        """SubjectPublicKeyInfo, as it is."""
        return shapes.whole(self.tbs.key) if self.odd is None else self.odd.key

    def _key_parameters(self) -> asn1.TLV | None:
        """The parameters of its key's algorithm; None if it has none."""
        try:
            return shapes.parse(shapes.KeyWithParameters, self.tbs.key).algorithm.parameters
        except ValueError:
            return None

    @property
    def spells_out_its_curve(self) -> bool:
        """Whether it has the numbers of an elliptic curve where its name should be (RFC 5480 2.1.1)."""
        content = self.tbs.key.data
        if self.key_algorithm != algorithms.EC or (content[1] < 0x80 and content[11:12] == _OID):
            return False  # nearly always: behind the number of the algorithm, 11 octets with its headers, is another
        parameters = self._key_parameters()
        return parameters is not None and parameters.tag_bytes != _OID

    key: Any  # PyCA's key object; None if PyCA does not support such keys, or cannot use this one
    limits: Pss | None  # what signatures of its key must have, if it is restricted to RSASSA-PSS so (RFC 4055 1.2)

    @at_once("key", "limits")
    def _key(self) -> tuple[Any, Pss | None]:
        try:
            key: Any = asked(self.parsed.public_key)
            algorithm = self.key_algorithm
            if algorithm in algorithms.ANY_RSA and asked(key.public_numbers).e.bit_length() > MAX_EXPONENT:
                return None, None
            parameters = self._key_parameters() if algorithm == algorithms.RSA_PSS else None
            return key, None if parameters is None else algorithms.pss_parameters(parameters)
        except ValueError:
            return None, None

    def public_key(self) -> Any:
        """PyCA's key object, as a method, as PyCA's certificates have it."""
        return self.key

    @cached_property
    def key_bits(self) -> int:
        """Security bits of its key; 0 if it is of an unknown kind."""
        try:
            return asked(strength.of_key, self.key, self.key_algorithm)
        except ValueError:
            return 0

    # Its signature

    algorithm: str  # the signature algorithm, as the signed part names it: an OID
    signature: Algorithm  # the same, from our table
    consistent: bool  # whether the signed part names the same signature algorithm as the signature (4.1.1.2)

    @at_once("algorithm", "signature", "consistent")
    def _signing(self) -> tuple[str, Algorithm, bool]:
        inner, outer = self.tbs.algorithm, self._outer.algorithm
        content = bytes(inner.data)
        said = shapes.algorithm(inner, content)
        consistent = inner.tag_bytes == outer.tag_bytes and content == outer.data
        return said.oid, algorithms.named(said), consistent if self.odd is None else self.odd.consistent

    def end_point(self) -> bytes | None:
        """The tls-server-end-point channel binding (RFC 5929 4.1); None where it is not defined.

        The digest is that of the signature, but SHA-256 for MD5 and SHA-1, and for algorithms that contain their own.
        """
        digest = self.signature.digest
        if self.signature.key in algorithms.PURE or (digest is not None and digest.name in algorithms.BROKEN):
            digest = algorithms.SHA_256
        return None if digest is None else algorithms.digest_of(digest, self.der)

    # Extensions

    extensions: dict[str, Extension]  # by their OIDs; the first one of a repeated extension
    repeated: frozenset[str]  # those that occur twice, which 4.2 forbids
    unhandled: bool  # whether a critical one is unknown
    invalid: bool  # whether one that matters is repeated, unreadable or contradicts another

    # What they say, if they matter; None if it is not there, or broken

    basic_constraints: shapes.BasicConstraints | None  # 4.2.1.9
    key_usage: int | None  # 4.2.1.3, in the bits above; None: for all
    extended_key_usage: frozenset[str] | None  # 4.2.1.12; None: for all
    netscape_type: int | None  # Netscape's certificate type, which OpenSSL takes into account
    subject_key: bytes | None  # 4.2.1.2
    authority_key: KeyIdentifier | None  # 4.2.1.1
    subject_alt_name: list[tuple[bytes, bytes]] | None  # 4.2.1.6: the tag and content of each name
    name_constraints: shapes.NameConstraints | None  # 4.2.1.10
    crl_points: list[shapes.DistributionPoint] | None  # 4.2.1.13
    proxy: shapes.ProxyCertInfo | None  # RFC 3820 3.8
    ip_blocks: Resources | None  # RFC 3779 2
    as_numbers: Resources | None  # RFC 3779 3

    ca: bool  # whether its basic constraints say that it is a CA
    path_length: int | None  # how many intermediates may follow below it

    @at_once("extensions", "repeated", "unhandled", "invalid", "ca", "path_length", *_NOTHING)
    def _extensions(self) -> tuple[Any, ...]:
        found: dict[str, Extension] = {}
        values, repeated, unhandled, broken = _NOTHING.copy(), set[str](), False, False
        for extension in self.tbs.extensions or ():
            oid, value, critical = extension.oid.dotted_string, extension.value, extension.critical is True
            if critical and oid not in HANDLED:
                unhandled = True
            if oid in found:
                repeated.add(oid)
                continue
            found[oid] = tuple_of(Extension, (critical, value))
            if oid in _MATTERING:
                name, reader = _MATTERING[oid]
                values[name] = read = _read(oid, reader, value)
                broken = broken or read is None
        for oid in repeated & _MATTERING.keys():
            values[_MATTERING[oid][0]], broken = None, True
        said: shapes.BasicConstraints | None = values["basic_constraints"]
        limit, ca = (None, False) if said is None else (said.path_length, said.ca is True)
        invalid = (
            broken
            or values["key_usage"] == 0
            or (limit is not None and limit < 0)
            or (values["proxy"] is not None and (ca or SUBJECT_ALT_NAME in found or ISSUER_ALT_NAME in found))
        )
        path_length = limit if limit is None or limit >= 0 else None
        return found, frozenset(repeated), unhandled, invalid, ca, path_length, *values.values()

    def critical(self, oid: str) -> bool:
        """Whether it has this extension and marks it critical."""
        extension = self.extensions.get(oid)
        return extension is not None and extension.critical

    def usable_for(self, usage: int) -> bool:
        """Whether key usage, if it is there, allows one of these."""
        allowed = self.key_usage
        return allowed is None or bool(allowed & usage)

    @cached_property
    def ca_kind(self) -> int:
        """0 if it is no CA, 1 if it says it is one, more if it only may be: 3 v1 root, 4 key usage, 5 Netscape's
        type.
        """
        if self.invalid or not self.usable_for(CERT_SIGN):
            return 0
        if self.basic_constraints is not None:
            return int(self.ca)
        if self.version == 0 and self.self_signed:
            return 3
        if self.key_usage is not None:
            return 4
        return 5 if (self.netscape_type or 0) & 0x07 else 0

    @property
    def alternative_names(self) -> list[tuple[bytes, bytes]]:
        """The same; none if it has no such extension."""
        return self.subject_alt_name or []

    @cached_property
    def readable_access(self) -> bool:
        """Whether authority information access, if it is there, can be read."""
        found = self.extensions.get(AUTHORITY_INFO)
        if found is None:
            return True
        return AUTHORITY_INFO not in self.repeated and bool(_read(AUTHORITY_INFO, extensions.accesses, found.value))

    # Issuers and signatures

    @cached_property
    def self_issued(self) -> bool:
        """Whether subject and issuer are one name."""
        return self.subject == self.issuer

    @cached_property
    def self_signed(self) -> bool:
        """Whether it names its own key as the one that has signed it; the signature is not checked."""
        return self.self_issued and not self.invalid and self.names_key_of(self)

    def has_identifier(self, named: KeyIdentifier | None) -> bool:
        """Whether an authority key identifier, in a certificate that this one may have signed, can mean its key."""
        if named is None:
            return True
        key, issuer, serial, _, _ = named
        return (
            (key is None or self.subject_key is None or key == self.subject_key)
            and (serial is None or serial == self.serial)
            and (issuer is None or issuer == self.issuer)
        )

    def names_key_of(self, issuer: Certificate) -> bool:
        """Whether the authority key identifier and the signature's algorithm fit a certificate of the issuer's name."""
        if issuer.key is None or not issuer.has_identifier(self.authority_key):
            return False
        return algorithms.may_make(issuer.key_algorithm, self.signature)

    def may_be_issued_by(self, issuer: Certificate) -> bool:
        """Whether this certificate names the other one as its issuer's."""
        return self.issuer == issuer.subject and not issuer.invalid and not self.invalid and self.names_key_of(issuer)

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether its signature was made with the issuer's key, and with an algorithm for which that key may
        be used.
        """
        return (
            self.consistent
            and not self._outer.signature.padding_bits()
            and signature_is_good(
                self.signature,
                self.parsed,
                self.parsed.tbs_certificate_bytes if self.odd is None else self.odd.signed,
                issuer,
            )
        )


_UNLIKE = frozenset({SUBJECT_KEY, SUBJECT_ALT_NAME})  # each certificate has its own

_load_quietly = quietly(x509.load_der_x509_certificate)  # old roots have serial 0, and PyCA warns of it
INTERNED_SIZE = 8192
SHARED = 256  # octets of a name, or of an extension's value, that other certificates may have as well
MAX_EXPONENT = 64  # bits of an RSA exponent; verification costs more with each, and no real key has more
_OID = b"\x06"


def _parsed(der: bytes) -> x509.Certificate:
    return asked(_load_quietly, der)


def _begin(parsed: x509.Certificate) -> float:
    return parsed.not_valid_before_utc.timestamp()


def _end(parsed: x509.Certificate) -> float:
    return parsed.not_valid_after_utc.timestamp()


def _read(oid: str, reader: Callable[[bytes], T], value: bytes) -> T | None:
    """The value of an extension; None if it is broken."""
    try:
        if oid in _UNLIKE or len(value) > SHARED:
            return reader(value)
        found: T = _alike(reader, value)
    except ValueError:
        return None
    return found


@lru_cache(maxsize=512)
def _alike(reader: Callable[[bytes], Any], value: bytes) -> Any:
    """Read values that many certificates have in common only once; they are never changed."""
    return reader(value)


_issuer = lru_cache(maxsize=512)(extensions.directory_name)


def parse(certificates: Iterable[Certificate]) -> Iterator[bool]:
    """Whether each certificate can be parsed, which PyCA does far faster than reading all of its fields."""
    for x in certificates:
        try:
            x.parsed = _parsed(x.der)
        except ValueError:
            yield False
        else:
            yield True


def load(der: bytes) -> Certificate:
    """The certificate with this encoding; ValueError if it is none, or says why it cannot be used."""
    if len(der) <= INTERNED_SIZE:
        return _interned(der)
    return _loaded(der)


def listed(der: bytes, trust: Trust | None = None) -> Certificate:
    """The certificate with this encoding as it stands in a list, readable or not; ValueError if it is none at all."""
    if trust is None:
        try:
            return load(der)
        except ValueError:
            pass
    return oddly(Certificate(der, trust))


def oddly(x: Certificate) -> Certificate:
    """A certificate that PyCA has refused, with what is odd about it; ValueError if OpenSSL would refuse it as well."""
    found = odd.examine(x.der)
    if found.twin is not None:
        twin = Certificate(found.twin)
        if not twin.readable:
            found = found.unreadable(_why(found.twin))
    return Certificate(x.der, x.trust, oddity=found)


def _why(der: bytes) -> str:
    try:
        _parsed(der)
    except ValueError as error:
        return str(error)
    return "its names cannot be read"


def presented(ders: Sequence[bytes]) -> tuple[Certificate, ...]:
    """The certificates that a peer has sent, leaf first; ValueError if the leaf cannot be used, or another one is no
    certificate at all.

    Other certificates that cannot be read are not used in any path.
    """
    first = ders[0]
    leaf = _leaf(first) if len(first) <= INTERNED_SIZE else _loaded(first)
    return leaf, *map(listed, ders[1:])


def _loaded(der: bytes) -> Certificate:
    certificate = Certificate(der)
    if not certificate.readable:
        certificate = oddly(certificate)
        certificate.regular  # noqa: B018 - ValueError says what is wrong with it
    return certificate


_interned = lru_cache(maxsize=512)(_loaded)
_leaf = lru_cache(maxsize=256)(_loaded)  # apart: whoever meets very many peers keeps the issuers that they share


def signature_is_good(
    algorithm: Algorithm, signed: x509.Certificate | x509.CertificateRevocationList, data: bytes, issuer: Certificate
) -> bool:
    """Whether a certificate or CRL is signed with this issuer's key; False if PyCA cannot check it."""
    return algorithms.is_good(algorithm, issuer.key, issuer.limits, signed.signature, data)
