"""Internet numbers (RFC 3779): the same verdicts, at the same depth, as OpenSSL's."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._x509 import certificate, resources
from support import libcrypto, pki
from support.pki import bits, integer, seq, tlv
from support.verifying import ours, theirs

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")
BLOCKS, NUMBERS = "1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8"
INHERITED = tlv(5)


def family(number: int, *choice: bytes, more: bytes = b"") -> bytes:
    return seq(tlv(4, number.to_bytes(2, "big") + more), *choice)


def v4(*ends: bytes) -> bytes:
    return seq(family(1, seq(*ends)))


def between(low: bytes, high: bytes) -> bytes:
    return seq(bits(low), bits(high))


TEN = bits(b"\x0a")
BLOCK_SETS: dict[str, bytes | None] = {
    "none": None,
    "10/8": v4(TEN),
    "10.1/16": v4(bits(b"\x0a\x01")),
    "10.1/17": v4(bits(b"\x0a\x01\x00", 7)),
    "11/8": v4(bits(b"\x0b")),
    "everything": v4(bits(b"")),
    "10/8 and 12/8": v4(TEN, bits(b"\x0c")),
    "from 10.0.0.1 to 10.0.0.9": v4(between(b"\x0a\0\0\1", b"\x0a\0\0\x09")),
    "IPv6": seq(family(2, seq(bits(b"\x20\x01\x0d\xb8")))),
    "both": seq(family(1, seq(TEN)), family(2, seq(bits(b"\x20\x01")))),
    "unicast": seq(family(1, seq(TEN), more=b"\1")),
    "inherited": seq(family(1, INHERITED)),
    "both inherited": seq(family(1, INHERITED), family(2, INHERITED)),
    "no family": seq(),
    # Not in canonical form
    "families out of order": seq(family(2, seq(bits(b"\x20\x01"))), family(1, seq(TEN))),
    "a family twice": seq(family(1, seq(TEN)), family(1, seq(TEN))),
    "out of order": v4(bits(b"\x0c"), TEN),
    "touching": v4(TEN, bits(b"\x0b")),
    "overlapping": v4(TEN, bits(b"\x0a\x01")),
    "a range that is a prefix": v4(between(b"\x0a\0\0\0", b"\x0a\xff\xff\xff")),
    "a range of one": v4(between(b"\x0a\0\0\1", b"\x0a\0\0\1")),
    "a range that is inverted": v4(between(b"\x0a\0\0\x09", b"\x0a\0\0\1")),
    "an empty list": v4(),
}
NUMBER_SETS: dict[str, bytes | None] = {
    "none": None,
    **{
        name: seq(tlv(0xA0, choice))
        for name, choice in {
            "5": seq(integer(5)),
            "6": seq(integer(6)),
            "1 to 9": seq(seq(integer(1), integer(9))),
            "1 to 5, and 7": seq(seq(integer(1), integer(5)), integer(7)),
            "inherited": INHERITED,
            "an empty list": seq(),
            "touching": seq(integer(5), integer(6)),
            "inverted": seq(seq(integer(9), integer(1))),
            "twice": seq(integer(5), integer(5)),
        }.items()
    },
    "domains": seq(tlv(0xA1, seq(integer(5)))),
    "both": seq(tlv(0xA0, seq(integer(5))), tlv(0xA1, seq(integer(5)))),
    "nothing": seq(),
}


def verdicts(oid: str, sets: tuple[bytes | None, ...], critical: bool = True) -> tuple[Any, Any]:
    """Ours and OpenSSL's about a path of root, intermediate and leaf with these."""
    root_has, middle_has, leaf_has = ({oid: (critical, one)} if one is not None else {} for one in sets)
    root = pki.ca("root", extensions=root_has)
    middle = pki.ca("middle", root, extensions=middle_has)
    chain = [pki.leaf("example.test", middle, extensions=leaf_has), middle]
    return ours(chain, [root]), theirs(chain, [root])


@reference
@pytest.mark.parametrize("above", BLOCK_SETS)
def test_blocks(above: str) -> None:
    here = BLOCK_SETS[above]
    paths = [(here, here, leaf) for leaf in BLOCK_SETS.values()]
    paths += [(BLOCK_SETS["everything"], here, BLOCK_SETS[leaf]) for leaf in ("10/8", "both", "inherited")]
    for path in paths:
        mine, other = verdicts(BLOCKS, path)
        assert mine == other, path


@reference
@pytest.mark.parametrize("above", NUMBER_SETS)
def test_numbers(above: str) -> None:
    for leaf in NUMBER_SETS.values():
        for root in (NUMBER_SETS[above], NUMBER_SETS["1 to 9"]):
            mine, other = verdicts(NUMBERS, (root, NUMBER_SETS[above], leaf))
            assert mine == other, leaf


def prefixes(sizes: list[tuple[int, int]]) -> bytes:
    """A list of prefixes, as they come."""
    return v4(*(bits(bytes([octet & -(1 << unused)]), unused) for octet, unused in sizes))


few = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 7)), min_size=1, max_size=4).map(sorted).map(prefixes)
wide = st.sampled_from([BLOCK_SETS["everything"], BLOCK_SETS["inherited"], v4(bits(b"\0", 7), bits(b"\x80", 7))])


@reference
@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.one_of(few, wide), st.one_of(few, wide), few)
def test_any_blocks(root: bytes, middle: bytes, leaf: bytes) -> None:
    mine, other = verdicts(BLOCKS, (root, middle, leaf))
    assert mine == other


BROKEN = {
    "no sequence": tlv(4, b"x"),
    "a family of one octet": seq(seq(tlv(4, b"\1"), seq(TEN))),
    "no choice": seq(seq(tlv(4, b"\0\1"))),
    "an integer for a prefix": v4(integer(10)),
    "a range of three": v4(seq(TEN, TEN, TEN)),
    "eight unused bits": v4(tlv(3, b"\x08\x0a")),
    "unused bits of nothing": v4(tlv(3, b"\x01")),
    "NULL with content": seq(family(1, tlv(5, b"x"))),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_ones_are_broken_extensions(what: str) -> None:
    leaf = pki.leaf("example.test", pki.ca("root"), extensions={BLOCKS: (False, BROKEN[what])})
    assert certificate.load(leaf.der).invalid
    assert ours([leaf], [pki.ca("root")])[0] != 0


def test_the_cost_grows_with_the_number() -> None:
    def cost(count: int) -> float:
        der = v4(*(bits(number.to_bytes(3, "big")) for number in range(0, 2 * count, 2)))
        least = float("inf")
        for _ in range(5):
            begun = time.process_time()
            found = resources.blocks(der)
            resources.check_blocks([found, found, found])
            least = min(least, time.process_time() - begun)
        return least

    assert cost(4000) < 5 * cost(2000) + 0.002
