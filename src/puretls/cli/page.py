"""The pages a browser sees: what its own connection negotiated and offered, and who else has connected, live.

A small HTTPS server on `http.server`: a thread a connection, the handshake in that thread, so that a silent client
keeps nobody waiting. A connection answers one request, so that each page is a handshake, and all but the first are
resumed. The page is self-contained; its Content-Security-Policy allows one style sheet and one script of two lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler
from socket import SHUT_RDWR
from string import Template
from threading import Semaphore
from typing import Any

from puretls import ECH_STATUS_SUCCESS, ECHKey, make_ech_config
from puretls._analysis.messages import message
from puretls.cli.failure import reason
from puretls.cli.https import HttpsHandler, HttpsServer
from puretls.cli.markup import STYLE, allowed, cells, dump, links, rows, rung, source
from puretls.cli.observe import Recorder, negotiated
from puretls.cli.tapped import TappedSocket
from puretls.cli.text import printable
from puretls.cli.visits import Visit, Visits, who

PULSE = 10.0  # seconds between signs of life to those who watch
WATCHERS = 16
LISTED = 12  # visits on a page
TEMPLATE, SCRIPT = Template(source("page.html")), source("page.js")
POLICY = (
    f"default-src 'none'; style-src {allowed(STYLE)}; script-src {allowed(SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PageServer(HttpsServer):
    """HTTPS on loopback with a given server context; a page is about the connection that it came on."""

    def __init__(self, context: Any, port: int, about: Sequence[tuple[str, str]]) -> None:
        self.about = about
        context.set_ech_keys(
            [ECHKey(*make_ech_config("localhost"))]
        )  # for clients that are given it: no browser asks the DNS
        self.recorder, self.visits, self.watchers = Recorder(context), Visits(), Semaphore(WATCHERS)
        super().__init__(context, "127.0.0.1", port, Handler)

    @contextmanager
    def wrap(self, request: Any) -> Iterator[TappedSocket]:
        """A connection whose times are those of the wire."""
        with request:
            yield TappedSocket(self.context, request, self.recorder)

    def hang_up(self, tls: Any) -> None:
        """End a connection without a word."""
        tls.sock.shutdown(SHUT_RDWR)

    def handshake(self, tls: Any, client_address: Any) -> None:
        """A handshake that fails, most often because the browser does not know the CA, is a visit too; a silent client
        is none.
        """
        try:
            super().handshake(tls, client_address)
        except OSError as error:
            if hello := self.recorder.hello(tls.tls):
                self.visits.add(Visit(client_address[0], hello, self.recorder.messages(tls.tls), failed=reason(error)))
            raise


class Handler(HttpsHandler, BaseHTTPRequestHandler):
    """One request: a page, the stream of news, or not found."""

    server: PageServer

    def do_GET(self) -> None:
        """A page about this connection or an earlier one, or the stream."""
        self.close_connection = True
        if self.path == "/events":
            self.watch()
            return
        visit = self.visit()
        shown = self.wanted(visit)
        if shown is None:
            self.answer(404, "text/plain", b"not found\n")
        else:
            page = render(shown, self.server.visits, self.server.about, mine=shown is visit)
            self.answer(200, "text/html; charset=utf-8", page)

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """All of an answer."""
        self.head(status, kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()

    def head(self, status: int, kind: str, size: int | None) -> None:
        """Status and header fields."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()

    def visit(self) -> Visit:
        """This connection."""
        tapped: Any = self.connection
        tls, recorder = tapped.tls, self.server.recorder
        agent = who(printable(self.headers.get("User-Agent", ""), 300))
        asked = printable(f"{self.command} {self.path}", 60)
        hello, messages = recorder.hello(tls), recorder.messages(tls)
        facts = {**negotiated(tls), "hello": hidden(tls, hello)}
        return self.server.visits.add(Visit(self.client_address[0], hello, messages, facts, agent, asked))

    def wanted(self, visit: Visit) -> Visit | None:
        """The visit that the path asks for."""
        if self.path == "/":
            return visit
        asked = re.fullmatch(r"/visits/([0-9]{1,9})", self.path)
        return self.server.visits.find(int(asked[1])) if asked else None

    def watch(self) -> None:
        """Server-sent events: the list of visits, whenever there is a new one."""
        if not self.server.watchers.acquire(blocking=False):
            self.answer(503, "text/plain", b"too many are watching\n")
            return
        try:
            self.head(200, "text/event-stream", None)
            seen = -1
            while True:
                news = self.server.visits.wait(seen, PULSE)
                seen = self.server.visits.total
                self.wfile.write(f"data: {table(self.server.visits)}\n\n".encode() if news else b": still here\n\n")
                self.wfile.flush()
        finally:
            self.server.watchers.release()

    def log_message(self, *_arguments: Any) -> None:
        """Quiet: the terminal belongs to the demo."""


def hidden(tls: Any, hello: bytes) -> str:
    """Whether the ClientHello was encrypted (RFC 9849), or looked like it."""
    if tls.get_ech_status() == ECH_STATUS_SUCCESS:
        return f"encrypted; who listens saw {printable(tls.outer_server_hostname or '-')}"
    greased = message(hello).find("extensions", "encrypted_client_hello") is not None
    return "not encrypted, but as if it were (GREASE)" if greased else "not encrypted"


def render(visit: Visit, visits: Visits, about: Sequence[tuple[str, str]], *, mine: bool) -> bytes:
    """The page about a visit: the reader's own, or another."""
    came, resumed = visits.of_same(visit)
    facts = {"who": visit.agent or visit.address, **visit.facts}
    if visit.facts:
        facts["resumed"] = f"{visit.facts['resumed']} ({resumed} of {came} connections)"
    facts["JA4"] = visit.ja4 or "-"
    root = message(visit.hello)
    version = escape(visit.facts.get("version", "no TLS"))
    speaker = "Your browser speaks" if mine else f"{escape(facts['who'])} speaks"
    headline = f"{speaker} <b>{version}</b><br>to a server written in Python."
    if visit.failed:
        headline = f"{escape(facts['who'])}: <b>no connection</b>"
        facts["failed"] = visit.failed
    return TEMPLATE.substitute(
        version=version,
        headline=headline,
        style=STYLE,
        script=SCRIPT,
        cells=cells(facts),
        rungs="".join(
            rung(from_client=not one.sent, name=one.name, size=one.size, at=one.at) for one in visit.messages
        ),
        size=f"{len(visit.hello):,}",
        hello=f"<p>{escape(root.note)} {links(root.rfc)}</p>{dump(root, visit.hello)}{rows(root, visit.hello)}",
        visits=table(visits),
        foot=" &middot; ".join(escape(f"{name} {number}") for name, number in about),
    ).encode()


def table(visits: Visits) -> str:
    """The rows of the list, newest first, in one line."""
    return "".join(map(line, visits.latest()[:LISTED]))


def line(visit: Visit) -> str:
    """One visit in the list; the number leads to its page."""
    spoken = ", ".join(filter(None, (visit.facts.get("version"), visit.facts.get("group")))) or visit.failed
    texts = (
        f"{visit.when:%H:%M:%S}",
        visit.agent or visit.address,
        visit.asked or "-",
        spoken,
        visit.facts.get("resumed", "-"),
        visit.ja4,
    )
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f'<tr><td><a href="/visits/{visit.number}">{visit.number}</a></td>{cells}</tr>'
