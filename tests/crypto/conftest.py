"""Project Wycheproof's vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support import vectors


@pytest.fixture(scope="session")
def wycheproof() -> Callable[[str], list[dict[str, Any]]]:
    """A function from the name of a file to its cases."""
    return lambda name: [case for group in vectors.wycheproof(name) for case in group["tests"]]
