"""The benchmarks run: not how fast, only that every contender does its part and the picture is drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]


def test_a_few_workloads(tmp_path: Path) -> None:
    picture = tmp_path / "ratios.svg"
    command = [sys.executable, "-m", "benchmarks", "resumed, TLS 1.2|1 KiB, TLS|context: client$", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--picture", picture], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "resumed, TLS 1.2, both" in done.stdout
    assert ET.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
