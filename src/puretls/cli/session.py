"""A session over TLS between a server and our standard input and output: both directions at once, and a clean end.

Standard input and output can be terminals, pipes or files, and may block. A thread each moves them over a socket, which
can be waited for together with the TLS socket on every system. So a slow reader of our output stops what is received,
but not what is sent. When the input has ended, the server's data is received until its own end, or until it is silent
for too long; only then close_notify is sent. RFC 8446 6.1 has close_notify end one direction only, but servers on
asyncio, and others, drop their answer when it comes. --half-close sends it at the end of the input.
"""

from __future__ import annotations

import os
import re
import select
import socket
import sys
from contextlib import ExitStack, suppress
from threading import Thread
from time import monotonic
from typing import Any

from puretls import SSLEOFError, SSLError, SSLWantReadError, SSLWantWriteError, SSLZeroReturnError
from puretls._base.tuples import NamedTuple

CHUNK = 1 << 16
FOREVER = float("inf")
GOODBYE = 2.0  # seconds for a server to answer close_notify; tickets come well before
LONGEST_HEADER = 1 << 16
END_OF_LINE = re.compile(rb"(?<!\r)\n")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)


class NoOutput(Exception):
    """Standard output takes no more; the argument is the OSError that says why."""


class Ending(NamedTuple):
    """How a session ended: what was not as it should be, or nothing; and whether all that was to come has come."""

    note: str = ""
    whole: bool = True


def relay(tls: Any, patience: float, *, half_close: bool = False, crlf: bool = False) -> tuple[Ending, Any]:
    """Until both directions have ended: how that was, and the session.

    With `half_close`, ours ends with the input; with `crlf`, an end of a line becomes CR LF.

    NoOutput if our output takes no more; OSError if the connection fails.
    """
    with ExitStack() as stack:
        (source, fed), (sink, drained) = (map(stack.enter_context, socket.socketpair()) for _ in range(2))
        Thread(target=_feed, args=(sys.stdin.fileno(), fed, crlf), name="stdin", daemon=True).start()
        trouble: list[OSError] = []
        output = Thread(target=_drain, args=(drained, sys.stdout.fileno(), trouble), name="stdout", daemon=True)
        output.start()
        session = _Relay(tls, source, sink, patience, half_close=half_close)
        try:
            ending = session.run()
        except BrokenPipeError:
            output.join()
            raise NoOutput(trouble[0]) from None
        except OSError:
            session.deliver_the_rest(output)
            if trouble:
                raise NoOutput(trouble[0]) from None
            raise
        session.deliver_the_rest(output)
        if trouble:
            raise NoOutput(trouble[0])
        return ending, session.inner.session


def finish(tls: Any, patience: float) -> Any:
    """Close a connection nobody wants data of; the session, with the ticket that came until the server's own end.

    SSLError if the server refused us after all: in TLS 1.3 it judges our certificate after the handshake.
    """
    ending = _Relay(tls, None, None, patience, half_close=True)
    try:
        ending.run()
    except SSLError as error:
        if "_ALERT_" in (error.reason or ""):
            raise
    except OSError:  # a reset instead of a goodbye
        return ending.inner.session
    return ending.inner.session


def _feed(descriptor: int, pipe: socket.socket, crlf: bool) -> None:
    """Standard input into a socket."""
    last = b""
    with suppress(OSError):  # the session is over
        while data := os.read(descriptor, CHUNK):
            pipe.sendall(END_OF_LINE.sub(b"\r\n", last + data)[len(last) :] if crlf else data)
            last = data[-1:] if data.endswith(b"\r") else b""
        pipe.shutdown(socket.SHUT_WR)


def _drain(pipe: socket.socket, descriptor: int, trouble: list[OSError]) -> None:
    """A socket into standard output; if that fails the socket is closed, which the session notices."""
    with pipe:
        try:
            while data := pipe.recv(CHUNK):
                while data:
                    data = data[os.write(descriptor, data) :]
        except OSError as error:
            trouble.append(error)


class HttpAnswer:
    """Whether what came is a whole answer of HTTP/1 that tells its length: it needs no close_notify (RFC 9112 8).

    Many servers, Python's `http.server` among them, end without one.
    """

    def __init__(self) -> None:
        self.head, self.request = b"", b""
        self.left: int | None = None  # bytes of the body that are to come, once that is known
        self.reading = True  # the header

    def asked(self, data: bytes) -> None:
        """What is sent: its beginning tells whether there is a body to come."""
        if len(self.request) < len(b"HEAD "):
            self.request += data[:5]

    def came(self, data: bytes) -> None:
        """More of the answer."""
        if not self.reading:
            self.left = None if self.left is None else self.left - len(data)
            return
        self.head += data
        head, end, body = self.head.partition(b"\r\n\r\n")
        if end or len(self.head) > LONGEST_HEADER:
            self.reading, self.head = False, b""
            found = LENGTH.findall(head + b"\r\n") if head.startswith(b"HTTP/1.") else []
            if len(set(found)) == 1:
                self.left = (0 if self.request.startswith(b"HEAD ") else int(found[0])) - len(body)

    @property
    def whole(self) -> bool:
        """All of it is there, and nothing else."""
        return self.left == 0


class _Relay:
    """One session: what arrives from `source` is sent, what is received goes to `sink`; without them it only ends."""

    def __init__(
        self, tls: Any, source: socket.socket | None, sink: socket.socket | None, patience: float, *, half_close: bool
    ) -> None:
        tls.settimeout(0)
        if sink:
            sink.setblocking(False)
        self.tls, self.source, self.sink, self.patience = tls, source, sink, patience
        self.inner = tls._sslobj  # unwrap() may take it off at any moment; it has the ticket
        self.unsent = self.undelivered = b""
        self.closed = self.ended = False  # our direction, the server's
        self.blocked = False  # the kernel took only part
        self.closing = half_close  # whether the end of the input is the end of our direction
        self.silent = False  # the server was, for too long
        self.answer = HttpAnswer()
        self.deadline = FOREVER

    def run(self) -> Ending:
        """Until the end; see relay()."""
        while not self.ended:
            try:
                self.send()
                if self.ended:
                    break
                if not self.wait():
                    if self.closed:
                        return Ending(self.silence(), self.answer.whole)
                    self.silent = self.closing = True
                    continue
                if not self.undelivered:
                    self.receive()
            except SSLEOFError:
                if self.answer.whole:
                    return Ending()
                if self.silent:
                    return Ending(self.silence(), whole=False)
                said = "the connection was cut: the server did not say that this is all (close_notify)"
                return Ending(said, whole=not self.answer.request)  # nothing was asked for
        if not self.closed:
            self.source, self.unsent, self.closing = None, b"", True
            self.send()
        return Ending(self.silence(), self.answer.left in (None, 0)) if self.silent else Ending()

    def silence(self) -> str:
        """What to say of a server that did not come to an end by itself."""
        return f"the server was silent for {self.patience:g} seconds after the end of our input"

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
            self.answer.asked(self.unsent)
            if not self.unsent:
                self.source = None
                self.closing = self.closing or not self.answer.request  # who says nothing waits for no answer
        if self.sink is not None and self.sink in writable:
            self.deliver()
        return bool(ready or readable or writable)

    def send(self) -> None:
        """What there is to send; after the last of it, close_notify."""
        self.blocked = False
        try:
            while self.unsent:
                self.unsent = self.unsent[self.tls.send(self.unsent) :]
            if self.source is None and self.deadline == FOREVER:
                self.deadline = monotonic() + self.patience
            if self.source is None and self.closing and not self.closed:
                patience = min(self.patience, GOODBYE) if self.silent else self.patience
                self.closed, self.deadline = True, monotonic() + patience
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
            self.answer.came(data)
            self.undelivered = data
            self.deliver()

    def deliver_the_rest(self, output: Thread) -> None:
        """What came before the end gets out before we leave."""
        if self.sink is not None:
            with suppress(OSError):  # nobody takes it: the other thread knows why
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
        if self.deadline != FOREVER:
            self.deadline = monotonic() + self.patience
