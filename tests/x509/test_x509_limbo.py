"""The open half of x509-limbo and BetterTLS: every case agrees, but for those named here with their reasons."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"
HERE = Path(__file__).parent

# Rules of the CA/Browser Forum for public CAs, which `ssl` does not take for its own: any CA may be trusted.
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


def test_limbo(tmp_path: Path) -> None:
    data, tool = SHARED / "data" / "limbo-open.json", SHARED / "tools" / "limbo.py"
    if not data.exists() or not tool.exists():
        pytest.skip("limbo's data is not beside the repository")
    out = tmp_path / "out.json"
    run = subprocess.run(
        [
            sys.executable, tool, "--engine", "hook", "--hook", "limbo_hook:verify_chain", "--gate", "--data", data,
            "--baseline", SHARED / "data" / "limbo-baseline-open.json.gz", "--out", out,
            "--path", HERE, "--path", HERE.parents[1] / "src",
        ],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    verdicts = json.loads(out.read_text())
    different = set()
    for case in json.loads(data.read_text())["testcases"]:
        verdict, why, milliseconds = verdicts[case["id"]]
        assert milliseconds < 2000, (case["id"], why)
        if verdict == case["expected"]:
            continue
        # BetterTLS only warns of common names that count as names of hosts, as `ssl` documents they do.
        if not (case.get("soft") and verdict == "SUCCESS" and json.loads(case["desc"])["case"]["DnsSan"] == "NONE"):
            different.add(case["id"])
    assert different == DOCUMENTED
