"""Fetching the certificates of issuers that a server has not sent, from the URLs in its certificates (RFC 5280
4.2.2.1).

The URLs come from the server, whoever that is.  So only a few are asked for, none twice, and the function that fetches
them is responsible for what it connects to.  What it brings is one more untrusted certificate, with which a path is
searched again.  If that does not help, the error is the one that there was without it.
"""

from __future__ import annotations

from collections.abc import Sequence

from puretls._base.faults import VerifyAbort
from puretls._engine.handshake import Handshake
from puretls._engine.identify import builds_paths, claim_of, examine, known, presented
from puretls._engine.peer import Claim
from puretls._engine.policy import PeerPolicy
from puretls._engine.requests import Asking, IssuerRequest
from puretls._x509 import path
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import Policy

MOST_FETCHES = 3  # for one verification
DEEPEST = 4  # issuers are fetched for so many certificates of a path, counted from the leaf
SCHEMES = ("http://", "https://")


def examined(hs: Handshake, ders: Sequence[bytes], ocsp: bytes | None = None) -> Asking[Claim]:
    """The server's claim, as `examine` makes it; issuers that the server has not sent may be fetched for it."""
    policy = hs.config.policy
    if policy.aia is None or not builds_paths(policy):
        return examine(hs, ders, ocsp)
    chain, rules = presented(hs, ders)
    budget = Budget()
    found = yield from _path(policy, chain, rules, budget)
    return claim_of(hs, chain, rules, found, budget.lists_until, ocsp)


def _path(
    policy: PeerPolicy, presented: tuple[Certificate, ...], rules: Policy, budget: Budget
) -> Asking[tuple[Certificate, ...]]:
    """Search the path, as often as an issuer is fetched, under one common budget."""
    tried = list[str]()
    from puretls._x509 import published  # noqa: PLC0415 - a context that fetches has loaded it

    chain, first = presented, None
    while True:
        try:
            return path.verify(known(policy, chain), policy.store, rules, budget)
        except VerifyAbort as refused:
            first = first or refused.again()  # its traceback leads here
            url = _next(refused, tried)
        if url is None:
            try:
                raise first
            finally:
                del first  # its traceback holds this frame
        tried.append(url)
        data = yield IssuerRequest(policy.aia, url)
        chain += tuple(x for x in published.read(data or b"") if x not in chain)


def _next(refused: VerifyAbort, tried: Sequence[str]) -> str | None:
    """The URL of the missing issuer, if nothing else is wrong."""
    if refused.lacks is None or refused.depth > DEEPEST or len(tried) >= MOST_FETCHES:
        return None
    return next((u for u in refused.aia_urls if u.lower().startswith(SCHEMES) and u not in tried), None)
