"""A connection over a socket: blocking, with a timeout, or non-blocking.

Programs rely on these rules:

- After read() no complete record is hidden from select(), unless pending() counts it.  A read asks for no more bytes
  than fit the call, plus the overhead of as many records as fit in any case.  The ciphertext of each record is longer
  than its plaintext by at least that overhead, so everything that came whole is returned.  For a longer record the
  kernel is asked for the rest of it and the next header.  A socket that does not block is read record by record: its
  program asks select() and not pending(), and a close_notify that was taken along would never be seen.
- A timeout is a deadline for the whole operation.  Where data is probably there already, a read tries before it waits:
  poll() before each recv(), as Python's sockets do it, is a second system call for each record.
- write() reports what the kernel has taken whole.  A record that was cut stays sealed in the queue, and is counted when
  the same data is written again.
- One thread may read while another writes.  Each direction has a lock.  What the reading side has to send (an alert, a
  KeyUpdate) is sent by the thread that holds the lock of the writing side.
- A signal handler may use the connection as well, but not in the direction that it has interrupted: it would wait for a
  lock of its own thread.  If it raises, what the kernel has taken until then counts: `[count] = map(send, ...)` calls
  and stores in one step, in which no handler runs.  If it raises while records are sealed, the connection fails.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from os import read as read_fd
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from puretls._api import early_data, later
from puretls._api.errors import (
    SSLWantWriteError,
    abort_error,
    eof_error,
    fault_error,
    want_read,
)
from puretls._api.forks import Forks
from puretls._api.socket_port import (
    HANDSHAKE_TIMEOUT,
    PLAIN,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    SocketPort,
    gone,
    ready,
    wait_until_ready,
)
from puretls._api.socket_sending import SocketSending
from puretls._api.sslconnection import SMALL, nothing, readable, reentered, writable
from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import APPLICATION_DATA, TLS13
from puretls._record.protection import HEADER, MAX_PLAINTEXT
from puretls._record.transport_side import SMALLEST

if TYPE_CHECKING:
    from puretls._api.later import Awaited
    from puretls._record.places import Places

T = TypeVar("T")
PATIENCE = 16  # so many reads wait without trying first, after one that has tried in vain
MUCH = 2 * SMALL  # a read of several full records; less is opened from the `bytes` that came
SHORT = 4096  # bytes that are less than what a large read hopes for: the next one goes without a buffer
readv_fd: Any = getattr(os, "readv", None)  # where the file descriptor may be used as such
MOST_TICKETS = 4096  # bytes that a client takes before it closes
LONGEST = HEADER + MAX_PLAINTEXT  # bytes of a record, without the expansion of its protection


class _SocketConnection(SocketSending):
    """Both halves of a connection: here are the handshake, the receiving half and the end."""

    __slots__ = ()

    # The handshake

    def _wait_for(self, awaited: Awaited) -> None:
        sock = self._socket()
        timeout = sock.gettimeout()
        if timeout != 0.0 or not hasattr(awaited.promise, "add_done_callback"):
            later.check_blocking(awaited.promise)
        if timeout == 0.0:
            raise later.want_answer(awaited.promise)
        if not self._conn.established:
            timeout = None if self._deadline is None else max(0.0, self._deadline - monotonic())
        later.wait(awaited.promise, timeout)

    def do_handshake(self) -> None:
        """Continue the handshake until it is done, or until the socket would block."""

        def work(port: SocketPort) -> None:
            if self._conn.established and (self._sealed or not self._records.has_data_to_send):
                self._check_end()
                return
            self._shake(port)
            self._records.arm()

        self._in_handshake(work)

    # Early data

    def write_early_data(self, data: Any, /) -> int:
        """Send data with the first message; how many bytes were taken: they may go with the next operation."""

        def work(port: SocketPort) -> int:
            size = early_data.write(self, readable(data))
            if self._records.has_news:
                with contextlib.suppress(SSLWantWriteError):
                    port.flush()
            return size

        return self._in_handshake(work)

    def read_early_data(self, size: int = 1024, /) -> bytes:
        """Early data of a client, as soon as there is some; b"" if no more comes."""
        if size <= 0:
            return nothing(size)
        early_data.wanted(self._conn)
        return self._in_handshake(lambda port: self._read_early(port, size))

    def _in_handshake(self, work: Callable[[SocketPort], T]) -> T:
        sock = self._socket()
        timeout = sock.gettimeout()
        deadline = monotonic() + timeout if timeout else None
        with self._reading, self._writing:
            if self._in_read or self._in_write:
                raise reentered()
            try:
                self._in_read = self._in_write = True
                self._deadline = deadline
                return work(SocketPort(self, sock, deadline, HANDSHAKE_TIMEOUT))
            except Abort as abort:
                self._send_best_effort(sock)
                raise abort_error(abort) from abort.__cause__
            finally:
                self._in_read = self._in_write = False
                self._after()

    # Reading

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
        records = self._records
        if records.handshaking:
            self.do_handshake()
        lock, timeout, fresh = self._reading, None, b""
        data: bytes | None
        try:
            lock.acquire()  # within: a handler may raise at its end, and the lock must not stay with us
            if self._in_read:
                raise reentered()
            try:
                self._in_read = True
                opener, inbound = records.fast_opener, records.inbound
                # First phase: data that is here, the rest of a record that was longer than what was asked for
                plain = inbound.plain
                if plain and opener is not None:
                    at = inbound.plain_at
                    stop = at + size
                    if stop < len(plain):
                        inbound.plain_at = stop
                    elif inbound.end - inbound.start <= HEADER:
                        inbound.plain, inbound.plain_at = b"", 0
                    else:  # perhaps with whole records behind it
                        return self._last_of(size, out)
                    data = plain[at:stop]
                    if out is None:
                        return data
                    out[: len(data)] = data
                    return len(data)
                sock = self._sock()
                if sock is None:
                    raise gone()  # noqa: TRY301
                self._until, timeout = None, sock.gettimeout()
                if opener is None:
                    return self._read(sock, size, out, timeout)
                # Second phase: how much to ask for, and what is a matter of more than short records that come alone
                last, alone = opener.last, size + opener.overhead  # a record that fits is not longer than that
                most = alone
                if timeout == 0.0:  # one record: select() has to see what is behind it, close_notify too
                    most = HEADER
                elif size < MAX_PLAINTEXT:  # see `wanted_by`
                    most += opener.overhead
                elif size >= MUCH:
                    if self._goes_on or inbound.start != inbound.end:
                        return self._read_much(sock, size, out, timeout)
                    most = MUCH
                if self._goes_on and 0 < last <= most:  # in records of one size: as many as fit
                    most -= most % last
                if inbound.start != inbound.end:
                    return self._read_record(sock, size, out, timeout, most)
                # Third phase: ask the kernel, and open what has come
                if not timeout:
                    fresh = self._recv(sock, most)
                elif self._waits:
                    self._until = monotonic() + timeout
                    self._waits -= self._direct
                    fresh = self._recv(sock, most)
                else:
                    try:
                        fresh = read_fd(sock.fileno(), most)
                    except BlockingIOError:
                        self._until, self._waits = monotonic() + timeout, PATIENCE - 1
                        fresh = self._recv(sock, most)
                have = len(fresh)
                self._goes_on = have == most
                if have == last <= alone:
                    data = opener.open_data(fresh, have)
                else:
                    data = opener.open_alike(fresh) if have > last > 0 and not have % last else None
                if data:
                    if out is None:
                        return data
                    fresh = b""
                    out[: len(data)] = data
                    return len(data)
                if not have:
                    self._at_end()
                    return b"" if out is None else 0
                inbound.buf = inbound.view = fresh
                inbound.start, inbound.end, fresh = 0, have, b""
                return self._read_record(sock, size, out, timeout, most)
            except BlockingIOError as error:
                if type(error) is not BlockingIOError:  # a signal handler's own
                    raise
                raise want_read() from None
            except TimeoutError as error:
                if timeout is None or type(error) is not TimeoutError:  # a signal handler's own, or the kernel's
                    raise
                raise TimeoutError(READ_TIMEOUT) from None
            except Abort as abort:
                self._eof_reported = True
                self._conn.fail(abort.fault, abort.detail)  # if it has not
                self._send_control(sock)
                raise abort_error(abort) from abort.__cause__
            except BaseException:  # of the kernel, or of a handler: the next read begins with what was not opened
                records.fast_opener = None
                if fresh:
                    records.receive(fresh)
                if records.events:
                    self._report()
                raise
            finally:
                self._in_read = False
                if self._callback_error is not None:
                    self._raise_callback_error()
        finally:
            try:  # noqa: SIM105 - no call before this one: a handler could raise at its end
                lock.release()
            except RuntimeError:  # it is not ours: a handler has raised while we waited for it
                pass

    def _receive(self, sock: Any, wanted: int, timeout: float | None) -> Any:
        """What has come, up to so many bytes; as `read` does, it tries before it waits if that is likely to succeed."""
        if timeout and not self._waits:
            try:
                return read_fd(sock.fileno(), wanted)
            except BlockingIOError:
                self._waits = PATIENCE
        return self._wait_for_data(self._recv, sock, wanted, timeout) if timeout else self._recv(sock, wanted)

    def _receive_into(self, sock: Any, room: memoryview, timeout: float | None) -> Any:
        """The same into memory; how many bytes."""
        if timeout and not self._waits:
            try:
                return readv_fd(sock.fileno(), (room,))
            except BlockingIOError:
                self._waits = PATIENCE
        return self._wait_for_data(self._recv_into, sock, room, timeout) if timeout else self._recv_into(sock, room)

    def _wait_for_data(self, receive: Callable[[Any, Any], Any], sock: Any, what: Any, timeout: float) -> Any:
        """recv() or recv_into() of a socket with a timeout, which waits; from the second call within one read on, until
        the read's deadline.
        """
        if self._until is None:
            self._until = monotonic() + timeout
        else:
            wait_until_ready(sock, "read", self._until, READ_TIMEOUT)
        if self._direct:
            self._waits -= 1
        return receive(sock, what)

    def _last_of(self, size: int, out: memoryview | None) -> Any:
        """The rest of a record, with the data of whole records behind it, which select() does not see."""
        data: Any = self._records.take_plain(size)
        if out is not None:
            out[: len(data)] = data
            data = len(data)
        return self._with_rest(data, size, out) if self._records.ready else data

    def _read_record(self, sock: Any, size: int, out: memoryview | None, timeout: float | None, most: int) -> Any:
        """The fast path for a record of which part is here, or all, and for those that have come with it."""
        records = self._records
        buf, opener = records.gathered(), records.opener
        have = len(buf)
        while True:
            whole, wanted = 0, most - have
            if have >= HEADER:
                whole = HEADER + (buf[3] << 8 | buf[4])
                if have >= whole:
                    break
                if buf[0] != APPLICATION_DATA or whole > LONGEST + opener.expansion:
                    return self._read(sock, size, out, timeout)
                if whole > most:  # the rest of it, and the next header
                    if have == HEADER < most and whole == opener.last and whole == (places := opener.places).size:
                        return self._read_full(sock, size, out, timeout, most, places)
                    wanted = whole - have
                    if whole > SMALLEST:
                        wanted += HEADER
            piece = self._receive(sock, wanted, timeout)
            if not piece:
                self._at_end()
                return b"" if out is None else 0
            buf = records.add(piece)
            have = len(buf)
            if whole <= most:
                self._goes_on = len(piece) == wanted
        rest = have - whole
        if rest > HEADER and rest >= HEADER + (buf[whole + 3] << 8 | buf[whole + 4]):
            data: Any = records.open_several(buf, size)
        else:
            data = records.open_first(buf, whole, size)
        if not data:
            return self._read(sock, size, out, timeout)
        if out is not None:
            out[: len(data)] = data
            data = len(data)
        return self._with_rest(data, size, out) if records.ciphertext > HEADER and records.ready else data

    def _read_full(
        self, sock: Any, size: int, out: memoryview | None, timeout: float | None, most: int, places: Places
    ) -> Any:
        """The fast path for a full record behind another one, of which the header is here, in pieces."""
        records = self._records
        try:
            place = places.free.pop()
        except IndexError:
            place = places.new()
        try:
            count = self._receive_into(sock, place.rest, timeout)
            if not count:
                self._at_end()
                return b"" if out is None else 0
            data = records.open_full(place, count, size)
            if data is not None:
                if out is None:
                    return data.tobytes()
                out[:] = data
                return size
        finally:
            places.free.append(place)
        return self._read_record(sock, size, out, timeout, most)

    def _read_much(self, sock: Any, size: int, out: memoryview | None, timeout: float | None) -> Any:
        """The fast path for many records, which are buffered or come from the kernel."""
        records = self._records
        if not records.ready:
            most = size if out is None else size - 1  # of TLS 1.3 a byte more than the data is written
            wanted = self._wanted(records, most)
            room = records.room(wanted or 1)
            count = self._receive_into(sock, room, timeout)
            self._goes_on = count > SHORT
            records.commit(count)
        got = records.open_many(size, out)
        if not got:
            return self._read(sock, size, out, timeout)
        if not self._goes_on:  # little has come, and perhaps it is the last for long
            records.release()
        return self._with_rest(got, size, out) if records.ready else got

    def _read(self, sock: Any, limit: int, out: memoryview | None, timeout: float | None) -> Any:
        """The path that handles every case."""
        if timeout and self._until is None:
            self._until = monotonic() + timeout
        if self._records.control:  # a request of ours: the peer may be waiting for it, and we for the peer
            self._ask(sock, self._until)
        try:
            return self._read_on(SocketPort(self, sock, self._until, READ_TIMEOUT, timeout != 0.0), limit, out)
        finally:
            if not self._goes_on:  # else the next read fills it again
                self._records.release()

    def _ask(self, sock: Any, deadline: float | None) -> None:
        """Send a request that the peer has to answer, unless another thread is writing, which then sends it."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            if not self._in_write:
                self._in_write = True
                try:
                    self._flush(sock, deadline, READ_TIMEOUT)
                finally:
                    self._in_write = False
        finally:
            self._writing.release()

    def _fill(self, sock: Any, wanted: int, deadline: float | None, message: str) -> bool:
        """Receive from the kernel, by the deadline or else within the socket's timeout.  False if it has ended and that
        is accepted.
        """
        if self._records.truncated:
            raise eof_error(None)
        room = self._records.room(wanted or 1)
        try:
            if deadline is not None:
                wait_until_ready(sock, "read", deadline, message)
            count = self._recv_into(sock, room)
        except BlockingIOError:
            raise want_read() from None
        except TimeoutError:
            raise TimeoutError(message) from None
        if count:
            self._records.commit(count)
            self._goes_on = count > SHORT
            return True
        self._at_end()
        return False

    def pending(self) -> int:
        """How many bytes read() would return without asking the kernel; 1 if it would report the end, or an error.

        A blocking socket may have read close_notify together with data, and select() says nothing of it any more.
        """
        if not self._reading.acquire(blocking=False):
            return 0  # another thread is reading
        try:
            if self._in_read or self._records.nothing_hidden:
                return 0  # so are we; or there is nothing, and it is known already
            return self._conn.pending() or self._eof_to_report()
        except Abort:
            return self._eof_to_report()
        finally:
            if self._records.events:
                self._report()
            self._reading.release()

    # Closing

    def shutdown(self) -> Any:
        """Send close_notify, wait for the peer's, and leave the socket where the plaintext begins."""
        sock, conn = self._socket(), self._conn
        if not conn.established and not conn.failure:
            raise fault_error(faults.SHUTDOWN_WHILE_IN_INIT)
        self._check_end()
        timeout = sock.gettimeout()
        deadline = monotonic() + timeout if timeout else None
        try:
            with self._writing:
                if self._in_write:
                    raise reentered()
                try:
                    self._in_write = True
                    conn.close_notify()
                    self._flush(sock, deadline, WRITE_TIMEOUT)
                finally:
                    self._in_write = False
            with self._reading:
                if self._in_read:
                    raise reentered()
                try:
                    self._in_read = True
                    self._wait_for_goodbye(SocketPort(self, sock, deadline, READ_TIMEOUT))
                finally:
                    self._in_read = False
        except Abort as abort:
            self._send_control(sock)
            raise abort_error(abort) from abort.__cause__
        finally:
            self._after()
        return sock

    def end_early(self) -> None:
        """End a TLS 1.3 client that has not received its session tickets, before its socket is closed.

        If tickets are in the kernel's buffer, or come in the last moment, the kernel answers closing with a reset: the
        server would not see the end, and could lose what was sent last.  So the sending direction is ended first, and
        then the tickets are received.  This is not done after a fork, as another process may be using the connection.
        """
        conn, sock = self._conn, self._sock()
        if sock is None or conn.server_side or conn.version != TLS13 or self._records.close_received or conn.failure:
            return
        if conn.outcome.tickets == 0:  # none will come (RFC 9149)
            return
        if self._forks != Forks.count or conn.outcome.ticket is not None:
            return
        if not self._reading.acquire(blocking=False):
            return
        try:
            PLAIN.shutdown(sock, socket.SHUT_WR)
            if ready(sock, "read", 0):
                self._recv_into(sock, bytearray(MOST_TICKETS))
        except (OSError, ValueError):
            return  # it is closed already, or has too high a number for select()
        finally:
            self._reading.release()

    def leftover(self) -> bytes:
        """What was read beyond the peer's close_notify."""
        return self._records.leftover()
