"""A dialogue in clear text with an unknown server: what it sends is bounded in size and in time."""

from __future__ import annotations

import re
import socket
from time import monotonic

from puretls.cli.failure import Failure
from puretls.cli.text import decoded

LONGEST, MOST_LINES = 8192, 200  # of a line, a packet or a stanza; of lines


class Dialogue:
    """Commands out; lines, bytes and stanzas in. `host` is the server's name, for protocols that want to hear it."""

    def __init__(self, protocol: str, sock: socket.socket, timeout: float, host: str) -> None:
        self.protocol, self.sock, self.deadline, self.host = protocol, sock, monotonic() + timeout, host
        self.unread, self.lines = b"", 0

    def failure(self, what: str) -> Failure:
        """The server does not offer TLS, or breaks its protocol."""
        return Failure(f"STARTTLS ({self.protocol}): {what}")

    def refusal(self, said: bytes) -> Failure:
        """The server has refused."""
        return self.failure(f"the server says: {decoded(said)}")

    def say(self, line: str) -> None:
        """One command."""
        self.send(f"{line}\r\n".encode("ascii"))

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.sock.settimeout(max(self.deadline - monotonic(), 0.001))
        self.sock.sendall(data)

    def more(self) -> None:
        """At least one byte more to read."""
        self.sock.settimeout(max(self.deadline - monotonic(), 0.001))
        data = self.sock.recv(4096)
        if not data:
            raise self.failure("the server hung up" + (f" after: {decoded(self.unread)}" if self.unread else ""))
        self.unread += data

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if size > LONGEST:
            raise self.failure(f"{size} bytes at once, more than {LONGEST}")
        while len(self.unread) < size:
            self.more()
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def line(self) -> bytes:
        """One line of the server's, without its end."""
        self.lines += 1
        if self.lines > MOST_LINES:
            raise self.failure(f"more than {MOST_LINES} lines")
        return self.until(re.compile(rb"\n")).rstrip(b"\r\n")

    def until(self, end: re.Pattern[bytes]) -> bytes:
        """All up to and with what matches."""
        while not (found := end.search(self.unread, 0, LONGEST)):
            if len(self.unread) >= LONGEST:
                raise self.failure(f"more than {LONGEST} bytes without an end")
            self.more()
        taken, self.unread = self.unread[: found.end()], self.unread[found.end() :]
        return taken

    def reply(self, expected: bytes) -> list[bytes]:
        """A reply of SMTP, FTP and NNTP, all of its lines; Failure unless its code begins so (RFC 959 4.2)."""
        lines = [self.line()]
        code = lines[0][:3]
        if lines[0][3:4] == b"-":
            while lines[-1][:4] != code + b" ":
                lines.append(self.line())
        if not code.startswith(expected):
            raise self.refusal(lines[-1])
        return lines
