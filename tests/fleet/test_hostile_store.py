"""A store, or a wire to it, that does its worst: garbage, bytes one by one, no end, other people's values, loud errors.

Between a server and the store there is a wire of ours; what is wrong with it stays wrong for the connections that it
had, so that to recover means to make new ones.
"""

from __future__ import annotations

import asyncio
import logging
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
