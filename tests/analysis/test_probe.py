"""What is sent is a ClientHello, and whatever comes back is an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import puretls
from puretls._analysis.probe import Alert, Hello, Nonsense, Offer, Reading, Silence, compose
from puretls._analysis.suites import ANONYMOUS, CBC, EXPORT, NULL, RC4, SHORT_BLOCK, STATIC, suite
from puretls._analysis.survey import Survey, all_suites
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13
from puretls._wire import extensions, messages12
from puretls._wire.codec import message, vec16
from puretls._wire.hello import ClientHello, server_hello
from support import Pki
from support.probing import ours, server

RANDOM = bytes(range(64))


def offering(version: int, suites: tuple[int, ...], name: str) -> Offer:
    """As a survey begins."""
    return Survey(lambda _offer: Alert(0), name).offer(version, suites)


def record(kind: int, body: bytes) -> bytes:
    return bytes((kind, 3, 3)) + vec16(body)


def handshake(*messages: bytes) -> bytes:
    return record(registry.HANDSHAKE, b"".join(messages))


def answer(data: bytes) -> object:
    return Reading().feed(data)


@pytest.mark.parametrize("version", [SSL3, TLS10, TLS12, TLS13])
def test_a_hello_offers_what_it_was_told(version: int) -> None:
    asked = offering(version, all_suites(version), "example.org")._replace(alpn=(b"h2",), unknown=(0x0A0A,))
    raw = compose(asked, RANDOM)
    assert raw[0] == registry.HANDSHAKE
    assert int.from_bytes(raw[3:5], "big") == len(raw) - 5
    hello = ClientHello.parse(raw[5:])
    assert hello.random == RANDOM[:32]
    assert hello.legacy_version == min(version, TLS12)
    assert hello.cipher_suites == b"".join(code.to_bytes(2, "big") for code in asked.suites)
    assert hello.compression_methods == asked.compression
    if version == SSL3:
        assert not hello.extensions
        return
    assert extensions.server_name(hello.extensions[registry.SERVER_NAME]) == "example.org"
    assert tuple(extensions.numbers(hello.extensions[registry.SUPPORTED_GROUPS])) == asked.groups
    assert hello.extensions[0x0A0A] == b""
    assert (registry.KEY_SHARE in hello.extensions) == (version == TLS13)


def test_a_server_of_tls_13_names_suite_and_group(pki: Pki) -> None:
    ask = ours(server(pki, "P-256", version=puretls.TLSVersion.TLSv1_3))
    found = ask(offering(TLS13, (0x1302, 0x1303), "localhost")._replace(groups=(0x0018, 0x001E)))
    assert isinstance(found, Hello)
    assert (found.version, found.group) == (TLS13, 0x001E)
    assert found.suite in (0x1302, 0x1303)
    assert ask(offering(TLS13, (0x1302,), "localhost")._replace(groups=(0x0017 - 1,))) == Alert(
        registry.HANDSHAKE_FAILURE
    )
    assert isinstance(ask(offering(TLS12, all_suites(TLS12), "localhost")), Alert)


def test_a_server_of_tls_12_shows_its_certificate_group_and_scheme(pki: Pki) -> None:
    context = server(pki, "RSA", version=puretls.TLSVersion.TLSv1_2)
    context.load_dh_params(pki.dh)
    ask = ours(context)
    found = ask(offering(TLS12, (0xC02F,), "localhost")._replace(groups=(0x0018,), schemes=(0x0501,)))
    assert isinstance(found, Hello)
    assert (found.suite, found.group, found.scheme, found.bits) == (0xC02F, 0x0018, 0x0501, 0)
    assert len(found.chain) == 2
    assert registry.EXTENDED_MASTER_SECRET in found.extensions
    found = ask(offering(TLS12, (0x009E,), "localhost"))
    assert isinstance(found, Hello)
    assert found.bits >= 2048
    assert found.prime.bit_length() == found.bits


def test_an_anonymous_server_signs_nothing(pki: Pki) -> None:
    ask = ours(server(pki, "P-256", version=puretls.TLSVersion.TLSv1_2, level=0))
    found = ask(offering(TLS12, (0xC018,), ""))
    assert isinstance(found, Hello)
    assert (found.suite, found.scheme, found.chain) == (0xC018, 0, ())
    assert found.group


def test_an_answer_in_one_byte_pieces_is_the_same() -> None:
    raw = handshake(
        server_hello(TLS10, bytes(32), b"", 0x0003, b""),
        messages12.certificate((b"one", b"two")),
        messages12.server_key_exchange(vec16(b"\x80" + bytes(63)) + vec16(b"\x03") + vec16(b"signature")),
        messages12.SERVER_HELLO_DONE,
    )
    whole = answer(raw)
    assert whole == Hello(TLS10, 0x0003, bits=512, chain=(b"one", b"two"))
    reading = Reading()
    for at in range(len(raw) - 1):
        assert reading.feed(raw[at : at + 1]) is None
    assert reading.feed(raw[-1:]) == whole


def test_a_curve_spelled_out_is_named() -> None:
    hello = server_hello(TLS12, bytes(32), b"", 0xC014, b"")
    raw = handshake(hello, messages12.server_key_exchange(b"\x01" + bytes(80)), messages12.SERVER_HELLO_DONE)
    assert answer(raw) == Hello(TLS12, 0xC014, group=0xFF01)


def test_a_psk_hint_is_passed_over() -> None:
    hello = server_hello(TLS12, bytes(32), b"", 0xC035, b"")
    exchange = vec16(b"hint") + messages12.EcdhParams(0x0017, b"point").encode()
    assert answer(handshake(hello, messages12.server_key_exchange(exchange), messages12.SERVER_HELLO_DONE)) == (
        Hello(TLS12, 0xC035, group=0x0017)
    )


def test_warnings_are_passed_over_and_goodbyes_are_not() -> None:
    warning = record(registry.ALERT, bytes((registry.WARNING, registry.UNRECOGNIZED_NAME)))
    assert answer(warning) is None
    assert answer(warning + record(registry.ALERT, bytes((2, 40)))) == Alert(40)
    assert answer(record(registry.ALERT, bytes((1, 0)))) == Alert(0)
    assert str(Alert(40)) == "handshake_failure"


NOT_TLS = {
    b"HTTP/1.1 400 Bad Request\r\n": "HTTP",
    b"SSH-2.0-OpenSSH": "SSH",
    b"220 mail.example ESMTP\r\n": "STARTTLS",
    b"\x00" * 64: "begins with 00 00 00 00 00",
    b"\x1b[2J" * 8: "begins with 1b 5b 32 4a 1b",
    record(23, b"data"): "application_data",
    record(21, b"\x02"): "size",
    record(22, b""): "not TLS",
    handshake(message(registry.CERTIFICATE, b"")): "before ServerHello",
    handshake(b"\x02\xff\xff\xff"): "16777219",
    handshake(message(registry.SERVER_HELLO, b"\x03")): "malformed",
    handshake(server_hello(TLS12, bytes(32), b"", 0x2F, b""), message(registry.FINISHED, b"")): "belong",
    handshake(server_hello(TLS12, bytes(32), b"", 0xC02F, b""), messages12.server_key_exchange(b"")): "malformed",
    handshake(
        server_hello(TLS12, bytes(32), b"", 0xC02F, b""), messages12.server_key_exchange(b"\x03\x00")
    ): "malformed",
}


@pytest.mark.parametrize("data", NOT_TLS, ids=NOT_TLS.values())
def test_what_is_no_answer_is_said_to_be_none(data: bytes) -> None:
    found = answer(data)
    assert isinstance(found, Nonsense)
    assert NOT_TLS[data] in str(found)
    assert str(found).isprintable()


def test_an_answer_has_an_end() -> None:
    reading = Reading()
    hello = server_hello(TLS12, bytes(32), b"", 0xC02F, b"")
    assert reading.feed(handshake(hello)) is None
    found = None
    for _ in range(100):
        found = reading.feed(handshake(messages12.certificate((bytes(4000),))))
        if found:
            break
    assert isinstance(found, Nonsense)
    assert "256 KiB" in str(found)


def test_an_end_is_no_answer() -> None:
    assert "closed the connection" in str(Reading().end())
    reading = Reading()
    reading.feed(b"\x16\x03\x03")
    assert reading.end() == Silence("the server closed the connection within its answer")


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Records that are nearly right: the deeper parsers see bytes that nobody meant."""
    suites = draw(st.sampled_from(sorted(iana.SUITES)))
    hello = server_hello(
        draw(st.sampled_from([SSL3, TLS10, TLS12])), bytes(32), b"", suites, draw(st.binary(max_size=9))
    )
    kinds = st.sampled_from([11, 12, 13, 14, 22])
    parts = [hello, *(message(kind, draw(st.binary(max_size=40))) for kind in draw(st.lists(kinds, max_size=4)))]
    return handshake(*parts)


@given(st.one_of(st.binary(max_size=200), answers()), st.integers(1, 50))
def test_no_bytes_upset_it(data: bytes, step: int) -> None:
    """In whatever pieces they come, and the pieces make no difference."""
    reading, found = Reading(), None
    for at in range(0, len(data), step):
        found = reading.feed(data[at : at + step])
        if found is not None:
            break
    assert found == answer(data)


def test_a_suite_is_read_off_its_name() -> None:
    def faults(name: str) -> tuple[str, ...]:
        return suite(next(code for code, one in iana.SUITES.items() if one == name)).faults

    assert faults("TLS_RSA_EXPORT_WITH_RC4_40_MD5") == (EXPORT, RC4, STATIC)
    assert faults("TLS_DH_anon_WITH_AES_128_CBC_SHA") == (ANONYMOUS, CBC)
    assert faults("TLS_ECDHE_RSA_WITH_NULL_SHA") == (NULL,)
    assert faults("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA") == (SHORT_BLOCK, CBC)
    assert faults("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256") == faults("TLS_AES_128_GCM_SHA256") == ()
    assert faults("TLS_SHA256_SHA256") == (NULL,)
    assert suite(0x00A8).bits == 128  # AES_128_GCM_SHA256
    assert suite(0xABCD).name == "0xABCD"


def test_bits_and_exchange_agree_with_the_table_of_what_we_speak() -> None:
    from puretls._crypto import suites

    for one in suites.SUITES:
        told = suite(one.code)
        assert told.bits == one.cipher.key * 8, one.name
        assert told.aead == isinstance(one.cipher, suites.Aead), one.name
        if one.kx != suites.ANY:
            assert told.exchange == one.kx, one.name
            assert told.auth.replace("anon", "NULL") == one.auth, one.name
