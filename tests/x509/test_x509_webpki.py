"""The profile of the public web: what it refuses, one rule a row, and what public CAs issue, which it accepts.

x509-limbo's cases for it are run as well; the two that want a list of public suffixes get one.
"""

from __future__ import annotations

import calendar
import time
from typing import Any

import pytest

from puretls._base.faults import VerifyAbort
from puretls._x509 import codes, verify
from puretls._x509.webpki import LIFETIMES, Suffixes, WebPki
from support import limbo, pki
from support.pki import AKI, BC, CLIENT_AUTH, DAY, EKU, KU, NOW, SAN, SERVER_AUTH, SKI

LIST = """
// ===BEGIN ICANN DOMAINS===
com
org
uk
co.uk
jp
*.kawasaki.jp
!city.kawasaki.jp
公司.cn
// ===BEGIN PRIVATE DOMAINS===
s3.amazonaws.com
github.io
"""
SUFFIXES = Suffixes(LIST.splitlines())
PLAIN, WITH_LIST = WebPki(), WebPki(SUFFIXES)


def verdict(chain: list[pki.Issued], root: pki.Issued, host: str | None = None, **options: Any) -> tuple[int, int, str]:
    """The code, the depth and the text; 0 if the chain is accepted."""
    profile = options.pop("profile", WITH_LIST)
    leaf, *others = [x.der for x in chain]
    try:
        verify.verify_chain(leaf, others, [root.der], hostname=host, profile=profile, **{"time": NOW, **options})
    except VerifyAbort as refused:
        return refused.code, refused.depth, refused.message
    return 0, 0, ""


# x509-limbo


def test_limbo() -> None:
    cases = [case for case in limbo.collection()[1] if case["id"].startswith(("webpki::", "online::"))]
    assert len(cases) > 30
    wrong = [case["id"] for case in cases if limbo.accepted(case, WITH_LIST) != (case["expected"] == "SUCCESS")]
    assert wrong == []


# Chains in the style of public CAs

ROOT_AKI = {AKI: (False, pki.seq(pki.tlv(0x80, pki.key_id(pki.key("rsa4096", 1)))))}
SCT_LIST = "1.3.6.1.4.1.11129.2.4.2"
STYLES: dict[str, dict[str, Any]] = {
    "Let's Encrypt: no subject, ninety days": {
        "subject": "",
        "extensions": {EKU: pki.usages(SERVER_AUTH), SAN: (True, pki.names("DNS:example.org", "DNS:www.example.org"))},
        "not_after": NOW + 60 * DAY - 1,
        "issuer": "rsa2048",
        "root": "rsa4096",
    },
    "a short-lived one for an address": {
        "subject": "",
        "extensions": {EKU: pki.usages(SERVER_AUTH), SAN: (True, pki.names("IP:192.0.2.7", "IP:2001:db8::1"))},
        "host": "2001:db8::1",
        "not_before": NOW - DAY,
        "not_after": NOW + 5 * DAY,
    },
    "an address as common name": {"subject": "CN=2001:db8::1", "alt": ("IP:2001:db8::1",), "host": "2001:db8::1"},
    "an address of four octets": {"subject": "CN=192.0.2.7", "alt": ("IP:192.0.2.7",), "host": "192.0.2.7"},
    "an organization, RSA throughout": {
        "subject": "C=GB,O=Example Ltd,CN=www.example.org",
        "alt": ("DNS:www.example.org", "DNS:example.org"),
        "host": "www.example.org",
        "private": "rsa3072",
        "issuer": "rsa4096",
        "root": "rsa4096",
        "root_extensions": ROOT_AKI,
        "digest": "sha384",
    },
    "a wildcard": {
        "subject": "CN=*.example.co.uk",
        "alt": ("DNS:*.example.co.uk", "DNS:example.co.uk"),
        "host": "www.example.co.uk",
        "issuer": "p384",
        "root": "p384",
        "digest": "sha384",
    },
    "a wildcard below a suffix of a hoster": {"alt": ("DNS:*.me.github.io",), "subject": "", "host": "x.me.github.io"},
    "an A-label": {
        "subject": "CN=xn--bcher-kva.example",
        "alt": ("DNS:xn--bcher-kva.example",),
        "host": "xn--bcher-kva.example",
    },
    "RSA, for both ways of key exchange": {"private": "rsa2048", "extensions": {KU: pki.key_usage(0xA0)}},
    "RSA that only encrypts": {"private": "rsa2048", "extensions": {KU: pki.key_usage(0x20)}},
    "without keyUsage": {"extensions": {KU: None}},
    "a hyphen here and there": {"alt": ("DNS:example.test", "DNS:a-b--c.example.test", "DNS:a--b.test")},
    "P-521": {"private": "p521", "issuer": "p521", "root": "p521", "digest": "sha512"},
    "398 days, when that was allowed": {"not_before": NOW - 300 * DAY, "not_after": NOW + 98 * DAY - 1},
    "for clients, too, and with timestamps": {
        "extensions": {EKU: pki.usages(SERVER_AUTH, CLIENT_AUTH), SCT_LIST: (False, pki.tlv(4, b"\x00\x00"))},
    },
    "an intermediate for servers only": {"issuer_extensions": {EKU: pki.usages(SERVER_AUTH)}},
    "an intermediate with constraints": {"issuer_extensions": {pki.NC: pki.constraints(("DNS:example.test",))}},
    "a root with its own key as authority": {"root_extensions": ROOT_AKI, "root": "rsa4096"},
    "an old root that was signed with SHA-1": {"root": "rsa2048", "root_digest": "sha1"},
}


def built(style: dict[str, Any]) -> tuple[list[pki.Issued], pki.Issued]:
    """The chain, leaf first, and its root."""
    settings = {"not_before": NOW - 30 * DAY, "not_after": NOW + 60 * DAY - 1, **style}
    root = pki.ca(
        "C=US,O=Trust,CN=Root",
        private=pki.key(settings.pop("root", "p256"), 1),
        extensions=settings.pop("root_extensions", {}),
        digest=settings.pop("root_digest", "sha256"),
        **settings.pop("root_others", {}),
    )
    digest = settings.pop("digest", "sha256")
    issuer = pki.ca(
        "C=US,O=Trust,CN=Issuing",
        root,
        private=pki.key(settings.pop("issuer", "p256"), 2),
        path_length=0,
        extensions=settings.pop("issuer_extensions", {}),
        digest=settings.pop("issuer_digest", digest),
        not_after=NOW + 3000 * DAY,
        **settings.pop("issuer_others", {}),
    )
    settings.pop("host", None)
    alt = settings.get("alt", ("DNS:example.test",))
    if "subject" not in settings:
        settings["subject"] = "CN=" + alt[0].partition(":")[2]
    if not settings["subject"]:
        settings["extensions"] = {SAN: (True, pki.names(*alt)), **settings.get("extensions", {})}
    private = pki.key(settings.pop("private", "p256"), 3)
    settings["extensions"] = {
        EKU: pki.usages(SERVER_AUTH),
        BC: pki.basic_constraints(ca=False),
        **settings.get("extensions", {}),
    }
    return [pki.leaf("example.test", issuer, private=private, digest=digest, **settings), issuer], root


@pytest.mark.parametrize("name", STYLES)
def test_what_public_cas_issue_is_accepted(name: str) -> None:
    style = STYLES[name]
    chain, root = built(style)
    host = style.get("host") or ("example.org" if "Encrypt" in name else "example.test")
    for profile in (WITH_LIST, PLAIN):
        assert verdict(chain, root, host, profile=profile) == (0, 0, "")


def test_a_cross_signed_root() -> None:
    """Between two roots the new one is an intermediate, whichever of them is trusted."""
    chain, root = built({})
    old = pki.ca("C=US,O=Older,CN=Root", private=pki.key("rsa2048", 9))
    crossed = pki.ca("C=US,O=Trust,CN=Root", old, private=root.key)
    assert verdict([*chain, crossed], old, "example.test") == (0, 0, "")
    assert verdict([*chain, crossed], root, "example.test") == (0, 0, "")


def test_another_path_is_found_around_a_root_that_breaks_a_rule() -> None:
    """A violated rule makes the search go on, like any other check."""
    chain, good = built({})
    bad = pki.ca("C=US,O=Trust,CN=Root", private=good.key, extensions={EKU: pki.usages(SERVER_AUTH)})
    assert verdict(chain, bad, "example.test")[:2] == (codes.INVALID_EXTENSION, 2)
    leaf, *others = [x.der for x in chain]
    found = verify.verify_chain(leaf, others, [bad.der, good.der], time=NOW, hostname="example.test", profile=PLAIN)
    assert found[-1] == good.der


# What is refused

OTHERS_KEY = pki.seq(
    pki.tlv(0x80, pki.key_id(pki.key("p256", 2))),
    pki.tlv(0xA1, pki.general("dir:C=US,O=Trust,CN=Root")),
    pki.tlv(0x82, b"\x05"),
)
OWN_ISSUER = {AKI: (False, OTHERS_KEY)}
ADDRESSES = (
    "192.0.2.8", "192.000.002.007", "0xC0000207", "3221225991", "192.0.2.7.", "2001:DB8::1", "2001:db8:0:0:0:0:0:1",
    "2001:0db8::1", "[2001:db8::1]",
)  # fmt: skip
CODE = codes.INVALID_EXTENSION
PSS_KEY = pki.rsa_numbers(
    pki.key("rsa2048", 3).public_key().public_numbers().n, 65537, algorithm=pki.seq(pki.oid(pki.RSA_PSS))
)
BROKEN: dict[str, tuple[dict[str, Any], int, int, str]] = {
    "no extKeyUsage": ({"extensions": {EKU: None}}, codes.INVALID_PURPOSE, 0, "no serverAuth"),
    "anyExtendedKeyUsage": (
        {"extensions": {EKU: pki.usages(SERVER_AUTH, pki.ANY_USAGE)}},
        codes.INVALID_PURPOSE,
        0,
        "must not be for",
    ),
    **{
        f"extKeyUsage with {name}": (
            {"extensions": {EKU: pki.usages(SERVER_AUTH, number)}},
            codes.INVALID_PURPOSE,
            0,
            "must not be for",
        )
        for name, number in (
            ("codeSigning", "1.3.6.1.5.5.7.3.3"),
            ("emailProtection", "1.3.6.1.5.5.7.3.4"),
            ("timeStamping", "1.3.6.1.5.5.7.3.8"),
            ("OCSPSigning", "1.3.6.1.5.5.7.3.9"),
            ("precertificates", "1.3.6.1.4.1.11129.2.4.4"),
        )
    },
    "extKeyUsage with precertificates alone": (
        {"extensions": {EKU: pki.usages("1.3.6.1.4.1.11129.2.4.4")}},
        codes.INVALID_PURPOSE,
        0,
        "",
    ),
    "an elliptic key that signs nothing": (
        {"extensions": {KU: pki.key_usage(0x08)}},
        codes.INVALID_PURPOSE,
        0,
        "no digitalSignature",
    ),
    "an elliptic key that encrypts keys": (
        {"extensions": {KU: pki.key_usage(0x20)}},
        codes.INVALID_PURPOSE,
        0,
        "no digitalSignature",
    ),
    "a key that may do nothing": ({"extensions": {KU: pki.key_usage(0)}, "private": "rsa2048"}, 20, 0, ""),
    "a reserved label": ({"alt": ("DNS:example.test", "DNS:ab--c.example.test")}, CODE, 0, "host that is none"),
    "an A-label of nothing": ({"alt": ("DNS:example.test", "DNS:xn--.example.test")}, CODE, 0, "host that is none"),
    "an A-label that is ASCII": ({"alt": ("DNS:example.test", "DNS:xn--abc-.test")}, CODE, 0, "host that is none"),
    "an A-label beyond Unicode": (
        {"alt": ("DNS:example.test", "DNS:xn--999999999.test")},
        CODE,
        0,
        "host that is none",
    ),
    "a critical extKeyUsage": ({"extensions": {EKU: (True, pki.usages(SERVER_AUTH)[1])}}, CODE, 0, "is critical"),
    "a CA that is no signer": (
        {"extensions": {BC: pki.basic_constraints(ca=True)}},
        codes.INVALID_NON_CA,
        0,
        "calls itself a CA",
    ),
    "keyUsage of CRLs": ({"extensions": {KU: pki.key_usage(0x82)}}, codes.INVALID_NON_CA, 0, "keyUsage is a CA's"),
    "an issuer in the authority's key": (
        {"extensions": OWN_ISSUER, "issuer_others": {"serial": 5}},
        CODE,
        0,
        "names an issuer",
    ),
    "a key of RSA that is too short": ({"private": "rsa1024"}, codes.LEAF_KEY_TOO_SMALL, 0, ""),
    "a key of RSA of an odd size": ({"private": "rsa2052"}, codes.LEAF_KEY_TOO_SMALL, 0, "not permitted"),
    "a key of RSA-PSS": ({"private": "rsa2048", "key_info": PSS_KEY}, codes.LEAF_KEY_TOO_SMALL, 0, "not permitted"),
    "P-224": ({"private": "p224"}, codes.LEAF_KEY_TOO_SMALL, 0, "not permitted"),
    "Ed25519": ({"private": "ed25519"}, codes.LEAF_KEY_TOO_SMALL, 0, "not permitted"),
    "an issuer with Ed25519": ({"issuer": "ed25519"}, codes.CA_KEY_TOO_SMALL, 1, "not permitted"),
    "a root with Ed448": ({"root": "ed448"}, codes.CA_KEY_TOO_SMALL, 2, "not permitted"),
    "a root of RSA of an odd size": ({"root": "rsa2052"}, codes.CA_KEY_TOO_SMALL, 2, "not permitted"),
    "SHA-224": ({"digest": "sha224", "issuer_digest": "sha256"}, codes.CA_DIGEST_TOO_WEAK, 0, "not permitted"),
    "SHA-1 in the middle": ({"issuer_digest": "sha1"}, codes.CA_DIGEST_TOO_WEAK, 1, ""),
    "a root with extKeyUsage": ({"root_extensions": {EKU: pki.usages(SERVER_AUTH)}}, CODE, 2, "extKeyUsage"),
    "a root with another key as authority": (
        {"root_extensions": {AKI: (False, pki.seq(pki.tlv(0x80, b"another")))}},
        CODE,
        2,
        "not its own",
    ),
    "a root without a subject key": ({"root_extensions": {SKI: None}}, codes.MISSING_SUBJECT_KEY, 2, ""),
    "a root of version 1": (
        {"root_extensions": dict.fromkeys((BC, KU, SKI)), "root_others": {"version": 0}},
        codes.INVALID_CA,
        2,
        "",
    ),
    "no subjectAltName": ({"extensions": {SAN: None}}, CODE, 0, "no subjectAltName"),
    "a critical subjectAltName": (
        {"extensions": {SAN: (True, pki.names("DNS:example.test"))}},
        CODE,
        0,
        "critical beside a subject",
    ),
    "a mailbox": ({"alt": ("DNS:example.test", "email:a@example.test")}, CODE, 0, "neither a host nor an address"),
    "a URI": ({"alt": ("DNS:example.test", "URI:https://example.test/")}, CODE, 0, "neither a host nor an address"),
    "a directory name": ({"alt": ("DNS:example.test", "dir:CN=x")}, CODE, 0, "neither a host nor an address"),
    "an underscore": ({"alt": ("DNS:example.test", "DNS:a_b.example.test")}, CODE, 0, "host that is none"),
    "a U-label": ({"alt": ("DNS:example.test", "DNS:bücher.example")}, CODE, 0, "host that is none"),
    "a dot at the end": ({"alt": ("DNS:example.test", "DNS:example.test.")}, CODE, 0, "host that is none"),
    "an empty label": ({"alt": ("DNS:example.test", "DNS:a..test")}, CODE, 0, "host that is none"),
    "a label that is too long": ({"alt": ("DNS:example.test", f"DNS:{'a' * 64}.test")}, CODE, 0, "host that is none"),
    "a name that is too long": ({"alt": ("DNS:example.test", "DNS:" + "a." * 126 + "test")}, CODE, 0, "that is none"),
    "an asterisk in a label": ({"alt": ("DNS:example.test", "DNS:w*.example.test")}, CODE, 0, "host that is none"),
    "an asterisk in the middle": ({"alt": ("DNS:example.test", "DNS:a.*.test")}, CODE, 0, "host that is none"),
    "nothing but an asterisk": ({"alt": ("DNS:example.test", "DNS:*")}, CODE, 0, "host that is none"),
    "a wildcard over a top-level domain": ({"alt": ("DNS:example.test", "DNS:*.test")}, CODE, 0, "public suffix"),
    "a wildcard over a suffix": ({"alt": ("DNS:example.test", "DNS:*.CO.uk")}, CODE, 0, "public suffix"),
    "a wildcard over a private suffix": ({"alt": ("DNS:example.test", "DNS:*.s3.amazonaws.com")}, CODE, 0, "suffix"),
    "a wildcard over one of many suffixes": ({"alt": ("DNS:example.test", "DNS:*.a.kawasaki.jp")}, CODE, 0, "suffix"),
    "another common name": ({"subject": "CN=example.com"}, CODE, 0, "common name"),
    "a common name in capitals": ({"subject": "CN=Example.test"}, CODE, 0, "common name"),
    "a common name that is no host": ({"subject": "CN=Example Ltd"}, CODE, 0, "common name"),
    "two common names": ({"subject": "CN=example.test,CN=example.test"}, CODE, 0, "common name"),
    **{
        f"an address as common name: {text}": (
            {"subject": f"CN={text}", "alt": ("DNS:example.test", "IP:192.0.2.7", "IP:2001:db8::1")},
            CODE,
            0,
            "common name",
        )
        for text in ADDRESSES
    },
    "an address alone, otherwise written": (
        {"subject": "CN=0xC0.0.2.7", "alt": ("IP:192.0.2.7",), "host": "192.0.2.7"},
        CODE,
        0,
        "common name",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_refused(name: str) -> None:
    """With the profile, and only with it unless RFC 5280 or the security level have the same rule."""
    style, code, depth, text = BROKEN[name]
    chain, root = built(style)
    found = verdict(chain, root)
    assert found[:2] == (code, depth)
    assert text in found[2]
    if text:
        assert found[2].endswith("(CA/Browser Forum)")
        assert verdict(chain, root, profile=None, security_level=0) == (0, 0, "")


@pytest.mark.parametrize("listed", [(77, 77), (77, 78, 77), (5, 77, 77)])
def test_a_crl_that_lists_a_certificate_twice_does_not_count(listed: tuple[int, ...]) -> None:
    """Whichever it is; without the profile it counts (cabforum/servercert issue 589)."""
    chain, root = built({})
    issuer = chain[1]
    for serials in (listed, tuple(dict.fromkeys(listed))):
        crls = {"crls": [pki.crl(issuer, serials)], "flags": 4}
        assert verdict(chain, root, profile=None, **crls) == (0, 0, "")
        assert verdict(chain, root, **crls)[0] == (codes.UNABLE_TO_GET_CRL if serials == listed else 0)


def test_names_count_from_subject_alt_name_alone() -> None:
    chain, root = built({"subject": "CN=example.test", "extensions": {SAN: None}})
    assert verdict(chain, root, "example.test", profile=None) == (0, 0, "")
    assert verdict(chain, root, "example.test")[0] == codes.HOSTNAME_MISMATCH


def test_strict_mode_is_part_of_it() -> None:
    """Whatever flags are given."""
    chain, root = built({"extensions": {AKI: None}})
    assert verdict(chain, root, profile=None, flags=0) == (0, 0, "")
    assert verdict(chain, root, flags=0)[0] == codes.MISSING_AUTHORITY_KEY


@pytest.mark.parametrize(("since", "days"), LIFETIMES)
def test_lifetimes_by_the_day_of_issue(since: int, days: int) -> None:
    """What is issued on that day may be so long and no longer; the day before, it might be longer."""
    for begin, length, good in (
        (since, days * DAY, True),
        (since, days * DAY + 1, False),
        (since - 1, days * DAY + 1, True),
    ):
        chain, root = built(
            {
                "not_before": begin,
                "not_after": begin + length,
                "issuer_others": {"not_before": 0},
                "root_others": {"not_before": 0, "not_after": NOW + 9000 * DAY},
            }
        )
        found = verdict(chain, root, time=begin + DAY)
        assert (found[0] == 0) is good, found
        if not good:
            assert found == (
                codes.REJECTED,
                0,
                f"certificate rejected: it is valid for more than {days} days (CA/Browser Forum)",
            )


def test_lifetimes_are_those_of_the_ballots() -> None:
    """SC-081v3, SC-031, 193 and the first version: by the day of issue, so many days."""
    written = [(time.strftime("%Y-%m-%d", time.gmtime(since)), days) for since, days in LIFETIMES]
    assert written == [
        ("2029-03-15", 47),
        ("2027-03-15", 100),
        ("2026-03-15", 200),
        ("2020-09-01", 398),
        ("2018-03-01", 825),
        ("2015-04-01", 1188),
        ("2012-07-01", 1827),
    ]


def test_lifetimes_are_a_table_that_falls() -> None:
    assert [days for _, days in LIFETIMES] == sorted(days for _, days in LIFETIMES)
    assert [since for since, _ in LIFETIMES] == sorted((since for since, _ in LIFETIMES), reverse=True)
    assert LIFETIMES[-1][0] > calendar.timegm((1970, 1, 1, 0, 0, 0))


def test_many_names_cost_no_more_than_their_number() -> None:
    alt = tuple(f"DNS:*.a{n}.example.test" for n in range(3000))
    chain, root = built({"alt": ("DNS:example.test", *alt)})
    assert verdict(chain, root, "example.test") == (0, 0, "")


# Public suffixes


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("com", True), ("example.com", False), ("co.uk", True), ("x.co.uk", False), ("anything", True),
        ("a.kawasaki.jp", True), ("city.kawasaki.jp", False), ("x.a.kawasaki.jp", False), ("kawasaki.jp", False),
        ("s3.amazonaws.com", True), ("amazonaws.com", False), ("xn--55qx5d.cn", True), ("github.io", True),
    ],
)  # fmt: skip
def test_suffixes(name: str, public: bool) -> None:
    assert (name.encode() in SUFFIXES) is public


def test_lists_that_say_the_same_are_the_same() -> None:
    again = Suffixes(reversed([*LIST.splitlines(), "com", "COM", " .org. ", ""]))
    assert WebPki(again).name == WITH_LIST.name != PLAIN.name
    assert WebPki(Suffixes(["com"])).name != WITH_LIST.name
