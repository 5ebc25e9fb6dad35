"""TLS 1.0 to 1.2: orders of messages, resumption, renegotiation, the oldest versions (RFC 5246 7.3, RFC 5077, 5746)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import (
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HELLO_REQUEST,
    NEW_SESSION_TICKET,
    RENEGOTIATION_INFO,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from puretls._engine.config import (
    OP_NO_RENEGOTIATION,
    OP_NO_TICKET,
)
from puretls._wire.codec import vec8, vec16
from puretls._wire.hello import ClientHello
from support.joined12 import BASE, ask, renegotiating, twelve, using
from support.pair import (
    CLIENT,
    OLDER,
    SERVER,
    Pair,
    body,
    client_config,
    drop,
    hello,
    identity,
    instead,
    message,
    server_config,
    store,
    twice,
)

# The order of messages


def mutual() -> Pair:
    return twelve({"credentials": (identity(),)}, {"verify_mode": 2, "store": store()})


SERVER_FLIGHT = ["ServerHello", "Certificate", "ServerKeyExchange", "NewSessionTicket"]
CLIENT_FLIGHT = ["Certificate", "ClientKeyExchange", "CertificateVerify"]


@pytest.mark.parametrize("name", SERVER_FLIGHT)
@pytest.mark.parametrize("edit", [drop, twice], ids=["missing", "twice"])
def test_a_servers_message(name, edit):
    pair = mutual()
    pair.server.wire[name] = edit
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, 10)


@pytest.mark.parametrize("edit", [drop, twice], ids=["missing", "twice"])
def test_hello_done(edit):
    pair = mutual()
    pair.server.wire["ServerHelloDone"] = edit
    if edit is drop:
        pair.run()
        assert not pair.client.established
    else:
        assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)
    pair = mutual()
    pair.server.wire["CertificateRequest"] = twice
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


@pytest.mark.parametrize("name", CLIENT_FLIGHT)
@pytest.mark.parametrize("edit", [drop, twice], ids=["missing", "twice"])
def test_a_clients_message(name, edit):
    """State skipping: no ChangeCipherSpec before a key exchange, no Certificate without its proof."""
    pair = mutual()
    pair.client.wire[name] = edit
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (SERVER, 10)
    assert not pair.server.established


@pytest.mark.parametrize("by", ["client", "server"])
def test_change_cipher_spec_and_finished(by):
    other = {"client": SERVER, "server": CLIENT}[by]
    for name, edit, alerts in (
        ("ChangeCipherSpec", drop, {10, 47, 50}),  # ciphertext is read as messages; a nonce of zeros is a HelloRequest
        ("ChangeCipherSpec", twice, {10, 20}),
        ("ChangeCipherSpec", lambda _: [b"\x01\x01"], {47, 10}),
        ("Finished", twice, {10}),
        ("Finished", body(lambda raw: raw[:-1]), {50}),
        ("Finished", body(lambda raw: raw + b"\x00"), {50}),
        ("Finished", body(lambda _: b""), {50}),
        ("Finished", body(lambda _: bytes(12)), {51}),
        ("Finished", body(lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,))), {51}),
        ("Finished", lambda raw: [(APPLICATION_DATA, b"early"), raw], {10}),
        *([("Finished", lambda raw: [message(HELLO_REQUEST, b""), raw], {10})] if by == "client" else []),
    ):
        pair = twelve()
        getattr(pair, by).wire[name] = edit
        refused = pair.refusal()
        assert refused.by == other
        assert refused.fault.alert in alerts, (name, refused)
        assert not getattr(pair, other).established or name == "Finished"


def test_change_cipher_spec_comes_late_enough():
    """CVE-2014-0224: with no keys agreed on, there is nothing to change to."""
    for after in ("ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone"):
        pair = twelve()
        pair.server.outbound.each = True
        pair.server.wire[after] = lambda raw: [raw, (20, b"\x01")]
        refused = pair.refusal()
        assert (refused.by, refused.fault.alert) == (CLIENT, 10)
    for before in ("ClientKeyExchange",):
        pair = twelve()
        pair.client.wire[before] = lambda raw: [(20, b"\x01"), raw]
        assert pair.refusal() == (SERVER, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


def test_a_ticket_that_was_promised_comes_and_no_other():
    pair = twelve(server={"options": BASE | OP_NO_TICKET})
    pair.server.wire["ChangeCipherSpec"] = lambda raw: [
        (HANDSHAKE, message(NEW_SESSION_TICKET, bytes(4) + vec16(b"ticket"))),
        raw,
    ]
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)
    pair = twelve()  # an empty one: the server changed its mind (RFC 5077 3.3)
    pair.server.lies["NewSessionTicket"] = instead(message(NEW_SESSION_TICKET, bytes(4) + vec16(b"")))
    pair.handshake().echo()
    assert not pair.client.session.ticket


# Resumption


def resumed(**more: Any) -> Pair:
    first = twelve(**more).handshake()
    return Pair(first.client.config, first.server.config, session=first.client.session)


def test_resumption():
    for options in (BASE, BASE | OP_NO_TICKET):
        pair = resumed(server={"options": options}).handshake().echo()
        assert pair.client.session_reused
        assert pair.server.session_reused
        assert pair.client.peer.certificate.der == identity().ders[0]


def test_a_resumed_finished_is_checked_too():
    for by in ("client", "server"):
        pair = resumed()
        getattr(pair, by).wire["Finished"] = body(lambda _: bytes(12))
        assert pair.refusal().fault is faults.DIGEST_CHECK_FAILED
        pair = resumed()
        getattr(pair, by).wire["ChangeCipherSpec"] = drop
        with suppress(Abort):  # what was sealed is read in the clear: by chance it may look like half a message
            pair.run()
        misled = pair.server if by == "client" else pair.client
        assert not misled.established
        assert misled.failure is None or misled.failure[0].alert in {10, 47, 50}


def test_an_echo_for_middleboxes_is_no_session():
    """RFC 8446 D.4: TLS 1.2 servers do not know the session id of a TLS 1.3 offer; the handshake is a full one."""
    config = {"versions": (TLS13, TLS12)}, {"versions": (TLS12,), "options": BASE | OP_NO_TICKET}
    pair = twelve(*config)
    pair.client.advance()
    pair.server.lies["ServerHello"] = hello(session_id=pair.client.state.offer.session_id)
    pair.handshake().echo()
    assert not pair.client.session_reused
    pair = twelve(*config)  # and a server that goes on as if it were resumed is out of order
    pair.client.advance()
    pair.server.lies["ServerHello"] = hello(session_id=pair.client.state.offer.session_id)
    pair.server.wire["Certificate"] = lambda _: [(CHANGE_CIPHER_SPEC, b"\x01")]
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


def test_a_failed_connection_is_not_resumed():
    """RFC 5246 7.2.2."""
    first = twelve(server={"options": BASE | OP_NO_TICKET}).handshake()
    first.server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(faults.Abort):
        first.server.read_into(memoryview(bytearray(99)))
    pair = Pair(first.client.config, first.server.config, session=first.client.session).handshake().echo()
    assert not pair.client.session_reused


# Renegotiation, which a server may ask for


def test_a_renegotiation_that_is_forbidden():
    """RFC 5246 7.2.2: who wanted it says whether the connection goes on; here it does not, as with `ssl`."""
    pair = twelve({"options": BASE | OP_NO_RENEGOTIATION}).handshake()
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    assert pair.client.established
    assert pair.refusal() == ("server", faults.NO_RENEGOTIATION)


def test_the_answer_to_hello_request_proves_the_first_handshake():
    """RFC 5746 3.5; a server of ours then declines."""
    pair = twelve().handshake()
    seen = []

    def keep(raw: bytes) -> bytes:
        seen.append(ClientHello.parse(raw))
        return raw

    pair.client.lies["ClientHello"] = keep
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    assert type(pair.client.state).__name__ == "ExpectServerHelloAgain"
    assert seen[0].extensions[RENEGOTIATION_INFO] == vec8(pair.client.finished_sent)
    assert pair.send(pair.server, b"before it has seen that") == b"before it has seen that"
    assert 0x00FF.to_bytes(2, "big") not in seen[0].cipher_suites


def test_data_waits_until_a_renegotiation_is_done():
    """Once the server has said ServerHello, nothing but the handshake comes from it until its Finished."""
    pair = twelve().handshake()
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    hello_record = pair.client.take()
    assert hello_record
    info = vec8(pair.client.finished_sent + pair.client.finished_received)
    extra = b"\xff\x01" + vec16(info) + b"\x00\x17\x00\x00"
    answer = message(2, b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2b\x00" + vec16(extra))
    pair.deliver(pair.client, pair.server.outbound.sealer.seal(HANDSHAKE, answer))
    assert type(pair.client.state).__name__ == "ExpectCertificate"
    pair.server.write(memoryview(b"now?"))
    pair.client.receive(pair.server.take())
    with pytest.raises(faults.Abort) as caught:
        pair.client.read_into(memoryview(bytearray(99)))
    assert caught.value.fault is faults.UNEXPECTED_RECORD


@pytest.mark.parametrize("info", [None, b"\x00", b"\x18" + bytes(24), b"\x01"])
def test_a_renegotiation_by_somebody_else(info):
    """CVE-2009-3555: the second handshake has to know the first."""
    pair = twelve().handshake()
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    extra = b"" if info is None else b"\xff\x01" + vec16(info)
    answer = message(2, b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2b\x00" + vec16(extra))
    with pytest.raises(faults.Abort) as caught:
        pair.deliver(pair.client, pair.server.outbound.sealer.seal(HANDSHAKE, answer))
    assert caught.value.fault.alert in {40, 50}


# TLS 1.0 and 1.1


@pytest.mark.parametrize("version", [TLS11, TLS10], ids=["1.1", "1.0"])
def test_older_versions(version):
    for name, key in (("ECDHE-ECDSA-AES128-SHA", "EC"), ("DHE-RSA-AES256-SHA", "RSA"), ("AES128-SHA", "RSA")):
        client = {"credentials": (identity(key),)}
        pair = using(name, key=key, version=version, client=client, server={"verify_mode": 2, "store": store(key)})
        pair.handshake().echo()
        assert pair.server.peer.certificate.der == identity(key).ders[0]
        for by, message_name, edit, alert in (
            ("server", "Certificate", drop, 10),
            ("client", "CertificateVerify", drop, 10),
            ("client", "CertificateVerify", body(lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,))), 51),
            ("client", "CertificateVerify", body(lambda raw: raw[:-1]), 50),
            ("client", "ClientKeyExchange", twice, 10),
            ("server", "Finished", body(lambda _: bytes(12)), 51),
            ("client", "Finished", body(lambda _: bytes(12)), 51),
        ):
            pair = using(name, key=key, version=version, client=client, server={"verify_mode": 2, "store": store(key)})
            getattr(pair, by).wire[message_name] = edit
            refused = pair.refusal()
            assert refused.fault.alert == alert
            assert refused.by != by


def test_suites_know_their_version():
    """A suite of TLS 1.2 in a ServerHello of TLS 1.1."""
    pair = Pair(
        client_config(versions=(TLS12, TLS11), suites=OLDER, security_level=0),
        server_config(versions=(TLS11,), suites=OLDER, security_level=0),
    )
    pair.server.wire["ServerHello"] = hello(cipher_suite=0xC02B)
    assert pair.refusal() == (CLIENT, faults.WRONG_CIPHER_RETURNED)


def test_a_whole_renegotiation():
    for options in (BASE, BASE | OP_NO_TICKET):
        pair = renegotiating(server={"options": options})
        before = pair.client.master, pair.client.finished_sent
        pair.handshake().echo()
        assert before != (pair.client.master, pair.client.finished_sent)
        assert pair.client.finished_sent == pair.server.finished_received
        assert pair.client.peer


@pytest.mark.parametrize("where", ["ServerHello", "ServerHelloDone", "NewSessionTicket", "Finished"])
def test_no_data_inside_a_renegotiation(where):
    """Least of all under new keys that no Finished has confirmed."""
    pair = renegotiating()
    data = (APPLICATION_DATA, b"x")
    pair.server.wire[where] = lambda raw: [data, raw] if where == "Finished" else [raw, data]

    def run() -> None:
        for _ in pair.steps():
            assert not pair.client.inbound.plain
            assert not pair.client.read_into(memoryview(bytearray(9)))

    with pytest.raises(faults.Abort) as caught:
        run()
    assert caught.value.fault is faults.UNEXPECTED_RECORD


@pytest.mark.parametrize("name", ["Certificate", "ServerKeyExchange", "Finished"])
@pytest.mark.parametrize("edit", [drop, twice], ids=["missing", "twice"])
def test_a_renegotiation_is_a_handshake_like_any_other(name, edit):
    pair = renegotiating()
    pair.server.wire[name] = edit
    if (name, edit) == ("Finished", drop):
        pair.run()
        assert not pair.client.state.accepts_data
        return
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)
