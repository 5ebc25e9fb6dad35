"""Locks, which are made here and nowhere else.

- A lock of a context or of the process is held while values that belong together change, and no longer: nothing is
  parsed, read or written meanwhile, and nothing foreign runs.  What one operation of a dict or a list can do needs no
  lock at all: such an operation is one step for all threads.
- A signal handler, or a finalizer, may interrupt who holds a lock and want it too.  It gets in, since all locks are
  re-entrant, and what they guard stands that.
- In a child of a fork there is one thread only.  What the others held there, nobody would ever give back: `renew`
  does.

A connection's own locks have a second reader wait for the first, or a second writer, for as long as a read or a write
takes.  Who has interrupted himself there is refused (`reentered` in `_api/sslconnection.py`).
"""

from __future__ import annotations

import _thread
import threading
from typing import Any
from weakref import ref

_plain = threading.RLock  # a function of Python around the class
_made: dict[ref[Any], tuple[ref[Any], str] | None] = {}


def new_lock(owner: object = None, inside: str = "") -> Any:
    """A lock.  `inside` is the attribute of its owner that is True while somebody is at work under it."""
    make = threading.RLock  # gevent's, if that has patched it
    lock = _thread.RLock() if make is _plain else make()
    _made[ref(lock, _made.pop)] = (ref(owner), inside) if inside else None
    return lock


def renew() -> None:
    """In a forked child: free what a thread holds that is not there; the thread that has forked keeps what it holds."""
    for made, owned in _made.copy().items():
        lock = made()
        if type(lock) is not _thread.RLock:  # it is gone; or it is gevent's, whose greenlets are all there
            continue
        if lock.acquire(blocking=False):
            lock.release()
            continue
        lock._at_fork_reinit()  # type: ignore[attr-defined]  # as `threading` and `logging` do with theirs
        if owned is not None and (owner := owned[0]()) is not None:
            setattr(owner, owned[1], False)
