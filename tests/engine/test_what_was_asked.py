"""Servers answer only what was asked (RFC 8446 4.2, RFC 5246 7.4.1.4): every subset of what a client may offer."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from puretls._base import registry
from puretls._base.events import MessageEvent
from puretls._base.registry import (
    ALPN,
    CERTIFICATE,
    CHANGE_CIPHER_SPEC,
    EC_POINT_FORMATS,
    ENCRYPT_THEN_MAC,
    ENCRYPTED_EXTENSIONS,
    EXTENDED_MASTER_SECRET,
    HANDSHAKE,
    NEW_SESSION_TICKET,
    POST_HANDSHAKE_AUTH,
    PSK_KEY_EXCHANGE_MODES,
    RECORD_SIZE_LIMIT,
    RENEGOTIATION_INFO,
    SERVER_HELLO,
    SERVER_NAME,
    SESSION_TICKET,
    STATUS_REQUEST,
    TLS12,
    TLS13,
)
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, Config, Credential
from puretls._wire import messages
from puretls._wire.hello import ServerHello
from support.crooked import hello_of, in_record, offers
from support.pair import (
    NOW,
    OLDER,
    Pair,
    Side,
    client_config,
    hello,
    identity,
    server_config,
    split_records,
    store,
)

CBC = tuple(one for one in OLDER if one.openssl == "ECDHE-ECDSA-AES128-SHA256")
REQUESTS = {  # what a client may offer, and need not
    SERVER_NAME: b"\x00\x0c\x00\x00\x09localhost",
    STATUS_REQUEST: b"\x01\x00\x00\x00\x00",
    EC_POINT_FORMATS: b"\x01\x00",
    ALPN: b"\x00\x03\x02h2",
    ENCRYPT_THEN_MAC: b"",
    EXTENDED_MASTER_SECRET: b"",
    RECORD_SIZE_LIMIT: b"\x40\x00",
    SESSION_TICKET: b"",
    RENEGOTIATION_INFO: b"\x00",
    POST_HANDSHAKE_AUTH: b"",
    PSK_KEY_EXCHANGE_MODES: b"\x01\x01",
}
ALL = [frozenset(some) for size in range(len(REQUESTS) + 1) for some in combinations(REQUESTS, size)]


def generous(**changes: Any) -> Config:
    """A server with an answer to everything."""
    known = identity()
    stapled = Credential(known.ders, known.key, known.public_key, known.kind, ocsp=b"a response")
    return server_config(
        **{"credentials": (stapled,), "suites": CBC, "alpn": (b"h2",), "choose_context": True, "verify_mode": 1}
        | {"store": store(), **changes}
    )


def answered(config: Config, version: int, asked: frozenset[int]) -> dict[str, frozenset[int]]:
    """The extensions of the messages that answer a hello with these requests."""
    found: dict[str, frozenset[int]] = {}

    def read(raw: bytes) -> None:
        if raw[0] == SERVER_HELLO:
            found["ServerHello"] = frozenset(ServerHello.parse(raw).extensions)
        elif raw[0] == ENCRYPTED_EXTENSIONS:
            found["EncryptedExtensions"] = frozenset(messages.EncryptedExtensions.parse(raw).extensions)
        elif raw[0] == CERTIFICATE and version == TLS13:
            entries = messages.Certificate.parse(raw).entries
            found["Certificate"] = frozenset().union(*(entry.extensions for entry in entries))

    server = Side(replace(config, watch=True), server_side=True, clock=lambda: NOW)
    offered = offers(version, **{f"x{kind}": REQUESTS[kind] for kind in asked})
    suites = (0x1301,) if version == TLS13 else (0xC023, 0xC024)
    server.receive(in_record(hello_of(offered, suites=suites, session_id=bytes(32))))
    Pair.advance(Pair(), server)
    for event in server.events:
        if isinstance(event, MessageEvent) and event.sent and event.content_type == HANDSHAKE:
            read(event.data)
    assert found
    allowed = offered.keys()
    for name, kinds in found.items():
        assert kinds <= allowed, f"{name}: {sorted(kinds - allowed)} was not asked for, only {sorted(allowed)}"
    return found


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_servers_answer_only_what_was_asked(version):
    for asked in ALL:
        answered(generous(), version, asked)


def test_servers_answer_only_what_was_asked_when_they_resume():
    """TLS 1.2; extended_master_secret stays, without which there is no resumption (RFC 7627 5.3)."""
    client = client_config(versions=(TLS12,), suites=CBC, alpn=(b"h2",), request_ocsp=True)
    session = Pair(client, generous(verify_mode=0)).handshake().client.session
    server = generous(verify_mode=0)
    droppable = [kind for kind in REQUESTS if kind not in {EXTENDED_MASTER_SECRET, SERVER_NAME, SESSION_TICKET}]
    for size in range(len(droppable) + 1):
        for dropped in combinations(droppable, size):
            first = Pair(client, server).handshake()
            pair = Pair(client, server, session=first.client.session)
            sent: list[frozenset[int]] = []
            pair.server.lies["ServerHello"] = lambda raw, sent=sent: (
                sent.append(frozenset(ServerHello.parse(raw).extensions)) or raw
            )
            bare = hello(dict.fromkeys(dropped))
            pair.client.lies["ClientHello"] = bare
            pair.run()
            assert pair.server.session_reused
            assert not sent[0] & (set(dropped) - {RENEGOTIATION_INFO}), dropped  # the SCSV asks for it, too
    assert session


def test_servers_answer_what_was_asked():
    """Without which the test above could not fail."""
    found = answered(generous(), TLS12, frozenset(REQUESTS))
    assert found["ServerHello"] == REQUESTS.keys() - {POST_HANDSHAKE_AUTH, PSK_KEY_EXCHANGE_MODES}
    found = answered(generous(), TLS13, frozenset(REQUESTS))
    assert found["EncryptedExtensions"] == {SERVER_NAME, ALPN, RECORD_SIZE_LIMIT}
    assert found["Certificate"] == {STATUS_REQUEST}
    assert found["ServerHello"] == {registry.KEY_SHARE, registry.SUPPORTED_VERSIONS}


def records_of(data: bytes) -> list[int]:
    return [one[0] for one in split_records(data)]


@pytest.mark.parametrize("retried", [False, True])
def test_a_server_without_middlebox_compatibility_sends_no_change_cipher_spec(retried):
    """OP_ENABLE_MIDDLEBOX_COMPAT cleared; a client's is dropped all the same (RFC 8446 5, D.4)."""
    from puretls._crypto.groups import SECP256R1

    for options, expected in ((Config().options, True), (Config().options & ~OP_ENABLE_MIDDLEBOX_COMPAT, False)):
        pair = Pair(server=server_config(options=options, **({"groups": (SECP256R1,)} if retried else {})))
        sent = bytearray()
        take = pair.server.take
        pair.client.advance()
        pair.server.receive(pair.client.take())
        pair.advance(pair.server)
        sent += (data := take())
        pair.client.receive(data)
        pair.handshake().echo()
        assert (CHANGE_CIPHER_SPEC in records_of(bytes(sent))) == expected


@pytest.mark.parametrize("modes", [None, b"\x01\x00", b"\x02\x00\x4a"])
def test_no_tickets_for_clients_that_cannot_use_them(modes):
    """RFC 8446 4.2.9: the modes of a ticket are those that the client has named; ours is psk_dhe_ke."""
    pair = Pair()
    pair.client.lies["ClientHello"] = hello({PSK_KEY_EXCHANGE_MODES: modes})
    tickets = []
    pair.server.lies["NewSessionTicket"] = lambda raw: tickets.append(raw) or raw
    pair.handshake().echo()
    assert not tickets
    pair = Pair()
    pair.client.lies["ClientHello"] = hello({PSK_KEY_EXCHANGE_MODES: b"\x02\x00\x01"})
    pair.server.lies["NewSessionTicket"] = lambda raw: tickets.append(raw) or raw
    pair.handshake().echo()
    assert tickets
    assert tickets[0][0] == NEW_SESSION_TICKET
