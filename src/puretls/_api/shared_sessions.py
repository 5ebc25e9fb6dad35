"""What servers share so that clients can resume sessions with any of them: ticket keys, and a store of sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from puretls._api.settings import PROTOCOL_TLS_CLIENT
from puretls._api.types import Buffer
from puretls._api.unraisable import report_unraisable
from puretls._engine.ticket_keys import SHORTEST_SECRET, EpochKeys, GivenKeys, Secrets, of_one_secret

if TYPE_CHECKING:
    from concurrent.futures import Future

    from puretls._api.settings import Settings

    Promise = Future[Any] | Awaitable[Any]
else:
    Promise = Any  # a future; concurrent.futures is not imported for every program


class SessionStore(Protocol):
    """What `SSLContext.session_store` may be.  Each method may return a future, and in event loops an awaitable."""

    def put(self, id: bytes, value: bytes, seconds: int, /) -> object:  # noqa: A002
        """Keep a value, which is sealed, for so many seconds."""

    def get(self, id: bytes, /) -> bytes | Promise | None:  # noqa: A002
        """The value, which stays: of sessions of TLS 1.2."""

    def take(self, id: bytes, /) -> bytes | Promise | None:  # noqa: A002
        """The value, which is then gone, in one step for all who ask: of sessions of TLS 1.3."""


class TicketSecrets(Protocol):
    """What set_ticket_keys() takes in place of keys: a source of one secret for each epoch of `rotate` seconds.

    If it has a method `refresh(now)`, that is called whenever tickets are made, and then `secret()`, which may say
    something new.  If it has a number of `errors`, session_stats() adds that to `store_errors`.
    """

    rotate: float

    def secret(self, epoch: int, now: float, /) -> bytes | Sequence[bytes] | None:
        """At least 32 bytes, the same for all servers, or several such secrets, of which the first seals and all open.

        None if there is none to be had now.
        """


class SingleUse(Protocol):
    """What `SSLContext.single_use_tickets` may be."""

    def first(self, key: bytes, seconds: float, /) -> bool | Promise:
        """Whether this key is seen for the first time in so many seconds, by anybody."""


class _SharedSessionSettings:
    """The attributes of an SSLContext about sessions that several servers share."""

    if TYPE_CHECKING:
        _settings: Settings

    def set_ticket_keys(self, keys: Sequence[Buffer] | TicketSecrets | None, /) -> None:
        """Seal session tickets under these keys, in place of random ones that this context makes for itself.

        `keys` are secrets of 32 bytes or more each: the first seals, all of them open.  Whoever has the same keys, and
        the same settings for verification and `session_id_context`, resumes what another server has begun.  It may be
        called at any time, and ends the hourly change of the context's own keys: to change keys is then up to the
        program, which puts a new one first and drops the last.  An object with `secret(epoch, now)` and `rotate`, as
        `puretls.fleet.TicketKeys`, is asked for them.  None goes back to own keys.

        ValueError for a key that is too short, for none, and on a context for clients.
        """
        tickets, source = self._settings.sessions.tickets, getattr(keys, "secret", None)
        self._check_server("set_ticket_keys()")
        if keys is None:
            tickets.keys, tickets.source = tickets.own, None
        elif callable(source):
            rotate = _seconds(getattr(keys, "rotate", 3600))
            refresh, lifetime = getattr(keys, "refresh", None), self._settings.sessions.lifetime
            tickets.keys = EpochKeys(_asking(source), rotate, lifetime, refresh and _refreshing(refresh))
            tickets.source = keys
        else:
            if isinstance(keys, str | bytes | bytearray | memoryview):
                raise TypeError("set_ticket_keys() takes a list of keys")
            found = [_secret(key) for key in keys]  # type: ignore[union-attr]  # checked
            if not found:
                raise ValueError("there must be at least one key")
            tickets.keys, tickets.source = GivenKeys(found), None

    def set_ticket_secret(self, secret: Buffer, /, *, rotate: float = 3600) -> None:
        """Seal session tickets under keys that are derived from one secret, another one every `rotate` seconds.

        Servers that have the same secret, of 32 bytes or more, open each other's tickets; nothing is stored, and nobody
        has to tell anybody anything.  Their clocks may differ by a minute.  Whoever learns the secret can read what was
        resumed with tickets under any key that it has made, or will make, but for TLS 1.3's own key exchange, which
        each resumption does anew: change it now and then.

        ValueError for a secret that is too short, for `rotate` below 1, and on a context for clients.
        """
        self._check_server("set_ticket_secret()")
        tickets, lifetime = self._settings.sessions.tickets, self._settings.sessions.lifetime
        tickets.keys, tickets.source = EpochKeys(of_one_secret(_secret(secret)), _seconds(rotate), lifetime), None

    @property
    def session_store(self) -> SessionStore | None:
        """Where a server keeps sessions in place of its own memory: with OP_NO_TICKET, and for clients without tickets.

        An object with `put(id, value, seconds)`, `get(id)` and `take(id)`; each may return a future, and under
        `puretls.asyncio` an awaitable.  Values are sealed under the keys of tickets, and ids that were not made under
        one of these are never asked for; with a store for several servers set the same keys for all.  A session of TLS
        1.3 is taken out and good once.  What the store raises costs a full handshake, and no connection:
        session_stats() counts `store_errors`.  TypeError for another object, ValueError on a context for clients.
        """
        store: SessionStore | None = self._settings.sessions.store
        return store

    @session_store.setter
    def session_store(self, value: SessionStore | None) -> None:
        if value is not None:
            self._check_server("session_store")
            if not all(callable(getattr(value, name, None)) for name in ("put", "get", "take")):
                raise TypeError("session_store must have put(), get() and take()")
        self._settings.sessions.store = value

    @property
    def single_use_tickets(self) -> SingleUse | None:
        """Who says whether a ticket of TLS 1.3 is used for the first time; None, unless set: tickets may be used again.

        An object with `first(key, seconds)`, as `puretls.fleet.AntiReplay`, which may return a future.  It is asked
        once the client has proven that the ticket is its own; a ticket that has been used, and one of which nobody can
        say it, costs a full handshake.  TypeError for another object, ValueError on a context for clients.
        """
        judge: SingleUse | None = self._settings.sessions.single_use
        return judge

    @single_use_tickets.setter
    def single_use_tickets(self, value: SingleUse | None) -> None:
        if value is not None:
            self._check_server("single_use_tickets")
            if not callable(getattr(value, "first", None)):
                raise TypeError("single_use_tickets must have first()")
        self._settings.sessions.single_use = value

    def _check_server(self, what: str) -> None:
        if self._settings.protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError(f"{what} is for servers, not for a PROTOCOL_TLS_CLIENT context")


def _asking(source: Any) -> Secrets:
    """Ask a program's own source; if it raises, there is no secret."""

    def secrets(epoch: int, now: float) -> tuple[bytes, ...]:
        try:
            found = source(epoch, now)
            several = isinstance(found, list | tuple)
            return tuple(map(_secret, found if several else () if found is None else (found,)))
        except Exception as error:  # noqa: BLE001  # whatever it is, the hook is told
            report_unraisable(error)
            return ()

    return secrets


def _refreshing(refresh: Any) -> Callable[[float], None]:
    """Have a program's source look for secrets; what it raises is reported, and fails no handshake."""

    def guarded(now: float) -> None:
        try:
            refresh(now)
        except Exception as error:  # noqa: BLE001  # whatever it is, the hook is told
            report_unraisable(error)

    return guarded


def _secret(key: Any) -> bytes:
    found = bytes(memoryview(key))
    if len(found) < SHORTEST_SECRET:
        raise ValueError(f"a key of tickets must have {SHORTEST_SECRET} bytes or more")
    return found


def _seconds(rotate: Any) -> float:
    if not isinstance(rotate, int | float):
        raise TypeError("rotate must be a number of seconds")
    if not 1 <= rotate < float("inf"):
        raise ValueError("rotate must be 1 second or more")
    return rotate
