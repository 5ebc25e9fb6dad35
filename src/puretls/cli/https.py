"""HTTPS servers on `http.server`: a thread a connection, the handshake in that thread, so nobody waits for others.

A client gets so long for its handshake and for each request. So many may be connected at once; one more takes the place
of the one that has been silent for longest. What a server serves is its handler's business.
"""

from __future__ import annotations

import io
import socket
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore
from time import monotonic, sleep
from typing import Any

from puretls._base.locks import new_lock

HANDSHAKE_TIMEOUT, REQUEST_TIMEOUT, GOODBYE_TIMEOUT = 10.0, 30.0, 1.0
LONGEST_REQUEST = 1 << 16  # its header, all lines together
MOST_CONNECTIONS = 256


class HttpsServer(ThreadingHTTPServer):
    """A server context, an address, a handler for the requests."""

    request_queue_size = 128

    def __init__(self, context: Any, host: str, port: int, handler: Any) -> None:
        self.context = context
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.places, self.lock = BoundedSemaphore(MOST_CONNECTIONS), new_lock()
        self.waiting: dict[Any, None] = {}  # connections that have asked for nothing yet, the longest waiting first
        self.working: dict[Any, float] = {}  # those that are being answered, and since when, the longest first
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """IPv6 apart from IPv4, which has a server of its own; and no question to the DNS who we are."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection; if there are too many, the one that was silent for longest is closed."""
        if self.places.acquire(blocking=False) or (self.make_room() and self.places.acquire(timeout=1)):
            try:
                super().process_request(request, client_address)
            except RuntimeError:  # no thread could be started
                self.places.release()
            else:
                return
        self.refused(client_address)
        self.shutdown_request(request)

    def make_room(self) -> bool:
        """Hang up on the one that has been waiting, or else reading, for longest; whether there is one.

        Who reads has the time of a request for it, before others may have the place.
        """
        with self.lock:
            if self.waiting:
                silent = next(iter(self.waiting))
                del self.waiting[silent]
            else:
                silent = next(iter(self.working), None)
                if silent is None or monotonic() - self.working[silent] < REQUEST_TIMEOUT:
                    return False
                del self.working[silent]
            with suppress(OSError):  # he has just left himself
                self.hang_up(silent)  # its thread notices, and closes it
            return True

    def hang_up(self, tls: Any) -> None:
        """End a connection without a word."""
        socket.socket.shutdown(tls, socket.SHUT_RDWR)

    def waits(self, tls: Any) -> None:
        """This connection waits for its client."""
        with self.lock:
            self.working.pop(tls, None)
            self.waiting[tls] = None

    def works(self, tls: Any) -> None:
        """This connection has something to do."""
        with self.lock:
            self.waiting.pop(tls, None)
            self.working[tls] = monotonic()

    def leaves(self, tls: Any) -> None:
        """This connection is over."""
        with self.lock:
            self.waiting.pop(tls, None)
            self.working.pop(tls, None)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Handshake, HTTP, close_notify."""
        request.settimeout(HANDSHAKE_TIMEOUT)
        with self.wrap(request) as tls:
            self.waits(tls)
            try:
                self.handshake(tls, client_address)
                super().finish_request(tls, client_address)
                tls.settimeout(GOODBYE_TIMEOUT)
                with suppress(OSError):  # most clients do not answer it
                    tls.unwrap()
            finally:
                self.leaves(tls)

    def wrap(self, request: Any) -> Any:
        """TLS that has not begun."""
        return self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)

    def handshake(self, tls: Any, client_address: Any) -> None:
        """TLS begins; whoever wants to know of those with whom it does not, looks here."""
        del client_address
        tls.do_handshake()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Errors of the network and of TLS are the client's affair; anything else is a fault of ours, and shown."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self.left(client_address, error)
        else:
            super().handle_error(request, client_address)

    def left(self, client_address: Any, error: OSError) -> None:
        """A client has gone, or never came as far as HTTP."""

    def refused(self, client_address: Any) -> None:
        """There was no place for a client."""


class HttpsHandler(BaseHTTPRequestHandler):
    """Requests of HTTP/1.1, each by a deadline and of a bounded size."""

    protocol_version = "HTTP/1.1"
    timeout = REQUEST_TIMEOUT
    wbufsize = -1  # header and body in one record
    disable_nagle_algorithm = True
    brings_body = False
    server: HttpsServer

    def setup(self) -> None:
        """Read through Paced."""
        super().setup()
        self.rfile.close()
        self.paced = Paced(self.connection)
        self.rfile = io.BufferedReader(self.paced)

    def handle_one_request(self) -> None:
        """One request, from its first byte to the end of the answer."""
        self.paced.renew()
        self.server.waits(self.connection)
        super().handle_one_request()

    def version_string(self) -> str:
        """The name of the server, without versions."""
        return "puretls"

    def parse_request(self) -> bool:
        """A request that brings a body is the last of its connection: nobody here reads bodies."""
        self.brings_body = False
        if not super().parse_request():
            return False
        self.server.works(self.connection)
        self.brings_body = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        return True

    def end_headers(self) -> None:
        """Say it if this is the last answer."""
        if self.brings_body and not self.close_connection:
            self.send_header("Connection", "close")  # which makes it so
        super().end_headers()


class Paced(io.RawIOBase):
    """What a client sends: by a deadline, and up to a limit."""

    def __init__(self, sock: Any) -> None:
        super().__init__()
        self.sock = sock
        self.renew()

    def renew(self) -> None:
        """For the next request."""
        self.deadline, self.left = monotonic() + REQUEST_TIMEOUT, LONGEST_REQUEST

    def readable(self) -> bool:
        """Whether the stream can be read: yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some of it; nothing more once the limit is reached."""
        seconds = self.deadline - monotonic()
        if seconds <= 0:
            raise TimeoutError("the request took too long")
        if not self.left:
            return 0
        self.sock.settimeout(seconds)
        try:
            with memoryview(buffer) as view:
                count = int(self.sock.recv_into(view[: self.left]))
        finally:
            self.sock.settimeout(REQUEST_TIMEOUT)
        self.left -= count
        return count


def until_ctrl_c() -> None:
    """Wait for KeyboardInterrupt. Not in one go: a signal that comes just before the waiting would go unnoticed."""
    while True:
        sleep(1)
