"""The fast paths of sockets: what comes in between, and what arrives in one piece with the data."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

import puretls
from puretls._api import over_socket, socket_port
from puretls._base.registry import APPLICATION_DATA, HANDSHAKE, UPDATE_NOT_REQUESTED, UPDATE_REQUESTED
from support import Pki
from support.ours import client_context, server_context
from support.socket_ends import Ends

VERSIONS = [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3]
LARGE = 1 << 18


@pytest.fixture(params=VERSIONS)
def ends(request: pytest.FixtureRequest, pki: Pki) -> Iterator[Ends]:
    ends = Ends(pki, request.param)
    sslobj = ends.client._sslobj
    assert sslobj._records.fast_opener
    assert sslobj._records.fast_sealer
    with closing(ends):
        yield ends


@pytest.mark.parametrize("timeout", [None, 5])
@pytest.mark.parametrize("room", [10, 100, LARGE])
def test_data_and_the_end_in_one_piece(ends: Ends, room: int, timeout: float | None) -> None:
    """The end is seen at once, whatever else the transport has to say: nobody waits for it."""
    ends.client.settimeout(timeout)
    ends.server.write(b"d" * 100)
    with suppress(puretls.SSLWantReadError):
        ends.server.unwrap()
    ends.give()
    got, view = b"", bytearray(room)
    while count := ends.client.recv_into(view):
        got += view[:count]
    assert got == b"d" * 100


@pytest.mark.parametrize("room", [10, 100, 8192, LARGE])
def test_select_sees_the_end_behind_data(ends: Ends, room: int) -> None:
    """A socket that does not block takes no more than the record that it returns: who has got data asks select() for
    the end, as asyncore did, and not pending().
    """
    ends.client.setblocking(False)
    for turn in range(3):  # the first read of a connection, and those that know the size
        ends.server.write(b"d" * 100)
        if turn == 2:
            with suppress(puretls.SSLWantReadError):
                ends.server.unwrap()
        ends.give()
        got = b""
        while len(got) < 100:
            assert ends.client.pending() or select.select([ends.client], [], [], 0)[0]
            with suppress(puretls.SSLWantReadError):
                got += ends.client.recv(room)
        assert got == b"d" * 100
        assert not ends.client.pending()
    assert select.select([ends.client], [], [], 0)[0]
    assert ends.client.recv(room) == b""


@pytest.mark.parametrize("room", [100, LARGE])
def test_data_in_pieces_of_any_size(ends: Ends, room: int) -> None:
    data, view, got = bytes(n * 7 & 255 for n in range(100_000)), bytearray(room), bytearray()
    for _ in range(4):
        ends.server.write(data)
        sealed = ends.down.read()
        got.clear()
        for pos in range(0, len(sealed), 9_999):
            ends.far.sendall(sealed[pos : pos + 9_999])
            ends.client.setblocking(False)
            with suppress(puretls.SSLWantReadError):
                while True:
                    got += view[: ends.client.recv_into(view)]
            ends.client.setblocking(True)
        assert got == data
        assert not ends.client.pending()
        ends.talk()


def test_a_read_that_is_longer_than_what_is_there(ends: Ends) -> None:
    """What is left of a piece, part of a record and whole ones, belongs to the next read, however large that is."""
    whole, part = bytes(30_000), b"part"
    ends.server.write(whole)
    ends.server.write(part)
    sealed = ends.down.read()
    ends.far.sendall(sealed[:-3])
    view, got = bytearray(LARGE), bytearray()
    while len(got) < len(whole):
        got += view[: ends.client.recv_into(view, 20_000)]
    assert got == whole
    ends.far.sendall(sealed[-3:])
    assert ends.client.recv(2) == part[:2]
    assert ends.client.pending() == 2
    assert ends.client.recv_into(view) == 2
    assert ends.client.pending() == 0
    ends.talk()


@pytest.mark.parametrize("timeout", [None, 5])
def test_the_buffer_of_large_reads_goes_when_little_comes(ends: Ends, timeout: float | None) -> None:
    """A connection that waits for the next message keeps no memory for a large one."""
    ends.client.settimeout(timeout)
    view = bytearray(LARGE)
    for size in (60_000, 10):
        ends.server.write(bytes(size))
        ends.give()
        got = 0
        while got < size:
            got += ends.client.recv_into(view)
    assert not ends.client._sslobj._records.inbound.buf
    ends.talk()


@pytest.mark.parametrize("timeout", [None, 5, 0])
@pytest.mark.parametrize("unusual", ["an empty record", "a ticket", "new keys", "nothing"])
def test_nor_does_the_path_that_handles_every_case_keep_it(ends: Ends, unusual: str, timeout: float | None) -> None:
    """A client's first answer comes behind its tickets: whoever keeps the connection open keeps no large buffer."""
    ends.client.settimeout(timeout)
    records = ends.server._sslobj._records
    if unusual == "an empty record":
        ends.inject(APPLICATION_DATA, b"")
    elif unusual == "a ticket" and ends.client.version() == "TLSv1.3":
        ends.inject(HANDSHAKE, bytes.fromhex("04000011 00000064 00000000 01 01 0003 616263 0000"))
    elif unusual == "new keys" and ends.client.version() == "TLSv1.3":
        records.update_write_keys(UPDATE_NOT_REQUESTED)
        ends.down.write(records.take())
    if unusual != "nothing":
        ends.server.write(b"d" * 100)
        ends.give()
        assert ends.client.recv(LARGE) == b"d" * 100
    elif timeout == 0:
        ends.client._sslobj._records.disarm()
        with pytest.raises(puretls.SSLWantReadError):
            ends.client.recv(LARGE)
    assert len(ends.client._sslobj._records.inbound.buf) < 1024
    ends.client.settimeout(5)
    ends.talk()


@pytest.mark.skipif(not socket_port.DIRECT, reason="only recv() reads here")
def test_a_read_with_a_timeout_tries_before_it_waits(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """One system call for records that are there already, and another one only where nothing was there."""
    tried, waited = [], []

    def read(number: int, size: int) -> bytes:
        tried.append(size)
        return os.read(number, size)

    def recv(sock: Any, size: int) -> bytes:
        waited.append(size)
        return socket.socket.recv(sock, size)

    ends.client.settimeout(5)

    def readv(number: int, views: tuple[memoryview]) -> int:
        tried.append(len(views[0]))
        return os.readv(number, views)

    def recv_into(sock: Any, view: memoryview) -> int:
        waited.append(len(view))
        return socket.socket.recv_into(sock, view)

    monkeypatch.setattr(over_socket, "read_fd", read)
    monkeypatch.setattr(over_socket, "readv_fd", readv)
    ends.client._sslobj._recv, ends.client._sslobj._recv_into = recv, recv_into
    ends.server.write(b"d" * 1000)
    ends.give()
    ends.client.recv(1000)
    tried.clear()
    waited.clear()
    for _ in range(20):
        ends.server.write(b"d" * 1000)
    ends.give()
    for _ in range(4):
        assert ends.client.recv(1000) == b"d" * 1000
    assert ends.client.recv(8000) == b"d" * 7000  # as many as fit for certain, and no part of another one
    assert (len(tried), len(waited)) == (5, 0)
    assert ends.client.recv(1 << 16) == b"d" * 9000
    assert (len(tried), len(waited)) == (6, 0)
    tried.clear()
    waits = threading.Timer(0.05, lambda: (ends.server.write(b"late"), ends.give()))
    waits.start()
    assert ends.client.recv(1000) == b"late"
    waits.join()
    assert (len(tried), len(waited)) == (1, 1)
    for _ in range(over_socket.PATIENCE - 1):  # it does not try in vain again and again
        ends.server.write(b"d")
        ends.give()
        assert ends.client.recv(1000) == b"d"
    assert (len(tried), len(waited)) == (1, over_socket.PATIENCE)


def test_a_record_that_was_touched(ends: Ends) -> None:
    for room in (100, LARGE):
        ends.server.write(b"good")
        ends.give()
        assert ends.client.recv_into(bytearray(room)) == 4
    ends.server.write(b"bad")
    sealed = bytearray(ends.down.read())
    sealed[-1] ^= 1
    ends.far.sendall(sealed)
    for _ in range(2):
        with pytest.raises(puretls.SSLError, match="bad record mac"):
            ends.client.recv_into(bytearray(LARGE))
    with pytest.raises(puretls.SSLError, match="bad record mac"):
        ends.client.sendall(b"more")
    ends.take()
    with pytest.raises(puretls.SSLError, match="alert bad record mac"):
        ends.server.read()


@pytest.mark.parametrize("room", [100, LARGE])
def test_new_keys_between_data(pki: Pki, room: int) -> None:
    """RFC 8446 4.6.3: what was asked for goes out before the next data, under the old keys."""
    with closing(Ends(pki, puretls.TLSVersion.TLSv1_3)) as ends:
        conn = ends.server._sslobj._conn.records
        for _ in range(3):
            ends.server.write(b"old")
            conn.update_write_keys(UPDATE_REQUESTED)
            ends.server._sslobj._records.fast_sealer = None
            ends.server.write(b"new")
            ends.give()
            got = b""
            while len(got) < 6:
                view = bytearray(room)
                got += view[: ends.client.recv_into(view)]
            assert got == b"oldnew"
            before = conn.inbound.opener
            ends.talk()
            assert conn.inbound.opener is not before


def test_empty_records_do_not_end_a_read(ends: Ends) -> None:
    for room in (100, LARGE):
        for _ in range(20):
            ends.inject(APPLICATION_DATA, b"")
        ends.give()
        ends.server._sslobj._records.fast_sealer = None
        ends.server.write(b"data")
        ends.give()
        assert ends.client.recv_into(bytearray(room)) == 4
        ends.talk()


@pytest.mark.parametrize("ciphers", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", ""])
@pytest.mark.parametrize("room", [4096, LARGE])
@pytest.mark.parametrize("into", [True, False])
def test_no_whole_record_is_hidden_from_select(pki: Pki, ciphers: str, room: int, into: bool) -> None:
    """What a blocking read has taken from the kernel it also gives, whatever is between the records."""
    options = {"ciphers": ciphers} if ciphers else {}
    with closing(Ends(pki, VERSIONS[not ciphers], **options)) as ends:
        for between in (False, True):
            ends.server.write(b"A" * 1000)
            if between:
                ends.inject(APPLICATION_DATA, b"")
                ends.server._sslobj._records.fast_sealer = None
            ends.server.write(b"B" * 1000)
            ends.give()
            view = bytearray(room)
            got = bytes(view[: ends.client.recv_into(view)]) if into else ends.client.recv(room)
            assert got == b"A" * 1000 + b"B" * 1000


def test_nothing_is_sent_on_a_connection_that_has_failed(ends: Ends) -> None:
    """What is bad was found with good data before it, by which the failure is told."""
    ends.server.write(b"good")
    ends.down.write(b"\x17\x03\x03\x00\x40" + bytes(64))
    ends.give()
    assert ends.client.recv(4096) == b"good"
    assert ends.client.pending() == 1
    for _ in range(2):
        with pytest.raises(puretls.SSLError, match="bad record mac"):
            ends.client.sendall(b"secret")
        with pytest.raises(puretls.SSLError, match="bad record mac"):
            ends.client.recv(10)


def test_the_last_flight_of_a_handshake_that_the_kernel_refuses(pki: Pki) -> None:
    """It goes out when the handshake is asked for again, or with the first data."""
    for again in (True, False):
        ours, far = socket.socketpair()
        up, down = puretls.MemoryBIO(), puretls.MemoryBIO()
        server = server_context(puretls, pki).wrap_bio(up, down, server_side=True)
        ours.setblocking(False)
        client = client_context(puretls, pki).wrap_socket(
            ours, server_hostname="localhost", do_handshake_on_connect=False
        )
        with suppress(puretls.SSLWantReadError):
            client.do_handshake()
        up.write(far.recv(1 << 16))
        with suppress(puretls.SSLWantReadError):
            server.do_handshake()
        far.sendall(down.read())
        send = client._sslobj._send

        def refuse(*_: Any) -> int:
            raise BlockingIOError

        client._sslobj._send = refuse
        with pytest.raises(puretls.SSLWantWriteError):
            client.do_handshake()
        client._sslobj._send = send
        if again:
            client.do_handshake()
        else:
            client.send(b"data")
        up.write(far.recv(1 << 16))
        server.do_handshake()
        client.close()
        far.close()


def test_a_time_out_in_the_middle_of_a_record(ends: Ends) -> None:
    """Its beginning is kept, and counts."""
    ends.client.settimeout(0.05)
    for cut in (3, 5, 20):
        ends.server.write(b"d" * 100)
        sealed = ends.down.read()
        ends.far.sendall(sealed[:cut])
        for read in (lambda: ends.client.recv(100), lambda: ends.client.recv_into(bytearray(LARGE))):
            with pytest.raises(TimeoutError):
                read()
        ends.far.sendall(sealed[cut:])
        assert ends.client.recv(100) == b"d" * 100
        ends.talk()


def test_a_send_that_the_kernel_cuts_goes_first(ends: Ends) -> None:
    """No record overtakes what is left of another."""
    ends.client.setblocking(False)
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = 0
    with suppress(puretls.SSLWantWriteError):
        while True:
            sent += ends.client.send(b"x" * 10_000)
    assert ends.client._sslobj._records.fast_sealer is None
    ends.take()
    while sent % 10_000 or not ends.client._sslobj._records.fast_sealer:
        with suppress(puretls.SSLWantWriteError):
            sent += ends.client.send(b"x" * 10_000)
        ends.take()
    ends.client.sendall(b"end")
    ends.take()
    got = bytearray()
    while not got.endswith(b"end"):
        got += ends.server.read(LARGE)
    assert got == b"x" * sent + b"end"
