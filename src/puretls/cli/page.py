"""The page a browser sees: what its own connection negotiated, drawn from the server's side of it.

A small HTTPS server on `http.server`: a thread a connection, the handshake in that thread, so that a silent client
keeps nobody waiting. The page is self-contained; the Content-Security-Policy allows it nothing from elsewhere.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from string import Template
from typing import Any

from puretls.cli.observe import Message, Recorder, negotiated

TIMEOUT = 30.0
TEMPLATE = Template(files("puretls.cli").joinpath("page.html").read_text("utf-8"))


class PageServer(ThreadingHTTPServer):
    """HTTPS on loopback with a given server context; every response is the page about its own connection."""

    def __init__(self, context: Any, port: int, about: Sequence[tuple[str, str]]) -> None:
        self.context, self.about = context, about
        self.recorder = Recorder(context)
        super().__init__(("127.0.0.1", port), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: handshake, HTTP, close_notify."""
        request.settimeout(TIMEOUT)
        with self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)
            tls.settimeout(1)
            with suppress(OSError):  # most clients do not answer it
                tls.unwrap()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that turns away (an unknown CA, a closed tab) is no news; demo.py prints what is."""


class Handler(BaseHTTPRequestHandler):
    """One request: the page, or not found."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT
    wbufsize = -1  # header and body in one record
    disable_nagle_algorithm = True
    server: PageServer

    def do_GET(self) -> None:
        """The page, and nothing else."""
        found = self.path == "/"
        body = self.page() if found else b"not found\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8" if found else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()

    def page(self) -> bytes:
        """The page about the connection that this request came in on."""
        facts = negotiated(self.connection)
        return render(facts, self.server.recorder.messages(self.connection), self.server.about)

    def log_message(self, *_arguments: Any) -> None:
        """Quiet: the terminal belongs to the demo."""


def render(facts: Mapping[str, str], messages: Sequence[Message], about: Sequence[tuple[str, str]]) -> bytes:
    """The page itself."""
    cells = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts.items())
    foot = " &middot; ".join(html.escape(f"{name} {number}") for name, number in about)
    rungs = "".join(map(rung, messages))
    return TEMPLATE.substitute(version=html.escape(facts["version"]), cells=cells, rungs=rungs, foot=foot).encode()


def rung(message: Message) -> str:
    """One message of the ladder, the browser on the left."""
    name = html.escape(message.name)
    left, arrow, right = ("", '<i class="back"></i>', name) if message.sent else (name, "<i></i>", "")
    return (
        f"<li><span>{left}</span>{arrow}<span>{right}</span>"
        f"<span>{message.size:,} B</span><span>{message.at * 1000:.2f} ms</span></li>"
    )
