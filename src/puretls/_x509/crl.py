"""A certificate revocation list: PyCA's parsed object, and the fields that revocation checking uses (RFC 5280 5)."""

from __future__ import annotations

from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from puretls._base.foreign import asked
from puretls._base.slotted import slotted
from puretls._x509 import algorithms, names, shapes
from puretls._x509.certificate import Certificate, signature_is_good
from puretls._x509.extensions import AUTHORITY_KEY, KeyIdentifier, key_identifier, point_name
from puretls._x509.odd import Odd, examine_crl

CRL_NUMBER = "2.5.29.20"
REASON = "2.5.29.21"
DELTA = "2.5.29.27"
ISSUING_POINT = "2.5.29.28"
CERTIFICATE_ISSUER = "2.5.29.29"
REMOVE_FROM_CRL = b"\x0a\x01\x08"  # ENUMERATED

ALL_REASONS = 0x807F  # bits of ReasonFlags, the first octet low


@slotted("der", "odd", "parsed", "tbs")
class Crl:
    """One CRL.  ValueError if it is none, or says why it cannot be used."""

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.odd: Odd | None = None  # if PyCA refuses its encoding
        regular = der
        try:
            self.parsed = asked(x509.load_der_x509_crl, der)
        except ValueError as error:
            self.odd = examine_crl(der)
            if self.odd.twin is None:
                raise ValueError(str(self.odd)) from error
            regular = self.odd.twin
            self.parsed = asked(x509.load_der_x509_crl, regular)
        self.tbs = shapes.read(shapes.CertList, regular).tbs
        self.issuer  # noqa: B018 - a list needs a readable issuer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crl) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the list, by which caches know it."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.der)
        return digest.finalize()

    @cached_property
    def issuer(self) -> names.Name:
        """The issuer as it is compared."""
        return names.canonical(names.read(rdn.as_list() for rdn in self.tbs.issuer))

    @cached_property
    def this_update(self) -> float:
        """thisUpdate, in seconds since the epoch."""
        return self.parsed.last_update_utc.timestamp()

    @cached_property
    def next_update(self) -> float | None:
        """nextUpdate, in seconds since the epoch; None without one."""
        moment = self.parsed.next_update_utc
        return None if moment is None else moment.timestamp()

    @cached_property
    def extensions(self) -> dict[str, bytes]:
        """The values of its extensions."""
        return {e.oid.dotted_string: e.value for e in self.tbs.extensions or ()}

    @cached_property
    def authority_key(self) -> KeyIdentifier | None:
        """The authority key identifier; None if there is none that can be read."""
        value = self.extensions.get(AUTHORITY_KEY)
        try:
            return None if value is None else key_identifier(value)
        except ValueError:
            return None

    @cached_property
    def scope(self) -> shapes.IssuingDistributionPoint | None:
        """The issuing distribution point; None: the list is for all certificates of its issuer."""
        value = self.extensions.get(ISSUING_POINT)
        if value is None:
            return None
        scope = shapes.read(shapes.IssuingDistributionPoint, value)
        point_name(scope.name)
        return scope

    @cached_property
    def usable(self) -> bool:
        """Whether it can be used: readable, and neither indirect, nor limited to some reasons, nor a delta."""
        try:
            scope = self.scope
            self.entries  # noqa: B018 - a list that cannot be read whole is of no use
        except ValueError:
            return False
        if len(self.extensions) != len(self.tbs.extensions or ()) or DELTA in self.extensions:
            return False
        if scope is None:
            return True
        only = (scope.only_user, scope.only_ca, scope.only_attribute)
        return sum(map(bool, only)) <= 1 and not scope.indirect and scope.reasons is None

    @cached_property
    def entries(self) -> list[shapes.RevokedCertificate]:
        """The entries of revoked certificates; ValueError if one is broken."""
        return [shapes.parse(shapes.RevokedCertificate, entry) for entry in self.tbs.revoked or ()]

    @cached_property
    def unhandled(self) -> bool:
        """Whether a critical extension, of the list or of an entry, is unknown."""
        known = {ISSUING_POINT, AUTHORITY_KEY, DELTA}
        if any(e.critical and e.oid.dotted_string not in known for e in self.tbs.extensions or ()):
            return True
        extensions = (e for entry in self.entries for e in entry.extensions or ())
        return any(e.critical and e.oid.dotted_string != CERTIFICATE_ISSUER for e in extensions)

    @cached_property
    def revoked(self) -> frozenset[int]:
        """The serial numbers of the revoked certificates, without those that were removed from the list."""
        return frozenset(
            entry.serial
            for entry in self.entries
            if not any(e.value == REMOVE_FROM_CRL and e.oid.dotted_string == REASON for e in entry.extensions or ())
        )

    @cached_property
    def repeats(self) -> bool:
        """Whether it lists a certificate twice, perhaps with two dates or reasons."""
        return len({entry.serial for entry in self.entries}) != len(self.entries)

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether its signature is made with this issuer's key."""
        signed = self.parsed.tbs_certlist_bytes if self.odd is None else self.odd.signed
        algorithm = algorithms.named(shapes.algorithm(self.tbs.algorithm))
        return (
            self.consistent
            and algorithms.may_make(issuer.key_algorithm, algorithm)
            and signature_is_good(algorithm, self.parsed, signed, issuer)
        )

    @cached_property
    def consistent(self) -> bool:
        """Whether the signed part names the same signature algorithm as the signature (5.1.1.2)."""
        if self.odd is not None:
            return self.odd.consistent
        outer = shapes.read(shapes.Signed, self.der).algorithm
        return shapes.whole(outer) == shapes.whole(self.tbs.algorithm)


def listed_crl(der: bytes) -> Crl | Odd:
    """The CRL with this encoding, or what is wrong with one that cannot be read; ValueError if it is none at all."""
    try:
        return Crl(der)
    except ValueError as error:
        return examine_crl(der).unreadable(str(error))
