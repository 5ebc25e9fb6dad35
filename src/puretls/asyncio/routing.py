"""The methods of event loops that have an `ssl=` argument, built on the same methods without it.

Each function here takes the loop's own method as `plain`.  It is used in three places: by the functions of this
package, by the mixin for event loops, and where a loop's methods are replaced.  Calls without a context of puretls are
passed to `plain` unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeGuard

from puretls._api.context import SSLContext
from puretls._api.helpers import create_default_context
from puretls._api.sslobject import SSLObject
from puretls.asyncio.transport import HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT, SSLTransport, check_timeout

Loop = asyncio.AbstractEventLoop
Factory = Callable[[], asyncio.BaseProtocol]
Plain = Callable[..., Any]  # a method of the loop
NEEDED = ("pause_reading", "resume_reading", "set_protocol", "write", "get_write_buffer_size")  # of a plain transport
OF_TLS = ("server_hostname", "ssl_handshake_timeout", "ssl_shutdown_timeout", "half_close")


def is_ours(context: Any) -> TypeGuard[SSLContext]:
    """Whether this is a context of puretls whose connections this package's transport can serve: nothing of it is
    overridden.
    """
    kind = type(context)
    return (
        SSLContext in kind.__mro__
        and context.sslobject_class is SSLObject
        and (kind.wrap_bio, kind._wrap_bio) == (SSLContext.wrap_bio, SSLContext._wrap_bio)
    )


def default_context(ssl: Any, host: str | None) -> Any:
    """The default context, for `ssl=True`."""
    if ssl is not True:
        return ssl
    context = create_default_context()
    if not host:
        context.check_hostname = False
    return context


def _for_plain(options: dict[str, Any]) -> dict[str, Any]:
    if options.pop("half_close", False):
        raise ValueError("half_close needs a context of puretls")
    return options


def _for_tls(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options for the TLS transport out of `options`."""
    found = {name: options.pop(name) for name in OF_TLS if name in options}
    check_timeout("ssl_handshake_timeout", found.get("ssl_handshake_timeout"), HANDSHAKE_TIMEOUT)
    check_timeout("ssl_shutdown_timeout", found.get("ssl_shutdown_timeout"), SHUTDOWN_TIMEOUT)
    return found


async def _connected(
    loop: Loop,
    plain: Callable[[Factory], Any],
    protocol_factory: Factory,
    context: SSLContext,
    settings: dict[str, Any],
) -> tuple[Any, Any]:
    """Connect, and wait for the handshake; if that is interrupted, everything is closed."""
    waiter: Any = loop.create_future()
    made: Any = None
    protocol: Any = None

    def factory() -> asyncio.BaseProtocol:
        nonlocal made, protocol
        protocol = protocol_factory()
        made = SSLTransport(loop, protocol, context, waiter, **settings)
        return made  # type: ignore[no-any-return]

    try:
        await plain(factory)
        await waiter
    except BaseException:
        _give_up(waiter)
        if made is not None:
            made.close()
        raise
    else:
        return made, protocol
    finally:
        waiter = made = protocol = None  # the traceback of an error keeps this frame


def _give_up(waiter: asyncio.Future[None]) -> None:
    """Mark a future's exception as retrieved, as nobody will ask for it."""
    if not waiter.cancel() and not waiter.cancelled():
        waiter.exception()


async def create_connection(
    plain: Plain, loop: Loop, protocol_factory: Factory, host: Any = None, port: Any = None, **options: Any
) -> tuple[Any, Any]:
    """loop.create_connection()."""
    ssl = options.pop("ssl", None)
    if not is_ours(ssl):
        return await plain(protocol_factory, host, port, ssl=ssl, **_for_plain(options))  # type: ignore[no-any-return]
    settings = _for_tls(options)
    if settings.get("server_hostname") is None:
        if not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        settings["server_hostname"] = host
    return await _connected(loop, lambda made: plain(made, host, port, **options), protocol_factory, ssl, settings)


async def create_unix_connection(
    plain: Plain, loop: Loop, protocol_factory: Factory, path: Any = None, **options: Any
) -> tuple[Any, Any]:
    """loop.create_unix_connection()."""
    ssl = options.pop("ssl", None)
    if not is_ours(ssl):
        return await plain(protocol_factory, path, ssl=ssl, **_for_plain(options))  # type: ignore[no-any-return]
    settings = _for_tls(options)
    if settings.get("server_hostname") is None:
        raise ValueError("you have to pass server_hostname when using ssl")
    return await _connected(loop, lambda made: plain(made, path, **options), protocol_factory, ssl, settings)


async def connect_accepted_socket(
    plain: Plain, loop: Loop, protocol_factory: Factory, sock: Any, **options: Any
) -> tuple[Any, Any]:
    """loop.connect_accepted_socket()."""
    ssl = options.pop("ssl", None)
    if not is_ours(ssl):
        return await plain(protocol_factory, sock, ssl=ssl, **_for_plain(options))  # type: ignore[no-any-return]
    settings = {**_for_tls(options), "server_side": True}
    return await _connected(loop, lambda made: plain(made, sock, **options), protocol_factory, ssl, settings)


async def create_server(plain: Plain, loop: Loop, protocol_factory: Factory, *where: Any, **options: Any) -> Any:
    """loop.create_server() and loop.create_unix_server()."""
    ssl = options.pop("ssl", None)
    if not is_ours(ssl):
        return await plain(protocol_factory, *where, ssl=ssl, **_for_plain(options))
    settings = {**_for_tls(options), "server_side": True}

    def factory() -> SSLTransport:
        protocol = protocol_factory()
        waiter = loop.create_future() if loop.get_debug() else None
        made = SSLTransport(loop, protocol, ssl, waiter, **settings)
        if waiter is not None:
            waiter.add_done_callback(lambda done: _report(loop, done, protocol, made))
        return made

    return await plain(factory, *where, **options)


def _report(loop: Loop, done: asyncio.Future[None], protocol: Any, transport: Any) -> None:
    """Report failed handshakes of a server, in the loop's debug mode."""
    if not done.cancelled() and (error := done.exception()) is not None:
        loop.call_exception_handler(
            {
                "message": "Error on transport creation for incoming connection",
                "exception": error,
                "protocol": protocol,
                "transport": transport,
            }
        )


async def start_tls(
    plain: Plain, loop: Loop, transport: Any, protocol: asyncio.BaseProtocol, sslcontext: Any, **options: Any
) -> Any:
    """loop.start_tls(); any transport will do that has the methods of one."""
    if not is_ours(sslcontext):
        return await plain(transport, protocol, sslcontext, **_for_plain(options))
    if not all(hasattr(transport, name) for name in NEEDED):
        raise TypeError(f"transport {transport!r} is not supported by start_tls()")
    waiter: Any = loop.create_future()
    made: Any = SSLTransport(loop, protocol, sslcontext, waiter, call_connection_made=False, **options)
    transport.pause_reading()  # data that is scheduled for the old protocol is still delivered to it
    transport.set_protocol(made)
    made.connection_made(transport)  # at once: inside connection_made(), uvloop reads on though it was paused
    resumed = loop.call_soon(transport.resume_reading)
    try:
        await waiter
    except BaseException:
        _give_up(waiter)
        resumed.cancel()
        made.close()
        transport.close()
        raise
    else:
        return made
    finally:
        waiter = made = None
