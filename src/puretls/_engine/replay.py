"""Which early data has been taken already, as one process remembers it (RFC 8446 8.2).

Whoever records a flight of a client can send it again, to the same server or to another one that opens its ticket.  A
flight can be known by its binder, which nobody makes without the ticket's secret, and it says itself until when it is
fresh.  So nothing has to be remembered for longer, and who cannot prove that it would know a flight refuses it.
"""

from __future__ import annotations

from puretls._base.locks import new_lock

WINDOW = 10.0  # seconds by which the age of a ticket may differ from what its client says (RFC 8446 8.3)
STEP = 2 * WINDOW  # seconds: what is forgotten at once; a flight is fresh for so long
MOST = 1 << 16  # flights


class ReplayMemory:
    """Of the connections of one context, in any thread.

    Flights lie by the step of time in which their freshness ends.  A step is forgotten when it is over, and from then
    on all that belongs there is refused: so it does not matter if the clock is set back.
    """

    __slots__ = ("_begin", "_lock", "_most", "_steps")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = new_lock()
        self._begin = 0  # the first step that is remembered
        self._steps: dict[int, set[bytes]] = {}

    def __len__(self) -> int:
        return sum(map(len, list(self._steps.values())))

    def first(self, binder: bytes, until: float, now: float) -> bool:
        """Whether this flight, which is fresh until then, is here for the first time; False if nobody can say."""
        step, current = int(until // STEP), int(now // STEP)
        with self._lock:
            if current > self._begin:
                self._begin = current
                self._steps = {one: known for one, known in self._steps.items() if one >= current}
            if step < self._begin or sum(map(len, self._steps.values())) >= self._most:
                return False
            known = self._steps.setdefault(step, set())
            if binder in known:
                return False
            known.add(binder)
            return True
