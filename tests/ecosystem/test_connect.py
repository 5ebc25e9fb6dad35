"""The example of `puretls connect`'s page against servers that people run: the whole answer comes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import PATIENCE, Pki, dial, free_port

BODY = "x" * 50_000
HTTP = b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n"
SERVERS = {
    "aiohttp": f"""
from aiohttp import web
async def page(request): return web.Response(text={BODY!r})
app = web.Application(); app.router.add_get("/", page)
web.run_app(app, host="127.0.0.1", port=PORT, ssl_context=context, print=None)
""",
    "uvicorn": f"""
import uvicorn
async def app(scope, receive, send):
    if scope["type"] == "http":
        headers = [(b"content-length", b"{len(BODY)}")]
        await send({{"type": "http.response.start", "status": 200, "headers": headers}})
        await send({{"type": "http.response.body", "body": b"{BODY}"}})
config = uvicorn.Config(app, port=PORT, log_level="error", ssl_certfile=CHAIN, ssl_keyfile=KEY)
uvicorn.Server(config).run()
""",
    "http.server": f"""
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "{len(BODY)}")
        self.end_headers()
        self.wfile.write(b"{BODY}")
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Page)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
""",
    "aiosmtpd": """
import asyncio
from aiosmtpd.smtp import SMTP
async def main():
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(object(), hostname="mail.test", tls_context=context)
    server = await loop.create_server(make, "127.0.0.1", PORT)
    await server.serve_forever()
asyncio.run(main())
""",
}


@contextmanager
def serving(name: str, pki: Pki) -> Iterator[int]:
    """The server in a process of its own, on the interpreter's `ssl`."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    port = free_port()
    start = f"import ssl; PORT, CHAIN, KEY = {port}, {str(pki.chain('P-256'))!r}, {str(pki.key('P-256'))!r}\n"
    start += "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(CHAIN, KEY)\n"
    with subprocess.Popen([sys.executable, "-c", start + SERVERS[name]]) as program:
        try:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                try:
                    dial(port).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            program.kill()


def piped(data: bytes, port: int, ca: Path, *argv: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "puretls", "connect", f"localhost:{port}", "--ca-file", str(ca), *argv]
    return subprocess.run(command, input=data, capture_output=True, timeout=3 * PATIENCE, check=False)


@pytest.mark.parametrize("name", ["aiohttp", "uvicorn", "http.server"])
def test_the_whole_page_comes(name: str, pki: Pki) -> None:
    with serving(name, pki) as port:
        done = piped(HTTP, port, pki.ca)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"HTTP/1.")
    assert done.stdout.endswith(BODY.encode())


def test_a_conversation_with_a_mail_server(pki: Pki) -> None:
    with serving("aiosmtpd", pki) as port:
        done = piped(b"EHLO me.test\r\nNOOP\r\nQUIT\r\n", port, pki.ca, "--starttls", "smtp")
    assert done.returncode == 0, done.stderr
    assert b"mail.test" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith(b"221")
