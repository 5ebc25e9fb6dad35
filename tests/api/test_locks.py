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
MAKERS = {"Lock", "RLock", "allocate_lock"}

PROGRAM = """
import os, signal, sys, threading
import puretls
from puretls._base import locks
CA, CHAIN, KEY, SCRATCH = sys.argv[1:5]
with open(CA) as file:
    ROOT = file.read()

def load():
    puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ROOT)
    puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).load_verify_locations(CA)

client, server = puretls.create_default_context(cafile=CA), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
server.load_cert_chain(CHAIN, KEY)

def verify(client=client, server=server):
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

cached_if_short = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
cached_if_short.load_verify_locations(CA)
cached_if_short.maximum_version = puretls.TLSVersion.TLSv1_2
server.options |= puretls.OP_NO_TICKET

def sessions():
    verify(cached_if_short)

def tickets():
    fresh = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    fresh.load_cert_chain(CHAIN, KEY)
    verify(client, fresh)

KEYS = [puretls.ECHKey(*puretls.make_ech_config("localhost", config_id=7)) for _ in range(2)]

def both():
    client, server = puretls.create_default_context(cafile=CA), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CHAIN, KEY)
    for context in (client, server):
        context.set_cert_compression(["zlib"])
    server.set_ticket_secret(bytes(32))
    server.set_ech_keys(KEYS[:1])
    client.set_ech_config(KEYS[0].config.config_list)
    return client, server

together = both()
together[0].client_session_cache = puretls.SessionCache()

def shared():
    verify(*together)
    verify(*together)

reloaded = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
reloaded.load_cert_chain(CHAIN, KEY, reload=1e-9)
reloading_client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
reloading_client.load_verify_locations(CA, reload=1e-9)

def reloading():
    reloaded.reload()
    verify(reloading_client, reloaded)

def anchors():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.load_intermediates(cadata=ROOT)
    context.add_trust_anchor(CA)
    verify(context, server)

import json
LOGS = json.dumps({"version": "1.0", "log_list_timestamp": "2099-01-01T00:00:00Z", "operators": []})

def judged():
    context = puretls.create_default_context(cafile=CA)
    context.request_ocsp = context.request_sct = True
    context.ct_policy = puretls.CTPolicy(puretls.CTLogs.from_json(LOGS), minimum=0)
    context.verify_callback = lambda *_: None
    verify(context, server)

class Memory(dict):
    def put(self, key, value, _):
        self[key] = value
    def take(self, key):
        return self.pop(key, None)

def stored():
    client, server = both()
    client.client_session_cache = True
    server.options |= puretls.OP_NO_TICKET
    server.session_store = Memory()
    for _ in range(2):
        verify(client, server)

def early():
    client, server = puretls.create_default_context(cafile=CA), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CHAIN, KEY)
    client.max_early_data = server.max_early_data = 100
    client.client_session_cache = True
    for known in (False, True):
        a, b = puretls.MemoryBIO(), puretls.MemoryBIO()
        c = client.wrap_bio(a, b, server_hostname="localhost")
        s = server.wrap_bio(b, a, server_side=True)
        assert c.write_early_data(b"early") == 5 * known
        for step in (c.do_handshake, s.read_early_data, c.do_handshake, s.do_handshake, c.read):
            try:
                found = step()
            except puretls.SSLWantReadError:
                found = None
            assert found == (b"early" * known if step == s.read_early_data else None)
        assert s.early_data_status() == 2 * known

import ssl, types

def library(_):
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

sys.modules["aiohttp.connector"] = types.SimpleNamespace(
    _SSL_CONTEXT_VERIFIED=library(True), _SSL_CONTEXT_UNVERIFIED=library(False), _make_ssl_context=library
)

def inject():
    puretls.inject_into_ssl()
    puretls.extract_from_ssl()

work = globals()[sys.argv[5]]
work()

def held():
    "Whether this thread holds a lock of a context, or of the process."
    return any(not own and lock()._is_owned() for lock, own in locks._made.copy().items() if lock() is not None)

class Places:
    '''Calls `act` where a function of ours begins, or a built-in one that it called has ended: while a lock is held at
    each such place, elsewhere at one of so many.'''
    def __init__(self, act, step):
        self.act, self.step, self.seen, self.inside, self.acted = act, step, set(), False, 0
    def __call__(self, frame, event, function):
        if self.inside or event not in ("call", "c_return") or "puretls" not in frame.f_code.co_filename:
            return
        place = frame.f_code, frame.f_lineno, event
        if place in self.seen:
            return
        self.seen.add(place)
        if len(self.seen) % self.step and not held():
            return
        self.acted += 1
        self.inside = True
        try:
            self.act()
        finally:
            self.inside = False
"""

HANDLER = """
places = Places(work, 3)
sys.setprofile(places)
work()
sys.setprofile(None)
print(places.acted)
"""

FORK = """
wanted, forked = threading.Semaphore(0), threading.Semaphore(0)

def fork_now():
    wanted.release()
    forked.acquire()

places, done = Places(fork_now, 10), []

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
print(places.acted)
"""

FOREIGN = """
OURS = ("puretls", "builtins", "collections", "_thread", "time", "_operator", "_weakref", "posix", "nt")
calls, wrong = 0, set()

def look(frame, event, function):
    "Whether a lock of a context, or of the process, is ours while something foreign is called."
    global calls
    if event == "c_call":
        module = getattr(function, "__module__", None) or type(getattr(function, "__self__", None)).__module__
        foreign = not module.startswith(OURS) or function in (os.open, os.write, os.stat, open)
    else:
        foreign = event == "call" and "puretls" not in frame.f_code.co_filename
    if foreign and "puretls" in (frame if event == "c_call" else frame.f_back or frame).f_code.co_filename:
        calls += 1
        if held():
            wrong.add((frame.f_code.co_filename, frame.f_lineno, str(function or frame.f_code.co_name)))

sys.setprofile(look)
work()
sys.setprofile(None)
assert not wrong, wrong
print(calls)
"""


LATER = ["shared", "reloading", "anchors", "judged", "stored", "early"]  # what came since


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


@pytest.mark.parametrize("work", ["load", "verify", "keylog", "sessions", "tickets", "inject", *LATER])
def test_a_handler_never_waits_for_what_it_has_interrupted(pki: Pki, tmp_path: Path, work: str) -> None:
    assert run(pki, tmp_path, HANDLER, work) > 3


@pytest.mark.skipif(not hasattr(sys, "getswitchinterval") or sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("work", ["load", "keylog", "sessions", "tickets", "inject", *LATER])
def test_no_forked_child_finds_a_lock_taken(pki: Pki, tmp_path: Path, work: str) -> None:
    assert run(pki, tmp_path, FORK, work) > 3


@pytest.mark.parametrize("work", ["load", "verify", "keylog", "sessions", "tickets", "inject", *LATER])
def test_no_lock_is_held_while_anything_foreign_runs(pki: Pki, tmp_path: Path, work: str) -> None:
    """PyCA, the kernel, libraries and the application; a connection's own lock is there to be held."""
    assert run(pki, tmp_path, FOREIGN, work) > 1


def made_in(path: Path) -> list[str]:
    """The locks that a module makes, wherever in it; a Condition without a lock makes one."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in MAKERS or (name == "Condition" and not node.args):
                found.append(f"{path.relative_to(SOURCE).as_posix()}:{node.lineno} {name}")
    return found


def test_every_lock_comes_from_the_registry() -> None:
    modules = sorted(SOURCE.rglob("*.py"))
    assert [made.partition(":")[0] for path in modules for made in made_in(path)] == ["_base/locks.py"]


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


BLOCKED = """
import socket
ours, theirs = socket.socketpair()
wrapped = []
thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
thread.start()
sock = client.wrap_socket(ours, server_hostname="localhost")
thread.join()
peer = wrapped[0]
peer.sendall(b"!")
sock.recv(1)
reading, writing = sock._sslobj._reading, sock._sslobj._writing

def use():
    sock.setblocking(False)
    try:
        sock.recv(1)
    except puretls.SSLWantReadError:
        pass
    try:
        while True:
            sock.send(b"data")
    except puretls.SSLWantWriteError:
        pass
    sock.close()

reader = threading.Thread(target=sock.recv, args=(1,))
writer = threading.Thread(target=sock.sendall, args=(bytes(1 << 24),))
for thread, lock in ((reader, reading), (writer, writing)):
    thread.start()
    while lock.acquire(blocking=False):  # until it is at work
        lock.release()
child = os.fork()
if not child:
    signal.alarm(10)
    use()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_connection_can_be_used_in_a_child_though_threads_of_the_parent_were_at_it(pki: Pki, tmp_path: Path) -> None:
    """They do not exist there: neither what they held nor that they were at it counts any more."""
    assert run(pki, tmp_path, BLOCKED, "load") == 0
