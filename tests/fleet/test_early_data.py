"""One recorded flight of early data, sent a thousand times to four processes at once: it is taken once, or never."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

import puretls.asyncio
from puretls import fleet
from support import PATIENCE, Pki
from support.bios import session_at

SERVER = Path(__file__).parent / "early_server.py"
TIMES = 1000
AT_ONCE = 16

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@contextmanager
def serving(pki: Pki, how: str, workers: int, taken: Path) -> Iterator[list[int]]:
    """The ports of so many processes, the first of which has not served anybody, and the others are not there yet."""
    argv = (sys.executable, SERVER, pki.chain("P-256"), pki.key("P-256"), how, workers, taken)
    process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout
        yield list(map(int, process.stdout.readline().split()))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def first_visit(context: Any, port: int) -> Any:
    """The session that it leaves."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with context.wrap_socket(sock, server_hostname="localhost") as tls:
        assert tls.recv(100) == b"welcome"
        return tls.session


def recorded(context: Any, session: Any) -> bytes:
    """What a client sends at first."""
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
    assert client.write_early_data(b"an order") == 8
    return bytes(outgoing.read())


def send(port: int, flight: bytes) -> bytes:
    """The flight, and what is said to it until the connection ends."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        sock.sendall(flight)
        sock.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while piece := sock.recv(1 << 16):
                answer += piece
    return answer


@pytest.mark.parametrize(
    ("how", "shapes", "times"),
    [
        ("own", (4,), 1),  # a parent, and three that it has forked after it had made the ticket
        ("own", (2, 2), 1),
        ("secret", (2, 2), 0),  # nobody remembers for all
        ("store", (2, 2), 1),
        ("store", (4,), 1),
    ],
    ids=["forked", "forked, and others", "shared keys without a store", "a store", "a store, forked"],
)
def test_a_flight_is_taken_once(
    how: str, shapes: tuple[int, ...], times: int, pki: Pki, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("store").address if how == "store" else how
    taken = tmp_path / "taken"
    taken.touch()
    context = puretls.create_default_context(cafile=pki.ca)
    context.max_early_data = 1000
    with ExitStack() as stack:
        groups = [stack.enter_context(serving(pki, address, workers, taken)) for workers in shapes]
        sessions = [first_visit(context, ports[0]) for ports in groups]
        assert sessions[0].max_early_data == (1000 if how != "secret" else 0)
        if how == "secret":  # of another server, which does have a store
            sessions[0] = of_another_server(context, pki)
        ports = [port for ports in groups for port in ports]
        assert len(ports) == 4
        flight = recorded(context, sessions[0])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(send, ports * (TIMES // len(ports)), [flight] * TIMES))
        assert all(answers), "each had its handshake begun"
    assert taken.stat().st_size == times


def of_another_server(context: Any, pki: Pki) -> Any:
    """A session that allows early data, under the keys that the servers share."""
    server = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.max_early_data = 1000
    server.set_ticket_secret(b"what the servers of this test share")
    server.anti_replay = Everything()
    return session_at(context, server)


class Everything:
    """Who finds that all is new."""

    def first(self, _: bytes, __: float) -> bool:
        return True


# What the store does


def first_flight(context: Any, server: Any) -> bytes:
    return recorded(context, session_at(context, server))


def taken_of(server: Any, flight: bytes) -> bytes:
    """The early data that a server takes of it; its handshake goes on in any case."""
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    obj = server.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(flight)
    data = b""
    with suppress(puretls.SSLWantReadError):
        while piece := obj.read_early_data():
            data += piece
    assert outgoing.read()
    return data


def contexts(pki: Pki, address: str, timeout: float = 5) -> tuple[Any, Any]:
    client = puretls.create_default_context(cafile=pki.ca)
    server = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    client.max_early_data = server.max_early_data = 1000
    server.set_ticket_secret(b"what the servers of this test share")
    server.anti_replay = fleet.AntiReplay(address, timeout=timeout)
    return client, server


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_a_store_that_does_not_answer_costs_early_data_and_nothing_else(how: str, pki: Pki, store: Any) -> None:
    client, server = contexts(pki, store.address, 0.05)
    flights = [first_flight(client, server) for _ in range(3)]
    (store.kill if how == "killed" else store.hang)()
    try:
        assert [taken_of(server, flight) for flight in flights[:2]] == [b"", b""]
    finally:
        store.start() if how == "killed" else store.go_on()
    assert server.session_stats()["store_errors"] == 2
    other = contexts(pki, store.address)[1]
    assert [taken_of(other, flights[2]) for _ in range(2)] == [b"an order", b""]


def test_what_the_store_is_told_and_for_how_long(pki: Pki, store: Any) -> None:
    """The binder, for longer than any server finds it fresh."""
    client, server = contexts(pki, store.address)
    flight = first_flight(client, server)
    assert taken_of(server, flight) == b"an order"
    (name,) = store.client().keys()
    assert 20_000 < store.client().pttl(name) <= 80_000
    assert flight.find(bytes.fromhex(name.decode().rpartition(":")[2])) > 0, "the binder, and nothing else of it"


class FleetTaker(asyncio.Protocol):
    """A server's protocol in an event loop."""

    taken: ClassVar[list[bytes]] = []

    def early_data_received(self, data: bytes) -> None:
        self.taken.append(data)


def test_in_an_event_loop_the_store_is_awaited(pki: Pki, store: Any) -> None:
    client, server = contexts(pki, store.address)
    flight = first_flight(client, server)
    FleetTaker.taken.clear()

    async def visit(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(flight)
        answer = await reader.read(1)  # so it has been decided
        writer.close()
        return answer

    async def work() -> None:
        listening = await puretls.asyncio.create_server(FleetTaker, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        assert all(await asyncio.gather(*[visit(port) for _ in range(20)]))
        listening.close()

    asyncio.run(work())
    assert FleetTaker.taken == [b"an order"]
    assert server.session_stats()["replays"] == 19
