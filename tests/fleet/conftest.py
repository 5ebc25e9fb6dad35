"""A redis-server of Debian's package, started for the tests and stopped, killed or hung by them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import PATIENCE, free_port

try:
    import redis
except ImportError:  # then the tests that need one are skipped
    redis = None  # type: ignore[assignment]


class RedisServer:
    """One that listens on a port of loopback, and comes back there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self, *options: str) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.folder / "redis.log").open("ab") as said:
            self.process = subprocess.Popen([*command, *options], stdout=said, stderr=said, cwd=self.folder)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.client().ping()
            except redis.RedisError:
                assert time.monotonic() < deadline, (self.folder / "redis.log").read_text()
                time.sleep(0.02)
            else:
                return

    def client(self) -> Any:
        return redis.Redis(port=self.port, socket_timeout=PATIENCE)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    if redis is None:
        pytest.skip("redis-py is not installed")
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    server = RedisServer(tmp_path)
    yield server
    server.kill()
