"""Mozilla's profiles: who conforms, and what each deviation is called."""

from __future__ import annotations

from typing import Any

import pytest

from puretls._analysis.findings import Findings, Identity
from puretls._analysis.probe import Hello
from puretls._analysis.profiles import PROFILES, deviations
from puretls._analysis.survey import Found
from puretls._base import iana
from puretls._base.registry import SSL3, TLS10, TLS11, TLS12, TLS13

CODES = {name: code for code, name in iana.SUITES.items()}
GROUPS = {name: code for code, name in iana.GROUPS.items()}
EC, RSA = Identity("P-256", "EC", 256), Identity("RSA 2048", "RSA", 2048)
OLD = "TLS_RSA_WITH_3DES_EDE_CBC_SHA"


def serving(*versions: int, groups: tuple[str, ...] = ("x25519",), **changes: Any) -> Findings:
    """A server that accepts, of each version, all that the profile allows that is made for it."""
    name = {TLS13: "modern", TLS12: "intermediate"}.get(min(versions), "old")
    allowed = {CODES[one] for one in PROFILES[name].suites}
    found = Findings(
        {
            version: Found([code for code in sorted(allowed) if (code in iana.SUITES13) == (version == TLS13)])
            for version in versions
        }
    )
    found.groups = {max(versions): Found([GROUPS[one] for one in groups])}
    found.identities = [EC]
    for field, value in changes.items():
        setattr(found, field, value)
    return found


def kept(found: Findings) -> dict[str, str]:
    return {name: "; ".join(deviations(found, profile)) for name, profile in PROFILES.items()}


def test_who_conforms() -> None:
    assert kept(serving(TLS13))["modern"] == ""
    assert (
        kept(serving(TLS13, TLS12, groups=("x25519", "secp256r1", "secp384r1", "X25519MLKEM768", "ffdhe2048")))[
            "intermediate"
        ]
        == ""
    )
    assert kept(serving(TLS13, TLS12, identities=[RSA, EC]))["intermediate"] == ""
    assert kept(serving(TLS13, TLS12, TLS11, TLS10, identities=[RSA]))["old"] == ""


def test_every_name_is_one_of_iana() -> None:
    assert all(name in CODES for profile in PROFILES.values() for name in profile.suites)


@pytest.mark.parametrize(
    ("found", "profile", "said"),
    [
        (serving(TLS13, TLS12), "modern", "accepts TLS 1.2"),
        (serving(TLS13, TLS12, TLS11, TLS10), "intermediate", "accepts TLS 1.1, TLS 1.0"),
        (serving(TLS13, TLS12, TLS11, TLS10, SSL3), "old", "accepts SSL 3.0"),
        (serving(TLS12), "intermediate", "does not speak TLS 1.3"),
        (serving(TLS13, ssl2=True), "modern", "accepts SSL 2.0"),
        (serving(TLS13, identities=[RSA]), "modern", "a key of RSA 2048"),
        (serving(TLS13, TLS12, identities=[Identity("RSA 1024", "RSA", 1024)]), "intermediate", "a key of RSA 1024"),
        (serving(TLS13, identities=[Identity("Ed448", "Ed448", 456)]), "modern", "a key of Ed448"),
        (
            serving(TLS13, identities=[EC._replace(refusal="certificate has expired")]),
            "modern",
            "refuse: certificate has",
        ),
        (serving(TLS13, groups=("x25519", "secp521r1")), "modern", "accepts the groups secp521r1"),
    ],
)
def test_what_keeps_a_server_from_one(found: Findings, profile: str, said: str) -> None:
    assert said in kept(found)[profile]


def test_a_suite_too_many_and_a_prime_too_short() -> None:
    found = serving(TLS13, TLS12)
    found.suites[TLS12].picks.append(CODES[OLD])
    assert OLD in kept(found)["intermediate"]
    found = serving(TLS13, TLS12)
    found.suites[TLS12].hellos = [Hello(TLS12, CODES["TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"], bits=1024, prime=1)]
    assert kept(found)["intermediate"] == "uses Diffie-Hellman with a prime of 1024 bits"
