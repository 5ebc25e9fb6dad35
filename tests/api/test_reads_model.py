"""Reads of a socket against a model: records and reads of any size, in pieces of any size, in every mode.

The model knows which bytes have left the kernel and which records they make: after a read the data of all of those has
been returned, or pending() says that there is more.  Else select() would wait for what is here already.
"""

from __future__ import annotations

import array
import os
import random
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from typing import Any

import pytest

import puretls
from puretls._api import over_socket, socket_port
from puretls._base.registry import APPLICATION_DATA, UPDATE_NOT_REQUESTED, UPDATE_REQUESTED
from support import Pki
from support.ours import client_context, server_context

fcntl = pytest.importorskip("fcntl", reason="the kernel does not say how much is there")
termios = pytest.importorskip("termios", reason="likewise")

MODES = {"blocking": None, "timeout": 5.0, "non-blocking": 0.0}
SIZES = (1, 2, 17, 100, 1000, 1024, 4095, 4096, 8192, 16383, 16384)
READS = (*SIZES, 5, 8190, 8193, 16385, 20_000, 65_536, 1 << 18)
PIECES = (1, 3, 5, 6, 22, 27, 500, 4096, 9_999, 50_000)
SUITES = {
    "1.3": (puretls.TLSVersion.TLSv1_3, ""),
    "1.2": (puretls.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "1.2 ChaCha20": (puretls.TLSVersion.TLSv1_2, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    "1.2 CBC": (puretls.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256"),
}


class Model:
    """A client over a socket, and the ciphertext that a server has made for it in memory."""

    def __init__(self, pki: Pki, version: puretls.TLSVersion, ciphers: str) -> None:
        ours, self.far = socket.socketpair()
        for sock in (ours, self.far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        options = {"ciphers": ciphers} if ciphers else {}
        context = client_context(puretls, pki, version=version, **options)
        ours.setblocking(False)
        self.client = context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
        self.up, self.down = puretls.MemoryBIO(), puretls.MemoryBIO()
        self.server: Any = server_context(puretls, pki).wrap_bio(self.up, self.down, server_side=True)
        self.given = 0  # bytes of ciphertext that the kernel has got
        self.ends: list[int] = []  # of each record, in the ciphertext
        self.sizes: list[int] = []  # of its data
        self.sealed, self.data, self.got = b"", b"", 0
        for _ in range(4):
            for step in (self.client.do_handshake, self.take, self.server.do_handshake, self.hand_over):
                with suppress(puretls.SSLWantReadError):
                    step()
        with suppress(puretls.SSLWantReadError):
            self.client.recv(1)  # the tickets

    def close(self) -> None:
        self.client.close()
        self.far.close()

    def take(self) -> None:
        with suppress(BlockingIOError):
            self.up.write(self.far.recv(1 << 20, socket.MSG_DONTWAIT))

    def hand_over(self) -> None:
        self.far.sendall(self.down.read())

    def prepare(self, rng: random.Random, count: int) -> None:
        """Records of data, often several of one size, with others in between."""
        records, size = self.server._sslobj._records, 1
        for _ in range(count):
            kind = rng.random()
            if kind < 0.05:
                self.down.write(records.outbound.sealer.seal(APPLICATION_DATA, b""))
                data = b""
            elif kind < 0.1 and self.server.version() == "TLSv1.3":
                records.update_write_keys(rng.choice((UPDATE_NOT_REQUESTED, UPDATE_REQUESTED)))
                self.down.write(records.take())
                data = b""
            else:
                size = rng.choice((size, rng.choice(SIZES)))
                data = rng.randbytes(size)
                self.server.write(data)
            self.sealed += self.down.read()
            self.data += data
            self.sizes.append(len(data))
            self.ends.append(len(self.sealed))
            records.arm_writing()

    def give(self, size: int) -> None:
        piece = self.sealed[self.given : self.given + size]
        self.far.sendall(piece)
        self.given += len(piece)

    def to_an_end(self, rng: random.Random) -> int:
        """How many bytes bring the next record whole, or some records, and nothing behind them."""
        coming = [end - self.given for end in self.ends if end > self.given]
        return rng.choice(coming[:3]) if coming else 0

    def about(self, rng: random.Random) -> int:
        """As much as is there, or a little less or more: what does not fit by a few bytes is kept by us."""
        return max(1, self.there + rng.choice((-40, -22, -2, -1, 0, 1, 22)))

    def whole(self, upto: int) -> int:
        """Bytes of data in the records that are whole within so much ciphertext."""
        return sum(size for size, end in zip(self.sizes, self.ends, strict=True) if end <= upto)

    @property
    def there(self) -> int:
        """What can be read without waiting."""
        return self.whole(self.given) - self.got

    def read(self, size: int, *, into: bool) -> None:
        if into:
            buffer = bytearray(b"\xaa" * (size + 9))
            with memoryview(buffer) as view:
                count = self.client.recv_into(view[:size])
            data = bytes(buffer[:count])
            if size <= 16384:
                assert buffer[count:] == b"\xaa" * (size + 9 - count), "written behind what is returned"
        else:
            data = self.client.recv(size)
        assert 0 < len(data) <= size
        assert data == self.data[self.got : self.got + len(data)]
        self.got += len(data)

    def check(self) -> None:
        """No whole record is in our memory of which nothing says so."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self.client.fileno(), termios.FIONREAD, waiting)
        taken = self.given - waiting[0]
        hidden = self.whole(taken) - self.got
        assert hidden >= 0
        pending = self.client.pending()
        assert bool(pending) == bool(hidden), (pending, hidden)
        assert pending <= hidden
        inbound = self.client._sslobj._records.inbound
        assert pending or not inbound.ready()
        assert inbound.end - inbound.start == (0 if taken in self.ends else taken - max((0, *self.before(taken))))

    def before(self, taken: int) -> list[int]:
        return [end for end in self.ends if end <= taken]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("mode", MODES)
def test_any_sizes(pki: Pki, mode: str, suite: str, seed: int) -> None:
    rng = random.Random(f"{mode} {suite} {seed}")
    with closing(Model(pki, *SUITES[suite])) as model:
        model.client.settimeout(MODES[mode])
        model.prepare(rng, 40)
        steady = rng.choice((None, *READS))  # programs mostly ask for one size
        while model.got < len(model.data):
            if model.given - model.got < 100_000 and rng.random() < 0.7:
                model.give(rng.choice((model.to_an_end(rng), rng.choice(PIECES))))
            elif not model.there:
                model.give(rng.choice((5, 1000, 20_000)))
                if mode == "non-blocking" and not model.there:
                    with pytest.raises(puretls.SSLWantReadError):
                        model.client.recv(rng.choice(READS))
            if model.there:
                for _ in range(rng.choice((1, 1, 3))):
                    if model.there:
                        model.read(steady or rng.choice((model.about(rng), *READS)), into=rng.random() < 0.5)
                        model.check()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 30, 1000, 16_384])
def test_a_record_alone_is_a_little_longer_than_the_read(pki: Pki, mode: str, suite: str, size: int) -> None:
    """It is as long as the one before it, so it is known at once; but a read never returns more than it asked for."""
    with closing(Model(pki, *SUITES[suite])) as model:
        model.client.settimeout(MODES[mode])
        for less in (1, 2, 17, 21, 22, 29, 30, 45):
            for asked in (size, max(1, size - less)):
                for into in (False, True):
                    model.server.write(data := os.urandom(size))
                    model.sealed += model.down.read()
                    model.data += data
                    model.sizes.append(size)
                    model.ends.append(len(model.sealed))
                    model.give(len(model.sealed))
                    while model.there:
                        model.read(asked, into=into)
                        model.check()


@pytest.mark.parametrize("suite", SUITES)
def test_modes_that_change(pki: Pki, suite: str) -> None:
    """What one kind of read has left over, another one goes on with."""
    rng = random.Random(suite)
    with closing(Model(pki, *SUITES[suite])) as model:
        model.prepare(rng, 80)
        while model.got < len(model.data):
            model.give(rng.choice((1, 27, 500, 9_999, 30_000)))
            while model.there and rng.random() < 0.8:
                model.client.settimeout(rng.choice(list(MODES.values())))
                model.read(rng.choice(READS), into=rng.random() < 0.5)
                model.check()
            if not model.there:
                model.client.settimeout(0.0)
                with pytest.raises(puretls.SSLWantReadError):
                    model.client.recv(rng.choice(READS))


@pytest.mark.parametrize("cut", [3, 5, 20, 2000])
@pytest.mark.parametrize("unwrap", [True, False])
def test_what_was_read_ahead_is_there_for_the_end(pki: Pki, cut: int, unwrap: bool) -> None:
    """Part of a record that is not read any more, close_notify behind it, and clear text behind that."""
    with closing(Model(pki, *SUITES["1.2"])) as model:
        model.client.settimeout(5.0)
        model.server.write(b"A" * 1000)
        model.server.write(b"B" * 4000)
        sealed = model.down.read()
        second = 1000 + 5 + 8 + 16
        model.far.sendall(sealed[: second + cut])
        assert model.client.recv(4096) == b"A" * 1000
        assert model.client.pending() == 0
        model.far.sendall(sealed[second + cut :])
        with suppress(puretls.SSLWantReadError):
            model.server.unwrap()
        model.far.sendall(model.down.read() + b"clear text")
        if unwrap:
            with pytest.raises(puretls.SSLError, match="application data after close notify"):
                model.client.unwrap()
            return
        assert model.client.recv(4096) == b"B" * 4000
        assert model.client.recv(4096) == b""
        plain = model.client.unwrap()
        assert plain.recv(100) == b"clear text"


@pytest.mark.parametrize("size", [10, 1000, 8192, 65_536])
def test_one_deadline_however_slowly_it_comes(pki: Pki, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte a second: a timeout of ten seconds is over after ten."""
    with closing(Model(pki, *SUITES["1.3"])) as model:
        model.client.settimeout(10.0)
        model.server.write(b"d" * 1000)
        sealed, now, asked = model.down.read(), [100.0], []

        def clock() -> float:
            now[0] += 0.2
            return now[0]

        def later(_sock: Any, _event: str, seconds: float) -> bool:
            asked.append(seconds)
            now[0] += 1
            model.far.sendall(sealed[len(asked) : len(asked) + 1])
            return True

        for module in (over_socket, socket_port):
            monkeypatch.setattr(module, "monotonic", clock)
        monkeypatch.setattr(socket_port, "ready", later)
        model.far.sendall(sealed[:1])
        with pytest.raises(TimeoutError):
            model.client.recv(size)
        assert 1 < len(asked) <= 11
        assert asked == sorted(asked, reverse=True)
        model.far.sendall(sealed[len(asked) + 1 :])
        monkeypatch.undo()
        assert model.client.recv(1000) == b"d" * 1000


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_one_thread_reads_another_writes_and_a_third_asks(pki: Pki, timeout: float | None) -> None:
    """Both ways at once, with new keys in between; pending() neither waits nor spoils anything."""
    ours, theirs = socket.socketpair()
    made: list[puretls.SSLSocket] = []
    context = server_context(puretls, pki)
    other = threading.Thread(target=lambda: made.append(context.wrap_socket(theirs, server_side=True)))
    other.start()
    one = client_context(puretls, pki).wrap_socket(ours, server_hostname="localhost")
    other.join()
    (two,) = made
    rng = random.Random(3)
    data = {side: rng.randbytes(1 << 20) for side in (one, two)}
    got = {side: bytearray() for side in (one, two)}
    failed: list[BaseException] = []
    done = threading.Event()

    def write(side: puretls.SSLSocket) -> None:
        rng, pos = random.Random(1), 0
        while pos < len(data[side]):
            piece = data[side][pos : pos + rng.choice((10, 1000, 5000, 16384, 40_000))]
            side.sendall(piece)
            pos += len(piece)
            if rng.random() < 0.05:
                with side._sslobj._writing:
                    records = side._sslobj._records
                    records.queue(None)

    def read(side: puretls.SSLSocket, other: puretls.SSLSocket) -> None:
        rng = random.Random(2)
        while len(got[side]) < len(data[other]):
            got[side] += side.recv(rng.choice((10, 1000, 8192, 16384, 65_536)))

    def ask() -> None:
        while not done.is_set():
            for side in (one, two):
                assert side.pending() >= 0

    def guarded(target: Any, *arguments: Any) -> None:
        try:
            target(*arguments)
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            failed.append(error)

    one.settimeout(timeout)
    two.settimeout(timeout)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        jobs = [(write, one), (write, two), (read, one, two), (read, two, one)]
        threads = [threading.Thread(target=guarded, args=job) for job in jobs]
        asking = threading.Thread(target=guarded, args=(ask,))
        for thread in (*threads, asking):
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        done.set()
        sys.setswitchinterval(before)
    asking.join()
    assert not failed
    assert got[one] == data[two]
    assert got[two] == data[one]
    one.close()
    two.close()


PATCHES = {
    "nothing": "",
    "sockets": "class Green(socket.socket):\n    def recv(self, *a): return super().recv(*a)\nsocket.socket = Green",
    "all of it": "class Green(socket.socket):\n    def recv(self, *a): return super().recv(*a)\n"
    "socket.socket = socket.SocketType = Green",
    "os.read()": "read = os.read\nos.read = lambda *a: read(*a)",
}


@pytest.mark.parametrize("patched", PATCHES)
def test_file_descriptors_are_left_alone_where_others_have_their_own_sockets(patched: str) -> None:
    """gevent and eventlet wait in recv(), and not in os.read() of a descriptor."""
    code = f"import os, socket\n{PATCHES[patched]}\nfrom puretls._api.socket_port import DIRECT\nprint(DIRECT)"
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.strip() == str(patched == "nothing" and os.name == "posix")
