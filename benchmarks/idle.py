"""How much memory an idle connection holds: `python -m benchmarks.idle LIBRARY FOLDER COUNT [LOOP]`.

Over memory BIOs, over blocking sockets (LOOP is "sockets"), or with streams in an event loop; what plain TCP costs is
taken off.  It prints the KiB of a client's and a server's side.  With PYTHONMALLOC=malloc everything, Python's objects
and OpenSSL's alike, is in glibc's books, and mallinfo2() reads them.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.contenders import contender
from benchmarks.loops import run
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import shake

WARM_UP = 20
FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class MallInfo2(ctypes.Structure):
    """mallinfo2(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


def used() -> int:
    """Bytes that are allocated."""
    gc.collect()
    read = ctypes.CDLL(None).mallinfo2
    read.restype = MallInfo2
    info = read()
    return int(info.uordblks + info.hblkhd)


def over_memory(name: str, folder: str, count: int) -> None:
    """Hold `count` pairs, then drop one side after the other."""
    library = contender(name)
    contexts = [library.context(Files(folder), Case(), server=server) for server in (False, True)]
    clients, servers = [], []
    for index in range(count + WARM_UP):
        client, server = (library.side(contexts[one], server=bool(one)) for one in (0, 1))
        shake(client, server)
        server.write(b"x")
        client.give(server.take())
        client.read(1)
        if index >= WARM_UP:  # the first ones fill caches
            clients.append(client)
            servers.append(server)
    del client, server
    both = used()
    clients.clear()
    without_clients = used()
    servers.clear()
    neither = used()
    print((both - without_clients) / count / 1024, (without_clients - neither) / count / 1024)


def over_sockets(name: str, folder: str, count: int) -> None:
    """The same over TCP, less what the sockets cost by themselves."""
    costs = []
    for library in (contender("tcp"), contender(name)):
        contexts = [library.context(Files(folder), Case(), server=server) for server in (False, True)]
        clients, servers = [], []
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as other:

            def accept(listener: socket.socket = listener, library: Any = library, context: Any = contexts[1]) -> Any:
                server = library.wrap(context, listener.accept()[0], server=True)
                server.sendall(b"x")
                return server

            for index in range(count + WARM_UP):
                accepted = other.submit(accept)
                client = library.wrap(contexts[0], socket.create_connection(listener.getsockname()), server=False)
                client.settimeout(5)
                client.recv(1)
                if index >= WARM_UP:
                    clients.append(client)
                    servers.append(accepted.result())
            del client, accepted
            both = used()
            clients.clear()
            without_clients = used()
            servers.clear()
            costs.append(((both - without_clients) / count / 1024, (without_clients - used()) / count / 1024))
    print(costs[1][0] - costs[0][0], costs[1][1] - costs[0][1])


async def in_loop(name: str, folder: str, count: int) -> None:
    """What one side of a connection with streams costs above the same over plain TCP; both are in this process."""
    costs = []
    for library in (contender("tcp"), contender(name)):
        contexts = [library.context(Files(folder), Case(), server=server) for server in (False, True)]
        options: list[dict[str, Any]] = [{}, {}]
        if contexts[0] is not None:
            options = [{"ssl": contexts[0], "server_hostname": "localhost"}, {"ssl": contexts[1]}]
        held: list[Any] = []

        async def accept(*streams: Any) -> None:
            streams[1].write(await streams[0].readexactly(1))
            held.append(streams)  # noqa: B023

        server = await asyncio.start_server(accept, "127.0.0.1", 0, **options[1])
        port = server.sockets[0].getsockname()[1]

        async def connect(port: int = port, more: dict[str, Any] = options[0]) -> None:
            streams = await asyncio.open_connection("127.0.0.1", port, **more)
            streams[1].write(b"x")
            await streams[0].readexactly(1)
            held.append(streams)  # noqa: B023

        for _ in range(WARM_UP):
            await connect()
        before = used()
        for _ in range(count):
            await connect()
        costs.append((used() - before) / count / 2 / 1024)
        for _, writer in held:
            writer.transport.abort()
        server.close()
    print(costs[1] - costs[0], costs[1] - costs[0])


def main() -> None:
    """One or the other."""
    name, folder, count, *loop = sys.argv[1:]
    if loop == ["sockets"]:
        over_sockets(name, folder, int(count))
    elif loop and loop[0]:
        run(loop[0], in_loop(name, folder, int(count)))
    else:
        over_memory(name, folder, int(count))


main()
