"""Two processes for each contender, one pinned to each core, alive for the whole run."""

from __future__ import annotations

import os
import socket
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import work
from benchmarks.contenders import contender
from benchmarks.sockets import roomy
from puretls.cli.workloads import Spent


def worker(name: str, core: int, pipe: Connection) -> None:
    """One contender on one core: runs functions of work.py when asked, answers with what they return."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})
    library = contender(name)
    listener = roomy(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    pipe.send(listener.getsockname()[1])
    while request := pipe.recv():
        function, arguments, end = request
        if end is not None:
            arguments = (*arguments[:2], (listener, 0) if end == "server" else (None, end), *arguments[2:])
        try:
            pipe.send(getattr(work, function)(library, *arguments))
        except Exception as error:  # noqa: BLE001 - the runner reports it and goes on
            pipe.send(error)


class Pair:
    """A contender's two workers: the first serves or works alone, the second is its client."""

    def __init__(self, name: str) -> None:
        spawn = get_context("spawn")
        self.name, self.pipes, self.processes = name, [], []
        for core in (0, 1):
            mine, its = spawn.Pipe()
            process = spawn.Process(target=worker, args=(name, core, its), daemon=True)
            process.start()
            self.pipes.append(mine)
            self.processes.append(process)
        self.port, _ = (self.answer(pipe) for pipe in self.pipes)

    def answer(self, pipe: Connection) -> Any:
        if not pipe.poll(120):
            raise TimeoutError(f"{self.name} takes too long")
        answer = pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def alone(self, function: str, *arguments: Any) -> Any:
        self.pipes[0].send((function, arguments, None))
        return self.answer(self.pipes[0])

    def both(self, function: str, *arguments: Any) -> tuple[Spent, Spent]:
        """Server's and client's report."""
        self.pipes[0].send((function, arguments, "server"))
        self.pipes[1].send((function, arguments, self.port))
        return self.answer(self.pipes[0]), self.answer(self.pipes[1])

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()
