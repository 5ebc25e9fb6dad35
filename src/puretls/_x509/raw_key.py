"""A public key without a certificate (RFC 7250): SubjectPublicKeyInfo, and the questions that can be asked of it.

It has the methods of a certificate that the engine uses for both.  Nothing limits its use, and it never expires.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from puretls._base.foreign import asked
from puretls._x509 import algorithms, shapes, strength
from puretls._x509.algorithms import Pss
from puretls._x509.certificate import MAX_EXPONENT

_OID = b"\x06"


_load: Callable[[bytes], Any] = load_der_public_key


def encoded(public: Any) -> bytes:
    """SubjectPublicKeyInfo of a key object."""
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=64)
def load(der: bytes) -> RawKey:
    """One of our own keys, loaded once for many handshakes."""
    return RawKey(der)


class RawKey:
    """One key.  ValueError if it is none, or of a kind that TLS cannot use."""

    __slots__ = ("algorithm", "bits", "der", "limits", "public")

    not_after = math.inf

    def __init__(self, der: bytes) -> None:
        self.der = der
        info = shapes.read(shapes.KeyInfo, der)
        self.algorithm, parameters = shapes.algorithm(info.algorithm)
        if self.algorithm == algorithms.EC and (parameters is None or parameters.tag_bytes != _OID):
            raise ValueError("a curve without a name")
        self.public = public = asked(_load, der)
        if self.algorithm in algorithms.ANY_RSA and asked(public.public_numbers).e.bit_length() > MAX_EXPONENT:
            raise ValueError("an exponent that nobody has")
        pss = self.algorithm == algorithms.RSA_PSS and parameters is not None
        self.limits: Pss | None = algorithms.pss_parameters(parameters) if pss else None  # type: ignore[arg-type]
        self.bits = asked(strength.of_key, self.public, self.algorithm)

    def public_key(self) -> Any:
        """PyCA's key object."""
        return self.public

    def usable_for(self, usage: int) -> bool:
        """Whether it may be used: a raw key may be used for everything."""
        del usage
        return True

    def end_point(self) -> None:
        """None: RFC 5929 4 defines the channel binding for certificates only."""
