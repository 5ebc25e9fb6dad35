"""The identity of the process: a child of a fork has copies of all objects, and has to know that it is another
process.
"""

from __future__ import annotations


class Process:
    """The running process; `this` is a different object in each process, and the same until it ends."""

    this: object = object()

    @classmethod
    def renew(cls) -> None:
        """Called in a forked child."""
        cls.this = object()
