"""OCSP responses (RFC 6960 3.2): which of them say something of a certificate, and why the others do not."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as builder
from hypothesis import given
from hypothesis import strategies as st

from puretls._x509 import certificate, ocsp, shapes
from puretls._x509.ocsp import OCSPResult, Unusable
from support import PATIENCE, need, pki
from support.pki import DAY, NOW, Issued

ROOT = pki.ca("root")
MIDDLE = pki.ca("middle", ROOT)
OTHER = pki.ca("other", ROOT)
LEAF = pki.leaf("example.test", MIDDLE)
SIGNER = {pki.EKU: x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.OCSP_SIGNING])}
DELEGATE = pki.leaf("responder", MIDDLE, extensions=SIGNER)


def loaded(one: Issued) -> x509.Certificate:
    return x509.load_der_x509_certificate(one.der)


def at(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)


def response(
    signer: Issued = MIDDLE,
    *,
    leaf: Issued = LEAF,
    issuer: Issued = MIDDLE,
    status: builder.OCSPCertStatus = builder.OCSPCertStatus.GOOD,
    made: float = NOW - 60,
    following: float | None = NOW + DAY,
    digest: hashes.HashAlgorithm | None = None,
    signed: hashes.HashAlgorithm | None = None,
    by_name: bool = False,
    sent: tuple[Issued, ...] | None = None,
) -> bytes:
    revoked = status is builder.OCSPCertStatus.REVOKED
    made_of = builder.OCSPResponseBuilder().add_response(
        loaded(leaf), loaded(issuer), digest or hashes.SHA256(), status, at(made),
        None if following is None else at(following),
        at(NOW - DAY) if revoked else None, x509.ReasonFlags.key_compromise if revoked else None,
    )  # fmt: skip
    encoding = builder.OCSPResponderEncoding.NAME if by_name else builder.OCSPResponderEncoding.HASH
    made_of = made_of.responder_id(encoding, loaded(signer))
    chain = ((signer,) if signer is not MIDDLE else ()) if sent is None else sent
    if chain:
        made_of = made_of.certificates([loaded(one) for one in chain])
    return made_of.sign(signer.key, signed or hashes.SHA256()).public_bytes(Encoding.DER)


def ask(
    der: bytes, leaf: Issued = LEAF, issuer: Issued = MIDDLE, *, time: float = NOW, max_age: float | None = None,
    level: int = 2,
) -> OCSPResult:  # fmt: skip
    return ocsp.verify(
        der, certificate.load(leaf.der), certificate.load(issuer.der), time=time, max_age=max_age, level=level
    )


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_a_good_one(digest: hashes.HashAlgorithm, by_name: bool) -> None:
    found = ask(response(digest=digest, by_name=by_name))
    assert found.status == "good"
    assert found[1:3] == (at(NOW - 60), at(NOW + DAY))
    assert found[4:] == (None, None)
    assert found.produced_at.tzinfo is dt.timezone.utc


def test_a_revoked_one() -> None:
    found = ask(response(status=builder.OCSPCertStatus.REVOKED))
    assert (found.status, found.revocation_time, found.reason) == ("revoked", at(NOW - DAY), "keyCompromise")


def test_an_unknown_one() -> None:
    assert ask(response(status=builder.OCSPCertStatus.UNKNOWN)).status == "unknown"


@pytest.mark.parametrize("by_name", [False, True])
def test_whom_the_issuer_has_certified_may_sign(by_name: bool) -> None:
    assert ask(response(DELEGATE, by_name=by_name)).status == "good"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another certificate": ({"leaf": pki.leaf("other.test", MIDDLE)}, "another certificate"),
    "another issuer's": ({"issuer": OTHER}, "another certificate"),
    "signed by a sibling CA": ({"signer": OTHER}, "not sign"),
    "signed by a sibling's delegate": (
        {"signer": pki.leaf("theirs", OTHER, extensions=SIGNER)}, "certified by somebody else",
    ),
    "signed by a certificate of the issuer's for servers": ({"signer": pki.leaf("server", MIDDLE)}, "not sign"),
    "signed by the leaf itself": ({"signer": LEAF, "sent": (LEAF,)}, "not sign"),
    "an expired delegate": ({"signer": pki.leaf("old", MIDDLE, extensions=SIGNER, not_after=NOW - 1)}, "not valid"),
    "a delegate that is not sent": ({"signer": DELEGATE, "sent": ()}, "another responder"),
    "from the future": ({"made": NOW + 301}, "future"),
    "stale": ({"following": NOW - 301}, "stale"),
    "old, and without an end": ({"made": NOW - 7 * DAY - 301, "following": None}, "too old"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_says_nothing(what: str) -> None:
    given, why = REFUSED[what]
    with pytest.raises(Unusable, match=why):
        ask(response(**given))


BITS = shapes.read(shapes.KeyInfo, pki.spki(MIDDLE.key)).key.as_bytes()


def several(*singles: bytes) -> bytes:
    """A response of MIDDLE's with these answers, which the builder of `cryptography` cannot make."""
    key_hash = pki.tlv(0xA2, pki.tlv(4, pki.key_id(MIDDLE.key)))
    tbs = pki.seq(key_hash, pki.tlv(0x18, b"20250614000000Z"), pki.seq(*singles))
    basic = pki.seq(tbs, pki.algorithm(MIDDLE.key, "sha256"), pki.bits(pki.sign(MIDDLE.key, "sha256", tbs)))
    return pki.seq(pki.tlv(0x0A, b"\0"), pki.tlv(0xA0, pki.seq(pki.oid("1.3.6.1.5.5.7.48.1.1"), pki.tlv(4, basic))))


def answer(serial: int, status: bytes = pki.tlv(0x80), digest: str = "sha256", number: str = "") -> bytes:
    """A SingleResponse about a certificate of MIDDLE's."""
    named, keyed = (pki.tlv(4, hashlib.new(digest, data).digest()) for data in (MIDDLE.subject, BITS))
    algorithm = pki.seq(pki.oid(number or pki.HASHES[digest]), pki.tlv(5))
    dates = pki.tlv(0x18, b"20250614000000Z"), pki.tlv(0xA0, pki.tlv(0x18, b"20250620000000Z"))
    return pki.seq(pki.seq(algorithm, named, keyed, pki.integer(serial)), status, *dates)


REVOKED = pki.tlv(0xA1, pki.tlv(0x18, b"20250601000000Z"))


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_a_response_may_speak_of_several_certificates(digest: str) -> None:
    others = [answer(number, REVOKED, digest) for number in (1, 2, 3)]
    for place in range(4):
        for mine, status in ((answer(LEAF.serial, digest=digest), "good"), (answer(LEAF.serial, REVOKED), "revoked")):
            der = several(*others[:place], mine, *others[place:])
            assert ask(der).status == status
            assert ocsp.serial_numbers(der) == {1, 2, 3, LEAF.serial}
    with pytest.raises(Unusable, match="about another"):
        ask(several(*others))


def test_answers_that_name_the_issuer_in_another_way() -> None:
    """By an unknown digest, or by a wrong one: they are about somebody else, and only so many are looked at."""
    unknown = answer(LEAF.serial, REVOKED, number="1.2.3.4")
    assert ask(several(unknown, answer(LEAF.serial))).status == "good"
    wrong = answer(LEAF.serial, REVOKED, "sha384").replace(pki.oid(pki.HASHES["sha384"]), pki.oid(pki.HASHES["sha256"]))
    assert ask(several(wrong, answer(LEAF.serial))).status == "good"
    with pytest.raises(Unusable, match="about another"):
        ask(several(*[wrong] * ocsp.MOST_ANSWERS, answer(LEAF.serial)))


def test_a_response_without_an_answer() -> None:
    with pytest.raises(Unusable, match=r"no answer|cannot be read"):
        ask(several())


# A delegate's certificate is held to what every certificate is, as OpenSSL's is
DELEGATES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown critical extension": ({"extensions": {**SIGNER, "1.2.3.4": (True, b"\5\0")}}, "heeded"),
    "a broken extension": ({"extensions": {**SIGNER, pki.SAN: (False, b"\4\0")}}, "heeded"),
    "broken basic constraints": ({"extensions": {**SIGNER, pki.BC: (False, b"\4\0")}}, "heeded"),
    "signed over SHA-1": ({"extensions": SIGNER, "digest": "sha1"}, "signed too weakly"),
    "not valid yet": ({"extensions": SIGNER, "not_before": NOW + 1}, "not valid"),
    "for any purpose": ({"extensions": {pki.EKU: pki.usages("2.5.29.37.0")}}, "may not sign"),
    "for no purpose in particular": ({"extensions": {pki.EKU: None}}, "may not sign"),
}


@pytest.mark.parametrize("what", DELEGATES)
def test_a_delegate_that_no_path_would_take(what: str) -> None:
    given, why = DELEGATES[what]
    signer = pki.leaf("delegate", MIDDLE, **given)
    for by_name in (False, True):
        with pytest.raises(Unusable, match=why):
            ask(response(signer, by_name=by_name))


def test_clocks_may_be_five_minutes_apart() -> None:
    assert ask(response(made=NOW + 299)).status == "good"
    assert ask(response(following=NOW - 299)).status == "good"
    assert ask(response(made=NOW - 7 * DAY - 299, following=None)).status == "good"


def test_an_age_that_the_caller_gives() -> None:
    assert ask(response(made=NOW - 3000), max_age=3600).status == "good"
    with pytest.raises(Unusable, match="too old"):
        ask(response(made=NOW - 4000), max_age=3600)
    assert ask(response(made=NOW - 30 * DAY, following=None), max_age=40 * DAY).status == "good"


def test_the_level_decides_about_digests_and_keys() -> None:
    for level in (0, 1, 2, 3):
        assert ask(response(), level=level).status == "good"
    for level in (4, 5):
        with pytest.raises(Unusable, match="its signature is too weak"):
            ask(response(), level=level)
        with pytest.raises(Unusable, match="key is too weak"):
            ask(response(DELEGATE, signed=hashes.SHA512()), level=level)


def test_another_signature() -> None:
    for der in (response(), response(DELEGATE, sent=())):
        with pytest.raises(Unusable, match=r"signature is wrong|another responder"):
            ask(der[:-1] + bytes((der[-1] ^ 1,)))


def test_what_a_responder_says_that_does_not_know() -> None:
    for status in builder.OCSPResponseStatus:
        if status is not builder.OCSPResponseStatus.SUCCESSFUL:
            der = builder.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
            with pytest.raises(Unusable, match="the responder says"):
                ask(der)


def test_a_long_one() -> None:
    with pytest.raises(Unusable, match="too long"):
        ask(bytes(ocsp.LARGEST + 1))


GOOD = response(DELEGATE)


@given(st.data())
def test_broken_ones_say_nothing(data: st.DataObject) -> None:
    """Neither cut nor changed does a response say anything else, and only Unusable comes out."""
    good = GOOD
    if data.draw(st.booleans()):
        broken = good[: data.draw(st.integers(0, len(good) - 1))]
    else:
        place = data.draw(st.integers(0, len(good) - 1))
        changed = bytearray(good)
        changed[place] ^= data.draw(st.integers(1, 255))
        broken = bytes(changed)
    with contextlib.suppress(Unusable):
        assert ask(broken).status == "good"  # a change outside of what is signed, and of what is looked at


@pytest.mark.parametrize(
    ("features", "expected"), [(b"\x30\x03\x02\x01\x05", True), (b"\x30\x03\x02\x01\x11", False), (b"\x05\x00", True)]
)
def test_certificates_that_demand_a_staple(features: bytes, expected: bool) -> None:
    leaf = pki.leaf("example.test", MIDDLE, extensions={ocsp.TLS_FEATURE: (False, features)})
    assert ocsp.must_staple(certificate.load(leaf.der)) is expected
    assert not ocsp.must_staple(certificate.load(LEAF.der))


# Signed with RSASSA-PSS, whose parameters `cryptography` does not tell (RFC 4055 3.1)

RSA_ISSUER = pki.ca("rsa", ROOT, private=pki.key("rsa2048", 7))
RSA_LEAF = pki.leaf("example.test", RSA_ISSUER)


def with_pss(digest: str, mgf: str | None = None, salt: int | None = None, said: bytes | None = None) -> bytes:
    """A response whose signature, and what it says of it, are exchanged for these."""
    plain = builder.load_der_ocsp_response(response(RSA_ISSUER, leaf=RSA_LEAF, issuer=RSA_ISSUER, sent=()))
    algorithm, signs = pki.pss_scheme(RSA_ISSUER.key, digest, mgf, salt, said=said)
    tbs = plain.tbs_response_bytes
    basic = pki.seq(tbs, algorithm, pki.bits(signs(tbs)))
    return pki.seq(pki.tlv(0x0A, b"\x00"), pki.tlv(0xA0, pki.seq(pki.oid("1.3.6.1.5.5.7.48.1.1"), pki.tlv(4, basic))))


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("salt", [None, 0, 20])
def test_signed_with_pss(digest: str, salt: int | None) -> None:
    assert ask(with_pss(digest, salt=salt), RSA_LEAF, RSA_ISSUER).status == "good"


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest": "sha256", "said": pki.pss("sha384")},
        {"digest": "sha256", "said": pki.pss("sha256", "sha384")},
        {"digest": "sha256", "salt": 20, "said": pki.pss("sha256")},
        {"digest": "sha256", "said": pki.seq()},  # which says SHA-1
        {"digest": "sha256", "said": pki.tlv(5)},
        {"digest": "sha1"},
    ],
)
def test_pss_that_is_not_what_it_says(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match=r"signature|cannot be read"):
        ask(with_pss(**wrong), RSA_LEAF, RSA_ISSUER)


def test_a_pss_response_that_openssl_has_signed(tmp_path: Path) -> None:
    need("openssl")
    for name, content in (
        ("ca.pem", RSA_ISSUER.pem), ("ca.key", RSA_ISSUER.key_pem), ("leaf.pem", RSA_LEAF.pem),
        ("index", f"V\t491231235959Z\t\t{RSA_LEAF.serial:04X}\tunknown\t/CN=example.test\n"),
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
    command = (
        "openssl ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem -cert leaf.pem -ndays 2 "
        "-respout out.der -rsigopt rsa_padding_mode:pss -resp_no_certs"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE)
    data = (tmp_path / "out.der").read_bytes()
    assert builder.load_der_ocsp_response(data).signature_algorithm_oid.dotted_string == pki.RSA_PSS
    found = ask(data, RSA_LEAF, RSA_ISSUER, time=time.time())
    assert found.status == "good"
