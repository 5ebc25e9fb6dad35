"""Every codec of _wire: what is built reads back, no part of it reads as a whole, only Abort comes of noise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._engine.handshake import decode
from puretls._wire import codec, extensions, hello, messages, messages12
from puretls._wire.codec import Reader, extension, message, split_extensions, vec8, vec16, vec16_of, vec24
from puretls._wire.messages import CertificateEntry

Codec = tuple[Callable[..., Any], Callable[..., bytes], st.SearchStrategy[tuple[Any, ...]]]

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
blob = st.binary(max_size=40)
some = st.binary(min_size=1, max_size=40)
random = st.binary(min_size=32, max_size=32)
session_id = st.binary(max_size=32)
numbers = st.lists(u16, max_size=5).map(tuple)
some_numbers = st.lists(u16, min_size=1, max_size=5).map(tuple)
some_ranks = st.lists(u16, max_size=5, unique=True).map(lambda found: {n: i for i, n in enumerate(found)})
ext_dict = st.dictionaries(u16, blob, max_size=4)
blobs = st.lists(some, max_size=4).map(tuple)


def block(found: dict[int, bytes]) -> bytes:
    return b"".join(extension(kind, body) for kind, body in found.items())


def entries(chain: list[tuple[bytes, dict[int, bytes]]]) -> tuple[CertificateEntry, ...]:
    return tuple(CertificateEntry(der, found) for der, found in chain)


# Each: parse, build with the same arguments as the fields behind `raw`, and how to make them
MESSAGES: dict[str, Codec] = {
    "ClientHello": (
        hello.ClientHello.parse,
        lambda version, r, sid, suites, _, ext: hello.client_hello(version, r, sid, suites, block(ext)),
        st.tuples(u16, random, session_id, some_numbers.map(lambda n: vec16_of(n)[2:]), st.just(b"\x00"), ext_dict),
    ),
    "ServerHello": (
        hello.ServerHello.parse,
        lambda version, r, sid, suite, _, ext: hello.server_hello(version, r, sid, suite, block(ext)),
        st.tuples(u16, random, session_id, u16, st.just(0), ext_dict),
    ),
    "EncryptedExtensions": (
        messages.EncryptedExtensions.parse,
        lambda ext: messages.encrypted_extensions(block(ext)),
        st.tuples(ext_dict),
    ),
    "CertificateRequest": (
        messages.CertificateRequest.parse,
        lambda context, ext: messages.certificate_request(context, block(ext)),
        st.tuples(blob, ext_dict),
    ),
    "Certificate": (
        messages.Certificate.parse,
        lambda context, chain: messages.certificate(context, messages.certificate_list(chain)),
        st.tuples(blob, st.lists(st.tuples(some, ext_dict), max_size=3).map(entries)),
    ),
    "CertificateVerify": (messages.CertificateVerify.parse, messages.certificate_verify, st.tuples(u16, blob)),
    "NewSessionTicket": (
        messages.NewSessionTicket.parse,
        lambda life, add, nonce, ticket, ext: messages.new_session_ticket(life, add, nonce, ticket, block(ext)),
        st.tuples(u32, u32, blob, some, ext_dict),
    ),
    "KeyUpdate": (messages.KeyUpdate.parse, messages.key_update, st.tuples(st.integers(0, 255))),
    "messages12.Certificate": (messages12.Certificate.parse, messages12.certificate, st.tuples(blobs)),
    "messages12.CertificateStatus": (
        messages12.CertificateStatus.parse,
        lambda _, response: messages12.certificate_status(response),
        st.tuples(st.just(1), blob),
    ),
    "messages12.CertificateRequest": (
        messages12.CertificateRequest.parse,
        lambda types, schemes, names: messages12.certificate_request(types, tuple(schemes), names),
        st.tuples(some, some_ranks.filter(bool), blobs),
    ),
    "messages12.CertificateRequest of TLS 1.1": (
        messages12.CertificateRequest.parse_tls11,
        lambda types, _, names: messages12.certificate_request(types, None, names),
        st.tuples(some, st.just({}), blobs),
    ),
    "messages12.CertificateVerify": (
        messages12.CertificateVerify.parse,
        lambda _, signature: messages12.certificate_verify(signature),
        st.tuples(st.just(0), blob),
    ),
    "NewSessionTicket12": (
        messages12.NewSessionTicket.parse,
        messages12.new_session_ticket,
        st.tuples(u32, blob),
    ),
    "HelloRequest": (messages.Empty.parse, lambda: messages12.HELLO_REQUEST, st.tuples()),
    "ServerHelloDone": (messages.Empty.parse, lambda: messages12.SERVER_HELLO_DONE, st.tuples()),
}
UNBOUNDED: dict[str, Codec] = {  # whose reader knows the length, or what is inside
    "Finished": (messages.Finished.parse, messages.finished, st.tuples(blob)),
    "ServerKeyExchange": (messages12.KeyExchange.parse, messages12.server_key_exchange, st.tuples(blob)),
    "ClientKeyExchange": (messages12.KeyExchange.parse, messages12.client_key_exchange, st.tuples(blob)),
}
# Parts inside messages: parse, build, values
psk_identities = st.lists(st.tuples(some, u32), min_size=1, max_size=3)


def offered(identities: list[tuple[bytes, int]]) -> bytes:
    names = b"".join(vec16(name) + age.to_bytes(4, "big") for name, age in identities)
    return vec16(names) + vec16(vec8(bytes(32)) * len(identities))


def body_of(build: Callable[..., bytes]) -> Callable[..., bytes]:
    return lambda *values: build(*values)[4:]


BODIES: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes], st.SearchStrategy[Any]]] = {
    "numbers": (
        extensions.numbers,
        lambda found: extensions.build_numbers(10, tuple(found))[4:],
        some_ranks.filter(bool),
    ),
    "server_name": (
        extensions.server_name,
        lambda name: extensions.build_server_name(name.encode())[4:],
        st.text("abc-.1", min_size=1, max_size=30),
    ),
    "protocols": (extensions.protocols, body_of(extensions.build_protocols), blobs.filter(bool)),
    "versions": (extensions.versions, lambda n: vec8(vec16_of(n)[2:]), some_numbers),
    "selected": (extensions.selected_u16, lambda n: n.to_bytes(2, "big"), u16),
    "key_share": (extensions.key_share, lambda share: extensions.build_share(*share), st.tuples(u16, some)),
    "key_shares": (
        extensions.key_shares,
        lambda shares: vec16(b"".join(extensions.build_share(*share) for share in shares)),
        st.lists(st.tuples(u16, some), max_size=3).map(tuple),
    ),
    "cookie": (extensions.cookie, vec16, some),
    "identities": (
        lambda data: [tuple(one) for one in extensions.offered_psks(data).identities],
        offered,
        psk_identities,
    ),
    "psk_modes": (extensions.psk_modes, vec8, some),
    "record_size_limit": (extensions.record_size_limit, lambda n: n.to_bytes(2, "big"), st.integers(64, 0xFFFF)),
    "point_formats": (extensions.point_formats, vec8, blob.map(lambda data: data + b"\x00")),
    "renegotiated": (extensions.renegotiated_connection, vec8, blob),
    "authorities": (extensions.authorities, body_of(extensions.build_authorities), blobs.filter(bool)),
    "ocsp_response": (extensions.ocsp_response, lambda data: b"\x01" + vec24(data), some),
    "ecdh": (
        lambda data: extensions.reading(messages12.EcdhParams.read, data),
        lambda value: messages12.EcdhParams(*value).encode(),
        st.tuples(u16, blob),
    ),
    "dh": (
        lambda data: extensions.reading(messages12.DhParams.read, data),
        lambda value: messages12.DhParams(*value).encode(),
        st.tuples(st.integers(1, 1 << 80), st.integers(1, 1 << 80), some),
    ),
}


@pytest.mark.parametrize("name", MESSAGES | UNBOUNDED)
def test_messages_read_back(name):
    parse, build, values = (MESSAGES | UNBOUNDED)[name]

    @given(values)
    def check(fields: tuple[Any, ...]) -> None:
        raw = build(*fields)
        assert parse(raw) == (raw, *fields)
        assert int.from_bytes(raw[1:4], "big") == len(raw) - 4

    check()


@pytest.mark.parametrize("name", MESSAGES)
def test_no_part_of_a_message_is_one(name):
    """Neither cut short nor with something behind; only what a hello may leave out makes a difference."""
    parse, build, values = MESSAGES[name]

    @given(values, st.data())
    def check(fields: tuple[Any, ...], data: st.DataObject) -> None:
        raw = build(*fields)
        size = data.draw(st.integers(4, len(raw) - 1)) if len(raw) > 4 else 3
        for broken in (raw[:size], raw + data.draw(some)):
            if "Hello" in name and without_extensions(broken):
                continue
            with pytest.raises(Abort) as caught:
                decode(parse, broken)
            assert caught.value.fault.alert in {registry.DECODE_ERROR, registry.ILLEGAL_PARAMETER}

    check()


def without_extensions(raw: bytes) -> bool:
    """A hello may end before its extensions (RFC 5246 7.4.1.2)."""
    r = Reader(raw)
    try:
        r.u16(), r.take(32), r.vec8()
        _ = (r.vec16(), r.vec8()) if raw[0] == registry.CLIENT_HELLO else (r.u16(), r.u8())
    except (Abort, IndexError):
        return False
    return not r.more()


@pytest.mark.parametrize("name", BODIES)
def test_bodies_read_back_and_no_part_does(name):
    parse, build, values = BODIES[name]

    @given(values, st.data())
    def check(value: Any, data: st.DataObject) -> None:
        raw = build(value)
        assert parse(raw) == value
        for broken in (raw[: data.draw(st.integers(0, len(raw) - 1))], raw + data.draw(some)):
            with pytest.raises(Abort):
                parse(broken)

    check()


@pytest.mark.parametrize("name", MESSAGES | UNBOUNDED)
def test_noise_is_refused(name):
    parse, build, values = (MESSAGES | UNBOUNDED)[name]

    @given(values, st.data())
    def check(fields: tuple[Any, ...], data: st.DataObject) -> None:
        raw = bytearray(build(*fields))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(4, max(4, len(raw) - 1)))
            raw[at : at + 1] = data.draw(st.binary(max_size=2))
        for noise in (bytes(raw), bytes(raw[:4]) + data.draw(st.binary(max_size=80))):
            with suppress(Abort):
                decode(parse, noise)

    check()


@pytest.mark.parametrize("name", BODIES)
@given(noise=st.binary(max_size=60))
def test_noise_in_a_body_is_refused(name, noise):
    with suppress(Abort):
        BODIES[name][0](noise)


@given(ext_dict)
def test_extension_blocks(found):
    data = block(found)
    assert list(split_extensions(data).items()) == list(found.items())
    for size in range(len(data)):
        try:
            part = split_extensions(data[:size])
        except Abort:
            continue
        assert list(part.items()) == list(found.items())[: len(part)]  # cut between two of them
        assert len(part) < len(found)


@given(u16, blob, blob)
def test_an_extension_comes_once(kind, one, two):
    with pytest.raises(Abort) as caught:
        split_extensions(extension(kind, one) + extension(kind, two))
    assert caught.value.fault.alert == registry.ILLEGAL_PARAMETER


@given(st.lists(st.tuples(st.sampled_from(["u8", "u16", "u32", "vec8", "vec16", "vec24"]), blob, u32)))
def test_reader_reads_what_was_written(fields):
    data, expected = b"", []
    for kind, content, number in fields:
        if kind[0] == "u":
            size = int(kind[1:]) // 8
            value: Any = number % (1 << 8 * size)
            data += value.to_bytes(size, "big")
        else:
            value = content
            data += getattr(codec, kind)(content)
        expected.append(value)
    r = Reader(data, 0)
    assert [getattr(r, kind)() for kind, *_ in fields] == expected
    r.done()
    for size in range(len(data)):
        r = Reader(data[:size], 0)
        with pytest.raises((Abort, IndexError)):
            [getattr(r, kind)() for kind, *_ in fields]


@pytest.mark.parametrize(
    ("parse", "body", "alert"),
    [
        (extensions.server_name, b"", 50),
        (extensions.server_name, b"\x00\x00", 50),
        (extensions.server_name, vec16(b"\x01" + vec16(b"a")), 50),
        (extensions.server_name, vec16(b"\x00" + vec16(b"a") + b"\x00" + vec16(b"b")), 50),
        (extensions.server_name, vec16(b"\x00" + vec16(b"")), 50),
        (extensions.server_name, vec16(b"\x00" + vec16(b"a\x00b")), 112),
        (extensions.server_name, vec16(b"\x00" + vec16(b"a" * 256)), 112),
        (extensions.numbers, vec16(b""), 50),
        (extensions.numbers, vec16(b"\x00"), 50),
        (extensions.versions, vec8(b""), 50),
        (extensions.protocols, vec16(b""), 50),
        (extensions.protocols, vec16(vec8(b"")), 50),
        (extensions.cookie, vec16(b""), 50),
        (extensions.psk_modes, vec8(b""), 50),
        (extensions.key_share, b"\x00\x1d\x00\x00", 50),
        (extensions.point_formats, vec8(b"\x01"), 47),
        (extensions.record_size_limit, b"\x00\x3f", 47),
        (extensions.offered_psks, vec16(vec16(b"a") + bytes(4)) + vec16(vec8(bytes(31))), 50),
        (extensions.offered_psks, vec16(vec16(b"a") + bytes(4)) + vec16(vec8(bytes(32)) * 2), 47),
        (extensions.offered_psks, vec16(b"") + vec16(vec8(bytes(32))), 50),
        (extensions.empty, b"\x00", 50),
        (extensions.renegotiated_connection, b"\x02\x00", 50),
    ],
)
def test_bodies_that_no_rfc_allows(parse, body, alert):
    with pytest.raises(Abort) as caught:
        parse(body)
    assert caught.value.fault.alert == alert


@pytest.mark.parametrize(
    ("parse", "raw", "reason"),
    [
        (hello.ClientHello.parse, (bytes(34) + vec8(bytes(33)) + vec16(bytes(2)) + vec8(b"\x00")), "LENGTH_MISMATCH"),
        (
            hello.ClientHello.parse,
            (bytes(34) + vec8(b"") + vec16(bytes(3)) + vec8(b"\x00")),
            "ERROR_IN_RECEIVED_CIPHER_LIST",
        ),
        (hello.ClientHello.parse, (bytes(34) + vec8(b"") + vec16(b"") + vec8(b"\x00")), "NO_CIPHERS_SPECIFIED"),
        (hello.ClientHello.parse, (bytes(34) + vec8(b"") + vec16(bytes(2)) + vec8(b"")), "NO_COMPRESSION_SPECIFIED"),
        (hello.ServerHello.parse, (bytes(34) + vec8(bytes(33)) + bytes(3)), "LENGTH_MISMATCH"),
        (messages.Certificate.parse, vec8(b"") + vec24(vec24(b"") + vec16(b"")), "LENGTH_MISMATCH"),
        (messages12.Certificate.parse, vec24(vec24(b"")), "LENGTH_MISMATCH"),
        (messages.NewSessionTicket.parse, bytes(8) + vec8(b"") + vec16(b"") + vec16(b""), "LENGTH_MISMATCH"),
        (messages12.CertificateRequest.parse, vec8(b"") + vec16(b"") + vec16(b""), "LENGTH_MISMATCH"),
        (messages12.CertificateRequest.parse, vec8(b"\x01") + vec16(b"") + vec16(vec16(b"")), "LENGTH_MISMATCH"),
    ],
)
def test_messages_that_no_rfc_allows(parse, raw, reason):
    with pytest.raises(Abort) as caught:
        decode(parse, message(1, raw))
    assert caught.value.fault.reason == reason


LONG = {256: bytes(1 << 8), 65_536: bytes(1 << 16), 1 << 24: bytes(1 << 24)}  # one more than there is room for
TOO_LONG: dict[str, Callable[[], bytes]] = {
    "vec8": lambda: vec8(LONG[256]),
    "vec16": lambda: vec16(LONG[65_536]),
    "vec16_of": lambda: vec16_of((0,) * 32_768),
    "vec24": lambda: vec24(LONG[1 << 24]),
    "message": lambda: message(1, LONG[1 << 24]),
    "extension": lambda: extension(1, LONG[65_536]),
    "ClientHello, session_id": lambda: hello.client_hello(0x0303, bytes(32), LONG[256], b"\x13\x01", b""),
    "ClientHello, cipher_suites": lambda: hello.client_hello(0x0303, bytes(32), b"", LONG[65_536], b""),
    "ClientHello, extensions": lambda: hello.client_hello(0x0303, bytes(32), b"", b"\x13\x01", LONG[65_536]),
    "ServerHello, session_id": lambda: hello.server_hello(0x0303, bytes(32), LONG[256], 0x1301, b""),
    "ServerHello, extensions": lambda: hello.server_hello(0x0303, bytes(32), b"", 0x1301, LONG[65_536]),
    "EncryptedExtensions": lambda: messages.encrypted_extensions(LONG[65_536]),
    "CertificateRequest, context": lambda: messages.certificate_request(LONG[256], b""),
    "CertificateRequest, extensions": lambda: messages.certificate_request(b"", LONG[65_536]),
    "Certificate, an extension": lambda: messages.certificate_list((CertificateEntry(b"der", {5: LONG[65_536]}),)),
    "Certificate, the list": lambda: messages.certificate_list((CertificateEntry(LONG[1 << 24][:-5], {}),)),
    "Certificate, the message": lambda: messages.certificate(b"", LONG[1 << 24]),
    "CertificateVerify": lambda: messages.certificate_verify(0x0804, LONG[65_536]),
    "NewSessionTicket, nonce": lambda: messages.new_session_ticket(1, 1, LONG[256], b"ticket", b""),
    "NewSessionTicket, ticket": lambda: messages.new_session_ticket(1, 1, b"", LONG[65_536], b""),
    "NewSessionTicket, lifetime": lambda: messages.new_session_ticket(1 << 32, 1, b"", b"ticket", b""),
    "server_name": lambda: extensions.build_server_name(LONG[65_536][:-4]),
    "protocols": lambda: extensions.build_protocols((LONG[256],)),
    "protocols, all": lambda: extensions.build_protocols((b"x",) * 32_768),
    "numbers": lambda: extensions.build_numbers(registry.SUPPORTED_GROUPS, (29,) * 32_767),
    "share": lambda: extensions.build_share(29, LONG[65_536]),
    "own share": lambda: hello.server_hello13(bytes(32), b"", 0x1301, 29, LONG[65_536]),
    "shares": lambda: extensions.build_shares([(29, LONG[65_536][:-1])]),
    "authorities": lambda: extensions.build_authorities((LONG[65_536][:-2],)),
    "Certificate of 1.2": lambda: messages12.certificate((LONG[1 << 24][:-3],)),
    "CertificateStatus": lambda: messages12.certificate_status(LONG[1 << 24][:-1]),
    "CertificateVerify of 1.1": lambda: messages12.certificate_verify(LONG[65_536]),
    "CertificateRequest of 1.2": lambda: messages12.certificate_request(b"\x01", (0x0804,) * 32_768, ()),
    "NewSessionTicket of 1.2": lambda: messages12.new_session_ticket(1, LONG[65_536]),
    "ServerECDHParams": lambda: messages12.EcdhParams(29, LONG[256]).encode(),
    "ServerDHParams": lambda: messages12.DhParams(1 << (8 * 65_536), 2, b"y").encode(),
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_what_has_no_room_is_not_sent(name):
    """A peer chooses how long some of it is; then it is a failed handshake, and nothing else (RFC 8446 6.2)."""
    with pytest.raises(Abort) as caught:
        TOO_LONG[name]()
    assert caught.value.fault.alert == registry.INTERNAL_ERROR


def test_a_number_that_comes_again_has_its_first_rank():
    assert codec.ranks(b"\0\5\0\3\0\5\0\1\0\3") == {5: 0, 3: 1, 1: 2}


def test_what_is_short_is_read_once_and_memory_has_an_end() -> None:
    read: list[bytes] = []

    def parse(data: bytes) -> int:
        if not data:
            raise Abort(faults.LENGTH_MISMATCH)
        read.append(data)
        return len(data)

    known = codec.cached_if_short(parse)
    short, long = b"x" * codec.USUAL, b"x" * (codec.USUAL + 1)
    assert [known(short), known(short), known(long), known(long)] == [len(short)] * 2 + [len(long)] * 2
    assert read == [short, long, long]
    for _ in range(2):  # what cannot be read is not remembered
        with pytest.raises(Abort):
            known(b"")
    for number in range(10 * codec.MOST_KNOWN):
        known(number.to_bytes(2, "big"))
    assert 0 < len(known.__self__) <= codec.MOST_KNOWN  # type: ignore[attr-defined]  # the memory behind the function
