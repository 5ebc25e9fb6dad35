"""Four servers behind nginx, two of them without a shared parent, over one redis-server: `make fleet`.

Two have threads, one runs asyncio, and one asyncio with a client of the store that is of asyncio, too.  Clients come
back to whichever server the balancer chooses: nearly all of them resume, while keys change every few seconds, clocks
differ, and the store is killed, hangs, is full, and comes back empty.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import puretls
from puretls.fleet.calls import TIMEOUT
from support import PATIENCE, Pki, dial, free_port, until

HERE = Path(__file__).parent
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
V12, V13 = puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3
CLIENTS, THREADS = 50, 4
LONG = 3 * PATIENCE
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
    pki: Pki,
    folder: Path,
    address: str,
    how: str,
    *,
    rotate: float = 3600,
    skew: float = 0.0,
    timeout: float = PATIENCE / 4,
) -> Iterator[int]:
    """The port of a balancer before four servers."""
    if NGINX is None:
        pytest.skip("nginx is not installed: apt-get install nginx libnginx-mod-stream")
    ports = [free_port() for _ in range(4)]
    fleet = (("threads", ports[:2], 0.0), ("asyncio", ports[2:3], skew), ("awaited", ports[3:], -skew))
    with ExitStack() as stack:
        for kind, mine, clock in fleet:
            settings = (pki.chain("P-256"), pki.key("P-256"), address, how, rotate, clock, timeout)
            command = (sys.executable, HERE / "fleet_server.py", kind, ",".join(map(str, mine)), *settings)
            stack.enter_context(program(*command, ready=True))
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


class Regular:
    """One that comes again and again, with the session of its last visit."""

    def __init__(self, pki: Pki, port: int, version: Any) -> None:
        self.port, self.context = port, puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(pki.ca)
        self.context.minimum_version = self.context.maximum_version = version
        self.session: Any = None

    def visit(self) -> tuple[bool, bool, int, int]:
        """Whether it came back, and resumed; the server's process, and the errors of the store it has counted."""
        had = self.session
        with self.context.wrap_socket(dial(self.port), server_hostname="localhost", session=had) as tls:
            said, process, errors = tls.recv(100).decode().split()
            assert said == ("resumed" if tls.session_reused else "new")
            self.session = tls.session
        return had is not None, said == "resumed", int(process), int(errors)


Visits = list[tuple[bool, bool, int, int]]


class Load:
    """Visitors in threads, until there have been so many visits, or until it is ended; what fails is raised there."""

    def __init__(self, pki: Pki, port: int, version: Any = V13, most: int = 1 << 30) -> None:
        self.found: Visits = []
        self._most, self._ended, self._errors = most, Event(), list[BaseException]()
        visitors = [Regular(pki, port, version) for _ in range(CLIENTS)]
        self._threads = [Thread(target=self._go, args=(visitors[start::THREADS],)) for start in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def _go(self, mine: list[Regular]) -> None:
        try:
            while not self._ended.is_set():
                for visitor in mine:
                    if len(self.found) >= self._most:
                        return
                    self.found.append(visitor.visit())
        except BaseException as error:  # noqa: BLE001  # it is the test's failure
            self._errors.append(error)
            self._ended.set()

    @classmethod
    @contextmanager
    def going_on(cls, pki: Pki, port: int) -> Iterator[Load]:
        load = cls(pki, port)
        try:
            yield load
        finally:
            load._ended.set()
            load.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        assert not self._errors

    def more(self, count: int) -> Visits:
        """The next so many visits."""
        began = len(self.found)
        until(lambda: self._errors or len(self.found) >= began + count, f"{count} visits", LONG)
        assert not self._errors
        return self.found[began : began + count]


def counted(found: Visits) -> tuple[int, int, int]:
    """How many came back, how many of these resumed, and how many errors of the store there have been."""
    errors: dict[int, int] = {}
    for _, _, process, number in found:
        errors[process] = max(number, errors.get(process, 0))
    return sum(back for back, *_ in found), sum(resumed for _, resumed, *_ in found), sum(errors.values())


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("how", "version", "visits"),
    [("tickets", V13, 5000), ("store", V13, 5000), ("once", V13, 1000), ("tickets", V12, 1000), ("store", V12, 1000)],
    ids=["tickets", "store", "once", "tickets of 1.2", "store of 1.2"],
)
def test_clients_resume_with_any_of_them(how, version, visits, pki, store, tmp_path):
    with endpoint(pki, tmp_path, store.address, how) as port:
        load = Load(pki, port, version, visits)
        load.join()
    back, resumed, errors = counted(load.found)
    assert len({process for *_, process, _ in load.found}) == 4
    assert back >= visits - CLIENTS
    assert resumed > 0.99 * back, errors


@pytest.mark.parametrize("how", ["tickets", "store"])
def test_keys_change_and_clocks_differ(how, pki, store, tmp_path):
    """A new key every two seconds, clocks up to a minute apart, for five keys: nothing is lost."""
    with endpoint(pki, tmp_path, store.address, how, rotate=2, skew=30) as port, Load.going_on(pki, port) as load:
        began = time.time()
        while time.time() < began + 10:
            load.more(CLIENTS)
    back, resumed, errors = counted(load.found)
    assert resumed == back > 100, errors


def full(store: Any) -> None:
    store.client().config_set("maxmemory-policy", "noeviction")
    store.client().config_set("maxmemory", 1)


FAULTS = {
    "killed": (lambda store: store.kill(), lambda store: store.start()),
    "hung": (lambda store: store.hang(), lambda store: store.go_on()),
    "full": (full, lambda store: store.client().config_set("maxmemory", 0)),
    "empty": (lambda store: store.client().flushall(), lambda _: None),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["tickets", "store", "once"])
def test_whatever_becomes_of_the_store_under_load(how, pki, store, tmp_path):
    """Not one handshake fails, no client waits long, and the fleet recovers by itself; time-outs are as they come."""

    def is_well() -> bool:
        back, resumed, _ = counted(load.more(4 * CLIENTS))
        return resumed == back if how == "tickets" else resumed > 0.95 * back

    with endpoint(pki, tmp_path, store.address, how, timeout=TIMEOUT) as port, Load.going_on(pki, port) as load:
        until(is_well, "clients that resume", LONG)
        for name, (fault, repair) in FAULTS.items():
            fault(store)
            back, resumed, errors = counted(load.more(4 * CLIENTS))  # within a test's patience: nobody queues up
            if how == "tickets":  # which the store is not asked for
                assert resumed == back
            elif name in ("killed", "hung"):
                assert errors > 0
            repair(store)
            until(is_well, f"clients that resume after it was {name}", LONG)
