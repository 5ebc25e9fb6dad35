"""Connections that are opened, cancelled, aborted, timed out and closed at random points leave nothing behind.

PURETLS_STRESS says how many, for each loop; without it there are enough to meet every kind of end a few times.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import puretls.asyncio
from puretls._engine.connection import Connection
from puretls.asyncio import SSLTransport
from support import Pki
from support.ours import client_context, server_context
from support.wire import LOOPS, all_loops

COUNT = int(os.environ.get("PURETLS_STRESS", "250"))
AT_ONCE = 25
SLACK = 600  # pieces of memory: what the first connections have loaded and cached
DATA = bytes(range(256)) * 1024
ALSO_LEFT_BY_ASYNCIO = {"socket.send() raised exception.", "SSL connection is closed"}  # by who goes on writing
ENDS = ("close", "close and wait", "abort", "write and abort", "write and close", "half close")


class Chaos:
    """One run: what happens is up to the seed, as far as the kernel lets it."""

    def __init__(self, tls: ModuleType, pki: Pki, seed: int) -> None:
        self.chance = random.Random(seed)
        self.contexts = client_context(tls, pki), server_context(tls, pki)
        self.refusing = client_context(tls, pki, trusts=False)
        self.ends: dict[str, int] = dict.fromkeys(ENDS, 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo for a while, and then one of the ways to end."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            for _ in range(self.chance.randrange(6)):
                data = await reader.read(self.chance.choice((1, 1000, 1 << 17)))
                if not data:
                    break
                writer.write(data)
                if self.chance.random() < 0.5:
                    await writer.drain()
            await self.end(writer)

    async def end(self, writer: asyncio.StreamWriter) -> None:
        end = self.chance.choice(ENDS)
        self.ends[end] += 1
        if end.startswith("write"):
            writer.write(DATA * self.chance.randrange(1, 20))
        if "abort" in end:
            writer.transport.abort()
        elif end == "half close" and writer.can_write_eof():
            writer.write_eof()
            await asyncio.sleep(self.chance.random() / 100)
        writer.close()
        if end == "close and wait":
            await writer.wait_closed()

    async def visit(self, port: int) -> None:
        """One client."""
        kind = self.chance.random()
        if kind < 0.1:  # no TLS at all
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(self.chance.choice((b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", bytes(3000))))
                    await asyncio.sleep(self.chance.random() / 50)
                finally:
                    writer.close()
            return
        options = {"ssl_handshake_timeout": self.chance.choice((None, 1e-4, 5)), "ssl_shutdown_timeout": 0.05}
        context = self.refusing if kind < 0.2 else self.contexts[0]
        with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            reader, writer = await puretls.asyncio.open_connection(
                "localhost", port, ssl=context, half_close=self.chance.random() < 0.5, **options
            )
            try:
                for _ in range(self.chance.randrange(5)):
                    size = self.chance.choice((1, 100, 1 << 17))
                    writer.write(DATA[:size])
                    if self.chance.random() < 0.7:
                        await asyncio.wait_for(reader.readexactly(size), 0.2)
                await self.end(writer)
            finally:
                writer.close()

    async def run(self, count: int) -> None:
        server = await puretls.asyncio.start_server(
            self.serve, "127.0.0.1", 0, ssl=self.contexts[1], half_close=True, ssl_shutdown_timeout=0.05, backlog=1000
        )
        port = server.sockets[0].getsockname()[1]
        running: set[asyncio.Future[None]] = set()
        loop = asyncio.get_running_loop()
        for _ in range(count):
            task = asyncio.ensure_future(self.visit(port))
            running.add(task)
            task.add_done_callback(running.discard)
            if self.chance.random() < 0.3:
                loop.call_later(self.chance.random() / 20, task.cancel)
            while len(running) >= AT_ONCE:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        while running:
            await asyncio.wait(running)
        server.close()
        await server.wait_closed()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[arg-type]
            await asyncio.wait(others)
        for _ in range(100):  # the last timeouts
            if not alive(SSLTransport):
                break
            await asyncio.sleep(0.01)


def alive(kind: type) -> int:
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())


def blocks() -> int:
    """How many pieces of memory the interpreter holds."""
    gc.collect()
    return sys.getallocatedblocks()


def descriptors() -> set[str]:
    """Sockets that are open."""
    if sys.platform != "linux":
        return set()
    found = set()
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the directory's own
            found.add(str(one.readlink()))
    return {one for one in found if one.startswith("socket:")}


@all_loops
@pytest.mark.timeout(1200)
def test_nothing_is_left_behind(tls: ModuleType, pki: Pki, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    made = LOOPS[loop]()
    reported: list[dict[str, Any]] = []
    made.set_exception_handler(lambda _, context: reported.append(context))
    try:
        with caplog.at_level(logging.INFO):
            made.run_until_complete(Chaos(tls, pki, 12).run(AT_ONCE))  # what loops and resolvers open once
            before, memory, kept = descriptors(), blocks(), alive(Connection)  # by exceptions of other tests
            chaos = Chaos(tls, pki, 13)
            made.run_until_complete(chaos.run(COUNT))
            ends = chaos.ends
            del chaos
        assert not asyncio.all_tasks(made)
        assert all(ends.values())
        assert not reported
        assert {one.getMessage() for one in caplog.records} <= ALSO_LEFT_BY_ASYNCIO
        assert alive(SSLTransport) == 0
        assert alive(Connection) <= kept
        timers = [one for one in getattr(made, "_scheduled", ()) if not one.cancelled()]
        assert not timers
        assert descriptors() <= before
        caplog.clear()
        assert blocks() - memory < SLACK + COUNT // 10
    finally:
        made.close()
