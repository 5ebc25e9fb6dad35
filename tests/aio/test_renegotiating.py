"""A TLS 1.2 server has our client renegotiate in the middle of an open connection of puretls.asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import puretls.asyncio
from support import Pki
from support.renegotiation import Renegotiation, records
from support.wire import Plain, Recorder, reported, run, settle


class Far:
    """The server's side of a connection in memory: it is asked by hand, and keeps what comes for then."""

    def __init__(self) -> None:
        self.came = bytearray()
        self.memory = bytearray(1 << 16)
        self.ended = False

    def get_buffer(self, _: int) -> bytearray:
        return self.memory

    def buffer_updated(self, count: int) -> None:
        self.came += self.memory[:count]

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, _: Any) -> None:
        pass


class Renegotiating(Renegotiation):
    """The same, with a transport of puretls.asyncio as the client."""

    def connect(self, context: Any) -> None:
        self.app = Recorder()
        self.plain, self.theirs = Plain(), Plain()
        self.plain.peer, self.theirs.peer = self.theirs, self.plain
        self.far = Far()
        self.tls = puretls.asyncio.SSLTransport(
            asyncio.get_running_loop(), self.app, context, None, server_hostname="localhost"
        )
        self.plain.set_protocol(self.tls)
        self.theirs.set_protocol(self.far)

    async def begin(self) -> Renegotiating:
        self.tls.connection_made(self.plain)
        while not self.app.connected.done():
            await self.step()
        return self

    async def step(self) -> None:
        """The server reads what is there, and says what follows from that."""
        await settle()
        data, self.far.came = bytes(self.far.came), bytearray()
        self.server.receive(data)
        self.server.advance()
        self.server.advance()
        self.theirs.write(self.server.take())
        await settle()

    def plaintext(self) -> bytes:
        """What the server has got of data."""
        room = memoryview(bytearray(1 << 20))
        got = b""
        while size := self.server.read_into(room):
            got += bytes(room[:size])
        return got

    async def until_established(self, between: Callable[[], None] = lambda: None) -> None:
        for _ in range(50):
            await self.step()
            if self.server.established:
                return
            between()
        raise AssertionError("it does not come to an end")


def test_data_before_and_behind(pki: Pki) -> None:
    async def work() -> None:
        one = await Renegotiating(pki).begin()
        one.tls.write(b"before")
        await one.step()
        assert one.plaintext() == b"before"
        cipher = one.tls.get_extra_info("cipher")
        one.server.write(memoryview(b"first"))
        one.ask()
        one.theirs.write(one.server.take())
        await settle()
        assert one.app.data == b"first"
        one.tls.write(b"in the middle")  # waits until there are keys
        one.tls.write(b", and more")
        assert one.tls.get_write_buffer_size() == 23
        await one.until_established()
        await one.step()
        assert one.plaintext() == b"in the middle, and more"
        assert not one.tls.get_write_buffer_size()
        assert one.tls.get_extra_info("cipher") != cipher
        one.server.write(memoryview(b", second"))
        one.theirs.write(one.server.take())
        await one.app.until(13)
        assert one.app.data == b"first, second"
        assert one.tls._link._records.fast_sealer is not None  # the fast path is open again
        assert one.tls._link._records.fast_opener is not None
        one.tls.close()
        await settle()

    run("asyncio", work())


@pytest.mark.parametrize("paused", ["before", "in the middle"])
def test_an_application_that_has_paused(pki: Pki, paused: str) -> None:
    """Nothing is delivered while it pauses, and nothing is lost."""

    async def work() -> None:
        one = await Renegotiating(pki).begin()
        if paused == "before":
            one.tls.pause_reading()
        one.server.write(memoryview(b"x" * 1000))
        one.ask()
        for record in records(bytes(one.server.take())):
            one.theirs.write(record)
            await settle()
        if paused == "before":
            assert not one.app.data
            one.tls.resume_reading()
            await settle()
        else:
            one.tls.pause_reading()
            await settle()
            one.tls.resume_reading()
        await one.until_established()
        assert one.app.data == b"x" * 1000
        one.tls.close()
        await settle()

    run("asyncio", work())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_the_end_in_the_middle(pki: Pki, end: str) -> None:
    """close() loses nothing that was written, and says goodbye under the new keys."""

    async def work() -> None:
        found = reported()
        one = await Renegotiating(pki).begin()
        one.ask()
        one.theirs.write(one.server.take())
        await settle()
        one.tls.write(b"the last words")
        getattr(one.tls, end)()
        if end == "abort":
            await asyncio.wait_for(one.app.lost, 5)
        else:
            await one.until_established()
            await one.step()
            assert one.plaintext() == b"the last words"
            assert one.server.records.close_received
            one.server.close_notify()
            one.theirs.write(one.server.take())
            await asyncio.wait_for(one.app.lost, 5)
            assert one.app.error is None
        assert not found

    run("asyncio", work())


def test_a_renegotiation_that_fails(tls: ModuleType, pki: Pki) -> None:
    """The application hears of it once, and the plain transport is gone."""

    async def work() -> None:
        found = reported()
        one = await Renegotiating(pki).begin()
        one.ask()
        one.other.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
        one.theirs.write(one.server.take())
        await settle()
        one.tls.write(b"never sent")
        one.theirs.write(b"\x16\x03\x03\x00\x40" + bytes(64))  # what does not open
        await asyncio.wait_for(one.app.lost, 5)
        assert isinstance(one.app.error, tls.SSLError)
        assert one.app.error.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
        assert one.tls.is_closing()
        assert not found

    run("asyncio", work())
