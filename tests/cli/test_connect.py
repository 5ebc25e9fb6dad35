"""`puretls connect` against servers of others: the report, refusals, data both ways, and peers that mean no good."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from puretls._engine.config import Credential
from puretls.cli import idn
from puretls.cli.session import HttpAnswer, _feed
from support import MIB, PATIENCE, Pki, dial, running
from support.commands import COMMAND, Done, called, interruptible, listening, puretls
from support.logged import EC_KEYS, LoggedCertificates
from support.ours import server_context
from support.peering import PEERS, V12, V13, End, Peer, Setup
from support.repositories import PublishedChain, Repository
from support.web import serving as serving_https

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


@each_version
def test_what_the_server_wants_of_us(connect: Connect, pki: Pki, version: str) -> None:
    """That a certificate was asked for, and of which CAs; OpenSSL names those that it trusts."""
    with serving(pki, Setup(version=version, identity="P-256", asks=True)) as end:
        argv = (f"localhost:{end.port}", "--ca-file", pki.ca, "--cert", pki.chain("client"), "--key", pki.key("client"))
        done, told = connect(*argv), json.loads(connect(*argv, "--json").out)
    assert told["client_certificate"] == {"authorities": ["CN=Test root"]}
    assert "wants      our certificate, of CN=Test root" in done.out
    with serving(pki, Setup(version=version, identity="P-256")) as end:
        told = json.loads(connect(f"localhost:{end.port}", "--ca-file", pki.ca, "--json").out)
    assert told["client_certificate"] is None


def test_suites_in_both_spellings(connect: Connect, pki: Pki) -> None:
    with serving(pki, Setup(version=V12, identity="P-256", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")) as end:
        done = connect(f"localhost:{end.port}", "--ca-file", pki.ca)
    assert "ECDHE-ECDSA-AES128-GCM-SHA256 (TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)" in done.out


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
        "resumed": True, "resumptions": [True], "suite_iana": "TLS_AES_128_GCM_SHA256", "proxy": None,
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
    assert "NOT VERIFIED: " + why in refused.out
    assert "subject  CN=" in refused.out
    assert "suite" not in refused.out
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
    own = x509.load_pem_x509_certificate(document["chain"][0]["pem"].encode())
    assert own == pki.identity(identity).certificate
    assert document["ocsp"] == {"stapled": False}


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
        argv = (*COMMAND, "connect", f"localhost:{end.port}", "--ca-file", pki.ca, "--half-close")
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


def test_ends_of_lines(pki: Pki) -> None:
    """Each becomes CR LF that is not that already, however the input is cut."""
    got: list[bytes] = []

    def serve(sock: socket.socket) -> None:
        with server_context(ssl, pki).wrap_socket(sock, server_side=True) as conn:
            got.append(b"".join(iter(lambda: conn.recv(1 << 16), b"")))

    for option, sent in (("--crlf", b"EHLO me\r\n\r\r\nQUIT\r\n\r\n"), ("--half-close", b"EHLO me\n\r\r\nQUIT\r\n\n")):
        with listening(serve) as port:
            argv = ("connect", f"localhost:{port}", "--ca-file", pki.ca, "--half-close", option)
            puretls(*argv, stdin=b"EHLO me\n\r\r\nQUIT\r\n\n")
        assert got.pop() == sent
    reading, writing = socket.socketpair()
    source, input_ = os.pipe()
    with reading, os.fdopen(source, "rb") as stdin:
        for piece in (b"a\r", b"\nb\n", b"\r"):
            os.write(input_, piece)
        os.close(input_)
        with writing:
            _feed(stdin.fileno(), writing, crlf=True)
        assert b"".join(iter(lambda: reading.recv(100), b"")) == b"a\r\nb\r\n\r"


def test_the_end_of_our_input_closes_one_direction(pki: Pki) -> None:
    """With --half-close close_notify is sent then, and what the server answers to all of it still arrives."""
    body = os.urandom(300_000)

    def digest_at_the_end(tls: ssl.SSLSocket) -> None:
        found = hashlib.sha256()
        while data := tls.recv(65536):
            found.update(data)
        tls.sendall(found.hexdigest().encode())
        tls.unwrap()

    with scripted(pki, digest_at_the_end) as port:
        done = puretls("connect", f"localhost:{port}", "--ca-file", pki.ca, "--half-close", stdin=body)
    assert (done.status, done.out) == (0, hashlib.sha256(body).hexdigest())
    assert "connection was cut" not in done.err


def test_a_server_that_waits_for_our_end_gets_it_once_it_is_silent(pki: Pki) -> None:
    def count_to_the_end(tls: ssl.SSLSocket) -> None:
        got = 0
        while data := tls.recv(65536):
            got += len(data)
        tls.sendall(f"{got} bytes".encode())
        tls.unwrap()

    with scripted(pki, count_to_the_end) as port:
        done = puretls("connect", f"localhost:{port}", "--ca-file", pki.ca, "--timeout", "0.5", stdin=b"x" * 1000)
    assert (done.status, done.out) == (0, "1000 bytes")
    assert "the server was silent for 0.5 seconds" in done.err


class Answers(asyncio.Protocol):
    """As servers on asyncio do: the answer takes a moment, and whoever has sent close_notify does not get it."""

    def __init__(self, close: bool) -> None:
        self.close = close

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        asyncio.get_running_loop().call_later(0.3, self.answer)

    def answer(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer")
        if self.close:
            self.transport.close()


@contextmanager
def on_asyncio(context: ssl.SSLContext, factory: Callable[[], asyncio.BaseProtocol]) -> Iterator[int]:
    """A server of asyncio in a thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        starting = loop.create_server(factory, "127.0.0.1", 0, ssl=context)
        server = asyncio.run_coroutine_threadsafe(starting, loop).result(PATIENCE)
        yield server.sockets[0].getsockname()[1]
        loop.call_soon_threadsafe(server.close)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


EXAMPLE = b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n"  # of docs/commands/connect.md


@each_version
@pytest.mark.parametrize("close", [True, False])
def test_the_documented_example_with_asyncio(pki: Pki, version: str, close: bool) -> None:
    """Its answer comes, from a server that closes and from one that keeps the connection."""
    if not close and sys.version_info < (3, 11):
        pytest.skip("asyncio's older TLS layer does not keep a connection whose client is silent")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    context.maximum_version = {V12: ssl.TLSVersion.TLSv1_2, V13: ssl.TLSVersion.TLSv1_3}[version]
    with on_asyncio(context, partial(Answers, close)) as port:
        done = puretls("connect", f"localhost:{port}", "--ca-file", pki.ca, "--timeout", "2", stdin=EXAMPLE)
    assert (done.status, done.out[-6:]) == (0, "answer"), done.err
    assert ("was silent" in done.err) == (not close)


def test_the_documented_example_with_http_server(pki: Pki) -> None:
    """Which hangs up without close_notify: all of it is there, by the length that it has announced."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    handler = partial(SimpleHTTPRequestHandler, directory=str(pki.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            done = puretls("connect", f"localhost:{server.server_port}", "--ca-file", pki.ca, stdin=EXAMPLE)
        finally:
            server.shutdown()
    assert done.status == 0, done.err
    assert done.out.startswith("HTTP/1.0 200 OK\r\n")
    assert "Directory listing" in done.out
    assert "was cut" not in done.err


@pytest.mark.parametrize(
    ("asked", "said", "whole"),
    [
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", True),
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", False),
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", False),
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", False),
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\n\r\nabc", False),
        (b"GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 3", False),
        (b"x", b"Content-Length: 0\r\n\r\n", False),
        (b"", b"", False),
    ],
)
def test_what_is_a_whole_answer(asked: bytes, said: bytes, whole: bool) -> None:
    """However it is cut into pieces."""
    for size in range(1, len(said) + 2):
        answer = HttpAnswer()
        answer.asked(asked)
        for at in range(0, len(said), size):
            answer.came(said[at : at + size])
        assert answer.whole == whole


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
    assert (done.status, done.out) == (1, "half a mess")
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
    assert done.status == 1
    assert "a certificate that cannot be read" in done.err
    assert "a certificate that cannot be read" in done.out


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


@each_version
def test_stapled_responses(connect: Connect, tls: Any, pki: Pki, version: str) -> None:
    """What they say, on the screen and in JSON; a revoked certificate is refused, and described."""
    leaf = pki.identity("P-256").certificate
    for revoked in (False, True):
        context = server_context(tls, pki)
        context.maximum_version = {V12: tls.TLSVersion.TLSv1_2, V13: tls.TLSVersion.TLSv1_3}[version]
        context.ocsp_response = staple(pki, leaf, revoked=revoked)
        with serving_https(context) as server:
            where = f"localhost:{server.server_port}"
            shown = connect(where, "--ca-file", pki.ca)
            told = json.loads(connect(where, "--ca-file", pki.ca, "--json").out)
            seen = called_inspect(where, pki)
        assert told["ocsp"]["stapled"] is True
        assert told["ocsp"]["status"] == ("revoked" if revoked else "good")
        assert told["ocsp"]["fault"] is None
        assert (shown.status, told["verified"]) == ((1, False) if revoked else (0, True))
        said = "stapled: revoked since " if revoked else "stapled: good, as of "
        assert said in shown.out
        assert said in seen.out


def called_inspect(where: str, pki: Pki, *argv: object) -> Done:
    return puretls("inspect", where, "--ca-file", pki.ca, "--insecure", *argv)


def staple(pki: Pki, leaf: x509.Certificate, *, revoked: bool) -> bytes:
    """Signed by the issuer of the leaf."""
    now = datetime.now(timezone.utc)
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf,
        pki.issuer.certificate,
        hashes.SHA1(),
        ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        now,
        now + timedelta(days=1),
        now - timedelta(days=3) if revoked else None,
        x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, pki.issuer.certificate)
    return builder.sign(pki.issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "where", ["https://localhost:{}/a/path?with=query", "https://user@127.0.0.1:{}", "localhost:{}"]
)
def test_addresses_of_the_web(connect: Connect, pki: Pki, where: str) -> None:
    with serving(pki, Setup(identity="P-256")) as end:
        done = connect(where.format(end.port), "--ca-file", pki.ca)
    assert (done.status, done.err) == (0, "")


def test_no_name_at_all(connect: Connect, pki: Pki) -> None:
    """--servername '' neither asks for a name nor verifies one; the chain is verified."""
    names: list[str | None] = []

    def note(_tls: Any, name: str | None, _context: Any) -> None:
        names.append(name)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    context.sni_callback = note
    with serving_https(context) as server:
        where = f"127.0.0.1:{server.server_port}"
        done = connect(where, "--ca-file", pki.ca, "--servername", "")
        refused = connect(where, "--ca-file", pki.other_ca, "--servername", "")
    assert (done.status, done.err) == (0, "")
    assert "without a name" in done.out
    assert refused.status == 1
    assert names == [None, None]


def test_names_beyond_ascii(tmp_path: Path) -> None:
    """IDNA 2008: what is asked for and verified is straße.test, and not strasse.test; both spellings are shown."""
    pytest.importorskip("idna")
    own = Pki(tmp_path)
    own.made["P-256"] = own.issuer.issue("xn--strae-oqa.test", "localhost")
    with serving(own, Setup(identity="P-256")) as end:
        argv = ("connect", f"localhost:{end.port}", "--ca-file", own.ca)
        done = puretls(*argv, "--servername", "straße.test", PYTHONIOENCODING="utf-8")
        other = puretls(*argv, "--servername", "strasse.test")
    assert done.status == 0, done.err
    assert done.out.count("xn--strae-oqa.test (straße.test)") >= 2  # asked for, and in the certificate
    assert (other.status, "Hostname mismatch" in other.err) == (1, True)


def test_without_the_package_idna_nothing_is_confused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    assert idn.a_labels("bücher.test") == "xn--bcher-kva.test"
    with pytest.raises(ValueError, match=r"pip install 'puretls\[cli\]'"):
        idn.a_labels("straße.test")


def test_a_password_for_pkcs12(connect: Connect, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for on the terminal, or taken from a file; without either it is a line, and standard input left alone."""
    own = pki.identity("client")
    file, password = tmp_path / "own.p12", tmp_path / "password"
    encryption = BestAvailableEncryption(b"secret")
    file.write_bytes(
        pkcs12.serialize_key_and_certificates(b"own", own.key, own.certificate, own.intermediates, encryption)
    )
    password.write_text("secret\n")
    with serving(pki, Setup(identity="P-256", asks=True)) as end:
        argv = (f"localhost:{end.port}", "--ca-file", pki.ca, "--cert", file)
        given = connect(*argv, "--password-file", password)
        nobody = puretls("connect", *argv, stdin=b"secret\n")
        monkeypatch.setattr("puretls.cli.typing_in.has_terminal", lambda: True)
        monkeypatch.setattr("getpass.getpass", lambda prompt: "secret" if str(file) in prompt else "")
        typed = connect(*argv)
    assert (given.status, given.err) == (0, "")
    assert (typed.status, typed.err) == (0, "")
    assert "our proof" in given.out
    if not Path("/dev/tty").exists() or nobody.status:
        assert nobody.status == 1
        assert "--password-file" in nobody.err


@pytest.mark.filterwarnings("ignore:Attribute's length")  # here, where it is made
def test_odd_names_warn_nobody(tmp_path: Path) -> None:
    """A country of more than two letters, which the parser warns of: that is the peer's business."""
    own = Pki(tmp_path)
    long_name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "Utopia", _validate=False)])
    made = own.issuer.issue("localhost")
    builder = x509.CertificateBuilder().subject_name(long_name).issuer_name(own.issuer.name)
    builder = builder.public_key(made.key.public_key()).serial_number(7)
    builder = builder.not_valid_before(made.certificate.not_valid_before_utc)
    builder = builder.not_valid_after(made.certificate.not_valid_after_utc)
    own.made["P-256"] = made._replace(certificate=builder.sign(own.issuer.key, hashes.SHA256()))
    with serving(own, Setup(identity="P-256")) as end:
        for command in ("connect", "inspect", "scan"):
            done = puretls(command, f"localhost:{end.port}", "--ca-file", own.ca, PYTHONWARNINGS="always::UserWarning")
            assert "Warning" not in done.err, done.err
            assert "Utopia" in done.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_a_line(pki: Pki) -> None:
    with serving(pki, Setup(identity="P-256")) as end:
        where = f"localhost:{end.port} --ca-file {pki.ca}"
        commands = (
            "version",
            f"connect {where}",
            f"connect {where} --json",
            f"inspect {where}",
        )
        for command in commands:
            done = shell(f"{command} >/dev/full")
            assert (done.status, "standard output: no space left" in done.err) == (1, True), done.err
            assert done.err.count("\n") == 1, done.err

    def a_lot(tls: ssl.SSLSocket) -> None:
        tls.recv(1)
        with suppress(OSError):
            tls.sendall(b"x" * MIB)

    with scripted(pki, a_lot) as port:
        done = shell(f"connect localhost:{port} --ca-file {pki.ca} >/dev/full", stdin=b"x")
    assert (done.status, "standard output: no space left" in done.err) == (1, True), done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_closed_streams(pki: Pki) -> None:
    with serving(pki, Setup(identity="P-256")) as end:
        where = f"localhost:{end.port} --ca-file {pki.ca}"
        for command in ("version", f"connect {where}", f"connect {where} --json", f"inspect {where}"):
            for closed in (">&-", "<&- >&-"):
                done = shell(f"{command} {closed}")
                assert (done.status, done.err) == (0, ""), done.err
            assert shell(f"{command} <&- >&- 2>&-").status == 0


def shell(line: str, stdin: bytes | None = None) -> Done:
    """A line of the shell, with `puretls` before it."""
    words = f"{shlex.join(COMMAND)} {line}"
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(["sh", "-c", words], capture_output=True, timeout=PATIENCE, check=False, **given)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("trusted", [True, False])
def test_compressed_certificates(connect: Connect, tls: Any, pki: Pki, trusted: bool) -> None:
    """How they came; and one that is refused is described all the same."""
    context = server_context(tls, pki)
    context.set_cert_compression(["zlib"])
    with serving_https(context) as server:
        where = f"localhost:{server.server_port}"
        ca = ("--ca-file", pki.ca if trusted else pki.other_ca)
        shown, told = connect(where, *ca), json.loads(connect(where, *ca, "--json").out)
        seen = called_inspect(where, pki, "--compress-cert", "--full")
    assert told["verified"] is trusted
    assert told.get("certificate_compression") == ("zlib" if trusted else None)
    assert "CN=Test intermediate" in shown.out
    assert len(told["chain"]) == 2
    assert "CompressedCertificate" in seen.out
    assert "issued by CN=Test intermediate" in seen.out


def test_the_rules_of_the_public_web(connect: Connect, tls: Any, pki: Pki) -> None:
    context = server_context(tls, pki)
    bare = server_context(tls, pki)
    bare.load_cert_chain(pki.chain("years"), pki.key("years"))
    for server_side, refused in ((context, False), (bare, True)):
        with serving_https(server_side) as server:
            where = f"localhost:{server.server_port}"
            assert connect(where, "--ca-file", pki.ca).status == 0
            done = connect(where, "--ca-file", pki.ca, "--profile", "webpki")
        assert (done.status == 1) is refused
        assert ("valid for more than" in done.err) is refused


def test_an_issuer_that_was_not_sent(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line and the document say where it is published; --aia fetches it, from public addresses only."""
    from puretls._api import fetcher

    web = Repository()
    world = PublishedChain(web)
    file = tmp_path / "root.pem"
    file.write_text(world.root.pem, "utf-8")
    root = ("--ca-file", file)
    with serving_https(world.server()) as server:
        where = f"localhost:{server.server_port}"
        done = connect(where, *root)
        told = json.loads(connect(where, *root, "--json").out)
        still = connect(where, *root, "--aia")
        monkeypatch.setattr(fetcher, "is_public", lambda _: True)
        fetcher._pool.known.put((web.url("lower"), False), (0.0, None))
        fetched = connect(where, *root, "--aia")
    assert (done.status, still.status, fetched.status) == (1, 1, 0)
    assert f"--aia fetches it from {web.url('lower')}" in done.err
    assert told["refusal"]["aia_urls"] == [web.url("lower")]
    assert "CN=Aia Root" in fetched.out
    assert web.asked == ["/lower", "/upper"]


def test_a_server_without_a_certificate(connect: Connect, tls: Any, tmp_path: Path) -> None:
    """A raw public key that is trusted, and one that is not."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import PublicFormat

    files = []
    for name in ("right", "wrong"):
        key = generate_private_key(SECP256R1())
        files.append(tmp_path / name)
        files[-1].write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        if name == "right":
            context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
            context.load_raw_public_key(key)
    with serving_https(context) as server:
        where = f"localhost:{server.server_port}"
        done, told = connect(where, "--trust-key", files[0]), connect(where, "--trust-key", files[0], "--json")
        inspected = puretls("inspect", where, "--trust-key", files[0], "--insecure")
        walked = puretls("inspect", where, "--trust-key", files[0])
        refused, wrong = connect(where, "--trust-key", files[1]), connect(where, "--trust-key", tmp_path / "none")
    assert (done.status, "the key that is trusted" in done.out, "raw key" in done.out) == (0, True, True)
    assert len(json.loads(told.out)["raw_public_key"]) == 44
    assert (walked.status, "the key that is trusted" in walked.out, "sha256//" in walked.out) == (0, True, True)
    assert (inspected.status, "not checked" in inspected.out) == (0, True)
    assert (refused.status, "Raw public key untrusted" in refused.err) == (1, True)
    assert (wrong.status, "--trust-key" in wrong.err) == (1, True)


def test_timestamps_are_counted(connect: Connect, tmp_path: Path) -> None:
    world = LoggedCertificates()
    file = tmp_path / "root.pem"
    file.write_text(world.root.pem, "utf-8")
    context = world.server(world.logged(EC_KEYS[0], EC_KEYS[1]))
    context.sct_list = [world.sct(EC_KEYS[2])]
    with serving_https(context) as server:
        where = f"localhost:{server.server_port}"
        told = json.loads(connect(where, "--ca-file", file, "--json").out)
        shown = connect(where, "--ca-file", file).out
        inspected = puretls("inspect", where, "--ca-file", file).out
        scanned = puretls("scan", where, "--ca-file", file, "--json", "--most", 60, "--pause", 0).out
    assert told["timestamps"] == {"certificate": 2, "handshake": 1}
    for said in (shown, inspected):
        assert "2 timestamps in the certificate, 1 timestamp in the handshake" in said
    assert json.loads(scanned)["certificates"][0]["transparency"] == 3
