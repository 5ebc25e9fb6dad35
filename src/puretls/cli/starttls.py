"""From clear text to TLS: what has to be said first in protocols that begin without it.

SMTP and LMTP (RFC 3207), IMAP (RFC 9051 6.2.1), POP3 (RFC 2595 4), FTP (RFC 4217), PostgreSQL (its manual, 55.2.10).
The server may be anybody: lines, their number and the time are bounded, and text that arrives together with the consent
is refused, since whoever put it there wants it to pass for text from within TLS.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable
from time import monotonic

from puretls.cli.failure import Failure, reason
from puretls.cli.text import decoded

LONGEST_LINE, MOST_LINES = 8192, 200
POSTGRES_SSL_REQUEST = struct.pack("!II", 8, 80877103)


def start(protocol: str, sock: socket.socket, timeout: float) -> None:
    """Up to where TLS begins; Failure if the server does not come along."""
    talk = Dialogue(protocol, sock, timeout)
    try:
        DIALOGUES[protocol](talk)
    except OSError as error:
        raise Failure(f"STARTTLS ({protocol}): {reason(error)}") from None
    if talk.unread:
        raise talk.failure(f"clear text behind the consent, as if it were from within TLS: {decoded(talk.unread)}")
    sock.settimeout(timeout)


class Dialogue:
    """Lines in and out."""

    def __init__(self, protocol: str, sock: socket.socket, timeout: float) -> None:
        self.protocol, self.sock, self.deadline = protocol, sock, monotonic() + timeout
        self.unread, self.lines = b"", 0

    def failure(self, what: str) -> Failure:
        """The server does not come along."""
        return Failure(f"STARTTLS ({self.protocol}): {what}")

    def refusal(self, said: bytes) -> Failure:
        """The server says something else than yes."""
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

    def line(self) -> bytes:
        """One line of the server's, without its end."""
        self.lines += 1
        if self.lines > MOST_LINES:
            raise self.failure(f"more than {MOST_LINES} lines")
        while b"\n" not in self.unread[:LONGEST_LINE]:
            if len(self.unread) >= LONGEST_LINE:
                raise self.failure(f"a line of more than {LONGEST_LINE} bytes")
            self.more()
        line, _, self.unread = self.unread.partition(b"\n")
        return line.removesuffix(b"\r")

    def reply(self, expected: bytes) -> list[bytes]:
        """A reply of SMTP and FTP, all of its lines; Failure unless its code is the expected one (RFC 959 4.2)."""
        lines = [self.line()]
        code = lines[0][:3]
        if lines[0][3:4] == b"-":
            while lines[-1][:4] != code + b" ":
                lines.append(self.line())
        if code != expected:
            raise self.refusal(lines[-1])
        return lines


def _smtp(talk: Dialogue, hello: str = "EHLO") -> None:
    talk.reply(b"220")
    talk.say(f"{hello} {_address_literal(talk.sock)}")
    offered = [line[4:].upper().split()[:1] for line in talk.reply(b"250")]
    if [b"STARTTLS"] not in offered:
        raise talk.failure("the server does not offer it")
    talk.say("STARTTLS")
    talk.reply(b"220")


def _lmtp(talk: Dialogue) -> None:
    _smtp(talk, "LHLO")


def _address_literal(sock: socket.socket) -> str:
    """Who we are, for want of a name (RFC 5321 4.1.3)."""
    try:
        address = ipaddress.ip_address(str(sock.getsockname()[0]).partition("%")[0])
    except (ValueError, IndexError):  # a socket of another kind
        return "localhost"
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _imap(talk: Dialogue) -> None:
    greeting = talk.line()
    if not greeting.upper().startswith(b"* OK"):  # PREAUTH has no way to TLS, BYE none at all
        raise talk.refusal(greeting)
    talk.say("a1 STARTTLS")
    while not (line := talk.line()).lower().startswith(b"a1 "):
        if not line.startswith(b"* "):
            raise talk.refusal(line)
    if not line.upper().startswith(b"A1 OK"):
        raise talk.refusal(line)


def _pop3(talk: Dialogue) -> None:
    for command in (None, "STLS"):
        if command:
            talk.say(command)
        line = talk.line()
        if not line.upper().startswith(b"+OK"):
            raise talk.refusal(line)


def _ftp(talk: Dialogue) -> None:
    talk.reply(b"220")
    talk.say("AUTH TLS")
    talk.reply(b"234")


def _postgres(talk: Dialogue) -> None:
    talk.send(POSTGRES_SSL_REQUEST)
    talk.more()
    answer, talk.unread = talk.unread[:1], talk.unread[1:]
    if answer == b"N":
        raise talk.failure("the server has TLS switched off")
    if answer != b"S":
        raise talk.refusal(answer + talk.unread)


DIALOGUES: dict[str, Callable[[Dialogue], None]] = {
    "smtp": _smtp,
    "lmtp": _lmtp,
    "imap": _imap,
    "pop3": _pop3,
    "ftp": _ftp,
    "postgres": _postgres,
}
PORTS = {"smtp": 25, "lmtp": 24, "imap": 143, "pop3": 110, "ftp": 21, "postgres": 5432}
