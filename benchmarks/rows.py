"""The workloads, one row each: what is measured, in which unit, and the ratio to `ssl` that is aimed for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks import web_clients
from benchmarks.fleet import HAS_REDIS
from benchmarks.loops import HAS_UVLOOP, HAS_WEB
from benchmarks.sockets import BLOCKING, NON_BLOCKING, TIMEOUT
from benchmarks.workers import Pair
from puretls.cli.contenders import Case, Files

MB = 1 << 20
OURS, BASE = "puretls", "ssl"
LOOP_NAMES = {"asyncio": "asyncio", "uvloop": "asyncio on uvloop"}


class Row(NamedTuple):
    """A line of the table. `measure` gives one or more rates, higher is better, one for each of `kinds`."""

    name: str
    kinds: dict[str, float]  # kind of rate: the ratio to ssl that is aimed for
    unit: str
    measure: Callable[[Pair, Files], tuple[float, ...]]
    without: tuple[str, ...] = ()  # contenders that cannot take part
    itself: bool = False  # the figures are ratios already: ours, not its ratio to ssl's, is what the aim is for
    flat: float = 0.0  # how many times what it grows for `ssl` may the cost of a unit grow to a later kind; 0: anything
    every: int = 1  # the kinds that are compared with each other are so many apart
    rounds: int = 1000  # no more than so many
    base: str = BASE  # whose ratio it is


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
HYBRID = Case(group="X25519MLKEM768")
MEMORY = ("tcp",)  # everything but sockets
WAITING = ("pyopenssl",)  # it leaves it to the program to wait where a socket has a timeout
SIMPLE = ("tcp", "pyopenssl")


def bulk(case: Case, size: int, total: int, up: bool, aim: float) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        server, client = pair.both("bulk", files, case, size, total, up)
        return total / 1e6 / max(server.clock, client.clock), total / 1e6 / (server.cpu + client.cpu)

    cipher = case.suite.replace("TLS_", "").replace("_SHA256", "").replace("_SHA384", "").replace("ECDHE-ECDSA-", "")
    way = "up" if up else "down"
    name = f"bulk {size >> 10} KiB, TLS {case.version} {cipher.replace('-SHA256', '').replace('-', '_')}, {way}"
    return Row(name, {"clock": aim, "CPU": aim}, "MB/s", measure)


def handshake(
    name: str, case: Case, aims: tuple[float, float, float], *, resume: bool = False, count: int = 60, base: str = BASE
) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        client, server = pair.alone("handshakes", files, case, count, resume)
        return count / (client.cpu + server.cpu), count / client.cpu, count / server.cpu

    kinds = dict(zip(("both", "client", "server"), aims, strict=True))
    return Row(name, kinds, "1/s", measure, MEMORY if base == BASE else (*MEMORY, BASE), base=base)


def fleet(count: int) -> Row:
    """Sessions that servers share: resumed handshakes of TLS 1.3, by what they share."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        return pair.alone("fleet", files, AES128, count)  # type: ignore[no-any-return]

    kinds = dict.fromkeys(("own tickets", "shared tickets", "single use over redis", "sessions in redis"), 0.0)
    return Row("resumed by another server", kinds, "1/s", measure, ("tcp", "ssl", "pyopenssl"), itself=True)


def early(count: int) -> Row:
    """What early data saves: answers one after the other, over a network that takes 10 ms each way."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        return pair.alone("early", files, AES128, count)  # type: ignore[no-any-return]

    kinds = dict.fromkeys(("full", "resumed", "early data"), 0.0)
    return Row("first answer, 10 ms away", kinds, "1/s", measure, ("tcp", "ssl", "pyopenssl"), itself=True)


def hellos(count: int) -> Row:
    """Encrypted Client Hello beside plain handshakes of ours: at most 1.4 times as long; GREASE is one X25519 pair."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        return pair.alone("hellos", files, AES128, count)  # type: ignore[no-any-return]

    kinds = {"GREASE, client": 0.8, "encrypted, both": 0.71}
    return Row("ClientHello, plain to", kinds, "x", measure, ("tcp", "ssl", "pyopenssl"), itself=True)


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


def ping(mode: str, timeout: float | None, size: int, count: int, aims: dict[str, float]) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        server, client = pair.both("ping", files, AES128, size, count, timeout)
        rates = {"clock": count / client.clock, "CPU": count / (server.cpu + client.cpu)}
        return tuple(rates[kind] for kind in aims)

    without = WAITING if timeout else ()
    return Row(f"{mode}: requests and answers of {called(size)}", aims, "1/s", measure, without)


def reads(mode: str, timeout: float | None, how: str, record: int, size: int, total: int, aim: float) -> Row:
    """Records that the peer sends one by one, as fast as it can; CPU of who reads them."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        _, client = pair.both("reads", files, AES128, record, total, how, size, timeout)
        return (total / 1e6 / client.cpu,)

    asked = "makefile" if how == "makefile" else f"{how}({called(size)})"
    without = WAITING if timeout or how == "makefile" else ()
    return Row(f"{mode}: records of {called(record)}, {asked}", {"CPU": aim}, "MB/s", measure, without)


def get(client: str, piece: int, aim: float, count: int = 30) -> list[Row]:
    """A page of 1 MiB over a connection that stays; CPU of the client."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        _, spent = pair.both("web_client", files, AES128, client, MB, piece, count)
        return (count / spent.cpu,)

    if not web_clients.HAS.get(client, True):
        return []
    return [Row(f"{client}: GET 1 MiB by {called(piece)}", {"CPU": aim}, "1/s", measure, WAITING)]


def process(count: int, aim: float) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        _, spent = pair.both("process", files, AES128, count)
        return (count / spent.cpu,)

    return Row("a process: start, one HTTPS request, end", {"CPU": aim}, "1/s", measure, SIMPLE)


def apart(name: str, function: str, count: int, aim: float, *arguments: Any) -> Row:
    """In processes of their own that have nothing in their caches."""

    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        return (count / pair.alone(function, files, AES128, count, *arguments).cpu,)

    return Row(name, {"CPU": aim}, "1/s", measure, MEMORY, rounds=5)


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


def idle(what: str, kind: str, count: int, aim: float) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        client, server = pair.alone("idle", files, count, kind)
        return 1024 / client, 1024 / server

    without = SIMPLE if kind else MEMORY  # pyOpenSSL has no timeouts
    return Row(f"idle connections in a MiB, {what}", {"client": aim, "server": aim}, "1/MiB", measure, without)


def idle_in_loop(kind: str, count: int) -> Row:
    def measure(pair: Pair, files: Files) -> tuple[float, ...]:
        client, server = pair.alone("idle", files, count, kind)
        return (2048 / (client + server),)

    return Row(f"idle connections in a MiB, {LOOP_NAMES[kind]}", {"each side": 10.0}, "1/MiB", measure, SIMPLE)


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
KIB = 1 << 10
CONNECTIONS = (10, 100, 1000, 5000)
SIZES = (1, KIB, 16 * KIB, 256 * KIB, MB, 16 * MB)
BACKLOGS = (64 * KIB, MB, 4 * MB, 16 * MB)


def called(size: int) -> str:
    """A size in words."""
    for unit, of in ((MB, "MiB"), (KIB, "KiB")):
        if size >= unit and not size % unit:
            return f"{size // unit} {of}"
    return f"{size} B"


WAITS, BLOCKS, TRIES = ("timeout", TIMEOUT), ("blocking", BLOCKING), ("non-blocking", NON_BLOCKING)

# What users see comes first, then what it is made of.
ROWS = (
    *web("13 B", 13, 32, {"asyncio": 1.25, "uvloop": 1.05}),
    *web("100 KiB", 100 << 10, 8, {"asyncio": 1.5, "uvloop": 1.4}),
    *web("a connection each", 13, 16, {"asyncio": 1.1, "uvloop": 1.1}, each=True),
    *get("requests", 16 * KIB, 1.0),
    *get("httpx", 16 * KIB, 1.0),
    *get("http.client", 16 * KIB, 1.0),
    *get("http.client", 20_000, 0.9),
    *([visits(100)] if web_clients.HAS["requests"] else ()),
    *([fleet(100)] if HAS_REDIS else ()),
    early(10),
    ping(*WAITS, 100, 3000, {"clock": 1.03, "CPU": 1.03}),
    process(4, 0.5),
    apart("first contact with 200 servers of 8 issuers, client", "strange", 200, 1.0, 8),
    apart("first contact with 200 servers of 200 issuers, client", "strange", 200, 1.0, 200),
    reads(*WAITS, "recv", 1000, 8192, 8 * MB, 1.15),
    reads(*WAITS, "makefile", 1000, 1000, 8 * MB, 1.2),
    reads(*WAITS, "recv", 4 * KIB, 8 * KIB, 32 * MB, 0.9),
    reads(*WAITS, "recv", 16 * KIB, 16 * KIB, 64 * MB, 1.1),
    reads(*WAITS, "recv", 16 * KIB, 8 * KIB, 64 * MB, 0.9),
    reads(*WAITS, "recv", 16 * KIB, 64 * KIB, 64 * MB, 1.0),
    reads(*WAITS, "recv_into", 16 * KIB, 256 * KIB, 64 * MB, 1.4),
    ping(*BLOCKS, 100, 3000, {"CPU": 0.95}),
    reads(*BLOCKS, "recv", 4 * KIB, 8 * KIB, 32 * MB, 0.9),
    reads(*BLOCKS, "recv", 16 * KIB, KIB, 32 * MB, 0.85),
    ping(*TRIES, 100, 3000, {"CPU": 0.95}),
    reads(*TRIES, "recv", 1000, 8192, 8 * MB, 0.85),
    *loops("echo of 64 KiB", 64 << 10, 400, {"asyncio": 1.3, "uvloop": 1.8}),
    *loops("requests of 100 B", 100, 1500, {"asyncio": 1.35, "uvloop": 1.05}),
    *loops("the same, 20 connections", 100, 3000, {"asyncio": 1.35, "uvloop": 1.05}, connections=20),
    *loops("connect, request, close", 100, 60, {"asyncio": 1.3, "uvloop": 1.25}, each=True),
    *(bulk(case, 256 << 10, 256 * MB, up, 1.5) for case in (AES128, AES256, AES128_12) for up in (True, False)),
    bulk(AES128, 16 << 10, 128 * MB, True, 1.5),
    bulk(AES128, 1 << 10, 16 * MB, True, 1.0),
    bulk(CHACHA, 256 << 10, 128 * MB, True, 1.0),
    handshake("handshake, TLS 1.3 ECDSA", AES128, (1.4, 1.5, 1.15)),
    handshake("handshake, TLS 1.3 RSA-2048", RSA, (1.25, 0, 0)),
    handshake("handshake, TLS 1.2 ECDSA", AES128_12, (1.3, 0, 1.0)),
    handshake("handshake, TLS 1.3 mutual", Case(mutual=True), (1.5, 0, 0)),
    handshake("handshake, X25519MLKEM768, to pyOpenSSL's", HYBRID, (0, 1.1, 0.95), base="pyopenssl"),
    hellos(60),
    handshake("resumed, TLS 1.3", AES128, (1.5, 0, 1.1), resume=True),
    handshake("resumed, TLS 1.2", AES128_12, (1.2, 0, 0.95), resume=True),
    apart("import, beyond an empty interpreter", "imports", 5, 0.5),
    memory(256 << 10, 64 * MB, 1.6),
    memory(16 << 10, 16 * MB, 1.3),
    memory(1024, 4 * MB, 0.84),
    memory(16, 1 << 16, 0.79),
    idle("MemoryBIO", "", 300, 1.0),
    idle("sockets", "sockets", 200, 1.0),
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
    scale("messages", "KB/s", [called(size) for size in SIZES], "messages", SIZES, 32 * MB),
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
