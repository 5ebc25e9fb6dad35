"""PRF, HKDF and hashes against published and independent answers."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._crypto import kdf

DIGESTS = [kdf.MD5, kdf.SHA1, kdf.SHA224, kdf.SHA256, kdf.SHA384, kdf.SHA512]

# The answers (their first 55 bytes) for label "test label" that circulate on the TLS working group's list, one per hash
PRF12 = {
    kdf.SHA256: (
        "9bbe436ba940f017b17652849a71db35",
        "a0ba9f936cda311827a6f796ffd5198c",
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def",
    ),
    kdf.SHA384: (
        "b80b733d6ceefcdc71566ea48e5567df",
        "cd665cf6a8447dd6ff8b27555edb7465",
        "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb400fed27",
    ),
}


@pytest.mark.parametrize("d", PRF12, ids=lambda d: d.name)
def test_prf_of_tls12(d):
    secret, seed, answer = (bytes.fromhex(part) for part in PRF12[d])
    assert kdf.prf(d, secret, b"test label", seed, len(answer)) == answer


def independent_p_hash(name, secret, seed, n):
    out, a = b"", seed
    while len(out) < n:
        a = hmac.new(secret, a, name).digest()
        out += hmac.new(secret, a + seed, name).digest()
    return out[:n]


@given(secret=st.binary(max_size=65), seed=st.binary(max_size=64), n=st.integers(0, 130))
def test_prf_of_tls10(secret, seed, n):
    half = -(-len(secret) // 2)
    left = independent_p_hash("md5", secret[:half], b"label" + seed, n)
    right = independent_p_hash("sha1", secret[len(secret) - half :], b"label" + seed, n)
    expected = bytes(a ^ b for a, b in zip(left, right, strict=True))
    assert kdf.prf(kdf.MD5_SHA1, secret, b"label", seed, n) == expected


@pytest.mark.parametrize("d", DIGESTS, ids=lambda d: d.name)
def test_digest(d):
    assert d.hash(b"data") == hashlib.new(d.name, b"data").digest()
    assert d.hmac(b"key", b"data") == hmac.new(b"key", b"data", d.name).digest()
    assert d.hash(b"") == hashlib.new(d.name).digest()
    if d is not kdf.MD5:  # which the key schedule of TLS 1.3 has no use for
        assert d.empty == d.hash(b"")
        assert d.zeros == bytes(d.size)
    assert len(d.hash(b"")) == d.size


def test_md5_sha1():
    running = kdf.MD5_SHA1.new()
    running.update(b"da")
    fork = running.copy()
    running.update(b"ta")
    assert running.finalize() == hashlib.md5(b"data").digest() + hashlib.sha1(b"data").digest()
    assert fork.finalize() == kdf.MD5_SHA1.hash(b"da")
    assert kdf.MD5_SHA1.size == 36


def test_hkdf():
    # RFC 5869 A.1
    secret = kdf.SHA256.hmac(bytes(range(13)), b"\x0b" * 22)  # HKDF-Extract
    assert secret.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    assert kdf.hkdf_expand(kdf.SHA256, secret, bytes(range(0xF0, 0xFA)), 42).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@pytest.mark.parametrize("n", [0, 12, 32, 33, 255 * 32])
def test_expand_is_a_prefix_of_a_longer_one(n):
    secret = bytes(32)
    assert kdf.hkdf_expand(kdf.SHA256, secret, b"info", n) == kdf.hkdf_expand(kdf.SHA256, secret, b"info", 8160)[:n]


def test_expand_label_refuses_what_cannot_be_encoded():
    assert len(kdf.expand_label(kdf.SHA256, bytes(32), b"x" * 249, b"y" * 255, 32)) == 32
    for label, context, n in ((b"x" * 250, b"", 32), (b"", b"y" * 256, 32), (b"", b"", 8161)):
        with pytest.raises(ValueError):
            kdf.expand_label(kdf.SHA256, bytes(32), label, context, n)


WITHOUT_MD5 = """
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

Hash = hashes.Hash

def fips(algorithm, *arguments):
    if isinstance(algorithm, hashes.MD5):
        raise UnsupportedAlgorithm("md5")
    return Hash(algorithm, *arguments)

hashes.Hash = fips
import puretls
one, other = puretls.MemoryBIO(), puretls.MemoryBIO()
try:
    puretls.create_default_context().wrap_bio(one, other, server_hostname="localhost").do_handshake()
except puretls.SSLWantReadError:
    print(other.pending)
"""


def test_where_md5_is_forbidden_the_rest_works():
    """In FIPS mode `cryptography` refuses to begin one; X25519 and ChaCha20 too, but those can be switched off."""
    answer = subprocess.run([sys.executable, "-c", WITHOUT_MD5], capture_output=True, text=True, check=False)
    assert int(answer.stdout or 0) > 200, answer.stderr
