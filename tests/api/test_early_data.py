"""Early data as programs use it: over sockets and BIOs, however a read or a write may wait; and who refuses it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import Any

import pytest

import puretls
from puretls import (
    EARLY_DATA_ACCEPTED,
    EARLY_DATA_NOT_SENT,
    EARLY_DATA_REJECTED,
    EarlyDataStatus,
    SSLEOFError,
    SSLWantAnswerError,
    SSLWantReadError,
)
from support.bios import ObjectPair, join, session_at
from support.both import client_of, server_of
from support.encrypted import listed

LIMIT = 1000
DATA = b"GET / HTTP/1.0\r\n\r\n"
KEY = b"k" * 32


def contexts(pki: Any, *, limit: int = LIMIT, asks: int = 0) -> tuple[Any, Any]:
    client, server = client_of(puretls, pki), server_of(puretls, pki, asks=asks)
    client.max_early_data = server.max_early_data = limit
    return client, server


def again(client: Any, server: Any, session: Any = None, **more: Any) -> ObjectPair:
    return join(client, server, session=session or session_at(client, server), **more)


def statuses(pair: ObjectPair) -> tuple[EarlyDataStatus, EarlyDataStatus]:
    return pair.client.obj.early_data_status(), pair.server.obj.early_data_status()


def reading(pair: ObjectPair, size: int = 1024) -> bytes:
    """All early data that is there."""
    data = b""
    while piece := pair.server.step(lambda: pair.server.obj.read_early_data(size)):
        data += piece
    return data


# Over BIOs


def test_there_it_is(pki):
    assert puretls.HAS_EARLY_DATA
    client, server = contexts(pki)
    session = session_at(client, server)
    assert session.max_early_data == LIMIT
    pair = again(client, server, session)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    assert pair.client.obj.write_early_data(bytearray(b"more")) == 4
    pair.move()
    assert [pair.server.obj.read_early_data(size) for size in (4, 100, 100)] == [DATA[:4], DATA[4:], b"more"]
    with pytest.raises(SSLWantReadError):
        pair.server.obj.read_early_data()
    exported = [one.obj.export_keying_material("EXPORTER-x", 16, early=True) for one in (pair.client, pair.server)]
    assert exported[0] == exported[1]
    assert pair.server.obj.write(b"half of a round trip later") == 26
    pair.move()
    pair.client.obj.do_handshake()
    assert pair.client.obj.read() == b"half of a round trip later"
    pair.move()
    assert pair.server.obj.read_early_data() == b""
    pair.server.obj.do_handshake()
    assert statuses(pair) == (EARLY_DATA_ACCEPTED,) * 2
    assert pair.client.obj.early_data_reason == pair.server.obj.early_data_reason == "accepted"
    assert pair.send(pair.client, b"later") == b"later"
    assert pair.client.obj.write_early_data(b"too late") == 0
    assert pair.server.obj.read_early_data() == b""


def test_the_numbers_are_those_of_openssl():
    assert [int(one) for one in EarlyDataStatus] == [0, 1, 2]
    assert tuple(EarlyDataStatus) == (EARLY_DATA_NOT_SENT, EARLY_DATA_REJECTED, EARLY_DATA_ACCEPTED)


def test_off_unless_asked_for(pki):
    """A context says what it has always said; so does a client that may send it and does not."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert client.max_early_data == server.max_early_data == 0
    assert client.early_data_callback is server.anti_replay is None
    session = session_at(client, server)
    assert session.max_early_data == 0
    pair = again(client, server, session)
    assert pair.client.obj.write_early_data(DATA) == 0
    assert pair.client.obj.early_data_reason == "disabled"
    pair.ok()
    assert statuses(pair) == (EARLY_DATA_NOT_SENT,) * 2
    assert pair.server.obj.early_data_reason is None


def test_a_server_that_does_not_read_it_never_takes_it(pki):
    client, server = contexts(pki)
    pair = again(client, server)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.ok()
    assert statuses(pair) == (EARLY_DATA_REJECTED,) * 2
    assert (pair.client.obj.early_data_reason, pair.server.obj.early_data_reason) == ("peer_declined", "disabled")
    assert pair.send(pair.client, DATA) == DATA, "what was rejected is for the program to send again"


def test_what_was_not_read_waits(pki):
    client, server = contexts(pki)
    pair = again(client, server)
    pair.client.obj.write_early_data(DATA)
    pair.client.obj.write_early_data(b"more")
    pair.move()
    assert pair.server.obj.read_early_data(3) == DATA[:3]
    pair.ok()
    assert pair.send(pair.client, b"data") == b"data", "the two are never mixed"
    assert reading(pair) == DATA[3:] + b"more"


@pytest.mark.parametrize("size", [0, LIMIT + 1, LIMIT])
def test_all_or_nothing(pki, size):
    client, server = contexts(pki)
    pair = again(client, server)
    taken = pair.client.obj.write_early_data(bytes(size))
    assert taken == (size if size <= LIMIT else 0)
    assert pair.client.obj.write_early_data(b"x") == (size != LIMIT)
    pair.move()
    assert reading(pair) == bytes(taken) + b"x" * (size != LIMIT)
    assert pair.ok().client.obj.early_data_status() == EARLY_DATA_ACCEPTED


def test_a_client_sends_no_more_than_it_wants(pki):
    client, server = contexts(pki)
    client.max_early_data = 10
    pair = again(client, server)
    assert pair.client.obj.write_early_data(bytes(11)) == 0
    assert pair.client.obj.write_early_data(bytes(10)) == 10


def test_without_a_session_there_is_none(pki):
    client, server = contexts(pki)
    pair = join(client, server)
    assert pair.client.obj.write_early_data(DATA) == 0
    assert reading(pair) == b""
    pair.ok()
    assert (statuses(pair), pair.client.obj.early_data_reason) == ((EARLY_DATA_NOT_SENT,) * 2, "no_session_offered")


def test_tls12_has_none(pki):
    client, server = contexts(pki)
    client.maximum_version = puretls.TLSVersion.TLSv1_2
    pair = again(client, server)
    assert pair.client.obj.write_early_data(DATA) == 0
    pair.ok()
    assert pair.client.obj.version() == "TLSv1.2"
    assert pair.server.obj.read_early_data() == b""


def test_a_server_that_has_gone_back_to_tls12(pki):
    """RFC 8446 D.3: the connection is over, and the next one begins anew."""
    client, server = contexts(pki)
    client.client_session_cache = True
    join(client, server).ok()
    server.maximum_version = puretls.TLSVersion.TLSv1_2
    pair = join(client, server)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.shake()
    assert isinstance(pair.client.error or pair.server.error, puretls.SSLError)
    reasons = {getattr(side.error, "reason", None) for side in (pair.client, pair.server)}
    assert reasons & {"WRONG_VERSION_ON_EARLY_DATA", "UNEXPECTED_MESSAGE"}
    pair = join(client, server)
    assert pair.client.obj.write_early_data(DATA) == 0
    assert pair.ok().client.obj.version() == "TLSv1.2"


def test_roles_do_not_mix(pki):
    client, server = contexts(pki)
    pair = again(client, server)
    with pytest.raises(ValueError, match="for servers"):
        pair.client.obj.read_early_data()
    with pytest.raises(ValueError, match="for clients"):
        pair.server.obj.write_early_data(DATA)
    with pytest.raises(ValueError, match="not be negative"):
        pair.server.obj.read_early_data(-1)
    pair.ok()


def test_settings_are_checked(pki):
    client, server = contexts(pki)
    for wrong in (-1, 1 << 32):
        with pytest.raises(ValueError, match="max_early_data"):
            server.max_early_data = wrong
    for name, wrong in (
        ("max_early_data", "1"),
        ("max_early_data", 1.5),
        ("early_data_callback", 1),
        ("anti_replay", 1),
    ):
        with pytest.raises(TypeError):
            setattr(server, name, wrong)
    with pytest.raises(ValueError, match="for servers"):
        client.anti_replay = Memory()
    server.anti_replay = memory = Memory()
    assert server.anti_replay is memory
    server.anti_replay = None
    assert (server.max_early_data, server.anti_replay) == (LIMIT, None)


def test_a_session_goes_through_bytes_with_it(pki):
    client, server = contexts(pki)
    session = client.load_session(session_at(client, server).to_bytes())
    assert session.max_early_data == LIMIT
    pair = again(client, server, session)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.move()
    assert reading(pair) == DATA


def test_sessions_of_the_client_cache(pki):
    client, server = contexts(pki)
    client.client_session_cache = True
    join(client, server).ok()
    pair = join(client, server)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.move()
    assert reading(pair) == DATA


def test_its_protocol_is_known(pki):
    """Of early data it is that of the session, on both sides, before the handshake is done."""
    client, server = contexts(pki)
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_protocols(["http/1.1"])
    session, asked = session_at(client, server), []

    def early(sslobj: Any) -> bytes:
        asked.append(sslobj.selected_alpn_protocol())
        return DATA

    client.early_data_callback = early
    pair = again(client, server, session)
    assert pair.client.obj.selected_alpn_protocol() is None
    pair.client.shake()
    pair.move()
    assert pair.server.obj.read_early_data() == DATA
    assert asked == ["http/1.1"]
    assert pair.server.obj.selected_alpn_protocol() == pair.client.obj.selected_alpn_protocol() == "http/1.1"
    server.set_alpn_protocols(["h2"])
    pair = again(client, server, session)
    pair.client.shake()
    pair.move()
    assert reading(pair) == b""
    assert pair.server.obj.selected_alpn_protocol() is None
    assert pair.ok().server.obj.selected_alpn_protocol() == "h2"


# Callbacks


def test_a_callback_gives_it(pki):
    client, server = contexts(pki)
    session, asked = session_at(client, server), []

    def early(sslobj: Any) -> bytes:
        asked.append(sslobj)
        return DATA

    client.early_data_callback = early
    assert client.early_data_callback is early
    pair = again(client, server, session)
    pair.client.shake()
    assert asked == [pair.client.obj]
    pair.move()
    assert reading(pair) == DATA
    pair.ok()
    assert statuses(pair) == (EARLY_DATA_ACCEPTED,) * 2
    join(client, server).ok()
    assert len(asked) == 1, "where nothing can be sent nobody is asked"


@pytest.mark.parametrize("answer", [None, b"", bytes(LIMIT + 1), "text", ZeroDivisionError], ids=range(5))
def test_a_callback_without_an_answer(pki, answer, monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", lambda found: reported.append(found.exc_type))
    client, server = contexts(pki)
    session = session_at(client, server)

    def early(_: Any) -> Any:
        if answer is ZeroDivisionError:
            raise ZeroDivisionError
        return answer

    client.early_data_callback = early
    pair = again(client, server, session).ok()
    assert statuses(pair) == (EARLY_DATA_NOT_SENT,) * 2
    assert reported == {"text": [TypeError], ZeroDivisionError: [ZeroDivisionError]}.get(answer, [])


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("name", ["verify_callback", "set_cert_verify_callback"])
def test_nothing_goes_where_somebody_has_a_say_at_the_end(pki, who, name):
    client, server = contexts(pki)
    context = client if who == "client" else server
    if name == "verify_callback":
        context.verify_callback = lambda _, __: None
    else:
        context.verify_mode = puretls.CERT_REQUIRED if who == "client" else puretls.CERT_OPTIONAL
        context.set_cert_verify_callback(lambda _, __: None)
    session = session_at(client, server)
    if who == "server":
        assert session.max_early_data == 0
    pair = again(client, server, session)
    assert pair.client.obj.write_early_data(DATA) == 0
    assert reading(pair) == b""
    pair.ok()
    assert pair.client.obj.session_reused


# Contexts


class Memory:
    """Who remembers, for as many servers as have it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def first(self, key: bytes, seconds: float) -> Any:
        assert seconds >= 20
        self.seen.append(key)
        return self.seen.count(key) == 1


SHARED: dict[str, Callable[[Any], None]] = {
    "set_ticket_keys": lambda context: context.set_ticket_keys([KEY]),
    "set_ticket_secret": lambda context: context.set_ticket_secret(KEY),
}


@pytest.mark.parametrize("how", SHARED)
def test_with_shared_keys_somebody_has_to_remember_for_all(pki, how):
    client, server = contexts(pki)
    _, other = contexts(pki)
    for context in (server, other):
        SHARED[how](context)
    assert session_at(client, server).max_early_data == 0
    server.anti_replay = other.anti_replay = memory = Memory()
    session = session_at(client, server)
    assert session.max_early_data == LIMIT
    first = again(client, server, session)
    first.client.obj.write_early_data(DATA)
    flight = first.client.outgoing.read()
    found = [replayed(one, flight) for one in (other, server, other)]
    assert found == [DATA, b"", b""]
    assert len(memory.seen) == 3
    assert server.session_stats()["replays"] == other.session_stats()["replays"] == 1
    alone = contexts(pki)[1]
    SHARED[how](alone)
    assert replayed(alone, flight) == b""


def replayed(server: Any, flight: bytes) -> bytes:
    """What a server takes of a flight that somebody has recorded."""
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    obj = server.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(flight)
    data = b""
    try:
        while piece := obj.read_early_data():
            data += piece
    except SSLWantReadError:
        assert data
    assert outgoing.read()
    return data


@pytest.mark.parametrize("answer", [None, 0, 1, "yes", ValueError, OSError], ids=str)
def test_whatever_the_memory_says_it_is_yes_or_the_data_is_refused(pki, answer):
    client, server = contexts(pki)

    class Odd:
        def first(self, _: bytes, __: float) -> Any:
            if isinstance(answer, type):
                raise answer
            return answer

    server.anti_replay = Odd()
    pair = again(client, server)
    pair.client.obj.write_early_data(DATA)
    pair.move()
    assert reading(pair) == b""
    pair.ok()
    assert pair.client.obj.session_reused
    assert statuses(pair) == (EARLY_DATA_REJECTED,) * 2
    assert server.session_stats()["store_errors"] == isinstance(answer, type)


def test_an_answer_that_comes_later(pki):
    client, server = contexts(pki)
    promise: Future[bool] = Future()

    class Slow:
        def first(self, _: bytes, __: float) -> Any:
            return promise

    server.anti_replay = Slow()
    pair = again(client, server)
    pair.client.obj.write_early_data(DATA)
    pair.move()
    pair.server.obj.set_waker(lambda: None)
    for _ in range(2):
        with pytest.raises(SSLWantAnswerError):
            pair.server.obj.read_early_data()
    promise.set_result(True)
    assert pair.server.obj.read_early_data() == DATA
    pair.ok()


def test_one_flight_is_taken_once(pki):
    client, server = contexts(pki)
    pair = again(client, server)
    pair.client.obj.write_early_data(DATA)
    flight = pair.client.outgoing.read()
    assert [replayed(server, flight) for _ in range(20)] == [DATA] + [b""] * 19
    assert server.session_stats()["replays"] == 19


POLICIES: dict[str, Callable[[Any], None]] = {
    "verify_mode": lambda context: setattr(context, "verify_mode", puretls.CERT_OPTIONAL),
    "session_id_context": lambda context: setattr(context, "session_id_context", b"other"),
    "verify_callback": lambda context: setattr(context, "verify_callback", lambda _, __: None),
    "off": lambda context: setattr(context, "max_early_data", 0),
    "less": lambda context: setattr(context, "max_early_data", LIMIT - 1),
    "protocols": lambda context: context.set_alpn_protocols(["h2"]),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("name", POLICIES)
def test_no_ticket_of_one_context_lets_early_data_into_another(pki, name):
    """With the same keys and the same memory, for they may be one program's."""
    client, one = contexts(pki)
    other, memory = contexts(pki)[1], Memory()
    client.set_alpn_protocols(["h2"] if name == "protocols" else ["h3"])
    for context in (one, other):
        context.set_ticket_keys([KEY])
        context.anti_replay = memory
    session = session_at(client, one)
    POLICIES[name](other)
    pair = again(client, other, session)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.move()
    assert reading(pair) == (DATA if name == "nothing" else b"")
    pair.ok()


@pytest.mark.parametrize("limits", [(LIMIT, 0), (0, LIMIT), (LIMIT, LIMIT)], ids=str)
def test_after_a_switch_of_contexts_the_smaller_counts(pki, limits):
    client, first = contexts(pki)
    second = contexts(pki)[1]
    first.sni_callback = lambda obj, _, __: setattr(obj, "context", second)
    session = session_at(client, first)
    first.max_early_data, second.max_early_data = limits
    pair = again(client, first, session)
    pair.client.obj.write_early_data(DATA)
    pair.move()
    assert reading(pair) == (DATA if all(limits) else b"")
    pair.ok()


def test_no_half_round_trip_for_who_has_not_shown_a_certificate(pki):
    """write() does the handshake first."""
    client, server = contexts(pki, asks=puretls.CERT_OPTIONAL)
    pair = join(client, server)
    pair.client.shake()
    pair.move()
    assert pair.server.obj.read_early_data() == b""
    with pytest.raises(SSLWantReadError):
        pair.server.obj.write(b"secret")
    pair.ok()
    assert pair.server.obj.write(b"secret") == 6


def test_write_without_reading_early_data_is_as_it_was(pki):
    client, server = contexts(pki)
    pair = again(client, server)
    pair.client.shake()
    pair.move()
    with pytest.raises(SSLWantReadError):
        pair.server.obj.write(b"x")


def test_with_encrypted_client_hello(pki):
    client, server = contexts(pki)
    key, old = (puretls.ECHKey(*puretls.make_ech_config("public.example")) for _ in range(2))
    server.set_ech_keys([key])
    client.set_ech_config(listed(key))
    session = session_at(client, server)
    pair = again(client, server, session)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.move()
    assert reading(pair) == DATA
    pair.ok()
    assert pair.client.obj.get_ech_status() == puretls.ECH_STATUS_SUCCESS
    other = contexts(pki)[1]
    other.set_ech_keys([old])
    pair = again(client, other, session)
    assert pair.client.obj.write_early_data(DATA) == len(DATA)
    pair.move()
    assert reading(pair) == b""
    pair.shake()
    assert isinstance(pair.client.error, puretls.SSLError)
    assert pair.client.obj.early_data_status() == EARLY_DATA_REJECTED


def test_the_key_log_has_its_secrets(pki, tmp_path):
    client, server = contexts(pki)
    session = session_at(client, server)
    client.keylog_filename, server.keylog_filename = str(tmp_path / "client"), str(tmp_path / "server")
    pair = again(client, server, session)
    pair.client.obj.write_early_data(DATA)
    pair.move()
    assert reading(pair) == DATA
    pair.ok()
    logs = [set((tmp_path / name).read_text().splitlines()) for name in ("client", "server")]
    labels = {line.split()[0] for line in logs[0]}
    assert {"CLIENT_EARLY_TRAFFIC_SECRET", "EARLY_EXPORTER_SECRET"} <= labels
    early = [{line for line in log if "EARLY" in line} for log in logs]
    assert early[0] == early[1]


# Over sockets


@contextmanager
def sockets(client: Any, server: Any, session: Any) -> Iterator[tuple[Any, Any]]:
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.settimeout(20)
    with (
        closing(
            client.wrap_socket(ours, server_hostname="localhost", session=session, do_handshake_on_connect=False)
        ) as near,
        closing(server.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False)) as far,
    ):
        yield near, far


def test_over_sockets(pki):
    client, server = contexts(pki)
    with sockets(client, server, session_at(client, server)) as (near, far):
        assert near.write_early_data(DATA) == len(DATA)
        assert far.read_early_data(1024) == DATA
        assert far.send(b"an answer") == 9
        near.do_handshake()
        assert near.recv(100) == b"an answer"
        assert far.read_early_data(1024) == b""
        far.do_handshake()
        assert near.early_data_status() == far.early_data_status() == EARLY_DATA_ACCEPTED
        near.sendall(b"later")
        assert far.recv(100) == b"later"
        far.sendall(b"on")
        assert near.recv(100) == b"on"


def test_over_sockets_that_do_not_block(pki):
    client, server = contexts(pki)
    with sockets(client, server, session_at(client, server)) as (near, far):
        near.setblocking(False)
        far.setblocking(False)
        with pytest.raises(SSLWantReadError):
            far.read_early_data()
        assert near.write_early_data(DATA) == len(DATA)
        assert far.read_early_data() == DATA
        with pytest.raises(SSLWantReadError):
            far.read_early_data()
        near.do_handshake()
        assert far.read_early_data() == b""
        far.do_handshake()


def test_what_the_kernel_does_not_take_goes_later(pki):
    client, server = contexts(pki, limit=1 << 20)
    session = session_at(client, server)
    with sockets(client, server, session) as (near, far):
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        data = os.urandom(1 << 20)
        assert near.write_early_data(data) == len(data), "it is ours to send"
        near.settimeout(20)
        thread = threading.Thread(target=near.do_handshake)
        thread.start()
        found = b""
        while piece := far.read_early_data(1 << 16):
            found += piece
        far.do_handshake()
        thread.join(20)
        assert found == data


def test_a_plain_end_in_the_middle(pki):
    client, server = contexts(pki)
    with sockets(client, server, session_at(client, server)) as (near, far):
        near.write_early_data(DATA)
        near.shutdown(socket.SHUT_WR)
        assert far.read_early_data() == DATA
        with pytest.raises((SSLEOFError, ConnectionError)):
            far.read_early_data()


def test_a_timeout(pki):
    client, server = contexts(pki)
    with sockets(client, server, session_at(client, server)) as (near, far):
        far.settimeout(0.05)
        with pytest.raises(TimeoutError):
            far.read_early_data()
        far.settimeout(20)
        near.write_early_data(DATA)
        assert far.read_early_data() == DATA


def test_a_socket_that_is_not_connected_has_none(pki):
    with contexts(pki)[0].wrap_socket(socket.socket(), server_hostname="localhost") as near:
        assert near.early_data_status() == EARLY_DATA_NOT_SENT
        assert near.early_data_reason is None
        with pytest.raises(ValueError, match="no connection"):
            near.write_early_data(DATA)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("options", [0, puretls.OP_NO_TICKET], ids=["tickets", "sessions in memory"])
def test_of_all_that_have_forked_one_takes_a_flight(pki, options):
    """Four children and their parent, which has given the ticket: it alone takes it, once."""
    client, server = contexts(pki)
    server.options |= options
    pair = again(client, server)
    pair.client.obj.write_early_data(DATA)
    flight, found = pair.client.outgoing.read(), []
    for _ in range(4):
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(theirs, b"1" if replayed(server, flight) else b"0")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(theirs)
        found.append(os.read(ours, 1))
        os.close(ours)
    assert found == [b"0"] * 4
    assert [replayed(server, flight) for _ in range(2)] == [DATA, b""]
