"""CRLite: whether a public CA has revoked a certificate, without asking any server.

Mozilla publishes filters that hold all revocations of the public CAs.  They are Clubcards: a matrix over GF(2) from
which the answer for a certificate is computed as a few parities (Schanck, "Clubcards for the WebPKI", 2025; formats 3
and 4 of the crate `clubcard-crlite`).  A filter covers a certificate only if one of the certificate's embedded
timestamps (SCTs) is of a log and a time that it covers.  Only headers are read here; the owner of the files maps them
into memory.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Sequence
from enum import Enum
from hashlib import sha256
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from puretls._base.public import public
from puretls._base.tuples import NamedTuple
from puretls._x509 import shapes
from puretls._x509.certificate import Certificate

SCTS = "1.3.6.1.4.1.11129.2.4.2"
BITS = 256  # of an equation
ALL = (1 << BITS) - 1


@public
class CRLiteStatus(Enum):
    """The status of a certificate, by the filters."""

    GOOD = "good"
    REVOKED = "revoked"
    NOT_COVERED = "not covered"
    """No filter covers one of its timestamps: it is too new, or of no public CA."""
    NOT_ENROLLED = "not enrolled"
    """Its issuer is not among those whose revocations are published this way."""


class Block(NamedTuple):
    """The part of a filter about one issuer."""

    approx_m: int
    rank: int
    approx_offset: int
    exact_m: int
    exact_offset: int
    inverted: bool
    exceptions: tuple[bytes, ...]


class _Reader:
    """The numbers and strings of a file; ValueError where it ends too early."""

    def __init__(self, data: memoryview, *, wide: bool) -> None:
        self.data, self.at, self.wide = data, 0, wide  # wide: version 3, where each number is a little-endian u64

    def number(self, size: int) -> int:
        raw = self.take(8 if self.wide else size)
        return int.from_bytes(raw, "little" if self.wide else "big")

    def take(self, size: int) -> memoryview:
        end = self.at + size
        if end > len(self.data):
            raise ValueError("the filter is cut short")
        raw, self.at = self.data[self.at : end], end
        return raw


class Filter:
    """One file of filters; ValueError if it is none."""

    def __init__(self, data: memoryview) -> None:
        reader = _Reader(data, wide=False)
        version, zero = reader.take(2)
        if version not in (3, 4) or zero:
            raise ValueError(f"a filter of version {version} is not known")
        reader.wide = version == 3
        self._order = "<" if version == 3 else ">"
        self.covered: dict[bytes, tuple[int, int]] = {}
        for _ in range(reader.number(2)):
            log = bytes(reader.take(32))
            self.covered[log] = reader.number(8), reader.number(8)
        self.blocks: dict[bytes, Block] = {}
        for _ in range(reader.number(4)):
            issuer = bytes(reader.take(self._id_size(reader)))
            self.blocks[issuer] = self._block(reader)
        self._columns = [reader.take(8 * reader.number(4)) for _ in range(reader.number(1))]
        self._exact = reader.take(8 * reader.number(4))
        if reader.at != len(data):
            raise ValueError("there is something behind the filter")

    @staticmethod
    def _id_size(reader: _Reader) -> int:
        size = reader.number(8) if reader.wide else 32
        if size != 32:
            raise ValueError("an issuer's digest has another length")
        return size

    @staticmethod
    def _block(reader: _Reader) -> Block:
        approx_m = reader.number(4)
        if reader.wide:
            exact_m, rank, approx_offset = reader.number(8), reader.number(8), reader.number(8)
        else:
            rank, approx_offset, exact_m = reader.number(1), reader.number(4), reader.number(4)
        exact_offset = reader.number(4)
        inverted = bool(reader.take(1)[0])
        count = reader.number(2)
        exceptions = tuple(bytes(reader.take(reader.number(1))) for _ in range(count))
        return Block(approx_m, rank, approx_offset, exact_m, exact_offset, inverted, exceptions)

    def covers(self, timestamps: Sequence[tuple[bytes, int]]) -> bool:
        """Whether it covers one of these pairs of a log and a time in milliseconds."""
        for log, moment in timestamps:
            low, high = self.covered.get(log, (1, 0))
            if low <= moment <= high:
                return True
        return False

    def status(self, issuer: bytes, serial: bytes, timestamps: Sequence[tuple[bytes, int]]) -> CRLiteStatus:
        """The status of a certificate, by the digest of its issuer and the octets of its serial number."""
        if not self.covers(timestamps):
            return CRLiteStatus.NOT_COVERED
        block = self.blocks.get(issuer)
        if block is None:
            return CRLiteStatus.NOT_ENROLLED
        return CRLiteStatus.REVOKED if self._member(block, issuer, serial) != block.inverted else CRLiteStatus.GOOD

    def _member(self, block: Block, issuer: bytes, serial: bytes) -> bool:
        """Whether all equations of the certificate hold."""
        if not block.approx_m:
            return False
        equation = int.from_bytes(sha256(issuer + serial).digest(), "little") | 1
        top = equation >> 192
        place = top % block.approx_m + block.approx_offset
        return (
            block.rank <= len(self._columns)
            and not any(self._parity(column, place, equation) for column in self._columns[: block.rank])
            and not self._parity(self._exact, top % max(1, block.exact_m) + block.exact_offset, equation)
            and serial not in block.exceptions
        )

    def _parity(self, column: memoryview, place: int, equation: int) -> int:
        word, shift = divmod(place, 64)
        part = column[8 * word : 8 * word + 40]
        words = struct.unpack(f"{self._order}{len(part) // 8}Q", part)
        value: int = sum(one << 64 * i for i, one in enumerate(words))
        return ((value >> shift) & ALL & equation).bit_count() & 1


class Source(Protocol):
    """A source of filters, which is responsible for files and their age."""

    @property
    def name(self) -> str:
        """A value that identifies this source."""

    def current(self, now: float) -> Sequence[Filter]:
        """The filters that are valid at a time in seconds since the epoch."""


def timestamps(leaf: Certificate) -> list[tuple[bytes, int]]:
    """Log and time in milliseconds of the SCTs that a certificate holds; none if they cannot be read."""
    if SCTS not in leaf.extensions:
        return []
    try:
        found = leaf.parsed.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
        return [(sct.log_id, _milliseconds(sct.timestamp)) for sct in found.value]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return []


def _milliseconds(moment: dt.datetime) -> int:
    return (moment.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) // dt.timedelta(milliseconds=1)  # noqa: DTZ001 - UTC


def serial_octets(leaf: Certificate) -> bytes:
    """The content octets of the INTEGER that is the certificate's number."""
    tbs = shapes.read(shapes.TbsEncoded, shapes.whole(shapes.read(shapes.Signed, leaf.der).tbs))
    return bytes(tbs.serial.data)


def check(filters: Sequence[Filter], leaf: Certificate, issuer: Certificate) -> CRLiteStatus:
    """The common status of several filters: revoked if it is so in any."""
    if not filters or not (moments := timestamps(leaf)):
        return CRLiteStatus.NOT_COVERED
    digest, serial = sha256(issuer.key_der).digest(), serial_octets(leaf)
    found = {one.status(digest, serial, moments) for one in filters}
    for status in (CRLiteStatus.REVOKED, CRLiteStatus.GOOD, CRLiteStatus.NOT_ENROLLED):
        if status in found:
            return status
    return CRLiteStatus.NOT_COVERED
