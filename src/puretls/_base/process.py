"""Which process this is: a child of a fork has all that its parent had, and has to know that it is another one."""

from __future__ import annotations


class Process:
    """The one that runs; `this` is another object in each of them, and the same until it ends."""

    this: object = object()

    @classmethod
    def renew(cls) -> None:
        """In a forked child."""
        cls.this = object()
