"""What many servers share so that a client can come back to any of them, in Valkey or Redis.

TicketKeys has one key of tickets for each epoch, made by whoever comes first.  Sessions keeps sessions, sealed.
AntiReplay tells whether something is there for the first time.  Each takes the address of a store, or a client of
valkey-py or redis-py, of which only `set`, `get`, `getdel` and `mget`, if it is there, are called; keys hash anywhere,
so a cluster will do as well.

Whatever the store does costs full handshakes at most.  Nothing waits for it longer than `timeout`: calls are made by a
few threads, and who has called goes on without them when the time is over.  After a time-out nobody calls for a second,
and then one, to see whether it is back.  In an event loop of asyncio a call returns a future, which `puretls.asyncio`
awaits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib import import_module
from inspect import iscoroutinefunction
from os import getpid, urandom
from queue import SimpleQueue
from typing import Any

__all__ = ["AntiReplay", "Sessions", "StoreAway", "TicketKeys"]

TIMEOUT = 0.05  # seconds
PAUSE = 1.0  # seconds without calls after one that has taken too long
MOST_THREADS = 8
LIFETIME = 7200  # seconds that a ticket lives
AHEAD = 120  # seconds before its time that the key of an epoch is known: twice what clocks may differ by
REFRESH = 60.0  # seconds from one look for new keys to the next
AT_ONCE = 500  # keys that are read with one call
AGAIN = 1.0  # seconds until a key that nobody could tell is asked for again


class StoreAway(OSError):
    """The store has not answered in time, or was not asked, as it did not answer before."""


class _Calls:
    """Calls of a client, none of which anybody waits for too long."""

    def __init__(self, client: Any, timeout: float) -> None:
        if not timeout > 0:
            raise ValueError("timeout must be more than 0 seconds")
        self.client = _connected(client, timeout) if isinstance(client, str) else client
        self.timeout = timeout
        awaited = "asyncio" in type(self.client).__module__.split(".")
        self.asyncio = awaited or iscoroutinefunction(getattr(self.client, "set", None))
        self._begin()

    def _begin(self) -> None:
        self._process = getpid()
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._deadlines: SimpleQueue[tuple[float, Future[Any]]] = SimpleQueue()
        self._idle: deque[None] = deque()  # one for each thread that waits for work: append and pop are atomic
        self._threads = 0
        self._watched = False
        self._closed_until = 0.0

    def call(self, function: Callable[[], Any]) -> Any:
        """What the function returns; in a running event loop a future of it.  StoreAway if that takes too long."""
        if self.asyncio:
            return _within(function(), self.timeout)
        future = self.begin(function)
        if _in_a_loop():
            return future
        return self.wait(future)

    def wait(self, future: Future[Any], seconds: float | None = None) -> Any:
        """Its result, where no event loop is kept waiting."""
        try:
            return future.result(seconds or self.timeout)
        except (TimeoutError, FutureTimeoutError):  # two of them before Python 3.11
            future.cancel()
            raise self._late() from None

    def begin(self, function: Callable[[], Any]) -> Future[Any]:
        """The same as a future, which is done in time, one way or the other, if there is an event loop to wait in."""
        if self._process != getpid():  # the threads have stayed with the parent
            self._begin()
        now = time.monotonic()
        if now < self._closed_until:
            raise StoreAway("the store did not answer, and is not asked again yet")
        if self._closed_until:
            self._closed_until = now + PAUSE  # one tries; the others wait for what comes of it
        future: Future[Any] = Future()
        self._work.put((future, function))
        try:
            self._idle.pop()
        except IndexError:
            if self._threads < MOST_THREADS:
                self._threads += 1
                threading.Thread(target=self._run, name="puretls.fleet", daemon=True).start()
        if _in_a_loop():
            self._watch(now + self.timeout, future)
        return future

    def _run(self) -> None:
        work, idle = self._work, self._idle
        while True:
            future, function = work.get()
            began = time.monotonic()
            try:
                if future.set_running_or_notify_cancel():
                    _settle(future, function)
                    self._closed_until = 0.0
            except BaseException as error:  # noqa: BLE001  # whatever a client raises is its answer
                now = time.monotonic()  # an error that comes at once is cheap, a client's own time-out is not
                self._closed_until = 0.0 if now - began < self.timeout / 2 else now + PAUSE
                _fail(future, error if isinstance(error, Exception) else StoreAway(type(error).__name__))
            del future, function
            idle.append(None)

    def _watch(self, deadline: float, future: Future[Any]) -> None:
        self._deadlines.put((deadline, future))
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._expire, name="puretls.fleet deadlines", daemon=True).start()

    def _expire(self) -> None:
        """Deadlines come in order, as all are equally far."""
        deadlines = self._deadlines
        while True:
            deadline, future = deadlines.get()
            if not future.done():
                time.sleep(max(0.0, deadline - time.monotonic()))
            if not future.done():
                _fail(future, self._late())
            del future

    def _late(self) -> StoreAway:
        self._closed_until = time.monotonic() + PAUSE
        return StoreAway(f"the store has not answered in {self.timeout} seconds")


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    value = function()
    try:
        future.set_result(value)
    except InvalidStateError:  # it was too late
        return


def _fail(future: Future[Any], error: BaseException) -> None:
    try:
        future.set_exception(error)
    except InvalidStateError:  # somebody was quicker
        return


def _in_a_loop() -> bool:
    """Whether this thread is running an event loop of asyncio, which must not wait."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


async def _within(promise: Any, seconds: float) -> Any:
    import asyncio  # noqa: PLC0415 - whoever has such a client has it

    return await asyncio.wait_for(promise, seconds)


def _connected(address: str, timeout: float) -> Any:
    """A client of valkey-py or redis-py, whichever is there."""
    for name, kind in (("valkey", "Valkey"), ("redis", "Redis")):
        try:
            module = import_module(name)
        except ImportError:
            continue
        retry = import_module(f"{name}.retry").Retry(import_module(f"{name}.backoff").NoBackoff(), 0)
        times = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": retry}
        return getattr(module, kind).from_url(address, **times)
    raise ImportError("neither valkey nor redis is installed: pip install 'puretls[fleet]'")


class Sessions:
    """A store for `SSLContext.session_store`: values are sealed, so who has the store has no sessions.

    The servers need the same keys of tickets besides: SSLContext.set_ticket_secret(), or TicketKeys.
    """

    def __init__(self, client: Any, prefix: str = "tls:", timeout: float = TIMEOUT) -> None:
        """`client` is an address ("redis://..."), or a client of redis-py or valkey-py, of asyncio or not."""
        self._calls, self._prefix = _Calls(client, timeout), prefix

    def put(self, id: bytes, value: bytes, seconds: int, /) -> Any:  # noqa: A002
        """Keep a value for so many seconds."""
        name, client = self._name(id), self._calls.client
        return self._calls.call(lambda: client.set(name, value, ex=max(1, int(seconds))))

    def get(self, id: bytes, /) -> Any:  # noqa: A002
        """The value, or None."""
        name, client = self._name(id), self._calls.client
        return self._calls.call(lambda: client.get(name))

    def take(self, id: bytes, /) -> Any:  # noqa: A002
        """The value, or None; it is then gone."""
        name, client = self._name(id), self._calls.client
        return self._calls.call(lambda: client.getdel(name))

    def _name(self, session_id: bytes) -> str:
        return f"{self._prefix}session:{session_id.hex()}"


class AntiReplay:
    """For `SSLContext.single_use_tickets`: who is first in all of the fleet."""

    def __init__(self, client: Any, prefix: str = "tls:", timeout: float = TIMEOUT) -> None:
        """As for Sessions."""
        self._calls, self._prefix = _Calls(client, timeout), prefix

    def first(self, key: bytes, seconds: float, /) -> Any:
        """Whether nobody has asked for this key in so many seconds."""
        name, client, milliseconds = f"{self._prefix}once:{key.hex()}", self._calls.client, max(1, int(seconds * 1000))

        def answer() -> Any:
            return client.set(name, b"1", nx=True, px=milliseconds)

        if self._calls.asyncio:
            return _truth(self._calls.call(answer))
        return self._calls.call(lambda: bool(answer()))


async def _truth(promise: Any) -> bool:
    return bool(await promise)


class TicketKeys:
    """Keys of tickets for SSLContext.set_ticket_keys(): a random one for each epoch, made by whoever comes first.

    They are read before their time, once a minute at most, and kept: a store that is away, or has come back empty,
    costs nothing until the keys that are known have had their time, and then the last of them goes on.  Who can read
    the store can open tickets.
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

        The keys that there are are read at once, so that the first client gets a ticket that all servers know.
        """
        if not rotate >= 1:
            raise ValueError("rotate must be 1 second or more")
        self._calls, self._prefix = _Calls(client, timeout), prefix
        if self._calls.asyncio:
            raise TypeError("TicketKeys needs a client that is not of asyncio: keys are read in a thread")
        self.rotate, self._lifetime = float(rotate), lifetime
        self._known: dict[int, bytes] = {}
        self._tried = self._due = 0.0  # when somebody has begun to look for new keys, and when it is time again
        self._look(time.time(), max(timeout, PAUSE))  # in an event loop, too: nobody is being served yet

    def __repr__(self) -> str:
        return f"<TicketKeys of {self.rotate:g} seconds, {len(self._known)} known>"

    def secret(self, epoch: int, now: float, /) -> bytes | None:
        """The secret of an epoch; None if it is not known, and not to be had in time."""
        if epoch not in self._known and time.monotonic() - self._tried >= AGAIN:
            self._look(now, 0.0 if _in_a_loop() else self._calls.timeout)
        return self._known.get(epoch)

    def refresh(self, now: float, /) -> None:
        """Look for new keys, if it is time; nobody waits for it."""
        if self._known and time.monotonic() >= self._due:
            self._look(now, 0.0)

    def _look(self, now: float, seconds: float) -> None:
        """Read the keys, and wait for it so long."""
        self._tried = time.monotonic()
        self._due = self._tried + REFRESH
        try:
            future = self._calls.begin(lambda: self._read(now))
            if seconds:
                self._calls.wait(future, seconds)
        except Exception:  # noqa: BLE001  # whatever it is, what is known goes on
            self._look_again()

    def _look_again(self) -> None:
        self._due = time.monotonic() + AGAIN

    def _read(self, now: float) -> None:
        """What others have made, and what nobody has made yet; what the store has lost is given back."""
        known, current = self._known, int(now // self.rotate)
        oldest, newest = int((now - self._lifetime - AHEAD) // self.rotate), int((now + AHEAD) // self.rotate)
        try:
            for epoch in self._missing(range(current, max(newest, current + 1) + 1)):
                self._make(epoch, now)
            self._missing([epoch for epoch in range(oldest, current) if epoch not in known])
        except BaseException:
            self._look_again()
            raise
        for epoch in [epoch for epoch in list(known) if epoch < oldest]:
            known.pop(epoch, None)

    def _missing(self, epochs: Sequence[int]) -> list[int]:
        """Read the keys of these epochs; those that the store does not have."""
        missing = []
        for start in range(0, len(epochs), AT_ONCE):
            some = epochs[start : start + AT_ONCE]
            for epoch, value in zip(some, self._values(list(map(self._name, some))), strict=True):
                if value:
                    self._known[epoch] = bytes(value)
                else:
                    missing.append(epoch)
        return missing

    def _values(self, names: list[str]) -> Sequence[Any]:
        client = self._calls.client
        return client.mget(names) if hasattr(client, "mget") else [client.get(name) for name in names]

    def _make(self, epoch: int, now: float) -> None:
        """A key, unless somebody has been quicker; the one that is known, if the store has lost it."""
        client, name, mine = self._calls.client, self._name(epoch), self._known.get(epoch) or urandom(32)
        seconds = int(max(now, (epoch + 1) * self.rotate) - now + self._lifetime + AHEAD)
        if not client.set(name, mine, nx=True, ex=seconds):
            mine = bytes(client.get(name) or mine)
        self._known[epoch] = mine

    def _name(self, epoch: int) -> str:
        return f"{self._prefix}key:{self.rotate:g}:{epoch}"
