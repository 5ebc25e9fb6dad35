"""A connection over two memory BIOs, or any objects with their methods: `read()`, `write()`, `eof`.

Everything in `incoming` is taken at once and parsed in place; one read() returns as many records as fit.  The
interpreter's own BIO copies what it returns, so no more than a full record at a time is taken from it, which stays in
the processor's cache until its data is delivered.  What follows the peer's close_notify is put back into `incoming`,
where the application looks for it after unwrap().
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from puretls._api import early_data, later, native
from puretls._api.bio import MemoryBIO
from puretls._api.driver import Driver
from puretls._api.errors import SSLError, abort_error, fault_error, want_read
from puretls._api.sslconnection import SMALL, nothing, readable, reentered, writable
from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.locks import new_lock

if TYPE_CHECKING:
    from puretls._api.context import SSLContext
    from puretls._api.later import Awaited

T = TypeVar("T")
CHUNK = 1 << 18
NATIVE_BIO: tuple[type, ...] = () if native.ssl is None else (native.ssl.MemoryBIO,)


def _check(name: str, bio: Any) -> None:
    """Check that an object has the methods of a BIO."""
    if not (hasattr(bio, "read") and hasattr(bio, "write")):
        raise TypeError(f"_wrap_bio() argument '{name}' must be _ssl.MemoryBIO, not {type(bio).__name__}")


class _BioConnection(Driver):
    """A connection over BIOs.  Nothing here ever blocks, so one lock serves both directions; a call that interrupts
    another one of its own thread is refused.
    """

    __slots__ = ("_copies", "_incoming", "_inside", "_lock", "_outgoing", "_portion", "_waker")

    def __init__(
        self,
        context: SSLContext,
        incoming: Any,
        outgoing: Any,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: Any,
    ) -> None:
        copies, portion = False, -1
        if type(incoming) is not MemoryBIO:
            _check("incoming", incoming)
            portion = SMALL if isinstance(incoming, NATIVE_BIO) else -1
        if type(outgoing) is not MemoryBIO:
            _check("outgoing", outgoing)
            copies = isinstance(outgoing, NATIVE_BIO)
        Driver.__init__(self, context, server_side, server_hostname, owner, session)
        self._incoming = incoming
        self._outgoing = outgoing
        self._copies = copies  # asyncio's: one buffer, to which each write is appended
        self._portion = portion  # what read() takes at once; -1: all
        self._inside = False  # who has the lock and finds True has interrupted itself
        self._lock = new_lock(self, ("_lock", "_inside"))
        self._waker: Callable[[], object] | None = None  # who is called when an answer has come

    def _wait_for(self, awaited: Awaited) -> None:
        promise = awaited.promise
        if self._waker is None or not hasattr(promise, "add_done_callback"):
            later.check_blocking(promise)
        if self._waker is None:
            later.wait(promise, None)
        elif later.watch(awaited, weakref.WeakMethod(self._wake)):
            raise later.want_answer(promise)

    def set_waker(self, waker: Callable[[], object] | None) -> None:
        """Set the function that is called when an answer has come; with None do_handshake() waits for it."""
        self._waker = waker

    def _wake(self, promise: Any) -> None:
        waker, awaited = self._waker, self._awaited
        if waker is not None and awaited is not None and awaited.promise is promise:
            waker()

    def do_handshake(self) -> None:
        """Continue the handshake as far as the received bytes allow."""
        conn, records = self._conn, self._records
        handshake, machine = conn.handshake, conn.machine
        with self._lock:
            if self._inside:
                raise reentered()
            if handshake.established:
                self._check_end()
                if records.control:
                    self.flush()
                return
            said = False  # all that there was to say
            try:
                self._inside = True
                if machine.state is None:
                    waits = handshake.server_side
                else:
                    waits = not (machine.failure or records.close_received)
                if waits and (data := self._incoming.read()):
                    records.receive(data)
                self._shake(self)
                said = True
                records.arm_reading()
                records.arm_writing()
                if self._portion > 0:  # a full record
                    self._portion = records.wanted_by(SMALL) + records.ciphertext
            except Abort as abort:
                raise abort_error(abort) from abort.__cause__
            finally:
                self._inside = False
                if not said and records.has_news:
                    self.flush()
                if self._callback_error is not None:
                    self._raise_callback_error()

    def write_early_data(self, data: Any, /) -> int:
        """Put data behind the first message; how many bytes were taken."""
        return self._in_handshake(lambda: early_data.write(self, readable(data)))

    def read_early_data(self, size: int = 1024, /) -> bytes:
        """Data of a client that has not finished its handshake; b"" if no more comes."""
        if size <= 0:
            return nothing(size)
        early_data.wanted(self._conn)
        return self._in_handshake(lambda: self._read_early(self, size))

    def _in_handshake(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._inside:
                raise reentered()
            try:
                self._inside = True
                return work()
            except Abort as abort:
                raise abort_error(abort) from abort.__cause__
            finally:
                self._inside = False
                if self._records.has_news:
                    self.flush()
                if self._callback_error is not None:
                    self._raise_callback_error()

    def read(self, size: int = 1024, buffer: Any = None, /) -> Any:
        """Up to `size` bytes, or how many of them are in `buffer` now."""
        if buffer is None:
            out = None
            if size <= 0:
                return nothing(size)
        else:
            out = writable(buffer, size)
            size = len(out)
            if not size:
                return 0
        records, incoming = self._records, self._incoming
        if records.handshaking:
            self.do_handshake()
        elif records.fast_opener is not None:  # nothing is left of what came before: if nothing has come, that is all
            if type(incoming) is MemoryBIO:
                if not (incoming._data or incoming._first or incoming._more or incoming._ended):
                    raise want_read()
            elif self._portion > 0 and not incoming.pending and not incoming.eof:
                raise want_read()
        lock, record, data = self._lock, b"", None
        try:
            lock.acquire()  # within: a handler may raise at its end, and the lock must not stay with us
            if self._inside:
                raise reentered()
            try:
                self._inside = True
                opener = records.fast_opener
                if opener is not None:
                    if (
                        type(incoming) is MemoryBIO
                        and (record := incoming._data)
                        and not (incoming._first or incoming._more)
                    ):
                        incoming._data = b""  # as its read() does
                    else:
                        record = incoming.read(self._portion)
                    if record:
                        data = opener.open_data(record, len(record))
                        if data:
                            return data if out is None and len(data) <= size else self._deliver(data, size, out)
                        taken, record = record, b""
                        records.receive(taken)
                    elif not incoming.eof:
                        raise want_read()  # noqa: TRY301
                elif records.has_plain and not records.failed:
                    data = records.take_plain(size)
                    return data if out is None else self._deliver(data, size, out)
                if records.control:  # a request of ours
                    self.flush()
                return self._read_on(self, size, out)
            except Abort as abort:
                self._eof_reported = True
                self._conn.fail(abort.fault, abort.detail)  # if it has not
                self.flush()
                raise abort_error(abort) from abort.__cause__
            except BaseException:
                if record and data is None:  # a handler's, before it was opened: the next call begins with it
                    records.receive(record)
                if records.events:
                    self._report()
                raise
            finally:
                self._inside = False
                if self._callback_error is not None:
                    self._raise_callback_error()
        finally:
            try:  # noqa: SIM105 - no call before this one: a handler could raise at its end
                lock.release()
            except RuntimeError:  # it is not ours: a handler has raised while we waited for it
                pass

    def write(self, data: Any, /) -> int:
        """Seal the data; all of it is in `outgoing` afterwards."""
        records = self._records
        if records.handshaking and not self._conn.handshake.draft.half_rtt:
            self.do_handshake()
        view = data if type(data) is bytes else readable(data)
        size = len(view)
        lock = self._lock
        try:
            lock.acquire()  # within: a handler may raise at its end, and the lock must not stay with us
            if self._inside:
                raise reentered()
            try:
                self._inside = True
                sealer = records.fast_sealer
                if sealer is not None and 0 < size <= SMALL and sealer.seq < sealer.limit:
                    try:
                        record, outgoing = sealer.seal_data(view), self._outgoing
                        if type(outgoing) is MemoryBIO and not (outgoing._data or outgoing._more or outgoing._ended):
                            outgoing._data = record  # as its write() does
                        else:
                            outgoing.write(record)
                    except BaseException as error:
                        self._interrupted(error)
                        raise
                    return size
                self._write(view, size)
            except Abort as abort:
                raise abort_error(abort) from abort.__cause__
            finally:
                self._inside = False
        finally:
            try:  # noqa: SIM105 - no call before this one: a handler could raise at its end
                lock.release()
            except RuntimeError:  # it is not ours: a handler has raised while we waited for it
                pass
        if self._callback_error is not None:
            self._raise_callback_error()
        return size

    def _write(self, view: Any, size: int) -> None:
        """Write several records, or whatever the fast path cannot handle."""
        conn, records = self._conn, self._records
        sealer = records.fast_sealer
        if sealer is not None and self._copies and size and sealer.limit - sealer.seq > size // SMALL:
            whole = memoryview(view)
            try:
                for pos in range(0, size, SMALL):  # each record while it is in the processor's cache
                    self._outgoing.write(sealer.seal_data(whole[pos : pos + SMALL]))
            except BaseException as error:
                self._interrupted(error)
                raise
            return
        self._check_end()
        if records.renegotiating:
            self._finish_renegotiation()
        try:
            if 0 < size <= SMALL:
                self._outgoing.write(conn.write_record(view))
            else:
                sealed = []
                try:
                    for pos in range(0, size, CHUNK):
                        conn.write(memoryview(view)[pos : pos + CHUNK])
                        sealed.append(records.take())
                finally:
                    if sealed:
                        self._outgoing.write(b"".join(sealed))
        except BaseException as error:
            self._interrupted(error)
            raise
        if records.has_news:
            self.flush()
        records.arm()

    def _finish_renegotiation(self) -> None:
        """Continue a renegotiation; SSLWantReadError if the peer has to send more."""
        try:
            while self._renegotiate(self):
                pass
        finally:
            self.flush()

    def pending(self) -> int:
        """How many bytes read() would return without further input; 1 if it would report the end, or an error.

        `ssl` leaves the record that says so in `incoming`, and uvloop reads no further when there is nothing in either.
        """
        with self._lock, contextlib.suppress(Abort):  # which is in conn.failure
            if self._inside or self._records.fast_opener is not None:  # there is nothing, and it is known already
                return 0
            try:
                if count := self._conn.pending():
                    return count
            finally:
                if self._records.events:
                    self._report()
        return self._eof_to_report()

    def shutdown(self) -> None:
        """Send close_notify and wait for the peer's."""
        conn = self._conn
        with self._lock:
            if self._inside:
                raise reentered()
            if not conn.established and not conn.failure:
                self.give_up()
                raise fault_error(faults.SHUTDOWN_WHILE_IN_INIT)
            self._check_end()
            try:
                conn.close_notify()
                self._wait_for_goodbye(self)
            except Abort as abort:
                raise abort_error(abort) from abort.__cause__
            finally:
                self.flush()
                self._raise_callback_error()

    # The port

    reads_ahead = asks = False

    def fill(self, wanted: int) -> bool:
        """Take what is in `incoming`: all of it, or one record's worth of the interpreter's BIO, which moves its
        content with each read.
        """
        size, records = self._portion, self._records
        if size > 0 and records.ciphertext:  # the rest of this record, or of its header
            size = records.missing() or size
        del wanted
        incoming = self._incoming
        if type(incoming) is MemoryBIO and not (incoming._data or incoming._first or incoming._more or incoming._ended):
            raise want_read()
        data = incoming.read(size)
        if data:
            records.receive(data)
            return True
        if incoming.eof:
            self._at_end()
            return False
        raise want_read()

    def at_end(self) -> None:
        """Put back what follows close_notify: it belongs to the application."""
        records = self._records
        if records.ciphertext:
            rest = records.leftover() + self._incoming.read()
            try:
                self._incoming.write(rest)
            except SSLError:  # after write_eof(): it has to stay here
                records.receive(rest)

    def flush(self) -> None:
        """Write what is sealed to `outgoing`."""
        data = self._records.take()
        if data:
            self._outgoing.write(data)
        if self._records.events:
            self._report()

    _send_pending = flush
