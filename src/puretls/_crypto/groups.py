"""The named groups: key exchange as one side offering and the other answering.

Curves (RFC 7748, RFC 8422), finite fields (RFC 7919) and the ML-KEM hybrids (draft-ietf-tls-ecdhe-mlkem), whose shares
and secrets are two concatenated.  A group knows what a share looks like and refuses every other (RFC 8446 4.2.8); which
group is taken, and where a share stands in a message, is the engine's business.

`FiniteField` is the Diffie-Hellman of TLS 1.2 over any p and g that a server names (RFC 5246 7.4.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric import dh, ec
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from puretls._base.faults import BAD_DH_VALUE, BAD_KEY_SHARE, DH_KEY_TOO_SMALL, Abort
from puretls._base.quiet import quietly
from puretls._base.registry import TLS10, TLS12, TLS13
from puretls._crypto.primitives import attempt

_from_dh = quietly(partial(getattr, dh))  # cryptography will drop it some day, and warns: not our users' concern
DHParameterNumbers: Any = _from_dh("DHParameterNumbers")
DHPublicNumbers: Any = _from_dh("DHPublicNumbers")

ECDH = ec.ECDH()
load_point = ec.EllipticCurvePublicKey.from_encoded_point


class Offer(Protocol):
    """Our half of a key exchange: a public share, and the private key behind it."""

    public: bytes

    def complete(self, share: bytes) -> bytes:
        """The shared secret with the peer's share."""


class Group(ABC):
    """One row of the table; what all kinds have in common."""

    __slots__ = ("aliases", "bits", "code", "name", "since", "until")

    def __init__(self, code: int, name: str, bits: int, *aliases: str, since: int = TLS10, until: int = TLS13) -> None:
        self.code = code
        self.name = name  # IANA's
        self.bits = bits  # of security, as OpenSSL counts them for its security levels
        self.aliases = aliases  # OpenSSL's names, in lower case
        self.since, self.until = since, until

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @abstractmethod
    def offer(self) -> Offer:
        """A fresh key pair."""

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """The server's share and the secret, for a client's share."""
        own = self.offer()
        return own.public, own.complete(share)


class Montgomery(Group):
    """X25519 and X448 (RFC 7748)."""

    __slots__ = ("_generate", "_load")

    def __init__(
        self,
        code: int,
        name: str,
        bits: int,
        private: type[X25519PrivateKey | X448PrivateKey],
        load: Callable[..., Any],
    ) -> None:
        super().__init__(code, name, bits)
        self._generate, self._load = private.generate, load

    def offer(self) -> Offer:
        return MontgomeryOffer(self._generate(), self._load)

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """As for any group, without the offer between."""
        key = self._generate()
        secret = attempt(BAD_KEY_SHARE, key.exchange, attempt(BAD_KEY_SHARE, self._load, share))  # as MontgomeryOffer
        return key.public_key().public_bytes_raw(), secret


class MontgomeryOffer:
    """A scalar and its point."""

    __slots__ = ("_key", "_load", "public")

    def __init__(self, key: X25519PrivateKey | X448PrivateKey, load: Callable[[bytes], Any]) -> None:
        self._key, self._load = key, load
        self.public = key.public_key().public_bytes_raw()

    def complete(self, share: bytes) -> bytes:
        point = attempt(BAD_KEY_SHARE, self._load, share)  # not if it has a wrong length
        return attempt(BAD_KEY_SHARE, self._key.exchange, point)  # nor if the result is zero (RFC 8446 7.4.2)


class Weierstrass(Group):
    """The curves of NIST and Brainpool; points are uncompressed (RFC 8446 4.2.8.2)."""

    __slots__ = ("curve",)

    def __init__(
        self, code: int, curve: ec.EllipticCurve, bits: int, *aliases: str, since: int = TLS10, until: int = TLS13
    ) -> None:
        name = curve.name + ("tls13" if since == TLS13 else "")
        super().__init__(code, name, bits, *aliases, since=since, until=until)
        self.curve = curve

    def offer(self) -> Offer:
        return WeierstrassOffer(ec.generate_private_key(self.curve))


class WeierstrassOffer:
    """A scalar and its point."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def complete(self, share: bytes) -> bytes:
        if len(share) != len(self.public) or share[0] != 4:  # cryptography would also load compressed points
            raise Abort(BAD_KEY_SHARE)
        point = attempt(BAD_KEY_SHARE, load_point, self._key.curve, share)  # not if it is off the curve
        return attempt(BAD_KEY_SHARE, self._key.exchange, ECDH, point)


def least_prime(level: int) -> int:
    """Least size of p at a security level.  OpenSSL has a floor at level 0 for this alone (Logjam)."""
    return _LEAST_PRIMES[max(0, min(level, 5))]


_LEAST_PRIMES = (1024, 1024, 2048, 3072, 7680, 15360)


class FiniteField:
    """Diffie-Hellman modulo p as TLS 1.2 has it: shares of any length, secrets without leading zeros.

    The primitive insists on a safe prime, so p = 2q + 1 holds for whatever passes here.
    """

    __slots__ = ("_numbers", "_parameters", "g", "p", "size")

    def __init__(self, p: int, g: int) -> None:
        if p.bit_length() < 512:
            raise Abort(DH_KEY_TOO_SMALL, f"{p.bit_length()} bits")
        if p.bit_length() > 8192 or p % 2 == 0 or not 1 < g < p - 1:
            raise Abort(BAD_DH_VALUE, "bad p or g")
        self.p, self.g = p, g
        self.size = (p.bit_length() + 7) // 8
        self._numbers = DHParameterNumbers(p, g)
        self._parameters = attempt(BAD_DH_VALUE, self._numbers.parameters)  # not if p is not a safe prime

    @property
    def bits(self) -> int:
        """Security by the length of p, as OpenSSL counts it (NIST SP 800-57 part 1, table 2)."""
        size = self.p.bit_length()
        return next((bits for least, bits in ((7680, 192), (3072, 128), (2048, 112), (1024, 80)) if size >= least), 0)

    def offer(self) -> FiniteFieldOffer:
        """A fresh key pair."""
        return FiniteFieldOffer(self)

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        """Our share and the secret, for the peer's share."""
        own = self.offer()
        return own.public, own.complete(share)


class FiniteFieldOffer:
    """x and g**x."""

    __slots__ = ("_field", "_key", "public")

    def __init__(self, field: FiniteField) -> None:
        self._field = field
        self._key = field._parameters.generate_private_key()
        self.public = self._key.public_key().public_numbers().y.to_bytes(field.size, "big")

    def secret(self, share: bytes) -> bytes:
        """As long as p (RFC 8446 7.4.1)."""
        y = int.from_bytes(share, "big")
        if not 1 < y < self._field.p - 1:
            raise Abort(BAD_DH_VALUE)
        theirs = attempt(BAD_DH_VALUE, DHPublicNumbers(y, self._field._numbers).public_key)
        secret: bytes = attempt(BAD_DH_VALUE, self._key.exchange, theirs)
        return secret

    def complete(self, share: bytes) -> bytes:
        """Without leading zeros (RFC 5246 8.1.2)."""
        return self.secret(share).lstrip(b"\x00")


class Ffdhe(Group):
    """The groups of RFC 7919 as TLS 1.3 has them: shares and secrets are as long as p (RFC 8446 4.2.8.1, 7.4.1)."""

    __slots__ = ("_parameters",)

    def __init__(self, code: int, size: int, bits: int, x: int) -> None:
        super().__init__(code, f"ffdhe{size}", bits)
        self._parameters = size, x

    @property
    def field(self) -> FiniteField:
        """For TLS 1.2; computed when first needed."""
        return _rfc7919(*self._parameters)

    def offer(self) -> Offer:
        return FfdheOffer(self.field)


class FfdheOffer:
    """An offer in a field whose shares have one length."""

    __slots__ = ("_inner", "public")

    def __init__(self, field: FiniteField) -> None:
        self._inner = field.offer()
        self.public = self._inner.public

    def complete(self, share: bytes) -> bytes:
        if len(share) != len(self.public):
            raise Abort(BAD_KEY_SHARE)
        try:
            return self._inner.secret(share)
        except Abort:
            raise Abort(BAD_KEY_SHARE) from None


@cache
def _rfc7919(size: int, x: int) -> FiniteField:
    """RFC 7919 A: p = 2**size - 2**(size - 64) + (floor(2**(size - 130) * e) + x) * 2**64 - 1."""
    guard = 64
    e, term, n = 0, 1 << (size - 130 + guard), 0
    while term:  # e = sum of 1/n!
        e, n = e + term, n + 1
        term //= n
    return FiniteField((1 << size) - (1 << (size - 64)) + (((e >> guard) + x) << 64) - 1, 2)


class Kem(NamedTuple):
    """ML-KEM (FIPS 203) with the sizes that decide where a share is cut."""

    private: type[MLKEM768PrivateKey | MLKEM1024PrivateKey]
    public: type[MLKEM768PublicKey | MLKEM1024PublicKey]
    key: int
    ciphertext: int


MLKEM768 = Kem(MLKEM768PrivateKey, MLKEM768PublicKey, 1184, 1088)
MLKEM1024 = Kem(MLKEM1024PrivateKey, MLKEM1024PublicKey, 1568, 1568)


class Hybrid(Group):
    """ML-KEM beside a curve; both secrets are needed.  Which half is first differs (draft-ietf-tls-ecdhe-mlkem 4)."""

    __slots__ = ("classic", "kem", "kem_first", "point")

    def __init__(
        self, code: int, name: str, bits: int, kem: Kem, classic: Group, point: int, *, kem_first: bool = False
    ) -> None:
        super().__init__(code, name, bits, since=TLS13)
        self.kem, self.classic, self.point, self.kem_first = kem, classic, point, kem_first

    def offer(self) -> Offer:
        return HybridOffer(self, self.classic.offer())

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        key, point = self.split(share, self.kem.key)
        own, classic_secret = self.classic.answer(point)
        # Not if a coefficient is not reduced (FIPS 203 7.2)
        theirs: Any = attempt(BAD_KEY_SHARE, self.kem.public.from_public_bytes, key)
        secret, ciphertext = attempt(BAD_KEY_SHARE, theirs.encapsulate)
        return self.join(ciphertext, own), self.join(secret, classic_secret)

    def join(self, kem: bytes, classic: bytes) -> bytes:
        return kem + classic if self.kem_first else classic + kem

    def split(self, share: bytes, size: int) -> tuple[bytes, bytes]:
        """ML-KEM's part, which is `size` long, and the curve's."""
        if len(share) != size + self.point:
            raise Abort(BAD_KEY_SHARE)
        if self.kem_first:
            return share[:size], share[size:]
        return share[self.point :], share[: self.point]


class HybridOffer:
    """An encapsulation key beside a point."""

    __slots__ = ("_classic", "_group", "_key", "public")

    def __init__(self, group: Hybrid, classic: Offer) -> None:
        self._group, self._classic = group, classic
        self._key = group.kem.private.generate()
        self.public = group.join(self._key.public_key().public_bytes_raw(), classic.public)

    def complete(self, share: bytes) -> bytes:
        ciphertext, point = self._group.split(share, self._group.kem.ciphertext)
        secret = attempt(BAD_KEY_SHARE, self._key.decapsulate, ciphertext)
        return self._group.join(secret, self._classic.complete(point))


def offers(groups: Iterable[Group]) -> list[Offer]:
    """One offer per group, for one ClientHello.

    A hybrid and its curve alone use the same key pair (draft-ietf-tls-hybrid-design 3.2), which saves generating one.
    """
    lone: dict[int, Offer] = {}
    result: list[Offer] = []
    for group in groups:
        curve = group.classic if isinstance(group, Hybrid) else group
        if curve.code not in lone:
            lone[curve.code] = curve.offer()
        offer = lone[curve.code]
        result.append(HybridOffer(group, offer) if isinstance(group, Hybrid) else offer)
    return result


X25519 = Montgomery(0x001D, "x25519", 128, X25519PrivateKey, X25519PublicKey.from_public_bytes)
X448 = Montgomery(0x001E, "x448", 224, X448PrivateKey, X448PublicKey.from_public_bytes)
SECP256R1 = Weierstrass(0x0017, ec.SECP256R1(), 128, "p-256", "prime256v1")
SECP384R1 = Weierstrass(0x0018, ec.SECP384R1(), 192, "p-384")
SECP521R1 = Weierstrass(0x0019, ec.SECP521R1(), 256, "p-521")
X25519MLKEM768 = Hybrid(0x11EC, "X25519MLKEM768", 192, MLKEM768, X25519, 32, kem_first=True)
SECP256R1MLKEM768 = Hybrid(0x11EB, "SecP256r1MLKEM768", 192, MLKEM768, SECP256R1, 65)
SECP384R1MLKEM1024 = Hybrid(0x11ED, "SecP384r1MLKEM1024", 256, MLKEM1024, SECP384R1, 97)
FFDHE2048 = Ffdhe(0x0100, 2048, 112, 560316)
FFDHE3072 = Ffdhe(0x0101, 3072, 128, 2625351)

GROUPS: tuple[Group, ...] = (
    X25519MLKEM768,
    SECP256R1MLKEM768,
    SECP384R1MLKEM1024,
    X25519,
    SECP256R1,
    X448,
    SECP384R1,
    SECP521R1,
    FFDHE2048,
    FFDHE3072,
    Ffdhe(0x0102, 4096, 128, 5736041),
    Ffdhe(0x0103, 6144, 128, 15705020),
    Ffdhe(0x0104, 8192, 192, 10965728),
    # Brainpool (RFC 7027, and RFC 8734 for TLS 1.3)
    Weierstrass(0x001A, ec.BrainpoolP256R1(), 128, until=TLS12),
    Weierstrass(0x001B, ec.BrainpoolP384R1(), 192, until=TLS12),
    Weierstrass(0x001C, ec.BrainpoolP512R1(), 256, until=TLS12),
    Weierstrass(0x001F, ec.BrainpoolP256R1(), 128, since=TLS13),
    Weierstrass(0x0020, ec.BrainpoolP384R1(), 192, since=TLS13),
    Weierstrass(0x0021, ec.BrainpoolP512R1(), 256, since=TLS13),
)
BY_CODE = {group.code: group for group in GROUPS}
BY_NAME = {name: group for group in GROUPS for name in (group.name.lower(), *group.aliases)}  # look up in lower case
DEFAULT = GROUPS[:10]  # OpenSSL 3.5's, and the other hybrids
DEFAULT_SHARES: tuple[Group, ...] = (X25519MLKEM768, X25519)
