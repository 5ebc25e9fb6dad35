"""Memory that is needed for a moment: records are opened into it, and what a read returns is copied from it."""

from __future__ import annotations

from puretls._record.protection import MAX_PLAINTEXT

SPARE_SIZE = 1 << 18  # the most that one read() returns
AT_ONCE = 1 << 17  # bytes of data that a socket is asked for at once: more, and its ciphertext, would leave the cache
_spare: list[bytearray] = []  # append and pop are atomic


def scratch(size: int) -> bytearray:
    """At least so many bytes to read into; a large one comes from, and should go back to, a pool."""
    if size <= MAX_PLAINTEXT + 1:
        return bytearray(size)
    try:
        return _spare.pop()
    except IndexError:
        return bytearray(SPARE_SIZE + 1)


def give_back(buffer: bytearray) -> None:
    """Return memory of `scratch` to the pool."""
    if len(buffer) > SPARE_SIZE and len(_spare) < 4:
        _spare.append(buffer)
