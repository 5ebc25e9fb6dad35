"""Every rule caps the grade where it says, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from puretls._analysis.findings import Findings, Identity
from puretls._analysis.grade import GRADES, judge, reaches
from puretls._analysis.probe import Hello
from puretls._analysis.survey import Found
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13

CODES = {name: code for code, name in iana.SUITES.items()}
GROUPS = {name: code for code, name in iana.GROUPS.items()}
USUAL = (registry.RENEGOTIATION_INFO, registry.EXTENDED_MASTER_SECRET)
GOOD13, GOOD12 = "TLS_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
GOOD = Identity("P-256", "EC", 256, ("sha256", "sha384"), "", 60)


def picked(version: int, *names: str, order: str = "server", **hello: Any) -> Found:
    codes = [CODES[name] for name in names]
    hellos = [Hello(version, code, **{"extensions": USUAL, **hello}) for code in codes]
    return Found(codes, hellos, order=order)


def good(**changes: Any) -> Findings:
    found = Findings(
        {TLS13: picked(TLS13, GOOD13), TLS12: picked(TLS12, GOOD12)},
        {TLS13: Found([GROUPS["X25519MLKEM768"], GROUPS["x25519"]])},
        {TLS12: [0x0403]},
        [GOOD],
        refuses_fallback=True,
        tolerates_unknown=True,
    )
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def only12(*names: str, **hello: Any) -> dict[str, Any]:
    return {"suites": {TLS13: picked(TLS13, GOOD13), TLS12: picked(TLS12, GOOD12, *names, **hello)}}


def with_version(version: int, name: str) -> dict[str, Any]:
    return {"suites": {**good().suites, version: picked(version, name)}}


def test_nothing_to_improve() -> None:
    assert judge(good()) == ("A+", [])
    assert judge(Findings({TLS13: picked(TLS13, GOOD13)})).grade == "A+"  # what is not known costs nothing


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "is not accepted: unable to get": ({"identities": [GOOD._replace(refusal="unable to get local issuer")]}, "F"),
    "certificate has expired": ({"identities": [GOOD._replace(refusal="x", code=10)]}, "F"),
    "certificate is self-signed": ({"identities": [GOOD._replace(refusal="x", code=18)]}, "F"),
    "certificate is for other names": ({"identities": [GOOD._replace(refusal="x", code=62)]}, "F"),
    "incomplete, or ends": ({"identities": [GOOD._replace(refusal="x", code=20, missing="CN=a")]}, "F"),
    "ends in 13 days": ({"identities": [GOOD._replace(days=13)]}, "A"),
    "key of the certificate is RSA 512": ({"identities": [Identity("RSA 512", "RSA", 512)]}, "F"),
    "key of the certificate is RSA 1024": ({"identities": [Identity("RSA 1024", "RSA", 1024)]}, "C"),
    "is over MD5": ({"identities": [GOOD._replace(digests=("sha256", "md5"))]}, "F"),
    "is over SHA1": ({"identities": [GOOD._replace(digests=("sha1",))]}, "C"),
    "SSL 2.0 is accepted": ({"ssl2": True}, "F"),
    "SSL 3.0 is accepted": (with_version(SSL3, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"), "D"),
    "TLS 1.0 is accepted": (with_version(TLS10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"), "B"),
    "neither TLS 1.2 nor": ({"suites": {TLS10: picked(TLS10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")}}, "C"),
    "TLS 1.3 is not spoken": ({"suites": {TLS12: picked(TLS12, GOOD12)}, "groups": {}}, "A-"),
    "without encryption": (only12("TLS_ECDHE_RSA_WITH_NULL_SHA"), "F"),
    "without authentication": (only12("TLS_ECDH_anon_WITH_AES_128_CBC_SHA"), "F"),
    "of export strength": (only12("TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"), "F"),
    "with DES": (only12("TLS_DHE_RSA_WITH_DES_CBC_SHA"), "F"),
    "with RC4": (only12("TLS_ECDHE_RSA_WITH_RC4_128_SHA"), "D"),
    "blocks of 64 bits": (only12("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"), "C"),
    "without forward secrecy are accepted": (only12("TLS_RSA_WITH_AES_128_GCM_SHA256"), "A-"),
    "without forward secrecy are all": (
        {"suites": {TLS12: picked(TLS12, "TLS_RSA_WITH_AES_128_GCM_SHA256")}, "groups": {}},
        "B",
    ),
    "no suite with authenticated encryption": (
        {"suites": {TLS12: picked(TLS12, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")}, "groups": {}},
        "B",
    ),
    "suites with CBC": (only12("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"), "A"),
    "client's order": (only12("TLS_RSA_WITH_AES_128_GCM_SHA256", order="client"), "A-"),
    "a prime of 512 bits": (only12("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", bits=512), "F"),
    "a prime of 1024 bits": (only12("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", bits=1024), "B"),
    "curves that are too short": ({"groups": {**good().groups, TLS12: Found([GROUPS["secp160r1"]])}}, "B"),
    "post-quantum": ({"groups": {TLS13: Found([GROUPS["x25519"]])}}, "A"),
    "compresses": (only12(compression=1), "C"),
    "RFC 5746": (only12(extensions=(registry.EXTENDED_MASTER_SECRET,)), "B"),
    "RFC 7627": (only12(extensions=(registry.RENEGOTIATION_INFO,)), "A-"),
    "RFC 7507": ({**with_version(TLS10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"), "refuses_fallback": False}, "B"),
    "RFC 8701": ({"tolerates_unknown": False}, "A-"),
    "signs with MD5": ({"schemes": {TLS12: [0x0101]}}, "C"),
    "signs with SHA1": ({"schemes": {TLS12: [0x0403, 0x0201]}}, "A-"),
}


@pytest.mark.parametrize("what", CASES)
def test_a_rule(what: str) -> None:
    changes, grade = CASES[what]
    verdict = judge(good(**changes))
    assert verdict.grade == grade, verdict
    remark = next(one for one in verdict.remarks if what in one.what)
    assert remark.why
    assert remark.fix


def test_the_weightiest_is_first() -> None:
    verdict = judge(good(tolerates_unknown=False, identities=[GOOD._replace(refusal="expired", days=0)]))
    assert [remark.cap for remark in verdict.remarks] == ["F", "A-"]


def test_fallback_matters_only_with_old_versions() -> None:
    assert judge(good(refuses_fallback=False)).grade == "A+"


def test_the_order_of_grades() -> None:
    assert reaches("A+", "A+")
    assert reaches("A", "B")
    assert not reaches("A-", "A")
    assert [reaches(grade, "C") for grade in GRADES] == [True] * 5 + [False] * 2
