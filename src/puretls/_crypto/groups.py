"""The named groups: key exchange, in which one side makes an offer and the other answers it.

Curves (RFC 7748, RFC 8422), finite fields (RFC 7919) and the ML-KEM hybrids (draft-ietf-tls-ecdhe-mlkem), whose shares
and secrets are two in a row.  A group knows the form of its shares and refuses any other (RFC 8446 4.2.8).  The engine
chooses the group, and knows where a share stands in a message.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from puretls._base.faults import BAD_KEY_SHARE, Abort
from puretls._base.foreign import refuses
from puretls._base.registry import TLS10, TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto import finite_field
from puretls._crypto.finite_field import FiniteField
from puretls._crypto.primitives import attempt

ECDH = ec.ECDH()
load_point = ec.EllipticCurvePublicKey.from_encoded_point


class Offer(Protocol):
    """Our half of a key exchange: a public share, and the private key behind it."""

    public: bytes

    def complete(self, share: bytes) -> bytes:
        """The shared secret with the peer's share."""


class Group(ABC):
    """A group: one row of the table, with what all kinds have in common."""

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
        """The same as for any group, without making an offer first."""
        key = self._generate()
        try:
            secret = key.exchange(self._load(share))  # as MontgomeryOffer
        except BaseException as error:
            if not refuses(error):
                raise
            raise Abort(BAD_KEY_SHARE) from None
        return key.public_key().public_bytes_raw(), secret


class MontgomeryOffer:
    """A scalar and its point."""

    __slots__ = ("_key", "_load", "public")

    def __init__(self, key: X25519PrivateKey | X448PrivateKey, load: Callable[[bytes], Any]) -> None:
        self._key, self._load = key, load
        self.public = key.public_key().public_bytes_raw()

    def complete(self, share: bytes) -> bytes:
        try:
            return self._key.exchange(self._load(share))  # not of a wrong length, nor if it is zero (RFC 8446 7.4.2)
        except BaseException as error:
            if not refuses(error):
                raise
            raise Abort(BAD_KEY_SHARE) from None


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
        numbers, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
        self.public = b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")  # SEC 1 2.3.3

    def complete(self, share: bytes) -> bytes:
        if len(share) != len(self.public) or share[0] != 4:  # cryptography would also load compressed points
            raise Abort(BAD_KEY_SHARE)
        point = attempt(BAD_KEY_SHARE, load_point, self._key.curve, share)  # not if it is off the curve
        return attempt(BAD_KEY_SHARE, self._key.exchange, ECDH, point)


class Ffdhe(Group):
    """The groups of RFC 7919 as TLS 1.3 has them: shares and secrets are as long as p (RFC 8446 4.2.8.1, 7.4.1)."""

    __slots__ = ("size",)

    def __init__(self, code: int, size: int, bits: int) -> None:
        super().__init__(code, f"ffdhe{size}", bits)
        self.size = size

    @property
    def field(self) -> FiniteField:
        """For TLS 1.2; computed when first needed."""
        return finite_field.rfc7919(self.size)

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


class Kem(NamedTuple):
    """ML-KEM (FIPS 203) with the sizes that decide where a share is cut."""

    private: type[MLKEM768PrivateKey | MLKEM1024PrivateKey]
    public: type[MLKEM768PublicKey | MLKEM1024PublicKey]
    key: int
    ciphertext: int

    def encapsulate(self, key: bytes) -> tuple[bytes, bytes]:
        """A new secret for the owner of an encapsulation key, and the ciphertext that contains it."""
        if len(key) != self.key:
            raise Abort(BAD_KEY_SHARE)
        theirs: Any = attempt(BAD_KEY_SHARE, self.public.from_public_bytes, key)  # not if it is not reduced (7.2)
        secret, ciphertext = attempt(BAD_KEY_SHARE, theirs.encapsulate)
        return secret, ciphertext


MLKEM768 = Kem(MLKEM768PrivateKey, MLKEM768PublicKey, 1184, 1088)
MLKEM1024 = Kem(MLKEM1024PrivateKey, MLKEM1024PublicKey, 1568, 1568)


class MlKem(Group):
    """ML-KEM alone (draft-ietf-tls-mlkem): for users who must not have a curve beside it; off unless it is chosen."""

    __slots__ = ("kem",)

    def __init__(self, code: int, name: str, bits: int, kem: Kem) -> None:
        super().__init__(code, name, bits, since=TLS13)
        self.kem = kem

    def offer(self) -> Offer:
        return MlKemOffer(self.kem)

    def answer(self, share: bytes) -> tuple[bytes, bytes]:
        secret, ciphertext = self.kem.encapsulate(share)
        return ciphertext, secret


class MlKemOffer:
    """A decapsulation key and its public half."""

    __slots__ = ("_kem", "_key", "public")

    def __init__(self, kem: Kem) -> None:
        self._kem, self._key = kem, kem.private.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def complete(self, share: bytes) -> bytes:
        if len(share) != self._kem.ciphertext:
            raise Abort(BAD_KEY_SHARE)
        return attempt(BAD_KEY_SHARE, self._key.decapsulate, share)


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
        secret, ciphertext = self.kem.encapsulate(key)
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

    __slots__ = ("_classic", "_group", "_kem", "public")

    def __init__(self, group: Hybrid, classic: Offer) -> None:
        self._group, self._classic, self._kem = group, classic, MlKemOffer(group.kem)
        self.public = group.join(self._kem.public, classic.public)

    def complete(self, share: bytes) -> bytes:
        ciphertext, point = self._group.split(share, self._group.kem.ciphertext)
        return self._group.join(self._kem.complete(ciphertext), self._classic.complete(point))


def offers(groups: Iterable[Group]) -> dict[int, Offer]:
    """One offer per group, for one ClientHello, by the groups' codes.

    A hybrid and its curve alone use the same key pair (draft-ietf-tls-hybrid-design 3.2), which saves generating one.
    """
    lone: dict[Group, Offer] = {}
    found: dict[int, Offer] = {}
    for group in groups:
        curve = group.classic if type(group) is Hybrid else group
        offer = lone.get(curve)
        if offer is None:
            offer = lone[curve] = curve.offer()
        found[group.code] = offer if curve is group else HybridOffer(group, offer)  # type: ignore[arg-type]
    return found


X25519 = Montgomery(0x001D, "x25519", 128, X25519PrivateKey, X25519PublicKey.from_public_bytes)
X448 = Montgomery(0x001E, "x448", 224, X448PrivateKey, X448PublicKey.from_public_bytes)
SECP256R1 = Weierstrass(0x0017, ec.SECP256R1(), 128, "p-256", "prime256v1")
SECP384R1 = Weierstrass(0x0018, ec.SECP384R1(), 192, "p-384")
SECP521R1 = Weierstrass(0x0019, ec.SECP521R1(), 256, "p-521")
X25519MLKEM768 = Hybrid(0x11EC, "X25519MLKEM768", 192, MLKEM768, X25519, 32, kem_first=True)
SECP256R1MLKEM768 = Hybrid(0x11EB, "SecP256r1MLKEM768", 192, MLKEM768, SECP256R1, 65)
SECP384R1MLKEM1024 = Hybrid(0x11ED, "SecP384r1MLKEM1024", 256, MLKEM1024, SECP384R1, 97)
FFDHE2048 = Ffdhe(0x0100, 2048, 112)
FFDHE3072 = Ffdhe(0x0101, 3072, 128)
_FINITE = (FFDHE2048, FFDHE3072, Ffdhe(0x0102, 4096, 128), Ffdhe(0x0103, 6144, 128), Ffdhe(0x0104, 8192, 192))
FINITE = _FINITE if finite_field.AVAILABLE else ()

MODERN: tuple[Group, ...] = (
    X25519MLKEM768,
    SECP256R1MLKEM768,
    SECP384R1MLKEM1024,
    X25519,
    SECP256R1,
    X448,
    SECP384R1,
    SECP521R1,
)
BRAINPOOL = (  # RFC 7027, and RFC 8734 for TLS 1.3
    Weierstrass(0x001A, ec.BrainpoolP256R1(), 128, until=TLS12),
    Weierstrass(0x001B, ec.BrainpoolP384R1(), 192, until=TLS12),
    Weierstrass(0x001C, ec.BrainpoolP512R1(), 256, until=TLS12),
    Weierstrass(0x001F, ec.BrainpoolP256R1(), 128, since=TLS13),
    Weierstrass(0x0020, ec.BrainpoolP384R1(), 192, since=TLS13),
    Weierstrass(0x0021, ec.BrainpoolP512R1(), 256, since=TLS13),
)
PURE_KEMS: tuple[Group, ...] = (MlKem(0x0201, "MLKEM768", 192, MLKEM768), MlKem(0x0202, "MLKEM1024", 256, MLKEM1024))
GROUPS: tuple[Group, ...] = (*MODERN, *PURE_KEMS, *FINITE, *BRAINPOOL)
BY_CODE = {group.code: group for group in GROUPS}
BY_NAME = {name: group for group in GROUPS for name in (group.name.lower(), *group.aliases)}  # look up in lower case
DEFAULT = (*MODERN, *FINITE[:2])  # OpenSSL 3.5's, and the other hybrids
DEFAULT_SHARES: tuple[Group, ...] = (X25519MLKEM768, X25519)
