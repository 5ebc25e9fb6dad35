"""Many short connections to one server, politely: spaced out in time, few at once, and limited in number.

`ask` sends one ClientHello and reads the server's answer; `handshake` makes a whole connection. The server may be
anybody: what it sends is bounded in size and in time, and a connection that fails is an answer too.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any, Protocol

from puretls import SSLContext
from puretls._analysis import ssl2
from puretls._analysis.probe import Answer, Offer, Reading, Silence, compose
from puretls._base.locks import new_lock
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.idn import a_labels
from puretls.cli.proxy import Proxy, dial_through
from puretls.cli.starttls import start
from puretls.cli.target import Target


class Reader(Protocol):
    """What makes an answer of bytes."""

    def feed(self, data: bytes) -> Answer | None:
        """More has come."""

    def end(self) -> Answer:
        """No more will come."""


class Asker:
    """The way to one server. `pause` is the least time between the beginnings of two connections."""

    def __init__(
        self,
        where: Target,
        *,
        name: str,
        family: int,
        timeout: float,
        pause: float,
        most: int,
        starttls: str | None,
        through: Proxy | None = None,
    ) -> None:
        self.where, self.title, self.name, self.starttls = where, str(where), name, starttls
        self.host = where.host  # as it was called; `where` becomes an address
        self.server_name = _sni(name)
        self.family, self.timeout, self.pause, self.most, self.through = family, timeout, pause, most, through
        self.proxy = str(through.where) if through else None
        self.made = 0
        self.stopped = ""  # why there are no more connections
        self._interrupted = False
        self._open: set[socket.socket] = set()
        self._spare: list[socket.socket] = []  # connections that nobody has used yet
        self._lock, self._next = new_lock(), 0.0

    def settle(self) -> str | None:
        """Resolve the name once: all questions go to one address, which is returned. Failure if nobody is there.

        A proxy resolves a name itself, and does not tell the address: then it is None.
        """
        sock = self._dialled()
        if self.through is None:
            self.where = Target(str(sock.getpeername()[0]), self.where.port)
        self._spare.append(sock)  # for the first question
        return self.address

    @property
    def address(self) -> str | None:
        """The address that is asked, if it is known."""
        return self.where.host if _is_address(self.where.host) else None

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """A TCP connection, up to where TLS begins."""
        try:
            sock = self._spare.pop()
        except IndexError:
            sock = self._dialled()
        with sock:
            try:
                yield sock
            finally:
                self._open.discard(sock)

    def _dialled(self) -> socket.socket:
        """One more of them."""
        self._wait()
        sock = dial_through(self.through, self.where, family=self.family, timeout=self.timeout)
        self._open.add(sock)
        try:
            self._up_to_tls(sock)
        except BaseException:
            self._open.discard(sock)
            sock.close()
            raise
        return sock

    def _up_to_tls(self, sock: socket.socket) -> None:
        if self._interrupted:
            raise Failure(self.stopped)
        if self.starttls:
            start(self.starttls, sock, self.timeout, self.name or self.host)

    def ask(self, offer: Offer) -> Answer:
        """What the server says to this hello."""
        return self.exchange(compose(offer, os.urandom(64)), Reading())

    def ask_ssl2(self) -> Answer:
        """What it says to a hello of SSL 2.0."""
        return self.exchange(ssl2.compose(os.urandom(16)), ssl2.Reading())

    def exchange(self, data: bytes, reading: Reader) -> Answer:
        """Bytes there, an answer back, in time."""
        try:
            with self.connection() as sock:
                return self.answer(sock, data, reading)
        except TimeoutError as error:
            return Silence(reason(error), lost=True)
        except OSError as error:
            return Silence(reason(error), lost=bool(self.stopped))
        except Failure as failure:
            return Silence(str(failure), lost=True)

    def answer(self, sock: socket.socket, data: bytes, reading: Reader) -> Answer:
        """The same over a connection that stays open; OSError if none comes in time."""
        deadline = monotonic() + self.timeout
        sock.sendall(data)
        while True:
            sock.settimeout(max(deadline - monotonic(), 0.001))
            data = sock.recv(1 << 14)
            answer = reading.feed(data) if data else reading.end()
            if answer is not None:
                return answer

    @contextmanager
    def handshake(self, context: SSLContext, session: Any = None) -> Iterator[Any]:
        """A connection of our own."""
        with (
            self.connection() as sock,
            context.wrap_socket(sock, server_hostname=self.name or None, session=session) as tls,
        ):
            yield tls

    def stop(self, why: str) -> None:
        """Allow no more connections; later questions fail with this reason."""
        self.stopped = self.stopped or why

    def interrupt(self) -> None:
        """Stop, and end the connections there are: their threads are not waited for until time is up."""
        self.stop("interrupted")
        self._interrupted = True
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

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


def _sni(name: str) -> str:
    """The name as the extension server_name has it (RFC 6066 3), which has no addresses."""
    if _is_address(name):
        return ""
    try:
        return a_labels(name)
    except ValueError as error:
        raise Misuse(str(error)) from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
