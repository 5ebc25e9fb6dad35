"""Reading what is typed at a terminal, without showing it."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import suppress


def has_terminal() -> bool:
    """Whether getpass can ask: at the terminal of this process, or else on standard input."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
            return True
    return sys.stdin is not None and sys.stdin.isatty()


def typed(prompt: str) -> str | None:
    """What was typed; None without a terminal, where getpass would read standard input instead."""
    if has_terminal():
        with suppress(EOFError, OSError):
            return getpass.getpass(prompt)
    return None
