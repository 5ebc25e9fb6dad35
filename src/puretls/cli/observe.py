"""What can be told of a connection through public names: what was negotiated, and the handshake message by message.

Works alike for our sockets and for the interpreter's own, so the two can be shown side by side.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3


class Message(NamedTuple):
    """One handshake message or alert as a socket sent or received it."""

    sent: bool
    name: str
    size: int
    at: float  # seconds since the first message: when it was on the wire, as far as a side can tell


class Recorder:
    """A context's `_msg_callback` that keeps each connection's messages for as long as the connection lives."""

    def __init__(self, context: Any) -> None:
        self._seen: WeakKeyDictionary[Any, list[tuple[bool, str, int, float]]] = WeakKeyDictionary()
        self._hellos: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
        context._msg_callback = self  # ssl's own hook, which has no public name

    def __call__(self, conn: Any, direction: str, _version: int, content: int, kind: Any, data: bytes) -> None:
        if content in (20, 21, 22):  # ChangeCipherSpec, alert, handshake; the rest is OpenSSL's pseudo types
            name = "HelloRetryRequest" if data[6:38] == RETRY and content == 22 else _name(kind)
            self._seen.setdefault(conn, []).append((direction == "write", name, len(data), perf_counter()))
            if content == 22 and data[:1] == b"\x01":
                self._hellos.setdefault(conn, bytes(data))

    def messages(self, conn: Any) -> list[Message]:
        """Everything seen so far on one connection, in order.

        The messages of a flight are on the wire together: those that were received, when the first of them was read;
        those that were sent, once the last of them had been made, though each is told of when it is made itself.
        """
        seen, found = self._seen.get(conn, []), list[Message]()
        for sent, flight in groupby(seen, itemgetter(0)):
            messages = list(flight)
            at = messages[-1 if sent else 0][3] - seen[0][3]
            found += [Message(sent, name, size, at) for _, name, size, _ in messages]
        return found

    def hello(self, conn: Any) -> bytes:
        """The first ClientHello of a connection, b"" if none was seen."""
        return self._hellos.get(conn, b"")


def _name(kind: Any) -> str:
    """CLIENT_HELLO is how ssl's enum spells ClientHello."""
    words = str(getattr(kind, "name", kind)).replace("NEWSESSION", "NEW_SESSION").split("_")
    return "".join(word.capitalize() for word in words)


def version_name(version: str) -> str:
    """TLSv1 is how ssl calls TLS 1.0."""
    return f"{version.replace('TLSv', 'TLS ')}{'.0' * (version == 'TLSv1')}"


def negotiated(tls: Any) -> dict[str, str]:
    """The parameters of a finished handshake, in words; "-" where this `ssl` cannot tell."""

    def tell(method: str) -> str:
        return str(getattr(tls, method, lambda: None)() or "-")

    cipher = tls.cipher()
    return {
        "version": version_name(tell("version")),
        "suite": cipher[0] if cipher else "-",
        "group": tell("group"),
        "signature": tell("server_sigalg"),
        "ALPN": tell("selected_alpn_protocol"),
        "resumed": "yes" if tls.session_reused else "no",
    }
