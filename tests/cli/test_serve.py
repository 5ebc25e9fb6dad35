"""`puretls serve` with curl, a browser, and clients that mean no good."""

from __future__ import annotations

import os
import random
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

import puretls
from puretls.cli.authority import Development
from puretls.cli.https import MOST_CONNECTIONS, REQUEST_TIMEOUT
from puretls.cli.static import StaticServer
from puretls.cli.stores import Nss, Root
from support import MIB, PATIENCE, Pki, free_port, need
from support.commands import called, interruptible
from support.commands import puretls as command
from support.serving import Serving, serve

BIG = random.Random(1).randbytes(MIB)  # the same in every worker of pytest-xdist


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to serve, and traps."""
    top = tmp_path_factory.mktemp("serve")
    www = top / "www"
    for name in ("sub", "with index", ".git", ".well-known"):
        (www / name).mkdir(parents=True)
    (top / "secret.txt").write_text("secret")
    (www / "a.txt").write_text("hello\n")
    (www / "big").write_bytes(BIG)
    (www / ".env").write_text("secret")
    (www / ".git" / "config").write_text("secret")
    (www / ".well-known" / "x").write_text("known\n")
    (www / "with index" / "index.html").write_text("<p>the index\n")
    (www / '<script>alert(1)"&.html').write_text("x")
    (www / "\x1b[2J").write_text("x")
    (www / "good-link").symlink_to("a.txt")
    (www / "bad-link").symlink_to("../secret.txt")
    (www / "bad-folder").symlink_to("..")
    (www / "circle").symlink_to("circle")
    (www / "sub" / "index.html").symlink_to("../../secret.txt")
    os.mkfifo(www / "pipe")
    return top


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Serving]:
    with serve(folder, "--name", "app.test") as started:
        yield started


def test_curl_gets_what_is_there(server: Serving) -> None:
    assert server.curl("/a.txt") == (0, b"hello\n")
    assert server.curl("/good-link", host="127.0.0.1") == (0, b"hello\n")
    assert server.curl("/big") == (0, BIG)
    assert server.curl("/with%20index/") == (0, b"<p>the index\n")
    assert server.curl("/.well-known/x") == (0, b"known\n")
    assert server.curl("/a.txt", "--resolve", f"app.test:{server.port}:127.0.0.1", host="app.test") == (0, b"hello\n")
    status, head = server.curl("/big", "--head")
    assert (status, b"Content-Length: %d" % MIB in head) == (0, True)
    server.wait_for(r"127\.0\.0\.1 GET /a\.txt HTTP/1\.1 200\n")


def test_scan_has_nothing_to_improve(server: Serving, folder: Path) -> None:
    done = command("scan", f"localhost:{server.port}", "--ca-file", folder / "ca" / "ca.pem", "--pause", 0)
    assert done.out.splitlines()[-1].split()[:2] == ["A+", "is"]


def test_a_connection_is_kept(server: Serving) -> None:
    url = f"https://localhost:{server.port}/a.txt"
    status, out = server.curl("/a.txt", url, "--write-out", "%{num_connects}\n")
    assert (status, out) == (0, b"hello\n1\nhello\n0\n")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("0-9", BIG[:10]),
        ("1000-", BIG[1000:]),
        ("-5", BIG[-5:]),
        (f"{MIB - 1}-{MIB * 9}", BIG[-1:]),
        (f"-{MIB * 2}", BIG),
        (f"{MIB}-", b""),  # 416
        ("9-3", b""),
        ("-", BIG),  # no range: all of it
        ("0-1,4-5", BIG),
        ("x", BIG),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_parts(server: Serving, asked: str, expected: bytes) -> None:
    assert server.curl("/big", "--header", f"Range: bytes={asked}") == (0, expected)
    status, head = server.curl("/big", "--head", "--header", f"Range: bytes={asked}")
    assert (status, b"Content-Length: %d\r\n" % len(expected) in head) == (0, True)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/sub/../../secret.txt", "/bad-link",
        "/bad-folder/", "/bad-folder/secret.txt", "/sub/", "/circle", "/pipe", "/a.txt%00", "/.env", "/.git/config",
        "/%2egit/config", "/..\\secret.txt", "//../secret.txt", "/none", "/a.txt/", "/" + "x" * 5000,
    ],
)  # fmt: skip
def test_nothing_else_gets_out(server: Serving, path: str) -> None:
    status, body = server.get(path)
    assert status == 404
    assert b"secret" not in body


def test_the_listing(server: Serving) -> None:
    """Shows what may be had, and nothing in it is markup or commands for a terminal."""
    status, page = server.curl("/", "--include")
    assert status == 0
    assert b"Content-Security-Policy: default-src 'none'" in page
    for shown in (
        b'href="./a.txt"',
        b'href="./good-link"',
        b'href="./.well-known/"',
        b"&lt;script&gt;alert(1)&quot;&amp;.html",
    ):
        assert shown in page
    for hidden in (b"<script", b"\x1b", b"bad-link", b"bad-folder", b".git", b".env", b"pipe", b"circle"):
        assert hidden not in page


def test_methods_and_bodies(server: Serving) -> None:
    """Only GET and HEAD; a request that brings a body ends the connection, so that it is not taken for the next one."""
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert server.get("/a.txt", method)[0] == 405
    assert server.get("/a.txt", "BREW")[0] == 501
    assert b"Allow: GET, HEAD\r\n" in server.curl("/a.txt", "--include", "--request", "POST")[1]
    smuggled = b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.tls() as tls:
        tls.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
        answer = b"".join(iter(lambda: tls.recv(65536), b""))
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answer


def test_what_the_header_says(server: Serving) -> None:
    """Text says that it is UTF-8, if it is; files say that parts of them may be asked for."""
    head = server.curl("/a.txt", "--head")[1]
    assert b": text/plain; charset=utf-8\r\n" in head
    assert b"Accept-Ranges: bytes\r\n" in head
    assert b"Accept-Ranges" not in server.curl("/", "--head")[1]


def test_plain_http_is_told_where_to_go(server: Serving) -> None:
    for host, said in ((b"localhost:1", "localhost"), (b"evil.test/x", "localhost"), (b"[::1]", "[::1]")):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw:
            raw.sendall(b"GET /a.txt?b HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            answer = b"".join(iter(lambda: raw.recv(65536), b"")).decode()
        assert answer.startswith("HTTP/1.1 307 ")
        assert f"Location: https://{said}:{server.port}/a.txt?b\r\n" in answer


def test_places_come_back(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, and if all places are taken by clients that read slowly."""
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    with StaticServer(context, "127.0.0.1", 0, pki.folder) as server:
        before = server.places._value

        def fails(_thread: Thread) -> None:
            raise RuntimeError("can't start new thread")

        one, other = socket.socketpair()
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", fails)
            server.process_request(other, ("127.0.0.1", 0))
        assert one.recv(1) == b""
        assert server.places._value == before
        one.close()
        one, other = socket.socketpair()
        server.works(other)
        assert not server.make_room()  # it has its time
        server.working[other] -= REQUEST_TIMEOUT + 1
        assert server.make_room()
        assert one.recv(1) == b""
        one.close()
        other.close()


def test_slow_clients_keep_nobody_waiting(server: Serving) -> None:
    """Silent ones, one in the middle of its ClientHello, one in the middle of its request."""
    context = ssl.create_default_context(cafile=server.ca)
    with ExitStack() as stack:
        silent = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(20)]
        for sock in silent:
            stack.enter_context(sock)
        silent[0].sendall(b"\x16\x03\x01\x02\x00\x01")
        tls = stack.enter_context(context.wrap_socket(silent[1], server_hostname="localhost"))
        tls.sendall(b"GET /a.txt HT")
        assert server.curl("/a.txt") == (0, b"hello\n")


def test_silent_clients_give_up_their_places(folder: Path) -> None:
    """More of them than there are places: one that asks for something gets it, before anybody's time is up."""
    with serve(folder) as server, ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            for _ in range(MOST_CONNECTIONS + 5)
        ]
        assert server.curl("/a.txt") == (0, b"hello\n")
        silent[0].settimeout(PATIENCE)
        assert silent[0].recv(1) == b""


def test_endless_headers_are_ended(server: Serving) -> None:
    with server.tls() as tls:
        tls.sendall(b"GET /a.txt HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 64 * MIB:
                sent += tls.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        except OSError:
            pass
        assert sent < 64 * MIB


def test_what_clients_say_on_leaving_is_a_line(server: Serving, folder: Path) -> None:
    other = Pki(folder).ca
    assert server.curl("/", ca=other)[0] == 60
    server.wait_for(r"127\.0\.0\.1 - the client does not trust our CA: alert unknown_ca \(puretls ca trust\)\n")
    told = subprocess.run(
        ["curl", "-s", f"http://127.0.0.1:{server.port}/"], capture_output=True, check=False, timeout=PATIENCE
    )
    assert told.stdout == f"This server speaks HTTPS: https://127.0.0.1:{server.port}/\n".encode()
    server.wait_for(r"the client speaks plain HTTP: the address begins with https://\n")
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw:
        raw.sendall(b"\x1b[31mnonsense\n" * 100)
        raw.recv(100)
    server.wait_for(r"- wrong version number")
    assert "Traceback" not in server.said + server.program.said()
    assert "\x1b" not in server.said


def test_lines_of_the_log_are_clean(server: Serving) -> None:
    with server.tls() as tls:
        tls.sendall(b"GET /\x1b[2Jgone HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert tls.recv(65536).startswith(b"HTTP/1.1 404")
    server.wait_for(r"GET /\\x1b\[2Jgone HTTP/1\.1 404\n")


def test_client_certificates_and_versions(folder: Path, pki: Pki) -> None:
    with serve(folder, "--client-ca", pki.ca, "--min", "1.3") as server:
        own = ("--cert", pki.chain("client"), "--key", pki.key("client"))
        assert server.curl("/a.txt", *own) == (0, b"hello\n")
        server.wait_for(r"GET /a\.txt HTTP/1\.1 200 \(localhost\)\n")
        assert server.curl("/a.txt")[0] in (35, 55, 56)
        server.wait_for(r"- peer did not return a certificate")
        assert server.curl("/a.txt", *own, "--tls-max", "1.2")[0] == 35
        server.wait_for(r"- unsupported protocol")


def test_a_certificate_of_your_own_and_no_listing(folder: Path, pki: Pki) -> None:
    argv = ("--cert", pki.chain("RSA"), "--key", pki.key("RSA"), "--no-listing", "--hidden")
    with serve(folder, *argv) as server:
        assert server.curl("/a.txt", ca=pki.ca) == (0, b"hello\n")
        assert server.curl("/.env", ca=pki.ca) == (0, b"secret")
        assert b"404" in server.curl("/", ca=pki.ca)[1]


def test_a_certificate_is_renewed_while_it_runs(folder: Path, pki: Pki, tmp_path: Path) -> None:
    names = tmp_path / "own.pem", tmp_path / "own.key"

    def renew(identity: str) -> None:
        names[0].write_bytes(Path(pki.chain(identity)).read_bytes())
        names[1].write_bytes(Path(pki.key(identity)).read_bytes())

    renew("P-256")
    with serve(folder, "--cert", names[0], "--key", names[1], "--reload", 0) as server:
        server.ca = Path(pki.ca)
        seen = []
        for identity in ("P-256", "RSA"):
            renew(identity)
            with server.tls() as tls:
                seen.append(tls.getpeercert(True))
    assert seen[0] != seen[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_workers_resume_each_others_sessions(folder: Path) -> None:
    with serve(folder, "--workers", 3) as server:
        context = puretls.create_default_context(cafile=server.ca)
        context.client_session_cache = True
        resumed = []
        for _ in range(20):
            with (
                socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as tls,
            ):
                tls.sendall(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert b"hello" in tls.recv(65536) + tls.recv(65536)
                resumed.append(tls.session_reused)
        assert resumed == [False] + 19 * [True]
        workers = subprocess.run(
            ["pgrep", "-P", str(server.program.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        assert len(workers) == 2
    deadline = time.monotonic() + PATIENCE
    while any(Path("/proc", pid).exists() for pid in workers):  # they end with the first
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_ends_it(folder: Path) -> None:
    with interruptible(), serve(folder) as server:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE):
            server.program.process.send_signal(signal.SIGINT)
            assert server.program.wait() == 0
        assert server.program.said() == ""


@pytest.mark.timeout(120)
def test_chromium_trusts_it(folder: Path, tmp_path: Path) -> None:
    """As after `puretls ca trust`: with the CA in the browser's store, no flag tells it to look away."""
    need("chromium", "certutil")
    development = Development(folder / "ca")
    store = Nss(tmp_path / ".pki" / "nssdb", "Chromium")
    store.add(Root(development.load_or_make().certificate, development.certificate_file))
    with serve(folder) as server:
        command = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--dump-dom",
        ]
        command += [f"--user-data-dir={tmp_path / 'profile'}", f"https://localhost:{server.port}/"]
        environment = {**os.environ, "HOME": str(tmp_path)}
        dom = subprocess.run(command, capture_output=True, timeout=90, check=True, env=environment).stdout
    assert b'href="./a.txt"' in dom
    assert b"TLS 1.3" in dom


def test_errors_are_a_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        for argv, said in (
            ([folder / "none"], "no such directory"),
            ([folder, "--port", port, "--ca", folder / "ca"], "address already in use; --port 0"),
            ([folder, "--cert", folder / "none"], "no such file"),
            ([folder, "--client-ca", folder / "secret.txt"], "--client-ca"),
            ([folder, "--name", "two words", "--ca", folder / "ca"], "not a host name"),
        ):
            done = called(capsys, "serve", *argv)
            assert done.status in (1, 2)
            assert (done.out, done.err.count("\n")) == ("", 1)
            assert said in done.err
    done = called(capsys, "serve", folder, "--port", 70000)
    assert (done.status, done.err.splitlines()[1:]) == (
        2,
        ["puretls serve: argument --port: not a whole number from 0 to 65535: '70000' (see puretls serve --help)"],
    )
