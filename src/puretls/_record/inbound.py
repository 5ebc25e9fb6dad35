"""The receiving half of the record layer: framing, opening records, and reassembling handshake messages.

Inbound owns the buffer of ciphertext, the one record of plaintext that did not fit its reader, and the handshake
message that is still incomplete (RFC 8446 5.1, RFC 5246 6.2.1).  It holds at most one record more than was asked for.

`buf[start:end]` is all ciphertext that was received and not opened.  `buf` is either a bytearray of ours, into which a
socket reads (`room`, `commit`), or a `bytes` object that is parsed in place: what a BIO has given (`receive`), or the
beginning of a record while the fast path waits for the rest of it (`gathered`).
"""

from __future__ import annotations

from struct import Struct

from puretls._base import faults
from puretls._base.faults import Abort, Fault
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CERTIFICATE,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    COMPRESSED_CERTIFICATE,
    HANDSHAKE,
    TLS10,
    TLS12,
    TLS13,
)
from puretls._record.protection import HEADER, MAX_PLAINTEXT, NullOpener, Opener, Opener13
from puretls._record.scratch import SPARE_SIZE, give_back, scratch

MAX_EMPTY_RECORDS = 32  # without data between them; each costs us work and the peer next to nothing
# Bytes of body, as OpenSSL
MAX_MESSAGE = {CERTIFICATE: 100 * 1024, COMPRESSED_CERTIFICATE: 100 * 1024, CLIENT_HELLO: 131396}
MAX_OTHER_MESSAGE = 1 << 16 | 1 << 10  # a ticket of 2^16 bytes and what is around it; less than any of those
FIRST_ROOM = 1024
EARLY_OVERHEAD = 1 + 16  # bytes by which a record of early data is longer than its data, at least
SHORT = 4096  # bytes of a record that is cheaper to copy than to open in place
NOTHING, UNPROTECTED = memoryview(b""), NullOpener()
unpack_header = Struct("!BHH").unpack_from
first_u32 = Struct("!I").unpack_from  # type and length of a handshake message
KINDS = frozenset((CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA))
SKIPPED = -1  # instead of a content type: early data


class Inbound:
    """The receiving half of a connection's record layer."""

    __slots__ = (
        "allow_plain_alert",
        "buf",
        "drop_ccs",
        "early_data",
        "empty_records",
        "end",
        "hs",
        "hs_pos",
        "opener",
        "plain",
        "plain_at",
        "plain_limit",
        "said",
        "server_side",
        "start",
        "version",
        "view",
    )

    def __init__(self, server_side: bool) -> None:
        self.server_side = server_side
        self.buf: bytes | bytearray = b""
        self.view: memoryview | bytes = b""  # of it
        self.start = 0
        self.end = 0
        self.opener: Opener = UNPROTECTED
        self.plain = b""  # application data that was opened
        self.plain_at = 0  # how much of it has been delivered
        self.hs: bytes | bytearray = b""  # handshake data, from hs_pos on not yet handed out; empty if all of it is
        self.hs_pos = 0
        self.version = 0  # what was negotiated; 0 as long as nothing is
        self.said = TLS10 if server_side else TLS12  # legacy_record_version of ordinary records; others are looked at
        self.plain_limit = MAX_PLAINTEXT  # our record_size_limit (RFC 8449)
        self.drop_ccs = False  # in a handshake of TLS 1.3 change_cipher_spec is ignored (RFC 8446 5)
        self.allow_plain_alert = False  # a TLS 1.3 client may fail before it has keys
        self.early_data = 0  # bytes of early data that are still to be skipped (RFC 8446 4.2.10), and one more
        self.empty_records = 0

    # What the transport brings

    def room(self, size: int) -> memoryview:
        """At least `size` writable bytes behind the buffered ciphertext; `commit` tells how many were used."""
        if self.start == self.end:
            self.start = self.end = 0
            if (
                size <= FIRST_ROOM < len(self.buf)
            ):  # nothing is there and little is expected: idle connections are small
                self.release()
        if type(self.buf) is not bytearray or self.end + size > len(self.buf):
            kept = self.end - self.start
            if type(self.buf) is bytearray and kept + size <= len(self.buf):
                self.view[:kept] = self.view[self.start : self.end]  # type: ignore[index]  # a memoryview: memmove
            else:
                fresh = bytearray(max(kept + size, FIRST_ROOM))
                fresh[:kept] = self.view[self.start : self.end]
                self.buf, self.view = fresh, memoryview(fresh)
            self.start, self.end = 0, kept
        return self.view[self.end : self.end + size]  # type: ignore[return-value]  # a memoryview of ours

    def commit(self, count: int) -> None:
        self.end += count

    def receive(self, data: bytes) -> None:
        """Take bytes from a BIO, without a copy if nothing is left of the previous ones."""
        end = self.end
        if self.start == end:
            size = len(data)
            self.buf, self.view, self.start, self.end = data, memoryview(data) if size > SHORT else data, 0, size
            return
        stop = end + len(data)
        if type(self.buf) is not bytearray or stop > len(self.buf):
            self.room(max(len(data), self.wanted()))  # for the whole record
            end = self.end
            stop = end + len(data)
        self.view[end:stop] = data  # type: ignore[index]  # a memoryview of ours
        self.end = stop

    def gathered(self) -> bytes:
        """The buffered ciphertext as a `bytes` object, so that more can be appended and assigned."""
        if self.start or type(self.buf) is not bytes:
            data = bytes(self.view[self.start : self.end])
            self.buf, self.view, self.start, self.end = data, data, 0, len(data)
            return data
        return self.buf

    def wanted(self) -> int:
        """How many bytes of the current record, or of its header, are missing; 0 if it is whole."""
        have = self.end - self.start
        if have < HEADER:
            return HEADER - have
        size = self.buf[self.start + 3] << 8 | self.buf[self.start + 4]
        return max(0, HEADER + size - have)

    def ready(self) -> bool:
        """Whether there is something to process: a whole record, a header that is wrong already, or a whole message in
        the record of another.
        """
        if self.hs and self._whole_message():
            return True
        start, have = self.start, self.end - self.start
        if have <= HEADER:
            return False
        size = self.buf[start + 3] << 8 | self.buf[start + 4]
        return (
            have >= HEADER + size or self.buf[start] != APPLICATION_DATA or size > MAX_PLAINTEXT + self.opener.expansion
        )

    def short_record(self) -> bytes | None:
        """Take out the buffered ciphertext if it is one whole, short record, for `Opener.open_data`."""
        start, end, buf = self.start, self.end, self.buf
        if HEADER < end - start <= SHORT and buf[start + 3] << 8 | buf[start + 4] == end - start - HEADER:
            self.start = self.end = 0
            return bytes(self.view[start:end])
        return None

    def longer_than(self, size: int) -> bool:
        """Whether the first record is whole, and longer than that in any protection."""
        start, have, buf = self.start, self.end - self.start - HEADER, self.buf
        return have > size and have >= (buf[start + 3] << 8 | buf[start + 4]) > size + self.opener.expansion

    def leftover(self) -> bytes:
        """Take out the ciphertext that was not opened: after close_notify it belongs to the application."""
        data = bytes(self.view[self.start : self.end])
        self.start = self.end = 0
        return data

    def release(self) -> None:
        """Release the buffer when it is empty, so that an idle connection needs little memory."""
        if self.start == self.end:
            self.buf = self.view = b""
            self.start = self.end = 0

    # What the connection takes

    def take_into(self, out: memoryview) -> int:
        """Put plaintext into `out`, as much as fits; how many bytes those are."""
        data = self.take(len(out))
        out[: len(data)] = data
        return len(data)

    def take(self, size: int) -> bytes:
        """At most so many bytes of the plaintext."""
        plain, at = self.plain, self.plain_at
        stop = at + size
        if stop < len(plain):
            self.plain_at = stop
        else:
            self.plain, self.plain_at = b"", 0
        return plain[at:stop]

    def open_many(self, size: int, out: memoryview | None) -> bytes | int:
        """The data of as many whole records of application data as fit into `size` bytes; falsy if there are none.

        It is put into `out`, where the byte behind the data may change, or returned as bytes.
        """
        if out is not None:
            self.start, got = self.opener.open_many(self.buf, self.view, self.start, self.end, out)
            return got
        size = min(size, SPARE_SIZE)
        buffer = scratch(size + 1)  # and the type byte of the last
        with memoryview(buffer) as view, view[: size + 1] as room:
            self.start, got = self.opener.open_many(self.buf, self.view, self.start, self.end, room)
            data = bytes(room[:got])
        give_back(buffer)
        return data

    def next(self) -> tuple[int, bytes] | None:
        """The next whole handshake message, with its header, or record of another kind; None if more is needed."""
        while True:
            hs = self.hs
            if hs:
                pos = self.hs_pos
                have = len(hs) - pos
                if have >= 4:
                    size = (first_u32(hs, pos)[0] & 0xFFFFFF) + 4
                    if size < have:
                        self.hs_pos = stop = pos + size
                        return HANDSHAKE, bytes(hs[pos:stop])
                    if size == have:
                        self.hs = b""
                        return HANDSHAKE, bytes(hs[pos:] if pos else hs)
                    _check_size(hs[pos], size - 4)  # a longer one than a record was incomplete once
            view, start, end = self.view, self.start, self.end
            middle = start + HEADER
            if middle > end:
                if start == end and type(self.buf) is bytes:  # a BIO's, read to its end: as `release` does
                    self.buf = self.view = b""
                    self.start = self.end = 0
                return None
            kind, said, size = unpack_header(view, start)
            if said != self.said or size > MAX_PLAINTEXT or kind not in KINDS:  # else an ordinary record
                self._check_header(kind, said, size)
            stop = middle + size
            if stop > end:
                return None
            opener = self.opener
            if not opener.expansion:  # before there are keys
                if kind != HANDSHAKE and (
                    (kind == CHANGE_CIPHER_SPEC and self.drop_ccs) or (kind == APPLICATION_DATA and self.early_data)
                ):
                    return self._ignore(kind, view[middle:stop], stop)
                data = bytes(view[middle:stop])  # as UNPROTECTED does, without the call
            else:
                tls13 = self.version == TLS13
                if kind != APPLICATION_DATA and (tls13 or (kind == CHANGE_CIPHER_SPEC and self.drop_ccs)):
                    return self._outside(kind, view[middle:stop], stop)
                try:
                    kind, data = opener.open(view[start:middle], view[middle:stop])
                except Abort as abort:
                    if not self.early_data or abort.fault is not faults.DECRYPTION_FAILED:
                        raise
                    return self._skip_early_data(size, stop)
                self.allow_plain_alert, self.early_data = False, 0
                # RFC 8449 4: in TLS 1.3 the limit is the whole inner plaintext's, with its type and padding
                most = self.plain_limit
                if size > most and (size - opener.overhead + HEADER if tls13 else len(data)) > most:
                    raise Abort(faults.DATA_LENGTH_TOO_LONG)
            self.start = stop
            if not data:
                self._count_empty(kind)
                return kind, data
            self.empty_records = 0
            if kind != HANDSHAKE:
                return kind, data
            if hs:
                self._join(data)
                continue
            size = len(data)
            if size > 3 and first_u32(data)[0] & 0xFFFFFF == size - 4:  # just one message, as mostly
                return kind, data
            self.hs, self.hs_pos = data, 0

    def _join(self, data: bytes) -> None:
        """Append the content of a handshake record to the beginning of a message."""
        if type(self.hs) is not bytearray or self.hs_pos:
            self.hs, self.hs_pos = bytearray(self.hs[self.hs_pos :]), 0
        self.hs += data

    def _whole_message(self) -> bool:
        have = len(self.hs) - self.hs_pos
        return have >= 4 and have - 4 >= first_u32(self.hs, self.hs_pos)[0] & 0xFFFFFF

    def in_header(self) -> bool:
        """Whether less than the header of a handshake message is waiting."""
        return bool(self.hs) and len(self.hs) - self.hs_pos < 4

    def on_boundary(self) -> bool:
        """Whether no part of a handshake message is waiting: keys may change only there (RFC 8446 5.1)."""
        return not self.hs

    # Rules

    def _check_header(self, kind: int, version: int, size: int) -> None:
        known = CHANGE_CIPHER_SPEC <= kind <= APPLICATION_DATA
        if not self.version:
            if not known or version >> 8 != 3:
                raise Abort(self._not_tls(known))
        elif not known:
            wrong = faults.UNEXPECTED_RECORD if self.version < TLS13 else faults.BAD_RECORD_TYPE
            raise Abort(wrong, f"content type {kind}")
        elif version != self.version if self.version < TLS13 else version >> 8 != 3:
            raise Abort(faults.WRONG_VERSION_NUMBER)  # legacy_record_version is ignored in TLS 1.3, RFC 8446 5.1
        expansion = self.opener.expansion
        if size > MAX_PLAINTEXT + expansion and not (self.early_data and size <= MAX_PLAINTEXT + Opener13.expansion):
            raise Abort(faults.ENCRYPTED_LENGTH_TOO_LONG if expansion else faults.PACKET_LENGTH_TOO_LONG)

    def _not_tls(self, known: bool) -> Fault:
        """The error for a peer that does not speak TLS, in OpenSSL's words."""
        if self.server_side:
            first = bytes(self.view[self.start : self.start + 5])
            if first.startswith((b"GET ", b"POST ", b"HEAD ", b"PUT ")):
                return faults.HTTP_REQUEST
            if first.startswith(b"CONNE"):
                return faults.HTTPS_PROXY_REQUEST
        return faults.WRONG_VERSION_NUMBER if known and self.start else faults.NOT_TLS

    def _ignore(self, kind: int, body: memoryview | bytes, stop: int) -> tuple[int, bytes]:
        """A record that counts for nothing before there are keys, if all is well with it."""
        return self._drop_ccs(body, stop) if kind == CHANGE_CIPHER_SPEC else self._skip_early_data(len(body), stop)

    def _outside(self, kind: int, body: memoryview | bytes, stop: int) -> tuple[int, bytes]:
        """A record without protection where keys are in use."""
        return self._drop_ccs(body, stop) if kind == CHANGE_CIPHER_SPEC else self._plain_alert(kind, body, stop)

    def _drop_ccs(self, body: memoryview | bytes, stop: int) -> tuple[int, bytes]:
        """Ignore a change_cipher_spec of TLS 1.3: one byte of value 1, during the handshake only (RFC 8446 5)."""
        if not self.drop_ccs:
            raise Abort(faults.UNEXPECTED_CCS_MESSAGE)
        if self.hs:
            wrong = faults.BAD_CHANGE_CIPHER_SPEC if self.in_header() else faults.UNEXPECTED_HANDSHAKE_MESSAGE
            raise Abort(wrong, "inside a message")
        if len(body) != 1 or body[0] != 1:
            raise Abort(faults.INVALID_CCS_MESSAGE if self.version else faults.BAD_CHANGE_CIPHER_SPEC)
        self.empty_records += 1
        if self.empty_records > MAX_EMPTY_RECORDS:
            raise Abort(faults.TOO_MANY_EMPTY_RECORDS)
        self.start = stop
        return CHANGE_CIPHER_SPEC, b""

    def _plain_alert(self, kind: int, body: memoryview | bytes, stop: int) -> tuple[int, bytes]:
        """The alert of a client that has failed without keys."""
        if kind != ALERT or not self.allow_plain_alert or len(body) != 2:
            raise Abort(faults.BAD_RECORD_TYPE, f"content type {kind} outside protection")
        self.start, self.empty_records = stop, 0
        return kind, bytes(body)

    def _skip_early_data(self, size: int, stop: int) -> tuple[int, bytes]:
        """Skip a record that does not open, as early data, up to a limit (RFC 8446 4.2.10)."""
        if not size:
            self._count_empty(APPLICATION_DATA)
        self.early_data -= max(1, size - EARLY_OVERHEAD)
        if self.early_data <= 0:
            raise Abort(faults.TOO_MUCH_EARLY_DATA)
        self.start = stop
        return SKIPPED, b""

    def _count_empty(self, kind: int) -> None:
        if kind != APPLICATION_DATA:  # RFC 8446 5.1, RFC 5246 6.2.1
            wrong = faults.MALFORMED_ALERT if kind == ALERT else faults.UNEXPECTED_RECORD
            raise Abort(faults.EMPTY_RECORD if self.version == TLS13 else wrong, "an empty record")
        self.empty_records += 1
        if self.empty_records > MAX_EMPTY_RECORDS:
            raise Abort(faults.TOO_MANY_EMPTY_RECORDS)


def _check_size(kind: int, size: int) -> None:
    """Refuse a handshake message with a longer body than its kind may have."""
    if size > MAX_OTHER_MESSAGE and size > MAX_MESSAGE.get(kind, 0):
        raise Abort(faults.EXCESSIVE_MESSAGE_SIZE)
