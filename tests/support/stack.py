"""Where a function of a program was called from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

INSIDE = {"_engine", "_record"}


def within_the_engine() -> bool:
    """Whether a step of the engine is under way, with whoever asks somewhere inside it."""
    frame: Any = sys._getframe()
    while frame is not None:
        if not INSIDE.isdisjoint(Path(frame.f_code.co_filename).parts):
            return True
        frame = frame.f_back
    return False
