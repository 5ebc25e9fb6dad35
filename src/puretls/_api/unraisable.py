"""Errors that no caller can catch are reported to sys.unraisablehook, as `ssl` does it.

The traceback of the error refers to the frames of these calls.  None of them may refer to the error, or both would live
until the cycle collector runs, and the connection with them.
"""

from __future__ import annotations


class _Unraisable:
    """An object whose finaliser raises: the interpreter then calls sys.unraisablehook with arguments that only it can
    prepare.
    """

    def __init__(self, error: BaseException) -> None:
        self.errors = [error]

    def __del__(self) -> None:
        raise self.errors.pop()


def report_unraisable(error: BaseException) -> None:
    """Report an error to sys.unraisablehook."""
    unraisable = _Unraisable(error)
    del error
    del unraisable  # which calls the hook now
