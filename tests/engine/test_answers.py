"""What a peer can make us say: answers are few, bounded by what the transport takes, and none follows our close_notify.

Each row of PROVOCATIONS is a message that asks for an answer.  They come again and again, with data in between or
without, to a victim whose transport takes everything, or nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import (
    APPLICATION_DATA,
    CERTIFICATE_REQUEST,
    CLIENT_HELLO,
    HANDSHAKE,
    HELLO_REQUEST,
    TLS12,
    TLS13,
    UPDATE_NOT_REQUESTED,
    UPDATE_REQUESTED,
)
from puretls._crypto.groups import SECP256R1
from puretls._engine.config import OP_NO_RENEGOTIATION, Config
from puretls._engine.policy import CERT_OPTIONAL
from puretls._record.inbound import MAX_EMPTY_RECORDS
from puretls._record.layer import MAX_IN_A_ROW
from puretls._wire.codec import vec8, vec16
from support.hostile import established
from support.pair import (
    Pair,
    Side,
    client_config,
    hello,
    identity,
    message,
    read,
    sealed,
    server_config,
    split_records,
    store,
)

MOST_HELD = 1 << 16  # bytes of answers that wait for the transport
ROUNDS = 3000


class Provocation(NamedTuple):
    """A pair that is connected, who is provoked, and the records that do it."""

    make: Callable[[], Pair]
    victim: Callable[[Pair], Side]
    records: Callable[[Pair, int], bytes]


def later() -> Pair:
    """A client that has promised to say later who it is."""
    return (
        Pair(
            client_config(post_handshake_auth=True, credentials=(identity(),)),
            server_config(post_handshake_auth=True, verify_mode=CERT_OPTIONAL, store=store()),
        )
        .handshake()
        .echo()
    )


def declining() -> Pair:
    return Pair(client_config(versions=(TLS12,), options=Config().options | OP_NO_RENEGOTIATION)).handshake()


def client_of(pair: Pair) -> Side:
    return pair.client


def server_of(pair: Pair) -> Side:
    return pair.server


def key_update(sender: Callable[[Pair], Side]) -> Callable[[Pair, int], bytes]:
    def records(pair: Pair, _: int) -> bytes:
        side = sender(pair)
        record = bytes(side.outbound.sealer.seal(HANDSHAKE, message(registry.KEY_UPDATE, b"\x01")))
        side.next_write_keys()
        return record

    return records


def from_server(kind: int, body: Callable[[int], bytes]) -> Callable[[Pair, int], bytes]:
    return lambda pair, number: bytes(pair.server.outbound.sealer.seal(HANDSHAKE, message(kind, body(number))))


def certificate_request(number: int) -> bytes:
    schemes = b"\x00\x0d" + vec16(vec16(b"\x04\x03"))
    return vec8(struct.pack("!I", number)) + vec16(schemes)


def second_hello(pair: Pair, _: int) -> bytes:
    hello = b"\x03\x03" + bytes(32) + vec8(b"") + vec16(b"\xc0\x2b") + vec8(b"\x00")
    return bytes(pair.client.outbound.sealer.seal(HANDSHAKE, message(CLIENT_HELLO, hello)))


PROVOCATIONS = {
    "KeyUpdate to a server": Provocation(lambda: established(TLS13), server_of, key_update(client_of)),
    "KeyUpdate to a client": Provocation(lambda: established(TLS13), client_of, key_update(server_of)),
    "CertificateRequest": Provocation(later, client_of, from_server(CERTIFICATE_REQUEST, certificate_request)),
    "HelloRequest": Provocation(declining, client_of, from_server(HELLO_REQUEST, lambda _: b"")),
    "ClientHello": Provocation(lambda: established(TLS12), server_of, second_hello),
}
EACH = pytest.mark.parametrize("row", PROVOCATIONS.values(), ids=PROVOCATIONS)


def data_from(pair: Pair, victim: Side, content: bytes = b"x") -> bytes:
    return bytes(pair.other(victim).outbound.sealer.seal(APPLICATION_DATA, content))


@EACH
def test_what_nobody_takes_is_bounded(row):
    pair = row.make()
    victim, held = row.victim(pair), 0
    for number in range(ROUNDS):
        victim.receive(row.records(pair, number) + data_from(pair, victim))
        with suppress(Abort):
            assert read(victim) == b"x"
        if victim.failure:  # enough
            break
        held = max(held, len(victim.data_to_send()))
    assert len(victim.take()) <= MOST_HELD
    assert held <= MOST_HELD


@EACH
def test_who_takes_the_answers_is_never_cut_off(row):
    pair = row.make()
    victim, said = row.victim(pair), 0
    for number in range(ROUNDS // 4):
        victim.receive(row.records(pair, number) + data_from(pair, victim))
        assert read(victim) == b"x"
        said += len(victim.take())
    assert said
    victim.write(memoryview(b"still here"))
    assert victim.take()


@EACH
def test_without_data_the_number_is_bounded(row):
    """Each costs us a derivation or a signature, and the peer a few bytes (RFC 8446 4.6.2, 4.6.3)."""
    pair = row.make()
    victim = row.victim(pair)
    for number in range(MAX_IN_A_ROW):
        victim.receive(row.records(pair, number))
        assert not read(victim)
        victim.take()
    victim.receive(row.records(pair, MAX_IN_A_ROW))
    with pytest.raises(Abort) as caught:
        read(victim)
    assert caught.value.fault is faults.TOO_MANY_KEY_UPDATES


@EACH
def test_nothing_follows_close_notify(row):
    """RFC 8446 6.1, RFC 5246 7.2.1."""
    pair = row.make()
    victim = row.victim(pair)
    victim.close_notify()
    assert len(split_records(victim.take())) == 1
    for number in range(3):
        victim.receive(row.records(pair, number))
        assert not read(victim)
        assert not victim.take()
    victim.receive(data_from(pair, victim))
    assert read(victim) == b"x"
    victim.receive(bytes(sealed(victim, pair.other(victim), HANDSHAKE, message(99, b""))))
    with pytest.raises(Abort):
        read(victim)
    assert not victim.take()


# KeyUpdate


@given(st.lists(st.sampled_from(["ask", "tell", "data", "empty"]), max_size=12), st.lists(st.integers(1, 60)))
def test_answers_do_not_depend_on_how_the_bytes_arrive(what, cuts):
    """RFC 9846 4.7.3: who receives several requests while it is silent answers with one KeyUpdate."""
    whole = answers_to(what, None)
    assert answers_to(what, cuts) == whole
    assert answers_to(what, [1] * 1000) == whole


def answers_to(what: list[str], cuts: list[int] | None) -> list[int]:
    """The lengths of the records with which a server answers; the stream comes whole, or in pieces of these sizes."""
    pair, stream = established(TLS13), b""
    ask, expected = key_update(client_of), b""
    for item in what:
        if item == "ask":
            stream += ask(pair, 0)
        elif item == "tell":
            pair.client.update_write_keys(UPDATE_NOT_REQUESTED)
            stream += pair.client.take()
        else:
            content = b"data" if item == "data" else b""
            expected += content
            stream += data_from(pair, pair.server, content)
    got, said = b"", b""
    for size in [len(stream)] if cuts is None else [*cuts, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        if piece:
            pair.server.receive(piece)
            got += read(pair.server)
            said += pair.server.take()
    assert got == expected
    pair.server.write(memoryview(b"answer"))
    said += pair.server.take()
    assert pair.arrive(pair.client, said) == b"answer"
    return [len(record) for record in split_records(said)]


def test_requests_in_a_row_get_one_answer():
    pair = established(TLS13)
    ask = key_update(client_of)
    for _ in range(5):
        pair.server.receive(ask(pair, 0))
        assert not read(pair.server)
        pair.server.data_to_send()
    said = pair.server.take()
    pair.server.write(memoryview(b"data"))
    said += pair.server.take()
    assert len(split_records(said)) == 2
    assert pair.arrive(pair.client, said) == b"data"


def test_nobody_asks_twice_before_the_answer():
    """RFC 9846 4.7.3: until a KeyUpdate has come from the peer, no second update_requested."""
    pair = established(TLS13)
    seen = []
    for _ in range(3):
        for _ in range(3):
            pair.client.update_write_keys(UPDATE_REQUESTED)
        before = pair.server.write_secret
        pair.client.write(memoryview(b"x"))
        pair.server.records.watched = True
        assert pair.arrive(pair.server, pair.client.take()) == b"x"
        seen += [event.data[4] for event in pair.server.events if event.content_type == HANDSHAKE and not event.sent]
        pair.server.records.watched = False
        pair.server.events.clear()
        assert pair.send(pair.server, b"y") == b"y"
        assert pair.server.write_secret != before
    assert seen == [1, 0, 0] * 3


# Tickets


def ticket(number: int) -> bytes:
    return struct.pack("!II", 7200, number) + vec8(struct.pack("!I", number)) + vec16(bytes(16)) + vec16(b"")


def test_tickets_without_data_are_bounded():
    pair = established(TLS13)
    send = from_server(registry.NEW_SESSION_TICKET, ticket)
    for _ in range(3):
        for number in range(MAX_IN_A_ROW):
            pair.client.receive(send(pair, number))
            assert not read(pair.client)
        assert pair.send(pair.server, b"data") == b"data"
    for number in range(MAX_IN_A_ROW):
        pair.client.receive(send(pair, number))
        assert not read(pair.client)
    pair.client.receive(send(pair, 0))
    with pytest.raises(Abort) as caught:
        read(pair.client)
    assert caught.value.fault.alert == 10


# Early data, which is skipped


def offering_early_data(*, retry: bool) -> Pair:
    """A server that has answered a ClientHello with early_data in it."""
    pair = Pair(client_config(), server_config(**({"groups": (SECP256R1,)} if retry else {})))
    pair.client.wire["ClientHello"] = hello({registry.EARLY_DATA: b""})
    pair.advance(pair.client)
    first = pair.client.take()
    pair.advance(pair.server)
    pair.server.receive(first)
    pair.advance(pair.server)
    pair.server.take()
    return pair


@pytest.mark.parametrize("retry", [False, True])
def test_empty_early_data_counts(retry):
    pair = offering_early_data(retry=retry)
    pair.server.receive(b"\x17\x03\x03\x00\x00" * MAX_EMPTY_RECORDS)
    pair.advance(pair.server)
    pair.server.receive(b"\x17\x03\x03\x00\x00")
    with pytest.raises(Abort) as caught:
        pair.advance(pair.server)
    assert caught.value.fault is faults.TOO_MANY_EMPTY_RECORDS
