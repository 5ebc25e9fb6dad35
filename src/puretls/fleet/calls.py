"""Calls of a client of the store, none of which anybody waits for too long."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from importlib import import_module
from inspect import iscoroutinefunction
from logging import getLogger
from os import getpid
from queue import SimpleQueue
from typing import Any

from puretls._base.locks import new_lock

TIMEOUT = 0.05  # seconds
PAUSE = 1.0  # seconds without calls after several that have taken too long; after the first, twice the time-out
WORD = 60.0  # seconds from one warning to the next
MOST_THREADS = 8
MOST_WAITING = 1000  # calls for which there is no thread yet
Call = Callable[[Any], Any]  # of the client
DONE = (True, "OK", b"OK")  # what clients make of the answer to SET


class StoreAway(OSError):
    """The store has not answered in time, or has answered nonsense; or was not asked, as it had not answered before."""


def kept(answer: Any) -> bool:
    """Of SET: True."""
    if answer not in DONE:
        raise StoreAway("the store has not kept a value")
    return True


def kept_first(answer: Any) -> bool:
    """Of SET that replaces nothing: whether nothing was there.  Nonsense is neither."""
    return answer is not None and kept(answer)


def value_of(answer: Any) -> bytes | None:
    """Of GET."""
    if answer is not None and not isinstance(answer, bytes):
        raise StoreAway("the store has no bytes where a value should be")
    return answer


class Calls:
    """Calls of one client."""

    def __init__(self, client: Any, timeout: float) -> None:
        """`client`: an address, from which each process makes a client of its own, or a client."""
        if not timeout > 0:
            raise ValueError("timeout must be more than 0 seconds")
        self.timeout, self._given = timeout, client
        self._crew = _Crew(client, timeout)
        kind = self._crew.client
        self.asyncio = "asyncio" in type(kind).__module__.split(".") or iscoroutinefunction(getattr(kind, "set", None))

    def crew(self) -> _Crew:
        """Who calls in this process: after a fork the threads, and the connections, are the parent's."""
        crew = self._crew
        if crew.process != getpid():
            crew = self._crew = _Crew(self._given, self.timeout)
        return crew

    def call(self, function: Call, understand: Callable[[Any], Any]) -> Any:
        """What `understand` makes of the client's answer; in a running event loop a future of it.

        StoreAway if that takes too long.
        """
        crew = self.crew()
        if self.asyncio:
            return crew.awaited(function, understand)
        crew.knock()
        in_a_loop = running_loop()
        future = crew.begin(lambda client: understand(function(client)), watched=in_a_loop)
        return future if in_a_loop else crew.wait(future)

    def check_bytes(self) -> None:
        """ValueError if the client makes text of what it gets."""
        encoder = getattr(self._crew.client, "get_encoder", None)
        if encoder is not None and getattr(encoder(), "decode_responses", False):
            raise ValueError("the client must not have decode_responses: what is kept is no text")


class _Crew:
    """A few threads of one process that call the client, and what is known of the store there."""

    def __init__(self, client: Any, timeout: float) -> None:
        ours = isinstance(client, str)
        self.process, self.client, self._ours = getpid(), _connected(client, timeout) if ours else client, ours
        self._timeout, self._lock = timeout, new_lock()
        self._work: SimpleQueue[tuple[Future[Any], Call]] = SimpleQueue()
        self._deadlines: SimpleQueue[tuple[float, Future[Any]]] = SimpleQueue()
        self._idle: deque[None] = deque()  # one for each thread that waits for work: append and pop are atomic
        self._threads = 0
        self._watched = False
        self._pause = self._closed_until = self._cut_at = self._silent_until = 0.0

    # Who wants something

    def knock(self) -> None:
        """StoreAway while the store is left alone."""
        now = time.monotonic()
        if now < self._closed_until:
            raise StoreAway("the store did not answer, and is not asked again yet")
        if self._closed_until:
            self._closed_until = now + self._pause  # one tries; the others wait for what comes of it

    def begin(self, function: Call, *, watched: bool = False) -> Future[Any]:
        """Have a thread call it.  `watched`: the future is done in time, one way or the other."""
        future: Future[Any] = Future()
        if self._work.qsize() >= MOST_WAITING:
            raise StoreAway("too many calls wait for the store")
        self._work.put((future, function))
        try:
            self._idle.pop()
        except IndexError:
            self._hire()
        if watched:
            self._deadlines.put((time.monotonic() + self._timeout, future))
            self._watch()
        return future

    def wait(self, future: Future[Any]) -> Any:
        """Its result, where no event loop is kept waiting."""
        try:
            return future.result(self._timeout)
        except (TimeoutError, FutureTimeoutError):  # two of them before Python 3.11
            future.cancel()
            raise self._late() from None

    async def awaited(self, function: Call, understand: Callable[[Any], Any]) -> Any:
        """The answer of a client of asyncio."""
        import asyncio  # noqa: PLC0415 - whoever has such a client has it

        self.knock()
        try:
            value = understand(await asyncio.wait_for(function(self.client), self._timeout))
        except (TimeoutError, asyncio.TimeoutError):  # two of them before Python 3.11
            raise self._late() from None
        except Exception as error:
            self._said(error, 0.0)
            raise
        self._open()
        return value

    def cut(self) -> None:
        """End what our client is doing, at most once in a pause: a byte now and then can keep a thread for ever."""
        now = time.monotonic()
        if self._ours and now >= self._cut_at:
            self._cut_at = now + PAUSE / 2
            with suppress(Exception):  # of the client's library, in the midst of something else
                self.client.connection_pool.disconnect()

    def _open(self) -> None:
        self._pause = self._closed_until = 0.0

    def _close(self) -> None:
        """For a pause that is twice the one before; those who were waiting at the same time are one."""
        now = time.monotonic()
        if now >= self._closed_until - self._pause + self._timeout * 0.9:
            self._pause = min(max(2 * self._timeout, 2 * self._pause), PAUSE)
        self._closed_until = now + self._pause

    def _late(self) -> StoreAway:
        error = StoreAway(f"the store has not answered in {self._timeout} seconds")
        self._close()
        self.cut()
        self.warn(type(error).__name__)
        return error

    # Who does it

    def _hire(self) -> None:
        with self._lock:
            if self._threads == MOST_THREADS:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._run, name="puretls.fleet", daemon=True).start()
        except BaseException:  # no more threads to be had
            with self._lock:
                self._threads -= 1
            raise

    def _run(self) -> None:
        while True:
            self._do(*self._work.get())
            self._idle.append(None)

    def _do(self, future: Future[Any], function: Call) -> None:
        if future.done():  # nobody waits for it any more
            return
        began = time.monotonic()
        try:
            value = function(self.client)
        except BaseException as error:  # noqa: BLE001  # whatever a client raises is its answer
            self._said(error, time.monotonic() - began)
            _end(future.set_exception, error if isinstance(error, Exception) else StoreAway(type(error).__name__))
        else:
            if time.monotonic() - began <= self._timeout:  # what comes too late is no sign of health
                self._open()
            _end(future.set_result, value)

    def _said(self, error: BaseException, seconds: float) -> None:
        """An error that comes at once is cheap; a client's own time-out is not."""
        self._open() if seconds < self._timeout / 2 else self._close()
        self.warn(type(error).__name__)

    def warn(self, what: str) -> None:
        """Of errors their kind only: stores put what they were sent, keys of tickets included, into their messages."""
        now = time.monotonic()
        with self._lock:
            if now < self._silent_until:
                return
            self._silent_until = now + WORD
        getLogger("puretls").warning("the store that servers share has failed: %s", what)

    # Deadlines, where nobody waits in a thread

    def _watch(self) -> None:
        with self._lock:
            if self._watched:
                return
            self._watched = True
        threading.Thread(target=self._expire, name="puretls.fleet deadlines", daemon=True).start()

    def _expire(self) -> None:
        """Deadlines come in order, as all are equally far."""
        while True:
            self._expire_at(*self._deadlines.get())

    def _expire_at(self, deadline: float, future: Future[Any]) -> None:
        if not future.done():
            time.sleep(max(0.0, deadline - time.monotonic()))
        if not future.done():
            _end(future.set_exception, self._late())


def _end(set_it: Callable[[Any], None], outcome: Any) -> None:
    with suppress(InvalidStateError):  # somebody was quicker
        set_it(outcome)


def running_loop() -> bool:
    """Whether this thread is running an event loop of asyncio, which must not wait."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


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
