"""A layer without records, as QUIC has it (RFC 9001 4): a stream of handshake bytes for each level, and the secrets.

Nothing is protected here: what a handshake gives a QUIC stack, and needs of it, is what the tests are about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from puretls._base import faults
from puretls._base.events import Event
from puretls._base.faults import Abort, Fault
from puretls._crypto.schedule import EARLY, INITIAL, Level, TrafficSecret
from puretls._crypto.suites import Suite
from puretls._engine.config import Config
from puretls._engine.handshake import Handshake
from puretls._engine.machine import Machine
from puretls._engine.profile import QUIC, Profile
from puretls._engine.roles import first_state
from puretls._engine.session import Session
from support.pair import name_of


class Sent(NamedTuple):
    """Messages that go into CRYPTO frames of packets of one level."""

    level: Level
    messages: tuple[bytes, ...]


class Crypto:
    """The layer: a MessageLayer, and no StreamLayer."""

    stream = None

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.watched = True
        self.flight: list[Sent] = []
        self.sent: list[Sent] = []  # all of it
        self.alerts: list[int] = []
        self.unread: defaultdict[Level, bytes] = defaultdict(bytes)  # what has come of messages that are not whole
        self.reading = self.writing = INITIAL
        self.secrets: dict[tuple[str, Level], bytes] = {}
        self.done = self.failed = False
        self.early_data: int | None = None  # bytes of it that may be dropped
        self.counted = 0

    def watch(self) -> None:
        """It does, always."""

    def send(self, level: Level, messages: Sequence[bytes]) -> None:
        assert level == self.writing, "messages go under the keys that are in use"
        self.flight.append(Sent(level, tuple(messages)))
        self.sent.append(self.flight[-1])

    def flush(self) -> None:
        """Frames have no flights."""

    def take(self) -> list[Sent]:
        """What has to be delivered."""
        flight, self.flight = self.flight, []
        return flight

    def send_alert(self, level: int, description: int) -> None:
        assert level == 2  # RFC 9001 4.8: only those, as CONNECTION_CLOSE
        self.alerts.append(description)

    def on_boundary(self) -> bool:
        return not any(self.unread.values())

    def offered(self, version: int) -> None:
        """There is no version of records."""

    def set_version(self, version: int) -> None:
        """Likewise."""

    def install_write(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        assert level > self.writing
        assert suite.hash.size == len(secret.secret)
        if level != EARLY:  # which is of packets without messages
            self.writing = level
        self.secrets["write", level] = secret.secret

    def install_read(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        assert level > self.reading
        assert suite.hash.size == len(secret.secret)
        if not self.on_boundary():  # RFC 9001 4.1.3
            raise Abort(faults.NOT_ON_RECORD_BOUNDARY)
        self.reading = level
        self.secrets["read", level] = secret.secret

    def reject_early_data(self, most: int) -> None:
        self.early_data = most

    def withdraw_early_data(self) -> None:
        """It was in packets of its own."""
        del self.secrets["write", EARLY]

    def count(self, fault: Fault, most: int) -> None:
        self.counted += 1
        if self.counted > most:
            raise Abort(fault)

    def handshake_done(self) -> None:
        self.done = True

    def fail(self) -> None:
        self.failed = True
        self.secrets.clear()


class CryptoEnd:
    """One endpoint: a handshake over such a layer, and what answers its requests."""

    def __init__(
        self,
        config: Config,
        *,
        server_side: bool,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        host: str | None = None,
        session: Session | None = None,
        profile: Profile = QUIC,
    ) -> None:
        self.layer = Crypto()
        self.handshake = Handshake(config, server_side, clock, host, session, random, self.layer, first_state, profile)
        self.machine = Machine(self.handshake)
        self.answers: dict[type, Any] = {}
        self.delivered = 0  # messages
        self.misplaced: tuple[int, Level] | None = None  # this one, as if it had come at another level

    def start(self) -> None:
        self.machine.start()
        self.go_on()

    def receive(self, level: Level, data: bytes) -> None:
        """Bytes of a CRYPTO stream, in order; in pieces, if the test wants that."""
        self.layer.unread[level] += data
        self.go_on()

    def go_on(self) -> None:
        """Answer what is asked, then hand on each message that is whole, until one waits for an answer or for more."""
        while True:
            while (request := self.machine.request) is not None:
                answer = self.answers.get(type(request), self.handshake.config)
                self.machine.resume(request, answer(request) if callable(answer) else answer)
            for level in sorted(self.layer.unread):
                raw = self._whole(level)
                if raw:
                    self._deliver(level, raw)
                    break
            else:
                return

    def _deliver(self, level: Level, raw: bytes) -> None:
        number, self.delivered = self.delivered, self.delivered + 1
        if self.misplaced is not None and number == self.misplaced[0]:
            level = self.misplaced[1]
        self.machine.receive(level, raw)

    def _whole(self, level: Level) -> bytes:
        """The next message of a level, which is then gone from it."""
        data = self.layer.unread[level]
        size = 4 + int.from_bytes(data[1:4], "big")
        if len(data) < 4 or len(data) < size:
            return b""
        self.layer.unread[level] = data[size:]
        return data[:size]


class CryptoPair:
    """A client and a server over such layers."""

    def __init__(self, client: CryptoEnd, server: CryptoEnd, *, piece: int = 0) -> None:
        self.client, self.server, self.piece = client, server, piece
        self.more: dict[tuple[str, str], bytes] = {}  # what is sent behind a message, by who sends it and its name

    def run(self) -> CryptoPair:
        self.server.start()
        self.client.start()
        while self.step():
            pass
        return self

    def step(self) -> bool:
        """Deliver what either side has said; whether there was anything."""
        moved = False
        for who, one, other in (("client", self.client, self.server), ("server", self.server, self.client)):
            for sent in one.layer.take():
                moved = True
                data = b"".join([raw + self.more.get((who, name_of(raw)), b"") for raw in sent.messages])
                for part in self._pieces(data):
                    other.receive(sent.level, part)
        return moved

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self.piece or len(data) or 1
        for position in range(0, len(data), size):
            yield data[position : position + size]
