"""Security bits of keys, which the levels of SSL_CTX_set_security_level(3) are compared with."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from puretls._x509.algorithms import ANY_RSA, DSA, EC, PURE

LEVELS = (0, 80, 112, 128, 192, 256)

_CURVES = ((512, 256), (384, 192), (256, 128), (224, 112), (160, 80))
_FACTORING = {2048: 112, 3072: 128, 4096: 152, 6144: 176, 7680: 192, 8192: 200, 15360: 256}


def floor(level: int) -> int:
    """The bits that a level asks for."""
    return LEVELS[max(0, min(level, 5))]


def of_key(key: Any, algorithm: str) -> int:
    """Bits of a key, whose SubjectPublicKeyInfo names this algorithm; 0 if it is of an unknown kind."""
    if key is None or algorithm in PURE:
        return 0 if key is None else PURE[algorithm]
    if algorithm in ANY_RSA:
        return _factoring(key.key_size)
    if algorithm == EC:
        return _of_curve(key.curve.group_order.bit_length())
    if algorithm == DSA:
        parameters = key.parameters().parameter_numbers()
        half: int = parameters.q.bit_length() // 2
        return min(_factoring(parameters.p.bit_length()), half)
    return 0


@lru_cache(maxsize=64)
def _of_curve(size: int) -> int:
    return next((bits for least, bits in _CURVES if size >= least), size // 2)


def _factoring(size: int) -> int:
    """NIST SP 800-56B rev. 2, appendix D, rounded as OpenSSL rounds it."""
    if size in _FACTORING:
        return _FACTORING[size]
    if size < 8:
        return 0
    x = size * math.log(2)
    bits = int((1.923 * (x * math.log(x) ** 2) ** (1 / 3) - 4.69) / math.log(2))
    return min((bits + 4) & ~7, 192 if size <= 7680 else 256 if size <= 15360 else 1200)
