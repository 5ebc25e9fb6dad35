"""What is timed with both ends of a connection in one process: handshakes, and messages over memory BIOs.

Each side's calls are timed on their own, in seconds of CPU time of this process: nothing else runs, and whatever else
the machine does does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import get_clock_info, perf_counter
from typing import Any

from puretls._base.tuples import NamedTuple
from puretls.cli.contenders import Case, Files

if get_clock_info("process_time").resolution < 1e-4:
    from time import process_time
else:  # Windows counts CPU time in ticks of 16 milliseconds
    process_time = perf_counter


class Spent(NamedTuple):
    """Seconds for a number of something."""

    number: float
    clock: float
    cpu: float


@contextmanager
def spending(count: float) -> Iterator[list[Spent]]:
    """What the block takes, once it has ended."""
    result: list[Spent] = []
    clock, cpu = perf_counter(), process_time()
    yield result
    result.append(Spent(count, perf_counter() - clock, process_time() - cpu))


def shake(client: Any, server: Any) -> tuple[float, float]:
    """A handshake; seconds of CPU of the client's side and of the server's."""
    spent = [0.0, 0.0]
    sides, finished, data = (client, server), [False, False], b""
    turn = 0
    while not all(finished):
        start = process_time()
        if data:
            sides[turn].give(data)
        finished[turn] = sides[turn].step()
        data = sides[turn].take()
        spent[turn] += process_time() - start
        turn = 1 - turn
    if data:
        sides[turn].give(data)
    return spent[0], spent[1]


def handshakes(library: Any, files: Files, case: Case, count: int, resume: bool) -> tuple[Spent, Spent]:
    """Client's and server's side of `count` handshakes; objects are made within the time, contexts are not."""
    contexts = [library.context(files, case, server=server) for server in (False, True)]
    session = None
    totals = [0.0, 0.0]
    for index in range(-3, count):  # the first ones warm up, and give the session
        start = process_time()
        client = library.side(contexts[0], server=False, session=session)
        middle = process_time()
        server = library.side(contexts[1], server=True)
        made = middle - start, process_time() - middle
        sides = shake(client, server)
        if resume:
            server.write(b"x")
            client.give(server.take())
            client.read(1)
            session = client.session()
        if index >= 0:
            totals = [total + a + b for total, a, b in zip(totals, made, sides, strict=True)]
    if client.resumed() != resume:
        raise RuntimeError(f"{library.name}: resumed is {not resume}")
    return Spent(count, totals[0], totals[0]), Spent(count, totals[1], totals[1])


def memory(library: Any, files: Files, case: Case, size: int, total: int) -> Spent:
    """Messages of `size` bytes written on one side and read on the other."""
    client, server = (library.side(library.context(files, case, server=one), server=one) for one in (False, True))
    shake(client, server)
    message, count = b"x" * size, max(1, total // size)
    with spending(count) as spent:
        for _ in range(count):
            client.write(message)
            server.give(client.take())
            left = size
            while left:
                left -= len(server.read(left))
    return spent[0]
