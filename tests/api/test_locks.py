"""Locks: who has interrupted us, or what is left of us in a forked child, never waits for a lock of ours.

Python runs a signal handler, or a finalizer of the garbage collector, between any two calls of the code that it
interrupts, and a process may fork while any of its threads is between any two calls.  `sys.setprofile` calls back at
the same places, so that a program can be the handler, or fork, at each of them in turn.  Each test is a program of its
own: what waits for ever is killed.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

import puretls
from support import PATIENCE, Pki

SOURCE = Path(puretls.__file__).parent
REGISTRY = SOURCE / "_base" / "locks.py"
MAKERS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier", "allocate_lock"}

PROGRAM = """
import os, signal, sys, threading
import puretls
CA, CHAIN, KEY, SCRATCH = sys.argv[1:5]
with open(CA) as file:
    ROOT = file.read()

def load():
    puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ROOT)
    puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).load_verify_locations(CA)

client, server = puretls.create_default_context(cafile=CA), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
server.load_cert_chain(CHAIN, KEY)

def verify(client=client):
    a, b = puretls.MemoryBIO(), puretls.MemoryBIO()
    c = client.wrap_bio(a, b, server_hostname="localhost")
    s = server.wrap_bio(b, a, server_side=True)
    for step in (c, s, c, s, c):
        try:
            step.do_handshake()
        except puretls.SSLWantReadError:
            pass
    assert c.version() and s.version()
    c.write(b"x")
    assert s.read() == b"x"

logging = puretls.create_default_context(cafile=CA)
logging.keylog_filename = os.path.join(SCRATCH, "keys")

def keylog():
    verify(logging)

remembering = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
remembering.load_verify_locations(CA)
remembering.maximum_version = puretls.TLSVersion.TLSv1_2
server.options |= puretls.OP_NO_TICKET

def sessions():
    verify(remembering)

def inject():
    puretls.inject_into_ssl()
    puretls.extract_from_ssl()

work = globals()[sys.argv[5]]
work()

class Places:
    "Calls `act` where a function of ours begins, or a built-in one that it called has ended: once for each such place."
    def __init__(self, act, most=10_000):
        self.act, self.seen, self.inside, self.left = act, set(), False, most
    def __call__(self, frame, event, function):
        if self.inside or event not in ("call", "c_return") or "puretls" not in frame.f_code.co_filename:
            return
        place = frame.f_code, frame.f_lineno, event
        if place in self.seen or not self.left:
            return
        self.seen.add(place)
        self.left -= 1
        self.inside = True
        try:
            self.act()
        finally:
            self.inside = False
"""

HANDLER = """
places = Places(work)
sys.setprofile(places)
work()
sys.setprofile(None)
print(len(places.seen))
"""

FORK = """
wanted, forked = threading.Semaphore(0), threading.Semaphore(0)

def fork_now():
    wanted.release()
    forked.acquire()

places, done = Places(fork_now), []

def worker():
    sys.setprofile(places)
    try:
        work()
    finally:
        sys.setprofile(None)
        done.append(True)
        wanted.release()

thread = threading.Thread(target=worker)
thread.start()
stuck = 0
while wanted.acquire() and not done:
    pid = os.fork()
    if not pid:
        signal.alarm(10)  # which ends a child that waits
        try:
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
    stuck += os.waitpid(pid, 0)[1] != 0
    if stuck:
        os._exit(3)
    forked.release()
thread.join()
print(len(places.seen))
"""


def run(pki: Pki, scratch: Path, code: str, work: str) -> int:
    """At how many places the program did its work."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            PROGRAM + code,
            pki.ca,
            pki.chain("P-256"),
            pki.key("P-256"),
            scratch,
            work,
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("work", ["load", "verify", "keylog", "sessions", "inject"])
def test_a_handler_never_waits_for_what_it_has_interrupted(pki: Pki, tmp_path: Path, work: str) -> None:
    assert run(pki, tmp_path, HANDLER, work) > 20


@pytest.mark.skipif(not hasattr(sys, "getswitchinterval") or sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize(
    "work",
    ["load", "keylog", "sessions", pytest.param("inject", marks=pytest.mark.xfail(reason="a lock held for long"))],
)
def test_no_forked_child_finds_a_lock_taken(pki: Pki, tmp_path: Path, work: str) -> None:
    assert run(pki, tmp_path, FORK, work) > 20


def made_in(path: Path) -> list[str]:
    """The locks that a module makes, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in MAKERS:
                found.append(f"{path.relative_to(SOURCE).as_posix()}:{node.lineno} {name}")
    return found


@pytest.mark.xfail(reason="there is no registry")
def test_every_lock_comes_from_the_registry() -> None:
    """The command is a program of its own: nobody imports it, and it forks before it has threads, if at all."""
    modules = [path for path in sorted(SOURCE.rglob("*.py")) if path != REGISTRY and path.parent.name != "cli"]
    assert len(modules) > 50
    assert not [made for path in modules for made in made_in(path)]


def test_the_warnings_of_the_process_are_left_alone(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """`catch_warnings` swaps a list of all threads: what another one does meanwhile is lost, or stays for good."""
    names = {"catch_warnings", "simplefilter", "filterwarnings", "resetwarnings"}
    for path in sorted(SOURCE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        assert not names & {node.attr for node in nodes if isinstance(node, ast.Attribute)}, path
        assert not names & {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}, (
            path
        )

    def shared(*_: object, **__: object) -> None:
        raise AssertionError("the filters of the process are changed")

    for name in names:
        monkeypatch.setattr(warnings, name, shared)
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=SERIAL_ZERO)
    assert context.cert_store_stats()["x509"] == 1
    context.load_verify_locations(pki.ca)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))


SERIAL_ZERO = textwrap.dedent("""\
    -----BEGIN CERTIFICATE-----
    MIHtMIGgoAMCAQICAQAwBQYDK2VwMBYxFDASBgNVBAMMC1NlcmlhbCB6ZXJvMB4X
    DTIwMDEwMTAwMDAwMFoXDTQ5MDEwMTAwMDAwMFowFjEUMBIGA1UEAwwLU2VyaWFs
    IHplcm8wKjAFBgMrZXADIQA6kZQ0Vd2QtUxyR7+MWvhYaLgktB6JN3/8R5ILa3sA
    9qMTMBEwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQDf1rl/1n/5pnVg6ZyITDvj
    BizUJwpCy4RJWQSbAjZ4zDFIEViylN/bXAWe8u4B2Cu4ujPo17322XFlAPvMY9cD
    -----END CERTIFICATE-----
    """)
