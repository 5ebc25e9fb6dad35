"""What an OCSP response says of a certificate (RFC 6960), without a connection."""

from __future__ import annotations

import operator

from puretls._api.errors import abort_error
from puretls._api.moments import moment
from puretls._api.types import Buffer, CertificateData
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._x509 import codes, ocsp, verify
from puretls._x509.checks import SECURITY_LEVEL
from puretls._x509.ocsp import OCSPResult as OCSPResult  # noqa: PLC0414 - a public name


@public
def verify_ocsp_response(
    response: Buffer,
    certificate: CertificateData,
    issuer: CertificateData,
    *,
    time: float | None = None,
    max_age: float | None = None,
    security_level: int = SECURITY_LEVEL,
) -> OCSPResult:
    """What an OCSP response says of a certificate of that issuer (RFC 6960 3.2); no connection is made.

    The result has `status` ("good", "revoked" or "unknown"), `this_update`, `next_update`, `produced_at`,
    `revocation_time` (datetimes in UTC or None) and `reason` (of RFC 5280 5.3.1, or None).  `time` is in seconds since
    the epoch, now unless given; a response may be `max_age` seconds old, or seven days if it does not say until when it
    is good.  A revoked certificate is a result, not an error.  Certificates are those of `verify_chain()`: PEM will do.

    Raises SSLCertVerificationError with verify_code 74 for a response that may not be believed, `verify_message` says
    why; SSLError for a certificate that cannot be read; TypeError and ValueError for arguments that make no sense.
    """
    data, now, level = bytes(memoryview(response)), moment(time), operator.index(security_level)
    if max_age is not None and moment(max_age, "max_age") < 0:
        raise ValueError("max_age cannot be negative")
    try:
        leaf, above = (verify.first(x) for x in (certificate, issuer))
    except Abort as abort:
        raise abort_error(abort) from None
    try:
        return ocsp.verify(data, leaf, above, time=now, max_age=max_age, level=level)
    except ocsp.Unusable as why:
        text = f"{codes.VERDICTS[codes.OCSP_FAILED][0]}: {why}"
        raise abort_error(codes.refusal(codes.OCSP_FAILED, 0, text)) from None
