"""Finding a path from a certificate to a trust anchor (RFC 5280 6.1 defines paths, RFC 4158 describes how to find
them).

First the path is built that OpenSSL would build, step by step and without going back.  By its rules it decides which
error is reported.  If that path is not valid, the others are searched (search.py).  A budget bounds the cost, so that
no chain which a peer sends costs more.  Issuers are looked up by name, so that a long list costs no more than its
length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from puretls._base.faults import VerifyAbort
from puretls._x509 import checks, codes, constraints, issuers
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate, LastPath
from puretls._x509.checks import CRL_CHECK, LONGEST, PARTIAL_CHAIN, TRUSTED_FIRST, Path, Policy
from puretls._x509.codes import refusal
from puretls._x509.names import Name
from puretls._x509.search import other_paths
from puretls._x509.store import Store

LONGEST_REMEMBERED = 16384  # octets of certificates beside the leaf


def verify(
    chain: Sequence[Certificate], store: Store, policy: Policy, budget: Budget | None = None
) -> tuple[Certificate, ...]:
    """The path from the first certificate to a trust anchor, both included.

    `chain` is what the peer has sent, `store` what is trusted.  Certificates that cannot be read are not used, but the
    leaf has to be readable.  Raises VerifyAbort with OpenSSL's code, text and depth.

    Peers come back, so a leaf remembers its last path, unless the caller has a budget of its own or the peer has sent
    more than LONGEST_REMEMBERED: certificates that nobody needs would be kept with it.
    """
    leaf, others = chain[0], tuple(chain[1:])
    under = store.revision, others, policy[:-1]
    if leaf.last_path is not None and budget is None:
        known, begin, end, first, above = leaf.last_path
        if known == under and begin <= policy.time <= end:
            return first or leaf, *above
    try:
        path = _verify([leaf, *(x for x in others if x.readable)], store, policy, budget or Budget())
    except VerifyAbort as refused:
        if refused.code in UNFINISHED:
            refused.note = what_was_not_read(chain, store)
            issuers.explain(refused)
        raise
    verified = _verified(path)
    small = sum(len(x.der) for x in others) <= LONGEST_REMEMBERED
    if small and budget is None and not (policy.flags & CRL_CHECK or store.limited):
        begin, end = leaf.not_before, leaf.not_after
        for x in path.chain:
            begin, end = max(begin, x.not_before), min(end, x.not_after)
        first = None if verified[0] is leaf else verified[0]
        leaf.last_path = LastPath(under, begin, end, first, verified[1:])
    return verified


def _verify(chain: Sequence[Certificate], store: Store, policy: Policy, budget: Budget) -> Path:
    leaf = chain[0]
    checks.strong_leaf(leaf, policy)
    tried = None
    try:
        path = tried = openssl_path(chain, store, policy)
        check(path, store, policy, budget)
    except VerifyAbort as first:
        if first.depth == 0 and first.code in FINAL:
            raise
        for path in other_paths(chain, store, policy, budget):
            if path == tried:
                continue
            try:
                check(path, store, policy, budget)
            except VerifyAbort:
                continue
            return path
        raise first from None
    return path


UNFINISHED = frozenset({
    codes.UNABLE_TO_GET_ISSUER, codes.UNABLE_TO_GET_ISSUER_LOCALLY, codes.SELF_SIGNED_LEAF, codes.SELF_SIGNED_IN_CHAIN,
    codes.UNABLE_TO_GET_CRL,
})  # fmt: skip
MOST_ISSUERS = 10  # names of issuers that are looked for among the unreadable, whatever a peer has sent


def what_was_not_read(chain: Sequence[Certificate], store: Store) -> str:
    """The unreadable certificates and CRLs (odd.py) that might have led to a path, with what is wrong with them."""
    found = [f"certificate {i} of the chain is not used: {x.odd}" for i, x in enumerate(chain) if not x.readable]
    for name in dict.fromkeys(x.issuer for x in chain[:MOST_ISSUERS] if x.readable):
        found += [f"a trusted certificate is not used: {x.odd}" for x in store.unread(name)]
        found += [f"a CRL is not used: {crl}" for crl in store.unread_crls(name)]
    return "\n".join(dict.fromkeys(found[:MOST_ISSUERS]))


def _verified(path: Path) -> tuple[Certificate, ...]:
    """The certificates up to the anchor; OpenSSL also checks those that the peer has sent beyond a trusted leaf."""
    return path.chain if path.untrusted else path.chain[:1]


# Errors of the leaf, which are the same on any path.
FINAL = frozenset({
    codes.NOT_YET_VALID, codes.EXPIRED, codes.BAD_NOT_BEFORE, codes.BAD_NOT_AFTER,
    codes.INVALID_PURPOSE, codes.UNHANDLED_CRITICAL_EXTENSION,
    codes.PROXY_NOT_ALLOWED, codes.HOSTNAME_MISMATCH, codes.IP_MISMATCH,
})  # fmt: skip


def check(path: Path, store: Store, policy: Policy, budget: Budget) -> None:
    """Check everything that a path has to satisfy, in OpenSSL's order."""
    checks.extensions(path, policy)
    checks.strong(path, policy)
    checks.identity(path.chain[0], policy)
    if policy.flags & CRL_CHECK:
        from puretls._x509 import revocation  # noqa: PLC0415 - few ask for it; see _engine/roles.py

        revocation.check(path, store, policy, budget)
    signatures(path, policy, budget)
    constraints.check(path, policy, budget)
    checks.resources(path)
    checks.stricter(path, policy)
    if store.limited:
        from puretls._x509 import anchors  # noqa: PLC0415 - few anchors have limits

        chain = _verified(path)
        anchors.check(chain, store.limits_of(chain[-1]), policy, budget)
    if policy.profile is not None:
        policy.profile.check(path)


def signatures(path: Path, policy: Policy, budget: Budget) -> None:
    """Signatures and dates from the anchor down."""
    chain = path.chain
    last = len(chain) - 1
    for i in range(last, -1, -1):
        x = chain[i]
        if i < last:
            issuer = chain[i + 1]
            code = checks.may_sign(issuer, x)
            if code:
                raise refusal(code, i + 1)
            if not x.signature.checked:
                raise _unchecked(x, i)
            if not budget.signed(x, issuer):
                raise refusal(codes.SIGNATURE_FAILURE, i)
        elif policy.flags & checks.CHECK_SELF_SIGNATURE and x.self_signed:
            code = checks.may_sign(x, x) if x.ca else 0
            if code:
                raise refusal(code, i)
            if not budget.signed(x, x):
                raise refusal(codes.SIGNATURE_FAILURE, i)
        checks.validity(x, i, policy)


def openssl_path(chain: Sequence[Certificate], store: Store, policy: Policy) -> Path:
    """The path that OpenSSL builds, or its error: 1, 2, 18, 19, 20, 22 or 28.

    It grows from the leaf, an issuer at a time: from the store, or from what the peer sent.  Where neither has one, it
    is cut, from its end, down to where the store knows another issuer.  The phases are those of OpenSSL's build_chain.
    """
    made = _Building(chain, store, policy)
    use_store, use_others = bool(policy.flags & TRUSTED_FIRST), True
    while True:
        if use_store:
            if made.grow_from_store():
                use_others = False
                if _trusted(made.path, made.untrusted, policy):
                    return Path(tuple(made.path), made.untrusted)
                if not made.self_signed:
                    continue
            if not use_others:
                if made.go_back():
                    continue
                return _last_chance(made.path, made.untrusted, store, policy, made.limit)
        if use_others and not made.grow_from_peer():
            use_others, use_store = False, True


class _Building:
    """A path that grows."""

    __slots__ = ("back_to", "limit", "others", "path", "policy", "self_signed", "store", "untrusted", "used")

    def __init__(self, chain: Sequence[Certificate], store: Store, policy: Policy) -> None:
        leaf = chain[0]
        self.store, self.policy, self.limit = store, policy, min(policy.depth, LONGEST) + 1
        self.path = [leaf]
        self.untrusted = 1  # so many certificates of the path come from the peer
        self.used = {leaf}
        self.others: dict[Name, dict[Certificate, None]] = {}  # the peer's that are not in the path, by subject
        for x in chain:
            self.others.setdefault(x.subject, {})[x] = None
        self.self_signed = leaf.self_signed  # its last one
        self.back_to = 0  # the length of the shorter path that is tried, if one is

    def grow_from_store(self) -> bool:
        """Add the issuer that the store has; whether there is one."""
        path, size = self.path, self.back_to or len(self.path)
        current = path[size - 1]
        if self.limit < len(path):
            return False
        issuer = _best(current, self.store.by_subject(current.issuer), self.policy)
        if issuer is None:
            return False
        if self.back_to:
            self.used.difference_update(path[size:])
            del path[size:]
            self.untrusted, self.back_to, self.self_signed = size, 0, False
        if not self.self_signed:
            path.append(issuer)
            self.self_signed = issuer.self_signed
        elif len(path) == self.untrusted:
            if current != issuer:  # the peer's certificate only has the name of an anchor
                return False
            self.untrusted -= 1
            path[self.untrusted] = issuer
        return True

    def go_back(self) -> bool:
        """Try again from a shorter path, which the store may continue; whether there is one."""
        if self.back_to > 1:
            self.back_to -= 1
            return True
        if self.policy.flags & (TRUSTED_FIRST | checks.NO_ALT_CHAINS) or self.back_to or self.untrusted < 2:
            return False
        self.back_to, self.self_signed = self.untrusted - 1, False
        return True

    def grow_from_peer(self) -> bool:
        """Add the issuer that the peer has sent; whether there is one."""
        path, current = self.path, self.path[-1]
        if self.self_signed or self.limit < len(path):
            return False
        again = len(path) == 1 and current.self_issued  # the leaf may occur a second time then
        named = self.others.get(current.issuer, {})
        issuer = _best(current, (x for x in named if again or x not in self.used), self.policy)
        if issuer is None:
            return False
        del self.others[current.issuer][issuer]
        path.append(issuer)
        self.used.add(issuer)
        self.untrusted += 1
        self.self_signed = issuer.self_signed
        return True


def _last_chance(path: list[Certificate], untrusted: int, store: Store, policy: Policy, limit: int) -> Path:
    """The end, as no issuer was found: the leaf itself may be trusted; otherwise the error."""
    depth = len(path) - 1
    if depth < limit and untrusted == len(path) and policy.flags & PARTIAL_CHAIN:
        match = next((x for x in store.by_subject(path[0].subject) if x == path[0]), None)
        if match is not None:
            if checks.trust(match, policy.purpose) is False:
                raise refusal(codes.REJECTED, 0)
            return Path((match, *path[1:]), 0)
    if depth >= limit:
        raise refusal(codes.CHAIN_TOO_LONG, depth)
    if path[-1].self_signed:
        raise refusal(codes.SELF_SIGNED_IN_CHAIN if depth else codes.SELF_SIGNED_LEAF, depth)
    raise _without_issuer(path[-1], depth, here=untrusted > depth)


def _unchecked(certificate: Certificate, depth: int) -> VerifyAbort:
    refused = refusal(codes.UNSUPPORTED_SIGNATURE_ALGORITHM, depth)
    refused.note = f"signature algorithm {certificate.algorithm}: PyCA's `cryptography` cannot check it"
    return refused


def _without_issuer(certificate: Certificate, depth: int, *, here: bool) -> VerifyAbort:
    """The error for a missing issuer.  It is made here and raised elsewhere, as an error that a frame of its own
    traceback refers to would be a reference cycle.
    """
    refused = refusal(codes.UNABLE_TO_GET_ISSUER_LOCALLY if here else codes.UNABLE_TO_GET_ISSUER, depth)
    refused.lacks = certificate
    return refused


def _trusted(path: list[Certificate], untrusted: int, policy: Policy) -> bool:
    """Whether the path has reached what the store trusts."""
    for i in range(untrusted, len(path)):
        trust = checks.trust(path[i], policy.purpose)
        if trust is False:
            raise refusal(codes.REJECTED, i)
        if trust:
            return True
    return bool(policy.flags & PARTIAL_CHAIN) and untrusted < len(path)


def _best(subject: Certificate, candidates: Iterable[Certificate], policy: Policy) -> Certificate | None:
    """Of the possible issuers the first that is valid now, else the one that expires last."""
    best = None
    for x in candidates:
        if subject.may_be_issued_by(x):
            if x.not_before <= policy.time <= x.not_after or policy.flags & checks.NO_CHECK_TIME:
                return x
            if best is None or x.not_after > best.not_after:
                best = x
    return best
