"""The exit status of every command: each row of the table in docs/commands/index.md, and no other."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

import puretls as tls
from puretls.cli import COMMANDS, crlite, demo, main
from support import PATIENCE, Pki, running, until
from support.commands import COMMAND, interruptible
from support.commands import puretls as command
from support.ours import server_context
from support.web import serving

PAGE = Path(__file__).parents[2] / "docs" / "commands" / "index.md"
ROWS = re.findall(r"^\| (\w+) \| (the program's|[0-9]+) \| .+ \|$", PAGE.read_text("utf-8"), re.MULTILINE)


class Place(NamedTuple):
    """A scratch directory, certificates, and the port of a server."""

    folder: Path
    pki: Pki
    port: int
    patch: pytest.MonkeyPatch

    def run(self, *argv: object) -> int:
        """In a process of its own."""
        done = command(*argv, PURETLS_CA=self.folder / "ca", HOME=self.folder, PYTHONPATH=self.folder)
        assert "Traceback" not in done.err, done.err
        return done.status

    def call(self, *argv: object) -> int:
        """In this one, where it can be given what is hard to come by."""
        return main(list(map(str, argv)))

    @property
    def server(self) -> tuple[object, ...]:
        return f"localhost:{self.port}", "--ca-file", self.pki.ca

    def file(self, name: str, content: str | bytes = "") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def certificate_is(status: tls.CRLiteStatus) -> Callable[[Place], int]:
    def ask(place: Place) -> int:
        asked = SimpleNamespace(check=lambda *_: status, path="here")
        place.patch.setattr(crlite, "CRLite", lambda _: asked)
        pem = place.pki.identity("P-256").chain_pem + place.pki.issuer.pem
        return place.call("crlite", "check", place.file("chain.pem", pem))

    return ask


def serving_files(place: Place) -> int:
    with (
        interruptible(),
        running(place.folder, *COMMAND, "serve", place.folder, "--port", 0, "--cert", *own(place)) as one,
    ):
        stdout = one.process.stdout
        assert stdout
        assert select.select([stdout], [], [], PATIENCE)[0]
        assert b"Serving" in os.read(stdout.fileno(), 1 << 16)
        one.process.send_signal(signal.SIGINT)
        return one.wait()


def own(place: Place) -> tuple[object, ...]:
    return place.pki.chain("P-256"), "--key", place.pki.key("P-256")


def demonstrated(place: Place, *, broken: bool) -> int:
    if broken:
        place.patch.setattr(demo.Demo, "refusals", lambda self: self.fail("accepted a stranger"))
    place.patch.setattr(demo.Demo, "throughput", lambda *_: None)
    return place.call("demo", "--once", "--port", 0)


CASES: dict[tuple[str, str], list[Callable[[Place], int]]] = {
    ("connect", "0"): [
        lambda at: at.run("connect", *at.server),
        lambda at: at.run("connect", f"localhost:{at.port}", "--insecure", "--json"),
    ],
    ("connect", "1"): [
        lambda at: at.run("connect", "localhost:1"),
        lambda at: at.run("connect", f"localhost:{at.port}"),
        lambda at: at.run("connect", *at.server, "--keylog", at.folder),
    ],
    ("inspect", "0"): [lambda at: at.run("inspect", *at.server)],
    ("inspect", "1"): [
        lambda at: at.run("inspect", "localhost:1"),
        lambda at: at.run("inspect", f"localhost:{at.port}", "--json"),
        lambda at: at.run("inspect", *at.server, "--html", at.folder),
        lambda at: at.run("inspect", "--listen", at.port),
    ],
    ("scan", "0"): [lambda at: at.run("scan", *at.server, "--most", 9)],
    ("scan", "1"): [
        lambda at: at.run("scan", "localhost:1", "--json"),
        lambda at: at.run("scan", f"localhost:{at.port}", "--min-grade", "A", "--most", 60, "--pause", 0),
        lambda at: at.run("scan", *at.server, "--profile", "old", "--most", 20),
    ],
    ("crlite", "0"): [certificate_is(tls.CRLiteStatus.GOOD), certificate_is(tls.CRLiteStatus.NOT_ENROLLED)],
    ("crlite", "1"): [
        lambda at: at.run("crlite", "check", at.folder / "none.pem"),
        lambda at: at.run("crlite", "check", at.folder),
        lambda at: at.run("crlite", "check", at.file("noise.pem", bytes(range(256)))),
        lambda at: at.run("crlite", "fetch", "--url", "https://localhost:1/", "--to", at.folder / "to"),
    ],
    ("crlite", "3"): [certificate_is(tls.CRLiteStatus.REVOKED)],
    ("serve", "0"): [serving_files],
    ("serve", "1"): [
        lambda at: at.run("serve", at.folder / "none"),
        lambda at: at.run("serve", at.folder, "--port", at.port, "--bind", "127.0.0.1"),
        lambda at: at.run("serve", at.folder, "--cert", at.folder / "none.pem"),
    ],
    ("ech", "0"): [lambda at: at.run("ech", "make", "a.test", "--out", at.folder / f"ech-{os.urandom(4).hex()}.pem")],
    ("ech", "1"): [
        lambda at: at.run("ech", "make", "a.test", "--out", at.file("there.pem")),
        lambda at: at.run("ech", "make", "a.test", "--out", at.folder / "none" / "ech.pem"),
    ],
    ("ca", "0"): [
        lambda at: at.run("ca", "issue", "a.test", "--out", at.folder, "--force"),
        lambda at: at.run("ca", "init") or at.run("ca", "show"),
    ],
    ("ca", "1"): [
        lambda at: at.run("ca", "issue", "a.test", "--cert-file", at.file("a.pem"), "--key-file", at.file("k.pem")),
        lambda at: at.run("ca", "issue", "a.test", "--out", at.folder / "none"),
        lambda at: at.run("ca", "issue", "--csr", at.file("noise.csr", bytes(range(256)))),
        lambda at: at.run("ca", "renew", at.folder / "none.pem"),
    ],
    ("demo", "0"): [lambda at: demonstrated(at, broken=False)],
    ("demo", "1"): [lambda at: demonstrated(at, broken=True)],
    ("bench", "0"): [lambda at: at.run("bench", "64 bytes", "--effort", 0.01)],
    ("run", "the program's"): [lambda at: at.run("run", at.file("seven.py", "raise SystemExit(7)")) - 7],
    ("run", "1"): [lambda at: at.run("run", "-m", "no_such"), lambda at: at.run("run", "-m", "no.such")],
    ("run", "2"): [lambda at: at.run("run"), lambda at: at.run("run", at.folder / "none.py")],
    ("completion", "0"): [lambda at: at.run("completion", "bash")],
    ("completion", "1"): [
        lambda at: at.run("completion", "zsh") if at.file("shtab.py", "raise ImportError('shtab')") else 0
    ],
    ("version", "0"): [lambda at: at.run("version")],
}
EVERY = {"1", "2", "130", "141"}


@pytest.fixture(scope="module")
def port(pki: Pki) -> Iterator[int]:
    with serving(server_context(tls, pki)) as server:
        yield server.server_address[1]


def test_the_table_is_what_is_tested() -> None:
    told = [(name, status) for name, status in ROWS if name != "every"]
    assert sorted(told) == sorted(CASES)
    assert {status for name, status in ROWS if name == "every"} == EVERY
    assert {name for name, _ in CASES} == set(COMMANDS)


@pytest.mark.parametrize(
    ("row", "case"), [(row, case) for row, cases in CASES.items() for case in range(len(cases))], ids=str
)
def test_each_row(
    tmp_path: Path, pki: Pki, port: int, monkeypatch: pytest.MonkeyPatch, row: tuple[str, str], case: int
) -> None:
    pytest.importorskip("shtab" if row[0] == "completion" else "puretls")
    status = CASES[row][case](Place(tmp_path, pki, port, monkeypatch))
    assert status == (0 if row[1] == "the program's" else int(row[1]))


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_usage_of_every_command(name: str) -> None:
    done = command(name, "--no-such-option")
    assert (done.status, done.out) == (2, "")
    usage, said = done.err.splitlines()
    assert usage.startswith(f"usage: puretls {name}")
    assert re.fullmatch(rf"puretls {name}: .+ \(see puretls {name} --help\)", said)


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_output_that_takes_no_more(argv: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no disk here is always full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *argv], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 1
    assert re.fullmatch(r"puretls( \w+)?: standard output: no space left on device\n", done.stderr)


def test_a_reader_that_has_left() -> None:
    for argv in (["--help"], ["version"], ["run", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as gone:
            done = subprocess.run([*COMMAND, *argv], stdout=gone, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("name", ["connect", "inspect", "scan"])
def test_ctrl_c(tmp_path: Path, name: str) -> None:
    """While a command waits for a server that says nothing."""
    with interruptible(), socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        with running(tmp_path, *COMMAND, name, where, "--timeout", 3600) as program, listener.accept()[0]:
            program.process.send_signal(signal.SIGINT)
            assert program.wait() == 130
            assert program.said().strip() == "interrupted"


def test_ctrl_c_before_there_is_a_client(tmp_path: Path) -> None:
    with interruptible(), running(tmp_path, *COMMAND, "inspect", "--listen", 0) as program:
        until(lambda: "waiting for a client" in program.said(), "its port")
        program.process.send_signal(signal.SIGINT)
        assert program.wait() == 130
