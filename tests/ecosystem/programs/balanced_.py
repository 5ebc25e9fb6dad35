"""Two machines behind nginx and behind HAProxy: the recipe "fleet", its PROXY protocol, and its Prometheus example."""

import kit

import http.client
import json
import socket
import sys
import tempfile
from pathlib import Path

import puretls

PAGE, STORE = "recipes/fleet.md", '"redis://store.example:6379/0"'
APPLICATION = """
import json
import os

import prometheus_client


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        start_response("200 OK", [])
        return [prometheus_client.generate_latest()]
    conn = environ["gunicorn.socket"]
    body = json.dumps({"pid": os.getpid(), "client": getattr(conn, "client", None)}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
PROXIED = """
import puretls as ssl

{recipe}

class Patient(BehindABalancer):
    def wrap_socket(self, sock, **options):
        sock.settimeout(20)
        return super().wrap_socket(sock, **options)
"""
VISITS = 12


class Visitor:
    """Comes back, with its session."""

    def __init__(self) -> None:
        self.context = kit.client(puretls)
        self.context.client_session_cache = True

    def get(self, port: int, path: str = "/"):
        """What the server says, whether the session was resumed, and the address that the client has."""
        connection = http.client.HTTPSConnection("localhost", port, context=self.context, timeout=kit.PATIENCE)
        try:
            connection.request("GET", path)
            reused, own = connection.sock.session_reused, connection.sock.getsockname()[:2]
            return connection.getresponse().read(), reused, own
        finally:
            connection.close()


def configurations(servers: list[int], port: int, proxied: bool, folder: str) -> dict[str, str]:
    """Those of the page, for these ports; HAProxy also looks whether the servers are there."""
    one, two = servers
    moved = {"10.0.0.1:8443": f"127.0.0.1:{one}", "10.0.0.2:8443": f"127.0.0.1:{two}"}
    nginx = kit.block(PAGE, "upstream python", {**moved, "listen 443": f"listen 127.0.0.1:{port}"})
    haproxy = kit.block(PAGE, "mode tcp\n    timeout", {**moved, "bind :443": f"bind 127.0.0.1:{port}"})
    if proxied:  # as the text says
        nginx = nginx.replace("proxy_pass python;", "proxy_pass python; proxy_protocol on;")
        haproxy = haproxy.replace(" check", " check send-proxy-v2")
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    return {
        "nginx": f"{f'load_module {module};' if module.exists() else ''} daemon off; master_process off;"
        f"pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n{nginx}",
        "haproxy": f"global\n    maxconn 200\n{haproxy}",
    }


def run(balancer: str, text: str, port: int, folder: str):
    """The balancer, for the length of a block."""
    file = Path(folder, f"{balancer}.conf")
    file.write_text(text)
    if balancer == "nginx":
        command = ["nginx", "-c", file, "-p", folder, "-e", f"{folder}/nginx.log"]
    else:
        command = ["haproxy", "-db", "-f", file]
    return kit.daemon(*command, port=port, cwd=folder)


def machine(port: int, folder: str):
    """gunicorn as the page says, on one machine: another process that shares the store, and no parent."""
    command = [sys.executable, "-m", "gunicorn", "application:wsgi", "-w", "1", "-b", f"127.0.0.1:{port}"]
    command += ["-c", "hook.py", "--certfile", kit.chain(), "--keyfile", kit.key()]
    return kit.daemon(*command, port=port, cwd=folder)


def check(balancer: str, proxied: bool, store: int, folder: str) -> None:
    one, two, port = (kit.free_port() for _ in range(3))
    patient = {STORE: f'"redis://127.0.0.1:{store}/0", timeout=5'}
    hook = kit.block(PAGE, "def post_worker_init", patient)
    if proxied:
        Path(folder, "proxied.py").write_text(PROXIED.format(recipe=kit.block(PAGE, "class BehindABalancer", {})))
        made = "puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)"
        assert made in hook
        hook = "from proxied import Patient\n" + hook.replace(made, "Patient(puretls.PROTOCOL_TLS_SERVER)")
    Path(folder, "hook.py").write_text(hook + kit.block(PAGE, "class Collector", {}))
    Path(folder, "application.py").write_text(APPLICATION)
    text = configurations([one, two], port, proxied, folder)[balancer]
    with machine(one, folder), machine(two, folder), run(balancer, text, port, folder):
        visitor, processes = Visitor(), set()
        assert not visitor.get(port)[1]
        for _ in range(VISITS):
            said, reused, own = visitor.get(port)
            answer = json.loads(said)
            processes.add(answer["pid"])
            assert reused
            assert answer["client"] == (list(own) if proxied else None), answer
        assert len(processes) == 2
        metrics = visitor.get(port, "/metrics")[0].decode()
        for line in (
            "tls_sessions_hits_tickets_total",
            "tls_sessions_store_errors_total 0",
            "tls_sessions_replays_total",
        ):
            assert line in metrics, metrics
        hits = float(metrics.split("\ntls_sessions_hits_tickets_total ")[1].split()[0])
        assert 0 < hits <= VISITS + 1
        if proxied:  # who says nothing of the kind is not served
            with socket.create_connection(("127.0.0.1", one), kit.PATIENCE) as raw, kit.raises(OSError, ""):
                kit.client(puretls).wrap_socket(raw, server_hostname="localhost")


with tempfile.TemporaryDirectory() as top:
    redis = kit.free_port()
    with kit.daemon("redis-server", "--port", redis, "--bind", "127.0.0.1", "--save", "", port=redis, cwd=top):
        for name in ("nginx", "haproxy"):
            for with_addresses in (False, True):
                check(name, with_addresses, redis, top)
kit.done("client")
