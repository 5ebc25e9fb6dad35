"""A chain that says where its issuers are published (RFC 5280 4.2.2.1), and the HTTP server that has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import puretls
from puretls._x509 import issuers
from support import pki as ca
from support.both import only

AIA = "1.3.6.1.5.5.7.1.1"


def access(*urls: str) -> Any:
    return False, ca.seq(*(ca.seq(ca.oid(issuers.CA_ISSUERS), ca.tlv(0x86, url.encode())) for url in urls))


class Repository:
    """What is published: bytes by path, or a function of the request that answers it."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                page = web.pages.get(self.path)
                if callable(page):
                    page(self)
                elif page is None:
                    self.send_error(404)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(page)))
                    self.end_headers()
                    self.wfile.write(page)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


class Unpublished:
    """The same without a server, for a function that fetches."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}

    def url(self, path: str) -> str:
        return f"http://repository.test/{path}"


class PublishedChain:
    """A root, two intermediates and a leaf, which say where the one above them is."""

    def __init__(
        self, web: Repository | Unpublished, *, leaf_urls: tuple[str, ...] = (), url: Callable[[str], str] | None = None
    ) -> None:
        now, url = time.time(), url or web.url
        self.web = web
        dates = {"not_before": now - 3600, "not_after": now + 30 * 86400}
        self.root = ca.ca("CN=Aia Root", private=ca.key("p256", 1), **dates)
        self.upper = ca.ca("CN=Aia Upper", self.root, private=ca.key("p256", 2), **dates)
        self.lower = ca.ca(
            "CN=Aia Lower", self.upper, private=ca.key("p256", 3), extensions={AIA: access(url("upper"))}, **dates
        )
        self.leaf = ca.leaf("localhost", self.lower, extensions={AIA: access(*(leaf_urls or (url("lower"),)))}, **dates)
        web.pages |= {"/lower": self.lower.der, "/upper": self.upper.der}

    def client(self, version: Any = None, **settings: Any) -> Any:
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.root.der)
        if version is not None:
            only(version, context)
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    def server(self, *chain: Any) -> Any:
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("".join(x.pem for x in (self.leaf, *chain)), self.leaf.key_pem)
        return context
