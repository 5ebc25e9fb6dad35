"""Bulk transfer over loopback, each end in its own process so that each has a core to itself: ours, `ssl`'s, plain TCP.

The child connects once for each contender. The parent serves, counts and takes the time: a direction lasts from the
receiver's "ready" to its acknowledgement of the last byte, so nothing still in a buffer is counted.
Content is compared by sample.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Timer
from time import perf_counter
from typing import Any

from puretls._base.tuples import NamedTuple

BLOCK = 256 << 10
SAMPLE = 16  # one block in so many is compared; more would measure memcmp
TIMEOUT = 30.0  # to connect, and to end
LIMIT = 300.0  # for everything
Advance = Callable[[int], None]


class Contender(NamedTuple):
    """One row of the table. `module` speaks the TLS ("" is plain TCP); `context` is the server's side."""

    label: str
    module: str
    context: Any = None


class Mismatch(Exception):
    """What arrived is not what was sent."""


def send(conn: Any, total: int, advance: Advance) -> None:
    """Send `total` bytes in blocks when the other end is ready; done when it says that it has them all."""
    block = pattern()
    if conn.recv(1) != b"?":
        raise Mismatch("the other end is not ready")
    for _ in range(total // BLOCK):
        conn.sendall(block)
        advance(BLOCK)
    if conn.recv(1) != b"!":
        raise Mismatch("no acknowledgement")


def receive(conn: Any, total: int, advance: Advance) -> None:
    """Receive `total` bytes into one buffer, look at samples, acknowledge."""
    block, buffer = pattern(), bytearray(BLOCK)
    view = memoryview(buffer)
    conn.sendall(b"?")
    for index in range(total // BLOCK):
        got = 0
        while got < BLOCK:
            count = conn.recv_into(view[got:])
            if not count:
                raise Mismatch("the connection ended early")
            got += count
        if index % SAMPLE == 0 and buffer != block:
            raise Mismatch("the bytes differ")
        advance(BLOCK)
    conn.sendall(b"!")


def pattern() -> bytes:
    """A block without a short period: a lost or repeated record shows."""
    return b"".join(index.to_bytes(4, "big") for index in range(BLOCK // 4))


def client(modules: list[str], port: int, ca: bytes, total: int) -> None:
    """The child's life: one connection for each contender, up then down."""
    for module in modules:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as raw:
            conn: Any = raw
            if module:
                tls = import_module(module)
                context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
                context.load_verify_locations(cadata=ca.decode())
                conn = context.wrap_socket(raw, server_hostname="localhost")
            raw_timeout(conn)
            send(conn, total, lambda _count: None)
            receive(conn, total, lambda _count: None)
            conn.close()


def raw_timeout(conn: Any) -> None:
    """Blocking without a timeout, as bulk programs are: the other process ends, the kernel says so."""
    conn.settimeout(None)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def opponent(contenders: list[Contender], ca: bytes, total: int) -> Iterator[socket.socket]:
    """A listening socket and a child process that connects to it once for each contender, in order."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        arguments = ([one.module for one in contenders], listener.getsockname()[1], ca, total)
        child = multiprocessing.get_context("spawn").Process(target=client, args=arguments, daemon=True)
        child.start()
        watchdog = Timer(LIMIT, child.kill)  # then the kernel resets the connection, and whoever waits is told
        watchdog.start()
        try:
            yield listener
            child.join(TIMEOUT)
        finally:
            watchdog.cancel()
            child.kill()
            child.join()


def measure(listener: socket.socket, contender: Contender, total: int, progress: Any) -> tuple[float, float]:
    """Serve the next connection of the child; bytes per second to the server and from it."""
    conn: Any = listener.accept()[0]
    try:
        if contender.context:
            conn = contender.context.wrap_socket(conn, server_side=True)
        raw_timeout(conn)
        speeds = []
        for direction, move in (("to the server", receive), ("from the server", send)):
            with progress(f"{contender.label}, {direction}", total) as advance:
                start = perf_counter()
                move(conn, total, advance)
                speeds.append(total / (perf_counter() - start))
    finally:
        conn.close()
    return speeds[0], speeds[1]


def cores() -> int:
    """How many cores this process may use: one each is what the figures assume."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
