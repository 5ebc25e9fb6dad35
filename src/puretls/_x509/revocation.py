"""Revocation (RFC 5280 6.3): whether a path's certificates are on the CRLs that the store has, as OpenSSL checks it."""

from __future__ import annotations

from puretls._x509 import codes
from puretls._x509.checks import CRL_CHECK, Path, Policy
from puretls._x509.codes import refusal
from puretls._x509.store import Store


def check(path: Path, store: Store, policy: Policy) -> None:  # noqa: ARG001 - the CRLs are looked up in the next step
    """CRLs are not evaluated yet, so where they are demanded none is found."""
    if policy.flags & CRL_CHECK and path.chain:
        raise refusal(codes.UNABLE_TO_GET_CRL, 0)
