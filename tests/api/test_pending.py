"""`pending()` tells of an end that is still to be read: uvloop asks an SSLObject nothing else before it reads on.

Of a socket select() may not tell: a blocking one reads close_notify together with the data before it.
"""

from __future__ import annotations

import select
import socket
import threading
from types import ModuleType

import pytest

from support import Pki
from support.ours import client_context, server_context


@pytest.fixture
def pair(tls: ModuleType, pki: Pki):
    """Client, server, and the BIO towards the client, after the handshake."""
    up, down = tls.MemoryBIO(), tls.MemoryBIO()
    client = client_context(tls, pki).wrap_bio(down, up, server_hostname="localhost")
    server = server_context(tls, pki).wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except tls.SSLWantReadError:
            continue
    with pytest.raises(tls.SSLWantReadError):
        client.read()  # takes the tickets
    return client, server, down


def left(conn, bio) -> bool:
    """uvloop's question."""
    return bio.pending + conn.pending() > 0


@pytest.mark.parametrize("size", [2, 5, 65536])
def test_data_and_the_end_at_once(tls: ModuleType, pair, size: int) -> None:
    client, server, down = pair
    server.write(b"bye!")
    with pytest.raises(tls.SSLWantReadError):
        server.unwrap()
    got = b""
    for _ in range(9):
        if not left(client, down):
            break
        data = client.read(size)
        got += data
    assert (got, data, left(client, down)) == (b"bye!", b"", False)
    assert client.read() == b""


def test_data_and_an_error_at_once(tls: ModuleType, pair) -> None:
    client, server, down = pair
    server.write(b"word")
    good = down.read()
    server.write(b"word")
    bad = bytearray(down.read())
    bad[-1] ^= 1
    down.write(good + bad)
    assert client.read() == b"word"
    assert left(client, down)
    with pytest.raises(tls.SSLError, match="bad record mac"):
        client.read()
    assert not left(client, down)


@pytest.mark.parametrize("timeout", [None, 20])
def test_of_a_socket(tls: ModuleType, pki: Pki, timeout: float | None) -> None:
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def serve() -> None:
        with server_context(tls, pki).wrap_socket(theirs, server_side=True) as server:
            server.recv(1)
            server.sendall(b"bye!")
            server.settimeout(0.01)
            with pytest.raises(TimeoutError):
                server.unwrap()  # close_notify, and the connection stays
            over.set()
            server.settimeout(20)
            assert server.recv(1) == b""

    thread = threading.Thread(target=serve)
    thread.start()
    with client_context(tls, pki).wrap_socket(ours, server_hostname="localhost") as client:
        client.settimeout(timeout)
        client.send(b"x")
        assert over.wait(20)
        assert client.recv(65536) == b"bye!"
        assert client.pending() or select.select([client], [], [], 0)[0]
        assert client.recv(65536) == b""
        assert not client.pending()
        assert not select.select([client], [], [], 0)[0]
    thread.join(20)
