"""Record protection: key, IV and sequence number of one direction, for every version and kind of cipher.

An Opener belongs to Inbound, a Sealer to Outbound.  Each owns its sequence number, so a nonce can be used only once
(RFC 8446 5.3, RFC 5246 6.2.3.3, RFC 5288 3, RFC 7905 2).  Between any two calls Python may run a signal handler, which
may write as well: so a Sealer takes its number and moves on before it calls anything.

`open` and `seal` handle every case, one record at a time.  `open_many`, `seal_many` and `seal_full` are the loops for
bulk data, and leave whatever is unusual to the other two.  CBC and the null cipher with a MAC are in `cbc`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from struct import Struct
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, VERSIONS
from puretls._base.tuples import NamedTuple
from puretls._crypto.suites import Aead
from puretls._record.places import Place, Places, places_for

MAX_PLAINTEXT = 1 << 14  # RFC 8446 5.1
HEADER = 5
SEQUENCE_END = 1 << 64  # RFC 8446 5.3, RFC 5246 6.1: a sequence number never wraps
LAST = SEQUENCE_END - 1
MANY = 1 << 20  # no single call of open_many or seal_many comes near this many records

pack_aad = Struct("!QBHH").pack  # seq_num, type, version, length (RFC 5246 6.2.3.3)
pack_header = Struct("!BHH").pack
from_bytes = int.from_bytes

USUAL = {version: bytes((APPLICATION_DATA, 3, version & 0xFF)) for version in VERSIONS}  # headers of data begin so
TYPES = {kind: bytes((kind,)) for kind in (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA)}

CUTS = [(bytes(1 << n), (0, 1 << n)) for n in range(14, -1, -1)]  # zeros; what to cut if they are not there, and if
HALVES = tuple(tuple(CUTS[len(CUTS) - bits :]) for bits in range(len(CUTS) + 1))  # by the bits of a length

Bytes = bytes | bytearray | memoryview


# The place of a full record in a buffer, memory that is sealed in place: the header and in TLS 1.2 the explicit nonce;
# the data; the data and in TLS 1.3 its type; from there to the end of the tag.  (Plain tuples are quicker to unpack.)
Frame = tuple[memoryview, memoryview, memoryview, memoryview]


class Shape(NamedTuple):
    """The layout of a full record under a suite."""

    front: int  # bytes before the ciphertext
    types: int  # bytes of the type inside: 1 in TLS 1.3
    tag: int

    def frames(self, view: memoryview) -> list[Frame]:
        """The places of all the full records that fit this memory, one behind the other."""
        front, types, _ = self
        size = front + MAX_PLAINTEXT + types + self.tag
        found = []
        for start in range(0, len(view) - size + 1, size):
            body, end = start + front, start + front + MAX_PLAINTEXT
            found.append((view[start:body], view[body:end], view[body : end + types], view[body : start + size]))
        return found


shape_of = cache(Shape)


@lru_cache(64)
def cutter(explicit: int, size: int) -> Any:
    """What cuts memory into records of that many bytes: header, explicit nonce if there is one, and the rest."""
    nonce = f"{explicit}s" if explicit else ""
    return Struct(f"{HEADER}s{nonce}{size - HEADER - explicit}s").iter_unpack


class Opener(Protocol):
    """Opens the records of one direction."""

    expansion: int  # how much longer than its plaintext a record may be
    overhead: int  # how much longer it is at least, header included
    last: int  # bytes of the last record that `open_data` has opened; -1: of none

    def open(self, header: Bytes, body: Bytes) -> tuple[int, bytes]:
        """Content type and plaintext of one record; Abort if it is not authentic."""

    def open_many(
        self, buf: bytes | bytearray, view: memoryview | bytes, start: int, end: int, out: memoryview
    ) -> tuple[int, int]:
        """Open whole records of plain application data in `buf[start:end]` into `out` while they fit.

        Returns where the first record begins that was not opened, and how many bytes `out` holds now.
        """

    def open_data(self, buf: bytes | bytearray, size: int) -> bytes | None:
        """The data of the first `size` bytes of `buf` if they are one whole record of plain application data.

        None if they are anything else, and then nothing is consumed.
        """

    def open_alike(self, buf: bytes) -> bytes | None:
        """The data of all of `buf` if that is records of plain application data, each as long as the last one.

        None if it is anything else, and then nothing is consumed.
        """

    def open_each(self, buf: bytes, end: int, room: int) -> tuple[int, list[bytes]]:
        """The data of each of the whole records of plain application data in `buf[:end]`, `room` bytes at most.

        Returns where the first record begins that was not opened, too.  For short records: each is copied.
        """

    @property
    def places(self) -> Places:
        """Memory for full records."""

    def open_full(self, place: Place, header: Bytes) -> bool:
        """Open the record that is there, with this header, if it is a full one of plain application data.

        False if it is anything else, and then nothing is consumed.
        """


class Sealer(Protocol):
    """Seals the records of one direction."""

    overhead: int  # bytes by which a sealed record exceeds its plaintext, header included; an upper bound for CBC
    seq: int
    limit: int  # records after which the key must be replaced

    @property
    def shape(self) -> Shape | None:
        """Of a full record; None if `seal_full` is not for this sealer."""

    def seal(self, kind: int, data: Bytes) -> bytes:
        """One whole record."""

    def seal_data(self, data: Bytes) -> bytes:
        """A record of application data that fits one.  The caller has checked that `seq` is below `limit`."""

    def seal_many(self, data: memoryview, size: int, out: memoryview) -> int:
        """Seal `data` as application data records of `size` bytes each; how many bytes of `out` they take."""

    def seal_full(self, data: memoryview, frames: Sequence[Frame]) -> None:
        """Seal the beginning of `data` as full records, one in each of these frames, which are of this `shape`."""


class OneByOne:
    """An Opener without loops: every record goes through `open`."""

    __slots__ = ()
    places = places_for(0, 0, 0, 0)

    def open_many(
        self, buf: bytes | bytearray, view: memoryview | bytes, start: int, end: int, out: memoryview
    ) -> tuple[int, int]:
        del buf, view, end, out
        return start, 0

    def open_data(self, buf: bytes | bytearray, size: int) -> bytes | None:
        del buf, size
        return None

    def open_alike(self, buf: bytes) -> bytes | None:
        del buf
        return None

    def open_each(self, buf: bytes, end: int, room: int) -> tuple[int, list[bytes]]:
        del buf, end, room
        return 0, []

    def open_full(self, place: Place, header: Bytes) -> bool:
        del place, header
        return False


class NullOpener(OneByOne):
    """Before there are keys."""

    __slots__ = ()
    expansion, last = 0, -1
    overhead = HEADER

    def open(self, header: Bytes, body: Bytes) -> tuple[int, bytes]:
        return header[0], bytes(body)


class Shapeless:
    """A Sealer that seals by `seal_many` alone."""

    __slots__ = ()
    shape = None

    def seal_full(self, data: memoryview, frames: Sequence[Frame]) -> None:
        del data, frames
        raise Abort(faults.INTERNAL, "a record in place")


class NullSealer(Shapeless):
    """Before there are keys.  It counts nothing: all connections share those that there are."""

    __slots__ = ("seq", "version")
    overhead = HEADER
    limit = SEQUENCE_END

    def __init__(self, version: int) -> None:
        self.version = version  # legacy_record_version
        self.seq = 0

    def seal(self, kind: int, data: Bytes) -> bytes:
        return pack_header(kind, self.version, len(data)) + data

    def seal_data(self, data: Bytes) -> bytes:
        del data
        raise Abort(faults.INTERNAL, "application data without keys")

    def seal_many(self, data: memoryview, size: int, out: memoryview) -> int:
        del data, size, out
        raise Abort(faults.INTERNAL, "application data without keys")


class Opener13:
    """TLS 1.3 (RFC 8446 5.2): the content type is inside, after the data and before zero padding."""

    __slots__ = ("cipher", "decrypt", "header", "iv", "last", "overhead", "seq")
    expansion = 256

    def __init__(self, aead: Aead, key: bytes, iv: bytes) -> None:
        self.cipher = cipher = aead.make(key)
        self.decrypt = cipher.decrypt
        self.iv = from_bytes(iv, "big")
        self.seq = 0
        self.overhead = HEADER + 1 + aead.tag
        self.last = -1
        self.header = b""

    def open(self, header: Bytes, body: Bytes) -> tuple[int, bytes]:
        seq = self.seq
        if seq >= LAST:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        try:
            inner: bytes = self.decrypt((self.iv ^ seq).to_bytes(12, "big"), body, header)
        except InvalidTag:
            raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq + 1
        if len(inner) > MAX_PLAINTEXT + 1:
            raise Abort(faults.DATA_LENGTH_TOO_LONG)
        kind = inner[-1] if inner else 0
        if kind:
            return kind, inner[:-1]
        end = without_padding(inner)
        if not end:
            raise Abort(faults.BAD_RECORD_TYPE, "a record of nothing but padding")
        return inner[end - 1], inner[: end - 1]

    def open_many(
        self, buf: bytes | bytearray, view: memoryview | bytes, start: int, end: int, out: memoryview
    ) -> tuple[int, int]:
        open_into, iv, seq, pos, got, room = self.cipher.decrypt_into, self.iv, self.seq, start, 0, len(out)
        more, inner = self.overhead - HEADER - 1, 0
        if seq > SEQUENCE_END - MANY:
            return start, 0
        try:
            while end - pos > HEADER:
                header = buf[pos : pos + HEADER]  # bulk data has one header, again and again
                size = header[3] << 8 | header[4]
                inner = size - more  # the plaintext and its type
                if header[0] != APPLICATION_DATA or not 1 < inner <= MAX_PLAINTEXT + 1:
                    break
                count = min((end - pos) // (HEADER + size), (room - got - 1) // (inner - 1))
                if not count:
                    break
                for _ in range(count):
                    body = pos + HEADER
                    if buf[pos:body] != header:
                        break
                    stop = body + size
                    last = got + inner - 1
                    open_into((iv ^ seq).to_bytes(12, "big"), view[body:stop], header, out[got : last + 1])
                    if out[last] != APPLICATION_DATA:
                        padded = got + (0 if out[last] else without_padding(out[got : last + 1].tobytes())) - 1
                        if padded <= got or out[padded] != APPLICATION_DATA:  # no data, a ticket, a KeyUpdate, an alert
                            out[got : last + 1] = bytes(inner)
                            end = pos  # not consumed: opened again by `open`
                            break
                        last = padded
                    pos, seq, got = stop, seq + 1, last
        except InvalidTag:
            out[got : got + inner] = bytes(inner)  # decrypt_into leaves what it could not vouch for
            if not got:  # else what was good goes first, and the next call fails
                raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq
        return pos, got

    def open_data(self, buf: bytes | bytearray, size: int) -> bytes | None:
        seq, header = self.seq, self.header
        if size != self.last or not buf.startswith(header):  # messages often come in one size
            if not 0 < size - self.overhead <= MAX_PLAINTEXT or size > len(buf):
                return None
            header = bytes(buf[:HEADER])
            if header[0] != APPLICATION_DATA or header[3] << 8 | header[4] != size - HEADER:
                return None
            self.last, self.header = size, header
        if seq >= LAST:
            return None
        try:
            inner: bytes = self.decrypt((self.iv ^ seq).to_bytes(12, "big"), buf[HEADER:size], header)
        except InvalidTag:
            raise Abort(faults.DECRYPTION_FAILED) from None
        if inner[-1] != APPLICATION_DATA:
            data = padded_data(inner)
            if data:
                self.seq = seq + 1
            return data
        self.seq = seq + 1
        return inner[:-1]

    def open_alike(self, buf: bytes) -> bytes | None:
        decrypt, iv, seq, header = self.decrypt, self.iv, self.seq, self.header
        found: list[bytes] = []
        if seq > SEQUENCE_END - MANY:
            return None
        try:
            for said, body in cutter(0, self.last)(buf):
                if said != header:
                    return None
                inner = decrypt((iv ^ seq).to_bytes(12, "big"), body, header)
                if inner[-1] != APPLICATION_DATA:
                    return None
                found.append(inner[:-1])
                seq += 1
        except InvalidTag:  # of a later one, perhaps
            return None
        self.seq = seq
        return b"".join(found)

    def open_each(self, buf: bytes, end: int, room: int) -> tuple[int, list[bytes]]:
        decrypt, iv, seq, pos = self.decrypt, self.iv, self.seq, 0
        found: list[bytes] = []
        if seq > SEQUENCE_END - MANY:
            return 0, found
        try:
            while end - pos > HEADER:
                header = buf[pos : pos + HEADER]
                size = HEADER + (header[3] << 8 | header[4])
                most = size - self.overhead
                if header[0] != APPLICATION_DATA or not 0 < most <= MAX_PLAINTEXT:
                    break
                count = min((end - pos) // size, room // most)
                if not count:
                    break
                self.last, self.header = size, header
                first, stop = seq, pos + count * size
                alike = buf if stop - pos == len(buf) else memoryview(buf)[pos:stop]
                for said, body in cutter(0, size)(alike):
                    if said != header:
                        break
                    inner = decrypt((iv ^ seq).to_bytes(12, "big"), body, header)
                    data = inner[:-1] if inner[-1] == APPLICATION_DATA else padded_data(inner)
                    if not data:
                        end = pos  # not consumed
                        break
                    found.append(data)
                    pos += size
                    seq += 1
                room -= most * (seq - first)
        except InvalidTag:
            if not found:  # else what was good goes first, and the next call fails
                raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq
        return pos, found

    @property
    def places(self) -> Places:
        """Memory for full records."""
        return places_for(0, MAX_PLAINTEXT, 1, self.overhead - HEADER - 1)

    def open_full(self, place: Place, header: Bytes) -> bool:
        seq, inner = self.seq, place.inner
        if header != place.header or seq >= LAST:
            return False
        try:
            self.cipher.decrypt_into((self.iv ^ seq).to_bytes(12, "big"), place.body, header, inner)
        except InvalidTag:
            inner[:] = bytes(len(inner))  # decrypt_into leaves what it could not vouch for
            raise Abort(faults.DECRYPTION_FAILED) from None
        if inner[-1] != APPLICATION_DATA:  # opened again by `open`
            return False
        self.seq = seq + 1
        return True


class Sealer13:
    """TLS 1.3 (RFC 8446 5.2)."""

    __slots__ = ("cipher", "encrypt", "extra", "header", "iv", "limit", "overhead", "seq", "size")

    def __init__(self, aead: Aead, key: bytes, iv: bytes) -> None:
        self.cipher = cipher = aead.make(key)
        self.encrypt = cipher.encrypt
        self.iv = from_bytes(iv, "big")
        self.seq = 0
        self.limit = aead.limit
        self.extra = extra = 1 + aead.tag  # bytes behind the data: its type, and the tag
        self.overhead = HEADER + extra
        self.size = -1  # of the last short send
        self.header = b""

    @property
    def shape(self) -> Shape:
        return shape_of(HEADER, 1, self.extra - 1)

    def seal(self, kind: int, data: Bytes) -> bytes:
        seq = self.seq
        self.seq = seq + 1  # consumed before it is used: never twice
        if seq >= LAST:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        header = pack_header(APPLICATION_DATA, 0x0303, len(data) + self.extra)
        sealed: bytes = self.encrypt((self.iv ^ seq).to_bytes(12, "big"), bytes(data) + TYPES[kind], header)
        return header + sealed

    def seal_data(self, data: Bytes) -> bytes:
        seq = self.seq
        self.seq = seq + 1
        size = len(data)
        if size != self.size:  # messages often come in one size
            self.size, self.header = size, pack_header(APPLICATION_DATA, 0x0303, size + self.extra)
        header = self.header
        inner = data + b"\x17" if type(data) is bytes else b"".join((data, b"\x17"))
        return header + self.encrypt((self.iv ^ seq).to_bytes(12, "big"), inner, header)

    def seal_many(self, data: memoryview, size: int, out: memoryview) -> int:
        encrypt_into, iv, end, extra = self.cipher.encrypt_into, self.iv, len(data), self.extra
        seq = self.seq
        self.seq = seq - (-end // size)  # consumed before they are used, whatever interrupts the loop
        if seq > SEQUENCE_END - MANY:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        length, header, at = 0, b"", 0
        for pos in range(0, end, size):
            inner = b"".join((data[pos : pos + size], b"\x17"))
            if len(inner) != length:
                length = len(inner)
                header = pack_header(APPLICATION_DATA, 0x0303, length + extra - 1)
            body = at + 5
            out[at:body] = header
            at = body + length + extra - 1
            encrypt_into((iv ^ seq).to_bytes(12, "big"), inner, header, out[body:at])
            seq += 1
        return at

    def seal_full(self, data: memoryview, frames: Sequence[Frame]) -> None:
        encrypt_into, iv, size, count = self.cipher.encrypt_into, self.iv, MAX_PLAINTEXT, len(frames)
        seq = self.seq
        self.seq = seq + count  # consumed before they are used, whatever interrupts the loop
        if seq > SEQUENCE_END - MANY:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        header = pack_header(APPLICATION_DATA, 0x0303, size + self.extra)
        pos = 0
        for head, plain, inner, sealed in frames:
            head[:] = header
            plain[:] = data[pos : pos + size]
            inner[size] = APPLICATION_DATA
            encrypt_into((iv ^ seq).to_bytes(12, "big"), inner, header, sealed)
            pos += size
            seq += 1


class Opener12:
    """AEAD suites of TLS 1.2: explicit nonce (RFC 5288 3, RFC 6655 3) or none (RFC 7905 2)."""

    __slots__ = (
        "cipher", "decrypt", "explicit", "header", "iv", "last", "overhead", "salt", "seq", "tag", "usual", "version",
    )  # fmt: skip
    expansion = 2048  # RFC 5246 6.2.3

    def __init__(self, aead: Aead, key: bytes, salt: bytes, version: int) -> None:
        self.cipher = cipher = aead.make(key)
        self.decrypt = cipher.decrypt
        self.salt = salt
        self.iv = from_bytes(salt, "big")
        self.seq = 0
        self.version = version
        self.explicit = explicit = 12 - len(salt)
        self.tag = tag = aead.tag
        self.overhead = HEADER + explicit + tag
        self.last = -1
        self.header = b""
        self.usual = USUAL[version]

    def open(self, header: Bytes, body: Bytes) -> tuple[int, bytes]:
        explicit, seq = self.explicit, next_sequence(self.seq)
        size = len(body) - explicit - self.tag
        if size < 0:
            raise Abort(faults.DECRYPTION_FAILED)
        nonce = self.salt + bytes(body[:explicit]) if explicit else (self.iv ^ self.seq).to_bytes(12, "big")
        try:
            data: bytes = self.decrypt(nonce, body[explicit:], pack_aad(self.seq, header[0], self.version, size))
        except InvalidTag:
            raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq
        return header[0], data

    def open_many(
        self, buf: bytes | bytearray, view: memoryview | bytes, start: int, end: int, out: memoryview
    ) -> tuple[int, int]:
        open_into, iv, salt, seq, version = self.cipher.decrypt_into, self.iv, self.salt, self.seq, self.version
        explicit, pos, got, inner = self.explicit, start, 0, 0
        if seq > SEQUENCE_END - MANY:
            return start, 0
        try:
            while end - pos > HEADER:
                header = buf[pos : pos + HEADER]
                size = header[3] << 8 | header[4]
                inner = size - explicit - self.tag
                if header[:3] != self.usual or not 0 < inner <= MAX_PLAINTEXT:
                    break
                count = min((end - pos) // (HEADER + size), (len(out) - got) // inner)
                if not count:
                    break
                for _ in range(count):
                    counter = pos + HEADER
                    if buf[pos:counter] != header:
                        break
                    body, stop = counter + explicit, counter + size
                    nonce = salt + buf[counter:body] if explicit else (iv ^ seq).to_bytes(12, "big")
                    aad = pack_aad(seq, APPLICATION_DATA, version, inner)
                    open_into(nonce, view[body:stop], aad, out[got : got + inner])
                    pos, seq, got = stop, seq + 1, got + inner
        except InvalidTag:
            out[got : got + inner] = bytes(inner)
            if not got:
                raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq
        return pos, got

    def open_data(self, buf: bytes | bytearray, size: int) -> bytes | None:
        seq, explicit, inner = self.seq, self.explicit, size - self.overhead
        if size != self.last or not buf.startswith(self.header):  # messages often come in one size
            if not 0 < inner <= MAX_PLAINTEXT or size > len(buf) or not buf.startswith(self.usual):
                return None
            header = bytes(buf[:HEADER])
            if header[3] << 8 | header[4] != size - HEADER:
                return None
            self.last, self.header = size, header
        if seq >= LAST:
            return None
        body = HEADER + explicit
        nonce = self.salt + buf[HEADER:body] if explicit else (self.iv ^ seq).to_bytes(12, "big")
        try:
            data: bytes = self.decrypt(nonce, buf[body:size], pack_aad(seq, APPLICATION_DATA, self.version, inner))
        except InvalidTag:
            raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq + 1
        return data

    def open_alike(self, buf: bytes) -> bytes | None:
        decrypt, iv, salt, seq, header = self.decrypt, self.iv, self.salt, self.seq, self.header
        explicit, version, inner = self.explicit, self.version, self.last - self.overhead
        found: list[bytes] = []
        if seq > SEQUENCE_END - MANY:
            return None
        try:
            for said, *counter, body in cutter(explicit, self.last)(buf):
                if said != header:
                    return None
                nonce = salt + counter[0] if counter else (iv ^ seq).to_bytes(12, "big")
                found.append(decrypt(nonce, body, pack_aad(seq, APPLICATION_DATA, version, inner)))
                seq += 1
        except InvalidTag:
            return None
        self.seq = seq
        return b"".join(found)

    def open_each(self, buf: bytes, end: int, room: int) -> tuple[int, list[bytes]]:
        decrypt, iv, salt, seq, version = self.decrypt, self.iv, self.salt, self.seq, self.version
        explicit, pos = self.explicit, 0
        found: list[bytes] = []
        if seq > SEQUENCE_END - MANY:
            return 0, found
        try:
            while end - pos > HEADER:
                header = buf[pos : pos + HEADER]
                size = HEADER + (header[3] << 8 | header[4])
                inner = size - self.overhead
                if header[:3] != self.usual or not 0 < inner <= MAX_PLAINTEXT:
                    break
                count = min((end - pos) // size, room // inner)
                if not count:
                    break
                self.last, self.header = size, header
                first, stop = seq, pos + count * size
                alike = buf if stop - pos == len(buf) else memoryview(buf)[pos:stop]
                for said, *counter, body in cutter(explicit, size)(alike):
                    if said != header:
                        break
                    nonce = salt + counter[0] if counter else (iv ^ seq).to_bytes(12, "big")
                    found.append(decrypt(nonce, body, pack_aad(seq, APPLICATION_DATA, version, inner)))
                    pos += size
                    seq += 1
                room -= inner * (seq - first)
        except InvalidTag:
            if not found:
                raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq
        return pos, found

    @property
    def places(self) -> Places:
        """Memory for full records."""
        return places_for(self.explicit, MAX_PLAINTEXT, 0, self.tag)

    def open_full(self, place: Place, header: Bytes) -> bool:
        seq, explicit, inner = self.seq, self.explicit, place.inner
        if header != place.header or seq >= LAST:
            return False
        nonce = self.salt + place.rest[:explicit] if explicit else (self.iv ^ seq).to_bytes(12, "big")
        try:
            self.cipher.decrypt_into(
                nonce, place.body, pack_aad(seq, APPLICATION_DATA, self.version, MAX_PLAINTEXT), inner
            )
        except InvalidTag:
            inner[:] = bytes(len(inner))
            raise Abort(faults.DECRYPTION_FAILED) from None
        self.seq = seq + 1
        return True


class Sealer12:
    """AEAD suites of TLS 1.2.  The explicit nonce is the sequence number, which never repeats (RFC 5288 3)."""

    __slots__ = (
        "cipher", "encrypt", "explicit", "header", "iv", "limit", "overhead", "salt", "seq", "size", "tag", "version",
    )  # fmt: skip

    def __init__(self, aead: Aead, key: bytes, salt: bytes, version: int) -> None:
        self.cipher = cipher = aead.make(key)
        self.encrypt = cipher.encrypt
        self.salt = salt
        self.iv = from_bytes(salt, "big")
        self.seq = 0
        self.version = version
        self.explicit = explicit = 12 - len(salt)
        self.tag = tag = aead.tag
        self.overhead = HEADER + explicit + tag
        self.limit = LAST  # there is no KeyUpdate to answer a lower one with
        self.size = -1  # of the last short send
        self.header = b""

    @property
    def shape(self) -> Shape:
        return shape_of(HEADER + self.explicit, 0, self.tag)

    def seal(self, kind: int, data: Bytes) -> bytes:
        seq = self.seq
        self.seq = seq + 1  # consumed before it is used: never twice
        if seq >= LAST:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        aad = pack_aad(seq, kind, self.version, len(data))
        if self.explicit:
            explicit = seq.to_bytes(8, "big")
            sealed: bytes = explicit + self.encrypt(self.salt + explicit, data, aad)
        else:
            sealed = self.encrypt((self.iv ^ seq).to_bytes(12, "big"), data, aad)
        return pack_header(kind, self.version, len(sealed)) + sealed

    def seal_data(self, data: Bytes) -> bytes:
        seq = self.seq
        self.seq = seq + 1  # before the first call
        size = len(data)
        if size != self.size:
            length = self.explicit + size + self.tag
            self.size, self.header = size, pack_header(APPLICATION_DATA, self.version, length)
        header, aad = self.header, pack_aad(seq, APPLICATION_DATA, self.version, size)
        if not self.explicit:
            return header + self.encrypt((self.iv ^ seq).to_bytes(12, "big"), data, aad)
        explicit = seq.to_bytes(8, "big")
        return header + explicit + self.encrypt(self.salt + explicit, data, aad)

    def seal_many(self, data: memoryview, size: int, out: memoryview) -> int:
        encrypt_into, iv, salt, version = self.cipher.encrypt_into, self.iv, self.salt, self.version
        explicit, tag, pos, end, at = self.explicit, self.tag, 0, len(data), 0
        seq = self.seq
        self.seq = seq - (-end // size)  # consumed before they are used
        if seq > SEQUENCE_END - MANY:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        while pos < end:
            stop = min(pos + size, end)
            length = stop - pos
            out[at : at + 5] = pack_header(APPLICATION_DATA, version, explicit + length + tag)
            body = at + 5 + explicit
            if explicit:
                counter = seq.to_bytes(8, "big")
                out[at + 5 : body] = counter
                nonce = salt + counter
            else:
                nonce = (iv ^ seq).to_bytes(12, "big")
            at = body + length + tag
            encrypt_into(nonce, data[pos:stop], pack_aad(seq, APPLICATION_DATA, version, length), out[body:at])
            pos, seq = stop, seq + 1
        return at

    def seal_full(self, data: memoryview, frames: Sequence[Frame]) -> None:
        encrypt_into, iv, salt, version = self.cipher.encrypt_into, self.iv, self.salt, self.version
        explicit = self.explicit
        size, pos, count = MAX_PLAINTEXT, 0, len(frames)
        seq = self.seq
        self.seq = seq + count  # consumed before they are used
        if seq > SEQUENCE_END - MANY:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        header = pack_header(APPLICATION_DATA, version, explicit + size + self.tag)
        for head, _, _, sealed in frames:
            if explicit:
                counter = seq.to_bytes(8, "big")
                head[:], nonce = header + counter, salt + counter
            else:
                head[:], nonce = header, (iv ^ seq).to_bytes(12, "big")
            encrypt_into(nonce, data[pos : pos + size], pack_aad(seq, APPLICATION_DATA, version, size), sealed)
            pos += size
            seq += 1


def without_padding(inner: bytes) -> int:
    """Where the zeros at the end of a TLSInnerPlaintext begin (RFC 8446 5.4).

    They are found by halving, in steps that depend only on the length of the whole: the time must not show what padding
    hides.
    """
    end = len(inner)
    for zeros, cut in HALVES[end.bit_length()]:
        end -= cut[inner.endswith(zeros, 0, end)]
    return end


def padded_data(inner: bytes) -> bytes | None:
    """The data of a TLSInnerPlaintext that does not end with the type of data; None if it is something else."""
    end = 0 if inner[-1] else without_padding(inner)
    return inner[: end - 1] if end > 1 and inner[end - 1] == APPLICATION_DATA else None


def next_sequence(seq: int) -> int:
    """The number after `seq`; Abort before it would wrap."""
    if seq >= LAST:
        raise Abort(faults.SEQUENCE_CTR_WRAPPED)
    return seq + 1
