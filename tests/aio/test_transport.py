"""SSLTransport as the application sees it: data, flow control, the end, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import random
import warnings
import weakref
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import puretls.asyncio
import puretls.asyncio.memory
from support import Pki
from support.wire import Both, BufferedRecorder, Plain, Recorder, reported, run, settle

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
DATA = random.Random(13).randbytes(300_000)


@VERSIONS
@pytest.mark.parametrize("size", [1, 100, 16384, 16385, 65536])
def test_data_into_a_buffered_protocol(tls: ModuleType, pki: Pki, version: str, size: int) -> None:
    """Whatever its memory holds: less than a record, just one, or several."""

    async def work() -> None:
        client, server = Recorder(), BufferedRecorder(size)
        both = await Both(tls, pki, client, server, version=tls.TLSVersion[version]).connect()
        length = len(DATA) if size > 1 else 2000
        both.tls_client.write(DATA[:length])
        await server.until(length)
        assert server.data == DATA[:length]
        both.tls_server.write(DATA)
        await client.until(len(DATA))
        assert client.data == DATA
        await both.close()

    run("asyncio", work())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), buffered=st.booleans(), own=st.booleans())
def test_any_pieces_any_pauses(tls: ModuleType, pki: Pki, seed: int, buffered: bool, own: bool) -> None:
    """However the ciphertext is cut, and whenever the application pauses or changes its protocol: the same data."""
    chance = random.Random(seed)

    class Moody(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            mood(self)

    class BufferedMoody(BufferedRecorder):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            mood(self)

    def mood(protocol: Any) -> None:
        assert protocol.transport.is_reading()
        kind = chance.random()
        if kind < 0.3:
            protocol.transport.pause_reading()
            asyncio.get_running_loop().call_later(0, protocol.transport.resume_reading)
        elif kind < 0.4:
            other = Moody() if chance.random() < 0.5 else BufferedMoody(chance.choice((50, 3000, 16384, 16385, 40_000)))
            other.transport, other.data, other.came = protocol.transport, protocol.data, protocol.came
            other.lost = protocol.lost
            protocol.transport.set_protocol(other)

    async def work() -> None:
        server = BufferedMoody(chance.choice((50, 3000, 16384, 16385, 40_000))) if buffered else Moody()
        both = Both(tls, pki, Recorder(), server, cut=lambda: chance.choice((1, 5, 4000, 20_000, 1 << 20)))
        await both.connect()
        if not own:  # as over a selector loop
            both.tls_server._memory = puretls.asyncio.memory.Memory(1 << 17, private=False)
            both.tls_server._see_whether_odd()
        data = chance.randbytes(chance.randrange(1, 200_000)) if chance.random() < 0.5 else b"short" * 50
        pos = 0
        while pos < len(data):
            step = chance.choice((1, 100, 16384, 70_000))
            both.tls_client.write(data[pos : pos + step])
            pos += step
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        await server.until(len(data))
        assert server.data == data
        await both.close()

    run("asyncio", work())


def test_the_kernel_is_paused_only_when_more_comes(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        both.tls_server.pause_reading()
        assert not both.tls_server.is_reading()
        both.tls_server.resume_reading()
        assert not both.far.calls
        both.tls_server.pause_reading()
        both.tls_client.write(b"held back")
        await settle()
        assert both.far.calls == ["pause"]
        assert not server.data
        assert both.tls_server.get_read_buffer_size() > 9
        both.tls_server.resume_reading()
        await settle()
        assert both.far.calls == ["pause", "resume"]
        assert server.data == b"held back"
        await both.close()

    run("asyncio", work())


def test_what_comes_while_paused_up_to_a_limit(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both = await Both(tls, pki, Recorder(), server := Recorder()).connect()
        both.tls_server.set_read_buffer_limits(high=1000)
        assert both.tls_server.get_read_buffer_limits() == (250, 1000)
        both.tls_server.pause_reading()
        both.tls_client.write(bytes(900))
        await settle()
        assert not both.far.calls
        both.tls_client.write(bytes(900))
        await settle()
        assert both.far.calls == ["pause"]
        both.tls_server.resume_reading()
        await server.until(1800)
        await both.close()

    run("asyncio", work())


def test_writes_keep_their_order_whatever_pause_writing_does(tls: ModuleType, pki: Pki) -> None:
    """The plain transport calls pause_writing() in the middle of a long write; what is written there comes after it."""

    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        write, once = both.plain.write, iter([True])

        def writing(data: Any) -> None:
            write(data)
            if next(once, False):
                both.tls_client.pause_writing()
                both.tls_client.write(b"second")
                both.tls_client.resume_writing()

        both.plain.write = writing  # type: ignore[method-assign]
        first = bytes(1 << 20)
        both.tls_client.write(first)
        await server.until(len(first) + 6)
        assert server.data == first + b"second"
        assert client.events == ["made", "pause", "resume"]
        await both.close()

    run("asyncio", work())


def test_close_inside_pause_writing(tls: ModuleType, pki: Pki) -> None:
    """Nothing of the write in progress is lost, nor the close_notify behind it."""

    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        write, once = both.plain.write, iter([True])

        def writing(data: Any) -> None:
            write(data)
            if next(once, False):
                both.tls_client.close()

        both.plain.write = writing  # type: ignore[method-assign]
        both.tls_client.write(bytes(1 << 20))
        await asyncio.gather(client.lost, server.lost)
        assert len(server.data) == 1 << 20
        assert server.events == ["made", "eof", "lost"]
        assert client.error is server.error is None

    run("asyncio", work())


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_abort_inside_pause_writing(tls: ModuleType, pki: Pki, size: int) -> None:
    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        write, once = both.plain.write, iter([True])

        def writing(data: Any) -> None:
            write(data)
            if next(once, False):
                both.tls_client.abort()

        both.plain.write = writing  # type: ignore[method-assign]
        for _ in range(3):
            both.tls_client.write(bytes(size))
        await asyncio.gather(client.lost, server.lost)
        for _ in range(2):
            both.tls_client.write(bytes(size))
        assert client.events == ["made", "lost"]

    run("asyncio", work())


@VERSIONS
def test_close_notify_is_not_lost_though_the_peer_goes_on_sending(tls: ModuleType, pki: Pki, version: str) -> None:
    """asyncio's own layer fails here with APPLICATION_DATA_AFTER_CLOSE_NOTIFY, and drops what waits."""

    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server, version=tls.TLSVersion[version]).connect()
        both.tls_client.write(b"last words")
        both.tls_client.close()
        for _ in range(100):
            both.tls_server.write(bytes(1000))
        both.tls_client.write(b"too late")
        await asyncio.gather(client.lost, server.lost)
        assert server.data == b"last words"
        assert server.events == ["made", "eof", "lost"]
        assert client.error is server.error is None
        assert not client.data

    run("asyncio", work())


def test_an_end_without_close_notify(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        both.tls_client.write(b"data")
        both.plain.close()
        await asyncio.gather(client.lost, server.lost)
        assert server.data == b"data"
        assert server.events == ["made", "eof", "lost"]
        assert server.error is None

    run("asyncio", work())


def test_an_end_while_paused_comes_behind_the_data(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        both.tls_server.set_read_buffer_limits(high=1 << 20)
        both.tls_server.pause_reading()
        both.tls_client.write(b"data")
        both.plain.close()
        await settle()
        assert server.events == ["made"]
        both.tls_server.resume_reading()
        await server.lost
        assert server.data == b"data"
        assert server.events == ["made", "eof", "lost"]

    run("asyncio", work())


@pytest.mark.parametrize("half_close", [False, True])
def test_true_from_eof_received(tls: ModuleType, pki: Pki, half_close: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        client, server = Recorder(), Recorder()
        server.keep_open = True
        both = await Both(tls, pki, client, server, half_close=half_close).connect()
        assert both.tls_client.can_write_eof() is half_close
        if not half_close:
            with pytest.raises(NotImplementedError):
                both.tls_client.write_eof()
            both.tls_client.close()
            await asyncio.gather(client.lost, server.lost)
            return
        both.tls_client.write(b"question")
        both.tls_client.write_eof()
        both.tls_client.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            both.tls_client.write(b"more")
        await server.ended
        assert server.data == b"question"
        assert not both.tls_server.is_closing()
        both.tls_server.write(DATA)
        await client.until(len(DATA))
        assert client.data == DATA
        assert not client.events.count("eof")
        both.tls_server.close()
        await asyncio.gather(client.lost, server.lost)
        assert client.events == ["made", "eof", "lost"]
        assert client.error is server.error is None

    run("asyncio", work())
    warned = "returning true from eof_received() has no effect when using ssl" in caplog.text
    assert warned is not half_close


def test_tls12_has_no_half_closed_connections(tls: ModuleType, pki: Pki) -> None:
    """RFC 5246 7.2.1: whoever gets close_notify answers with its own at once."""

    async def work() -> None:
        client, server = Recorder(), Recorder()
        server.keep_open = True
        both = await Both(tls, pki, client, server, half_close=True, version=tls.TLSVersion.TLSv1_2).connect()
        assert not both.tls_client.can_write_eof()
        both.tls_client.close()
        await asyncio.gather(client.lost, server.lost)

    run("asyncio", work())


def test_a_forged_record(tls: ModuleType, pki: Pki) -> None:
    """The application gets what came before, then SSLError; the peer gets the alert."""

    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server).connect()
        both.tls_client.write(b"good")
        both.plain.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        await asyncio.gather(client.lost, server.lost)
        assert server.data == b"good"
        assert isinstance(server.error, tls.SSLError)
        assert server.error.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
        assert isinstance(client.error, tls.SSLError)
        assert client.error.reason == "SSLV3_ALERT_BAD_RECORD_MAC"

    run("asyncio", work())


@pytest.mark.parametrize("method", ["data_received", "eof_received", "pause_writing", "buffer_updated", "get_buffer"])
def test_an_application_that_raises(tls: ModuleType, pki: Pki, method: str) -> None:
    """Is reported as by asyncio, and its connection ends; pause_writing() is reported only."""

    async def work() -> None:
        found = reported()
        client: Any = Recorder()
        server: Any = BufferedRecorder() if method in ("buffer_updated", "get_buffer") else Recorder()
        both = await Both(tls, pki, client, server).connect()

        def fail(*_: Any) -> None:
            raise ZeroDivisionError

        setattr(server, method, fail)
        if method == "eof_received":
            both.tls_client.close()
        elif method == "pause_writing":
            both.tls_server.pause_writing()
            both.tls_server.resume_writing()
            both.tls_client.close()
        else:
            both.tls_client.write(b"data")
        await asyncio.gather(client.lost, server.lost)
        assert [type(context["exception"]) for context in found] == [ZeroDivisionError]
        assert found[0]["message"] == {
            "eof_received": "Error calling eof_received()",
            "pause_writing": "protocol.pause_writing() failed",
        }.get(method, "Fatal error on SSL protocol")

    run("asyncio", work())


def test_an_empty_buffer(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        found = reported()
        client, server = Recorder(), BufferedRecorder(0)
        both = await Both(tls, pki, client, server).connect()
        both.tls_client.write(b"data")
        await asyncio.gather(client.lost, server.lost)
        assert "empty buffer" in str(found[0]["exception"])

    run("asyncio", work())


def test_wrong_arguments(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both = await Both(tls, pki, Recorder(), Recorder()).connect()
        transport = both.tls_client
        for wrong in ("text", None, 5, [1]):
            with pytest.raises(TypeError):
                transport.write(wrong)
        transport.write(b"")
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_write_buffer_limits(high=1, low=2)
        with pytest.raises(ValueError, match="must be >= 0"):
            transport.set_write_buffer_limits(low=-1)
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_read_buffer_limits(high=1, low=2)
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            with pytest.raises(ValueError, match=f"{name} should be a positive number, got 0"):
                Both(tls, pki, Recorder(), Recorder(), **{name: 0})
        await both.close()

    run("asyncio", work())


def test_limits_before_and_after_the_connection(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both = Both(tls, pki, Recorder(), Recorder())
        transport = both.tls_client
        assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
        assert transport.get_write_buffer_size() == 0
        transport.set_write_buffer_limits(high=4000)
        await both.connect()
        assert transport.get_write_buffer_limits() == (1000, 4000)
        await both.close()

    run("asyncio", work())


def test_extra_info(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both = Both(tls, pki, Recorder(), Recorder())
        client = both.tls_client
        assert client.get_extra_info("ssl_object") is client.get_extra_info("cipher") is None
        assert client.get_extra_info("peercert", 5) == 5
        assert client.get_extra_info("kind", 6) == 6
        assert isinstance(client.get_extra_info("sslcontext"), tls.SSLContext)
        await both.connect()
        assert client.get_extra_info("peercert")["subjectAltName"][0] == ("DNS", "localhost")
        assert client.get_extra_info("cipher")[1] == "TLSv1.3"
        assert client.get_extra_info("compression", "other") is None
        assert client.get_extra_info("kind") == "plain"
        assert both.tls_server.get_extra_info("peercert") is None
        ssl_object = client.get_extra_info("ssl_object")
        assert isinstance(ssl_object, tls.SSLObject)
        assert ssl_object.version() == "TLSv1.3"
        assert ssl_object.context is client.get_extra_info("sslcontext")
        assert ssl_object.server_hostname == "localhost"
        assert not ssl_object.server_side
        assert ssl_object.pending() == 0
        ssl_object.do_handshake()
        for call in (ssl_object.read, ssl_object.unwrap, lambda: ssl_object.write(b"data")):
            with pytest.raises(tls.SSLError, match="an asyncio transport reads and writes"):
                call()
        await both.close()
        assert client.get_extra_info("cipher")[1] == "TLSv1.3"
        assert client.get_extra_info("kind", 7) == 7

    run("asyncio", work())


@pytest.mark.parametrize("signed", [True, False])
def test_certificate_after_the_handshake(tls: ModuleType, pki: Pki, signed: bool) -> None:
    """verify_client_post_handshake() sends its request at once, without a write."""

    def prepare(client: Any, server: Any) -> None:
        client.post_handshake_auth = server.post_handshake_auth = True
        server.verify_mode = tls.CERT_REQUIRED
        if signed:
            client.load_cert_chain(pki.chain("client"), pki.key("client"))

    async def work() -> None:
        client, server = Recorder(), Recorder()
        both = await Both(tls, pki, client, server, prepare=prepare).connect()
        ssl_object = both.tls_server.get_extra_info("ssl_object")
        assert both.tls_server.get_extra_info("peercert") is None
        ssl_object.verify_client_post_handshake()
        both.tls_server.write(b"data")
        await client.until(4)
        if signed:
            await settle()
            assert both.tls_server.get_extra_info("peercert")["subject"]
            both.tls_client.write(DATA)
            await server.until(len(DATA))
            await both.close()
        else:
            await asyncio.gather(client.lost, server.lost)
            assert isinstance(server.error, tls.SSLError)

    run("asyncio", work())


def test_contextvars_of_the_callbacks(tls: ModuleType, pki: Pki) -> None:
    """They run in the context in which the connection was made."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    class Watching(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.events.append(variable.get())

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            self.events.append(variable.get())

    async def work() -> None:
        loop = asyncio.get_running_loop()
        made: list[Watching] = []

        def factory() -> Watching:
            made.append(Watching())
            return made[-1]

        from support.ours import client_context, server_context

        server = await puretls.asyncio.create_server(factory, "127.0.0.1", 0, ssl=server_context(tls, pki))
        port = server.sockets[0].getsockname()[1]

        async def connect() -> Recorder:
            variable.set("ours")
            _, protocol = await puretls.asyncio.create_connection(
                Watching, "127.0.0.1", port, ssl=client_context(tls, pki), server_hostname="localhost"
            )
            assert isinstance(protocol, Watching)
            return protocol

        client = await loop.create_task(connect())
        await made[0].connected
        made[0].transport.write(b"data")
        await client.until(4)
        client.transport.close()
        await client.lost
        assert client.events == ["made", "ours", "eof", "lost", "ours"]
        await made[0].lost
        server.close()
        await server.wait_closed()

    run("asyncio", work())


def test_debug_messages(tls: ModuleType, pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        both = await Both(tls, pki, Recorder(), Recorder()).connect()
        await both.close()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run("asyncio", work(), debug=True)
    assert caplog.text.count("starts SSL handshake") == 2
    assert caplog.text.count("SSL handshake took") == 2


def test_writes_after_the_end_are_logged_once_there_are_some(
    tls: ModuleType, pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        both = await Both(tls, pki, Recorder(), Recorder()).connect()
        await both.close()
        for _ in range(4):
            both.tls_client.write(b"data")
        assert "SSL connection is closed" not in caplog.text
        for _ in range(4):
            both.tls_client.write(b"data")
        assert caplog.text.count("SSL connection is closed") == 4

    run("asyncio", work())


def test_an_unclosed_transport_warns(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        both = Both(tls, pki, Recorder(), Recorder())
        weak = weakref.ref(both.tls_client)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            del both
            gc.collect()
        assert weak() is None
        assert [str(one.message)[:19] for one in found] == ["unclosed transport "] * 2

    run("asyncio", work())


def test_another_connection_is_served_while_data_is_delivered(tls: ModuleType, pki: Pki) -> None:
    """As where an application runs the loop again in a callback: shared memory is free by then."""

    async def work() -> None:
        shared = puretls.asyncio.memory.Memory(1 << 17, private=False)
        pairs: list[Any] = []

        class Nesting(Recorder):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                for one in pairs:
                    one.far.deliver()

        for _ in range(3):
            both = await Both(tls, pki, Recorder(), Nesting()).connect()
            both.tls_server._memory = shared
            both.tls_server._see_whether_odd()
            pairs.append(both)
        for both in pairs:
            for _ in range(3):
                both.tls_client.write(DATA)
        await asyncio.gather(*(both.server.until(3 * len(DATA)) for both in pairs))
        assert all(both.server.data == DATA * 3 for both in pairs)
        for both in pairs:
            await both.close()

    run("asyncio", work())


def test_loops_do_not_share_memory(tls: ModuleType, pki: Pki) -> None:
    """All connections of one loop over the loop's own transports do."""
    del tls, pki

    class Selector(asyncio.selector_events._SelectorSocketTransport):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            """Not connected."""

    first, second = asyncio.SelectorEventLoop(), asyncio.SelectorEventLoop()
    transport, memory_for = Selector(), puretls.asyncio.memory.memory_for
    assert memory_for(first, transport) is memory_for(first, transport)
    assert memory_for(first, transport) is not memory_for(second, transport)
    assert memory_for(first, Plain()) is not memory_for(first, Plain())
    first.close()
    second.close()
