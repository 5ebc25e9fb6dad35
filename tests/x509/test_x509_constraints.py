"""Name constraints of every type, as OpenSSL applies them, and where ours are tighter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import libcrypto
import pki
from puretls._x509 import codes
from verifying import ours, theirs

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")

NAMES = (
    "DNS:example.test", "DNS:a.example.test", "DNS:A.EXAMPLE.test", "DNS:xexample.test", "DNS:test", "DNS:",
    "DNS:*.example.test", "email:a@example.test", "email:A@example.test", "email:a@b.example.test",
    "email:a@EXAMPLE.test", "email:example.test", "email:@example.test", "email:a@b@example.test", "email:", "email:a@",
    "URI:http://example.test/x", "URI:http://example.test:80/", "URI:http://a.example.test", "URI:example.test",
    "URI:http:///x", "URI:mailto:a@example.test", "URI:http://u@example.test/", "URI:HTTP://EXAMPLE.test/", "URI:",
    "URI:a:/", "IP:192.0.2.1", "IP:192.0.3.1", "IP:2001:db8::1", "dir:CN=a,O=b", "dir:CN=A", "dir:O=b,CN=a", "dir:",
    "RID:\x2a",
)  # fmt: skip
BASES = (
    "DNS:example.test", "DNS:.example.test", "DNS:", "DNS:EXAMPLE.test", "DNS:a.example.test", "DNS:test",
    "email:example.test", "email:.example.test", "email:a@example.test", "email:@example.test", "email:", "email:a@",
    "URI:example.test", "URI:.example.test", "URI:", "IP:192.0.2.0/24", "IP:192.0.2.1/32", "IP:0.0.0.0/0",
    "IP:2001:db8::/32", "dir:CN=a", "dir:CN=a,O=b", "dir:", "dir:O=c", "RID:\x2a", "RID:\x2b",
)  # fmt: skip
SUBJECTS = (
    "", "CN=a,O=b", "CN=example.test", "CN=a.example.test", "CN=other.test", "E=a@example.test", "E=a", "CN=x y",
    "CN=-a.test", "CN=a..test", "CN=a_b.example.test", "CN=example.test,CN=other.test",
)  # fmt: skip
some = lambda pool: st.lists(st.sampled_from(pool), max_size=2).map(tuple)  # noqa: E731 - a strategy, not a function


@reference
@settings(max_examples=700, deadline=None)
@given(some(NAMES), some(BASES), some(BASES), st.sampled_from(SUBJECTS), st.sampled_from((4, 4, 0x20, 1)))
def test_as_openssl(
    alt: tuple[str, ...], permitted: tuple[str, ...], excluded: tuple[str, ...], subject: str, host_flags: int
) -> None:
    root = pki.ca("root", extensions={pki.NC: pki.constraints(permitted, excluded)})
    extensions = {} if alt else {pki.SAN: None}
    chain = [pki.leaf("x", root, subject=subject, alt=alt, extensions=extensions)]
    mine = ours(chain, [root], flags=0x8000, host_flags=host_flags)
    other = theirs(chain, [root], flags=0x8000, host_flags=host_flags)
    # OpenSSL lets a wildcard pass of which a part is excluded, and looks at the common names
    beyond = ((0, 0), (codes.PERMITTED_VIOLATION, 0))
    wildcard = mine[0] == codes.EXCLUDED_VIOLATION and other in beyond and any("*" in name for name in alt)
    mailbox = mine[0] == codes.UNSUPPORTED_NAME_SYNTAX and "email:a@b@example.test" in alt
    assert mine == other or wildcard or mailbox


def verdict(alt: tuple[str, ...], permitted: tuple[str, ...], excluded: tuple[str, ...] = (), **policy: object) -> int:
    root = pki.ca("root")
    middle = pki.ca("middle", root, extensions={pki.NC: pki.constraints(permitted, excluded)})
    leaf = pki.leaf("x", middle, alt=alt, subject=policy.pop("subject", ""))
    return ours([leaf, middle], [root], flags=0x8000, **policy)[0]


@pytest.mark.parametrize(
    ("name", "excluded", "code"),
    [
        ("DNS:*.example.test", "DNS:a.example.test", codes.EXCLUDED_VIOLATION),  # CVE-2025-61727
        ("DNS:*.EXAMPLE.test", "DNS:A.example.TEST", codes.EXCLUDED_VIOLATION),
        ("DNS:*.example.test", "DNS:b.a.example.test", 0),  # a wildcard is one label
        ("DNS:*.example.test", "DNS:other.test", 0),
        ("DNS:*.example.test", "DNS:example.test", codes.EXCLUDED_VIOLATION),
    ],
)
def test_wildcards_that_cover_what_is_excluded(name: str, excluded: str, code: int) -> None:
    assert verdict((name,), (), (excluded,)) == code


def test_a_name_that_starts_with_a_dot_is_no_name() -> None:
    assert verdict(("DNS:.example.test",), ("DNS:example.test",)) == codes.UNSUPPORTED_NAME_SYNTAX
    assert verdict(("DNS:.example.test",), ("IP:192.0.2.0/24",)) == 0


def test_common_names_are_hosts_and_not_addresses() -> None:
    asked = {"subject": "CN=other.test"}
    assert verdict(("IP:192.0.2.1",), ("DNS:example.test",), **asked) == codes.PERMITTED_VIOLATION
    assert verdict(("IP:192.0.2.1",), ("DNS:example.test",), ip=b"\xc0\0\2\1", **asked) == 0
    assert verdict(("IP:192.0.2.1",), ("DNS:example.test",), subject="CN=192.0.2.1") == 0
    assert verdict(("IP:192.0.2.1",), ("DNS:example.test",), host_flags=0x24, **asked) == 0


def test_a_mailbox_has_one_at() -> None:
    assert verdict(("email:a@b@example.test",), ("email:example.test",)) == codes.UNSUPPORTED_NAME_SYNTAX
    assert verdict(('email:"a@b"@example.test',), ("email:example.test",)) == 0


def test_masks_are_ones_then_zeros() -> None:
    odd = pki.tlv(0x87, bytes((192, 0, 2, 0, 255, 0, 255, 0)))
    middle = {pki.NC: (True, pki.seq(pki.tlv(0xA0, pki.seq(odd))))}
    root = pki.ca("root")
    authority = pki.ca("middle", root, extensions=middle)
    for alt, plain in (("IP:192.0.2.1", codes.UNSUPPORTED_NAME_SYNTAX), ("DNS:a.test", 0)):
        chain = [pki.leaf("x", authority, alt=(alt,)), authority]
        assert ours(chain, [root], flags=0x8000)[0] == plain
        assert ours(chain, [root], flags=0x8020)[0] == (plain or codes.UNSUPPORTED_CONSTRAINT_SYNTAX)


def test_self_issued_certificates_are_passed_over_but_not_the_leaf() -> None:
    constrained = {pki.NC: pki.constraints(("dir:CN=other",))}
    root = pki.ca("root", extensions=constrained)
    middle = pki.ca("root", root, private=pki.key("p256", 30))
    leaf = pki.leaf("x", middle, subject="CN=other")
    assert ours([leaf, middle], [root], flags=0x8000) == (0, 0)
    assert ours([pki.leaf("x", middle, subject="CN=x"), middle], [root], flags=0x8000) == (codes.PERMITTED_VIOLATION, 0)
