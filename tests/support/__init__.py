"""What tests of several folders share.  Here: certificates in files, other programs as processes, and free ports.

Everything waits with a deadline: a peer that says nothing is a failed test, not a hung suite.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dh
from cryptography.hazmat.primitives.serialization import Encoding, ParameterFormat

from puretls._crypto.groups import BY_NAME
from puretls.cli.certs import Authority, Identity

PATIENCE = 20.0  # seconds for any one step of a peer
MIB = 1 << 20


def need(*programs: str, everywhere: bool = True) -> None:
    """Skip the test if a program is missing; in CI, where `make test` installs them, that is a failure.

    Not `everywhere` are those that another distribution than Debian may lack.
    """
    for name in programs:
        if not shutil.which(name):
            (pytest.fail if everywhere and os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")


def free_port() -> int:
    """A port that was free a moment ago: for programs that cannot tell which one the kernel gave them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def dial(port: int) -> socket.socket:
    """Connect to a program that may still be starting."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait for something that another process does."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


class Pki:
    """A CA, an intermediate, leaves of every kind and some bad ones, made when asked for and kept as files.

    `pki.chain("P-256")` and `pki.key("P-256")` are paths for programs that know only files. Bad ones: "expired",
    "wrong" (for another host), "stranger" (of a CA nobody trusts). "client" has the other extended key usage.
    """

    LEAVES: dict[str, dict[str, Any]] = {  # noqa: RUF012 - a table
        "expired": {"days": (-9, -2)},
        "years": {"days": (-1, 900)},
        "client": {"client": True},
        "client-RSA": {"client": True, "kind": "RSA"},
        "client-Ed25519": {"client": True, "kind": "Ed25519"},
    }

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Authority("Test root")
        self.issuer = Authority("Test intermediate", parent=self.root)
        self.elsewhere = Authority("Another root")
        self.made: dict[str, Identity] = {}
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.root.pem)
        self.other_ca = folder / "other-ca.pem"
        self.other_ca.write_bytes(self.elsewhere.pem)

    def identity(self, name: str) -> Identity:
        if name not in self.made:
            issuer = self.elsewhere if name.startswith("stranger") else self.issuer
            hosts = ("elsewhere.test",) if name == "wrong" else ("localhost", "127.0.0.1")
            profile = self.LEAVES.get(name.removeprefix("stranger-"), {})
            kind = name if name[0].isupper() else "P-256"
            self.made[name] = issuer.issue(*hosts, **{"kind": kind, **profile})
        return self.made[name]

    def chain(self, name: str) -> Path:
        return self._file(f"{name}.pem", lambda: self.identity(name).chain_pem)

    def key(self, name: str) -> Path:
        return self._file(f"{name}.key", lambda: self.identity(name).key_pem)

    @property
    def dh(self) -> Path:
        """Diffie-Hellman parameters for load_dh_params: RFC 7919's ffdhe2048."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cryptography will drop them some day
            numbers = dh.DHParameterNumbers(BY_NAME["ffdhe2048"].field.p, 2)  # type: ignore[attr-defined]  # has one
            pem = numbers.parameters().parameter_bytes(Encoding.PEM, ParameterFormat.PKCS3)
        return self._file("dh.pem", lambda: pem)

    def _file(self, name: str, content: Callable[[], bytes]) -> Path:
        path = self.folder / name
        if not path.exists():
            path.write_bytes(content())
        return path


class Program:
    """Another program with pipes: what it is sent and what it says, with deadlines; its stderr goes to a file."""

    def __init__(self, folder: Path, *argv: object) -> None:
        self.log = folder / f"{Path(str(argv[0])).name}-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=folder,
            )

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def recv(self, size: int) -> bytes:
        assert self.process.stdout
        data, deadline = bytearray(), time.monotonic() + PATIENCE
        while len(data) < size:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert ready, f"{len(data)} of {size} bytes, then silence\n{self.said()}"
            piece = os.read(self.process.stdout.fileno(), min(65536, size - len(data)))
            if not piece:
                break
            data += piece
        return bytes(data)

    def end_input(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


@contextmanager
def running(folder: Path, *argv: object) -> Iterator[Program]:
    """A program for the length of a block."""
    program = Program(folder, *argv)
    try:
        yield program
    finally:
        program.stop()
