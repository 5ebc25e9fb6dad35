"""What is timed. Each function runs in a worker process and returns seconds: by the clock, and of CPU of its process.

Functions with an argument `end` run in both workers of a contender, which meet at a port of loopback. Everything else
has both ends in one process over memory BIOs, and times each side's calls on their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.early import early
from benchmarks.fleet import fleet
from benchmarks.hellos import hellos
from benchmarks.loops import streams, web
from benchmarks.scale import backlog, live, messages, threads, trickle
from benchmarks.sockets import bulk, ping, reads
from benchmarks.start import imports, process, strange
from benchmarks.web_clients import visits, web_client
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import Spent, handshakes, memory, spending

__all__ = [
    "backlog", "bulk", "contexts", "early", "fleet", "handshakes", "hellos", "idle", "imports", "live", "memory",
    "messages", "ping", "process", "reads", "strange", "streams", "threads", "trickle", "visits", "web", "web_client",
]  # fmt: skip


# One process and memory


def contexts(library: Any, files: Files, case: Case, role: str, count: int) -> Spent:
    """Making a context: a server's with its certificate, a client's, a client's with the system's CA bundle."""
    tls = library.module

    def bundle() -> Any:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(files.of("bundle.pem"))
        return context

    makers: dict[str, Callable[[], Any]] = {
        "server": lambda: library.context(files, case, server=True),
        "client": lambda: tls.SSLContext(tls.PROTOCOL_TLS_CLIENT),
        "bundle": bundle,
    }
    if library.name == "pyopenssl":
        makers["client"] = lambda: tls.Context(tls.TLS_CLIENT_METHOD)
        makers["bundle"] = lambda: makers["client"]().load_verify_locations(files.of("bundle.pem"))
    makers[role]()
    with spending(count) as spent:
        for _ in range(count):
            makers[role]()
    return spent[0]


def idle(library: Any, files: Files, count: int, loop: str) -> tuple[float, float]:
    """KiB that an established connection holds, client and server: in a process of its own, where all memory counts."""
    command = [sys.executable, "-m", "benchmarks.idle", library.name, files.folder, str(count), loop]
    environment = {**os.environ, "PYTHONMALLOC": "malloc"}
    client, server = subprocess.check_output(command, env=environment, text=True).split()
    return float(client), float(server)
