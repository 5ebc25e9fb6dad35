"""gunicorn and uvicorn with four workers, whose clients resume with any of them: the recipe "fleet"."""

import kit

import http.client
import inspect
import sys
import tempfile
from pathlib import Path

import puretls
import uvicorn

HOOK = """
import puretls
from puretls import fleet

context = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)


def post_worker_init(worker):
    context.load_cert_chain(worker.cfg.certfile, worker.cfg.keyfile, reload=60)
    context.set_ticket_keys(fleet.TicketKeys("redis://127.0.0.1:{store}/0", timeout=5))


def ssl_context(config, default_factory):
    return context
"""
APPLICATION = """
import os
import time


def wsgi(environ, start_response):
    time.sleep(0.02)  # the worker is busy, so that another one takes the visitor who comes meanwhile
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
UVICORN = """
import os
import time

import uvicorn

import puretls
from puretls import fleet


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    time.sleep(0.02)  # as in the other application
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%%d" %% len(body))]})
    await send({"type": "http.response.body", "body": body})


def make_context(config, default_factory):
    context = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.ssl_certfile, config.ssl_keyfile, reload=60)
    context.set_ticket_keys(fleet.TicketKeys("redis://127.0.0.1:%d/0", timeout=5))
    return context


if __name__ == "__main__":
    uvicorn.run(
        "serve:asgi", port=%d, workers=4, log_level="warning", ssl_context_factory=make_context,
        ssl_certfile=%r, ssl_keyfile=%r,
    )
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
    store, port, other_port = kit.free_port(), kit.free_port(), kit.free_port()
    Path(folder, "application.py").write_text(APPLICATION)
    Path(folder, "hook.py").write_text(HOOK.format(store=store))
    Path(folder, "serve.py").write_text(UVICORN % (store, other_port, kit.chain(), kit.key()))
    command = [sys.executable, "-m", "gunicorn", "application:wsgi", "-w", "4", "-b", f"127.0.0.1:{port}"]
    command += ["-c", "hook.py", "--certfile", kit.chain(), "--keyfile", kit.key()]
    with kit.daemon("redis-server", "--port", store, "--bind", "127.0.0.1", "--save", "", port=store, cwd=folder):
        for version in (puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3):
            with kit.daemon(*command, port=port, cwd=folder):
                visit(port, version)
        if "ssl_context_factory" in inspect.signature(uvicorn.Config).parameters:
            with kit.daemon(sys.executable, "serve.py", port=other_port, cwd=folder):
                visit(other_port, puretls.TLSVersion.TLSv1_3)
kit.done("client")
