"""Reading the structure of BER: which values follow each other or contain one another, and nothing more.

It is for encodings that PyCA refuses, or has no function for.  It is bounded: tags of one octet, 32 levels of
indefinite lengths.
"""

from __future__ import annotations

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from puretls._base.tuples import NamedTuple

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
DEEPEST = 32


class Value(NamedTuple):
    """One BER value."""

    tag: int
    content: bytes
    whole: bytes
    shortest: bool  # whether its length is written as DER has it


def value(data: bytes, pos: int = 0, depth: int = 0) -> tuple[Value, int]:
    """The value at this place, and where it ends; ValueError if there is none."""
    start = pos + 2
    if start > len(data) or data[pos] & 0x1F == 0x1F or depth > DEEPEST:
        raise ValueError("not BER")
    tag, size = data[pos], data[pos + 1]
    if size == 0x80 and tag & 0x20:
        end = start
        while data[end : end + 2] != b"\0\0":
            end = value(data, end, depth + 1)[1]
        return Value(tag, data[start:end], data[pos : end + 2], False), end + 2
    shortest = size != 0x80
    if size & 0x80:
        width = size & 0x7F
        size = int.from_bytes(data[start : start + width], "big")
        shortest = shortest and size >= max(0x80, 1 << 8 * (width - 1))
        start += width
    if start + size > len(data):
        raise ValueError("cut off")
    return Value(tag, data[start : start + size], data[pos : start + size], shortest), start + size


def fields(content: bytes) -> list[Value]:
    """The values that follow each other; ValueError if there is something else."""
    found, pos = [], 0
    while pos < len(content):
        part, pos = value(content, pos)
        found.append(part)
    return found


def dotted(field: Value) -> str:
    """An OBJECT IDENTIFIER; ValueError if it is none."""
    if field.tag != OID:
        raise ValueError("not an OBJECT IDENTIFIER")
    return asn1.decode_der(ObjectIdentifier, field.whole).dotted_string
