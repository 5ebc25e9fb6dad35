"""MemoryBIO: bytes on their way between a program and an SSLObject.

A queue of what was written.  Mostly one chunk is written and all of it is read, and then nothing is copied at all; a
reader that takes little from much moves an offset, so that no pattern of sizes is quadratic.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from puretls._api.errors import SSLError

if TYPE_CHECKING:
    from typing_extensions import Buffer


class MemoryBIO:
    """A memory buffer between a program and an SSLObject: bytes are read in the order in which they were written."""

    __slots__ = ("__weakref__", "_at", "_data", "_ended", "_more", "_more_size")

    def __init__(self) -> None:
        self._data = b""  # the first chunk; empty only if nothing waits
        self._at = 0  # how much of it has been read
        self._more: deque[bytes] | None = None  # the chunks behind it
        self._more_size = 0
        self._ended = False

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'MemoryBIO' is not an acceptable base type")

    def read(self, size: int = -1, /) -> bytes:
        """Read up to size bytes from the memory BIO; all of it if size is negative."""
        data = self._data
        if self._more or self._at or 0 <= size < len(data):
            return self._read(size)
        self._data = b""
        return data

    def _read(self, size: int) -> bytes:
        """Less than all of it, or all of more than one chunk."""
        more = self._more or ()
        waiting = self.pending
        if not 0 <= size < waiting:
            data = b"".join((self._data[self._at :], *more))
            self._data, self._at, self._more, self._more_size = b"", 0, None, 0
            return data
        taken: list[bytes] = []
        while size:
            piece = self._data[self._at : self._at + size]
            taken.append(piece)
            size -= len(piece)
            self._at += len(piece)
            if self._at == len(self._data):  # there is a next one, as less than all was asked for
                self._data, self._at = self._more.popleft(), 0  # type: ignore[union-attr]
                self._more_size -= len(self._data)
        return b"".join(taken)

    def write(self, b: Buffer, /) -> int:
        """Write the bytes b into the memory BIO and return how many there were."""
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        data = b if type(b) is bytes else _contiguous(b)
        if not self._data:
            self._data = data
        elif data:
            if self._more is None:
                self._more = deque()
            self._more.append(data)
            self._more_size += len(data)
        return len(data)

    def write_eof(self) -> None:
        """Mark the end: nothing may be written any more, and eof is true once the rest has been read."""
        self._ended = True

    @property
    def pending(self) -> int:
        """The number of bytes in the memory BIO."""
        return len(self._data) - self._at + self._more_size

    @property
    def eof(self) -> bool:
        """Whether the memory BIO is at its end."""
        return self._ended and not self._data


def _contiguous(b: Any) -> bytes:
    view = memoryview(b)
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes()
