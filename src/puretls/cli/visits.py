"""The connections to the demo's server: one Visit each, of which the last ones are kept; waiting threads are notified.

A visit is identified by what its client has sent in TLS (its ClientHello, the messages) and in HTTP (its User-Agent).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Condition

from puretls._analysis.ja4 import ja4
from puretls._base.locks import new_lock
from puretls.cli.observe import Message
from puretls.cli.text import printable

KEPT = 50
BROWSERS = {  # by the product that tells most, that first
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "HeadlessChrome": "Chrome, headless",
    "Chrome": "Chrome",
    "Version": "Safari",
}
PRODUCT = re.compile(r"([A-Za-z][\w.+-]*)/(\d+(?:\.\d+)?)")


@dataclass
class Visit:
    """One connection, as the server saw it."""

    address: str
    hello: bytes  # the ClientHello message
    messages: Sequence[Message]
    facts: dict[str, str] = field(default_factory=dict)  # what was negotiated
    agent: str = ""  # who it says it is
    asked: str = ""  # the first line of its request
    failed: str = ""
    number: int = 0
    when: datetime = field(default_factory=datetime.now)

    def __post_init__(self) -> None:
        self.ja4 = ja4(self.hello)

    @property
    def resumed(self) -> bool:
        """Whether a ticket of an earlier visit took the place of the certificate."""
        return self.facts.get("resumed") == "yes"


class Visits:
    """The last visits, newest last; for many threads."""

    def __init__(self) -> None:
        self._kept: deque[Visit] = deque(maxlen=KEPT)
        self._changed = Condition(new_lock())
        self.total = 0

    def add(self, visit: Visit) -> Visit:
        """Number a visit, keep it, and notify waiting threads."""
        with self._changed:
            self.total += 1
            visit.number = self.total
            self._kept.append(visit)
            self._changed.notify_all()
        return visit

    def latest(self) -> list[Visit]:
        """Newest first."""
        with self._changed:
            return list(reversed(self._kept))

    def find(self, number: int) -> Visit | None:
        """The visit of that number, if it is still kept."""
        return next((one for one in self.latest() if one.number == number), None)

    def wait(self, seen: int, seconds: float) -> bool:
        """Wait until there have been more than `seen` visits; False if there were none in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.total > seen, seconds)

    def of_same(self, visit: Visit) -> tuple[int, int]:
        """How often this client has come up to this visit, and how often its session was resumed."""
        same = [
            one
            for one in self.latest()
            if one.number <= visit.number and (one.agent, one.address) == (visit.agent, visit.address)
        ]
        return len(same), sum(one.resumed for one in same)


def who(user_agent: str) -> str:
    """A User-Agent in short: every browser claims to be all others, so the most telling of its products."""
    products = dict(PRODUCT.findall(user_agent))
    for name in (*BROWSERS, *products):
        if name in products:
            return f"{BROWSERS.get(name, name)} {products[name]}"
    return printable(user_agent, 40) or "unknown"
