"""PyCA on what a peer sent: how it refuses, and one place that asks it about certificates and their keys.

`cryptography` refuses in many ways: ValueError, UnsupportedAlgorithm, InternalError for what its OpenSSL did not
expect, TypeError or OverflowError for numbers beyond it, a panic of Rust's.  Which one it is depends on its version and
on the bytes, so whoever calls it on foreign bytes would have to know all of them.  `asked` makes one of them all, a
ValueError, and the layers above say what follows from that: a certificate that cannot be read, a key that is none, a
signature that is wrong.  What becomes of shares and ciphertexts is said in _crypto/primitives.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from puretls._base.outside import from_outside

T = TypeVar("T")


class Unusable(ValueError):
    """What a peer sent cannot be read, or does not do what was asked of it."""


def asked(question: Callable[..., T], *arguments: Any) -> T:
    """The answer, or Unusable, in whatever way PyCA refuses to give one."""
    try:
        return question(*arguments)
    except BaseException as error:
        if not refuses(error):
            raise
        raise Unusable(str(error) or type(error).__name__) from None


def signed(key: Any, signature: bytes, data: bytes, *parameters: Any) -> bool:
    """Whether this is the key's signature; not, if there is no key, or none that verifies so."""
    try:
        key.verify(signature, data, *parameters)
    except BaseException as error:
        if not refuses(error):
            raise
        return False
    return True


def refuses(error: BaseException) -> bool:
    """Whether this is how a primitive says no.  A panic of Rust's is no Exception; interruptions are no answer."""
    panic = type(error).__module__ == "pyo3_runtime"
    return panic or (isinstance(error, Exception) and not from_outside(error))
