"""RSA key exchange tells nobody what was wrong with a ciphertext (RFC 5246 7.4.7.1: Bleichenbacher, ROBOT).

Whether the padding, the length or the version of the premaster secret is bad, the same happens at the same place: the
client's Finished does not open.  Project Wycheproof's vectors, and ciphertexts of ours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from puretls._base import faults
from puretls._base.registry import CLIENT_KEY_EXCHANGE, TLS10, TLS12
from puretls._engine import server12
from puretls._engine.config import Credential
from puretls._engine.policy import CERT_NONE
from puretls._engine.requests import PskClientRequest, PskServerRequest
from puretls._wire.codec import vec16
from support import vectors
from support.pair import NOW, SERVER, Pair, client_config, identity, instead, message, server_config, suite

FAILED = (SERVER, faults.DECRYPTION_FAILED)


@cache
def credential(key: RSAPrivateKey) -> Credential:
    day = dt.datetime.fromtimestamp(NOW, dt.timezone.utc)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(day)
        .not_valid_after(day)
        .sign(key, hashes.SHA256())
    )
    return Credential([certificate.public_bytes(Encoding.DER)], key, key.public_key(), "RSA")


def pair_with(owner: Credential, name: str = "AES128-GCM-SHA256", version: int = TLS12) -> Pair:
    common = {"versions": (version,), "suites": (suite(name),), "security_level": 0}
    return Pair(
        client_config(verify_mode=CERT_NONE, check_hostname=False, psk_client=True, **common),
        server_config(credentials=(owner,), psk_server=True, **common),
        answers={PskClientRequest: (b"who", b"key"), PskServerRequest: b"key"},
    )


def seen(pair: Pair, ciphertext: bytes) -> tuple[object, list[str]]:
    """All that depends on a client's ciphertext: the failure, which `refusal` sees arrive, and the states before it."""
    prefix = b"" if "PSK" not in pair.server.config.suites[0].kx else vec16(b"who")
    pair.client.wire["ClientKeyExchange"] = instead(message(CLIENT_KEY_EXCHANGE, prefix + vec16(ciphertext)))
    states: list[str] = []

    def run() -> None:
        states.extend(f"{side.name} {type(side.state).__name__}" for side in pair.steps())

    return pair.refusal(run), states


def wycheproof() -> list[tuple[RSAPrivateKey, bytes, str]]:
    found = []
    for group in vectors.wycheproof("rsa_pkcs1_2048"):
        key = load_der_private_key(bytes.fromhex(group["privateKeyPkcs8"]), None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, RSAPrivateKey)
        found.extend((key, bytes.fromhex(case["ct"]), case["comment"]) for case in group["tests"])
    return found


def test_wycheproof():
    """None of their messages is a premaster secret: valid and invalid padding look the same from outside."""
    views = {}
    cases = wycheproof()
    for key, ciphertext, comment in cases:
        if ciphertext:
            views[comment] = seen(pair_with(credential(key)), ciphertext)
        else:  # that is a length, and no secret
            assert seen(pair_with(credential(key)), b"")[0] == (SERVER, faults.LENGTH_MISMATCH)
    assert len(cases) > 60
    first = next(iter(views.values()))
    assert first[0] == FAILED
    for comment, view in views.items():
        assert view == first, comment


def padded(prefix: bytes, secret: bytes, *, zero: bytes = b"\x00") -> bytes:
    """EME-PKCS1-v1_5 (RFC 8017 7.2.1) for 2048 bits, with whatever is wrong, encrypted."""
    fill = b"\x5a" * (256 - len(prefix) - len(zero) - len(secret))
    numbers = identity("RSA").public_key.public_numbers()
    encoded = int.from_bytes(prefix + fill + zero + secret, "big")
    return pow(encoded, numbers.e, numbers.n).to_bytes(256, "big")


MADE: dict[str, Callable[[bytes], bytes]] = {
    "a wrong version": lambda secret: b"\x03\x02" + secret[2:],
    "the version of the future": lambda secret: b"\x03\x04" + secret[2:],
    "no version": lambda _: bytes(48),
    "a byte less": lambda secret: secret[:-1],
    "a byte more": lambda secret: secret + b"x",
    "nothing": lambda _: b"",
    "one byte": lambda _: b"\x03",
    "as much as fits": lambda secret: secret + bytes(197),
    "another secret": lambda secret: secret[:2] + bytes(46),
}


@pytest.mark.parametrize(
    ("name", "version"),
    [("AES128-GCM-SHA256", TLS12), ("AES128-SHA", TLS12), ("AES128-SHA", TLS10), ("RSA-PSK-AES128-GCM-SHA256", TLS12)],
)
def test_whatever_is_wrong_fails_alike(name, version):
    """Good padding around something else, and bad padding, beside each other."""
    owner = identity("RSA")
    secret = version.to_bytes(2, "big") + bytes(range(46))

    def encrypt(data: bytes) -> bytes:
        sealed: Any = owner.public_key.encrypt(data, PKCS1v15())
        return bytes(sealed)

    ciphertexts = {what: encrypt(change(secret)) for what, change in MADE.items()}
    good = encrypt(secret)
    ciphertexts |= {
        "garbage": bytes(255) + b"\x01",
        "the first byte": padded(b"\x01\x02", secret),
        "the block type": padded(b"\x00\x01", secret),
        "no zero": padded(b"\x00\x02", secret, zero=b"\x5a"),
        "a zero in the first eight bytes": padded(b"\x00\x02\x5a\x00", secret),
        "zeros": bytes(256),
        "the modulus": owner.public_key.public_numbers().n.to_bytes(256, "big"),
        "more than the modulus": b"\xff" * 256,
        "a turned bit": good[:-1] + bytes((good[-1] ^ 1,)),
        "a byte short": good[1:],
        "a byte long": b"\x00" + good,
        "one byte alone": b"\x01",
    }
    views = {what: seen(pair_with(owner, name, version), ciphertext) for what, ciphertext in ciphertexts.items()}
    first = views["garbage"]
    assert first[0] == FAILED
    for what, view in views.items():
        assert view == first, what


def test_the_right_secret_still_works():
    """Else the tests above would pass for a server that never decrypts."""
    pair = pair_with(identity("RSA")).handshake().echo()
    assert pair.server.suite is suite("AES128-GCM-SHA256")


def test_the_version_of_the_offer_counts_and_not_the_chosen_one():
    """RFC 5246 7.4.7.1: it protects against a rollback."""
    common = {"suites": (suite("AES128-SHA"),), "security_level": 0}
    pair = Pair(
        client_config(versions=(TLS12, 0x0302), verify_mode=CERT_NONE, check_hostname=False, **common),
        server_config(versions=(0x0302,), credentials=(identity("RSA"),), **common),
    )
    pair.handshake().echo()
    assert pair.server.version == 0x0302


@pytest.mark.parametrize("length", [0, 4, 47, 48, 49])
def test_what_decrypts_to_another_length_is_replaced(length):
    """The premaster secret is the one sent only if length and version are right; else another each time."""
    pair = pair_with(identity("RSA"))
    pair.server.draft.own_credential = identity("RSA")
    secret = (b"\x03\x03" + b"s" * 47)[:length]
    ciphertext = identity("RSA").public_key.encrypt(secret, PKCS1v15())
    found = {server12._decrypt(pair.server, TLS12, ciphertext) for _ in range(20)}
    assert {len(one) for one in found} == {48}
    assert found == {secret} if length == 48 else len(found) == 20


class Telling:
    """A key whose library says what was wrong with a ciphertext, as OpenSSL did before 3.2."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self.key, self.asked = key, 0

    def decrypt(self, ciphertext: bytes, padding: PKCS1v15) -> bytes:
        self.asked += 1
        number = pow(int.from_bytes(ciphertext, "big"), *self.exponent())
        block = number.to_bytes(256, "big")
        if block[:2] != b"\x00\x02" or 0 not in block[10:]:
            raise ValueError("Decryption failed")
        return self.key.decrypt(ciphertext, padding)

    def exponent(self) -> tuple[int, int]:
        numbers = self.key.private_numbers()
        return numbers.d, numbers.public_numbers.n

    def sign(self, *arguments: Any) -> bytes:
        return self.key.sign(*arguments)


@pytest.mark.parametrize("name", ["AES128-GCM-SHA256", "RSA-PSK-AES128-GCM-SHA256"])
def test_no_static_rsa_with_a_library_that_tells(name: str) -> None:
    own = credential(identity("RSA").key)
    telling = Telling(own.key)
    owner = Credential(own.ders, telling, own.public_key, "RSA")
    for _ in range(3):
        assert pair_with(owner, name).refusal() == (SERVER, faults.NO_SHARED_CIPHER)
    assert telling.asked == 1  # it was tried once
    ephemeral = pair_with(owner, "ECDHE-RSA-AES128-GCM-SHA256")
    ephemeral.handshake()  # what needs no decryption works


def test_static_rsa_with_a_library_that_does_not_tell() -> None:
    pair_with(credential(identity("RSA").key)).handshake()
