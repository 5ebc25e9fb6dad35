"""Peers that are no event loops: blocking sockets and BIOs of the interpreter's `ssl`, and pyOpenSSL, in a thread.

What they do is what was found to break the TLS layers of event loops: data in unusual places, ends at unusual moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import puretls.asyncio
from support import PATIENCE, Pki
from support.ours import client_context, server_context
from support.wire import Recorder, all_loops, plain_loops, reported, run

MEBI = bytes(range(256)) * 4096


class Bios:
    """TLS by hand over a blocking socket, so that each flight can be sent when it is wanted."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, **options: Any) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)

    def send(self) -> None:
        self.sock.sendall(self.outgoing.read())

    def until(self, function: Callable[..., Any], *args: Any, last: bool = True) -> Any:
        """Its result, with as many bytes from the peer as that takes; `last`: and what is to be sent then."""
        while True:
            try:
                result = function(*args)
            except ssl.SSLWantReadError:
                self.send()
                data = self.sock.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            else:
                if last:
                    self.send()
                return result

    def read(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            got += self.until(self.tls.read, count - len(got))
        return got


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Any:
    """A thread that serves one connection; its port.  What goes wrong in it fails the test."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                serve(sock)
        except BaseException as error:  # noqa: BLE001  # for the test
            failed.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(PATIENCE)
    assert failed == []


def calling(call: Callable[[socket.socket], Any], port: int) -> asyncio.Future[Any]:
    """In a thread: a connection to this port, and what comes of it."""

    def work() -> Any:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            return call(sock)

    return asyncio.get_running_loop().run_in_executor(None, work)


def server_of_ssl(pki: Pki, **options: Any) -> ssl.SSLContext:
    return server_context(ssl, pki, **options)  # type: ignore[no-any-return]


@all_loops
@pytest.mark.parametrize("debug", [False, True])
def test_data_right_behind_the_handshake_of_start_tls(tls: ModuleType, pki: Pki, loop: str, debug: bool) -> None:
    """Who awaits start_tls() gets the transport before the application gets data, and so answers over TLS."""

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport
            self.upgrade = puretls.asyncio.start_tls(transport, self, context, server_side=True)
            self.upgrade.send(None).add_done_callback(self.upgraded)  # begun at once: no clear text comes in between

        def upgraded(self, _: Any) -> None:
            try:
                self.upgrade.send(None)
            except StopIteration as end:
                self.transport = end.value

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

        def connection_lost(self, exc: BaseException | None) -> None:
            lost.set_result(exc)

    def call(sock: socket.socket) -> bytes:
        ends = Bios(sock, client_context(ssl, pki), server_hostname="localhost")
        ends.until(ends.tls.do_handshake, last=False)
        ends.tls.write(b"hello")  # with our Finished
        ends.send()
        return ends.read(5)

    async def work() -> None:
        nonlocal context, lost
        context = server_context(tls, pki)
        here = asyncio.get_running_loop()
        lost = here.create_future()
        async with await here.create_server(Echo, "127.0.0.1", 0) as server:
            assert await calling(call, server.sockets[0].getsockname()[1]) == b"hello"
            await lost

    context: Any = None
    lost: Any = None
    run(loop, work(), debug=debug)


@plain_loops
def test_renegotiation_with_openssl(tls: ModuleType, pki: Pki, loop: str) -> None:
    openssl = pytest.importorskip("OpenSSL.SSL")
    context = openssl.Context(openssl.TLSv1_2_METHOD)
    context.use_certificate_chain_file(str(pki.chain("P-256")))
    context.use_privatekey_file(str(pki.key("P-256")))

    def serve(sock: socket.socket) -> None:
        sock.settimeout(None)
        ends = openssl.Connection(context, sock)
        ends.set_accept_state()

        def read(count: int) -> bytes:
            got = b""
            while len(got) < count:
                got += ends.recv(count - len(got))
            return got

        assert read(len(MEBI)) == MEBI
        assert ends.renegotiate()
        assert ends.do_handshake() is None
        ends.sendall(MEBI)
        assert read(len(MEBI)) == MEBI
        assert ends.total_renegotiations() == 1
        ends.sendall(b"done")
        ends.shutdown()

    async def work() -> None:
        with listening(serve) as port:
            reader, writer = await puretls.asyncio.open_connection(
                "localhost", port, ssl=client_context(tls, pki, version=tls.TLSVersion.TLSv1_2)
            )
            writer.write(MEBI)
            assert await reader.readexactly(len(MEBI)) == MEBI
            writer.write(MEBI)
            assert await reader.read() == b"done"
            writer.close()
            await writer.wait_closed()

    run(loop, work())


# What is left behind


@all_loops
@pytest.mark.parametrize("end", ["cancelled", "closed"])
def test_a_context_is_freed_at_once(tls: ModuleType, pki: Pki, loop: str, end: str) -> None:
    """No timer and no cycle keeps a connection: its context goes with the last reference."""

    def serve(sock: socket.socket) -> None:
        if end == "closed":
            with server_of_ssl(pki).wrap_socket(sock, server_side=True) as far:
                far.recv(32)
        else:
            sock.recv(100)
            arrived.set()
            while sock.recv(10_000):
                pass

    async def work() -> Any:
        context = client_context(tls, pki)
        with listening(serve) as port:
            visit = asyncio.ensure_future(puretls.asyncio.create_connection(Recorder, "localhost", port, ssl=context))
            if end == "cancelled":
                await asyncio.get_running_loop().run_in_executor(None, arrived.wait, PATIENCE)
                visit.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await visit
            else:
                transport, protocol = await visit
                transport.close()
                await protocol.lost
            await asyncio.sleep(0)
        return weakref.ref(context)

    arrived = threading.Event()
    gc.collect()
    gc.disable()
    try:
        assert run(loop, work())() is None
    finally:
        gc.enable()


@all_loops
def test_a_connection_that_cannot_be_made_warns_of_nothing(tls: ModuleType, pki: Pki, loop: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))

        async def work() -> None:
            with pytest.raises(OSError):  # which one is the loop's business
                await puretls.asyncio.create_connection(
                    Recorder, "127.0.0.1", silent.getsockname()[1], ssl=client_context(tls, pki)
                )

        run(loop, work())
        gc.collect()  # ResourceWarning is an error in these tests


# Ends at unusual moments


@all_loops
def test_the_end_while_paused_and_resumed_in_eof_received(tls: ModuleType, pki: Pki, loop: str) -> None:
    """A bare end of the stream behind data that waits: the data comes first, and everything comes once."""

    class Paused(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.data == b"hello":
                self.transport.write(b"world")
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(0.05, self.transport.resume_reading)

        def eof_received(self) -> None:
            super().eof_received()
            self.transport.resume_reading()

    def serve(sock: socket.socket) -> None:
        with server_of_ssl(pki).wrap_socket(sock, server_side=True) as far:
            far.sendall(b"hello")
            assert far.recv(100) == b"world"
            far.sendall(b"extra")
            far.shutdown(socket.SHUT_WR)

    async def work() -> None:
        with listening(serve) as port:
            transport, protocol = await puretls.asyncio.create_connection(
                Paused, "localhost", port, ssl=client_context(tls, pki)
            )
            await protocol.lost
            assert (protocol.events, protocol.error) == (["made", "eof", "lost"], None)
            assert protocol.data == b"helloextra"
            transport.close()

    run(loop, work())


@all_loops
def test_close_while_paused(tls: ModuleType, pki: Pki, loop: str) -> None:
    """What waits is not delivered any more; close_notify goes, and the peer's is waited for."""

    def serve(sock: socket.socket) -> None:
        far = Bios(sock, server_of_ssl(pki), server_side=True)
        far.until(far.tls.do_handshake, last=False)
        far.tls.write(b"trailing data")
        far.send()
        assert far.until(far.tls.read) == b""
        far.until(far.tls.unwrap)
        assert sock.recv(100) == b""

    async def work() -> None:
        with listening(serve) as port:
            transport, protocol = await puretls.asyncio.create_connection(
                Recorder, "localhost", port, ssl=client_context(tls, pki)
            )
            transport.pause_reading()
            transport.close()
            await protocol.lost
            assert (protocol.data, protocol.error) == (b"", None)

    run(loop, work())


@all_loops
@pytest.mark.parametrize("how", ["cut", "close_notify"])
def test_writes_to_who_has_gone(tls: ModuleType, pki: Pki, loop: str, how: str) -> None:
    """They are dropped, and do not pile up."""

    def serve(sock: socket.socket) -> None:
        far = Bios(sock, server_of_ssl(pki), server_side=True)
        far.until(far.tls.do_handshake)
        if how == "close_notify":
            with contextlib.suppress(ssl.SSLError):  # it has got data
                far.tls.unwrap()
            far.send()
        gone.set()

    async def work() -> None:
        found = reported()
        with listening(serve) as port:
            reader, writer = await puretls.asyncio.open_connection("localhost", port, ssl=client_context(tls, pki))
            writer.write(b"to nowhere" * 100)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await asyncio.get_running_loop().run_in_executor(None, gone.wait, PATIENCE)
            for _ in range(25):
                writer.write(b"to nowhere" * 100)
                await asyncio.sleep(0)
            assert writer.transport.get_write_buffer_size() == 0
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        assert not found

    gone = threading.Event()
    run(loop, work())


@all_loops
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_close_loses_nothing_that_was_written(tls: ModuleType, pki: Pki, loop: str, version: str) -> None:
    """Megabytes that the kernel does not take yet, and then close(): all of it arrives, and close_notify."""
    size, count = 1 << 17, 32

    def serve(sock: socket.socket) -> None:
        with server_of_ssl(pki).wrap_socket(sock, server_side=True, suppress_ragged_eofs=False) as far:
            assert far.recv(4) == b"ping"
            far.sendall(b"pong")
            closed.wait(PATIENCE)
            got = 0
            while data := far.recv(65536):
                got += len(data)
            assert got == size * count
            far.unwrap()

    async def work() -> None:
        with listening(serve) as port:
            transport, protocol = await puretls.asyncio.create_connection(
                Recorder, "localhost", port, ssl=client_context(tls, pki, version=tls.TLSVersion[version])
            )
            transport.write(b"ping")
            await protocol.until(4)
            for _ in range(count):
                transport.write(b"x" * size)
            transport.close()
            closed.set()
            await protocol.lost
            assert protocol.error is None

    closed = threading.Event()
    run(loop, work())


@all_loops
def test_the_peer_ends_while_much_waits(tls: ModuleType, pki: Pki, loop: str) -> None:
    """Its close_notify ends nothing that was written before: all of it goes, and then our close_notify."""

    def serve(sock: socket.socket) -> None:
        far = Bios(sock, server_of_ssl(pki), server_side=True)
        far.until(far.tls.do_handshake)
        assert far.read(4) == b"ping"
        far.tls.write(b"pong")
        far.send()
        full.wait(PATIENCE)
        with contextlib.suppress(ssl.SSLWantReadError):
            far.tls.unwrap()
        far.send()
        got = 0
        while True:
            try:
                data = far.until(far.tls.read, 65536)
            except ssl.SSLZeroReturnError:
                break
            if not data:
                break
            got += len(data)
        assert got == 64 * len(MEBI) // 8
        far.tls.unwrap()

    async def work() -> None:
        with listening(serve) as port:
            transport, protocol = await puretls.asyncio.create_connection(
                Recorder, "localhost", port, ssl=client_context(tls, pki)
            )
            transport.write(b"ping")
            await protocol.until(4)
            for _ in range(64):
                transport.write(MEBI[: len(MEBI) // 8])
            assert transport.get_write_buffer_size()
            full.set()
            await protocol.lost
            assert protocol.data == b"pong"
            assert protocol.error is None

    full = threading.Event()
    run(loop, work())


def test_a_descriptor_that_somebody_has_closed(tls: ModuleType, pki: Pki) -> None:
    """drain() says that the connection is lost; it does not wait for ever."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def work() -> None:
        found = reported()
        async with await puretls.asyncio.start_server(hold, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            _, writer = await puretls.asyncio.open_connection(
                "localhost", server.sockets[0].getsockname()[1], ssl=client_context(tls, pki)
            )
            writer.get_extra_info("socket")._sock.close()

            async def write() -> None:
                for _ in range(100):
                    writer.write(bytes(6500))
                    await writer.drain()

            with pytest.raises(ConnectionError):
                await write()
        assert not found

    run("asyncio", work())
