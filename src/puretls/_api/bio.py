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
    """A memory buffer that passes data between Python and an SSL protocol instance."""

    __slots__ = ("__weakref__", "_at", "_chunks", "_ended", "_size")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._at = 0  # how much of the first chunk has been read
        self._size = 0
        self._ended = False

    def __init_subclass__(cls) -> None:
        raise TypeError("type 'MemoryBIO' is not an acceptable base type")

    def read(self, size: int = -1, /) -> bytes:
        """Read up to size bytes from the memory BIO; all of it if size is negative."""
        chunks = self._chunks
        if not 0 <= size < self._size:
            if self._at:
                chunks[0] = chunks[0][self._at :]
                self._at = 0
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
            self._size = 0
            return data
        self._size -= size
        taken: list[bytes] = []
        while size:
            chunk, at = chunks[0], self._at
            piece = chunk[at : at + size]
            taken.append(piece)
            size -= len(piece)
            self._at = at + len(piece)
            if self._at == len(chunk):
                chunks.popleft()
                self._at = 0
        return b"".join(taken)

    def write(self, b: Buffer, /) -> int:
        """Write the bytes b into the memory BIO and return how many there were."""
        if self._ended:
            raise SSLError("cannot write() after write_eof()")
        data = b if type(b) is bytes else _contiguous(b)
        if data:
            self._chunks.append(data)
            self._size += len(data)
        return len(data)

    def write_eof(self) -> None:
        """Mark the end: nothing may be written any more, and eof is true once the rest has been read."""
        self._ended = True

    @property
    def pending(self) -> int:
        """The number of bytes in the memory BIO."""
        return self._size

    @property
    def eof(self) -> bool:
        """Whether the memory BIO is at its end."""
        return self._ended and not self._size


def _contiguous(b: Any) -> bytes:
    view = memoryview(b)
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes()
