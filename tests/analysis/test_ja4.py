"""JA4 against the values that its specification publishes, and real clients against the rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._base.registry import SSL3, TLS10, TLS11, TLS12
from puretls._wire.codec import extension, vec8, vec16, vec16_of
from puretls._wire.hello import client_hello
from puretls._wire.ja4 import fingerprint, ja4, ja4_r, protocol

CHROME_SUITES = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
CHROME_EXTENSIONS = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
CHROME_SCHEMES = "0403,0804,0401,0503,0805,0501,0806,0601"


def numbers(listed: str) -> tuple[int, ...]:
    return tuple(int(one, 16) for one in listed.split(",") if one)


def hello(suites: str, extensions: str, schemes: str, *, alpn: bytes = b"h2", versions: str = "0304,0303") -> bytes:
    """A ClientHello with these lists, in this order."""
    bodies = {
        0x0000: vec16(b"\x00" + vec16(b"example.org")),
        0x000D: vec16_of(numbers(schemes)),
        0x0010: vec16(vec8(alpn)),
        0x002B: vec8(vec16_of(numbers(versions))[2:]),
    }
    block = b"".join(extension(kind, bodies.get(kind, b"")) for kind in numbers(extensions))
    return client_hello(TLS12, bytes(32), b"", vec16_of(numbers(suites))[2:], block)


def test_the_specification_s_example() -> None:
    assert ja4(hello(CHROME_SUITES, CHROME_EXTENSIONS, CHROME_SCHEMES)) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert ja4_r(hello(CHROME_SUITES, CHROME_EXTENSIONS, CHROME_SCHEMES)) == (
        "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"
        "_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01"
        "_0403,0804,0401,0503,0805,0501,0806,0601"
    )


def test_grease_does_not_count() -> None:
    greased = hello(
        "3a3a," + CHROME_SUITES,
        "8a8a," + CHROME_EXTENSIONS + ",fafa",
        "0a0a," + CHROME_SCHEMES,
        versions="dada,0304,0303",
    )
    assert ja4(greased) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_a_later_chrome() -> None:
    """With Encrypted ClientHello and the new number of application_settings (published by users of that version)."""
    extensions = "002d,0033,0010,fe0d,0017,44cd,0000,000b,000a,002b,ff01,0023,0012,0005,000d,001b"
    assert ja4(hello(CHROME_SUITES, extensions, CHROME_SCHEMES)) == "t13d1516h2_8daaf6152771_d8a2da3f94cd"


def test_without_signature_algorithms() -> None:
    """The specification's second hash: no list, no underscore."""
    bare = hello(CHROME_SUITES, CHROME_EXTENSIONS, "")
    assert ja4(bare).split("_")[2] == "6d807ffa2a79"


def test_a_hello_of_nothing() -> None:
    """Neither extensions nor names: an address, an old version, zeros for the empty list."""
    assert ja4(client_hello(TLS10, bytes(32), b"", b"\x00\x2f", b""))[:10] == "t10i010000"
    assert ja4(client_hello(TLS11, bytes(32), b"", b"\x00\x2f", b"")).endswith("_000000000000")
    assert ja4(client_hello(SSL3, bytes(32), b"", b"\x00\x2f", b""))[:3] == "ts3"
    assert ja4(client_hello(0x0305, bytes(32), b"", b"\x00\x2f", b""))[:3] == "t00"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ab", "ab"),
        ("abcd", "ad"),
        ("30ab", "3b"),
        ("3031abcd", "3d"),
        ("30abcd31", "01"),
        (b"h2".hex(), "h2"),
        (b"http/1.1".hex(), "h1"),
        (b"x".hex(), "xx"),
        ("", "00"),
    ],
)
def test_protocols(name: str, shown: str) -> None:
    """The specification's examples."""
    assert protocol(vec16(vec8(bytes.fromhex(name)))) == shown


@given(st.binary(max_size=200))
def test_noise_has_none(data: bytes) -> None:
    found, _ = fingerprint(b"\x01" + data)
    assert found == "" or re.fullmatch(r"t(\d\d|s[23])[di]\d{4}[0-9A-Za-z]{2}(_[0-9a-f]{12}){2}", found)
