"""gunicorn, workers in other processes: `puretls run -m gunicorn`, or a context from its `ssl_context` hook."""

import kit

import sys
import tempfile
from pathlib import Path


HOOK = """
def ssl_context(config, default):
    import puretls
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.certfile, config.keyfile)
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

with tempfile.TemporaryDirectory() as folder:
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
            kit.chain(),
            "--keyfile",
            kit.key(),
            port=port,
            cwd=folder,
        ):
            kit.check_http_server(port)
            if kit.MODE != "control":
                said = kit.fetch(port, "/class")
                assert said == b"puretls TLSv1.3", said
kit.done()
