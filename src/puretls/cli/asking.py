"""Many short connections to one server, politely: spaced out in time, few at once, and never more than a bound.

`ask` sends one ClientHello and reads what the server says to it; `handshake` is a whole connection of our own. The
server may be anybody: what it sends is bounded in size and in time, and a connection that fails is an answer, too.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic, sleep
from typing import Any

from puretls import SSLContext
from puretls._analysis.probe import Answer, Offer, Reading, Silence, compose
from puretls.cli.failure import Failure, reason
from puretls.cli.starttls import start
from puretls.cli.target import Target, dial


class Asker:
    """The way to one server. `pause` is the least time between the beginnings of two connections."""

    def __init__(
        self, where: Target, *, name: str, family: int, timeout: float, pause: float, most: int, starttls: str | None
    ) -> None:
        self.where, self.title, self.name, self.starttls = where, str(where), name, starttls
        self.family, self.timeout, self.pause, self.most = family, timeout, pause, most
        self.made = 0
        self.stopped = ""  # why there are no more connections
        self._lock, self._next = Lock(), 0.0

    @property
    def server_name(self) -> str:
        """The name for the extension of that name, which holds no addresses (RFC 6066 3)."""
        return "" if ":" in self.name or self.name.replace(".", "").isdigit() else self.name

    def settle(self) -> str:
        """Resolve the name once: all questions go to one address, which is returned. Failure if nobody is there."""
        with self.connection() as sock:
            address = str(sock.getpeername()[0])
        self.where = Target(address, self.where.port)
        return address

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """A TCP connection, up to where TLS begins."""
        self._wait()
        with dial(self.where, family=self.family, timeout=self.timeout) as sock:
            if self.starttls:
                start(self.starttls, sock, self.timeout)
            yield sock

    def ask(self, offer: Offer) -> Answer:
        """What the server says to this hello."""
        deadline = monotonic() + self.timeout
        reading = Reading()
        try:
            with self.connection() as sock:
                sock.sendall(compose(offer, os.urandom(64)))
                while True:
                    sock.settimeout(max(deadline - monotonic(), 0.001))
                    data = sock.recv(1 << 14)
                    answer = reading.feed(data) if data else reading.end()
                    if answer is not None:
                        return answer
                    if monotonic() > deadline:
                        return Silence("the answer does not come to an end")
        except OSError as error:
            return Silence(reason(error))
        except Failure as failure:
            return Silence(str(failure))

    @contextmanager
    def handshake(self, context: SSLContext, session: Any = None) -> Iterator[Any]:
        """A connection of our own."""
        with self.connection() as sock, context.wrap_socket(sock, server_hostname=self.name, session=session) as tls:
            yield tls

    def stop(self, why: str) -> None:
        """No more connections: whoever asks on is told why."""
        self.stopped = self.stopped or why

    def _wait(self) -> None:
        with self._lock:
            if self.made >= self.most:
                self.stop(f"the limit of {self.most} connections is reached")
            if self.stopped:
                raise Failure(self.stopped)
            self.made += 1
            now = monotonic()
            begin = self._next = max(now, self._next + self.pause)
        sleep(begin - now)
