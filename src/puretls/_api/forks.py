"""Forks: they leave locks held that no thread would release, and connections shared by two processes."""

from __future__ import annotations

import os

from puretls._base import locks
from puretls._base.process import Process


class Forks:
    """How often this process, or one that it comes from, has forked."""

    count = 0
    process = os.getpid()

    @classmethod
    def more(cls) -> None:
        """A fork is about to happen: a connection from before may be another process's afterwards."""
        cls.count += 1

    @classmethod
    def in_child(cls) -> None:
        """This is another process from here on."""
        locks.renew()
        cls.process = os.getpid()
        Process.renew()

    @classmethod
    def check(cls, process: int) -> None:
        """The same, where somebody has forked and Python was not told."""
        if process != cls.process:
            cls.process = process
            Process.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=Forks.more, after_in_child=Forks.in_child)
