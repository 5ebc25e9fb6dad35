"""Real programs on puretls: each row of the catalogue in a process of its own, over loopback (`make ecosystem`)."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.catalogue import PROGRAMS, LibraryProgram
from support import Pki

HERE = Path(__file__).parent
SEARCH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
LIMIT = 110  # seconds for a program: less than pytest's own limit, so that its words are seen


@pytest.fixture(scope="module")
def folder(pki: Pki) -> Path:
    for name in ("P-256", "RSA", "stranger", "wrong", "client"):
        pki.chain(name), pki.key(name)
    return pki.folder


@pytest.mark.parametrize(
    ("program", "mode"),
    [
        pytest.param(program, mode, id=f"{program.file}-{mode}")
        for program in PROGRAMS
        for mode in program.modes.split()
    ],
)
def test_program(program: LibraryProgram, mode: str, folder: Path) -> None:
    for module in [*program.modules.split(), *mode.split("+")[1:]]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    for name in program.servers.split():
        if not shutil.which(name, path=SEARCH):
            pytest.skip(f"{name} is not installed")
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, HERE / "programs" / f"{program.file}.py", mode, folder],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**os.environ, "PATH": SEARCH, "PYTHONPATH": path, "ECOSYSTEM_MODULES": program.modules},
    )
    assert (done.returncode, done.stdout.endswith("done\n")) == (0, True), f"{done.stdout}\n{done.stderr[-6000:]}"


def test_the_documentation_lists_every_program() -> None:
    text = (HERE.parents[1] / "docs" / "compatibility.md").read_text("utf-8")
    missing = [program.file for program in PROGRAMS if f"`{program.file}`" not in text]
    assert missing == []
