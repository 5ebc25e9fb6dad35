"""TLS 1.0 to 1.2: hellos and key exchanges that break a rule (RFC 5246 7.4, RFC 5746, 7627, 7366, 8422)."""

from __future__ import annotations

import pytest

from puretls._base import faults
from puretls._base.registry import (
    ALPN,
    CERTIFICATE,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    CLIENT_KEY_EXCHANGE,
    EC_POINT_FORMATS,
    ENCRYPT_THEN_MAC,
    EXTENDED_MASTER_SECRET,
    FALLBACK_SCSV,
    RENEGOTIATION_INFO,
    SERVER_KEY_EXCHANGE,
    SESSION_TICKET,
    SIGNATURE_ALGORITHMS,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    TLS10,
    TLS11,
    TLS12,
)
from puretls._crypto.groups import SECP256R1, X25519
from puretls._engine.config import (
    OP_LEGACY_SERVER_CONNECT,
    OP_NO_ENCRYPT_THEN_MAC,
    OP_NO_TICKET,
)
from puretls._engine.policy import CERT_NONE
from puretls._engine.requests import PskClientRequest, PskServerRequest
from puretls._wire.codec import vec8, vec16, vec24
from puretls._wire.hello import ClientHello, ServerHello
from support.joined12 import BASE, twelve, using, with_field, with_params
from support.pair import (
    CLIENT,
    SERVER,
    Edit,
    Pair,
    body,
    ffdhe,
    hello,
    identity,
    instead,
    message,
    split_records,
    swapped,
)

SERVER_HELLOS = [
    ("TLS 1.1", hello(legacy_version=TLS11), faults.UNSUPPORTED_PROTOCOL, 70),
    ("SSL 3", hello(legacy_version=0x0300), faults.UNSUPPORTED_PROTOCOL, 70),
    ("TLS 1.3 the old way", hello(legacy_version=0x0304), faults.UNSUPPORTED_PROTOCOL, 70),
    ("supported_versions", hello({SUPPORTED_VERSIONS: b"\x03\x03"}), faults.UNSOLICITED_EXTENSION, 110),
    ("a suite that was not offered", hello(cipher_suite=0x002F), faults.WRONG_CIPHER_RETURNED, 47),
    ("a suite of TLS 1.3", hello(cipher_suite=0x1301), faults.WRONG_CIPHER_RETURNED, 47),
    ("the SCSV", hello(cipher_suite=0x00FF), faults.UNKNOWN_CIPHER_RETURNED, 47),
    ("compression", hello(compression_method=1), faults.COMPRESSION_DISABLED, 47),
    ("an unknown extension", hello({0x1234: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("ALPN that was not offered", hello({ALPN: b"\x00\x02\x01a"}), faults.UNSOLICITED_EXTENSION, 110),
    ("encrypt_then_mac without CBC", hello({ENCRYPT_THEN_MAC: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("signature_algorithms", hello({SIGNATURE_ALGORITHMS: b""}), faults.MISPLACED_EXTENSION, 47),
    ("no renegotiation_info", hello({RENEGOTIATION_INFO: None}), faults.UNSAFE_LEGACY_RENEGOTIATION_DISABLED, 40),
    ("a renegotiation", hello({RENEGOTIATION_INFO: b"\x0c" + bytes(12)}), faults.RENEGOTIATION_MISMATCH, 40),
    ("half a renegotiation_info", hello({RENEGOTIATION_INFO: b"\x0c"}), faults.RENEGOTIATION_ENCODING_ERR, 50),
    ("extended_master_secret with a body", hello({EXTENDED_MASTER_SECRET: b"x"}), faults.BAD_EXTENSION, 50),
    ("session_ticket with a body", hello({SESSION_TICKET: b"x"}), faults.BAD_EXTENSION, 50),
    ("no uncompressed points", hello({EC_POINT_FORMATS: b"\x01\x01"}), faults.ILLEGAL_POINT_COMPRESSION, 47),
    ("something behind", body(lambda raw: raw + b"\x00"), faults.BAD_LENGTH, 50),
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
    ("SSL 3", hello(legacy_version=0x0300), faults.VERSION_TOO_LOW, 70),
    ("TLS 1.1", hello(legacy_version=TLS11), faults.UNSUPPORTED_PROTOCOL, 70),
    ("nonsense", hello(legacy_version=0x0203), faults.VERSION_TOO_LOW, 70),
    ("a fallback", hello(cipher_suites=b"\xc0\x2b\x56\x00"), faults.INAPPROPRIATE_FALLBACK_SCSV, 86),
    ("extended_master_secret with a body", hello({EXTENDED_MASTER_SECRET: b"x"}), faults.BAD_EXTENSION, 50),
    ("no uncompressed points", hello({EC_POINT_FORMATS: b"\x01\x01"}), faults.ILLEGAL_POINT_COMPRESSION, 47),
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
    from support.pair import FFDHE

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
    assert pair.refusal() == (SERVER, faults.INCONSISTENT_EXTMS), name
    assert faults.INCONSISTENT_EXTMS.alert == 40
    pair = again(plain).handshake().echo()  # a session without it is not resumed with it
    assert not pair.client.session_reused
    for edit, alert in (
        (hello({EXTENDED_MASTER_SECRET: None}), 40),
        (hello(cipher_suite=0xC02C), 47),
        (hello(cipher_suite=0xC030), 47),
    ):
        pair = again(with_ems())
        pair.server.wire["ServerHello"] = edit
        refused = pair.refusal()
        assert (refused.by, refused.fault.alert) == (CLIENT, alert)


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
    ("a point of zeros", lambda raw: ecdh(bytes(32)) + raw[36:], faults.BAD_SIGNATURE, 51),
    ("a short point", lambda raw: ecdh(bytes(31)) + raw[36:], faults.BAD_SIGNATURE, 51),
    ("no point", lambda raw: ecdh(b"") + raw[36:], faults.BAD_SIGNATURE, 51),
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


@pytest.mark.parametrize("point", [bytes(32), bytes(31), b"", bytes(33)])
def test_a_server_that_means_a_bad_point(point):
    pair = twelve()
    with_params(pair, lambda _: ecdh(point))
    assert pair.refusal() == (CLIENT, faults.BAD_KEY_SHARE)


def test_points_are_uncompressed():
    """RFC 8422 5.4.1: we offered no other format, and take none."""
    pair = twelve({"groups": (SECP256R1,)})
    with_params(pair, lambda raw: ecdh(bytes((2 + (raw[68] & 1),)) + raw[5:37], group=23))
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
        ("p - 1", (ffdhe().p - 1).to_bytes(256, "big"), faults.BAD_DH_VALUE),
        ("p", ffdhe().p.to_bytes(256, "big"), faults.BAD_DH_VALUE),
        ("more than p", b"\xff" * 256, faults.BAD_DH_VALUE),
        ("nothing", b"", faults.LENGTH_MISMATCH),
    ],
)
def test_finite_field_shares(what, share, fault):
    pair = using("DHE-RSA-AES128-GCM-SHA256")
    pair.client.wire["ClientKeyExchange"] = body(lambda _: vec16(share))
    assert pair.refusal() == (SERVER, fault), what
    pair = using("DHE-RSA-AES128-GCM-SHA256")
    with_field(pair, ffdhe().p, ffdhe().g, share)
    assert pair.refusal() == (CLIENT, fault), what


@pytest.mark.parametrize(
    ("p", "g", "fault"),
    [
        (ffdhe().p - 1, 2, faults.BAD_DH_VALUE),
        (ffdhe().p, 1, faults.BAD_DH_VALUE),
        (ffdhe().p, ffdhe().p - 1, faults.BAD_DH_VALUE),
        ((1 << 2048) - 1, 2, faults.BAD_DH_VALUE),
        (0xF7E75FDC469067FFDC4E847C51F452DF, 2, faults.DH_KEY_TOO_SMALL),
        (23, 5, faults.DH_KEY_TOO_SMALL),
        ((1 << 9000) + 1, 2, faults.BAD_DH_VALUE),
    ],
)
def test_finite_fields(p, g, fault):
    """Weak and absurd parameters of a server (Logjam)."""
    pair = using("DHE-RSA-AES128-GCM-SHA256")
    with_field(pair, p, g)
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


def test_edits_are_what_they_are_called():
    edit: Edit = body(lambda raw: raw + b"!")
    kinds = (CLIENT_HELLO, SERVER_KEY_EXCHANGE, CLIENT_KEY_EXCHANGE, CERTIFICATE_VERIFY)
    assert [edit(message(kind, b"?"))[4:] for kind in kinds] == [b"?!"] * 4


@pytest.mark.parametrize("data", [b"x", b"a short message"])
def test_tls10_splits_what_goes_the_short_way(data):
    """BEAST: where a CBC record's IV was on the wire, the next record holds one byte."""
    pair = using("TLS_RSA_WITH_AES_128_CBC_SHA", version=TLS10).handshake()
    sent = pair.client.write_record(data)
    assert len(split_records(sent)) == min(len(data), 2)
    assert pair.arrive(pair.server, sent) == data


@pytest.mark.parametrize("name", ["AES128-GCM-SHA256", "RSA-PSK-AES128-GCM-SHA256"])
def test_a_key_that_cannot_encrypt(name):
    """An even modulus, in a certificate that nobody verifies: `cryptography` loads it, and fails when it is used."""
    modulus = identity("RSA").public_key.public_numbers().n
    spoilt = swapped(modulus.to_bytes(256, "big"), (modulus - 1).to_bytes(256, "big"))
    client = {"verify_mode": CERT_NONE, "check_hostname": False, "psk_client": True}
    pair = using(name, client=client, server={"psk_server": True})
    pair.answers.update({PskClientRequest: (b"who", b"key"), PskServerRequest: b"key"})
    pair.server.wire["Certificate"] = spoilt
    by, fault = pair.refusal()
    assert (by, fault.reason) == (CLIENT, "EVP_LIB")
