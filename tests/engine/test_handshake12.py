"""TLS 1.0 to 1.2: hellos, key exchanges and orders of messages that break a rule (RFC 5246 7, RFC 5746, 7627, 7366)."""

from __future__ import annotations

from typing import Any

import pytest

from pair import (
    CLIENT,
    OLDER,
    SERVER,
    Edit,
    Pair,
    body,
    client_config,
    drop,
    ffdhe,
    hello,
    identity,
    instead,
    message,
    server_config,
    store,
    suite,
    twice,
)
from puretls._base import faults
from puretls._base.registry import (
    ALPN,
    APPLICATION_DATA,
    CERTIFICATE,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    CLIENT_KEY_EXCHANGE,
    EC_POINT_FORMATS,
    ENCRYPT_THEN_MAC,
    EXTENDED_MASTER_SECRET,
    FALLBACK_SCSV,
    HANDSHAKE,
    HELLO_REQUEST,
    NEW_SESSION_TICKET,
    RENEGOTIATION_INFO,
    SERVER_KEY_EXCHANGE,
    SESSION_TICKET,
    SIGNATURE_ALGORITHMS,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from puretls._crypto.groups import SECP256R1, X25519
from puretls._crypto.transcript import Transcript
from puretls._engine.config import (
    OP_LEGACY_SERVER_CONNECT,
    OP_NO_ENCRYPT_THEN_MAC,
    OP_NO_RENEGOTIATION,
    OP_NO_TICKET,
    Config,
)
from puretls._engine.server_start import ExpectClientHello
from puretls._wire.codec import vec8, vec16, vec24
from puretls._wire.hello import ClientHello, ServerHello

BASE = Config().options


def twelve(client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **more: Any) -> Pair:
    return Pair(
        client_config(**{"versions": (TLS12,), **(client or {})}),
        server_config(**{"versions": (TLS13, TLS12), **(server or {})}),
        **more,
    )


def using(name: str, *, key: str = "RSA", version: int = TLS12, client: Any = None, server: Any = None) -> Pair:
    """A handshake with one suite."""
    common = {"versions": (version,), "suites": (suite(name),), "security_level": 0}
    return Pair(
        client_config(store=store("RSA", "EC"), **common, **(client or {})),
        server_config(credentials=(identity(key),), dh=ffdhe(), **common, **(server or {})),
    )


SERVER_HELLOS = [
    ("TLS 1.1", hello(legacy_version=TLS11), faults.UNSUPPORTED_PROTOCOL, 70),
    ("SSL 3", hello(legacy_version=0x0300), faults.UNSUPPORTED_PROTOCOL, 70),
    ("TLS 1.3 the old way", hello(legacy_version=0x0304), faults.UNSUPPORTED_PROTOCOL, 70),
    ("supported_versions", hello({SUPPORTED_VERSIONS: b"\x03\x03"}), faults.UNSOLICITED_EXTENSION, 110),
    ("a suite that was not offered", hello(cipher_suite=0x002F), faults.WRONG_CIPHER_RETURNED, 47),
    ("a suite of TLS 1.3", hello(cipher_suite=0x1301), faults.WRONG_CIPHER_RETURNED, 47),
    ("the SCSV", hello(cipher_suite=0x00FF), faults.WRONG_CIPHER_RETURNED, 47),
    ("compression", hello(compression_method=1), faults.UNSUPPORTED_COMPRESSION_ALGORITHM, 47),
    ("an unknown extension", hello({0x1234: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("ALPN that was not offered", hello({ALPN: b"\x00\x02\x01a"}), faults.UNSOLICITED_EXTENSION, 110),
    ("encrypt_then_mac without CBC", hello({ENCRYPT_THEN_MAC: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("signature_algorithms", hello({SIGNATURE_ALGORITHMS: b""}), faults.MISPLACED_EXTENSION, 47),
    ("no renegotiation_info", hello({RENEGOTIATION_INFO: None}), faults.UNSAFE_LEGACY_RENEGOTIATION_DISABLED, 40),
    ("a renegotiation", hello({RENEGOTIATION_INFO: b"\x0c" + bytes(12)}), faults.RENEGOTIATION_MISMATCH, 40),
    ("half a renegotiation_info", hello({RENEGOTIATION_INFO: b"\x0c"}), faults.RENEGOTIATION_ENCODING_ERR, 50),
    ("extended_master_secret with a body", hello({EXTENDED_MASTER_SECRET: b"x"}), faults.BAD_EXTENSION, 50),
    ("session_ticket with a body", hello({SESSION_TICKET: b"x"}), faults.BAD_EXTENSION, 50),
    ("no uncompressed points", hello({EC_POINT_FORMATS: b"\x01\x01"}), faults.MISPLACED_EXTENSION, 47),
    ("something behind", body(lambda raw: raw + b"\x00"), faults.LENGTH_MISMATCH, 50),
    ("half of it", body(lambda raw: raw[:30]), faults.LENGTH_MISMATCH, 50),
]


@pytest.mark.parametrize(("what", "edit", "fault", "alert"), SERVER_HELLOS, ids=[row[0] for row in SERVER_HELLOS])
def test_server_hello(what, edit, fault, alert):
    pair = twelve(server={"versions": (TLS12,)})
    pair.server.wire["ServerHello"] = edit
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, alert), what
    assert refused.fault == fault


def test_renegotiation_info_of_servers():
    """RFC 5746 3.4, 3.6: an old server is refused unless OP_LEGACY_SERVER_CONNECT says otherwise."""
    pair = twelve({"options": BASE | OP_LEGACY_SERVER_CONNECT})
    pair.server.lies["ServerHello"] = hello({RENEGOTIATION_INFO: None})
    pair.handshake().echo()
    assert not pair.client.secure_renegotiation


def test_renegotiation_info_of_clients():
    for edit, secure in (
        (hello({RENEGOTIATION_INFO: b"\x00"}), True),
        (lambda raw: hello(cipher_suites=ClientHello.parse(raw).cipher_suites[:-2])(raw), False),
    ):
        pair = twelve({"options": BASE | OP_LEGACY_SERVER_CONNECT})
        answers = []

        def keep(raw: bytes, answers: list[bytes] = answers) -> bytes:
            answers.append(raw)
            return raw

        pair.server.lies["ServerHello"] = keep
        pair.client.lies["ClientHello"] = edit
        pair.handshake().echo()
        assert (RENEGOTIATION_INFO in ServerHello.parse(answers[0]).extensions) == secure
    pair = twelve()
    pair.client.wire["ClientHello"] = hello({RENEGOTIATION_INFO: b"\x0c" + bytes(12)})
    assert pair.refusal() == (SERVER, faults.RENEGOTIATION_MISMATCH)


CLIENT_HELLOS = [
    ("no null compression", hello(compression_methods=b"\x01"), faults.NO_COMPRESSION_SPECIFIED, 50),
    ("no compression at all", hello(compression_methods=b""), faults.NO_COMPRESSION_SPECIFIED, 50),
    ("no suites", hello(cipher_suites=b""), faults.NO_CIPHERS_SPECIFIED, 47),
    ("no suites of ours", hello(cipher_suites=b"\x00\x2f\x00\x35"), faults.NO_SHARED_CIPHER, 40),
    ("no scheme of ours", hello({SIGNATURE_ALGORITHMS: b"\x00\x02\x08\x07"}), faults.NO_SHARED_CIPHER, 40),
    ("no curve of ours", hello({SUPPORTED_GROUPS: b"\x00\x02\x00\x19"}), faults.NO_SHARED_CIPHER, 40),
    ("SSL 3", hello(legacy_version=0x0300), faults.UNSUPPORTED_PROTOCOL, 70),
    ("TLS 1.1", hello(legacy_version=TLS11), faults.UNSUPPORTED_PROTOCOL, 70),
    ("nonsense", hello(legacy_version=0x0203), faults.UNSUPPORTED_PROTOCOL, 70),
    ("a fallback", hello(cipher_suites=b"\xc0\x2b\x56\x00"), faults.INAPPROPRIATE_FALLBACK_SCSV, 86),
    ("extended_master_secret with a body", hello({EXTENDED_MASTER_SECRET: b"x"}), faults.BAD_EXTENSION, 50),
    ("no uncompressed points", hello({EC_POINT_FORMATS: b"\x01\x01"}), faults.MISPLACED_EXTENSION, 47),
    ("no points", hello({EC_POINT_FORMATS: b"\x00"}), faults.BAD_EXTENSION, 50),
    ("odd groups", hello({SUPPORTED_GROUPS: b"\x00\x03\x00\x1d\x00"}), faults.BAD_EXTENSION, 50),
    ("something behind", body(lambda raw: raw + b"\x00"), faults.LENGTH_MISMATCH, 50),
]


@pytest.mark.parametrize(("what", "edit", "fault", "alert"), CLIENT_HELLOS, ids=[row[0] for row in CLIENT_HELLOS])
def test_client_hello(what, edit, fault, alert):
    pair = twelve()
    pair.client.wire["ClientHello"] = edit
    assert pair.refusal() == (SERVER, fault), what
    assert fault.alert == alert


def test_a_fallback_to_the_best_is_none():
    """RFC 7507 3: the signal matters only below what the server can do."""
    pair = twelve(server={"versions": (TLS12,)})
    pair.client.lies["ClientHello"] = lambda raw: hello(
        cipher_suites=ClientHello.parse(raw).cipher_suites + FALLBACK_SCSV.to_bytes(2, "big")
    )(raw)
    pair.handshake().echo()


def test_a_client_that_says_little():
    """No extensions at all (RFC 5246 7.4.1.2): any curve, SHA-1 signatures, no EMS."""
    bare = dict.fromkeys(range(64), None) | {0xFF01: None}
    for row in ("ECDHE-RSA-AES128-GCM-SHA256", "AES128-GCM-SHA256"):
        pair = using(row, client={"options": BASE | OP_LEGACY_SERVER_CONNECT})
        pair.client.lies["ClientHello"] = hello(bare)
        pair.handshake().echo()
        assert not pair.server.ems
        assert pair.server.own_scheme is None or pair.server.own_scheme.name == "rsa_pkcs1_sha1"


def test_groups_that_are_no_curves_hide_none():
    """RFC 7919 4: a finite field among the groups says nothing about ECDHE."""
    from pair import FFDHE

    pair = twelve(server={"groups": (FFDHE, X25519, SECP256R1)}, client={"groups": (FFDHE, X25519, SECP256R1)})
    pair.handshake().echo()


# Extended master secret, encrypt-then-MAC


def test_extended_master_secret():
    """RFC 7627 5.2: used if both sides have it; whoever takes it out of the hello breaks the handshake."""
    pair = twelve().handshake()
    assert pair.client.ems
    assert pair.server.ems
    for by, name in (("client", "ClientHello"), ("server", "ServerHello")):
        pair = twelve()
        getattr(pair, by).wire[name] = hello({EXTENDED_MASTER_SECRET: None})
        refused = pair.refusal()
        assert refused.fault in {faults.DIGEST_CHECK_FAILED, faults.BAD_SIGNATURE, faults.DECRYPTION_FAILED}
    pair = twelve()
    pair.client.lies["ClientHello"] = hello({EXTENDED_MASTER_SECRET: None})
    pair.handshake().echo()
    assert not pair.client.ems


@pytest.mark.parametrize(("tickets", "name"), [(True, "tickets"), (False, "ids")])
def test_extended_master_secret_and_resumption(tickets, name):
    """RFC 7627 5.3."""
    options = BASE if tickets else BASE | OP_NO_TICKET

    def with_ems() -> Pair:
        return twelve(server={"options": options}).handshake()

    plain = twelve(server={"options": options})
    plain.client.lies["ClientHello"] = hello({EXTENDED_MASTER_SECRET: None})
    plain.handshake()

    def again(first: Pair) -> Pair:
        return Pair(first.client.config, first.server.config, session=first.client.session)

    pair = again(with_ems())
    pair.client.wire["ClientHello"] = hello({EXTENDED_MASTER_SECRET: None})
    assert pair.refusal() == (SERVER, faults.EMS_REQUIRED), name
    assert faults.EMS_REQUIRED.alert == 40
    pair = again(plain).handshake().echo()  # a session without it is not resumed with it
    assert not pair.client.session_reused
    for edit in (hello({EXTENDED_MASTER_SECRET: None}), hello(cipher_suite=0xC02C), hello(cipher_suite=0xC030)):
        pair = again(with_ems())
        pair.server.wire["ServerHello"] = edit
        refused = pair.refusal()
        assert (refused.by, refused.fault.alert) == (CLIENT, 47)


def test_encrypt_then_mac():
    for options, etm in ((BASE, True), (BASE | OP_NO_ENCRYPT_THEN_MAC, False)):
        for by in ("client", "server"):
            pair = using("ECDHE-RSA-AES128-SHA", **{by: {"options": options}}).handshake().echo()
            assert pair.client.etm == pair.server.etm == etm
    pair = using("ECDHE-RSA-AES128-SHA")
    pair.server.wire["ServerHello"] = hello({ENCRYPT_THEN_MAC: b"x"})
    assert pair.refusal() == (CLIENT, faults.BAD_EXTENSION)
    pair = using("ECDHE-RSA-AES128-GCM-SHA256")  # an AEAD needs none
    pair.client.lies["ClientHello"] = hello({ENCRYPT_THEN_MAC: b""})
    pair.handshake().echo()
    assert not pair.server.etm


def test_encrypt_then_mac_is_negotiated_anew_when_resuming():
    first = using("ECDHE-RSA-AES128-SHA").handshake()
    assert first.client.etm
    pair = Pair(first.client.config, first.server.config, session=first.client.session)
    pair.client.lies["ClientHello"] = hello({ENCRYPT_THEN_MAC: None})
    pair.handshake().echo()
    assert pair.client.session_reused
    assert not pair.server.etm


# Key exchange


def ecdh(point: bytes, kind: int = 3, group: int = 29) -> bytes:
    return bytes((kind,)) + group.to_bytes(2, "big") + vec8(point)


KEY_EXCHANGES = [
    ("an explicit curve", lambda raw: b"\x01" + raw[1:], faults.WRONG_CURVE, 47),
    ("a curve that was not offered", lambda raw: raw[:1] + b"\x00\x1e" + raw[3:], faults.WRONG_CURVE, 47),
    ("a hybrid", lambda raw: raw[:1] + b"\x11\xec" + raw[3:], faults.WRONG_CURVE, 47),
    ("a point of zeros", lambda raw: ecdh(bytes(32)) + raw[36:], faults.BAD_KEY_SHARE, 47),
    ("a short point", lambda raw: ecdh(bytes(31)) + raw[36:], faults.BAD_KEY_SHARE, 47),
    ("no point", lambda raw: ecdh(b"") + raw[36:], faults.BAD_KEY_SHARE, 47),
    ("another point", lambda raw: ecdh(b"\x09" + bytes(31)) + raw[36:], faults.BAD_SIGNATURE, 51),
    ("a scheme that was not offered", lambda raw: raw[:36] + b"\x02\x02" + raw[38:], faults.WRONG_SIGNATURE_TYPE, 47),
    ("a scheme of another key", lambda raw: raw[:36] + b"\x08\x04" + raw[38:], faults.WRONG_SIGNATURE_TYPE, 47),
    ("a scheme of TLS 1.3", lambda raw: raw[:36] + b"\x08\x1a" + raw[38:], faults.WRONG_SIGNATURE_TYPE, 47),
    ("another hash", lambda raw: raw[:36] + b"\x05\x03" + raw[38:], faults.BAD_SIGNATURE, 51),
    ("an empty signature", lambda raw: raw[:38] + vec16(b""), faults.BAD_SIGNATURE, 51),
    ("a signature of noise", lambda raw: raw[:38] + vec16(bytes(70)), faults.BAD_SIGNATURE, 51),
    ("no signature", lambda raw: raw[:36], faults.LENGTH_MISMATCH, 50),
    ("something behind", lambda raw: raw + b"\x00", faults.LENGTH_MISMATCH, 50),
    ("half a point", lambda raw: raw[:20], faults.LENGTH_MISMATCH, 50),
    ("nothing", lambda _: b"", faults.LENGTH_MISMATCH, 50),
]


@pytest.mark.parametrize(("what", "change", "fault", "alert"), KEY_EXCHANGES, ids=[row[0] for row in KEY_EXCHANGES])
def test_server_key_exchange(what, change, fault, alert):
    pair = twelve()
    pair.server.wire["ServerKeyExchange"] = body(change)
    assert pair.refusal() == (CLIENT, fault), what
    assert fault.alert == alert


def test_points_are_uncompressed():
    """RFC 8422 5.4.1: we offered no other format, and take none."""
    pair = twelve({"groups": (SECP256R1,)})
    pair.server.wire["ServerKeyExchange"] = body(
        lambda raw: ecdh(bytes((2 + (raw[68] & 1),)) + raw[5:37], group=23) + raw[69:]
    )
    assert pair.refusal() == (CLIENT, faults.BAD_KEY_SHARE)
    pair = twelve({"groups": (SECP256R1,)})
    pair.client.wire["ClientKeyExchange"] = body(lambda raw: vec8(bytes((2 + (raw[65] & 1),)) + raw[2:34]))
    assert pair.refusal() == (SERVER, faults.BAD_KEY_SHARE)
    pair = twelve({"groups": (SECP256R1,)})
    pair.client.wire["ClientKeyExchange"] = body(lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,)))  # not on the curve
    assert pair.refusal() == (SERVER, faults.BAD_KEY_SHARE)


@pytest.mark.parametrize(
    ("what", "share", "fault"),
    [
        ("zero", bytes(256), faults.BAD_DH_VALUE),
        ("one", bytes(255) + b"\x01", faults.BAD_DH_VALUE),
        ("p - 1", (ffdhe()[0] - 1).to_bytes(256, "big"), faults.BAD_DH_VALUE),
        ("p", ffdhe()[0].to_bytes(256, "big"), faults.BAD_DH_VALUE),
        ("more than p", b"\xff" * 256, faults.BAD_DH_VALUE),
        ("nothing", b"", faults.LENGTH_MISMATCH),
    ],
)
def test_finite_field_shares(what, share, fault):
    pair = using("DHE-RSA-AES128-GCM-SHA256")
    pair.client.wire["ClientKeyExchange"] = body(lambda _: vec16(share))
    assert pair.refusal() == (SERVER, fault), what
    pair = using("DHE-RSA-AES128-GCM-SHA256")
    p, g = ffdhe()
    params = vec16(p.to_bytes(256, "big")) + vec16(bytes((g,))) + vec16(share)
    pair.server.wire["ServerKeyExchange"] = body(lambda raw: params + raw[len(params) + 256 - len(share) :])
    assert pair.refusal() == (CLIENT, fault), what


@pytest.mark.parametrize(
    ("p", "g", "fault"),
    [
        (ffdhe()[0] - 1, 2, faults.BAD_DH_VALUE),
        (ffdhe()[0], 1, faults.BAD_DH_VALUE),
        (ffdhe()[0], ffdhe()[0] - 1, faults.BAD_DH_VALUE),
        ((1 << 2048) - 1, 2, faults.BAD_DH_VALUE),
        (0xF7E75FDC469067FFDC4E847C51F452DF, 2, faults.DH_KEY_TOO_SMALL),
        (23, 5, faults.DH_KEY_TOO_SMALL),
        ((1 << 9000) + 1, 2, faults.BAD_DH_VALUE),
    ],
)
def test_finite_fields(p, g, fault):
    """Weak and absurd parameters of a server (Logjam)."""
    pair = using("DHE-RSA-AES128-GCM-SHA256", client={"security_level": 1} if 0 else None)

    def number(n: int) -> bytes:
        return vec16(n.to_bytes((n.bit_length() + 7) // 8, "big"))

    pair.server.wire["ServerKeyExchange"] = body(lambda _: number(p) + number(g) + number(4) + bytes(8))
    assert pair.refusal() == (CLIENT, fault)


CLIENT_EXCHANGES = [
    ("zeros", lambda _: vec8(bytes(32)), faults.BAD_KEY_SHARE, 47),
    ("a short point", lambda _: vec8(bytes(31)), faults.BAD_KEY_SHARE, 47),
    ("nothing", lambda _: b"", faults.LENGTH_MISMATCH, 50),
    ("an empty point", lambda _: b"\x00", faults.LENGTH_MISMATCH, 50),
    ("something behind", lambda raw: raw + b"\x00", faults.LENGTH_MISMATCH, 50),
    ("half of it", lambda raw: raw[:9], faults.LENGTH_MISMATCH, 50),
    ("another point", lambda _: vec8(b"\x09" + bytes(31)), faults.DECRYPTION_FAILED, 20),
]


@pytest.mark.parametrize(("what", "change", "fault", "alert"), CLIENT_EXCHANGES, ids=[r[0] for r in CLIENT_EXCHANGES])
def test_client_key_exchange(what, change, fault, alert):
    pair = twelve()
    pair.client.wire["ClientKeyExchange"] = body(change)
    assert pair.refusal() == (SERVER, fault), what
    assert fault.alert == alert


def test_rsa_key_exchange_needs_an_rsa_key():
    """A certificate for RSASSA-PSS, or of another kind, cannot receive a secret."""
    pair = using("AES128-GCM-SHA256")
    der = identity("EC").ders[0]
    pair.server.wire["Certificate"] = instead(message(CERTIFICATE, vec24(vec24(der))))
    assert pair.refusal() == (CLIENT, faults.WRONG_CERTIFICATE_TYPE)
    pair = using("ECDHE-RSA-AES128-GCM-SHA256")
    pair.server.wire["Certificate"] = instead(message(CERTIFICATE, vec24(vec24(der))))
    assert pair.refusal() == (CLIENT, faults.WRONG_CERTIFICATE_TYPE)


@pytest.mark.parametrize(
    ("what", "change", "alert"),
    [
        ("none", lambda _: vec24(b""), 50),
        ("an empty one", lambda _: vec24(vec24(b"")), 50),
        ("garbage", lambda _: vec24(vec24(b"garbage")), 42),
        ("half of it", lambda raw: raw[:-5], 50),
        ("something behind", lambda raw: raw + b"\x00", 50),
    ],
)
def test_certificates(what, change, alert):
    pair = twelve()
    pair.server.wire["Certificate"] = body(change)
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, alert), what


def test_trailing_bytes_where_nothing_belongs():
    pair = twelve()
    pair.server.wire["ServerHelloDone"] = body(lambda _: b"x")
    assert pair.refusal() == (CLIENT, faults.LENGTH_MISMATCH)


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
        ("ChangeCipherSpec", drop, {10}),
        ("ChangeCipherSpec", twice, {10, 20}),
        ("ChangeCipherSpec", lambda _: [b"\x01\x01"], {47, 10}),
        ("Finished", twice, {10}),
        ("Finished", body(lambda raw: raw[:-1]), {50}),
        ("Finished", body(lambda raw: raw + b"\x00"), {50}),
        ("Finished", body(lambda _: b""), {50}),
        ("Finished", body(lambda _: bytes(12)), {51}),
        ("Finished", body(lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,))), {51}),
        ("Finished", lambda raw: [(APPLICATION_DATA, b"early"), raw], {10}),
        ("Finished", lambda raw: [message(HELLO_REQUEST, b""), raw], {10}),
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
        assert pair.refusal() == (SERVER, faults.CCS_RECEIVED_EARLY)


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
        assert pair.refusal().fault.alert == 10


def test_an_echo_for_middleboxes_is_no_session():
    """RFC 8446 D.4: TLS 1.2 servers do not know the session id of a TLS 1.3 offer."""
    pair = twelve({"versions": (TLS13, TLS12)}, {"versions": (TLS12,), "options": BASE | OP_NO_TICKET})
    pair.client.advance()
    pair.server.wire["ServerHello"] = hello(session_id=pair.client.state.offer.session_id)
    assert pair.refusal() == (CLIENT, faults.INVALID_SESSION_ID)


def test_a_failed_connection_is_not_resumed():
    """RFC 5246 7.2.2."""
    first = twelve(server={"options": BASE | OP_NO_TICKET}).handshake()
    first.server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(faults.Abort):
        first.server.read_into(memoryview(bytearray(99)))
    pair = Pair(first.client.config, first.server.config, session=first.client.session).handshake().echo()
    assert not pair.client.session_reused


# Renegotiation, which a server may ask for


def ask(pair: Pair) -> None:
    pair.server.outbound.put(HANDSHAKE, message(HELLO_REQUEST, b""))


def test_a_renegotiation_that_is_forbidden():
    pair = twelve({"options": BASE | OP_NO_RENEGOTIATION}).handshake()
    ask(pair)
    pair.run()
    assert pair.server.warnings == 1
    pair.echo()


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
    assert caught.value.fault is faults.APP_DATA_IN_HANDSHAKE


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


def test_edits_are_what_they_are_called():
    edit: Edit = body(lambda raw: raw + b"!")
    kinds = (CLIENT_HELLO, SERVER_KEY_EXCHANGE, CLIENT_KEY_EXCHANGE, CERTIFICATE_VERIFY)
    assert [edit(message(kind, b"?"))[4:] for kind in kinds] == [b"?!"] * 4


def renegotiating(**more: Any) -> Pair:
    """A server that takes a second ClientHello, as OpenSSL's does when asked; ours never would."""
    pair = twelve(**more).handshake()
    client, server = pair.client, pair.server
    ask(pair)
    both = vec8(client.finished_sent + client.finished_received)
    server.lies["ServerHello"] = hello({RENEGOTIATION_INFO: both})
    client.lies["ClientHello"] = hello({RENEGOTIATION_INFO: None})  # a server of ours would not know what it means
    server.state, server.transcript, server.established = ExpectClientHello(), Transcript(), False
    return pair


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
    assert caught.value.fault is faults.APP_DATA_IN_HANDSHAKE


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
