"""Whether a server's certificate is revoked, by the OCSP response that it staples (RFC 6066 8, RFC 6960 3.2).

The responder is never asked.  A certificate may demand a stapled response (RFC 7633): a client that has asked for one
and gets none refuses such a certificate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from puretls._base.deferred import deferred
from puretls._base.tuples import NamedTuple
from puretls._x509 import codes
from puretls._x509.certificate import Certificate
from puretls._x509.codes import refusal

if TYPE_CHECKING:
    from puretls._x509 import ocsp
    from puretls._x509.transparency import Rules
else:
    ocsp = deferred("puretls._x509.ocsp")  # loaded where OCSP_CHECK is set

OCSP_IGNORE, OCSP_CHECK, OCSP_REQUIRE = 0, 1, 2  # how a client treats the response that it has asked for


class StatusRules(NamedTuple):
    """How a client checks the response that it has asked for."""

    policy: int
    time: float
    security_level: int

    def check(self, path: tuple[Certificate, ...], response: bytes | None) -> float:
        """Until when the response is current, if one says that the certificate is good.

        VerifyAbort unless the response, or its absence, satisfies the policy.
        """
        if self.policy == OCSP_IGNORE:
            return math.inf
        leaf, issuer = path[0], path[1 if len(path) > 1 else 0]
        code, why = codes.OCSP_NEEDED, None
        if response is not None:
            try:
                found = ocsp.verify(response, leaf, issuer, time=self.time, max_age=None, level=self.security_level)
            except ocsp.Unusable as unusable:
                code, why = codes.OCSP_FAILED, str(unusable)
            else:
                if found.status == "good":
                    return ocsp.current_until(found)
                if found.status == "revoked":
                    raise refusal(codes.REVOKED, 0)
                code = codes.OCSP_UNKNOWN
        if self.policy == OCSP_REQUIRE or ocsp.must_staple(leaf):
            raise refusal(code, 0) if why is None else refusal(code, 0, f"{codes.VERDICTS[code][0]}: {why}")
        return math.inf


class Transparency(NamedTuple):
    """How a client checks the timestamps of a server's certificate, including those in the handshake (RFC 6962)."""

    rules: Rules
    scts: bytes | None
    time: float

    def check(self, path: tuple[Certificate, ...], response: bytes | None) -> None:
        """VerifyAbort unless there are enough that are valid."""
        self.rules.check(path, self.scts, response, self.time)
