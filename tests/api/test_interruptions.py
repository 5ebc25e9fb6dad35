"""What signal handlers may do to a connection: raise in the middle of a call, or use the connection themselves.

Python runs a handler between any two calls of the code that it interrupts.  `sys.setprofile` calls back at the same
places, so that a test can be the handler at each of them in turn.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import pytest

import puretls
from support import Pki
from support.bios import join
from support.ours import client_context, server_context
from support.socket_ends import Ends

ObjectPair = tuple[puretls.SSLSocket, puretls.SSLSocket]
RECORD = 16384
VERSIONS = ["TLSv1_2", "TLSv1_3"]
PLACES = 400  # no call of a test here has as many


@contextmanager
def connected(pki: Pki, version: str) -> Iterator[ObjectPair]:
    """Blocking, without a timeout, and with buffers that one large send fills."""
    client, server = client_context(puretls, pki), server_context(puretls, pki)
    client.maximum_version = getattr(puretls.TLSVersion, version)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
    wrapped = []
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as one:
        thread.join()
        with wrapped[0] as other:
            other.sendall(b"!")
            assert one.recv(1) == b"!"  # and the tickets with it
            yield one, other


@pytest.fixture(params=VERSIONS)
def pair(request: pytest.FixtureRequest, pki: Pki) -> Iterator[ObjectPair]:
    with connected(pki, request.param) as both:
        yield both


class Alarm(Exception):
    """What a handler raises."""


@contextmanager
def alarm() -> Iterator[None]:
    """A signal in a moment, whose handler raises."""

    def handler(*_: object) -> NoReturn:
        raise Alarm

    before = signal.signal(signal.SIGALRM, handler)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.5)  # by then the buffers have been full for long
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)  # that of the test runner
        signal.signal(signal.SIGALRM, before)


class Intruder:
    """Calls `handler` once, at one place of a call: where a function begins, or a built-in one has ended."""

    def __init__(self, place: int, handler: Callable[[], Any]) -> None:
        self.left, self.handler = place, handler
        self.came = False
        self.error: Exception | None = None

    def __call__(self, frame: FrameType, event: str, function: Any) -> None:
        if event not in {"call", "c_return"} or frame.f_code is RUN or function is sys.setprofile:
            return
        if not self.left:
            self.left, self.came = -1, True
            try:
                self.handler()
            except Alarm:
                raise
            except Exception as error:  # noqa: BLE001  # the test looks at it
                self.error = error
        self.left -= 1

    def run(self, operation: Callable[[], Any]) -> Any:
        sys.setprofile(self)
        try:
            return operation()
        finally:
            sys.setprofile(None)


RUN = Intruder.run.__code__


def collect(sock: puretls.SSLSocket, into: bytearray) -> None:
    while piece := sock.recv(1 << 16):
        into += piece


def read_what_can_be_read(sock: puretls.SSLSocket, into: bytearray) -> None:
    with suppress(puretls.SSLError):
        collect(sock, into)


@pytest.mark.parametrize("size", [9_000, 1 << 20])
def test_a_send_that_was_interrupted_can_be_repeated(pair: ObjectPair, size: int) -> None:
    """The kernel has taken part of it: those bytes are gone, and only those."""
    one, other = pair
    sent, pieces = [0], [os.urandom(size) for _ in range(1000 if size < RECORD else 10)]

    def send() -> None:
        for piece in pieces:
            one.sendall(piece)
            sent[0] += 1

    with pytest.raises(Alarm), alarm():
        send()
    received = bytearray()
    thread = threading.Thread(target=collect, args=(other, received))
    thread.start()
    one.sendall(pieces[sent[0]])
    one.shutdown(socket.SHUT_WR)
    thread.join()
    assert received == b"".join(pieces[: sent[0] + 1])


def bell() -> NoReturn:
    raise Alarm


def interrupted(pki: Pki, version: str, data: bytes, place: int) -> tuple[bool, str, bytes]:
    """Whether there is such a place in a send, what became of the connection, and what arrived."""
    received, intruder, result = bytearray(), Intruder(place, bell), "good"
    with connected(pki, version) as (one, other):
        thread = threading.Thread(target=read_what_can_be_read, args=(other, received))
        thread.start()
        try:
            intruder.run(lambda: one.sendall(data))
        except Alarm:
            try:
                one.sendall(data)
            except puretls.SSLError:
                result = "failed"
        one.shutdown(socket.SHUT_WR)
        thread.join()
    return intruder.came, result, bytes(received)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [100, 5_000, 20_000])
def test_a_send_is_repeated_or_refused_wherever_a_handler_raises(pki: Pki, version: str, size: int) -> None:
    """What arrives is the data once; twice, if all of it was out already; or we know that the connection has failed."""
    data, seen = os.urandom(size), set()
    for place in range(PLACES):
        came, result, received = interrupted(pki, version, data, place)
        if not came:
            break
        assert (result, received) in {("good", data), ("good", data + data), ("failed", b"")}
        seen.add((result, len(received) // size))
    assert seen == {("good", 1), ("good", 2), ("failed", 0)}


@pytest.mark.parametrize("operation", ["recv", "recv_into", "sendall"])
def test_no_lock_stays_with_who_was_interrupted(pki: Pki, operation: str) -> None:
    """Else no other thread would ever get it."""
    for place in range(PLACES):
        with connected(pki, "TLSv1_3") as (one, other):
            other.sendall(b"data")
            operations = {
                "recv": lambda one=one: one.recv(4),
                "recv_into": lambda one=one: one.recv_into(bytearray(1 << 18)),
                "sendall": lambda one=one: one.sendall(b"data"),
            }
            intruder = Intruder(place, bell)
            with suppress(Alarm):
                intruder.run(operations[operation])
            assert not one._sslobj._reading._is_owned()
            assert not one._sslobj._writing._is_owned()
        if not intruder.came:
            break
    else:
        pytest.fail("too many places")


@pytest.mark.parametrize("error", [TimeoutError("mine"), type("Mine", (BlockingIOError,), {})("mine")])
def test_what_a_handler_raises_comes_out_of_a_read(pair: ObjectPair, error: OSError) -> None:
    one, _ = pair

    def handler(*_: object) -> NoReturn:
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(type(error), match="mine"):
            one.recv(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


def test_a_record_that_no_bio_took(pki: Pki) -> None:
    """Its number is used, so the peer could not go on: neither can we, and say so."""
    both = join(client_context(puretls, pki), server_context(puretls, pki)).ok()

    class Full:
        eof = False

        def read(self) -> bytes:
            return b""

        def write(self, _: bytes) -> int:
            raise MemoryError

    for data in (b"short", bytes(40_000)):
        both = join(client_context(puretls, pki), server_context(puretls, pki)).ok()
        sslobj = both.client.obj._sslobj
        outgoing, sslobj._outgoing = sslobj._outgoing, Full()
        with pytest.raises(MemoryError):
            both.client.obj.write(data)
        sslobj._outgoing = outgoing
        with pytest.raises(puretls.SSLError):
            both.client.obj.write(data)


@pytest.mark.parametrize("data", [b"outer", bytes(20_000)], ids=["short", "long"])
def test_a_handler_cannot_write_in_the_middle_of_a_write(pair: ObjectPair, data: bytes) -> None:
    """It may before and after; what arrives is whole and in order."""
    one, other = pair
    received, refused, taken = bytearray(), 0, 0
    thread = threading.Thread(target=collect, args=(other, received))
    thread.start()
    for place in range(PLACES):
        intruder = Intruder(place, lambda: one.sendall(b"<inner>"))
        intruder.run(lambda: one.sendall(data))
        if not intruder.came:
            break
        refused += isinstance(intruder.error, RuntimeError)
        taken += intruder.error is None
        assert intruder.error is None or isinstance(intruder.error, RuntimeError)
    else:
        pytest.fail("too many places")
    one.shutdown(socket.SHUT_WR)
    thread.join()
    assert refused
    assert taken
    assert received.count(b"<inner>") == taken
    assert received.replace(b"<inner>", b"") == data * (place + 1)


def test_a_handler_cannot_read_in_the_middle_of_a_read(pair: ObjectPair) -> None:
    one, other = pair
    refused = 0
    for place in range(PLACES):
        other.sendall(b"first")
        other.sendall(b"second")
        inner: list[bytes] = []
        intruder = Intruder(place, lambda inner=inner: inner.append(one.recv(5)))  # type: ignore[misc]
        outer = intruder.run(lambda: one.recv(6))
        whole = b"".join(sorted((outer, *inner)))
        while len(whole) < 11:
            whole += one.recv(11 - len(whole))
        assert sorted(whole) == sorted(b"firstsecond")
        if not intruder.came:
            break
        refused += isinstance(intruder.error, RuntimeError)
    else:
        pytest.fail("too many places")
    assert refused


def test_a_handler_may_write_while_the_connection_reads(pair: ObjectPair) -> None:
    one, other = pair
    for place in range(PLACES):
        other.sendall(b"data")
        intruder = Intruder(place, lambda: one.sendall(b"x"))
        assert intruder.run(lambda: one.recv(4)) == b"data"
        if not intruder.came:
            return
        assert intruder.error is None
        assert other.recv(9) == b"x"
    pytest.fail("too many places")


def test_a_handler_cannot_use_an_object_in_the_middle_of_a_call(pki: Pki) -> None:
    """Over BIOs one lock serves both directions."""
    both = join(client_context(puretls, pki), server_context(puretls, pki)).ok()
    one, refused = both.client.obj, 0
    for place in range(PLACES):
        intruder = Intruder(place, lambda: one.write(b"inner"))
        intruder.run(lambda: one.write(b"outer"))
        both.move()
        received = both.server.read()
        assert both.server.error is None
        if not intruder.came:
            break
        if intruder.error is None:
            assert received in {b"innerouter", b"outerinner"}
        else:
            assert isinstance(intruder.error, RuntimeError)
            assert received == b"outer"
            refused += 1
    assert refused


@pytest.mark.parametrize("timeout", [None, 5.0, 0.0])
@pytest.mark.parametrize("size", [3, 100, 20_000])
def test_a_read_goes_on_or_fails_wherever_a_handler_raises(pki: Pki, timeout: float | None, size: int) -> None:
    """What is read afterwards follows what was read before; only data that was about to be returned may be lost."""
    data, seen = [bytes((n,)) * 50 for n in range(1, 5)], set()
    for place in range(PLACES):
        with connected(pki, "TLSv1_3") as (one, other):
            for piece in data[:3]:
                other.sendall(piece)
            one.settimeout(timeout)
            before = one.recv(3)
            intruder, got, error = Intruder(place, bell), bytearray(), None
            try:
                got += intruder.run(lambda one=one: one.recv(size))
            except Alarm:
                one.settimeout(5.0)
                other.sendall(data[3])
                other.shutdown(socket.SHUT_WR)
                try:
                    while piece := one.recv(size):
                        got += piece
                except puretls.SSLError as failed:
                    error = failed
            whole = b"".join(data)
            if not intruder.came:
                assert whole.startswith(before + got)
                break
            if error is None:
                assert got
                assert whole.endswith(got)
                seen.add(len(before + got) == len(whole))
            else:
                assert whole.startswith(before + got)
    else:
        pytest.fail("too many places")
    assert True in seen


@pytest.mark.parametrize("size", [3, 100])
def test_a_read_of_an_object_goes_on_or_fails_wherever_a_handler_raises(pki: Pki, size: int) -> None:
    """Over BIOs as over sockets; what was taken out of the BIO and not opened is there for the next call."""
    data, whole_again = [bytes((n,)) * 50 for n in range(1, 4)], False
    for place in range(PLACES):
        both = join(client_context(puretls, pki), server_context(puretls, pki)).ok()
        one, other = both.client.obj, both.server.obj
        other.write(data[0])
        both.move()
        before = one.read(50)
        other.write(data[1])
        both.move()
        intruder, got, error = Intruder(place, bell), bytearray(), None
        try:
            got += intruder.run(lambda one=one: one.read(size))
        except Alarm:
            other.write(data[2])
            both.move()
            try:
                while True:
                    got += one.read(size)
            except puretls.SSLWantReadError:
                pass
            except puretls.SSLError as failed:
                error = failed
        whole = b"".join(data)
        if not intruder.came:
            break
        if error is None:
            assert whole.endswith(got) or whole.startswith(before + got)
            whole_again |= before + got == whole
        else:
            assert whole.startswith(before + got)
    else:
        pytest.fail("too many places")
    assert whole_again


# Sizes of records that come together, and of the read: each kind has its own loop
LOOPS = {
    "one": ([50] * 4, 40),
    "alike": ([100] * 5, 1000),
    "several": ([50, 51, 52, 50, 50], 1000),
    "pieces": ([RECORD] * 3, 8192),
    "many": ([RECORD] * 5, 65_536),
}


def take(one: puretls.SSLSocket, size: int, into: bytearray) -> puretls.SSLError | None:
    """All that is there, and the error that ends it."""
    one.settimeout(0.0)
    try:
        while True:
            into += one.recv(size)
    except puretls.SSLWantReadError:
        return None
    except puretls.SSLError as error:
        return error


def give(ends: Ends, sizes: list[int]) -> bytes:
    data = [bytes((n + 1,)) * size for n, size in enumerate(sizes)]
    for piece in data:
        ends.server.write(piece)
    ends.give()
    return b"".join(data)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_read_of_records_goes_on_or_fails_wherever_a_handler_raises(pki: Pki, loop: str, version: str) -> None:
    (sizes, asked), whole_again = LOOPS[loop], False
    for place in range(PLACES):
        with closing(Ends(pki, puretls.TLSVersion[version])) as ends:
            one, got = ends.client, bytearray()
            give(ends, sizes[:2])
            assert not take(one, asked, got)
            data, got = give(ends, sizes), bytearray(one.recv(asked) if loop == "pieces" else b"")
            before = len(got)
            intruder = Intruder(place, bell)
            one.settimeout(5.0)
            with suppress(Alarm):
                got += intruder.run(lambda one=one: one.recv(asked))
            if take(one, asked, got):
                assert data.startswith(got)
            else:
                assert data.endswith(got[before:])
                whole_again |= intruder.came and got == data
            if not intruder.came:
                assert got == data
                break
    else:
        pytest.fail("too many places")
    assert whole_again


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handler_may_read_another_connection(pki: Pki, loop: str) -> None:
    """Both use the same pools of memory; neither sees what is the other's."""
    version = puretls.TLSVersion.TLSv1_3
    sizes, asked = LOOPS[loop]
    with closing(Ends(pki, version)) as ends, closing(Ends(pki, version)) as others:
        for pair in (ends, others):
            give(pair, [RECORD] * 2)
            assert not take(pair.client, 8192, bytearray())

        def handler() -> None:
            got = bytearray()
            for _ in range(2):
                others.server.write(b"\xee" * RECORD)
            others.give()
            assert not take(others.client, 8192, got)
            assert got == b"\xee" * (2 * RECORD)

        for place in range(PLACES):
            data, got = give(ends, sizes), bytearray()
            intruder = Intruder(place, handler)
            ends.client.settimeout(5.0)
            for _ in range(2 if loop == "pieces" else 1):
                got += intruder.run(lambda: ends.client.recv(asked))
            assert intruder.error is None
            assert not take(ends.client, asked, got)
            assert got == data
            if not intruder.came:
                return
    pytest.fail("too many places")
