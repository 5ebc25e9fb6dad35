"""Writes of one iteration of the loop go as one record, once a connection has shown that it writes so."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest

from puretls.asyncio.receiving import Application
from puretls.asyncio.transport import SSLTransport
from support import Pki
from support.wire import Both, Recorder, run, settle


def records(data: bytes) -> list[int]:
    """The lengths of the records in it."""
    found, pos = [], 0
    while pos < len(data):
        size = int.from_bytes(data[pos + 3 : pos + 5], "big")
        found.append(size - 17)
        pos += 5 + size
    assert pos == len(data)
    return found


async def answering(tls: ModuleType, pki: Pki, *parts: Any, between: bool = False) -> tuple[Both, Any]:
    """A server that answers each message with these parts; `between` them other things happen."""

    class Server(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.task = asyncio.get_running_loop().create_task(self.answer())

        async def answer(self) -> None:
            for part in parts:
                self.transport.write(part)
                if between:
                    await asyncio.sleep(0)

    both = await Both(tls, pki, Recorder(), Server()).connect()
    await settle()

    async def ask(times: int) -> list[list[int]]:
        """What the answers look like on the wire."""
        found = []
        for _ in range(times):
            both.far.sent.clear()
            both.client.data.clear()
            both.tls_client.write(b"question")
            await both.client.until(sum(map(len, parts)))
            assert both.client.data == b"".join(parts)
            found.append(records(bytes(both.far.sent)))
        return found

    return both, ask


def test_two_writes_for_each_answer(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both, ask = await answering(tls, pki, b"head", b"body")
        assert await ask(5) == [[8]] * 5  # a server expects it of its application
        await both.close()

    run("asyncio", work())


@pytest.mark.parametrize("closes", ["client", "server"])
@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
def test_writes_of_a_short_connection(tls: ModuleType, pki: Pki, version: str, closes: str) -> None:
    """Finished goes with the question, tickets with the answer, close_notify with the last data.

    Before TLS 1.3 the peer waits for Finished, so that goes at once.
    """

    class Asks(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"question")

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if closes == "client":
                self.transport.close()

    class Answers(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"head")
            self.transport.write(b"body")
            if closes == "server":
                self.transport.close()

    async def work() -> None:
        both = Both(tls, pki, Asks(), Answers(), version=getattr(tls.TLSVersion, version))
        both.tls_server._waiter = None  # as a server's
        written = []
        for plain, end in (both.plain, "client"), (both.far, "server"):
            write = plain.write
            plain.write = lambda data, write=write, end=end: (written.append(end), write(data))  # type: ignore[misc,assignment]
        both.tls_server.connection_made(both.far)
        both.tls_client.connection_made(both.plain)
        await asyncio.gather(both.client.lost, both.server.lost)
        assert (both.client.data, both.server.data) == (b"headbody", b"question")
        if version == "TLSv1_3":
            assert written == ["client", "server"] * (3 if closes == "client" else 2) + ["client"] * (
                closes != "client"
            )
        else:
            assert len(written) <= 8

    run("asyncio", work())


@pytest.mark.parametrize("upgraded", [False, True])
def test_after_start_tls_finished_goes_by_itself(
    tls: ModuleType, pki: Pki, upgraded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that upgrades its connection gets the new transport some iterations after the handshake: data that comes
    with Finished is delivered before that by asyncio's own layer, and who echoes it at once does so in the clear.
    """

    async def work() -> None:
        both = Both(tls, pki, Recorder(), Recorder())
        client, waits, wake = both.tls_client, [], SSLTransport._wake
        if upgraded:
            client._app_stage = Application.CONNECTED

        def woken(transport: Any, error: BaseException | None) -> None:
            if transport is client:
                waits.append(bool(client._due))
            wake(transport, error)

        monkeypatch.setattr(SSLTransport, "_wake", woken)
        await both.connect()
        assert waits[0] is not upgraded
        await both.close()

    run("asyncio", work())


def test_a_long_body(tls: ModuleType, pki: Pki) -> None:
    """Goes at once, with the head in front of it."""

    async def work() -> None:
        both, ask = await answering(tls, pki, b"head", bytes(20_000))
        answers = await ask(5)
        assert answers[-1] == [16384, 20_004 - 16384]
        await both.close()

    run("asyncio", work())


def test_one_write_for_each_answer_goes_at_once(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both, ask = await answering(tls, pki, b"answer")
        assert await ask(5) == [[6]] * 5
        both.far.sent.clear()
        both.tls_server.write(b"now")
        assert records(bytes(both.far.sent)) == [3]
        await both.close()

    run("asyncio", work())


def test_writes_of_several_iterations_are_not_held_back_for_long(tls: ModuleType, pki: Pki) -> None:
    """It is tried less and less often."""

    async def work() -> None:
        both, ask = await answering(tls, pki, b"head", b"body", between=True)
        assert await ask(20) == [[4, 4]] * 20
        assert both.tls_server._credit > 2
        held = 0
        for _ in range(1000):
            both.tls_server.write(b"tick")
            held += both.tls_server.get_write_buffer_size() > 0
            await asyncio.sleep(0)
        assert held < 20
        await both.close()

    run("asyncio", work())


@pytest.mark.parametrize("end", ["close", "abort", "write_eof", "raise"])
def test_what_was_gathered_is_sent_before_the_end(tls: ModuleType, pki: Pki, end: str) -> None:
    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server, half_close=True).connect()
        for _ in range(2):
            both.tls_client.write(b"at once")
        both.tls_client.write(b"later")
        assert both.tls_client.get_write_buffer_size() == 5
        if end == "raise":
            both.tls_client._fatal_error(ZeroDivisionError())
        else:
            getattr(both.tls_client, end)()
        await server.until(19)
        assert server.data == b"at onceat oncelater"
        both.tls_client.close()
        await asyncio.gather(client.lost, server.lost)

    run("asyncio", work())


def test_all_kinds_of_buffers_in_order(tls: ModuleType, pki: Pki) -> None:
    """A buffer that its owner changes after write() was sent as it was."""

    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        expected = b""
        for number in range(300):
            piece = bytearray(b"%d" % number)
            kind = number % 5
            both.tls_client.write(bytes(piece) if kind < 3 else memoryview(piece) if kind == 3 else piece)
            expected += piece
            piece[:] = b"?" * len(piece)
            if number % 50 == 0:
                both.tls_client.writelines([b"[", memoryview(b"lines"), bytearray(b"]")])
                expected += b"[lines]"
        await server.until(len(expected))
        assert server.data == expected
        await both.close()

    run("asyncio", work())


def test_no_more_waits_than_the_limits_allow(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        both.tls_client.set_write_buffer_limits(high=100)
        for _ in range(100):
            both.tls_client.write(bytes(60))
            assert both.tls_client.get_write_buffer_size() <= 100
        both.tls_client.set_write_buffer_limits(high=0)
        for _ in range(100):
            both.tls_client.write(bytes(60))
            assert both.tls_client.get_write_buffer_size() == 0
        await server.until(12_000)
        assert client.events == ["made"]
        await both.close()

    run("asyncio", work())


@pytest.mark.parametrize(
    "parts",
    [
        (b"head", bytes(16380)),
        (b"head", bytes(16381)),
        (b"head", bytes(3 << 14)),
        (bytes(16383), bytes(2 << 14)),
        (bytes(16384), bytes(2 << 14)),
        (bytes(9000), bytes(9000), bytes(1000)),
        (b"a", b"b", bytes((1 << 18) - 2)),
        (b"a", b"b", bytes((1 << 18) - 1)),
        (bytes(1 << 18),),
        (bytes(70_001), bytearray(70_002), memoryview(bytes(70_003))),
    ],
    ids=lambda parts: "+".join(str(len(part)) for part in parts),
)
@pytest.mark.parametrize("lines", [False, True], ids=["write", "writelines"])
def test_what_is_longer_than_a_record(tls: ModuleType, pki: Pki, lines: bool, parts: tuple[Any, ...]) -> None:
    """Fills records from part to part, in the order in which it was written."""

    async def work() -> None:
        both = await Both(tls, pki, Recorder(), Recorder()).connect()
        await settle()
        marked = [bytes(part).replace(b"\0", b"%c" % number) for number, part in enumerate(parts, 1)]
        given = [type(part)(data) for part, data in zip(parts, marked, strict=True)]
        expected = b"".join(marked)
        for _ in range(4):  # writes are gathered from the third on
            both.client.data.clear()
            both.far.sent.clear()
            if lines:
                both.tls_server.writelines(given)
            else:
                for part in given:
                    both.tls_server.write(part)
            await both.client.until(len(expected))
            assert both.client.data == expected
            assert sum(records(bytes(both.far.sent))) == len(expected)
        if lines and len(expected) <= 1 << 18:
            assert set(records(bytes(both.far.sent))[:-1]) <= {1 << 14}
        await both.close()

    run("asyncio", work())


@pytest.mark.parametrize("sizes", [(4, 4), (10_000, 10_000)], ids=["a record", "more"])
def test_limits_below_what_was_gathered(tls: ModuleType, pki: Pki, sizes: tuple[int, int]) -> None:
    """The application is paused, and resumed when that is sent."""

    async def work() -> None:
        both, ask = await answering(tls, pki, b"head", b"body")
        await ask(3)
        calls: list[str] = []
        app = both.server
        app.pause_writing = lambda: calls.append("pause")
        app.resume_writing = lambda: calls.append("resume")
        for size in sizes:
            both.tls_server.write(bytes(size))
        both.tls_server.set_write_buffer_limits(high=0)
        assert calls == ["pause"]
        await settle()
        assert calls == ["pause", "resume"]
        await both.close()

    run("asyncio", work())
