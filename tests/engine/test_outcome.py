"""What a handshake has agreed on counts from its Finished on, whole; until then what was agreed on before does.

A renegotiation is where that shows: there is something before it (RFC 5246 7.4.1.1, RFC 5746 3.5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from puretls._base import faults
from puretls._base.registry import (
    ALPN,
    ENCRYPT_THEN_MAC,
    EXTENDED_MASTER_SECRET,
    RENEGOTIATION_INFO,
)
from puretls._crypto.groups import SECP256R1, SECP384R1, X25519
from puretls._engine.outcome import LATER, Outcome
from puretls._wire.hello import ClientHello
from support.joined12 import ask, renegotiating, twelve
from support.pair import (
    CLIENT,
    Pair,
    hello,
    identity,
    replace,
    store,
    suite,
)

WANTED = {"alpn": (b"h2",)}
FIRST, SECOND = suite("ECDHE-ECDSA-AES128-GCM-SHA256"), suite("ECDHE-ECDSA-CHACHA20-POLY1305")


def exported(side: Any) -> bytes:
    return bytes(side.export_keying_material(b"EXPORTER-test", 16))


def test_exporters_are_the_old_ones_until_finished():
    pair = twelve().handshake()
    before = exported(pair.client)
    assert before == exported(pair.server)
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    assert pair.client.take(), "the ClientHello of the renegotiation is on its way"
    assert exported(pair.client) == before


def seen_by(side: Any) -> dict[str, Any]:
    """What the API asks a connection for."""
    return {
        "suite": side.suite,
        "version": side.version,
        "group": side.group,
        "alpn": side.alpn,
        "ems": side.ems,
        "etm": side.etm,
        "peer": side.peer and side.peer.certificate.der,
        "scheme": side.peer_scheme,
        "session": side.session and side.session.ticket,
        "reused": side.session_reused,
        "finished": side.finished_sent + side.finished_received,
        "exporter": exported(side),
    }


def other_things_agreed_on() -> Pair:
    """A renegotiation whose every answer is another than before."""
    both = {"suites": (FIRST, SECOND), "groups": (X25519, SECP256R1, SECP384R1), **WANTED}
    pair = renegotiating(client={"store": store("EC", "P-384"), **both}, server={**both, "suites": (FIRST,)})
    pair.server.config = replace(
        pair.server.config, suites=(SECOND,), groups=(SECP384R1,), credentials=(identity("P-384"),), alpn=()
    )
    return pair


def test_nothing_is_seen_before_finished():
    pair = other_things_agreed_on()
    before = seen_by(pair.client)
    for side in pair.steps():
        if side is pair.client and pair.client.records.renegotiating:
            assert seen_by(pair.client) == before
    after = seen_by(pair.client)
    assert pair.client.suite is SECOND
    assert not {name for name in before if before[name] == after[name]} - {"version", "reused", "ems", "etm", "scheme"}
    pair.echo()


def test_a_renegotiation_inherits_nothing():
    pair = renegotiating(client=WANTED, server=WANTED)
    assert pair.client.alpn == b"h2"
    pair.server.config = replace(pair.server.config, alpn=())
    pair.handshake().echo()
    assert pair.client.alpn is pair.server.alpn is None


def test_alpn_is_not_offered_again():
    """It is the connection's application protocol, which goes on; `ssl` does not offer it either."""
    pair = twelve(WANTED, WANTED).handshake()
    seen = []

    def keep(raw: bytes) -> bytes:
        seen.append(ClientHello.parse(raw))
        return raw

    pair.client.lies["ClientHello"] = keep
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    assert ALPN not in seen[0].extensions


def without(extension: int) -> Callable[[Pair], None]:
    """The server's second handshake does not know of it, whatever the client offers."""

    def change(pair: Pair) -> None:
        pair.client.lies["ClientHello"] = hello({RENEGOTIATION_INFO: None, extension: None})

    return change


def test_extended_master_secret_stays_as_it_was():
    """RFC 7627 5.4 wants it everywhere or nowhere; else a renegotiation would be a way out of it."""
    pair = renegotiating()
    assert pair.client.ems
    without(EXTENDED_MASTER_SECRET)(pair)
    assert pair.refusal() == (CLIENT, faults.INCONSISTENT_EXTMS)


def test_extended_master_secret_is_no_addition_either():
    pair = renegotiating()
    pair.client.outcome.ems = False  # as if the server had not had it the first time
    assert pair.refusal() == (CLIENT, faults.INCONSISTENT_EXTMS)


def test_there_is_no_way_back_from_encrypt_then_mac():
    """RFC 7366 3.1."""
    cbc = {"suites": (suite("ECDHE-ECDSA-AES128-SHA256"),)}
    pair = renegotiating(client=cbc, server=cbc)
    assert pair.client.etm
    without(ENCRYPT_THEN_MAC)(pair)
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, 40)


def test_each_field_has_one_default():
    outcome, other = Outcome(), Outcome()
    for name in Outcome.__slots__:
        if name == "suite":
            assert not hasattr(outcome, name)
            continue
        default = getattr(outcome, name)
        hash(default) if name != "client_suites" else len(default)  # nothing that could be changed is shared
        assert default == getattr(other, name)
        setattr(outcome, name, name)
        assert getattr(outcome, name) == name
        assert getattr(other, name) == default
    assert LATER.keys() <= set(Outcome.__slots__)
