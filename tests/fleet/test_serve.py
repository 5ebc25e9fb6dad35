"""`puretls serve --workers N --fleet redis://...`: two of them are one endpoint, whatever the store does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import puretls
from support import PATIENCE, until
from support.both import V12, V13
from support.commands import called
from support.serving import Serving, serve

VISITS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.txt").write_text("hello\n")
    return tmp_path


@pytest.fixture
def machines(folder: Path, store: Any) -> Iterator[list[Serving]]:
    """Two servers that know nothing of each other but the store, of two workers each."""
    with ExitStack() as stack:
        yield [stack.enter_context(serve(folder, "--workers", 2, "--fleet", store.address)) for _ in range(2)]


class Visitor:
    """Comes again and again, to whichever server it is told, with the session of the last visit."""

    def __init__(self, ca: Path, version: Any = V13, *, tickets: bool = True) -> None:
        self.context = puretls.create_default_context(cafile=ca)
        self.context.minimum_version = self.context.maximum_version = version
        if not tickets:
            self.context.options |= puretls.OP_NO_TICKET
        self.session: Any = None

    def visit(self, server: Serving) -> bool:
        with (
            socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw,
            self.context.wrap_socket(raw, server_hostname="localhost", session=self.session) as tls,
        ):
            tls.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := tls.recv(65536):
                answer += data
            assert answer.endswith(b"hello\n")
            self.session = tls.session
            return bool(tls.session_reused)


def test_clients_come_back_to_any_of_them(machines, store):
    """At once, but for a machine that is too busy for time-outs."""
    for version, tickets in ((V13, True), (V12, True), (V12, False)):
        visitor = Visitor(machines[0].ca, version, tickets=tickets)
        assert not visitor.visit(machines[0])
        until(lambda one=visitor: all(one.visit(machines[n % 2]) for n in range(VISITS)), "sessions of the other")
        names = [name.decode() for name in store.client().keys("*")]
        assert any(name.startswith("tls:key:3600:") for name in names)
        assert any(name.startswith("tls:session:") for name in names) == (not tickets)


def test_the_store_is_killed_and_hangs(machines, store):
    """Tickets are as good as before, whoever has none does a full handshake, and all is as before afterwards."""
    with_tickets, without = Visitor(machines[0].ca), Visitor(machines[0].ca, V12, tickets=False)

    def both() -> list[bool]:
        return [visitor.visit(server) for visitor in (with_tickets, without) for server in machines]

    until(lambda: both() == 4 * [True], "sessions of one at the other")
    for fault, repair in ((store.kill, store.start), (store.hang, store.go_on)):
        fault()
        for _ in range(3):
            assert both() == [True, True, False, False]
        repair()
        until(lambda: both() == 4 * [True], "sessions in the store again")


def test_it_says_that_the_store_is_away_and_goes_on(folder, store):
    store.kill()
    with ExitStack() as stack:
        machines = [stack.enter_context(serve(folder, "--workers", 2, "--fleet", store.address)) for _ in range(2)]
        machines[0].wait_for(r"fleet: redis://127.0.0.1:\d+/0 does not answer")
        visitor = Visitor(machines[0].ca)
        assert [visitor.visit(server) for server in machines] == [False, False]
        store.start()
        until(lambda: [visitor.visit(server) for server in machines] == [True, True], "common keys")


def test_a_password_is_not_printed(folder, store, capsys):
    """Neither where all is well, nor in an error."""
    address = store.address.replace("127.0.0.1", ":hunter2@127.0.0.1")
    store.client().config_set("requirepass", "another")
    with serve(folder, "--fleet", f"{address}?password=hunter2") as server:
        server.wait_for(r"fleet: redis://127.0.0.1:\d+/0 does not answer")  # as it has another
        assert "hunter2" not in server.said
    for wrong in ("redis://:hunter2@host:port/0", "http://:hunter2@host/", "://:hunter2", "redis://h:hunter2/0"):
        done = called(capsys, "serve", folder / "www", "--ca", folder / "ca", "--port", 0, "--fleet", wrong)
        assert done.status == 1
        assert "--fleet" in done.err
        assert len(done.err.splitlines()) == 1
        assert "hunter2" not in done.out + done.err
