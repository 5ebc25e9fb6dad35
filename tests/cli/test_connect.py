"""`puretls connect` against servers of others: the report, refusals, data both ways, and peers that mean no good."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509

from commands import COMMAND, Done, called, interruptible, listening, puretls
from ours import server_context
from peering import PEERS, V12, V13, End, Peer, Setup
from puretls._engine.config import Credential
from support import MIB, PATIENCE, Pki, dial, running

PROGRAMS = {peer.name: peer for peer in PEERS if peer.name in ("openssl", "gnutls")}
each_version = pytest.mark.parametrize("version", [V12, V13])
each_program = pytest.mark.parametrize("peer", PROGRAMS.values(), ids=PROGRAMS)


@contextmanager
def serving(pki: Pki, setup: Setup, peer: Peer = PROGRAMS["openssl"]) -> Iterator[End]:
    """A program that is listening."""
    with peer.accept(pki, setup) as end:
        dial(end.port).close()
        yield end


@contextmanager
def scripted(pki: Pki, script: Callable[[ssl.SSLSocket], None], identity: str = "P-256") -> Iterator[int]:
    """One connection to the interpreter's own `ssl`, which does as it is told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain(identity), pki.key(identity))

    def serve(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            script(tls)

    with listening(serve) as port:
        yield port


Connect = Callable[..., Done]


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str]) -> Connect:
    """`puretls connect` in this process; where standard input and output matter it has one of its own."""
    return partial(called, capsys, "connect")


@each_version
@each_program
def test_report_and_resumption(connect: Connect, pki: Pki, peer: Peer, version: str) -> None:
    with serving(pki, Setup(version=version, identity="P-256"), peer) as end:
        done = connect(f"localhost:{end.port}", "--ca-file", pki.ca, "--reconnect")
    assert (done.status, done.err) == (0, "")
    for said in (
        "verified: localhost, by CN=Test root",
        version.replace("v", " "),
        "x25519" if version == V13 else "ECDHE-ECDSA",
        "the session was resumed",
        "CN=Test intermediate",
        "localhost, 127.0.0.1",
        "days left",
    ):
        assert said in done.out


def test_json_says_what_the_certificate_says(connect: Connect, pki: Pki) -> None:
    setup = Setup(identity="RSA", alpn="h2", ciphers="TLS_AES_128_GCM_SHA256", curve="P-256")
    with serving(pki, setup) as end:
        where = f"localhost:{end.port}"
        done = connect(where, "--ca-file", pki.ca, "--alpn", "h2,http/1.1", "--reconnect", "--json")
    assert (done.status, done.err) == (0, "")
    told = json.loads(done.out)
    leaf = x509.load_pem_x509_certificate(told["chain"][0]["pem"].encode())
    assert leaf == pki.identity("RSA").certificate
    expected = {
        "host": "localhost", "port": end.port, "servername": "localhost", "starttls": None, "failed": None,
        "verified": True, "refusal": None, "version": "TLSv1.3", "suite": "TLS_AES_128_GCM_SHA256", "bits": 128,
        "group": "secp256r1", "signature": "rsa_pss_rsae_sha256", "client_signature": None, "alpn": "h2",
        "resumed": True,
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected
    assert told["ticket"]["came"]
    assert told["anchor"]["subject"] == "CN=Test root"
    facts = told["chain"][0]
    assert facts["subject"] == "CN=localhost"
    assert facts["serial"] == f"{leaf.serial_number:x}"
    assert facts["not_after"] == leaf.not_valid_after_utc.isoformat()
    assert (facts["key"], facts["days_left"], facts["names"]) == ("RSA 2048", 6, ["localhost", "127.0.0.1"])


@pytest.mark.parametrize(
    ("identity", "ca", "name", "why", "advice"),
    [
        ("stranger-P-256", "ca", "localhost", "unable to get", "--ca-file FILE adds one"),
        ("expired", "ca", "localhost", "certificate has expired", "the clock of this machine"),
        ("P-256", "ca", "elsewhere.test", "Hostname mismatch", "--servername NAME"),
    ],
)
def test_what_cannot_be_verified(
    connect: Connect, pki: Pki, identity: str, ca: str, name: str, why: str, advice: str
) -> None:
    """Status 1 and one line that says what to do; --insecure looks at it anyway and says that aloud."""
    with serving(pki, Setup(identity=identity)) as end:
        argv = (f"localhost:{end.port}", "--ca-file", getattr(pki, ca), "--servername", name)
        refused = connect(*argv)
        looked = connect(*argv, "--insecure")
        told = connect(*argv, "--json")
    assert refused.status == 1
    assert refused.out == ""
    assert refused.err.startswith("puretls connect: localhost")
    assert refused.err.count("\n") == 1
    assert why in refused.err
    assert advice in refused.err
    assert (looked.status, looked.err) == (0, "")
    assert "NOT VERIFIED: " + why in looked.out
    assert "CN=Test intermediate" in looked.out or identity.startswith("stranger")
    document = json.loads(told.out)
    assert (told.status, document["verified"]) == (1, False)
    assert why in document["refusal"]["message"]
    assert why in document["failed"]


@each_version
def test_client_certificate(connect: Connect, pki: Pki, version: str) -> None:
    with serving(pki, Setup(version=version, identity="P-256", asks=True)) as end:
        argv = (f"localhost:{end.port}", "--ca-file", pki.ca)
        with_one = connect(*argv, "--cert", pki.chain("client"), "--key", pki.key("client"))
        without = connect(*argv)
    assert (with_one.status, with_one.err) == (0, "")
    assert "our proof" in with_one.out
    assert without.status == 1
    assert "the peer refused: alert" in without.err


def test_pem_and_keylog(connect: Connect, pki: Pki, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    with serving(pki, Setup(identity="P-256")) as end:
        done = connect(f"127.0.0.1:{end.port}", "--ca-file", pki.ca, "--pem", "--keylog", keys, "-4")
    sent = x509.load_pem_x509_certificates(done.out.encode())
    assert sent[0] == pki.identity("P-256").certificate
    assert sent[-1] == pki.issuer.certificate
    assert "CLIENT_TRAFFIC_SECRET_0 " in keys.read_text()
    assert os.name != "posix" or keys.stat().st_mode & 0o077 == 0


def test_options_decide_what_is_spoken(connect: Connect, pki: Pki) -> None:
    with serving(pki, Setup(version=V12, identity="P-256")) as end:
        argv = (f"localhost:{end.port}", "--ca-file", pki.ca)
        chosen = connect(*argv, "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305", "--groups", "P-256", "--max", "1.2")
        refused = connect(*argv, "--tls1.3")
    assert "ECDHE-ECDSA-CHACHA20-POLY1305" in chosen.out, chosen.err
    assert "secp256r1" in chosen.out
    assert refused.status == 1
    assert "alert protocol_version" in refused.err


@each_version
def test_data_both_ways(pki: Pki, version: str) -> None:
    """A megabyte there and one back at once, the report apart from it, and the end of the input is an end for them."""
    up, down = (f"{os.urandom(2000).hex()}.\n".encode() * (MIB // 4002) for _ in range(2))
    with serving(pki, Setup(version=version, identity="P-256")) as end:
        argv = (*COMMAND, "connect", f"localhost:{end.port}", "--ca-file", pki.ca)
        with running(pki.folder, *argv) as client:
            sending = Thread(target=end.send, args=(down,))
            client.send(up)
            sending.start()
            assert end.recv(len(up)) == up
            assert client.recv(len(down)) == down
            sending.join()
            client.end_input()
            assert client.wait() == 0, client.said()
            assert client.recv(1) == b""
            assert "verified: localhost" in client.said()


def test_the_end_of_our_input_closes_one_direction(pki: Pki) -> None:
    """close_notify is sent, and what the server answers to all of it still arrives."""
    body = os.urandom(300_000)

    def digest_at_the_end(tls: ssl.SSLSocket) -> None:
        found = hashlib.sha256()
        while data := tls.recv(65536):
            found.update(data)
        tls.sendall(found.hexdigest().encode())
        tls.unwrap()

    with scripted(pki, digest_at_the_end) as port:
        done = puretls("connect", f"localhost:{port}", "--ca-file", pki.ca, stdin=body)
    assert (done.status, done.out) == (0, hashlib.sha256(body).hexdigest())
    assert "connection was cut" not in done.err


def test_in_a_terminal(pki: Pki) -> None:
    """With colours; with -i what is typed is sent, Ctrl-D closes our direction, Ctrl-C interrupts."""
    pty = pytest.importorskip("pty")
    pytest.importorskip("rich")

    def shout(tls: ssl.SSLSocket) -> None:
        while data := tls.recv(1000):
            tls.sendall(data.upper())
        tls.unwrap()

    def until_it_leaves(tls: ssl.SSLSocket) -> None:
        with suppress(OSError):
            tls.recv(1000)

    for script, typed, status in ((shout, b"hello\n\x04", 0), (until_it_leaves, b"\x03", 130)):
        controller, terminal = pty.openpty()
        with scripted(pki, script) as port, interruptible():
            argv = [*COMMAND, "connect", f"localhost:{port}", "--ca-file", str(pki.ca), "-i"]
            client = subprocess.Popen(
                ["setsid", "--ctty", "--wait", *argv], stdin=terminal, stdout=terminal, stderr=terminal,
                env={**os.environ, "TERM": "xterm-256color"},
            )  # fmt: skip
            os.close(terminal)
            shown = b""
            while b"SHA-256" not in shown:
                shown += os.read(controller, 65536)
            os.write(controller, typed)
            with suppress(OSError):  # the terminal goes with its last user
                while data := os.read(controller, 65536):
                    shown += data
            assert client.wait(PATIENCE) == status
        os.close(controller)
        assert b"\x1b[" in shown
        assert (b"HELLO" in shown) == (script is shout)
        assert b"Traceback" not in shown


def test_an_end_without_close_notify_is_said(pki: Pki) -> None:
    def cut(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"half a mess")
        tls.recv(1)
        tls.shutdown(socket.SHUT_RDWR)

    with scripted(pki, cut) as port:
        done = puretls("connect", f"localhost:{port}", "--ca-file", pki.ca, stdin=b"x")
    assert (done.status, done.out) == (0, "half a mess")
    assert "the connection was cut" in done.err


def test_names_from_a_certificate_do_not_command_the_terminal(tls: Any, tmp_path: Path) -> None:
    """Escape sequences, and characters that turn the line around, are shown as what they are."""
    pki = Pki(tmp_path)
    evil = "\x1b]0;owned\x07\x9b31m\u202egnp.exe"
    pki.made["P-256"] = type(pki.root)(evil).issue("localhost", "\x1b[2Jx")
    context = server_context(tls, pki)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept_twice, args=(listener, context), daemon=True).start()
        where = f"localhost:{listener.getsockname()[1]}"
        done = puretls("connect", where, "--ca-file", pki.ca, "--insecure", PYTHONIOENCODING="utf-8")
    assert "\\x1b]0" in done.out, done.err
    assert "\\u202egnp.exe" in done.out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.out + done.err)


def test_a_certificate_that_is_none(connect: Connect, tls: Any, pki: Pki) -> None:
    """It follows the server's own, which is good: a failure that says so."""
    context = server_context(tls, pki)
    settings = context._settings
    settings.credentials = {
        kind: Credential((own.ders[0], b"\x30\x03\x02\x01\x05"), own.key, own.public_key, kind)
        for kind, own in settings.credentials.items()
    }
    settings.changed()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept_twice, args=(listener, context), daemon=True).start()
        done = connect(f"localhost:{listener.getsockname()[1]}", "--insecure")
    assert (done.status, done.out) == (1, "")
    assert "a certificate that cannot be read" in done.err


def accept_twice(listener: socket.socket, context: Any) -> None:
    """The connection that is refused, and the one with --insecure."""
    for _ in range(2):
        with (
            suppress(OSError),  # the first is refused, or is the only one
            listener.accept()[0] as sock,
            context.wrap_socket(sock, server_side=True) as conn,
        ):
            conn.recv(1)


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["localhost:1"], 1, "connection refused"),
        (["name.invalid"], 1, "the name does not resolve"),
        (["localhost:99999"], 2, "not a port"),
        (["localhost", "--servername", "a..b"], 2, "not a host name"),
        (["[::1"], 2, "not HOST[:PORT]"),
        (["localhost", "--groups", "none-such"], 2, "--groups none-such: unrecognized group list"),
        (["localhost", "--ciphers", "none-such"], 2, "--ciphers none-such"),
        (["localhost", "--min", "1.3", "--max", "1.2"], 2, "nothing is left"),
        (["localhost", "--ca-file", "/none/such"], 1, "--ca-file /none/such: no such file"),
        (["localhost", "--cert", "/none/such"], 1, "--cert /none/such: no such file"),
        (["localhost", "--key", "/none/such"], 2, "--key needs --cert"),
        (["localhost", "-i", "--json"], 2, "-i needs standard output"),
    ],
)
def test_errors_are_a_line(connect: Connect, argv: list[str], status: int, said: str) -> None:
    done = connect(*argv)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_not_tls(connect: Connect, pki: Pki) -> None:
    def serve(sock: socket.socket) -> None:
        sock.sendall(b"220 smtp.example ESMTP\r\n")
        sock.recv(4096)

    with listening(serve) as port:
        done = connect(f"localhost:{port}", "-4", "--ca-file", pki.ca)
    assert done.status == 1
    assert "the answer is not TLS" in done.err


def test_silence_is_not_waited_for_forever(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = connect(f"localhost:{listener.getsockname()[1]}", "--timeout", "0.2")
    assert done.status == 1
    assert "timed out" in done.err
