"""Project Wycheproof's vectors, where they are at hand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "wycheproof"


@pytest.fixture(scope="session")
def wycheproof() -> Callable[[str], list[dict[str, Any]]]:
    """A function from the name of a file to its cases."""

    def load(name: str) -> list[dict[str, Any]]:
        path = VECTORS / f"{name}.json.gz"
        if not path.exists():
            pytest.skip(f"no vectors at {path}")
        with gzip.open(path) as file:
            return [case for group in json.load(file)["testGroups"] for case in group["tests"]]

    return load
