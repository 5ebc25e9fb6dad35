"""A store, or a wire to it, that does its worst: garbage, bytes one by one, no end, other people's values, loud errors.

Between a server and the store there is a wire of ours; what is wrong with it stays wrong for the connections that it
had, so that to recover means to make new ones.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import puretls
from puretls import fleet
from puretls.fleet import calls
from support import PATIENCE, until
from support.bios import join, session_at
from support.both import V13, client_of, only, server_of
from support.stores import RedisInMemory, resumed


class WireToTheStore:
    """A way to a store: `mode` says what becomes of answers, and but for errors that stays with a connection."""

    def __init__(self, port: int) -> None:
        self.port, self.mode, self.asked = port, "", bytearray()
        self.ends = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"
        self._start(self._accept)

    def _start(self, function: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while not self.ends:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            except OSError:
                continue
            wrong = [self.mode]  # once it is something, it stays
            self._start(self._carry, near, far, wrong, True)
            self._start(self._carry, far, near, wrong, False)

    def _carry(self, source: socket.socket, target: socket.socket, wrong: list[str], asking: bool) -> None:
        try:
            while data := source.recv(65536):
                wrong[0] = wrong[0] if wrong[0] not in ("", "echo", "late") else self.mode
                if asking:
                    self.asked += data
                    self._answer_wrongly(source, wrong[0], data) if wrong[0] else target.sendall(data)
                elif not wrong[0]:
                    target.sendall(data)
        except OSError:  # one of them has gone
            pass
        finally:
            for one in (source, target):
                one.close()

    def _answer_wrongly(self, near: socket.socket, mode: str, data: bytes) -> None:
        if mode == "garbage":
            near.sendall(b"\x00\xff?!" * 500)
        elif mode == "nonsense":
            near.sendall(b":7\r\n" * 20)
        elif mode == "echo":
            near.sendall(b"-ERR unknown command, with args beginning with: " + repr(data).encode() + b"\r\n")
        elif mode == "slow":
            near.sendall(b"$100000000\r\n")
            while not self.ends:
                near.sendall(b"x")
                time.sleep(0.01)
        elif mode == "huge":
            near.sendall(b"$500000000\r\n")
            while not self.ends:
                near.sendall(bytes(65536))
                time.sleep(0.002)
        elif mode == "hangs up":
            near.close()
        elif mode == "late":
            time.sleep(0.3)
            near.sendall(b"+OK\r\n")


@pytest.fixture
def wire(store: Any) -> Iterator[WireToTheStore]:
    made = WireToTheStore(store.port)
    yield made
    made.ends = True
    made.listener.close()


def servers_at(pki: Any, address: str, timeout: float) -> list[Any]:
    found = []
    for _ in range(2):
        server = server_of(puretls, pki)
        server.set_ticket_keys(fleet.TicketKeys(address, timeout=timeout))
        server.options |= puretls.OP_NO_TICKET
        server.session_store = fleet.Sessions(address, timeout=timeout)
        found.append(server)
    return found


@pytest.mark.parametrize("mode", ["garbage", "nonsense", "echo", "slow", "huge", "hangs up", "silent"])
def test_no_handshake_fails_and_new_connections_are_made(mode, pki, wire, monkeypatch):
    """For longer than it takes to have every thread waiting."""
    monkeypatch.setattr(calls, "PAUSE", 0.0)
    client, servers = client_of(puretls, pki), servers_at(pki, wire.address, 0.1)

    def recovers() -> None:
        until(lambda: resumed(client, servers[1], session_at(client, servers[0])), "the store")

    recovers()
    wire.mode = mode
    for _ in range(2 * calls.MOST_THREADS):
        join(client, servers[0]).ok()
    assert servers[0].session_stats()["store_errors"] >= calls.MOST_THREADS
    wire.mode = ""
    recovers()


def test_what_a_store_says_is_told_nobody(pki, wire, caplog, monkeypatch):
    """Errors of Redis repeat what they were sent: here the secret of an epoch."""
    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    wire.mode = "echo"
    client, (server, _) = client_of(puretls, pki), servers_at(pki, wire.address, PATIENCE)
    wire.mode = ""
    keys = fleet.TicketKeys(wire.address, timeout=PATIENCE)
    secret = keys.secret(int(time.time() // 3600), time.time())
    assert isinstance(secret, bytes)
    assert secret in wire.asked
    wire.mode = "echo"
    join(client, server).ok()
    assert server.session_stats()["store_errors"] > 0
    assert "has failed" in caplog.text
    told = f"{caplog.text} {unraisable} {keys!r} {server.session_store!r}"
    assert secret.hex() not in told
    assert repr(secret)[2:-1] not in told
    assert "args beginning" not in told


@pytest.mark.parametrize("awaited", [False, True], ids=["threads", "asyncio"])
def test_an_answer_that_comes_late_is_nobody_elses(awaited, wire, monkeypatch):
    """A connection is not used again while an answer is due on it: "OK" would let in whom the store has seen before."""
    monkeypatch.setattr(calls, "PAUSE", 0.0)
    aio = pytest.importorskip("redis.asyncio")
    client = aio.Redis.from_url(wire.address) if awaited else wire.address
    once = fleet.AntiReplay(client, timeout=0.2)

    async def first(key: bytes) -> bool | None:
        try:
            promise = once.first(key, 60)
            return await (promise if awaited else asyncio.wrap_future(promise))
        except Exception:  # noqa: BLE001  # of whichever library
            return None

    async def main() -> None:
        while await first(b"used") is not False:  # of which the store knows from the first time on
            pass
        for number in range(3):
            wire.mode = "late"
            assert await first(b"%d" % number) is None
            wire.mode = ""
            while (answer := await first(b"used")) is None:  # noqa: ASYNC110  # it is asked again
                await asyncio.sleep(0.1)
            assert answer is False
        if awaited:
            await client.connection_pool.disconnect()

    asyncio.run(main())


# What lies under a name


@pytest.mark.parametrize("value", [b"", b"short", b"x" * 33, b"x" * 100_000, "text", 32, True, [b"x" * 32]])
def test_something_else_where_keys_should_be(value, pki, caplog, monkeypatch):
    """The other keys are read all the same, and without any this server has its own."""
    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    store, client = RedisInMemory(), client_of(puretls, pki)
    fleet.TicketKeys(store)
    for name in store.kept:
        store.kept[name] = value
    keys, server = fleet.TicketKeys(store, timeout=PATIENCE), server_of(puretls, pki)
    server.set_ticket_keys(keys)
    assert resumed(client, server, session_at(client, server))
    assert keys.errors > 0
    assert server.session_stats()["store_errors"] >= keys.errors
    assert "something else" in caplog.text
    assert not unraisable
    store.kept.popitem()  # one of them is right now
    assert len(fleet.TicketKeys(store, timeout=PATIENCE)._known) == 1


def values_of(pki: Any, key: bytes) -> tuple[Any, Callable[[], bool]]:
    """A store with a session, and whether that is resumed."""
    server, store = server_of(puretls, pki), RedisInMemory()
    server.set_ticket_keys([key])
    server.options |= puretls.OP_NO_TICKET
    server.session_store = fleet.Sessions(store, timeout=PATIENCE)
    client = client_of(puretls, pki)
    session = session_at(client, server)
    return store, lambda: resumed(client, server, session)


WRONG = {
    "another fleet's": lambda store, other: dict(zip(store, other.values(), strict=False)),
    "another session's": lambda store, _: dict(zip(store, [*store.values()][::-1], strict=True)),
    "cut": lambda store, _: {name: value[:-1] for name, value in store.items()},
    "longer": lambda store, _: {name: value + b"x" for name, value in store.items()},
    "huge": lambda store, _: {name: value + bytes(1 << 20) for name, value in store.items()},
    "text": lambda store, _: {name: value.hex() for name, value in store.items()},
    "a number": lambda store, _: dict.fromkeys(store, 7),
}


@pytest.mark.parametrize("what", WRONG)
def test_something_else_where_a_session_should_be(what, pki):
    store, comes_back = values_of(pki, b"k" * 32)
    other, _ = values_of(pki, b"o" * 32)
    right, store.kept = store.kept, WRONG[what](store.kept, other.kept)
    assert not comes_back()
    store.kept = right
    assert comes_back()


# Keys over time


def test_a_new_server_at_a_store_that_has_come_back_empty(pki, monkeypatch):
    """It makes keys that the others learn of within a minute; and theirs open as before."""
    store, client = RedisInMemory(), client_of(puretls, pki)
    old = server_of(puretls, pki)
    old.set_ticket_keys(keys := fleet.TicketKeys(store, timeout=PATIENCE))
    session = session_at(client, old)
    store.kept.clear()
    new = server_of(puretls, pki)
    new.set_ticket_keys(fleet.TicketKeys(store, timeout=PATIENCE))
    assert not resumed(client, new, session)
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 61)
    session_at(client, old)
    until(lambda: isinstance(keys.secret(int(time.time() // 3600), time.time()), tuple), "the store")
    assert resumed(client, old, session)
    assert resumed(client, old, session_at(client, new))
    assert resumed(client, new, session_at(client, old))
    for _ in range(10):
        store.kept.clear()
        fleet.TicketKeys(store, timeout=PATIENCE)
        keys._look(time.time(), PATIENCE)
    assert all(len(known) <= 4 for known in keys._known.values())


@pytest.mark.parametrize("rotate", [2, 3600])
def test_the_last_known_keys_go_on_however_long_the_store_is_away(rotate, pki, monkeypatch):
    store, client, began = RedisInMemory(), client_of(puretls, pki), time.time()
    monkeypatch.setattr(time, "time", lambda: began)
    servers = [server_of(puretls, pki) for _ in range(2)]
    for server in servers:
        server.set_ticket_keys(fleet.TicketKeys(store, rotate=rotate, timeout=PATIENCE))
        session_at(client, server)

    def fail() -> None:
        raise OSError("away")

    store.before = fail
    for hours in (0.5, 1, 3, 24, 100):
        monkeypatch.setattr(time, "time", lambda hours=hours: began + hours * 3600)
        assert resumed(client, servers[1], session_at(client, servers[0]))
    session = session_at(client, servers[0])
    store.before = lambda: None
    for server in servers:
        server.set_ticket_keys(fleet.TicketKeys(store, rotate=rotate, timeout=PATIENCE))
    assert not resumed(client, servers[1], session)
    assert resumed(client, servers[1], session_at(client, servers[0]))


def test_what_the_store_has_lost_of_past_epochs_is_given_back(monkeypatch):
    store, began = RedisInMemory(), time.time() // 60 * 60
    monkeypatch.setattr(time, "time", lambda: began)
    keys = fleet.TicketKeys(store, rotate=60, timeout=PATIENCE)
    kept = dict(store.kept)
    keys._look(began + 100, PATIENCE)
    store.kept.clear()
    keys._look(began + 100, PATIENCE)
    assert kept.items() <= store.kept.items()


@pytest.mark.parametrize("rotate", [1, 7, 60, 3600])
def test_who_comes_later_with_a_clock_that_is_behind(rotate, pki, monkeypatch):
    """What he seals with, the others have known before: they do not look again for a minute."""
    store, began, now = RedisInMemory(), time.time() // 3600 * 3600 + 10, [0.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    servers = []
    for clock in (0, 30, -30, 15, -15):
        now[0] = began + clock
        server = server_of(puretls, pki)
        server.set_ticket_keys(fleet.TicketKeys(store, rotate=rotate, timeout=PATIENCE))
        servers.append((clock, server._settings.sessions.tickets.keys))
    asked = len(store.calls)
    for moment in range(0, 59, 7):
        for clock, sealing in servers:
            name = sealing.sealing(began + moment + clock).name
            for other, opening in servers:
                assert opening.opening(name, began + moment + other) is not None
    assert len(store.calls) == asked


def test_names_that_nobody_has_given_do_not_make_anybody_look(pki):
    """However many tickets claim to be of an epoch of which there is no key."""
    store, server = RedisInMemory(), server_of(puretls, pki)
    server.set_ticket_keys(fleet.TicketKeys(store, timeout=PATIENCE))
    tickets, began, epoch = server._settings.sessions.tickets, len(store.calls), int(time.time() // 3600)
    for past in (0, 1, 2):
        for _ in range(50):
            assert tickets.open((epoch - past).to_bytes(4, "big") + os.urandom(200), time.time()) is None
    assert len(store.calls) == began


@pytest.mark.parametrize("edge", [-0.001, 0.0, 0.001])
@pytest.mark.parametrize("rotate", [1, 60, 3600, 86400])
def test_edges_of_epochs(rotate, edge, pki, monkeypatch):
    """Sealed right before, at and after the change; opened all its life, by clocks a minute off."""
    store, began = RedisInMemory(), (time.time() // 86400 + 2) * 86400
    now = began + edge
    monkeypatch.setattr(time, "time", lambda: now)
    one, two = (fleet.TicketKeys(store, rotate=rotate, timeout=PATIENCE) for _ in range(2))
    servers = [server_of(puretls, pki) for _ in range(2)]
    for server, keys in zip(servers, (one, two), strict=True):
        server.set_ticket_keys(keys)
    sealing, opening = (server._settings.sessions.tickets.keys for server in servers)
    name = sealing.sealing(now).name
    for skew in (-59.9, 0.0, 59.9):
        assert opening.opening(name, now + skew) is not None
    for moment in range(0, 7200, 59):  # somebody looks now and then
        two._look(now + moment, PATIENCE) if moment % 590 == 0 else None
        assert opening.opening(name, now + moment) is not None


@pytest.mark.parametrize("rotate", [0, -1, 0.5, float("inf"), float("nan")])
def test_epochs_that_are_none(rotate):
    with pytest.raises(ValueError, match="rotate"):
        fleet.TicketKeys(RedisInMemory(), rotate=rotate)


def test_epochs_of_nearly_the_same_length_have_names_of_their_own():
    names = {fleet.TicketKeys(RedisInMemory(), rotate=rotate)._name(7) for rotate in (1234567, 1234568, 1234567.5)}
    assert len(names) == 3


def test_a_source_that_raises_is_no_handshakes_business(pki, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: told.append(args.exc_value))

    class Source:
        rotate = 60

        def secret(self, epoch: int, now: float) -> bytes:
            del epoch, now
            return b"s" * 32

        def refresh(self, now: float) -> None:
            raise RuntimeError(f"can't start new thread {now}")

    server, client = server_of(puretls, pki), client_of(puretls, pki)
    server.set_ticket_keys(Source())
    assert resumed(client, server, session_at(client, server))
    assert isinstance(told[0], RuntimeError)


# Threads, forks and loops


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


# Nothing is lost from the counters


@pytest.mark.parametrize("way", ["store", "once"])
def test_each_error_is_counted(way, pki):
    store, client, server = RedisInMemory(), client_of(puretls, pki), server_of(puretls, pki)
    only(V13, client)
    server.set_ticket_keys([b"k" * 32])
    if way == "store":
        server.options |= puretls.OP_NO_TICKET
        server.session_store = fleet.Sessions(store, timeout=PATIENCE)
    else:
        server.single_use_tickets = fleet.AntiReplay(store, timeout=PATIENCE)
    sessions = [session_at(client, server) for _ in range(5)]

    def fail() -> None:
        raise OSError("away")

    store.before, began = fail, len(store.calls)
    for session in sessions:
        assert not resumed(client, server, session)
    assert server.session_stats()["store_errors"] == len(store.calls) - began > 0


def test_each_look_for_keys_that_fails_is_counted(pki):
    store, server = RedisInMemory(), server_of(puretls, pki)
    server.set_ticket_keys(keys := fleet.TicketKeys(store, timeout=PATIENCE))

    def fail() -> None:
        raise OSError("away")

    store.before = fail
    for number in range(1, 4):
        keys._look(time.time(), PATIENCE)
        assert keys.errors == server.session_stats()["store_errors"] == number
    logging.getLogger("puretls").warning("the last")  # it has said one thing, and is still there
