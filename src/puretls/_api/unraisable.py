"""What goes wrong where nobody can catch it: sys.unraisablehook is told, as `ssl` tells it.

The error's traceback leads to the frames of these calls; none of them may lead back to the error, or the two would live
until the cycle collector comes by, and a connection with them.
"""

from __future__ import annotations


class _Unraisable:
    """Its finaliser raises: the interpreter then calls sys.unraisablehook, which it lets nobody else prepare."""

    def __init__(self, error: BaseException) -> None:
        self.errors = [error]

    def __del__(self) -> None:
        raise self.errors.pop()


def report_unraisable(error: BaseException) -> None:
    """Tell sys.unraisablehook."""
    unraisable = _Unraisable(error)
    del error
    del unraisable  # now
