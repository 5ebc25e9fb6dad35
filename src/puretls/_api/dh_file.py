"""Diffie-Hellman parameters: what SSLContext.load_dh_params() reads and checks.

They are judged when they are loaded, and not in each handshake: `openssl dhparam -dsaparam` makes primes that
`cryptography` does not use, and small ones are of no use at the security level.
"""

from __future__ import annotations

import os
from typing import Any

from puretls._api.errors import SSLError, fault_error, ssl_error
from puretls._api.pem import pem_error
from puretls._base import faults
from puretls._base.faults import Abort, Fault
from puretls._crypto import finite_field
from puretls._crypto.finite_field import FiniteField, least_prime
from puretls._x509 import pem, shapes

LABELS = b"DH PARAMETERS", b"X9.42 DH PARAMETERS"
_NUMBERS = {faults.BAD_DH_VALUE: 102, faults.DH_KEY_TOO_SMALL: 394}


def load(path: Any, level: int) -> FiniteField | None:
    """The field of a PEM file; None if there is no such key exchange, and the file will do."""
    with open(os.fspath(path), "rb") as file:  # noqa: PTH123  # bytes too
        data = file.read()
    if not any(b"-----BEGIN " + label in data for label in LABELS):
        raise ssl_error(108, "no start line", reason="NO_START_LINE", library="PEM")
    try:
        body = next(body for label, body, _ in pem.blocks(data) if label in LABELS)
        numbers = shapes.read(shapes.DhParameters, pem.decoded(body))
    except (ValueError, StopIteration, Abort):
        raise pem_error("PEM") from None
    p, g, size = numbers.p, numbers.g, numbers.p.bit_length()
    if size < least_prime(level):
        raise _error(faults.DH_KEY_TOO_SMALL, path, f"p has {size} bits, and security level {level} wants more")
    if not finite_field.AVAILABLE:
        return None
    try:
        return finite_field.checked(p, g)
    except Abort as abort:
        raise _error(abort.fault, path, abort.detail) from None


def _error(fault: Fault, path: Any, detail: str) -> SSLError:
    return fault_error(fault, f"{os.fsdecode(path)}: {detail}", _NUMBERS[fault])
