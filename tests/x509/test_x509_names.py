"""Which hosts and addresses a certificate is for, and which distinguished names are the same."""

from __future__ import annotations

import ctypes
import ipaddress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from puretls._x509 import certificate, names
from support import libcrypto, pki

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")

FLAGS = st.sampled_from((4, 4, 0, 1, 2, 5, 8, 0x20, 0x24, 0xC))
LABELS = st.sampled_from(
    ("a", "www", "*", "w*", "*w", "a*b", "xn--a", "xn--*", "example", "test", "", "-a", "a-", "a_b", "1", "A", "**",
     "*a-", "b-*")
)  # fmt: skip
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


def issued(alt: tuple[str, ...] | None, subject: str = "CN=cn.example") -> certificate.Certificate:
    extensions = {pki.SAN: None} if alt is None else {}
    return certificate.load(pki.leaf("x", subject=subject, alt=alt or (), extensions=extensions).der)


def openssl_says(x: certificate.Certificate, host: str, flags: int) -> bool:
    lib = libcrypto.LIB
    handle = libcrypto._der(lib.d2i_X509, x.der)
    name = host.encode()
    try:
        return bool(lib.X509_check_host(handle, name, ctypes.c_size_t(len(name)), ctypes.c_uint(flags), None) == 1)
    finally:
        lib.X509_free(handle)


@reference
@settings(max_examples=600, deadline=None)
@given(st.lists(HOSTS, min_size=1, max_size=2), HOSTS, FLAGS, st.booleans())
@example(["*.example.test"], "*.example.test", 4, False)
@example(["*.example.test"], "a_b.example.test", 4, False)
@example(["*.a_b.test"], "a.a_b.test", 4, False)
@example(["*.test"], "a.test", 4, False)
@example(["*.a.test."], "a.a.test.", 4, False)
@example(["a.test"], "a.test.", 4, False)
def test_hosts_as_openssl_matches_them(patterns: list[str], host: str, flags: int, in_cn: bool) -> None:
    if not host or host.startswith(".") or (in_cn and not all(patterns)):
        return  # SSLContext refuses such hosts
    if in_cn:
        x = issued(None, ",".join(f"CN={pattern}" for pattern in patterns))
    else:
        x = issued(tuple(f"DNS:{pattern}" for pattern in patterns))
    assert names.host_matches(x, host, flags) == openssl_says(x, host, flags)


@pytest.mark.parametrize(
    ("alt", "host", "flags", "good"),
    [
        (("DNS:example.test",), "example.test", 4, True),
        (("DNS:EXAMPLE.test",), "example.TEST", 4, True),
        (("DNS:*.example.test",), "www.example.test", 4, True),
        (("DNS:*.example.test",), "a.www.example.test", 4, False),
        (("DNS:*.example.test",), "example.test", 4, False),
        (("DNS:w*.example.test",), "www.example.test", 4, False),
        (("DNS:w*.example.test",), "www.example.test", 0, True),
        (("DNS:*.test",), "example.test", 4, False),
        (("DNS:example.test\0.evil",), "example.test", 4, False),
        (("DNS:example.test.",), "example.test", 4, False),
        (("DNS:xn--bcher-kva.test",), "xn--bcher-kva.test", 4, True),
        (("email:a@cn.example",), "cn.example", 4, True),  # no dNSName: the common name counts
        (("DNS:other.example",), "cn.example", 4, False),
        (None, "cn.example", 4, True),
        (None, "cn.example", 0x24, False),  # hostname_checks_common_name = False
        (("DNS:" + "a" * 70000,), "a" * 70000, 4, True),
        (("DNS:" + "*." * 30000,), "a.b", 4, False),
    ],
)
def test_hosts(alt: tuple[str, ...] | None, host: str, flags: int, good: bool) -> None:
    assert names.host_matches(issued(alt), host, flags) is good


def test_addresses_match_addresses_only() -> None:
    four, six = ipaddress.ip_address("192.0.2.1").packed, ipaddress.ip_address("2001:db8::1").packed
    x = issued(("IP:192.0.2.1", "IP:2001:db8::1", "DNS:192.0.2.2"), "CN=192.0.2.3")
    assert names.ip_matches(x, four)
    assert names.ip_matches(x, six)
    for other in ("192.0.2.2", "192.0.2.3", "::ffff:192.0.2.1"):
        assert not names.ip_matches(x, ipaddress.ip_address(other).packed)


def rdn(tag: int, value: bytes, kind: str = "2.5.4.3") -> bytes:
    return pki.tlv(0x31, pki.seq(pki.oid(kind), pki.tlv(tag, value)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (rdn(0x0C, b"Root  CA "), rdn(0x13, b" root ca"), True),
        (rdn(0x0C, "Bücher".encode()), rdn(0x1E, "Bücher".encode("utf-16-be")), True),
        (rdn(0x0C, "Bücher".encode()), rdn(0x14, "Bücher".encode("latin-1")), True),
        (rdn(0x0C, "BÜCHER".encode()), rdn(0x0C, "Bücher".encode()), False),  # only ASCII loses its case
        (rdn(0x0C, b"a"), rdn(0x0C, b"a") + rdn(0x0C, b"b"), False),
        (rdn(0x0C, b"a") + rdn(0x0C, b"b"), rdn(0x0C, b"b") + rdn(0x0C, b"a"), False),
        (rdn(0x0C, b"a"), rdn(0x0C, b"a", "2.5.4.10"), False),
        (rdn(0x03, b"\0a"), rdn(0x0C, b"\0a"), False),  # a BIT STRING is no text
        (rdn(0x03, b"\0A"), rdn(0x03, b"\0a"), False),
        (rdn(0x0C, b"\x03\0a"), rdn(0x03, b"\0a"), False),
    ],
)
def test_distinguished_names(one: bytes, other: bytes, same: bool) -> None:
    subjects = [certificate.load(pki.ca(pki.seq(der)).der).subject for der in (one, other)]
    assert (subjects[0] == subjects[1]) is same


@pytest.mark.parametrize(
    ("tag", "value"), [(0x04, b"a"), (0x0C, b"\xff\xfe"), (0x1E, b"\xd8\x00"), (0x1E, b"a"), (0x1C, b"abc")]
)
def test_text_that_cannot_be_read_spoils_the_certificate(tag: int, value: bytes) -> None:
    der = pki.ca(pki.seq(rdn(tag, value))).der
    with pytest.raises(ValueError):
        certificate.load(der)
    assert not certificate.Certificate(der).readable
