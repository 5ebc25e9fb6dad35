"""A certificate revocation list: PyCA's parsed object, and what revocation checking asks of it (RFC 5280 5)."""

from __future__ import annotations

from functools import cached_property

from cryptography import x509
from cryptography.hazmat import asn1

from puretls._x509 import names, shapes

ISSUING_POINT = "2.5.29.28"
DELTA = "2.5.29.27"
CRL_NUMBER = "2.5.29.20"
REASON = "2.5.29.21"
CERTIFICATE_ISSUER = "2.5.29.29"


class Crl:
    """One CRL.  ValueError if it is none."""

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.parsed = x509.load_der_x509_crl(der)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crl) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @cached_property
    def tbs(self) -> shapes.TbsCertList:
        """The fields as they are encoded."""
        return asn1.decode_der(shapes.CertList, self.der).tbs

    @cached_property
    def issuer(self) -> names.Name:
        """The issuer as it is compared."""
        return names.canonical(names.read(rdn.as_list() for rdn in self.tbs.issuer))
