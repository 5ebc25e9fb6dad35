"""Errors that no caller can catch are reported to sys.unraisablehook, as `ssl` does it.

The traceback of the error refers to the frames of these calls.  None of them may refer to the error, or both would live
until the cycle collector runs, and the connection with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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


def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of the program returns, for generators of ours: if it raises GeneratorExit, that is an error like
    any other, and nobody has closed them.
    """
    try:
        return function(*arguments)
    except GeneratorExit as error:
        raise RuntimeError("a callback has raised GeneratorExit") from error
