"""ClientHellos as bytes, before a server's public interface: versions, bodies of extensions, the second of a retry."""

from __future__ import annotations

from typing import Any

import pytest

import puretls
from puretls._base import registry
from puretls._base.registry import TLS12, TLS13
from puretls._crypto import groups
from puretls._wire.codec import vec16, vec16_of
from puretls._wire.hello import ClientHello
from support.crooked import SECP256R1, Verdict, ask, hello_of, in_record, offers
from support.extension_bodies import CASES, WELL_FORMED
from support.pair import SERVER, Pair, client_config, hello, identity, server_config, split_records, store

VERSIONS = [*range(0x0000, 0x0300, 0x0055), 0x02FF, *range(0x0300, 0x0306), 0x03FF, 0x0400, 0x0500, 0x7F1C, 0xFFFF]


@pytest.fixture(scope="module")
def context(pki):
    made = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    return made


def version_of(sent: bytes) -> int:
    """That of a ServerHello."""
    assert sent[0] == registry.HANDSHAKE
    found = sent[9] << 8 | sent[10]
    return TLS13 if b"\x00\x2b\x00\x02\x03\x04" in split_records(sent)[0] else found


def test_legacy_version_beside_supported_versions(context):
    """RFC 8446 4.2.1: it is not looked at; but D.5: SSL 3.0 and what is before it is refused with protocol_version."""
    for version in VERSIONS:
        answer = ask(context, in_record(hello_of(offers(), version)))
        if version > registry.SSL3:
            assert answer.verdict == Verdict(None, None), hex(version)
            assert version_of(answer.sent) == TLS13
        else:
            assert answer.verdict == Verdict("BAD_LEGACY_VERSION", registry.PROTOCOL_VERSION), hex(version)


def test_legacy_version_alone(context):
    """RFC 8446 4.2.1: whatever is above TLS 1.2 negotiates up to TLS 1.2."""
    for version in VERSIONS:
        answer = ask(context, in_record(hello_of(offers(TLS12), version)))
        if version >= TLS12:
            assert answer.verdict == Verdict(None, None), hex(version)
            assert version_of(answer.sent) == TLS12
        else:
            assert answer.verdict.alert == registry.PROTOCOL_VERSION, hex(version)


# Bodies


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_well_formed_bodies_are_taken(version, context):
    """Without which the next test could not tell one reason from another."""
    for kind, body in WELL_FORMED.items():
        if kind in {registry.COOKIE, registry.PRE_SHARED_KEY}:
            continue  # which need more than a good body
        answer = ask(context, in_record(hello_of(offers(version, **{f"x{kind}": body}))))
        assert answer.verdict == Verdict(None, None), registry.EXTENSIONS[kind]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_bodies_of_all_known_extensions_are_read(version, context):
    """RFC 8446 6.2: what cannot be read is decode_error, whether or not we would have used it."""
    wrong = []
    for kind, body in CASES:
        extra = {"x45": b"\x01\x01"} if kind == registry.PRE_SHARED_KEY else {}
        answer = ask(context, in_record(hello_of(offers(version, **extra, **{f"x{kind}": body}))))
        if answer.verdict.alert != registry.DECODE_ERROR:
            wrong.append((registry.EXTENSIONS[kind], body.hex(), answer.verdict))
    assert not wrong


# HelloRetryRequest


def no_share(**changes: bytes | None) -> bytes:
    return hello_of(offers(TLS13, x51=vec16(b""), **changes), session_id=bytes(32))


BEHIND = {
    "part of a message": b"\x01\x00\x01",
    "one byte": b"\x01",
    "another hello": no_share(),
    "a whole message of another kind": b"\x00\x00\x00\x00",
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
def test_nothing_follows_a_hello_that_is_retried(behind, context):
    assert ask(context, in_record(no_share())).verdict == Verdict(None, None)
    answer = ask(context, in_record(no_share() + behind))
    assert answer.verdict == Verdict("NOT_ON_RECORD_BOUNDARY", registry.UNEXPECTED_MESSAGE)


MAY_CHANGE = {  # RFC 8446 4.1.2
    registry.KEY_SHARE,
    registry.EARLY_DATA,
    registry.COOKIE,
    registry.PRE_SHARED_KEY,
    registry.PADDING,
    registry.ENCRYPTED_CLIENT_HELLO,
}
OTHERS = {
    registry.SERVER_NAME: b"\x00\x0c\x00\x00\x09otherhost",
    registry.ALPN: b"\x00\x03\x02h3",
    registry.SUPPORTED_GROUPS: vec16_of((SECP256R1,)),
    registry.SIGNATURE_ALGORITHMS: vec16_of((0x0403,)),
    registry.RECORD_SIZE_LIMIT: b"\x20\x00",
    registry.SUPPORTED_VERSIONS: b"\x02\x03\x04",
    registry.PSK_KEY_EXCHANGE_MODES: b"\x02\x01\x00",
    registry.SESSION_TICKET: b"ticket",
    registry.EC_POINT_FORMATS: b"\x02\x00\x01",
}


def retried(edit: Any) -> Pair:
    """A retry whose second ClientHello is edited."""
    pair = Pair(client_config(alpn=(b"http/1.1", b"h3")), server_config(groups=(groups.SECP256R1,)))
    seen: list[bytes] = []

    def second(raw: bytes) -> bytes:
        seen.append(raw)
        return raw if len(seen) == 1 else edit(raw)

    pair.client.lies["ClientHello"] = second
    return pair


@pytest.mark.parametrize("kind", [*sorted((WELL_FORMED | OTHERS).keys() - MAY_CHANGE), 0x1234])
def test_a_second_hello_is_the_first_but_for_what_was_asked(kind):
    """An extension that was there goes, or has another body; one that was not there comes."""
    seen: list[ClientHello] = []
    retried(lambda raw: seen.append(ClientHello.parse(raw)) or raw).handshake()
    if kind in seen[0].extensions:
        bodies = [None, *([OTHERS[kind]] if kind in OTHERS else [])]
    else:
        bodies = [WELL_FORMED.get(kind, b"")]
    for body in bodies:
        assert seen[0].extensions.get(kind) != body
        refused = retried(hello({kind: body})).refusal()
        assert (refused.by, refused.fault.alert) == (SERVER, registry.ILLEGAL_PARAMETER), body


@pytest.mark.parametrize("change", [{registry.PADDING: bytes(7)}, {registry.ENCRYPTED_CLIENT_HELLO: b"other"}])
def test_what_a_second_hello_may_change(change):
    retried(hello(change)).handshake().echo()


# Groups


BRAINPOOL = groups.BY_CODE[0x001A]  # of TLS 1.2 only


def test_groups_of_tls12_are_never_taken_in_tls13():
    both = (groups.X25519, groups.SECP256R1, BRAINPOOL)
    pair = Pair(client_config(groups=both, key_shares=(groups.X25519,)), server_config(groups=(groups.SECP256R1,)))
    pair.server.lies["HelloRetryRequest"] = hello({registry.KEY_SHARE: b"\x00\x1a"})
    refused = pair.refusal()
    assert (refused.by, refused.fault.reason, refused.fault.alert) == ("client", "BAD_KEY_SHARE", 47)
    config = client_config(groups=both[::-1], key_shares=both[::-1])
    assert BRAINPOOL not in config.share_groups
    config = client_config(groups=both[::-1], key_shares=(BRAINPOOL,))
    assert BRAINPOOL not in config.share_groups


def test_a_client_needs_a_group_of_its_best_version():
    """As OpenSSL: TLS 1.3 is enabled, and none of the groups is for it."""
    pair = Pair(client_config(groups=(BRAINPOOL,), key_shares=(BRAINPOOL,)))
    assert pair.refusal().fault.reason == "NO_SUITABLE_GROUPS"
    versions = {"versions": (TLS12,), "groups": (BRAINPOOL,)}
    server = server_config(**versions, credentials=(identity("RSA"),))
    Pair(client_config(**versions, store=store("RSA")), server).handshake().echo()
