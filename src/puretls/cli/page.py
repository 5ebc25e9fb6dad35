"""The page a browser sees: what its own connection negotiated, drawn from the server's side of it.

The page is self-contained; the Content-Security-Policy allows it nothing from elsewhere. https.py serves it.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from string import Template
from typing import Any

from puretls.cli.https import HttpsHandler, HttpsServer
from puretls.cli.observe import Message, Recorder, negotiated

TEMPLATE = Template(files("puretls.cli").joinpath("page.html").read_text("utf-8"))


class PageServer(HttpsServer):
    """HTTPS on loopback with a given server context; every response is the page about its own connection."""

    def __init__(self, context: Any, port: int, about: Sequence[tuple[str, str]]) -> None:
        self.about = about
        self.recorder = Recorder(context)
        super().__init__(context, "127.0.0.1", port, Handler)


class Handler(HttpsHandler, BaseHTTPRequestHandler):
    """One request: the page, or not found."""

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
