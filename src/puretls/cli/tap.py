"""A connection whose bytes are all kept: TLS over memory BIOs, beside a socket that is read and written here.

It works for either role. What was received and sent stays known even if the connection fails, since a refusal has to be
explained too. The peer has a limited time for each operation, however slowly, or endlessly, it sends.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, TypeVar

from puretls import MemoryBIO, SSLContext, SSLWantReadError
from puretls._analysis.conversation import Conversation
from puretls._analysis.keylog import KeyLog
from puretls._base.tuples import NamedTuple

T = TypeVar("T")
BLOCK = 1 << 16
FOREVER = 86400.0  # seconds


class Heard(NamedTuple):
    """Some bytes of one side, as they left or arrived."""

    from_client: bool
    data: bytes
    at: float  # seconds since the TCP connection stood


class Tap:
    """One TLS connection over a connected socket."""

    def __init__(self, context: SSLContext, sock: socket.socket, *, server_side: bool = False, **options: Any) -> None:
        self.sock, self.server_side = sock, server_side
        self.incoming, self.outgoing = MemoryBIO(), MemoryBIO()
        self.heard: list[Heard] = []
        self.start, self.timeout = perf_counter(), sock.gettimeout() or FOREVER
        self.allow(self.timeout)
        self.tls: Any = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side, **options)

    def allow(self, seconds: float) -> None:
        """Set the time for what is driven from now on, within the socket's timeout."""
        self.deadline = monotonic() + min(seconds, self.timeout)

    def drive(self, operation: Callable[..., T], *arguments: Any) -> T:
        """Carry bytes until the operation is done. Exceptions of the operation and of the socket are raised to the
        caller.

        TimeoutError when the allowed time is over.
        """
        while True:
            try:
                result = operation(*arguments)
            except SSLWantReadError:
                self._flush()
                if monotonic() >= self.deadline:
                    raise TimeoutError("timed out") from None
                self._hurry()
                data = self.sock.recv(BLOCK)
                if data:
                    self._hear(not self.server_side, data)
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except BaseException:
                self._flush()  # the alert
                raise
            else:
                self._flush()
                return result

    def _hear(self, received_by_client: bool, data: bytes) -> None:
        self.heard.append(Heard(not received_by_client, data, perf_counter() - self.start))

    def _flush(self) -> None:
        if data := self.outgoing.read():
            self._hear(self.server_side, data)
            self._hurry()
            self.sock.sendall(data)

    def _hurry(self) -> None:
        self.sock.settimeout(max(self.deadline - monotonic(), 0.001))  # none left: what is ready is still taken

    def explained(self, log: KeyLog) -> Conversation:
        """Everything that was sent and received, taken apart."""
        conversation = Conversation(log)
        for one in self.heard:
            conversation.feed(*one)
        conversation.end(self.heard[-1].at if self.heard else 0)
        return conversation


@contextmanager
def logging_keys(context: SSLContext) -> Iterator[Callable[[], KeyLog]]:
    """The secrets of a context's connections, by way of a file that is gone afterwards.

    A key log that the user has asked for (SSLKEYLOGFILE) gets its lines as well.
    """
    asked = context.keylog_filename
    with tempfile.TemporaryDirectory(prefix="puretls-") as folder:
        path = Path(folder, "keys")
        path.touch(0o600)
        context.keylog_filename = path
        try:
            yield lambda: KeyLog(path.read_text("ascii").splitlines())
        finally:
            context.keylog_filename = asked
            if asked:
                with Path(os.fsdecode(asked)).open("a", encoding="ascii") as log:
                    log.write(path.read_text("ascii"))
