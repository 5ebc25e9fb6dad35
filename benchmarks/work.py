"""What is timed. Each function runs in a worker process and returns seconds: by the clock, and of CPU of its process.

Functions that need two ends come as a pair, `..._server` and `..._client`, and meet at a port of loopback. Everything
else has both ends in one process over memory BIOs, and times each side's calls on their own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.loops import streams, web
from benchmarks.scale import backlog, live, messages, threads, trickle
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import Spent, handshakes, memory, spending

__all__ = [
    "backlog", "bulk", "contexts", "handshakes", "idle", "live", "memory", "messages", "ping", "streams", "threads",
    "trickle", "visits", "web",
]  # fmt: skip


# Two processes and a socket


WINDOW = 4 << 20
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


def roomy(sock: socket.socket) -> socket.socket:
    """With a large receive buffer from the start, if the system allows it, and as it is otherwise.

    Where the kernel finds the size by itself it is a matter of luck whether a connection of loopback comes out of the
    small window that it begins with, for any contender whose receiver is quick, plain TCP among them: its sender then
    spends two or three times as much on the same data.
    """
    if RMEM_MAX.exists() and int(RMEM_MAX.read_text()) >= WINDOW:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)  # before there is a connection, or it is too late
    return sock


@contextmanager
def socket_of(library: Any, files: Files, case: Case, listener: Any, port: int) -> Iterator[Any]:
    """This end's connection: the server has the listener, the client the port."""
    if listener:
        sock = listener.accept()[0]
    else:
        sock = roomy(socket.socket())
        sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls = library.wrap(library.context(files, case, server=bool(listener)), sock, server=bool(listener))
    try:
        yield tls
    finally:
        tls.close()


def bulk(library: Any, files: Files, case: Case, end: tuple[Any, int], size: int, total: int, up: bool) -> Spent:
    """`total` bytes in sends of `size`, up to the server or down from it; both ends report."""
    listener, port = end
    with socket_of(library, files, case, listener, port) as tls:
        if up == bool(listener):
            view = memoryview(bytearray(256 << 10))
            tls.sendall(b"?")
            with spending(total / 1e6) as spent:
                left = total
                while left:
                    left -= tls.recv_into(view)
                tls.sendall(b"!")
        else:
            block = b"x" * size
            tls.recv(1)
            with spending(total / 1e6) as spent:
                for _ in range(total // size):
                    tls.sendall(block)
                tls.recv(1)
    return spent[0]


def ping(library: Any, files: Files, case: Case, end: tuple[Any, int], size: int, count: int) -> Spent:
    """Requests and responses of `size` bytes."""
    listener, port = end
    message = b"x" * size
    with socket_of(library, files, case, listener, port) as tls, spending(count) as spent:
        for _ in range(count):
            if listener:
                tls.recv(size)
                tls.sendall(message)
            else:
                tls.sendall(message)
                tls.recv(size)
    return spent[0]


def visits(library: Any, files: Files, case: Case, end: tuple[Any, int], count: int, resume: bool) -> Spent:
    """A request each, by requests, over a connection and with a context of its own each; injected."""
    listener, port = end
    if listener:
        context = library.context(files, case, server=True)
        with spending(count) as spent:
            for _ in range(count):
                with library.wrap(context, listener.accept()[0], server=True) as tls:
                    tls.recv(4096)
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        return spent[0]
    import requests

    import puretls

    puretls.inject_into_ssl(client_session_cache=True if resume else None)
    try:
        with spending(count) as spent:
            for _ in range(count):
                requests.get(f"https://localhost:{port}/", verify=files.of("ca.pem"), timeout=20)
    finally:
        puretls.extract_from_ssl()
    return spent[0]


# One process and memory


def contexts(library: Any, files: Files, case: Case, role: str, count: int) -> Spent:
    """Making a context: a server's with its certificate, a client's, a client's with the system's CA bundle."""
    tls = library.module

    def bundle() -> Any:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(files.of("bundle.pem"))
        return context

    makers: dict[str, Callable[[], Any]] = {
        "server": lambda: library.context(files, case, server=True),
        "client": lambda: tls.SSLContext(tls.PROTOCOL_TLS_CLIENT),
        "bundle": bundle,
    }
    if library.name == "pyopenssl":
        makers["client"] = lambda: tls.Context(tls.TLS_CLIENT_METHOD)
        makers["bundle"] = lambda: makers["client"]().load_verify_locations(files.of("bundle.pem"))
    makers[role]()
    with spending(count) as spent:
        for _ in range(count):
            makers[role]()
    return spent[0]


def idle(library: Any, files: Files, count: int, loop: str) -> tuple[float, float]:
    """KiB that an established connection holds, client and server: in a process of its own, where all memory counts."""
    command = [sys.executable, "-m", "benchmarks.idle", library.name, files.folder, str(count), loop]
    environment = {**os.environ, "PYTHONMALLOC": "malloc"}
    client, server = subprocess.check_output(command, env=environment, text=True).split()
    return float(client), float(server)
