"""What a Connection offers besides handshakes: requests, events, exporters, stapled responses, and its own failures."""

from __future__ import annotations

from typing import Any

import pytest

from puretls._base import faults
from puretls._base.events import FailureEvent, MessageEvent, SecretEvent, SessionEvent
from puretls._base.faults import Abort
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CERTIFICATE,
    CERTIFICATE_STATUS,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    STATUS_REQUEST,
    TLS12,
    TLS13,
    USER_CANCELED,
    WARNING,
)
from puretls._crypto.kdf import SHA256
from puretls._engine.authenticate import check_finished13
from puretls._engine.client13 import ExpectEncryptedExtensions
from puretls._engine.config import Credential
from puretls._engine.requests import ClientHelloRequest
from puretls._wire.codec import vec24
from puretls._wire.messages import Finished
from support.pair import (
    AEAD12,
    CLIENT,
    HOST,
    SERVER,
    SUITES13,
    Pair,
    client_config,
    hello,
    identity,
    instead,
    message,
    record,
    server_config,
    store,
    suite,
)

BOTH = pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])

# Our own failures


def test_a_bug_of_ours_surfaces_and_the_peer_is_told(monkeypatch):
    """Not swallowed, not disguised; the connection is dead, and the peer reads internal_error."""

    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(ExpectEncryptedExtensions.expects, 8, (lambda raw: raw, bug, False))
    pair = Pair()
    with pytest.raises(Abort) as caught:
        pair.run()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert pair.client.failure == (faults.INTERNAL, f"ZeroDivisionError: raised in {__name__}")
    assert faults.INTERNAL.alert == 80
    with pytest.raises(Abort) as caught:
        pair.deliver(pair.server, pair.client.take())
    assert caught.value.fault == faults.received(80)


def test_a_bug_in_an_answer_surfaces():
    pair = Pair(server=server_config(choose_context=True), answers={ClientHelloRequest: "not a Config"})
    with pytest.raises(Abort) as caught:
        pair.run()
    assert isinstance(caught.value.__cause__, AttributeError)
    assert pair.server.failure == (faults.INTERNAL, "AttributeError: please report it")


@pytest.mark.parametrize("tells", [False, True])
@BOTH
def test_sessions_and_failures_are_events(version, tells):
    """The engine calls nobody: it lists what happens for whoever drives it, and only where that is wanted."""
    pair = Pair(client=client_config(versions=(version,)))
    pair.client.handshake.tells_sessions = tells
    pair.handshake()
    pair.echo()
    sessions = [event.session for event in pair.client.events if isinstance(event, SessionEvent)]
    assert bool(sessions) is tells
    assert all(session.ticket for session in sessions)
    pair.client.events.clear()
    pair.client.fail(faults.INTERNAL)
    assert pair.client.events == [FailureEvent()] * tells
    assert not pair.server.events


def test_a_failure_keeps_no_secrets():
    pair = Pair().handshake()
    pair.server.receive(record(APPLICATION_DATA, bytes(40)))
    with pytest.raises(Abort):
        pair.server.advance()
    assert pair.server.master is None
    assert not pair.server.read_secret
    assert not pair.server.transcript.messages()
    with pytest.raises(ValueError, match="handshake not done"):
        pair.server.export_keying_material(b"x", 8)


def test_a_handshake_keeps_no_keys_of_its_finished():
    pair = Pair().handshake()
    assert pair.client.version == TLS13
    assert pair.client.finished_keys == pair.server.finished_keys == (b"", b"")


def test_configurations_that_cannot_work():
    for changes, fault in (
        ({"versions": ()}, faults.NO_PROTOCOLS_AVAILABLE),
        ({"suites": (), "suites13": ()}, faults.NO_CIPHERS_AVAILABLE),
    ):
        pair = Pair(client_config(**changes))
        with pytest.raises(Abort) as caught:
            pair.client.advance()
        assert caught.value.fault is fault
        assert not pair.client.take()  # nobody has heard of us yet
    pair = Pair(server=server_config(versions=()))
    assert pair.refusal() == (SERVER, faults.NO_PROTOCOLS_SERVED)
    pair = Pair(client_config(versions=(TLS13,)), server_config(credentials=()))
    assert pair.refusal().fault.alert in {40, 70}


# Requests


def test_a_server_chooses_its_configuration_by_name():
    other = server_config(credentials=(identity("RSA"),), alpn=(b"other",))
    seen = []

    def choose(_: object, request: ClientHelloRequest) -> Any:
        seen.append((request.server_name, request.hello.random))
        return other

    for version in (TLS13, TLS12):
        pair = Pair(
            client_config(versions=(version,), store=store("RSA"), alpn=(b"other",)),
            server_config(choose_context=True),
            answers={ClientHelloRequest: choose},
        ).handshake()
        assert pair.client.peer.certificate.der == identity("RSA").ders[0]
        assert pair.client.alpn == b"other"
        assert seen[-1] == (HOST, pair.client.client_random)


# Exporters


@BOTH
def test_both_sides_export_the_same(version):
    pair = Pair(client_config(versions=(version,)))
    with pytest.raises(ValueError, match="handshake not done"):
        pair.client.export_keying_material(b"EXPORTER-test", 32)
    pair.handshake()
    made = set()
    for label in (b"EXPORTER-test", b"EXPORTER-other"):
        for context in (None, b"", b"context"):
            for length in (16, 32, 100):
                one = pair.client.export_keying_material(label, length, context)
                assert one == pair.server.export_keying_material(label, length, context)
                assert len(one) == length
                made.add(one)
    same = version == TLS13  # where no context and an empty one are one (RFC 8446 7.5); RFC 5705 4 keeps them apart
    assert len(made) == (12 if same else 18)
    assert pair.client.export_keying_material(b"x", 9) != Pair().handshake().client.export_keying_material(b"x", 9)


@BOTH
@pytest.mark.parametrize("wrong", [(b"l" * 250, 32), (b"x", -1), (b"x", 1 << 14), (b"x", 32, bytes(1 << 16))])
def test_what_no_exporter_has_room_for(version, wrong):
    """RFC 8446 7.1: a label of 249 bytes at the most; RFC 5705 4: a context of 65535; RFC 5869 2.3."""
    pair = Pair(client_config(versions=(version,))).handshake()
    with pytest.raises(ValueError, match="too long"):
        pair.client.export_keying_material(*wrong)
    for good in ((b"l" * 249, 32), (b"x", 0), (b"x", 255 * 32), (b"x", 32, bytes(65535))):
        assert pair.client.export_keying_material(*good) == pair.server.export_keying_material(*good)


# Data


@BOTH
def test_pending_counts_what_is_here(version):
    pair = Pair(client_config(versions=(version,))).handshake()
    pair.client.write(memoryview(b"eleven byte"))
    sent = pair.client.take()
    pair.server.receive(sent[:9])
    assert pair.server.pending() == 0
    pair.server.receive(sent[9:])
    assert pair.server.pending() == 11
    out = memoryview(bytearray(4))
    assert pair.server.read_into(out) == 4
    assert pair.server.pending() == 7
    assert pair.server.read_into(memoryview(bytearray(99))) == 7
    assert pair.server.pending() == 0


@BOTH
def test_one_record_at_once(version):
    """The fast path there and back, and everything that does not fit it."""
    pair = Pair(client_config(versions=(version,))).handshake()
    sent = pair.client.write_record(b"short")
    assert pair.server.read_record(sent) == b"short"
    two = pair.client.write_record(b"one") + pair.client.write_record(b"two")
    assert not pair.server.read_record(two)
    assert pair.arrive(pair.server, b"") == b"onetwo"
    part = pair.client.write_record(b"in two parts")
    assert not pair.server.read_record(part[:7])
    assert not pair.server.read_record(part[7:])
    assert pair.arrive(pair.server, b"") == b"in two parts"
    pair.client.close_notify()
    assert not pair.server.read_record(pair.client.take())
    assert not pair.server.read_into(memoryview(bytearray(9)))
    assert pair.server.close_received
    pair = Pair(client_config(versions=(version,))).handshake()
    with pytest.raises(Abort) as caught:
        pair.server.read_record(record(APPLICATION_DATA, bytes(40)))
    assert caught.value.fault is faults.DECRYPTION_FAILED
    assert pair.server.failure


def test_wanted_never_hides_a_record():
    """As long as nobody says otherwise, a transport reads this record and at most the next header."""
    pair = Pair().handshake()
    server = pair.server
    first, second = (pair.client.write_record(bytes(size)) for size in (300, 200))
    stream = first + second
    while stream:
        wanted = server.wanted()
        assert wanted > 0
        server.receive(stream[:wanted])
        stream = stream[wanted:]
        if not server.inbound.wanted():
            assert server.inbound.end - server.inbound.start <= len(first) + 5
            assert server.read_into(memoryview(bytearray(1000))) in {300, 200}


# Events


@BOTH
def test_what_is_watched_is_what_was_said(version):
    pair = Pair(client_config(versions=(version,), watch=True), server_config(watch=True)).handshake()
    pair.client.close_notify()
    pair.run()
    said = {}
    for side in (pair.client, pair.server):
        messages = [e for e in side.events if isinstance(e, MessageEvent)]
        for sent in (True, False):
            said[side.name, sent] = [e.data for e in messages if e.sent == sent and e.content_type == HANDSHAKE]
        assert any(e.content_type == CHANGE_CIPHER_SPEC for e in messages)
        assert messages[-1].content_type == ALERT
    assert said[CLIENT, True] == said[SERVER, False]
    assert said[SERVER, True] == said[CLIENT, False]
    secrets = [
        {(e.label, e.client_random, e.secret) for e in side.events if isinstance(e, SecretEvent)}
        for side in (pair.client, pair.server)
    ]
    assert secrets[0] == secrets[1]
    labels = {label for label, _, _ in secrets[0]}
    if version == TLS12:
        assert labels == {"CLIENT_RANDOM"}
    else:
        assert labels == {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
        }
    event = next(e for e in pair.client.events if isinstance(e, SecretEvent))
    assert event.secret.hex() not in repr(event)
    assert repr(event.secret) not in repr(event)


def test_nobody_watches_for_free():
    pair = Pair().handshake()
    assert not pair.client.events


# Stapled responses


def stapling(version: int, suite_name: str = "", **server: Any) -> Pair:
    known = identity("RSA")
    credential = Credential(known.ders, known.key, known.public_key, known.kind, ocsp=b"a response")
    suites = {"suites": (suite(suite_name),)} if suite_name else {}
    return Pair(
        client_config(versions=(version,), request_ocsp=True, store=store("RSA"), psk_client=True, **suites),
        server_config(**{"credentials": (credential,), "psk_server": True, **suites, **server}),
        answers={},
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [(TLS13, ""), (TLS12, "ECDHE-RSA-AES128-GCM-SHA256"), (TLS12, "AES128-GCM-SHA256")],
)
def test_stapled_responses(version, name):
    pair = stapling(version, name).handshake()
    assert pair.client.peer.ocsp == b"a response"
    pair = stapling(version, name, credentials=(identity("RSA"),)).handshake()
    assert pair.client.peer.ocsp is None
    pair = stapling(version, name)
    pair.client.lies["ClientHello"] = hello({STATUS_REQUEST: None})
    assert pair.handshake().client.peer.ocsp is None  # not asked, not told


def test_a_promised_response_may_be_missing():
    """RFC 6066 8: CertificateStatus is optional even then."""
    for name in ("ECDHE-RSA-AES128-GCM-SHA256", "AES128-GCM-SHA256"):
        pair = stapling(TLS12, name)
        pair.server.lies["CertificateStatus"] = lambda _: []
        assert pair.handshake().client.peer.ocsp is None


@pytest.mark.parametrize("broken", [b"\x02" + vec24(b"x"), b"\x01" + vec24(b""), b"\x01\x00\x00\x09x", b""])
def test_malformed_responses(broken):
    pair = stapling(TLS12, "AES128-GCM-SHA256")
    pair.server.wire["CertificateStatus"] = instead(message(CERTIFICATE_STATUS, broken))
    assert pair.refusal() == (CLIENT, faults.LENGTH_MISMATCH)
    pair = stapling(TLS13)
    pair.server.wire["Certificate"] = lambda raw: message(
        CERTIFICATE, raw[4:5] + vec24(raw[8 : raw.rindex(b"\x00\x05\x00")][:-2] + extension_of(broken))
    )
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, 50)


def extension_of(content: bytes) -> bytes:
    block = b"\x00\x05" + len(content).to_bytes(2, "big") + content
    return len(block).to_bytes(2, "big") + block


def test_a_warning_is_told_from_an_end():
    pair = Pair(client_config(versions=(TLS12,))).handshake()
    pair.server.send_alert(WARNING, USER_CANCELED)
    pair.run()
    assert not pair.client.close_received
    pair.echo()


def test_a_used_up_key_makes_no_finished():
    """Who computes the Finished of an empty key knows no secret."""
    conn = Pair().client
    conn.draft.digest = SHA256
    conn.transcript.choose(SHA256)
    assert conn.finished_keys == (b"", b"")
    forged = SHA256.hmac(b"", conn.transcript.digest())
    with pytest.raises(Abort) as caught:
        check_finished13(conn, Finished(b"", forged))
    assert caught.value.fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE


@pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])
@pytest.mark.parametrize("cipher", ["AES_128_GCM", "CHACHA20_POLY1305", "AES_128_CCM_8"])
def test_the_first_data_comes_in_two_pieces(version, cipher):
    """Wherever it is cut: the fast path for whole records leaves both to the slow one."""
    suites = [
        suite for suite in (*SUITES13, *AEAD12) if cipher in suite.name and (suite.since == TLS13) == (version == TLS13)
    ]
    if not suites:
        pytest.skip("not a suite of this version")
    configs = {"versions": (version,), "suites": tuple(suites), "suites13": tuple(suites)}
    size, cut = 100, 1
    while cut < size:
        pair = Pair(client_config(**configs), server_config(**configs)).handshake()
        pair.client.write(memoryview(b"some data"))
        sealed = pair.client.take()
        size = len(sealed)
        out = bytearray(64)
        assert pair.server.read_record(sealed[:cut]) == b""
        assert pair.server.read_into(memoryview(out)) == 0
        pair.server.receive(sealed[cut:])
        assert out[: pair.server.read_into(memoryview(out))] == b"some data"
        cut += 1
