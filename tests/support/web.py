"""A small HTTPS server on the module under test: `GET /N` gives N bytes, PUT counts what it got."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from support import PATIENCE


class PageHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(b"x" * int(self.path.strip("/") or 0))

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(f"{len(body)} {body.count(b'x')}".encode())

    do_POST = do_PUT  # noqa: N815 - http.server's naming

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        tls: Any = self.connection
        self.send_header("X-Resumed", str(tls.session_reused))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Handshakes in the connection's thread; what went wrong is kept for the test."""

    def __init__(self, context: Any) -> None:
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.context, self.errors = context, list[Exception]()
        self.alpn: list[str | None] = []

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(PATIENCE)
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                self.alpn.append(tls.selected_alpn_protocol())
                super().finish_request(tls, client_address)
                tls.settimeout(0.5)
                with suppress(OSError):
                    tls.unwrap()
        except Exception as error:  # noqa: BLE001 - the test asks for it
            self.errors.append(error)


@contextmanager
def serving(context: Any) -> Iterator[Server]:
    with Server(context) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(PATIENCE)
