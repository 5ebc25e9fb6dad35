"""The record layer as transports use it: the fast path, and what is buffered.

The fast path.  Most messages are one record that comes, or goes, alone.  While nothing but data comes and goes,
`fast_opener` and `fast_sealer` are armed, and transports need nothing else for such a record.  Anything but data
disarms them where it happens, in `layer`; after something unusual, its caller asks whether they can be armed again.

- Only the holder of a direction arms it (`arm_reading`, `arm_writing`).  Anybody may disarm it, after the change that
  makes it wrong.
- A sequence number is consumed before it is used.
- All ciphertext that was received is in `inbound`, including the beginning of the next record: so the fast path may be
  left anywhere.  A record leaves `inbound` when it has been opened, and its data is returned or put there in the same
  step.
- No whole record is hidden from select(): see `wanted` and `wanted_by`.  Plaintext that is left over, which select()
  does not see either, may wait while a socket's reads are armed: they begin with it, and pending() counts it.

Transports use the fields of `inbound` and `outbound` only in the first lines of their reads and writes, where a call
would cost as much as all the rest; `tests/test_layers.py` has the list.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from puretls._base.events import Event
from puretls._base.registry import ALERT, APPLICATION_DATA, TLS10, TLS12, TLS13
from puretls._crypto.kdf import Digest
from puretls._crypto.suites import Suite
from puretls._record.inbound import Inbound
from puretls._record.outbound import Buffer, Outbound
from puretls._record.places import Place
from puretls._record.protection import HEADER, MAX_PLAINTEXT, Opener, Sealer

SMALLEST = 5 + 2 + 1 + 16  # bytes of a record of TLS 1.3 that may hold an alert

Message = bytes | Callable[[Digest, bytes], bytes]  # a message, or a function of the hash and the write secret
# What waits to be sealed: a record, such a message, the next keys, or None for a KeyUpdate
Pending = tuple[int, bytes] | Callable[[Digest, bytes], bytes] | Sealer | None


class TransportSide:
    """The fields of a record layer, and what concerns transports."""

    __slots__ = (
        "ccs_due",
        "close_received",
        "close_sent",
        "control",
        "control_size",
        "control_unsent",
        "epoch",
        "events",
        "failed",
        "fast_opener",
        "fast_sealer",
        "flight",
        "handshaking",
        "inbound",
        "messages",
        "outbound",
        "own_limit",
        "read_secret",
        "reads_early_data",
        "renegotiating",
        "suite",
        "takes_data",
        "truncated",
        "two_threads",
        "update_awaited",
        "update_requested",
        "warnings",
        "watched",
        "write_secret",
    )

    suite: Suite  # of TLS 1.3; missing until there are keys

    def __init__(self, server_side: bool, watched: bool = False) -> None:
        self.inbound = Inbound(server_side)
        self.outbound = Outbound(TLS12 if server_side else TLS10)
        self.events: list[Event] = []  # what the driver has to report
        self.watched = watched  # somebody wants to know of each message and each secret
        self.handshaking = True  # the first handshake is not done, and no other thread can be sending
        self.two_threads = False  # after it the receiving thread may not seal, as another one may be sending
        self.renegotiating = False  # nothing is written until that is over: servers do not expect data in between
        self.takes_data = False  # the engine's state accepts application data
        self.close_sent = False
        self.close_received = False
        self.truncated = False  # the transport has ended without close_notify
        self.failed = False
        self.fast_opener: Opener | None = None
        self.fast_sealer: Sealer | None = None
        self.flight: list[bytes] = []  # handshake messages that are sealed together
        self.ccs_due = False  # a change_cipher_spec goes before the next flight or alert
        self.control: deque[Pending] = deque()
        self.control_size = 0  # bytes in `control`
        self.control_unsent = 0  # bytes of it that were sealed and may wait still
        self.update_requested = False  # by the peer: a KeyUpdate of ours goes before the next data
        self.update_awaited = False  # we have asked for a KeyUpdate of the peer
        self.epoch = 0  # how often our keys were renewed
        self.warnings = 0  # alerts since the peer's last data
        self.messages = 0  # messages that cost us work, since then
        self.own_limit = MAX_PLAINTEXT  # of the peer's records (RFC 8449)
        self.reads_early_data = False
        self.read_secret = self.write_secret = b""  # of TLS 1.3, from here on

    # The fast path

    def arm_reading(self) -> None:
        """Arm reading, for the holder of the receiving side, if nothing but data is expected next."""
        inbound = self.inbound
        self.fast_opener = inbound.opener  # before the conditions, as other threads disarm after changing one of them
        if (
            not self.takes_data
            or (inbound.start != inbound.end and not self.two_threads)  # a socket's reads begin with what is buffered
            or self.close_received
            or inbound.plain
            or inbound.hs
            or inbound.plain_limit != MAX_PLAINTEXT
            or self.control  # read() sends it first
            or inbound.empty_records + self.warnings + self.messages  # counters that data has to reset
        ):
            self.fast_opener = None

    def arm_writing(self) -> None:
        """Arm writing, for the holder of the sending side, if nothing has to be done before data is sealed."""
        outbound = self.outbound
        self.fast_sealer = outbound.sealer  # before the conditions, too
        if self.busy or self.events or outbound.fragment != MAX_PLAINTEXT:
            self.fast_sealer = None

    def arm(self) -> None:
        """Arm both, for the holder of both directions."""
        self.arm_reading()
        self.arm_writing()

    def disarm(self) -> None:
        """Disarm both directions."""
        self.fast_opener = self.fast_sealer = None

    @property
    def busy(self) -> bool:
        """Whether anything has to happen before data is sealed, or none may be."""
        outbound = self.outbound
        return bool(
            self.handshaking
            or self.failed
            or self.truncated
            or self.close_sent
            or self.renegotiating
            or self.control
            or self.update_requested
            or outbound.end
            or outbound.ramp
        )

    # What transports may read

    def wanted(self) -> int:
        """How many bytes the transport may read without hiding a whole record from select()."""
        inbound = self.inbound
        missing, start = inbound.wanted(), inbound.start
        size = inbound.end - start + missing
        if size <= 5 or inbound.buf[start] == ALERT or (size <= SMALLEST and inbound.version == TLS13):
            return missing  # a header; or perhaps close_notify, after which nothing may be taken from the transport
        return missing + 5

    # Questions of the transports' drivers

    @property
    def has_news(self) -> bool:
        """Whether there is anything to send, or any event to report."""
        return bool(self.control or self.outbound.end or self.events)

    @property
    def has_plain(self) -> bool:
        """Whether there is decrypted data that was not delivered."""
        return bool(self.inbound.plain)

    @property
    def ciphertext(self) -> int:
        """How many bytes of ciphertext are buffered."""
        return self.inbound.end - self.inbound.start

    @property
    def undelivered(self) -> int:
        """How many bytes are buffered, decrypted or not."""
        inbound = self.inbound
        return inbound.end - inbound.start + len(inbound.plain) - inbound.plain_at

    @property
    def ready(self) -> bool:
        """Whether there is something to process: decrypted data, or a record to open."""
        return bool(self.inbound.plain) or self.inbound.ready()

    @property
    def nothing_hidden(self) -> bool:
        """Whether it is known without opening anything that there is nothing to read."""
        inbound = self.inbound
        return self.fast_opener is not None and inbound.start == inbound.end and not inbound.plain

    def take_plain(self, size: int) -> bytes:
        """At most so many bytes of the decrypted data."""
        return self.inbound.take(size)

    def short_record(self) -> bytes | None:
        """Take out the buffered ciphertext if it is one whole, short record, for `open_alone`."""
        return self.inbound.short_record()

    def next_is_longer_than(self, size: int) -> bool:
        """Whether the next record is whole, and longer than that."""
        return self.ciphertext > size and self.inbound.longer_than(size)

    def open_many(self, size: int, out: memoryview | None) -> bytes | int:
        """Decrypt all whole records that are buffered, as far as their data fits; for the fast path."""
        return self.inbound.open_many(size, out)

    @property
    def opener(self) -> Opener:
        """The keys of the receiving direction."""
        return self.inbound.opener

    def gathered(self) -> bytes:
        """All ciphertext that is buffered, as `bytes`."""
        return self.inbound.gathered()

    def add(self, piece: bytes) -> bytes:
        """Put a piece behind what is `gathered`: all of it now."""
        inbound = self.inbound
        both: bytes = inbound.buf + piece  # type: ignore[assignment]  # no bytearray, as it is gathered
        inbound.buf, inbound.view, inbound.end = both, both, len(both)  # no call in between, as in all of these
        return both

    def open_first(self, buf: bytes, whole: int, size: int) -> bytes | None:
        """Decrypt the first record of what is `gathered`; its data is kept as far as it does not fit."""
        inbound = self.inbound
        left = buf[whole:]
        data = inbound.opener.open_data(buf, whole)
        if data:
            inbound.plain, inbound.buf, inbound.view, inbound.end = data, left, left, len(left)
            if len(data) > size:
                inbound.plain_at = size
                return data[:size]
            inbound.plain = b""
        return data

    def open_several(self, buf: bytes, size: int) -> bytes:
        """Decrypt the whole records of what is `gathered`, as far as their data fits."""
        inbound = self.inbound
        end, found = inbound.opener.open_each(buf, len(buf), size)
        left = buf[end:]
        inbound.buf, inbound.view, inbound.end = left, left, len(left)
        return b"".join(found)

    def open_full(self, place: Place, count: int, size: int) -> memoryview | None:
        """Decrypt a record of which the header is `gathered`, and `count` bytes were received into the place: the first
        `size` bytes of its data, in the place, while the rest is kept.

        None if that is not a whole record, or something else: all of it is buffered then.
        """
        inbound = self.inbound
        header, opener = inbound.gathered(), inbound.opener
        missing = place.size
        if count < missing or not opener.open_full(place, header):
            self.add(bytes(place.rest[:count]))
            return None
        data, left = place.data, place.rest[missing:count].tobytes()
        inbound.plain, inbound.buf, inbound.view, inbound.end = data[size:].tobytes(), left, left, len(left)
        return data[:size]

    def lend(self) -> tuple[memoryview | bytes, bytes | Buffer]:
        """All ciphertext that waits, for a transport that may keep a reference to it; and the memory for `reclaim` if
        it has not.
        """
        return self.outbound.lend()

    def begins_data(self, data: bytes) -> bool:
        """Whether this is the beginning of a record of application data, of which the rest is still to come."""
        have = len(data)
        if have < HEADER:
            return True
        size = data[3] << 8 | data[4]
        most = MAX_PLAINTEXT + self.inbound.opener.expansion
        return data[0] == APPLICATION_DATA and have < HEADER + size and size <= most

    def leftover(self) -> bytes:
        """Take out the ciphertext that was not opened: after close_notify it belongs to the application."""
        return self.inbound.leftover() if self.ciphertext else b""

    def room(self, size: int) -> memoryview:
        """Memory to receive so many bytes into; `commit` tells how many were received."""
        return self.inbound.room(size)

    def release(self) -> None:
        """Release the memory of what is received, if nothing is there."""
        self.inbound.release()

    def commit(self, count: int) -> None:
        """So many bytes were received into `room`."""
        self.inbound.commit(count)

    def missing(self) -> int:
        """How many bytes of the current record, or of its header, are missing."""
        return self.inbound.wanted()

    def wanted_by(self, size: int) -> int:
        """How many bytes may be received at once for a read of up to `size`, so that no whole record is left behind.

        It has room for the overhead of as many full records as fit `size`.  Fewer records have less data, and more
        records have more overhead.  Where a single record may be longer, it has room for that of two: two that do not
        fit are longer, and of one that does not fit data is left anyway.  Of several full records no part of another
        one is asked for: it would only have to be moved.
        """
        inbound, full = self.inbound, size // MAX_PLAINTEXT
        if full > 1:
            size = full * MAX_PLAINTEXT
        return size + (full or 2) * inbound.opener.overhead - (inbound.end - inbound.start)

    @property
    def has_data_to_send(self) -> bool:
        return bool(self.control) or self.outbound.start != self.outbound.end
