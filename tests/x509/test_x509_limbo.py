"""One half of x509-limbo and BetterTLS: every case agrees, but for those named here with their reasons."""

from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from typing import Any

import pytest

from puretls._base.faults import Abort
from puretls._x509 import verify
from support import vectors

VERIFY_CRL_CHECK_CHAIN = 0xC
VERIFY_X509_STRICT = 0x20
VERIFY_X509_TRUSTED_FIRST = 0x8000
VERIFY_X509_PARTIAL_CHAIN = 0x80000

# Rules of the CA/Browser Forum for public CAs, which `ssl` does not take for its own: any CA may be trusted.  With the
# profile "webpki" they are rules (test_x509_webpki.py).
BROWSERS = {
    "webpki::cn::case-mismatch",
    "webpki::cn::punycode-not-in-san",
    "webpki::cn::utf8-vs-punycode-mismatch",
    "webpki::ee-basicconstraints-ca",
    "webpki::eku::ee-anyeku",
    "webpki::eku::root-has-eku",
    "webpki::forbidden-rsa-not-divisible-by-8-in-root",
    "webpki::aki::root-with-aki-ski-mismatch",
    "webpki::san::public-suffix-multi-label-wildcard-san",
    "webpki::san::public-suffix-private-namespace-wildcard-san",
    "webpki::san::san-critical-with-nonempty-subject",
}
DOCUMENTED = BROWSERS | {
    "webpki::san::no-san",  # the common name counts without a dNSName: hostname_checks_common_name
    "rfc5280::ca-as-leaf",  # its key usage has no digital signature, which OpenSSL's purpose demands
    "rfc5280::nc::permitted-dns-match-noncritical",  # the constraint is heeded; it need not be critical for that
    "rfc5280::san::underscore-dns",  # OpenSSL takes underscores in names, and private networks use them
}
NOW = 1795360869.0  # where a case names no time of its own
PARTS = 6  # so that several processes share the work, and a hang has a name


@cache
def collection() -> tuple[list[bytes], list[dict[str, Any]]]:
    data = vectors.load("limbo/open")
    return [b64decode(certificate) for certificate in data["certs"]], data["testcases"]


def accepted(case: dict[str, Any], profile: Any = None) -> bool:
    """Whether the case's chain is found good, as the hook of limbo's harness asks, in a profile if one is given."""
    certificates, _ = collection()
    flags = VERIFY_X509_TRUSTED_FIRST | VERIFY_X509_PARTIAL_CHAIN | VERIFY_X509_STRICT
    crls = [b64decode(crl) for crl in case.get("crls", ())]
    if crls:
        flags |= VERIFY_CRL_CHECK_CHAIN
    trusted = [certificates[place] for place in case["trusted"]]
    depth = {"max_depth": case["depth"]} if "depth" in case else {}
    try:
        path = verify.verify_chain(
            certificates[case["leaf"]],
            [certificates[place] for place in case["untrusted"]],
            trusted,
            crls=crls,
            time=case.get("time", NOW),
            hostname=case["peer"][1] if case.get("peer") else None,
            purpose="clientAuth" if case.get("kind") == "CLIENT" else "serverAuth",
            flags=flags,
            profile=profile,
            **depth,
        )
    except Abort:
        return False
    assert bytes(path[0]) == certificates[case["leaf"]]
    assert bytes(path[-1]) in trusted
    return True


def names_no_host(case: dict[str, Any]) -> bool:
    """BetterTLS only warns of common names that count as names of hosts, as `ssl` documents they do."""
    return bool(case.get("soft")) and json.loads(case["desc"])["case"]["DnsSan"] == "NONE"


@pytest.mark.parametrize("part", range(PARTS))
def test_limbo(part: int) -> None:
    cases = collection()[1][part::PARTS]
    assert len(cases) > 800
    different = set()
    for case in cases:
        good = accepted(case)
        if good != (case["expected"] == "SUCCESS") and not (good and names_no_host(case)):
            different.add(case["id"])
    assert different == DOCUMENTED & {case["id"] for case in cases}
