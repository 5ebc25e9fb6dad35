"""Calls of primitives with a peer's bytes, which are made only through here.

`cryptography` refuses keys, shares, signatures and ciphertexts with exceptions of whichever layer has noticed:
ValueError, TypeError, UnsupportedAlgorithm, InternalError, a panic of Rust's.  Here each of them becomes the fault that
the caller names, so that no input raises an exception of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from puretls._base.faults import Abort, Fault
from puretls._base.foreign import refuses

T = TypeVar("T")


def attempt(fault: Fault, operation: Callable[..., T], *arguments: Any) -> T:
    """The result of an operation on a peer's bytes; Abort with `fault` if it refuses them in any way."""
    try:
        return operation(*arguments)
    except BaseException as error:
        if not refuses(error):
            raise
        raise Abort(fault) from None
