"""`puretls connect` and `puretls inspect` give each operation so much time, however slowly a server talks."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from time import sleep
from typing import Any

import pytest

import puretls
from puretls._base.registry import HANDSHAKE, NEW_SESSION_TICKET
from puretls._wire.codec import vec8, vec16
from support import Pki
from support.commands import called, listening
from support.ours import server_context

EACH = pytest.mark.parametrize("command", [["connect"], ["inspect"], ["inspect", "--http"]], ids=" ".join)
MANY = 100_000


def server(pki: Pki, sock: socket.socket, *, drop: float = 0.0) -> Any:
    """A server's end after its handshake; with `drop` each of its bytes waits so long, and the last never comes."""
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    end: Any = server_context(puretls, pki).wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            end.do_handshake()
        except puretls.SSLWantReadError:
            said = outgoing.read()
            if drop:
                for byte in said:
                    sock.send(bytes((byte,)))
                    sleep(drop)
            else:
                sock.sendall(said)
            data = sock.recv(1 << 16)
            if not data:
                raise ConnectionError("the client is gone") from None
            incoming.write(data)
        else:
            sock.sendall(outgoing.read())
            return end


@EACH
def test_a_handshake_drop_by_drop(capsys: pytest.CaptureFixture[str], pki: Pki, command: list[str]) -> None:
    """No drop is late, and all of them would take a minute."""

    def serve(sock: socket.socket) -> None:
        with suppress(OSError):
            server(pki, sock, drop=0.05)

    with listening(serve) as port:
        done = called(capsys, *command, f"localhost:{port}", "-4", "--ca-file", pki.ca, "--timeout", "0.5")
    assert done.status == 1
    assert "timed out" in done.err


@EACH
def test_tickets_without_end(capsys: pytest.CaptureFixture[str], pki: Pki, command: list[str]) -> None:
    sent = []

    def serve(sock: socket.socket) -> None:
        connection = server(pki, sock)._sslobj._conn.records
        body = struct.pack("!II", 7200, 0) + vec8(bytes(8)) + vec16(bytes(16)) + vec16(b"")
        ticket = bytes((NEW_SESSION_TICKET,)) + len(body).to_bytes(3, "big") + body
        with suppress(OSError):
            for number in range(MANY):
                sent.append(number)
                sock.sendall(connection.outbound.sealer.seal(HANDSHAKE, ticket))

    with listening(serve) as port:
        called(capsys, *command, f"localhost:{port}", "-4", "--ca-file", pki.ca)
    assert 30 < len(sent) < MANY


def test_an_answer_without_end(capsys: pytest.CaptureFixture[str], pki: Pki) -> None:
    """Each piece comes in time, but there would be a minute of them."""
    sent = []

    def serve(sock: socket.socket) -> None:
        connection = server(pki, sock)._sslobj._conn.records
        with suppress(OSError):
            for number in range(1200):
                sent.append(number)
                sock.sendall(connection.write_record(b"x"))
                sleep(0.05)

    with listening(serve) as port:
        place = f"localhost:{port}"
        done = called(capsys, "inspect", place, "-4", "--ca-file", pki.ca, "--timeout", "1", "--http", "--json")
    assert done.status == 0
    assert len(sent) < 1200
