"""Verifying the same chain with ours and with the interpreter's OpenSSL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puretls._base.faults import VerifyAbort
from puretls._x509 import certificate, path
from puretls._x509.budget import Budget
from puretls._x509.checks import Policy
from puretls._x509.store import Store, parse_pem
from support import libcrypto, pki

Issued = pki.Issued


def store(roots: Sequence[Issued | bytes], crls: Sequence[bytes] = ()) -> Store:
    """A store of these; a root that is TRUSTED CERTIFICATE's content keeps its settings."""
    made = Store()
    for root in roots:
        bundle = parse_pem(pki.pem(root if isinstance(root, bytes) else root.der, "TRUSTED CERTIFICATE").encode())
        made.add_bundle(bundle)
    for crl in crls:
        made.add_pem(pki.pem(crl, "X509 CRL"))
    return made


def path_of(
    chain: Sequence[Issued],
    roots: Sequence[Issued | bytes],
    *,
    crls: Sequence[bytes] = (),
    time: float = pki.NOW,
    host: str | None = None,
    level: int = 1,
    search: bool = True,
    **policy: Any,
) -> list[bytes]:
    """The path found; VerifyAbort if there is none.  Without `search` only the path that OpenSSL builds is tried."""
    wanted = Policy(time=time, hostname=host, security_level=level, **policy)
    budget = Budget()
    if not search:
        budget.steps = 0
    found = path.verify([certificate.load(x.der) for x in chain], store(roots, crls), wanted, budget)
    assert found[0].der == chain[0].der
    return [x.der for x in found]


def ours(*args: Any, **kwargs: Any) -> tuple[int, int]:
    """(code, depth) instead; code 0 if the chain is accepted."""
    try:
        path_of(*args, **kwargs)
    except VerifyAbort as refused:
        return refused.code, refused.depth
    return 0, 0


def theirs(
    chain: Sequence[Issued], roots: Sequence[Issued | bytes], *, time: float = pki.NOW, **policy: Any
) -> tuple[int, int]:
    """The same of the interpreter's OpenSSL."""
    anchors = [root if isinstance(root, bytes) else root.der for root in roots]
    return libcrypto.verify([x.der for x in chain], anchors, time=int(time), **policy)
