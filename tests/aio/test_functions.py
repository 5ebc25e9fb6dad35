"""The functions and the loops over real sockets: every one of asyncio's that takes `ssl=`, in asyncio and uvloop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import puretls.asyncio
from puretls.asyncio import SSLTransport
from support import Pki
from support.ours import client_context, server_context
from support.wire import Recorder, all_loops, our_loops, plain_loops, reported, run

DATA = bytes(range(256)) * 4096
unix = pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets in asyncio there")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    assert isinstance(writer.transport, SSLTransport)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Data both ways, and a close that both sides see."""
    assert isinstance(writer.transport, SSLTransport)

    async def send() -> None:
        writer.write(DATA)
        await writer.drain()

    _, received = await asyncio.gather(send(), reader.readexactly(len(DATA)))
    assert received == DATA
    writer.close()
    await writer.wait_closed()


def port_of(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


@all_loops
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_streams(tls: ModuleType, pki: Pki, loop: str, version: str) -> None:
    async def work() -> None:
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            context = client_context(tls, pki, version=tls.TLSVersion[version])
            for host, name in (("localhost", None), ("127.0.0.1", "localhost")):
                await exchange(
                    *await puretls.asyncio.open_connection(host, port_of(server), ssl=context, server_hostname=name)
                )

    run(loop, work())


@our_loops
def test_streams_of_asyncio_in_our_loops(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            context = client_context(tls, pki)
            await exchange(*await asyncio.open_connection("localhost", port_of(server), ssl=context))

    run(loop, work())


@unix
@all_loops
def test_unix_sockets(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "socket")
            async with await puretls.asyncio.start_unix_server(echo, path, ssl=server_context(tls, pki)):
                context = client_context(tls, pki)
                await exchange(
                    *await puretls.asyncio.open_unix_connection(path, ssl=context, server_hostname="localhost")
                )
                with pytest.raises(ValueError, match="have to pass server_hostname"):
                    await puretls.asyncio.open_unix_connection(path, ssl=context)

    run(loop, work())


@all_loops
def test_accepted_sockets(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            client = asyncio.ensure_future(
                puretls.asyncio.open_connection("localhost", listener.getsockname()[1], ssl=client_context(tls, pki))
            )
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            transport, protocol = await puretls.asyncio.connect_accepted_socket(
                Recorder, sock, ssl=server_context(tls, pki)
            )
            assert isinstance(transport, SSLTransport)
            reader, writer = await client
            writer.write(b"question")
            await protocol.until(8)
            transport.write(b"answer")
            assert await reader.readexactly(6) == b"answer"
            writer.close()
            await writer.wait_closed()
            await protocol.lost

    run(loop, work())


@all_loops
def test_start_tls_in_both_roles_and_once_more_inside(tls: ModuleType, pki: Pki, loop: str) -> None:
    """Plain text, then TLS, then TLS within TLS."""

    async def work() -> None:
        here = asyncio.get_running_loop()
        made: asyncio.Future[Recorder] = here.create_future()

        class Server(Recorder):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                made.set_result(self)

        async with await here.create_server(Server, "127.0.0.1", 0) as server:
            plain, client = await here.create_connection(Recorder, "127.0.0.1", port_of(server))
            accepted = await made
            transports = [plain, accepted.transport]
            for layer in range(2):
                transports = await asyncio.gather(
                    puretls.asyncio.start_tls(
                        transports[0], client, client_context(tls, pki), server_hostname="localhost"
                    ),
                    puretls.asyncio.start_tls(transports[1], accepted, server_context(tls, pki), server_side=True),
                )
                assert all(isinstance(one, SSLTransport) for one in transports)
                for transport, protocol in zip(transports, (accepted, client), strict=True):
                    protocol.data.clear()
                    transport.write(DATA)
                    await protocol.until(len(DATA))
                    assert protocol.data == DATA, layer
            transports[0].close()
            await asyncio.gather(client.lost, accepted.lost)
            assert client.events == accepted.events == ["made", "eof", "lost"]

    run(loop, work())


@our_loops
@pytest.mark.skipif(sys.version_info < (3, 11), reason="StreamWriter.start_tls() is new in Python 3.11")
def test_start_tls_of_streams(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.start_tls(server_context(tls, pki))
        await echo(reader, writer)

    async def work() -> None:
        async with await asyncio.start_server(upgrade, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go\n"
            await writer.start_tls(client_context(tls, pki), server_hostname="localhost")
            await exchange(reader, writer)

    run(loop, work())


def test_start_tls_over_what_is_no_transport(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        with pytest.raises(TypeError, match=r"is not supported by start_tls\(\)"):
            await puretls.asyncio.start_tls(None, Recorder(), client_context(tls, pki))

    run("asyncio", work())


@all_loops
@pytest.mark.parametrize(
    ("identity", "message"), [("stranger", "unable to get local issuer certificate"), ("wrong", "Hostname mismatch")]
)
@pytest.mark.parametrize("debug", [False, True])
def test_refusals(tls: ModuleType, pki: Pki, loop: str, identity: str, message: str, debug: bool) -> None:
    """The client gets the exception; the server says nothing, unless in debug mode."""

    async def work() -> None:
        found = reported()
        context = server_context(tls, pki, identity=identity)
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
            with pytest.raises(tls.SSLCertVerificationError, match=message):
                await puretls.asyncio.open_connection("localhost", port_of(server), ssl=client_context(tls, pki))
            await asyncio.sleep(0.05)
        said = [context["message"] for context in found]
        assert said == (["Error on transport creation for incoming connection"] if debug else [])
        if debug:
            assert found[0]["exception"].reason.startswith(("TLSV1_ALERT", "SSLV3_ALERT"))  # so the alert has come

    run(loop, work(), debug=debug)


@plain_loops
def test_contexts_of_ssl_go_the_old_way(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert not isinstance(writer.transport, SSLTransport)
        writer.write(await reader.readline())
        writer.close()

    async def work() -> None:
        theirs = server_context(ssl, pki)
        async with await puretls.asyncio.start_server(old, "127.0.0.1", 0, ssl=theirs) as server:
            reader, writer = await puretls.asyncio.open_connection(
                "localhost", port_of(server), ssl=client_context(ssl, pki)
            )
            assert not isinstance(writer.transport, SSLTransport)
            writer.write(b"line\n")
            assert await reader.read() == b"line\n"
            writer.close()
            await writer.wait_closed()
            for context in (client_context(ssl, pki), None):
                with pytest.raises(ValueError, match="half_close needs a context of puretls"):
                    await puretls.asyncio.open_connection("localhost", port_of(server), ssl=context, half_close=True)

    del tls
    run(loop, work())


def test_a_context_that_makes_its_own_connections_goes_the_old_way(tls: ModuleType, pki: Pki) -> None:
    class Own(tls.SSLContext):  # type: ignore[misc,name-defined]
        made = 0

        def wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
            Own.made += 1
            return super().wrap_bio(*args, **kwargs)

    async def work() -> None:
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            context = Own(tls.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(pki.ca)
            _, writer = await puretls.asyncio.open_connection("localhost", port_of(server), ssl=context)
            assert not isinstance(writer.transport, SSLTransport)
            writer.close()
            await writer.wait_closed()
        assert Own.made == 1

    class OwnObject(tls.SSLObject):  # type: ignore[misc,name-defined]
        pass

    async def of_an_own_class() -> None:
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            context = client_context(tls, pki)
            context.sslobject_class = OwnObject
            _, writer = await puretls.asyncio.open_connection("localhost", port_of(server), ssl=context)
            assert type(writer.get_extra_info("ssl_object")) is OwnObject
            writer.close()
            await writer.wait_closed()

    run("asyncio", of_an_own_class())
    run("asyncio", work())


@all_loops
def test_wrong_arguments(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        context = client_context(tls, pki)
        with (
            socket.socket() as sock,
            pytest.raises(ValueError, match="You must set server_hostname when using ssl without a host"),
        ):
            await puretls.asyncio.create_connection(Recorder, sock=sock, ssl=context)
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            options: Any = {name: -1}
            with pytest.raises(ValueError, match=f"{name} should be a positive number"):
                await puretls.asyncio.open_connection("localhost", 1, ssl=context, **options)
            with pytest.raises(ValueError, match=f"{name} should be a positive number"):
                await puretls.asyncio.start_server(echo, "localhost", 0, ssl=context, **options)

    run(loop, work())


class Deaf(asyncio.Protocol):
    """Takes everything and says nothing, until the peer goes."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: BaseException | None) -> None:
        del exc
        self.lost.set_result(None)


@all_loops
def test_handshake_timeout(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        here = asyncio.get_running_loop()
        accepted = Deaf()
        async with await here.create_server(lambda: accepted, "127.0.0.1", 0) as server:
            with pytest.raises(ConnectionAbortedError, match=r"SSL handshake is taking longer than 0.05 seconds"):
                await puretls.asyncio.open_connection(
                    "localhost", port_of(server), ssl=client_context(tls, pki), ssl_handshake_timeout=0.05
                )
            await accepted.lost

    run(loop, work())


@all_loops
def test_a_peer_that_goes_in_the_handshake(tls: ModuleType, pki: Pki, loop: str) -> None:
    class Gone(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            del data
            self.transport.close()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

    async def work() -> None:
        here = asyncio.get_running_loop()
        async with await here.create_server(Gone, "127.0.0.1", 0) as server:
            with pytest.raises(ConnectionResetError):
                await puretls.asyncio.open_connection("localhost", port_of(server), ssl=client_context(tls, pki))

    run(loop, work())


@all_loops
def test_shutdown_timeout(tls: ModuleType, pki: Pki, loop: str) -> None:
    """A peer that never answers our close_notify: connection_lost() gets TimeoutError."""

    async def work() -> None:
        async def serve(_: Any, writer: Any) -> None:
            writer.transport._transport.pause_reading()  # deaf from now on
            writer.write(b"deaf")
            await lost
            writer.transport.abort()

        lost = asyncio.get_running_loop().create_future()
        async with await puretls.asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            transport, protocol = await puretls.asyncio.create_connection(
                Recorder, "localhost", port_of(server), ssl=client_context(tls, pki), ssl_shutdown_timeout=0.05
            )
            await protocol.until(4)
            transport.close()
            assert transport.is_closing()
            await protocol.lost
            lost.set_result(None)
            assert isinstance(protocol.error, TimeoutError | asyncio.TimeoutError)
            assert "SSL shutdown timed out" in str(protocol.error)
            assert protocol.events == ["made", "lost"]

    run(loop, work())


@all_loops
def test_abort(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        server_side: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

        class Server(Recorder):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                server_side.set_result(self)

        async with await puretls.asyncio.create_server(Server, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            transport, protocol = await puretls.asyncio.create_connection(
                Recorder, "localhost", port_of(server), ssl=client_context(tls, pki)
            )
            other = await server_side
            transport.abort()
            transport.abort()
            transport.write(b"nothing")
            transport.close()
            await asyncio.gather(protocol.lost, other.lost)
            assert protocol.events == ["made", "lost"]
            assert protocol.error is None

    run(loop, work())


@all_loops
def test_cancelled_in_the_handshake(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        here = asyncio.get_running_loop()
        accepted: list[Deaf] = []
        arrived = asyncio.Event()

        def factory() -> Deaf:
            arrived.set()
            accepted.append(Deaf())
            return accepted[-1]

        async with await here.create_server(factory, "127.0.0.1", 0) as server:
            task = asyncio.ensure_future(
                puretls.asyncio.open_connection("localhost", port_of(server), ssl=client_context(tls, pki))
            )
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await accepted[0].lost

    run(loop, work())


@all_loops
def test_half_closed_streams(tls: ModuleType, pki: Pki, loop: str) -> None:
    """The server answers when the question has ended, as `cat | sort` does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        await asyncio.sleep(0.01)
        writer.write(question[::-1])
        await writer.drain()
        writer.close()

    async def work() -> None:
        async with await puretls.asyncio.start_server(
            serve, "127.0.0.1", 0, ssl=server_context(tls, pki), half_close=True
        ) as server:
            reader, writer = await puretls.asyncio.open_connection(
                "localhost", port_of(server), ssl=client_context(tls, pki), half_close=True
            )
            assert writer.can_write_eof()
            writer.write(DATA)
            writer.write_eof()
            assert await reader.read() == DATA[::-1]
            writer.close()
            await writer.wait_closed()

    run(loop, work())


@pytest.mark.parametrize("loop", ["asyncio", "EventLoop"])
def test_sendfile(tls: ModuleType, pki: Pki, loop: str) -> None:
    async def work() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readexactly(len(DATA) - 5) == DATA[5:]
            writer.write(b"thanks")
            writer.close()

        async with await puretls.asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            reader, writer = await puretls.asyncio.open_connection(
                "localhost", port_of(server), ssl=client_context(tls, pki)
            )
            here = asyncio.get_running_loop()
            with tempfile.TemporaryFile() as file:
                file.write(DATA)
                file.flush()
                assert await here.sendfile(writer.transport, file, 5) == len(DATA) - 5
                with pytest.raises(RuntimeError, match="fallback is disabled"):
                    await here.sendfile(writer.transport, file, fallback=False)
            assert await reader.read() == b"thanks"
            writer.close()
            await writer.wait_closed()

    run(loop, work())


@all_loops
def test_flow_control(tls: ModuleType, pki: Pki, loop: str) -> None:
    """Who does not read stops the writer, and nothing is lost."""
    rounds = 64

    async def work() -> None:
        go = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            assert await reader.readexactly(rounds * len(DATA)) == DATA * rounds
            writer.close()

        async with await puretls.asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            transport, protocol = await puretls.asyncio.create_connection(
                Recorder, "localhost", port_of(server), ssl=client_context(tls, pki)
            )
            for _ in range(rounds):
                transport.write(DATA)
            assert "pause" in protocol.events
            assert transport.get_write_buffer_size() > 0
            go.set()
            await protocol.lost
            assert protocol.events == ["made", "pause", "resume", "eof", "lost"]
            assert protocol.error is None

    run(loop, work())


@all_loops
def test_one_bulk_connection_does_not_starve_others(tls: ModuleType, pki: Pki, loop: str) -> None:
    """What is read for one connection before the others get their turn is bounded, however much has come for it."""

    async def work() -> None:
        turns: list[int] = []  # bytes of bulk that were delivered between two answers to small connections
        bulk = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal bulk
            first = await reader.read(1)
            while first == b"B" and (data := await reader.read(1 << 20)):
                bulk += len(data)
            while first == b"S" and (line := await reader.readline()):
                writer.write(line)
            writer.close()

        async def pump(writer: asyncio.StreamWriter) -> None:
            writer.write(b"B")
            while not done.is_set():
                writer.write(DATA)
                await writer.drain()

        async def small(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"S")
            for _ in range(10):
                before = bulk
                writer.write(b"line\n")
                assert await reader.readline() == b"line\n"
                turns.append(bulk - before)
            writer.close()
            await writer.wait_closed()

        done = asyncio.Event()
        async with await puretls.asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            context = client_context(tls, pki)
            streams = [
                await puretls.asyncio.open_connection("localhost", port_of(server), ssl=context) for _ in range(101)
            ]
            pumping = asyncio.ensure_future(pump(streams[0][1]))
            await asyncio.gather(*(small(*stream) for stream in streams[1:]))
            done.set()
            await pumping
            streams[0][1].close()
            await streams[0][1].wait_closed()
        assert bulk > 0
        assert sorted(turns)[500] < 16 << 20, sorted(turns)[::100]  # a hundred others have their turn within it

    run(loop, work())


@our_loops
def test_a_default_context(tls: ModuleType, pki: Pki, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ssl=True` in our loops is a default context of puretls."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))

    async def work() -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            await exchange(*await asyncio.open_connection("localhost", port_of(server), ssl=True))
            for module in (asyncio, puretls.asyncio):
                reader, writer = await module.open_connection("localhost", port_of(server), ssl=True)
                assert isinstance(writer.get_extra_info("sslcontext"), tls.SSLContext)
                await exchange(reader, writer)

    run(loop, work())


@all_loops
def test_nothing_is_logged(tls: ModuleType, pki: Pki, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """By a server that scanners visit: plain text, a connection that goes at once, a truncated hello."""

    async def work() -> None:
        here = asyncio.get_running_loop()
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", bytes(100)):
                transport, protocol = await here.create_connection(Recorder, "127.0.0.1", port_of(server))
                transport.write(data)
                if data[:1] in (b"", b"\x16"):
                    transport.close()
                await protocol.lost

    with caplog.at_level(logging.INFO):
        run(loop, work())
    assert not caplog.records


@all_loops
@pytest.mark.parametrize("way", ["open", "upgrade"])
def test_cancelled_wherever_it_waits(
    tls: ModuleType, pki: Pki, loop: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After any number of iterations of the loop, from the first to those in which the handshake is done."""

    async def work() -> None:
        here = asyncio.get_running_loop()
        contexts = client_context(tls, pki), server_context(tls, pki)
        lost = 0

        class Server(Recorder):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                if way == "upgrade":
                    self.task = here.create_task(self.upgrade())

            async def upgrade(self) -> None:
                with contextlib.suppress(OSError):  # the client has gone
                    await puretls.asyncio.start_tls(self.transport, self, contexts[1], server_side=True)

            def connection_lost(self, exc: BaseException | None) -> None:
                nonlocal lost
                super().connection_lost(exc)
                lost += 1

        async def connect(port: int) -> Any:
            if way == "open":
                transport, _ = await puretls.asyncio.create_connection(
                    Recorder, "localhost", port, ssl=contexts[0], ssl_shutdown_timeout=1
                )
                return transport
            plain, protocol = await here.create_connection(Recorder, "127.0.0.1", port)
            try:
                return await puretls.asyncio.start_tls(plain, protocol, contexts[0], server_hostname="localhost")
            except BaseException:
                assert plain.is_closing()
                raise

        context = contexts[1] if way == "open" else None
        done = cancelled = 0
        async with await puretls.asyncio.create_server(Server, "127.0.0.1", 0, ssl=context) as server:
            for iterations in range(400):
                task = asyncio.ensure_future(connect(port_of(server)))
                for _ in range(iterations):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    transport = await task
                except asyncio.CancelledError:
                    cancelled += 1
                else:
                    done += 1
                    transport.close()
                    if done == 5:
                        break
        assert cancelled

    with caplog.at_level(logging.INFO):
        run(loop, work())
    assert not caplog.records


@all_loops
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_sessions_are_resumed_without_help(tls: ModuleType, pki: Pki, loop: str, version: str) -> None:
    async def work() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(8))
            writer.close()

        context = client_context(tls, pki, version=tls.TLSVersion[version])
        context.client_session_cache = True
        reused = []
        async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            for _ in range(3):
                reader, writer = await puretls.asyncio.open_connection("localhost", port_of(server), ssl=context)
                writer.write(b"question")
                assert await reader.read() == b"question"
                reused.append(writer.get_extra_info("ssl_object").session_reused)
                writer.close()
                await writer.wait_closed()
        assert reused == [False, True, True]

    run(loop, work())
