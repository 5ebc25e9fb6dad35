"""Where an error was raised that has come out of our code.

What a signal handler, a tracer or a debugger raises has to be passed on unchanged: the peer has not caused it, and
whoever has raised it wants to catch it.
"""

from __future__ import annotations

from types import FrameType

CO_OPTIMIZED = 1  # of a code object: it is a function's, whose variables are in no dictionary


def from_outside(error: BaseException) -> bool:
    """Whether this was raised by a function that has interrupted our code.

    The interpreter calls such functions with the frame that they have interrupted, and no function of ours has a frame
    as an argument.
    """
    traceback = error.__traceback__
    while traceback is not None:
        for value in _variables(traceback.tb_frame):
            if isinstance(value, FrameType):
                return True
            if type(value) is tuple and any(isinstance(one, FrameType) for one in value):
                return True
        traceback = traceback.tb_next
    return False


def _variables(frame: FrameType) -> list[object]:
    """What a frame's variables hold now.

    Before Python 3.13 a frame keeps the dictionary that it has shown them in, and with it what is deleted from them
    later: errors, which would be in a circle with their traceback, and secrets.  So nothing is left in it.
    """
    shown = frame.f_locals
    found = list(shown.values())
    if type(shown) is dict and frame.f_code.co_flags & CO_OPTIMIZED:  # else these are the variables themselves
        shown.clear()
    return found


def raised_in(error: BaseException) -> str:
    """The name of the module whose code raised it."""
    traceback, name = error.__traceback__, ""
    while traceback is not None:
        name = str(traceback.tb_frame.f_globals.get("__name__"))
        traceback = traceback.tb_next
    return name
