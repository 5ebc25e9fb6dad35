"""`puretls bench`: how fast this machine and this Python are with puretls, and with the interpreter's own `ssl`.

Both do the same work in turn, a little at a time, so that changes in the machine's load affect both; the median is
reported. The repository's benchmarks (docs/benchmarks.md) measure more, for longer, and with other libraries, with the
same code.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from puretls._base.tuples import NamedTuple
from puretls.cli.amounts import decimal
from puretls.cli.contenders import Case, Files, Module, prepare
from puretls.cli.render import Plain, screen
from puretls.cli.throughput import Contender, cores, measure, opponent
from puretls.cli.version import versions
from puretls.cli.workloads import handshakes, memory

OURS, THEIRS, TCP = "puretls", "ssl", "TCP"
ROUNDS = 5
MB = 1_000_000
EXAMPLES = """\
examples:
  puretls bench                        everything, in less than half a minute
  puretls bench bulk                   only what has "bulk" in its name
  puretls bench --effort 5             five times as long, five times as steady
  puretls bench --json > today.json

Higher is better in every line. Only ratios are worth comparing between machines; run it on an idle one.
"""

Rates = tuple[float, ...]


class Workload(NamedTuple):
    """Some lines of the table. `measure` gives a rate for each of them, higher is better."""

    name: str
    kinds: tuple[str, ...]
    unit: str
    measure: Callable[[Module, Files, float], Rates]  # what with, certificates, effort

    @property
    def lines(self) -> list[str]:
        """What stands before the figures."""
        return [f"{self.name}, {kind}" if kind else self.name for kind in self.kinds]


def handshake(name: str, case: Case, *, resume: bool = False) -> Workload:
    """Both ends in this process, each end's CPU time for itself."""

    def run(library: Module, files: Files, effort: float) -> Rates:
        client, server = handshakes(library, files, case, max(3, int(250 * effort)), resume)
        return client.number / client.cpu, server.number / server.cpu

    return Workload(f"handshake, {name}", ("client", "server"), "1/s", run)


def bulk(name: str, case: Case, size: int, total: int, unit: str = "MB/s") -> Workload:
    """Messages sealed on one end and opened on the other, without a network."""

    def run(library: Module, files: Files, effort: float) -> Rates:
        spent = memory(library, files, case, size, max(size, int(total * effort)))
        return (spent.number * (size / MB if unit == "MB/s" else 1) / spent.cpu,)

    return Workload(name, ("",), unit, run)


EC12 = "ECDHE-ECDSA-AES128-GCM-SHA256"
WORKLOADS = (
    handshake("TLS 1.3 ECDSA P-256", Case()),
    handshake("TLS 1.3 RSA-2048", Case(key="RSA")),
    handshake("TLS 1.3 mutual", Case(mutual=True)),
    handshake("TLS 1.3 resumed", Case(), resume=True),
    handshake("TLS 1.2 ECDSA P-256", Case("1.2", EC12)),
    bulk("bulk, AES-128-GCM", Case(), 256 << 10, 200 * MB),
    bulk("bulk, AES-256-GCM", Case(suite="TLS_AES_256_GCM_SHA384"), 256 << 10, 200 * MB),
    bulk("bulk, ChaCha20-Poly1305", Case(suite="TLS_CHACHA20_POLY1305_SHA256"), 256 << 10, 100 * MB),
    bulk("bulk, TLS 1.2 AES-128-GCM", Case("1.2", EC12), 256 << 10, 200 * MB),
    bulk("messages of 16 KiB", Case(), 16 << 10, 100 * MB, "1/s"),
    bulk("messages of 1 KiB", Case(), 1 << 10, 8 * MB, "1/s"),
    bulk("messages of 64 bytes", Case(), 64, 500_000, "1/s"),
)
LOOPBACK = ("loopback, to the server", "loopback, from the server")
LOOPBACK_SIZE = 96 << 20


class Line(NamedTuple):
    """One line of the result: rates by contender."""

    name: str
    unit: str
    rates: dict[str, float]

    @property
    def ratio(self) -> float | None:
        """Ours to `ssl`'s."""
        return self.rates[OURS] / self.rates[THEIRS] if self.rates.keys() >= {OURS, THEIRS} else None


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls bench`."""
    parser.epilog = EXAMPLES
    parser.add_argument("words", nargs="*", metavar="WORD", help="only lines with one of these words in their name")
    parser.add_argument(
        "--effort",
        type=decimal(0.001, 1000),
        default=1.0,
        metavar="FACTOR",
        help="how long to measure (default %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Measure and show."""

    def wanted(name: str) -> bool:
        return not arguments.words or any(word.lower() in name.lower() for word in arguments.words)

    shown = Plain() if arguments.json else screen()
    workloads = [one for one in WORKLOADS if any(map(wanted, one.lines))]
    over_loopback = any(map(wanted, LOOPBACK))
    total = ROUNDS * len(workloads) + 3 * over_loopback
    with (
        shown.steps("measuring", total, live=not arguments.json) as advance,
        tempfile.TemporaryDirectory(prefix="puretls-bench-") as folder,
    ):
        files = prepare(Path(folder), "P-256", "RSA")
        found = [line for one in workloads for line in _measured(one, files, arguments.effort, advance)]
        if over_loopback:
            found += _loopback(files, arguments.effort, advance)
    lines = [line for line in found if wanted(line.name)]
    if not lines:
        print("puretls bench: nothing has such a name; see puretls bench --help", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(document(lines), indent=2))
    else:
        show(shown, lines)
    return 0


def _measured(workload: Workload, files: Files, effort: float, advance: Callable[[str], None]) -> Iterator[Line]:
    rates: dict[str, list[Rates]] = {}
    for _ in range(ROUNDS):
        for name in (OURS, THEIRS):
            try:
                rates.setdefault(name, []).append(workload.measure(Module(name), files, effort / ROUNDS))
            except (ImportError, AttributeError, OSError, ValueError):
                if name == OURS:
                    raise
                rates.pop(name)  # an interpreter without `ssl`, or one whose OpenSSL cannot be told what to do
        advance(workload.name)
    for index, line in enumerate(workload.lines):
        yield Line(
            line, workload.unit, {name: median(rate[index] for rate in many) for name, many in rates.items() if many}
        )


def _loopback(files: Files, effort: float, advance: Callable[[str], None]) -> Iterator[Line]:
    """Two processes and TCP: what a program sees, with each library's own defaults."""
    contenders = [Contender(TCP, "")]
    for name in (THEIRS, OURS):
        try:
            tls: Any = import_module(name)
        except ImportError:
            continue
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.of("P-256.pem"), files.of("P-256.key"))
        contenders.append(Contender(name, name, context))
    ca = Path(files.of("ca.pem")).read_bytes()
    total = max(1, round(LOOPBACK_SIZE * effort) >> 20) << 20
    speeds: dict[str, tuple[float, float]] = {}
    with opponent(contenders, ca, total) as listener:
        for one in contenders:
            speeds[one.label] = measure(listener, one, total, _silent)
            advance(LOOPBACK[0])
    for index, name in enumerate(LOOPBACK):
        yield Line(name, "MB/s", {library: speed[index] / MB for library, speed in speeds.items()})


@contextmanager
def _silent(_label: str, _total: int) -> Iterator[Callable[[int], None]]:
    """Progress that is not shown, because the steps are."""
    yield lambda _count: None


def document(lines: list[Line]) -> dict[str, Any]:
    """For JSON."""
    return {
        "versions": dict(versions()),
        "machine": platform.machine(),
        "cores": cores(),
        "results": [
            {"name": line.name, "unit": line.unit, **line.rates, "ratio": line.ratio and round(line.ratio, 3)}
            for line in lines
        ],
    }


def show(shown: Plain, lines: list[Line]) -> None:
    """For people."""
    parts = "; ".join(f"{name} {version}" for name, version in versions())
    shown.heading("Speed", f"{parts}; {cores()} cores")
    shown.contest(
        (OURS, THEIRS), {_label(line): (line.rates[OURS], line.rates.get(THEIRS), line.unit) for line in lines}
    )
    if cores() < 2:
        shown.bad("one core for both ends: the lines over loopback say little")


def _label(line: Line) -> str:
    """What stands before the figures; the kernel's own speed is said beside those that are measured against it."""
    return f"{line.name} (TCP {line.rates[TCP]:,.0f})" if TCP in line.rates else line.name
