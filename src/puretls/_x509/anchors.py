"""What a trust anchor is good for, where whoever trusts it has not trusted it with everything.

An anchor's limits apply to a path as a whole and beside all that is in its certificates: names as if the anchor had
them as its name constraints (RFC 5280 4.2.1.10), the age of the leaf (what root programs call "distrust after"), and
the program's own word.  A path that violates them is one path less; the search for another goes on.
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
    """What one trusted certificate is good for."""

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
    """A path to an anchor against its limits: it has to be within those that the anchor was trusted with once."""
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
