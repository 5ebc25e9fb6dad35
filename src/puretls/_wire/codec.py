"""Reading and writing the presentation language of RFC 8446 3: integers, vectors, handshake headers, extension blocks.

A handshake message is one `bytes` object, and values are slices of it.  Every length is compared with what is there: a
Reader past its end raises IndexError or Abort, and the callers of parsers (`State.step`, `extensions.reading`) turn
both into decode_error.  A value that does not fit its field is an Abort as well: a peer may have chosen its length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct, unpack_from
from struct import error as StructError
from typing import TypeVar

from puretls._base import faults
from puretls._base.faults import Abort

__all__ = [
    "Ranks",
    "Reader",
    "StructError",
    "cached_if_short",
    "extension",
    "join_extensions",
    "message",
    "packer",
    "ranks",
    "split_extensions",
    "tuple_of",
    "u16s",
    "vec8",
    "vec16",
    "vec16_of",
    "vec24",
]

T = TypeVar("T")
type_and_size = Struct("!HH").unpack_from
tuple_of = tuple.__new__  # tuple_of(cls, fields): a NamedTuple, without the Python code that its own constructor runs


# A peer's list of numbers: each with its rank, in the peer's order.  It may be long, so nobody walks along it: who
# chooses looks up what is in a list of our own.
Ranks = Mapping[int, int]


def packer(layout: str) -> Callable[..., bytes]:
    """A function that packs fields of this layout; Abort if a number does not fit, such as a length.

    Code that runs in every handshake packs by itself, with the same result and without this call.
    """
    pack = Struct(layout).pack

    def packed(*fields: int | bytes) -> bytes:
        try:
            return pack(*fields)
        except StructError:
            raise Abort(faults.TOO_LONG_TO_SAY) from None

    return packed


pack_u32, pack_u16s, pack_extension = Struct("!I").pack, Struct("!HH").pack, packer("!HH")
MAX_BODY = (1 << 24) - 1  # bytes of a handshake message (RFC 8446 4)


class Reader:
    """A position in a message.  Each call reads one field of the RFC's struct."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 4) -> None:  # 4: past the handshake header
        self.data, self.pos = data, pos

    def u8(self) -> int:
        pos, self.pos = self.pos, self.pos + 1
        return self.data[pos]

    def u16(self) -> int:
        pos, self.pos = self.pos, self.pos + 2
        return self.data[pos] << 8 | self.data[pos + 1]

    def u32(self) -> int:
        return self.u16() << 16 | self.u16()

    def take(self, size: int) -> bytes:
        start = self.pos
        stop = self.pos = start + size
        if stop > len(self.data):  # a slice would shorten silently
            raise Abort(faults.LENGTH_MISMATCH)
        return self.data[start:stop]

    def vec8(self) -> bytes:
        return self.take(self.u8())

    def vec16(self) -> bytes:
        start, data = self.pos + 2, self.data
        stop = self.pos = start + (data[start - 2] << 8 | data[start - 1])
        if stop > len(data):
            raise Abort(faults.LENGTH_MISMATCH)
        return data[start:stop]

    def vec24(self) -> bytes:
        return self.take(self.u8() << 16 | self.u16())

    def more(self) -> bool:
        return self.pos < len(self.data)

    def done(self) -> None:
        if self.pos != len(self.data):
            raise Abort(faults.LENGTH_MISMATCH)


class _Known(dict[bytes, T]):
    """The results of parsing short inputs.  Looking one up is no call of a Python function."""

    __slots__ = ("_parse",)

    def __init__(self, parse: Callable[[bytes], T]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, data: bytes) -> T:
        value = self._parse(data)
        if len(data) <= USUAL:
            if len(self) >= MOST_KNOWN:
                self.clear()  # one step for all threads, as it is to put one there
            self[data] = value
        return value


def cached_if_short(parse: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """`parse` with a cache for short inputs, because most peers send the same as others before them."""
    return _Known(parse).__getitem__


USUAL = 128  # bytes
MOST_KNOWN = 64  # inputs of one function; then memory begins anew


@cached_if_short
def u16s(data: bytes) -> tuple[int, ...]:
    """The numbers in a vector of uint16."""
    if len(data) & 1:
        raise Abort(faults.LENGTH_MISMATCH)
    return unpack_from(f"!{len(data) >> 1}H", data)


@cached_if_short
def ranks(data: bytes) -> Ranks:
    """The numbers in a vector of uint16 with their ranks, to choose from; of equal ones the first counts."""
    if len(data) & 1:
        raise Abort(faults.LENGTH_MISMATCH)
    numbers = unpack_from(f"!{len(data) >> 1}H", data)
    return dict(zip(dict.fromkeys(numbers), range(len(numbers)), strict=False))


def vec8(data: bytes) -> bytes:
    try:
        return bytes((len(data),)) + data
    except ValueError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


def vec16(data: bytes) -> bytes:
    try:
        return len(data).to_bytes(2, "big") + data
    except OverflowError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


def vec24(data: bytes) -> bytes:
    try:
        return len(data).to_bytes(3, "big") + data
    except OverflowError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


def vec16_of(numbers: tuple[int, ...]) -> bytes:
    """A vector of uint16, with its length of two bytes."""
    return vec16(Struct(f"!{len(numbers)}H").pack(*numbers))


def message(kind: int, body: bytes) -> bytes:
    """A handshake message: msg_type, length of 24 bits, body (RFC 8446 4)."""
    if len(body) > MAX_BODY:
        raise Abort(faults.TOO_LONG_TO_SAY)
    return pack_u32(kind << 24 | len(body)) + body


def extension(kind: int, body: bytes) -> bytes:
    return pack_extension(kind, len(body)) + body


def join_extensions(found: dict[int, bytes]) -> bytes:
    try:
        return b"".join([pack_u16s(kind, len(body)) + body for kind, body in found.items()])
    except StructError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


def split_extensions(block: bytes) -> dict[int, bytes]:
    """The extensions by type, in wire order.  A body is parsed when it is asked for."""
    found: dict[int, bytes] = {}
    pos, end = 0, len(block)
    try:
        while pos < end:
            kind, size = type_and_size(block, pos)
            start = pos + 4
            pos = start + size
            if kind in found:
                raise Abort(faults.DUPLICATE_EXTENSION, f"extension {kind} is repeated")
            found[kind] = block[start:pos]
    except StructError:
        raise Abort(faults.BAD_EXTENSION) from None
    if pos != end:
        raise Abort(faults.BAD_EXTENSION, f"extension {kind} overruns")
    return found
