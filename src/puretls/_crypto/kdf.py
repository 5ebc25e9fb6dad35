"""Hash functions as TLS uses them, and the key derivation that is built on them alone.

HKDF with TLS 1.3's labels (RFC 5869, RFC 8446 7.1) and the PRFs of TLS 1.0 to 1.2 (RFC 2246 5, RFC 5246 5).  `schedule`
and, before TLS 1.3, the engine decide which secret is derived from which.

HKDF-Expand of one block is one HMAC, and copying a keyed HMAC costs a third of keying one.  So an object that derives
more than once from a secret keeps `digest.mac(secret)` instead of the secret, which no traceback or repr can then show.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


class RunningHash(Protocol):
    """A hash under way, as `Digest.new` starts it."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def copy(self) -> RunningHash: ...
    def finalize(self) -> bytes: ...


class Digest:
    """A hash function, with the constants that the key schedule takes from it."""

    __slots__ = ("_start", "algorithm", "empty", "name", "size", "zeros")

    algorithm: hashes.HashAlgorithm
    _start: RunningHash  # of nothing yet: to copy it is cheaper than to make one

    def __init__(self, name: str, algorithm: hashes.HashAlgorithm) -> None:
        self.algorithm, self.name, self.size = algorithm, name, algorithm.digest_size
        self._start = hashes.Hash(algorithm)
        self.zeros, self.empty = bytes(self.size), self.hash(b"")

    def __repr__(self) -> str:
        return f"<Digest {self.name}>"

    def new(self) -> RunningHash:
        return self._start.copy()

    def hash(self, data: bytes | memoryview) -> bytes:
        running = self._start.copy()
        running.update(data)
        return running.finalize()

    def mac(self, key: bytes) -> HMAC:
        """An HMAC under `key`, to be copied for each use."""
        return HMAC(key, self.algorithm)

    def hmac(self, key: bytes, data: bytes | memoryview) -> bytes:
        mac = HMAC(key, self.algorithm)
        mac.update(data)
        return mac.finalize()

    def derive(self, secret: HMAC, label: dict[int, bytes], digest: bytes) -> bytes:
        """Derive-Secret of a transcript digest (RFC 8446 7.1); `label` is what `secret_label` gave."""
        mac = secret.copy()
        mac.update(label[self.size] + digest + b"\x01")  # HkdfLabel, and HKDF's block counter
        return mac.finalize()


@cache
def without_salt(digest: Digest) -> HMAC:
    """HKDF-Extract without a salt (RFC 5869 2.2), to be copied: under a key of zeros."""
    return digest.mac(digest.zeros)


def copied(keyed: HMAC, data: bytes) -> bytes:
    """The HMAC of this, by a copy."""
    mac = keyed.copy()
    mac.update(data)
    return mac.finalize()


class _Both:
    """MD5 and SHA-1 side by side."""

    __slots__ = ("_md5", "_sha1")

    def __init__(self, md5: RunningHash, sha1: RunningHash) -> None:
        self._md5, self._sha1 = md5, sha1

    def update(self, data: bytes | memoryview, /) -> None:
        self._md5.update(data)
        self._sha1.update(data)

    def copy(self) -> RunningHash:
        return _Both(self._md5.copy(), self._sha1.copy())

    def finalize(self) -> bytes:
        return self._md5.finalize() + self._sha1.finalize()


class _Md5(Digest):
    """MD5, which is not started before it is needed: in FIPS mode there is none, and only TLS 1.0 and 1.1 need it."""

    __slots__ = ()

    def __init__(self, name: str = "md5", size: int = 16) -> None:
        self.algorithm, self.name, self.size = hashes.MD5(), name, size  # noqa: S303 (what TLS 1.0 is made of)

    def new(self) -> RunningHash:
        return hashes.Hash(self.algorithm)

    def hash(self, data: bytes | memoryview) -> bytes:
        running = self.new()
        running.update(data)
        return running.finalize()


class _Md5Sha1(_Md5):
    """The hash of TLS 1.0 and 1.1: it has a transcript and a PRF, but no algorithm of its own and no HMAC."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("md5-sha1", MD5.size + SHA1.size)

    def new(self) -> RunningHash:
        return _Both(MD5.new(), SHA1.new())


MD5 = _Md5()
SHA1 = Digest("sha1", hashes.SHA1())  # noqa: S303 (as above)
SHA224 = Digest("sha224", hashes.SHA224())
SHA256 = Digest("sha256", hashes.SHA256())
SHA384 = Digest("sha384", hashes.SHA384())
SHA512 = Digest("sha512", hashes.SHA512())
MD5_SHA1 = _Md5Sha1()


def hkdf_expand(d: Digest, secret: bytes, info: bytes, n: int) -> bytes:
    """RFC 5869 2.3."""
    if n <= d.size:
        return d.hmac(secret, info + b"\x01")[:n]
    return HKDFExpand(d.algorithm, n, info).derive(secret)


def hkdf_label(label: bytes) -> bytes:
    """The label field of HkdfLabel; computed once for the labels of the key schedule."""
    return bytes((6 + len(label),)) + b"tls13 " + label


def secret_label(label: bytes) -> dict[int, bytes]:
    """HkdfLabel of a secret that depends on a digest, up to that digest, by the size of both."""
    return {n: n.to_bytes(2, "big") + hkdf_label(label) + bytes((n,)) for n in (32, 48)}


def expand_label(d: Digest, secret: bytes, label: bytes, context: bytes, n: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 7.1); ValueError for a label or context too long to be encoded."""
    info = n.to_bytes(2, "big") + hkdf_label(label) + bytes((len(context),)) + context
    return hkdf_expand(d, secret, info, n)


class Prf:
    """The PRF of one secret: TLS 1.2 with `d` (RFC 5246 5), with MD5_SHA1 that of TLS 1.0 and 1.1 (RFC 2246 5)."""

    __slots__ = ("_left", "_right")

    def __init__(self, d: Digest, secret: bytes) -> None:
        self._right: HMAC | None = None
        if d is MD5_SHA1:
            half = (len(secret) + 1) // 2  # an odd length shares its middle byte
            self._left, self._right = MD5.mac(secret[:half]), SHA1.mac(secret[len(secret) - half :])
        else:
            self._left = d.mac(secret)

    def __call__(self, label: bytes, seed: bytes, n: int) -> bytes:
        """The first `n` bytes."""
        a = seed = label + seed
        if self._right is not None:
            output, other = _p_hash(self._left, seed, n), _p_hash(self._right, seed, n)
            return (int.from_bytes(output, "big") ^ int.from_bytes(other, "big")).to_bytes(n, "big")
        output, copy = b"", self._left.copy  # `_p_hash` without the call
        while len(output) < n:
            mac = copy()
            mac.update(a)
            a = mac.finalize()
            mac = copy()
            mac.update(a + seed)
            output += mac.finalize()
        return output[:n]


def prf(d: Digest, secret: bytes, label: bytes, seed: bytes, n: int) -> bytes:
    """The PRF of a secret that is used only once."""
    return Prf(d, secret)(label, seed, n)


def _p_hash(keyed: HMAC, seed: bytes, n: int) -> bytes:
    output, a, copy = b"", seed, keyed.copy
    while len(output) < n:
        mac = copy()
        mac.update(a)
        a = mac.finalize()
        mac = copy()
        mac.update(a + seed)
        output += mac.finalize()
    return output[:n]
