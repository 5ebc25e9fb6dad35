"""Making foreign text safe for a terminal.

A name in a certificate or a line of a server's greeting may contain control characters, escape sequences, or marks that
change the direction of writing, and a terminal would obey them. The data of a session is left as it is.
"""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 400  # of one piece of foreign text on a screen


def printable(text: str, limit: int = LONGEST) -> str:
    """The text with everything escaped that is not a plain visible character, and cut where it goes on for too long."""
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text[:limit])
    return shown + ("..." if len(text) > limit else "")


def decoded(data: bytes, limit: int = LONGEST) -> str:
    """Bytes that should be text."""
    return printable(data.decode("utf-8", "backslashreplace"), limit)


def write_private(path: Path, text: str) -> None:
    """A file with secrets: where it is made, it is for its owner alone."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    with open(path, "w", encoding="utf-8", opener=opener) as file:
        file.write(text)
