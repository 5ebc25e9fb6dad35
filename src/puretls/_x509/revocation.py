"""Revocation by CRLs (RFC 5280 6.3): whether the store's CRLs list certificates of a path, as OpenSSL checks it.

VERIFY_CRL_CHECK_LEAF demands a CRL for the leaf, VERIFY_CRL_CHECK_CHAIN for all; a missing CRL is an error.  If an
issuer has several, the one that fits best is used, and of those the newest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from puretls._base.tuples import NamedTuple
from puretls._x509 import codes, names, shapes
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import CRL_CHECK_ALL, IGNORE_CRITICAL, NO_CHECK_TIME, Path, Policy
from puretls._x509.codes import refusal
from puretls._x509.crl import ALL_REASONS, Crl
from puretls._x509.extensions import CRL_SIGN, directory_name
from puretls._x509.store import Store


class Candidate(NamedTuple):
    """A CRL that may be used for a certificate; of two tuples the greater one is the better."""

    handled: bool
    in_scope: bool
    in_time: bool
    by_issuer: bool  # signed by the certificate's issuer, and not by another CA of the path
    made: float
    reasons: int  # the revocation reasons that are covered so far, including this CRL
    crl: Crl
    issuer: Certificate


def check(path: Path, store: Store, policy: Policy, budget: Budget) -> None:
    """Check the CRLs that the flags demand: for the leaf, or for the whole path; the budget says until when they
    hold.
    """
    until = math.inf
    for i, x in enumerate(path.chain if policy.flags & CRL_CHECK_ALL else path.chain[:1]):
        if x.proxy is None:
            until = min(until, _check(x, i, path.chain, store.crls_of(x.issuer), policy, budget))
    budget.lists_until = until


def _check(
    x: Certificate, depth: int, chain: Sequence[Certificate], crls: Sequence[Crl], policy: Policy, budget: Budget
) -> float:
    """The first nextUpdate of the CRLs that say that a certificate is not revoked."""
    reasons, until = 0, math.inf
    while reasons != ALL_REASONS:
        found = [c for crl in crls if (c := _candidate(x, depth, chain, crl, reasons, policy)) is not None]
        if not found:
            raise refusal(codes.UNABLE_TO_GET_CRL, depth)
        best = max(found, key=lambda c: c[:5])
        if best.issuer.key_usage is not None and not best.issuer.key_usage & CRL_SIGN:
            raise refusal(codes.NO_CRL_SIGN, depth)
        if not best.in_scope:
            raise refusal(codes.DIFFERENT_CRL_SCOPE, depth)
        if not best.in_time:
            raise refusal(codes.CRL_NOT_YET_VALID if policy.time < best.made else codes.CRL_EXPIRED, depth)
        if best.issuer.public_key() is None:
            raise refusal(codes.UNABLE_TO_DECODE_ISSUER_KEY, depth)
        if not budget.signed(best.crl, best.issuer):
            raise refusal(codes.CRL_SIGNATURE_FAILURE, depth)
        if not best.handled and not policy.flags & IGNORE_CRITICAL:
            raise refusal(codes.UNHANDLED_CRITICAL_CRL_EXTENSION, depth)
        if x.serial in best.crl.revoked:
            raise refusal(codes.REVOKED, depth)
        if reasons == best.reasons:
            raise refusal(codes.UNABLE_TO_GET_CRL, depth)
        reasons = best.reasons
        if best.crl.next_update is not None and not policy.flags & NO_CHECK_TIME:
            until = min(until, best.crl.next_update)
    return until


def _candidate(
    x: Certificate, depth: int, chain: Sequence[Certificate], crl: Crl, reasons: int, policy: Policy
) -> Candidate | None:
    """How well a CRL fits a certificate; None if it cannot be used for it."""
    if not crl.usable or (policy.profile is not None and crl.repeats):
        return None
    position = min(depth + 1, len(chain) - 1)
    issuers = [chain[position], *(above for above in chain[position + 1 :] if above.subject == crl.issuer)]
    issuer = next((above for above in issuers if above.has_identifier(crl.authority_key)), None)
    if issuer is None:
        return None
    covered = _scope(x, crl)
    if covered is not None and not covered & ~reasons:
        return None
    in_time = bool(policy.flags & NO_CHECK_TIME) or (
        crl.this_update <= policy.time and (crl.next_update is None or math.floor(policy.time) <= crl.next_update)
    )
    return Candidate(
        not crl.unhandled, covered is not None, in_time, issuer is issuers[0], crl.this_update,
        reasons | (covered or 0), crl, issuer,
    )  # fmt: skip


def _scope(x: Certificate, crl: Crl) -> int | None:
    """The revocation reasons that the CRL covers for the certificate; None if it does not cover it."""
    scope = crl.scope
    if scope is not None and (scope.only_attribute or (scope.only_user if x.ca else scope.only_ca)):
        return None
    for point in x.crl_points or ():
        if _names_issuer(point, crl) and (scope is None or _same_point(point.name, scope.name)):
            return ALL_REASONS if point.reasons is None else _reasons(point)
    return ALL_REASONS if scope is None or scope.name is None else None


def _names_issuer(point: shapes.DistributionPoint, crl: Crl) -> bool:
    """Whether a distribution point is this issuer's: it names none, or this one."""
    if point.issuer is None:
        return True
    directories = (bytes(name.data) for name in point.issuer if name.tag_bytes == names.DIRECTORY)
    return any(names.canonical(directory_name(value)) == crl.issuer for value in directories)


def _same_point(one: shapes.DistributionPointName | None, other: shapes.DistributionPointName | None) -> bool:
    """Whether two distribution points have a name in common, or either has none."""
    if one is None or other is None:
        return True
    ours = {shapes.whole(name) for name in one.full or ()}
    return any(shapes.whole(name) in ours for name in other.full or ())


def _reasons(point: shapes.DistributionPoint) -> int:
    if point.reasons is None:
        return ALL_REASONS
    return int.from_bytes(point.reasons.as_bytes()[:2], "little") & ALL_REASONS
