"""MemoryBIO beside the interpreter's own, on seeded random operations."""

from __future__ import annotations

import array
import random
import ssl
import time

import pytest

from puretls import MemoryBIO, SSLError


def operation(rng):
    kind = rng.choice(
        ["write", "write", "read", "read", "read all", "eof"] if rng.random() < 0.05 else ["write", "read"]
    )
    size = rng.choice([0, 1, 2, 5, 17, 100, 5000])
    if kind == "write":
        data = rng.randbytes(size)
        return "write", rng.choice([data, bytearray(data), memoryview(data), array.array("B", data)])
    if kind == "eof":
        return ("write_eof",)
    return ("read",) if kind == "read all" else ("read", rng.choice([size, -1, -7]))


def outcome(bio, name, *arguments):
    try:
        return getattr(bio, name)(*arguments), bio.pending, bio.eof
    except ssl.SSLError as error:
        return type(error), error.args


@pytest.mark.parametrize("seed", range(50))
def test_random_operations(seed):
    rng = random.Random(seed)
    ours, theirs = MemoryBIO(), ssl.MemoryBIO()
    for _ in range(100):
        step = operation(rng)
        assert outcome(ours, *step) == outcome(theirs, *step)


@pytest.mark.parametrize(
    "bad",
    [lambda bio: bio.write("text"), lambda bio: bio.write(None), lambda bio: bio.read("x"), lambda bio: bio.read(None)],
)
def test_wrong_types(bad):
    with pytest.raises(TypeError):
        bad(MemoryBIO())


def test_other_refusals():
    bio = MemoryBIO()
    with pytest.raises(BufferError):
        bio.write(memoryview(b"abcdef")[::2])
    with pytest.raises(AttributeError):
        bio.eof = True
    with pytest.raises(TypeError):
        MemoryBIO(1)
    with pytest.raises(TypeError):
        type("Sub", (MemoryBIO,), {})
    bio.write_eof()
    with pytest.raises(SSLError) as caught:
        bio.write(b"late")
    assert caught.value.args == ("cannot write() after write_eof()",)


def test_what_was_written_may_change_afterwards():
    data = bytearray(b"before")
    bio = MemoryBIO()
    bio.write(data)
    data[:] = b"after!"
    assert bio.read() == b"before"


def drain(total, piece, step):
    """The CPU time of emptying a BIO that was filled in pieces."""
    bio = MemoryBIO()
    for _ in range(total // piece):
        bio.write(bytes(piece))
    began = time.process_time()
    while bio.read(step):
        pass
    return time.process_time() - began


def test_no_pattern_of_sizes_is_quadratic():
    """Sixteen times as much may take some sixteen times the work; quadratic would be 256 times."""
    for size, piece, step in ((1 << 21, 64, 1024), (1 << 21, 1 << 21, 1024), (1 << 18, 1, 64)):
        small = sum(drain(size // 16, min(piece, size // 16), step) for _ in range(16))  # the time of one is too short
        large = min(drain(size, piece, step) for _ in range(3))
        assert large < 8 * small
