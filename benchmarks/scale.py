"""What happens with more of something: threads, connections, bytes. Both ends are in one process, over memory BIOs.

The cost of one unit must not grow with their number. Each function returns rates (units in a second of CPU time), one
for each size, and the runner compares them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import memory, shake

WARM_UP = 20


def pair(library: Any, contexts: list[Any]) -> tuple[Any, Any]:
    """A connection, shaken."""
    client, server = (library.side(contexts[one], server=bool(one)) for one in (0, 1))
    shake(client, server)
    return client, server


def contexts_of(library: Any, files: Files, case: Case) -> list[Any]:
    return [library.context(files, case, server=server) for server in (False, True)]


# Threads


@contextmanager
def all_cores() -> Iterator[None]:
    """Workers are pinned to a core each; threads want more than one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def threads(library: Any, files: Files, case: Case, what: str, count: int) -> float:
    """How many times as much two threads do as one, by the clock."""
    contexts = contexts_of(library, files, case)
    block = b"x" * (256 << 10)

    def handshakes() -> None:
        for _ in range(count):
            pair(library, contexts)

    def sender() -> Callable[[], None]:
        client, _ = pair(library, contexts)

        def send() -> None:
            for _ in range(count):
                client.write(block)
                client.take()

        return send

    works = [handshakes, handshakes] if what == "handshakes" else [sender(), sender()]
    with all_cores(), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda work: work(), works))  # warms up
        start = perf_counter()
        for work in works:
            pool.submit(work).result()
        middle = perf_counter()
        list(pool.map(lambda work: work(), works))
        return (middle - start) / (perf_counter() - middle)


# Connections


def live(library: Any, files: Files, case: Case, counts: tuple[int, ...], sample: int) -> tuple[float, ...]:
    """With so many connections open: handshakes of more of them, and messages of 100 bytes on each in turn."""
    contexts = contexts_of(library, files, case)
    pairs = [pair(library, contexts) for _ in range(WARM_UP)]
    message, rates = b"x" * 100, []
    for count in counts:
        pairs += [pair(library, contexts) for _ in range(count - len(pairs))]
        del pairs[count:]
        start = process_time()
        more = [pair(library, contexts) for _ in range(sample)]
        rates.append(sample / (process_time() - start))
        del more
        turns = max(1, 4 * sample // count)
        start = process_time()
        for _ in range(turns):
            for client, server in pairs:
                client.write(message)
                server.give(client.take())
                server.read(100)
        rates.append(turns * count / (process_time() - start))
    return tuple(rates)


# Bytes


def messages(library: Any, files: Files, case: Case, sizes: tuple[int, ...], total: int) -> tuple[float, ...]:
    """KB in a second, in messages of each size."""
    rates = []
    for size in sizes:
        spent = memory(library, files, case, size, min(total, size << 14))
        rates.append(spent.number * size / spent.cpu / 1e3)
    return tuple(rates)


def sealed(client: Any, size: int) -> bytes:
    """Records that hold so many bytes."""
    block, parts = b"x" * (256 << 10), []
    while size > 0:
        client.write(block[:size])
        size -= len(block)
        while data := client.take():
            parts.append(data)
    return b"".join(parts)


def backlog(library: Any, files: Files, case: Case, sizes: tuple[int, ...], piece: int) -> tuple[float, ...]:
    """All is there, and is read a little at a time: reads in a second."""
    rates = []
    for size in sizes:
        client, server = pair(library, contexts_of(library, files, case))
        server.give(sealed(client, size))
        left, reads, start = size, 0, process_time()
        while left:
            left -= len(server.read(piece))
            reads += 1
        rates.append(reads / (process_time() - start))
    return tuple(rates)


def trickle(
    library: Any, files: Files, case: Case, sizes: tuple[int, ...], piece: int, each: bool
) -> tuple[float, ...]:
    """It comes in small pieces, and each time (or only when all is there) the server reads: pieces in a second."""
    rates = []
    for size in sizes:
        client, server = pair(library, contexts_of(library, files, case))
        data, left = sealed(client, size), size
        pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
        start = process_time()
        for one in pieces:
            server.give(one)
            if each:
                try:
                    left -= len(server.read(1 << 16))
                except server.wants_more:
                    continue
        while left:
            left -= len(server.read(1 << 16))
        rates.append(len(pieces) / (process_time() - start))
    return tuple(rates)
