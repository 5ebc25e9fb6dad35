"""`_SSLSocket`: one connection as the interpreter's private `_ssl._SSLSocket` offers it.

SSLSocket and SSLObject talk only to this object, and so do gevent, truststore, httpcore and others that use `_sslobj`.
This module drives the engine, answers its requests (`answers`) and calls callbacks, whatever the transport is;
`connection_facts` has the questions about a connection.  `over_socket` and `over_bio` move the bytes.

Callbacks run in the thread that is in do_handshake() or read(), with the locks of the connection held.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from puretls._api import early_data
from puretls._api.answers import ANSWERS
from puretls._api.client_sessions import CacheKeeper
from puretls._api.connection_facts import ConnectionFacts
from puretls._api.errors import SSLError, abort_error, eof_error, fault_error, ssl_error
from puretls._api.later import Awaited
from puretls._api.settings import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER
from puretls._base import faults, registry
from puretls._base.events import MessageEvent, SecretEvent
from puretls._base.faults import Abort, Fault
from puretls._base.registry import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS13
from puretls._engine.config import OP_IGNORE_UNEXPECTED_EOF
from puretls._engine.connection import Connection
from puretls._engine.requests import Request
from puretls._engine.session import Session
from puretls._record.scratch import SPARE_SIZE, give_back, scratch

if TYPE_CHECKING:
    from puretls._api.client_hello import ClientHello
    from puretls._api.context import SSLContext
    from puretls._engine.peer import Peer

MAX_NAME = 255  # bytes of a host name (RFC 1035 2.3.4)
SMALL = 1 << 14  # a record's worth of data


def writable(buffer: Any, size: int) -> memoryview:
    """The part of a caller's buffer that read(size, buffer) may fill."""
    try:
        view = memoryview(buffer)
    except TypeError:
        raise not_writable(buffer) from None
    if type(buffer) is not bytearray:
        if view.readonly or not view.c_contiguous:
            raise not_writable(buffer)
        if view.format != "B" or view.ndim != 1:
            view = view.cast("B")
    return view[:size] if 0 < size < len(view) else view


def not_writable(buffer: Any) -> TypeError:
    """The error for an object that is no writable memory of bytes."""
    return TypeError(f"read() argument 2 must be read-write bytes-like object, not {type(buffer).__name__}")


def nothing(size: int) -> bytes:
    """The result of read(size) for a size of 0; ValueError for a negative one."""
    if size < 0:
        raise ValueError("size should not be negative")
    return b""


def reentered() -> RuntimeError:
    """The error for a signal handler or a callback that reads in the middle of a read, or writes in the middle of a
    write.
    """
    return RuntimeError("reentrant call: this thread is in the middle of one on the same connection")


def readable(data: Any) -> memoryview:
    """The bytes of a caller's buffer that write(data) sends."""
    view = memoryview(data)
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


class _SSLSocket(ConnectionFacts):
    """A connection, without its transport."""

    __slots__ = ("_awaited", "_callback_error", "_eof_reported", "_keeper", "_records")

    def __init__(
        self, context: SSLContext, server_side: bool, server_hostname: str | None, owner: Any, session: Any
    ) -> None:
        protocol = context._settings.protocol
        if server_side and protocol == PROTOCOL_TLS_CLIENT:
            raise ssl_error(0, "Cannot create a server socket with a PROTOCOL_TLS_CLIENT context")
        if not server_side and protocol == PROTOCOL_TLS_SERVER:
            raise ssl_error(0, "Cannot create a client socket with a PROTOCOL_TLS_SERVER context")
        if server_hostname is not None:
            if "\0" in server_hostname:
                raise TypeError("argument must be encoded string without null bytes, not str")
            if not server_hostname or server_hostname.startswith("."):
                raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
            if len(server_hostname) > MAX_NAME:
                raise fault_error(faults.INVALID_SERVERNAME, number=319)
        self._context = context
        self._owner = None if owner is None else weakref.ref(owner)
        server_side = bool(server_side)
        config = context._settings.frozen(server_side=server_side)
        self._conn = Connection(config, server_side, time.time, server_hostname)
        self._records = self._conn.records
        self._eof_reported = False  # read() has reported close_notify, or an error
        self._callback_error: BaseException | None = None  # of a message callback, raised when the operation is done
        self._hello: ClientHello | None = None  # once it has been read
        self._keeper: CacheKeeper | None = None  # of a client whose context has a session cache
        self._judged: tuple[Peer | None] | None = None  # the peer that a function of the program is judging
        self._placeholder: Session | None = None
        self._awaited: Awaited | None = None  # the answer to the engine's request, if it comes later
        if session is not None:
            self.session = session

    # For the transports to define

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        raise NotImplementedError

    def write(self, data: Any, /) -> int:
        """Send data; how many bytes were taken."""
        raise NotImplementedError

    def write_early_data(self, data: Any, /) -> int:
        """Send data with the first message; how many bytes were taken."""
        raise NotImplementedError

    def read_early_data(self, size: int = 1024, /) -> bytes:
        """Data of a client that has not finished its handshake; b"" if no more comes."""
        raise NotImplementedError

    def pending(self) -> int:
        """How many bytes read() would return without further input."""
        raise NotImplementedError

    def shutdown(self) -> Any:
        """Send close_notify and wait for the peer's."""
        raise NotImplementedError

    def _send_pending(self) -> None:
        """From the receiving side: send what is pending, as far as the transport takes it without waiting."""
        raise NotImplementedError

    def _eof_to_report(self) -> int:
        """The result of pending() when there is no data: 1 if the end was received, but not reported to the
        caller yet.
        """
        return int(not self._eof_reported and bool(self._conn.failure or self._records.close_received))

    def _interrupted(self, error: BaseException) -> None:
        """Fail: records that have consumed their sequence numbers may be lost, and the peer could not decrypt what
        follows.
        """
        if not isinstance(error, Abort):
            self._conn.fail(faults.INTERNAL, "interrupted while sealing")

    # Progress, for the transports

    def _advance(self) -> None:
        """Let the engine work on what has arrived, and answer its requests."""
        conn = self._conn
        if conn.machine.state is None and not conn.handshake.server_side:
            self._begin(conn)
        try:
            while (request := conn.advance()) is not None:
                if self._records.events:  # reported before the program is asked about it
                    self._report()
                self._answer(request)
        finally:
            if self._records.events:
                self._report()

    def _begin(self, conn: Connection) -> None:
        """Prepare a client's first message."""
        name, cache = conn.server_hostname, self._context._settings.client_session_cache
        if not name:
            if conn.config.policy.check_hostname:
                raise ValueError("check_hostname requires server_hostname")
        elif cache is not None and self._keeper is None:
            handshake = conn.handshake
            handshake.tells_sessions = True
            self._keeper = keeper = CacheKeeper(cache, conn, self._port())
            if handshake.offered is None:
                handshake.offered = keeper.take(handshake.clock())
        callback = self._context._settings.early_data_callback
        if callback is not None:
            early_data.of_callback(self, callback)

    def _port(self) -> int | None:
        """The server's port, where that is known."""
        return None

    def _report(self) -> None:
        """Tell the key log, the message callback and the session cache what happened."""
        settings, events = self._context._settings, self._records.events
        keylog, callback = settings.keylog, settings.message_callback
        owner = self._callback_owner() if callback else None
        while events:
            try:
                event = events.pop(0)
            except IndexError:  # the thread of the other direction has taken it
                return
            if isinstance(event, SecretEvent):
                if keylog is not None:
                    keylog.write(*event)
            elif not isinstance(event, MessageEvent):
                if self._keeper is not None:
                    self._keeper.handle(event)
            elif callback is not None and self._callback_error is None:
                try:
                    callback(
                        owner, "write" if event.sent else "read", *_described(event, self._conn.config.max_version)
                    )
                except BaseException as error:  # noqa: BLE001  # raised again when the operation is done
                    self._callback_error = error

    def read(self, size: int = 1024, buffer: Any = None, /) -> Any:
        """Up to `size` bytes, or how many of them are in `buffer` now."""
        raise NotImplementedError

    def _take(self, limit: int, out: memoryview | None) -> Any:
        """The data that can be returned now: bytes, or how many are in `out`; falsy if there are none.

        A small buffer is filled from a scratch buffer with room for the type byte that ends a record of TLS 1.3.  So a
        record that fits exactly takes the fast path, and nothing is written behind the data.  A large buffer is
        decrypted into directly, and the byte behind the data may change.
        """
        conn, records = self._conn, self._records
        if not records.failed:
            if records.has_plain:
                return self._deliver(records.take_plain(limit), limit, out)
            if out is not None and limit > SMALL:
                return conn.read_into(out)
            record = records.short_record()
            if record:
                data = conn.read_record(record)
                if data:
                    return self._deliver(data, limit, out)
            elif records.next_is_longer_than(limit):  # it waits here
                conn.advance()
                return self._deliver(records.take_plain(limit), limit, out)
        limit = min(limit, records.ciphertext, SPARE_SIZE)
        extra = conn.version == TLS13
        buffer = scratch(limit + extra)
        with memoryview(buffer) as view:
            got = conn.read_into(view[: limit + extra], extra)
            if out is not None:
                out[:got] = view[:got]
                return got
            data = bytes(view[:got])
        give_back(buffer)
        return data

    def _deliver(self, data: bytes, limit: int, out: memoryview | None) -> Any:
        """The part of decrypted data that read() returns; the rest is kept."""
        if len(data) > limit:
            self._records.put_back(data, limit)
            data = data[:limit]
        if out is None:
            return data
        out[: len(data)] = data
        return len(data)

    def _raise_callback_error(self) -> None:
        error, self._callback_error = self._callback_error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback leads to this frame

    def _at_end(self) -> None:
        """Handle a transport that has ended without close_notify: an error, unless the options accept it as a clean
        end.
        """
        conn = self._conn
        if conn.config.options & OP_IGNORE_UNEXPECTED_EOF and conn.established:
            self._records.peer_has_ended()
            return
        if self._records.truncated:
            raise eof_error(None)
        self._records.truncated = True
        self._records.disarm()
        if conn.established:
            conn.send_alert(registry.FATAL, registry.DECODE_ERROR)
            self._send_pending()
        elif self._keeper is not None:
            self._keeper.forget()
        raise eof_error(faults.UNEXPECTED_EOF.reason)

    def _check_end(self) -> None:
        """After an end without close_notify nothing is read or sent: the peer may have received only part of what was
        sent.
        """
        if self._records.truncated and not (self._conn.failure or self._records.close_sent):
            raise eof_error(None)

    # Answering requests

    def _callback_owner(self) -> Any:
        """The object that callbacks get: the SSLSocket or SSLObject around this connection; None if it is gone."""
        return self if self._owner is None else self._owner()

    def _answer(self, request: Request) -> None:
        """Answer a request; SSLWantAnswerError if the answer comes later and this transport does not wait for it."""
        conn = self._conn
        if self._awaited is None:
            try:
                answer = ANSWERS[type(request)](self, request)
            except BaseException as error:  # noqa: BLE001  # a refusal, or a mistake of the function's
                conn.refuse(request, error)
            if type(answer) is not GeneratorType:
                conn.resume(request, answer)
                return
            self._awaited = Awaited(answer)
        awaited = self._awaited
        while not self._come_to(request, awaited):
            try:
                self._wait_for(awaited)
            except RuntimeError:
                self._awaited = None
                conn.fail(faults.INTERNAL, "nobody can wait for that")
                raise
        self._awaited = None
        conn.resume(request, awaited.answer)

    def _come_to(self, request: Request, awaited: Awaited) -> bool:
        """Whether the answer is there; an exception of the program's function ends the connection."""
        try:
            return awaited.go_on()
        except BaseException as error:  # noqa: BLE001  # as above
            self._awaited = None
            self._conn.refuse(request, error)

    def give_up(self) -> None:
        """Stop waiting for an answer: the connection is over."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.give_up()

    def _wait_for(self, awaited: Awaited) -> None:
        """Return when the promise is done, or raise SSLWantAnswerError."""
        raise NotImplementedError

    def set_waker(self, waker: Callable[[], object] | None) -> None:
        """Set the function that is called when an answer has come while no call waits for it."""
        raise NotImplementedError

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate with the next operation, whatever it is (RFC 8446 4.6.2)."""
        conn = self._conn
        if conn.version != TLS13:
            raise fault_error(faults.PHA_WRONG_VERSION, number=266)
        if not conn.server_side:
            raise fault_error(faults.NOT_SERVER, number=284)
        if not conn.established:
            raise fault_error(faults.STILL_IN_INIT, number=121)
        if conn.failure:
            raise abort_error(conn.failed())
        try:
            conn.request_authentication()
        except Abort as abort:
            raise _numbered(abort.fault) from None


_PHA_NUMBERS = {"STILL_IN_INIT": 121, "EXTENSION_NOT_RECEIVED": 279, "INVALID_CONFIG": 283, "REQUEST_PENDING": 285}


def _numbered(fault: Fault) -> SSLError:
    return fault_error(fault, number=_PHA_NUMBERS.get(fault.reason, 1))


def _described(event: MessageEvent, highest: int) -> tuple[int, int, int, bytes]:
    """Version (the highest there is, before one is agreed on), content type, message type and bytes."""
    data, kind = event.data, event.content_type
    if kind == HANDSHAKE or kind > 0xFF:  # a message, a record header, an inner content type: it is the first byte
        message = data[0]
    elif kind == ALERT:
        message = data[1]
    else:
        message = 0x0101 if kind == CHANGE_CIPHER_SPEC else -1
    return event.version or highest, kind, message, data
