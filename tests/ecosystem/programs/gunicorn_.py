"""gunicorn, workers in other processes: `puretls run -m gunicorn`, or a context from its `ssl_context` hook."""

import kit

import shutil
import sys
import tempfile
from pathlib import Path


HOOK = """
import puretls

context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)


def post_worker_init(worker):
    context.load_cert_chain(worker.cfg.certfile, worker.cfg.keyfile, reload=0)


def ssl_context(config, default):
    return context
"""
APPLICATION = """
def wsgi(environ, start_response):
    sock = environ["gunicorn.socket"]
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size) if size else b"hello"
    if environ["PATH_INFO"] == "/class":
        body = f"{type(sock).__module__} {sock.version()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

names = kit.FOLDER / "gunicorn.pem", kit.FOLDER / "gunicorn.key"


def renew(identity: str) -> None:
    for name, source in zip(names, (kit.chain(identity), kit.key(identity)), strict=True):
        shutil.copy(source, name)


with tempfile.TemporaryDirectory() as folder:
    renew("P-256")
    Path(folder, "application.py").write_text(APPLICATION)
    Path(folder, "hook.py").write_text("" if kit.INJECTED else HOOK)
    run = ["-m", "puretls", "run"] if kit.MODE == "injected" else []
    for worker in ("sync", "gthread"):
        port = kit.free_port()
        with kit.daemon(
            sys.executable,
            *run,
            "-m",
            "gunicorn",
            "application:wsgi",
            "-k",
            worker,
            "-w",
            "2",
            "--threads",
            "2",
            "-b",
            f"127.0.0.1:{port}",
            "-c",
            "hook.py",
            "--certfile",
            names[0],
            "--keyfile",
            names[1],
            port=port,
            cwd=folder,
        ):
            kit.check_http_server(port)
            kit.check_renewal(port, renew)
            if kit.MODE != "control":
                said = kit.fetch(port, "/class")
                assert said == b"puretls TLSv1.3", said
kit.done()
