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
# Locks on their own, and owners of locks with the names of theirs: each lock, and its flag
_made: dict[ref[Any], tuple[tuple[str, str], ...]] = {}


def new_lock(owner: object = None, *own: tuple[str, str]) -> Any:
    """A new lock, which is remembered.

    An object with a lock of its own, or several, is remembered instead: `own` are the names of all its locks, and of
    the attribute beside each that is True while a thread works under it.
    """
    lock = further_lock()
    _made[ref(owner if own else lock, _made.pop)] = own
    return lock


def further_lock() -> Any:
    """Another lock, for an owner that is remembered."""
    make = threading.RLock  # gevent's, if that has patched it
    return _thread.RLock() if make is _plain else make()


def renew() -> None:
    """Release, in a forked child, the locks of threads that do not exist there; the forking thread keeps its own."""
    for made, own in _made.copy().items():
        found = made()
        if not own:
            _renew(found)
            continue
        for name, inside in own:
            if _renew(getattr(found, name, None)):
                setattr(found, inside, False)


def _renew(lock: Any) -> bool:
    """Release a lock of another thread; whether it was one."""
    if type(lock) is not _thread.RLock:  # it is gone, or not made yet; or it is gevent's, whose greenlets are all there
        return False
    if lock.acquire(blocking=False):
        lock.release()
        return False
    lock._at_fork_reinit()  # type: ignore[attr-defined]  # as `threading` and `logging` do with theirs
    return True
