"""The workloads, one row each: what is measured, in which unit, and the ratio to `ssl` that is aimed for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from benchmarks.loops import HAS_UVLOOP, HAS_WEB
from benchmarks.workers import Pair
from puretls.cli.contenders import Case, Files

HAS_REQUESTS = find_spec("requests") is not None
MB = 1 << 20
LOOP_NAMES = {"asyncio": "asyncio", "uvloop": "asyncio on uvloop"}


class Row(NamedTuple):
    """A line of the table. `measure` gives one or more rates, higher is better, one for each of `kinds`."""

    name: str
    kinds: dict[str, float]  # kind of rate: the ratio to ssl that is aimed for
    unit: str
    measure: Callable[[Pair, Files], tuple[float, ...]]
    without: tuple[str, ...] = ()  # contenders that cannot take part
    itself: bool = False  # the figures are ratios already: ours, not its ratio to ssl's, is what the aim is for
    flat: float = 0.0  # how many times the cost of a unit may grow from one kind to a later one; 0: anything
    every: int = 1  # the kinds that are compared with each other are so many apart
    rounds: int = 1000  # no more than so many


def growth(row: Row, rates: Sequence[float]) -> float:
    """How many times the cost of a unit has grown at most, from any size to a larger one."""
    most = 0.0
    for first in range(row.every):
        best = 0.0
        for rate in rates[first :: row.every]:
            best = max(best, rate)
            most = max(most, best / rate)
    return most


AES128, AES256, CHACHA = Case(), Case(suite="TLS_AES_256_GCM_SHA384"), Case(suite="TLS_CHACHA20_POLY1305_SHA256")
AES128_12 = Case("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
RSA = Case(key="RSA")
MEMORY = ("tcp",)  # everything but sockets
SIMPLE = ("tcp", "pyopenssl")


def bulk(case: Case, size: int, total: int, up: bool, aim: float) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        server, client = pair.both("bulk", files, case, size, total, up)
        return total / 1e6 / max(server.clock, client.clock), total / 1e6 / (server.cpu + client.cpu)

    cipher = case.suite.replace("TLS_", "").replace("_SHA256", "").replace("_SHA384", "").replace("ECDHE-ECDSA-", "")
    way = "up" if up else "down"
    name = f"bulk {size >> 10} KiB, TLS {case.version} {cipher.replace('-SHA256', '').replace('-', '_')}, {way}"
    return Row(name, {"clock": aim, "CPU": aim}, "MB/s", measure)


def handshake(name: str, case: Case, aims: tuple[float, float, float], *, resume: bool = False, count: int = 60) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        client, server = pair.alone("handshakes", files, case, count, resume)
        return count / (client.cpu + server.cpu), count / client.cpu, count / server.cpu

    return Row(name, dict(zip(("both", "client", "server"), aims, strict=True)), "1/s", measure, MEMORY)


def visits(count: int) -> Row:
    """requests, injected, and what sessions bring it: a connection and a context for each request."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        found = [pair.both("visits", files, AES128, count, resume) for resume in (False, True)]
        return tuple(count / (server.cpu + client.cpu) for server, client in found)

    name, kinds = "requests, one server, a connection each", {"full": 0.0, "client_session_cache": 0.0}
    return Row(name, kinds, "1/s", measure, ("tcp", "ssl", "pyopenssl"), itself=True)


def memory(size: int, total: int, aim: float) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        spent = pair.alone("memory", files, AES128, size, total)
        return (spent.number / spent.cpu,)

    return Row(f"MemoryBIO, {called(size)} written and read", {"CPU": aim}, "1/s", measure, MEMORY)


def exchange(name: str, function: str, size: int, count: int, kinds: dict[str, float], without: tuple[str, ...]) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        server, client = pair.both(function, files, AES128, size, count)
        rates = {"clock": count / client.clock, "CPU": count / (server.cpu + client.cpu)}
        return tuple(rates[kind] for kind in kinds)

    return Row(name, kinds, "1/s", measure, without)


def loops(
    name: str, size: int, count: int, aims: dict[str, float], *, connections: int = 1, each: bool = False
) -> list[Row]:
    """Streams in asyncio and in uvloop; CPU of both ends."""

    def row(kind: str, aim: float) -> Row:
        def measure(pair: Pair, files: Files) -> tuple[float, ...]:
            server, client = pair.both("streams", files, AES128, kind, size, count, connections, each)
            return (count / (server.cpu + client.cpu),)

        return Row(f"{LOOP_NAMES[kind]}: {name}", {"CPU": aim}, "1/s", measure, ("pyopenssl",))

    return [row(kind, aim) for kind, aim in aims.items() if kind == "asyncio" or HAS_UVLOOP]


def web(name: str, size: int, connections: int, aims: dict[str, float], *, each: bool = False) -> list[Row]:
    """uvicorn under `wrk`; CPU of the server alone."""

    def row(kind: str, aim: float) -> Row:
        def measure(pair: Pair, files: Files) -> tuple[float, ...]:
            spent = pair.alone("web", files, kind, size, connections, each)
            return spent.number / spent.clock, spent.number / spent.cpu

        return Row(f"{LOOP_NAMES[kind]}: uvicorn, {name}", {"clock": aim, "CPU": aim}, "1/s", measure, ("pyopenssl",))

    return [row(kind, aim) for kind, aim in aims.items() if HAS_WEB and (kind == "asyncio" or HAS_UVLOOP)]


def context(name: str, role: str, count: int, aim: float) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        spent = pair.alone("contexts", files, AES128, role, count)
        return (spent.number / spent.cpu,)

    return Row(f"context: {name}", {"CPU": aim}, "1/s", measure, MEMORY)


def idle(count: int) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        client, server = pair.alone("idle", files, count, "")
        return 1024 / client, 1024 / server

    return Row("idle connections in a MiB", {"client": 1.0, "server": 1.0}, "1/MiB", measure, MEMORY)


def idle_in_loop(kind: str, count: int) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        client, server = pair.alone("idle", files, count, kind)
        return (2048 / (client + server),)

    return Row(f"{LOOP_NAMES[kind]}: idle connections in a MiB", {"each side": 10.0}, "1/MiB", measure, SIMPLE)


def threads(what: str, count: int) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        return (pair.alone("threads", files, AES128, what, count),)

    return Row(f"two threads against one, {what}", {"clock": 1.3}, "times", measure, MEMORY, itself=True)


def scale(name: str, unit: str, kinds: Sequence[str], function: str, *arguments: Any, **settings: Any) -> Row:
    """A row whose kinds are sizes: the cost of a unit has to stay what it is."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        return pair.alone(function, files, AES128, *arguments)  # type: ignore[no-any-return]

    return Row(name, dict.fromkeys(kinds, 0.0), unit, measure, MEMORY, rounds=3, **{"flat": FLAT, **settings})


FLAT = 3.0  # machines have moods; what is quadratic grows by much more than this
BEYOND_CACHES = 6.0  # for what fits no cache any more, and is fresh memory every time
KIB = 1 << 10
CONNECTIONS = (10, 100, 1000, 5000)
SIZES = (1, KIB, 16 * KIB, 256 * KIB, MB, 16 * MB)
BACKLOGS = (64 * KIB, MB, 4 * MB, 16 * MB)


def called(size: int) -> str:
    """A size in words."""
    return f"{size >> 20} MiB" if size >= MB else f"{size >> 10} KiB" if size >= KIB else f"{size} B"


ROWS = (
    *web("13 B", 13, 32, {"asyncio": 1.25, "uvloop": 1.05}),
    *web("100 KiB", 100 << 10, 8, {"asyncio": 1.5, "uvloop": 1.4}),
    *web("a connection each", 13, 16, {"asyncio": 1.1, "uvloop": 1.1}, each=True),
    *(bulk(case, 256 << 10, 256 * MB, up, 1.5) for case in (AES128, AES256, AES128_12) for up in (True, False)),
    bulk(AES128, 16 << 10, 128 * MB, True, 1.5),
    bulk(AES128, 1 << 10, 16 * MB, True, 1.0),
    bulk(CHACHA, 256 << 10, 128 * MB, True, 1.0),
    memory(256 << 10, 64 * MB, 1.6),
    memory(1024, 4 * MB, 0.8),
    memory(16, 1 << 16, 0.8),
    *loops("echo of 64 KiB", 64 << 10, 400, {"asyncio": 1.3, "uvloop": 1.8}),
    *loops("requests of 100 B", 100, 1500, {"asyncio": 1.35, "uvloop": 1.05}),
    *loops("the same, 20 connections", 100, 3000, {"asyncio": 1.35, "uvloop": 1.05}, connections=20),
    *loops("connect, request, close", 100, 60, {"asyncio": 1.3, "uvloop": 1.25}, each=True),
    exchange("sockets, requests of 100 B", "ping", 100, 3000, {"CPU": 0.95}, ()),
    handshake("handshake, TLS 1.3 ECDSA", AES128, (1.4, 1.5, 1.1)),
    handshake("handshake, TLS 1.3 RSA-2048", RSA, (1.25, 0, 0)),
    handshake("handshake, TLS 1.2 ECDSA", AES128_12, (1.3, 0, 0)),
    handshake("handshake, TLS 1.3 mutual", Case(mutual=True), (1.5, 0, 0)),
    handshake("resumed, TLS 1.3", AES128, (1.5, 0, 0), resume=True),
    handshake("resumed, TLS 1.2", AES128_12, (1.2, 0, 0), resume=True),
    *([visits(100)] if HAS_REQUESTS else ()),
    idle(300),
    *(idle_in_loop(kind, 200) for kind in ("asyncio", "uvloop") if kind == "asyncio" or HAS_UVLOOP),
    context("server with certificate", "server", 100, 1.0),
    context("client", "client", 200, 1.0),
    context("client with the CA bundle", "bundle", 5, 5.0),
    threads("handshakes", 150),
    threads("sending bulk", 2000),
    scale(
        "live connections",
        "1/s",
        [f"{count}: {what}" for count in CONNECTIONS for what in ("handshakes", "messages")],
        "live",
        CONNECTIONS,
        100,
        every=2,
    ),
    scale("messages", "KB/s", [called(size) for size in SIZES], "messages", SIZES, 32 * MB, flat=BEYOND_CACHES),
    scale("backlog read 1 KiB at a time", "1/s", [called(size) for size in BACKLOGS], "backlog", BACKLOGS, KIB),
    scale("arriving in 64 B pieces", "1/s", [called(size) for size in BACKLOGS[:3]], "trickle", BACKLOGS[:3], 64, True),
    scale(
        "arrived in 64 B pieces, then read",
        "1/s",
        [called(size) for size in BACKLOGS[:3]],
        "trickle",
        BACKLOGS[:3],
        64,
        False,
    ),
)
