"""What type checkers make of puretls: against typeshed's ssl.pyi, and in a user's program under `mypy --strict`."""

from __future__ import annotations

import json
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
    'ssl.SSLContext.load_verify_locations is inconsistent, stub does not have parameter "reload"',
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


def marked(text: str) -> set[int]:
    """The lines of a program that a checker has to report."""
    return {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# mistake")}


def test_mistakes_are_found_by_mypy(tmp_path: Path) -> None:
    """Each of them, and so all that mypy finds with typeshed's `ssl`; and nothing else."""
    text = (HERE / "mistakes.py").read_text()
    (tmp_path / "ours.py").write_text(text)
    (tmp_path / "theirs.py").write_text(text.replace("import puretls as ssl", "import ssl"))
    found = {}
    for name in ("ours", "theirs"):
        done = run("-m", "mypy", "--strict", "--no-error-summary", f"{name}.py", folder=tmp_path)
        found[name] = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert found["ours"] == marked(text)
    assert len(marked(text)) > 100
    assert found["theirs"] <= found["ours"]


def test_mistakes_are_found_by_pyright(tmp_path: Path) -> None:
    """The same by pyright's engine; `make types` installs it."""
    pytest.importorskip("basedpyright")
    text = (HERE / "mistakes.py").read_text()
    (tmp_path / "mistakes.py").write_text(text)
    (tmp_path / "sample.py").write_text((HERE / "sample.py").read_text())
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(SOURCE)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = run("-m", "basedpyright", "--outputjson", folder=tmp_path)
    found: dict[str, set[int]] = {"mistakes.py": set(), "sample.py": set()}
    for problem in json.loads(done.stdout)["generalDiagnostics"]:
        if problem["severity"] == "error":
            found[Path(problem["file"]).name].add(problem["range"]["start"]["line"] + 1)
    assert found == {"mistakes.py": marked(text), "sample.py": set()}
