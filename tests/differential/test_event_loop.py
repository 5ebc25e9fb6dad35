"""What applications see of our transport and of asyncio's own, with the interpreter's `ssl`, in the same random plays.

Where asyncio's fails with APPLICATION_DATA_AFTER_CLOSE_NOTIFY ours goes on (docs/asyncio.md): such plays say nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import sys
from asyncio import sslproto
from types import ModuleType
from typing import Any

import pytest

import puretls
from puretls.asyncio import SSLTransport
from support import PATIENCE, Pki
from support.ours import client_context, server_context
from support.wire import Plain

SIZES = 1, 100, 20_000, 2_000_000
SHUTDOWN = 0.1


class Below(Plain):
    """A plain transport that can be lost, or aborted with an exception, as those of asyncio."""

    def lose(self, exc: BaseException | None) -> None:
        if not self.closing:
            self.closing = self.peer.eof = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self.peer.deliver)
            loop.call_soon(self.protocol.connection_lost, exc)

    _force_close = lose

    def abort(self) -> None:
        self.lose(None)

    over = False

    def write(self, data: Any) -> None:
        if not self.over:
            super().write(data)

    def end(self) -> None:
        """The other side hears of no more."""
        self.over = self.peer.eof = True
        asyncio.get_running_loop().call_soon(self.peer.deliver)


class Witness(asyncio.Protocol):
    def __init__(self, keep_open: bool) -> None:
        self.seen: list[Any] = []
        self.size = 0
        self.keep_open = keep_open

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        self.seen.append("made")

    def data_received(self, data: bytes) -> None:
        self.size += len(data)

    def eof_received(self) -> bool:
        self.seen.append(("eof", self.size))
        return self.keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        said = getattr(exc, "reason", None) if isinstance(exc, ssl.SSLError) else str(exc)
        self.seen.append(("lost", type(exc).__name__, said, self.size))

    def pause_writing(self) -> None:
        self.seen.append("pause")

    def resume_writing(self) -> None:
        self.seen.append("resume")


ACTS: dict[str, Any] = {
    "write": lambda tls, _, size: tls.write(b"x" * size),
    "writelines": lambda tls, _, size: tls.writelines([b"y" * size, b"z"]),
    "pause": lambda tls, _below, _size: tls.pause_reading(),
    "resume": lambda tls, _below, _size: tls.resume_reading(),
    "limits": lambda tls, _, size: tls.set_write_buffer_limits(size),
    "close": lambda tls, _below, _size: tls.close(),
    "abort": lambda tls, _below, _size: tls.abort(),
    "end below": lambda _, below, _size: below.end(),
    "lost below": lambda _, below, _size: below.lose(ConnectionResetError("gone")),
    "write_eof": lambda tls, _below, _size: tls.write_eof(),
    "same protocol": lambda tls, _below, _size: tls.set_protocol(tls.get_protocol()),
}
Step = tuple[int, str, int]


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def play(module: ModuleType, make: Any, pki: Pki, version: str, steps: list[Step], keep_open: bool) -> Any:
    loop, reported = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, about: reported.append((about["message"], type(about.get("exception")))))
    contexts = [of(module, pki, version=module.TLSVersion[version]) for of in (client_context, server_context)]
    below = Below(), Below()
    below[0].peer, below[1].peer = below[1], below[0]
    apps = Witness(keep_open), Witness(keep_open)
    layers = [
        make(loop, app, context, loop.create_future(), bool(side), None if side else "localhost", **options)
        for side, (app, context) in enumerate(zip(apps, contexts, strict=True))
        for options in [{"ssl_shutdown_timeout": SHUTDOWN}]
    ]
    for layer, under in zip(layers, below, strict=True):
        under.set_protocol(layer)
    for side in (1, 0):
        layers[side].connection_made(below[side])
    await settle()
    transports = [layer._app_transport for layer in layers]
    for side, act, size in steps:
        with contextlib.suppress(NotImplementedError, AttributeError):  # asyncio's, after the end
            ACTS[act](transports[side], below[side], size)
        await settle()
    for act in ("resume", "close"):
        for transport in transports:
            with contextlib.suppress(AttributeError):
                ACTS[act](transport, None, 0)
        await settle()
    for _ in range(300):
        if all(app.seen[-1][0] == "lost" for app in apps):
            break
        await asyncio.sleep(0.01)
    return [app.seen for app in apps], reported


def outcome(*about: Any) -> Any:
    loop = asyncio.SelectorEventLoop()
    try:
        return loop.run_until_complete(asyncio.wait_for(play(*about), PATIENCE))
    finally:
        loop.close()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio's layer was another one before Python 3.11")
@pytest.mark.parametrize("seed", range(60))
def test_what_applications_see(pki: Pki, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    version = chance.choice(["TLSv1_2", "TLSv1_3"])
    keep_open = chance.random() < 0.2
    steps = [(chance.randrange(2), chance.choice([*ACTS]), chance.choice(SIZES)) for _ in range(chance.randrange(1, 9))]
    said = []
    for module, make in (ssl, sslproto.SSLProtocol), (puretls, SSLTransport):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            found = outcome(module, make, pki, version, steps, keep_open)
        said.append((*found, [one.getMessage() for one in caplog.records]))
    if "APPLICATION_DATA_AFTER_CLOSE_NOTIFY" not in str(said[0]):
        assert said[1] == said[0], steps
