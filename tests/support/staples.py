"""OCSP responses, signed by the issuer of a test's certificate."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


def response(pki: Any, status: Any = GOOD, *, identity: str = "P-256", days: int = 1) -> bytes:
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    leaf, issuer = pki.identity(identity).certificate, pki.issuer.certificate
    revoked = now - dt.timedelta(1) if status is REVOKED else None
    made = ocsp.OCSPResponseBuilder().add_response(
        leaf,
        issuer,
        hashes.SHA1(),
        status,
        now + dt.timedelta(min(days, 0) - 1),
        now + dt.timedelta(days),
        revoked,
        None,
    )
    made = made.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
    return made.sign(pki.issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)
