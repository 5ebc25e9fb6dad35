"""What a stranger can make us do: work that grows with what its lists say, and work before it has proved anything.

Each list of a ClientHello is built as long as the message permits, and half as long: twice the list may cost about
twice the time, never four times.  Times are of the process, the least of several, and compared with wide margins.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest

import puretls
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._engine.policy import CERT_OPTIONAL
from puretls._wire import messages, messages12
from puretls._wire.codec import extension, message, vec8, vec16, vec24
from puretls.cli.certs import Authority, Identity
from support import pair
from support.pair import Pair


@pytest.fixture(autouse=True)
def untraced():
    """Coverage looks at each line of ours and at none of C's, which would be compared with each other."""
    before = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(before)


MARGIN = 64  # plain steps that an entry may cost; what grows with the square of the list takes thousands
MOST = 32_000  # entries of two bytes: nearly what a vector<0..2^16-1> holds


@cache
def identities() -> list[Identity]:
    authority = Authority("costs")
    return [authority.issue("localhost", kind=kind) for kind in ("RSA", "P-256")]


def server_context(*, ciphers: str = "", ours_first: bool = True) -> puretls.SSLContext:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for identity in identities():
        context.load_cert_chain(identity.chain_pem, identity.key_pem)
    if ciphers:
        context.set_ciphers(ciphers)
    if not ours_first:
        context.options &= ~puretls.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.set_psk_server_callback(lambda _: b"")
    return context


def numbers(count: int, first: int = 0x4000) -> bytes:
    """So many different numbers that mean nothing to us; there are not more of them than that."""
    return struct.pack(f"!{count}H", *(first + i for i in range(count)))


def hello(
    extensions: dict[int, bytes], suites: bytes = b"\x13\x01\xc0\x2f\xc0\x2b", compression: bytes = b"\x00"
) -> bytes:
    """A ClientHello, as records."""
    block = b"".join(extension(kind, body) for kind, body in extensions.items())
    body = b"\x03\x03" + os.urandom(32) + b"\x00" + vec16(suites) + vec8(compression) + vec16(block)
    raw = message(1, body)
    return b"".join(b"\x16\x03\x01" + vec16(raw[at : at + 16384]) for at in range(0, len(raw), 16384))


def hello12(changes: dict[int, bytes], suites: bytes = b"\xc0\x2f\xc0\x2b", compression: bytes = b"\x00") -> bytes:
    usual = {
        registry.RENEGOTIATION_INFO: b"\x00",
        registry.SUPPORTED_GROUPS: vec16(b"\x00\x1d\x00\x17"),
        registry.SIGNATURE_ALGORITHMS: vec16(b"\x04\x03\x08\x04"),
    }
    return hello(usual | changes, suites, compression)


def hello13(changes: dict[int, bytes], suites: bytes = b"\x13\x01", compression: bytes = b"\x00") -> bytes:
    usual = {
        registry.SUPPORTED_VERSIONS: vec8(b"\x03\x04"),
        registry.SUPPORTED_GROUPS: vec16(b"\x00\x1d\x00\x17"),
        registry.SIGNATURE_ALGORITHMS: vec16(b"\x04\x03\x08\x04"),
        registry.KEY_SHARE: vec16(b"\x00\x1d" + vec16(os.urandom(32))),
    }
    return hello(usual | changes, suites, compression)


def shares(count: int) -> dict[int, bytes]:
    """As many groups as there is room for beside shares of the last `count` of them."""
    groups = numbers(2 * count)
    one_each = b"".join(groups[at : at + 2] + b"\x00\x01\x00" for at in range(2 * count, 4 * count, 2))
    return {registry.SUPPORTED_GROUPS: vec16(groups), registry.KEY_SHARE: vec16(one_each)}


def encrypted(count: int) -> dict[int, bytes]:
    """An outer hello that says nothing we can open, as long as there is room."""
    suite = b"\0\1\0\1"  # HKDF-SHA256, AES-128-GCM
    outer = b"\0" + suite + b"\7" + vec16(bytes(32)) + vec16(bytes(count))
    return {registry.ENCRYPTED_CLIENT_HELLO: outer}


def identities_offered(count: int) -> dict[int, bytes]:
    binder = vec8(bytes(32))
    offered = vec16(b"".join(vec16(struct.pack("!H", i)) + bytes(4) for i in range(count))) + vec16(binder * count)
    return {registry.PSK_KEY_EXCHANGE_MODES: b"\x01\x01", registry.PRE_SHARED_KEY: offered}


def known_suites() -> bytes:
    context = server_context(ciphers="ALL:@SECLEVEL=0")
    codes = [suite["id"] & 0xFFFF for suite in context.get_ciphers()]
    return struct.pack(f"!{len(codes)}H", *codes)


@cache
def again_and_again() -> bytes:
    known = known_suites()
    return known * (2 * MOST // len(known))


ECH_KEYS = [puretls.ECHKey(*puretls.make_ech_config("localhost", config_id=7)) for _ in range(10)]


class Counted:
    """A store outside that knows nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def get(self, _key: bytes) -> None:
        self.asked += 1

    take = get

    def put(self, *_: object) -> None:
        """Forgotten."""


Build = Callable[[int], bytes]
LISTS: dict[str, tuple[Build, int]] = {  # and how many entries it has at most
    "suites of 1.3": (lambda n: hello13({}, b"\x13\x01" + numbers(n)), MOST),
    "suites of 1.2": (lambda n: hello12({}, b"\xc0\x2f" + numbers(n)), MOST),
    "one suite many times": (lambda n: hello12({}, b"\xc0\x2f" * n), MOST),
    "all suites many times": (lambda n: hello12({}, again_and_again()[: 2 * n]), MOST),
    "groups of 1.3": (lambda n: hello13({registry.SUPPORTED_GROUPS: vec16(numbers(n) + b"\x00\x1d")}), MOST),
    "groups of 1.2": (lambda n: hello12({registry.SUPPORTED_GROUPS: vec16(numbers(n) + b"\x00\x17")}), MOST),
    "schemes of 1.3": (lambda n: hello13({registry.SIGNATURE_ALGORITHMS: vec16(numbers(n) + b"\x04\x03")}), MOST),
    "schemes of 1.2": (lambda n: hello12({registry.SIGNATURE_ALGORITHMS: vec16(numbers(n) + b"\x04\x03")}), MOST),
    "schemes for certificates": (lambda n: hello13({registry.SIGNATURE_ALGORITHMS_CERT: vec16(numbers(n))}), MOST),
    "suites and schemes": (
        lambda n: hello12({registry.SIGNATURE_ALGORITHMS: vec16(numbers(n))}, again_and_again()[: 2 * n]),
        MOST,
    ),
    "one suite and schemes": (
        lambda n: hello12({registry.SIGNATURE_ALGORITHMS: vec16(numbers(n))}, b"\xc0\x2f" * (n // 20)),
        MOST,
    ),
    "shares and groups": (lambda n: hello13(shares(n)), 7_000),
    "protocols": (lambda n: hello13({registry.ALPN: vec16(b"\x01x" * n)}), MOST),
    "protocols of 1.2": (lambda n: hello12({registry.ALPN: vec16(b"\x01x" * n)}), MOST),
    "identities": (lambda n: hello13(identities_offered(n)), 1_500),
    "authorities": (lambda n: hello13({registry.CERTIFICATE_AUTHORITIES: vec16(b"\x00\x01x" * n)}), 20_000),
    "unknown extensions": (lambda n: hello13(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000),
    "unknown extensions of 1.2": (lambda n: hello12(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000),
    "responders": (lambda n: hello13({registry.STATUS_REQUEST: b"\1" + vec16(b"\0\1x" * n) + b"\0\0"}), 20_000),
    "responders of 1.2": (lambda n: hello12({registry.STATUS_REQUEST: b"\1" + vec16(b"\0\1x" * n) + b"\0\0"}), 20_000),
    "encrypted hello": (lambda n: hello13(encrypted(n)), 60_000),
    "cookie": (lambda n: hello13({registry.COOKIE: vec16(bytes(n))}), 60_000),
    "ticket of 1.2": (lambda n: hello12({registry.SESSION_TICKET: bytes(n)}), 60_000),
    "server names": (lambda n: hello13({registry.SERVER_NAME: vec16(b"\1\0\1x" * n)}), 15_000),
    "misplaced extensions": (
        lambda n: hello13({registry.OID_FILTERS: b"", **dict.fromkeys(range(0x4000, 0x4000 + n), b"")}),
        16_000,
    ),
}


def with_everything() -> puretls.SSLContext:
    """Whatever a server can be asked for, and its own tickets shared with others."""
    context = server_context()
    context.set_ech_keys(ECH_KEYS)
    context.set_cert_compression(["zlib"])
    context.load_raw_public_key(identities()[1].key)
    context.client_certificate_types = ["raw", "x509"]
    context.ocsp_response = lambda _connection: None
    context.sct_list = [bytes(50)]
    context.set_ticket_secret(bytes(32))
    context.session_store = Counted()
    context.verify_mode = puretls.CERT_OPTIONAL
    context.sni_callback = lambda connection, *_: setattr(connection, "ja4", connection.client_hello.ja4)
    context.set_alpn_select_callback(lambda _connection, names: names[0])
    return context


CONTEXTS: dict[str, Callable[[], puretls.SSLContext]] = {
    "default": server_context,
    "all suites, client's order": lambda: server_context(ciphers="ALL:@SECLEVEL=0", ours_first=False),
    "with everything": with_everything,
}


def answer(context: puretls.SSLContext, records: bytes) -> float:
    """Seconds of this process that a server takes over one ClientHello."""
    incoming = puretls.MemoryBIO()
    server = context.wrap_bio(incoming, puretls.MemoryBIO(), server_side=True)
    incoming.write(records)
    begin = time.process_time()
    try:
        server.do_handshake()
    except puretls.SSLError:
        return time.process_time() - begin
    raise AssertionError("a server cannot be done so early")


def counting(entries: int) -> float:
    """Seconds that as many steps of the plainest kind take here and now."""
    begin = time.process_time()
    seen = {i: i for i in range(entries)}
    return (time.process_time() - begin) if seen else 0.0


@pytest.mark.parametrize("offer", LISTS)
@pytest.mark.parametrize("name", CONTEXTS)
def test_a_list_costs_what_its_length_does(name: str, offer: str) -> None:
    """Twice the entries: about twice the time; and not much for any of them, however many suites we have."""
    context, (build, most) = CONTEXTS[name](), LISTS[offer]
    none, half, whole, step = (float("inf"),) * 4
    for _ in range(9):
        none, half = min(none, answer(context, build(1))), min(half, answer(context, build(most // 2)))
        longest = build(most)
        whole, step = min(whole, answer(context, longest)), min(step, counting(len(longest) // 2))
    assert whole - none < max(3 * (half - none), 8 * step)
    assert whole - none < MARGIN * step


# What a server lists for a client


def request13(count: int) -> bytes:
    """CertificateRequest with as many schemes, unknown but for the last."""
    return messages.certificate_request(
        b"", extension(registry.SIGNATURE_ALGORITHMS, vec16(numbers(count) + b"\x04\x03"))
    )


def unknown(count: int) -> bytes:
    return b"".join(extension(kind, b"") for kind in range(0x4000, 0x4000 + count))


ANSWERS: dict[str, tuple[int, str, Build, int]] = {  # version, message that is another, most entries
    "schemes of a request": (TLS13, "CertificateRequest", request13, 32_000),
    "authorities of a request": (
        TLS13,
        "CertificateRequest",
        lambda n: messages.certificate_request(
            b"",
            extension(registry.SIGNATURE_ALGORITHMS, vec16(b"\x04\x03"))
            + extension(registry.CERTIFICATE_AUTHORITIES, vec16(b"\x00\x01x" * n)),
        ),
        20_000,
    ),
    "extensions of a request": (
        TLS13,
        "CertificateRequest",
        lambda n: messages.certificate_request(
            b"", extension(registry.SIGNATURE_ALGORITHMS, vec16(b"\x04\x03")) + unknown(n)
        ),
        16_000,
    ),
    "schemes of a request of 1.2": (
        TLS12,
        "CertificateRequest",
        lambda n: messages12.certificate_request(b"\x40", tuple(range(0x4000, 0x4000 + n)), ()),
        32_000,
    ),
    "authorities of a request of 1.2": (
        TLS12,
        "CertificateRequest",
        lambda n: messages12.certificate_request(b"\x40", (0x0403,), (b"x",) * n),
        20_000,
    ),
    "unsolicited extensions": (
        TLS13,
        "EncryptedExtensions",
        lambda n: messages.encrypted_extensions(unknown(n)),
        16_000,
    ),
    "protocols in the answer": (
        TLS13,
        "EncryptedExtensions",
        lambda n: messages.encrypted_extensions(extension(registry.ALPN, vec16(b"\x01x" * n))),
        MOST,
    ),
    "groups in the answer": (
        TLS13,
        "EncryptedExtensions",
        lambda n: messages.encrypted_extensions(extension(registry.SUPPORTED_GROUPS, vec16(numbers(n)))),
        MOST,
    ),
    "extensions of a certificate": (
        TLS13,
        "Certificate",
        lambda n: messages.certificate(b"", vec24(vec24(pair.identity().ders[0]) + vec16(unknown(n)))),
        16_000,
    ),
    "extensions of a ticket": (
        TLS13,
        "NewSessionTicket",
        lambda n: messages.new_session_ticket(1, 1, b"n", b"t", unknown(n)),
        16_000,
    ),
}


def client_seconds(version: int, name: str, instead: bytes) -> float:
    """What a client takes over a server's flight with another message in it."""
    asking = {"verify_mode": CERT_OPTIONAL, "store": pair.store()}
    joined = Pair(
        pair.client_config(versions=(version,), credentials=(pair.identity(),), alpn=(b"x",)),
        pair.server_config(versions=(version,), **asking),
    )
    joined.server.wire[name] = lambda _: instead
    joined.advance(joined.client)
    joined.deliver(joined.server, joined.client.take())
    flight = joined.server.take()
    if name == "NewSessionTicket":
        joined.deliver(joined.client, flight)
        joined.deliver(joined.server, joined.client.take())
        flight = joined.server.take()
    begin = time.process_time()
    with suppress(Abort):
        joined.deliver(joined.client, flight)
    return time.process_time() - begin


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_servers_list_costs_what_its_length_does(answer: str) -> None:
    version, name, build, most = ANSWERS[answer]
    none, half, whole, step = (float("inf"),) * 4
    for _ in range(5):
        none = min(none, client_seconds(version, name, build(1)))
        half = min(half, client_seconds(version, name, build(most // 2)))
        longest = build(most)
        whole, step = min(whole, client_seconds(version, name, longest)), min(step, counting(len(longest) // 2))
    assert whole - none < max(3 * (half - none), 8 * step)
    assert whole - none < MARGIN * step
