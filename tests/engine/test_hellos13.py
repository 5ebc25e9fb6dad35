"""TLS 1.3 hellos and extensions that break a rule: who notices, and what the other side is told (RFC 8446 4.1, 4.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from puretls._base import faults, registry
from puretls._base.registry import (
    ALPN,
    CERTIFICATE,
    CLIENT_HELLO,
    COOKIE,
    EARLY_DATA,
    ENCRYPTED_EXTENSIONS,
    GREASE,
    KEY_SHARE,
    PRE_SHARED_KEY,
    PSK_KEY_EXCHANGE_MODES,
    RECORD_SIZE_LIMIT,
    SERVER_NAME,
    SIGNATURE_ALGORITHMS,
    STATUS_REQUEST,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from puretls._crypto import groups
from puretls._crypto.groups import SECP256R1, X25519, X25519MLKEM768
from puretls._engine.config import OP_CIPHER_SERVER_PREFERENCE
from puretls._wire.codec import extension, vec8, vec16
from puretls._wire.extensions import build_share
from puretls._wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12, HELLO_RETRY_REQUEST, ClientHello
from support.pair import (
    CLIENT,
    HOST,
    SERVER,
    SUITES13,
    Pair,
    body,
    client_config,
    drop,
    extension_block,
    extensions,
    hello,
    identity,
    instead,
    message,
    server_config,
    split_messages,
    store,
    twice,
)

SHARE = vec16(build_share(X25519.code, bytes(range(32))))


def retry(**server: Any) -> Pair:
    """A server that wants P-256, and a client that has sent X25519 only."""
    return Pair(server=server_config(groups=(SECP256R1,), **server))


# The client, and a ServerHello


SERVER_HELLOS = [
    ("a version of its own", hello(legacy_version=0x0304), faults.BAD_PROTOCOL_VERSION_NUMBER, 47),
    ("SSL 3", hello(legacy_version=0x0300), faults.UNSUPPORTED_PROTOCOL, 70),
    ("TLS 1.4", hello({SUPPORTED_VERSIONS: b"\x03\x05"}), faults.BAD_PROTOCOL_VERSION_NUMBER, 47),
    ("TLS 1.2 in supported_versions", hello({SUPPORTED_VERSIONS: b"\x03\x03"}), faults.BAD_PROTOCOL_VERSION_NUMBER, 47),
    ("half a version", hello({SUPPORTED_VERSIONS: b"\x03"}), faults.LENGTH_MISMATCH, 50),
    ("a suite that was not offered", hello(cipher_suite=0x1304), faults.WRONG_CIPHER_RETURNED, 47),
    ("a suite of TLS 1.2", hello(cipher_suite=0xC02F), faults.WRONG_CIPHER_RETURNED, 47),
    ("GREASE for a suite", hello(cipher_suite=GREASE[0]), faults.UNKNOWN_CIPHER_RETURNED, 47),
    ("another session id", hello(session_id=bytes(32)), faults.INVALID_SESSION_ID, 47),
    ("no session id", hello(session_id=b""), faults.INVALID_SESSION_ID, 47),
    ("compression", hello(compression_method=1), faults.INVALID_COMPRESSION_ALGORITHM, 47),
    ("no key_share", hello({KEY_SHARE: None}), faults.MISSING_KEY_SHARE, 109),
    ("an empty key_share", hello({KEY_SHARE: b""}), faults.LENGTH_MISMATCH, 50),
    ("a share of nothing", hello({KEY_SHARE: build_share(X25519.code, b"")}), faults.LENGTH_MISMATCH, 50),
    ("a share of zeros", hello({KEY_SHARE: build_share(X25519.code, bytes(32))}), faults.BAD_KEY_SHARE, 47),
    ("a short share", hello({KEY_SHARE: build_share(X25519.code, bytes(31))}), faults.BAD_KEY_SHARE, 47),
    ("another group", hello({KEY_SHARE: build_share(SECP256R1.code, bytes(65))}), faults.BAD_KEY_SHARE, 47),
    ("two shares", hello({KEY_SHARE: build_share(29, bytes(32)) * 2}), faults.LENGTH_MISMATCH, 50),
    ("a PSK from nowhere", hello({PRE_SHARED_KEY: bytes(2)}), faults.UNSOLICITED_EXTENSION, 110),
    ("an unsolicited cookie", hello({COOKIE: vec16(b"c")}), faults.MISPLACED_EXTENSION, 47),
    ("an unknown extension", hello({0x1234: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("ALPN that was not offered", hello({ALPN: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("server_name, which belongs elsewhere", hello({SERVER_NAME: b""}), faults.MISPLACED_EXTENSION, 47),
    ("supported_groups", hello({SUPPORTED_GROUPS: b""}), faults.MISPLACED_EXTENSION, 47),
    ("signature_algorithms", hello({SIGNATURE_ALGORITHMS: b""}), faults.MISPLACED_EXTENSION, 47),
    ("an extension twice", body(lambda raw: raw[:70] + vec16(raw[72:] + extension(43, b"\x03\x04"))), None, 47),
    ("something behind", body(lambda raw: raw + b"\x00"), faults.BAD_LENGTH, 50),
    ("half of it", body(lambda raw: raw[:50]), faults.LENGTH_MISMATCH, 50),
    ("nothing", body(lambda _: b""), faults.LENGTH_MISMATCH, 50),
]


@pytest.mark.parametrize(("what", "edit", "fault", "alert"), SERVER_HELLOS, ids=[row[0] for row in SERVER_HELLOS])
def test_server_hello(what, edit, fault, alert):
    pair = Pair()
    pair.server.wire["ServerHello"] = edit
    refused = pair.refusal()
    assert refused.by == CLIENT
    assert fault is None or refused.fault == fault
    assert refused.fault.alert == alert, what


@pytest.mark.parametrize("tail", [DOWNGRADE_TLS12, DOWNGRADE_TLS11])
def test_downgrade_sentinels_end_tls13_clients(tail):
    """RFC 8446 4.1.3: a server that could do better was made to believe that we could not."""
    for version in (TLS12, TLS11, TLS10):
        edit = hello({SUPPORTED_VERSIONS: None, KEY_SHARE: None}, legacy_version=version, random=bytes(24) + tail)
        pair = Pair(client_config(versions=(TLS13, TLS12, TLS11, TLS10)))
        pair.server.wire["ServerHello"] = edit
        assert pair.refusal() == (CLIENT, faults.DOWNGRADE_DETECTED)
        assert faults.DOWNGRADE_DETECTED.alert == 47
    pair = Pair()  # somebody takes supported_versions out of the offer
    pair.client.wire["ClientHello"] = hello({SUPPORTED_VERSIONS: None})
    assert pair.refusal() == (CLIENT, faults.DOWNGRADE_DETECTED)


def test_a_server_says_what_it_could_have_done():
    for versions, ours, tail in (
        ((TLS13, TLS12), (TLS12,), DOWNGRADE_TLS12),
        ((TLS13, TLS12, TLS11), (TLS11,), DOWNGRADE_TLS11),
        ((TLS12, TLS11), (TLS11,), DOWNGRADE_TLS11),
    ):
        from support.pair import OLDER

        pair = Pair(
            client_config(versions=ours, suites=OLDER, security_level=0),
            server_config(versions=versions, suites=OLDER, security_level=0),
        ).handshake()
        assert pair.server.server_random.endswith(tail)
    pair = Pair(client_config(versions=(TLS12,)), server_config(versions=(TLS12,))).handshake()
    assert not pair.server.server_random.endswith((DOWNGRADE_TLS12, DOWNGRADE_TLS11))


def test_versions_without_overlap():
    pair = Pair(client_config(versions=(TLS13,)), server_config(versions=(TLS12,)))
    assert pair.refusal() == (SERVER, faults.UNSUPPORTED_PROTOCOL)
    pair = Pair(client_config(versions=(TLS12,)), server_config(versions=(TLS13,)))
    assert pair.refusal() == (SERVER, faults.UNSUPPORTED_PROTOCOL)
    assert faults.UNSUPPORTED_PROTOCOL.alert == 70
    for versions in ((TLS13,), (TLS12, TLS11)):
        pair = Pair(client_config(versions=versions))
        pair.server.wire["ServerHello"] = hello({SUPPORTED_VERSIONS: None}, legacy_version=TLS10, random=bytes(32))
        assert pair.refusal().fault.alert in {47, 70}


# HelloRetryRequest


def test_hello_retry_request():
    for server in ({}, {"retry_cookie": True}):
        pair = retry(**server).handshake().echo()
        assert pair.client.group is pair.server.group is SECP256R1
    pair = Pair(
        client_config(groups=(X25519MLKEM768, X25519), key_shares=(X25519,)), server_config(groups=(X25519MLKEM768,))
    )
    assert pair.handshake().echo().client.group is X25519MLKEM768


RETRIES = [
    ("a group that was not offered", hello({KEY_SHARE: b"\x00\x18"}), faults.BAD_KEY_SHARE, 47),
    ("an unknown group", hello({KEY_SHARE: b"\x12\x34"}), faults.BAD_KEY_SHARE, 47),
    ("a group that had a share", hello({KEY_SHARE: b"\x00\x1d"}), faults.BAD_KEY_SHARE, 47),
    ("no change", hello({KEY_SHARE: None}), faults.NO_CHANGE_FOLLOWING_HRR, 47),
    ("a whole share", hello({KEY_SHARE: build_share(23, bytes(65))}), faults.LENGTH_MISMATCH, 50),
    ("an empty cookie", hello({COOKIE: vec16(b"")}), faults.BAD_EXTENSION, 50),
    ("a suite that was not offered", hello(cipher_suite=0x1305), faults.WRONG_CIPHER_RETURNED, 47),
    ("an unknown extension", hello({0x1234: b""}), faults.UNSOLICITED_EXTENSION, 110),
    ("a PSK", hello({PRE_SHARED_KEY: bytes(2)}), faults.MISPLACED_EXTENSION, 47),
    ("server_name", hello({SERVER_NAME: b""}), faults.MISPLACED_EXTENSION, 47),
    ("another session id", hello(session_id=b"x"), faults.INVALID_SESSION_ID, 47),
    ("no version", hello({SUPPORTED_VERSIONS: None}), faults.UNSUPPORTED_PROTOCOL, 70),
    ("TLS 1.2", hello({SUPPORTED_VERSIONS: b"\x03\x03"}), faults.BAD_PROTOCOL_VERSION_NUMBER, 47),
    ("compression", hello(compression_method=1), faults.INVALID_COMPRESSION_ALGORITHM, 47),
]


@pytest.mark.parametrize(("what", "edit", "fault", "alert"), RETRIES, ids=[row[0] for row in RETRIES])
def test_retry_requests(what, edit, fault, alert):
    pair = retry()
    pair.server.wire["HelloRetryRequest"] = edit
    assert pair.refusal() == (CLIENT, fault), what
    assert fault.alert == alert


def test_a_cookie_alone_asks_for_the_same_again():
    """RFC 8446 4.1.4: the second ClientHello is the first with the cookie."""
    hellos = []
    pair = Pair()

    def keep(raw: bytes) -> bytes:
        hellos.append(raw)
        return raw

    pair.client.lies["ClientHello"] = keep
    pair.client.advance()
    first = ClientHello.parse(pair.client.take()[5:])
    block = extension(SUPPORTED_VERSIONS, b"\x03\x04") + extension(COOKIE, vec16(b"crumbs"))
    request = b"\x03\x03" + HELLO_RETRY_REQUEST + vec8(first.session_id) + b"\x13\x01\x00" + vec16(block)
    pair.client.receive(b"\x16\x03\x03" + vec16(message(2, request)))
    pair.client.advance()
    second = ClientHello.parse(hellos[1])
    assert second.extensions.pop(COOKIE) == vec16(b"crumbs")
    assert second._replace(raw=b"") == first._replace(raw=b"")


def test_a_second_retry_request():
    pair = retry()
    asked = []

    def again(raw: bytes) -> bytes:
        asked.append(raw)
        return raw

    pair.server.wire["HelloRetryRequest"] = again
    pair.server.wire["ServerHello"] = lambda _: [hello({KEY_SHARE: b"\x00\x1d"})(asked[0])]
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


def test_after_a_retry_the_server_keeps_its_word():
    """RFC 8446 4.1.4: the same suite, the group that it asked for, TLS 1.3."""
    for edit, fault in (
        (hello(cipher_suite=0x1302), faults.CIPHERSUITE_DIGEST_HAS_CHANGED),
        (hello(cipher_suite=0x1303), faults.CIPHERSUITE_DIGEST_HAS_CHANGED),
        (hello({KEY_SHARE: build_share(29, b"\x09" + bytes(31))}), faults.BAD_KEY_SHARE),
        (hello({SUPPORTED_VERSIONS: None, KEY_SHARE: None}, random=bytes(32)), None),
    ):
        pair = retry()
        pair.server.wire["ServerHello"] = edit
        refused = pair.refusal()
        assert (refused.by, refused.fault.alert) == (CLIENT, 47)
        assert fault in (None, refused.fault)


SECONDS = [
    ("another random", hello(random=bytes(32)), faults.MISPLACED_EXTENSION),
    ("another session id", hello(session_id=bytes(32)), faults.MISPLACED_EXTENSION),
    ("another version", hello(legacy_version=TLS11), faults.MISPLACED_EXTENSION),
    ("other suites", hello(cipher_suites=b"\x13\x01\x13\x02"), faults.MISPLACED_EXTENSION),
    ("no TLS 1.3", hello({SUPPORTED_VERSIONS: b"\x02\x03\x03"}), faults.MISPLACED_EXTENSION),
    ("the first share again", hello({KEY_SHARE: SHARE}), faults.BAD_KEY_SHARE),
    ("two shares", hello({KEY_SHARE: vec16(SHARE[2:] + build_share(23, bytes(65)))}), faults.BAD_KEY_SHARE),
    ("no share", hello({KEY_SHARE: vec16(b"")}), faults.BAD_KEY_SHARE),
    ("early data", hello({EARLY_DATA: b""}), faults.MISPLACED_EXTENSION),
    ("a cookie from nowhere", hello({COOKIE: vec16(b"c")}), faults.BAD_HRR_COOKIE),
]


@pytest.mark.parametrize(("what", "edit", "fault"), SECONDS, ids=[row[0] for row in SECONDS])
def test_second_client_hellos(what, edit, fault):
    """RFC 8446 4.1.2: only what was asked for may change."""
    pair = retry()
    seen = []

    def second(raw: bytes) -> bytes:
        seen.append(raw)
        return raw if len(seen) == 1 else edit(raw)

    pair.client.wire["ClientHello"] = second
    assert pair.refusal() == (SERVER, fault), what
    assert fault.alert == 47


@pytest.mark.parametrize("cookie", [None, vec16(b"wrong"), vec16(bytes(32))])
def test_the_cookie_comes_back(cookie):
    pair = retry(retry_cookie=True)
    pair.client.wire["ClientHello"] = lambda raw: hello({COOKIE: cookie})(raw) if COOKIE_IN(raw) else raw
    assert pair.refusal() == (SERVER, faults.BAD_HRR_COOKIE)
    assert faults.BAD_HRR_COOKIE.alert == 47


def COOKIE_IN(raw: bytes) -> bool:  # noqa: N802 - reads as a question about the message
    return COOKIE in ClientHello.parse(raw).extensions


def test_groups_without_overlap():
    pair = Pair(client_config(groups=(X25519,)), server_config(groups=(SECP256R1,)))
    assert pair.refusal() == (SERVER, faults.NO_SUITABLE_KEY_SHARE)
    assert faults.NO_SUITABLE_KEY_SHARE.alert == 40


# The server, and a ClientHello


def cut_hello(size: int) -> Any:
    return body(lambda raw: raw[:size])


CLIENT_HELLOS = [
    ("compression", hello(compression_methods=b"\x01\x00"), faults.INVALID_COMPRESSION_ALGORITHM, 47),
    ("no null compression", hello(compression_methods=b"\x01"), faults.INVALID_COMPRESSION_ALGORITHM, 47),
    ("no suites", hello(cipher_suites=b""), faults.NO_CIPHERS_SPECIFIED, 47),
    ("half a suite", hello(cipher_suites=b"\x13\x01\x13"), faults.ERROR_IN_RECEIVED_CIPHER_LIST, 50),
    ("suites of TLS 1.2 only", hello(cipher_suites=b"\xc0\x2f"), faults.NO_SHARED_CIPHER, 40),
    ("a long session id", body(lambda raw: raw[:34] + vec8(bytes(33)) + raw[67:]), faults.LENGTH_MISMATCH, 50),
    ("no supported_groups", hello({SUPPORTED_GROUPS: None}), faults.MISSING_SUPPORTED_GROUPS, 109),
    ("no key_share", hello({KEY_SHARE: None}), faults.MISSING_KEY_SHARE, 109),
    ("neither", hello({KEY_SHARE: None, SUPPORTED_GROUPS: None}), faults.MISSING_KEY_SHARE, 109),
    ("no signature_algorithms", hello({SIGNATURE_ALGORITHMS: None}), faults.MISSING_SIGALGS, 109),
    ("empty signature_algorithms", hello({SIGNATURE_ALGORITHMS: bytes(2)}), faults.BAD_EXTENSION, 50),
    ("odd signature_algorithms", hello({SIGNATURE_ALGORITHMS: b"\x00\x03\x04\x03\x05"}), None, 50),
    ("no scheme of ours", hello({SIGNATURE_ALGORITHMS: b"\x00\x02\x08\x07"}), None, 40),
    ("empty supported_groups", hello({SUPPORTED_GROUPS: bytes(2)}), faults.BAD_EXTENSION, 50),
    ("empty supported_versions", hello({SUPPORTED_VERSIONS: b"\x00"}), faults.BAD_EXTENSION, 50),
    ("odd supported_versions", hello({SUPPORTED_VERSIONS: b"\x03\x03\x04\x03"}), None, 50),
    ("unknown versions only", hello({SUPPORTED_VERSIONS: b"\x02\x7f\x1c"}), faults.UNSUPPORTED_PROTOCOL, 70),
    ("a share outside the groups", hello({SUPPORTED_GROUPS: b"\x00\x02\x00\x17"}), faults.BAD_KEY_SHARE, 47),
    ("a share twice", hello({KEY_SHARE: vec16(SHARE[2:] * 2)}), faults.BAD_KEY_SHARE, 47),
    ("a share of zeros", hello({KEY_SHARE: vec16(build_share(29, bytes(32)))}), faults.BAD_KEY_SHARE, 47),
    ("a long share", hello({KEY_SHARE: vec16(build_share(29, bytes(33)))}), faults.BAD_KEY_SHARE, 47),
    ("an empty share", hello({KEY_SHARE: vec16(build_share(29, b""))}), faults.LENGTH_MISMATCH, 50),
    ("half a share", hello({KEY_SHARE: vec16(SHARE[2:10])}), None, 50),
    ("PSK without modes", hello({PSK_KEY_EXCHANGE_MODES: None, PRE_SHARED_KEY: b""}), None, 109),
    ("an empty PSK", hello({PRE_SHARED_KEY: b""}), faults.BAD_EXTENSION, 50),
    ("no modes", hello({PSK_KEY_EXCHANGE_MODES: b"\x00"}), faults.BAD_EXTENSION, 50),
    ("two names", hello({SERVER_NAME: vec16(b"\x00\x00\x01a\x00\x00\x01b")}), faults.BAD_EXTENSION, 50),
    ("half a name", hello({SERVER_NAME: vec16(b"\x00\x00\x09a")}), None, 50),
    ("empty ALPN", hello({ALPN: bytes(2)}), None, 50),
    ("an empty protocol", hello({ALPN: b"\x00\x01\x00"}), None, 50),
    ("a tiny record_size_limit", hello({RECORD_SIZE_LIMIT: b"\x00\x3f"}), faults.MISPLACED_EXTENSION, 47),
    ("oid_filters", hello({registry.OID_FILTERS: b""}), faults.MISPLACED_EXTENSION, 47),
    ("an extension twice", body(lambda raw: raw + b""), None, None),
    ("something behind", body(lambda raw: raw + b"\x00"), faults.LENGTH_MISMATCH, 50),
    *((f"{size} bytes", cut_hello(size), None, 50) for size in (0, 1, 2, 34, 35, 40, 67, 80, 120)),
]


@pytest.mark.parametrize(("what", "edit", "fault", "alert"), CLIENT_HELLOS, ids=[row[0] for row in CLIENT_HELLOS])
def test_client_hello(what, edit, fault, alert):
    pair = Pair()
    if alert is None:

        def edit(raw: bytes) -> bytes:
            block = extension_block(dict(ClientHello.parse(raw).extensions))
            return message(CLIENT_HELLO, raw[4 : -len(block) - 2] + vec16(block + extension(KEY_SHARE, b"")))

        fault, alert = faults.DUPLICATE_EXTENSION, 47
    pair.client.wire["ClientHello"] = edit
    refused = pair.refusal()
    assert refused.by == SERVER
    assert fault is None or refused.fault == fault
    assert refused.fault.alert == alert, what


def test_a_psk_is_the_last_extension():
    first = Pair().handshake()
    pair = Pair(first.client.config, first.server.config, session=first.client.session)

    def move(raw: bytes) -> bytes:
        found = dict(ClientHello.parse(raw).extensions)
        return hello({KEY_SHARE: None})(raw)[: -0 or None] if not found else reorder(raw, found)

    def reorder(raw: bytes, found: dict[int, bytes]) -> bytes:
        psk = found.pop(PRE_SHARED_KEY)
        block = extension_block({PRE_SHARED_KEY: psk, **found})
        return message(CLIENT_HELLO, raw[4 : -len(block) - 2] + vec16(block))

    pair.client.wire["ClientHello"] = move
    assert pair.refusal() == (SERVER, faults.MISPLACED_EXTENSION)


def test_what_a_server_does_not_know_it_ignores():
    """RFC 8446 4.1.2, 4.2, 9.3; RFC 8701: unknown suites, groups, versions, schemes, extensions, modes."""
    pair = Pair(client_config(grease=False))
    pair.client.lies["ClientHello"] = hello(
        {
            0x1234: b"anything",
            0x0A0A: b"",
            SUPPORTED_GROUPS: b"\x00\x06\x1a\x1a\x00\x1d\x7f\x7f",
            SUPPORTED_VERSIONS: b"\x08\x2a\x2a\x7f\x1c\x03\x05\x03\x04",
            SIGNATURE_ALGORITHMS: b"\x00\x06\x3a\x3a\x04\x03\xff\xff",
            PSK_KEY_EXCHANGE_MODES: b"\x03\x4a\x01\x05",
            STATUS_REQUEST: b"\x01\x00\x00\x00\x00",
        },
        cipher_suites=b"\x5a\x5a\x13\x01\xff\xff\x00\xff",
    )
    pair.handshake().echo()


def test_grease_is_offered_and_must_not_come_back():
    """RFC 8701 3.1, 4.1: also in the places where a list of ours would otherwise allow it."""
    pair = Pair()
    seen = []

    def keep(raw: bytes) -> bytes:
        seen.append(ClientHello.parse(raw))
        return raw

    pair.client.lies["ClientHello"] = keep
    pair.handshake()
    offered = [kind for kind in seen[0].extensions if kind in GREASE]
    assert offered
    assert int.from_bytes(seen[0].cipher_suites[:2], "big") in GREASE
    for name, edit in (
        ("ServerHello", hello({offered[0]: b""})),
        ("EncryptedExtensions", extensions(**{f"x{offered[0]}": b""})),
    ):
        pair = Pair(pair.client.config, pair.server.config)
        pair.server.wire[name] = edit
        assert pair.refusal() == (CLIENT, faults.UNSOLICITED_EXTENSION)


# EncryptedExtensions, CertificateRequest, Certificate


ENCRYPTED = [
    ("an unknown extension", {"x4660": b""}, faults.UNSOLICITED_EXTENSION, 110),
    ("ALPN that was not offered", {"x16": b"\x00\x02\x01a"}, faults.UNSOLICITED_EXTENSION, 110),
    ("key_share", {"x51": b""}, faults.MISPLACED_EXTENSION, 47),
    ("supported_versions", {"x43": b"\x03\x04"}, faults.MISPLACED_EXTENSION, 47),
    ("signature_algorithms", {"x13": b""}, faults.MISPLACED_EXTENSION, 47),
    ("early data", {"x42": b""}, faults.UNSOLICITED_EXTENSION, 110),
    ("a name", {"x0": b"\x00"}, faults.BAD_EXTENSION, 50),
    ("empty groups", {"x10": bytes(2)}, faults.BAD_EXTENSION, 50),
    ("a small record_size_limit", {"x28": b"\x00\x10"}, faults.MISPLACED_EXTENSION, 47),
    ("psk_key_exchange_modes", {"x45": b"\x01\x01"}, faults.MISPLACED_EXTENSION, 47),
    ("extended_master_secret", {"x23": b""}, faults.MISPLACED_EXTENSION, 47),
    ("ec_point_formats", {"x11": b"\x01\x00"}, faults.MISPLACED_EXTENSION, 47),
    ("a session ticket", {"x35": b""}, faults.MISPLACED_EXTENSION, 47),
]


@pytest.mark.parametrize(("what", "changes", "fault", "alert"), ENCRYPTED, ids=[row[0] for row in ENCRYPTED])
def test_encrypted_extensions(what, changes, fault, alert):
    pair = Pair()
    pair.server.wire["EncryptedExtensions"] = extensions(**changes)
    assert pair.refusal() == (CLIENT, fault), what
    assert fault.alert == alert


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"\x00\x03\x02h3", faults.BAD_ALPN),
        (b"\x00\x06\x02h2\x02h2", faults.BAD_ALPN),
        (bytes(2), faults.BAD_EXTENSION),
        (b"\x00\x01\x00", faults.BAD_EXTENSION),
    ],
)
def test_alpn_answers(answer, fault):
    pair = Pair(client_config(alpn=(b"h2", b"http/1.1")), server_config(alpn=(b"h2",)))
    pair.server.wire["EncryptedExtensions"] = extensions(x16=answer)
    assert pair.refusal() == (CLIENT, fault)


def test_alpn():
    for theirs, ours, chosen in (
        ((b"h2", b"http/1.1"), (b"http/1.1", b"h2"), b"http/1.1"),  # the server's preference
        ((b"h2",), (b"http/1.1",), None),
        ((), (b"h2",), None),
        ((b"h2",), (), None),
    ):
        for versions in ((TLS13,), (TLS12,)):
            pair = Pair(client_config(alpn=theirs, versions=versions), server_config(alpn=ours)).handshake()
            assert pair.client.alpn == pair.server.alpn == chosen


def test_server_name():
    for host, told in ((HOST, HOST), ("127.0.0.1", None), ("::1", None), (None, None)):
        pair = Pair(client_config(verify_mode=0, check_hostname=False), host=host).handshake()
        assert pair.server.server_name == told


REQUESTS = [
    ("a context", body(lambda raw: b"\x01x" + raw[1:]), None, 47),
    ("no signature_algorithms", extensions(x13=None), faults.MISSING_SIGALGS, 109),
    (
        "empty extensions",
        body(lambda raw: raw[:1] + bytes(2)),
        faults.MISSING_SIGALGS,
        109,
    ),  # RFC 9846: 0 bytes or more
    ("no extensions at all", body(lambda raw: raw[:1]), None, 50),
    ("key_share", extensions(x51=b""), faults.MISPLACED_EXTENSION, 47),
    ("half of it", body(lambda raw: raw[:-1]), None, 50),
]


@pytest.mark.parametrize(("what", "edit", "fault", "alert"), REQUESTS, ids=[row[0] for row in REQUESTS])
def test_certificate_requests(what, edit, fault, alert):
    pair = Pair(client_config(credentials=(identity(),)), server_config(verify_mode=1, store=store()))
    pair.server.wire["CertificateRequest"] = edit
    refused = pair.refusal()
    assert refused.by == CLIENT
    assert fault is None or refused.fault == fault
    assert refused.fault.alert == alert, what


def test_an_unknown_extension_in_a_request_is_ignored():
    pair = Pair(client_config(credentials=(identity(),)), server_config(verify_mode=1, store=store()))
    pair.server.lies["CertificateRequest"] = extensions(x4660=b"x")
    pair.handshake().echo()
    assert pair.server.peer


def certificate(ders: list[bytes], context: bytes = b"", extension_body: bytes = b"") -> bytes:
    entries = b"".join(len(der).to_bytes(3, "big") + der + vec16(extension_body) for der in ders)
    return message(CERTIFICATE, vec8(context) + len(entries).to_bytes(3, "big") + entries)


CERTIFICATES = [
    ("none", [], {}, faults.LENGTH_MISMATCH, 50),
    ("an empty one", [b""], {}, faults.LENGTH_MISMATCH, 50),
    ("garbage", [b"\x30\x03\x02\x01"], {}, faults.UNPARSABLE_CERTIFICATE, 42),
    ("a context", None, {"context": b"x"}, None, 47),
    ("an unsolicited extension", None, {"extension_body": extension(0x1234, b"")}, faults.UNSOLICITED_EXTENSION, 110),
    ("status_request", None, {"extension_body": extension(5, b"\x01\x00\x00\x01x")}, None, 110),
    ("half an extension", None, {"extension_body": b"\x00\x05\x00"}, faults.BAD_EXTENSION, 50),
]


@pytest.mark.parametrize(("what", "ders", "more", "fault", "alert"), CERTIFICATES, ids=[row[0] for row in CERTIFICATES])
def test_certificate_messages(what, ders, more, fault, alert):
    pair = Pair()
    chain = list(identity().ders) if ders is None else ders
    pair.server.wire["Certificate"] = instead(certificate(chain, **more))
    refused = pair.refusal()
    assert refused.by == CLIENT
    assert fault is None or refused.fault == fault
    assert refused.fault.alert == alert, what


# The order of messages


@pytest.mark.parametrize("name", ["EncryptedExtensions", "Certificate", "CertificateVerify"])
@pytest.mark.parametrize("edit", [drop, twice], ids=["missing", "twice"])
def test_a_servers_message(name, edit):
    """State skipping and repeating: each message comes, once, in its place."""
    pair = Pair()
    pair.server.wire[name] = edit
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)
    assert not pair.client.established


def test_a_server_without_finished_is_waited_for():
    pair = Pair()
    pair.server.wire["Finished"] = drop
    pair.run()
    assert not pair.client.established
    assert not pair.server.established


@pytest.mark.parametrize(
    "order",
    [
        ("Certificate", "EncryptedExtensions", "CertificateVerify", "Finished"),
        ("EncryptedExtensions", "CertificateVerify", "Certificate", "Finished"),
        ("EncryptedExtensions", "Certificate", "Finished", "CertificateVerify"),
        ("EncryptedExtensions", "Finished"),
        ("Finished",),
    ],
)
def test_a_servers_flight_in_another_order(order):
    pair = Pair()
    held: dict[str, bytes] = {}

    def hold(name: str) -> Any:
        def edit(raw: bytes) -> list[bytes]:
            held[name] = raw
            return [held[one] for one in order if one in held] if name == "Finished" else []

        return edit

    for name in ("EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"):
        pair.server.wire[name] = hold(name)
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


def test_suites_by_preference():
    backwards = SUITES13[::-1]
    for options, chosen in ((OP_CIPHER_SERVER_PREFERENCE, backwards[0]), (0, SUITES13[0])):
        pair = Pair(server=server_config(suites13=backwards, options=options)).handshake()
        assert pair.client.suite is chosen
    assert ENCRYPTED_EXTENSIONS in {raw[0] for raw in split_messages(message(8, b""))}


@pytest.mark.parametrize("group", groups.GROUPS, ids=lambda group: group.name)
def test_every_group(group):
    """Both versions that know it; a touched share is refused or gives other keys, never an error of ours."""
    for version in (TLS13, TLS12):
        if not group.since <= version <= group.until or (version == TLS12 and group.name.startswith("ffdhe")):
            continue
        config = {"versions": (version,), "groups": (group,)}
        pair = Pair(client_config(key_shares=(group,), **config), server_config(**config))
        if version == TLS12 and isinstance(group, groups.Weierstrass):
            from support.pair import AEAD12

            pair = Pair(
                client_config(suites=AEAD12, store=store("RSA"), **config),
                server_config(credentials=(identity("RSA"),), **config),
            )
        elif version == TLS12:
            pair = Pair(
                client_config(store=store("RSA"), **config), server_config(credentials=(identity("RSA"),), **config)
            )
        assert pair.handshake().echo().client.group is group


ONE_OF_EACH = [g for g in groups.GROUPS if g.until >= TLS13 and g.code not in range(0x102, 0x105)]  # those are slow


def bad_shares(group: groups.Group, *, of_server: bool) -> dict[str, bytes]:
    """What no implementation of a group sends."""
    if isinstance(group, groups.Hybrid):
        kem = group.kem.ciphertext if of_server else group.kem.key
        point = group.classic.offer().public
        good_kem = group.kem.private.generate().public_key().public_bytes_raw()
        bad = {
            "short": group.join(bytes(kem), point)[:-1],
            "long": group.join(bytes(kem), point) + b"x",
            "a bad point": group.join(good_kem if not of_server else bytes(kem), bytes(len(point))),
            "the halves the wrong way round": (point + bytes(kem)) if group.kem_first else (bytes(kem) + point),
        }
        if not of_server:
            bad["coefficients out of range"] = group.join(b"\xff" * kem, point)
        if isinstance(group.classic, groups.Montgomery):
            del bad["the halves the wrong way round"]  # any 32 bytes are a point there
        return bad
    if isinstance(group, groups.MlKem):
        size = group.kem.ciphertext if of_server else group.kem.key
        bad = {"short": bytes(size - 1), "long": bytes(size + 1)}
        if not of_server:  # any bytes of a ciphertext's length are one
            bad["coefficients out of range"] = b"\xff" * size
        return bad
    share = group.offer().public
    bad = {"short": share[:-1], "long": share + b"x", "zeros": bytes(len(share))}
    if isinstance(group, groups.Weierstrass):
        half = len(share) // 2
        bad |= {
            "compressed": bytes((2 + (share[-1] & 1),)) + share[1 : 1 + half],
            "hybrid form": bytes((6 + (share[-1] & 1),)) + share[1:],
            "off the curve": share[:-1] + bytes((share[-1] ^ 1,)),
            "infinity": b"\x00",
            "without form": share[1:],
        }
    elif isinstance(group, groups.Ffdhe):
        p = group.field.p
        bad |= {
            "one": (1).to_bytes(len(share), "big"),
            "p - 1": (p - 1).to_bytes(len(share), "big"),
            "p": p.to_bytes(len(share), "big"),
            "more than p": b"\xff" * len(share),
        }
    else:
        bad["a point of order 2"] = b"\x01" + bytes(len(share) - 1)
    return bad


@pytest.mark.parametrize("by", ["client", "server"])
@pytest.mark.parametrize("group", ONE_OF_EACH, ids=lambda group: group.name)
def test_bad_shares(group, by):
    """RFC 8446 4.2.8, 7.4.2; draft-ietf-tls-ecdhe-mlkem 4: illegal_parameter, whatever the group."""
    config = {"groups": (group,)}
    for what, share in bad_shares(group, of_server=by == "server").items():
        pair = Pair(client_config(key_shares=(group,), **config), server_config(**config))
        entry = build_share(group.code, share)
        getattr(pair, by).wire["ClientHello" if by == "client" else "ServerHello"] = hello(
            {KEY_SHARE: vec16(entry) if by == "client" else entry}
        )
        assert pair.refusal() == ({"client": SERVER, "server": CLIENT}[by], faults.BAD_KEY_SHARE), what
    assert faults.BAD_KEY_SHARE.alert == 47


def test_grease_does_not_change_under_two_threads(monkeypatch):
    """A second ClientHello has to be the first again (RFC 8446 4.1.2), whichever thread computes it first."""
    config = client_config()
    monkeypatch.setattr("puretls._engine.config.urandom", None)
    first = config.grease_values
    assert first == replace(config).grease_values
