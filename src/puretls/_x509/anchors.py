"""The limits of a trust anchor that is not trusted with everything.

The limits apply to a path as a whole, in addition to the content of its certificates: names, as if they were name
constraints of the anchor (RFC 5280 4.2.1.10), the age of the leaf (what root programs call "distrust after"), and a
function of the program.  A path beyond the limits is not used, and the search for another one continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from puretls._base.faults import VerifyAbort
from puretls._x509 import codes, constraints, names
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import Policy
from puretls._x509.codes import refusal
from puretls._x509.constraints import Constraints
from puretls._x509.shapes import NameConstraints, read

Accept = Callable[[list[bytes]], bool]


class Limits:
    """The limits of one trusted certificate."""

    __slots__ = ("accept", "distrust_after", "kinds", "names", "text")

    def __init__(self, subtrees: bytes, distrust_after: float | None, accept: Accept | None, text: bytes) -> None:
        """`subtrees`: name constraints in DER, or b"".  `text` tells these limits from others."""
        self.names: Constraints | None = None
        self.kinds: frozenset[bytes] | None = None  # of names that are permitted at all; None: any
        if subtrees:
            found = read(NameConstraints, subtrees)
            self.names = Constraints(found.permitted, found.excluded)
            if found.permitted:
                self.kinds = frozenset(self.names.permitted)
        self.distrust_after, self.accept, self.text = distrust_after, accept, text

    def check(self, chain: Sequence[Certificate], policy: Policy, budget: Budget) -> None:
        """VerifyAbort if the path, whose last certificate is the anchor, goes beyond them."""
        if self.names is not None:
            self._check_names(self.names, chain, policy, budget)
        if self.distrust_after is not None and chain[0].not_before > self.distrust_after:
            raise refusal(codes.REJECTED, 0)
        if self.accept is not None and not self.accept([x.der for x in chain]):
            raise refusal(codes.REJECTED, len(chain) - 1)

    def _check_names(self, within: Constraints, chain: Sequence[Certificate], policy: Policy, budget: Budget) -> None:
        if self.kinds is not None and (policy.ip is not None or policy.hostname is not None):
            asked = names.DNS if policy.ip is None else names.IP
            if asked not in self.kinds:  # name constraints alone would leave the other kind of name free
                raise refusal(codes.PERMITTED_VIOLATION, 0)
        below = range(len(chain) - 2, -1, -1) if len(chain) > 1 else (0,)
        for i in below:
            x = chain[i]
            if not (i and x.self_issued):
                code = constraints.violation(x, within, budget, () if i else constraints.hosts(x, policy))
                if code:
                    raise refusal(code, i)


def check(chain: Sequence[Certificate], alternatives: Sequence[Limits], policy: Policy, budget: Budget) -> None:
    """Check a path against the limits of its anchor, of which there are several if it was trusted more than once: one
    set has to be satisfied as a whole.
    """
    first: VerifyAbort | None = None
    for limits in alternatives:
        try:
            limits.check(chain, policy, budget)
        except VerifyAbort as refused:
            first = first or refused
        else:
            return
    if first is not None:
        try:
            raise first
        finally:
            del first  # its traceback holds this frame
