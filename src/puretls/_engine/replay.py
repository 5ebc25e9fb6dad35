"""Which early data was taken already, as one process remembers it (RFC 8446 8.2).

Whoever records a client's flight can send it again, to the same server or to another one that can open its ticket.  A
flight is recognised by its binder, which cannot be made without the ticket's secret, and it contains the time until
which it is fresh.  So nothing has to be remembered for longer than that.  A server that cannot know whether it has seen
a flight refuses it.
"""

from __future__ import annotations

from puretls._base.locks import new_lock

WINDOW = 10.0  # seconds by which the age of a ticket may differ from what its client says (RFC 8446 8.3)
STEP = 2 * WINDOW  # seconds for which a flight is fresh; flights are forgotten by steps of this length
MOST = 1 << 16  # flights


class ReplayMemory:
    """The flights that the connections of one context have taken, from any thread.

    Flights are kept by the step of time in which their freshness ends.  When a step is over it is forgotten, and every
    flight that belongs to it is refused from then on, so a clock that is set back does no harm.
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
        """Whether this flight, fresh until `until`, comes for the first time; False if that cannot be known."""
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
