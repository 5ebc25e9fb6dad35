"""Diffie-Hellman parameters: what SSLContext.load_dh_params() reads and checks.

They are judged when they are loaded, and not in each handshake: `openssl dhparam -dsaparam` makes primes that
`cryptography` does not use, and small ones are of no use at the security level.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from puretls._api.errors import SSLError, fault_error, ssl_error
from puretls._api.pem import pem_error
from puretls._base import faults
from puretls._base.faults import Abort, Fault
from puretls._base.quiet import quietly
from puretls._crypto.groups import FiniteField, least_prime

_NUMBERS = {faults.BAD_DH_VALUE: 102, faults.DH_KEY_TOO_SMALL: 394}

_look_up = quietly(getattr)  # cryptography will drop it some day, and warns: not our users' concern


def load(path: Any, level: int) -> tuple[int, int]:
    """p and g of a PEM file."""
    with open(os.fspath(path), "rb") as file:  # noqa: PTH123  # bytes too
        data = file.read()
    if b"-----BEGIN DH PARAMETERS" not in data and b"-----BEGIN X9.42 DH PARAMETERS" not in data:
        raise ssl_error(108, "no start line", reason="NO_START_LINE", library="PEM")
    try:
        numbers = _look_up(serialization, "load_pem_parameters")(data).parameter_numbers()
    except (ValueError, UnsupportedAlgorithm):
        raise pem_error("PEM") from None
    p, g, size = numbers.p, numbers.g, numbers.p.bit_length()
    if size < least_prime(level):
        raise _error(faults.DH_KEY_TOO_SMALL, path, f"p has {size} bits, and security level {level} wants more")
    try:
        FiniteField(p, g)
    except Abort as abort:
        raise _error(abort.fault, path, abort.detail) from None
    return p, g


def _error(fault: Fault, path: Any, detail: str) -> SSLError:
    return fault_error(fault, f"{os.fsdecode(path)}: {detail}", _NUMBERS[fault])
