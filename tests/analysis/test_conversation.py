"""Whole connections explained from their bytes and their key log: ours with us, and the traces of RFC 8448."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import puretls
from puretls._analysis.conversation import Conversation
from puretls._analysis.fields import About
from puretls._analysis.keylog import KeyLog
from support import Pki, rfc8448
from support.bios import ObjectPair, join, session_at
from support.ours import client_context, server_context
from support.trees import tiles

V10, V11, V12, V13 = (getattr(puretls.TLSVersion, name) for name in ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"))


PRINTED = {  # in RFC 8448 3
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
    "CLIENT_TRAFFIC_SECRET_0": "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
    "SERVER_TRAFFIC_SECRET_0": "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
}
Recorded = tuple[list[tuple[bool, bytes]], list[str]]


class Tap:
    """Somebody on the wire with both sides' key logs."""

    def __init__(self, pki: Pki, folder: Path, *, server: dict[str, Any] | None = None, **client: Any) -> None:
        self.log = folder / "keys"
        self.client = client_context(puretls, pki, **client)
        self.server = server_context(puretls, pki, **(server or {}))
        self.client.keylog_filename = self.log
        self.said: list[tuple[bool, bytes]] = []

    def connect(self, session: Any = None) -> ObjectPair:
        def carry(sender: str, data: bytes) -> bytes:
            self.said.append((sender == "client", data))
            return data

        return join(self.client, self.server, session=session, carry=carry).ok()

    def explained(self, *, log: bool = True) -> Conversation:
        lines = self.log.read_text().splitlines() if log else []
        conversation = Conversation(KeyLog(lines))
        for from_client, data in self.said:
            conversation.feed(from_client, data)
        conversation.end()
        return conversation


def check(conversation: Conversation) -> None:
    """Everything was read, and nothing is wrong with it."""
    for record in conversation.records:
        tiles(record.field, record.raw)
        assert record.fault == ""
        assert record.field.faults() == []
        if record.inner is not None:
            tiles(record.inner, record.plain)
            assert record.inner.faults() == []
    for message in conversation.messages:
        tiles(message.field, message.raw)
        assert message.field.faults() == []
        if message.name == "Finished":
            data = message.field.find("verify_data")
            assert data is not None
            assert data.value.endswith(", as it has to be")


def told(conversation: Conversation) -> list[str]:
    return [("> " if one.from_client else "< ") + one.name for one in conversation.messages]


def finish(pair: ObjectPair) -> None:
    """A word each way, and goodbye."""
    assert pair.send(pair.client, b"GET / HTTP/1.1\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
    assert pair.send(pair.server, b"\x00\x01 answer") == b"\x00\x01 answer"
    pair.goodbye()


def test_tls13(pki: Pki, tmp_path: Path) -> None:
    tap = Tap(pki, tmp_path)
    finish(tap.connect())
    found = tap.explained()
    check(found)
    assert told(found) == [
        "> ClientHello", "< ServerHello", "< ChangeCipherSpec", "< EncryptedExtensions", "< Certificate",
        "< CertificateVerify", "< Finished", "> ChangeCipherSpec", "> Finished", "< NewSessionTicket",
        "< NewSessionTicket", "> application_data", "< application_data", "> Alert", "< Alert",
    ]  # fmt: skip
    assert [key.label for key in found.keys] == [
        "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0",
    ]  # fmt: skip
    words = {one.name: one for one in found.messages}
    assert words["ServerHello"].secret == ""
    assert words["Certificate"].secret == "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    assert words["NewSessionTicket"].secret == "SERVER_TRAFFIC_SECRET_0"
    assert words["Alert"].field.value == "close_notify"
    asked = next(one for one in found.messages if one.name == "application_data")
    assert asked.field.value == "GET / HTTP/1.1\\x0d\\x0a\\x0d\\x0a"
    leaf = words["Certificate"].field.find("certificate_list", "CertificateEntry", "cert_data")
    assert leaf is not None
    assert leaf.value.startswith("CN=localhost, issued by CN=Test intermediate, secp256r1, until ")


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (V12, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (V12, "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (V12, "ECDHE-ECDSA-AES256-CCM8"),
        (V12, "ECDHE-ECDSA-AES256-SHA384"),
        (V12, "AES128-SHA256"),
        (V12, "DHE-RSA-AES128-SHA"),
        (V12, "NULL-SHA256"),
        (V11, "ECDHE-ECDSA-AES128-SHA"),
        (V10, "AES256-SHA"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older(pki: Pki, tmp_path: Path, version: Any, ciphers: str) -> None:
    options = {"version": version, "ciphers": ciphers + ":@SECLEVEL=0"}
    identity = "P-256" if "ECDSA" in ciphers else "RSA"
    tap = Tap(pki, tmp_path, server={"identity": identity, **options}, **options)
    if "DHE-RSA" in ciphers:
        tap.server.load_dh_params(pki.dh)
    finish(tap.connect())
    found = tap.explained()
    check(found)
    exchange = [] if identity == "RSA" and "DHE" not in ciphers else ["< ServerKeyExchange"]
    assert told(found) == [
        "> ClientHello", "< ServerHello", "< Certificate", *exchange, "< ServerHelloDone",
        "> ClientKeyExchange", "> ChangeCipherSpec", "> Finished",
        "< NewSessionTicket", "< ChangeCipherSpec", "< Finished",
        *["> application_data"] * (2 if version == V10 else 1), *["< application_data"] * (2 if version == V10 else 1),
        "> Alert", "< Alert",
    ]  # fmt: skip
    assert found.about.version == version.value


def test_without_encrypt_then_mac(pki: Pki, tmp_path: Path) -> None:
    options = {"version": V12, "ciphers": "ECDHE-ECDSA-AES128-SHA256"}
    tap = Tap(pki, tmp_path, server=options, **options)
    tap.server.options |= 1 << 19  # SSL_OP_NO_ENCRYPT_THEN_MAC
    finish(tap.connect())
    check(tap.explained())


def test_resumption_hello_retry_and_key_update(pki: Pki, tmp_path: Path) -> None:
    tap = Tap(pki, tmp_path, server={"groups": "P-384"}, groups="X25519:P-384")
    first = tap.connect()
    assert "< HelloRetryRequest" in told(tap.explained())
    check(tap.explained())
    tap.said.clear()
    pair = tap.connect(first.client.obj.session)
    finish(pair)
    found = tap.explained()
    check(found)
    assert "< Certificate" not in told(found)
    hello = found.messages[0].field
    assert hello.find("extensions", "pre_shared_key", "extension_data", "identities", "PskIdentity") is not None


def test_without_the_key_log(pki: Pki, tmp_path: Path) -> None:
    """What is closed stays closed, and says why."""
    tap = Tap(pki, tmp_path)
    finish(tap.connect())
    found = tap.explained(log=False)
    assert told(found) == ["> ClientHello", "< ServerHello", "< ChangeCipherSpec", "> ChangeCipherSpec"]
    closed = [record for record in found.records if record.protected]
    assert closed
    for record in closed:
        tiles(record.field, record.raw)
        assert "_HANDSHAKE_TRAFFIC_SECRET, so this stays closed" in record.fault


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_never_raises(recorded: Recorded, data: st.DataObject) -> None:
    said, lines = recorded
    conversation = Conversation(KeyLog(lines))
    for from_client, chunk in said:
        damaged = bytearray(chunk)
        for _ in range(data.draw(st.integers(0, 2))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(0, 255))
        conversation.feed(from_client, bytes(damaged))
    conversation.end()
    assert b"".join(one.raw for one in conversation.records if one.from_client) or not said
    for record in conversation.records:
        tiles(record.field, record.raw)
    for message in conversation.messages:
        tiles(message.field, message.raw)


@pytest.fixture(scope="module", params=[V12, V13])
def recorded(request: Any, pki: Pki, tmp_path_factory: Any) -> Recorded:
    tap = Tap(pki, tmp_path_factory.mktemp("keys"), version=request.param)
    finish(tap.connect())
    return tap.said, tap.log.read_text().splitlines()


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=6))
def test_noise_never_raises(chunks: list[tuple[bool, bytes]]) -> None:
    conversation = Conversation()
    for from_client, chunk in chunks:
        conversation.feed(from_client, chunk)
    conversation.end()
    for side in (True, False):
        sent = b"".join(chunk for from_client, chunk in chunks if from_client == side)
        assert b"".join(one.raw for one in conversation.records if one.from_client == side) == sent
    for record in conversation.records:
        tiles(record.field, record.raw)


def test_what_is_not_tls() -> None:
    conversation = Conversation()
    conversation.feed(False, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    conversation.end()
    (record,) = conversation.records
    assert record.fault == "the connection ended within this record"
    assert "type: this is no type of TLS: is it TLS at all?" in record.field.faults()


def test_key_logs_of_any_kind() -> None:
    log = KeyLog(["# comment", "", "CLIENT_RANDOM 00 zz", "A 0011 2233", "one two", "\x00"])
    assert log.secrets == {("A", b"\x00\x11"): b"\x22\x33"}
    assert log.get("A", b"") is None
    assert About().version == 0


def test_the_trace_of_rfc_8448() -> None:
    """Section 3, with the secrets that are printed there."""
    trace = rfc8448.SIMPLE
    log = KeyLog(f"{label} {trace.client_random.hex()} {secret}" for label, secret in PRINTED.items())
    conversation = Conversation(log)
    for from_client, data in (
        (True, trace.client_hello),
        (False, trace.server_hello + trace.server_flight),
        (True, trace.client_flight),
        (False, trace.ticket),
        (True, trace.client_data),
        (False, trace.server_data),
        (True, trace.client_close),
        (False, trace.server_close),
    ):
        conversation.feed(from_client, data)
    conversation.end()
    check(conversation)
    assert told(conversation) == [
        "> ClientHello", "< ServerHello", "< EncryptedExtensions", "< Certificate", "< CertificateVerify", "< Finished",
        "> Finished", "< NewSessionTicket", "> application_data", "< application_data", "> Alert", "< Alert",
    ]  # fmt: skip
    said = [one.raw for one in conversation.messages]
    assert (said[2], said[8]) == (trace.extensions, rfc8448.APPLICATION_DATA)
    assert trace.signature in said[4]


RESUMED = {  # in RFC 8448 4
    "CLIENT_EARLY_TRAFFIC_SECRET": "3fbbe6a60deb66c30a32795aba0eff7eaa10105586e7be5c09678d63b6caab62",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": "2faac08f851d35fea3604fcb4de82dc62c9b164a70974d0462e27f1ab278700f",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": "fe927ae271312e8bf0275b581c54eef020450dc4ecffaa05a1a35d27518e7803",
    "CLIENT_TRAFFIC_SECRET_0": "2abbf2b8e381d23dbebe1dd2a7d16a8bf484cb4950d23fb7fb7fa8547062d9a1",
    "SERVER_TRAFFIC_SECRET_0": "cc21f1bf8feb7dd5fa505bd9c4b468a9984d554a993dc49e6d285598fb672691",
}


def test_early_data_of_rfc_8448() -> None:
    """Section 4."""
    trace = rfc8448.RESUMED
    log = KeyLog(f"{label} {trace.client_random.hex()} {secret}" for label, secret in RESUMED.items())
    conversation = Conversation(log)
    for from_client, data in (
        (True, trace.client_hello + rfc8448.EARLY_DATA),
        (False, trace.server_hello + trace.server_flight),
        (True, rfc8448.END_OF_EARLY_DATA + trace.client_flight + trace.client_data),
        (False, trace.server_data),
        (True, trace.client_close),
        (False, trace.server_close),
    ):
        conversation.feed(from_client, data)
    conversation.end()
    check(conversation)
    assert told(conversation) == [
        "> ClientHello", "> application_data", "< ServerHello", "< EncryptedExtensions", "< Finished",
        "> EndOfEarlyData", "> Finished", "> application_data", "< application_data", "> Alert", "< Alert",
    ]  # fmt: skip
    early = [one for one in conversation.messages if one.secret == "CLIENT_EARLY_TRAFFIC_SECRET"]
    assert [one.name for one in early] == ["application_data", "EndOfEarlyData"]
    assert conversation.keys[0].secret.hex() == RESUMED["CLIENT_EARLY_TRAFFIC_SECRET"]


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"])
@pytest.mark.parametrize("becomes", ["taken", "rejected", "retried", "unread"])
def test_early_data(pki: Pki, tmp_path: Path, suite: str, becomes: str) -> None:
    """Whatever the suite of the session is, which nothing names; and whatever the server makes of it."""
    tap = Tap(pki, tmp_path, groups="X25519:P-256")
    tap.client.max_early_data = tap.server.max_early_data = 1000
    tap.server.set_ciphersuites(suite)
    session = session_at(tap.client, tap.server)
    tap.said.clear()
    if becomes == "retried":
        tap.server.set_groups("P-256")

    def carry(sender: str, data: bytes) -> bytes:
        tap.said.append((sender == "client", data))
        return data

    pair = join(tap.client, tap.server, session=session, carry=carry)
    assert pair.client.obj.write_early_data(b"early") == 5
    pair.move()
    if becomes == "taken":
        assert pair.server.obj.read_early_data(100) == b"early"
    pair.shake().ok()
    finish(pair)
    found = tap.explained(log=becomes != "unread")
    if becomes == "unread":
        closed = "the key log has no CLIENT_EARLY_TRAFFIC_SECRET, so this stays closed"
        assert closed in [record.fault for record in found.records]
        return
    first, *rest = [one for one in found.messages if one.from_client and one.content == 23]
    if becomes in ("rejected", "taken"):
        check(found)
        assert (first.secret, first.raw) == ("CLIENT_EARLY_TRAFFIC_SECRET", b"early")
        assert ("> EndOfEarlyData" in told(found)) == (becomes == "taken")
        assert [one.secret for one in rest] == ["CLIENT_TRAFFIC_SECRET_0"]
    assert told(found)[-2:] == ["> Alert", "< Alert"]


def test_a_finished_that_does_not_fit(recorded: Recorded) -> None:
    """Somebody has taken a protocol out of the ClientHello: both sides would see it, and so do we."""
    said, lines = recorded
    conversation = Conversation(KeyLog(lines))
    for number, (from_client, data) in enumerate(said):
        conversation.feed(from_client, data[:-1] + bytes((data[-1] ^ 1,)) if number == 0 else data)
    faults = [fault for one in conversation.messages if one.name == "Finished" for fault in one.field.faults()]
    assert len(faults) == 2
    assert all(fault.startswith("verify_data: has to be ") for fault in faults)


def test_post_handshake_authentication(pki: Pki, tmp_path: Path) -> None:
    """A second Finished of the client changes no keys."""
    tap = Tap(pki, tmp_path)
    tap.client.load_cert_chain(pki.chain("client"), pki.key("client"))
    tap.client.post_handshake_auth = tap.server.post_handshake_auth = True
    tap.server.verify_mode = puretls.CERT_REQUIRED
    pair = tap.connect()
    pair.server.obj.verify_client_post_handshake()
    pair.send(pair.server, b"now")
    pair.send(pair.client, b"who I am")
    finish(pair)
    found = tap.explained()
    for record in found.records:
        assert record.fault == ""
    asked = told(found).index("< CertificateRequest")
    assert told(found)[asked:][-3:] == ["< application_data", "> Alert", "< Alert"]
    assert {"> Certificate", "> CertificateVerify", "> Finished"} <= set(told(found)[asked:])
