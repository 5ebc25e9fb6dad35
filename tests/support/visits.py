"""A small web site for browsers: each page comes on a connection of its own, and what that was like is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import puretls
from support import PATIENCE

PAGE = '<!doctype html><link rel="icon" href="data:,"><title>%s</title>'


@dataclass(frozen=True)
class Visit:
    """A request, and the connection that it came on, of which a connection tells nothing more when it is closed."""

    path: str
    version: str | None
    group: str | None
    protocol: str | None
    resumed: bool
    hello: Any  # the inner one, if it was encrypted
    certificate: bytes  # none was shown if it resumed
    ech: str
    outer_name: str | None
    messages: tuple[tuple[str, int], ...]  # of the handshake: "read" or "write", type

    @classmethod
    def of(cls, path: str, conn: Any, hello: Any, messages: list[tuple[Any, str, int]]) -> Visit:
        return cls(
            path, conn.version(), conn.group(), conn.selected_alpn_protocol(), conn.session_reused, hello,
            (conn.selected_cert_chain() or [b""])[0], conn.get_ech_status().name.removeprefix("ECH_STATUS_"),
            conn.outer_server_hostname, tuple((way, kind) for its, way, kind in messages if its is conn),
        )  # fmt: skip


@dataclass
class Visits:
    """What a site has seen so far."""

    port: int
    seen: list[Visit] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def to(self, path: str) -> Visit:
        """The last one to this page."""
        return next(visit for visit in reversed(self.seen) if visit.path == path)


@contextmanager
def visited(context: Any, handler: type[BaseHTTPRequestHandler] | None = None) -> Iterator[Visits]:
    """A site for the length of a block.  Its pages have their path as title, unless there is another handler."""
    exchanged: list[tuple[Any, str, int]] = []
    hellos: list[tuple[Any, Any]] = []

    def note(conn: Any, way: str, _version: Any, content: int, kind: int, _data: bytes) -> None:
        if content == 22:
            exchanged.append((conn, way, int(kind)))

    def keep(conn: Any, _name: str | None, _context: Any) -> None:
        hellos.append((conn, conn.client_hello))

    context._msg_callback, context.sni_callback = note, keep

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            hello = next(hello for conn, hello in hellos if conn is self.connection)
            visits.seen.append(Visit.of(self.path, self.connection, hello, exchanged))
            body = (PAGE % self.path).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            request.settimeout(PATIENCE)
            try:
                with context.wrap_socket(request, server_side=True) as conn:
                    conn.settimeout(None if handler else PATIENCE)  # a resolver is there for the length of the block
                    (handler or Handler)(conn, client_address, self)
                    conn.settimeout(0)
                    with suppress(puretls.SSLWantReadError):  # say goodbye, and do not wait for theirs
                        conn.unwrap()
            except (OSError, ValueError) as error:  # a browser opens more connections than it uses
                visits.errors.append(error)

    with Server(("127.0.0.1", 0), Handler) as server:
        visits = Visits(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield visits
        finally:
            server.shutdown()
            thread.join(PATIENCE)
