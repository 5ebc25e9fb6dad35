"""Keys of tickets in a store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from os import urandom
from typing import Any

from puretls.fleet.calls import PAUSE, TIMEOUT, Calls, kept_first, running_loop

SIZE = 32  # bytes of a secret
LIFETIME = 7200  # seconds that a ticket lives
CLOCKS = 60  # seconds by which the clocks of servers may differ: so long after an epoch somebody may seal with its key
AHEAD = 120  # seconds before its time that the key of an epoch is known: as much, and as long as nobody looks
REFRESH = 60.0  # seconds from one look for new keys to the next
AGAIN = 1.0  # seconds until the next one if the store has not answered
AT_ONCE = 500  # keys that are read with one call
MOST_OF_AN_EPOCH = 4  # secrets: more than one, if the store has lost the first


class TicketKeys:
    """Keys of tickets for SSLContext.set_ticket_keys(): a random one for each epoch, made by whoever comes first.

    They are read before their time, once a minute at most, and kept: a store that is away, or has come back empty,
    costs nothing until the keys that are known have had their time, and then the last of them goes on.  Who can read
    the store can open tickets.  `errors` counts looks that failed; `session_stats()` adds them to its `store_errors`.
    """

    def __init__(
        self,
        client: Any,
        prefix: str = "tls:",
        rotate: float = 3600,
        *,
        timeout: float = TIMEOUT,
        lifetime: int = LIFETIME,
    ) -> None:
        """`rotate`: the length of an epoch in seconds.  `client` as for Sessions, but none of asyncio.

        The keys that there are are read at once, so that the first client gets a ticket that all servers know.  If the
        store does not answer, that takes a second, and in a running event loop `timeout`.
        """
        if not 1 <= rotate < float("inf"):
            raise ValueError("rotate must be 1 second or more")
        self._calls, self._prefix = Calls(client, timeout), prefix
        if self._calls.asyncio:
            raise TypeError("TicketKeys needs a client that is not of asyncio: keys are read in a thread")
        self._calls.check_bytes()
        self.rotate, self.errors = float(rotate), 0
        self._timeout, self._lifetime = timeout, lifetime
        self._known: dict[int, tuple[bytes, ...]] = {}  # of an epoch, what the store has now first
        self._due = 0.0  # when it is time to look for new ones
        self._reading: Future[None] | None = None
        self._look(time.time(), timeout if running_loop() else max(timeout, PAUSE))

    def __repr__(self) -> str:
        return f"<TicketKeys of {self.rotate:g} seconds, {len(self._known)} known>"

    def secret(self, epoch: int, now: float, /) -> bytes | Sequence[bytes] | None:
        """The secret of an epoch, or several, if the store has lost one; None if it is not to be had in time."""
        if epoch not in self._known and time.monotonic() >= self._due:
            self._look(now, 0.0 if running_loop() else self._timeout)
        found = self._known.get(epoch)
        return found[0] if found and len(found) == 1 else found

    def refresh(self, now: float, /) -> None:
        """Look for new keys, if it is time; nobody waits for it."""
        if self._known and time.monotonic() >= self._due:
            self._look(now, 0.0)

    def _look(self, now: float, seconds: float) -> None:
        """Have the keys read, and wait for it so long."""
        self._due = time.monotonic() + AGAIN
        crew, before = self._calls.crew(), self._reading
        if before is not None and not before.done():
            crew.cut()
        self._reading = reading = crew.begin(lambda client: self._read(client, now))
        if seconds:
            try:
                reading.result(seconds)
            except Exception:  # noqa: BLE001  # it is counted where it happens, and what is known goes on
                return

    def _read(self, client: Any, now: float) -> None:
        """What others have made, and what nobody has made yet; what the store has lost is given back."""
        known, current, first = self._known, int(now // self.rotate), int((now - CLOCKS) // self.rotate)
        oldest, newest = int((now - self._lifetime - AHEAD) // self.rotate), int((now + AHEAD) // self.rotate)
        wanted = range(oldest, max(newest, current + 1) + 1)
        try:
            missing = self._missing(client, [epoch for epoch in wanted if epoch >= first or epoch not in known])
            if any(epoch in known for epoch in missing):  # then it may have lost all
                missing += self._missing(client, [epoch for epoch in wanted if epoch < first and epoch in known])
            for epoch in sorted(missing):
                if epoch >= first or epoch in known:
                    self._make(client, epoch, now)
        except BaseException:
            self.errors += 1
            raise
        self._due = time.monotonic() + REFRESH
        for epoch in [epoch for epoch in list(known) if epoch < oldest]:
            known.pop(epoch, None)

    def _missing(self, client: Any, epochs: Sequence[int]) -> list[int]:
        """Read the keys of these epochs; those that the store does not have."""
        missing = []
        for start in range(0, len(epochs), AT_ONCE):
            some = epochs[start : start + AT_ONCE]
            for epoch, value in zip(some, _values(client, map(self._name, some)), strict=True):
                if value is None:
                    missing.append(epoch)
                else:
                    self._learn(epoch, value)
        return missing

    def _make(self, client: Any, epoch: int, now: float) -> None:
        """A key, unless somebody has been quicker; the one that is known, if the store has lost it."""
        name, mine = self._name(epoch), self._known.get(epoch, (urandom(SIZE),))[0]
        seconds = int(max(now, (epoch + 1) * self.rotate) - now + self._lifetime + AHEAD)
        if kept_first(client.set(name, mine, nx=True, ex=seconds)):
            self._learn(epoch, mine)
        elif (theirs := client.get(name)) is not None:
            self._learn(epoch, theirs)

    def _learn(self, epoch: int, value: Any) -> None:
        if not isinstance(value, bytes) or len(value) != SIZE:
            self.errors += 1
            self._calls.crew().warn("it has something else where a key should be")
            return
        known = self._known.get(epoch, ())
        if value not in known[:1]:
            self._known[epoch] = (value, *[one for one in known if one != value])[:MOST_OF_AN_EPOCH]

    def _name(self, epoch: int) -> str:
        return f"{self._prefix}key:{self.rotate:.15g}:{epoch}"


def _values(client: Any, names: Iterable[str]) -> Sequence[Any]:
    """At once, if the client can do that: one of a cluster does it for each of its servers."""
    several = getattr(client, "mget_nonatomic", None) or getattr(client, "mget", None)
    return several(list(names)) if several is not None else [client.get(name) for name in names]
