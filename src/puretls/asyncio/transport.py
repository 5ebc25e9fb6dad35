"""SSLTransport: TLS over any plain transport of an event loop.

One object is both the transport of the application and the protocol of the plain transport below it.  It behaves like
asyncio's own pair, `asyncio.sslproto`; docs/differences.md has the differences.  It needs only documented methods of
plain transports, so it works over every loop.
"""

from __future__ import annotations

import asyncio
import warnings
import weakref
from asyncio import constants
from asyncio.log import logger
from typing import Any

from puretls._api.context import SSLContext
from puretls._api.errors import CertificateError
from puretls._api.sslconnection import SMALL
from puretls._api.sslobject import SSLObject
from puretls.asyncio.link import Link
from puretls.asyncio.memory import memory_for
from puretls.asyncio.sending import Sending
from puretls.asyncio.stages import CLOSED, CLOSING, HANDSHAKE, OPEN, Application

HANDSHAKE_TIMEOUT: float = constants.SSL_HANDSHAKE_TIMEOUT
SHUTDOWN_TIMEOUT: float = getattr(constants, "SSL_SHUTDOWN_TIMEOUT", 30.0)  # from Python 3.11


def check_timeout(name: str, value: float | None, default: float) -> float:
    """The timeout that was given, or the default."""
    if value is None:
        return default
    if value <= 0:
        raise ValueError(f"{name} should be a positive number, got {value}")
    return value


class SSLTransport(Sending):
    """A TLS connection of an application in an event loop, over a plain transport."""

    __slots__ = (
        "__weakref__", "_error", "_half_close", "_handshake_timeout", "_shutdown_timeout",
        "_sslcontext", "_sslobj", "_started", "_timer", "_waiter",
    )  # fmt: skip
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app_protocol: asyncio.BaseProtocol,
        sslcontext: SSLContext,
        waiter: asyncio.Future[None] | None,
        server_side: bool = False,
        server_hostname: str | None = None,
        call_connection_made: bool = True,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        *,
        half_close: bool = False,
    ) -> None:
        self._closed = True  # until there is something to close
        self._handshake_timeout = check_timeout("ssl_handshake_timeout", ssl_handshake_timeout, HANDSHAKE_TIMEOUT)
        self._shutdown_timeout = check_timeout("ssl_shutdown_timeout", ssl_shutdown_timeout, SHUTDOWN_TIMEOUT)
        host = sslcontext._encode_hostname(server_hostname) if server_hostname and not server_side else None
        self._sslobj = SSLObject.__new__(SSLObject)
        self._sslobj._sslobj = link = Link(sslcontext, server_side, host, self._sslobj, weakref.ref(self))
        super().__init__(loop, link)
        self._sslcontext, self._waiter, self._half_close = sslcontext, waiter, half_close
        if not call_connection_made:
            self._app_stage = Application.CONNECTED
        self._error: BaseException | None = None  # why this side has ended the connection
        self._timer: asyncio.TimerHandle | None = None
        self._started = 0.0
        self.set_protocol(app_protocol)
        self._closed = False

    # Names that asyncio's own layer has, and others use

    @property
    def _app_transport(self) -> SSLTransport:
        return self

    _ssl_protocol = _app_transport

    @property
    def _app_protocol(self) -> Any:
        return self._app

    def _get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.get_extra_info(name, default)

    def _test__append_write_backlog(self, data: bytes) -> None:
        self._backlog.append(memoryview(data))
        self._backlog_size += len(data)
        self._link.disarm()

    # The plain transport: beginning and end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The plain transport is connected: the handshake begins."""
        lower: Any = transport
        self._transport = lower
        self._memory = memory_for(self._loop, transport)
        self._see_whether_odd()
        if self._closed:
            self._force_close(None)
            return
        self._limit_lower()
        self._stage = HANDSHAKE
        if self._loop.get_debug():
            logger.debug("%r starts SSL handshake", self)
            self._started = self._loop.time()
        self._timer = self._loop.call_later(self._handshake_timeout, self._check_handshake_timeout)
        if not self._link.server_side:  # otherwise the peer begins
            self._handshake()
        elif hasattr(self._app, "early_data_received"):
            self._early = True
            self._link.want_early_data()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The plain transport is closed."""
        self._stage, self._closed = CLOSED, True
        exc, self._error = exc or self._error, None
        self._lost += 1
        self._link.disarm()
        self._link.give_up()
        self._cancel_timer()
        if self._app_stage in (Application.CONNECTED, Application.ENDED):
            self._app_stage = Application.LOST
            self._loop.call_soon(self._app.connection_lost, exc)
        self._transport = self._app = None
        self._rest = self._due = b""
        self._backlog.clear()
        self._backlog_size = 0
        if exc is None and self._waiter is not None:
            exc = ConnectionResetError("the connection was closed during the SSL handshake")
        self._wake(exc)

    def eof_received(self) -> bool:
        """The peer has closed its side of the plain connection."""
        self._debug("%r received EOF")
        self._ended = True
        if self._stage == HANDSHAKE:
            self._handshake_is_over(ConnectionResetError())
        elif self._stage == OPEN:
            if self._link.peer_has_ended:  # with half_close, we may still send
                return True
            return self._reading_paused or self._eof()
        elif self._stage == CLOSING:
            self._warn_of(self._call_eof_received())
            self._cancel_timer()
        return False  # it closes itself

    def _eof(self) -> bool:
        """The plain connection has ended without close_notify: send what waits, without a close_notify of our own."""
        self._warn_of(self._call_eof_received())
        if self._stage == OPEN:
            self._closed = True
            self._push()
            self._finish()
        return False

    def _warn_of(self, wants: bool) -> None:
        """Warn of True from eof_received(), unless half_close permits it or the application is such a transport (TLS in
        TLS).
        """
        if wants and not self._half_close and not isinstance(self._app, SSLTransport):
            logger.warning("returning true from eof_received() has no effect when using ssl")

    # Called by the link

    def link_has_said(self) -> None:
        """Send what the link has, although no call of the application has led to it."""
        self._flush()
        if self._stage == OPEN:
            self._link.arm()

    def link_has_answer(self) -> None:
        """The promise that the handshake waits for is done, or has failed."""
        if self._stage == HANDSHAKE:
            self._handshake()
        elif self._stage in (OPEN, CLOSING):
            rest, self._rest = self._rest, b""
            if rest:
                self._link.receive(rest)
            try:
                self._link.go_on()
            except Exception as error:  # noqa: BLE001  # as asyncio: the connection ends, the loop goes on
                self._flush()
                self._fatal_error(error, "Fatal error on SSL protocol")
                return
            self._flush()
            self._read()
        if not self._reading_paused:
            self._resume_lower()

    # Handshake

    def _handshake(self) -> None:
        try:
            done = self._link.shake()
        except Exception as error:  # noqa: BLE001  # raised where the connection is waited for
            self._flush()
            self._handshake_is_over(error)
        else:
            upgraded = self._app_stage is not Application.NEW  # by start_tls(): the peer may get its transport late
            if done and not (self._early or upgraded) and self._link.last_word_can_wait:
                self._due += self._link.take()
            else:
                self._flush()
            if self._early:
                self._deliver_early()
            if done and self._stage == HANDSHAKE:
                self._handshake_is_over(None)

    def _handshake_is_over(self, error: BaseException | None) -> None:
        self._cancel_timer()
        if error is not None:
            certificate = " on verifying the certificate" if isinstance(error, CertificateError) else ""
            self._fatal_error(error, f"SSL handshake failed{certificate}")
            self._wake(error)
            return
        if self._loop.get_debug():
            logger.debug("%r: SSL handshake took %.1f ms", self, (self._loop.time() - self._started) * 1e3)
        self._stage = OPEN
        if self._closed:  # by an application that has got early data
            self._wake(None)
            self._stage = CLOSING
            self._begin_to_close()
            return
        if self._due or self._link.server_side:  # what comes first is gathered
            self._alone = 0
        self._records.arm_writing()
        if self._backlog:  # written before the handshake was done
            self._push()
        if self._app_stage is Application.NEW:
            self._app_stage = Application.CONNECTED
            self._app.connection_made(self)
        begun = self._waiter is None  # no function waits for the handshake
        self._wake(None)
        if self._stage != OPEN:
            return
        if not self._link.held():
            self._link.arm()
            if self._records.fast_sealer is None:
                self._push()
        elif begun:
            self._read_held()
        else:  # after start_tls() the application has to have the transport before it gets data
            self._loop.call_soon(self._read_again)
            return
        self._send_due_soon()

    def _wake(self, error: BaseException | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _check_handshake_timeout(self) -> None:
        if self._stage == HANDSHAKE:
            self._fatal_error(
                ConnectionAbortedError(
                    f"SSL handshake is taking longer than {self._handshake_timeout} seconds: aborting the connection"
                )
            )

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The end

    def _peer_has_ended(self) -> None:
        """close_notify has come."""
        wants = self._call_eof_received()
        if self._stage == CLOSING:
            self._warn_of(wants)
            self._finish()
        if self._stage != OPEN:
            return
        if wants and self._half_close and self._link.halves_close_alone and not self._eof_written:
            self._resume_lower()  # to learn when it goes
            self._link.arm()
            self._push()
            return
        self._warn_of(wants)
        self._closed = True
        self._say_goodbye()
        self._finish()

    def _say_goodbye(self) -> None:
        """Send what waits, and then close_notify: mostly at once."""
        sealer = self._records.fast_sealer
        if self._backlog and sealer is not None and self._backlog_size <= SMALL and sealer.seq < sealer.limit:
            self._due += sealer.seal_data(b"".join(self._backlog))
            self._backlog.clear()
            self._backlog_size = 0
        else:
            self._push()
        self._link.say_goodbye()
        self._flush()

    def _finish(self) -> None:
        """Both sides have sent close_notify."""
        self._cancel_timer()
        self._stage = CLOSED
        self._link.disarm()
        if self._transport is not None:
            self._transport.close()

    def can_write_eof(self) -> bool:
        """Whether write_eof() is possible: with half_close, and TLS 1.3, where one direction may end alone."""
        return self._half_close and self._link.halves_close_alone

    def write_eof(self) -> None:
        """End the sending direction, and continue to receive; NotImplementedError unless can_write_eof()."""
        if not self.can_write_eof():
            raise NotImplementedError
        if self._eof_written or self._stage != OPEN or self._closed:
            return
        self._eof_written = True
        self._say_goodbye()
        if self._link.peer_has_ended:
            self._closed = True
            self._finish()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._closed or (self._transport is not None and self._transport.is_closing())

    def close(self) -> None:
        """Send what waits and close_notify, wait for the peer's, close the plain transport."""
        if self._closed:
            return
        self._closed = True
        if self._stage == HANDSHAKE:
            if not self._early or self._app_stage is Application.NEW:  # else after the handshake: what was written goes
                self._force_close(None)
        elif self._stage == OPEN:
            self._stage = CLOSING
            if self._pushing:
                self._goodbye_due = True
            else:
                self._begin_to_close()

    def _begin_to_close(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._shutdown_timeout, self._check_shutdown_timeout)
        if self._backlog and not self._link.may_write():  # in a renegotiation
            self._goodbye_due = True
        else:
            self._say_goodbye()
        if self._link.peer_has_ended or self._ended:
            if self._ended:  # while the application had paused
                self._warn_of(self._call_eof_received())
            self._finish()
            return
        if self._rest or self._link.held():
            rest, self._rest = self._rest, b""
            self._receive(rest)
        self._resume_lower()

    def _check_shutdown_timeout(self) -> None:
        if self._stage == CLOSING:
            self._force_close(asyncio.TimeoutError("SSL shutdown timed out"))

    def abort(self) -> None:
        """Close at once; what waits is lost."""
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:
        if (self._backlog or self._due) and self._stage == OPEN:  # which would otherwise be sent already
            self._push()
        self._stage, self._closed, self._error = CLOSED, True, exc
        self._link.disarm()
        self._link.give_up()
        self._cancel_timer()  # connection_lost() need not come: uvloop forgets it where its connect was cancelled
        lower = self._transport
        if lower is not None:
            force = getattr(lower, "_force_close", None)
            if force is None:
                lower.abort()
            else:
                force(exc)

    def _fatal_error(self, exc: BaseException | None, message: str = "Fatal error on transport") -> None:
        if self._transport is not None:
            self._force_close(exc)
        if isinstance(exc, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=True)
        elif not isinstance(exc, asyncio.CancelledError):
            self._loop.call_exception_handler(
                {"message": message, "exception": exc, "transport": self._transport, "protocol": self}
            )

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if not self._closed:
            self._closed = True
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    # Questions of the application

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set the protocol that gets the data from now on."""
        self._app: Any = protocol
        self._buffered = hasattr(protocol, "get_buffer") and isinstance(protocol, asyncio.BufferedProtocol)
        self._keeps = not _is_stream(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that gets the data."""
        return self._app  # type: ignore[no-any-return]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object`, `sslcontext`, `peercert`, `cipher`, `compression`, and what the plain transport knows."""
        if name == "sslcontext":
            return self._sslcontext
        if name == "ssl_object" and (self._early or self._link.version() is not None):
            return self._sslobj
        if self._link.version() is not None:
            if name == "peercert":
                return self._sslobj.getpeercert()
            if name == "cipher":
                return self._sslobj.cipher()
            if name == "compression":
                return None
        return default if self._transport is None else self._transport.get_extra_info(name, default)


def _is_stream(protocol: Any) -> bool:
    """Whether this is asyncio's own stream protocol, whose reader copies the data and keeps no reference to it."""
    return (
        type(protocol) is asyncio.StreamReaderProtocol
        and "data_received" not in vars(protocol)
        and type(protocol._stream_reader) is asyncio.StreamReader  # type: ignore[attr-defined]
    )
