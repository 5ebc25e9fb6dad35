"""OCSP responses as a CA gives them, to be stapled."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponderEncoding, OCSPResponseBuilder

from puretls.cli.certs import Authority

GOOD, REVOKED, UNKNOWN = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED, OCSPCertStatus.UNKNOWN


def stapled(issuer: Authority, leaf: x509.Certificate, status: OCSPCertStatus, *, days: float | None = 1) -> bytes:
    """What the issuer says of a certificate, for so many days, or without saying for how many; DER."""
    now, day = dt.datetime.now(dt.timezone.utc).replace(microsecond=0), dt.timedelta(1)
    made = OCSPResponseBuilder().add_response(
        leaf, issuer.certificate, hashes.SHA1(), status,
        now + day * (min(days or 0, 0) - 1), None if days is None else now + day * days,
        now - day if status is REVOKED else None, None,
    )  # fmt: skip
    made = made.responder_id(OCSPResponderEncoding.HASH, issuer.certificate)
    return made.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def response(pki: Any, status: OCSPCertStatus = GOOD, *, identity: str = "P-256", days: float | None = 1) -> bytes:
    """The same of a test's certificate."""
    return stapled(pki.issuer, pki.identity(identity).certificate, status, days=days)
