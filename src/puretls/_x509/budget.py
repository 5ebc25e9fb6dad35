"""The limits of one verification's work, and the cache of verified signatures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from puretls._base.recent import Recent
from puretls._x509.certificate import Certificate

if TYPE_CHECKING:
    from puretls._x509.crl import Crl

SIGNATURES = 128  # checked for one verification
STEPS = 2000  # issuers tried
PATHS = 64  # complete paths checked
COMPARISONS = 1 << 22  # of names with name constraints; OpenSSL's limit is 2**20 for one certificate and one CA
AT_ONCE = 1 << 20

# A signature that was verified stays valid, whatever the time, store and CRLs.  Those of CAs are kept apart, and
# there is room for all that the Web has: whoever meets very many servers meets the same CAs again and again, and few of
# the servers.
REMEMBERED, REMEMBERED_CAS = 1024, 4096
_verified: Recent[tuple[bytes, bytes], bool] = Recent(REMEMBERED)
_verified_cas: Recent[tuple[bytes, bytes], bool] = Recent(REMEMBERED_CAS)


class Budget:
    """The work that is left for one verification."""

    def __init__(self) -> None:
        self.signatures, self.steps, self.paths, self.comparisons = SIGNATURES, STEPS, PATHS, COMPARISONS
        self.lists_until = math.inf  # the first nextUpdate of the CRLs that the path rests on, which was checked last

    def step(self) -> bool:
        """Count one more issuer; False if there is no work left."""
        self.steps -= 1
        return self.steps >= 0 and self.paths > 0 and self.signatures > 0

    def compare(self, names: int, constraints: int) -> bool:
        """Count comparisons of so many names with so many constraints; False if they are too many, at once or
        in total.
        """
        self.comparisons -= names * constraints
        return names * constraints <= AT_ONCE and self.comparisons >= 0

    def signed(self, subject: Certificate | Crl, issuer: Certificate) -> bool:
        """Whether the issuer's key has signed this; False if no more signatures may be checked."""
        known = subject.fingerprint, issuer.fingerprint
        verified = _verified_cas if isinstance(subject, Certificate) and subject.ca else _verified
        if verified.get(known):
            return True
        if self.signatures <= 0:
            return False
        self.signatures -= 1
        if not subject.signed_by(issuer):
            return False
        verified.put(known, True)
        return True
