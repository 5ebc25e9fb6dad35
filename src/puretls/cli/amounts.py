"""Numbers on a command line: types for argparse, which say what they take."""

from __future__ import annotations

import argparse
from collections.abc import Callable

LONGEST = 86400.0  # seconds: a day


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"not a whole number from {least} to {most}: {text!r}")
        return int(text)

    return convert


def decimal(least: float, most: float, what: str = "number") -> Callable[[str], float]:
    """A number within bounds."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"not a {what} from {least:g} to {most:g}: {text!r}")
        return value

    return convert


port = whole(0, 65535)  # to listen on; 0 for any
seconds = decimal(0.001, LONGEST, "number of seconds")
