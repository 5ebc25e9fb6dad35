"""What the connections of one context leave for later ones: sessions by their id, ticket keys, counters."""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom
from typing import Any

from puretls._base.process import Process
from puretls._engine.counters import Stats
from puretls._engine.replay import ReplayMemory
from puretls._engine.session import LIFETIME
from puretls._engine.session_cache import CACHE_SIZE, MemoryCache, ServerCache
from puretls._engine.tickets import TicketKeys, read_state


class SessionManager:
    """The sessions of one context, used by its connections from any thread."""

    __slots__ = ("anti_replay", "cache", "lifetime", "replay_memory", "single_use", "stats", "store", "tickets")

    def __init__(self, *, cache_size: int = CACHE_SIZE, lifetime: int = LIFETIME) -> None:
        self.lifetime, self.stats = lifetime, Stats()
        self.store: Any = None  # an object outside that keeps sessions in place of the cache
        self.single_use: Any = None  # an object outside that says whether a ticket comes for the first time
        self.anti_replay: Any = None  # the same for early data; without it the process remembers its own tickets' data
        self.replay_memory = ReplayMemory()
        self.cache: ServerCache = MemoryCache(self.stats, cache_size)
        self.tickets = TicketKeys(self.stats, lifetime)

    @property
    def extended(self) -> bool:
        """Whether session_stats() has more counters than `ssl`: the context shares sessions."""
        return any(one is not None for one in (self.store, self.single_use, self.anti_replay)) or self.tickets.shared

    def keep(self, states: Sequence[bytes]) -> list[bytes]:
        """Keep these states here, and return the tickets that name them (RFC 8446 4.6.1)."""
        kept = [read_state(state) for state in states]
        for session in kept:
            session.id, session.maker = urandom(32), Process.this
            self.cache.add(session)
        return [session.id for session in kept]
