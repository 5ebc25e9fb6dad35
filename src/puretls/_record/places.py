"""Memory for a full record of which the header is here: received and opened there, without a slice or an allocation.

Bulk data comes in full records, and reads that return pieces of one would otherwise make four objects of 16 KiB: what
was received, the same with its header, the ciphertext in it, and the plaintext with its type.  A place is used within
one read only; between reads it is in the pool of its kind, which keeps a few: many peers that stop in the middle of a
record leave no more behind.
"""

from __future__ import annotations

from collections import deque
from functools import cache

KEPT = 8  # places of a kind


class Place:
    """One place: the views of its memory are made once."""

    __slots__ = ("body", "data", "header", "inner", "rest", "size")

    def __init__(self, header: bytes, explicit: int, size: int, extra: int, tag: int) -> None:
        self.header = header
        self.size = explicit + size + extra + tag  # bytes behind the header
        self.rest = memoryview(bytearray(self.size + len(header)))  # for those, and for the next header
        self.body = self.rest[explicit : self.size]  # what is encrypted, with its tag
        self.inner = memoryview(bytearray(size + extra))
        self.data = self.inner[:size]


class Places:
    """The places for records of one kind: with so many bytes of a nonce before the data, and of a type and a tag behind
    it.
    """

    __slots__ = ("_kind", "free", "size")

    def __init__(self, explicit: int, size: int, extra: int, tag: int) -> None:
        length = explicit + size + extra + tag
        header = b"\x17\x03\x03" + length.to_bytes(2, "big")  # as TLS 1.2 and 1.3 have it
        self._kind = header, explicit, size, extra, tag
        self.size = len(header) + length  # bytes of such a record
        self.free: deque[Place] = deque(maxlen=KEPT)  # pop and append are atomic

    def new(self) -> Place:
        """Another place, where none is free."""
        return Place(*self._kind)


places_for = cache(Places)
