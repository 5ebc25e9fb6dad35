"""Sending: from the application to the plain transport.  Records are sealed and written at once, or gathered for one
iteration of the loop.

Most connections send one write for a request and one for its answer, and that goes out at once.  An application that
writes more often before it receives anything, such as the head and then the body of an answer, will probably do so
again: from then on its writes wait for the next iteration of the loop, and go out as one record by one system call.  If
only one write was waiting, gathering was useless; the connection stops it, and it takes longer until it is tried again.
A server begins with gathering.  In TLS 1.3 a client's Finished and a server's tickets wait as well (`_due`), behind the
tasks that the end of the handshake has woken, and go with the first data; close_notify goes with the last.  So a
connection for one question and its answer takes three writes of each side.

Data that cannot be sealed now (before the handshake is done, in a renegotiation, or in the middle of another write)
waits in the same place, `_backlog`, so writes keep their order.
"""

from __future__ import annotations

import asyncio
from asyncio import constants
from asyncio.log import logger
from collections.abc import Iterable
from typing import Any

from puretls._api.sslconnection import SMALL
from puretls._record.outbound import reclaim, seal_bulk
from puretls._record.protection import Sealer
from puretls.asyncio.link import CHUNK, Link
from puretls.asyncio.receiving import CREDIT, Receiving, water_marks
from puretls.asyncio.stages import HANDSHAKE, OPEN, Application

GATHERED = 1 << 16  # the most bytes that wait for the next iteration of the loop
MOST_CREDIT = 1 << 9
MOST_RECORDS = (CHUNK >> 14) + 1  # of a CHUNK
WRITE_HIGH: int = getattr(constants, "FLOW_CONTROL_HIGH_WATER_SSL_WRITE", 512)  # KiB; as above
WRITE_LIMITS = water_marks(None, None, WRITE_HIGH * 1024)


class Sending(Receiving):
    """The half of a TLS transport that the application writes to."""

    __slots__ = (
        "_backlog", "_backlog_size", "_closed", "_due", "_eof_written", "_gathered", "_goodbye_due", "_lost",
        "_lower_full", "_pushing", "_write_limits",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, link: Link) -> None:
        super().__init__(loop, link)
        self._backlog: list[bytes | memoryview] = []  # data that is not sealed yet
        self._backlog_size = 0
        self._due = b""  # records that were sealed before all others, and go with the next
        self._write_limits = WRITE_LIMITS
        self._gathered = GATHERED
        self._lower_full = self._pushing = self._goodbye_due = False
        self._closed = self._eof_written = False
        self._lost = 0  # writes after the end

    # For the transport to define

    def _begin_to_close(self) -> None:
        raise NotImplementedError

    def write(self, data: Any) -> None:
        """Send data; what the kernel does not take at once is sent later."""
        sealer = self._records.fast_sealer
        if sealer is None or type(data) is not bytes or not data or sealer.seq >= sealer.limit:
            self._write(data)
            return
        size = len(data)
        if size > SMALL:
            self._write_bulk(sealer, data)
        elif self._alone:
            self._alone -= 1
            try:
                self._transport.write(sealer.seal_data(data))
            except BaseException as error:
                self._link.interrupted(error)
                raise
        else:
            backlog = self._backlog
            if not backlog:
                self._loop.call_soon(self._push_gathered)
            backlog.append(data)
            self._backlog_size += size
            if self._backlog_size > self._gathered:
                self._push()

    def _push_gathered(self) -> None:
        """Send everything that was written in one iteration of the loop as one; a single write could have gone
        at once.
        """
        backlog, sealer = self._backlog, self._records.fast_sealer
        if not backlog or self._alone:
            if self._due:
                self._flush()
                if not self._link.server_side:
                    self._alone = self._credit
            return
        if len(backlog) > 1:
            self._credit = CREDIT
        else:
            self._alone = self._credit = min(2 * self._credit, MOST_CREDIT)
        if sealer is None or sealer.seq >= sealer.limit:
            self._push()
            return
        if self._backlog_size > SMALL:
            last = backlog.pop()
            self._backlog_size -= len(last)
            self._write_bulk(sealer, last)
            return
        data = b"".join(backlog)
        backlog.clear()
        self._backlog_size = 0
        try:
            record = sealer.seal_data(data)
            if self._due:
                record, self._due = self._due + record, b""
            self._transport.write(record)
        except BaseException as error:
            self._link.interrupted(error)
            raise
        if self._protocol_paused:
            self._control_writing()

    def _send_due_soon(self) -> None:
        """Send what ends the handshake when the tasks that were woken have run, if it does not go with their data."""
        if self._due:
            self._loop.call_soon(self._push_gathered)

    def _write_bulk(self, sealer: Sealer, data: bytes | memoryview) -> None:
        """Send data, with what waits in front of it, that is more than a record; nothing is copied but into records."""
        backlog, shape, waiting = self._backlog, sealer.shape, self._backlog_size
        if shape is None or waiting + len(data) > CHUNK or sealer.limit - sealer.seq < MOST_RECORDS:
            self._write(data)
            return
        if self._alone:
            self._alone -= 1
        if self._due:
            self._flush()
        front = b""
        if backlog:
            if waiting < SMALL:
                front = b"".join(backlog)
            else:
                data = b"".join((*backlog, data))
            backlog.clear()
            self._backlog_size = 0
        transport = self._transport
        try:
            sealed, memory = seal_bulk(sealer, shape, front, memoryview(data))
            transport.write(sealed)
        except BaseException as error:
            self._link.interrupted(error)
            raise
        if not transport.get_write_buffer_size():
            reclaim(memory)
        if self._protocol_paused:
            self._control_writing()

    def _write(self, data: Any) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data: expecting a bytes-like instance, got {type(data).__name__}")
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._stage not in (HANDSHAKE, OPEN) or self._closed:
            if self._lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                logger.warning("SSL connection is closed")
            self._lost += 1
            return
        view = memoryview(data)
        if view.format != "B" or view.ndim != 1:
            view = view.cast("B")
        if self._alone:
            self._alone -= 1
        if self._pushing or not self._link.may_write():
            view = memoryview(bytes(view))  # a copy, as it is kept
        self._backlog.append(view)
        self._backlog_size += len(view)
        self._push()

    def _push(self) -> None:
        """Seal the data that waits, in order."""
        link, backlog = self._link, self._backlog
        if self._due:
            self._flush()
        if backlog and not self._pushing and link.may_write():
            self._pushing = True
            try:
                while backlog and self._transport is not None and link.may_write():
                    if len(backlog) > 1 and self._backlog_size <= CHUNK:
                        backlog[:] = [memoryview(b"".join(backlog))]
                    data = backlog.pop(0)
                    self._backlog_size -= len(data)
                    link.send(memoryview(data), self._transport)
            except Exception as error:  # noqa: BLE001  # as asyncio
                self._fatal_error(error, "Fatal error on SSL protocol")
            finally:
                self._pushing = False
            if self._records.fast_sealer is None and self._stage == OPEN:
                self._flush()
                if not self._closed:
                    link.arm()
            if self._goodbye_due and not backlog:
                self._goodbye_due = False
                self._begin_to_close()
        if self._backlog_size or self._protocol_paused:
            self._control_writing()

    def _flush(self) -> None:
        """Send what the engine has for the peer: handshake messages, alerts, answers."""
        data = self._link.take()
        if self._due:
            data, self._due = self._due + data, b""
        if data and self._transport is not None:
            self._transport.write(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send all of this."""
        parts = [*list_of_data]
        last = parts[-1] if len(parts) > 1 else b""
        if type(last) is bytes and len(last) > SMALL and self._records.fast_sealer is not None:
            front = b"".join(parts[:-1])
            if front:  # goes with the rest, whichever way that goes
                self._backlog.append(front)
                self._backlog_size += len(front)
            self.write(last)
        else:
            self.write(b"".join(parts))

    # Flow control of what is sent

    def pause_writing(self) -> None:
        """The plain transport has too much to send."""
        self._lower_full = True
        self._control_writing()

    def resume_writing(self) -> None:
        """The plain transport can take more."""
        self._lower_full = False
        self._control_writing()

    def _control_writing(self) -> None:
        high, low = self._write_limits
        full = self._lower_full or self._backlog_size > (low if self._protocol_paused else high)
        if full == self._protocol_paused or self._app_stage not in (Application.CONNECTED, Application.ENDED):
            return
        self._protocol_paused = full
        name = "pause_writing" if full else "resume_writing"
        try:
            getattr(self._app, name)()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # as asyncio
            self._loop.call_exception_handler(
                {"message": f"protocol.{name}() failed", "exception": error, "transport": self, "protocol": self._app}
            )

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Pause the application when more than `high` bytes wait, and resume it when no more than `low` do."""
        self._write_limits = water_marks(high, low, WRITE_HIGH * 1024)
        self._gathered = min(GATHERED, self._write_limits[0])
        if self._transport is not None:
            self._limit_lower()
        self._control_writing()

    def _limit_lower(self) -> None:
        high, low = self._write_limits
        self._transport.set_write_buffer_limits(high=high, low=low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low and the high limit."""
        high, low = self._write_limits
        return low, high

    def get_write_buffer_size(self) -> int:
        """How many bytes wait to be sent."""
        return self._backlog_size + (0 if self._transport is None else self._transport.get_write_buffer_size())
