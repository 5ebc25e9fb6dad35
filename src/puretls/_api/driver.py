"""The driver: the operations of a connection, over any transport.

`read` and `write` of a transport take its locks and try the fast path.  Everything else is here, once for all
transports: the handshake, the reads that handle every case, the end.  The driver works over a `Port`, which is a socket
with the deadline of the current call, a pair of BIOs, or an asyncio transport, which delivers bytes by itself.

The caller holds the direction: the reading side for a read, both sides for a handshake.  All ciphertext that was
received is in the record layer, so a call may end anywhere, also by an exception, and the next call continues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from puretls._api import early_data
from puretls._api.errors import SSLWantAnswerError, fault_error, zero_return
from puretls._api.sslconnection import _SSLSocket
from puretls._base import faults
from puretls._base.faults import Abort
from puretls._record.protection import HEADER, MAX_PLAINTEXT
from puretls._record.scratch import AT_ONCE

if TYPE_CHECKING:
    from puretls._record.layer import RecordLayer

MAX_RECORD = HEADER + MAX_PLAINTEXT + 2048  # RFC 5246 6.2.3


class Port(Protocol):
    """The transport of a connection, for the length of one call."""

    reads_ahead: bool  # `fill` may bring more than one record, as the same call returns all their data
    asks: bool  # `fill` uses `wanted`; otherwise it brings everything that was received

    def fill(self, wanted: int) -> bool:
        """Receive up to `wanted` bytes into the record layer; if there are none, wait for them or raise.

        False if the transport has ended and that is accepted.
        """

    def flush(self) -> None:
        """Send everything that is sealed, or raise."""

    def at_end(self) -> None:
        """The peer has sent close_notify: bytes behind it belong to the application."""


class Driver(_SSLSocket):
    """A connection over any port."""

    __slots__ = ()

    def _shake(self, port: Port) -> None:
        """Run the handshake until it is done."""
        conn, records = self._conn, self._records
        handshake = conn.handshake
        while not handshake.established:  # otherwise only our last flight is still to be sent
            self._advance()
            if handshake.established:
                break
            port.flush()
            if records.close_received:
                raise zero_return()
            port.fill(conn.wanted() if port.asks else 0)
        port.flush()

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
        """Read, whatever was received; data that is opened is returned before more is received."""
        conn, records = self._conn, self._records
        while True:
            if records.ready or records.failed or records.close_received:
                got = self._take(limit, out)
                if conn.request is not None:
                    self._advance()
                if records.has_news:
                    self._send_pending()
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
        """How many bytes may be received for a read of up to `limit`, so that it returns all records that come
        whole.
        """
        wanted = records.wanted_by(min(limit, AT_ONCE))
        return wanted if wanted >= MAX_RECORD else max(wanted, self._conn.wanted())

    def _with_rest(self, got: Any, limit: int, out: memoryview | None) -> Any:
        """Return this data with that of the whole records behind it: they are in our buffer, where select() does not
        see them.
        """
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
                if records.has_news:  # sent now, so that answers do not depend on how the bytes arrive
                    self._send_pending()
                if not more and not records.has_plain:  # no whole record is left
                    break
        except (Abort, SSLWantAnswerError):  # the next call raises it
            pass
        if records.has_news:
            self._send_pending()
        records.arm_reading()
        return b"".join(pieces) if out is None else have

    def _renegotiate(self, port: Port) -> bool:
        """Continue a renegotiation; whether it needs more input.

        A read has to return the data, or the end, that came before it first.
        """
        records = self._records
        self._advance()
        if records.has_news:
            self._send_pending()
        if not records.renegotiating or records.has_plain or records.close_received:
            return False
        return port.fill(self._conn.wanted()) and records.renegotiating

    def _wait_for_goodbye(self, port: Port) -> None:
        """Receive until close_notify has come; data before it is an error."""
        records = self._records
        while not records.close_received:
            self._advance()
            if records.has_plain:
                raise fault_error(faults.APPLICATION_DATA_AFTER_CLOSE_NOTIFY)
            if not records.close_received:
                self._send_pending()
                port.fill(records.missing())
        port.at_end()
