"""OCSP responses as a CA gives them, to be stapled."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponderEncoding, OCSPResponseBuilder

from puretls.cli.certs import Authority

GOOD, REVOKED = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED


def stapled(issuer: Authority, leaf: x509.Certificate, status: OCSPCertStatus) -> bytes:
    """What the issuer says of a certificate, for a day; DER."""
    now, day = dt.datetime.now(dt.timezone.utc).replace(microsecond=0), dt.timedelta(1)
    made = OCSPResponseBuilder().add_response(
        leaf, issuer.certificate, hashes.SHA1(), status, now - day / 24, now + day,
        now - day if status is REVOKED else None, None,
    )  # fmt: skip
    made = made.responder_id(OCSPResponderEncoding.HASH, issuer.certificate)
    return made.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
