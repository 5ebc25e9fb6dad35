"""What the tests of puretls.asyncio share: both loops, protocols that record, and a plain transport made of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import puretls.asyncio
from support import PATIENCE, Pki
from support.ours import client_context, server_context

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": lambda: pytest.importorskip("uvloop").new_event_loop(),
    "EventLoop": puretls.asyncio.EventLoop,
    "uvloop_factory": lambda: pytest.importorskip("uvloop") and puretls.asyncio.uvloop_factory(),
}
plain_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
our_loops = pytest.mark.parametrize("loop", ["EventLoop", "uvloop_factory"])
all_loops = pytest.mark.parametrize("loop", [*LOOPS])


def run(loop: str, work: Coroutine[Any, Any, Any], *, debug: bool = False, silent: bool = True) -> Any:
    """Run this in a loop of that kind; whatever goes to its exception handler fails the test."""
    made = LOOPS[loop]()
    reported: list[dict[str, Any]] = []
    made.set_exception_handler(lambda _, context: reported.append(context))
    made.set_debug(debug)
    try:
        result = made.run_until_complete(asyncio.wait_for(work, PATIENCE))
        made.run_until_complete(made.shutdown_asyncgens())
        left = asyncio.all_tasks(made)
    finally:
        made.close()
    assert not left
    if silent:
        assert not reported
    return result


def reported() -> list[dict[str, Any]]:
    """What the running loop's exception handler gets from now on."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


class Recorder(asyncio.Protocol):
    """Everything that happens, in order; `events` holds names, and `data` what came."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.events: list[Any] = []
        self.data = bytearray()
        self.transport: Any = None
        self.error: BaseException | None = None
        self.connected: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.came = asyncio.Event()
        self.keep_open: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append("made")
        self.transport = transport
        self.connected.set_result(None)

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data
        self.data += data
        self.came.set()

    def eof_received(self) -> Any:
        self.events.append("eof")
        self.ended.set_result(None)
        return self.keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.events.append("lost")
        self.error = exc
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    async def until(self, size: int) -> None:
        """Until so many bytes have come in all."""
        while len(self.data) < size:
            self.came.clear()
            await self.came.wait()


class BufferedRecorder(Recorder, asyncio.BufferedProtocol):
    """The same, into memory of a size that the test chooses."""

    def __init__(self, size: int = 4096) -> None:
        super().__init__()
        self.memory = bytearray(size)
        self.calls = 0

    def get_buffer(self, sizehint: int) -> bytearray:
        assert sizehint > 0
        return self.memory

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self.memory)
        self.calls += 1
        self.data += self.memory[:nbytes]
        self.came.set()


class Plain(asyncio.Transport):
    """Half of a connection in memory; `cut` is how it delivers what the other half writes."""

    def __init__(self, cut: Callable[[], int] = lambda: 1 << 20) -> None:
        super().__init__()
        self.peer: Plain
        self.protocol: Any = None
        self.cut = cut
        self.waiting = bytearray()  # for our protocol
        self.sent = bytearray()  # all that was written here
        self.paused = self.closing = self.delivering = self.eof = False
        self.calls: list[str] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol  # type: ignore[no-any-return]

    def write(self, data: Any) -> None:
        self.sent += data
        if not self.closing:
            self.peer.waiting += data
            asyncio.get_running_loop().call_soon(self.peer.deliver)

    def deliver(self) -> None:
        """Hand our protocol what has come, piece by piece."""
        if self.delivering or self.closing:
            return
        self.delivering = True
        try:
            while self.waiting and not self.paused and not self.closing:
                room = memoryview(self.protocol.get_buffer(-1))
                size = min(max(self.cut(), 1), len(room), len(self.waiting))
                room[:size] = self.waiting[:size]
                del self.waiting[:size]
                self.protocol.buffer_updated(size)
            if self.eof and not self.waiting and not self.closing:
                self.eof = False
                if not self.protocol.eof_received():
                    self.close()
        finally:
            self.delivering = False

    def pause_reading(self) -> None:
        self.calls.append("pause")
        self.paused = True

    def resume_reading(self) -> None:
        self.calls.append("resume")
        self.paused = False
        asyncio.get_running_loop().call_soon(self.deliver)

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.peer.eof = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self.peer.deliver)
            loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return "plain" if name == "kind" else default


class Both:
    """A client and a server of puretls.asyncio over a connection in memory."""

    def __init__(self, tls: Any, pki: Pki, client: Any, server: Any, **options: Any) -> None:
        loop = asyncio.get_running_loop()
        version = options.pop("version", None)
        cut = options.pop("cut", lambda: 1 << 20)
        prepare = options.pop("prepare", lambda *_: None)
        contexts = client_context(tls, pki, version=version), server_context(tls, pki, version=version)
        prepare(*contexts)
        self.client, self.server = client, server
        self.plain, self.far = Plain(cut), Plain(cut)
        self.plain.peer, self.far.peer = self.far, self.plain
        make = puretls.asyncio.SSLTransport
        waiters = loop.create_future(), loop.create_future()
        self.tls_client = make(loop, client, contexts[0], waiters[0], server_hostname="localhost", **options)
        self.tls_server = make(loop, server, contexts[1], waiters[1], server_side=True, **options)
        self.plain.set_protocol(self.tls_client)
        self.far.set_protocol(self.tls_server)
        self.waiters = waiters

    async def connect(self) -> Both:
        self.tls_server.connection_made(self.far)
        self.tls_client.connection_made(self.plain)
        await asyncio.gather(*self.waiters)
        return self

    async def close(self) -> None:
        self.tls_client.close()
        self.tls_server.close()
        await asyncio.gather(self.client.lost, self.server.lost)


async def settle() -> None:
    """Let everything happen that is due."""
    for _ in range(20):
        await asyncio.sleep(0)
