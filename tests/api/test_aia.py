"""Issuers that a server does not send: loaded, or fetched from where the certificate says that they are.

The URL is the server's word, so most of this is about what is not fetched, and that it changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

import puretls
import puretls.asyncio
from puretls._api import fetcher
from puretls._api.later import WANT_ANSWER
from puretls._x509 import certificate, issuers
from support import PATIENCE
from support import pki as ca
from support.bios import ObjectSide, join
from support.both import V12, V13, server_of
from support.both import client_of as trusting
from support.both_ends import serving_each
from support.repositories import AIA, PublishedChain, Repository, access

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Nothing is remembered from one test to the next."""
    fetcher._pool.__init__()  # type: ignore[misc]
    yield
    fetcher._pool.__init__()  # type: ignore[misc]


@pytest.fixture
def web() -> Iterator[Repository]:
    found = Repository()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def world(web: Repository) -> PublishedChain:
    return PublishedChain(web)


def refused(client: Any, server: Any) -> Any:
    error = join(client, server).shake().client.error
    assert isinstance(error, puretls.SSLCertVerificationError), error
    return error


# Loaded


@each_version
def test_loaded_intermediates(version, world):
    client, server = world.client(version), world.server()
    assert refused(client, server).verify_code == 20
    client.load_intermediates(cadata=[x.x509 for x in (world.lower, world.upper)])
    pair = join(client, server).ok()
    assert pair.client.obj.get_unverified_chain() == [world.leaf.der]
    assert len(pair.client.obj.get_verified_chain()) == 4


def test_they_are_not_trusted(world, tmp_path):
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    file = tmp_path / "all.pem"
    file.write_text(world.lower.pem + world.upper.pem + world.root.pem)
    client.load_intermediates(file)
    client.verify_flags |= puretls.VERIFY_X509_PARTIAL_CHAIN
    assert refused(client, world.server()).verify_code == 19
    assert client.get_ca_certs() == []
    client.load_verify_locations(cadata=world.root.der)
    join(client, world.server()).ok()


def test_a_server_may_have_them_for_its_clients_certificates(web, world):
    now = time.time()
    dates = {"not_before": now - 3600, "not_after": now + 86400}
    mine = ca.leaf("me", world.lower, extensions={AIA: access(web.url("lower"))}, **dates)
    client = world.client()
    client.load_cert_chain(mine.pem, mine.key_pem)
    server = world.server(world.lower, world.upper)
    server.verify_mode = puretls.CERT_REQUIRED
    server.load_verify_locations(cadata=world.root.der)
    pair = join(client, server).shake()
    assert (pair.server.error.verify_code, web.asked) == (20, [])  # which it never fetches
    server.load_intermediates(cadata=world.lower.pem + world.upper.pem)
    join(client, server).ok()


def test_a_long_list_costs_no_more_than_what_is_looked_up():
    """Of thousands, those that a path may be built of."""
    store = issuers.Store()
    now = time.time()
    root = ca.ca("CN=R")
    for n in range(200):
        store.add(certificate.load(ca.ca(f"CN=I{n}", root, private=ca.key("p256", n % 4), not_after=now).der))
    leaf = certificate.load(ca.leaf("x", ca.ca("CN=I7", root)).der)
    assert [x.subject for x in issuers.above([leaf], store)] == [leaf.issuer]


# Fetched


@each_version
@pytest.mark.parametrize("missing", [1, 2])
def test_what_is_missing_is_fetched(missing, version, web, world):
    client = world.client(version, aia=True, aia_private=True)
    server = world.server(*[world.lower][: 2 - missing])
    pair = join(client, server).ok()
    assert len(pair.client.obj.get_verified_chain()) == 4
    assert len(pair.client.obj.get_unverified_chain()) == 3 - missing
    assert web.asked == ["/lower", "/upper"][2 - missing :]
    join(client, server).ok()
    assert len(web.asked) == missing  # for a day
    assert pair.send(pair.client, b"hello") == b"hello"


def test_it_is_off_unless_asked_for(web, world):
    error = refused(world.client(), world.server())
    assert web.asked == []
    assert error.verify_code == 20
    assert error.verify_message == "unable to get local issuer certificate"
    assert error.aia_urls == (web.url("lower"),)
    assert any("Aia Lower" in note and web.url("lower") in note for note in error.__notes__)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        puretls.verify_chain(world.leaf.der, world.lower.der, world.root.der)
    assert caught.value.aia_urls == (web.url("upper"),)


def test_an_error_without_a_place(pki):
    error = refused(trusting(puretls, pki, trusts=False), server_of(puretls, pki))
    assert error.aia_urls == ()
    assert "where it is published is not said" in error.__notes__[-1]
    bad = refused(trusting(puretls, pki), server_of(puretls, pki, "expired"))
    assert bad.aia_urls == ()
    assert not getattr(bad, "__notes__", ())


@pytest.mark.parametrize("form", ["PEM", "PKCS #7", "PKCS #7 in PEM", "several in PEM"])
def test_forms(form, web, world):
    both = [world.lower.x509, world.upper.x509]
    web.pages["/lower"] = {
        "PEM": world.lower.pem.encode(),
        "several in PEM": (world.upper.pem + world.lower.pem).encode(),
        "PKCS #7": pkcs7.serialize_certificates(both, Encoding.DER),
        "PKCS #7 in PEM": pkcs7.serialize_certificates(both, Encoding.PEM),
    }[form]
    join(world.client(aia=True, aia_private=True), world.server()).ok()
    assert web.asked == (["/lower", "/upper"] if form == "PEM" else ["/lower"])


def wrong(world: PublishedChain) -> dict[str, Any]:
    now = time.time()
    other = ca.ca("CN=Aia Lower", world.upper, private=ca.key("p256", 9), not_after=now + 86400)
    return {
        "nothing": b"",
        "rubbish": b"rubbish",
        "the wrong key": other.der,
        "another certificate": world.root.der,
        "the leaf": world.leaf.der,
        "DER that is cut off": world.lower.der[:-1],
        "an empty PKCS #7": pkcs7.serialize_certificates([world.root.x509], Encoding.DER)[:-5],
        "PEM without any": b"-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n",
    }


@pytest.mark.parametrize("what", wrong(PublishedChain(Repository())))
def test_what_does_not_help_leaves_the_error_as_it_was(what, web, world):
    web.pages["/lower"] = wrong(world)[what]
    without = refused(world.client(), world.server())
    error = refused(world.client(aia=True, aia_private=True), world.server())
    assert (error.verify_code, error.verify_message, error.aia_urls) == (20, without.verify_message, without.aia_urls)
    assert web.asked == ["/lower"]


def redirecting(*where: str) -> Callable[[Any], None]:
    def page(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", where[0])
        handler.end_headers()

    return page


def dripping(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def endless(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(bytes(10_000))
    except OSError:
        pass


def saying(text: bytes) -> Callable[[Any], None]:
    return lambda handler: handler.wfile.write(text)


EVIL: dict[str, Any] = {
    "10 MB": endless,
    "10 MB announced": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"),
    "headers without end": saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000),
    "one long header": saying(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"),
    "no HTTP": saying(b"SSH-2.0-x\r\n\r\n"),
    "no status": saying(b"HTTP/1.1 x\r\n\r\n"),
    "chunks": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "gzip": saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nxx"),
    "less than announced": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx"),
    "silence": lambda _handler: None,
    "a file": redirecting("file:///etc/passwd"),
    "https": redirecting("https://127.0.0.1/lower"),
    "credentials": redirecting("http://user:word@127.0.0.1/lower"),
    "gopher": redirecting("gopher://127.0.0.1/lower"),
    "no host": redirecting("http:///lower"),
    "no place": redirecting(""),
    "a loop": redirecting("/lower"),
    "a line break": redirecting("http://127.0.0.1/a b"),
    "a wrong port": redirecting("http://127.0.0.1:99999/"),
}


@pytest.mark.parametrize("what", EVIL)
def test_servers_that_mean_no_good(what, web, world):
    web.pages["/lower"] = EVIL[what]
    error = refused(world.client(aia=True, aia_private=True), world.server())
    assert error.verify_code == 20
    assert len(web.asked) <= 2


def test_one_redirect_is_followed(web, world):
    web.pages["/lower"] = redirecting("/there")
    web.pages["/there"] = world.lower.der
    join(world.client(aia=True, aia_private=True), world.server()).ok()
    assert web.asked == ["/lower", "/there", "/upper"]


def test_a_slow_drip_is_cut_off(web, world, monkeypatch):
    monkeypatch.setattr(fetcher, "SECONDS", 0.3)
    web.pages["/lower"] = dripping
    assert refused(world.client(aia=True, aia_private=True), world.server()).verify_code == 20


def test_a_name_that_takes_for_ever_to_look_up(web, monkeypatch):
    monkeypatch.setattr(fetcher, "SECONDS", 0.2)
    done = threading.Event()
    monkeypatch.setattr(fetcher.socket, "getaddrinfo", lambda *_a, **_k: done.wait(PATIENCE) and [])
    world = PublishedChain(web, leaf_urls=("http://slow.test/lower",))
    try:
        assert refused(world.client(aia=True), world.server()).verify_code == 20
    finally:
        done.set()


def test_loops_end(web):
    """Certificates that name each other as issuers, or themselves, and several URLs: three fetches, none twice."""
    now = time.time()
    dates = {"not_before": now - 60, "not_after": now + 86400}
    world = PublishedChain(web, leaf_urls=tuple(web.url(f"{n}") for n in range(6)))
    for n in range(6):
        web.pages[f"/{n}"] = world.leaf.der
    assert refused(world.client(aia=True, aia_private=True), world.server()).verify_code == 20
    assert web.asked == ["/0", "/1", "/2"]
    web.asked.clear()
    keys = [ca.key("p256", n) for n in range(5)]
    stand_ins = [ca.ca(f"CN=Loop{n}", private=keys[n]) for n in range(5)]
    above = [
        ca.ca(
            f"CN=Loop{n}", stand_ins[(n + 1) % 5], private=keys[n], extensions={AIA: access(web.url(f"l{n}"))}, **dates
        )
        for n in range(5)
    ]
    for n in range(5):
        web.pages[f"/l{n}"] = above[(n + 1) % 5].der
    leaf = ca.leaf("localhost", above[0], extensions={AIA: access(web.url("l4"))}, **dates)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(leaf.pem, leaf.key_pem)
    assert refused(world.client(aia=True, aia_private=True), server).verify_code == 20
    assert web.asked == ["/l4", "/l0", "/l1"]


def test_a_long_chain_is_not_made_longer(web):
    now = time.time()
    dates = {"not_before": now - 60, "not_after": now + 86400}
    world = PublishedChain(web)
    chain = [world.lower]
    for n in range(5):
        chain.insert(0, ca.ca(f"CN=Deep{n}", chain[0], private=ca.key("p256", n), **dates))
    leaf = ca.leaf("localhost", chain[0], **dates)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain("".join(x.pem for x in (leaf, *chain)), leaf.key_pem)
    assert refused(world.client(aia=True, aia_private=True), server).verify_code == 20
    assert web.asked == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ldap://127.0.0.1/x", "unix:///run/docker.sock", "ftp://127.0.0.1/", "http+unix://x/"]
)
def test_other_schemes_are_nobodys(url, web):
    asked: list[str] = []
    world = PublishedChain(web, leaf_urls=(url, web.url("lower")))
    client = world.client(aia=lambda url: asked.append(url) or b"")
    error = refused(client, world.server())
    assert asked == [web.url("lower")]
    assert error.aia_urls == (url, web.url("lower"))


# Whom it connects to


def test_private_addresses_are_refused(web, world):
    assert refused(world.client(aia=True), world.server()).verify_code == 20
    assert web.asked == []


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True), ("127.0.0.1", False),
        ("10.0.0.1", False), ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False),
        ("::", False), ("fe80::1", False), ("fe80::1%eth0", False), ("2606:2800::1%1", False), ("fc00::1", False),
        ("fd00:ec2::254", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", False),
        ("::ffff:169.254.169.254", False), ("::ffff:93.184.215.14", True), ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False), ("2002:7f00:1::", False), ("2002:a9fe:a9fe::1", False), ("::7f00:1", False),
        ("2001:db8::1", False), ("198.18.0.1", False), ("192.0.2.1", False),
    ],
)  # fmt: skip
def test_public_addresses(text, public):
    assert fetcher.is_public(text) is public


def test_it_connects_to_the_address_that_it_has_checked(monkeypatch):
    """A name that has another address the next time it is looked up gains nothing: it is looked up once."""
    looked_up: list[Any] = []
    connected: list[Any] = []

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        looked_up.append(host)
        place = "93.184.215.14" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port))]

    class Sock(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address)
            raise ConnectionRefusedError

    monkeypatch.setattr(fetcher.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(fetcher.socket, "socket", Sock)
    with pytest.raises(ConnectionRefusedError):
        fetcher.get("http://rebinding.test/x", private=False, deadline=time.monotonic() + 3)
    assert looked_up == ["rebinding.test"]
    assert connected == [("93.184.215.14", 80)]


def test_a_redirect_is_checked_like_the_first_url(web, monkeypatch):
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == "public.test" else host, port, *rest, **named)

    monkeypatch.setattr(fetcher.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(fetcher, "is_public", lambda text: text == "127.0.0.1")
    for place in ("http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://10.0.0.1/"):
        web.pages["/moved"] = redirecting(place)
        with pytest.raises(fetcher.Refused, match="not a public address"):
            fetcher.get(f"http://public.test:{web.port}/moved", private=False, deadline=time.monotonic() + 3)


def test_what_it_sends(web, monkeypatch):
    """No cookie, no credentials, no proxy."""
    heard: list[Any] = []
    web.pages["/x?y=1"] = lambda handler: (
        heard.append(dict(handler.headers)) or handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nbody")
    )
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = web.url("x?y=1")
    assert fetcher.get(url, private=True, deadline=time.monotonic() + 3) == b"body"
    assert set(heard[0]) == {"Host", "Accept", "User-Agent", "Connection"}


def test_answers_are_remembered(web, monkeypatch):
    web.pages["/good"] = b"good"
    clock = [1000.0]
    monkeypatch.setattr(fetcher, "monotonic", lambda: clock[0])

    def ask(path: str) -> Any:
        try:
            found = fetcher.fetch(web.url(path), private=True)
            return found.result(PATIENCE) if isinstance(found, Future) else found
        except OSError as error:
            return type(error)

    assert [ask("good") for _ in range(3)] == [b"good"] * 3
    assert [ask("bad") for _ in range(3)] == [fetcher.Refused] * 3
    assert web.asked == ["/good", "/bad"]
    clock[0] += fetcher.BAD + 1
    web.pages["/bad"] = b"now"
    assert (ask("good"), ask("bad")) == (b"good", b"now")
    assert web.asked == ["/good", "/bad", "/bad"]
    clock[0] += fetcher.GOOD + 1
    assert ask("good") == b"good"
    assert web.asked[3:] == ["/good"]
    for n in range(2 * fetcher.REMEMBERED):
        fetcher._pool.known.put((f"http://{n}", True), (1e9, b""))
    assert len(fetcher._pool.known) <= fetcher.REMEMBERED


def test_who_asks_together_is_answered_together_and_not_without_bound(web):
    go = threading.Event()

    def page(handler: Any) -> None:
        go.wait(PATIENCE)
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nx")

    web.pages |= {f"/{n}": page for n in range(9)}
    promises = [fetcher.fetch(web.url(str(n % 2)), private=True) for n in range(6)]
    assert len({id(promise) for promise in promises}) == 2
    promises += [fetcher.fetch(web.url(str(n)), private=True) for n in range(2, fetcher.MOST_THREADS)]
    with pytest.raises(fetcher.Refused, match="others"):
        fetcher.fetch(web.url("8"), private=True)
    assert not promises[0].cancel()  # type: ignore[union-attr]
    go.set()
    assert {promise.result(PATIENCE) for promise in promises} == {b"x"}  # type: ignore[union-attr]


# A function of the program, and the three ways of waiting


def test_a_function_of_the_program(world):
    places = {"lower": world.lower.der, "upper": world.upper.der}
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return places[url.rpartition("/")[2]]

    join(world.client(aia=fetch), world.server()).ok()
    assert [url.rpartition("/")[2] for url in asked] == ["lower", "upper"]


@pytest.mark.parametrize("what", [ZeroDivisionError("no"), "text", None, OSError("no"), 5])
def test_a_function_that_fails(what, world, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def fetch(_url: str) -> Any:
        if isinstance(what, Exception):
            raise what
        return what

    assert refused(world.client(aia=fetch), world.server()).verify_code == 20
    assert len(told) == (not isinstance(what, OSError))


def test_answers_that_come_later(world):
    """A future, over BIOs with a waker; other input waits meanwhile."""
    promises: list[Future[bytes]] = []
    woken: list[int] = []

    def fetch(_url: str) -> Future[bytes]:
        promises.append(Future())
        return promises[-1]

    client = ObjectSide("client", world.client(aia=fetch), server_hostname="localhost")
    client.obj.set_waker(lambda: woken.append(1))
    from support.bios import ObjectPair

    pair = ObjectPair(client, ObjectSide("server", world.server()))
    pair.shake()
    assert (client.done, client.error) == (False, None)
    with pytest.raises(puretls.SSLWantAnswerError) as caught:
        client.obj.do_handshake()
    assert caught.value.errno == WANT_ANSWER
    promises[0].set_result(world.lower.der)
    pair.shake()
    promises[1].set_result(world.upper.der)
    pair.ok()
    assert len(woken) == 2


def echo(conn: Any) -> None:
    conn.sendall(conn.recv(10))


def test_over_sockets(web, world):
    client = world.client(aia=True, aia_private=True)
    with (
        serving_each(world.server(), echo) as port,
        socket.create_connection(("127.0.0.1", port), PATIENCE) as raw,
        client.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"ping")
        assert tls.recv(10) == b"ping"
    assert web.asked == ["/lower", "/upper"]


def test_over_sockets_that_do_not_block(world):
    client = world.client(aia=True, aia_private=True)
    with serving_each(world.server(), echo) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as raw:
        raw.setblocking(False)
        tls = client.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False)
        waited, deadline = 0, time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                tls.do_handshake()
                break
            except puretls.SSLWantAnswerError as want:
                waited += 1
                want.future.exception(PATIENCE)  # type: ignore[attr-defined]
            except (puretls.SSLWantReadError, puretls.SSLWantWriteError):
                time.sleep(0.005)
        assert tls.version()
        assert waited in {1, 2}  # the second may be there at once
        tls.close()


def test_the_timeout_of_a_handshake_counts(world):
    client = world.client(aia=lambda _url: Future())
    with (
        serving_each(world.server(), echo) as port,
        socket.create_connection(("127.0.0.1", port), 0.3) as raw,
        pytest.raises(TimeoutError),
    ):
        client.wrap_socket(raw, server_hostname="localhost")


def test_over_asyncio(web, world):
    slow = world.client()

    async def main() -> None:
        release = asyncio.Event()

        async def fetch(url: str) -> bytes:
            await release.wait()
            return {"lower": world.lower.der, "upper": world.upper.der}[url.rpartition("/")[2]]

        slow.aia = fetch

        async def echo(reader: Any, writer: Any) -> None:
            writer.write(await reader.readexactly(4))
            writer.close()

        async def visit(port: int, context: Any) -> bytes:
            reader, writer = await puretls.asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="localhost"
            )
            writer.write(b"ping")
            found: bytes = await reader.readexactly(4)
            writer.close()
            return found

        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=world.server()) as server:
            port = server.sockets[0].getsockname()[1]
            waiting = asyncio.create_task(visit(port, slow))
            assert await visit(port, world.client(aia=True, aia_private=True)) == b"ping"
            assert not waiting.done()
            release.set()
            assert await waiting == b"ping"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert web.asked == ["/lower", "/upper"]


def test_settings(pki):
    client, server = trusting(puretls, pki), server_of(puretls, pki)
    assert puretls.HAS_AIA
    assert (client.aia, client.aia_private) == (False, False)
    for odd in (1, "http://x"):
        with pytest.raises(TypeError):
            client.aia = odd
    with pytest.raises(ValueError, match="SERVER"):
        server.aia = True
    server.aia = False
    with pytest.raises(TypeError, match="omitted"):
        client.load_intermediates()
    with pytest.raises(puretls.SSLError):
        client.load_intermediates(cadata="rubbish")
    with pytest.raises(OSError, match="nowhere"):
        client.load_intermediates("nowhere")
    assert ipaddress.ip_address("127.0.0.1").is_loopback
