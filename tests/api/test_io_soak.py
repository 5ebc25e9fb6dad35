"""Seeded random traffic over real sockets, ours against ours and against the interpreter's: every byte arrives, once.

Non-blocking ends with small kernel buffers and sizes of every kind, retries with other buffers and other lengths;
threads that read and write at once while keys are updated in between.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import puretls

PATIENCE = 30.0
MODULES = [(puretls, puretls), (puretls, ssl), (ssl, puretls)]
modules = pytest.mark.parametrize(("client", "server"), MODULES, ids=["ours", "our client", "our server"])


def connect(pki, client, server, version, buffers):
    s = server.SSLContext(server.PROTOCOL_TLS_SERVER)
    s.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    c = client.SSLContext(client.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(pki.ca)
    c.maximum_version = s.maximum_version = getattr(ssl.TLSVersion, version)
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        sock.settimeout(PATIENCE)
    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(s.wrap_socket, other, server_side=True)
        return c.wrap_socket(one, server_hostname="localhost"), accepted.result(PATIENCE)


class SoakEnd:
    """One end's random behaviour: sends its stream piece by piece, reads the other's."""

    def __init__(self, sock, rng, outgoing):
        self.sock, self.rng, self.outgoing = sock, rng, outgoing
        self.sent, self.trying, self.got = 0, 0, bytearray()

    def send(self):
        left = len(self.outgoing) - self.sent
        size = min(left, self.rng.choice([1, 100, 5000, 16384, 16385, 70000, 300000]))
        size = min(left, max(size, self.trying))  # a retry may bring more, never less
        if size:
            piece = self.outgoing[self.sent : self.sent + size]
            try:
                count = self.sock.send(self.rng.choice([bytes, bytearray, memoryview])(piece))
            except ssl.SSLWantWriteError:
                self.trying = size
            else:
                assert 0 < count <= size
                self.sent, self.trying = self.sent + count, 0

    def receive(self):
        size = self.rng.choice([1, 7, 1024, 16384, 16385, 65536, 262144])
        with contextlib.suppress(ssl.SSLWantReadError):
            if self.rng.random() < 0.5:
                data = self.sock.recv(size)
            else:
                buffer = bytearray(size)
                data = bytes(buffer[: self.sock.recv_into(buffer)])
            assert data, "the end came too early"
            assert len(data) <= size
            self.got += data

    @property
    def waiting(self):
        return self.sent < len(self.outgoing)


@modules
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("seed", range(6))
def test_non_blocking_ends(pki, client, server, version, seed):
    rng = random.Random(f"{seed} {version}")
    streams = [rng.randbytes(rng.choice([1, 50_000, 1_000_000])) for _ in range(2)]
    c, s = connect(pki, client, server, version, rng.choice([4608, 65536]))
    ends = [SoakEnd(c, rng, streams[0]), SoakEnd(s, rng, streams[1])]
    c.setblocking(False)
    s.setblocking(False)
    deadline = time.monotonic() + PATIENCE
    while any(end.waiting for end in ends) or [len(end.got) for end in ends] != [len(x) for x in reversed(streams)]:
        assert time.monotonic() < deadline
        end = rng.choice(ends)
        rng.choice([end.send, end.receive])()
    assert [bytes(end.got) for end in ends] == streams[::-1]
    for end in ends:  # everything is out: nothing is pending, select() agrees
        assert not end.sock.pending()
    assert select.select([c, s], [], [], 0)[0] == []
    c.close()
    s.close()


@pytest.mark.parametrize("seed", range(5))
def test_threads_and_key_updates(pki, seed):
    """Both ends read and write at once and ask for new keys in between.  (OpenSSL's objects do not survive this.)"""
    rng = random.Random(seed)
    size = 2 << 20
    streams = [rng.randbytes(size) for _ in range(2)]
    c, s = connect(pki, puretls, puretls, "TLSv1_3", 65536)

    def send(sock, data, own):
        pos = 0
        while pos < len(data):
            step = own.choice([1, 1000, 20000, 100_000])
            sock.sendall(data[pos : pos + step])
            pos += step
            if own.random() < 0.05:
                with sock._sslobj._writing:
                    sock._sslobj._conn.records.update_write_keys(own.choice([0, 1]))

    def receive(sock, own):
        got = bytearray()
        while len(got) < size:
            data = sock.recv(own.choice([100, 16384, 100_000]))
            assert data
            got += data
        return got

    with ThreadPoolExecutor(4) as pool:
        both = enumerate(zip((c, s), streams, strict=True))
        sends = [pool.submit(send, sock, data, random.Random(n)) for n, (sock, data) in both]
        got = [pool.submit(receive, sock, random.Random(n)) for n, sock in enumerate((s, c))]
        assert [future.result(PATIENCE) for future in got] == streams
        assert [future.result(PATIENCE) for future in sends] == [None, None]
    c.close()
    s.close()


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are told apart by their descriptors")
@modules
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_many_sessions_one_after_the_other_on_one_connection(pki, client, server, version):
    """TLS, clear text, TLS again, as STARTTLS and CCC do it: no byte is lost or left in between."""
    c, s = connect(pki, client, server, version, 65536)
    contexts = c.context, s.context
    for turn in range(5):
        c.sendall(b"in TLS %d" % turn)
        assert s.recv(100) == b"in TLS %d" % turn
        with ThreadPoolExecutor() as pool:
            other = pool.submit(s.unwrap)
            plain = c.unwrap()
            far = other.result(PATIENCE)
        far.sendall(b"clear %d" % turn)
        got = b""
        while len(got) < 7:
            got += plain.recv(100)
        assert got == b"clear %d" % turn
        with ThreadPoolExecutor() as pool:
            accepted = pool.submit(contexts[1].wrap_socket, far, server_side=True)
            c, s = contexts[0].wrap_socket(plain, server_hostname="localhost"), accepted.result(PATIENCE)
    c.close()
    s.close()
