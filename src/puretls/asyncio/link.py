"""Link: the connection below a transport, and the only module of this package that knows the engine.

Bytes from the plain transport go in; data, and bytes for the plain transport, come out.  Nothing waits, and only the
transport reads and writes.  A Link is also the `_sslobj` of the `ssl_object` that get_extra_info() returns, so it
answers the questions that programs ask there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from puretls._api import early_data, later
from puretls._api.driver import Driver
from puretls._api.errors import SSLWantAnswerError, SSLWantReadError, abort_error, ssl_error, want_read
from puretls._api.sslconnection import SMALL
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._record.outbound import reclaim

if TYPE_CHECKING:
    from puretls._api.context import SSLContext
    from puretls._api.later import Awaited

CHUNK = 1 << 18


class LinkUser(Protocol):
    """The methods of the transport that a Link calls."""

    def link_has_said(self) -> None:
        """The link has something to send."""

    def link_has_answer(self) -> None:
        """The answer that the handshake waits for is there."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Information about the plain transport."""


class Link(Driver):
    """A connection whose transport brings and fetches the bytes.

    The fast paths of its record layer are armed while nothing but data comes and goes.
    """

    __slots__ = ("_user",)

    def __init__(
        self,
        context: SSLContext,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        user: Callable[[], LinkUser | None],
    ) -> None:
        super().__init__(context, server_side, server_hostname, owner, None)
        self._user = user  # a weak reference to the transport, for what it cannot know by itself

    def _port(self) -> int | None:
        user = self._user()
        name = None if user is None else user.get_extra_info("peername")
        return name[1] if isinstance(name, tuple) and len(name) > 1 and isinstance(name[1], int) else None

    # The handshake

    def shake(self) -> bool:
        """Continue the handshake; whether it is done."""
        try:
            self._shake(self)
        except Abort as abort:
            raise abort_error(abort) from abort.__cause__
        except (SSLWantAnswerError, SSLWantReadError):
            return False
        finally:
            if self._callback_error is not None:
                self._raise_callback_error()
        return True

    @property
    def last_word_can_wait(self) -> bool:
        """Whether what ends the handshake on our side can go with the first data.

        The client's Finished or the server's tickets can (RFC 8446 2): the peer waits for neither, unless it speaks
        first. Before TLS 1.3 the peer may be waiting for a Finished.
        """
        return self._conn.version == TLS13

    # Early data

    def want_early_data(self) -> None:
        """A server's application takes it."""
        early_data.wanted(self._conn)

    def early_data(self) -> bytes:
        """The next of what has come of it; b"" if nothing has."""
        return early_data.here(self._conn, CHUNK)

    # The port of the driver: the transport brings bytes to `receive`, and fetches them with `take`

    reads_ahead = asks = False

    def fill(self, wanted: int) -> bool:
        """More bytes come only from the transport."""
        del wanted
        raise want_read()

    def flush(self) -> None:
        """The transport sends when this call returns."""

    def at_end(self) -> None:
        """What came behind close_notify stays: see `leftover`."""

    # Answers that come later

    def go_on(self) -> None:
        """Continue after the handshake, with an answer that is there now."""
        self._records.disarm()
        try:
            self._advance()
        except Abort as abort:
            raise abort_error(abort) from abort.__cause__
        except SSLWantAnswerError:
            return

    def _wait_for(self, awaited: Awaited) -> None:
        promise = awaited.promise
        if promise is not awaited.watched:
            loop = asyncio.get_running_loop()
            if isinstance(promise, Future):
                promise.add_done_callback(lambda _: self._answered_in_thread(loop, promise))
            else:
                if not asyncio.isfuture(promise):
                    awaited.promise = promise = asyncio.ensure_future(promise, loop=loop)
                promise.add_done_callback(self._answered)
            awaited.watched = promise
        raise later.want_answer(promise)

    def _answered_in_thread(self, loop: asyncio.AbstractEventLoop, promise: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # a loop that is closed by now
            loop.call_soon_threadsafe(self._answered, promise)

    def _answered(self, promise: Any) -> None:
        user, awaited = self._user(), self._awaited
        if awaited is not None and promise is awaited.promise:
            if user is not None:
                user.link_has_answer()
        elif not promise.cancelled():
            promise.exception()  # marked as retrieved, as it is not needed any more

    @property
    def waits(self) -> bool:
        """Whether the handshake waits for an answer of the program."""
        return self._awaited is not None

    # Receiving

    def receive(self, data: bytes) -> None:
        """Ciphertext, behind what is here."""
        self._records.receive(data)

    def open_into(self, out: memoryview) -> int:
        """Decrypt data that was received into `out`, by the path that handles every case; 0 if there is none.

        The last byte of `out` is left free.
        """
        conn = self._conn
        self._records.disarm()
        try:
            got = conn.read_into(out, 1)
            if conn.request is not None:
                self._advance()
        except Abort as abort:
            raise abort_error(abort) from abort.__cause__
        except SSLWantAnswerError:
            return 0
        finally:
            if self._records.events:
                self._report()
        if self._callback_error is not None:
            self._raise_callback_error()
        return got

    def opened(self) -> bool:
        """Whether there is decrypted data that did not fit the last time."""
        return self._records.has_plain

    def keep(self, data: bytes) -> None:
        """Keep decrypted data that is not wanted yet; `open_into` returns it first."""
        self._records.put_back(data)

    def broken(self, abort: Abort) -> Exception:
        """Fail because a record could not be decrypted; the exception for it."""
        self._conn.fail(abort.fault, abort.detail)
        error = abort_error(abort)
        error.__cause__ = abort.__cause__
        return error

    def incomplete(self, data: bytes) -> bool:
        """Whether this is the beginning of a record of application data that goes on with what comes."""
        return self._records.begins_data(data)

    def held(self) -> int:
        """How many bytes were received and not delivered."""
        return self._records.undelivered

    def leftover(self) -> bytes:
        """Take out what was received and not opened."""
        return self._records.leftover()

    def arm(self) -> None:
        """Arm the fast paths, if nothing unusual is going on."""
        self._records.arm()

    def disarm(self) -> None:
        """Disarm the fast paths."""
        self._records.disarm()

    # Sending

    def take(self) -> bytes:
        """The bytes that the engine has for the peer."""
        records = self._records
        if not records.has_news:
            return b""
        data = records.take()
        if records.events:
            self._report()
        return data

    def may_write(self) -> bool:
        """Whether data can be sealed now."""
        records = self._records
        if records.handshaking and not self._conn.handshake.draft.half_rtt:
            return False
        return not (records.renegotiating or records.close_sent or records.failed)

    def send(self, view: memoryview, transport: Any) -> None:
        """Seal this data and write it to the plain transport, as far as that is still there."""
        conn, records = self._conn, self._records
        armed = records.fast_sealer is not None
        records.fast_sealer = None  # so that further writes of the application wait until this one is out
        try:
            if len(view) <= SMALL:
                transport.write(conn.write_record(view))
            else:
                for pos in range(0, len(view), CHUNK):
                    conn.write(view[pos : pos + CHUNK])
                    sealed, memory = records.lend()
                    transport.write(sealed)
                    if transport.is_closing():
                        return
                    if not transport.get_write_buffer_size():
                        reclaim(memory)
        except Abort as abort:
            raise abort_error(abort) from abort.__cause__
        except BaseException as error:
            self._interrupted(error)
            raise
        if armed and not transport.is_closing():
            records.arm_writing()

    def interrupted(self, error: BaseException) -> None:
        """Fail: a sealed record was not sent, and the peer could not decrypt what follows."""
        self._interrupted(error)

    def say_goodbye(self) -> None:
        """close_notify, with the next `take`."""
        self._records.disarm()
        self._conn.close_notify()

    # The state of the connection

    @property
    def peer_has_ended(self) -> bool:
        """Whether close_notify has come."""
        return self._records.close_received

    @property
    def has_ended(self) -> bool:
        """Whether our close_notify was sent."""
        return self._records.close_sent

    @property
    def halves_close_alone(self) -> bool:
        """Whether one direction may end before the other (RFC 8446 6.1; not so in RFC 5246 7.2.1)."""
        return self._conn.version == TLS13

    # Methods of an SSLObject that the transport performs

    def do_handshake(self) -> None:
        """Not here: the transport runs the handshake."""
        if not self._conn.established:
            raise self._not_yours()

    def read(self, size: int = 1024, buffer: Any = None, /) -> Any:
        """Not here: the transport delivers data."""
        del size, buffer
        raise self._not_yours()

    def write(self, data: Any, /) -> int:
        """Not here: the transport takes data."""
        del data
        raise self._not_yours()

    def write_early_data(self, data: Any, /) -> int:
        """Not here: see SSLContext.early_data_callback."""
        del data
        raise self._not_yours()

    def read_early_data(self, size: int = 1024, /) -> bytes:
        """Not here: the protocol gets it by early_data_received()."""
        del size
        raise self._not_yours()

    def shutdown(self) -> Any:
        """Not here: the transport closes."""
        raise self._not_yours()

    def set_waker(self, waker: Callable[[], object] | None) -> None:
        """Not here: the transport waits."""
        del waker
        raise self._not_yours()

    def pending(self) -> int:
        """0: the transport has what was received."""
        return 0

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate now (RFC 8446 4.6.2)."""
        super().verify_client_post_handshake()
        user = self._user()
        if user is not None:
            user.link_has_said()

    def _not_yours(self) -> Exception:
        return ssl_error(0, "an asyncio transport reads and writes this connection")
