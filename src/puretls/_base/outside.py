"""Where an error was raised that has come out of our code.

What a signal handler, a tracer or a debugger raises has to be passed on unchanged: the peer has not caused it, and
whoever has raised it wants to catch it.
"""

from __future__ import annotations

from types import FrameType


def from_outside(error: BaseException) -> bool:
    """Whether this was raised by a function that has interrupted our code.

    The interpreter calls such functions with the frame that they have interrupted, and no function of ours has a frame
    as an argument.
    """
    traceback = error.__traceback__
    while traceback is not None:
        for value in traceback.tb_frame.f_locals.values():
            if isinstance(value, FrameType):
                return True
            if type(value) is tuple and any(isinstance(one, FrameType) for one in value):
                return True
        traceback = traceback.tb_next
    return False


def raised_in(error: BaseException) -> str:
    """The name of the module whose code raised it."""
    traceback, name = error.__traceback__, ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__"))
        traceback = traceback.tb_next
    return name
