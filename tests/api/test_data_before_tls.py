"""Data that arrives before the handshake on a connection that is gone is not TLS data (CVE-2023-40217)."""

from __future__ import annotations

import socket
import struct
from types import ModuleType

import pytest

from support import Pki
from support.ours import server_context


def test_a_peer_that_sent_and_left(tls: ModuleType, pki: Pki) -> None:
    context = server_context(tls, pki, asks=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted = listener.accept()[0]
        with accepted:
            client.sendall(b"DELETE /everything HTTP/1.0\r\n\r\n")
            accepted.recv(1, socket.MSG_PEEK)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # a reset: the connection is gone, the data may still be there
            with pytest.raises(OSError) as caught, context.wrap_socket(accepted, server_side=True) as conn:
                raise AssertionError(conn.recv(100))
    assert isinstance(caught.value, (ConnectionError, tls.SSLError))
