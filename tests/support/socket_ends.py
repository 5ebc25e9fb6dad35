"""A client over a real socket, whose peer seals its records in memory and sends them in pieces that a test chooses."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import puretls
from support import Pki
from support.ours import client_context, server_context


class Ends:
    """A client over a socket; its peer makes records in memory, and they are sent as one piece."""

    def __init__(self, pki: Pki, version: puretls.TLSVersion, cache: Any = None, **options: str) -> None:
        ours, self.far = socket.socketpair()
        ours.settimeout(10)
        context = client_context(puretls, pki, version=version, **options)
        context.client_session_cache = cache
        self.client = context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
        self.up, self.down = puretls.MemoryBIO(), puretls.MemoryBIO()
        self.server: Any = server_context(puretls, pki).wrap_bio(self.up, self.down, server_side=True)
        self.client.setblocking(False)
        for _ in range(4):
            with suppress(puretls.SSLWantReadError):
                self.client.do_handshake()
            self.take()
            with suppress(puretls.SSLWantReadError):
                self.server.do_handshake()
            self.give()
        self.client.setblocking(True)
        self.talk()

    def close(self) -> None:
        self.client.close()
        self.far.close()

    def take(self) -> None:
        """What the client has sent."""
        with suppress(BlockingIOError):
            while data := self.far.recv(1 << 20, socket.MSG_DONTWAIT):
                self.up.write(data)

    def give(self) -> None:
        if data := self.down.read():
            self.far.sendall(data)

    def talk(self, size: int = 100) -> None:
        """Both ways are open afterwards."""
        for _ in range(3):
            self.server.write(b"d" * size)
            self.give()
            assert self.client.recv(size + 1) == b"d" * size
            self.client.sendall(b"u" * size)
            self.take()
            assert self.server.read(size + 1) == b"u" * size

    def inject(self, kind: int, data: bytes) -> None:
        self.down.write(self.server._sslobj._conn.records.outbound.sealer.seal(kind, data))
