"""`puretls scan` run, and servers to be scanned: OpenSSL's, and functions that treat every connection alike."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema

from support import PATIENCE, Pki, dial, free_port, need, running
from support.commands import Done, puretls


def scan(port: int, *argv: object) -> Done:
    return puretls("scan", f"localhost:{port}", "--pause", 0, *argv)


SCHEMA = Path(__file__).parents[2] / "docs" / "commands" / "scan.schema.json"


def facts(port: int, pki: Pki, *argv: object) -> Any:
    """The document, which is as its schema has it."""
    done = scan(port, "--ca-file", pki.ca, "--json", *argv)
    assert (done.status, done.err) == (0, ""), done
    found = json.loads(done.out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text("utf-8")))
    return found


@contextmanager
def openssl(pki: Pki, *names: str, options: tuple[object, ...] = ()) -> Iterator[int]:
    """`openssl s_server` with one or two certificates."""
    need("openssl")
    port = free_port()
    argv: list[object] = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", *options]
    argv += [] if "-early_data" in options else ["-www"]  # it takes only one of them
    for prefix, name in zip(("", "d"), names, strict=False):
        argv += [f"-{prefix}cert", pki.chain(name), f"-{prefix}key", pki.key(name)]
        argv += [f"-{prefix}cert_chain", intermediate(pki)]
    with running(pki.folder, *argv):
        dial(port).close()
        yield port


def intermediate(pki: Pki) -> Path:
    path = pki.folder / "intermediate.pem"
    path.write_bytes(pki.issuer.pem)
    return path


def accepted(found: Any, version: str) -> list[str]:
    return [one["name"] for one in found["suites"][version]["accepted"]]


def remarks(found: Any) -> dict[str, str]:
    return {one["what"]: one["cap"] for one in found["remarks"]}


@contextmanager
def each_connection(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that treats every connection so, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def treat(sock: socket.socket) -> None:
            with sock, suppress(OSError):
                sock.settimeout(PATIENCE)
                serve(sock)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    Thread(target=treat, args=(listener.accept()[0],), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def answering(data: bytes) -> Callable[[socket.socket], object]:
    def serve(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        sock.sendall(data)

    return serve
