"""Clients that resume by themselves, sessions as bytes, and how many tickets a client asks for (RFC 9149)."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest

import puretls
import puretls.asyncio
from puretls._api.client_sessions import MOST_FOR_ONE
from puretls._api.settings import Settings
from support.bios import ObjectPair, ObjectSide, join
from support.both import V12, V13, client_of, only, server_of
from support.socket_ends import Ends
from support.stack import within_the_engine
from support.wire import Both, Recorder, settle

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


def cached(pki: Any, cache: Any = True, **options: Any) -> Any:
    client = client_of(puretls, pki, **options)
    client.client_session_cache = cache
    return client


def named(client: Any, server: Any, name: str | None) -> ObjectPair:
    """A pair whose client asks for this name."""
    return ObjectPair(ObjectSide("client", client, server_hostname=name), ObjectSide("server", server))


def resumed(client: Any, server: Any, **options: Any) -> bool:
    pair = join(client, server, **options).ok()
    assert pair.client.obj.session_reused == pair.server.obj.session_reused
    return bool(pair.client.obj.session_reused)


class Own:
    """A cache of a program's own, which never takes anything out."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}
        self.asked: list[Any] = []

    def get(self, key: Any) -> Any:
        self.asked.append(key)
        return self.kept.get(key)

    def put(self, key: Any, session: Any) -> None:
        self.kept[key] = session


# The cache


@each_version
def test_a_client_comes_again_and_resumes(version, pki):
    client, server = cached(pki), server_of(puretls, pki)
    only(version, client)
    assert [resumed(client, server) for _ in range(4)] == [False, True, True, True]
    assert server.session_stats()["hits"] == 3


def test_off_unless_asked_for(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert client.client_session_cache is None
    assert [resumed(client, server) for _ in range(2)] == [False, False]


@each_version
def test_one_cache_for_contexts_made_anew(version, pki):
    """As urllib3 does, which makes one for each connection."""
    cache, server = puretls.SessionCache(), server_of(puretls, pki)
    found = []
    for _ in range(3):
        client = cached(pki, cache)
        only(version, client)
        found.append(resumed(client, server))
    assert found == [False, True, True]


STRICTER = {
    "verify_flags": lambda client, _: setattr(client, "verify_flags", client.verify_flags | puretls.VERIFY_X509_STRICT),
    "check_hostname": lambda client, _: setattr(client, "check_hostname", False),
    "CERT_NONE": lambda client, _: (setattr(client, "check_hostname", False), setattr(client, "verify_mode", 0)),
    "an anchor more": lambda client, pki: client.load_verify_locations(pki.other_ca),
    "set_ciphers": lambda client, _: client.set_ciphers("DEFAULT:@SECLEVEL=1"),
    "session_id_context": lambda client, _: setattr(client, "session_id_context", b"other"),
    "alpn": lambda client, _: client.set_alpn_protocols(["h2"]),
    "certificate": lambda client, pki: client.load_cert_chain(pki.chain("client"), pki.key("client")),
    "hostname_checks_common_name": lambda client, _: setattr(client, "hostname_checks_common_name", False),
}


@each_version
@pytest.mark.parametrize("change", STRICTER)
def test_no_session_of_one_policy_helps_under_another(version, change, pki):
    cache, server = puretls.SessionCache(), server_of(puretls, pki)
    one, other = cached(pki, cache), cached(pki, cache)
    only(version, one, other)
    STRICTER[change](other, pki)
    assert not resumed(one, server)
    kept = len(cache)
    assert not resumed(other, server)  # and what the first has is untouched
    assert len(cache) > kept
    assert resumed(one, server)
    assert resumed(other, server)


def test_names_and_ports_are_told_apart(pki):
    cache = Own()
    client, server = cached(pki, cache), server_of(puretls, pki)
    join(client, server).ok()
    (key,) = cache.kept
    assert (key.server_hostname, key.port, key.alpn, key.certificate) == ("localhost", None, (), b"")
    client.check_hostname = False
    named(client, server, "other.example").shake()
    assert {key.server_hostname for key in cache.kept} == {"localhost", "other.example"}


def test_without_a_name_nothing_is_kept(pki):
    cache = Own()
    client, server = cached(pki, cache), server_of(puretls, pki)
    client.check_hostname = False
    named(client, server, None).ok()
    assert (cache.kept, cache.asked) == ({}, [])


def test_sessions_of_tls13_are_offered_once_whatever_the_cache_does(pki):
    cache = Own()
    client, server = cached(pki, cache), server_of(puretls, pki)
    server.num_tickets = 1
    assert not resumed(client, server)
    server.num_tickets = 0
    assert resumed(client, server)
    assert not resumed(client, server)


def test_sessions_of_tls12_stay(pki):
    cache = Own()
    client, server = cached(pki, cache), server_of(puretls, pki)
    only(V12, client)
    resumed(client, server)
    (first,) = cache.kept.values()
    assert resumed(client, server)
    assert [*cache.kept.values()] == [first]


@each_version
def test_an_explicit_session_comes_first(version, pki):
    cache = Own()
    client, server = cached(pki, cache), server_of(puretls, pki)
    only(version, client)
    session = join(client, server).ok().client.obj.session
    cache.asked.clear()
    assert resumed(client, server, session=session)
    assert not cache.asked


@each_version
def test_a_failed_handshake_forgets(version, pki):
    cache = puretls.SessionCache()
    client, server = cached(pki, cache), server_of(puretls, pki)
    only(version, client)
    assert not resumed(client, server)
    assert len(cache)
    stranger = server_of(puretls, pki, asks=puretls.CERT_REQUIRED)  # wants a certificate that there is not
    pair = join(client, stranger).shake()
    assert pair.server.error is not None
    assert len(cache) == 0


@each_version
def test_an_end_in_the_middle_forgets(version, pki):
    cache = puretls.SessionCache()
    client, server = cached(pki, cache), server_of(puretls, pki)
    only(version, client)
    resumed(client, server)
    pair = join(client, server)
    pair.client.shake()
    pair.end(pair.server)
    pair.client.shake()
    assert isinstance(pair.client.error, puretls.SSLEOFError)
    assert len(cache) == 0


class Watching(Own):
    """What a cache is told, and whether the engine was in the middle of a step then."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def put(self, key: Any, session: Any) -> None:
        super().put(key, session)
        self.told.append("put" + " within a step" * within_the_engine())

    def forget(self, key: Any) -> None:
        self.kept.pop(key, None)
        self.told.append("forget" + " within a step" * within_the_engine())


RUBBISH = b"\x17\x03\x03\x00\x20" + bytes(32)
FAILING: dict[str, Callable[[Any], Any]] = {  # what a program does when a record has come that does not open
    "a small read": lambda client: client.read(10),
    "a large read": lambda client: client.read(1 << 17),
    "a read into a buffer": lambda client: client.read(100, bytearray(100)),
    "pending": lambda client: client.pending(),
    "unwrap": lambda client: client.unwrap(),
}


@each_version
@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("transport", ["BIOs", "a socket"])
def test_a_failed_connection_forgets_when_the_step_is_over(transport, what, version, pki):
    cache = Watching()
    with ExitStack() as stack:
        if transport == "BIOs":
            client = cached(pki, cache)
            only(version, client)
            pair = join(client, server_of(puretls, pki)).ok()
            bring, connection = pair.client.incoming.write, pair.client.obj
        else:
            ends = stack.enter_context(closing(Ends(pki, version, cache)))
            bring, connection = ends.far.sendall, ends.client
        bring(RUBBISH)
        for step in (FAILING[what], lambda connection: connection.read(1)):  # as pending() asks no transport
            with suppress(puretls.SSLError):
                step(connection)
    tickets = cache.told.index("forget")
    assert cache.told == ["put"] * tickets + ["forget"]
    assert tickets
    assert not cache.kept


@each_version
@pytest.mark.parametrize("size", [32, 20000])
def test_a_failed_transport_of_asyncio_forgets_when_the_step_is_over(size, version, pki):
    cache = Watching()

    async def main() -> None:
        client = Recorder()
        prepare = lambda client, _: setattr(client, "client_session_cache", cache)  # noqa: E731
        pair = await Both(puretls, pki, client, Recorder(), version=version, prepare=prepare).connect()
        await settle()
        pair.far.write(b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size))
        await client.lost
        pair.tls_server.abort()
        await settle()

    asyncio.run(main())
    tickets = cache.told.index("forget")
    assert cache.told == ["put"] * tickets + ["forget"]
    assert tickets


@pytest.mark.parametrize("broken", ["get", "put", "forget"])
def test_a_cache_that_fails_costs_a_full_handshake(broken, pki, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_value))
    cache = Own()
    cache.forget = lambda key: cache.kept.pop(key, None)  # type: ignore[attr-defined]

    def fail(*_: Any) -> None:
        raise OSError("the cache is away")

    setattr(cache, broken, fail)
    client, server = cached(pki, cache), server_of(puretls, pki)
    assert not resumed(client, server)
    assert resumed(client, server) == (broken == "forget")
    join(client, server_of(puretls, pki, asks=puretls.CERT_REQUIRED)).shake()
    assert told
    assert {str(error) for error in told} == {"the cache is away"}


@each_version
def test_sessions_by_a_pre_shared_key_are_not_kept(version, pki):
    """The key may be another's the next time."""
    cache = puretls.SessionCache(7)
    assert cache.size == 7
    client, server = cached(pki, cache), server_of(puretls, pki)
    only(version, client)
    client.check_hostname = False
    client.verify_mode = puretls.CERT_NONE
    for context in (client, server):
        context.set_ciphers("PSK")
    client.set_psk_client_callback(lambda _hint: ("me", b"k" * 32))
    server.set_psk_server_callback(lambda _name: b"k" * 32)
    assert not resumed(client, server)
    assert len(cache) == 0


@each_version
def test_a_raw_public_key_is_an_identity_too(version, pki):
    cache = Own()
    for identity in ("client", "P-256"):
        client, server = cached(pki, cache), server_of(puretls, pki)
        only(version, client)
        client.load_raw_public_key(pki.key(identity))
        join(client, server).ok()
    assert len({key.certificate for key in cache.kept}) == 2


def test_what_is_no_session_is_none(pki, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_value))
    cache = Own()
    cache.get = lambda _key: b"?"  # type: ignore[method-assign]
    assert not resumed(cached(pki, cache), server_of(puretls, pki))
    assert isinstance(told[0], TypeError)


def test_what_a_cache_may_be(pki):
    client = client_of(puretls, pki)
    client.client_session_cache = True
    assert isinstance(client.client_session_cache, puretls.SessionCache)
    client.client_session_cache = None
    assert client.client_session_cache is None
    for wrong in (1, "x", [], {}):
        with pytest.raises(TypeError):
            client.client_session_cache = wrong
    with pytest.raises(ValueError, match="PROTOCOL_TLS_SERVER"):
        server_of(puretls, pki).client_session_cache = True
    with pytest.raises(ValueError, match="at least 1"):
        puretls.SessionCache(0)


def kept_sessions(pki: Any, version: Any, count: int) -> list[Any]:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    return [join(client, server).ok().client.obj.session for _ in range(count)]


def test_the_oldest_make_room(pki):
    cache = puretls.SessionCache(size=3)
    sessions = kept_sessions(pki, V13, 5)
    for number, session in enumerate(sessions):
        cache.put(number, session)  # type: ignore[arg-type]
    assert len(cache) == 3
    assert [cache.get(number) for number in range(5)] == [None, None, *sessions[2:]]
    assert len(cache) == 0
    cache = puretls.SessionCache()
    for session in kept_sessions(pki, V13, MOST_FOR_ONE + 2):
        cache.put("one", session)  # type: ignore[arg-type]
    assert len(cache) == MOST_FOR_ONE
    cache.clear()
    assert len(cache) == 0
    assert "0 sessions" in repr(cache)


def test_threads_never_get_the_same_session(pki):
    """Each of TLS 1.3 is given to one of them."""
    cache = puretls.SessionCache(10_000)
    sessions = kept_sessions(pki, V13, 4)
    given: list[Any] = []

    def put_and_get() -> None:
        for number in range(300):
            cache.put(number % 3, sessions[number % 4])  # type: ignore[arg-type]
            if (found := cache.get(number % 3)) is not None:  # type: ignore[arg-type]
                given.append(found)

    threads = [threading.Thread(target=put_and_get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = 0
    for number in range(3):
        while cache.get(number) is not None:  # type: ignore[arg-type]
            left += 1
    assert len(cache) == 0
    assert left + len(given) <= 8 * 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_use_its_parents_tickets(pki):
    cache = puretls.SessionCache()
    new, old = kept_sessions(pki, V13, 1)[0], kept_sessions(pki, V12, 1)[0]
    cache.put("13", new)  # type: ignore[arg-type]
    cache.put("12", old)  # type: ignore[arg-type]
    child = os.fork()
    if not child:
        os._exit(not (cache.get("13") is None and cache.get("12") is old and len(cache) == 1))  # type: ignore[arg-type]
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get("13") is new  # type: ignore[arg-type]


@each_version
def test_an_old_session_is_not_offered(version, pki, monkeypatch):
    client, server = cached(pki), server_of(puretls, pki)
    only(version, client)
    resumed(client, server)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 8000)
    assert not resumed(client, server)
    assert resumed(client, server)


# Over sockets and in asyncio


def serve(server: Any, listener: socket.socket, count: int) -> threading.Thread:
    def run() -> None:
        for _ in range(count):
            raw, _address = listener.accept()
            with server.wrap_socket(raw, server_side=True) as tls:
                tls.sendall(b"resumed" if tls.session_reused else b"new")
                tls.recv(1)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@each_version
@pytest.mark.parametrize("early", [True, False], ids=["connected", "connects later"])
def test_over_sockets_the_port_belongs_to_the_key(version, early, pki):
    cache, server = Own(), server_of(puretls, pki)
    client = cached(pki, cache)
    only(version, client)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        thread = serve(server, listener, 3)
        answers = []
        for _ in range(3):
            if early:
                tls = client.wrap_socket(socket.create_connection(address), server_hostname="localhost")
            else:
                tls = client.wrap_socket(socket.socket(), server_hostname="localhost")
                tls.connect(address)
            with tls:
                answers.append(tls.recv(10))
        thread.join()
    assert answers == [b"new", b"resumed", b"resumed"]
    assert {key.port for key in cache.kept} == {address[1]}


@each_version
def test_in_asyncio(version, pki):
    cache, server = Own(), server_of(puretls, pki)
    client = cached(pki, cache)
    only(version, client)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"resumed" if writer.get_extra_info("ssl_object").session_reused else b"new")
        await writer.drain()
        writer.close()

    async def main() -> tuple[list[bytes], int]:
        listening = await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        answers = []
        for _ in range(3):
            reader, writer = await puretls.asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname="localhost"
            )
            answers.append(await reader.read())
            writer.close()
        listening.close()
        return answers, port

    answers, port = asyncio.run(main())
    assert answers == [b"new", b"resumed", b"resumed"]
    assert {key.port for key in cache.kept} == {port}


# A default for the process


@pytest.fixture(autouse=True)
def extracted():
    yield
    puretls.extract_from_ssl()
    assert Settings.client_session_cache is None


def test_a_default_for_programs_that_know_nothing_of_it(pki):
    puretls.inject_into_ssl()
    puretls.inject_into_ssl(client_session_cache=True)
    server = server_of(ssl, pki)
    found = []
    for _ in range(3):
        client = client_of(ssl, pki)
        found.append(resumed(client, server))
    assert found == [False, True, True]
    assert server.session_stats()["hits"] == 2
    client.client_session_cache = None
    assert not resumed(client, server)


def test_injection_refuses_what_is_no_cache():
    with pytest.raises(TypeError):
        puretls.inject_into_ssl(client_session_cache=1)
    assert puretls.SSLContext is not __import__("ssl").SSLContext


# Sessions as bytes


@each_version
@pytest.mark.parametrize("identity", ["", "client"])
def test_a_session_comes_back_from_bytes(version, identity, pki):
    client, server = client_of(puretls, pki, identity=identity), server_of(puretls, pki)
    server.verify_mode = puretls.CERT_OPTIONAL
    only(version, client)
    pair = join(client, server).ok()
    data = pair.client.obj.session.to_bytes()
    other = client_of(puretls, pki, identity=identity)
    only(version, other)
    session = other.load_session(bytearray(data))
    before = pair.client.obj.session
    assert (session.id, session.time, session.timeout, session.has_ticket, session.ticket_lifetime_hint) == (
        before.id, before.time, before.timeout, before.has_ticket, before.ticket_lifetime_hint,
    )  # fmt: skip
    assert session.to_bytes() == data
    again = join(other, server, session=session).ok()
    assert again.client.obj.session_reused
    assert again.client.obj.getpeercert() == pair.client.obj.getpeercert()
    assert again.client.obj.get_verified_chain() == pair.client.obj.get_verified_chain()
    with pytest.raises(ValueError, match="different SSLContext"):
        join(client, server, session=session)


def test_a_loaded_session_is_held_to_the_policy_it_was_made_under(pki):
    lax, server = client_of(puretls, pki), server_of(puretls, pki)
    lax.check_hostname = False
    lax.verify_mode = puretls.CERT_NONE
    data = join(lax, server).ok().client.obj.session.to_bytes()
    strict = client_of(puretls, pki)
    assert not resumed(strict, server, session=strict.load_session(data))


@each_version
def test_bytes_that_are_no_session(version, pki):
    """Cut at each place, and each byte changed: ValueError, or a session; nothing else."""
    client = client_of(puretls, pki)
    only(version, client)
    data = join(client, server_of(puretls, pki)).ok().client.obj.session.to_bytes()
    for size in range(len(data)):
        with pytest.raises(ValueError, match="session"):
            client.load_session(data[:size])
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x81
        try:
            client.load_session(changed)
        except ValueError:
            continue
    with pytest.raises(ValueError, match="session"):
        client.load_session(data + b"\0")
    with pytest.raises(ValueError, match="another version"):
        client.load_session(data[:16] + b"\xff" + data[17:])
    with pytest.raises(TypeError):
        client.load_session("text")


# How many tickets


@pytest.mark.parametrize(("asked", "most"), [(None, 2), ((1, 1), 2), ((5, 4), 3), ((0, 0), 2), ((3, 0), 255)])
def test_servers_send_what_is_asked_for_at_most(asked, most, pki):
    count = 0

    def seen(_conn: Any, direction: str, _version: Any, _type: Any, message: Any, _data: bytes) -> None:
        nonlocal count
        count += direction == "read" and message == 4

    client, server = client_of(puretls, pki), server_of(puretls, pki)
    server.num_tickets = most
    client.ticket_request = asked
    assert client.ticket_request == asked
    client._msg_callback = seen
    pair = join(client, server).ok()
    new, again = asked or (most, 1)
    assert count == min(new, most)
    if count:
        count = 0
        assert resumed(client, server, session=pair.client.obj.session)
        assert count == min(again, most)


def test_the_request_stays_after_hello_retry_request(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.ticket_request = 4, 4
    server.num_tickets = 4
    server.set_ecdh_curve("secp521r1")
    pair = join(client, server).ok()
    assert pair.client.obj.session.has_ticket


def test_no_request_in_tls12(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(V12, client)
    client.ticket_request = 0, 0
    assert resumed(client, server) is False
    assert join(client, server).ok().client.obj.session.has_ticket  # SessionTicket (RFC 5077) is another extension


def test_numbers_of_tickets(pki):
    client = client_of(puretls, pki)
    for wrong in ((-1, 0), (0, 256)):
        with pytest.raises(ValueError, match="from 0 to 255"):
            client.ticket_request = wrong
    with pytest.raises(TypeError):
        client.ticket_request = ("1", 1)
    with pytest.raises(ValueError, match="PROTOCOL_TLS_SERVER"):
        server_of(puretls, pki).ticket_request = 1, 1
