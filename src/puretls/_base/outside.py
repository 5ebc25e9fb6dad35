"""Whose an error is that came out of the middle of our code.

What a signal handler, a tracer or a debugger raises only passes through: it was not the peer who caused it, and whoever
raised it wants to see it again as it is.
"""

from __future__ import annotations

from types import FrameType


def from_outside(error: BaseException) -> bool:
    """Whether this was raised by somebody who had interrupted us.

    The interpreter hands those whom it calls between two steps of other code the frame that they have interrupted, and
    no function of ours is given one.
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
