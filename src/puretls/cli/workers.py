"""Several processes that accept from the same sockets, until the first of them ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from puretls.cli.failure import Failure


@contextmanager
def beside(count: int, work: Callable[[], None]) -> Iterator[None]:
    """So many processes beside this one that do `work`, for the length of a block.

    They end when it ends, however it does: each waits for the end of a pipe that only this process holds open.
    """
    if not count:
        yield
        return
    if not hasattr(os, "fork"):
        raise Failure("--workers: this system has no fork()")
    ours, theirs = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            os.close(theirs)
            _be_a_worker(ours, work)
        children.append(child)
    os.close(ours)
    try:
        yield
    finally:
        os.close(theirs)
        for child in children:
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _be_a_worker(until: int, work: Callable[[], None]) -> None:
    status = 1
    try:
        with suppress(KeyboardInterrupt):
            work()
            os.read(until, 1)
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)  # what the first process has to do at its end is not for us
