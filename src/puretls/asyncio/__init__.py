"""TLS for asyncio and uvloop, without memory BIOs in between.

This package has functions with the arguments of asyncio's, event loops whose `ssl=` accepts contexts of puretls, and
the transport below both, which works over any event loop's plain transports. install() makes every event loop use it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from puretls.asyncio.installing import install, uninstall

if TYPE_CHECKING:
    from puretls.asyncio.functions import (
        connect_accepted_socket,
        create_connection,
        create_server,
        create_unix_connection,
        create_unix_server,
        open_connection,
        open_unix_connection,
        start_server,
        start_tls,
        start_unix_server,
    )
    from puretls.asyncio.loops import EventLoop, TLSLoopMixin, uvloop_factory
    from puretls.asyncio.transport import SSLTransport

__all__ = [
    "EventLoop",
    "SSLTransport",
    "TLSLoopMixin",
    "connect_accepted_socket",
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "install",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_tls",
    "start_unix_server",
    "uninstall",
    "uvloop_factory",
]
_ELSEWHERE = {"EventLoop": "loops", "TLSLoopMixin": "loops", "uvloop_factory": "loops", "SSLTransport": "transport"}


def __getattr__(name: str) -> Any:
    """Load the other names when they are asked for: they import asyncio, which install() must not do."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'functions')}"), name)
    globals()[name] = found
    return found
