"""TicketKeys over time: clocks, edges of epochs, a store that is away or has lost what it had."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

import puretls
from puretls import fleet
from support import PATIENCE, until
from support.bios import session_at
from support.both import client_of, server_of
from support.stores import RedisInMemory, resumed


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
