"""A hello of SSL 2.0 is what old servers understood, and only their answer to it is a yes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._analysis.probe import Alert, Answer, Hello, Nonsense
from puretls._analysis.ssl2 import CIPHERS, SSL2, Reading, compose, spoken

# SERVER-HELLO: no session, an X.509 certificate of 3 bytes, version 2, 2 ciphers, a connection id of 4 bytes
BODY = bytes.fromhex("04 00 01 0002 0003 0006 0004") + b"der" + bytes.fromhex("010080 0700c0") + b"conn"


def server_hello(header: int = 2) -> bytes:
    if header == 2:
        return (0x8000 | len(BODY)).to_bytes(2, "big") + BODY
    return len(BODY).to_bytes(2, "big") + b"\x00" + BODY


def read(data: bytes, step: int = 0) -> Answer | None:
    reading, found, step = Reading(), None, step or len(data) or 1
    for at in range(0, len(data), step):
        found = reading.feed(data[at : at + step])
        if found is not None:
            break
    return found


def test_the_hello() -> None:
    raw = compose(b"c" * 16)
    assert int.from_bytes(raw[:2], "big") == 0x8000 | len(raw) - 2
    assert raw[2:5] == b"\x01\x00\x02"
    assert int.from_bytes(raw[5:7], "big") == 3 * len(CIPHERS)
    assert raw[7:11] == b"\x00\x00\x00\x10"
    assert raw[11:].endswith(b"c" * 16)
    assert len(raw) == 11 + 3 * len(CIPHERS) + 16


@pytest.mark.parametrize("header", [2, 3])
@pytest.mark.parametrize("step", [0, 1, 5])
def test_the_answer(header: int, step: int) -> None:
    found = read(server_hello(header), step)
    assert found == Hello(SSL2, 2)
    assert spoken(found)


def test_other_answers() -> None:
    assert read(b"\x15\x03\x01\x00\x02\x02\x46") == Alert(70)
    assert read(b"\x15\x03\x01") is None
    assert isinstance(read(b"HTTP/1.1 400 Bad Request\r\n"), Nonsense)
    assert isinstance(read(server_hello().replace(b"\x00\x02\x00\x03", b"\x03\x00\x00\x03")), Nonsense)
    assert not spoken(Reading().end())


@given(st.binary(max_size=60), st.integers(1, 9))
def test_no_bytes_upset_it(data: bytes, step: int) -> None:
    assert read(data, step) == read(data)
