"""Early data in event loops: a client's callback gives it, and only a server's protocol that takes it ever gets it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import ModuleType
from typing import Any

import pytest

import puretls
import puretls.asyncio
from puretls import EARLY_DATA_ACCEPTED, EARLY_DATA_REJECTED
from support import Pki
from support.bios import join
from support.ours import client_context, server_context
from support.wire import Recorder, all_loops, reported, run, settle

LIMIT = 1000
DATA = b"GET / HTTP/1.0\r\n\r\n"


class Taker(Recorder):
    """A server's protocol that takes early data, and answers it at once."""

    answer = b"an answer"
    closes = False

    def __init__(self) -> None:
        super().__init__()
        self.early = bytearray()
        self.done_by_then: list[bool] = []

    def early_data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data
        self.events.append("early")
        self.early += data
        self.done_by_then.append(self.transport.get_extra_info("ssl_object").version() is not None)
        if self.answer:
            self.transport.write(self.answer)
        if self.closes:
            self.transport.close()


class EarlySite:
    """A server that listens, and a client that has been there before."""

    def __init__(self, tls: ModuleType, pki: Pki, protocol: type[Recorder]) -> None:
        self.protocol, self.served = protocol, []  # type: ignore[var-annotated]
        self.server, self.client = server_context(tls, pki), client_context(tls, pki)
        self.client.max_early_data = self.server.max_early_data = LIMIT
        self.session = join(self.client, self.server).ok().client.obj.session
        self.client.client_session_cache = Fixed(self.session)

    def accept(self) -> Recorder:
        self.served.append(self.protocol())
        return self.served[-1]

    async def visit(self, data: bytes | None = DATA) -> tuple[Recorder, Recorder, Any]:
        """One connection; the client's protocol, the server's, the client's ssl_object."""
        if data is not None:
            self.client.early_data_callback = lambda _: data
        listening = await puretls.asyncio.create_server(self.accept, "127.0.0.1", 0, ssl=self.server)
        port = listening.sockets[0].getsockname()[1]
        transport, protocol = await puretls.asyncio.create_connection(
            Recorder, "127.0.0.1", port, ssl=self.client, server_hostname="localhost"
        )
        listening.close()
        await self.served[-1].connected
        return protocol, self.served[-1], transport.get_extra_info("ssl_object")


class Fixed:
    """A cache that always has the same session."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def get(self, _: Any) -> Any:
        return self.session

    def put(self, _: Any, __: Any) -> None:
        """There is one already."""


async def goodbye(*protocols: Recorder) -> None:
    for protocol in protocols:
        protocol.transport.close()
    for protocol in protocols:
        await protocol.lost


@all_loops
def test_it_is_given_and_taken(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        site = EarlySite(tls, pki, Taker)
        client, server, obj = await site.visit()
        await client.until(len(Taker.answer))
        assert isinstance(server, Taker)
        assert (server.early, client.data) == (DATA, Taker.answer)
        assert obj.early_data_status() == EARLY_DATA_ACCEPTED
        client.transport.write(b"later")
        await server.until(5)
        assert server.data == b"later"
        assert server.events == ["made", "early"]
        assert server.done_by_then == [False]
        await goodbye(client, server)

    run(loop, work())


def test_the_answer_leaves_before_the_handshake_is_done(tls: ModuleType, pki: Pki) -> None:
    """What saves the round trip: the client has it with the server's first flight."""

    async def work() -> None:
        site = EarlySite(tls, pki, Taker)
        loop = asyncio.get_running_loop()
        server = Taker()
        transport = puretls.asyncio.SSLTransport(loop, server, site.server, None, server_side=True)
        wire = KeptWire()
        transport.connection_made(wire)
        pair = join(site.client, site.server, session=site.session)
        pair.client.obj.write_early_data(DATA)
        feed(transport, pair.client.outgoing.read())
        assert server.early == DATA
        pair.client.incoming.write(bytes(wire.sent))
        wire.sent.clear()
        pair.client.obj.do_handshake()
        assert pair.client.obj.read() == Taker.answer
        feed(transport, pair.client.outgoing.read())
        assert transport.get_extra_info("ssl_object").early_data_status() == EARLY_DATA_ACCEPTED
        transport.abort()

    run("asyncio", work())


class KeptWire(asyncio.Transport):
    """A plain transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def abort(self) -> None:
        """Nothing is there to be aborted."""


def feed(transport: Any, data: bytes) -> None:
    room = memoryview(transport.get_buffer(-1))
    room[: len(data)] = data
    transport.buffer_updated(len(data))


@all_loops
def test_a_protocol_that_does_not_know_of_it_never_gets_it(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        site = EarlySite(tls, pki, Recorder)
        client, server, obj = await site.visit()
        assert obj.early_data_status() == EARLY_DATA_REJECTED
        client.transport.write(b"data")
        await server.until(4)
        assert server.data == b"data"
        await goodbye(client, server)

    run(loop, work())


def test_streams_are_safe(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        site = EarlySite(tls, pki, Recorder)
        site.client.early_data_callback = lambda _: DATA

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(4))
            writer.close()

        server = await puretls.asyncio.start_server(serve, "127.0.0.1", 0, ssl=site.server)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await puretls.asyncio.open_connection(
            "127.0.0.1", port, ssl=site.client, server_hostname="localhost"
        )
        assert writer.get_extra_info("ssl_object").early_data_status() == EARLY_DATA_REJECTED
        writer.write(b"data")
        assert await reader.read() == b"data"
        writer.close()
        server.close()

    run("asyncio", work())


def test_a_context_without_it_has_none(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        site = EarlySite(tls, pki, Taker)
        site.server.max_early_data = 0
        client, server, obj = await site.visit()
        assert obj.early_data_status() == EARLY_DATA_REJECTED
        assert isinstance(server, Taker)
        assert not server.early
        await goodbye(client, server)

    run("asyncio", work())


@all_loops
def test_a_protocol_that_answers_and_closes(tls: ModuleType, pki: Pki, loop: str) -> None:
    """What it has written arrives, and then the end, in good order."""

    class Short(Taker):
        closes = True

    async def work() -> None:
        client, server, _ = await EarlySite(tls, pki, Short).visit()
        await client.lost
        await server.lost
        assert client.data == Taker.answer
        assert client.error is server.error is None
        assert server.events[:2] == ["made", "early"]

    run(loop, work())


def test_a_protocol_that_pauses(tls: ModuleType, pki: Pki) -> None:
    """Early data comes before the rest, however long that takes."""

    class Pausing(Taker):
        answer = b""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async def work() -> None:
        client, server, _ = await EarlySite(tls, pki, Pausing).visit()
        client.transport.write(b"later")
        await settle()
        assert isinstance(server, Pausing)
        assert len(server.early) <= len(DATA)
        server.transport.resume_reading()
        await server.until(5)
        assert (server.early, server.data) == (DATA, b"later")
        await goodbye(client, server)

    run("asyncio", work())


def test_what_a_protocol_raises_ends_the_connection(tls: ModuleType, pki: Pki) -> None:
    class Broken(Taker):
        def early_data_received(self, data: bytes) -> None:
            super().early_data_received(data)
            raise ZeroDivisionError

    async def work() -> None:
        found = reported()
        site = EarlySite(tls, pki, Broken)
        client, _, _ = await site.visit()
        await client.lost
        await site.served[-1].lost
        assert [type(one["exception"]) for one in found] == [ZeroDivisionError]

    run("asyncio", work(), silent=False)


@pytest.mark.parametrize("kind", ["coroutine", "future of a thread"])
@pytest.mark.parametrize("first", [True, False])
def test_the_memory_is_awaited(tls: ModuleType, pki: Pki, kind: str, first: bool) -> None:
    class Slow:
        asked = 0

        def first(self, _: bytes, __: float) -> Any:
            self.asked += 1
            if kind == "coroutine":
                return self.later()
            promise: Future[bool] = Future()
            asyncio.get_running_loop().call_later(0.01, promise.set_result, first)
            return promise

        async def later(self) -> bool:
            await asyncio.sleep(0.01)
            return first

    async def work() -> None:
        site = EarlySite(tls, pki, Taker)
        site.server.anti_replay = memory = Slow()
        client, server, obj = await site.visit()
        assert memory.asked == 1
        assert (obj.early_data_status() == EARLY_DATA_ACCEPTED) == first
        assert isinstance(server, Taker)
        assert server.early == (DATA if first else b"")
        await goodbye(client, server)

    run("asyncio", work())


def test_the_connection_of_a_loop_is_not_read_or_written_by_others(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        client, server, obj = await EarlySite(tls, pki, Taker).visit()
        for call in (lambda: obj.write_early_data(DATA), obj.read_early_data):
            with pytest.raises(tls.SSLError, match="asyncio transport"):
                call()
        await goodbye(client, server)

    run("asyncio", work())
