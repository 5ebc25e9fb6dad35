"""A session over TLS between a server and our standard input and output: both directions at once, and a clean end.

Standard input and output can be terminals, pipes or files, and may block: a thread each moves them over a socket, which
can be waited for together with the one of TLS on every system. So whoever does not read our output stops what is
received, and not what is sent. When the input has ended the server is told so by close_notify (RFC 8446 6.1: it closes
one direction), and what it still sends is taken until its own end, or until it has been silent for too long.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from contextlib import ExitStack, suppress
from threading import Thread
from time import monotonic
from typing import Any

from puretls import SSLEOFError, SSLError, SSLWantReadError, SSLWantWriteError, SSLZeroReturnError

CHUNK = 1 << 16
FOREVER = float("inf")


def relay(tls: Any, patience: float) -> tuple[str, Any]:
    """Until both directions have ended: what was not as it should be about the end, or nothing; and the session.

    BrokenPipeError if nobody reads our output any more; another OSError if the connection fails.
    """
    with ExitStack() as stack:
        (source, fed), (sink, drained) = (map(stack.enter_context, socket.socketpair()) for _ in range(2))
        Thread(target=_feed, args=(sys.stdin.fileno(), fed), name="stdin", daemon=True).start()
        output = Thread(target=_drain, args=(drained, sys.stdout.fileno()), name="stdout", daemon=True)
        output.start()
        session = _Relay(tls, source, sink, patience)
        try:
            note = session.run()
        except BrokenPipeError:
            raise
        except OSError:
            session.deliver_the_rest(output)
            raise
        session.deliver_the_rest(output)
        return note, session.inner.session


def finish(tls: Any, patience: float) -> Any:
    """Close a connection nobody wants data of; the session, with the ticket that came until the server's own end.

    SSLError if the server refused us after all: in TLS 1.3 it judges our certificate after the handshake.
    """
    ending = _Relay(tls, None, None, patience)
    try:
        ending.run()
    except SSLError as error:
        if "_ALERT_" in (error.reason or ""):
            raise
    except OSError:  # a reset instead of a goodbye
        return ending.inner.session
    return ending.inner.session


def _feed(descriptor: int, pipe: socket.socket) -> None:
    """Standard input into a socket."""
    with suppress(OSError):  # the session is over
        while data := os.read(descriptor, CHUNK):
            pipe.sendall(data)
        pipe.shutdown(socket.SHUT_WR)


def _drain(pipe: socket.socket, descriptor: int) -> None:
    """A socket into standard output; if that fails the socket is closed, which the session notices."""
    with pipe, suppress(OSError):
        while data := pipe.recv(CHUNK):
            while data:
                data = data[os.write(descriptor, data) :]


class _Relay:
    """One session: what arrives from `source` is sent, what is received goes to `sink`; without them it only ends."""

    def __init__(self, tls: Any, source: socket.socket | None, sink: socket.socket | None, patience: float) -> None:
        tls.settimeout(0)
        if sink:
            sink.setblocking(False)
        self.tls, self.source, self.sink, self.patience = tls, source, sink, patience
        self.inner = tls._sslobj  # unwrap() may take it off at any moment; it has the ticket
        self.unsent = self.undelivered = b""
        self.closed = self.ended = False  # our direction, the server's
        self.blocked = False  # the kernel took only part
        self.deadline = FOREVER

    def run(self) -> str:
        """Until the end; see relay()."""
        while not self.ended:
            try:
                self.send()
                if self.ended:
                    break
                if not self.wait():
                    return f"the server was silent for {self.patience:g} seconds after the end of our input"
                if not self.undelivered:
                    self.receive()
            except SSLEOFError:
                return "the connection was cut: the server did not say that this is all (close_notify)"
        if not self.closed:
            self.source, self.unsent = None, b""
            self.send()
        return ""

    def wait(self) -> bool:
        """For anything to happen, and take what standard input has; False if the time is up."""
        left = None if self.deadline == FOREVER else self.deadline - monotonic()
        if left is not None and left <= 0 and not self.undelivered:
            return False
        ready = not self.undelivered and bool(self.tls.pending())
        reading: list[Any] = [] if self.undelivered else [self.tls]
        writing: list[Any] = [self.tls] if self.blocked else []
        if self.source is not None and not self.unsent:
            reading.append(self.source)
        if self.undelivered:
            writing.append(self.sink)
            left = None
        readable, writable, _ = select.select(reading, writing, [], 0 if ready else left)
        if self.source is not None and self.source in readable:
            self.unsent = self.source.recv(CHUNK)
            if not self.unsent:
                self.source = None
        if self.sink is not None and self.sink in writable:
            self.deliver()
        return bool(ready or readable or writable)

    def send(self) -> None:
        """What there is to send; after the last of it, close_notify."""
        self.blocked = False
        try:
            while self.unsent:
                self.unsent = self.unsent[self.tls.send(self.unsent) :]
            if self.source is None and not self.closed:
                self.closed, self.deadline = True, monotonic() + self.patience
                self.tls.unwrap()
                self.ended = True
        except SSLWantReadError:
            return
        except SSLWantWriteError:
            self.blocked, self.closed = True, False
        except BrokenPipeError as error:  # this word is kept for standard output
            raise ConnectionResetError(error.errno, error.strerror) from None
        except SSLError as error:
            if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":  # it had more to say: that is read below
                raise

    def receive(self) -> None:
        """Take some of what has arrived."""
        try:
            data = self.tls.recv(CHUNK)
        except SSLWantReadError:
            return
        except SSLWantWriteError:
            self.blocked = True
            return
        except SSLZeroReturnError:
            self.ended = True
            return
        self.ended = not data
        if self.sink:
            self.undelivered = data
            self.deliver()

    def deliver_the_rest(self, output: Thread) -> None:
        """What came before the end gets out before we leave."""
        if self.sink is not None:
            self.sink.setblocking(True)
            self.sink.sendall(self.undelivered)
            self.sink.shutdown(socket.SHUT_WR)
            output.join()

    def deliver(self) -> None:
        """To standard output, what it takes now."""
        if self.sink is not None and self.undelivered:
            with suppress(BlockingIOError):
                try:
                    self.undelivered = self.undelivered[self.sink.send(self.undelivered) :]
                except ConnectionError as error:
                    raise BrokenPipeError(error.errno, error.strerror) from None
        if self.closed:
            self.deadline = monotonic() + self.patience
