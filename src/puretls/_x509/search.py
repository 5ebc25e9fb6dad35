"""Every path that stands, where the one that OpenSSL builds does not: for cross-signed CAs, old and new roots.

Work is proportional to proof.  Names alone say which certificates could stand between the leaf and an anchor, and where
they reach no anchor nothing else happens.  Signatures are then checked from the anchors down: each key that is used is
an anchor's, or one that such a signature vouches for, so that no stranger's key costs anything.  What has been proven
so is put together to paths, depth first, each within the limits that depend on what is below.
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
    """What could stand above the leaf, by subject; and which of it is stored, with what that says (checks.trust)."""
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
    """Who issued whom, of all that a chain of good signatures connects with something trusted."""
    below: dict[Name, list[Certificate]] = {leaf.issuer: [leaf]}
    for found in candidates.values():
        for x in found:
            if x != leaf and stored.get(x) is None:  # else nothing is above it
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
    """Whether a path can go on with this issuer: what would fail later, whatever it is part of, fails here."""
    return (
        x.may_be_issued_by(issuer)
        and (bool(policy.flags & checks.NO_CHECK_TIME) or issuer.not_before <= policy.time < issuer.not_after + 1)
        and not checks.may_sign(issuer, x)
        and issuer.key_bits >= strength.floor(policy.security_level)
    )
