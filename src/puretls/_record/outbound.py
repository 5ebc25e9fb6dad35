"""The sending half of the record layer: fragmenting, sealing, and the queue of ciphertext (RFC 8446 5.1, RFC 5246 6.2).

A record is sealed once.  Its ciphertext stays here until the transport has taken all of it, whatever the caller does in
between, so no plaintext is ever encrypted twice under one nonce.  All calls of one Outbound happen under one lock,
which the transport holds while it sends, so that records leave in the order of their sequence numbers.
"""

from __future__ import annotations

from puretls._base.registry import TLS10, TLS11, TLS12, TLS13
from puretls._record.protection import MAX_PLAINTEXT, Bytes, Frame, NullSealer, Sealer, Shape

KEEP = 4096  # a buffer larger than this is lent out by the pool and goes back once it is empty
POOLED = 8

NOTHING = memoryview(b"")
UNSEALED = {version: NullSealer(min(version, TLS12)) for version in (TLS10, TLS11, TLS12, TLS13)}  # by what is spoken


class Buffer:
    """Memory to seal in, with the places of full records in it."""

    __slots__ = ("_frames", "view")

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
        self._frames: dict[Shape, list[Frame]] = {}

    def frames(self, shape: Shape) -> list[Frame]:
        """The places of full records of this shape, from the beginning."""
        found = self._frames.get(shape)
        if found is None:
            found = self._frames[shape] = shape.frames(self.view)
        return found


_pool: list[Buffer] = []  # all of one size or more; pop and append are atomic


class Outbound:
    """The sending half of a connection's record layer."""

    __slots__ = ("buf", "end", "fragment", "ramp", "sealer", "start", "view")

    def __init__(self, version: int) -> None:
        self.sealer: Sealer = UNSEALED[version]
        self.fragment = MAX_PLAINTEXT  # bytes of plaintext in a record; the peer's record_size_limit (RFC 8449)
        self.ramp = 0  # bytes of data that are still to be sent in small records
        self.buf: bytes | Buffer = b""  # a bytes object for one record or a few small ones
        self.view: memoryview | bytes = NOTHING  # of it
        self.start = self.end = 0

    def put(self, kind: int, data: Bytes) -> None:
        """Seal handshake messages, an alert or a change_cipher_spec and queue them."""
        size, step = len(data), self.fragment
        if size <= step:
            record = self.sealer.seal(kind, data)
            if self.end:
                self._append(record)
            else:  # as mostly: nothing waits
                self.buf = self.view = record
                self.end = len(record)
        else:
            for pos in range(0, size, step):
                self._append(self.sealer.seal(kind, data[pos : pos + step]))

    def put_data(self, data: memoryview) -> None:
        """Seal application data and queue it."""
        sealer, step, size = self.sealer, self.fragment, len(data)
        count, rest = divmod(size, step)
        shape = sealer.shape if step == MAX_PLAINTEXT and count and not self.end else None
        if shape is None:
            room = self._room(size + (count + 1) * sealer.overhead)
            self.end += sealer.seal_many(data, step, room)
            return
        buffer = self.buf = _borrow(size + (count + 1) * sealer.overhead)
        self.view = view = buffer.view
        frames = buffer.frames(shape)
        sealer.seal_full(data, frames if len(frames) == count else frames[:count])
        end = count * (step + sealer.overhead)
        if rest:
            end += sealer.seal_many(data[size - rest :], step, view[end:])
        self.end = end

    def put_record(self, record: bytes) -> None:
        """Queue a sealed record."""
        if type(self.buf) is bytes and 0 < self.end <= KEEP:  # behind another, as mostly: `_append` without the call
            self.buf = self.view = both = self.buf + record
            self.end = len(both)
        else:
            self._append(record)

    def unsent(self) -> memoryview | bytes:
        """The ciphertext that waits; empty if none does."""
        return self.view[self.start : self.end]

    def sent(self, count: int) -> None:
        """Remove so many bytes of `unsent`, which the transport has taken."""
        self.start += count
        if self.start == self.end:
            self.start = self.end = 0
            spare = self.buf
            if type(spare) is bytes or len(self.view) > KEEP:
                self.buf, self.view = b"", NOTHING
                if type(spare) is Buffer and len(_pool) < POOLED:
                    _pool.append(spare)

    def lend(self) -> tuple[memoryview | bytes, bytes | Buffer]:
        """All ciphertext that waits, for a transport that may keep a reference to it; and the memory that it is in, for
        `reclaim` if it has not.
        """
        data, memory = self.view[self.start : self.end], self.buf
        self.buf, self.view, self.start, self.end = b"", NOTHING, 0, 0
        return data, memory

    def take(self) -> bytes:
        """All ciphertext that waits, for a transport that takes everything."""
        if not self.end:
            return b""
        data = self.buf
        if type(data) is bytes and not self.start:
            self.buf, self.view, self.end = b"", NOTHING, 0
        else:
            data = bytes(self.view[self.start : self.end])
            self.sent(len(data))
        return data

    def _append(self, record: bytes) -> None:
        if not self.end:
            self.buf = self.view = record
            self.end = len(record)
        elif type(self.buf) is bytes and self.end <= KEEP:
            self.buf = self.view = both = self.buf + record
            self.end = len(both)
        else:
            self._room(len(record))[:] = record
            self.end += len(record)

    def _room(self, size: int) -> memoryview:
        """`size` writable bytes behind what waits."""
        view = self.view
        if type(view) is memoryview and type(self.buf) is Buffer and self.end + size <= len(view):
            return view[self.end : self.end + size]
        kept = self.end - self.start
        fresh = _borrow(kept + size)
        room = fresh.view
        room[:kept] = view[self.start : self.end]
        self.buf, self.view, self.start, self.end = fresh, room, 0, kept
        return room[kept : kept + size]


def seal_bulk(sealer: Sealer, shape: Shape, front: bytes, data: memoryview) -> tuple[memoryview, Buffer]:
    """Seal more than a record of data, for a transport that may keep a reference to the ciphertext; and the memory
    that it is in, for `reclaim` if it has not.

    `front`, which is shorter than a record, goes before `data`.  `fast_sealer` has to be armed, and its key good for
    that many records: then nothing waits, and records are of full size.
    """
    count, rest = divmod(len(front) + len(data), MAX_PLAINTEXT)
    end = count * (MAX_PLAINTEXT + sealer.overhead)
    memory = _borrow(end + rest + sealer.overhead)
    view, frames = memory.view, memory.frames(shape)
    if len(frames) != count:
        frames = frames[:count]
    if front:
        cut = MAX_PLAINTEXT - len(front)
        sealer.seal_full(memoryview(front + data[:cut]), frames[:1])
        data, frames = data[cut:], frames[1:]
    sealer.seal_full(data, frames)
    if rest:
        record = sealer.seal_data(data[-rest:])
        begin, end = end, end + len(record)
        view[begin:end] = record
    return view[:end], memory


def reclaim(memory: bytes | Buffer) -> None:
    """Return lent memory to the pool."""
    if type(memory) is Buffer and len(memory.view) > KEEP and len(_pool) < POOLED:
        _pool.append(memory)


def _borrow(size: int) -> Buffer:
    if size <= KEEP:
        return Buffer(max(size, 512))
    try:
        spare = _pool.pop()
    except IndexError:
        return Buffer(size)
    return spare if len(spare.view) >= size else Buffer(size)
