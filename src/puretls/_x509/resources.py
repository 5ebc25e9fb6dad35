"""Internet numbers in certificates (RFC 3779): IP addresses and autonomous systems, and whether a path's are nested.

Read and checked as OpenSSL does: what is not in canonical form (2.2.3, 3.2.3) counts as a broken extension, and what a
certificate has beyond its issuer's is not nested.  A choice that is inherited has what the issuer has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV

from puretls._base.tuples import NamedTuple
from puretls._x509 import codes, shapes
from puretls._x509.codes import refusal

Range = tuple[int, int]  # from the first to the last
Choice = tuple[Range, ...] | None  # None: inherited
INHERITED: Choice = None
OCTETS = {b"\x00\x01": 4, b"\x00\x02": 16}  # of an address, by the first two of its family (2.2.3.3)
_BITS, _INTEGER, _OCTETS, _NULL, _SEQUENCE = b"\x03", b"\x02", b"\x04", b"\x05", b"\x30"
NUMBERS, DOMAINS = b"\xa0", b"\xa1"  # the two choices of ASIdentifiers (3.2.3)


class Resources(NamedTuple):
    """What one extension holds, by address family, or by kind of number."""

    choices: Mapping[bytes, Choice]
    canonical: bool


def blocks(der: bytes) -> Resources:
    """IPAddrBlocks (2.2.3); ValueError if they are none."""
    found: dict[bytes, Choice] = {}
    families, canonical = [], True
    for family in shapes.items(shapes.Values, der):
        kind, choice = _inside(family)
        name = bytes(kind.data)
        if family.tag_bytes != _SEQUENCE or kind.tag_bytes != _OCTETS or not 2 <= len(name) <= 3:
            raise ValueError("not an IPAddressFamily")
        ends = _listed(choice, _BITS)
        families.append(name)
        found[name] = INHERITED
        if ends is not None:
            size = OCTETS.get(name[:2], 0)
            found[name], good = _addresses(ends, size)
            canonical = canonical and good
    return Resources(found, canonical and all(a < b for a, b in pairwise(families)))


def numbers(der: bytes) -> Resources:
    """ASIdentifiers (3.2.3); ValueError if they are none."""
    parts = shapes.items(shapes.Values, der)
    tags = [bytes(part.tag_bytes) for part in parts]
    if tags not in ([], [NUMBERS], [DOMAINS], [NUMBERS, DOMAINS]):
        raise ValueError("not ASIdentifiers")
    found: dict[bytes, Choice] = {}
    canonical = True
    for tag, part in zip(tags, parts, strict=True):
        (choice,) = _inside(part)
        ends = _listed(choice, _INTEGER)
        found[tag] = INHERITED
        if ends is not None:
            ranges = tuple((_integer(low), _integer(high)) for low, high in ends)
            found[tag] = ranges
            canonical = canonical and _in_order(ranges)
    return Resources(found, canonical)


def _inside(value: TLV) -> list[TLV]:
    return shapes.items(shapes.Values, shapes.sequence(bytes(value.data)))


def _listed(choice: TLV, one: bytes) -> list[tuple[TLV, TLV]] | None:
    """The ends of what is listed, equal for single ones; None if it is inherited."""
    if choice.tag_bytes == _NULL and not choice.data:
        return None
    if choice.tag_bytes != _SEQUENCE:
        raise ValueError("neither inherited nor a list")
    found = []
    for number in _inside(choice):
        ends = _inside(number) if number.tag_bytes == _SEQUENCE else [number, number]
        if len(ends) != 2 or any(end.tag_bytes != one or not end.data for end in ends):
            raise ValueError("not a number or a range")
        if one == _BITS and any(end.data[0] > 7 or (end.data[0] and len(end.data) == 1) for end in ends):
            raise ValueError("not a BIT STRING")
        found.append((ends[0], ends[1]))
    return found


def _integer(value: TLV) -> int:
    return asn1.decode_der(int, shapes.whole(value))


def _addresses(ends: Sequence[tuple[TLV, TLV]], size: int) -> tuple[tuple[Range, ...], bool]:
    """The addresses of a family, each of so many octets, and whether they are in canonical form."""
    if any(len(end.data) - 1 > size for pair in ends for end in pair):
        return (), False
    ranges = tuple((_address(low, size, 0), _address(high, size, 1)) for low, high in ends)
    spelled = all(low is high or not _is_prefix(*both) for (low, high), both in zip(ends, ranges, strict=True))
    return ranges, spelled and _in_order(ranges)


def _address(value: TLV, size: int, fill: int) -> int:
    """The first or the last address that begins with these bits."""
    unused, octets = value.data[0], bytes(value.data[1:])
    rest = 8 * (size - len(octets)) + unused
    return (int.from_bytes(octets, "big") >> unused << rest) | (fill and (1 << rest) - 1)


def _is_prefix(low: int, high: int) -> bool:
    """Whether a range is all that begins with some bits, and so has to be written like that (2.2.3.7)."""
    size = high - low + 1
    return size > 0 and not size & (size - 1) and not low % size


def _in_order(ranges: Sequence[Range]) -> bool:
    """Whether there are any, none is inverted, and they rise without touching each other."""
    return (
        bool(ranges)
        and all(low <= high for low, high in ranges)
        and all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    )


def _within(inner: Sequence[Range], outer: Sequence[Range]) -> bool:
    """Whether all of one is in the other; both in canonical form."""
    place = 0
    for low, high in inner:
        while place < len(outer) and outer[place][1] < high:
            place += 1
        if place == len(outer) or outer[place][0] > low:
            return False
    return True


def check_numbers(above: Sequence[Resources | None]) -> None:
    """Of the leaf and the certificates above it: VerifyAbort unless its autonomous systems are nested (3.3)."""
    if above[0] is not None:
        _check(above, (NUMBERS, DOMAINS), lambda _: True)


def check_blocks(above: Sequence[Resources | None]) -> None:
    """The same of IP addresses (2.3)."""
    if above[0] is not None:
        families = tuple(above[0].choices)
        _check(above, families, lambda name: name in families)


def _check(above: Sequence[Resources | None], names: Sequence[bytes], asked: Callable[[bytes], bool]) -> None:
    held: dict[bytes, Choice] = {}
    for depth, here in enumerate(above):
        if here is not None and not here.canonical:
            raise refusal(codes.INVALID_EXTENSION, depth)
        if not depth:
            held = {name: () if here is None else here.choices.get(name, ()) for name in names}
            continue
        for name in names:
            mine = held[name]
            if here is None or name not in here.choices:
                if mine:
                    raise refusal(codes.UNNESTED_RESOURCE, depth)
            elif (theirs := here.choices[name]) is not None:
                if mine is not None and not _within(mine, theirs):
                    raise refusal(codes.UNNESTED_RESOURCE, depth)
                held[name] = theirs
    anchor = above[-1]
    if anchor is not None and any(choice is INHERITED and asked(name) for name, choice in anchor.choices.items()):
        raise refusal(codes.UNNESTED_RESOURCE, len(above))  # there is nobody that it could inherit from
