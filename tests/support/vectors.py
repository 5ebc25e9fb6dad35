"""Published data in `tests/data`, whose README says where each file is from."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"


def load(name: str) -> Any:
    """The content of a compressed JSON file."""
    with gzip.open(DATA / f"{name}.json.gz") as file:
        return json.load(file)


def wycheproof(name: str) -> list[dict[str, Any]]:
    """The groups of tests of one of Project Wycheproof's files."""
    return load(f"wycheproof/{name}")["testGroups"]
