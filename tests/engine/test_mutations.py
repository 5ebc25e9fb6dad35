"""Whole handshakes with something wrong in them: never a success, never an exception of another kind, never a hang.

Each message that both sides hash is changed at random: then no two sides end up with the same transcript, and whoever
is to check a Finished refuses it.  Random bytes and random records find no way in either.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._base.faults import Abort
from puretls._base.registry import ALERT, APPLICATION_DATA, FATAL, HANDSHAKE, TLS12, TLS13
from puretls._crypto.groups import SECP256R1
from puretls._engine.config import OP_NO_TICKET, Config
from puretls._engine.connection import Connection
from puretls._engine.policy import CERT_REQUIRED
from support.pair import (
    CLIENT,
    SERVER,
    Pair,
    client_config,
    identity,
    message,
    name_of,
    record,
    sealed,
    server_config,
    split_records,
    store,
    suite,
)


def plain(version: int, **more: Any) -> Pair:
    return Pair(client_config(versions=(version,)), server_config(**more))


def mutual(version: int) -> Pair:
    return Pair(
        client_config(versions=(version,), credentials=(identity(),)),
        server_config(verify_mode=CERT_REQUIRED, store=store()),
    )


def resumed(version: int, options: int = Config().options) -> Pair:
    first = plain(version, options=options).handshake()
    return Pair(first.client.config, first.server.config, session=first.client.session)


def rsa() -> Pair:
    row = suite("AES128-SHA256")
    return Pair(
        client_config(versions=(TLS12,), suites=(row,), store=store("RSA")),
        server_config(suites=(row,), credentials=(identity("RSA"),)),
    )


HANDSHAKES: dict[str, Callable[[], Pair]] = {
    "1.3": lambda: plain(TLS13),
    "1.3 retry": lambda: plain(TLS13, groups=(SECP256R1,), retry_cookie=True),
    "1.3 mutual": lambda: mutual(TLS13),
    "1.3 resumed": lambda: resumed(TLS13),
    "1.2": lambda: plain(TLS12),
    "1.2 mutual": lambda: mutual(TLS12),
    "1.2 ticket": lambda: resumed(TLS12),
    "1.2 id": lambda: resumed(TLS12, Config().options | OP_NO_TICKET),
    "1.2 RSA": rsa,
}
EACH = pytest.mark.parametrize("name", HANDSHAKES)


@cache
def said(name: str) -> list[tuple[str, str]]:
    """The messages of such a handshake that a Finished covers, or that are one: whose, and which."""
    pair = HANDSHAKES[name]()
    found: list[tuple[str, str]] = []
    for side in (pair.client, pair.server):

        def note(raw: bytes, by: str = side.name) -> bytes:
            found.append((by, name_of(raw)))
            return raw

        for kind in NAMES:
            side.lies[kind] = note
    pair.handshake()
    return sorted(set(found), key=found.index)


NAMES = (
    "ClientHello",
    "HelloRetryRequest",
    "ServerHello",
    "EncryptedExtensions",
    "CertificateRequest",
    "Certificate",
    "CertificateVerify",
    "Finished",
    "ServerKeyExchange",
    "ServerHelloDone",
    "ClientKeyExchange",
)


def fails(pair: Pair) -> None:
    """Nobody but who has nothing more to wait for is done, and who fails tells why."""
    aborted = None
    try:
        pair.run()
    except Abort as abort:
        aborted = abort
    failed = [side for side in (pair.client, pair.server) if side.failure]
    assert len(failed) == (aborted is not None)
    assert not (pair.client.established and pair.server.established and not failed)
    for side in failed:
        assert side.failure
        alert = side.failure[0].alert
        if alert is not None:
            assert side.control[-1] == (ALERT, bytes((FATAL, alert)))
        assert not side.inbound.plain
    # whoever is told ends, too, with an Abort or still waiting
    for side in failed:
        other = pair.other(side)
        told = side.take()
        if told and not other.failure:
            try:
                pair.deliver(other, told)
            except Abort:
                assert other.failure


@EACH
@settings(max_examples=60)
@given(st.data())
def test_no_message_is_changed_unnoticed(name, data):
    by, which = data.draw(st.sampled_from(said(name)))
    where, turned = data.draw(st.integers(0, 1 << 16)), data.draw(st.integers(1, 255))

    def edit(raw: bytes) -> Any:
        at = where % len(raw)
        return HANDSHAKE, raw[:at] + bytes((raw[at] ^ turned,)) + raw[at + 1 :]

    pair = HANDSHAKES[name]()
    getattr(pair, by).wire[which] = edit
    fails(pair)


@EACH
@settings(max_examples=40)
@given(st.data())
def test_no_message_is_cut_or_grown_unnoticed(name, data):
    """Its length says what there is; or says more, and the rest never comes; or less, and the rest is a message."""
    by, which = data.draw(st.sampled_from(said(name)))
    hows = ["cut", "grown", "longer", "shorter", "gone", "twice", "header"]
    how, n = data.draw(st.sampled_from(hows)), data.draw(st.integers(0, 1 << 16))

    def edit(raw: bytes) -> list[Any]:
        kind, content = raw[0], raw[4:]
        less = 1 + n % max(1, len(content))
        if how == "gone" or (how in {"cut", "shorter"} and not content):
            return []
        if how == "cut":
            return [message(kind, content[:-less])]
        if how == "grown":
            return [message(kind, content + bytes(less))]
        if how == "header":
            return [(HANDSHAKE, raw[:3])]
        size = len(content) + {"longer": less, "shorter": -less, "twice": 0}[how]
        altered = (HANDSHAKE, raw[:1] + size.to_bytes(3, "big") + content)
        return [raw, raw] if how == "twice" else [altered]

    pair = HANDSHAKES[name]()
    side = getattr(pair, by)
    side.wire[which] = edit
    side.outbound.each = True
    if how == "twice" and which == "Finished":  # noticed, but by who is done already
        with pytest.raises(Abort):
            pair.run()
    else:
        fails(pair)


@EACH
@settings(max_examples=30)
@given(st.data())
def test_messages_change_places(name, data):
    """Two messages of one flight trade places."""
    flights = [[which for by, which in said(name) if by == side] for side in (CLIENT, SERVER)]
    by = data.draw(st.integers(0, 1))
    flight = [which for which in flights[by] if which not in {"ClientHello", "HelloRetryRequest"}]
    if len(flight) < 2:
        return
    first, second = sorted(data.draw(st.lists(st.integers(0, len(flight) - 1), min_size=2, max_size=2, unique=True)))
    one, two = flight[first], flight[second]
    pair = HANDSHAKES[name]()
    side = (pair.client, pair.server)[by]
    held: list[bytes] = []
    side.wire[one] = lambda raw: held.append(raw) or []
    side.wire[two] = lambda raw: [raw, *held]
    fails(pair)


@EACH
@settings(max_examples=30)
@given(st.data())
def test_other_records_in_between(name, data):
    """Application data, handshake noise, alerts: nothing of it is taken for more than it is."""
    by, which = data.draw(st.sampled_from(said(name)))
    noise = data.draw(st.binary(min_size=1, max_size=30))
    kind = data.draw(st.sampled_from((APPLICATION_DATA, HANDSHAKE)))
    if kind == HANDSHAKE:
        noise = message(noise[0], noise[1:])
    pair = HANDSHAKES[name]()
    getattr(pair, by).wire[which] = lambda raw: [(kind, noise), raw]
    fails(pair)


@EACH
@settings(max_examples=25)
@given(st.data())
def test_no_byte_on_the_wire_is_changed_unnoticed(name, data):
    """Somebody in the middle without keys."""
    at, turned = data.draw(st.integers(0, 3000)), data.draw(st.integers(1, 255))
    pair = HANDSHAKES[name]()
    passed, changed, ignorable = 0, False, False

    def carry() -> None:
        nonlocal passed, changed, ignorable
        for side in (pair.client, pair.server):
            pair.advance(side)
        for sender in (pair.client, pair.server) * 6:
            for piece in split_records(sender.take()):
                if passed <= at < passed + len(piece):
                    changed, ignorable = True, at - passed in {1, 2}  # legacy_record_version (RFC 8446 5.1)
                    piece = bytearray(piece)
                    piece[at - passed] ^= turned
                passed += len(piece)
                pair.deliver(pair.other(sender), bytes(piece))

    try:
        carry()
    except Abort:
        assert changed
    else:
        done = pair.client.established and pair.server.established
        waiting = any(side.inbound.start != side.inbound.end for side in (pair.client, pair.server))
        assert done != changed or ignorable or waiting  # for the rest of a ticket that grew


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_noise_for_either_side(pieces, server_side):
    pair = Pair()
    side = pair.server if server_side else pair.client
    side.advance()
    side.take()
    with suppress(Abort):
        for piece in pieces:
            side.receive(piece)
            side.advance()
    assert not side.established
    assert not side.inbound.plain


@given(st.lists(st.tuples(st.sampled_from((20, 21, 22, 23)), st.binary(max_size=60)), max_size=6), st.booleans())
def test_records_of_noise(records, server_side):
    pair = Pair()
    side = pair.server if server_side else pair.client
    side.advance()
    with suppress(Abort):
        for kind, content in records:
            side.receive(record(kind, content))
            side.advance()
    assert not side.established
    assert not side.inbound.plain


@pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])
@given(st.lists(st.tuples(st.sampled_from((20, 21, 22, 23)), st.binary(max_size=60)), max_size=6))
def test_records_of_noise_by_the_peer_itself(version, records):
    """It has the keys, and may say what it likes: data comes out, or an Abort."""
    pair = plain(version).handshake()
    expected = b""
    try:
        for kind, content in records:
            pair.server.receive(sealed(pair.server, pair.client, kind, content))
            expected += content if kind == APPLICATION_DATA and not pair.server.close_received else b""
            got = read_all(pair.server)
            assert expected.startswith(got)
            expected = expected[len(got) :]
    except Abort:
        assert pair.server.failure


def read_all(side: Connection) -> bytes:
    found, scratch = b"", memoryview(bytearray(1000))
    while size := side.read_into(scratch):
        found += scratch[:size]
    return found


@pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])
def test_every_prefix_of_a_handshake_waits(version):
    """A peer that falls silent: no success, no failure, and no more memory than what came."""
    pair = plain(version)
    pair.client.advance()
    offer = pair.client.take()
    pair.server.receive(offer)
    pair.server.advance()
    for by, whole in (("server", offer), ("client", pair.server.take())):
        for size in range(0, len(whole), 11):
            side = plain(version).server
            if by == "client":
                side = Pair(pair.client.config, pair.server.config).client
                side.advance()
                side.take()
            side.receive(whole[:size] if by == "server" else whole[: min(size, 40)])
            side.advance()
            assert not side.established
            assert not side.failure
