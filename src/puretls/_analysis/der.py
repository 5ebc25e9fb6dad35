"""Where the parts of a certificate are (RFC 5280 4.1): a walk over tags and lengths (X.690 8.1), for display only.

Whatever the bytes are, nothing raises: the walk ends where they are no longer what a certificate has there.
"""

from __future__ import annotations

from collections.abc import Iterator

from puretls._base.tuples import NamedTuple

SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING, OID, BOOLEAN = 0x30, 0x02, 0x03, 0x04, 0x06, 0x01
VERSION, ISSUER_ID, SUBJECT_ID, EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
LONGEST_LENGTH = 4  # bytes


class Span(NamedTuple):
    """A part by its RFC's name; of an extension, `oid` are the bytes of its identifier."""

    name: str
    start: int
    end: int
    oid: bytes = b""


class Element(NamedTuple):
    """A tag, a length and what it covers."""

    start: int
    content: int
    end: int


class Ended(Exception):
    """Something else stands here."""


class Walk:
    """A position within an element."""

    def __init__(self, data: bytes, pos: int, end: int) -> None:
        self.data, self.pos, self.end = data, pos, end

    def at(self, tag: int) -> bool:
        """Whether that is next."""
        return self.pos < self.end and self.data[self.pos] == tag

    def take(self, tag: int) -> Element:
        """The next element, which has this tag and lies within this one."""
        start = self.pos
        if not self.at(tag) or start + 2 > self.end:
            raise Ended
        size, content = self.data[start + 1], start + 2
        if size & 0x80:
            more = size & 0x7F
            if not 0 < more <= LONGEST_LENGTH or content + more > self.end:
                raise Ended
            size, content = int.from_bytes(self.data[content : content + more], "big"), content + more
        if content + size > self.end:
            raise Ended
        self.pos = content + size
        return Element(start, content, self.pos)

    def into(self, tag: int) -> Walk:
        """Within the next element; this walk goes on behind it."""
        found = self.take(tag)
        return Walk(self.data, found.content, found.end)


def spans(der: bytes) -> tuple[list[Span], bool]:
    """The parts that are there, in order and apart from each other; and whether they are a whole certificate."""
    found: list[Span] = []
    try:
        for one in _whole(der):
            found.append(one)  # noqa: PERF402 - what came before the end is kept
    except Ended:
        return found, False
    return found, True


def _whole(der: bytes) -> Iterator[Span]:
    outer = Walk(der, 0, len(der))
    inner = outer.into(SEQUENCE)
    tbs = inner.into(SEQUENCE)
    if tbs.at(VERSION):
        _, content, end = tbs.into(VERSION).take(INTEGER)
        yield Span("version", content, end)
    _, content, end = tbs.take(INTEGER)
    yield Span("serialNumber", content, end)
    for name in ("signature", "issuer", "validity", "subject", "subjectPublicKeyInfo"):
        start, _, end = tbs.take(SEQUENCE)
        yield Span(name, start, end)
    for name, tag in (("issuerUniqueID", ISSUER_ID), ("subjectUniqueID", SUBJECT_ID)):
        if tbs.at(tag):
            start, _, end = tbs.take(tag)
            yield Span(name, start, end)
    if tbs.at(EXTENSIONS):
        listed = tbs.into(EXTENSIONS).into(SEQUENCE)
        while listed.pos < listed.end:
            one = listed.into(SEQUENCE)
            _, content, end = one.take(OID)
            oid = der[content:end]
            if one.at(BOOLEAN):
                one.take(BOOLEAN)
            _, content, end = one.take(OCTET_STRING)
            yield Span("extension", content, end, oid)
    start, _, end = inner.take(SEQUENCE)
    yield Span("signatureAlgorithm", start, end)
    _, content, end = inner.take(BIT_STRING)
    yield Span("signatureValue", min(content + 1, end), end)  # behind the number of unused bits
    if any(walk.pos < walk.end for walk in (outer, inner, tbs)):
        raise Ended


def dotted(oid: bytes) -> str:
    """An object identifier in numbers (X.690 8.19)."""
    arcs, number = list[int](), 0
    for byte in oid[:64]:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            first = min(number // 40, 2)
            arcs += [number] if arcs else [first, number - 40 * first]
            number = 0
    return ".".join(map(str, arcs))
