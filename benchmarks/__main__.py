"""Run the workloads and print one table: `python -m benchmarks [PATTERN] [--rounds N] [--picture FILE]`.

A round visits every contender before the next round begins, each round in another order, so that a change of the
machine's mood meets them all. A ratio is taken within a round; the table has the median of these and the quartiles
around it, and medians of the rates. Only ratios are worth comparing between machines. glibc's heap thresholds change
bulk figures a great deal for the same code: they are pinned for all contenders alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import ssl
import statistics
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders import UNGREASED
from benchmarks.picture import draw
from benchmarks.rows import BASE, OURS, ROWS, Row, growth
from benchmarks.workers import Pair
from puretls.cli.certs import Authority
from puretls.cli.contenders import Files, prepare

WHO = (BASE, "pyopenssl", "tcp", OURS, UNGREASED)
OPTIONS = ("--enable-optimizations", "--with-lto", "--disable-gil", "--enable-shared")
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}


def certificates(folder: Path) -> Files:
    """Those of the sides, and a bundle of many CAs."""
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    many = system.read_bytes() if system.exists() else b"".join(Authority(f"CA {n}").pem for n in range(140))
    (folder / "bundle.pem").write_bytes(many)
    return prepare(folder, "P-256", "RSA")


def build() -> str:
    """How the interpreter was built, as far as it says: what it costs us, and hardly `ssl`."""
    said = (sysconfig.get_config_var("CONFIG_ARGS") or "").replace("'", "").split()
    return " ".join(word for word in said if word in OPTIONS) or "not said how it was built"


def main() -> int:
    """One run; the status says whether something grows that should not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("pattern", nargs="?", default="", help="only workloads whose name matches this expression")
    parser.add_argument("--rounds", type=int, default=5, help="medians over so many (default 5)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the ratios as an SVG, too")
    arguments = parser.parse_args()

    os.environ.update(MALLOC)  # glibc reads them when a worker starts
    rows = [row for row in ROWS if re.search(arguments.pattern, row.name)]
    rates: dict[tuple[str, str, str], list[float]] = {}
    grown: list[str] = []
    print(
        f"Python {platform.python_version()} ({build()}), {os.cpu_count()} cores, medians of {arguments.rounds} rounds"
    )
    print(f"\n{'':52} {' '.join(f'{who:>10}' for who in WHO)} {'':5} ratio   quartiles    aim")
    with tempfile.TemporaryDirectory(prefix="puretls-bench-") as folder:
        files = certificates(Path(folder))
        pairs = [Pair(name) for name in WHO]
        try:
            for row in rows:
                for turn in range(min(arguments.rounds, row.rounds)):
                    for pair in pairs[turn % len(pairs) :] + pairs[: turn % len(pairs)]:
                        if pair.name not in row.without and not (row.itself and pair.name == UNGREASED):
                            for kind, rate in zip(row.kinds, row.measure(pair, files), strict=True):
                                rates.setdefault((row.name, kind, pair.name), []).append(rate)
                report(row, rates)
                grown += check(row, rates)
        finally:
            for pair in pairs:
                pair.end()
    if arguments.picture and arguments.pattern:
        print("\nA selection draws no picture: the one in docs/ shows all workloads.")
    elif arguments.picture:
        drawn = [
            (f"{row.name}, {kind}", ratios(rates, row, kind)[0])
            for row in rows
            for kind, aim in row.kinds.items()
            if aim and not row.itself
        ]
        arguments.picture.write_text(draw(drawn, machine()), "utf-8")
    for line in grown:
        print(f"GROWS: {line}", file=sys.stderr)
    return 1 if grown else 0


def machine() -> str:
    """What was measured on what: the processor, Python and its OpenSSL, cryptography."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text("utf-8"), re.MULTILINE)
        processor = found[1] if found else processor
    parts = (
        processor,
        f"Python {platform.python_version()}",
        ssl.OPENSSL_VERSION,
        f"cryptography {version('cryptography')}",
    )
    return "; ".join(parts)


def ratios(rates: dict[tuple[str, str, str], list[float]], row: Row, kind: str) -> tuple[float, float, float]:
    """Of ours to the other's within each round: the median, and the quartiles below and above it."""
    ours = rates[row.name, kind, OURS]
    if row.itself:
        each = ours
    else:
        each = [one / other for one, other in zip(ours, rates[row.name, kind, row.base], strict=True)]
    low, middle, high = statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
    return middle, low, high


def report(row: Row, rates: dict[tuple[str, str, str], list[float]]) -> None:
    """The finished lines of one workload."""
    digits = 2 if row.itself else 0
    for kind, aim in row.kinds.items():
        cells = [f"{f'{row.name}, {kind}':52}"]
        for who in WHO:
            values = rates.get((row.name, kind, who))
            cells.append(f"{statistics.median(values):10,.{digits}f}" if values else " " * 10)
        middle, low, high = ratios(rates, row, kind)
        cells.append(f"{row.unit:5}{middle:6.2f} {f'{low:.2f}-{high:.2f}':>11}" + (f"{aim:7}" if aim else ""))
        print(" ".join(cells), flush=True)


def check(row: Row, rates: dict[tuple[str, str, str], list[float]]) -> list[str]:
    """A complaint if our cost of a unit grows with their number, and by more than that of `ssl` does.

    Five thousand connections fit no cache of any processor: what a unit costs grows there for everybody.
    """
    if not row.flat:
        return []
    ours, other = (
        growth(row, [statistics.median(rates[row.name, kind, who]) for kind in row.kinds]) for who in (OURS, row.base)
    )
    if ours <= row.flat * max(other, 1.0):
        return []
    return [
        f"{row.name}: the cost of a unit grows {ours:.1f} times, {other:.1f} with {row.base} (at most {row.flat} of it)"
    ]


if __name__ == "__main__":
    sys.exit(main())
