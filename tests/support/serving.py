"""`puretls serve` as a process, and clients of it."""

from __future__ import annotations

import http.client
import os
import re
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import PATIENCE, Program, need, running
from support.commands import COMMAND


class Serving:
    """A server that is up, what it has said, and a CA to trust it by."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder, self.said = program, folder, ""
        self.ca = folder / "ca" / "ca.pem"
        self.port = int(self.wait_for(r"Serving https://[^/]*:(\d+)/")[1])

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read its output until it says this."""
        deadline = time.monotonic() + PATIENCE
        stdout = self.program.process.stdout
        assert stdout
        while not (found := re.search(pattern, self.said)):
            ready, _, _ = select.select([stdout], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(stdout.fileno(), 65536) if ready else b""
            assert data, f"waited in vain for {pattern!r}: {self.said}{self.program.said()}"
            self.said += data.decode()
        return found

    def curl(self, path: str, *argv: object, host: str = "localhost", ca: Path | None = None) -> tuple[int, bytes]:
        need("curl")
        command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--path-as-is", "--cacert", ca or self.ca]
        url = f"https://{host}:{self.port}{path}"
        done = subprocess.run([*command, *argv, url], capture_output=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stdout

    @contextmanager
    def tls(self) -> Iterator[ssl.SSLSocket]:
        """A connection by the interpreter's own client, for what no HTTP client would say."""
        context = ssl.create_default_context(cafile=self.ca)
        with (
            socket.create_connection(("127.0.0.1", self.port), PATIENCE) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            yield tls

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """One request by the interpreter's own client, the path as it is given."""
        context = ssl.create_default_context(cafile=self.ca)
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", "localhost")
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@contextmanager
def serve(folder: Path, *argv: object) -> Iterator[Serving]:
    with running(folder, *COMMAND, "serve", folder / "www", "--ca", folder / "ca", "--port", 0, *argv) as program:
        yield Serving(program, folder)
