"""What type checkers make of puretls: against typeshed's ssl.pyi, and in a user's program under `mypy --strict`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import puretls

pytest.importorskip("mypy")

HERE = Path(__file__).parent
SOURCE = Path(puretls.__file__).parents[1]

# stubtest compares a stub with what it finds at run time under the same name.
STUBTEST = """
import sys
import puretls
sys.modules["ssl"] = puretls
from mypy import stubtest
sys.argv = ["stubtest", "ssl", "--concise", "--ignore-missing-stub"]
sys.exit(stubtest.main())
"""
EXPLAINED = {  # in docs/differences.md, or true of ssl itself
    "ssl.PROTOCOL_SSLv2 is not present at runtime",
    "ssl.PROTOCOL_SSLv3 is not present at runtime",
    "ssl.SSLContext is inconsistent, metaclass differs",
    "ssl.SSLObject is inconsistent, metaclass differs",
    "ssl.SSLSocket is inconsistent, metaclass differs",
    "ssl.SSLContext.security_level is read-only at runtime but not in the stub",
}


def run(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=110,
        check=False,
        env={**os.environ, "MYPYPATH": str(SOURCE), "PYTHONPATH": str(SOURCE), "MYPY_CACHE_DIR": str(folder / "cache")},
    )


def test_typeshed_knows_nothing_that_is_missing_or_different(tmp_path: Path) -> None:
    done = run("-c", STUBTEST, folder=tmp_path)
    found = set(done.stdout.splitlines())
    assert found, done.stderr
    assert found - EXPLAINED == set()


def test_a_users_program(tmp_path: Path) -> None:
    """The names as they are used, and what is annotated with the interpreter's classes takes ours."""
    done = run("-m", "mypy", "--strict", "--no-error-summary", HERE / "sample.py", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
