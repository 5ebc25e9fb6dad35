"""OpenSSL's client takes a session of one server to another that shares its keys, or its store."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import puretls
from support import PATIENCE, need
from support.both import V12, V13, only, server_of

KEY = b"k" * 48


class DictStore(dict[bytes, bytes]):
    def put(self, id: bytes, value: bytes, seconds: int) -> None:  # noqa: A002
        del seconds
        self[id] = value

    def take(self, id: bytes) -> bytes | None:  # noqa: A002
        return self.pop(id, None)


def visit(context: Any, ca: Path, *options: object) -> tuple[str, bool]:
    """What s_client says of the connection ("New" or "Reused"), and whether the server resumed."""
    found: list[bool] = []

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        raw.settimeout(PATIENCE)
        with context.wrap_socket(raw, server_side=True) as tls:
            found.append(tls.session_reused)
            tls.sendall(b"hello\n")
            tls.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca, "-servername", "localhost"]
        with subprocess.Popen(
            [*map(str, command), *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            said = ""
            while "hello" not in said:  # behind the tickets
                line = client.stdout.readline()
                assert line, said
                said += line
            client.stdin.write("Q\n")
            client.stdin.close()
            said += client.stdout.read()
        thread.join()
    return "Reused" if "Reused, TLS" in said else "New", found[0]


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("how", ["keys", "secret", "store"])
def test_s_client_resumes_with_another_server(how, version, pki, tmp_path):
    need("openssl")
    servers, store, session = [server_of(puretls, pki) for _ in range(2)], DictStore(), tmp_path / "session"
    for server in servers:
        only(version, server)
        if how == "secret":
            server.set_ticket_secret(KEY)
        else:
            server.set_ticket_keys([KEY])
        if how == "store":
            server.options |= puretls.OP_NO_TICKET
            server.session_store = store
    assert visit(servers[0], pki.ca, "-sess_out", session) == ("New", False)
    assert visit(servers[1], pki.ca, "-sess_in", session) == ("Reused", True)
    stranger = server_of(puretls, pki)
    only(version, stranger)
    assert visit(stranger, pki.ca, "-sess_in", session) == ("New", False)
