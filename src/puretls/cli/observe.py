"""What can be told of a connection through public names: what was negotiated, and the handshake message by message.

Works alike for our sockets and for the interpreter's own, so the two can be shown side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from puretls._base.tuples import NamedTuple

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3


class Message(NamedTuple):
    """One handshake message or alert as a socket sent or received it."""

    sent: bool
    name: str
    size: int
    at: float  # seconds since the first message, on the wire


@dataclass
class _Seen:
    """A message, and when it was on the wire: None as long as it has not left."""

    sent: bool
    name: str
    size: int
    at: float | None


class Recorder:
    """A context's `_msg_callback` that keeps each connection's messages for as long as the connection lives.

    It is told of a message when that is read or made.  When it was on the wire, whoever carries the bytes has to say.
    """

    def __init__(self, context: Any) -> None:
        self._seen: WeakKeyDictionary[Any, list[_Seen]] = WeakKeyDictionary()
        self._arrived: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._hellos: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
        context._msg_callback = self  # ssl's own hook, which has no public name

    def __call__(self, conn: Any, direction: str, _version: int, content: int, kind: Any, data: bytes) -> None:
        if content in (20, 21, 22):  # ChangeCipherSpec, alert, handshake; the rest is OpenSSL's pseudo types
            name = "HelloRetryRequest" if data[6:38] == RETRY and content == 22 else _name(kind)
            sent = direction == "write"
            at = None if sent else self._arrived.get(conn)
            self._seen.setdefault(conn, []).append(_Seen(sent, name, len(data), at))
            if content == 22 and data[:1] == b"\x01":
                self._hellos.setdefault(conn, bytes(data))

    def on_the_wire(self, conn: Any, *, sent: bool, at: float) -> None:
        """Bytes of a connection: what is read from now on has come with them, what was made has left with them."""
        if not sent:
            self._arrived[conn] = at
            return
        for one in reversed(self._seen.get(conn, [])):
            if one.sent:
                if one.at is not None:
                    break
                one.at = at

    def messages(self, conn: Any) -> list[Message]:
        """Everything that was on the wire so far on one connection, in order; the first message begins the time."""
        seen = [(one, one.at) for one in self._seen.get(conn, []) if one.at is not None]
        return [Message(one.sent, one.name, one.size, at - seen[0][1]) for one, at in seen]

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
