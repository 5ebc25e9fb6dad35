"""What every program of this folder starts with: its mode, contexts, a site to talk to, and the proof at the end.

A program is run as `python programs/NAME.py MODE FOLDER`, in a process of its own.  The modes:

    injected    puretls is injected first, and the program's libraries make their contexts themselves
    late        the same, but the libraries had been imported before
    explicit    nothing is injected; the libraries are handed contexts of puretls, and the other side is the
                interpreter's ssl where it is ours to write
    control     all of it with the interpreter's ssl: whether a program is right about what it expects

With "+asyncio" behind it, event loops have puretls.asyncio in the place of their own TLS layers; with "+uvloop" they
are uvloop's as well.

`tls` is the module under test, `other` the one for the other side.  `done()` proves that puretls did the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import importlib
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

MODE, _, LAYER = sys.argv[1].partition("+")
FOLDER = Path(sys.argv[2])
INJECTED = MODE != "explicit"  # programs make their own contexts
CA, OTHER_CA = str(FOLDER / "ca.pem"), str(FOLDER / "other-ca.pem")
os.environ["SSL_CERT_FILE"] = CA  # what default contexts trust
for name in (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
):
    os.environ.pop(name, None)
PATIENCE = 20.0
SHORT = 0.4  # a time-out that is meant to be reached
BIG = bytes(range(256)) * 2048  # half a megabyte

if MODE == "late":
    for name in os.environ["ECOSYSTEM_MODULES"].split():
        importlib.import_module(name)

import puretls  # noqa: E402
from puretls._api import sslconnection  # noqa: E402

if MODE in {"injected", "late"}:
    puretls.inject_into_ssl(asyncio=False)
if LAYER:
    import puretls.asyncio

    puretls.asyncio.install()
if LAYER == "uvloop":
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
import ssl as other  # noqa: E402

tls = other if INJECTED else puretls
made: Counter[str] = Counter()  # connections that puretls did, by role
_init = sslconnection._SSLSocket.__init__


def _counting(self, context, server_side, *rest) -> None:
    role = "server" if server_side else "client"
    made[role] += 1
    made[f"{role} over {type(self).__name__}"] += 1
    _init(self, context, server_side, *rest)


sslconnection._SSLSocket.__init__ = _counting


def done(*roles: str) -> None:
    """The last line of a program: puretls was at work, and in the roles that it should have been."""
    for role in roles if MODE != "control" else ():
        assert made[role], f"no {role} of puretls has been at work"
        assert not LAYER or made[f"{role} over Link"], f"no {role} of puretls.asyncio has been at work: {made}"
    print("done", flush=True)


def chain(identity: str = "P-256") -> str:
    return str(FOLDER / f"{identity}.pem")


def key(identity: str = "P-256") -> str:
    return str(FOLDER / f"{identity}.key")


def client(module=None, *, trusts: bool = True, alpn=()):
    """A client's context, of the module under test unless it is for the other side."""
    context = (module or tls).create_default_context(cafile=CA if trusts else OTHER_CA)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def server(module=None, identity: str = "P-256", *, alpn=(), asks: bool = False):
    context = (module or tls).create_default_context((module or tls).Purpose.CLIENT_AUTH, cafile=CA)
    context.load_cert_chain(chain(identity), key(identity))
    if alpn:
        context.set_alpn_protocols(alpn)
    if asks:
        context.verify_mode = tls.CERT_REQUIRED
    return context


@contextlib.contextmanager
def raises(kind, *texts: str):
    """The exception, with one of the texts in what it says."""
    try:
        yield
    except kind as error:
        said, cause = [], error
        while cause is not None:
            said.append(f"{cause!r} {cause}")
            cause = cause.__cause__ or cause.__context__
        assert not texts or any(text in line for text in texts for line in said), said
    else:
        raise AssertionError(f"no {kind}")


UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "self-signed certificate", "unable to get local")
MISMATCH = ("Hostname mismatch", "is not valid for", "doesn't match")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(4 * SHORT)
        self.answer(b"hello")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


class HttpsSite(http.server.ThreadingHTTPServer):
    """Handshakes happen in the connection's thread, and a client that refuses us is its own business."""

    def __init__(self, context) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context

    def finish_request(self, request, client_address) -> None:
        request.settimeout(PATIENCE)
        with contextlib.suppress(OSError), self.context.wrap_socket(request, server_side=True) as sock:
            super().finish_request(sock, client_address)

    def handle_error(self, *_) -> None:
        pass


@contextlib.contextmanager
def site(context=None):
    """An HTTPS server of the other side: its port."""
    with HttpsSite(context or server(other)) as made_site:
        with running(made_site):
            yield made_site.server_port


@contextlib.contextmanager
def running(served: socketserver.BaseServer):
    thread = threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.shutdown()
        thread.join(PATIENCE)


def check_http_client(request, refused, timed_out) -> None:
    """`request(url, body=None, timeout=PATIENCE)`: data both ways, a time-out, and two refusals."""
    with site() as port:
        url = f"https://localhost:{port}"
        assert request(f"{url}/") == b"hello"
        assert request(f"{url}/echo", BIG) == BIG
        with raises(timed_out):
            request(f"{url}/slow", None, SHORT)
        assert request(f"{url}/") == b"hello"
    with site(server(other, "stranger")) as port, raises(refused, *UNTRUSTED):
        request(f"https://localhost:{port}/")
    with site(server(other, "wrong")) as port, raises(refused, *MISMATCH):
        request(f"https://localhost:{port}/")


def fetch(port: int, path: str = "/", body: bytes | None = None, context=None) -> bytes:
    """One request of the other side."""
    connection = http.client.HTTPSConnection("localhost", port, context=context or client(other), timeout=PATIENCE)
    try:
        connection.request("POST" if body else "GET", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def check_http_server(port: int) -> None:
    """`GET /` is "hello", POST an echo; who does not trust us goes away, and we go on."""
    wait_for_port(port)
    assert fetch(port) == b"hello"
    assert fetch(port, "/echo", BIG) == BIG
    with raises(other.SSLCertVerificationError, *UNTRUSTED):
        fetch(port, context=client(other, trusts=False))
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")  # no TLS at all
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            sock.recv(100)
    with client(other).wrap_socket(
        socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname="localhost"
    ) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = bytearray()
        while data := sock.recv(65536):
            answer += data
        assert answer.endswith(b"hello"), bytes(answer)
    assert fetch(port) == b"hello"


def serial_at(port: int) -> str:
    """The number of the certificate that a client gets."""
    with client(other).wrap_socket(
        socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname="localhost"
    ) as sock:
        return sock.getpeercert()["serialNumber"]


def check_renewal(port: int, renew) -> None:
    """A server without a restart has the new certificate; `renew(identity)` writes its files."""
    first = serial_at(port)
    renew("RSA")
    second = serial_at(port)
    renew("P-256")
    assert first != second
    assert serial_at(port) == first
    assert fetch(port) == b"hello"


def wsgi(environ, start_response):
    """A WSGI application for check_http_server()."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size) if size else b"hello"
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Module", tls.OPENSSL_VERSION)])
    return [body]


async def asgi(scope, receive, send) -> None:
    """An ASGI application for check_http_server()."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    body = body or b"hello"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


PAGES = Path(__file__).parents[2] / "docs"


def block(page: str, text: str, changes: dict[str, str]) -> str:
    """The code, or configuration, of a page that has this text in it, with other texts in the place of some."""
    blocks = (PAGES / page).read_text("utf-8").split("\n```")[1::2]
    (found,) = [one.partition("\n")[2] for one in blocks if text in one]
    for old, new in changes.items():
        assert old in found, (old, found)
        found = found.replace(old, new)
    return found + "\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            assert process is None or process.poll() is None, f"ended with {process.returncode}"
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def daemon(*argv, port: int, **options):
    """Another program that listens on a port, for the length of a block; its words are shown if it fails."""
    log = FOLDER / f"{Path(str(argv[0])).name}-{os.getpid()}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(part) for part in argv], stdin=subprocess.DEVNULL, stdout=said, stderr=said, **options
        )
    try:
        wait_for_port(port, process)
        yield process
    except BaseException:
        print(log.read_text("utf-8", "replace")[-4000:], file=sys.stderr)
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE / 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def asyncio_thread(loop=None):
    """An event loop in a thread: `submit(coroutine)` waits for its result."""
    loop = loop or asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def submit(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)

    async def end_tasks() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield submit
    finally:
        submit(end_tasks())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def within_patience(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 3 * PATIENCE))
