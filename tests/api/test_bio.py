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
    bio = MemoryBIO()
    for _ in range(total // piece):
        bio.write(bytes(piece))
    began = time.perf_counter()
    while bio.read(step):
        pass
    return time.perf_counter() - began


def test_no_pattern_of_sizes_is_quadratic():
    """Eight times as much may take some eight times as long; quadratic would be sixty-four."""
    for size, piece, step in ((1 << 20, 64, 1024), (1 << 20, 1 << 20, 1024), (1 << 17, 1, 64)):
        small = min(drain(size // 8, min(piece, size // 8), step) for _ in range(3))
        large = min(drain(size, piece, step) for _ in range(3))
        assert large < 30 * max(small, 1e-4)
