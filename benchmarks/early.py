"""What early data saves: how long it takes from the beginning to the answer, where the network takes its time."""

from __future__ import annotations

import time
from typing import Any

from puretls.cli.contenders import Case, Files

DELAY = 0.01  # seconds that bytes take, each way
REQUEST, ANSWER = b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"
HOW = ("full", "resumed", "early data")


def early(library: Any, files: Files, case: Case, count: int) -> tuple[float, ...]:
    """Answers in a second, one after the other: of full handshakes, of resumed ones, and of these with early data."""
    client, server = (library.context(files, case, server=server) for server in (False, True))
    client.max_early_data = server.max_early_data = 1 << 14
    sessions: list[Any] = [_visit(library, client, server, "full")[1] for _ in range(count + 1)]
    found = []
    for how in HOW:
        given, began = list(sessions) if how != "full" else [None] * (count + 1), 0.0
        spent = 0.0
        for number in range(count):
            began = time.perf_counter()
            answered, _ = _visit(library, client, server, how, given[number])
            spent += answered - began
        found.append(count / spent)
    return tuple(found)


def _visit(library: Any, client: Any, server: Any, how: str, session: Any = None) -> tuple[float, Any]:
    """When the answer was there, and the session that it leaves."""
    ours = library.side(client, server=False, session=session)
    theirs = library.side(server, server=True)
    if how == "early data" and ours.tls.write_early_data(REQUEST) != len(REQUEST):
        raise RuntimeError("no early data")
    request, answer, done = b"", b"", [False, False]
    asked = how == "early data"
    while len(answer) < len(ANSWER):
        done[0] = done[0] or ours.step()
        if done[0] and not asked:
            ours.write(REQUEST)
            asked = True
        _carry(ours, theirs)
        if how == "early data" and not request:
            request = theirs.tls.read_early_data(1 << 14)
        else:
            done[1] = done[1] or theirs.step()
            if done[1] and not request:
                request = _read(theirs)
        if request:
            theirs.write(ANSWER)
        _carry(theirs, ours)
        done[0] = done[0] or ours.step()
        if done[0]:
            answer += _read(ours)
    answered = time.perf_counter()
    if how == "early data":
        _carry(ours, theirs, 0)
        theirs.step()
        _carry(theirs, ours, 0)
        _read(ours)
    if ours.resumed() != (session is not None):
        raise RuntimeError(f"{how}: resumed or not")
    return answered, ours.session()


def _carry(sender: Any, receiver: Any, delay: float = DELAY) -> None:
    data = sender.take()
    if data:
        time.sleep(delay)
        receiver.give(data)


def _read(side: Any) -> bytes:
    try:
        return bytes(side.read(1 << 14))
    except side.wants_more:
        return b""
