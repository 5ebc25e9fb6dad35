"""The command `puretls` as people and scripts run it: a process of its own, its output, its exit status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import NamedTuple

import pytest

from puretls.cli import main
from support import PATIENCE

COMMAND = (sys.executable, "-m", "puretls")


class Done(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str


def puretls(*argv: object, stdin: bytes | None = None, **environment: object) -> Done:
    """Run it to its end. Without `stdin` there is nothing to read, as in a scheduled job."""
    done = subprocess.run(
        [*COMMAND, *map(str, argv)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=3 * PATIENCE,
        check=False,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def called(capture: pytest.CaptureFixture[str], *argv: object) -> Done:
    """The same within this process, for what needs none of its own: it saves the interpreter's start."""
    try:
        status = main([str(part) for part in argv])
    except SystemExit as leaving:  # argparse
        status = int(leaving.code or 0)
    out, err = capture.readouterr()
    return Done(status, out, err)


@contextmanager
def interruptible() -> Iterator[None]:
    """Processes started here heed Ctrl-C: one that runs in the background inherits that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which one connection is served, by a function in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def accept() -> None:
            with listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                serve(sock)

        thread = Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(PATIENCE)
