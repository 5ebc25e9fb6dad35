"""What a context counts, for SSLContext.session_stats()."""

from __future__ import annotations

TICKETS, MEMORY, STORE = "hits_tickets", "hits_memory", "hits_store"  # where a server had a resumed session from


class Stats:
    """The numbers of session_stats(), except for `number`, which is the cache's."""

    __slots__ = (
        "accept",
        "accept_good",
        "accept_renegotiate",
        "cache_full",
        "connect",
        "connect_good",
        "connect_renegotiate",
        "hits",
        "misses",
        "origins",
        "replays",
        "store_errors",
        "timeouts",
    )

    def __init__(self) -> None:
        self.hits = self.misses = self.timeouts = self.cache_full = 0
        self.accept = self.accept_good = self.accept_renegotiate = 0
        self.connect = self.connect_good = self.connect_renegotiate = 0
        self.store_errors = self.replays = 0
        self.origins = {TICKETS: 0, MEMORY: 0, STORE: 0}  # of the hits of servers
