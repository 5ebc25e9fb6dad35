"""The `time` of functions that verify something without a connection."""

from __future__ import annotations

import math
from time import time as clock


def moment(time: float | None, name: str = "time") -> float:
    """The checked value, now unless given: ValueError for no finite number, with which every comparison is false."""
    if time is None:
        return clock()
    if not isinstance(time, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(time).__name__}")
    if not math.isfinite(time):
        raise ValueError(f"{name} has to be a finite number of seconds")
    return time
