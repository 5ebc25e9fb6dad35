"""Diffie-Hellman parameters: what SSLContext.load_dh_params() reads and checks.

They are checked when they are loaded, and not in each handshake: `openssl dhparam -dsaparam` makes primes that
`cryptography` does not accept, and the security level forbids small ones.
"""

from __future__ import annotations

import os
from typing import Any

from puretls._api.errors import SSLError, fault_error
from puretls._base import faults
from puretls._base.faults import Abort, Fault
from puretls._crypto import finite_field
from puretls._crypto.finite_field import FiniteField, least_prime
from puretls._x509 import ber, pem, shapes
from puretls._x509.store import BAD_DER

LABELS = (b"DH PARAMETERS", b"X9.42 DH PARAMETERS")
NO_START_LINE = Fault("NO_START_LINE", None, "no start line", "PEM")
_NUMBERS = {
    pem.BAD_BASE64: 100,
    pem.BAD_END_LINE: 102,
    NO_START_LINE: 108,
    BAD_DER: 524301,
    faults.BAD_DH_VALUE: 102,
    faults.DH_KEY_TOO_SMALL: 394,
}


def load(path: Any, level: int) -> FiniteField | None:
    """The field in a PEM file; None if the file is correct but `cryptography` has no finite-field key exchange."""
    with open(os.fspath(path), "rb") as file:  # noqa: PTH123  # bytes too
        data = file.read()
    try:
        return _field(_parameters(data), level)
    except Abort as abort:
        raise _error(abort, path) from None


def _field(numbers: shapes.DhParameters, level: int) -> FiniteField | None:
    size = numbers.p.bit_length()
    if size < least_prime(level):
        raise Abort(faults.DH_KEY_TOO_SMALL, f"p has {size} bits, and security level {level} wants more")
    return finite_field.checked(numbers.p, numbers.g) if finite_field.AVAILABLE else None


def _parameters(data: bytes) -> shapes.DhParameters:
    body = next((body for label, body, _ in pem.blocks(data) if label in LABELS), None)
    if body is None:
        raise Abort(NO_START_LINE, "there is no block of DH PARAMETERS")
    try:
        whole, _ = ber.value(pem.decoded(body))
        return shapes.read(shapes.DhParameters, whole.whole)
    except ValueError:
        raise Abort(BAD_DER, "not a SEQUENCE of two numbers") from None


def _error(abort: Abort, path: Any) -> SSLError:
    unsafe = "p is not a safe prime, or g is of no use with it" if abort.fault is faults.BAD_DH_VALUE else ""
    detail = f"{os.fsdecode(path)}: {unsafe or abort.detail or abort.fault.text}"
    return fault_error(abort.fault, detail, _NUMBERS[abort.fault])
