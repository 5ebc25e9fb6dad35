"""Name constraints of every type, as OpenSSL applies them, and where ours are tighter."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._x509 import codes
from support import libcrypto, pki
from support.verifying import ours, theirs

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")
ROOT = pki.ca("root")

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


# Common names that are matched as hosts

LABELS = ("good", "evil", "test", "10", "1", "0x1", "a-b", "a_b", "xn--bcher-kva", "intranet")
common_names = st.builds(
    lambda star, labels, dot: star + ".".join(labels) + dot,
    st.sampled_from(("", "", "*.", "w*.")),
    st.lists(st.sampled_from(LABELS), min_size=1, max_size=4),
    st.sampled_from(("", "", ".")),
)


def hosts_of(common_name: str) -> list[str]:
    """Names of hosts that a common name may be taken for."""
    return [common_name, common_name.replace("*", "www"), common_name.replace("w*", "w")]


def within(host: str, base: str) -> bool:
    return f".{host.rstrip('.')}".endswith(f".{base}")


@settings(max_examples=300, deadline=None)
@given(common_names, st.sampled_from(("good.test", "test", "intranet")), st.booleans(), st.sampled_from((0, 4, 8)))
def test_no_common_name_escapes(common_name: str, base: str, permitted: bool, host_flags: int) -> None:
    """Whoever is accepted as a host by a common name alone is within what the CA above may speak for."""
    lists = ((f"DNS:{base}",), ()) if permitted else ((), (f"DNS:{base}",))
    middle = pki.ca("middle", ROOT, extensions={pki.NC: pki.constraints(*lists)})
    leaf = pki.leaf("x", middle, subject=common_name, extensions={pki.SAN: None})
    for host in hosts_of(common_name):
        code, _ = ours([leaf, middle], [ROOT], flags=0x8000, host=host, host_flags=host_flags)
        if code == 0:
            assert within(host, base) == permitted, host


@pytest.mark.parametrize(
    ("common_name", "host"),
    [
        pytest.param("*.evil.test", "www.evil.test"),
        pytest.param("w*.evil.test", "www.evil.test"),
        pytest.param("intranet", "intranet"),
        pytest.param("10.1", "10.1"),
        pytest.param("foo.123", "foo.123"),
        pytest.param("1.2.3.4.5", "1.2.3.4.5"),
        pytest.param("256.1.1.1", "256.1.1.1"),
        pytest.param("evil.test.", "evil.test."),
        pytest.param("10.1.", "10.1."),
        ("evil.test", "evil.test"),
        ("foo.0x1", "foo.0x1"),
    ],
)
def test_common_names_like_these_are_hosts(common_name: str, host: str) -> None:
    for lists in ((("DNS:good.test",), ()), ((), (f"DNS:{host.rstrip('.')}",))):
        middle = pki.ca("middle", ROOT, extensions={pki.NC: pki.constraints(*lists)})
        leaf = pki.leaf("x", middle, subject=common_name, extensions={pki.SAN: None})
        code, _ = ours([leaf, middle], [ROOT], flags=0x8000, host=host, host_flags=0)
        assert code == (codes.PERMITTED_VIOLATION if lists[0] else codes.EXCLUDED_VIOLATION)


@pytest.mark.parametrize("common_name", ["192.0.2.1", "127.0.0.1", "2001:db8::1", "::1"])
def test_an_address_is_no_host(common_name: str) -> None:
    assert verdict((), ("DNS:good.test",), subject=f"CN={common_name}") == 0


def test_a_common_name_that_is_no_host_is_left_alone() -> None:
    for common_name in ("A. N. Other", "Some Company, Inc".replace(",", ""), "alice"):
        assert verdict((), ("DNS:good.test",), subject=f"CN={common_name}", purpose="clientAuth") == 0


def test_a_dot_at_the_end_is_no_way_out_of_what_is_excluded() -> None:
    for name in ("DNS:evil.test.", "DNS:sub.evil.test.", "DNS:*.evil.test."):
        assert verdict((name,), (), ("DNS:evil.test",)) == codes.EXCLUDED_VIOLATION


# SmtpUTF8Mailbox (RFC 9598)


def other_name(number: str, value: bytes) -> bytes:
    return pki.tlv(0xA0, pki.oid(number), pki.tlv(0xA0, value))


def smtp(address: str, tag: int = 0x0C) -> bytes:
    return other_name("1.3.6.1.5.5.7.8.9", pki.tlv(tag, address.encode()))


MAILBOXES = (
    "u@evil.test", "u@good.test", "u@GOOD.test", "u@sub.good.test", "ü@good.test", "ü@evil.test", "ü@sub.good.test",
    "no at", "@good.test", "u@", "u@xn--bcher-kva.test", "ü@bücher.test", "ü@BÜCHER.test",
)  # fmt: skip
MAIL_BASES = (
    "email:good.test", "email:.good.test", "email:evil.test", "email:u@good.test", "email:xn--bcher-kva.test",
    "email:.xn--bcher-kva.test", "DNS:good.test", "email:", "email:@good.test",
)  # fmt: skip


@reference
def test_utf8_mailboxes_as_openssl() -> None:
    """But for domains beyond ASCII, in A-labels since RFC 9598 and in U-labels with OpenSSL 3.0, for mailboxes, and for
    constraints that begin with a dot, in which OpenSSL 3.0 finds nothing.
    """
    for address, base in itertools.product(MAILBOXES, MAIL_BASES):
        for lists in (((base,), ()), ((), (base,))):
            middle = pki.ca("middle", ROOT, extensions={pki.NC: pki.constraints(*lists)})
            leaf = pki.leaf("x", middle, extensions={pki.SAN: (False, pki.seq(smtp(address)))})
            mine, other = (verify([leaf, middle], [ROOT], flags=0x8000) for verify in (ours, theirs))
            tighter = "@" in base and mine[0]
            assert mine == other or tighter or "xn--" in address + base or base.startswith("email:."), (address, lists)


def test_utf8_mailboxes_are_held_to_constraints_of_mail() -> None:
    for address, permitted, excluded, code in (
        ("u@evil.test", ("email:good.test",), (), codes.PERMITTED_VIOLATION),
        ("ü@evil.test", ("email:good.test",), (), codes.PERMITTED_VIOLATION),
        ("ü@evil.test", (), ("email:evil.test",), codes.EXCLUDED_VIOLATION),
        ("ü@sub.evil.test", (), ("email:.evil.test",), codes.EXCLUDED_VIOLATION),
        ("u@evil.test", (), ("email:u@evil.test",), codes.EXCLUDED_VIOLATION),
        ("ü@xn--bcher-kva.test", (), ("email:xn--bcher-kva.test",), codes.EXCLUDED_VIOLATION),
        ("ü@bücher.test", (), ("email:xn--bcher-kva.test",), codes.EXCLUDED_VIOLATION),
        ("nobody", ("email:good.test",), (), codes.UNSUPPORTED_NAME_SYNTAX),
        ("ü@good.test", ("email:good.test",), (), 0),
        ("ü@evil.test", ("DNS:good.test",), (), 0),
    ):
        middle = pki.ca("middle", ROOT, extensions={pki.NC: pki.constraints(permitted, excluded)})
        leaf = pki.leaf("x", middle, extensions={pki.SAN: (False, pki.seq(smtp(address)))})
        assert ours([leaf, middle], [ROOT], flags=0x8000)[0] == code, address
    leaf = pki.leaf("x", middle, extensions={pki.SAN: (False, pki.seq(smtp("u@good.test", 0x16)))})
    held = pki.ca("middle", ROOT, extensions={pki.NC: pki.constraints(("email:good.test",))})
    assert ours([leaf, held], [ROOT], flags=0x8000)[0] == codes.UNSUPPORTED_NAME_SYNTAX


@reference
def test_other_names_are_held_to_constraints_of_their_own_kind() -> None:
    upn, jid = "1.3.6.1.4.1.311.20.2.3", "1.3.6.1.5.5.7.8.5"
    base = pki.seq(pki.tlv(0xA0, pki.seq(other_name(upn, pki.tlv(0x0C, b"a")))))
    middle = pki.ca("middle", ROOT, extensions={pki.NC: (True, base)})
    for number, code in ((upn, codes.UNSUPPORTED_CONSTRAINT_TYPE), (jid, 0), ("1.3.6.1.5.5.7.8.9", 0)):
        names = pki.seq(other_name(number, pki.tlv(0x0C, b"a@b")))
        leaf = pki.leaf("x", middle, extensions={pki.SAN: (False, names)})
        for verify in (ours, theirs):
            assert verify([leaf, middle], [ROOT], flags=0x8000)[0] == code
