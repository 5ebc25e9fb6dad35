"""The table of cipher suites against the interpreter's own OpenSSL, field by field."""

from __future__ import annotations

import os
import ssl
import warnings

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from puretls._crypto import suites
from puretls._crypto.suites import BY_CODE, BY_NAME, SUITES, Aead, Block

PROTOCOLS = {0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
KX = {"ECDHE": "ECDH", "DHE": "DH", "ANY": "any"}  # where description and kea differ in spelling
AUTH = {"NULL": "None", "ANY": "any"}
ABSENT = ("DSS", "SRP", "ARIA", "DES", "SEED", "IDEA", "RC4", "RC2", "GOST", "MAGMA", "KUZNYECHIK", "SM4", "ECDH-")


def theirs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {entry["id"] & 0xFFFF: entry for entry in context.get_ciphers()}


THEIRS = theirs()


def described(suite):
    mac = "AEAD" if suite.mac is None else suite.mac.name.upper()
    protocol = PROTOCOLS[suite.since].replace("TLSv1.0", "TLSv1")
    kx = KX.get(suite.kx, suite.kx.replace("_", ""))
    auth = AUTH.get(suite.auth, suite.auth)
    return [suite.openssl, protocol, f"Kx={kx}", f"Au={auth}", f"Enc={suite.cipher.name}", f"Mac={mac}"]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_row_agrees_with_openssl(suite):
    entry = THEIRS.get(suite.code)
    if entry is None:
        pytest.skip("not in this interpreter's OpenSSL")
    assert {
        "name": suite.openssl,
        "protocol": PROTOCOLS[suite.since],
        "alg_bits": suite.cipher.key * 8,
        "aead": suite.mac is None,
        "symmetric": suite.cipher.symmetric,
        "digest": suite.mac and suite.mac.name,
        "kea": "kx-" + suite.kx.lower().replace("_", "-"),
        "auth": "auth-" + suite.auth.lower(),
    }.items() <= entry.items()
    assert described(suite) == entry["description"].split()


def test_nothing_is_missing():
    missing = [entry["name"] for code, entry in THEIRS.items() if code not in BY_CODE]
    assert [name for name in missing if not any(word in name for word in ABSENT)] == []


def test_hash_follows_the_name():
    # RFC 5246 5: SHA-256 unless the suite says otherwise, as those ending in SHA384 do
    for suite in SUITES:
        assert suite.hash.name == ("sha384" if suite.name.endswith("SHA384") else "sha256")


def test_indexes():
    assert [suite.code for suite in SUITES] == sorted(BY_CODE)
    assert BY_NAME["ECDHE-RSA-AES128-GCM-SHA256"] is BY_NAME["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    assert {suite.code for suite in SUITES if suite.since == 0x0304} == {0x1301, 0x1302, 0x1303, 0x1304, 0x1305}
    assert BY_NAME["AECDH-AES128-SHA"].auth == suites.ANON


@pytest.mark.parametrize(
    "cipher", {suite.cipher.name: suite.cipher for suite in SUITES}.values(), ids=lambda cipher: cipher.name
)
def test_cipher_works(cipher):
    key = os.urandom(cipher.key)
    if isinstance(cipher, Aead):
        assert len(cipher.make(key).encrypt(bytes(12), b"data", b"")) == 4 + cipher.tag
    elif isinstance(cipher, Block):
        algorithm = cipher.algorithm(key)
        assert (algorithm.block_size, algorithm.key_size) == (cipher.block * 8, cipher.key * 8)
        assert len(Cipher(algorithm, modes.CBC(bytes(cipher.block))).encryptor().update(bytes(32))) == 32
    else:
        assert cipher.key == 0
