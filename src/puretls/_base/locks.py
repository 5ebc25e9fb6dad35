"""Locks, which are made here and nowhere else.

- A lock of a context or of the process is held only while values that belong together change: nothing is parsed, read
  or written under it, and no foreign code runs.  A single operation of a dict or a list needs no lock, as it is one
  step for all threads.
- A signal handler, or a finalizer, may interrupt a thread that holds a lock and want the same lock.  It gets it, since
  all locks are re-entrant, and the guarded code is written for that.
- A child of a fork has only one thread.  Locks that other threads held would never be released there: `renew` releases
  them.

A connection's own locks make a second reader wait for the first, or a second writer, as long as a read or a write
takes.  A thread that would wait for itself there gets an error (`reentered` in `_api/sslconnection.py`).
"""

from __future__ import annotations

import _thread
import threading
from typing import Any
from weakref import ref

_plain = threading.RLock  # a function of Python around the class
_made: dict[ref[Any], tuple[ref[Any], str] | None] = {}


def new_lock(owner: object = None, inside: str = "") -> Any:
    """A new lock.  `inside` is the attribute of its owner that is True while a thread works under it."""
    make = threading.RLock  # gevent's, if that has patched it
    lock = _thread.RLock() if make is _plain else make()
    _made[ref(lock, _made.pop)] = (ref(owner), inside) if inside else None
    return lock


def renew() -> None:
    """Release, in a forked child, the locks of threads that do not exist there; the forking thread keeps its own."""
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
