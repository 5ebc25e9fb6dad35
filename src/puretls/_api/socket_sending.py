"""The sending half of a connection over a socket: see `over_socket` for the rules.

Only who holds the lock of the writing side seals and sends.  What the reading side has to say waits in the record layer
as control messages; `_send_control` sends them if nobody is writing, and `write` does so when it ends.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable
from os import write as write_fd
from time import monotonic
from typing import TYPE_CHECKING, Any

from puretls._api.driver import Driver
from puretls._api.errors import abort_error, fault_error, want_write
from puretls._api.forks import Forks
from puretls._api.socket_port import DIRECT, PLAIN, WRITE_TIMEOUT, SocketPort, gone, port_of, wait_until_ready
from puretls._api.sslconnection import SMALL, readable, reentered
from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.locks import further_lock, new_lock

if TYPE_CHECKING:
    from puretls._api.context import SSLContext

CHUNK = 1 << 18  # sealed and sent at once
SMALL_CHUNK = 1 << 16  # where the kernel may take only part of it
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


class SocketSending(Driver):
    """The socket is held by a weak reference only: it owns the connection."""

    __slots__ = (
        "_deadline", "_direct", "_forks", "_goes_on", "_in_read", "_in_write", "_reading", "_recv", "_recv_into",
        "_sealed", "_send", "_sock", "_until", "_waits", "_writing",
    )  # fmt: skip

    def __init__(
        self,
        context: SSLContext,
        sock: Any,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: Any,
    ) -> None:
        super().__init__(context, server_side, server_hostname, owner, session)
        self._sock = weakref.ref(sock)
        # An SSLSocket's own recv_into() and send() lead here: those of a plain socket are meant.
        plain: Any = PLAIN if isinstance(sock, PLAIN) else type(sock)
        self._recv, self._recv_into, self._send = plain.recv, plain.recv_into, plain.send
        self._direct = DIRECT and plain is PLAIN
        self._goes_on = False  # the last read has got all that it had asked for
        self._waits = 1  # so many times more a read waits before it tries
        self._in_read = self._in_write = False  # a thread that holds the lock and finds True has interrupted itself
        self._reading = new_lock(self, ("_reading", "_in_read"), ("_writing", "_in_write"))
        self._writing = further_lock()
        self._records.two_threads = True
        self._forks = Forks.count
        self._deadline: float | None = None  # of the handshake that waits for an answer of the program
        self._until: float | None = None  # the deadline of a read that has waited
        self._sealed = 0  # bytes of plaintext that were sealed, not all sent, and not reported

    def _socket(self) -> Any:
        sock = self._sock()
        if sock is None:
            raise gone()
        return sock

    def _callback_owner(self) -> Any:
        return self._sock() if self._owner is None else self._owner()

    def _port(self) -> int | None:
        return port_of(self._sock())

    def _fill(self, sock: Any, wanted: int, deadline: float | None, message: str) -> bool:
        """Receive from the kernel; for the other half to define."""
        raise NotImplementedError

    def write(self, data: Any, /) -> int:
        """Send the data; how many bytes the kernel has taken."""
        sock, conn, records = self._sock(), self._conn, self._records
        if sock is None:
            raise gone()
        if records.fast_sealer is None:
            if not conn.established and not conn.handshake.draft.half_rtt:
                self.do_handshake()
            if records.renegotiating:
                self._finish_renegotiation(sock)
            self._check_end()
        view = data if type(data) is bytes else readable(data)
        lock = self._writing
        try:
            lock.acquire()  # within, as in read()
            if self._in_write:
                raise reentered()
            try:
                self._in_write, self._waits = True, 1  # what is read next is mostly the answer, which takes time
                sealer, outbound = records.fast_sealer, records.outbound
                if sealer is not None and not outbound.end and 0 < len(view) <= SMALL and sealer.seq < sealer.limit:
                    return self._write_record(sock, view, sealer.seal_data)
                records.fast_sealer = None  # until all of this is out
                if 0 < len(view) <= SMALL and not self._sealed and not records.has_data_to_send:
                    size = self._write_record(sock, view, conn.write_record)
                else:
                    timeout = sock.gettimeout()
                    deadline = monotonic() + timeout if timeout else None
                    size = self._write(sock, memoryview(view), timeout, deadline)
            except Abort as abort:
                self._send_best_effort(sock)
                raise abort_error(abort) from abort.__cause__
            else:
                records.arm_writing()
                return size
            finally:
                self._in_write = False
                if records.events:
                    self._after()
        finally:
            try:  # noqa: SIM105 - no call before this one: a handler could raise at its end
                lock.release()
            except RuntimeError:  # it is not ours: a handler has raised while we waited for it
                pass
            if records.control:  # the reading side left it while the lock was ours
                self._send_control(sock)

    def _finish_renegotiation(self, sock: Any) -> None:
        """Read until a renegotiation is over, or let the thread that is reading do so."""
        timeout = sock.gettimeout()
        port = SocketPort(self, sock, monotonic() + timeout if timeout else None, WRITE_TIMEOUT)
        while self._records.renegotiating:
            if not self._reading.acquire(timeout=0.01):
                continue
            if self._in_read:
                self._reading.release()
                raise reentered()
            try:
                self._in_read = True
                if not self._renegotiate(port):
                    return
            except Abort as abort:
                self._send_control(sock)
                raise abort_error(abort) from abort.__cause__
            finally:
                self._in_read = False
                self._reading.release()

    def _write(self, sock: Any, view: memoryview, timeout: float | None, deadline: float | None) -> int:
        """Write all of the data; to a non-blocking socket only one chunk, as only data that is sent completely may be
        reported.

        If it is interrupted, the rest stays in the queue and in `_sealed`, and is reported when the same data is
        written again.
        """
        conn, size = self._conn, len(view)
        if self._records.has_data_to_send:
            self._flush(sock, deadline, WRITE_TIMEOUT)
        if self._sealed > size:
            raise fault_error(faults.BAD_WRITE_RETRY)
        step = SMALL_CHUNK if timeout == 0.0 else CHUNK
        while self._sealed < size and (timeout != 0.0 or not self._sealed):
            stop = min(self._sealed + step, size)
            try:
                conn.write(view[self._sealed : stop])
                self._sealed = stop
            except BaseException as error:
                self._interrupted(error)
                raise
            self._flush(sock, deadline, WRITE_TIMEOUT)
        done, self._sealed = self._sealed, 0
        return done

    def _write_record(self, sock: Any, view: Any, seal: Callable[[Any], bytes]) -> int:
        """The fast path for data of one record, which is queued only if the kernel does not take all of it."""
        size, count = len(view), 0
        try:
            record = seal(view)
            whole = len(record)
        except BaseException as error:
            self._interrupted(error)
            raise
        try:
            if self._direct:  # this tries as well, where send() would ask poll() first
                try:
                    [count] = map(write_fd, (sock.fileno(),), (record,))
                except BlockingIOError:
                    [count] = map(self._send, (sock,), (record,))
            else:
                [count] = map(self._send, (sock,), (record,))
        except BlockingIOError:
            raise want_write() from None
        except TimeoutError:
            raise TimeoutError(WRITE_TIMEOUT) from None
        finally:
            if count != whole:  # as `put_record`, but without a call
                records = self._records
                records.fast_sealer, self._sealed, outbound = None, size, records.outbound
                outbound.buf = outbound.view = record
                outbound.start, outbound.end = count, whole
        if self._sealed:
            timeout = sock.gettimeout()
            self._flush(sock, monotonic() + timeout if timeout else None, WRITE_TIMEOUT)
            self._sealed = 0
        return size

    def _flush(self, sock: Any, deadline: float | None, message: str) -> None:
        """Send everything that is sealed to the kernel."""
        records, send = self._records, self._send
        outbound = records.outbound
        while data := records.data_to_send():
            if deadline is not None:
                wait_until_ready(sock, "write", deadline, message)
            count = 0
            try:
                [count] = map(send, (sock,), (data,))
            except BlockingIOError:
                raise want_write() from None
            except TimeoutError:
                raise TimeoutError(message) from None
            finally:
                outbound.start += count  # no call: a handler that raises would run at its beginning
            records.data_sent(0)

    def _send_pending(self) -> None:
        sock = self._sock()
        if sock is not None:
            self._send_control(sock)

    def _send_control(self, sock: Any) -> None:
        """From the reading side: send control messages, unless another thread is writing, which then sends them."""
        while self._records.control and self._writing.acquire(blocking=False):
            if self._in_write:  # we have interrupted ourselves, and do it later
                self._writing.release()
                break
            try:
                self._in_write = True
                self._send_best_effort(sock)
            finally:
                self._in_write = False
                self._writing.release()
        if self._records.events:
            self._report()

    def _send_best_effort(self, sock: Any) -> None:
        """Send what the kernel takes at once; the next write sends the rest, and reports an error if there is one."""
        records = self._records
        try:
            while data := records.data_to_send():
                records.data_sent(self._send(sock, data, DONT_WAIT))
        except OSError:
            return

    def _after(self) -> None:
        if self._records.events:
            self._report()
        if self._callback_error is not None:
            self._raise_callback_error()
