"""The documentation names only what exists: tests, files and links. Its pictures load nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_and_files_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?", text):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"
    for path in re.findall(r"`((?:_\w+|cli)/\w+\.py)`", text):
        assert (ROOT / "src" / "puretls" / path).exists(), path
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


def test_the_architecture_has_the_files_that_there_are() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = set(re.findall(r"\b(\w+\.py)\b", re.sub(r"\btests/[\w/]+\.py", "", text)))
    assert named <= {path.name for path in ROOT.glob("src/puretls/**/*.py")}
    for package in ("_engine", "_record", "_api", "_x509", "asyncio", "fleet"):
        modules = {path.name for path in ROOT.glob(f"src/puretls/{package}/*.py")} - {"__init__.py"}
        assert modules <= named, f"docs/architecture.md does not say what is in {sorted(modules - named)}"


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/**/*.svg")), ids=lambda picture: picture.name)
def test_pictures_need_no_network(picture: Path) -> None:
    text = picture.read_text("utf-8")
    assert re.findall(r"(?:url\(|@import|href=|src=)\s*[\"']?\s*(?:https?:)?//", text) == []


RIDDLES = re.compile(r"\b(likewise|as ever|short way|greedy|untold|for who|last words|seam|owes|owed)\b", re.IGNORECASE)


def test_no_word_is_in_use_that_only_we_would_know() -> None:
    """docs/architecture.md has a glossary; everything else is plain English, or the RFC's word."""
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in [*PAGES, *sorted(ROOT.glob("src/puretls/**/*.py"))]
        for match in RIDDLES.finditer(path.read_text("utf-8"))
    ]
    assert not found
