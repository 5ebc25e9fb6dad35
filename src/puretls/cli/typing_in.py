"""What somebody types at a terminal without its being shown."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import suppress


def has_terminal() -> bool:
    """Where getpass looks for one: the terminal of this process, or else standard input."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
            return True
    return sys.stdin is not None and sys.stdin.isatty()


def typed(prompt: str) -> str | None:
    """None without a terminal: getpass would then take what standard input is there to send."""
    if has_terminal():
        with suppress(EOFError, OSError):
            return getpass.getpass(prompt)
    return None
