"""Calls of the store from threads, forked processes and event loops, while it hangs or is late."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest

import puretls
from puretls import fleet
from puretls.fleet import calls
from support import PATIENCE, until
from support.bios import join, session_at
from support.both import client_of, server_of
from support.stores import RedisInMemory, resumed


def test_those_who_have_gone_are_not_served(caplog, monkeypatch):
    """A burst in an event loop while the store hangs: what is left of it is not done later."""
    store, released, asked = RedisInMemory(), threading.Event(), []
    store.before = lambda: released.wait(PATIENCE)
    sessions = fleet.Sessions(store)
    monkeypatch.setattr(store, "get", lambda name: asked.append(name) or RedisInMemory.get(store, name))

    async def ask(name: bytes) -> Any:
        return await asyncio.wrap_future(sessions.get(name))

    async def burst() -> list[Any]:
        return await asyncio.gather(*(ask(b"%d" % number) for number in range(50)), return_exceptions=True)

    async def last() -> Any:
        while True:
            try:
                return await ask(b"last")
            except fleet.StoreAway:
                await asyncio.sleep(0.05)

    assert {type(one) for one in asyncio.run(burst())} == {fleet.StoreAway}
    released.set()
    assert asyncio.run(last()) is None
    assert len([name for name in asked if not name.endswith(b"last".hex())]) <= calls.MOST_THREADS
    assert not [record for record in caplog.records if record.name.startswith("concurrent")]
    assert caplog.text.count("has failed") == 1


def test_what_waits_for_a_store_that_hangs_for_ever(monkeypatch):
    """A client without a time-out of its own keeps the threads; what is wanted meanwhile is refused at some point."""
    monkeypatch.setattr(calls, "PAUSE", 0.0)
    monkeypatch.setattr(calls, "MOST_WAITING", 20)
    store, released = RedisInMemory(), threading.Event()
    store.before = lambda: released.wait(PATIENCE)
    sessions = fleet.Sessions(store, timeout=0.001)
    for _ in range(100):
        with pytest.raises(fleet.StoreAway):
            sessions.get(b"x")
    crew = sessions._calls.crew()
    assert crew._work.qsize() <= 20
    released.set()
    until(lambda: crew._work.qsize() == 0, "what is left")


def test_keys_in_a_loop_while_the_store_hangs(pki):
    """They are asked for in a thread; the server has its own until they come, and no handshake waits."""
    store, client, released = RedisInMemory(), client_of(puretls, pki), threading.Event()
    first, later = server_of(puretls, pki), server_of(puretls, pki)
    first.set_ticket_keys(fleet.TicketKeys(store, timeout=PATIENCE))
    session = session_at(client, first)
    store.before = lambda: released.wait(PATIENCE)

    async def main() -> None:
        later.set_ticket_keys(fleet.TicketKeys(store))
        for _ in range(20):
            assert not resumed(client, later, session)
        assert not released.is_set()
        released.set()
        while not resumed(client, later, session):  # noqa: ASYNC110  # nothing tells of keys
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_in_a_loop_whose_tls_is_its_own(pki):
    """There a handshake waits in place for what the store says, and no longer than the time-out."""
    store, client, server = RedisInMemory(), client_of(puretls, pki), server_of(puretls, pki)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = fleet.Sessions(store, timeout=0.2)
    released = threading.Event()

    async def main() -> None:
        until(lambda: resumed(client, server, session_at(client, server)), "sessions")
        store.before = lambda: released.wait(PATIENCE)
        errors = server.session_stats()["store_errors"]
        for _ in range(5):
            join(client, server).ok()
        assert server.session_stats()["store_errors"] >= errors + 5

    try:
        asyncio.run(main())
    finally:
        released.set()


def test_many_threads_at_a_store_that_hangs():
    store, released = RedisInMemory(), threading.Event()
    store.before = lambda: released.wait(PATIENCE)
    sessions, errors = fleet.Sessions(store), []

    def ask() -> None:
        for _ in range(20):
            try:
                sessions.get(b"x")
            except fleet.StoreAway as error:
                errors.append(error)

    before = threading.active_count()
    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    more = threading.active_count() - before
    released.set()
    assert len(errors) == 40 * 20
    assert more <= calls.MOST_THREADS


def test_a_store_that_always_comes_too_late_is_left_alone():
    """That it comes at all does not make the next ones wait for it, too."""
    store = RedisInMemory()
    sessions = fleet.Sessions(store, timeout=0.02)
    store.before = lambda: time.sleep(0.1)

    def pauses() -> bool:
        with pytest.raises(fleet.StoreAway):
            sessions.get(b"x")
        time.sleep(0.12)  # it has answered by now
        return sessions._calls._crew._pause == calls.PAUSE

    until(pauses, "the store")


def test_a_client_of_asyncio_is_left_alone_too():
    class Awaited(RedisInMemory):
        async def get(self, name: str) -> Any:  # type: ignore[override]
            self._called(name)
            await asyncio.sleep(PATIENCE)

        async def set(self, name: str, *_: Any, **__: Any) -> Any:  # type: ignore[override]
            raise OSError(name)

    store = Awaited()
    sessions = fleet.Sessions(store)

    async def main() -> None:
        for _ in range(30):
            with pytest.raises(fleet.StoreAway):
                await sessions.get(b"x")

    asyncio.run(main())
    assert len(store.calls) < 15


@pytest.mark.parametrize("kind", [fleet.Sessions, fleet.TicketKeys])
def test_clients_that_make_text_of_everything(kind):
    redis = pytest.importorskip("redis")
    with pytest.raises(ValueError, match="decode_responses"):
        kind(redis.Redis(port=1, decode_responses=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_keys_are_read(pki):
    """What the parent's thread has begun, the child begins anew."""
    store, client, server = RedisInMemory(), client_of(puretls, pki), server_of(puretls, pki)
    released, inside = threading.Event(), threading.Event()
    parent = os.getpid()

    def hold() -> None:
        if os.getpid() == parent:
            inside.set()
            released.wait(PATIENCE)

    kept = fleet.TicketKeys(store, timeout=PATIENCE)
    other = server_of(puretls, pki)
    other.set_ticket_keys(kept)
    store.before = hold
    starting = threading.Thread(target=lambda: server.set_ticket_keys(fleet.TicketKeys(store, timeout=0.01)))
    starting.start()
    starting.join()  # without keys, which are on their way
    assert inside.wait(PATIENCE)
    child = os.fork()
    if not child:
        status = 1
        try:
            until(lambda: resumed(client, server, session_at(client, other)), "the store")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    released.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parent_and_children_do_not_share_connections(store):
    """Each would read what was meant for another."""
    sessions = fleet.Sessions(store.address, timeout=PATIENCE)
    sessions.put(b"begin", b"begin", 60)

    def work(who: int) -> bool:
        for number in range(200):
            mine = b"%d %d" % (who, number)
            sessions.put(mine, mine, 60)
            if sessions.take(mine) != mine:
                return False
        return True

    children = []
    for who in range(3):
        child = os.fork()
        if not child:
            status = 1
            try:
                status = not work(who)
            finally:
                os._exit(status)
        children.append(child)
    assert work(3)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
