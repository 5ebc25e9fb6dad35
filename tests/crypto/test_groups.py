"""Key exchange: both sides agree, and what is no share is refused."""

from __future__ import annotations

import warnings
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._crypto import groups
from puretls._crypto.finite_field import (
    RFC3526,
    FiniteField,
    FiniteFieldOffer,
    UnknownFieldOffer,
    checked,
    rfc3526_prime,
)
from puretls._crypto.groups import BY_CODE, BY_NAME, DEFAULT, DEFAULT_SHARES, GROUPS, Ffdhe, Hybrid

SIZES = {  # of the client's share, the server's and the secret
    "X25519MLKEM768": (1216, 1120, 64),
    "SecP256r1MLKEM768": (1249, 1153, 64),
    "SecP384r1MLKEM1024": (1665, 1665, 80),
    "MLKEM768": (1184, 1088, 32),
    "MLKEM1024": (1568, 1568, 32),
    "x25519": (32, 32, 32),
    "x448": (56, 56, 56),
    "secp256r1": (65, 65, 32),
    "secp384r1": (97, 97, 48),
    "secp521r1": (133, 133, 66),
    "ffdhe2048": (256, 256, 256),
}
QUICK = [group for group in GROUPS if group.name in SIZES]
by_name = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
quick = pytest.mark.parametrize("group", QUICK, ids=lambda group: group.name)


def refused(share, complete):
    with pytest.raises(Abort) as caught:
        complete(share)
    assert caught.value.fault is faults.BAD_KEY_SHARE
    return True


@by_name
def test_both_sides_agree(group):
    offer = group.offer()
    share, secret = group.answer(offer.public)
    assert offer.complete(share) == secret
    if group.name in SIZES:
        assert (len(offer.public), len(share), len(secret)) == SIZES[group.name]


@quick
def test_wrong_lengths(group):
    offer = group.offer()
    share, _ = group.answer(offer.public)
    for good, complete in ((offer.public, group.answer), (share, offer.complete)):
        for bad in (b"", good[:-1], good + b"\x00", b"\x00" + good, good[1:], good + good):
            assert refused(bad, complete)


@pytest.mark.parametrize("curve", ["x25519", "x448"])
def test_wycheproof_montgomery(curve, wycheproof):
    private, public = {"x25519": (X25519PrivateKey, X25519PublicKey), "x448": (X448PrivateKey, X448PublicKey)}[curve]
    for case in wycheproof(curve):
        key = private.from_private_bytes(bytes.fromhex(case["private"]))
        offer = groups.MontgomeryOffer(key, public.from_public_bytes)
        share = bytes.fromhex(case["public"])
        if case["result"] == "invalid" or "ZeroSharedSecret" in case["flags"]:
            assert refused(share, offer.complete)
            assert refused(share, BY_NAME[curve].answer)
        else:  # twists and unreduced coordinates are good enough for TLS
            assert offer.complete(share).hex() == case["shared"]


@pytest.mark.parametrize("curve", ["secp256r1", "secp384r1", "secp521r1"])
def test_wycheproof_weierstrass(curve, wycheproof):
    group = BY_NAME[curve]
    for case in wycheproof(f"ecdh_{curve}_ecpoint"):
        share = bytes.fromhex(case["public"])
        key = ec.derive_private_key(int(case["private"], 16), group.curve)
        offer = groups.WeierstrassOffer(key)
        if case["result"] == "valid":
            assert offer.complete(share).hex() == case["shared"]
        else:  # "acceptable" are compressed points
            assert refused(share, offer.complete)


@pytest.mark.parametrize("name", ["X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"])
def test_wycheproof_mlkem(name, wycheproof):
    group = BY_NAME[name.lower()]
    point = group.classic.offer().public
    for case in wycheproof("mlkem_1024_encaps" if name.endswith("1024") else "mlkem_768_encaps"):
        share = group.join(bytes.fromhex(case["ek"]), point)
        if case["result"] == "valid":
            assert len(group.answer(share)[1]) == SIZES[name][2]
        else:
            assert refused(share, group.answer)


@pytest.mark.parametrize("name", ["MLKEM768", "MLKEM1024"])
def test_wycheproof_mlkem_alone(name, wycheproof):
    group = BY_NAME[name.lower()]
    assert group not in DEFAULT
    for case in wycheproof(f"mlkem_{name[5:]}_encaps"):
        share = bytes.fromhex(case["ek"])
        if case["result"] == "valid":
            assert len(group.answer(share)[1]) == 32
        else:
            assert refused(share, group.answer)


def test_hybrids_put_their_halves_where_the_draft_does():
    # draft-ietf-tls-ecdhe-mlkem 4.1: only with X25519 is ML-KEM first
    for group in (group for group in GROUPS if isinstance(group, Hybrid)):
        lone, offer = groups.offers([group.classic, group]).values()
        share, secret = group.answer(offer.public)
        half = lone.complete(share[-group.point :] if group.kem_first else share[: group.point])
        if group is groups.X25519MLKEM768:
            assert offer.public.endswith(lone.public)
            assert secret[32:] == half
        else:
            assert offer.public.startswith(lone.public)
            assert secret.startswith(half)


def test_hybrids_refuse_a_bad_half():
    group = groups.X25519MLKEM768
    offer = group.offer()
    share, _ = group.answer(offer.public)
    assert refused(share[:-32] + bytes(32), offer.complete)
    assert refused(offer.public[:-32] + bytes(32), group.answer)
    assert refused(b"\xff" * 1184 + offer.public[-32:], group.answer)


def test_offers_share_key_pairs():
    hybrid, lone, other = groups.offers([groups.X25519MLKEM768, groups.X25519, groups.SECP256R1]).values()
    assert hybrid.public[-32:] == lone.public
    assert len(other.public) == 65
    assert hybrid.complete(groups.X25519MLKEM768.answer(hybrid.public)[0])


@pytest.mark.parametrize("group", [group for group in GROUPS if isinstance(group, Ffdhe)], ids=lambda group: group.name)
def test_rfc7919_primes(group):
    field = group.field
    assert field.p.bit_length() == int(group.name.removeprefix("ffdhe"))
    assert field.p % (1 << 64) == field.p >> (field.p.bit_length() - 64) == (1 << 64) - 1
    # OpenSSL knows the groups of RFC 7919, and gives only those it knows a short exponent
    assert field.offer()._key.private_numbers().x.bit_length() <= 512
    assert group.field is field


@pytest.mark.parametrize("size", RFC3526)
def test_rfc3526_primes(size):
    """Those of RFC 3526 2 to 7: OpenSSL knows them, too, so that nothing has to be checked."""
    p = rfc3526_prime(size)
    assert p.bit_length() == size
    assert p % (1 << 64) == p >> (size - 64) == (1 << 64) - 1
    field = FiniteField(p, 2)
    assert field.known
    offer = field.offer()
    assert offer._key.private_numbers().x.bit_length() <= 512
    assert offer.complete(field.answer(offer.public)[0])
    assert not FiniteField(p, 3).known
    assert not FiniteField(p - 2, 2).known


def test_where_no_rfc_names_the_field_the_arithmetic_is_the_same():
    """`cryptography`'s on one side, ours on the other, in one field that both can do."""
    field = groups.FFDHE2048.field
    theirs, ours = FiniteFieldOffer(field), UnknownFieldOffer(field)
    assert theirs.complete(ours.public) == ours.complete(theirs.public)
    assert theirs.secret(ours.public) == ours.secret(theirs.public)
    for y in (0, 1, field.p - 1, field.p, field.p + 2):
        with pytest.raises(Abort) as caught:
            ours.complete(y.to_bytes(260, "big"))
        assert caught.value.fault is faults.BAD_DH_VALUE
    assert ours.public != UnknownFieldOffer(field).public
    assert {UnknownFieldOffer(field)._key.bit_length() for _ in range(20)} == {256}
    assert type(FiniteField(field.p, 3).offer()) is UnknownFieldOffer


def test_rfc7919_values_out_of_range():
    offer, p = groups.FFDHE2048.offer(), groups.FFDHE2048.field.p
    for y in (0, 1, p - 1, p, p + 1, (1 << 2048) - 1):
        assert refused(y.to_bytes(256, "big"), offer.complete)


def test_finite_field_of_tls12():
    field = FiniteField(groups.FFDHE2048.field.p, 2)
    offer = field.offer()
    share, secret = field.answer(offer.public)
    assert offer.complete(share) == secret == offer.complete(b"\x00" + share)
    for y in (0, 1, field.p - 1, field.p, field.p + 2):
        with pytest.raises(Abort) as caught:
            offer.complete(y.to_bytes(260, "big"))
        assert caught.value.fault is faults.BAD_DH_VALUE
    assert field.bits == 112


def test_leading_zeros_of_the_secret():
    # RFC 5246 8.1.2 strips them, RFC 8446 7.4.1 keeps them
    field = groups.FFDHE2048.field
    for _ in range(4000):
        offer = groups.FFDHE2048.offer()
        secret = offer.complete(offer.public)
        assert len(secret) == 256
        if secret[0] == 0:
            break
    else:
        pytest.skip("no secret began with a zero")
    assert offer._inner.complete(offer.public) == secret.lstrip(b"\x00")
    assert field.size == 256


@pytest.mark.parametrize(
    ("p", "g", "fault"),
    [
        (0, 2, faults.DH_KEY_TOO_SMALL),
        (23, 5, faults.DH_KEY_TOO_SMALL),
        ((1 << 511) - 187, 2, faults.DH_KEY_TOO_SMALL),
        ((1 << 1024) - 104, 2, faults.BAD_DH_VALUE),
        ((1 << 1024) - 105, 2, faults.BAD_DH_VALUE),
        ((1 << 9000) + 1, 2, faults.BAD_DH_VALUE),
    ],
    ids=["zero", "tiny", "small", "even", "not safe", "huge"],
)
def test_bad_parameters(p, g, fault):
    with pytest.raises(Abort) as caught:
        checked(p, g)
    assert caught.value.fault is fault


def test_bad_generators():
    p = groups.FFDHE2048.field.p
    for g in (0, 1, p - 1, p, p + 2):
        with pytest.raises(Abort) as caught:
            FiniteField(p, g)
        assert caught.value.fault is faults.BAD_DH_VALUE


def test_no_deprecation_warning_reaches_users():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        groups.FFDHE2048.answer(groups.FFDHE2048.offer().public)


def test_table():
    assert len(BY_CODE) == len(GROUPS)
    assert BY_NAME["p-256"] is BY_NAME["prime256v1"] is BY_NAME["secp256r1"] is BY_CODE[0x17]
    assert BY_CODE[0x11EC] is DEFAULT[0] is DEFAULT_SHARES[0]
    assert set(DEFAULT_SHARES) <= set(DEFAULT) <= set(GROUPS)
    for group, other in product(GROUPS, GROUPS):
        assert (group.code == other.code) == (group.name == other.name)
    for group in DEFAULT:
        assert group.until == 0x0304
        assert group.since == (0x0304 if isinstance(group, Hybrid) else 0x0301)
