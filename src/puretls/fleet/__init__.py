"""What many servers share so that a client can come back to any of them, in Valkey or Redis.

TicketKeys has one key of tickets for each epoch, made by whoever comes first.  Sessions keeps sessions, sealed.
AntiReplay tells whether something is there for the first time.  Each takes the address of a store, or a client of
valkey-py or redis-py, of which only `set`, `get`, `getdel` and, if it is there, `mget` are called (`mget_nonatomic` of
a cluster's); keys hash anywhere, so a cluster will do as well.

Whatever the store does costs full handshakes at most.  Nothing waits for it longer than `timeout`: calls are made by a
few threads, and who has called goes on without them when the time is over.  After a time-out nobody calls for a moment,
and then one, to see whether it is back; the moment doubles each time, up to a second.  In an event loop of asyncio a
call returns a future, which `puretls.asyncio` awaits.  The logger "puretls" has one warning a minute, at most, for each
of these objects whose store fails.
"""

from __future__ import annotations

from typing import Any

from puretls.fleet.calls import TIMEOUT, Calls, StoreAway, kept, kept_first, value_of
from puretls.fleet.keys import TicketKeys

__all__ = ["AntiReplay", "Sessions", "StoreAway", "TicketKeys"]
StoreAway.__module__ = TicketKeys.__module__ = __name__  # that is where programs find them


class Sessions:
    """A store for `SSLContext.session_store`: values are sealed, so who has the store has no sessions.

    The servers need the same keys of tickets besides: SSLContext.set_ticket_secret(), or TicketKeys.
    """

    def __init__(self, client: Any, prefix: str = "tls:", timeout: float = TIMEOUT) -> None:
        """`client` is an address ("redis://..."), or a client of redis-py or valkey-py, of asyncio or not."""
        self._calls, self._prefix = Calls(client, timeout), prefix
        self._calls.check_bytes()

    def put(self, id: bytes, value: bytes, seconds: int, /) -> Any:  # noqa: A002
        """Keep a value for so many seconds."""
        name = self._name(id)
        return self._calls.call(lambda client: client.set(name, value, ex=max(1, int(seconds))), kept)

    def get(self, id: bytes, /) -> Any:  # noqa: A002
        """The value, or None."""
        name = self._name(id)
        return self._calls.call(lambda client: client.get(name), value_of)

    def take(self, id: bytes, /) -> Any:  # noqa: A002
        """The value, or None; it is then gone."""
        name = self._name(id)
        return self._calls.call(lambda client: client.getdel(name), value_of)

    def _name(self, session_id: bytes) -> str:
        return f"{self._prefix}session:{session_id.hex()}"


class AntiReplay:
    """For `SSLContext.anti_replay` (early data) and `single_use_tickets`: who is first in all of the fleet."""

    def __init__(self, client: Any, prefix: str = "tls:", timeout: float = TIMEOUT) -> None:
        """As for Sessions."""
        self._calls, self._prefix = Calls(client, timeout), prefix

    def first(self, key: bytes, seconds: float, /) -> Any:
        """Whether nobody has asked for this key in so many seconds."""
        name, milliseconds = f"{self._prefix}once:{key.hex()}", max(1, int(seconds * 1000))
        return self._calls.call(lambda client: client.set(name, b"1", nx=True, px=milliseconds), kept_first)
