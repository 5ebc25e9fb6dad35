"""A tree of fields over bytes, and the words of RFC 8446 3 to describe one: numbers, opaque bytes, vectors, structs.

A layout is a function that reads from a Scan and adds fields. Whatever the bytes are, the leaves of the tree cover
each of them once and in order, and nothing raises: a field that is cut short, a length that promises too much and bytes
that nobody asked for are fields as well, with a `fault` that says so. What a peer sent gets into a value only as
printable characters, so it can be printed anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from puretls._base.tuples import NamedTuple

SHOWN = 12  # bytes of an opaque value that are worth showing beside its name


@dataclass
class Field:
    """Some bytes and what they mean."""

    name: str  # as the RFC calls it
    start: int
    size: int = 0
    value: str = ""
    note: str = ""  # a sentence for people
    rfc: str = ""  # where to read on
    fault: str = ""  # what is wrong with these bytes
    children: list[Field] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + self.size

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Field]]:
        """This field and everything in it, in order, with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def leaves(self) -> Iterator[Field]:
        """The fields without children: together they are every byte, once."""
        return (one for _, one in self.walk() if not one.children)

    def find(self, *names: str) -> Field | None:
        """The field at a path of names, taking the first of each name."""
        found: Field | None = self
        for name in names:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def faults(self) -> list[str]:
        """Everything that is wrong in here."""
        return [f"{one.name}: {one.fault}" for _, one in self.walk() if one.fault]


class About(NamedTuple):
    """What a message does not say itself but depends on: what the hellos decided."""

    version: int = 0  # 0: not known yet
    exchange: str = ""  # the key exchange of a suite before TLS 1.3, as `_crypto.suites` names it
    signed: bool = False  # whether ServerKeyExchange ends with a signature


class Short(Exception):
    """The bytes ended within a field, which shows it."""


class Scan:
    """A position in the bytes, where the innermost length ends, and the field that is being filled."""

    def __init__(self, data: bytes, about: About, field: Field) -> None:
        self.data, self.about, self.field = data, about, field
        self.pos, self.end = 0, len(data)
        self.place = 0  # which message this is, as `_wire.extensions` counts them

    @property
    def left(self) -> int:
        """How many bytes are left within the innermost length."""
        return self.end - self.pos

    def take(self, name: str, size: int, note: str = "", rfc: str = "") -> tuple[Field, bytes]:
        """A leaf of `size` bytes; if there are fewer, what there is, and Short."""
        leaf = Field(name, self.pos, min(size, self.left), note=note, rfc=rfc)
        self.field.children.append(leaf)
        data = self.data[self.pos : self.pos + leaf.size]
        self.pos += leaf.size
        if leaf.size < size:
            missing = size - leaf.size
            leaf.value = brief(data)
            leaf.fault = f"{missing} byte{'s' * (missing > 1)} missing here"
            raise Short
        return leaf, data

    def number(self, name: str, size: int, note: str = "", rfc: str = "") -> tuple[Field, int]:
        """A leaf that is a number."""
        leaf, data = self.take(name, size, note, rfc)
        number = int.from_bytes(data, "big")
        leaf.value = str(number)
        return leaf, number

    def inside(self, node: Field, layouts: tuple[Layout, ...], prefix: int = 0) -> None:
        """Fill `node` with layouts; with a `prefix`, within the length that comes first in so many bytes."""
        outer, end = self.field, self.end
        outer.children.append(node)
        self.field, node.start = node, self.pos
        try:
            if prefix:
                _, size = self.number("length", prefix)
                if size > self.left:
                    node.fault = f"the length says {size} bytes, there are {self.left}"
                self.end = min(self.pos + size, self.end)
                self.fill(layouts)
            else:
                for layout in layouts:
                    layout(self)
        finally:
            node.size, self.field, self.end = self.pos - node.start, outer, end

    def fill(self, layouts: tuple[Layout, ...]) -> None:
        """Layouts up to the end of the innermost length: not less and not more."""
        try:
            for layout in layouts:
                layout(self)
        except Short:
            return
        if self.left:
            extra = self.left
            leaf, data = self.take("unexpected", extra)
            leaf.value, leaf.fault = brief(data), f"{extra} byte{'s' * (extra > 1)} too many here"


Layout = Callable[[Scan], None]
Namer = Callable[[int], str]


def dissect(name: str, data: bytes, about: About, *layouts: Layout) -> Field:
    """The whole of `data` as one field."""
    root = Field(name, 0, len(data))
    scan = Scan(data, about, root)
    scan.fill(layouts)
    scan.end = len(data)  # a length of its own may have ended it before
    scan.fill(())
    return root


# The words of the language


def number(name: str, size: int, names: Namer = str, note: str = "", rfc: str = "") -> Layout:
    """uint8 to uint32, or an enum of that size."""

    def read(scan: Scan) -> None:
        leaf, value = scan.number(name, size, note, rfc)
        leaf.value = names(value)

    return read


def opaque(name: str, size: int, note: str = "", rfc: str = "") -> Layout:
    """opaque[size]."""

    def read(scan: Scan) -> None:
        leaf, data = scan.take(name, size, note, rfc)
        leaf.value = brief(data)

    return read


def rest(name: str, note: str = "", rfc: str = "", says: Callable[[bytes], str] | None = None) -> Layout:
    """Whatever is left within the innermost length."""

    def read(scan: Scan) -> None:
        leaf, data = scan.take(name, scan.left, note, rfc)
        leaf.value = says(data) if says else brief(data)

    return read


def vector(
    name: str,
    prefix: int,
    *layouts: Layout,
    note: str = "",
    rfc: str = "",
    says: Callable[[bytes], str] | None = None,
) -> Layout:
    """A length in `prefix` bytes and what it covers. Its value lists what is in it, unless somebody knows better."""

    def read(scan: Scan) -> None:
        node = Field(name, scan.pos, note=note, rfc=rfc)
        scan.inside(node, layouts, prefix)
        node.value = says(scan.data[node.start + prefix : node.end]) if says else listed(node)

    return read


def blob(
    name: str, prefix: int, note: str = "", rfc: str = "", says: Callable[[bytes], str] | None = None, inner: str = ""
) -> Layout:
    """opaque<..>: a length in `prefix` bytes, and bytes."""
    return vector(name, prefix, rest(inner or "bytes", says=says), note=note, rfc=rfc)


def struct(name: str, *layouts: Layout, note: str = "", rfc: str = "") -> Layout:
    """Fields that belong together and have no length of their own."""

    def read(scan: Scan) -> None:
        node = Field(name, scan.pos, note=note, rfc=rfc)
        scan.inside(node, layouts)
        node.value = listed(node, ": ")

    return read


def several(layout: Layout) -> Layout:
    """The same again and again, to the end of the innermost length."""

    def read(scan: Scan) -> None:
        while scan.left:
            layout(scan)

    return read


def maybe(layout: Layout) -> Layout:
    """What is there only if there are bytes left."""

    def read(scan: Scan) -> None:
        if scan.left:
            layout(scan)

    return read


# Values


def listed(node: Field, between: str = ", ") -> str:
    """The values of what is in a field."""
    return between.join(child.value for child in node.children if child.name != "length" and child.value)


def brief(data: bytes) -> str:
    """Bytes in hexadecimal: all of a few, the beginning of many."""
    if len(data) <= SHOWN + 4:
        return data.hex() or "(empty)"
    return f"{data[:SHOWN].hex()}... ({len(data)} bytes)"


def text(data: bytes) -> str:
    """Bytes that are meant to be read: printable ASCII, everything else escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in data)


def printable(words: str) -> str:
    """Text of a peer without what could steer a terminal or turn its lines around."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
