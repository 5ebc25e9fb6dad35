"""HPKE (RFC 9180) beside its vectors, and against whoever sends something else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from puretls._crypto import hpke
from puretls._crypto.hpke import AEADS, KDFS, KEMS, Context, HpkeError, Kem, receiver, sender
from support import vectors

X25519 = KEMS[0x20]
CASES = vectors.load("hpke")
SEALING = [case for case in CASES if case["aead_id"] in AEADS]
NUMBERS = (0, 1, 2, 3, 254, 255, 256)  # of the encryptions that the file keeps
CURVES = {0x10: ec.SECP256R1(), 0x12: ec.SECP521R1()}


def private(kem: int, scalar: str) -> X25519PrivateKey | ec.EllipticCurvePrivateKey:
    if kem == X25519.code:
        return X25519PrivateKey.from_private_bytes(bytes.fromhex(scalar))
    return ec.derive_private_key(int(scalar, 16), CURVES[kem])


def name(case: dict[str, int]) -> str:
    return f"{KEMS[case['kem_id']].name}-{case['kdf_id']}-{case['aead_id']}"


@pytest.mark.parametrize("case", SEALING, ids=name)
def test_vectors(case):
    kem = KEMS[case["kem_id"]]
    both = kem, case["kdf_id"], case["aead_id"]
    public, info = bytes.fromhex(case["pkRm"]), bytes.fromhex(case["info"])
    enc, sealing = sender(*both, public, info, lambda: private(kem.code, case["skEm"]))
    assert enc.hex() == case["enc"]
    own = private(kem.code, case["skRm"])
    assert kem.public_bytes(own) == public
    assert kem.decapsulate(enc, own).hex() == case["shared_secret"]
    opening = receiver(*both, enc, own, info)
    encryptions = dict(zip(NUMBERS, case["encryptions"], strict=True))
    for number in range(NUMBERS[-1] + 1):
        if number in encryptions:
            aad, plain, sealed = (bytes.fromhex(encryptions[number][part]) for part in ("aad", "pt", "ct"))
            assert sealing.seal(aad, plain) == sealed
            assert opening.open(aad, sealed) == plain
        else:
            assert opening.open(b"", sealing.seal(b"", b"between")) == b"between"
    for one in case["exports"]:
        context, size = bytes.fromhex(one["exporter_context"]), one["L"]
        assert sealing.export(context, size).hex() == opening.export(context, size).hex() == one["exported_value"]


@pytest.mark.parametrize("case", [case for case in CASES if case["aead_id"] not in AEADS], ids=name)
def test_export_only_suites_are_not_in_the_table(case):
    kem = KEMS[case["kem_id"]]
    with pytest.raises(HpkeError, match="AEAD 0xffff"):
        sender(kem, case["kdf_id"], case["aead_id"], bytes.fromhex(case["pkRm"]), b"")


@pytest.mark.parametrize("kem", KEMS.values(), ids=lambda kem: kem.name)
@pytest.mark.parametrize("kdf", KDFS)
@pytest.mark.parametrize("aead", AEADS)
def test_every_combination_opens_what_it_seals(kem: Kem, kdf: int, aead: int):
    key = kem.generate()
    assert kem.owns(key)
    assert [other.name for other in KEMS.values() if other.owns(key)] == [kem.name]
    enc, sealing = sender(kem, kdf, aead, kem.public_bytes(key), b"info")
    opening = receiver(kem, kdf, aead, enc, key, b"info")
    for text in (b"", b"first", b"x" * 5000):
        assert opening.open(b"aad", sealing.seal(b"aad", text)) == text
    assert sealing.export(b"context", 40) == opening.export(b"context", 40)


def pair() -> tuple[Context, Context]:
    key = X25519.generate()
    enc, sealing = sender(X25519, 1, 1, X25519.public_bytes(key), b"info")
    return sealing, receiver(X25519, 1, 1, enc, key, b"info")


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_what_nobody_sealed_does_not_open_and_takes_no_number(rubbish: bytes, aad: bytes):
    sealing, opening = pair()
    with pytest.raises(HpkeError):
        opening.open(aad, rubbish)
    sealed = sealing.seal(aad, b"text")
    for place in range(len(sealed)):
        touched = bytearray(sealed)
        touched[place] ^= 1
        with pytest.raises(HpkeError):
            opening.open(aad, bytes(touched))
    with pytest.raises(HpkeError):
        opening.open(aad + b"x", sealed)
    assert opening.open(aad, sealed) == b"text"
    with pytest.raises(HpkeError):  # a second time
        opening.open(aad, sealed)


@pytest.mark.parametrize("kem", KEMS.values(), ids=lambda kem: kem.name)
def test_what_is_no_public_key_is_refused(kem: Kem):
    key = kem.generate()
    good = kem.public_bytes(key)
    assert len(good) == kem.public_size
    off_the_curve = [] if kem is X25519 else [b"\xff" * len(good), good[:-1] + bytes((good[-1] ^ 1,))]
    for bad in (b"", good[:-1], good + b"\x00", bytes(len(good)), b"\x02" + good[1:31], *off_the_curve):
        with pytest.raises(HpkeError):
            kem.decapsulate(bad, key)
        with pytest.raises(HpkeError):
            kem.encapsulate(bad)


def test_compressed_points_are_refused():
    kem = KEMS[0x10]
    key = kem.generate()
    compressed = b"\x02" + kem.public_bytes(key)[1:33]
    with pytest.raises(HpkeError):
        kem.encapsulate(compressed + bytes(32))


def test_numbers_end(monkeypatch):
    monkeypatch.setattr(hpke, "LAST", 1)
    sealing, _ = pair()
    sealing.seal(b"", b"")
    sealing.seal(b"", b"")
    with pytest.raises(HpkeError, match="run out"):
        sealing.seal(b"", b"")


def test_nothing_secret_is_shown():
    sealing, _ = pair()
    assert repr(sealing) == "<Context 002000010001>"
