"""Over BIOs, a message that is one record takes the fast path as long as all is as usual.  Here it is not."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from contextlib import suppress

import pytest

import puretls
from puretls._base.registry import ALERT, APPLICATION_DATA, TLS13, USER_CANCELED, WARNING
from puretls._record.inbound import MAX_EMPTY_RECORDS
from puretls._record.layer import MAX_WARNINGS
from support import Pki
from support.bios import ObjectPair, join
from support.ours import client_context, server_context

VERSIONS = [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3]


def talk(both: ObjectPair) -> None:
    for _ in range(3):
        assert both.send(both.client, b"up") == b"up"
        assert both.send(both.server, b"down") == b"down"


@pytest.fixture(params=VERSIONS)
def both(request: pytest.FixtureRequest, pki: Pki) -> ObjectPair:
    """A connection whose fast paths are armed."""
    both = join(client_context(puretls, pki), server_context(puretls, pki, version=request.param)).ok()
    talk(both)
    for side in (both.client, both.server):
        assert side.obj._sslobj._records.fast_opener
        assert side.obj._sslobj._records.fast_sealer
    return both


def inject(both: ObjectPair, kind: int, data: bytes) -> None:
    """A record that the client made."""
    both.server.incoming.write(both.client.obj._sslobj._conn.records.outbound.sealer.seal(kind, data))


def wants_more(operation: Callable[[], object]) -> None:
    with pytest.raises(puretls.SSLWantReadError):
        operation()


def test_a_message_longer_than_its_reader(both: ObjectPair) -> None:
    both.client.obj.write(b"abcdefgh")
    both.move()
    buffer = bytearray(3)
    assert both.server.obj.read(2) == b"ab"
    assert both.server.obj.pending() == 6
    assert both.server.obj.read(3, buffer) == 3
    assert both.server.obj.read(9) == b"fgh"
    assert buffer == b"cde"
    wants_more(both.server.obj.read)
    talk(both)


def test_pieces_of_a_message_and_several(both: ObjectPair) -> None:
    both.client.obj.write(b"one")
    both.client.obj.write(b"two")
    data = both.client.outgoing.read()
    for byte in data[:-1]:
        both.server.incoming.write(bytes((byte,)))
        both.server.read()
    both.server.incoming.write(data[-1:])
    assert both.server.read() == b"two"
    talk(both)
    for word in (b"three", b"four"):
        both.client.obj.write(word)
    both.move()
    assert both.server.read() == b"threefour"
    talk(both)


@pytest.mark.parametrize("ciphers", ["", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"])
@pytest.mark.parametrize("bio", [puretls.MemoryBIO, ssl.MemoryBIO])
def test_records_of_all_sizes_in_pieces_of_all_sizes(pki: Pki, bio: type, ciphers: str) -> None:
    """Who reads until more is wanted gets all that is there, and what is missing of a record can still come."""
    version = {"ciphers": ciphers, "version": puretls.TLSVersion.TLSv1_2} if ciphers else {}
    up, down = bio(), bio()
    client = client_context(puretls, pki, **version).wrap_bio(down, up, server_hostname="localhost")
    server = server_context(puretls, pki).wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        with suppress(puretls.SSLWantReadError):
            side.do_handshake()
    rng, sent, got, wire = random.Random(1), bytearray(), bytearray(), bytearray()
    for _ in range(120):
        data = rng.randbytes(rng.choice([1, 2, 300, 5_000, 16_383, 16_384, 16_385, 100_000]))
        client.write(data)
        sent += data
        wire += up.read()
    while wire:
        size = rng.choice([1, 4, 5, 6, 40, 16_406, 50_000, 300_000])
        up.write(bytes(wire[:size]))
        del wire[:size]
        with suppress(puretls.SSLWantReadError):
            while True:
                got += server.read(rng.choice([1_000, 16_384, 1 << 18]))
        assert not up.pending
    assert got == sent


def test_a_record_that_was_touched(both: ObjectPair) -> None:
    """The peer is told, and nothing more is read or written."""
    both.client.obj.write(b"data")
    data = bytearray(both.client.outgoing.read())
    data[-1] ^= 1
    both.server.incoming.write(data)
    for _ in range(2):
        with pytest.raises(puretls.SSLError, match="bad record mac"):
            both.server.obj.read()
    with pytest.raises(puretls.SSLError, match="bad record mac"):
        both.server.obj.write(b"more")
    both.move()
    with pytest.raises(puretls.SSLError, match="alert bad record mac"):
        both.client.obj.read()
    with pytest.raises(puretls.SSLError, match="alert bad record mac"):
        both.client.obj.write(b"more")
    assert not both.client.outgoing.pending


def test_nothing_is_written_after_close_notify(both: ObjectPair) -> None:
    wants_more(both.client.obj.unwrap)
    with pytest.raises(puretls.SSLError, match="PROTOCOL_IS_SHUTDOWN"):
        both.client.obj.write(b"more")
    both.move()
    assert both.server.obj.read() == b""
    assert both.server.obj.write(b"last words") == 10
    both.move()
    assert both.client.obj.read() == b"last words"


@pytest.mark.parametrize("stray", [b"a", b"ab", b"abcd", b"abcdef"])
def test_a_few_bytes_after_close_notify(both: ObjectPair, stray: bytes) -> None:
    """Where nobody can put them back, they stay, and are no record."""
    wants_more(both.client.obj.unwrap)
    both.move()
    both.server.incoming.write(stray)
    both.server.incoming.write_eof()
    for _ in range(3):
        assert both.server.obj.read(1) == b""


def test_data_resets_what_is_counted(both: ObjectPair) -> None:
    """Neither warnings nor empty records add up when there is data between them."""
    tls13 = both.client.obj._sslobj._conn.version == TLS13
    for _ in range(3):
        for kind, data, count in (
            (APPLICATION_DATA, b"", MAX_EMPTY_RECORDS),
            (ALERT, bytes((WARNING, USER_CANCELED if tls13 else 41)), MAX_WARNINGS),
        ):
            for _ in range(count):
                inject(both, kind, data)
            assert both.server.read() == b""
            talk(both)
    for _ in range(MAX_EMPTY_RECORDS + 1):
        inject(both, APPLICATION_DATA, b"")
    with pytest.raises(puretls.SSLError, match="record too small"):
        both.server.obj.read()


def test_keys_that_are_worn_out(both: ObjectPair) -> None:
    """TLS 1.3 goes on with the next ones, TLS 1.2 has none."""
    conn = both.client.obj._sslobj._conn.records
    sealer = conn.outbound.sealer
    sealer.limit = sealer.seq + 2
    for _ in range(2):
        assert both.send(both.client, b"up") == b"up"
    assert conn.outbound.sealer is sealer
    if conn.inbound.version == TLS13:
        talk(both)
        assert conn.outbound.sealer is not sealer
    else:
        with pytest.raises(puretls.SSLError):
            both.client.obj.write(b"more")


@pytest.mark.parametrize("limit", [1, 100])
def test_records_of_limited_size(both: ObjectPair, limit: int) -> None:
    sslobj = both.client.obj._sslobj
    records = sslobj._conn.records
    records.outbound.fragment, records.fast_sealer = limit, None  # as if the handshake had come to that
    for _ in range(2):
        assert both.send(both.client, bytes(300)) == bytes(300)
        assert sslobj._records.fast_sealer is None


def test_a_request_for_a_certificate_goes_with_the_next_data(pki: Pki) -> None:
    client, server = client_context(puretls, pki, identity="client"), server_context(puretls, pki)
    client.post_handshake_auth = True
    server.post_handshake_auth = True
    server.verify_mode = puretls.CERT_REQUIRED
    both = join(client, server).ok()
    talk(both)
    assert not both.server.obj.getpeercert()
    both.server.obj.verify_client_post_handshake()
    assert both.send(both.server, b"who?") == b"who?"
    both.move()
    assert both.send(both.client, b"me") == b"me"
    assert both.server.obj.getpeercert()
    talk(both)


@pytest.mark.parametrize("bios", [puretls.MemoryBIO, ssl.MemoryBIO], ids=["ours", "asyncio's"])
def test_nothing_to_read_needs_no_lock(pki: Pki, bios: type) -> None:
    """Event loops ask until nothing is left: that answer costs no more than the question."""
    up, down = bios(), bios()
    client = client_context(puretls, pki).wrap_bio(down, up, server_hostname="localhost")
    server = server_context(puretls, pki).wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        with suppress(puretls.SSLWantReadError):
            side.do_handshake()
    server.write(b"data")
    assert client.read() == b"data"

    class Refused:
        def acquire(self) -> bool:
            raise AssertionError

    sslobj, buffer = client._sslobj, bytearray(9)
    lock, sslobj._lock = sslobj._lock, Refused()
    wants_more(client.read)
    wants_more(lambda: client.read(9, buffer))
    sslobj._lock = lock
    server.write(b"more")
    assert client.read(9, buffer) == 4
    down.write_eof()
    with pytest.raises(puretls.SSLEOFError):
        client.read()
