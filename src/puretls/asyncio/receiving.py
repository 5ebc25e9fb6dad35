"""Receiving: from the plain transport to the application.  Ciphertext is received into shared memory, and decrypted
there.

While nothing but data comes, the records in one buffer are decrypted in a loop, straight into the memory of a
BufferedProtocol, or into one `bytes` for data_received().  Everything else goes through the engine's own buffer, in
`_read`.  The beginning of a record that has not come whole is kept as `_rest`, and put in front of what comes next.

While the application is called, nothing that is needed later lies in shared memory (see `memory`).
"""

from __future__ import annotations

import asyncio
from asyncio import transports
from asyncio.log import logger
from typing import Any

from puretls._base.faults import Abort
from puretls.asyncio.link import Link
from puretls.asyncio.memory import RECEIVE, SLACK, Memory
from puretls.asyncio.stages import CLOSED, CLOSING, HANDSHAKE, NEW, OPEN, Application

CREDIT = 2  # writes in a row after which it pays to gather them
SHORT = 1 << 12  # bytes that are cheaper to copy than to open in place


def water_marks(high: int | None, low: int | None, default: int) -> tuple[int, int]:
    """The limits of a buffer, with asyncio's defaults."""
    if high is None:
        high = default if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return high, low


class Receiving(transports._FlowControlMixin, asyncio.BufferedProtocol):
    """The half of a TLS transport that is the protocol of the plain one.  (asyncio's sendfile() needs the mixin.)"""

    __slots__ = (
        "_alone", "_app", "_app_stage", "_buffered", "_credit", "_early", "_ended", "_keeps", "_link", "_lower_paused",
        "_memory", "_odd", "_read_high", "_read_low", "_reading_paused", "_records", "_rest", "_stage", "_transport",
    )  # fmt: skip

    _loop: asyncio.AbstractEventLoop
    _memory: Memory
    _protocol_paused: bool  # whether the application was paused

    def __init__(self, loop: asyncio.AbstractEventLoop, link: Link) -> None:
        super().__init__(None, loop)
        self._link = link
        self._records = link._records  # for the first lines of reads and writes
        self._stage = NEW
        self._app: Any = None
        self._app_stage = Application.NEW
        self._buffered = False  # the application's protocol is a BufferedProtocol
        self._keeps = True  # the application may keep what data_received() gets
        self._transport: Any = None  # the plain one
        self._rest = b""  # ciphertext that was received and not decrypted
        self._read_high = self._read_low = 0
        self._reading_paused = self._lower_paused = False
        self._alone = self._credit = CREDIT  # how many writes go out at once before anything comes; 0: all are gathered
        self._early = False  # the application's protocol takes early data
        self._ended = False  # the peer has ended the plain connection
        self._odd = True  # the memory is not the shared one, or the application has paused reading

    # For the transport to define

    def _fatal_error(self, exc: BaseException | None, message: str = "") -> None:
        raise NotImplementedError

    def _handshake(self) -> None:
        raise NotImplementedError

    def _flush(self) -> None:
        raise NotImplementedError

    def _push(self) -> None:
        raise NotImplementedError

    def _send_due_soon(self) -> None:
        raise NotImplementedError

    def _peer_has_ended(self) -> None:
        raise NotImplementedError

    # The plain transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """The memory for the plain transport to receive into."""
        del sizehint
        if self._rest:
            return self._behind_the_rest()
        return self._memory.receive

    def _behind_the_rest(self) -> memoryview:
        memory, rest = self._memory, self._rest
        size = len(rest)
        if memory.private or size > SLACK:
            return memory.receive
        memory.view[:size] = rest
        return memory.view[size : size + RECEIVE]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were received into that memory."""
        memory = self._memory
        opener = self._records.fast_opener
        if self._alone:
            self._alone = self._credit
        if opener is None or self._odd:
            self._take(nbytes)
            return
        try:
            if self._rest:
                if len(self._rest) > SLACK:
                    self._take(nbytes)
                    return
                nbytes += len(self._rest)  # it lies in front
                self._rest = b""
            if nbytes <= SHORT and not self._buffered:
                data = opener.open_data(memory.buf, nbytes)
                if data:
                    self._app.data_received(data)
                    return
            if self._buffered:
                pos = got = 0
            else:
                pos, got = opener.open_many(memory.buf, memory.view, 0, nbytes, memory.plain)
                if pos == nbytes:
                    plain = memory.plain[:got]
                    self._app.data_received(bytes(plain) if self._keeps else plain)
                    return
            tail = self._open(memory.buf, memory.view, pos, nbytes, got)
            if tail:
                self._receive(tail)
        except Abort as abort:
            self._broken(abort)
        except Exception as error:  # noqa: BLE001  # as asyncio: the connection ends, the loop goes on
            self._fatal_error(error, "Fatal error on SSL protocol")

    def _take(self, count: int) -> None:
        """The same, when something unusual is going on."""
        memory, rest = self._memory, self._rest
        if memory.private or len(rest) > SLACK:
            data = rest + bytes(memory.view[:count])
        else:
            data = bytes(memory.view[: len(rest) + count])
        self._rest = b""
        if self._reading_paused and self._stage == OPEN:
            self._hold(data)
        else:
            self._open_all(data)

    def _open_all(self, data: bytes) -> None:
        """Deliver what this is, by the fast path if that is armed."""
        opener = self._records.fast_opener
        if opener is None:
            self._receive(data)
            return
        try:
            if len(data) <= SHORT and not self._buffered:
                plain = opener.open_data(data, len(data))
                if plain:
                    self._app.data_received(plain)
                    return
            tail = self._open(data, memoryview(data), 0, len(data), 0)
            if tail:
                self._receive(tail)
        except Abort as abort:
            self._broken(abort)
        except Exception as error:  # noqa: BLE001  # as above
            self._fatal_error(error, "Fatal error on SSL protocol")

    def _read_held(self) -> None:
        """Deliver what has come with the end of the handshake, or while the application had paused."""
        link = self._link
        rest, self._rest = self._rest, b""
        if link.opened() or self._reading_paused:
            if rest:
                link.receive(rest)
            self._read()
            return
        data = link.leftover() + rest
        if data:
            link.arm()
            self._open_all(data)
        else:
            self._read()

    # Opening

    def _open(self, buf: bytes | bytearray, view: memoryview, pos: int, end: int, got: int) -> bytes:
        """Deliver the data of the records at `buf[pos:end]` to the application, and return what the fast path cannot
        handle.

        The first `got` bytes of data are in memory already.
        """
        link, memory = self._link, self._memory
        while True:
            opener = self._records.fast_opener
            if opener is None or self._reading_paused:
                return bytes(view[pos:end])
            data: bytes | memoryview = b""
            if got:
                at, data = pos, memory.plain[:got]
            elif self._buffered:
                room = self._room(end - pos)
                at, got = opener.open_many(buf, view, pos, end, room)
                if not got:  # the record does not fit, or is none
                    at, got = opener.open_many(buf, view, pos, end, memory.plain[: SLACK >> 1 | 1])
                    data = memory.plain[:got]
            else:
                at, got = opener.open_many(buf, view, pos, end, memory.plain)
                data = memory.plain[:got]
            if self._keeps:
                data = bytes(data)
            pos = at
            rest = bytes(view[pos:end]) if pos != end else b""
            incomplete = rest and link.incomplete(rest)
            if incomplete:
                self._rest = rest
            if data:
                self._deliver(data)
            elif got:
                self._app.buffer_updated(got)
            if not rest or incomplete:
                return b""
            if not got:
                return rest
            buf, view, pos, end, got = rest, memoryview(rest), 0, len(rest), 0

    def _room(self, size: int) -> memoryview:
        buffer = self._app.get_buffer(size)
        room = memoryview(buffer)
        if not room.nbytes:
            raise RuntimeError("get_buffer() returned an empty buffer")
        return room if room.format == "B" and room.ndim == 1 else room.cast("B")

    def _deliver(self, data: bytes | memoryview) -> None:
        """Deliver data to the application's current protocol."""
        if not self._buffered:
            self._app.data_received(data)
            return
        left = memoryview(data)
        while left and self._stage == OPEN:
            if self._reading_paused:
                self._link.keep(bytes(left))
                return
            if not self._buffered:  # another protocol
                self._app.data_received(bytes(left))
                return
            room = self._room(len(left))
            size = min(len(left), len(room))
            room[:size] = left[:size]
            left = left[size:]
            self._app.buffer_updated(size)

    def _deliver_early(self) -> None:
        """Early data to the application, which gets its transport before it, and before the handshake is done."""
        link = self._link
        while not self._reading_paused and self._stage in (HANDSHAKE, OPEN) and (data := link.early_data()):
            try:
                if self._app_stage is Application.NEW:
                    self._app_stage = Application.CONNECTED
                    self._app.connection_made(self)
                self._app.early_data_received(data)
            except Exception as error:  # noqa: BLE001  # as asyncio: the connection ends, the loop goes on
                self._fatal_error(error, "Fatal error: protocol.early_data_received() call failed.")
        if self._stage == OPEN and not self._reading_paused:
            self._early = False

    # The path that handles every case

    def _receive(self, data: bytes) -> None:
        """Receive any bytes, at any stage."""
        stage = self._stage
        if stage == CLOSED or (self._link.peer_has_ended and stage != HANDSHAKE):
            return
        if self._reading_paused and stage == OPEN:
            self._hold(data)
            return
        link = self._link
        link.receive(data)
        if link.waits:  # the handshake waits for an answer; what comes meanwhile is kept, up to a limit
            if link.held() > SLACK:
                self._pause_lower()
        elif stage == HANDSHAKE:
            self._handshake()
        else:
            self._read()

    def _read(self) -> None:
        """Deliver what the engine has received, until there is no more or the application has paused."""
        link, memory = self._link, self._memory
        try:
            while self._stage == CLOSING or (self._stage == OPEN and not self._reading_paused):
                got = link.open_into(memory.plain)
                if got:
                    if self._stage == OPEN:
                        self._deliver(bytes(memory.plain[:got]))
                elif not link.opened():
                    break
        except Exception as error:  # noqa: BLE001  # as asyncio: the connection ends, the loop goes on
            self._flush()
            self._fatal_error(error, "Fatal error on SSL protocol")
            return
        if self._stage == CLOSED:
            return
        self._flush()
        if link.peer_has_ended and not link.opened():
            self._peer_has_ended()
            return
        if self._stage == OPEN:
            if not self._reading_paused and not link.opened():
                self._rest = link.leftover() + self._rest
            link.arm()
        self._push()

    def _broken(self, abort: Abort) -> None:
        error = self._link.broken(abort)
        self._flush()
        self._fatal_error(error, "Fatal error on SSL protocol")

    # Pausing: the plain transport is paused only when more has come, as the application usually resumes before that

    def is_reading(self) -> bool:
        """Whether data is delivered when it comes."""
        return not self._reading_paused

    def pause_reading(self) -> None:
        """Deliver no data until resume_reading()."""
        self._reading_paused = self._odd = True

    def resume_reading(self) -> None:
        """Deliver data again."""
        if self._reading_paused:
            self._reading_paused = False
            self._see_whether_odd()
            if self._early:
                self._loop.call_soon(self._deliver_early)
            if self._rest or self._lower_paused or self._ended or self._link.held():
                self._loop.call_soon(self._read_again)

    def _see_whether_odd(self) -> None:
        self._odd = self._reading_paused or self._transport is None or self._memory.private

    def set_read_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how much may be received while the application pauses, before the plain transport is paused as well."""
        self._read_high, self._read_low = water_marks(high, low, 0)

    def get_read_buffer_limits(self) -> tuple[int, int]:
        """The low and the high limit."""
        return self._read_low, self._read_high

    def get_read_buffer_size(self) -> int:
        """How many bytes have come and were not delivered."""
        return len(self._rest) + self._link.held()

    def _hold(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) > self._read_high:
            self._pause_lower()

    def _pause_lower(self) -> None:
        if not self._lower_paused and self._transport is not None:
            self._lower_paused = True
            self._transport.pause_reading()

    def _resume_lower(self) -> None:
        if self._lower_paused and self._transport is not None:
            self._lower_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _read_again(self) -> None:
        """The application has resumed: deliver what is here, and then what comes."""
        if not self._reading_paused and self._stage == OPEN:
            self._read_held()
            if self._ended and not self._reading_paused and self._stage == OPEN:
                self._eof()
            if not self._reading_paused:
                self._resume_lower()
        self._send_due_soon()

    def _eof(self) -> bool:
        raise NotImplementedError

    def _call_eof_received(self) -> bool:
        """Call eof_received() of the application, once; whether it wants to continue sending."""
        if self._app_stage is not Application.CONNECTED:
            return False
        self._app_stage = Application.ENDED
        try:
            return bool(self._app.eof_received())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # as asyncio
            self._fatal_error(error, "Error calling eof_received()")
            return False

    def _debug(self, text: str) -> None:
        if self._loop.get_debug():
            logger.debug(text, self)
