"""CBC suites and the null cipher: MAC-then-encrypt (RFC 5246 6.2.3.2) and encrypt-then-MAC (RFC 7366).

Without encrypt-then-MAC a receiver must not tell bad padding from a bad MAC: both end in the same fault, after the same
steps (RFC 5246 6.2.3.2, and Lucky Thirteen after it).  As many bytes are joined, compared and hashed whatever the
padding says, with at least one block that is hashed for nothing: whether there is one shows, too.  Of Python itself
two things show, and are kept out of what the padding decides: integers up to 256 are ready-made and larger ones are
not, so most indices lie above; and slices of no or one byte are ready-made.
docs/timing.md has the measurements; SECURITY.md says what is promised.
"""

from __future__ import annotations

from os import urandom
from struct import Struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from puretls._base import faults
from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import APPLICATION_DATA, TLS10
from puretls._crypto.kdf import Digest
from puretls._crypto.suites import Block
from puretls._record.protection import (
    HEADER,
    SEQUENCE_END,
    Bytes,
    OneByOne,
    Sealer,
    Shapeless,
    next_sequence,
    pack_aad,
    pack_header,
)

EXPANSION = 2048  # RFC 5246 6.2.3
PADDING = tuple(bytes((last,)) * (last + 1) for last in range(256))  # all of it, by its last byte
TAIL = 272  # bytes that always contain the padding, and more
MARGIN = bytes(TAIL)  # keeps indices above the small integers
DUMMY = {block: tuple(slice(count * block) for count in range(8)) for block in (64, 128)}  # blocks hashed for nothing
pack_mac_header = Struct("!QBI").pack  # seq_num, type, and the version with the length behind it


class BlockOpener(OneByOne):
    """CBC with HMAC.  TLS 1.0 chains the IV from record to record, later versions send one (RFC 4346 6.2.3.2)."""

    __slots__ = ("block", "etm", "iv", "key", "mac", "mac_key", "overhead", "seq", "size", "version")
    expansion, last = EXPANSION, -1

    def __init__(
        self, block: Block, mac: Digest, key: bytes, mac_key: bytes, iv: bytes, version: int, *, etm: bool
    ) -> None:
        self.block, self.mac, self.key, self.mac_key, self.version, self.etm = block, mac, key, mac_key, version, etm
        self.size, self.iv, self.seq = block.block, iv, 0
        self.overhead = HEADER + mac.size + 1

    def open(self, header: Bytes, body: Bytes) -> tuple[int, bytes]:
        kind, body, size, mac_size = header[0], bytes(body), self.size, self.mac.size
        seq, self.seq = self.seq, next_sequence(self.seq)
        explicit = 0 if self.version == TLS10 else size
        tail = mac_size if self.etm else 0
        sealed = len(body) - explicit - tail
        if sealed < (size if self.etm else max(size, mac_size + 1)) or sealed % size:
            raise Abort(faults.DECRYPTION_FAILED)  # lengths are public
        if self.etm:
            covered = body[: len(body) - mac_size]
            expected = self.mac.hmac(self.mac_key, pack_aad(seq, kind, self.version, len(covered)) + covered)
            if not compare_digest(expected, body[len(body) - mac_size :]):
                raise Abort(faults.DECRYPTION_FAILED)
            body = covered
        iv, ciphertext = (body[:explicit], body[explicit:]) if explicit else (self.iv, body)
        decryptor = Cipher(self.block.algorithm(self.key), CBC(iv)).decryptor()
        plain = decryptor.update(ciphertext) + decryptor.finalize()
        self.iv = ciphertext[-size:]
        return kind, self._unpad(plain) if self.etm else self._check(seq, kind, plain)

    def _unpad(self, plain: bytes) -> bytes:
        """The padding of an authentic record."""
        pad = plain[-1] + 1
        if pad > len(plain) or plain[-pad:] != bytes((pad - 1,)) * pad:
            raise Abort(faults.DECRYPTION_FAILED)
        return plain[:-pad]

    def _check(self, seq: int, kind: int, plain: bytes) -> bytes:
        """MAC-then-encrypt: padding and MAC are judged together, in the same steps for whatever the padding says."""
        mac_size = self.mac.size
        longest = len(plain) - 1 - mac_size  # bytes of data if there is no padding; public, and not negative
        tail = plain[-TAIL:]
        pad = tail[-1]
        fits = pad <= longest
        pad *= fits
        good = fits & compare_digest(b"".join((tail[: len(tail) - 1 - pad], PADDING[pad])), tail)
        pad *= good
        header = pack_mac_header(seq, kind, (self.version << 16 | longest) - pad)
        data = memoryview(b"".join((MARGIN, header, plain)))
        end = TAIL + 13 + longest - pad
        expected = self.mac.hmac(self.mac_key, data[TAIL:end])
        # One block, and those that a record without padding would have cost besides: how many more of them
        # 13 + longest bytes fill than 13 + longest - pad, with the end of the message that the hash adds
        block = 128 if mac_size > 32 else 64
        left = (13 + longest + block // 8) % block
        self.mac.hash(data[DUMMY[block][(pad + 17 * block - 1 - left) // block - 15]])  # these are in the cache
        if not good & compare_digest(expected, data[end : end + mac_size]):
            raise Abort(faults.DECRYPTION_FAILED)
        return bytes(data[TAIL + 13 : end])


class BlockSealer(Shapeless):
    """CBC with HMAC, either order."""

    __slots__ = ("block", "etm", "iv", "key", "mac", "mac_key", "overhead", "seq", "size", "version")
    limit = SEQUENCE_END

    def __init__(
        self, block: Block, mac: Digest, key: bytes, mac_key: bytes, iv: bytes, version: int, *, etm: bool
    ) -> None:
        self.block, self.mac, self.key, self.mac_key, self.version, self.etm = block, mac, key, mac_key, version, etm
        self.size, self.iv, self.seq = block.block, iv, 0
        self.overhead = 2 * (HEADER + 2 * self.size + mac.size)  # twice: TLS 1.0 splits

    def seal(self, kind: int, data: Bytes) -> bytes:
        seq = self.seq
        self.seq = seq + 1  # before anything that may be interrupted
        next_sequence(seq)  # refuses to wrap
        data, size, version = bytes(data), self.size, self.version
        if not self.etm:
            data += self.mac.hmac(self.mac_key, pack_aad(seq, kind, version, len(data)) + data)
        pad = size - len(data) % size
        iv = self.iv if version == TLS10 else urandom(size)
        encryptor = Cipher(self.block.algorithm(self.key), CBC(iv)).encryptor()
        sealed = encryptor.update(data + bytes((pad - 1,)) * pad) + encryptor.finalize()
        self.iv = sealed[-size:]
        if version != TLS10:
            sealed = iv + sealed
        if self.etm:
            sealed += self.mac.hmac(self.mac_key, pack_aad(seq, kind, version, len(sealed)) + sealed)
        return pack_header(kind, version, len(sealed)) + sealed

    def seal_data(self, data: Bytes) -> bytes:
        # TLS 1.0: the next IV is known to who watches.  One byte alone makes it unpredictable again (BEAST).
        if self.version == TLS10 and len(data) > 1:
            return self.seal(APPLICATION_DATA, data[:1]) + self.seal(APPLICATION_DATA, data[1:])
        return self.seal(APPLICATION_DATA, data)

    def seal_many(self, data: memoryview, size: int, out: memoryview) -> int:
        return copy_sealed(self, data, size, out)


class MacOpener(OneByOne):
    """The null cipher: integrity without secrecy (RFC 5246 6.2.3.1)."""

    __slots__ = ("mac", "mac_key", "overhead", "seq", "version")
    expansion, last = EXPANSION, -1

    def __init__(self, mac: Digest, mac_key: bytes, version: int) -> None:
        self.mac, self.mac_key, self.version, self.seq = mac, mac_key, version, 0
        self.overhead = HEADER + mac.size

    def open(self, header: Bytes, body: Bytes) -> tuple[int, bytes]:
        seq, self.seq = self.seq, next_sequence(self.seq)
        body = bytes(body)
        size = len(body) - self.mac.size
        if size < 0:
            raise Abort(faults.DECRYPTION_FAILED)
        expected = self.mac.hmac(self.mac_key, pack_aad(seq, header[0], self.version, size) + body[:size])
        if not compare_digest(expected, body[size:]):
            raise Abort(faults.DECRYPTION_FAILED)
        return header[0], body[:size]


class MacSealer(Shapeless):
    """The null cipher."""

    __slots__ = ("mac", "mac_key", "overhead", "seq", "version")
    limit = SEQUENCE_END

    def __init__(self, mac: Digest, mac_key: bytes, version: int) -> None:
        self.mac, self.mac_key, self.version, self.seq = mac, mac_key, version, 0
        self.overhead = HEADER + mac.size

    def seal(self, kind: int, data: Bytes) -> bytes:
        seq = self.seq
        self.seq = seq + 1  # before anything that may be interrupted
        next_sequence(seq)  # refuses to wrap
        data = bytes(data)
        sealed = data + self.mac.hmac(self.mac_key, pack_aad(seq, kind, self.version, len(data)) + data)
        return pack_header(kind, self.version, len(sealed)) + sealed

    def seal_data(self, data: Bytes) -> bytes:
        return self.seal(APPLICATION_DATA, data)

    def seal_many(self, data: memoryview, size: int, out: memoryview) -> int:
        return copy_sealed(self, data, size, out)


def copy_sealed(sealer: Sealer, data: memoryview, size: int, out: memoryview) -> int:
    """`seal_many` where there is nothing to be gained by sealing in place."""
    at = 0
    for pos in range(0, len(data), size):
        records = sealer.seal_data(data[pos : pos + size])
        out[at : at + len(records)] = records
        at += len(records)
    return at
