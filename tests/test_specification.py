"""docs/specification.md names tests for the paragraphs of the documentation: they have to exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs/specification.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TABLE)))


@cache
def functions_of(path: str) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", (ROOT / path).read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_named_tests_exist(path):
    assert {name for where, name in NAMED if where == path} <= functions_of(path)


def test_every_paragraph_has_a_test_or_a_reason():
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| paragraph")]
    assert len(rows) > 100
    assert [row for row in rows if not row.split(" | ", 1)[1].strip(" |")] == []


def test_every_test_of_the_chapters_is_named():
    """A test in tests/spec shows a paragraph: the table says which."""
    for file in sorted((ROOT / "tests/spec").glob("test_*.py")):
        path = file.relative_to(ROOT).as_posix()
        assert functions_of(path) - {name for where, name in NAMED if where == path} == set(), path
