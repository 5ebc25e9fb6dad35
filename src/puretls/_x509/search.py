"""Searching all paths, when the one that OpenSSL builds is not valid: for cross-signed CAs, and for old and new roots.

Work is proportional to proof.  By names alone it is decided which certificates could stand between the leaf and an
anchor; if they reach no anchor, nothing else happens.  Then signatures are checked from the anchors down.  Every key
that is used belongs to an anchor, or to a certificate with such a verified signature, so a stranger's key costs
nothing.  The proven certificates are put together to paths, depth first, with the limits that depend on what is below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from puretls._x509 import checks, strength
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import LONGEST, PARTIAL_CHAIN, Path, Policy
from puretls._x509.names import Name
from puretls._x509.store import Store

Issuers = dict[Certificate, list[Certificate]]


def other_paths(chain: Sequence[Certificate], store: Store, policy: Policy, budget: Budget) -> Iterator[Path]:
    """The paths from the first certificate to something trusted, until the budget is spent."""
    leaf = chain[0]
    if policy.flags & PARTIAL_CHAIN and leaf in store and budget.step():
        yield Path((leaf,), 0)
    candidates, stored = _candidates(chain, store, policy)
    issuers = _proven(leaf, candidates, stored, policy, budget)
    path, on_it = [leaf], {leaf}
    below = 0  # intermediates that are not self-issued
    ways = [iter(issuers.get(leaf, ()))]
    while ways:
        issuer = next(ways[-1], None)
        if issuer is None:
            ways.pop()
            on_it.discard(path[-1])
            below -= not path.pop().self_issued
            continue
        if not budget.step():
            return
        limit = issuer.path_length
        if issuer in on_it or not (limit is None or below <= limit or path[-1].proxy is not None):
            continue
        if stored.get(issuer):
            budget.paths -= 1
            yield Path((*path, issuer), next((i for i, x in enumerate(path) if i and x in stored), len(path)))
        elif len(path) <= min(policy.depth, LONGEST):
            path.append(issuer)
            on_it.add(issuer)
            below += not issuer.self_issued
            ways.append(iter(issuers[issuer]))


def _candidates(
    chain: Sequence[Certificate], store: Store, policy: Policy
) -> tuple[dict[Name, list[Certificate]], dict[Certificate, bool | None]]:
    """The certificates that could stand above the leaf, by subject; and those of them in the store, with their trust
    (checks.trust).
    """
    sent: dict[Name, list[Certificate]] = {}
    for x in dict.fromkeys(chain):
        sent.setdefault(x.subject, []).append(x)
    found: dict[Name, list[Certificate]] = {}
    stored: dict[Certificate, bool | None] = {}
    wanted = [chain[0].issuer]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        for x in (anchors := dict.fromkeys(store.by_subject(name))):
            trust = checks.trust(x, policy.purpose)
            stored[x] = True if trust is None and policy.flags & PARTIAL_CHAIN else trust
        found[name] = [*anchors, *(x for x in sent.get(name, ()) if x not in stored)]
        wanted += [x.issuer for x in found[name]]
    return found, stored


def _proven(
    leaf: Certificate,
    candidates: dict[Name, list[Certificate]],
    stored: dict[Certificate, bool | None],
    policy: Policy,
    budget: Budget,
) -> Issuers:
    """The issuers of each certificate, among all that verified signatures connect with something trusted."""
    below: dict[Name, list[Certificate]] = {leaf.issuer: [leaf]}
    for found in candidates.values():
        for x in found:
            if x != leaf and stored.get(x) is None:  # otherwise a path ends here
                below.setdefault(x.issuer, []).append(x)
    issuers: Issuers = {}
    todo = deque(x for x, trusted in stored.items() if trusted)
    while todo:
        issuer = todo.popleft()
        for x in below.get(issuer.subject, ()):
            if not budget.step():
                return issuers
            if x == issuer or not _may_issue(issuer, x, policy) or not budget.signed(x, issuer):
                continue
            if x not in issuers:
                issuers[x] = []
                if x != leaf:
                    todo.append(x)
            issuers[x].append(issuer)
    return issuers


def _may_issue(issuer: Certificate, x: Certificate, policy: Policy) -> bool:
    """Whether a path can be continued with this issuer; False if every path with it would fail later."""
    return (
        x.may_be_issued_by(issuer)
        and (bool(policy.flags & checks.NO_CHECK_TIME) or issuer.not_before <= policy.time < issuer.not_after + 1)
        and not checks.may_sign(issuer, x)
        and issuer.key_bits >= strength.floor(policy.security_level)
    )
