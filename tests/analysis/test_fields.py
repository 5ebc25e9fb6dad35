"""Trees of fields: every byte is in one leaf whatever the bytes are, and what is wrong is said where it is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

import puretls
from puretls._analysis.fields import About
from puretls._analysis.messages import ROWS, about_suite, message
from puretls._base import registry
from puretls._base.registry import TLS10, TLS12, TLS13
from puretls._crypto import suites
from puretls._wire import codec, hello, messages, messages12, places
from puretls._wire.codec import extension, vec8, vec16, vec24
from puretls.cli.certs import Authority
from support.trees import tiles

CERTIFICATE = Authority("root").certificate.public_bytes(Encoding.DER)
ABOUTS = [About(), About(TLS13), *(about_suite(version, code) for version in (TLS10, TLS12) for code in suites.BY_CODE)]


def client_hello(**settings: Any) -> bytes:
    """The ClientHello of a context of ours."""
    context = puretls.create_default_context()
    context.set_alpn_protocols(settings.get("alpn", ["h2", "http/1.1"]))
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    with pytest.raises(puretls.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="example.org").do_handshake()
    return outgoing.read()[5:]


HELLO = client_hello()
kinds = st.sampled_from([*ROWS, 99])
abouts = st.sampled_from(ABOUTS)


@given(st.binary(max_size=400), abouts)
@example(b"", About())
@example(b"\x00\x00\x00\x01too long", About())
def test_noise_is_covered_and_never_raises(data: bytes, about: About) -> None:
    tiles(message(data, about), data)


@given(kinds, st.binary(max_size=400), abouts)
def test_noise_in_every_message(kind: int, body: bytes, about: About) -> None:
    data = codec.message(kind, body)
    tiles(message(data, about), data)


@given(st.sampled_from(sorted(registry.EXTENSIONS)), st.binary(max_size=80), st.sampled_from([1, 8, 11, 13, 4]))
def test_noise_in_every_extension(kind: int, body: bytes, where: int) -> None:
    block = vec16(extension(kind, body))
    data = {
        1: lambda: hello.client_hello(TLS12, bytes(32), b"", b"\x13\x01", block[2:]),
        8: lambda: messages.encrypted_extensions(block[2:]),
        11: lambda: messages.certificate(b"", vec24(vec24(b"DER") + block)),
        13: lambda: messages.certificate_request(b"", block[2:]),
        4: lambda: messages.new_session_ticket(1, 2, b"", b"ticket", block[2:]),
    }[where]()
    tiles(message(data, About(TLS13)), data)


@given(st.data())
def test_a_damaged_hello(data: st.DataObject) -> None:
    damaged = bytearray(HELLO)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    tiles(message(cut), cut)


def block(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(extension(kind, body) for kind, body in pairs)


RANDOM12 = bytes(24) + hello.DOWNGRADE_TLS12
RETRY = block((43, b"\x03\x04"), (51, b"\x00\x17"), (44, vec16(b"c")))
ECDHE = about_suite(TLS12, 0xC02F)
DHE_PSK = about_suite(TLS12, 0x00AA)
GOOD: dict[str, tuple[bytes, About]] = {
    "HelloRequest": (messages12.HELLO_REQUEST, About()),
    "ClientHello": (HELLO, About()),
    "ServerHello": (
        hello.server_hello(
            TLS12, bytes(32), bytes(32), 0x1301, block((43, b"\x03\x04"), (51, b"\x00\x1d" + vec16(bytes(32))))
        ),
        About(),
    ),
    "ServerHello of TLS 1.2": (
        hello.server_hello(TLS12, RANDOM12, b"id", 0xC02F, block((0xFF01, b"\x00"), (35, b""))),
        About(),
    ),
    "HelloRetryRequest": (
        hello.server_hello(
            TLS12,
            hello.HELLO_RETRY_REQUEST,
            b"",
            0x1301,
            block((43, b"\x03\x04"), (51, b"\x00\x17"), (44, vec16(b"c"))),
        ),
        About(),
    ),
    "EncryptedExtensions": (
        messages.encrypted_extensions(block((0, b""), (16, vec16(vec8(b"h2"))), (28, b"\x40\x01"))),
        About(TLS13),
    ),
    "Certificate": (
        messages.certificate(
            b"",
            messages.certificate_list(
                (messages.CertificateEntry(CERTIFICATE, {5: b"\x01" + vec24(b"OCSP"), 18: vec16(vec16(b"SCT"))}),)
            ),
        ),
        About(TLS13),
    ),
    "Certificate of TLS 1.2": (messages12.certificate((CERTIFICATE, CERTIFICATE)), ECDHE),
    "CertificateRequest": (
        messages.certificate_request(b"", block((13, vec16(b"\x04\x03")), (47, vec16(vec16(b"\x30\x00"))))),
        About(TLS13),
    ),
    "CertificateRequest of TLS 1.2": (messages12.certificate_request(b"\x01\x40", (0x0403,), (b"\x30\x00",)), ECDHE),
    "CertificateRequest of TLS 1.0": (messages12.certificate_request(b"\x01", None, ()), about_suite(TLS10, 0xC013)),
    "CertificateVerify": (messages.certificate_verify(0x0403, b"signature"), About(TLS13)),
    "CertificateVerify of TLS 1.0": (messages12.certificate_verify(b"signature"), about_suite(TLS10, 0xC013)),
    "Finished": (messages.finished(bytes(32)), About(TLS13)),
    "NewSessionTicket": (
        messages.new_session_ticket(7200, 5, b"\x00", b"ticket", block((42, bytes(4)))),
        About(TLS13),
    ),
    "NewSessionTicket of TLS 1.2": (messages12.new_session_ticket(7200, b"ticket"), ECDHE),
    "KeyUpdate": (messages.key_update(1), About(TLS13)),
    "ServerKeyExchange": (
        messages12.server_key_exchange(
            messages12.EcdhParams(29, bytes(32)).encode() + b"\x04\x03" + vec16(b"signature"),
        ),
        ECDHE,
    ),
    "ServerKeyExchange of DHE_PSK": (
        messages12.server_key_exchange(vec16(b"hint") + messages12.DhParams(23, 5, b"\x08").encode()),
        DHE_PSK,
    ),
    "ServerHelloDone": (messages12.SERVER_HELLO_DONE, ECDHE),
    "ClientKeyExchange": (messages12.client_key_exchange(vec8(bytes(32))), ECDHE),
    "ClientKeyExchange of DHE_PSK": (messages12.client_key_exchange(vec16(b"me") + vec16(b"\x09")), DHE_PSK),
    "ClientKeyExchange of RSA": (messages12.client_key_exchange(vec16(bytes(256))), about_suite(TLS12, 0x009C)),
    "CertificateStatus": (messages12.certificate_status(b"OCSP"), ECDHE),
}


@pytest.mark.parametrize("name", GOOD)
def test_valid_messages_have_no_fault(name: str) -> None:
    data, about = GOOD[name]
    root = message(data, about)
    tiles(root, data)
    assert root.faults() == []
    assert root.name == name.partition(" ")[0]
    assert root.note
    assert root.rfc.startswith("RFC ")
    for at in range(len(data)):
        tiles(message(data[:at], about), data[:at])
        assert message(data[:at], about).faults()


def test_every_row_of_the_wire_has_one_here() -> None:
    from puretls._analysis.extension_rows import ROWS as EXTENSIONS

    assert EXTENSIONS.keys() >= places.ROWS.keys()
    assert ROWS.keys() == registry.HANDSHAKE_TYPES.keys() - {registry.MESSAGE_HASH}


def test_what_a_hello_says() -> None:
    root = message(HELLO)
    server_name = root.find(
        "extensions", "server_name", "extension_data", "server_name_list", "ServerName", "host_name"
    )
    assert server_name is not None
    assert server_name.value == "example.org"
    alpn = root.find("extensions", "application_layer_protocol_negotiation")
    assert alpn is not None
    assert (alpn.value, alpn.rfc) == ("h2, http/1.1", "RFC 7301 3.1")
    assert root.find("extensions", "no_such") is None


def test_a_name_cannot_steer_the_terminal() -> None:
    evil = vec16(b"\x00" + vec16(b"\x1b[2Jevil\r\n"))
    root = message(hello.client_hello(TLS12, bytes(32), b"", b"\x13\x01", block((0, evil))))
    found = root.find("extensions", "server_name")
    assert found is not None
    assert found.value == "host_name: \\x1b[2Jevil\\x0d\\x0a"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"\x00\x02\x00\x1d!!!", "unexpected: 3 bytes too many here"),
        (b"\x00\x02\x00", "named_group_list: the length says 2 bytes, there are 1"),
        (b"\x00\x03\x00\x1d\x00", "NamedGroup: 1 byte missing here"),
        (b"", "length: 2 bytes missing here"),
    ],
)
def test_faults_are_told_where_they_are(body: bytes, fault: str) -> None:
    root = message(hello.client_hello(TLS12, bytes(32), b"", b"\x13\x01", block((10, body), (43, b"\x02\x03\x04"))))
    assert fault in root.faults()
    after = root.find("extensions", "supported_versions")
    assert after is not None
    assert after.value == "TLS 1.3"


def test_an_extension_in_the_wrong_message() -> None:
    root = message(messages.encrypted_extensions(block((51, b"\x00\x1d\x00\x00"))), About(TLS13))
    assert root.faults() == ["extension_type: this extension does not belong into this message"]
