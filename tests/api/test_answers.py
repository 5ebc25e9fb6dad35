"""KeyUpdates and their answers, as programs see them, however the bytes arrive (RFC 8446 4.6.3)."""

from __future__ import annotations

import socket
from contextlib import closing, suppress

import pytest

import puretls
from puretls._base.registry import APPLICATION_DATA, HANDSHAKE
from support.pair import split_records
from support.socket_ends import Ends

TLS13 = puretls.TLSVersion.TLSv1_3
ASK = b"\x18\x00\x00\x01\x01"
MOST_HELD = 1 << 16


@pytest.fixture
def ends(pki):
    with closing(Ends(pki, TLS13)) as ends:
        yield ends


def stream(ends: Ends, what: str) -> bytes:
    """Records of the server: "k" asks for new keys, everything else is data."""
    conn, made = ends.server._sslobj._conn.records, b""
    for letter in what:
        if letter == "k":
            made += conn.outbound.sealer.seal(HANDSHAKE, ASK)
            conn.next_write_keys()
        else:
            made += conn.outbound.sealer.seal(APPLICATION_DATA, letter.encode())
    ends.server._sslobj._records.fast_sealer = None
    return made


def answers(ends: Ends) -> int:
    """How many records the client has sent; the server reads them."""
    with suppress(BlockingIOError):
        data = ends.far.recv(1 << 20, socket.MSG_DONTWAIT)
        ends.up.write(data)
        return len(split_records(data))
    return 0


@pytest.mark.parametrize("room", [100, 1 << 18])
@pytest.mark.parametrize("step", [1, 27, 50, 10_000])
@pytest.mark.parametrize(
    ("what", "expected"), [("kx", 1), ("kkkkkx", 1), ("kxkxkx", 3), ("xkkx", 1), ("kxyzkkx", 2), ("kk", 0), ("xk", 0)]
)
def test_answers_do_not_depend_on_how_the_bytes_arrive(ends: Ends, what: str, expected: int, step: int, room: int):
    sealed, got, view = stream(ends, what), b"", bytearray(room)
    for position in range(0, len(sealed), step):
        ends.far.sendall(sealed[position : position + step])
        ends.client.setblocking(False)
        with suppress(puretls.SSLWantReadError):
            while True:
                got += view[: ends.client.recv_into(view)]
        ends.client.setblocking(True)
    assert got == what.replace("k", "").encode()
    assert answers(ends) == expected
    ends.client.sendall(b"data")  # what is asked for goes before it
    assert answers(ends) == 1 + what.endswith("k")
    assert ends.server.read(100) == b"data"
    ends.talk()


def test_a_blocking_read_that_takes_all_answers_each(ends: Ends):
    ends.far.sendall(stream(ends, "kxkykz"))
    view = bytearray(1 << 18)
    assert ends.client.recv_into(view) == 3
    assert answers(ends) == 3
    ends.talk()


def test_the_fast_path_of_writing_ends_with_a_request(ends: Ends):
    """RFC 8446 4.6.3: before the next data, whoever has read the request."""
    for _ in range(3):
        assert ends.client._sslobj._records.fast_sealer
        before = ends.server._sslobj._conn.records.inbound.opener
        ends.far.sendall(stream(ends, "k"))
        ends.client.setblocking(False)
        with pytest.raises(puretls.SSLWantReadError):
            ends.client.recv(100)
        ends.client.setblocking(True)
        ends.client.sendall(b"data")
        assert answers(ends) == 2
        assert ends.server.read(100) == b"data"
        assert ends.server._sslobj._conn.records.inbound.opener is not before
        ends.talk()


def test_a_request_over_a_bio(ends: Ends):
    """The same at the other transport."""
    conn = ends.client._sslobj._conn.records
    for _ in range(3):
        ends.up.write(conn.outbound.sealer.seal(HANDSHAKE, ASK))
        conn.next_write_keys()
        ends.client._sslobj._records.fast_sealer = None
        with pytest.raises(puretls.SSLWantReadError):
            ends.server.read(100)
        assert not ends.down.pending
        ends.client.sendall(b"data")
        ends.take()
        assert ends.server.read(100) == b"data"
        answer = ends.down.read()
        assert len(split_records(answer)) == 1
        ends.far.sendall(answer)
        ends.talk()


@pytest.mark.parametrize("data", [b"x", b"x" * 5000])
def test_a_peer_that_takes_nothing_costs_little_memory(ends: Ends, data: bytes):
    conn, sslobj = ends.server._sslobj._conn.records, ends.client._sslobj
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    rounds = 4000 if len(data) == 1 else 500
    for _ in range(rounds):
        record = conn.outbound.sealer.seal(HANDSHAKE, ASK)
        conn.next_write_keys()
        ends.far.sendall(record + conn.outbound.sealer.seal(APPLICATION_DATA, data))
        assert ends.client.recv(1 << 14) == data
    assert len(sslobj._conn.records.data_to_send()) <= MOST_HELD
    conn.messages = -rounds  # answers in a row, without data
    ends.client.setblocking(False)  # and when the peer takes again, all is as before
    for _ in range(1000):
        ends.take()
        with suppress(puretls.SSLWantWriteError, puretls.SSLWantReadError):
            ends.client.send(b"still here")
            break
    ends.take()
    assert ends.server.read(100) == b"still here"
