"""gunicorn, uvicorn and hypercorn with four workers, whose clients resume with any of them: the recipe "fleet"."""

import kit

import http.client
import inspect
import sys
import tempfile
from pathlib import Path

import puretls
import uvicorn

PAGE, STORE = "recipes/fleet.md", '"redis://store.example:6379/0"'
APPLICATION = """
import os
import time


def wsgi(environ, start_response):
    time.sleep(0.02)  # the worker is busy, so that another one takes the visitor who comes meanwhile
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
import os
import time


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    time.sleep(0.02)  # as in the other application
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""
UVICORN = """
import uvicorn

import puretls
from puretls import fleet


def make_context(config, default_factory):
    context = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.ssl_certfile, config.ssl_keyfile, reload=60)
    context.set_ticket_keys(fleet.TicketKeys("redis://127.0.0.1:%d/0", timeout=5))
    return context


if __name__ == "__main__":
    uvicorn.run(
        "asgi:asgi", port=%d, workers=4, log_level="warning", ssl_context_factory=make_context,
        ssl_certfile=%r, ssl_keyfile=%r,
    )
"""
HYPERCORN = """
import hypercorn.run

import puretls as ssl
from puretls import fleet

{recipe}

if __name__ == "__main__":
    config = FleetConfig()
    config.bind, config.workers, config.application_path = ["127.0.0.1:{port}"], 4, "asgi:asgi"
    config.certfile, config.keyfile, config.alpn_protocols = {chain!r}, {key!r}, ["http/1.1"]
    hypercorn.run.run(config)
"""
PAIRS = 20


def visit(port, version) -> None:
    """Whichever worker it is, the client resumes; of two visitors at a time, different workers take one each."""
    context = kit.client(puretls)
    context.client_session_cache = True
    context.maximum_version = version
    workers = set()

    def ask():
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=kit.PATIENCE)
        connection.request("GET", "/")
        return connection, connection.sock.session_reused

    def answer(connection) -> None:
        workers.add(connection.getresponse().read())
        connection.close()

    connection, reused = ask()
    answer(connection)
    assert not reused
    for _ in range(PAIRS):
        (one, one_reused), (other, other_reused) = ask(), ask()
        answer(one)
        answer(other)
        assert one_reused and other_reused
    assert len(workers) > 1, workers


with tempfile.TemporaryDirectory() as folder:
    store, port, uvicorn_port, hypercorn_port = (kit.free_port() for _ in range(4))
    patient = {STORE: f'"redis://127.0.0.1:{store}/0", timeout=5'}
    Path(folder, "application.py").write_text(APPLICATION)
    Path(folder, "hook.py").write_text(kit.block(PAGE, "def post_worker_init", patient))
    Path(folder, "asgi.py").write_text(ASGI)
    Path(folder, "serve.py").write_text(UVICORN % (store, uvicorn_port, kit.chain(), kit.key()))
    recipe = kit.block(PAGE, "class FleetConfig", patient)
    settings = {"port": hypercorn_port, "chain": kit.chain(), "key": kit.key()}
    Path(folder, "bind.py").write_text(HYPERCORN.format(recipe=recipe, **settings))
    command = [sys.executable, "-m", "gunicorn", "application:wsgi", "-w", "4", "-b", f"127.0.0.1:{port}"]
    command += ["-c", "hook.py", "--certfile", kit.chain(), "--keyfile", kit.key()]
    with kit.daemon("redis-server", "--port", store, "--bind", "127.0.0.1", "--save", "", port=store, cwd=folder):
        for version in (puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3):
            with kit.daemon(*command, port=port, cwd=folder):
                visit(port, version)
        if "ssl_context_factory" in inspect.signature(uvicorn.Config).parameters:
            with kit.daemon(sys.executable, "serve.py", port=uvicorn_port, cwd=folder):
                visit(uvicorn_port, puretls.TLSVersion.TLSv1_3)
        with kit.daemon(sys.executable, "bind.py", port=hypercorn_port, cwd=folder):
            visit(hypercorn_port, puretls.TLSVersion.TLSv1_3)
kit.done("client")
