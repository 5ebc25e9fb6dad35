"""A peer that breaks the rules, before any module with `ssl`'s surface: what the module says, and which alert it sends.

The peer is our engine with edits of its messages (`pair.Side`), or, for a ClientHello, bytes that `client_hello` makes.
The module is asked through its public interface, so that the interpreter's `ssl` can be asked the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._wire.codec import vec16_of
from puretls._wire.hello import client_hello
from support.bios import ObjectSide
from support.pair import NOW, Pair, client_config, extension_block, record, server_config
from support.pair import Side as Engine

RECEIVED = {faults.received(number).reason: number for number in registry.ALERTS}
SECP256R1, X25519 = 0x0017, 0x001D
SCHEMES = (0x0403, 0x0804, 0x0401)
POINT = b"\x04" + bytes.fromhex(  # the generator of P-256: a public key like any other
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


class Verdict(NamedTuple):
    """How an operation ended: the reason of the exception (None: it is done, or waits), and the alert that was sent."""

    reason: str | None
    alert: int | None

    @property
    def refused(self) -> bool:
        return self.alert is not None


def reason_of(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return getattr(error, "reason", None) or type(error).__name__


# Raw hellos


def offers(version: int = 0x0304, **changes: bytes | None) -> dict[int, bytes]:
    """The extensions of an ordinary ClientHello; `x13=b"..."` is another body of number 13, None leaves it out."""
    found: dict[int, bytes | None] = {
        registry.SUPPORTED_GROUPS: vec16_of((X25519, SECP256R1)),
        registry.SIGNATURE_ALGORITHMS: vec16_of(SCHEMES),
    }
    if version == registry.TLS13:
        found[registry.SUPPORTED_VERSIONS] = b"\x02\x03\x04"
        share = SECP256R1.to_bytes(2, "big") + len(POINT).to_bytes(2, "big") + POINT
        found[registry.KEY_SHARE] = len(share).to_bytes(2, "big") + share
    for name, body in changes.items():
        found[int(name[1:])] = body
    return {kind: body for kind, body in found.items() if body is not None}


def hello_of(
    extensions: dict[int, bytes],
    version: int = 0x0303,
    suites: tuple[int, ...] = (0x1301, 0xC02B, 0xC02F),
    session_id: bytes = b"",
) -> bytes:
    """A ClientHello message."""
    return client_hello(version, bytes(range(32)), session_id, vec16_of(suites)[2:], extension_block(dict(extensions)))


def in_record(message: bytes) -> bytes:
    return record(registry.HANDSHAKE, message, 0x0301)


class Answer(NamedTuple):
    verdict: Verdict
    sent: bytes  # all bytes that came back


def ask(context: Any, data: bytes) -> Answer:
    """Feed a server bytes; what it makes of them."""
    side = ObjectSide("server", context)
    side.incoming.write(data)
    side.step(side.obj.do_handshake)
    sent = side.outgoing.read()
    alert = sent[6] if sent[:1] == b"\x15" else None
    return Answer(Verdict(reason_of(side.error), alert), sent)


# An engine that lies


@dataclass
class Meeting:
    """An object of some module, and our engine as its peer."""

    tls: ObjectSide
    engine: Engine
    told: int | None = None

    def shake(self) -> Meeting:
        """As far as it goes; then the object reads once."""
        moved = True
        while moved:
            self.tls.shake()
            moved = self.move()
        if self.tls.done:
            self.tls.step(lambda: self.tls.obj.read(1))
            self.move()
        return self

    def move(self) -> bool:
        sent = self.tls.outgoing.read()
        if sent and not self.engine.failure:
            self.engine.receive(sent)
        if not self.engine.failure:
            try:
                self.answer()
            except Abort as abort:
                self.told = RECEIVED.get(abort.fault.reason, self.told)
                if self.told is None and sent[:1] == b"\x15" and len(sent) == 7:  # in a record of another version
                    self.told = sent[6]
        back = self.engine.take()
        self.tls.incoming.write(back)
        return bool(sent or back)

    def answer(self) -> None:
        with suppress(IndexError):
            Pair.advance(PAIR, self.engine)

    @property
    def verdict(self) -> Verdict:
        return Verdict(reason_of(self.tls.error), self.told)


PAIR = Pair()


def server_meets(context: Any, prepare: Callable[[Engine], object] | None = None, **config: Any) -> Meeting:
    """A server of some module and a crooked client."""
    options = {"verify_mode": 0, "check_hostname": False, "store": None, **config}
    if options["store"] is None:
        del options["store"]
    engine = Engine(
        client_config(**options), server_side=False, server_hostname="localhost", clock=lambda: NOW, each=False
    )
    if prepare:
        prepare(engine)
    return Meeting(ObjectSide("server", context), engine)


def client_meets(context: Any, prepare: Callable[[Engine], object] | None = None, **config: Any) -> Meeting:
    """A client of some module and a crooked server."""
    session = config.pop("session", None)
    engine = Engine(server_config(**config), server_side=True, clock=lambda: NOW)
    if prepare:
        prepare(engine)
    return Meeting(ObjectSide("client", context, server_hostname="localhost", session=session), engine)
