"""Event loops whose `ssl=` accepts contexts of puretls, and serves them by `SSLTransport`."""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from puretls.asyncio import routing

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop as _Above
    from asyncio import SelectorEventLoop as _Loop
else:
    _Above = object
    _Loop = asyncio.ProactorEventLoop if sys.platform == "win32" else asyncio.SelectorEventLoop


class TLSLoopMixin(_Above):
    """A mixin for event loops, before the loop's class: contexts of puretls are served by `SSLTransport`.

    `ssl=True` means a default context of puretls.  Everything else is the loop's own.
    """

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        """As the loop's, and `half_close`."""
        name = options.get("server_hostname")
        options["ssl"] = routing.default_context(options.get("ssl"), host if name is None else name)
        return await routing.create_connection(super().create_connection, self, protocol_factory, host, port, **options)

    async def create_unix_connection(self, protocol_factory: Any, path: Any = None, **options: Any) -> Any:
        """As the loop's, and `half_close`."""
        options["ssl"] = routing.default_context(options.get("ssl"), options.get("server_hostname"))
        return await routing.create_unix_connection(
            super().create_unix_connection, self, protocol_factory, path, **options
        )

    async def create_server(self, protocol_factory: Any, *where: Any, **options: Any) -> Any:
        """As the loop's, and `half_close`."""
        return await routing.create_server(super().create_server, self, protocol_factory, *where, **options)

    async def create_unix_server(self, protocol_factory: Any, *where: Any, **options: Any) -> Any:
        """As the loop's, and `half_close`."""
        return await routing.create_server(super().create_unix_server, self, protocol_factory, *where, **options)

    async def connect_accepted_socket(self, protocol_factory: Any, sock: Any, **options: Any) -> Any:
        """As the loop's, and `half_close`."""
        return await routing.connect_accepted_socket(
            super().connect_accepted_socket, self, protocol_factory, sock, **options
        )

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any:
        """As the loop's, and `half_close`; over any transport that has the methods of one."""
        return await routing.start_tls(super().start_tls, self, transport, protocol, sslcontext, **options)


class EventLoop(TLSLoopMixin, _Loop):
    """asyncio's default event loop, with contexts of puretls served by `SSLTransport`."""


@cache
def _uvloop_class() -> Any:
    uvloop: Any = import_module("uvloop")  # an optional package
    return type(
        "UvLoop",
        (TLSLoopMixin, uvloop.Loop),
        {"__doc__": "uvloop's event loop, with contexts of puretls served by `SSLTransport`.", "__module__": __name__},
    )


def uvloop_factory() -> asyncio.AbstractEventLoop:
    """A new event loop of uvloop, with contexts of puretls served by `SSLTransport`."""
    made: asyncio.AbstractEventLoop = _uvloop_class()()
    return made
