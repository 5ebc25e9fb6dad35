"""The rules of the record layer, seen from a connection: limits, framing, emptiness, memory, early data.

RFC 8446 5, RFC 5246 6.2, RFC 8449.  A hostile peer with the right keys makes the records.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    EARLY_DATA,
    HANDSHAKE,
    KEY_UPDATE,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from puretls._crypto import suites
from puretls._crypto.groups import SECP256R1
from puretls._engine.config import Credential
from puretls._record.inbound import MAX_EMPTY_RECORDS, Inbound
from puretls._record.outbound import Outbound
from puretls._record.protection import MAX_PLAINTEXT, NullSealer
from support.hostile import BOTH, established, from_client, refused
from support.pair import (
    OLDER,
    Pair,
    client_config,
    ffdhe,
    hello,
    identity,
    message,
    read,
    record,
    sealed13,
    server_config,
    split_records,
    store,
)

# Sizes


@BOTH
def test_the_largest_record_is_accepted_and_no_larger(version):
    pair = established(version)
    pair.server.receive(from_client(pair, APPLICATION_DATA, bytes(MAX_PLAINTEXT)))
    assert read(pair.server) == bytes(MAX_PLAINTEXT)
    assert refused(pair, from_client(pair, APPLICATION_DATA, bytes(MAX_PLAINTEXT + 1))) is faults.DATA_LENGTH_TOO_LONG
    assert faults.DATA_LENGTH_TOO_LONG.alert == 22


@BOTH
def test_an_oversized_record_is_refused_by_its_header(version):
    most = MAX_PLAINTEXT + (256 if version == TLS13 else 2048)
    for size in (most + 1, 65535):
        pair = established(version)
        assert refused(pair, b"\x17\x03\x03" + size.to_bytes(2, "big")) is faults.ENCRYPTED_LENGTH_TOO_LONG
    pair = established(version)
    pair.server.receive(b"\x17\x03\x03" + most.to_bytes(2, "big"))
    assert not read(pair.server)  # waits for it
    assert faults.ENCRYPTED_LENGTH_TOO_LONG.alert == 22


def test_before_there_are_keys_nothing_expands():
    pair = Pair()
    assert refused(pair, b"\x16\x03\x01\x40\x01") is faults.PACKET_LENGTH_TOO_LONG
    pair = Pair()
    pair.server.receive(b"\x16\x03\x01\x40\x00" + bytes(100))
    pair.server.advance()  # waits for the rest


def test_padding_counts():
    """RFC 8446 5.4: the whole inner plaintext is limited."""
    pair = established(TLS13)
    inner = b"x" + bytes((APPLICATION_DATA,)) + bytes(MAX_PLAINTEXT - 1)
    pair.server.receive(sealed13(pair.server, inner))
    assert read(pair.server) == b"x"
    assert refused(pair, sealed13(pair.server, inner + b"\x00")) is faults.DATA_LENGTH_TOO_LONG


@BOTH
def test_what_we_write_is_cut_to_records(version):
    pair = established(version)
    data = bytes(n & 255 for n in range(3 * MAX_PLAINTEXT + 5))
    pair.client.write(memoryview(data))
    sent = pair.client.take()
    assert len(split_records(sent)) == 4
    assert pair.arrive(pair.server, sent) == data


@BOTH
def test_our_record_size_limit_binds_the_peer(version):
    """RFC 8449 4: record_overflow for what exceeds it; a peer that knows the limit keeps it."""
    small = server_config(versions=(version,), record_size_limit=200)
    pair = Pair(client_config(versions=(version,)), small).handshake().echo()
    pair.client.write(memoryview(bytes(1000)))
    sent = pair.client.take()
    assert len(split_records(sent)) == 5
    assert pair.arrive(pair.server, sent) == bytes(1000)
    assert refused(pair, from_client(pair, APPLICATION_DATA, bytes(201))) is faults.DATA_LENGTH_TOO_LONG


@pytest.mark.parametrize("kind", [APPLICATION_DATA, HANDSHAKE])
def test_our_record_size_limit_counts_padding(kind):
    """RFC 8449 4: of TLS 1.3 it limits the whole TLSInnerPlaintext, type and padding included."""
    body = message(KEY_UPDATE, b"\x00") if kind == HANDSHAKE else b"data"
    for excess in (0, 1):
        pair = Pair(client_config(), server_config(record_size_limit=100)).handshake().echo()  # it says 101
        raw = sealed13(pair.server, (body + bytes((kind,))).ljust(101 + excess, b"\x00"))
        if excess:
            assert refused(pair, raw) is faults.DATA_LENGTH_TOO_LONG
        else:
            pair.server.receive(raw)
            assert read(pair.server) == (body if kind == APPLICATION_DATA else b"")


@BOTH
def test_the_peers_record_size_limit_binds_us(version):
    """Also for what we say in the handshake, once it is protected."""
    pair = Pair(client_config(versions=(version,), record_size_limit=64), server_config(versions=(version,)))
    pair.handshake().echo()
    pair.server.write(memoryview(bytes(640)))
    assert len(split_records(pair.server.take())) == 10


# Emptiness


@BOTH
def test_a_few_empty_records_are_noise_and_many_are_an_attack(version):
    pair = established(version)
    for _ in range(MAX_EMPTY_RECORDS):
        pair.server.receive(from_client(pair, APPLICATION_DATA, b""))
        assert not read(pair.server)
    assert refused(pair, from_client(pair, APPLICATION_DATA, b"")) is faults.TOO_MANY_EMPTY_RECORDS


@BOTH
def test_data_between_empty_records_resets_the_count(version):
    pair = established(version)
    for _ in range(3 * MAX_EMPTY_RECORDS):
        pair.server.receive(from_client(pair, APPLICATION_DATA, b""))
        assert not read(pair.server)
        pair.server.receive(from_client(pair, APPLICATION_DATA, b"x"))
        assert read(pair.server) == b"x"


@BOTH
@pytest.mark.parametrize("kind", [HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC])
def test_other_records_are_never_empty(version, kind):
    pair = established(version)
    assert refused(pair, from_client(pair, kind, b"")).alert == 10


def test_nothing_but_padding():
    for size in (0, 1, 100):
        assert refused(established(TLS13), sealed13(established(TLS13).server, bytes(size))) is faults.DECRYPTION_FAILED
        pair = established(TLS13)
        fault = refused(pair, sealed13(pair.server, bytes(size)))
        assert fault is faults.BAD_RECORD_TYPE
        assert fault.alert == 10


# Content types and versions


@pytest.mark.parametrize("kind", [0, 1, 19, 24, 25, 128, 255])
@BOTH
def test_unknown_content_types(version, kind):
    pair = established(version)
    if version == TLS13 and kind:
        assert refused(pair, sealed13(pair.server, b"x" + bytes((kind,)))).alert == 10
        pair = established(version)
        assert refused(pair, sealed13(pair.server, bytes((kind,)))).alert == 10
    pair = established(version)
    assert refused(pair, record(kind, b"x" * 40)).alert == 10


def test_a_change_cipher_spec_is_never_protected():
    """RFC 8446 5: neither after the handshake nor inside a protected record."""
    for inner in (b"\x01\x14", b"\x14", b"\x01\x01\x14"):
        pair = established(TLS13)
        assert refused(pair, sealed13(pair.server, inner)).alert == 10
    pair = established(TLS13)
    assert refused(pair, record(CHANGE_CIPHER_SPEC, b"\x01")) is faults.UNEXPECTED_CCS_MESSAGE


def test_versions_of_records():
    for version in (0x0300, 0x0301, 0x0302, 0x0304, 0x0403):  # TLS 1.2: exactly what was negotiated
        pair = established(TLS12)
        raw = bytearray(from_client(pair, APPLICATION_DATA, b"x"))
        raw[1:3] = version.to_bytes(2, "big")
        fault = refused(pair, bytes(raw))
        assert fault is faults.WRONG_VERSION_NUMBER
        assert fault.alert == 70
    for version in (0x0301, 0x0304):  # TLS 1.3: ignored (RFC 8446 5.1), but authenticated
        pair = established(TLS13)
        raw = bytearray(from_client(pair, APPLICATION_DATA, b"x"))
        raw[1:3] = version.to_bytes(2, "big")
        assert refused(pair, bytes(raw)) is faults.DECRYPTION_FAILED
        pair = established(TLS13)
        pair.server.receive(sealed13(pair.server, b"x\x17", b"\x17" + version.to_bytes(2, "big") + b"\x00\x12"))
        assert read(pair.server) == b"x"


@pytest.mark.parametrize(
    ("first", "fault"),
    [
        (b"GET / HTTP/1.1\r\n", faults.HTTP_REQUEST),
        (b"POST / HTTP/1.1\r\n", faults.HTTP_REQUEST),
        (b"HEAD / HTTP/1.1\r\n", faults.HTTP_REQUEST),
        (b"PUT / HTTP/1.1\r\n", faults.HTTP_REQUEST),
        (b"CONNECT localhost:443 HTTP/1.1\r\n", faults.HTTPS_PROXY_REQUEST),
        (b"EHLO localhost\r\n", faults.NOT_TLS),
        (b"\x80\x2e\x01\x00\x02", faults.NOT_TLS),  # SSL 2
        (b"\x16\x02\x00\x00\x05", faults.NOT_TLS),
        (bytes(5), faults.NOT_TLS),
    ],
)
def test_who_does_not_speak_tls(first, fault):
    pair = Pair()
    assert refused(pair, first) == fault


def test_a_client_is_not_told_about_http():
    pair = Pair()
    pair.client.advance()
    pair.client.take()
    pair.client.receive(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(Abort) as caught:
        pair.client.advance()
    assert caught.value.fault is faults.NOT_TLS
    assert not pair.client.take()


# Framing


@BOTH
def test_half_a_header_waits(version):
    pair = established(version)
    raw = from_client(pair, APPLICATION_DATA, b"hello")
    for n in range(len(raw) - 1):
        pair.server.receive(raw[n : n + 1])
        assert not read(pair.server)
    pair.server.receive(raw[-1:])
    assert read(pair.server) == b"hello"


@BOTH
@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 100])
def test_a_handshake_in_pieces(version, piece):
    Pair(client_config(versions=(version,)), piece=piece).handshake().echo()


@BOTH
@pytest.mark.parametrize("size", [1, 3, 64, 1000])
def test_handshake_messages_in_small_records(version, size):
    """RFC 8446 5.1: a message may be cut anywhere, also inside its header."""
    pair = Pair(client_config(versions=(version,), grease=False), server_config())
    for side in (pair.client, pair.server):
        side.outbound.fragment = size
    pair.handshake()
    pair.client.outbound.fragment = pair.server.outbound.fragment = MAX_PLAINTEXT
    pair.echo()


@BOTH
@given(cuts=st.lists(st.integers(1, 2000), min_size=1, max_size=12), rooms=st.lists(st.integers(1, 3000), min_size=1))
@settings(max_examples=25, deadline=None)
def test_any_pieces_and_any_rooms_bring_the_same(version, cuts, rooms):
    pair = established(version)
    data = bytes(n * 31 & 255 for n in range(9000))
    pair.client.outbound.fragment = cuts[0]
    pair.client.write(memoryview(data))
    sent, got, turn = pair.client.take(), bytearray(), 0
    while sent or turn % len(rooms):
        cut = cuts[turn % len(cuts)]
        piece, sent = sent[:cut], sent[cut:]
        if turn % 2:
            pair.server.receive(piece)
        else:  # as a socket does it
            pair.server.inbound.room(max(len(piece), 5))[: len(piece)] = piece
            pair.server.inbound.commit(len(piece))
        while True:
            out = memoryview(bytearray(rooms[turn % len(rooms)]))
            size = pair.server.read_into(out)
            if not size:
                break
            got += out[:size]
        turn += 1
    assert got == data


@BOTH
def test_records_behind_each_other(version):
    """Coalesced: data, a warning, data, closing; each in its place."""
    pair = established(version)
    for part in (b"one", b"two"):
        pair.client.write(memoryview(part))
    pair.client.close_notify()
    pair.server.receive(pair.client.take() + b"not TLS any more")
    out = memoryview(bytearray(3))
    assert (pair.server.read_into(out), bytes(out)) == (3, b"one")
    assert not pair.server.close_received
    assert (pair.server.read_into(out), bytes(out)) == (3, b"two")
    assert pair.server.read_into(out) == 0
    assert pair.server.close_received
    assert pair.server.inbound.leftover() == b"not TLS any more"


# Memory and time


@BOTH
def test_a_message_that_would_never_end(version):
    """The length of a message is judged before it is there."""
    pair = established(version)
    for kind in (KEY_UPDATE, CLIENT_HELLO, 11):
        pair = established(version)
        raw = bytes((kind,)) + b"\xff\xff\xff"
        assert refused(pair, from_client(pair, HANDSHAKE, raw)) is faults.EXCESSIVE_MESSAGE_SIZE


def test_a_hello_that_would_never_end():
    pair = Pair()
    pair.server.receive(record(HANDSHAKE, b"\x01\x03\x00\x00" + bytes(16380)))
    with pytest.raises(Abort) as caught:
        pair.server.advance()
    assert caught.value.fault is faults.EXCESSIVE_MESSAGE_SIZE


def test_a_drop_by_drop_message_costs_no_more_than_its_length():
    pair = Pair()
    header = b"\x01\x02\x00\x00"
    for piece in (header[n : n + 1] for n in range(4)):
        pair.server.receive(record(HANDSHAKE, piece))
        pair.server.advance()
    for _ in range(8):
        pair.server.receive(record(HANDSHAKE, bytes(16000)))
        pair.server.advance()
    assert len(pair.server.inbound.hs) == 4 + 8 * 16000
    assert len(pair.server.inbound.buf) <= 1 << 16


@given(st.lists(st.tuples(st.sampled_from(("room", "receive")), st.binary(min_size=1, max_size=50)), max_size=20))
def test_the_buffer_keeps_the_order(pieces):
    inbound = Inbound(server_side=True)
    for how, data in pieces:
        if how == "room":
            inbound.room(len(data) + 3)[: len(data)] = data
            inbound.commit(len(data))
        else:
            inbound.receive(data)
    assert inbound.leftover() == b"".join(data for _, data in pieces)
    assert inbound.leftover() == b""


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=400), st.integers(0, 500)), max_size=20))
def test_the_queue_keeps_the_order(pieces):
    """What the transport has not taken waits, and is the same as before."""
    outbound = Outbound(TLS12)
    expected, taken = b"", b""
    for data, count in pieces:
        outbound.put(HANDSHAKE, data)
        expected += record(HANDSHAKE, data)
        ready = bytes(outbound.unsent())
        count = min(count, len(ready))
        taken += ready[:count]
        outbound.sent(count)
    assert taken + outbound.take() == expected
    assert not outbound.unsent()


def test_data_waits_for_keys():
    with pytest.raises(Abort):
        Outbound(TLS12).put_data(memoryview(b"x"))
    assert isinstance(Outbound(TLS12).sealer, NullSealer)


# Every suite


def kinds_for(row: suites.Suite) -> str:
    return {"RSA": "RSA", "ECDSA": "EC"}.get(row.auth, "EC")


@pytest.mark.parametrize("version", [TLS12, TLS11, TLS10], ids=["1.2", "1.1", "1.0"])
def test_data_under_every_older_suite(version):
    """Sizes around the limits, both ways; a touched record is refused."""
    psk = (b"who", b"a key")
    config = {"versions": (version,), "security_level": 0}
    ran = 0
    for row in OLDER:
        if row.since > version:
            continue
        client = client_config(
            suites=(row,), store=store("EC", "RSA"), psk_client=True, verify_mode=0, check_hostname=False, **config
        )
        server = server_config(
            suites=(row,), credentials=(identity(kinds_for(row)),), psk_server=True, dh=ffdhe(), **config
        )
        pair = Pair(client, server, answers=answers(psk)).handshake().echo()
        assert pair.client.suite is row
        for size in (1, MAX_PLAINTEXT, MAX_PLAINTEXT + 1):
            assert pair.send(pair.server, bytes(size)) == bytes(size)
        assert pair.client.finished_sent == pair.server.finished_received
        raw = bytearray(from_client(pair, APPLICATION_DATA, b"touched"))
        raw[-1] ^= 1
        assert refused(pair, bytes(raw)) is faults.DECRYPTION_FAILED
        ran += 1
    assert ran > 20


def answers(psk: tuple[bytes, bytes]) -> dict[type, Any]:
    from puretls._engine.requests import PskClientRequest, PskServerRequest

    def key(_: object, request: PskServerRequest) -> bytes | None:
        return psk[1] if request.identity == psk[0] else None

    return {PskClientRequest: psk, PskServerRequest: key}


# Early data, which we never accept but have to skip (RFC 8446 4.2.10)


def early(garbage: list[bytes], *, retry: bool = False) -> Pair:
    """A client that sends early data under keys that the server does not have."""
    groups = {"groups": (SECP256R1,)} if retry else {}
    pair = Pair(client_config(), server_config(**groups))
    told = []

    def offer(raw: bytes) -> Any:
        told.append(raw)
        return raw if len(told) > 1 else hello({EARLY_DATA: b""})(raw)

    pair.client.lies["ClientHello"] = offer
    pair.client.advance()
    pair.server.receive(pair.client.take())
    for content in garbage:
        pair.server.receive(record(APPLICATION_DATA, content))
    pair.advance(pair.server)
    return pair


@pytest.mark.parametrize("retry", [False, True], ids=["", "retry"])
def test_early_data_is_skipped(retry):
    for garbage in ([], [bytes(17)], [bytes(100), bytes(16384 + 17)], [bytes(40)] * 300):
        early(garbage, retry=retry).handshake().echo()


@pytest.mark.parametrize("retry", [False, True], ids=["", "retry"])
def test_early_data_is_skipped_up_to_a_limit(retry):
    with pytest.raises(Abort) as caught:
        early([bytes(16384)] * 5, retry=retry)
    assert caught.value.fault is faults.TOO_MUCH_EARLY_DATA


def test_early_data_ends_where_the_keys_fit():
    """After one good record nothing is skipped any more."""
    pair = early([bytes(40)])
    pair.client.wire["Finished"] = lambda raw: [(HANDSHAKE, raw[:9])]
    pair.run()
    pair.server.receive(record(APPLICATION_DATA, bytes(40)))
    with pytest.raises(Abort) as caught:
        pair.server.advance()
    assert caught.value.fault is faults.DECRYPTION_FAILED


def test_without_an_offer_nothing_is_early_data():
    pair = Pair()
    pair.client.advance()
    pair.server.receive(pair.client.take() + record(APPLICATION_DATA, bytes(40)))
    with pytest.raises(Abort) as caught:
        pair.advance(pair.server)
    assert caught.value.fault is faults.DECRYPTION_FAILED


def test_early_data_is_refused_by_tls12():
    pair = Pair(client_config(versions=(TLS12,)))
    pair.client.wire["ClientHello"] = hello({EARLY_DATA: b""})
    pair.client.advance()
    pair.server.receive(pair.client.take() + record(APPLICATION_DATA, bytes(40)))
    with pytest.raises(Abort) as caught:
        pair.advance(pair.server)
    assert caught.value.fault is faults.UNEXPECTED_RECORD


# Messages longer than a record


@BOTH
def test_certificates_longer_than_a_record(version):
    known = identity()
    big = Credential(known.ders * 120, known.key, known.public_key, known.kind)
    pair = Pair(
        client_config(versions=(version,), credentials=(big,)),
        server_config(credentials=(big,), verify_mode=2, store=store()),
    )
    pair.handshake().echo()
    assert len(big.message12) > 2 * MAX_PLAINTEXT
    assert len(pair.client.peer.chain) == len(pair.server.peer.chain) == 120


@BOTH
def test_a_hello_longer_than_a_record(version):
    names = tuple(b"%060d" % n for n in range(400))
    pair = Pair(client_config(versions=(version,), alpn=names), server_config(alpn=names[-1:]))
    assert pair.handshake().echo().client.alpn == names[-1]
    retried = Pair(client_config(alpn=names), server_config(groups=(SECP256R1,), alpn=names[-1:], retry_cookie=True))
    assert retried.handshake().echo().client.alpn == names[-1]


@BOTH
def test_certificates_without_end(version):
    known = identity()
    endless = Credential(known.ders * 400, known.key, known.public_key, known.kind)
    pair = Pair(client_config(versions=(version,)), server_config(credentials=(endless,)))
    assert pair.refusal().fault is faults.EXCESSIVE_MESSAGE_SIZE
    assert faults.EXCESSIVE_MESSAGE_SIZE.alert == 47
