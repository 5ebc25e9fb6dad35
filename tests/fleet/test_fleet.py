"""puretls.fleet: what servers share in a store, and that nothing the store does is felt by a client."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import puretls
import puretls.asyncio
from puretls import fleet
from puretls.fleet import calls
from support import free_port, until
from support.bios import join, session_at
from support.both import V12, V13, client_of, only, server_of
from support.stores import RedisInMemory, resumed

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


PATIENT = 5.0  # seconds: where the time-out is not what is tried, a busy machine is not to be


def servers_of(pki: Any, client: Any, count: int = 2, timeout: float = PATIENT, **options: Any) -> list[Any]:
    """So many, each with objects of its own, as in processes of their own."""
    found = []
    for _ in range(count):
        server = server_of(puretls, pki)
        server.set_ticket_keys(fleet.TicketKeys(client, timeout=timeout, **options))
        server.session_store = fleet.Sessions(client, timeout=timeout)
        found.append(server)
    return found


# Keys


@each_version
def test_keys_are_made_by_whoever_comes_first(version, pki):
    client, (one, two) = client_of(puretls, pki), servers_of(pki, RedisInMemory())
    only(version, client)
    assert resumed(client, two, session_at(client, one))
    assert resumed(client, one, session_at(client, two))


def test_the_first_ticket_of_a_worker_is_everybodys(pki):
    """In an event loop, too, where no handshake may wait for keys."""

    async def main() -> None:
        client, (one, two) = client_of(puretls, pki), servers_of(pki, RedisInMemory())
        assert resumed(client, two, session_at(client, one))

    asyncio.run(main())


def test_keys_are_read_once_a_minute_at_most(pki, monkeypatch):
    store, client = RedisInMemory(), client_of(puretls, pki)
    (server,) = servers_of(pki, store, 1)
    session_at(client, server)
    began = len(store.calls)
    for _ in range(20):
        assert resumed(client, server, session_at(client, server))
    assert len(store.calls) == began
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 61)
    session_at(client, server)
    until(lambda: len(store.calls) > began, "the store")


def test_a_clock_that_is_ahead_and_keys_that_change(pki, monkeypatch):
    """Half a minute apart, keys of five seconds."""
    client, (one, two) = client_of(puretls, pki), servers_of(pki, RedisInMemory(), rotate=5)
    began = time.time()
    session_at(client, two)
    for moment in range(0, 60, 7):
        monkeypatch.setattr(time, "time", lambda moment=moment: began + moment + 30)
        session = session_at(client, one)
        monkeypatch.setattr(time, "time", lambda moment=moment: began + moment)
        session._session.time -= 30  # the client's clock is that of the second
        assert resumed(client, two, session)


def test_a_store_that_has_come_back_empty_gets_the_keys_back(pki, monkeypatch):
    store, client = RedisInMemory(), client_of(puretls, pki)
    (one,) = servers_of(pki, store, 1)
    session = session_at(client, one)
    kept = dict(store.kept)
    store.kept.clear()
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 61)
    session_at(client, one)
    until(lambda: store.kept == kept, "the store")
    assert resumed(client, servers_of(pki, store, 1)[0], session)


def test_without_a_store_from_the_start(pki):
    """A server has keys of its own, and asks again in a second."""
    store, client = RedisInMemory(), client_of(puretls, pki)
    store.before = raising(OSError("away"))
    one, two = servers_of(pki, store)
    assert resumed(client, one, session_at(client, one))
    assert not resumed(client, two, session_at(client, one))
    assert len(store.calls) <= 4


def test_a_client_without_mget(pki):
    class Less(RedisInMemory):
        mget = property()  # type: ignore[assignment]  # AttributeError

    client, (one, two) = client_of(puretls, pki), servers_of(pki, Less())
    assert resumed(client, two, session_at(client, one))


def test_what_ticket_keys_take():
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="rotate"):
            fleet.TicketKeys(RedisInMemory(), rotate=wrong)
    with pytest.raises(ValueError, match="timeout"):
        fleet.Sessions(RedisInMemory(), timeout=0)
    keys = fleet.TicketKeys(RedisInMemory())
    secret = keys.secret(int(time.time() // 3600), time.time())
    assert secret is not None
    assert len(secret) == 32
    assert secret.hex() not in repr(keys)


def test_a_secret_of_a_source_that_is_too_short_is_none(pki, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: told.append(args.exc_value))
    source = type("Source", (), {"rotate": 60, "secret": lambda *_: b"short"})()
    server, client = server_of(puretls, pki), client_of(puretls, pki)
    server.set_ticket_keys(source)
    assert resumed(client, server, session_at(client, server))
    assert isinstance(told[0], ValueError)


# Sessions


@each_version
def test_sessions_of_one_are_found_by_another(version, pki):
    store, client = RedisInMemory(), client_of(puretls, pki)
    only(version, client)
    one, two = servers_of(pki, store)
    for server in (one, two):
        server.options |= puretls.OP_NO_TICKET
    session = session_at(client, one)
    assert any(name.startswith("tls:session:") for name in store.kept)
    assert resumed(client, two, session)
    assert resumed(client, one, session) == (version == V12)
    assert two.session_stats()["hits_store"] == 1


def test_tickets_are_good_once_in_all_of_the_fleet(pki):
    store, client = RedisInMemory(), client_of(puretls, pki)
    one, two = servers_of(pki, store)
    for server in (one, two):
        server.single_use_tickets = fleet.AntiReplay(store, timeout=PATIENT)
    session = session_at(client, one)
    assert resumed(client, two, session)
    assert not resumed(client, one, session)
    assert one.session_stats()["replays"] == 1


# A store that does not do what it should

FAULTS = {
    "refuses": raising(ConnectionRefusedError("nobody there")),
    "another's error": raising(type("RedisError", (Exception,), {})("OOM command not allowed")),
    "hangs": lambda: time.sleep(0.4),
    "exits": raising(SystemExit(1)),
}


@each_version
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", ["tickets", "store", "once"])
def test_whatever_the_store_does_no_handshake_fails(version, fault, way, pki):
    store, client = RedisInMemory(), client_of(puretls, pki)
    only(version, client)
    timeout = calls.TIMEOUT if fault == "hangs" else PATIENT
    one, two = servers_of(pki, store, timeout=timeout)
    for server in (one, two):
        server.options |= puretls.OP_NO_TICKET if way == "store" else 0
        server.single_use_tickets = fleet.AntiReplay(store, timeout=timeout) if way == "once" else None
    session = session_at(client, one)
    join(client, two).ok()
    store.before = FAULTS[fault]
    for server in (one, two):
        join(client, server, session=session).ok()
    store.before = lambda: None
    session = session_at(client, one)
    if fault == "hangs":  # it is asked again by and by
        clock = time.monotonic() + 20
        while not resumed(client, two, session_at(client, one)):
            assert time.monotonic() < clock
            time.sleep(0.1)
    else:
        assert resumed(client, two, session_at(client, one))


def test_a_store_that_hangs_is_left_alone_for_a_second(pki):
    """A hundred handshakes: those that waited are a few, and no thread is started for each."""
    store, client = RedisInMemory(), client_of(puretls, pki)
    released = threading.Event()
    (server,) = servers_of(pki, store, 1, timeout=calls.TIMEOUT)
    server.options |= puretls.OP_NO_TICKET
    session_at(client, server)
    before, began = threading.active_count(), len(store.calls)
    store.before = lambda: released.wait(20)
    cpu, clock = time.process_time(), time.monotonic()
    for _ in range(100):
        join(client, server).ok()
    waited = (time.monotonic() - clock) - (time.process_time() - cpu)
    asked = len(store.calls) - began
    released.set()
    assert asked <= 2 + waited / calls.TIMEOUT
    assert asked < 50
    assert threading.active_count() <= before + calls.MOST_THREADS
    assert server.session_stats()["store_errors"] >= 100


def test_in_an_event_loop_nobody_waits(pki):
    """A store that hangs: futures end in time, and the loop goes on meanwhile."""
    store, server, client = RedisInMemory(), server_of(puretls, pki), client_of(puretls, pki)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = fleet.Sessions(store)
    released = threading.Event()
    store.before = lambda: released.wait(20)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async def main() -> list[bytes]:
        ticking = asyncio.ensure_future(tick())
        listening = await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]

        async def visit() -> bytes:
            reader, writer = await puretls.asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname="localhost"
            )
            data = await reader.read()
            writer.close()
            return data

        answers = await asyncio.gather(*(visit() for _ in range(20)))
        listening.close()
        ticking.cancel()
        return answers

    try:
        assert asyncio.run(main()) == [b"hello"] * 20
    finally:
        released.set()
    assert ticks > 3
    assert server.session_stats()["store_errors"] >= 20


def test_a_client_of_asyncio(pki):
    class Awaited(RedisInMemory):
        async def set(self, *args: Any, **named: Any) -> Any:  # type: ignore[override]
            return super().set(*args, **named)

        async def getdel(self, name: str) -> Any:  # type: ignore[override]
            return super().getdel(name)

    store, server = Awaited(), server_of(puretls, pki)
    with pytest.raises(TypeError, match="asyncio"):
        fleet.TicketKeys(store)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = fleet.Sessions(store)
    once = fleet.AntiReplay(store)

    async def main() -> list[Any]:
        return [
            await once.first(b"key", 60), await once.first(b"key", 60),
            await server.session_store.put(b"id", b"value", 60), await server.session_store.take(b"id"),
            await server.session_store.take(b"id"),
        ]  # fmt: skip

    assert asyncio.run(main()) == [True, False, True, b"value", None]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork_the_child_has_threads_of_its_own(pki):
    store, client = RedisInMemory(), client_of(puretls, pki)
    (server,) = servers_of(pki, store, 1)
    server.options |= puretls.OP_NO_TICKET
    assert resumed(client, server, session_at(client, server))
    child = os.fork()
    if not child:
        status = 1
        try:
            status = not resumed(client, server, session_at(client, server))
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


# The real one


@each_version
@pytest.mark.parametrize("stateful", [False, True], ids=["tickets", "store"])
@pytest.mark.parametrize("given", ["address", "client"])
@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_with_redis(library, given, version, stateful, pki, store, monkeypatch):
    """Over either library, whether it is ours to choose or the program's."""
    module = pytest.importorskip(library)
    monkeypatch.setitem(sys.modules, {"redis": "valkey", "valkey": "redis"}[library], None)  # not installed
    at = store.address
    if given == "client":
        at = getattr(module, library.title()).from_url(at, socket_timeout=PATIENT)
    client, servers = client_of(puretls, pki), servers_of(pki, at)
    assert type(servers[0].session_store._calls.crew().client).__module__.startswith(f"{library}.")
    only(version, client)
    for server in servers:
        server.options |= puretls.OP_NO_TICKET if stateful else 0
        server.single_use_tickets = fleet.AntiReplay(store.client(), timeout=PATIENT)
    session = session_at(client, servers[0])
    assert resumed(client, servers[1], session)
    assert resumed(client, servers[0], session) == (version == V12)
    assert all(0 < store.client().ttl(name) <= 90000 for name in store.client().keys("*"))


@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_a_cluster(library, pki, store):
    """Keys that hash anywhere: no call names two that hash to different places, which a cluster would refuse."""
    module = pytest.importorskip(f"{library}.cluster")
    store.kill()
    bus = ("--cluster-port", str(free_port()))
    store.start("--cluster-enabled", "yes", "--cluster-config-file", f"{library}.conf", *bus)
    store.client().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    until(lambda: store.client().cluster("info")["cluster_state"] == "ok", "the cluster")
    cluster = getattr(module, f"{library.title()}Cluster")(host="127.0.0.1", port=store.port)
    client, servers = client_of(puretls, pki), servers_of(pki, cluster, rotate=60)
    for server in servers:
        server.single_use_tickets = fleet.AntiReplay(cluster, timeout=PATIENT)
    assert len({store.client().cluster("keyslot", name) for name in store.client().keys("tls:key:*")}) > 1
    session = session_at(client, servers[0])
    assert resumed(client, servers[1], session)
    assert not resumed(client, servers[0], session)
    for server in servers:
        server.options |= puretls.OP_NO_TICKET
    assert resumed(client, servers[1], session_at(client, servers[0]))
    assert [server.session_stats()["store_errors"] for server in servers] == [0, 0]


@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_redis_is_killed_hung_full_and_empty(library, pki, store, monkeypatch):
    """No handshake fails, and by and by clients resume again."""
    pytest.importorskip(library)
    monkeypatch.setitem(sys.modules, {"redis": "valkey", "valkey": "redis"}[library], None)
    client, servers = client_of(puretls, pki), servers_of(pki, store.address, timeout=0.2)
    for server in servers:
        server.options |= puretls.OP_NO_TICKET

    def recovers() -> None:
        deadline = time.monotonic() + 20
        while not resumed(client, servers[1], session_at(client, servers[0])):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    recovers()
    for fault, repair in (
        (store.kill, store.start),
        (store.hang, store.go_on),
        (lambda: store.client().config_set("maxmemory", 1), lambda: store.client().config_set("maxmemory", 0)),
        (lambda: store.client().flushall(), lambda: None),
    ):
        session = session_at(client, servers[0])
        fault()
        for server in (*servers, *servers):
            join(client, server, session=session).ok()
        repair()
        recovers()
