"""Diffie-Hellman modulo a prime: DHE in TLS 1.2 (RFC 5246 7.4.3), and the groups of RFC 7919.

p has to be a safe prime, p = 2q + 1.  Checking that takes a hundred times as long as a handshake: 0.2 s for 2048 bits,
3 s for 4096.  So the primes of RFC 3526 and RFC 7919 with the generator 2 are known; parameters of one's own are
checked when they are loaded, and a peer's are checked once each, within limits that depend on how far the peer has been
authenticated.

In known fields `cryptography` does the arithmetic.  In any other field it checks p again with every key that it makes,
which would allow a denial of service.  There it checks p once, and the two exponentiations of a handshake are pow():
not in constant time, but with an exponent that is used in this one handshake only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from os import urandom
from typing import Any

from puretls._base.faults import BAD_DH_VALUE, DH_KEY_TOO_SMALL, Abort
from puretls._base.quiet import quietly
from puretls._crypto.primitives import attempt

DHParameterNumbers: Any = None
DHPublicNumbers: Any = None
try:
    import cryptography.hazmat.primitives.asymmetric.dh as _dh

    _look_up = quietly(getattr)  # whoever reads these names is warned that they will be dropped
    DHParameterNumbers = _look_up(_dh, "DHParameterNumbers")
    DHPublicNumbers = _look_up(_dh, "DHPublicNumbers")
except (ImportError, AttributeError):
    AVAILABLE = False  # then there are no DHE suites, and none of these groups
else:
    AVAILABLE = True

SMALLEST, LARGEST = 512, 8192  # bits of p
LARGEST_VERIFIED, LARGEST_SIGNED = 4096, 3072  # of a peer whose path is verified, or that has but signed
GENERATOR = 2
REMEMBERED = 64  # primes of peers
RFC7919 = {2048: 560316, 3072: 2625351, 4096: 5736041, 6144: 15705020, 8192: 10965728}  # appendix A: X by size
RFC3526 = {1536: 741804, 2048: 124476, 3072: 1690314, 4096: 240904, 6144: 929484, 8192: 4743158}  # 2 to 7
_LEAST_PRIMES = (1024, 1024, 2048, 3072, 7680, 15360)


def least_prime(level: int) -> int:
    """The least size of p at a security level; for DHE alone OpenSSL has a minimum also at level 0 (Logjam)."""
    return _LEAST_PRIMES[max(0, min(level, 5))]


class FiniteField:
    """A field with trusted p and g: known ones, or checked by the caller.  Shares may have any length that p has room
    for.
    """

    __slots__ = ("_numbers", "_parameters", "g", "p", "size")

    def __init__(self, p: int, g: int) -> None:
        if p.bit_length() < SMALLEST:
            raise Abort(DH_KEY_TOO_SMALL, f"{p.bit_length()} bits")
        if p.bit_length() > LARGEST or p % 2 == 0 or not 1 < g < p - 1:
            raise Abort(BAD_DH_VALUE, "bad p or g")
        self.p, self.g = p, g
        self.size = (p.bit_length() + 7) // 8
        self._numbers: Any = None  # of a known field only
        self._parameters: Any = None
        if is_known(p, g):
            self._numbers = DHParameterNumbers(p, g)
            self._parameters = self._numbers.parameters()

    @property
    def known(self) -> bool:
        """Whether it is a field of an RFC."""
        return self._parameters is not None

    @property
    def bits(self) -> int:
        """Security by the length of p, as OpenSSL counts it (NIST SP 800-57 part 1, table 2)."""
        size = self.p.bit_length()
        return next((bits for least, bits in ((7680, 192), (3072, 128), (2048, 112), (1024, 80)) if size >= least), 0)

    def offer(self) -> FiniteFieldOffer:
        """A fresh key pair."""
        return FiniteFieldOffer(self) if self.known else UnknownFieldOffer(self)

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Our share and the secret, for the peer's share."""
        own = self.offer()
        return own.public, own.complete(share)


class FiniteFieldOffer:
    """x and g**x."""

    __slots__ = ("_field", "_key", "public")

    def __init__(self, field: FiniteField) -> None:
        self._field = field
        self._key: Any = field._parameters.generate_private_key()
        self.public: bytes = self._key.public_key().public_numbers().y.to_bytes(field.size, "big")

    def secret(self, share: bytes) -> bytes:
        """As long as p (RFC 8446 7.4.1)."""
        y = int.from_bytes(share, "big")
        if not 1 < y < self._field.p - 1:
            raise Abort(BAD_DH_VALUE)
        return self._agree(y)

    def complete(self, share: bytes) -> bytes:
        """Without leading zeros (RFC 5246 8.1.2)."""
        return self.secret(share).lstrip(b"\x00")

    def _agree(self, y: int) -> bytes:
        theirs = attempt(BAD_DH_VALUE, DHPublicNumbers(y, self._field._numbers).public_key)
        secret: bytes = attempt(BAD_DH_VALUE, self._key.exchange, theirs)
        return secret


class UnknownFieldOffer(FiniteFieldOffer):
    """The same for a field in which `cryptography` would check p again."""

    __slots__ = ()

    def __init__(self, field: FiniteField) -> None:
        # Twice the strength in bits is enough, as p is a safe prime (RFC 7919 5.2, RFC 3526 8); always as many of them.
        # This is 256 bits at 2048, 352 at 4096, 544 at 8192.
        width = max(32, 20 + 3 * field.size // 64)
        self._field = field
        self._key = int.from_bytes(urandom(width), "big") | 1 << (8 * width - 1)
        self.public = pow(field.g, self._key, field.p).to_bytes(field.size, "big")

    def _agree(self, y: int) -> bytes:
        field = self._field
        return pow(y, self._key, field.p).to_bytes(field.size, "big")


# Which fields


def checked(p: int, g: int, largest: int = LARGEST) -> FiniteField:
    """The field with these parameters; Abort unless p is a safe prime, of at most so many bits if it is not a known
    one.
    """
    field = FiniteField(p, g)
    if not field.known:
        if p.bit_length() > largest:
            raise Abort(BAD_DH_VALUE, f"a prime of {p.bit_length()} bits that no RFC names")
        if not is_good(p, g):
            raise Abort(BAD_DH_VALUE, "p is not a safe prime")
    return field


def of_peer(p: int, g: int, *, signed: bool, verified: bool) -> FiniteField:
    """The field of a ServerKeyExchange.  `signed`: its signature is verified; `verified`: so is the path of the
    certificate.

    Without a signature, with a pre-shared key or no authentication at all, unknown fields are refused rather than
    checked.
    """
    return checked(p, g, LARGEST_VERIFIED if verified else LARGEST_SIGNED if signed else 0)


def is_known(p: int, g: int) -> bool:
    """Whether this is one of the groups of RFC 3526 or RFC 7919."""
    size = p.bit_length()
    return g == GENERATOR and p in (rfc7919_prime(size), rfc3526_prime(size))


@lru_cache(maxsize=REMEMBERED)
def is_good(p: int, g: int) -> bool:
    """Have `cryptography` check it, which takes long; the answer is kept, whichever it is.

    It accepts safe primes, and those of RFC 5114, which OpenSSL has a list of.
    """
    try:
        attempt(BAD_DH_VALUE, DHParameterNumbers(p, g).parameters)
    except Abort:
        return False
    return True


@cache
def rfc7919(size: int) -> FiniteField:
    """The field of that group."""
    return FiniteField(rfc7919_prime(size) or 0, GENERATOR)


@cache
def rfc7919_prime(size: int) -> int | None:
    """The prime of so many bits, if there is one."""
    return _prime(_e, size, RFC7919[size]) if size in RFC7919 else None


@cache
def rfc3526_prime(size: int) -> int | None:
    """The prime of so many bits, if there is one."""
    return _prime(_pi, size, RFC3526[size]) if size in RFC3526 else None


def _prime(constant: Callable[[int], int], size: int, x: int) -> int:
    """2**size - 2**(size - 64) + (floor(2**(size - 130) * constant) + x) * 2**64 - 1."""
    return (1 << size) - (1 << (size - 64)) + ((constant(size - 130) + x) << 64) - 1


GUARD = 64  # bits of which rounding may spoil the last few


def _e(bits: int) -> int:
    """floor(2**bits * e): the sum of 1/n!."""
    e, term, n = 0, 1 << (bits + GUARD), 0
    while term:
        e, n = e + term, n + 1
        term //= n
    return e >> GUARD


def _pi(bits: int) -> int:
    """floor(2**bits * pi), by Machin: pi = 16 arctan(1/5) - 4 arctan(1/239)."""

    def arctan(inverse: int) -> int:
        total, power, n = 0, (1 << (bits + GUARD)) // inverse, 1
        while power:
            total += power // n if n % 4 == 1 else -(power // n)
            power, n = power // (inverse * inverse), n + 2
        return total

    return (16 * arctan(5) - 4 * arctan(239)) >> GUARD
