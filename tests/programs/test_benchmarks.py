"""The benchmarks run: not how fast, only that every contender does its part; and so does what measures time."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from puretls.cli.contenders import Case, Module, prepare

ROOT = Path(__file__).parents[2]

PATIENT = 400  # seconds: they measure, and on a loaded machine that takes what it takes
pytestmark = pytest.mark.timeout(PATIENT + 20)


def test_a_few_workloads(tmp_path: Path) -> None:
    picture = tmp_path / "ratios.svg"
    rows = "resumed, TLS 1.2|ClientHello, plain|1 KiB, TLS|context: client$|threads against one, hand|^backlog"
    command = [sys.executable, "-m", "benchmarks", rows, "--rounds", "1"]
    done = subprocess.run(
        [*command, "--picture", picture], cwd=ROOT, capture_output=True, text=True, timeout=PATIENT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resumed, TLS 1.2, both" in done.stdout
    assert "ClientHello, plain to, encrypted, both" in done.stdout
    assert "backlog read 1 KiB at a time, 16 MiB" in done.stdout
    assert "two threads against one, handshakes" in done.stdout
    assert "A selection draws no picture" in done.stdout
    assert not picture.exists()


def test_what_is_proposed_upstream() -> None:
    """In its short form: each proposal is measured, and each is described in docs/upstream.md."""
    command = [sys.executable, "-m", "benchmarks.upstream", "--seconds", "0.02"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENT, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.count("%") == 1]
    assert len(rows) == 15
    assert all(re.search(r" \d+\.\d\d +\d+\.\d\d +-?\d+% ", row) for row in rows)
    described = (ROOT / "docs" / "upstream.md").read_text("utf-8")
    assert [f"## {number}. " in described for number in range(1, 8)] == [True] * 7


def test_early_data_saves_a_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flights until the answer is there: what the row measures by the clock."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import early

    files, library = prepare(tmp_path, "P-256"), Module("puretls")
    client, server = (library.context(files, Case(), server=server) for server in (False, True))
    client.max_early_data = server.max_early_data = 1000
    flights: list[int] = []

    def carry(sender: Any, receiver: Any, delay: float = 1) -> None:
        if data := sender.take():
            flights.append(int(delay > 0))
            receiver.give(data)

    monkeypatch.setattr(early, "_carry", carry)
    found, session = [], None
    for how in early.HOW:
        flights.clear()
        session = early._visit(library, client, server, how, session)[1]
        found.append(sum(flights))
    assert found == [4, 4, 2]


def test_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.picture import draw

    picture = draw([("quick", 1.6), ("the same", 0.99), ("slow", 0.7), ("beyond the edge", 125.0)], "a machine & more")
    assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert [picture.count(f'class="{hue}"') for hue in ("quicker", "equal", "slower", "break")] == [2, 1, 1, 2]


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", *arguments, "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_web_server_and_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each contender in asyncio; uvicorn where it and wrk are installed."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.loops import HAS_WEB

    said = run("^asyncio: (uvicorn, 13 B|requests)|^idle.*(sockets|, asyncio$)")
    assert "asyncio: requests of 100 B, CPU" in said
    assert "idle connections in a MiB, asyncio, each side" in said
    assert "idle connections in a MiB, sockets, client" in said
    assert ("asyncio: uvicorn, 13 B, clock" in said) is HAS_WEB


@pytest.mark.skipif(sys.platform == "win32", reason="poll() and the CPU time of child processes")
def test_reads_clients_and_processes() -> None:
    said = run("^(timeout: req|non-blocking: rec|timeout: .*makefile|http.*16 KiB|requests|httpx|a process)")
    for row in (
        "timeout: requests and answers of 100 B, clock",
        "timeout: records of 1000 B, makefile, CPU",
        "non-blocking: records of 1000 B, recv(8 KiB), CPU",
        "http.client: GET 1 MiB by 16 KiB, CPU",
        "a process: start, one HTTPS request, end, CPU",
    ):
        assert row in said


@pytest.mark.skipif(sys.platform == "win32", reason="the CPU time of child processes")
def test_strangers_and_hybrid_groups() -> None:
    """pyOpenSSL is what a row is compared with where the interpreter's OpenSSL cannot take part."""
    said = run("^(first contact.* 8|.*X25519MLKEM768)")
    assert "first contact with 200 servers of 8 issuers, client, CPU" in said
    hybrid = next(line for line in said.splitlines() if line.startswith("handshake, X25519MLKEM768"))
    assert len(hybrid.partition("both")[2].split()) == 6  # three rates, their unit, ratio and quartiles


def test_ratios_are_taken_within_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the machine is twice as quick in one round as in another, nothing shows of it."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.__main__ import BASE, OURS, ratios
    from benchmarks.rows import ROWS

    row = next(row for row in ROWS if row.name.startswith("timeout: requests"))
    moods = [1.0, 2.0, 0.5, 4.0, 1.5]
    rates = {(row.name, "CPU", BASE): [100 * mood for mood in moods]}
    rates[row.name, "CPU", OURS] = [120 * mood for mood in moods]
    assert [round(figure, 6) for figure in ratios(rates, row, "CPU")] == [1.2] * 3


def test_users_see_what_concerns_them_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.rows import ROWS

    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    primitives = ("bulk", "handshake", "resumed, TLS", "MemoryBIO", "context")
    first = next(n for n, name in enumerate(names) if name.startswith(primitives))
    assert not [name for name in names[:first] if name.startswith(primitives)]
    assert not [name for name in names[first:] if name.split(":")[0] in {"timeout", "http.client", "a process"}]


def test_what_grows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.__main__ import BASE, OURS, check
    from benchmarks.rows import ROWS, Row

    row = next(row for row in ROWS if row.name.startswith("backlog"))

    def rates(row: Row, who: str, medians: Sequence[float]) -> dict[tuple[str, str, str], list[float]]:
        return {(row.name, kind, who): [rate] for kind, rate in zip(row.kinds, medians, strict=True)}

    def told(*medians: float, other: Sequence[float] = (7, 7, 7, 7)) -> list[str]:
        return check(row, rates(row, OURS, medians) | rates(row, BASE, other))

    assert told(100, 90, 110, 60) == []
    assert told(1, 10, 20, 30) == []
    (complaint,) = told(100, 90, 50, 25)
    assert "grows 4.0 times, 1.0 with ssl" in complaint
    assert told(100, 90, 50, 25, other=(20, 18, 16, 10)) == []  # what grows for `ssl`, too, is the machine's
    assert told(100, 90, 50, 10, other=(20, 18, 16, 10))
    live = next(row for row in ROWS if row.name.startswith("live"))
    alternating = [10.0 if "hand" in kind else 1000.0 for kind in live.kinds]
    assert check(live, rates(live, OURS, alternating) | rates(live, BASE, alternating)) == []  # each with its own kind


def test_each_class_of_timing_does_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.timing import handshakes, records
    from benchmarks.timing.measure import CONTROL, times

    for experiment in (*records.experiments(), *handshakes.experiments()):
        found = times(experiment, 3)
        assert list(found) == [*experiment.classes, CONTROL]
        assert all(len(taken) == 3 and min(taken) > 0 for taken in found.values())


def test_timing_finds_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.timing.measure import compare

    noise = [1000 + n * 7919 % 101 for n in range(2000)]
    slow, same = compare({"one": noise, "two": [taken + 50 for taken in noise], "control": noise[::-1]})
    assert slow.low <= 50 <= slow.high
    assert same.low <= 0 <= same.high
