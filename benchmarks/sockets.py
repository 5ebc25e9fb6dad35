"""Two processes and a socket between them: bulk data, requests and answers, and reads of every usual kind.

Each function runs in both workers of a contender, as the server (which has the listener) or as the client.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import Spent, spending

WINDOW = 4 << 20
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
BLOCKING, TIMEOUT, NON_BLOCKING = None, 5.0, 0.0  # as settimeout() takes them


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


def patient(library: Any, tls: Any, timeout: float | None, call: Callable[..., Any]) -> Callable[..., Any]:
    """A read as programs do it: where the socket does not block, the program waits and asks again."""
    if timeout != NON_BLOCKING:
        return call
    module = getattr(library, "module", None)
    wants = getattr(module, "SSLWantReadError", None) or getattr(module, "WantReadError", BlockingIOError)
    poll = select.poll()
    poll.register(tls.fileno(), select.POLLIN)

    def again(*arguments: Any) -> Any:
        while True:
            try:
                return call(*arguments)
            except wants:
                poll.poll()

    return again


def ping(
    library: Any, files: Files, case: Case, end: tuple[Any, int], size: int, count: int, timeout: float | None
) -> Spent:
    """Requests and answers of `size` bytes, as a client of a database and its server exchange them."""
    listener, port = end
    message = b"x" * size
    with socket_of(library, files, case, listener, port) as tls:
        tls.settimeout(timeout)
        recv = patient(library, tls, timeout, tls.recv)
        with spending(count) as spent:
            for _ in range(count):
                if listener:
                    recv(size)
                    tls.sendall(message)
                else:
                    tls.sendall(message)
                    recv(size)
    return spent[0]


def reads(
    library: Any,
    files: Files,
    case: Case,
    end: tuple[Any, int],
    record: int,
    total: int,
    how: str,
    size: int,
    timeout: float | None,
) -> Spent:
    """The server sends records of `record` bytes, the client reads `size` at a time; only the client's time counts."""
    listener, port = end
    with socket_of(library, files, case, listener, port) as tls:
        if listener:
            block = b"x" * record
            with spending(total / 1e6) as spent:
                for _ in range(total // record):
                    tls.sendall(block)
                tls.recv(1)
            return spent[0]
        tls.settimeout(timeout)
        left = total // record * record
        with spending(total / 1e6) as spent:
            if how == "recv":
                recv = patient(library, tls, timeout, tls.recv)
                while left:
                    left -= len(recv(size))
            elif how == "recv_into":
                view = memoryview(bytearray(size))
                recv_into = patient(library, tls, timeout, tls.recv_into)
                while left:
                    left -= recv_into(view)
            else:
                with tls.makefile("rb") as stream:
                    while left:
                        left -= len(stream.read(size))
        tls.settimeout(None)
        tls.sendall(b"!")
    return spent[0]
