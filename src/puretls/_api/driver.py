"""The driver: what a connection does with its bytes, whatever carries them.

`read` and `write` of a transport take its locks and go the fast path.  All that is not usual stands here once: the
handshake, reads that know every case, the end.  It works over a `Port`, which is a socket with the deadline of this
call, a pair of BIOs, or an asyncio transport, to which bytes come by themselves.

Who calls holds the direction: a reader its reading side, a handshake both.  Ciphertext that has come is in the record
layer and nowhere else, so a call may end anywhere, by an exception too, and another one goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from puretls._api import early_data
from puretls._api.errors import fault_error, zero_return
from puretls._api.sslconnection import _SSLSocket
from puretls._base import faults
from puretls._base.faults import Abort
from puretls._record.protection import HEADER, MAX_PLAINTEXT
from puretls._record.scratch import SPARE_SIZE

if TYPE_CHECKING:
    from puretls._record.layer import RecordLayer

MAX_RECORD = HEADER + MAX_PLAINTEXT + 2048  # RFC 5246 6.2.3


class Port(Protocol):
    """What carries the bytes of a connection, for one call."""

    reads_ahead: bool  # more than one record may be asked for, as what comes is returned by the same call
    asks: bool  # whether `fill` is of use to who tells it how much is wanted; else it brings all that has come

    def fill(self, wanted: int) -> bool:
        """Give the record layer what has come, `wanted` bytes of it or less; wait for it, or raise, if there is none.

        False if the transport has ended, and that is accepted.
        """

    def flush(self) -> None:
        """Take all that is sealed, or raise."""

    def at_end(self) -> None:
        """The peer has ended the connection in good order: what came behind that is not ours."""


class Driver(_SSLSocket):
    """A connection over some port."""

    __slots__ = ()

    def _shake(self, port: Port) -> None:
        """The handshake, until it is done."""
        handshake, records = self._conn.handshake, self._records
        while True:
            if not handshake.established:  # else the transport did not take our last flight
                self._advance()
            if records.has_news:
                port.flush()
            if handshake.established:
                return
            if records.close_received:
                raise zero_return()
            port.fill(self._conn.wanted() if port.asks else 0)

    def _read_early(self, port: Port, size: int) -> bytes:
        """Early data, as soon as there is some; b"" if no more comes."""
        conn, records = self._conn, self._records
        while True:
            if not conn.established:
                self._advance()
            if records.has_news:
                port.flush()
            if (data := early_data.here(conn, size)) or early_data.over(conn):
                return data
            if records.close_received:
                raise zero_return()
            port.fill(conn.wanted() if port.asks else 0)

    def _read_on(self, port: Port, limit: int, out: memoryview | None) -> Any:
        """A read that knows every case; what is opened is delivered before anything else is asked for."""
        conn, records = self._conn, self._records
        while True:
            if records.ready or records.failed or records.close_received:
                got = self._take(limit, out)
                if conn.request is not None:
                    self._advance()
                if records.has_news:
                    self._speak()
                if got:
                    if port.reads_ahead and records.ready:
                        return self._with_rest(got, limit, out)
                    records.arm_reading()
                    return got
                if records.close_received:
                    self._eof_reported = True
                    port.at_end()
                    if records.close_sent:
                        raise zero_return()
                    return b"" if out is None else 0
                if records.has_plain:
                    continue
            if not port.fill(self._wanted(records, limit) if port.reads_ahead else conn.wanted()):
                return b"" if out is None else 0

    def _wanted(self, records: RecordLayer, limit: int) -> int:
        """How many bytes a read of up to `limit` may take, if it returns all that comes whole."""
        wanted = records.wanted_by(min(limit, SPARE_SIZE))
        return wanted if wanted >= MAX_RECORD else max(wanted, self._conn.wanted())

    def _with_rest(self, got: Any, limit: int, out: memoryview | None) -> Any:
        """Behind this data there are whole records in our buffer, of which select() says nothing: they go with it."""
        conn, records = self._conn, self._records
        pieces = [got] if out is None else []
        have = len(got) if out is None else got
        try:
            while have < limit and records.ready and not (records.failed or records.close_received):
                more = self._take(limit - have, None if out is None else out[have:])
                if conn.request is not None:
                    self._advance()
                if out is None:
                    pieces.append(more or b"")
                have += len(more) if out is None else more
                if records.has_news:  # now, not with what comes next: answers do not depend on how the bytes arrive
                    self._speak()
                if not more and not records.has_plain:  # what else is there is not whole
                    break
        except Abort:  # for the next call, which raises it
            pass
        if records.has_news:
            self._speak()
        records.arm_reading()
        return b"".join(pieces) if out is None else have

    def _renegotiate(self, port: Port) -> bool:
        """Go on with the handshake inside this connection; whether it wants more after that.

        Who reads has to see data that came before, and the end, first.
        """
        records = self._records
        self._advance()
        if records.has_news:
            self._speak()
        if not records.renegotiating or records.has_plain or records.close_received:
            return False
        return port.fill(self._conn.wanted()) and records.renegotiating

    def _wait_for_goodbye(self, port: Port) -> None:
        """Until close_notify has come, and no data before it."""
        records = self._records
        while not records.close_received:
            self._advance()
            if records.has_plain:
                raise fault_error(faults.APPLICATION_DATA_AFTER_CLOSE_NOTIFY)
            if not records.close_received:
                self._speak()
                port.fill(records.missing())
        port.at_end()
