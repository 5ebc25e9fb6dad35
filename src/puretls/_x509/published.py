"""Reading published certificates, to which the URLs in certificates lead (RFC 5280 4.2.2.1).

PKCS #7 imports much of `email`, so only contexts that fetch issuers load this module.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from puretls._base.foreign import asked
from puretls._x509 import certificate
from puretls._x509.certificate import Certificate
from puretls._x509.issuers import MOST_CERTIFICATES
from puretls._x509.pem import CERTIFICATES, blocks, decoded


def read(data: bytes) -> list[Certificate]:
    """The certificates in the answer of a URL: DER, PEM, or certs-only PKCS #7 (RFC 5280 4.2.2.1); none if it is
    neither.
    """
    try:
        if b"-----BEGIN " in data:
            ders = [decoded(body) for label, body, _ in blocks(data) if label in CERTIFICATES]
            if not ders:
                ders = _encoded(asked(pkcs7.load_pem_pkcs7_certificates, data))
        elif data[:1] == b"\x30":
            try:
                return [certificate.load(data)]
            except ValueError:
                ders = _encoded(asked(pkcs7.load_der_pkcs7_certificates, data))
        else:
            return []
        return [x for x in map(certificate.listed, ders[:MOST_CERTIFICATES]) if x.readable]
    except ValueError:
        return []


def _encoded(found: Iterable[x509.Certificate]) -> list[bytes]:
    return [one.public_bytes(Encoding.DER) for one in found]
