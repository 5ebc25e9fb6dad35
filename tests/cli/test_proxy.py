"""Through an HTTP proxy: the address, the environment, scans, refusals, and proxies that mean no good."""

from __future__ import annotations

import argparse
import json
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from typing import Any

import pytest

from puretls.cli.proxy import LONGEST_ANSWER, proxy
from puretls.cli.target import Target
from support import PATIENCE, Pki, dial
from support.commands import Done, called, listening
from support.peering import PEERS, Setup
from support.scanning import each_connection, facts, openssl, scan

OPENSSL = next(peer for peer in PEERS if peer.name == "openssl")
Connect = Callable[..., Done]


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str]) -> Connect:
    return partial(called, capsys, "connect")


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # one of them has had enough
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(seen: list[bytes]) -> Iterator[int]:
    """A proxy, which keeps what it was asked."""

    def serve(sock: socket.socket) -> None:
        with sock:
            sock.settimeout(PATIENCE)
            request = bytearray()
            while not request.endswith(b"\r\n\r\n"):
                request += sock.recv(1)
            seen.append(bytes(request))
            port = int(request.split()[1].rpartition(b":")[2])
            with dial(port) as there:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
                up = Thread(target=pump, args=(sock, there))
                up.start()
                pump(there, sock)
                up.join(PATIENCE)

    with each_connection(serve) as port:
        yield port


@contextmanager
def serving(pki: Pki) -> Iterator[int]:
    with OPENSSL.accept(pki, Setup(identity="P-256")) as end:
        dial(end.port).close()
        yield end.port


def test_through_a_proxy(connect: Connect, pki: Pki) -> None:
    seen: list[bytes] = []
    with serving(pki) as port, proxying(seen) as between:
        via = f"http://me:a%20word@127.0.0.1:{between}"
        done = connect(f"localhost:{port}", "--ca-file", pki.ca, "--proxy", via, "--resume", "--resume")
    assert (done.status, done.err) == (0, "")
    assert f"through the proxy 127.0.0.1:{between}" in done.out
    assert "verified: localhost" in done.out
    assert "the session was resumed, then the session was resumed" in done.out
    assert "word" not in done.out
    authorization = b64encode(b"me:a word").decode()
    where = f"localhost:{port}"
    lines = (f"CONNECT {where} HTTP/1.1", f"Host: {where}", f"Proxy-Authorization: Basic {authorization}", "", "")
    assert seen == ["\r\n".join(lines).encode()] * 3


def test_a_scan_through_a_proxy(lasting: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its connections, its questions after STARTTLS as well; the name goes to the proxy as it is."""
    seen: list[bytes] = []
    with openssl(lasting, "P-256", options=("-tls1_3",)) as port, proxying(seen) as between:
        via = f"http://me:a%20word@127.0.0.1:{between}"
        found = facts(port, lasting, "--proxy", via)
        shown = scan(port, "--ca-file", lasting.ca, "--proxy", via, "--most", 5)
        asked = len(seen)
        monkeypatch.setenv("HTTPS_PROXY", via)
        address = scan(port, "--ca-file", lasting.ca, "--most", 5, "--all-addresses", "-4", "--json")
        straight = facts(port, lasting, "--proxy", "", "--most", 5)
    assert (found["proxy"], found["address"]) == (f"127.0.0.1:{between}", None)
    assert found["versions"]["TLS 1.3"] is True
    assert f"(through the proxy 127.0.0.1:{between})" in shown.out
    assert found["connections"] + 5 == asked
    assert {one.split()[1] for one in seen[:asked]} == {f"localhost:{port}".encode()}
    assert {one.split()[1] for one in seen[asked:]} == {f"127.0.0.1:{port}".encode()}
    assert json.loads(address.out)["address"] == "127.0.0.1"
    assert (straight["proxy"], straight["address"]) == (None, "127.0.0.1")
    assert "word" not in shown.out + address.out + json.dumps(found)


@pytest.mark.parametrize("how", ["used", "no_proxy", "option"])
def test_the_environment(connect: Connect, pki: Pki, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    seen: list[bytes] = []
    with serving(pki) as port, proxying(seen) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between}")
        if how == "no_proxy":
            monkeypatch.setenv("NO_PROXY", "localhost")
        options = ["--proxy", ""] if how == "option" else []
        done = connect(f"localhost:{port}", "--ca-file", pki.ca, "--json", *options)
    told = json.loads(done.out)
    assert done.status == 0
    assert told["proxy"] == (f"127.0.0.1:{between}" if how == "used" else None)
    assert (told["address"] is None) == (how == "used")
    assert len(seen) == (how == "used")


def test_a_server_that_speaks_first(connect: Connect) -> None:
    """What follows the proxy's answer is the server's, not lost: a greeting of SMTP."""

    def serve(sock: socket.socket) -> None:
        while not (request := sock.recv(1 << 16)).endswith(b"\r\n\r\n"):
            assert request
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n220 mail.test ESMTP\r\n")
        assert sock.recv(100).startswith(b"EHLO")
        sock.sendall(b"250 mail.test\r\n")
        sock.recv(100)

    with listening(serve) as between:
        done = connect("mail.test:25", "--starttls", "smtp", "--proxy", f"127.0.0.1:{between}")
    assert done.status == 1
    assert "STARTTLS" in done.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused with 407 Proxy Authentication Required"),
        (b"HTTP/1.0 503\r\n\r\n", "refused with 503"),
        (b"HTTP/1.1 403 \x1b[31mno\r\n\r\n", "refused with 403"),
        (b"SSH-2.0-x\r\n\r\n", "its answer is not that of a proxy"),
        (b"HTTP/1.1 200 OK\r\n", "its answer is not that of a proxy"),
        (b"", "its answer is not that of a proxy"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * LONGEST_ANSWER, "its answer is not that of a proxy"),
    ],
    ids=["407", "without a phrase", "steers the terminal", "SSH", "cut", "nothing", "endless"],
)
def test_what_is_no_consent(connect: Connect, answer: bytes, said: str) -> None:
    def serve(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        try:
            sock.sendall(answer)
        except OSError:  # it has heard enough
            return

    with listening(serve) as between:
        done = connect("example.test", "--proxy", f"http://me:secret@127.0.0.1:{between}")
    assert done.status == 1
    assert f"the proxy 127.0.0.1:{between}: {said}" in done.err
    assert "secret" not in done.err
    assert "\x1b" not in done.err


def test_addresses_of_proxies() -> None:
    assert proxy("") is None
    assert proxy("proxy.test") == (Target("proxy.test", 80), "")
    assert proxy("http://proxy.test:3128/") == (Target("proxy.test", 3128), "")
    assert proxy("http://[2001:db8::1]:3128") == (Target("2001:db8::1", 3128), "")
    found: Any = proxy("http://me:word@proxy.test")
    assert found.authorization == "Basic " + b64encode(b"me:word").decode()
    assert "Basic" not in repr(found)
    for bad in ("https://proxy.test", "socks5://proxy.test", "http://", "proxy.test:x", "http://proxy.test:99999"):
        with pytest.raises(argparse.ArgumentTypeError):
            proxy(bad)


def test_a_bad_address_in_the_environment(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:secret@proxy.test")
    done = connect("example.test")
    assert done.status == 1
    assert "HTTPS_PROXY: not an address of a proxy" in done.err
    assert "secret" not in done.err


def test_nobody_is_there(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = connect("example.test", "--proxy", f"127.0.0.1:{port}")
    assert done.status == 1
    assert f"127.0.0.1:{port}: connection refused" in done.err
