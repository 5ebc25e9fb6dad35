"""Two connections joined by memory BIOs, of any two modules with `ssl`'s surface: quick, and both ends can be asked.

`join` makes the pair, `ObjectPair.shake` runs the handshake as far as it goes, and what was raised on either side is
kept in `errors`, so that a test can say what each side saw.  `carry`, if given, is somebody on the wire.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Carry = Callable[[str, bytes], bytes]  # ("client" or "server": who sent it, what) -> what arrives


def module_of(context: Any) -> ModuleType:
    return sys.modules[type(context).__module__.partition(".")[0]]


class ObjectSide:
    """One end: an SSLObject, its BIOs, and the first thing that went wrong."""

    def __init__(self, name: str, context: Any, **options: Any) -> None:
        self.name, self.tls = name, module_of(context)
        self.incoming, self.outgoing = self.tls.MemoryBIO(), self.tls.MemoryBIO()
        self.obj = context.wrap_bio(self.incoming, self.outgoing, server_side=name == "server", **options)
        self.done = False
        self.error: BaseException | None = None

    def step(self, operation: Callable[[], Any]) -> Any:
        """The operation's result; None if it waits for the other side, or failed."""
        if self.error is not None:
            return None
        try:
            return operation()
        except self.tls.SSLWantReadError:
            return None
        except Exception as error:  # noqa: BLE001  # the test compares it
            self.error = error
            return None

    def shake(self) -> None:
        if not self.done and self.error is None:
            self.step(self._shake)

    def _shake(self) -> None:
        self.obj.do_handshake()
        self.done = True

    def read(self, size: int = 65536) -> bytes:
        """Everything that is there."""
        data = bytearray()
        while (piece := self.step(lambda: self.obj.read(size))) is not None:
            data += piece
            if not piece:
                break
        return bytes(data)


class ObjectPair:
    def __init__(self, client: ObjectSide, server: ObjectSide, carry: Carry | None = None) -> None:
        self.client, self.server, self.carry = client, server, carry or (lambda _sender, data: data)

    def move(self) -> bool:
        """What each side has to send is at the other; whether there was anything."""
        moved = False
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            data = sender.outgoing.read()
            if data and (data := self.carry(sender.name, data)):
                receiver.incoming.write(data)
                moved = True
        return moved

    def shake(self) -> ObjectPair:
        """The handshake, and then each side reads once: TLS 1.3 tells a client of its failure only then."""
        moved = True
        while moved:
            self.client.shake()
            self.server.shake()
            moved = self.move()
        for side in (self.client, self.server):
            if side.done:
                side.step(lambda side=side: side.obj.read(1))  # type: ignore[misc]
                self.move()
        return self

    def ok(self) -> ObjectPair:
        """The handshake has to work."""
        self.shake()
        for side in (self.client, self.server):
            if side.error is not None:
                raise side.error
            assert side.done, f"the {side.name} waits"
        return self

    def end(self, sender: ObjectSide) -> None:
        """The transport of one side ends."""
        receiver = self.server if sender is self.client else self.client
        receiver.incoming.write_eof()

    def send(self, sender: ObjectSide, data: bytes) -> bytes:
        """Data from one side to the other."""
        receiver = self.server if sender is self.client else self.client
        sender.step(lambda: sender.obj.write(data))
        self.move()
        return receiver.read()

    def goodbye(self) -> ObjectPair:
        """close_notify both ways."""
        self.client.step(self.client.obj.unwrap)
        self.move()
        self.server.step(self.server.obj.unwrap)
        self.move()
        self.client.step(self.client.obj.unwrap)
        return self

    @property
    def errors(self) -> tuple[Any, Any]:
        return described(self.client.error), described(self.server.error)


def join(
    client_context: Any,
    server_context: Any,
    host: str | None = "localhost",
    session: Any = None,
    carry: Carry | None = None,
) -> ObjectPair:
    client = ObjectSide("client", client_context, server_hostname=host, session=session)
    return ObjectPair(client, ObjectSide("server", server_context), carry)


def described(error: BaseException | None) -> Any:
    """What programs look at in an exception."""
    if error is None:
        return None
    text = re.sub(r"_ssl\.c:\d+", "_ssl.c", str(error))
    text = re.sub(r"unknown error \(0x\w+\)", "unknown error", text)  # Python 3.14 says which
    names = ("errno", "library", "reason", "verify_code", "verify_message")
    return type(error).__name__, text, {name: getattr(error, name) for name in names if hasattr(error, name)}


def session_at(client: Any, server: Any) -> Any:
    """The session that a handshake of these contexts leaves with the client."""
    return join(client, server).ok().client.obj.session
