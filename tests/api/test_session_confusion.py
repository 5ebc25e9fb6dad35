"""The three faults of one kind, as they were found elsewhere: a session opens a door that a full handshake does not.

nginx CVE-2025-23419, httpd CVE-2025-23048 and Go CVE-2025-68121, each by two contexts and SNI, in whatever sessions are
kept: tickets under keys that both have, or under the listening context's own, a store of both, a cache of ids.
"""

from __future__ import annotations

from typing import Any

import pytest

import puretls
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only
from support.stores import RedisInMemory

OPEN, CLOSED = "open.test", "closed.test"  # the names of the two doors


class InMemory(RedisInMemory):
    """A session_store."""

    def put(self, id: bytes, value: bytes, seconds: int) -> None:  # noqa: A002
        self.set(id.hex(), value, ex=seconds)

    def get(self, id: bytes) -> bytes | None:  # type: ignore[override]  # noqa: A002
        return super().get(id.hex())

    def take(self, id: bytes) -> bytes | None:  # noqa: A002
        return self.getdel(id.hex())


def keys(context: Any, _: Any) -> None:
    context.set_ticket_keys([b"k" * 32])


def secret(context: Any, _: Any) -> None:
    context.set_ticket_secret(b"k" * 32)


def own_tickets(*_: Any) -> None:
    """Those of the context that listens."""


def store(context: Any, kept: Any) -> None:
    keys(context, kept)
    context.options |= puretls.OP_NO_TICKET
    context.session_store = kept


def ids(context: Any, _: Any) -> None:
    context.options |= puretls.OP_NO_TICKET


each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
each_way = pytest.mark.parametrize("share", [keys, secret, own_tickets, store, ids])


def door(pki: Any, ca: Any = None) -> Any:
    """Open to all, or to who has a certificate of this CA."""
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_mode = puretls.CERT_REQUIRED
    return context


class House:
    """One context listens, and the name, or what is said of the day, chooses the door."""

    def __init__(self, front: Any, doors: dict[str, Any], share: Any) -> None:
        self.front, kept = front, InMemory()
        for context in (front, *doors.values()):
            share(context, kept)
        self.doors, self.today = doors, ""
        front.sni_callback = self.choose

    def choose(self, conn: Any, name: str | None, _: Any) -> None:
        conn.context = self.doors[self.today or name or ""]


def visit(client: Any, house: House, name: str, session: Any = None) -> ObjectPair:
    """With a session, whatever name that is of: a client that means no good does not look at it."""
    if session is not None:
        session._session.server_name = name
    pair = join(client, house.front, host=name, session=session).shake()
    if pair.server.done:
        pair.ok()
    return pair


def stranger(pki: Any, version: Any, identity: str = "") -> Any:
    """A client that does not care who answers."""
    client = client_of(puretls, pki, identity=identity)
    client.check_hostname = False
    only(version, client)
    return client


def gets_in(pair: ObjectPair) -> bool:
    return bool(pair.server.done)


def check(client: Any, house: House, first: str, second: str, *, today: str = "") -> None:
    """A session of the first is good there, and nothing at the second, whether by that name or by the first one."""

    def session() -> Any:
        return visit(client, house, first).ok().client.obj.session

    assert visit(client, house, first, session()).server.obj.session_reused
    mine = session()
    house.today = today
    full = visit(client, house, second)
    again = visit(client, house, second, mine)
    assert gets_in(full) == gets_in(again) is False
    assert str(full.server.error) == str(again.server.error)
    assert full.server.error.reason in ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED")


@each_version
@each_way
@pytest.mark.parametrize("listening", [OPEN, "neither"])
def test_nginx_cve_2025_23419(version, share, listening, pki):
    """Two server blocks on one address, one of which wants certificates: a session of the other got in without."""
    client = stranger(pki, version)
    for second, today in ((CLOSED, ""), (OPEN, CLOSED)):
        doors = {OPEN: door(pki), CLOSED: door(pki, pki.ca)}
        check(client, House(doors.get(listening) or door(pki), doors, share), OPEN, second, today=today)


@each_version
@each_way
@pytest.mark.parametrize("listening", [OPEN, CLOSED, "neither"])
def test_httpd_cve_2025_23048(version, share, listening, pki):
    """Two virtual hosts that trust different CAs: a client of one got into the other by resumption."""
    client = stranger(pki, version, "client")
    for second, today in ((CLOSED, ""), (OPEN, CLOSED)):
        doors = {OPEN: door(pki, pki.ca), CLOSED: door(pki, pki.other_ca)}
        check(client, House(doors.get(listening) or door(pki), doors, share), OPEN, second, today=today)


@each_version
@each_way
def test_go_cve_2025_68121(version, share, pki):
    """A configuration made for each connection, whose CAs have changed since the session was made."""
    client = stranger(pki, version, "client")
    house = House(door(pki, pki.ca), {OPEN: door(pki, pki.ca)}, share)
    trusted, kept = [pki.ca], InMemory()

    def make(conn: Any, _name: str, _context: Any) -> None:
        fresh = door(pki, trusted[0])
        share(fresh, kept)
        conn.context = fresh

    house.front.sni_callback = make
    session = visit(client, house, OPEN).ok().client.obj.session
    again = visit(client, house, OPEN, session)
    assert again.server.obj.session_reused
    session = again.client.obj.session
    trusted[0] = pki.other_ca
    for pair in (visit(client, house, OPEN), visit(client, house, OPEN, session)):
        assert not gets_in(pair)
        assert pair.server.error.reason == "CERTIFICATE_VERIFY_FAILED"
