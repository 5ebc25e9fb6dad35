"""The way of a configuration: an HTTPS record, DNS over HTTPS, a client; with dnspython and urllib3-future."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import puretls
from support import PATIENCE, Pki, dial
from support.encrypted import PUBLIC, SECRET, Site, listed, new_key
from support.resolver import resolver

ROOT = Path(__file__).parents[2]


@contextmanager
def https(context: Any, handler: Any) -> Iterator[int]:
    """A server for this handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


def test_the_recipe(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function of docs/recipes/encrypted-client-hello.md, as it stands there."""
    key, site = new_key(), Site(pki)
    page = (ROOT / "docs" / "recipes" / "encrypted-client-hello.md").read_text("utf-8")
    code = page[page.index("import urllib.request") :].partition("```")[0]
    namespace: dict[str, Any] = {"ssl": puretls}
    exec(code, namespace)
    record = f'1 . alpn="h2" ech={base64.b64encode(listed(key)).decode()}'
    own = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    with https(own, resolver({f"{SECRET}.": record})) as port:
        url = f"https://localhost:{port}/dns-query"
        configs = namespace["ech_configs"](SECRET, url)
        assert namespace["ech_configs"]("other.example", url) is None
    assert configs == listed(key)
    server = site.server(key)
    with https(server, BaseHTTPRequestHandler) as port:
        context = site.client().set_ech_configs(configs)
        with dial(port) as raw, context.wrap_socket(raw, server_hostname=SECRET) as conn:
            assert conn.get_ech_status() == puretls.ECH_STATUS_SUCCESS


PROGRAM = """
import sys
import puretls
puretls.inject_into_ssl()
import puretls as ssl
import {module}

folder, port, configs = sys.argv[1], int(sys.argv[2]), sys.argv[3]
{body}
"""
URLLIB3_FUTURE = """
from urllib3_future.util.ssl_ import ssl_wrap_socket
import socket
context = ssl.create_default_context(cafile=folder)
raw = socket.create_connection(("127.0.0.1", port))
conn = ssl_wrap_socket(raw, ssl_context=context, server_hostname="SECRET", ech_config_list=bytes.fromhex(configs))
print(type(conn).__module__, conn.get_ech_status().name)
conn.close()
""".replace("SECRET", SECRET)


def test_urllib3_future_finds_set_ech_configs(pki: Pki, tmp_path: Path) -> None:
    """It knows contexts that can by that method, and makes the copy itself; so does niquests, which is built on it."""
    pytest.importorskip("urllib3_future", exc_type=ImportError)
    key, site = new_key(), Site(pki)
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(module="urllib3_future", body=URLLIB3_FUTURE))
    seen: list[str | None] = []
    server = site.server(key)
    server.sni_callback = lambda conn, name, _: seen.append(f"{conn.outer_server_hostname} {name}")
    with https(server, BaseHTTPRequestHandler) as port:
        argv = [sys.executable, script, pki.ca, str(port), listed(key).hex()]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=3 * PATIENCE, check=False)
    assert done.stdout == "puretls ECH_STATUS_SUCCESS\n", done.stderr[-2000:]
    assert seen == [f"{PUBLIC} {SECRET}"]
