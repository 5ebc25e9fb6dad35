"""A connection of TLS whose bytes we carry ourselves, as far as servers on `http.server` use a socket.

So it is known when bytes came and left, which a wrapped socket does not tell.
"""

from __future__ import annotations

import io
import socket
from contextlib import suppress
from typing import Any

from puretls import SSLContext, SSLZeroReturnError
from puretls.cli.observe import Recorder
from puretls.cli.tap import FOREVER, Tap


class TappedSocket(Tap):
    """The server's end, over a connected socket; `recorder` is told when something was on the wire."""

    def __init__(self, context: SSLContext, sock: socket.socket, recorder: Recorder) -> None:
        super().__init__(context, sock, server_side=True)
        self.recorder = recorder

    def _hear(self, received_by_client: bool, data: bytes) -> None:
        """Of the bytes nothing is kept: a browser may watch for hours."""
        super()._hear(received_by_client, data)
        self.recorder.on_the_wire(self.tls, sent=received_by_client, at=self.heard.pop().at)

    def settimeout(self, seconds: float | None) -> None:
        """For each of what follows."""
        self.sock.settimeout(seconds)
        self.timeout = FOREVER if seconds is None else seconds

    def setsockopt(self, *arguments: Any) -> None:
        """Of TCP."""
        self.sock.setsockopt(*arguments)

    def do_handshake(self) -> None:
        """All of it."""
        self.allow(self.timeout)
        self.drive(self.tls.do_handshake)

    def unwrap(self) -> None:
        """close_notify, ours and the other's."""
        self.allow(self.timeout)
        self.drive(self.tls.unwrap)

    def recv_into(self, buffer: Any) -> int:
        """Some data; 0 at the end."""
        self.allow(self.timeout)
        with suppress(SSLZeroReturnError):
            return int(self.drive(self.tls.read, len(buffer), buffer))
        return 0

    def sendall(self, data: Any) -> None:
        """All of it."""
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                self.allow(self.timeout)
                sent += self.drive(self.tls.write, view[sent:])

    def makefile(self, mode: str, _buffering: int = -1) -> io.BufferedReader | io.BufferedWriter:
        """A file to read from, or one to write to."""
        return io.BufferedReader(_Raw(self)) if mode == "rb" else io.BufferedWriter(_Raw(self))


class _Raw(io.RawIOBase):
    """What is below such a file; it does not close the connection."""

    def __init__(self, connection: TappedSocket) -> None:
        super().__init__()
        self.connection = connection

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.connection.recv_into(buffer)

    def write(self, data: Any) -> int:
        self.connection.sendall(data)
        return len(data)
