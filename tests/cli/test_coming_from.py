"""Each line of the page for people who come from other programs is a command line that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from puretls.cli import parser

PAGE = Path(__file__).parents[2] / "docs" / "commands" / "coming-from.md"
NAMES = {"HOST": "www.example.org", "PROXY": "proxy.example", "USER": "me", "PASSWORD": "word"}
LINES = list(dict.fromkeys(re.findall(r"`(puretls [^`]+)`", PAGE.read_text("utf-8"))))


@pytest.mark.parametrize("line", LINES)
def test_the_command_line_parses(line: str) -> None:
    argv = shlex.split(re.sub("|".join(NAMES), lambda name: NAMES[name[0]], line))[1:]
    arguments = parser(argv).parse_args(argv)
    assert arguments.command == argv[0]


def test_there_are_many() -> None:
    assert len(LINES) > 40
