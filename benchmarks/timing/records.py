"""Records: padding of TLS 1.3, CBC with either order of MAC, the tag of an AEAD."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from benchmarks.timing.ends import Ends
from benchmarks.timing.measure import Experiment, Make, Operation
from puretls._base.faults import Abort
from puretls._base.registry import APPLICATION_DATA, TLS12
from puretls._crypto import suites
from puretls._crypto.kdf import Digest
from puretls._record.cbc import BlockOpener
from puretls._record.protection import HEADER, Opener13, Sealer13, pack_aad, pack_header

AES = suites.BY_NAME["TLS_AES_128_GCM_SHA256"].cipher
CBC_AES = suites.BY_NAME["AES128-SHA"].cipher
KEY, IV = bytes(range(16)), bytes(range(12))
NOUGHT = memoryview(bytes(1 << 15))
MACS = {name: suites.BY_NAME[name].mac for name in ("AES128-SHA", "AES128-SHA256")}


def attempt(call: Callable[..., object], *arguments: object) -> Operation:
    def operation() -> None:
        with suppress(Abort):
            call(*arguments)

    return operation


# TLS 1.3: data, its type, and zeros


def padded(size: int, zeros: int) -> bytes:
    """The same allocations for all: what they leave behind shows in what is timed."""
    inner = bytearray(os.urandom(size))
    view = memoryview(inner)
    view[size - zeros :] = NOUGHT[:zeros]
    inner[size - zeros - 1] = APPLICATION_DATA
    return bytes(inner)


def paddings(size: int) -> dict[str, int]:
    """How many zeros, behind much data or little."""
    return {"1 byte": 1, "none": 0, "2": 2, "17": 17, "half": size // 2, "all but a byte": size - 2}


def opening(size: int, zeros: int, bulk: bool) -> Make:
    sealer: Any = Sealer13(AES, KEY, IV)  # type: ignore[arg-type]  # an AEAD
    opener = Opener13(AES, KEY, IV)  # type: ignore[arg-type]
    header = pack_header(APPLICATION_DATA, 0x0303, size + 16)
    out = memoryview(bytearray(size))

    def make() -> Operation:
        record = header + sealer.encrypt(IV, padded(size, zeros), header)
        opener.seq, view = 0, memoryview(record)
        if bulk:
            return lambda: opener.open_many(record, view, 0, len(record), out)
        return lambda: opener.open_data(record, len(record))

    return make


def reading(ends: Ends, size: int, zeros: int) -> Make:
    sealer: Any = ends.client_sealer

    def make() -> Operation:
        inner = padded(size, zeros)
        header = pack_header(APPLICATION_DATA, 0x0303, size + 16)
        ends.incoming.write(header + sealer.encrypt((sealer.iv ^ sealer.seq).to_bytes(12, "big"), inner, header))
        sealer.seq += 1
        return lambda: ends.server.read(1 << 14)

    return make


def padding(size: int) -> list[Experiment]:
    counts = paddings(size)
    ends = Ends()
    return [
        Experiment(
            f"TLS 1.3 padding, {size} bytes, one record", {n: opening(size, z, False) for n, z in counts.items()}
        ),
        Experiment(f"TLS 1.3 padding, {size} bytes, in bulk", {n: opening(size, z, True) for n, z in counts.items()}),
        Experiment(f"TLS 1.3 padding, {size} bytes, read()", {n: reading(ends, size, z) for n, z in counts.items()}),
    ]


# CBC


class Block:
    """An opener, and somebody who can encrypt for it."""

    def __init__(self, mac: Digest, *, etm: bool = False) -> None:
        self.mac, self.mac_key = mac, bytes(mac.size)
        self.opener = BlockOpener(CBC_AES, mac, KEY, self.mac_key, b"", TLS12, etm=etm)  # type: ignore[arg-type]  # a Block

    def encrypt(self, plain: bytes) -> bytes:
        iv = os.urandom(16)
        encryptor = Cipher(CBC_AES.algorithm(KEY), CBC(iv)).encryptor()  # type: ignore[union-attr]
        return iv + encryptor.update(plain) + encryptor.finalize()

    def mac_of(self, data: bytes) -> bytes:
        return self.mac.hmac(self.mac_key, pack_aad(0, APPLICATION_DATA, TLS12, len(data)) + data)

    def open(self, body: bytes) -> Operation:
        self.opener.seq = 0
        return attempt(self.opener.open, pack_header(APPLICATION_DATA, TLS12, len(body)), body)


def claims(block: Block, total: int) -> dict[str, Make]:
    """Plaintexts of one length whose padding is wrong, or right with a MAC that is not."""

    def plain(*places: tuple[int, bytes]) -> Make:
        """Noise of this length with something in these places, by the same allocations for all."""
        ends = [(total + at, total + at + len(content), memoryview(content)) for at, content in places]

        def make() -> Operation:
            made = bytearray(os.urandom(total))
            view = memoryview(made)
            for start, stop, content in ends:
                view[start:stop] = content
            return block.open(block.encrypt(bytes(made)))

        return make

    def wrong(last: int) -> Make:
        return plain((-2, bytes((0xEE, last))))

    def almost(last: int) -> Make:  # the first byte of the padding is wrong
        return plain((-last - 1, bytes((last ^ 0x55,)) + bytes((last,)) * last))

    def right(pad: int) -> Make:
        return plain((-pad, bytes((pad - 1,)) * pad))

    return {
        "wrong, 01": wrong(0x01),
        "wrong, 80": wrong(0x80),
        "wrong, ff": wrong(0xFF),
        "wrong in its first byte": almost(0xFE),
        "right, 1 byte": right(1),
        "right, 2": right(2),
        "right, 17": right(17),
        "right, 53": right(53),
        "right, 54": right(54),
        "right, 256": right(256),
    }


def mac_then_encrypt(name: str, total: int) -> Experiment:
    block = Block(MACS[name])  # type: ignore[arg-type]  # they have one
    return Experiment(f"{name}, MAC-then-encrypt, {total} bytes", claims(block, total))


def encrypt_then_mac(name: str) -> Experiment:
    block = Block(MACS[name], etm=True)  # type: ignore[arg-type]

    def touched(at: int) -> Make:
        def make() -> Operation:
            body = block.encrypt(os.urandom(319) + b"\x00")
            mac = bytearray(block.mac_of(body))
            mac[at] ^= 1
            return block.open(body + mac)

        return make

    return Experiment(f"{name}, encrypt-then-MAC: where the MAC is wrong", {"first": touched(0), "last": touched(-1)})


# AEAD


def tag() -> Experiment:
    sealer: Any = Sealer13(AES, KEY, IV)  # type: ignore[arg-type]
    opener = Opener13(AES, KEY, IV)  # type: ignore[arg-type]

    def touched(at: int) -> Make:
        def make() -> Operation:
            sealer.seq = opener.seq = 0
            record = bytearray(sealer.seal_data(os.urandom(300)))
            record[at] ^= 1
            return attempt(opener.open, bytes(record[:HEADER]), bytes(record[HEADER:]))

        return make

    places = {"first of the tag": touched(-16), "last": touched(-1), "first of the data": touched(HEADER)}
    return Experiment("AES-GCM: where a record is wrong", places)


def experiments() -> list[Experiment]:
    return [
        *padding(300),
        *padding(1 << 14),
        mac_then_encrypt("AES128-SHA", 320),
        mac_then_encrypt("AES128-SHA", 336),
        mac_then_encrypt("AES128-SHA256", 320),
        mac_then_encrypt("AES128-SHA", 4096)._replace(share=0.3),
        encrypt_then_mac("AES128-SHA"),
        encrypt_then_mac("AES128-SHA256"),
        tag(),
    ]
