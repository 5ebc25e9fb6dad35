"""What a context counts, for SSLContext.session_stats()."""

from __future__ import annotations


class Stats:
    """One number for each key, but for `number`, which the cache knows."""

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
        "timeouts",
    )

    def __init__(self) -> None:
        self.hits = self.misses = self.timeouts = self.cache_full = 0
        self.accept = self.accept_good = self.accept_renegotiate = 0
        self.connect = self.connect_good = self.connect_renegotiate = 0
