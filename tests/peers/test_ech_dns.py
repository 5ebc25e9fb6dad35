"""The way of a configuration: an HTTPS record, DNS over HTTPS, a client; with dnspython.  See tests/future, too."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import puretls
from support import PATIENCE, Pki, dial
from support.encrypted import SECRET, Site, listed, new_key
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
