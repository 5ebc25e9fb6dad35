"""The functions of asyncio that have an `ssl=` argument, for the running loop, whichever it is.

They have the arguments of asyncio's, and `half_close`: whether each direction may end without the other (TLS 1.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from puretls.asyncio import routing

LIMIT = 1 << 16  # of a StreamReader, as asyncio's
ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


async def create_connection(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    host: str | None = None,
    port: int | str | None = None,
    *,
    ssl: Any = None,
    server_hostname: str | None = None,
    half_close: bool = False,
    **options: Any,
) -> tuple[asyncio.Transport, Any]:
    """As loop.create_connection().  `ssl` is a context of puretls, or True for a default one."""
    loop = asyncio.get_running_loop()
    context = routing.default_context(ssl, host if server_hostname is None else server_hostname)
    return await routing.create_connection(
        loop.create_connection,
        loop,
        protocol_factory,
        host,
        port,
        ssl=context,
        server_hostname=server_hostname,
        half_close=half_close,
        **options,
    )


async def create_unix_connection(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    path: Any = None,
    *,
    ssl: Any = None,
    server_hostname: str | None = None,
    half_close: bool = False,
    **options: Any,
) -> tuple[asyncio.Transport, Any]:
    """As loop.create_unix_connection().  `ssl` is a context of puretls, or True for a default one."""
    loop = asyncio.get_running_loop()
    return await routing.create_unix_connection(
        loop.create_unix_connection,
        loop,
        protocol_factory,
        path,
        ssl=routing.default_context(ssl, server_hostname),
        server_hostname=server_hostname,
        half_close=half_close,
        **options,
    )


async def create_server(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    host: Any = None,
    port: int | str | None = None,
    *,
    ssl: Any = None,
    half_close: bool = False,
    **options: Any,
) -> asyncio.Server:
    """As loop.create_server().  `ssl` is a context of puretls."""
    loop = asyncio.get_running_loop()
    made: asyncio.Server = await routing.create_server(
        loop.create_server, loop, protocol_factory, host, port, ssl=ssl, half_close=half_close, **options
    )
    return made


async def create_unix_server(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    path: Any = None,
    *,
    ssl: Any = None,
    half_close: bool = False,
    **options: Any,
) -> asyncio.Server:
    """As loop.create_unix_server().  `ssl` is a context of puretls."""
    loop = asyncio.get_running_loop()
    made: asyncio.Server = await routing.create_server(
        loop.create_unix_server, loop, protocol_factory, path, ssl=ssl, half_close=half_close, **options
    )
    return made


async def connect_accepted_socket(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    sock: Any,
    *,
    ssl: Any = None,
    half_close: bool = False,
    **options: Any,
) -> tuple[asyncio.Transport, Any]:
    """As loop.connect_accepted_socket().  `ssl` is a context of puretls."""
    loop = asyncio.get_running_loop()
    return await routing.connect_accepted_socket(
        loop.connect_accepted_socket, loop, protocol_factory, sock, ssl=ssl, half_close=half_close, **options
    )


async def start_tls(
    transport: Any,
    protocol: asyncio.BaseProtocol,
    sslcontext: Any,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    half_close: bool = False,
    **options: Any,
) -> asyncio.Transport:
    """As loop.start_tls(), over any transport that has the methods of one."""
    loop = asyncio.get_running_loop()
    made: asyncio.Transport = await routing.start_tls(
        loop.start_tls,
        loop,
        transport,
        protocol,
        sslcontext,
        server_side=server_side,
        server_hostname=server_hostname,
        half_close=half_close,
        **options,
    )
    return made


# Streams


class _HalfClosing(asyncio.StreamReaderProtocol):
    """A protocol of streams whose writer may continue after the peer's end."""

    def eof_received(self) -> bool:
        super().eof_received()
        return True


def _stream(limit: int, half_close: bool, connected: Any = None) -> tuple[asyncio.StreamReader, Any]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    kind = _HalfClosing if half_close else asyncio.StreamReaderProtocol
    return reader, kind(reader, connected, loop=loop)


async def open_connection(
    host: str | None = None,
    port: int | str | None = None,
    *,
    limit: int = LIMIT,
    half_close: bool = False,
    **options: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As asyncio.open_connection().  `ssl` is a context of puretls, or True for a default one."""
    reader, protocol = _stream(limit, half_close)
    transport, _ = await create_connection(lambda: protocol, host, port, half_close=half_close, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())


async def open_unix_connection(
    path: Any = None, *, limit: int = LIMIT, half_close: bool = False, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As asyncio.open_unix_connection().  `ssl` is a context of puretls, or True for a default one."""
    reader, protocol = _stream(limit, half_close)
    transport, _ = await create_unix_connection(lambda: protocol, path, half_close=half_close, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())


async def start_server(
    client_connected_cb: ClientConnected,
    host: Any = None,
    port: int | str | None = None,
    *,
    limit: int = LIMIT,
    half_close: bool = False,
    **options: Any,
) -> asyncio.Server:
    """As asyncio.start_server().  `ssl` is a context of puretls."""
    return await create_server(
        lambda: _stream(limit, half_close, client_connected_cb)[1], host, port, half_close=half_close, **options
    )


async def start_unix_server(
    client_connected_cb: ClientConnected,
    path: Any = None,
    *,
    limit: int = LIMIT,
    half_close: bool = False,
    **options: Any,
) -> asyncio.Server:
    """As asyncio.start_unix_server().  `ssl` is a context of puretls."""
    return await create_unix_server(
        lambda: _stream(limit, half_close, client_connected_cb)[1], path, half_close=half_close, **options
    )
