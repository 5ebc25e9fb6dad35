"""The frame of the command line: help that teaches, errors that are a line, and no waiting for what is not used."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from puretls.cli import COMMANDS
from support.commands import COMMAND, called, puretls


def test_help_names_every_command_and_shows_examples() -> None:
    done = puretls("--help")
    assert (done.status, done.err) == (0, "")
    said = " ".join(done.out.split())
    for name, summary in COMMANDS.items():
        assert f" {name} {summary}" in said
    assert "examples:" in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], name: str) -> None:
    done = called(capsys, name, "--help")
    assert (done.status, done.err) == (0, "")
    assert f"usage: puretls {name}" in done.out
    assert f"  puretls {name}" in done.out[done.out.index("example") :]


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    """But for command lines, which are not broken; and no line is longer than one can read."""
    monkeypatch.setenv("COLUMNS", str(columns))
    done = called(capsys, *filter(None, [name]), "--help")
    prose = [line for line in done.out.splitlines() if not re.match("  (puretls|printf|eval)", line)]
    assert max(map(len, prose)) <= min(columns, 120)
    words = re.sub(r"\s", "", done.out)
    monkeypatch.setenv("COLUMNS", "130")
    whole = called(capsys, *filter(None, [name]), "--help").out
    assert words == re.sub(r"\s", "", whole)


def test_help_waits_for_nothing_it_does_not_use() -> None:
    """No command's module, and none of what they bring with them, is imported for the list of commands."""
    program = (
        "import sys, contextlib, puretls.cli\n"
        "with contextlib.suppress(SystemExit): puretls.cli.main(['--help'])\n"
        "print(*(name for name in sys.modules if name.startswith('puretls.cli.') or name in ('rich', 'http.server')))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    loaded = set(said.splitlines()[-1].split())
    assert loaded <= {"puretls.cli.failure", "puretls.cli.text", "puretls.cli.version"}


@pytest.mark.parametrize("argv", [[], ["no-such-command"], ["version", "--no-such-option"]])
def test_wrong_usage(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    done = called(capsys, *argv)
    assert (done.status, done.out) == (2, "")
    assert "usage: puretls" in done.err


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(
        f"{' '.join(COMMAND)} version | true; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode in (0, 141), done.stderr) == (True, "")
