"""MemoryBIO: bytes on their way between a program and an SSLObject.

It is a queue of what was written.  Usually one chunk is written and then read whole, and nothing is copied at all.
Further chunks that are written before that are collected in one buffer.  Reading little of much moves an offset, or the
beginning of that buffer, so no pattern of sizes takes quadratic time.

One thread may write while another reads, without a lock.  The writer fills `_data` only while it and everything behind
it are empty, and the reader only empties it.  `_more` grows at its end, where only the writer works, and shrinks at its
beginning, each in one step.
"""

from __future__ import annotations

from typing import Any

from puretls._api.errors import SSLError
from puretls._api.types import Buffer
from puretls._base.public import public


@public
class MemoryBIO:
    """A memory buffer between a program and an SSLObject: bytes are read in the order in which they were written."""

    __slots__ = ("__weakref__", "_at", "_data", "_ended", "_first", "_more")

    def __init__(self) -> None:
        self._first, self._at = b"", 0  # the reader's: a chunk, and how much of it has been read
        self._data = b""  # the next
        self._more: bytearray | None = None  # all that was written behind it
        self._ended = False

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'MemoryBIO' is not an acceptable base type")

    def read(self, size: int = -1, /) -> bytes:
        """Read up to size bytes from the memory BIO; all of it if size is negative."""
        data = self._data
        if self._more or self._first or 0 <= size < len(data):
            return self._read(size)
        if data:
            self._data = b""
        return data

    def _read(self, size: int) -> bytes:
        """Read less than a chunk, or more."""
        if size < 0:
            return self._all()
        pieces: list[bytes] = []
        while size and (self._first or self._next(size)):
            piece = self._first[self._at : self._at + size]
            pieces.append(piece)
            size -= len(piece)
            self._at += len(piece)
            if self._at == len(self._first):
                self._first, self._at = b"", 0
        return b"".join(pieces)

    def _all(self) -> bytes:
        """Read everything."""
        more = self._more
        waits = len(more) if more else 0  # before `_data`: what the writer puts there later comes behind this
        found = self._data
        if found:
            self._data = b""
        if self._first:
            found = self._first[self._at :] + found
            self._first, self._at = b"", 0
        if more and waits:
            found += more[:waits]
            del more[:waits]
        return found

    def _next(self, size: int) -> bool:
        """Take the next chunk, if there is one; of the collected bytes no more than asked for."""
        more = self._more
        waits = len(more or b"")  # before `_data`: what the writer puts there later comes behind this
        if self._data:
            self._first, self._data = self._data, b""
        elif more and waits:
            count = min(size, waits)
            self._first = bytes(more[:count])
            del more[:count]
        return bool(self._first)

    def write(self, b: Buffer, /) -> int:
        """Write the bytes b into the memory BIO and return how many there were."""
        if type(b) is bytes and not (self._ended or self._more or self._data):  # as mostly
            self._data = b
            return len(b)
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        data = b if type(b) is bytes else _contiguous(b)
        more = self._more
        if more:
            more += data
        elif not self._data:
            self._data = data
        elif more is None:
            self._more = bytearray(data)
        else:
            more += data
        return len(data)

    def write_eof(self) -> None:
        """Mark the end: nothing may be written any more, and eof is true once the rest has been read."""
        self._ended = True

    @property
    def pending(self) -> int:
        """The number of bytes in the memory BIO."""
        return len(self._first) - self._at + len(self._data) + len(self._more or b"")

    @property
    def eof(self) -> bool:
        """Whether the memory BIO is at its end."""
        return self._ended and not (self._first or self._data or self._more)


def _contiguous(b: Any) -> bytes:
    view = memoryview(b)
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes()
