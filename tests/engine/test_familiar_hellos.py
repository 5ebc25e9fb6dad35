"""A server's answer does not depend on whether it has seen such a ClientHello before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from puretls._base.faults import Abort
from puretls._base.registry import (
    ALPN,
    KEY_SHARE,
    PADDING,
    SERVER_NAME,
    SESSION_TICKET,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    TLS12,
    TLS13,
)
from puretls._engine.config import Config
from puretls._engine.requests import AlpnRequest, ClientHelloRequest
from puretls._wire import familiar
from puretls._wire.codec import extension
from puretls._wire.hello import ClientHello, client_hello
from support.pair import SECP256R1, Pair, Side, client_config, hello, identity, server_config, suite

MEMORIES = (familiar.KINDS, familiar.LAYOUTS, familiar.MET)
Told = tuple[Any, ...]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    for memory in MEMORIES:
        memory.clear()
    yield
    for memory in MEMORIES:
        memory.clear()


def told(config: Config, raw: bytes) -> Told:
    """What a server makes of a ClientHello: what it sends, and what it has chosen."""
    record = b"\x16\x03\x01" + len(raw).to_bytes(2, "big") + raw
    server = Side(config, server_side=True, random=Random(7).randbytes, clock=lambda: 1.8e9)
    server.advance()
    failure = None
    try:
        server.receive(record)
        server.advance()
    except Abort as abort:
        failure = abort.fault, abort.detail
    draft, sent = server.draft, server.take()
    secret = draft.resumed and draft.resumed.secret
    found = [getattr(draft, name, None) for name in NAMES]
    return failure, sent if failure else b"", type(server.state).__name__, secret, *found


NAMES = (
    "version", "suite", "digest", "group", "alpn", "ems", "etm", "own_scheme", "own_credential", "peer_takes_tickets",
    "peer_offers_pha", "tickets", "secure_renegotiation", "server_name", "client_random", "client_suites",
    "policy_digest",
)  # fmt: skip


def first(client: Config, server: Config, *, resumed: bool = False) -> bytes:
    session = None
    if resumed:
        pair = Pair(client, server).handshake()
        pair.send(pair.server, b"with tickets")
        session = pair.client.handshake.session
    pair = Pair(client, session=session)
    pair.advance(pair.client)
    return pair.client.take()[5:]


CLIENTS: dict[str, Callable[[], Config]] = {
    "1.3": lambda: client_config(alpn=(b"h2", b"x"), ech_grease=True),
    "1.2": lambda: client_config(versions=(TLS12,), alpn=(b"h2", b"x")),
}
SERVERS: dict[str, Callable[[], Config]] = {
    "plain": lambda: server_config(alpn=(b"x", b"h2")),
    "asks": lambda: server_config(verify_mode=1, alpn=(b"h2",)),
    "two certificates": lambda: server_config(credentials=(identity("RSA"), identity())),
}


@pytest.mark.parametrize("resumed", [False, True], ids=["full", "resumed"])
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_answer_to_a_changed_hello_is_the_same(client: str, server: str, resumed: bool) -> None:
    theirs, ours = CLIENTS[client](), SERVERS[server]()
    raw = first(theirs, ours, resumed=resumed)
    for _ in range(4):  # met, learnt, found, its answers known
        usual = told(ours, raw)
    assert usual[0] is None
    assert (usual[3] is not None) == resumed
    assert familiar.find(raw) is not None
    assert ours.choices
    for at in range(0, len(raw), 1 if not resumed else 3):
        changed = raw[:at] + bytes((raw[at] ^ 0x11,)) + raw[at + 1 :]
        familiar_to_it = told(ours, changed)
        kept = [dict(familiar.KINDS), dict(familiar.LAYOUTS)]
        for memory in MEMORIES:
            memory.clear()
        assert told(ours, changed) == familiar_to_it, at
        familiar.KINDS.update(kept[0])
        familiar.LAYOUTS.update(kept[1])


EDITS = {
    "no version in common": hello({SUPPORTED_VERSIONS: b"\x02\x03\x09"}),
    "no share": hello({KEY_SHARE: b"\x00\x00"}),
    "groups without shares": hello({KEY_SHARE: None}),
    "shares without groups": hello({SUPPORTED_GROUPS: None}),
    "no suite in common": hello(cipher_suites=b"\x13\x05"),
    "a name of nothing": hello({SERVER_NAME: b"\x00\x03\x00\x00\x00"}),
    "protocols of nothing": hello({ALPN: b"\x00\x01\x00"}),
    "compression": hello(compression_methods=b"\x01\x00"),
    "a long session id": hello(session_id=bytes(33)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_refused_is_refused_each_time(edit: str) -> None:
    ours = server_config()
    raw = EDITS[edit](first(client_config(), ours))
    answers = [told(ours, raw) for _ in range(5)]
    assert answers == answers[:1] * 5


def test_the_layout_of_one_kind_does_not_find_another() -> None:
    """Parts of other lengths whose sum is the same: what one layout cuts out may be what another kind has in common."""
    ours = server_config()
    like = ClientHello.parse(first(client_config(), ours))
    others = [(n, body) for n, body in like.extensions.items() if n not in (SESSION_TICKET, PADDING)]
    between, behind = (0xFF10, b"between"), (0xFF20, b"behind")

    def made(ticket: int, padding: int) -> bytes:
        found = [*others, (SESSION_TICKET, bytes(ticket)), between, (PADDING, bytes(padding)), behind]
        block = b"".join(extension(number, body) for number, body in found)
        return client_hello(like.legacy_version, like.random, like.session_id, like.cipher_suites, block)

    short, long = made(0, 20), made(16, 4)
    at = short.index(extension(SESSION_TICKET, b"") + extension(*between)) + 4
    padding = short.index(extension(PADDING, bytes(20)))
    crossed = short[:at] + bytes.fromhex("ff30000c") + bytes(12) + short[at : padding + 8] + extension(*behind)
    assert len(crossed) == len(short) == len(long)
    refused = told(ours, crossed)
    assert refused[0] is not None  # padding overruns
    for turn in (short, long):
        for _ in range(4):
            assert told(ours, turn)[0] is None
    assert told(ours, crossed) == refused
    for turn in (short, long, short, long):  # they are found still, in turns
        told(ours, turn)
        assert familiar.find(turn) is not None


def test_another_configuration_chooses_anew() -> None:
    client = client_config()
    for _ in range(4):
        assert Pair(client, server_config()).handshake().server.group is not SECP256R1
    old, other = server_config(), server_config(groups=(SECP256R1,), suites13=(suite("TLS_AES_256_GCM_SHA384"),))
    for config in (old, other, old, other, old, other):
        pair = Pair(client, config).handshake()
        assert (pair.server.group is SECP256R1) == (config is other)
        assert pair.server.suite in config.suites13


def test_a_context_chosen_by_name_and_a_protocol_chosen_by_a_function() -> None:
    """What others decide is asked each time."""
    client = client_config(alpn=(b"h2", b"x"))
    chosen = {"one": server_config(alpn=(b"h2",)), "other": server_config(versions=(TLS13,), alpn=(b"x",))}
    asked = server_config(alpn_select=print)
    waiting, name, protocol = server_config(choose_context=True), "one", b"h2"
    for turn in range(10):
        name, protocol = ("one", b"h2") if turn % 2 else ("other", b"x")
        answers = {ClientHelloRequest: lambda _, __, name=name: chosen[name]}
        assert Pair(client, waiting, answers=answers).handshake().server.alpn == protocol
        answers = {AlpnRequest: lambda _, __, protocol=protocol: protocol}
        assert Pair(client, asked, answers=answers).handshake().server.alpn == protocol


def test_a_client_that_asks_for_less_is_heard() -> None:
    """RFC 8449, which changes the connection and not only its answer."""
    for limit in (None, 100, None, 100, 100, 100, 100, None, 200):
        client = client_config() if limit is None else client_config(record_size_limit=limit)
        for _ in range(4):
            pair = Pair(client, server_config()).handshake()
            pair.server.write(memoryview(bytes(1000)))
            sent = pair.server.take()
            assert (len(sent) > 1000 + 10 * 17) == (limit == 100) or limit == 200
