"""Shapes: PyCA learns of one when it is first read, whichever threads do that."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from types import FrameType

import pytest
from cryptography.hazmat import asn1

from puretls._x509 import shapes


def fresh() -> type:
    """A shape that nobody has read, made of others."""

    class Inner(shapes.Shape):
        number: int

    class Middle(shapes.Shape):
        inner: list[Inner] | None

    class Outer(shapes.Shape):
        inner: Inner
        middle: Middle

    return Outer


DER = bytes.fromhex("300e 3003020105 3007 3005 3003020107".replace(" ", ""))


def numbers(shape: type) -> tuple[int, int]:
    """Those in it."""
    found = shapes.read(shape, DER)
    return found.inner.number, found.middle.inner[0].number


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless")
def test_several_threads_read_the_first_one() -> None:
    threads = 4
    barrier = Barrier(threads)

    def read(shape: type) -> tuple[int, int]:
        barrier.wait()
        return numbers(shape)

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(50):
            shape = fresh()
            assert list(pool.map(read, [shape] * threads)) == [(5, 7)] * threads


class RaisedByHandler(Exception):
    """Raised by a handler."""


def alarm(shape: type) -> None:
    del shape
    raise RaisedByHandler


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What it calls, Hypothesis's clock for one, would be interrupted as well, and could not raise."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("handler", [numbers, alarm])
def test_a_signal_handler_comes_in_between(handler: Callable[[type], object]) -> None:
    """It reads one itself, or raises: wherever it does, whoever was interrupted can read one then."""
    for place in count():
        shape, left = fresh(), place

        def look(frame: FrameType, event: str, function: object, shape: type = shape) -> None:
            del frame, function
            nonlocal left
            if event in {"call", "c_return"}:
                left -= 1
                if left == -1:
                    handler(shape)

        sys.setprofile(look)
        try:
            assert numbers(shape) == (5, 7)
        except RaisedByHandler:
            sys.setprofile(None)
            assert numbers(shape) == (5, 7)
        finally:
            sys.setprofile(None)
        if left >= 0:
            break
    assert place > 500


def test_what_is_no_such_sequence() -> None:
    shape = fresh()
    for _ in range(2):  # the first time and any other
        with pytest.raises(ValueError, match="parsing"):
            shapes.read(shape, DER[:-1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nobody forks")
def test_a_child_can_declare_shapes_whatever_its_parent_was_at() -> None:
    """A thread of the parent is half way through it when the process forks."""
    code = """
import os, threading
from cryptography.hazmat import asn1
from puretls._x509 import shapes

half, go_on, whole = threading.Event(), threading.Event(), asn1.sequence

def hold(shape):
    half.set()
    go_on.wait()
    return whole(shape)

def declare():
    return shapes.read(shapes.BasicConstraints, b"\\x30\\x03\\x01\\x01\\xff").ca

asn1.sequence = hold
thread = threading.Thread(target=declare)
thread.start()
half.wait()
asn1.sequence = whole
child = os.fork()
if not child:
    os._exit(not declare())
assert declare()
go_on.set()
thread.join()
assert declare()
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=30)


def test_a_shape_that_changes_while_it_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread is at it, too: it is tried again, and not for ever."""
    tries, whole = [], asn1.sequence

    class Fresh(shapes.Shape):
        item: int

    def disturbed(shape: type) -> type:
        tries.append(shape)
        if len(tries) % 3 and len(tries) < 3:
            raise RuntimeError("dictionary changed size during iteration")
        return whole(shape)

    monkeypatch.setattr(asn1, "sequence", disturbed)
    assert shapes.read(Fresh, b"\x30\x03\x02\x01\x05").item == 5
    assert len(tries) == 3

    def hopeless(_: type) -> type:
        tries.append(_)
        raise RuntimeError("it does not go")

    class Never(shapes.Shape):
        pass

    monkeypatch.setattr(asn1, "sequence", hopeless)
    with pytest.raises(RuntimeError):
        shapes.read(Never, b"\x30\x00")
    assert len(tries) == 3 + shapes.MOST_TRIES
