"""Calls of which nobody is warned.

`warnings.catch_warnings` swaps the filters of the whole process: what another thread warns of meanwhile is lost, and
two threads that do it in turn may leave the filters swapped for good.  A warning is issued in the name of the module
whose code makes the call.  Where that name is None, as it is late in the interpreter's shutdown, the warning is dropped
before any filter is looked at (`warn_explicit` in CPython's `_warnings.c`): so that is who makes these calls.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def quietly(function: F) -> F:
    """The same function, without the warnings that are meant for its caller."""
    scope = {"__name__": None, "__builtins__": builtins, "function": function}
    return cast("F", FunctionType(_call.__code__, scope))


def _call(*args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)  # noqa: F821  # in the globals that it is given
