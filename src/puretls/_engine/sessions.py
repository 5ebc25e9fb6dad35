"""What the connections of one context leave for those that come after them: sessions by id, ticket keys, counters."""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom
from typing import Any

from puretls._base.process import Process
from puretls._engine.counters import Stats
from puretls._engine.replay import ReplayMemory
from puretls._engine.session import LIFETIME
from puretls._engine.session_cache import CACHE_SIZE, SessionCache
from puretls._engine.tickets import TicketKeys, read_state


class SessionManager:
    """Belongs to one context, and is used by its connections from any thread."""

    __slots__ = ("anti_replay", "cache", "lifetime", "replay_memory", "single_use", "stats", "store", "tickets")

    def __init__(self, *, cache_size: int = CACHE_SIZE, lifetime: int = LIFETIME) -> None:
        self.lifetime, self.stats = lifetime, Stats()
        self.store: Any = None  # who, outside, keeps sessions in place of the cache
        self.single_use: Any = None  # who, outside, says whether a ticket is there for the first time
        self.anti_replay: Any = None  # who, outside, says whether early data is; else it is the memory, of what is ours
        self.replay_memory = ReplayMemory()
        self.cache, self.tickets = SessionCache(self.stats, cache_size), TicketKeys(self.stats, lifetime)

    @property
    def extended(self) -> bool:
        """Whether there is more to count than `ssl` counts."""
        return any(one is not None for one in (self.store, self.single_use, self.anti_replay)) or self.tickets.shared

    def keep(self, states: Sequence[bytes]) -> list[bytes]:
        """Tickets that only name states, which stay here (RFC 8446 4.6.1)."""
        kept = [read_state(state) for state in states]
        for session in kept:
            session.id, session.maker = urandom(32), Process.this
            self.cache.add(session)
        return [session.id for session in kept]
