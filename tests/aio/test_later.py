"""Keys whose signatures come later: while one handshake waits, others go on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import puretls.asyncio
from puretls.asyncio import SSLTransport
from support import Pki
from support.ours import client_context, server_context
from support.wire import Both, Recorder, all_loops, reported, run, settle

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
KINDS = pytest.mark.parametrize("kind", ["coroutine", "future of the loop", "future of a thread"])


class DistantKey:
    """A key that is somewhere else: all that is asked of it is in `asked`, and `give` answers."""

    def __init__(self, pki: Pki, kind: str, identity: str = "P-256") -> None:
        self.inside: Any = load_pem_private_key(Path(pki.key(identity)).read_bytes(), None)
        self.public_key = self.inside.public_key
        self.kind = kind
        self.asked: list[tuple[Any, Any]] = []
        self.more = asyncio.Event()

    def sign(self, data: bytes, *how: Any) -> Any:
        future: Any = Future() if self.kind == "future of a thread" else asyncio.get_running_loop().create_future()
        self.asked.append((future, lambda: self.inside.sign(data, *how)))
        self.more.set()

        async def waiting() -> Any:
            return await future

        return waiting() if self.kind == "coroutine" else future

    def give(self) -> None:
        """All answers that are due."""
        for future, sign in self.asked:
            if not future.done():
                future.set_result(sign())

    async def until(self, count: int) -> None:
        while len(self.asked) < count:
            self.more.clear()
            await self.more.wait()


def port_of(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(8))
    writer.close()


@all_loops
@KINDS
@VERSIONS
def test_many_handshakes_wait_at_once(tls: ModuleType, pki: Pki, loop: str, kind: str, version: str) -> None:
    """The key answers nobody before everybody has asked: a loop that waited for the first would wait for ever."""
    count = 100 if (loop, kind, version) == ("asyncio", "coroutine", "TLSv1_3") else 20

    async def work() -> None:
        key = DistantKey(pki, kind)
        context = server_context(tls, pki)
        context.load_cert_chain(pki.chain("P-256"), key)
        client = client_context(tls, pki, version=tls.TLSVersion[version])

        async def visit(port: int) -> None:
            reader, writer = await puretls.asyncio.open_connection("localhost", port, ssl=client)
            writer.write(b"question")
            assert await reader.read() == b"question"
            writer.close()
            await writer.wait_closed()

        async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            visits = asyncio.gather(*(visit(port_of(server)) for _ in range(count)))
            await key.until(count)
            key.give()
            await visits

    run(loop, work())


@all_loops
def test_a_pool_of_threads(tls: ModuleType, pki: Pki, loop: str) -> None:
    inside: Any = load_pem_private_key(Path(pki.key("P-256")).read_bytes(), None)

    async def work() -> None:
        with ThreadPoolExecutor(4) as pool:

            class Pooled:
                public_key = inside.public_key

                def sign(self, *what: Any) -> Future[bytes]:
                    return pool.submit(inside.sign, *what)

            context = server_context(tls, pki)
            context.load_cert_chain(pki.chain("P-256"), Pooled())
            async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
                reader, writer = await puretls.asyncio.open_connection(
                    "localhost", port_of(server), ssl=client_context(tls, pki)
                )
                writer.write(b"question")
                assert await reader.read() == b"question"
                writer.close()
                await writer.wait_closed()

    run(loop, work())


@all_loops
@KINDS
@pytest.mark.parametrize("end", ["timeout", "the peer goes"])
def test_nobody_waits_any_more(tls: ModuleType, pki: Pki, loop: str, kind: str, end: str) -> None:
    """The future is cancelled, and an answer that comes all the same is nobody's."""

    async def work() -> None:
        key = DistantKey(pki, kind)
        context = server_context(tls, pki)
        context.load_cert_chain(pki.chain("P-256"), key)
        timeout = 0.05 if end == "timeout" else None
        async with await puretls.asyncio.start_server(
            answer, "127.0.0.1", 0, ssl=context, ssl_handshake_timeout=timeout
        ) as server:
            visit = asyncio.ensure_future(
                puretls.asyncio.open_connection("localhost", port_of(server), ssl=client_context(tls, pki))
            )
            await key.until(1)
            if end != "timeout":
                visit.cancel()
            with pytest.raises((asyncio.CancelledError, OSError)):
                await visit
            for _ in range(2000):
                if key.asked[0][0].cancelled():
                    break
                await asyncio.sleep(0.001)
            assert key.asked[0][0].cancelled()
        del visit
        gc.collect()
        assert not [one for one in gc.get_objects() if type(one) is SSLTransport and one._link.waits]

    run(loop, work())


@KINDS
@VERSIONS
def test_a_promise_that_is_not_kept(tls: ModuleType, pki: Pki, kind: str, version: str) -> None:
    async def work() -> None:
        found = reported()
        key = DistantKey(pki, kind)
        context = server_context(tls, pki)
        context.load_cert_chain(pki.chain("P-256"), key)
        async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            visit = asyncio.ensure_future(
                puretls.asyncio.open_connection(
                    "localhost", port_of(server), ssl=client_context(tls, pki, version=tls.TLSVersion[version])
                )
            )
            await key.until(1)
            key.asked[0][0].set_exception(LookupError("no such slot"))
            with pytest.raises(tls.SSLError) as caught:
                await visit
            assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"
            await settle()
        assert not found

    run("asyncio", work())


@KINDS
@pytest.mark.parametrize("paused", [False, True])
def test_a_client_that_signs_after_the_handshake(tls: ModuleType, pki: Pki, kind: str, paused: bool) -> None:
    """What the server sends meanwhile is kept; a client that has paused reading signs all the same."""

    async def work() -> None:
        key = DistantKey(pki, kind, "client")

        def prepare(client: Any, server: Any) -> None:
            client.post_handshake_auth = server.post_handshake_auth = True
            server.verify_mode = tls.CERT_REQUIRED
            client.load_cert_chain(pki.chain("client"), key)

        both = await Both(tls, pki, client := Recorder(), server := Recorder(), prepare=prepare).connect()
        await settle()
        both.tls_server.get_extra_info("ssl_object").verify_client_post_handshake()
        both.tls_server.write(bytes(100_000))
        await key.until(1)
        await settle()
        assert not client.data
        if paused:
            both.tls_client.pause_reading()
        key.give()
        await asyncio.sleep(0.01)
        await settle()
        assert both.tls_server.get_extra_info("peercert")["subject"]
        assert len(client.data) == (0 if paused else 100_000)
        both.tls_client.resume_reading()
        await client.until(100_000)
        both.tls_client.write(b"data")
        await server.until(4)
        await both.close()

    run("asyncio", work())


def test_what_a_peer_sends_while_we_wait_is_bounded(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        key = DistantKey(pki, "future of the loop")
        both = Both(
            tls,
            pki,
            Recorder(),
            Recorder(),
            prepare=lambda _, server: server.load_cert_chain(pki.chain("P-256"), key),
        )
        both.tls_server.connection_made(both.far)
        both.tls_client.connection_made(both.plain)
        await key.until(1)
        for _ in range(100):
            both.plain.write(b"\x14\x03\x03\x00\x01\x01" * 1000)
            await settle()
        assert both.far.calls == ["pause"]
        assert both.tls_server._link.held() < 1 << 18
        both.tls_server.abort()
        with contextlib.suppress(OSError):
            await asyncio.gather(*both.waiters)
        assert key.asked[0][0].cancelled()

    run("asyncio", work())
