"""The questions of `_analysis.attacks` that only a connection answers: faults of implementations and of settings.

Each begins a handshake that it does not finish, but for that about renegotiation, which may finish one.  What cannot be
told, because the server does not speak what the question needs or does not answer in time, is None.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from puretls import TLSVersion
from puretls._analysis import attacks
from puretls._analysis.probe import HEARTBEAT, Hello, Offer, Reading, compose
from puretls._analysis.suites import EXPORT, suite
from puretls._analysis.survey import Survey
from puretls._base.registry import (
    ALERT,
    HANDSHAKE,
    HELLO_REQUEST,
    NEW_SESSION_TICKET,
    SERVER_HELLO,
    TLS10,
    TLS12,
    TLS13,
)
from puretls._base.tuples import NamedTuple
from puretls.cli import portrait
from puretls.cli.asking import Asker
from puretls.cli.failure import Failure
from puretls.cli.handshakes import FAILS, Handshakes
from puretls.cli.tap import Tap

TICKETBLEED = "Ticketbleed"
WAIT = 2.0  # seconds in which a server answers that is going to
LONGEST = (1 << 14) + 2048
AGAIN = 2  # how often answers that differ have to differ in the same way


class Record(NamedTuple):
    """One record of the server, as its type and content; the type is 0 if it has closed, -1 if nothing came in time."""

    kind: int = 0
    body: bytes = b""

    @property
    def alert(self) -> int | None:
        """The description of an alert in the clear."""
        return self.body[1] if self.kind == ALERT and len(self.body) == 2 else None


CLOSED, NOTHING = Record(), Record(-1)


class Attacks:
    """Whether a server has one of these faults; `suites` is what it picks by version."""

    def __init__(self, asker: Asker, survey: Survey, suites: dict[int, list[int]]) -> None:
        self.asker, self.survey = asker, survey
        self.older = {version: codes for version, codes in suites.items() if version < TLS13}
        self.version = max(self.older, default=0)
        self.wait = min(asker.timeout, WAIT)

    def questions(self, handshakes: Handshakes) -> dict[str, Callable[[], bool | None]]:
        """By the name of the attack, what asks for it.  A server of TLS 1.3 alone is open to none of them."""
        asked: dict[str, Callable[[], bool | None]] = {
            "Heartbleed": self.heartbleed,
            "CCS injection": self.ccs_injection,
            "ROBOT": self.robot,
            TICKETBLEED: partial(self.ticketbleed, handshakes),
            "client-initiated renegotiation": partial(self.renegotiation, handshakes),
        }
        return asked if self.older else dict.fromkeys(asked, lambda: False)

    def heartbleed(self) -> bool | None:
        """Does it answer a heartbeat with more than was in it?"""
        with suppress(Failure, OSError), self.asker.connection() as sock:
            hello = self._begin(sock, self._offer())
            if hello is None:
                return None
            if HEARTBEAT not in hello.extensions:
                return False
            sock.sendall(attacks.heartbeat(self.version))
            return self._next(sock).kind == attacks.HEARTBEAT_RECORD
        return None

    def ccs_injection(self) -> bool | None:
        """Does it take ChangeCipherSpec before there are keys, and read what follows with those of nobody?"""
        with suppress(Failure, OSError), self.asker.connection() as sock:
            if self._begin(sock, self._offer()) is None:
                return None
            sock.sendall(attacks.early_change(self.version))
            if self._next(sock) != NOTHING:
                return False
            sock.sendall(attacks.early_change(self.version))
            answer = self._next(sock)
            return None if answer == NOTHING else answer.alert in attacks.BROKEN_MAC
        return None

    def robot(self) -> bool | None:
        """Do its answers tell one broken premaster secret from another?  Asked twice, as networks differ, too."""
        codes = [code for code in self.older.get(self.version, []) if _static(code)]
        if not codes:
            return False
        for _ in range(AGAIN):
            answers = self._premasters(self._offer(codes))
            if answers is None:
                return None
            if len(set(answers)) == 1:
                return False
        return True

    def _premasters(self, offer: Offer) -> list[tuple[Record, ...]] | None:
        """What it says to each kind; None if it does not come to that."""
        found: list[tuple[Record, ...]] = []
        random, sealed = os.urandom(4096), list[bytes]()
        while len(found) < max(len(sealed), 1):
            with suppress(Failure, OSError, *portrait.UNREADABLE), self.asker.connection() as sock:
                hello = self._begin(sock, offer)
                if hello is None or not hello.chain:
                    return None
                if not sealed:
                    public: Any = portrait.load(hello.chain[0]).public_key()
                    sealed = list(attacks.premasters(public, offer.version, random).values())
                sock.sendall(attacks.rest_of_flight(sealed[len(found)], offer.version, random))
                found.append(self._until_the_end(sock))
                continue
            return None
        return found

    def ticketbleed(self, handshakes: Handshakes) -> bool | None:
        """Does it return more of a session id than it was sent, with a ticket?"""
        if TLS12 not in self.older:
            return False
        tickets: list[bytes] = []

        def watch(_tls: Any, direction: str, _version: int, _content: int, kind: int, data: bytes) -> None:
            if direction == "read" and kind == NEW_SESSION_TICKET:
                tickets.append(attacks.ticket_of(bytes(data)))

        if handshakes.ticket:
            tickets.append(attacks.ticket_of(handshakes.ticket))
        else:
            context = handshakes.looking(TLSVersion.TLSv1_2)
            context._msg_callback = watch  # ssl's own hook, which has no public name
            with suppress(*FAILS), self.asker.handshake(context):
                pass
        if not tickets or not tickets[0]:
            return False
        sent = os.urandom(attacks.SHORT_ID)
        with suppress(Failure, OSError), self.asker.connection() as sock:
            offer = self.survey.offer(TLS12, self.older[TLS12])._replace(session_id=sent, ticket=tickets[0])
            hello = self._begin(sock, offer, Reading(only_hello=True))
            return None if hello is None else attacks.tells_memory(sent, hello.session_id)
        return None

    def renegotiation(self, handshakes: Handshakes) -> bool | None:
        """Does it shake hands again because its client wants to?  Without RFC 5746 that is another fault's matter."""
        if self.version < TLS10:
            return None
        heard: list[tuple[int, int]] = []

        def watch(_tls: Any, direction: str, _version: int, content: int, kind: int, _data: bytes) -> None:
            if direction == "read":
                heard.append((content, kind))

        context = handshakes.looking(TLSVersion(self.version))
        context._msg_callback = watch  # ssl's own hook, which has no public name
        try:
            with self.asker.connection() as sock:
                tap = Tap(context, sock, server_hostname=self.asker.name or None)
                tap.drive(tap.tls.do_handshake)
                if not ask_again(tap.tls):
                    return None
                heard.clear()
                tap.allow(self.wait)
                with suppress(OSError):  # it refuses, hangs up or takes no notice
                    tap.drive(lambda: heard or tap.tls.read(1))
                return (HANDSHAKE, SERVER_HELLO) in heard
        except (Failure, OSError, ValueError):
            return None

    def _offer(self, codes: list[int] | None = None) -> Offer:
        return self.survey.offer(self.version, codes or self.older[self.version])

    def _begin(self, sock: socket.socket, offer: Offer, reading: Reading | None = None) -> Hello | None:
        """A hello there, the server's flight back."""
        answer = self.asker.answer(sock, compose(offer, os.urandom(64)), reading or Reading())
        return answer if isinstance(answer, Hello) else None

    def _next(self, sock: socket.socket) -> Record:
        """The next record."""
        deadline, data, size = monotonic() + self.wait, bytearray(), 5
        try:
            while len(data) < size:
                sock.settimeout(max(deadline - monotonic(), 0.001))
                piece = sock.recv(size - len(data))
                if not piece:
                    return CLOSED
                data += piece
                if len(data) == 5 == size:
                    size += min(int.from_bytes(data[3:5], "big"), LONGEST)
        except TimeoutError:
            return NOTHING
        except OSError:  # cut off: also an end
            return CLOSED
        return Record(data[0], bytes(data[5:]))

    def _until_the_end(self, sock: socket.socket) -> tuple[Record, ...]:
        found: list[Record] = []
        while len(found) < 8:
            found.append(self._next(sock))
            if found[-1] in (CLOSED, NOTHING):
                break
        return tuple(found)


def ask_again(tls: Any) -> bool:
    """Make a client begin a renegotiation, as if the server had asked for it; whether it does."""
    conn = tls._sslobj._conn  # no public name has it: no client should want it
    before = conn.state
    conn.machine.receive(conn.handshake.read_level, bytes((HELLO_REQUEST, 0, 0, 0)))
    return conn.state is not before


def _static(code: int) -> bool:
    """Whether the client encrypts the premaster secret to the certificate's key."""
    one = suite(code)
    return one.exchange == "RSA" and EXPORT not in one.faults
