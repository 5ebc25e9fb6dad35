"""Errors that only pass through: what a signal handler, a tracer or a debugger raises in the middle of our code.

It was not the peer who caused them, and whoever raised them wants to see them again as they are.
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
