"""What threads share: a context that is changed while another thread connects, a MemoryBIO that two threads use."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import puretls
from puretls._api.settings import Settings


def test_a_setter_in_the_middle_of_a_wrap_counts_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection may be made of the old settings, but they are not kept."""
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, puretls.CERT_NONE
    freeze = Settings._freeze

    def interrupted(self: Settings, server_side: bool) -> Any:
        config = freeze(self, server_side)
        if context.verify_mode == puretls.CERT_NONE:
            context.check_hostname = True  # as another thread could
        return config

    monkeypatch.setattr(Settings, "_freeze", interrupted)
    modes = []
    for _ in range(2):
        wrapped = context.wrap_bio(puretls.MemoryBIO(), puretls.MemoryBIO(), server_hostname="localhost")
        modes.append(wrapped._sslobj._conn.config.policy.verify_mode)
    assert modes == [puretls.CERT_NONE, puretls.CERT_REQUIRED]


@contextmanager
def hasty() -> Iterator[None]:
    """Threads take turns at every opportunity."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("size", [-1, 7])
def test_one_thread_writes_a_bio_while_another_reads_it(size: int) -> None:
    """As in `ssl`: nothing is lost and nothing changes places."""
    bio, count = puretls.MemoryBIO(), 20_000
    received = bytearray()

    def write() -> None:
        for number in range(count):
            bio.write(number.to_bytes(4, "big"))
        bio.write_eof()

    with hasty():
        thread = threading.Thread(target=write)
        thread.start()
        while not bio.eof:
            received += bio.read(size)
        thread.join()
    assert received == b"".join(number.to_bytes(4, "big") for number in range(count))
