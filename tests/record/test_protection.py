"""Every cipher of the table, both ways: what is sealed opens, what is touched does not, no number repeats or wraps."""

from __future__ import annotations

import _operator
import hmac
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS10, TLS12
from puretls._crypto import suites
from puretls._crypto.kdf import SHA256, Prf
from puretls._record import protection12
from puretls._record.cbc import BlockOpener, MacOpener
from puretls._record.places import KEPT, Places
from puretls._record.protection import (
    HEADER,
    MAX_PLAINTEXT,
    SEQUENCE_END,
    NullOpener,
    Opener13,
    pack_aad,
    pack_header,
)
from support.protections import PROTECTIONS, open_all

EACH = pytest.mark.parametrize("make", PROTECTIONS.values(), ids=PROTECTIONS)
AEADS = pytest.mark.parametrize(
    "make",
    [make for name, make in PROTECTIONS.items() if "AES(" not in name and "Cam" not in name and "null" not in name],
)
MTE = pytest.mark.parametrize("make", [make for name, make in PROTECTIONS.items() if name.endswith("mte")])


def seal_many(sealer: Any, data: bytes, size: int = MAX_PLAINTEXT) -> bytes:
    records = -(-len(data) // size)
    out = bytearray(len(data) + records * sealer.overhead)
    used = sealer.seal_many(memoryview(data), size, memoryview(out))
    return bytes(out[:used])


def seal_full(sealer: Any, data: bytes) -> bytes:
    """The full records of `data`, each in its place of a buffer that is not clean."""
    memory = bytearray(b"\xa5" * (len(data) + sealer.overhead * (len(data) // MAX_PLAINTEXT)))
    frames = sealer.shape.frames(memoryview(memory))
    assert len(frames) == len(data) // MAX_PLAINTEXT
    sealer.seal_full(memoryview(data), frames)
    return bytes(memory)


@EACH
def test_what_is_sealed_opens(make):
    sealer, opener = make()
    sizes = (0, 1, 15, 16, 17, 47, 48, 255, 256, 1000, MAX_PLAINTEXT)
    for kind in (HANDSHAKE, ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC):
        for size in sizes:
            data = bytes(n & 255 for n in range(size))
            sealed = bytes(sealer.seal(kind, data))
            assert len(sealed) <= size + sealer.overhead
            assert open_all(opener, sealed) == (kind, data)


@EACH
def test_bulk_is_the_same_as_one_by_one(make):
    sealer, opener = make()
    data = bytes(n * 7 & 255 for n in range(40000))
    for size in (MAX_PLAINTEXT, 1000, 40000 // 3):
        assert open_all(opener, seal_many(sealer, data, size)) == (APPLICATION_DATA, data)
    assert sealer.seq == opener.seq


@AEADS
def test_full_records_in_place_are_the_same(make):
    sealer, opener = make()
    other, _ = make()
    data = bytes(n * 7 & 255 for n in range(3 * MAX_PLAINTEXT))
    sealed = seal_full(sealer, data)
    assert sealed == seal_many(other, data)
    assert open_all(opener, sealed) == (APPLICATION_DATA, data)
    assert sealer.seq == other.seq == 3


@AEADS
def test_records_that_are_alike_are_opened_all_or_not_at_all(make):
    """What is no data, has another length or was touched is left to the methods that know what it is."""
    sealer, opener = make()
    first = bytes(sealer.seal(APPLICATION_DATA, b"0" * 300))
    assert opener.open_data(first, len(first)) == b"0" * 300
    for kind, sizes, touched, opened in (
        (APPLICATION_DATA, (300, 300, 300), False, True),
        (APPLICATION_DATA, (300, 299, 301), False, False),
        (ALERT, (300, 300, 300), False, False),
        (APPLICATION_DATA, (300, 300, 300), True, False),
    ):
        pieces, before = [b"d" * size for size in sizes], opener.seq
        kinds = (APPLICATION_DATA, APPLICATION_DATA, kind)
        records = [bytes(sealer.seal(*record)) for record in zip(kinds, pieces, strict=True)]
        come = bytearray(b"".join(records))
        come[-1] ^= touched
        assert opener.open_alike(bytes(come)) == (b"".join(pieces) if opened else None)
        assert opener.seq == before + 3 * opened
        if not opened:
            assert [open_all(opener, record)[0] for record in records] == [*kinds]


@AEADS
def test_a_full_record_in_its_place_is_the_same(make):
    sealer, opener = make()
    place = opener.places.new()
    for kind, size, opened in (
        (APPLICATION_DATA, MAX_PLAINTEXT, True),
        (APPLICATION_DATA, MAX_PLAINTEXT - 1, False),
        (HANDSHAKE, MAX_PLAINTEXT, False),
        (APPLICATION_DATA, MAX_PLAINTEXT, True),
    ):
        data, before = bytes(n * 7 & 255 for n in range(size)), opener.seq
        sealed = bytes(sealer.seal(kind, data))
        place.rest[: len(sealed) - HEADER] = sealed[HEADER:]
        assert opener.open_full(place, sealed[:HEADER]) is opened
        assert opener.seq == before + opened
        if opened:
            assert place.data == data
        else:
            assert open_all(opener, sealed) == (kind, data)
    sealed = sealer.seal(APPLICATION_DATA, data)
    place.rest[:-HEADER] = sealed[HEADER:]
    place.body[100] ^= 1
    with pytest.raises(Abort):
        opener.open_full(place, sealed[:HEADER])
    assert not any(place.inner), "what nobody vouches for is wiped"


def test_few_places_are_kept_however_many_were_in_use_at_once():
    places = Places(0, MAX_PLAINTEXT, 1, 16)
    for place in [places.new() for _ in range(100)]:
        places.free.append(place)
    assert len(places.free) == KEPT


@AEADS
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=8), room=st.integers(1, 900), start=st.integers(0, 9))
@settings(max_examples=20)
def test_bulk_opens_what_fits(make, sizes, room, start):
    """Never more than fits, never part of a record, in order."""
    sealer, opener = make()
    pieces = [bytes([n]) * size for n, size in enumerate(sizes)]
    buf = bytearray(
        bytes(start) + b"".join(bytes(sealer.seal(APPLICATION_DATA, piece)) for piece in pieces) + b"\x17\x03"
    )
    out, got, pos = bytearray(room), b"", start
    while True:
        stop, size = opener.open_many(buf, memoryview(buf), pos, len(buf), memoryview(out))
        assert size <= room
        got += out[:size]
        if stop == pos:
            break
        pos = stop
    slack = 1 if isinstance(opener, Opener13) else 0  # the type byte needs room too
    fits = next((n for n, piece in enumerate(pieces) if len(piece) + slack > room), len(pieces))
    assert got == b"".join(pieces[:fits])
    assert opener.seq == fits


@EACH
def test_what_is_touched_does_not_open(make):
    """Each byte of the header's type and version, and of the body, is covered."""
    for at in (0, 1, 2, *range(5, 140, 3), -1):
        sealer, opener = make()
        sealed = bytearray(sealer.seal(APPLICATION_DATA, bytes(40)))
        if at >= len(sealed) or (at < 5 and not isinstance(opener, Opener13) and at != 0):
            continue  # a version is judged before opening; see Inbound
        if at < 5 and isinstance(opener, (MacOpener, BlockOpener)) and at:
            continue
        sealed[at] ^= 1
        with pytest.raises(Abort) as caught:
            open_all(opener, bytes(sealed))
        assert caught.value.fault is faults.DECRYPTION_FAILED


@EACH
def test_records_open_in_their_order_only(make):
    sealer, opener = make()
    first, second = (bytes(sealer.seal(APPLICATION_DATA, b"x" * 20)) for _ in range(2))
    for wrong in (second, first + first):
        _, opener = make()
        with pytest.raises(Abort) as caught:
            open_all(opener, wrong)
        assert caught.value.fault is faults.DECRYPTION_FAILED
    _, opener = make()
    open_all(opener, first + second)


@EACH
@given(data=st.binary(max_size=100))
@settings(max_examples=15)
def test_noise_does_not_open(make, data):
    with pytest.raises(Abort) as caught:
        make()[1].open(pack_header(APPLICATION_DATA, TLS12, len(data)), data)
    assert caught.value.fault is faults.DECRYPTION_FAILED


@EACH
def test_short_records_do_not_open(make):
    for size in range(64):
        with pytest.raises(Abort) as caught:
            make()[1].open(pack_header(APPLICATION_DATA, TLS12, size), bytes(size))
        assert caught.value.fault is faults.DECRYPTION_FAILED


@EACH
def test_sequence_numbers_end(make):
    """RFC 8446 5.3, RFC 5246 6.1: they do not wrap."""
    for seq in (SEQUENCE_END - 1, SEQUENCE_END):
        sealer, opener = make()
        sealed = bytes(sealer.seal(APPLICATION_DATA, b"x"))
        sealer.seq = opener.seq = seq
        for call in (
            lambda sealer=sealer: sealer.seal(APPLICATION_DATA, b"x"),
            lambda sealer=sealer: seal_many(sealer, b"x"),
            lambda sealer=sealer: (seal_full if sealer.shape else seal_many)(sealer, bytes(MAX_PLAINTEXT)),
            lambda opener=opener, sealed=sealed: open_all(opener, sealed),
        ):
            with pytest.raises(Abort) as caught:
                call()
            assert caught.value.fault is faults.SEQUENCE_CTR_WRAPPED
        buf = bytearray(sealed)
        assert opener.open_many(buf, memoryview(buf), 0, len(buf), memoryview(bytearray(99))) == (0, 0)
        assert opener.open_data(sealed, len(sealed)) is None


@AEADS
def test_the_last_numbers_are_used_once(make):
    sealer, opener = make()
    sealer.seq = opener.seq = SEQUENCE_END - 3
    seen = set()
    for _ in range(2):
        sealed = bytes(sealer.seal(APPLICATION_DATA, b"same"))
        seen.add(sealed)
        assert open_all(opener, sealed) == (APPLICATION_DATA, b"same")
    assert len(seen) == 2
    with pytest.raises(Abort):
        sealer.seal(APPLICATION_DATA, b"same")


@EACH
def test_one_plaintext_never_gives_one_ciphertext_twice(make):
    sealer, _ = make()
    sealed = {bytes(sealer.seal(APPLICATION_DATA, bytes(32))) for _ in range(50)}
    sealed |= {seal_many(sealer, bytes(32)) for _ in range(50)}
    assert len(sealed) == 100


@AEADS
def test_a_failed_seal_uses_up_its_number(make):
    """Whatever interrupts sealing, the nonce is gone."""
    sealer, _ = make()
    before = sealer.seq
    with pytest.raises(ValueError):
        sealer.seal_many(memoryview(bytes(100)), 50, memoryview(bytearray(10)))
    assert sealer.seq == before + 2


@AEADS
def test_who_interrupts_gets_another_number(make):
    """A signal handler that seals, too, at each place where Python would run one: no nonce is used twice."""

    def watched(encrypt, nonces):
        def call(nonce, *arguments):
            nonces.append(bytes(nonce))
            return encrypt(nonce, *arguments)

        return call

    for seal in (
        lambda sealer: sealer.seal(HANDSHAKE, b"outer"),
        lambda sealer: sealer.seal_data(b"outer"),
        lambda sealer: seal_many(sealer, bytes(100), 40),
        lambda sealer: seal_full(sealer, bytes(2 * MAX_PLAINTEXT)),
    ):
        for place in range(200):
            sealer, _ = make()
            nonces: list[bytes] = []
            sealer.encrypt = watched(sealer.encrypt, nonces)
            sealer.cipher = SimpleNamespace(encrypt_into=watched(sealer.cipher.encrypt_into, nonces))
            left = [place]

            def handler(*_, sealer=sealer, left=left):
                if not left[0]:
                    sealer.seal_data(b"inner")
                left[0] -= 1

            sys.setprofile(handler)
            try:
                seal(sealer)
            finally:
                sys.setprofile(None)
            assert len(set(nonces)) == len(nonces)
            if left[0] >= 0:
                break
        assert left[0] >= 0


@AEADS
def test_nothing_unauthenticated_stays_in_the_callers_memory(make):
    """`decrypt_into` writes before it checks (the library's documentation says so)."""
    for good in (0, 2):
        sealer, opener = make()
        secret = b"attack at dawn, said somebody; who?" * 3
        buf = bytearray(b"".join(bytes(sealer.seal(APPLICATION_DATA, secret)) for _ in range(good + 1)))
        buf[-1] ^= 1
        out = bytearray(b"\xee" * 1000)
        if good:
            _, size = opener.open_many(buf, memoryview(buf), 0, len(buf), memoryview(out))
            assert out[:size] == secret * good
        else:
            size = 0
            with pytest.raises(Abort):
                opener.open_many(buf, memoryview(buf), 0, len(buf), memoryview(out))
        rest = out[size:]
        assert set(rest) <= {0, 0xEE, APPLICATION_DATA}
        assert secret[:5] not in rest
        with pytest.raises(Abort) as caught:
            opener.open_many(buf, memoryview(buf), good * (len(buf) // (good + 1)), len(buf), memoryview(out))
        assert caught.value.fault is faults.DECRYPTION_FAILED


@AEADS
@pytest.mark.parametrize("kept", [bytes, bytearray])
def test_one_record_alone(make, kept):
    """`open_data`: plain application data or nothing, and nothing counts that is opened again."""
    sealer, opener = make()
    for data in (b"x", bytes(300), bytes(300)):
        sealed = bytes(sealer.seal(APPLICATION_DATA, data))
        memory = kept(sealed + b"\x17\x03")  # what follows is not its concern
        assert opener.open_data(memory, len(sealed)) == data
        if kept is bytearray:  # memory that is used again
            memory[:] = bytes(len(memory))
    assert opener.seq == 3
    for kind, data in ((HANDSHAKE, b"x"), (ALERT, b"\x01\x00"), (APPLICATION_DATA, b"")):
        sealed = bytes(sealer.seal(kind, data))
        assert opener.open_data(kept(sealed), len(sealed)) is None
        assert open_all(opener, sealed) == (kind, data)
    with pytest.raises(Abort) as caught:
        opener.open_data(kept(pack_header(APPLICATION_DATA, TLS12, 40) + bytes(40)), 45)
    assert caught.value.fault is faults.DECRYPTION_FAILED


@EACH
def test_no_part_of_a_record_is_one(make):
    """Nor is anything else: what `open_data` leaves alone can still be opened."""
    sealer, opener = make()
    sealed = bytes(sealer.seal(APPLICATION_DATA, b"some data"))
    for one in (opener, make()[1]):  # a used one remembers the last header
        for stop in range(len(sealed)):
            for buf in (sealed[:stop], sealed):
                assert make()[1].open_data(buf, stop) is None
                assert one.open_data(buf, stop) is None
        assert one.open_data(sealed + b"\x17", len(sealed) + 1) is None
        assert make()[1].open_data(sealed, len(sealed) + 1) is None
        assert open_all(one, sealed) == (APPLICATION_DATA, b"some data")


@AEADS
@pytest.mark.parametrize("rest", [b"", b"\x17\x03", b"\x17\x03\x03\x00\x40", b"\x16\x03\x03\x00\x01x"])
def test_several_records_at_once(make, rest):
    """`open_each`: whole records of data while they fit; what is not opened counts for nothing."""
    for sizes in ((1,), (5, 5, 5), (5, 1, MAX_PLAINTEXT, 5, 5)):
        sealer, opener = make()
        pieces = [bytes([at]) * size for at, size in enumerate(sizes)]
        buf = b"".join(sealer.seal(APPLICATION_DATA, data) for data in pieces)
        assert opener.open_each(buf + rest, len(buf + rest), sum(sizes)) == (len(buf), pieces)
        assert opener.seq == len(sizes)
        sealer, opener = make()
        stop = len(buf) - len(sealer.seal(APPLICATION_DATA, pieces[-1]))
        for end, room in ((len(buf) - 1, sum(sizes)), (len(buf), sum(sizes) - 1)):
            sealer, opener = make()
            assert opener.open_each(buf + rest, end, room) == (stop, pieces[:-1])
            assert opener.open_data(buf[stop:], len(buf) - stop) == pieces[-1]


@AEADS
def test_several_records_and_something_else(make):
    for kind, data in ((HANDSHAKE, b"x"), (ALERT, b"\x01\x00"), (APPLICATION_DATA, b"")):
        sealer, opener = make()
        good = [bytes(sealer.seal(APPLICATION_DATA, b"good")) for _ in range(2)]
        other = bytes(sealer.seal(kind, data))
        buf = b"".join((*good, other, sealer.seal(APPLICATION_DATA, b"more")))
        assert opener.open_each(buf, len(buf), 1000) == (len(good[0]) * 2, [b"good"] * 2)
        assert open_all(opener, other) == (kind, data)
    sealer, opener = make()
    good, bad = (bytearray(sealer.seal(APPLICATION_DATA, b"data")) for _ in range(2))
    bad[-1] ^= 1
    buf = bytes(good + bad)
    assert opener.open_each(buf, len(buf), 1000) == (len(good), [b"data"])
    with pytest.raises(Abort) as caught:
        opener.open_each(bytes(bad), len(bad), 1000)
    assert caught.value.fault is faults.DECRYPTION_FAILED
    opener.seq = SEQUENCE_END - 1
    assert opener.open_each(buf, len(buf), 1000) == (0, [])


@pytest.mark.parametrize("make", [make for name, make in PROTECTIONS.items() if name.startswith("1.3")])
def test_several_records_with_padding(make):
    sealer, opener = make()
    buf = b""
    for at, padding in enumerate((0, 1, 300, 0)):
        header = pack_header(APPLICATION_DATA, TLS12, 4 + padding + sealer.extra)
        nonce = (sealer.iv ^ at).to_bytes(12, "big")
        buf += header + sealer.encrypt(nonce, b"data\x17" + bytes(padding), header)
    assert opener.open_each(buf, len(buf), 1000) == (len(buf), [b"data"] * 4)


def test_an_empty_inner_plaintext():
    """Not even a content type: authentic, and a violation all the same (RFC 8446 5.4)."""
    sealer, opener = PROTECTIONS["1.3 AESGCM(128)"]()
    for padding in (0, 1, 300, MAX_PLAINTEXT + 1):
        header = pack_header(APPLICATION_DATA, TLS12, padding + 16)
        body = sealer.encrypt(sealer.iv.to_bytes(12, "big"), bytes(padding), header)
        assert opener.open_data(header + body, len(header + body)) is None
        buf = bytearray(header + body)
        out = bytearray(20000)
        assert opener.open_many(buf, memoryview(buf), 0, len(buf), memoryview(out)) == (0, 0)
        with pytest.raises(Abort) as caught:
            opener.open(header, body)
        assert caught.value.fault is faults.BAD_RECORD_TYPE
        sealer, opener = PROTECTIONS["1.3 AESGCM(128)"]()


@given(padding=st.integers(0, 300), data=st.binary(min_size=1, max_size=100))
def test_padding_is_taken_off(padding, data):
    sealer, opener = PROTECTIONS["1.3 AESGCM(128)"]()
    inner = data + bytes((APPLICATION_DATA,)) + bytes(padding)
    header = pack_header(APPLICATION_DATA, TLS12, len(inner) + 16)
    body = sealer.encrypt(sealer.iv.to_bytes(12, "big"), inner, header)
    assert opener.open(header, body) == (APPLICATION_DATA, data)


class CountedCipher:
    """A cipher whose decryptions are counted."""

    def __init__(self, opener: Any) -> None:
        self.calls = 0
        opener.decrypt = self.counting(opener.decrypt)
        opener.cipher = SimpleNamespace(decrypt_into=self.counting(opener.cipher.decrypt_into))

    def counting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def decrypt(*arguments: Any) -> Any:
            self.calls += 1
            return real(*arguments)

        return decrypt


def padded_records(sealer: Any, *records: tuple[bytes, int]) -> bytes:
    found = b""
    for data, padding in records:
        inner = data + bytes((APPLICATION_DATA,)) + bytes(padding)
        header = pack_header(APPLICATION_DATA, TLS12, len(inner) + 16)
        found += header + sealer.encrypt((sealer.iv ^ sealer.seq).to_bytes(12, "big"), inner, header)
        sealer.seq += 1
    return found


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.integers(0, 40)), min_size=1, max_size=6))
def test_padded_data_is_opened_once_like_any_other(records):
    """RFC 8446 5.4: who measures must not see which records are padded, and how much."""
    for _ in range(2):
        sealer, opener = PROTECTIONS["1.3 AESGCM(128)"]()
        counted, sealed = CountedCipher(opener), padded_records(sealer, *records)
        out = memoryview(bytearray(2000))
        start, got = opener.open_many(sealed, memoryview(sealed), 0, len(sealed), out)
        assert bytes(out[:got]) == b"".join(data for data, _ in records)
        assert start == len(sealed)
        assert counted.calls == len(records)
        assert not any(out[got + 1 :])
    for record in records:
        sealer, opener = PROTECTIONS["1.3 AESGCM(128)"]()
        counted = CountedCipher(opener)
        sealed = padded_records(sealer, record)
        assert opener.open_data(sealed, len(sealed)) == record[0]
        assert counted.calls == 1


def test_the_null_cipher_takes_no_data():
    assert NullOpener().open_data(b"\x17\x03\x03\x00\x01x", 6) is None


# CBC


def forge(sealer: Any, plain: bytes) -> bytes:
    """A record of MAC-then-encrypt with this plaintext, MAC and padding included."""
    iv = bytes(sealer.size)
    encryptor = Cipher(sealer.block.algorithm(sealer.key), CBC(iv)).encryptor()
    body = encryptor.update(plain) + encryptor.finalize()
    return body if sealer.version == TLS10 else iv + body


def mac_of(sealer: Any, data: bytes) -> bytes:
    return sealer.mac.hmac(sealer.mac_key, pack_aad(0, APPLICATION_DATA, sealer.version, len(data)) + data)


@MTE
def test_padding_and_mac_fail_alike(make):
    """RFC 5246 6.2.3.2: whoever asks learns one bit at most, that the record was not good."""
    sealer, _ = make()
    size, mac_size = sealer.size, sealer.mac.size
    data = b"x" * 30
    good = mac_of(sealer, data)
    short = size - (len(data) + mac_size) % size
    header = pack_header(APPLICATION_DATA, sealer.version, 0)

    def opened(plain: bytes) -> object:
        try:
            return make()[1].open(header, forge(sealer, plain))
        except Abort as abort:
            return abort.args

    def padded(pad: int) -> bytes:
        return bytes((pad - 1,)) * pad

    for pad in range(short, 257, size):  # every length is allowed
        assert opened(data + good + padded(pad)) == (APPLICATION_DATA, data)
    failure = (faults.DECRYPTION_FAILED, "")
    bad_mac = bytes(a ^ 1 for a in good)
    for pad in range(short, 257, size):
        assert opened(data + bad_mac + padded(pad)) == failure
        for at in range(0, pad - 1, 7):  # a padding byte that is wrong
            wrong = bytearray(padded(pad))
            wrong[at] ^= 0x80
            assert opened(data + good + bytes(wrong)) == failure
            assert opened(data + bad_mac + bytes(wrong)) == failure
    blocks = -(-(mac_size + 1) // size) * size
    for last in range(256):  # padding longer than the record, or eating into the MAC
        plain = bytes(blocks - 1) + bytes((last,))
        assert opened(plain) == failure
    assert opened(padded(256)) == failure


@MTE
def test_the_work_does_not_depend_on_the_padding(make, monkeypatch):
    """As many blocks are hashed for a long padding as for a short one (Lucky Thirteen)."""
    sealer, opener = make()
    mac = sealer.mac
    counted: list[int] = []
    block = 128 if mac.size > 32 else 64
    real_hmac, real_hash = type(mac).hmac, type(mac).hash

    def count_hmac(self: Any, key: bytes, data: bytes) -> bytes:
        counted.append((len(data) + block // 8) // block)
        return real_hmac(self, key, data)

    def count_hash(self: Any, data: bytes) -> bytes:
        counted.append(len(data) // block)
        return real_hash(self, data)

    header = pack_header(APPLICATION_DATA, sealer.version, 0)
    total = 20 * sealer.size
    work = set()
    monkeypatch.setattr(type(mac), "hmac", count_hmac)
    monkeypatch.setattr(type(mac), "hash", count_hash)
    for pad in range(1, 257):
        plain = bytes(total - pad) + bytes((pad - 1,)) * pad
        counted.clear()
        with pytest.raises(Abort):
            make()[1].open(header, forge(sealer, plain))
        work.add(sum(counted))
    assert len(work) == 1
    del opener


@MTE
def test_comparisons_do_not_depend_on_the_padding(make, monkeypatch):
    """The same calls on as many bytes, whatever the padding says; some dummy block is hashed in any case."""
    from puretls._record import cbc

    calls: list[tuple[str, int]] = []
    real, real_hash = cbc.compare_digest, type(make()[0].mac).hash

    def compare(a: bytes, b: bytes) -> bool:
        calls.append(("compare", len(a)))
        return real(a, b)

    def count_hash(self: Any, data: bytes) -> bytes:
        calls.append(("hash", bool(data)))
        return real_hash(self, data)

    monkeypatch.setattr(cbc, "compare_digest", compare)
    monkeypatch.setattr(type(make()[0].mac), "hash", count_hash)
    for blocks in (4, 20):
        seen = set()
        for pad in range(1, 257):
            sealer, opener = make()
            plain = (bytes(20 * sealer.size) + bytes((pad - 1,)) * pad)[-blocks * sealer.size :]
            calls.clear()
            with pytest.raises(Abort):
                opener.open(pack_header(APPLICATION_DATA, sealer.version, 0), forge(sealer, plain))
            seen.add(tuple(calls))
        assert len(seen) == 1
        assert ("hash", True) in seen.pop()


@pytest.mark.parametrize("make", [make for name, make in PROTECTIONS.items() if name.endswith("etm")])
def test_encrypt_then_mac_checks_the_mac_first(make):
    """RFC 7366: nothing is decrypted that is not authentic."""
    sealer, opener = make()
    sealed = bytearray(sealer.seal(APPLICATION_DATA, bytes(30)))
    sealed[-sealer.mac.size - 1] ^= 1  # in the padding
    opener.block = None  # whoever decrypted would fail with another exception
    with pytest.raises(Abort) as caught:
        open_all(opener, bytes(sealed))
    assert caught.value.fault is faults.DECRYPTION_FAILED


def test_tls10_splits_what_could_be_predicted():
    """BEAST: the record that follows a known IV holds one byte."""
    for seal in (seal_many, lambda sealer, data: sealer.seal_data(data)):
        sealer, opener = PROTECTIONS["1 AES(128) sha1 mte"]()
        sealed = seal(sealer, b"twenty bytes of data")
        sizes, pos = [], 0
        while pos < len(sealed):
            stop = pos + HEADER + int.from_bytes(sealed[pos + 3 : pos + 5], "big")
            sizes.append(len(opener.open(sealed[pos : pos + HEADER], sealed[pos + HEADER : stop])[1]))
            pos = stop
        assert sizes == [1, 19]


def test_least_overhead():
    """What a socket reads ahead relies on: no record is shorter than its plaintext and `overhead`."""
    for make in PROTECTIONS.values():
        sealer, opener = make()
        for size in (1, 2, 15, 16, 17, 300):
            assert len(sealer.seal(APPLICATION_DATA, bytes(size))) >= size + opener.overhead


def test_comparisons_take_constant_time():
    """What decides about a MAC is hmac.compare_digest or its twin, and nothing else in the module compares secrets."""
    from puretls._record import cbc

    assert cbc.compare_digest in (hmac.compare_digest, _operator._compare_digest)


def test_a_key_block_does_not_show_keys():
    suite = suites.BY_NAME["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    for direction in protection12.key_block(suite, Prf(SHA256, b"master secret"), b"randoms"):
        assert repr(direction) == str(direction) == "<Direction>"
        assert len(direction.key) == 16
