"""`pending()` of an SSLObject tells of an end that is still to be read: uvloop asks nothing else before it reads on."""

from __future__ import annotations

from types import ModuleType

import pytest

from ours import client_context, server_context
from support import Pki


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
