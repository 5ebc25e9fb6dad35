"""One half of x509-limbo and BetterTLS: every case agrees, but for those named here with their reasons."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.limbo import accepted, collection

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
PARTS = 6  # so that several processes share the work, and a hang has a name


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
