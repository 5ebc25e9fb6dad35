"""RSA key exchange gives nothing away (Bleichenbacher, ROBOT; RFC 5246 7.4.7.1).

Whatever is wrong inside a ClientKeyExchange, the server goes on with a random premaster secret, and fails where every
wrong secret fails: when Finished does not decrypt. Same fault, same alert, same message after which it comes.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import load_der_private_key

from pair import HOST, SERVER, Pair, body, client_config, identity, message, server_config, store, suite
from puretls._base import faults
from puretls._base.registry import TLS12
from puretls._engine import server12
from puretls._wire.codec import vec16

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "wycheproof" / "rsa_pkcs1_2048.json.gz"
VERSION = b"\x03\x03"


def pair() -> Pair:
    common: dict[str, Any] = {"versions": (TLS12,), "suites": (suite("AES128-GCM-SHA256"),), "security_level": 0}
    return Pair(
        client_config(store=store("RSA"), **common), server_config(credentials=(identity("RSA"),), **common), host=HOST
    )


def padded(prefix: bytes = b"\x00\x02", *, zero: bytes = b"\x00", secret: bytes = VERSION + bytes(46)) -> bytes:
    """EME-PKCS1-v1_5 (RFC 8017 7.2.1) for 2048 bits, with whatever is wrong, encrypted."""
    fill = b"\x5a" * (256 - len(prefix) - len(zero) - len(secret))
    numbers = identity("RSA").public_key.public_numbers()
    encoded = int.from_bytes(prefix + fill + zero + secret, "big")
    return pow(encoded, numbers.e, numbers.n).to_bytes(256, "big")


BROKEN = {
    "another secret": padded(),
    "the first byte": padded(b"\x01\x02"),
    "the block type": padded(b"\x00\x01"),
    "no zero": padded(zero=b"\x5a"),
    "a zero in the first eight bytes": padded(b"\x00\x02\x5a\x00"),
    "a short secret": padded(secret=VERSION + bytes(45)),
    "a long secret": padded(secret=VERSION + bytes(47)),
    "no secret": padded(secret=b""),
    "the version": padded(secret=b"\x03\x02" + bytes(46)),
    "all zeros": bytes(256),
    "not below the modulus": b"\xff" * 256,
    "a byte missing": padded()[1:],
    "a byte too much": b"\x00" + padded(),
    "one byte": b"x",
}


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_is_wrong_fails_alike(what: str) -> None:
    joined = pair()
    joined.client.wire["ClientKeyExchange"] = body(lambda _: vec16(BROKEN[what]))
    last: list[str] = []
    joined.client.wire["Finished"] = lambda raw: last.append("Finished") or raw
    assert joined.refusal() == (SERVER, faults.DECRYPTION_FAILED)
    assert last == ["Finished"]


def test_the_right_secret_is_taken() -> None:
    pair().handshake().echo()


@pytest.mark.parametrize("length", [0, 4, 47, 48, 49])
def test_what_decrypts_to_another_length_is_replaced(length: int) -> None:
    """The premaster secret is the one sent only if length and version are right."""
    joined = pair()
    joined.server.own_credential = identity("RSA")
    secret = (VERSION + b"s" * 46)[:length].ljust(length, b"s")
    ciphertext = identity("RSA").public_key.encrypt(secret, PKCS1v15())
    found = server12._decrypt(joined.server, TLS12, ciphertext)
    assert len(found) == 48
    assert (found == secret) == (length == 48)


def test_wycheproof() -> None:
    """None of these is a premaster secret: each comes back as 48 random bytes, another time as 48 others."""
    if not VECTORS.exists():
        pytest.skip(f"no vectors at {VECTORS}")
    joined = pair()
    with gzip.open(VECTORS) as file:
        groups = json.load(file)["testGroups"]

    class Held:
        key: Any

    joined.server.own_credential = Held()  # type: ignore[assignment]  # all that is asked of it
    for group in groups:
        Held.key = load_der_private_key(bytes.fromhex(group["privateKeyPkcs8"]), None)
        for case in group["tests"]:
            one, other = (server12._decrypt(joined.server, TLS12, bytes.fromhex(case["ct"])) for _ in range(2))
            assert (len(one), len(other)) == (48, 48)
            assert one != other, case["comment"]


def test_messages_of_the_wrong_shape_are_another_matter() -> None:
    joined = pair()
    joined.client.wire["ClientKeyExchange"] = lambda _: message(16, b"\x01")
    assert joined.refusal() == (SERVER, faults.LENGTH_MISMATCH)
