"""The cases of x509-limbo and BetterTLS, and our verdict of each."""

from __future__ import annotations

from base64 import b64decode
from functools import cache
from typing import Any

from puretls._base.faults import Abort
from puretls._x509 import verify
from support import vectors

VERIFY_CRL_CHECK_CHAIN = 0xC
VERIFY_X509_STRICT = 0x20
VERIFY_X509_TRUSTED_FIRST = 0x8000
VERIFY_X509_PARTIAL_CHAIN = 0x80000
NOW = 1795360869.0  # where a case names no time of its own


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
