"""Early data with OpenSSL, GnuTLS and NSS in both roles, and with nginx, which tells what it makes of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls import EARLY_DATA_ACCEPTED, EARLY_DATA_NOT_SENT, EARLY_DATA_REJECTED
from support import PATIENCE, Pki, Program, dial, free_port, need, running, until

LIMIT = 4096
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")


def client_context(pki: Pki) -> Any:
    context = puretls.create_default_context(cafile=pki.ca)
    context.max_early_data = 1 << 16
    return context


@contextmanager
def visit(context: Any, port: int, early: bytes = b"", session: Any = None) -> Iterator[Any]:
    """A connection after its handshake, with early data if there is any."""
    with context.wrap_socket(
        dial(port), server_hostname="localhost", session=session, do_handshake_on_connect=False
    ) as tls:
        if early:
            assert tls.write_early_data(early) == len(early)
        tls.do_handshake()
        yield tls


def heard(program: Program, *words: bytes) -> None:
    """Wait until it has said all this."""
    said = b""
    for word in words:
        while word not in said:
            piece = program.recv(1)
            assert piece, (said, program.said())
            said += piece


def second_visit(context: Any, port: int, session: Any, early: bytes) -> None:
    with visit(context, port, early, session) as tls:
        assert tls.session_reused
        assert (tls.early_data_status(), tls.early_data_reason) == (EARLY_DATA_ACCEPTED, "accepted")
        tls.sendall(b"later\n")


# They serve


def openssl_server(pki: Pki, port: int) -> tuple[object, ...]:
    """The command of a server that allows LIMIT bytes of early data."""
    return (
        "openssl", "s_server", "-accept", port, "-cert", pki.chain("P-256"), "-cert_chain", pki.chain("P-256"),
        "-key", pki.key("P-256"), "-tls1_3", "-early_data", "-max_early_data", LIMIT,
    )  # fmt: skip


@pytest.mark.parametrize("size", [18, LIMIT])
def test_openssl_serves(size: int, pki: Pki, tmp_path: Path) -> None:
    need("openssl")
    port, context = free_port(), client_context(pki)
    with running(tmp_path, *openssl_server(pki, port)) as program:
        with visit(context, port) as tls:
            program.send(b"y\n")
            assert tls.recv(2) == b"y\n"
            session = tls.session
            tls.unwrap()  # else it forgets the session
        assert session.max_early_data == LIMIT
        early = b"e" * (size - 1) + b"\n"
        second_visit(context, port, session, early)
        heard(program, b"Early data received:\n", early, b"End of early data", b"later")


def test_openssl_takes_a_ticket_once(pki: Pki, tmp_path: Path) -> None:
    """And our client goes on when its data is rejected."""
    need("openssl")
    port, context = free_port(), client_context(pki)
    with running(tmp_path, *openssl_server(pki, port)) as program:
        with visit(context, port) as tls:
            program.send(b"y\n")
            assert tls.recv(2) == b"y\n"
            session = tls.session
            tls.unwrap()
        second_visit(context, port, session, REQUEST)
        with visit(context, port, REQUEST, session) as tls:
            assert tls.early_data_status() == EARLY_DATA_REJECTED
            assert tls.early_data_reason in ("session_not_resumed", "peer_declined")
            tls.sendall(b"once more\n")
            heard(program, b"once more")


def test_gnutls_serves(pki: Pki, tmp_path: Path) -> None:
    need("gnutls-serv")
    port, context = free_port(), client_context(pki)
    served = (
        "gnutls-serv", "--port", port, "--echo", "--x509certfile", pki.chain("P-256"), "--x509keyfile",
        pki.key("P-256"), "--earlydata", "--maxearlydata", LIMIT, "--disable-client-cert",
    )  # fmt: skip
    with running(tmp_path, *served):
        with visit(context, port) as tls:
            tls.sendall(b"first\n")
            assert tls.recv(100) == b"first\n"
            session = tls.session
        assert session.max_early_data == LIMIT
        with visit(context, port, REQUEST, session) as tls:
            assert tls.early_data_status() == EARLY_DATA_ACCEPTED
            tls.sendall(b"later\n")
            assert tls.recv(100).endswith(b"later\n")


def test_nginx_serves(pki: Pki, tmp_path: Path) -> None:
    if NGINX is None:
        pytest.skip("nginx is not installed")
    port, context = free_port(), client_context(pki)
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/nginx.log; events {{}}
http {{
    access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
    uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
    server {{
        listen 127.0.0.1:{port} ssl; ssl_certificate {pki.chain("P-256")}; ssl_certificate_key {pki.key("P-256")};
        ssl_protocols TLSv1.3; ssl_early_data on; location / {{ return 200 "early=$ssl_early_data."; }}
    }}
}}
""")
    with running(tmp_path, NGINX, "-c", tmp_path / "nginx.conf", "-p", tmp_path, "-e", tmp_path / "nginx.log"):
        with visit(context, port) as tls:
            tls.sendall(REQUEST)
            assert b"early=." in everything(tls)
            session = tls.session
        with visit(context, port, REQUEST, session) as tls:
            assert b"early=1." in everything(tls)
            assert tls.early_data_status() == EARLY_DATA_ACCEPTED


def everything(tls: Any) -> bytes:
    data = b""
    while piece := tls.recv(4096):
        data += piece
    return data


@pytest.fixture
def database(pki: Pki, tmp_path: Path) -> Path:
    """NSS's: our CA, and a server's certificate."""
    for name in ("certutil", "pk12util", "tstclnt", "selfserv", "openssl"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed (libnss3-tools)")
    folder = tmp_path / "nss"
    folder.mkdir()
    packed = folder / "server.p12"
    for argv in (
        ("certutil", "-N", "-d", folder, "--empty-password"),
        ("certutil", "-A", "-d", folder, "-n", "root", "-t", "CT,,", "-a", "-i", pki.ca),
        ("openssl", "pkcs12", "-export", "-in", pki.chain("P-256"), "-inkey", pki.key("P-256"), "-out", packed,
         "-passout", "pass:", "-name", "server"),
        ("pk12util", "-i", packed, "-d", folder, "-W", "", "-K", ""),
    ):  # fmt: skip
        subprocess.run(list(map(str, argv)), check=True, capture_output=True)
    return folder


def test_nss_serves(pki: Pki, database: Path) -> None:
    """It takes none in the first seconds after its start, as it cannot know what was there before."""
    port, context = free_port(), client_context(pki)
    context.client_session_cache = True
    served = ("selfserv", "-d", database, "-n", "server", "-p", port, "-V", "tls1.3:tls1.3", "-Z", "-u")
    with running(database, *served):
        tried, deadline = [], time.monotonic() + 2 * PATIENCE
        while EARLY_DATA_ACCEPTED not in tried:
            assert time.monotonic() < deadline, tried
            with context.wrap_socket(dial(port), server_hostname="localhost", do_handshake_on_connect=False) as tls:
                tls.write_early_data(REQUEST)
                tls.do_handshake()
                if tls.early_data_status() != EARLY_DATA_ACCEPTED:
                    tls.sendall(REQUEST)
                assert tls.recv(15) == b"HTTP/1.0 200 OK"
                tried.append(tls.early_data_status())
                with suppress(ConnectionResetError):  # it does not read our close_notify
                    everything(tls)
            if len(tried) > 1:
                time.sleep(1)
        assert tried[0] == EARLY_DATA_NOT_SENT


# They connect


class Visitors:
    """A server of ours, and what became of each connection."""

    def __init__(self, pki: Pki) -> None:
        self.context = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        self.context.max_early_data = LIMIT
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]

    def serve(self, count: int, *, says_all: bool) -> list[tuple[bytes, Any, bool, bytes]]:
        found = []
        for _ in range(count):
            sock = self.listener.accept()[0]
            sock.settimeout(PATIENCE)
            with self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as tls:
                early = b""
                while piece := tls.read_early_data(100):
                    early += piece
                tls.do_handshake()
                tls.sendall(b"HTTP/1.0 200 OK\r\n\r\nwelcome\n")
                later = b"" if early and not says_all else tls.recv(100)
                found.append((early, tls.early_data_status(), tls.session_reused, later))
                if says_all:
                    with suppress(puretls.SSLError, OSError):
                        tls.unwrap()
        return found


@pytest.fixture
def visitors(pki: Pki) -> Iterator[Visitors]:
    found = Visitors(pki)
    yield found
    found.listener.close()


def in_thread(pool: ThreadPoolExecutor, visitors: Visitors, count: int = 1, *, says_all: bool = True) -> Future[Any]:
    return pool.submit(visitors.serve, count, says_all=says_all)


@pytest.mark.parametrize("size", [1, 18, LIMIT])
def test_openssl_connects(size: int, pki: Pki, visitors: Visitors, tmp_path: Path) -> None:
    need("openssl")
    (tmp_path / "early").write_bytes(b"e" * size)
    command = ("openssl", "s_client", "-connect", f"127.0.0.1:{visitors.port}", "-CAfile", pki.ca, "-servername",
               "localhost", "-tls1_3", "-ign_eof")  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        for more, expected in (
            (("-sess_out", "session"), (b"", EARLY_DATA_NOT_SENT, False)),
            (("-sess_in", "session", "-early_data", "early"), (b"e" * size, EARLY_DATA_ACCEPTED, True)),
        ):
            served = in_thread(pool, visitors)
            with running(tmp_path, *command, *more) as program:
                heard(program, *((b"Early data was accepted",) if expected[2] else ()), b"welcome")
                program.send(b"line\n")
                assert served.result() == [(*expected, b"line\n")]
                program.wait()


def test_gnutls_connects(pki: Pki, visitors: Visitors, tmp_path: Path) -> None:
    need("gnutls-cli")
    (tmp_path / "early").write_bytes(REQUEST)
    command = ("gnutls-cli", "--port", visitors.port, "localhost", "--x509cafile", pki.ca, "--resume", "--earlydata",
               "early")  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        served = in_thread(pool, visitors, 2)
        with running(tmp_path, *command) as program:
            program.send(b"line\n")  # for the second connection: it asks for nothing in the first
            found = served.result()
    assert found[1] == (REQUEST, EARLY_DATA_ACCEPTED, True, b"line\n")


def test_nss_connects(visitors: Visitors, database: Path) -> None:
    """It sends its request early, or as soon as we have answered: what is first, its loop decides."""
    (database / "request").write_bytes(REQUEST)
    command = ("tstclnt", "-d", database, "-h", "127.0.0.1", "-p", visitors.port, "-a", "localhost", "-V",
               "tls1.3:tls1.3", "-Z", "-L", "2", "-A", "request")  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        served = in_thread(pool, visitors, 2, says_all=False)
        with running(database, *command) as program:
            until(served.done, "two connections")
            found = served.result()
            program.stop()
    assert [one[2] for one in found] == [False, True]
    early, status, _, later = found[1]
    assert status == EARLY_DATA_ACCEPTED
    assert early + later == REQUEST
