"""The one place where primitives meet a peer's bytes.

`cryptography` refuses keys, shares, signatures and ciphertexts with whatever exception comes from the layer that
noticed: ValueError, TypeError, UnsupportedAlgorithm, InternalError, a panic of Rust's.  Here each of them is the fault
that the caller names, so that no input makes an exception of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from puretls._base.faults import Abort, Fault
from puretls._base.foreign import refuses

T = TypeVar("T")


def attempt(fault: Fault, operation: Callable[..., T], *arguments: Any) -> T:
    """What the operation makes of a peer's bytes; Abort with `fault` if it refuses them, in whatever way."""
    try:
        return operation(*arguments)
    except BaseException as error:
        if not refuses(error):
            raise
        raise Abort(fault) from None
