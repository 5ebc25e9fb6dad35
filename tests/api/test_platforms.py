"""What other systems have or lack, put on as a mask: the code that asks for it takes the other way and works.

This shows that those lines run, not that macOS and Windows are as they are taken to be: docs/platforms.md says what was
run where.
"""

from __future__ import annotations

import os
import select
import ssl
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import puretls
from puretls.cli import authority
from support import PATIENCE
from support.both import client_of, server_of


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")


def test_without_poll_a_timeout_waits_in_select(pki, monkeypatch):
    """Windows has no poll(), nor has a Python whose gevent took it away."""
    import socket

    monkeypatch.delattr(select, "poll", raising=False)
    ours, theirs = socket.socketpair()
    ours.settimeout(0.2)
    with ThreadPoolExecutor(1) as pool:
        wrapping = pool.submit(server_of(puretls, pki).wrap_socket, theirs, server_side=True)
        tls = client_of(puretls, pki).wrap_socket(ours, server_hostname="localhost")
        with tls, wrapping.result(PATIENCE) as peer:
            with pytest.raises(TimeoutError):
                tls.recv(1)
            peer.sendall(b"x" * 100_000)
            got = b""
            while len(got) < 100_000:
                got += tls.recv(50_000)


@pytest.mark.usefixtures("windows")
def test_the_stores_of_windows_are_read(pki, monkeypatch):
    """Certificates for everything and for this purpose are trusted, others and what is no certificate are not."""
    der = ssl.PEM_cert_to_DER_cert(pki.ca.read_text())
    other = ssl.PEM_cert_to_DER_cert(pki.other_ca.read_text())
    purpose = puretls.Purpose.SERVER_AUTH.oid
    stores = {
        "CA": [(der, "x509_asn", True), (other, "x509_asn", {"1.3.6.1.5.5.7.3.3"}), (b"crl", "pkcs_7_asn", True)],
        "ROOT": [(der, "x509_asn", {purpose}), (b"rubbish", "x509_asn", True)],
    }
    monkeypatch.setattr(ssl, "enum_certificates", stores.__getitem__, raising=False)
    monkeypatch.setattr(puretls.SSLContext, "set_default_verify_paths", lambda _self: None)
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.warns(UserWarning, match="Bad certificate in Windows certificate store"):
        context.load_default_certs()
    assert context.get_ca_certs(binary_form=True) == [der]


@pytest.mark.usefixtures("windows")
def test_stores_that_may_not_be_read(monkeypatch):
    def refuse(_name: str) -> None:
        raise PermissionError

    monkeypatch.setattr(ssl, "enum_certificates", refuse, raising=False)
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.warns(UserWarning, match="unable to enumerate"):
        context.load_default_certs()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/puretls/ca"),
        ("linux", {}, "~/.local/share/puretls/ca"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "~/Library/Application Support/puretls/ca"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/puretls/ca"),
        ("win32", {}, "~/AppData/Local/puretls/ca"),
    ],
)
def test_where_the_development_ca_lives(platform, variables, expected, monkeypatch):
    for name in (authority.VARIABLE, "SUDO_USER", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert authority.directory() == Path(expected).expanduser()


LACKING = """
import os, select, signal, socket, sys
for module, names in (
    (os, ("register_at_fork", "fork", "sched_getaffinity", "O_NOCTTY", "geteuid")),
    (select, ("poll", "epoll")),
    (socket, ("AF_UNIX", "MSG_DONTWAIT", "socketpair_unix")),
    (signal, ("SIGALRM", "SIGUSR1", "pthread_sigmask")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
import puretls, puretls.cli
from puretls.cli import COMMANDS
import importlib
for name in COMMANDS:
    importlib.import_module("puretls.cli." + name)
client, server = puretls.create_default_context(), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
server.load_cert_chain(*sys.argv[1:3])
client.load_verify_locations(sys.argv[3])
up, down = puretls.MemoryBIO(), puretls.MemoryBIO()
c = client.wrap_bio(down, up, server_hostname="localhost")
s = server.wrap_bio(up, down, server_side=True)
done = 0
while done < 2:
    done = 0
    for one in (c, s):
        try:
            one.do_handshake()
            done += 1
        except puretls.SSLWantReadError:
            pass
print(c.version())
"""


def test_everything_imports_and_works_without_what_only_posix_has(pki):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LACKING), pki.chain("P-256"), pki.key("P-256"), pki.ca],
        capture_output=True, text=True, timeout=100, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "TLSv1.3\n"), done.stderr


@pytest.mark.usefixtures("windows")
def test_password_prompts_know_no_dev_tty_on_windows(pki, tmp_path, monkeypatch):
    """There is none; and who has no terminal is not asked."""
    opened = []
    monkeypatch.setattr(os, "open", lambda *names: opened.append(names))
    monkeypatch.setattr(sys, "stdin", None)
    key = tmp_path / "key.pem"
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    own = pki.identity("P-256").key
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(puretls.SSLError):
        puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(pki.chain("P-256"), key)
    assert opened == []
