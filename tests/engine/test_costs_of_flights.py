"""What a server can make a client do with what it sends: as `test_costs.py` has it for a server's plain lists.

The client has everything on: certificate compression, OCSP, Certificate Transparency, Encrypted Client Hello, and it
verifies.  Each message of a server is built as long as a message may be, and half as long; and certificates are built
with as many names, constraints, policies, places of CRLs and timestamps as there is room for.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._wire import messages
from puretls._wire.codec import extension, message, vec16, vec24
from puretls.cli.certs import Authority
from support.crooked import client_meets
from support.pair import KEYS, Credential, hello, server_config, signatures
from support.pair import extensions as extended

ROOM = 95_000  # octets of a message, of which a Certificate may have 102,400


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Coverage looks at each line of ours and at none of C's, which would be compared with each other."""
    before = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(before)


@cache
def root() -> Authority:
    return Authority("costs of flights")


@cache
def key() -> Any:
    return KEYS["EC"]()


@cache
def leaf(what: str = "", count: int = 0) -> bytes:
    """A certificate of localhost with so much of something in it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    since, until = (dt.datetime(year, 1, 1, tzinfo=dt.timezone.utc) for year in (2025, 2049))
    names = [x509.DNSName("localhost"), *(x509.DNSName(f"{n}.x") for n in range(count if what == "names" else 0))]
    made = x509.CertificateBuilder(root().certificate.subject, name, key().public_key(), 5, since, until)
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if what == "constraints":
        trees = [x509.DNSName(f"{n}.x") for n in range(count)]
        made = made.add_extension(x509.NameConstraints(None, trees), critical=True)
    if what == "policies":
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(f"1.2.3.{n}"), None) for n in range(count)]
        made = made.add_extension(x509.CertificatePolicies(policies), critical=False)
    if what == "places of CRLs":
        places = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(f"http://{n}")], None, None, None)
            for n in range(count)
        ]
        made = made.add_extension(x509.CRLDistributionPoints(places), critical=False)
    if what == "purposes":
        wanted = [x509.ObjectIdentifier(f"1.2.3.{n}") for n in range(count)]
        made = made.add_extension(x509.ExtendedKeyUsage([*wanted, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")]), False)
    if what == "places of issuers":
        urls = [
            x509.AccessDescription(
                x509.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(f"http://{n}")
            )
            for n in range(count)
        ]
        made = made.add_extension(x509.AuthorityInformationAccess(urls), critical=False)
    if what == "extensions":
        for n in range(count):
            other = x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{n}"), b"")
            made = made.add_extension(other, critical=False)
    if what == "timestamps":
        value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), octets(stamps(count)))
        made = made.add_extension(value, critical=False)
    return made.sign(root().key, hashes.SHA256()).public_bytes(Encoding.DER)


def tlv(tag: int, *parts: bytes) -> bytes:
    data = b"".join(parts)
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big") if len(data) > 127 else b""
    return bytes((tag, 0x80 | len(size))) + size + data if size else bytes((tag, len(data))) + data


def octets(data: bytes) -> bytes:
    return tlv(4, data)


def stamps(count: int) -> bytes:
    """So many timestamps of logs that nobody knows (RFC 6962 3.2, 3.3)."""
    one = b"\x00%b" + bytes(8) + b"\x00\x00" + b"\x04\x03\x00\x08" + bytes(8)
    return vec16(b"".join(vec16(one % n.to_bytes(32, "big")) for n in range(count)))


def response(count: int, *, alike: bool) -> bytes:
    """An OCSP response with so many answers, all of this certificate's number or of others, and nobody's signature."""
    sha1 = tlv(0x30, tlv(6, bytes.fromhex("2b0e03021a")), b"\x05\x00")
    answers = []
    for n in range(count):
        number = 5 if alike else 1000 + n
        about = tlv(
            0x30,
            sha1,
            octets(bytes(20)),
            octets(bytes(20)),
            tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big")),
        )
        answers.append(tlv(0x30, about, b"\x80\x00", tlv(0x18, b"20250101000000Z")))
    data = tlv(0x30, tlv(0xA2, octets(bytes(20))), tlv(0x18, b"20250101000000Z"), tlv(0x30, *answers))
    algorithm = tlv(0x30, tlv(6, bytes.fromhex("2a8648ce3d040302")))
    basic = tlv(0x30, data, algorithm, tlv(3, b"\x00" + bytes(70)))
    return tlv(
        0x30, tlv(0x0A, b"\x00"), tlv(0xA0, tlv(0x30, tlv(6, bytes.fromhex("2b0601050507300101")), octets(basic)))
    )


def unknown(count: int) -> dict[str, bytes]:
    return {f"x{kind}": b"" for kind in range(0x4000, 0x4000 + count)}


def entry(der: bytes, block: bytes = b"") -> bytes:
    return vec24(der) + vec16(block)


def certificate13(*entries: bytes) -> bytes:
    return messages.certificate(b"", vec24(b"".join(entries)))


def certificate12(*ders: bytes) -> bytes:
    return message(registry.CERTIFICATE, vec24(b"".join(map(vec24, ders))))


@cache
def strangers(count: int) -> tuple[bytes, ...]:
    """Certificates that have nothing to do with anything, each another one."""
    made = leaf()
    return tuple(made[:-4] + n.to_bytes(4, "big") for n in range(count))


def staple(count: int, *, alike: bool) -> bytes:
    return extension(registry.STATUS_REQUEST, b"\x01" + vec24(response(count, alike=alike)))


def squeezed(count: int) -> bytes:
    plain = certificate13(entry(leaf()), *map(entry, strangers(count)))[4:]
    return messages.compressed_certificate(1, len(plain), zlib.compress(plain))


@cache
def configurations(count: int) -> bytes:
    """Configurations of Encrypted Client Hello, of versions that nobody knows but for the last."""
    one = puretls.make_ech_config("localhost", config_id=7)[0]
    body = one[2:] if int.from_bytes(one[:2], "big") == len(one) - 2 else one
    return vec16(b"".join(b"\x12\x34" + vec16(n.to_bytes(4, "big")) for n in range(count)) + body)


Build = Callable[[int], Any]
FILLED = (
    "names",
    "constraints",
    "policies",
    "places of CRLs",
    "purposes",
    "places of issuers",
    "timestamps",
    "extensions",
)
MOST_IN = {"names": 8_000, "constraints": 7_000, "policies": 8_000, "places of CRLs": 3_000, "purposes": 10_000,
           "places of issuers": 3_000, "timestamps": 1_100, "extensions": 4_000}  # fmt: skip
# The version, the message, what it is in place of the right one, and how many entries it has at most.  A function of
# one argument edits the right message.
FLIGHTS: dict[str, tuple[int, str, Build, int]] = {
    "extensions of HelloRetryRequest": (
        TLS13, "HelloRetryRequest", lambda n: hello(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000,
    ),
    "a cookie": (TLS13, "HelloRetryRequest", lambda n: hello({registry.COOKIE: vec16(bytes(n))}), 60_000),
    "extensions of ServerHello": (
        TLS13, "ServerHello", lambda n: hello(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000,
    ),
    "extensions of ServerHello of 1.2": (
        TLS12, "ServerHello", lambda n: hello(dict.fromkeys(range(0x4000, 0x4000 + n), b"")), 16_000,
    ),
    "extensions of EncryptedExtensions": (TLS13, "EncryptedExtensions", lambda n: extended(**unknown(n)), 16_000),
    "configurations for the next hello": (
        TLS13, "EncryptedExtensions", lambda n: extended(x65037=configurations(n)), 7_000,
    ),
    "certificates": (
        TLS13, "Certificate", lambda n: certificate13(entry(leaf()), *map(entry, strangers(n))), 200,
    ),
    "certificates of 1.2": (TLS12, "Certificate", lambda n: certificate12(leaf(), *strangers(n)), 200),
    "one certificate many times": (TLS13, "Certificate", lambda n: certificate13(*[entry(leaf())] * n), 200),
    "compressed certificates": (TLS13, "CompressedCertificate", squeezed, 200),
    "extensions beside certificates": (
        TLS13, "Certificate",
        lambda n: certificate13(entry(leaf()), *(entry(one, staple(1, alike=False)) for one in strangers(n))), 120,
    ),
    "answers about others": (
        TLS13, "Certificate", lambda n: certificate13(entry(leaf(), staple(n, alike=False))), 700,
    ),
    "answers about this one": (
        TLS13, "Certificate", lambda n: certificate13(entry(leaf(), staple(n, alike=True))), 700,
    ),
    "answers of 1.2": (
        TLS12, "CertificateStatus",
        lambda n: message(registry.CERTIFICATE_STATUS, b"\x01" + vec24(response(n, alike=True))), 700,
    ),
    "timestamps beside the certificate": (
        TLS13, "Certificate",
        lambda n: certificate13(entry(leaf(), extension(registry.SIGNED_CERTIFICATE_TIMESTAMP, stamps(n)))), 1_100,
    ),
    "a ticket": (
        TLS13, "NewSessionTicket", lambda n: messages.new_session_ticket(1, 1, b"n", bytes(n), b""), 60_000,
    ),
    "a ticket of 1.2": (
        TLS12, "NewSessionTicket", lambda n: message(registry.NEW_SESSION_TICKET, bytes(4) + vec16(bytes(n))), 60_000,
    ),
    **{f"{what} in it": (TLS13, "Certificate", lambda n, w=what: certificate13(entry(leaf(w, n))), MOST_IN[what])
       for what in FILLED},
    **{f"{what} in it, 1.2": (TLS12, "Certificate", lambda n, w=what: certificate12(leaf(w, n)), MOST_IN[what])
       for what in ("names", "constraints")},
}  # fmt: skip


@cache
def client_context() -> puretls.SSLContext:
    context = puretls.create_default_context(cadata=root().pem.decode())
    context.verify_flags &= ~puretls.VERIFY_X509_STRICT
    context.set_cert_compression(["zlib"])
    context.request_ocsp, context.ocsp_policy = True, puretls.OCSPPolicy.CHECK
    context.request_sct = True
    return context


def seconds(flight: str, count: int) -> float:
    """What a client takes over the server's flight, and over what follows."""
    version, name, build, _ = FLIGHTS[flight]
    config = server_config()
    own = Credential([leaf()], key(), key().public_key(), signatures.key_kind(key()))
    groups = {"groups": (config.groups[1],)} if name == "HelloRetryRequest" else {}
    compressing = {"compressions": client_context()._settings.compressions} if name == "CompressedCertificate" else {}
    edit = build(count)
    chosen = (own.with_staple(response(1, alike=True)),)
    meeting = client_meets(client_context(), versions=(version,), credentials=chosen, **groups, **compressing)
    seen: list[bytes] = []

    def instead(raw: bytes) -> bytes:
        seen.append(raw)
        return edit(raw) if callable(edit) else edit

    meeting.engine.lies[name] = instead
    spent = 0.0
    for _ in range(4):
        begin = time.process_time()
        meeting.tls.shake()
        spent += time.process_time() - begin
        with suppress(Abort):
            meeting.move()
    if meeting.tls.done:
        begin = time.process_time()
        meeting.tls.step(lambda: meeting.tls.obj.read(1))
        spent += time.process_time() - begin
    assert seen, "the message was never sent"
    return spent


def counting(entries: int) -> float:
    """Seconds that as many steps of the plainest kind take here and now."""
    begin = time.process_time()
    seen = {i: i for i in range(entries)}
    return (time.process_time() - begin) if seen else 0.0


@pytest.mark.parametrize("flight", FLIGHTS)
def test_a_flight_costs_what_its_length_does(flight: str) -> None:
    most = FLIGHTS[flight][3]
    none, half, whole, step = (float("inf"),) * 4
    for _ in range(4):
        none, half = min(none, seconds(flight, 1)), min(half, seconds(flight, most // 2))
        whole, step = min(whole, seconds(flight, most)), min(step, counting(ROOM // 2))
    assert whole - none < max(3 * (half - none), 8 * step)
    assert whole - none < 64 * step
