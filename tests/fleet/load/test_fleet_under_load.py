"""Four servers behind nginx, two of them without a shared parent, over one redis-server: `make fleet`.

Clients come back to whichever server the balancer chooses: nearly all of them resume, while keys change every few
seconds, clocks differ, and the store is killed, hangs, and comes back empty.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import puretls
from support import Pki, dial, free_port

HERE = Path(__file__).parent
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
VISITS, CLIENTS = 30000, 50
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
CONFIGURATION = """
{module}
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
stream {{
    upstream fleet {{ {servers} }}
    server {{ listen 127.0.0.1:{port}; proxy_pass fleet; }}
}}
"""


@contextmanager
def program(*command: object, ready: bool = False, **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
    try:
        if ready:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def endpoint(
    pki: Pki, folder: Path, address: str, how: str, *, rotate: float = 3600, skew: float = 0.0
) -> Iterator[int]:
    """The port of a balancer before four servers."""
    if NGINX is None:
        pytest.skip("nginx is not installed: apt-get install nginx libnginx-mod-stream")
    ports = [free_port() for _ in range(4)]
    with ExitStack() as stack:
        for mine, clock in ((ports[:2], 0.0), (ports[2:3], skew), (ports[3:], -skew)):
            settings = (pki.chain("P-256"), pki.key("P-256"), address, how, rotate, clock)
            script = HERE / "fleet_server.py"
            stack.enter_context(program(sys.executable, script, ",".join(map(str, mine)), *settings, ready=True))
        port = free_port()
        servers = " ".join(f"server 127.0.0.1:{one};" for one in ports)
        text = CONFIGURATION.format(
            module=f"load_module {MODULE};" if MODULE.exists() else "", folder=folder, servers=servers, port=port
        )
        (folder / "nginx.conf").write_text(text)
        stack.enter_context(program(NGINX, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "nginx.log"))
        for one in (*ports, port):
            dial(one).close()
        yield port


class Client:
    """One that comes again and again, with the session of its last visit."""

    def __init__(self, pki: Pki, port: int, version: Any) -> None:
        self.port, self.context = port, puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(pki.ca)
        self.context.minimum_version = self.context.maximum_version = version
        self.session: Any = None

    def visit(self) -> bool | None:
        """Whether a session was resumed; None if there was none to resume."""
        had = self.session
        with self.context.wrap_socket(dial(self.port), server_hostname="localhost", session=had) as tls:
            assert tls.recv(10) == (b"resumed" if tls.session_reused else b"new")
            self.session = tls.session
            reused = tls.session_reused
        return reused if had is not None else None


def visits(clients: list[Client], count: int) -> tuple[int, int]:
    """So many visits, by all in turn, in four threads: how many came back, and how many of them resumed."""
    found: list[bool | None] = []
    errors: list[BaseException] = []

    def go(mine: list[Client]) -> None:
        try:
            found.extend(mine[number % len(mine)].visit() for number in range(count // 4))
        except BaseException as error:
            errors.append(error)
            raise

    threads = [Thread(target=go, args=(clients[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    back = [one for one in found if one is not None]
    return len(back), sum(back)


@pytest.mark.parametrize("version", [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("how", ["tickets", "store", "once"])
def test_clients_resume_with_any_of_them(how, version, pki, store, tmp_path):
    """5,000 connections, shared by the kinds that there are."""
    with endpoint(pki, tmp_path, store.address, how) as port:
        clients = [Client(pki, port, version) for _ in range(CLIENTS)]
        back, resumed = visits(clients, VISITS // 6)
        assert back > VISITS // 6 * 0.9
        print(back, resumed)
    assert resumed > 0.99 * back


@pytest.mark.parametrize("how", ["tickets", "store"])
def test_keys_change_and_clocks_differ(how, pki, store, tmp_path):
    """A new key every two seconds, clocks up to a minute apart: nothing is lost."""
    with endpoint(pki, tmp_path, store.address, how, rotate=2, skew=30) as port:
        clients = [Client(pki, port, puretls.TLSVersion.TLSv1_3) for _ in range(CLIENTS)]
        visits(clients, 2 * CLIENTS)
        ends = time.monotonic() + 8
        back = resumed = 0
        while time.monotonic() < ends:
            more, well = visits(clients, 200)
            back, resumed = back + more, resumed + well
        assert resumed == back


def test_the_store_is_killed_hung_and_empty_under_load(pki, store, tmp_path):
    """Not one handshake fails, and the fleet recovers by itself."""
    with endpoint(pki, tmp_path, store.address, "store") as port:
        clients = [Client(pki, port, puretls.TLSVersion.TLSv1_3) for _ in range(CLIENTS)]
        visits(clients, 4 * CLIENTS)
        for fault, repair in ((store.kill, store.start), (store.hang, store.go_on)):
            fault()
            visits(clients, 4 * CLIENTS)
            repair()
            deadline = time.monotonic() + 20
            while True:
                back, resumed = visits(clients, 2 * CLIENTS)
                if resumed > 0.99 * back:
                    break
                assert time.monotonic() < deadline, (back, resumed)
        store.client().flushall()
        visits(clients, 2 * CLIENTS)
        back, resumed = visits(clients, 4 * CLIENTS)
        print(back, resumed)
    assert resumed > 0.99 * back
