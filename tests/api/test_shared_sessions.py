"""Servers that share keys of tickets, or a store of sessions; and that no session opens a door that another would not.

nginx CVE-2025-23419, httpd CVE-2025-23048 and Go CVE-2025-68121 are one fault: a session that was made under one policy
was resumed under another that shares its keys.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import puretls
import puretls.asyncio
from support.bios import ObjectPair, join, session_at
from support.both import V12, V13, client_of, only, server_of

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
KEY, OTHER = b"k" * 32, b"o" * 48


def resumed(client: Any, server: Any, session: Any = None) -> bool:
    pair = join(client, server, session=session).ok()
    assert pair.client.obj.session_reused == pair.server.obj.session_reused
    return bool(pair.client.obj.session_reused)


class CountingStore:
    """A store in memory that counts what it is asked for."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.asked: list[tuple[str, bytes]] = []
        self.seconds: list[float] = []

    def put(self, id: bytes, value: bytes, seconds: int) -> None:  # noqa: A002
        self.kept[id] = value
        self.seconds.append(seconds)

    def get(self, id: bytes) -> bytes | None:  # noqa: A002
        self.asked.append(("get", id))
        return self.kept.get(id)

    def take(self, id: bytes) -> bytes | None:  # noqa: A002
        self.asked.append(("take", id))
        return self.kept.pop(id, None)


SHARING = {
    "set_ticket_keys": lambda server: server.set_ticket_keys([KEY]),
    "set_ticket_secret": lambda server: server.set_ticket_secret(KEY, rotate=60),
}


# Keys


@each_version
@pytest.mark.parametrize("share", SHARING)
def test_what_one_server_has_begun_another_goes_on_with(version, share, pki):
    client, servers = client_of(puretls, pki), [server_of(puretls, pki) for _ in range(2)]
    only(version, client)
    session = session_at(client, servers[0])
    assert not resumed(client, servers[1], session)  # each has keys of its own
    for server in servers:
        SHARING[share](server)
    for first, second in (servers, servers[::-1]):
        assert resumed(client, second, session_at(client, first))
    stats = servers[1].session_stats()
    assert (stats["hits"], stats["hits_tickets"], stats["store_errors"]) == (1, 1, 0)


@each_version
def test_the_first_key_seals_and_all_open(version, pki):
    client, servers = client_of(puretls, pki), [server_of(puretls, pki) for _ in range(2)]
    only(version, client)
    servers[0].set_ticket_keys([OTHER, KEY])
    servers[1].set_ticket_keys([KEY, OTHER])
    assert resumed(client, servers[1], session_at(client, servers[0]))
    assert resumed(client, servers[0], session_at(client, servers[1]))
    session = session_at(client, servers[0])  # under OTHER
    servers[1].set_ticket_keys([KEY])  # which is gone
    assert not resumed(client, servers[1], session)
    servers[1].set_ticket_keys([KEY, OTHER])  # at any time
    assert resumed(client, servers[1], session)


def test_back_to_own_keys(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    before = set(server.session_stats())
    session = session_at(client, server)
    server.set_ticket_keys([KEY])
    assert set(server.session_stats()) > before
    assert not resumed(client, server, session)
    server.set_ticket_keys(None)
    assert resumed(client, server, session)
    assert set(server.session_stats()) == before  # what `ssl` counts, and no more


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([], ValueError), ([b"x" * 31], ValueError), ([KEY, b""], ValueError), (KEY, TypeError), (7, TypeError),
        (["k" * 32], TypeError),
    ],
)  # fmt: skip
def test_keys_that_are_none(keys, error, pki):
    server = server_of(puretls, pki)
    with pytest.raises(error):
        server.set_ticket_keys(keys)
    with pytest.raises(ValueError, match="for servers"):
        client_of(puretls, pki).set_ticket_keys([KEY])


def test_secrets_that_are_none(pki):
    server = server_of(puretls, pki)
    for secret, rotate in ((b"x" * 31, 60), (KEY, 0), (KEY, -1), (KEY, float("nan")), (KEY, float("inf"))):
        with pytest.raises(ValueError, match=r"bytes or more|1 second"):
            server.set_ticket_secret(secret, rotate=rotate)
    with pytest.raises(TypeError):
        server.set_ticket_secret(KEY, rotate="60")
    with pytest.raises(ValueError, match="for servers"):
        client_of(puretls, pki).set_ticket_secret(KEY)


@each_version
@pytest.mark.parametrize("skew", [-30, 0, 30])
@pytest.mark.parametrize("rotate", [1, 7, 3600])
def test_clocks_may_differ_and_keys_change(version, skew, rotate, pki, monkeypatch):
    """Sealed by one server, opened by another whose clock is half a minute off, at any moment of an epoch."""
    client, servers = client_of(puretls, pki), [server_of(puretls, pki) for _ in range(2)]
    only(version, client)
    for server in servers:
        server.set_ticket_secret(KEY, rotate=rotate)
    began = time.time() // 3600 * 3600
    for moment in (0, 1, 1799, 3599):
        now = began + moment
        monkeypatch.setattr(time, "time", lambda now=now: now)
        session = session_at(client, servers[0])
        handshake = join(client, servers[1], session=session)
        handshake.client.shake()
        handshake.move()  # the ClientHello is the client's, by its clock; what follows is by the other server's
        monkeypatch.setattr(time, "time", lambda now=now: now + skew)
        assert handshake.ok().server.obj.session_reused


def test_a_ticket_under_a_derived_key_lives_as_long_as_others(pki, monkeypatch):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    server.set_ticket_secret(KEY, rotate=10)
    began = time.time()
    session = session_at(client, server)
    monkeypatch.setattr(time, "time", lambda: began + 7190)
    assert resumed(client, server, session)
    monkeypatch.setattr(time, "time", lambda: began + 7300)
    assert not resumed(client, server, session)


class SecretSource:
    """Secrets of epochs that are not always to be had."""

    rotate = 10.0

    def __init__(self) -> None:
        self.known: dict[int, bytes] = {}
        self.away = False
        self.asked = 0

    def secret(self, epoch: int, now: float) -> bytes | None:
        del now
        self.asked += 1
        return None if self.away else self.known.setdefault(epoch, os.urandom(32))


def test_the_last_known_keys_while_the_source_is_away(pki, monkeypatch):
    client, servers, source = client_of(puretls, pki), [server_of(puretls, pki) for _ in range(2)], SecretSource()
    for server in servers:
        server.set_ticket_keys(source)
    assert resumed(client, servers[1], session_at(client, servers[0]))
    source.away = True
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 100)
    assert resumed(client, servers[1], session_at(client, servers[0]))
    late = server_of(puretls, pki)
    late.set_ticket_keys(source)  # has never seen one: its own go on
    assert resumed(client, late, session_at(client, late))
    assert not resumed(client, servers[0], session_at(client, late))
    source.away = False
    assert resumed(client, servers[0], session_at(client, late))


def test_whoever_names_keys_at_random_costs_little(pki):
    """A name outside of what may be alive asks nobody, and derives nothing."""
    server, source = server_of(puretls, pki), SecretSource()
    server.set_ticket_keys(source)
    tickets = server._settings.sessions.tickets
    for number in range(1000):
        assert tickets.open(number.to_bytes(4, "big") + os.urandom(200), time.time()) is None
    assert source.asked == 0


# Whom a session lets in


def strict(pki: Any, ca: Any) -> Any:
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.load_verify_locations(ca)
    server.verify_mode = puretls.CERT_REQUIRED
    return server


DOORS = {
    "no client certificates": lambda pki: server_of(puretls, pki),
    "optional": lambda pki: server_of(puretls, pki, asks=puretls.CERT_OPTIONAL),
    "one CA": lambda pki: strict(pki, pki.ca),
    "another CA": lambda pki: strict(pki, pki.other_ca),
    "another word": lambda pki: _with(strict(pki, pki.ca), session_id_context=b"admin"),
    "CRLs": lambda pki: _with(strict(pki, pki.ca), verify_flags=puretls.VERIFY_CRL_CHECK_LEAF),
}


def _with(server: Any, **settings: Any) -> Any:
    for name, value in settings.items():
        setattr(server, name, value)
    return server


@each_version
@pytest.mark.parametrize("way", ["tickets", "store", "sni"])
@pytest.mark.parametrize("identity", ["", "client"])
@pytest.mark.parametrize("entrance", DOORS)
@pytest.mark.parametrize("exit_", DOORS)
def test_no_session_of_one_door_opens_another(version, way, identity, entrance, exit_, pki):
    """Same keys, same name: what a full handshake at the second door says, a session of the first does not change."""
    store = CountingStore()
    doors = [DOORS[name](pki) for name in (entrance, exit_)]
    for door in doors:
        door.set_ticket_keys([KEY])
        if way == "store":
            door.options |= puretls.OP_NO_TICKET
            door.session_store = store
    client = client_of(puretls, pki, identity=identity)
    only(version, client)

    def at(door: Any, session: Any = None) -> ObjectPair:
        if way == "sni":
            front = server_of(puretls, pki)
            front.set_ticket_keys([KEY])
            front.sni_callback = lambda conn, _name, _context: setattr(conn, "context", door)
            return join(client, front, session=session).shake()
        return join(client, door, session=session).shake()

    first = at(doors[0])
    if not first.server.done:
        return  # this client does not even pass the first
    session = first.client.obj.session
    full, short = at(doors[1]), at(doors[1], session)
    assert short.server.done == full.server.done
    assert short.errors == full.errors
    if full.server.done:
        assert short.server.obj.getpeercert(True) == full.server.obj.getpeercert(True)
        if entrance != exit_ and way != "sni" and exit_ != "no client certificates":
            assert not short.server.obj.session_reused


# The store


@each_version
def test_sessions_in_a_store(version, pki):
    store, client = CountingStore(), client_of(puretls, pki)
    only(version, client)
    servers = [server_of(puretls, pki) for _ in range(2)]
    for server in servers:
        server.set_ticket_keys([KEY])
        server.options |= puretls.OP_NO_TICKET
        server.session_store = store
    assert servers[0].session_store is store
    session = session_at(client, servers[0])
    assert all(0 < seconds <= 7200 for seconds in store.seconds)
    assert all(len(one) == 32 for one in store.kept)
    assert resumed(client, servers[1], session)
    assert {what for what, _ in store.asked} == {"take" if version == V13 else "get"}
    assert resumed(client, servers[0], session) == (version == V12)  # once, or as often as one likes
    assert servers[1].session_stats()["hits_store"] == 1
    assert servers[1].session_stats()["number"] == 0


@each_version
def test_the_store_learns_nothing(version, pki):
    store, client = CountingStore(), client_of(puretls, pki, identity="client")
    server = server_of(puretls, pki, asks=puretls.CERT_REQUIRED)
    only(version, client)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = store
    pair = join(client, server).ok()
    kept = b"".join(store.kept.values())
    assert kept
    for secret in (pair.client.obj.session._session.secret, pair.server.obj.getpeercert(True), b"localhost"):
        assert secret not in kept
    a, b = [*store.kept][:2] if version == V13 else ([*store.kept][0], b"")  # noqa: RUF015
    if b:
        store.kept[a], store.kept[b] = store.kept[b], store.kept[a]  # another's value under this id is none
    else:
        store.kept[a] = store.kept[a][:-1] + bytes([store.kept[a][-1] ^ 1])
    assert not resumed(client, server, pair.client.obj.session)


@each_version
def test_ids_that_are_not_ours_never_reach_it(version, pki):
    ours, theirs = CountingStore(), CountingStore()
    client, servers = client_of(puretls, pki), [server_of(puretls, pki) for _ in range(2)]
    only(version, client)
    for server, store in zip(servers, (ours, theirs), strict=True):
        server.options |= puretls.OP_NO_TICKET
        server.session_store = store
    session = session_at(client, servers[0])
    assert not resumed(client, servers[1], session)  # under keys of its own
    assert theirs.asked == []


WRONG = {
    "raises": lambda *_: (_ for _ in ()).throw(OSError("away")),
    "no bytes": lambda *_: "text",
    "nonsense": lambda *_: b"nonsense",
    "empty": lambda *_: b"",
    "cancelled": lambda *_: _cancelled(),
    "fails later": lambda *_: _failed(),
}


def _cancelled() -> Future[Any]:
    future: Future[Any] = Future()
    future.cancel()
    return future


def _failed() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(TimeoutError("away"))
    return future


@each_version
@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("method", ["put", "get", "take"])
def test_whatever_a_store_does_no_handshake_fails(version, how, method, pki):
    store, client, server = CountingStore(), client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = store
    session = session_at(client, server)
    setattr(store, method, WRONG[how])
    join(client, server, session=session).ok()
    join(client, server).ok()
    if how in ("raises", "cancelled", "fails later") and (method == "put" or (method == "get") == (version == V12)):
        assert server.session_stats()["store_errors"] > 0


@each_version
def test_answers_that_come_later(version, pki):
    """A future for blocking callers, and awaitables under puretls.asyncio, which goes on with others meanwhile."""

    class Later(CountingStore):
        def put(self, *arguments: Any) -> Any:
            return self._later(super().put, *arguments)

        def get(self, *arguments: Any) -> Any:
            return self._later(super().get, *arguments)

        def take(self, *arguments: Any) -> Any:
            return self._later(super().take, *arguments)

        async def _later(self, function: Any, *arguments: Any) -> Any:
            await asyncio.sleep(0.001)
            return function(*arguments)

    store, client, server = Later(), client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = store

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"resumed" if writer.get_extra_info("ssl_object").session_reused else b"new")
        await reader.read(1)
        writer.close()

    async def main() -> list[bytes]:
        listening = await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        client.client_session_cache = True
        answers = []
        for _ in range(3):
            reader, writer = await puretls.asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname="localhost"
            )
            answers.append(await reader.read(10))
            writer.close()
        listening.close()
        return answers

    assert asyncio.run(main()) == [b"new", b"resumed", b"resumed"]
    assert server.session_stats()["store_errors"] == 0


@each_version
def test_futures_are_waited_for(version, pki):
    with ThreadPoolExecutor(2) as pool:

        class Later(CountingStore):
            def put(self, *arguments: Any) -> Any:
                return pool.submit(super().put, *arguments)

            def get(self, *arguments: Any) -> Any:
                return pool.submit(super().get, *arguments)

            def take(self, *arguments: Any) -> Any:
                return pool.submit(super().take, *arguments)

        client, server = client_of(puretls, pki), server_of(puretls, pki)
        only(version, client)
        server.options |= puretls.OP_NO_TICKET
        server.session_store = Later()
        assert resumed(client, server, session_at(client, server))
        assert server.session_stats()["store_errors"] == 0


def test_what_a_store_is(pki):
    server = server_of(puretls, pki)
    with pytest.raises(TypeError):
        server.session_store = {}
    with pytest.raises(ValueError, match="for servers"):
        client_of(puretls, pki).session_store = CountingStore()
    server.session_store = None
    with pytest.raises(TypeError):
        server.single_use_tickets = CountingStore()


def test_one_look_up_for_each_hello(pki):
    """However many ids a client names that are ours."""
    store, client, server = CountingStore(), client_of(puretls, pki), server_of(puretls, pki)
    server.options |= puretls.OP_NO_TICKET
    server.session_store = store
    session = session_at(client, server)
    store.kept.clear()
    assert not resumed(client, server, session)
    assert len(store.asked) == 1


# Tickets that are good once


class Once:
    def __init__(self) -> None:
        self.seen: dict[bytes, float] = {}

    def first(self, key: bytes, seconds: float) -> bool:
        return self.seen.setdefault(key, seconds) is seconds


def test_tickets_that_are_good_once(pki):
    client, server, once = client_of(puretls, pki), server_of(puretls, pki), Once()
    server.single_use_tickets = once
    session = session_at(client, server)
    assert resumed(client, server, session)
    assert not resumed(client, server, session)
    assert server.session_stats()["replays"] == 1
    assert all(0 < seconds <= 7300 for seconds in once.seen.values())
    once.first = WRONG["raises"]  # type: ignore[method-assign]
    assert not resumed(client, server, session_at(client, server))
    assert server.session_stats()["store_errors"] == 1


def test_only_the_owner_of_a_ticket_uses_it_up(pki):
    """Who has seen it on the wire cannot prove that it is his."""
    client, server, once = client_of(puretls, pki), server_of(puretls, pki), Once()
    server.single_use_tickets = once
    session = session_at(client, server)
    stolen = client.load_session(session.to_bytes())
    stolen._session.secret = bytes(len(stolen._session.secret))
    pair = join(client, server, session=stolen).shake()
    assert pair.server.error is not None
    assert not once.seen
    assert resumed(client, server, session)
