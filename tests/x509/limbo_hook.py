"""What tools/limbo.py --engine hook asks of a module, over the core of verify_chain."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from typing import Any

from puretls._base.faults import Abort
from puretls._x509 import verify

VERIFY_X509_STRICT = 0x20
VERIFY_X509_TRUSTED_FIRST = 0x8000
VERIFY_X509_PARTIAL_CHAIN = 0x80000
VERIFY_CRL_CHECK_CHAIN = 0xC


class SSLError(ValueError):
    """A refusal."""


def verify_chain(
    leaf: bytes, intermediates: Sequence[bytes], roots: Sequence[bytes], *, time: float | None = None, **others: Any
) -> list[bytes]:
    try:
        return verify.verify_chain(leaf, intermediates, roots, time=clock.time() if time is None else time, **others)
    except Abort as refused:
        depth = getattr(refused, "depth", "-")
        raise SSLError(f"{getattr(refused, 'code', '')} {refused.detail} at {depth}") from None
