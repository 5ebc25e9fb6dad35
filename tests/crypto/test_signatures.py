"""Signature schemes: what is signed verifies, and nobody signs what the version or the key forbids."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, Hash

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._crypto import signatures
from puretls._crypto.signatures import BEFORE12, BY_CODE, BY_NAME, SCHEMES, key_kind, usable

TLS10, TLS11, TLS12, TLS13 = 0x0301, 0x0302, 0x0303, 0x0304
MAKERS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpoolP256": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "ED25519": ed25519.Ed25519PrivateKey.generate,
    "ED448": ed448.Ed448PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}


@cache
def key(name):
    return MAKERS[name]()


def key_for(scheme):
    name = {"secp384r1": "P-384", "secp521r1": "P-521"}.get(scheme.curve, "P-256")
    return key({"EC": name, "RSA-PSS": "RSA"}.get(scheme.key, scheme.key))


def names(private_key, version, kind=""):
    public = private_key.public_key()
    return {scheme.name for scheme in (*SCHEMES, *BEFORE12.values()) if usable(scheme, public, version, kind)}


@pytest.mark.parametrize("scheme", [*SCHEMES, BEFORE12["RSA"]], ids=lambda scheme: scheme.name)
def test_sign_and_verify(scheme):
    private = key_for(scheme)
    public, data = private.public_key(), b"what is signed"
    signature = signatures.sign(scheme, private, data)
    signatures.verify(scheme, public, signature, data)
    flipped = signature[:-1] + bytes((signature[-1] ^ 1,))
    for bad, said in ((signature, b"something else"), (flipped, data), (b"", data), (signature + b"\x00", data)):
        with pytest.raises(Abort) as caught:
            signatures.verify(scheme, public, bad, said)
        assert caught.value.fault is faults.BAD_SIGNATURE


def test_schemes_of_one_key_are_not_interchangeable():
    private, data = key("RSA"), b"what is signed"
    for scheme in SCHEMES:
        if scheme.name.startswith("rsa") and scheme.name != "rsa_pkcs1_sha256":
            with pytest.raises(Abort):
                signatures.verify(
                    BY_NAME["rsa_pkcs1_sha256"], private.public_key(), signatures.sign(scheme, private, data), data
                )


def test_the_rsa_signature_of_tls10_is_md5_and_sha1_without_digest_info():
    # RFC 4346 4.7: EMSA-PKCS1-v1_5 padding around 36 bytes
    private, numbers = key("RSA"), key("RSA").public_key().public_numbers()
    signature = signatures.sign(BEFORE12["RSA"], private, b"data")
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    digest = Hash.hash(MD5(), b"data") + Hash.hash(SHA1(), b"data")
    assert block == b"\x00\x01" + b"\xff" * (256 - 3 - 36) + b"\x00" + digest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RSA", {"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"}),
        ("P-256", {"ecdsa_secp256r1_sha256"}),
        ("P-384", {"ecdsa_secp384r1_sha384"}),
        ("P-521", {"ecdsa_secp521r1_sha512"}),
        ("brainpoolP256", {"ecdsa_brainpoolP256r1tls13_sha256"}),
        ("ED25519", {"ed25519"}),
        ("ED448", {"ed448"}),
        ("ML-DSA-44", {"mldsa44"}),
        ("ML-DSA-65", {"mldsa65"}),
        ("ML-DSA-87", {"mldsa87"}),
    ],
)
def test_usable_in_tls13(name, expected):
    assert names(key(name), TLS13) == expected


def test_usable_in_tls12():
    rsa_names = {scheme.name for scheme in SCHEMES if scheme.key == "RSA"}
    assert names(key("RSA"), TLS12) == rsa_names
    assert {"rsa_pkcs1_sha1", "rsa_pss_rsae_sha256"} < rsa_names
    ecdsa = {
        "ecdsa_secp256r1_sha256",
        "ecdsa_secp384r1_sha384",
        "ecdsa_secp521r1_sha512",
        "ecdsa_sha224",
        "ecdsa_sha1",
    }
    for name in ("P-256", "P-384", "P-521", "brainpoolP256"):  # the curve is open, the hash is not bound to it
        assert names(key(name), TLS12) == ecdsa
    assert names(key("ED25519"), TLS12) == {"ed25519"}
    assert names(key("ML-DSA-65"), TLS12) == set()


@pytest.mark.parametrize("version", [TLS10, TLS11])
def test_usable_before_tls12(version):
    assert names(key("RSA"), version) == {"rsa_md5_sha1"}
    assert names(key("P-384"), version) == {"ecdsa_sha1"}
    for name in ("ED25519", "ED448", "ML-DSA-44"):
        assert names(key(name), version) == set()


def test_rsa_pss_keys_sign_with_pss_pss_only():
    expected = {"rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512"}
    kind = key_kind(key("RSA").public_key(), "1.2.840.113549.1.1.10")
    assert kind == "RSA-PSS"
    assert names(key("RSA"), TLS13, kind) == names(key("RSA"), TLS12, kind) == expected
    assert names(key("RSA"), TLS11, kind) == set()


def test_a_certificate_tells_rsa_pss_keys(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program")
    command = [openssl, "req", "-x509", "-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-nodes"]
    command += ["-keyout", tmp_path / "key.pem", "-subj", "/CN=pss"]
    made = subprocess.run(command, check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate(made.stdout)
    public = certificate.public_key()
    assert key_kind(public) == "RSA"
    assert key_kind(public, certificate.public_key_algorithm_oid.dotted_string) == "RSA-PSS"


def test_small_rsa_keys_cannot_hold_long_pss():
    small = rsa.generate_private_key(65537, 1024)
    assert names(small, TLS13) == {"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384"}
    for name in names(small, TLS12):
        assert len(signatures.sign(BY_NAME[name], small, b"data")) == 128
    with pytest.raises(ValueError, match="too long"):
        signatures.sign(BY_NAME["rsa_pss_rsae_sha512"], small, b"data")


def test_kinds():
    for name in MAKERS:
        kind = "EC" if name[0] in "Pb" else name
        assert key_kind(key(name)) == key_kind(key(name).public_key()) == kind
    assert key_kind(dsa.generate_private_key(1024)) == ""
    assert key_kind(object()) == ""


def test_table():
    assert len(BY_CODE) == len(SCHEMES) + len(signatures.OF_CLIENTS)
    for scheme in signatures.OF_CLIENTS:  # RFC 9963 3
        same = BY_CODE[signatures.SAME_AS[scheme.code]]
        assert (scheme.tls13, scheme.tls12, scheme.digest) == (True, False, same.digest)
        assert scheme.parameters[1] is same.parameters[1]
    assert BY_NAME["ecdsa+sha256"].code == 0x0403
    assert BY_NAME["rsa-pss+sha256"] is BY_NAME["pss+sha256"] is BY_CODE[0x0804]
    assert BY_NAME["rsa+sha1"] is BY_CODE[0x0201]
    assert {scheme.name for scheme in signatures.DEFAULT if scheme.bits < 80} == {"rsa_pkcs1_sha1", "ecdsa_sha1"}
    assert BY_NAME["ecdsa_brainpoolp256r1tls13_sha256"].code == 0x081A
    for scheme in SCHEMES:  # RFC 8446 4.2.3: no SHA-1, SHA-224 or PKCS#1 in CertificateVerify
        assert scheme.tls13 == (not scheme.name.endswith(("sha1", "sha224")) and "pkcs1" not in scheme.name)
