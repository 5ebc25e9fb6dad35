"""Sessions that a server keeps itself, by their id: in TLS 1.2 the session_id, in TLS 1.3 the ticket's content."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from puretls._base.locks import new_lock
from puretls._engine.counters import Stats
from puretls._engine.session import Session

CACHE_SIZE = 20480  # sessions; OpenSSL's default


class ServerCache(Protocol):
    """Where the sessions of one context are, for its connections in any thread."""

    def __len__(self) -> int:
        """How many there are."""

    def add(self, session: Session) -> None:
        """Keep a session under its id."""

    def find(self, session_id: bytes, now: float) -> Session | None:
        """The session with this id, if it may still be resumed."""

    def forget(self, session_id: bytes) -> None:
        """Forget a session: a connection that has failed must not be resumed (RFC 5246 7.2.2, RFC 8446 6.2)."""


class MemoryCache:
    """A cache in memory, which drops the oldest sessions when it is full."""

    __slots__ = ("_lock", "_sessions", "_size", "_stats")

    def __init__(self, stats: Stats, size: int = CACHE_SIZE) -> None:
        self._stats, self._size = stats, size
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = new_lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: Session) -> None:
        with self._lock:
            while len(self._sessions) >= self._size:
                self._sessions.popitem(last=False)
                self._stats.cache_full += 1
            self._sessions[session.id] = session

    def find(self, session_id: bytes, now: float) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None:
            self._stats.misses += 1
            return None
        if not session.alive(now):
            self._stats.timeouts += 1
            self.forget(session_id)
            return None
        return session

    def forget(self, session_id: bytes) -> None:
        with self._lock:
            self._sessions.pop(session_id, None)
