"""asyncio, which brings its own BIOs, with a context of ours: streams, start_tls in both roles, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

import pytest

from support import MIB, PATIENCE, Pki
from support.ours import client_context, server_context

DATA = bytes(range(256)) * (MIB // 256)


def within_patience(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, PATIENCE))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def send() -> None:
        writer.write(DATA)
        await writer.drain()

    _, received = await asyncio.gather(send(), reader.readexactly(len(DATA)))
    assert received == DATA


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_streams(tls: ModuleType, pki: Pki, version: str) -> None:
    async def work() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki))
        async with server:
            port = server.sockets[0].getsockname()[1]
            context = client_context(tls, pki, version=tls.TLSVersion[version], alpn=["h2"])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
            assert writer.get_extra_info("ssl_object").version() == version.replace("v1_", "v1.")
            assert writer.get_extra_info("peercert")["subjectAltName"][0] == ("DNS", "localhost")
            assert writer.get_extra_info("cipher")[2] in (128, 256)
            await exchange(reader, writer)
            writer.close()
            await writer.wait_closed()

    within_patience(work())


def test_many_connections_at_once(tls: ModuleType, pki: Pki) -> None:
    async def one(port: int, context: Any, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        line = b"%d\n" % number
        for _ in range(20):
            writer.write(line)
            assert await reader.readline() == line
        writer.close()
        await writer.wait_closed()

    async def work() -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context(tls, pki)) as server:
            port, context = server.sockets[0].getsockname()[1], client_context(tls, pki)
            await asyncio.gather(*(one(port, context, number) for number in range(30)))

    within_patience(work())


class Line(asyncio.Protocol):
    """Clear text until the first line has come."""

    def __init__(self) -> None:
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.came.set_result(data)


class Collect(asyncio.Protocol):
    """Over TLS: until everything has come."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) == len(DATA):
            self.complete.set_result(None)


def test_start_tls_in_both_roles(tls: ModuleType, pki: Pki) -> None:
    """A line in clear, then both sides upgrade the transport they have."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        connected: asyncio.Future[tuple[asyncio.Transport, Line]] = loop.create_future()

        class Accept(Line):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connected.set_result((transport, self))

        async def serve() -> None:
            transport, line = await connected
            assert await line.came == b"STARTTLS\n"
            transport.write(b"go\n")
            collecting = Collect()
            upgraded = await loop.start_tls(transport, collecting, server_context(tls, pki), server_side=True)
            await collecting.complete
            upgraded.write(collecting.data)
            upgraded.close()

        async with await loop.create_server(Accept, "127.0.0.1", 0) as server:
            serving = asyncio.ensure_future(serve())
            transport, line = await loop.create_connection(Line, "127.0.0.1", server.sockets[0].getsockname()[1])
            transport.write(b"STARTTLS\n")
            assert await line.came == b"go\n"
            collecting = Collect()
            upgraded = await loop.start_tls(
                transport, collecting, client_context(tls, pki), server_hostname="localhost"
            )
            assert upgraded.get_extra_info("ssl_object").version() == "TLSv1.3"
            upgraded.write(DATA)
            await collecting.complete
            assert collecting.data == DATA
            upgraded.close()
            await serving

    within_patience(work())


@pytest.mark.parametrize(
    ("identity", "message"), [("stranger", "unable to get local issuer certificate"), ("wrong", "Hostname mismatch")]
)
def test_refusals(tls: ModuleType, pki: Pki, identity: str, message: str) -> None:
    async def work() -> None:
        context = server_context(tls, pki, identity=identity)
        async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side of it
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(tls.SSLCertVerificationError, match=message):
                await asyncio.open_connection(
                    "127.0.0.1", port, ssl=client_context(tls, pki), server_hostname="localhost"
                )

    within_patience(work())
