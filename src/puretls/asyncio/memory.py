"""The memory into which ciphertext is received, and in which plaintext appears before the application gets it.

A connection needs it only from get_buffer() to the end of buffer_updated(), and a selector loop and uvloop call one
right after the other.  So all connections of a loop share one memory, and an idle connection has none.  Two rules make
that safe:

- What is needed after a call to foreign code is copied before it, because the application may run the loop again.
- A transport that may fill the buffer later, or that is fed by another connection of this kind (TLS in TLS), has a
  memory of its own: all transports, except for those that are known to read at once.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from puretls._base.locks import new_lock

RECEIVE = 1 << 17  # bytes asked of the kernel at once: what a loop does for one connection before it turns to others
OWN = 1 << 15  # the same for a connection with memory of its own
SLACK = 1 << 15  # for the part of a record that has come before, and the type byte behind the last one
READ_AT_ONCE = ("asyncio.selector_events", "uvloop.loop")  # modules of transports


class Memory:
    """Memory for ciphertext and for the plaintext."""

    __slots__ = ("buf", "plain", "private", "receive", "view")

    def __init__(self, size: int, *, private: bool) -> None:
        self.private = private  # of one connection, which may be filled at any time
        self.buf = bytearray(size + SLACK)
        self.view = memoryview(self.buf)
        self.receive = self.view[:size]
        self.plain = memoryview(bytearray(size + SLACK))


_lock = new_lock()
_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Memory] = weakref.WeakKeyDictionary()
_at_once: dict[type, bool] = {}


def memory_for(loop: asyncio.AbstractEventLoop, transport: Any) -> Memory:
    """The memory for a connection over this transport."""
    kind = type(transport)
    at_once = _at_once.get(kind)
    if at_once is None:
        at_once = _at_once[kind] = any(base.__module__ in READ_AT_ONCE for base in kind.__mro__)
    if not at_once:
        return Memory(OWN, private=True)
    with _lock:
        found = _of_loops.get(loop)
        if found is None:
            found = _of_loops[loop] = Memory(RECEIVE, private=False)
    return found
