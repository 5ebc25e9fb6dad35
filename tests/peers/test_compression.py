"""Certificate compression (RFC 8879) with BoringSSL (PyPI: curl_cffi) and with GnuTLS, where it was built with zlib.

Browsers are in test_browsers.py, OpenSSL in test_libssl.py.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._base.registry import CERTIFICATE, COMPRESSED_CERTIFICATE
from support import PATIENCE, Program, dial, free_port, need, running
from support.visits import visited


def server_context(pki: Any, name: str) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    context.set_cert_compression([name])
    return context


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


@pytest.mark.parametrize(
    ("name", "like"), [("brotli", "chrome"), ("zlib", "safari"), ("zlib", "firefox"), ("zstd", "firefox")]
)
def test_boringssl_reads(name: str, like: str, pki: Any) -> None:
    """By way of curl_cffi, with what these browsers offer."""
    curl_cffi = pytest.importorskip("curl_cffi", exc_type=ImportError)
    try:
        context = server_context(pki, name)
    except ValueError:
        pytest.skip(f"no {name}")
    with visited(context) as site, curl_cffi.Session(impersonate=like, verify=str(pki.ca)) as session:
        page = session.get(f"https://localhost:{site.port}/page", timeout=PATIENCE, http_version="v1")
        assert "/page" in page.text
        sent = {kind for way, kind in site.to("/page").messages if way == "write"}
    assert sent & {CERTIFICATE, COMPRESSED_CERTIFICATE} == {COMPRESSED_CERTIFICATE}
