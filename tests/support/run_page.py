"""Runs the Python blocks of one page of the documentation, as a reader would who pastes one after the other.

    python -m support.run_page PAGE HOST:PORT=PORT ...

The blocks share one namespace. A comment before a block says how it is run:

    <!-- example: background -->  as a program beside them: in a thread of its own, with names of its own; what follows
                                  starts once it listens
    <!-- example: not run: why -->  only compiled

What a line says that its `print()` prints (`print(...)  # this`, where ... stands for anything) has to be printed.

Pages use names and ports as their readers would. Here a name and a port, given as arguments, lead to a server on
loopback; other ports are exchanged for free ones in the text.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from support import PATIENCE, free_port, until

PORTS = ("8443", "8444")
EXPECTED = re.compile(r"^ *print\(.+\)  # (.+)$", re.MULTILINE)
said: list[str] = []


class Block(NamedTuple):
    """A block of code, where it starts, and how it is run."""

    line: int
    code: str
    how: str


def blocks(text: str) -> Iterator[Block]:
    """The Python blocks of a page."""
    for found in re.finditer(r"(?:^<!-- example: (.+?) -->\n+)?^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Block(text.count("\n", 0, found.start(2)), found[2], found[1] or "")


def say(*values: object) -> None:
    """What `print` is for the blocks: remembered, and never in pieces."""
    line = " ".join(map(str, values))
    said.append(line)
    sys.stdout.write(f"{line}\n")


def unsaid(expected: str) -> bool:
    """Whether this has not been printed."""
    pattern = expected.replace("[", "[[]").replace("...", "*")
    return not any(fnmatchcase(line, pattern) for line in list(said))


def lead(places: dict[tuple[str, int], int]) -> None:
    """Have names and ports lead to loopback: each name is an address of its own there. No other name resolves."""
    getaddrinfo, connect = socket.getaddrinfo, socket.socket.connect
    addresses = {name: f"127.0.1.{number}" for number, name in enumerate(sorted({name for name, _ in places}), 1)}
    ports = {(addresses[name], port): real for (name, port), real in places.items()}

    def resolve(host: Any, port: Any, *arguments: Any, **keywords: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host or "127.0.0.1"
        if name in ("localhost", *addresses):
            name = addresses.get(name, "127.0.0.1")
        assert name.startswith("127."), name
        return getaddrinfo(name, port, *arguments, **keywords)

    def dial(sock: socket.socket, address: Any) -> None:
        host, port, *rest = address
        where = resolve(host, port)[0][4]
        connect(sock, ("127.0.0.1", ports[where]) if where in ports else (*where[:2], *rest))

    socket.getaddrinfo = resolve
    socket.socket.connect = dial  # type: ignore[method-assign]


def main(page: Path, *mapped: str) -> int:
    """Run the page; 1 if anything in it fails."""
    places = {}
    for one in mapped:
        name, port = one.split("=")
        host, number = name.split(":")
        places[host, int(number)] = int(port)
    lead(places)
    listens = threading.Event()
    listen = socket.socket.listen

    def listen_and_tell(sock: socket.socket, *arguments: Any) -> None:
        listen(sock, *arguments)
        listens.set()

    socket.socket.listen = listen_and_tell  # type: ignore[method-assign]
    text = page.read_text("utf-8")
    for port in PORTS:
        text = text.replace(port, str(free_port()))
    namespace: dict[str, Any] = {"__name__": "__main__", "print": say}
    failed: list[str] = []
    expected: list[str] = []
    for block in blocks(text):
        code = compile("\n" * block.line + block.code, str(page), "exec")
        if block.how == "background":
            run_beside(code, failed, listens)
        elif not block.how:
            exec(code, namespace)
        else:
            assert re.match(r"not run: \w+", block.how), block.how
        if failed:
            break
        expected += EXPECTED.findall(block.code) if not block.how.startswith("not run") else ()
    if not failed:
        until(lambda: not any(map(unsaid, expected)), f"one of {expected}")
    print(*failed, file=sys.stderr)
    return len(failed)


def run_beside(code: Any, failed: list[str], listens: threading.Event) -> None:
    """A server: it runs until the page ends."""

    def target() -> None:
        try:
            exec(code, {"__name__": "__main__", "print": say})
        except BaseException:  # noqa: BLE001
            failed.append(traceback.format_exc())
            listens.set()

    listens.clear()
    threading.Thread(target=target, daemon=True).start()
    if not listens.wait(PATIENCE):
        failed.append("the server did not listen")


if __name__ == "__main__":
    status = main(Path(sys.argv[1]), *sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # servers may be in the middle of something
