"""What a stranger can make us do: work that grows with what its lists say, and work before it has proved anything.

Each list of a ClientHello is built as long as the message permits, and half as long: twice the list may cost about
twice the time, never four times.  Times are of the process, the least of several, and compared with wide margins.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from functools import cache

import pytest

import puretls
from puretls._base import registry
from puretls._wire.codec import extension, message, vec8, vec16
from puretls.cli.certs import Authority, Identity

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
        lambda n: hello12({registry.SIGNATURE_ALGORITHMS: vec16(numbers(n))}, b"\xc0\x2f" * (n // 200)),
        MOST,
    ),
    "shares and groups": (lambda n: hello13(shares(n)), 7_000),
    "protocols": (lambda n: hello13({registry.ALPN: vec16(b"\x01x" * n)}), MOST),
    "protocols of 1.2": (lambda n: hello12({registry.ALPN: vec16(b"\x01x" * n)}), MOST),
    "identities": (lambda n: hello13(identities_offered(n)), 1_500),
    "authorities": (lambda n: hello13({registry.CERTIFICATE_AUTHORITIES: vec16(b"\x00\x01x" * n)}), 20_000),
    "unknown extensions": (lambda n: hello13(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000),
    "unknown extensions of 1.2": (lambda n: hello12(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000),
    "misplaced extensions": (
        lambda n: hello13({registry.OID_FILTERS: b"", **dict.fromkeys(range(0x4000, 0x4000 + n), b"")}),
        16_000,
    ),
}
CONTEXTS: dict[str, Callable[[], puretls.SSLContext]] = {
    "default": server_context,
    "all suites, client's order": lambda: server_context(ciphers="ALL:@SECLEVEL=0", ours_first=False),
}
UNMENDED = {
    ("default", "shares and groups"),
    ("all suites, client's order", "shares and groups"),
    ("all suites, client's order", "suites and schemes"),
    ("all suites, client's order", "one suite and schemes"),
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
def test_a_list_costs_what_its_length_does(request: pytest.FixtureRequest, name: str, offer: str) -> None:
    """Twice the entries: about twice the time; and not much for any of them, however many suites we have."""
    if (name, offer) in UNMENDED:
        reason = "each entry of one list is searched for in another"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    context, (build, most) = CONTEXTS[name](), LISTS[offer]
    none, half, whole, step = (float("inf"),) * 4
    for _ in range(5):
        none, step = min(none, answer(context, build(1))), min(step, counting(most))
        half = min(half, answer(context, build(most // 2)))
        whole = min(whole, answer(context, build(most)))
    assert whole - none < 3 * max(half - none, step)
    assert whole - none < 20 * step
