"""Certificate compression (RFC 8879) with who else has it: Chromium (brotli), GnuTLS where it was built with zlib."""

from __future__ import annotations

import importlib.util
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._base.registry import CERTIFICATE, COMPRESSED_CERTIFICATE, HANDSHAKE
from support import PATIENCE, Program, dial, free_port, need, running
from support.browser import browsing, home_trusting

PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<title>squeezed</title>"


def server_context(pki: Any, name: str) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    context.set_cert_compression([name])
    return context


@pytest.mark.skipif(not importlib.util.find_spec("brotli"), reason="no brotli")
@pytest.mark.timeout(180)
def test_chromium_reads_brotli(pki, tmp_path: Path) -> None:
    need("chromium", "certutil")
    context, sent = server_context(pki, "brotli"), []

    def note(_conn: Any, way: str, _version: Any, content: int, kind: int, _data: bytes) -> None:
        if (way, content) == ("write", HANDSHAKE):
            sent.append(int(kind))

    context._msg_callback = note
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    sock = listener.accept()[0]
                except OSError:
                    return
                sock.settimeout(PATIENCE)
                try:
                    with context.wrap_socket(sock, server_side=True) as tls:
                        tls.recv(4096)
                        tls.sendall(PAGE)
                        tls.unwrap()
                except OSError:  # the browser opens more connections than it uses
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with browsing(home_trusting(tmp_path, pki.ca)) as tab:
            tab.load(f"https://localhost:{port}/")
            assert tab.value("document.title") == "squeezed"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
    assert COMPRESSED_CERTIFICATE in sent
    assert CERTIFICATE not in sent


def compresses(program: Program) -> None:
    if "Unknown compression method" in program.said():
        pytest.skip("this GnuTLS was built without it")


@pytest.mark.parametrize("name", ["zlib"])
def test_gnutls_serves(name, pki, tmp_path: Path) -> None:
    need("gnutls-serv")
    port = free_port()
    served = (
        "gnutls-serv", "--port", port, "--echo", "--x509certfile", pki.chain("P-256"), "--x509keyfile",
        pki.key("P-256"), "--compress-cert", name, "--x509cafile", pki.ca, "--require-client-cert",
    )  # fmt: skip
    client = puretls.create_default_context(cafile=pki.ca)
    client.load_cert_chain(pki.chain("client"), pki.key("client"))
    client.set_cert_compression([name])
    with (
        running(tmp_path, *served) as program,
        dial(port) as sock,
        client.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        compresses(program)
        assert tls.cert_compression() == name
        tls.sendall(b"through\n")
        assert tls.recv(100) == b"through\n"


@pytest.mark.parametrize("name", ["zlib"])
def test_gnutls_connects(name, pki, tmp_path: Path) -> None:
    need("gnutls-cli")
    context = server_context(pki, name)
    context.load_verify_locations(pki.ca)
    context.verify_mode = puretls.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        command = (
            "gnutls-cli", "--port", listener.getsockname()[1], "localhost", "--x509cafile", pki.ca, "--x509certfile",
            pki.chain("client"), "--x509keyfile", pki.key("client"), "--compress-cert", name,
        )  # fmt: skip
        with running(tmp_path, *command) as program:
            sock = listener.accept()[0]
            sock.settimeout(PATIENCE)
            with context.wrap_socket(sock, server_side=True) as tls:
                program.send(b"through\n")
                assert tls.recv(100) == b"through\n"
                compresses(program)
                assert tls.cert_compression() == name
