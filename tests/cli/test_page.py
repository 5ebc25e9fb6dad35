"""The demo's page: what it says, to whom, and what a client cannot make it say."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

import puretls as tls
from puretls.cli.markup import allowed
from puretls.cli.page import PageServer
from puretls.cli.visits import KEPT, Visit, Visits, who
from support import PATIENCE, Pki
from support.ours import client_context, server_context


@pytest.fixture
def pages(pki: Pki) -> Iterator[PageServer]:
    with PageServer(server_context(tls, pki), 0, [("puretls", "0")]) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


@contextmanager
def connected(pki: Pki, server: PageServer, context: Any = None, session: Any = None) -> Iterator[Any]:
    context = context or client_context(tls, pki)
    with (
        socket.create_connection(server.server_address[:2], PATIENCE) as sock,
        context.wrap_socket(sock, server_hostname="localhost", session=session) as conn,
    ):
        yield conn


def ask(conn: Any, path: str, agent: str = "test/1.0", method: str = "GET") -> str:
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n\r\n"
    conn.sendall(request.encode("latin-1"))
    return b"".join(iter(lambda: conn.recv(65536), b"")).decode()


def test_it_says_whether_the_hello_was_encrypted(pki: Pki, pages: PageServer) -> None:
    context = client_context(tls, pki)
    with connected(pki, pages, context) as conn:
        answer = ask(conn, "/")
        assert re.findall("<dt>hello</dt><dd>(.*?)</dd>", answer) == ["not encrypted, but as if it were (GREASE)"]
        configs = conn.get_ech_retry_config()
    with connected(pki, pages, context.set_ech_configs(configs)) as conn:
        assert "<dt>hello</dt><dd>encrypted; who listens saw localhost</dd>" in ask(conn, "/")
    context.ech_grease = False
    with connected(pki, pages, context) as conn:
        assert "<dt>hello</dt><dd>not encrypted</dd>" in ask(conn, "/")


def test_every_page_is_a_connection_and_reloading_resumes(pki: Pki, pages: PageServer) -> None:
    context, session = client_context(tls, pki), None
    for resumed in ("no (0 of 1 connections)", "yes (1 of 2 connections)", "yes (2 of 3 connections)"):
        with connected(pki, pages, context, session) as conn:
            answer = ask(conn, "/")
            session = conn.session
        assert answer.startswith("HTTP/1.1 200")
        assert "\r\nConnection: close\r\n" in answer
        assert f"<dt>resumed</dt><dd>{resumed}</dd>" in answer
        assert "<dt>who</dt><dd>test 1.0</dd>" in answer
        assert re.search(r"<dt>JA4</dt><dd>t13d\w+_[0-9a-f]{12}_[0-9a-f]{12}</dd>", answer)
        assert '<span class="n">server_name</span><span class="v">host_name: localhost</span>' in answer


def test_its_times_are_those_of_the_wire(pki: Pki, pages: PageServer) -> None:
    """A flight is there at one moment, and what comes later is seen to."""
    incoming, outgoing = tls.MemoryBIO(), tls.MemoryBIO()
    conn = client_context(tls, pki).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(pages.server_address[:2], PATIENCE) as sock:
        with pytest.raises(tls.SSLWantReadError):
            conn.do_handshake()
        sock.sendall(outgoing.read())
        while True:
            incoming.write(sock.recv(1 << 16))
            try:
                conn.do_handshake()
            except tls.SSLWantReadError:
                continue
            break
        time.sleep(0.1)
        sock.sendall(outgoing.read())
        conn.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sock.sendall(outgoing.read())
        assert pages.visits.wait(0, PATIENCE)
    (visit,) = pages.visits.latest()
    at = {(one.sent, one.name): one.at for one in visit.messages}
    assert at[False, "ClientHello"] == 0
    flight = {at[True, name] for name in ("ServerHello", "EncryptedExtensions", "Certificate", "Finished")}
    assert len(flight) == 1
    assert at[False, "Finished"] - min(flight) >= 0.1
    assert at[True, "NewSessionTicket"] >= at[False, "Finished"]


def test_what_it_allows_is_what_it_has(pki: Pki, pages: PageServer) -> None:
    with connected(pki, pages) as conn:
        answer = ask(conn, "/")
    policy = answer.partition("Content-Security-Policy: ")[2].partition("\r\n")[0]
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer, re.DOTALL)
        assert f"{tag}-src {allowed(content)};" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_a_client_cannot_write_the_page(pki: Pki, pages: PageServer) -> None:
    evil = "<script>alert(1)</script>\x1b[2J"
    for path in ("/<b>", "/", "/visits/1"):
        with connected(pki, pages) as conn:
            answer = ask(conn, path, evil)
    assert answer.count("<script") == 1
    assert "<b>" not in answer.partition('<tbody id="visits">')[2].partition("</tbody>")[0]
    assert "\x1b" not in answer
    assert "&lt;script&gt;" in answer


def test_pages_of_others(pki: Pki, pages: PageServer) -> None:
    with connected(pki, pages) as conn:
        ask(conn, "/", "curl/8.1")
    with connected(pki, pages) as conn:
        answer = ask(conn, "/visits/1", "other/1")
    assert "curl 8.1 speaks <b>TLS 1.3</b>" in answer
    for path in ("/visits/99", "/visits/0x1", "/nothing", "/visits/" + "9" * 99):
        with connected(pki, pages) as conn:
            assert ask(conn, path).startswith("HTTP/1.1 404")
    with connected(pki, pages) as conn:
        head, _, body = ask(conn, "/", method="HEAD").partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    assert body == ""


def test_refusals_are_visits_and_silence_is_none(pki: Pki, pages: PageServer) -> None:
    socket.create_connection(pages.server_address[:2], PATIENCE).close()
    with pytest.raises(tls.SSLCertVerificationError), connected(pki, pages, client_context(tls, pki, trusts=False)):
        pass
    assert pages.visits.wait(0, PATIENCE)
    (visit,) = pages.visits.latest()
    assert visit.failed.startswith("the peer refused: alert unknown_ca")
    assert visit.ja4.startswith("t13d")
    with connected(pki, pages) as conn:
        answer = ask(conn, "/visits/1")
    assert "<b>no connection</b>" in answer
    assert "alert unknown_ca" in answer


def test_news(pki: Pki, pages: PageServer) -> None:
    """The stream tells of a visit when there is one."""
    with connected(pki, pages) as watching:
        watching.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream = watching.makefile("rb")
        head = b"".join(iter(stream.readline, b"\r\n"))
        assert b"Content-Type: text/event-stream" in head
        assert stream.readline() == b"data: \n"
        assert stream.readline() == b"\n"
        with connected(pki, pages) as conn:
            ask(conn, "/", "curl/8.1")
        news = stream.readline().decode()
        assert news.startswith('data: <tr><td><a href="/visits/1">1</a></td>')
        assert "<td>curl 8.1</td><td>GET /</td><td>TLS 1.3, X25519MLKEM768</td><td>no</td>" in news


def test_not_everybody_can_watch(pki: Pki, pages: PageServer) -> None:
    while pages.watchers.acquire(blocking=False):
        pass
    with connected(pki, pages) as conn:
        assert ask(conn, "/events").startswith("HTTP/1.1 503")


def test_only_the_last_are_kept() -> None:
    visits = Visits()
    for number in range(KEPT + 5):
        visits.add(Visit("127.0.0.1", b"", [], agent=str(number % 2)))
    assert len(visits.latest()) == KEPT
    assert visits.find(5) is None
    assert visits.find(6) is not None
    assert not visits.wait(visits.total, 0)
    assert visits.of_same(visits.latest()[0]) == (KEPT // 2, 0)


WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/150.0.0.0 Safari/537.36", "Chrome 150.0"),
        (f"Mozilla/5.0 (X11) {WEBKIT} HeadlessChrome/150.0 Safari/537.36", "Chrome, headless 150.0"),
        (f"Mozilla/5.0 (X11) {WEBKIT} Chrome/150.0 Safari/537.36 Edg/149.1", "Edge 149.1"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox 145.0"),
        (f"Mozilla/5.0 (Macintosh) {WEBKIT} Version/26.1 Safari/605.1.15", "Safari 26.1"),
        ("curl/8.14.1", "curl 8.14"),
        ("python-requests/2.32.5", "python-requests 2.32"),
        ("something else", "something else"),
        ("", "unknown"),
    ],
)
def test_who(agent: str, shown: str) -> None:
    assert who(agent) == shown
