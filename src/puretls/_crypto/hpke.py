"""Hybrid public-key encryption, base mode (RFC 9180), with which Encrypted Client Hello seals its inner hello.

A sender makes an encapsulated secret for a receiver's public key, and both derive a context from it: a key, a base
nonce and a sequence number.  `cryptography` has the single-shot form only, and ECH seals twice under one context after
a HelloRetryRequest, so the key schedule (RFC 9180 5.1) is here, over its primitives.

Adding a KEM, a KDF or an AEAD is one row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from puretls._base.foreign import refuses
from puretls._base.tuples import NamedTuple
from puretls._crypto.kdf import SHA256, SHA384, SHA512, Digest, copied, hkdf_expand, without_salt

NONCE, TAG = 12, 16  # bytes, of all three AEADs
LAST = (1 << 8 * NONCE) - 1  # sequence number (RFC 9180 5.2)


class HpkeError(ValueError):
    """A key, an encapsulated secret or a ciphertext is wrong."""


def _extract(d: Digest, suite: bytes, label: bytes, ikm: bytes) -> bytes:
    """LabeledExtract without a salt (RFC 9180 4)."""
    return copied(without_salt(d), b"HPKE-v1" + suite + label + ikm)


def _info(suite: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """What LabeledExpand expands a secret with (RFC 9180 4)."""
    return size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info


class Labels(NamedTuple):
    """What the key schedule (RFC 9180 5.1) takes besides the shared secret: no secret, and ready for HMAC."""

    suite: bytes
    secret: bytes
    key: bytes
    nonce: bytes
    exporter: bytes


@lru_cache(64)
def _labels(kem: int, kdf: int, aead: int, info: bytes) -> Labels:
    """The same for all that is sealed for one configuration."""
    d, size = KDFS[kdf], AEADS[aead][1]
    suite = b"HPKE" + b"".join(code.to_bytes(2, "big") for code in (kem, kdf, aead))
    context = b"\x00" + _extract(d, suite, b"psk_id_hash", b"") + _extract(d, suite, b"info_hash", info)
    return Labels(
        suite,
        b"HPKE-v1" + suite + b"secret",
        _info(suite, b"key", context, size) + b"\x01",
        _info(suite, b"base_nonce", context, NONCE) + b"\x01",
        _info(suite, b"exp", context, d.size) + b"\x01",
    )


class Kem:
    """A key encapsulation mechanism of Diffie-Hellman (RFC 9180 4.1); X25519 or a curve of NIST's."""

    __slots__ = ("_curve", "_digest", "_how", "_prk_label", "_secret_label", "_size", "code", "name", "public_size")

    def __init__(
        self, code: int, name: str, digest: Digest, size: int, public_size: int, curve: ec.EllipticCurve | None
    ) -> None:
        self.code, self.name, self.public_size = code, name, public_size
        self._digest, self._size, self._curve = digest, size, curve
        self._how = () if curve is None else (ec.ECDH(),)
        suite = b"KEM" + code.to_bytes(2, "big")
        self._prk_label, self._secret_label = b"HPKE-v1" + suite + b"eae_prk", _info(suite, b"shared_secret", b"", size)

    def __repr__(self) -> str:
        return f"<Kem {self.name}>"

    def generate(self) -> Any:
        """A private key of `cryptography`."""
        return X25519PrivateKey.generate() if self._curve is None else ec.generate_private_key(self._curve)

    def owns(self, key: Any) -> bool:
        """Whether a private key is of this kind."""
        if self._curve is None:
            return isinstance(key, X25519PrivateKey)
        return isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == self._curve.name

    def public_bytes(self, key: Any) -> bytes:
        """The public half of a private key, serialized."""
        public = key.public_key()
        if self._curve is None:
            return bytes(public.public_bytes_raw())
        return bytes(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def _load(self, public: bytes) -> Any:
        """A public key of `cryptography`."""
        if len(public) != self.public_size or (self._curve is not None and public[0] != 4):
            raise HpkeError(f"no public key of {self.name}")
        try:
            if self._curve is None:
                return X25519PublicKey.from_public_bytes(public)
            return ec.EllipticCurvePublicKey.from_encoded_point(self._curve, public)
        except BaseException as error:
            if not refuses(error):
                raise
            raise HpkeError(f"no public key of {self.name}") from None

    _known = lru_cache(64)(_load)  # of configurations: many hellos are sealed for each

    def _exchange(self, key: Any, public: bytes, load: Callable[[Any, bytes], Any] = _load) -> bytes:
        other = load(self, public)
        try:
            return bytes(key.exchange(*self._how, other))  # not if it is zero
        except BaseException as error:
            if not refuses(error):
                raise
            raise HpkeError(f"no public key of {self.name}") from None

    def _secret(self, shared: bytes, context: bytes) -> bytes:
        """ExtractAndExpand (RFC 9180 4.1)."""
        d = self._digest
        prk = copied(without_salt(d), self._prk_label + shared)
        return hkdf_expand(d, prk, self._secret_label + context, self._size)

    def encapsulate(self, public: bytes, generate: Callable[[], Any] | None = None) -> tuple[bytes, bytes]:
        """A shared secret for the owner of a public key, and its encapsulation."""
        own = self.generate() if generate is None else generate()
        enc = self.public_bytes(own)
        return self._secret(self._exchange(own, public, Kem._known), enc + public), enc

    def decapsulate(self, enc: bytes, key: Any, public: bytes | None = None) -> bytes:
        """The shared secret that was encapsulated for our key; `public` is its public half, where that is known."""
        return self._secret(self._exchange(key, enc), enc + (self.public_bytes(key) if public is None else public))


KEMS = {
    kem.code: kem
    for kem in (
        Kem(0x0010, "P-256", SHA256, 32, 65, ec.SECP256R1()),
        Kem(0x0011, "P-384", SHA384, 48, 97, ec.SECP384R1()),
        Kem(0x0012, "P-521", SHA512, 64, 133, ec.SECP521R1()),
        Kem(0x0020, "X25519", SHA256, 32, 32, None),
    )
}
KDFS: dict[int, Digest] = {1: SHA256, 2: SHA384, 3: SHA512}
AEADS: dict[int, tuple[type[AESGCM | ChaCha20Poly1305], int]] = {
    1: (AESGCM, 16),
    2: (AESGCM, 32),
    3: (ChaCha20Poly1305, 32),
}


class Context:
    """What both sides derive from the shared secret (RFC 9180 5): seals or opens, one message after the other."""

    __slots__ = ("_aead", "_base", "_digest", "_labels", "_secret", "_sequence")

    def __init__(self, kem: Kem, kdf: int, aead: int, shared: bytes, info: bytes) -> None:
        """Mode 0, without a pre-shared key.  HpkeError for a KDF or an AEAD that is not in the table."""
        if kdf not in KDFS or aead not in AEADS:
            raise HpkeError(f"KDF {kdf:#06x} with AEAD {aead:#06x}")
        self._digest = d = KDFS[kdf]
        kind, size = AEADS[aead]
        self._labels = labels = _labels(kem.code, kdf, aead, info)
        self._secret = secret = d.mac(d.hmac(shared, labels.secret))
        self._aead = kind(copied(secret, labels.key)[:size])
        self._base = int.from_bytes(copied(secret, labels.nonce)[:NONCE], "big")
        self._sequence = 0

    def __repr__(self) -> str:
        return f"<Context {self._labels.suite[4:].hex()}>"

    def _nonce(self) -> bytes:
        """The next nonce; each is used once, as the number is consumed before anything is sealed or opened."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        if sequence > LAST:
            raise HpkeError("the sequence numbers have run out")
        return (self._base ^ sequence).to_bytes(NONCE, "big")

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        """ContextS.Seal (RFC 9180 5.2)."""
        return self._aead.encrypt(self._nonce(), plaintext, aad)

    def open(self, aad: bytes, ciphertext: bytes) -> bytes:
        """ContextR.Open (RFC 9180 5.2); HpkeError if it was not sealed by the other side as the next one.

        A message that does not open takes no number: whoever sends rubbish cannot move the receiver's sequence.
        """
        sequence = self._sequence
        try:
            return self._aead.decrypt(self._nonce(), ciphertext, aad)
        except BaseException as error:
            if not refuses(error):
                raise
            self._sequence = sequence
            raise HpkeError("it does not open") from None

    def export(self, context: bytes, size: int) -> bytes:
        """Context.Export (RFC 9180 5.3)."""
        d = self._digest
        exporter = copied(self._secret, self._labels.exporter)
        return hkdf_expand(d, exporter, _info(self._labels.suite, b"sec", context, size), size)


def sender(
    kem: Kem, kdf: int, aead: int, public: bytes, info: bytes, generate: Callable[[], Any] | None = None
) -> tuple[bytes, Context]:
    """SetupBaseS (RFC 9180 5.1.1): the encapsulated secret, to be sent, and the context to seal with."""
    shared, enc = kem.encapsulate(public, generate)
    return enc, Context(kem, kdf, aead, shared, info)


def receiver(kem: Kem, kdf: int, aead: int, enc: bytes, key: Any, info: bytes) -> Context:
    """SetupBaseR (RFC 9180 5.1.1): the context to open with.  HpkeError for an `enc` that is no public key."""
    return Context(kem, kdf, aead, kem.decapsulate(enc, key), info)
