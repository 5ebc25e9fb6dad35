"""Sessions that servers share: what a resumed handshake takes, by what is shared; over a redis-server of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import shake

HAS_REDIS = find_spec("redis") is not None and shutil.which("redis-server") is not None
CALLS = 300  # of the store, for what one takes


@contextmanager
def redis_server() -> Iterator[str]:
    """One that nobody else has: its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            for _ in range(500):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


class Capacity(NamedTuple):
    """What one store is good for, of one kind of call."""

    calls: float  # in a second of one core of the store's
    bytes: float  # in its memory for each, if it leaves something there


SEALED = 200  # bytes of a session that is sealed: 185, and of one with a client certificate 1,000 and more
NAME = "0" * 52 + "__rand_int__"  # as long as ours, which are 64 digits
COMMANDS = {
    "put": ("SET", f"tls:session:{NAME}", "x" * SEALED, "EX", "7200"),
    "take": ("GETDEL", f"tls:session:{NAME}"),
    "first": ("SET", f"tls:once:{NAME}", "1", "NX", "PX", "7200000"),
}


def capacity(address: str, count: int = 50_000) -> dict[str, Capacity]:
    """By redis-benchmark, 50 clients of which each waits for its answer; by the time that it has spent itself."""
    import redis

    port, found = address.rpartition(":")[2].partition("/")[0], {}
    client = redis.Redis(port=int(port))

    def spent() -> tuple[float, int, int]:
        about = client.info()
        return about["used_cpu_user"] + about["used_cpu_sys"], about["used_memory"], client.dbsize()

    for name, command in COMMANDS.items():
        began, before, keys = spent()
        subprocess.run(
            ["redis-benchmark", "-p", port, "-n", str(count), "-c", "50", "-r", "1000000000", "-q", *command],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        ended, after, more = spent()
        found[name] = Capacity(count / (ended - began), (after - before) / (more - keys) if more > keys else 0.0)
    return found


def fleet(library: Any, files: Files, case: Case, count: int) -> tuple[float, ...]:
    """Resumed handshakes in a second by the clock, both ends in this process: with own tickets, shared ones, and on."""
    with redis_server() as address:
        return tuple(count / _seconds(library, files, case, count, how, address) for how in HOW)


HOW = ("own", "shared", "once", "store")


def _seconds(library: Any, files: Files, case: Case, count: int, how: str, address: str) -> float:
    from puretls import fleet

    tls = library.module
    client = library.context(files, case, server=False)
    servers = [library.context(files, case, server=True) for _ in range(2)]
    for server in servers:
        if how != "own":
            server.set_ticket_keys(fleet.TicketKeys(address))
        if how == "once":
            server.single_use_tickets = fleet.AntiReplay(address, timeout=1)
        if how == "store":
            server.options |= tls.OP_NO_TICKET
            server.session_store = fleet.Sessions(address, timeout=1)
    session, began = None, 0.0
    for number in range(-6, count):
        if not number:
            began = time.perf_counter()
        side = library.side(client, server=False, session=session)
        other = library.side(servers[0 if how == "own" else number % 2], server=True)
        shake(side, other)
        other.write(b"x")
        side.give(other.take())
        side.read(1)
        session = side.session()
    seconds = time.perf_counter() - began
    if not side.resumed():
        raise RuntimeError(f"{how}: not resumed")
    return seconds


def cost_of_a_call(address: str) -> dict[str, float]:
    """Seconds that each operation of the fleet's objects takes here, one after the other."""
    from puretls import fleet

    sessions, once = fleet.Sessions(address, timeout=1), fleet.AntiReplay(address, timeout=1)
    ids = [number.to_bytes(32, "big") for number in range(CALLS)]
    operations = {
        "put": lambda one: sessions.put(one, bytes(600), 7200),
        "get": sessions.get,
        "take": sessions.take,
        "first": lambda one: once.first(one, 7200),
    }
    found = {}
    for name, operation in operations.items():
        began = time.perf_counter()
        for one in ids:
            operation(one)
        found[name] = (time.perf_counter() - began) / CALLS
    return found
