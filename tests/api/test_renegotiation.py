"""What a TLS 1.2 client says of its connection while a server has it renegotiate: what was agreed on before.

The client is asked through the public API; the server is an engine that takes a second ClientHello, as OpenSSL's does.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

import puretls
from support.renegotiation import Renegotiation, records


def test_the_old_is_said_until_the_new_is_finished(pki):
    run = Renegotiation(pki)
    before = run.said()
    run.ask()
    run.client.incoming.write(run.server.take())
    assert run.read() is None
    steps = 0
    while not run.server.established:
        assert run.said() == before
        run.server.receive(run.client.outgoing.read())
        run.server.advance()
        for record in records(bytes(run.server.take())):
            if not run.server.established:
                run.client.incoming.write(record)
                assert run.read() is None
                assert run.said() == before
            else:
                run.client.incoming.write(record)
            steps += 1
        assert steps < 50
    assert run.client.error is None
    run.server.write(memoryview(b"data"))
    run.client.incoming.write(run.server.take())
    assert run.read() == b"data"
    after = run.said()
    assert {name for name in before if before[name] == after[name]} == {"version", "reused"}
    assert after["cipher"][0] == "ECDHE-RSA-CHACHA20-POLY1305"
    assert after["group"] == "secp384r1"
    assert after["alpn"] is None


def test_a_write_in_the_middle_reads(pki):
    """As documented: a renegotiation may have write() read.  What it reads is the handshake, and then its data goes."""
    run = Renegotiation(pki)
    run.ask()
    run.client.incoming.write(run.server.take())
    assert run.read() is None  # now it is under way
    while not run.server.established:
        run.server.receive(run.client.outgoing.read())
        run.server.advance()
        run.client.incoming.write(run.server.take())
        if not run.server.established:
            with pytest.raises(puretls.SSLWantReadError):
                run.client.obj.write(b"data")
            assert run.client.incoming.pending == 0
    waiting = run.client.incoming.pending
    assert waiting  # the server's Finished
    assert run.client.obj.write(b"data") == 4
    assert run.client.incoming.pending == 0
    run.server.receive(run.client.outgoing.read())
    taken = bytearray(100)
    assert taken[: run.server.read_into(memoryview(taken))] == b"data"
    assert run.said()["cipher"][0] == "ECDHE-RSA-CHACHA20-POLY1305"


class OverSockets(Renegotiation):
    """The same over a pair of sockets; the server answers in a thread until the client has closed."""

    def connect(self, context: Any) -> None:
        self.received, self.awake = b"", threading.Event()
        self.awake.set()
        ours, self.peer = socket.socketpair()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        self.sock = context.wrap_socket(ours, server_hostname="localhost")

    def serve(self) -> None:
        into = memoryview(bytearray(1 << 16))
        while data := self.peer.recv(1 << 16):
            assert self.awake.wait(20)
            self.server.receive(data)
            for _ in range(3):
                self.server.advance()
            while self.server.established and (got := self.server.read_into(into)):
                self.received += bytes(into[:got])
            if answer := self.server.take():
                self.peer.sendall(answer)
        self.peer.close()


@pytest.mark.parametrize("size", [4, 1 << 17])
@pytest.mark.parametrize("timeout", [None, 20.0])
def test_a_write_over_a_socket_reads(pki, timeout, size):
    """Nothing goes out before the handshake that has begun is over: the server would not know the keys."""
    run = OverSockets(pki)
    with run.sock as sock:
        run.ask()
        run.awake.clear()  # else it may be over before anything is written
        sock.setblocking(False)
        run.peer.sendall(run.server.take())
        with pytest.raises(puretls.SSLWantReadError):
            sock.recv(1)  # HelloRequest, which it answers
        sock.settimeout(timeout)
        assert sock._sslobj._conn.records.renegotiating
        run.awake.set()
        sock.sendall(bytes(size))
        assert not sock._sslobj._conn.records.renegotiating
        assert sock.cipher()[0] == "ECDHE-RSA-CHACHA20-POLY1305"
    run.thread.join()
    assert run.received == bytes(size)
