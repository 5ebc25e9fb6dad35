"""A peer's mistakes, one at a time: the reason and the alert are those of `ssl`, or `LISTED` here and in
docs/differences.md with what we say instead.

The peer is our engine with one message edited (`crooked`); the module under test plays the other role.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import puretls
from puretls._base import registry
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    COOKIE,
    EARLY_DATA,
    EC_POINT_FORMATS,
    ENCRYPT_THEN_MAC,
    EXTENDED_MASTER_SECRET,
    HANDSHAKE,
    KEY_SHARE,
    PRE_SHARED_KEY,
    PSK_KEY_EXCHANGE_MODES,
    RENEGOTIATION_INFO,
    SERVER_NAME,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from puretls._crypto import groups
from puretls._engine.config import OP_NO_TICKET
from puretls._engine.sessions import SessionManager
from puretls._wire.codec import vec8, vec16
from puretls._wire.extensions import build_share
from puretls._wire.hello import ClientHello
from support import Pki
from support.both import like_openssl_30, quiet
from support.crooked import (
    Engine,
    Meeting,
    ObjectSide,
    Verdict,
    ask,
    client_meets,
    hello_of,
    in_record,
    offers,
    server_meets,
)
from support.extension_bodies import CASES
from support.joined12 import BASE
from support.pair import (
    AEAD12,
    NOW,
    OLDER,
    SUITES13,
    after,
    before,
    body,
    client_config,
    drop,
    extensions,
    hello,
    identity,
    instead,
    message,
    store,
    twice,
)

pytestmark = like_openssl_30
Row = Callable[[Any, Pki], Verdict]
ROWS: dict[str, Row] = {}
EACH = {"1.2": {"versions": (TLS12,)}, "1.3": {}}


# Who meets whom


def lenient(tls: Any) -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, tls.CERT_NONE
    return context


def serving(tls: Any, pki: Pki) -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    return context


def client(
    name: str, message_name: str, edit: Any, *, how: str = "lies", prepare: Any = lenient, **config: Any
) -> None:
    """A row: a client of the module, and a server whose message is edited."""

    def run(tls: Any, _: Pki) -> Verdict:
        return (
            client_meets(prepare(tls), lambda it: getattr(it, how).update({message_name: edit}), **config)
            .shake()
            .verdict
        )

    ROWS[f"client: {name}"] = run


def server(
    name: str, message_name: str, edit: Any, *, how: str = "lies", prepare: Any = serving, **config: Any
) -> None:
    """A row: a server of the module, and a client whose message is edited."""

    def run(tls: Any, pki: Pki) -> Verdict:
        context = prepare(tls, pki)
        return server_meets(context, lambda it: getattr(it, how).update({message_name: edit}), **config).shake().verdict

    ROWS[f"server: {name}"] = run


# Bodies of a ClientHello's extensions

for kind, content in CASES:
    for tag, version in (("1.2", TLS12), ("1.3", TLS13)):
        extra = {"x45": b"\x01\x01"} if kind == PRE_SHARED_KEY else {}
        data = in_record(hello_of(offers(version, **extra, **{f"x{kind}": content})))
        ROWS[f"server: {tag} {registry.EXTENSIONS[kind]} {content[:20].hex()}"] = lambda tls, pki, data=data: (
            ask(serving(tls, pki), data).verdict
        )

# Versions

for number in (0x0000, 0x02FF, 0x0300, 0x0301, 0x0302, 0x0305, 0x0400, 0xFFFF):
    for tag, version in (("alone", TLS12), ("beside supported_versions", TLS13)):
        data = in_record(hello_of(offers(version), number))
        ROWS[f"server: legacy_version {number:#06x} {tag}"] = lambda tls, pki, data=data: (
            ask(serving(tls, pki), data).verdict
        )
    client(f"1.3 legacy_version {number:#06x}", "ServerHello", hello(legacy_version=number))
    client(f"1.2 legacy_version {number:#06x}", "ServerHello", hello(legacy_version=number), versions=(TLS12,))


def fixed(name: str, *, serves: bool) -> Callable[..., Any]:
    def prepare(tls: Any, pki: Pki | None = None) -> Any:
        with quiet():
            context = tls.SSLContext(getattr(tls, name))
        if serves and pki:
            context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        return context

    return prepare


old = {"suites": OLDER, "security_level": 0}
for versions in ((TLS13,), (TLS11,), (TLS10,), (TLS12, TLS11)):
    names = " ".join(registry.VERSIONS[one] for one in versions)
    both = {"versions": versions, **old}
    server(f"fixed TLS 1.2, offered {names}", "", None, prepare=fixed("PROTOCOL_TLSv1_2", serves=True), **both)
    edit = hello(legacy_version=versions[0])
    client(
        f"fixed TLS 1.2, answered {names}", "ServerHello", edit, prepare=fixed("PROTOCOL_TLSv1_2", serves=False), **old
    )

# ServerHello and HelloRetryRequest

SHARE = build_share(29, bytes(range(32)))
for what, edit in {
    "TLS 1.4": hello({SUPPORTED_VERSIONS: b"\x03\x05"}),
    "TLS 1.2 in supported_versions": hello({SUPPORTED_VERSIONS: b"\x03\x03"}),
    "half a version": hello({SUPPORTED_VERSIONS: b"\x03"}),
    "a suite that was not offered": hello(cipher_suite=0x1304),
    "a suite of TLS 1.2": hello(cipher_suite=0xC02F),
    "GREASE for a suite": hello(cipher_suite=0x0A0A),
    "another session id": hello(session_id=bytes(32)),
    "compression": hello(compression_method=1),
    "no key_share": hello({KEY_SHARE: None}),
    "an empty key_share": hello({KEY_SHARE: b""}),
    "a share of nothing": hello({KEY_SHARE: build_share(29, b"")}),
    "a share of zeros": hello({KEY_SHARE: build_share(29, bytes(32))}),
    "a short share": hello({KEY_SHARE: build_share(29, bytes(31))}),
    "another group": hello({KEY_SHARE: build_share(23, bytes(65))}),
    "two shares": hello({KEY_SHARE: SHARE * 2}),
    "a PSK from nowhere": hello({PRE_SHARED_KEY: bytes(2)}),
    "an unsolicited cookie": hello({COOKIE: vec16(b"c")}),
    "an unknown extension": hello({0x1234: b""}),
    "server_name": hello({SERVER_NAME: b""}),
    "something behind": body(lambda raw: raw + b"\x00"),
    "half of it": body(lambda raw: raw[:50]),
    "nothing": body(lambda _: b""),
}.items():
    client(f"1.3 ServerHello, {what}", "ServerHello", edit)

for what, edit in {
    "a group that was not offered": hello({KEY_SHARE: b"\x12\x34"}),
    "a group of TLS 1.2": hello({KEY_SHARE: b"\x00\x1a"}),
    "a group that had a share": hello({KEY_SHARE: b"\x00\x1d"}),
    "no change": hello({KEY_SHARE: None}),
    "a whole share": hello({KEY_SHARE: SHARE}),
    "an empty cookie": hello({COOKIE: vec16(b"")}),
    "a suite that was not offered": hello(cipher_suite=0x1305),
    "an unknown extension": hello({0x1234: b""}),
    "a PSK": hello({PRE_SHARED_KEY: bytes(2)}),
    "server_name": hello({SERVER_NAME: b""}),
    "TLS 1.2": hello({SUPPORTED_VERSIONS: b"\x03\x03"}),
    "compression": hello(compression_method=1),
}.items():
    client(f"HelloRetryRequest, {what}", "HelloRetryRequest", edit, groups=(groups.SECP384R1,))

for what, edit in {
    "no suite": hello(cipher_suite=0x00FF),
    "a suite that was not offered": hello(cipher_suite=0x002F),
    "compression": hello(compression_method=1),
    "an unknown extension": hello({0x1234: b""}),
    "ALPN that was not offered": hello({registry.ALPN: b"\x00\x02\x01a"}),
    "no renegotiation_info": hello({RENEGOTIATION_INFO: None}),
    "a renegotiation": hello({RENEGOTIATION_INFO: b"\x0c" + bytes(12)}),
    "half a renegotiation_info": hello({RENEGOTIATION_INFO: b"\x0c"}),
    "extended_master_secret with a body": hello({EXTENDED_MASTER_SECRET: b"x"}),
    "no uncompressed points": hello({EC_POINT_FORMATS: b"\x01\x01"}),
    "something behind": body(lambda raw: raw + b"\x00"),
    "half of it": body(lambda raw: raw[:30]),
}.items():
    client(f"1.2 ServerHello, {what}", "ServerHello", edit, versions=(TLS12,))

# ClientHello

for what, edit in {
    "compression": hello(compression_methods=b"\x01\x00"),
    "no null compression": hello(compression_methods=b"\x01"),
    "no suites": hello(cipher_suites=b""),
    "half a suite": hello(cipher_suites=b"\x13\x01\x13"),
    "suites of TLS 1.2 only": hello(cipher_suites=b"\xc0\x2f"),
    "no supported_groups": hello({SUPPORTED_GROUPS: None}),
    "no key_share": hello({KEY_SHARE: None}),
    "unknown versions only": hello({SUPPORTED_VERSIONS: b"\x02\x7f\x1c"}),
    "no versions": hello({SUPPORTED_VERSIONS: b"\x00"}),
    "a share outside the groups": hello({SUPPORTED_GROUPS: b"\x00\x02\x00\x17"}),
    "a share twice": hello({KEY_SHARE: vec16(SHARE * 2)}),
    "a share of zeros": hello({KEY_SHARE: vec16(build_share(29, bytes(32)))}),
    "a long share": hello({KEY_SHARE: vec16(build_share(29, bytes(33)))}),
    "PSK without modes": hello({PSK_KEY_EXCHANGE_MODES: None, PRE_SHARED_KEY: b""}),
    "oid_filters": hello({registry.OID_FILTERS: b""}),
    "something behind": body(lambda raw: raw + b"\x00"),
    "40 bytes": body(lambda raw: raw[:40]),
}.items():
    server(f"1.3 ClientHello, {what}", "ClientHello", edit)

for what, edit in {
    "no null compression": hello(compression_methods=b"\x01"),
    "no compression at all": hello(compression_methods=b""),
    "no suites of ours": hello(cipher_suites=b"\x00\x2f\x00\x35"),
    "a fallback": hello(cipher_suites=b"\xc0\x2b\x56\x00"),
    "no uncompressed points": hello({EC_POINT_FORMATS: b"\x01\x01"}),
    "encrypt_then_mac with a body": hello({ENCRYPT_THEN_MAC: b"x"}),
    "PSK without modes": hello({PRE_SHARED_KEY: b""}),
    "a renegotiation": hello({RENEGOTIATION_INFO: b"\x0c" + bytes(12)}),
}.items():
    server(f"1.2 ClientHello, {what}", "ClientHello", edit, versions=(TLS12,))


def second(edit: Any) -> Any:
    seen: list[bytes] = []

    def apply(raw: bytes) -> bytes:
        seen.append(raw)
        return raw if len(seen) % 2 else edit(raw)

    return apply


def retrying(tls: Any, pki: Pki) -> Any:
    context = serving(tls, pki)
    context.set_ecdh_curve("prime256v1")
    return context


for what, edit in {
    "another random": hello(random=bytes(32)),
    "another session id": hello(session_id=bytes(32)),
    "no TLS 1.3": hello({SUPPORTED_VERSIONS: b"\x02\x03\x03"}),
    "the first share again": hello({KEY_SHARE: vec16(SHARE)}),
    "no share": hello({KEY_SHARE: vec16(b"")}),
    "early data": hello({EARLY_DATA: b""}),
    "a cookie from nowhere": hello({COOKIE: vec16(b"c")}),
    "another server_name": hello({SERVER_NAME: b"\x00\x0c\x00\x00\x09otherhost"}),
}.items():
    server(f"second ClientHello, {what}", "ClientHello", second(edit), prepare=retrying)

# EncryptedExtensions, CertificateRequest, Certificate, lengths

for what, changes in {
    "an unknown extension": {"x4660": b""},
    "ALPN that was not offered": {"x16": b"\x00\x02\x01a"},
    "key_share": {"x51": b""},
    "early data": {"x42": b""},
    "a name": {"x0": b"\x00"},
    "empty groups": {"x10": bytes(2)},
    "extended_master_secret": {"x23": b""},
}.items():
    client(f"EncryptedExtensions, {what}", "EncryptedExtensions", extensions(**changes))

asking = {"verify_mode": 1, "store": store()}
for what, edit in {
    "a context": body(lambda raw: b"\x01x" + raw[1:]),
    "no signature_algorithms": extensions(x13=None),
    "empty signature_algorithms": extensions(x13=bytes(2)),
    "empty signature_algorithms_cert": extensions(x50=bytes(2)),
    "empty certificate_authorities": extensions(x47=b""),
    "broken certificate_authorities": extensions(x47=b"\x00\x05\x00\x03abc\xff"),
    "key_share": extensions(x51=b""),
    "half of it": body(lambda raw: raw[:-1]),
}.items():
    client(f"1.3 CertificateRequest, {what}", "CertificateRequest", edit, **asking)
for what, raw in {
    "no schemes": b"\x02\x01\x40" + bytes(2) + bytes(2),
    "half a scheme": b"\x02\x01\x40" + b"\x00\x01\x04" + bytes(2),
    "no types": b"\x00" + b"\x00\x02\x04\x03" + bytes(2),
    "an empty name": b"\x02\x01\x40" + b"\x00\x02\x04\x03" + b"\x00\x02\x00\x00",
}.items():
    client(
        f"1.2 CertificateRequest, {what}", "CertificateRequest", instead(message(13, raw)), versions=(TLS12,), **asking
    )

client("1.3 no certificate", "Certificate", instead(message(11, bytes(4))))
client("1.2 no certificate", "Certificate", instead(message(11, bytes(3))), versions=(TLS12,))
for tag, names in {
    "1.3": ("EncryptedExtensions", "Certificate", "CertificateVerify", "Finished", "NewSessionTicket"),
    "1.2": ("Certificate", "ServerKeyExchange", "ServerHelloDone", "Finished"),
}.items():
    for one in names:
        client(f"{tag} {one}, a byte more", one, body(lambda raw: raw + b"x"), how="wire", **EACH[tag])
        if one != "ServerHelloDone":
            client(f"{tag} {one}, a byte less", one, body(lambda raw: raw[:-1]), how="wire", **EACH[tag])
for one in ("ClientKeyExchange", "Finished"):
    server(f"1.2 {one}, a byte more", one, body(lambda raw: raw + b"x"), how="wire", versions=(TLS12,))
    server(f"1.2 {one}, a byte less", one, body(lambda raw: raw[:-1]), how="wire", versions=(TLS12,))

# Records that do not belong there

RECORDS = {
    "data": (APPLICATION_DATA, b"data"),
    "change_cipher_spec": (CHANGE_CIPHER_SPEC, b"\x01"),
    "a bad change_cipher_spec": (CHANGE_CIPHER_SPEC, b"\x02"),
    "a long change_cipher_spec": (CHANGE_CIPHER_SPEC, b"\x01\x01"),
    "a heartbeat": (24, b"xx"),
    "an empty record": (HANDSHAKE, b""),
    "an alert": (ALERT, b"\x01\x5a"),
    "HelloRequest": (HANDSHAKE, message(0, b"")),
}


def divided(between: Any, at: int = 10) -> Any:
    return lambda raw: [(HANDSHAKE, raw[:at]), between, (HANDSHAKE, raw[at:])]


def strays(role: Any, tag: str, names: Iterable[str], divides: Iterable[str]) -> None:
    for what, one in RECORDS.items():
        for name in names:
            role(f"{tag} {what} before {name}", name, before(one), how="wire", **EACH[tag])
        for name in divides:
            if what not in {"HelloRequest", "an empty record"}:
                role(f"{tag} {what} inside {name}", name, divided(one), how="wire", **EACH[tag])
                role(f"{tag} {what} inside the header of {name}", name, divided(one, 2), how="wire", **EACH[tag])


strays(client, "1.2", ("ServerHello", "Certificate", "ServerHelloDone", "Finished"), ("ServerHello", "Certificate"))
strays(client, "1.3", ("ServerHello", "EncryptedExtensions", "Certificate", "Finished"), ("ServerHello", "Certificate"))
strays(server, "1.2", ("ClientHello", "ClientKeyExchange", "Finished"), ("ClientHello", "ClientKeyExchange"))
strays(server, "1.3", ("ClientHello", "Finished"), ("ClientHello", "Finished"))
bad = instead((CHANGE_CIPHER_SPEC, b"\x02"))
client("1.3 a bad change_cipher_spec behind ServerHello", "ChangeCipherSpec", bad, how="wire")
client("1.2 a ticket that does not come", "NewSessionTicket", drop, how="wire", versions=(TLS12,))
client("1.3 part of a message behind ServerHello", "ServerHello", after(b"\x08\x00"), how="wire")
p384 = {"groups": (groups.SECP384R1,)}
client("part of a message behind HelloRetryRequest", "HelloRetryRequest", after(b"\x02\x00"), how="wire", **p384)
server("1.3 part of a message behind ClientHello", "ClientHello", after(b"\x01\x00"), how="wire")
server("1.3 a ClientHello behind ClientHello", "ClientHello", twice, how="wire")
server("1.2 a ClientHello behind ClientHello", "ClientHello", twice, how="wire", versions=(TLS12,))


# Sessions


def resumed(name: str, first: dict[str, Any], edit: Any, prepare: Any = lenient) -> None:
    """A client that offers its session, and a server that answers something else."""

    def run(tls: Any, _: Pki) -> Verdict:
        context, config = prepare(tls), {"sessions": SessionManager(), **first}
        meeting = client_meets(context, **config).shake()
        assert meeting.tls.done, meeting.tls.error
        session = meeting.tls.obj.session
        return (
            client_meets(context, lambda it: it.wire.update(ServerHello=edit), session=session, **config)
            .shake()
            .verdict
        )

    ROWS[f"client: {name}"] = run


def older(tls: Any) -> Any:
    context = lenient(tls)
    with quiet():
        context.minimum_version = tls.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


by_id = {"versions": (TLS12,), "options": BASE | OP_NO_TICKET}
by_ticket = {"versions": (TLS12,)}
at_level_0 = {"suites": OLDER, "security_level": 0, "credentials": (identity("RSA"),)}
resumed("1.2 session, another suite", by_id, hello(cipher_suite=AEAD12[1].code))
resumed("1.2 session, no extended_master_secret", by_id, hello({EXTENDED_MASTER_SECRET: None}))
resumed("1.2 session by id, TLS 1.1", {**by_id, **at_level_0}, hello(legacy_version=TLS11), older)
resumed("1.2 session by ticket, TLS 1.1", {**by_ticket, **at_level_0}, hello(legacy_version=TLS11), older)
resumed("1.3 session, the second identity", {}, hello({PRE_SHARED_KEY: b"\x00\x01"}))
resumed("1.3 session, half an identity", {}, hello({PRE_SHARED_KEY: b"\x00"}))
resumed("1.3 session, another hash", {"suites13": SUITES13[:1]}, hello(cipher_suite=0x1302))
resumed("1.3 session, another hash and a key of 48", {"suites13": SUITES13[1:2]}, hello(cipher_suite=0x1301))


def returning(name: str, first: dict[str, Any], edit: Any, how: str = "wire", options: int = 0) -> None:
    """A client with a session of the server's, whose hello is edited."""

    def run(tls: Any, pki: Pki) -> Verdict:
        context, config = serving(tls, pki), {"verify_mode": 0, "check_hostname": False, **first}
        context.options |= options
        meeting = server_meets(context, sessions=SessionManager(), **first).shake()
        meeting.tls.obj.write(b"x")
        meeting.move()
        meeting.engine.read_into(memoryview(bytearray(100)))
        session = meeting.engine.session
        engine = Engine(
            client_config(**config), server_side=False, server_hostname="localhost", clock=lambda: NOW, session=session
        )
        getattr(engine, how)["ClientHello"] = edit
        return Meeting(ObjectSide("server", context), engine).shake().verdict

    ROWS[f"server: {name}"] = run


def identities(change: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> Any:
    """pre_shared_key with other identities and binders."""

    def edit(raw: bytes) -> bytes:
        found = ClientHello.parse(raw).extensions[PRE_SHARED_KEY]
        size = int.from_bytes(found[:2], "big")
        names, binders = change(found[2 : 2 + size], found[4 + size :])
        return hello({PRE_SHARED_KEY: vec16(names) + vec16(binders)})(raw)

    return edit


returning("1.3 a wrong binder", {}, identities(lambda names, _: (names, vec8(bytes(48)))))
returning("1.3 two identities and a binder", {}, identities(lambda names, binders: (names * 2, binders)))
returning("1.3 an identity and two binders", {}, identities(lambda names, binders: (names, binders * 2)))
returning("1.3 no binders", {}, identities(lambda names, _: (names, b"")))
without = hello(cipher_suites=b"\xcc\xa9\x00\xff")
returning("1.2 session by ticket without its suite", {"versions": (TLS12,)}, without, "lies")
returning("1.2 session by id without its suite", {"versions": (TLS12,)}, without, "lies", ssl.OP_NO_TICKET)
no_ems = hello({EXTENDED_MASTER_SECRET: None})
returning("1.2 session without extended_master_secret", {"versions": (TLS12,)}, no_ems, "lies")


DECODE, PARAMETER = registry.DECODE_ERROR, registry.ILLEGAL_PARAMETER
LISTED: list[tuple[str, str | None, int | None]] = [  # rows of docs/differences.md: what we say instead
    # bodies that cannot be read, of extensions that this handshake has no use for
    (r"server: 1\.. server_name 0003000000", "BAD_EXTENSION", DECODE),
    (r"server: 1\.3 (ec_point_formats|extended_master_secret) .*", "BAD_EXTENSION", DECODE),
    (r"server: 1\.. (signed_certificate_timestamp|encrypt_then_mac|record_size_limit) .*", "BAD_EXTENSION", DECODE),
    (r"server: 1\.. (cookie|pre_shared_key) .*", "BAD_EXTENSION", DECODE),
    (r"server: 1\.2 (early_data|psk_key_exchange_modes) .*", "BAD_EXTENSION", DECODE),
    (r"server: 1\.2 post_handshake_auth .*", "POST_HANDSHAKE_AUTH_ENCODING_ERR", DECODE),
    (r"server: 1\.2 key_share .*", "LENGTH_MISMATCH", DECODE),
    (r"server: 1\.. certificate_authorities .*", "LENGTH_MISMATCH", DECODE),
    (r"server: 1\.. renegotiation_info .*", "RENEGOTIATION_ENCODING_ERR", DECODE),
    (r"server: 1\.2 ClientHello, encrypt_then_mac with a body", "BAD_EXTENSION", DECODE),
    (r"client: 1\.2 ServerHello, extended_master_secret with a body", "BAD_EXTENSION", DECODE),
    (r"client: EncryptedExtensions, empty groups", "BAD_EXTENSION", DECODE),
    (r"client: HelloRetryRequest, an empty cookie", "BAD_EXTENSION", DECODE),
    # what stands where it does not belong
    (r"client: .*, an unknown extension", "UNSOLICITED_EXTENSION", registry.UNSUPPORTED_EXTENSION),
    (r"server: 1\.3 ClientHello, oid_filters", "BAD_EXTENSION", PARAMETER),
    # versions
    (r"server: legacy_version 0x0300 alone", "VERSION_TOO_LOW", registry.PROTOCOL_VERSION),
    (r"server: legacy_version 0x0300 beside .*", "BAD_LEGACY_VERSION", registry.PROTOCOL_VERSION),
    (r"client: 1\.3 legacy_version 0x0[02].*", "UNSUPPORTED_PROTOCOL", registry.PROTOCOL_VERSION),
    (r"client: 1\.3 legacy_version .*", "BAD_PROTOCOL_VERSION_NUMBER", PARAMETER),
    (r"server: fixed TLS 1\.2, offered TLSv1\.3", "WRONG_SSL_VERSION", registry.PROTOCOL_VERSION),
    (r"server: 1\.3 ClientHello, no versions", "BAD_EXTENSION", DECODE),
    # hellos
    (r"server: 1\.3 ClientHello, no null compression", "INVALID_COMPRESSION_ALGORITHM", PARAMETER),
    (r".*, a (share twice|long share|short share)", "BAD_KEY_SHARE", PARAMETER),
    (r"server: 1\.2 ClientHello, no uncompressed points", "ILLEGAL_POINT_COMPRESSION", PARAMETER),
    (r"client: 1\.2 ServerHello, a renegotiation", "RENEGOTIATION_MISMATCH", registry.HANDSHAKE_FAILURE),
    (r"server: second ClientHello, a cookie from nowhere", "COOKIE_MISMATCH", PARAMETER),
    (r"server: second ClientHello, .*", "BAD_EXTENSION", PARAMETER),
    # other messages
    (r"client: 1\.3 CertificateRequest, a context", "INVALID_CONTEXT", PARAMETER),
    (r"client: 1\.. CertificateRequest, .*", "LENGTH_MISMATCH", DECODE),
    (r"client: 1\.2 ServerHelloDone, a byte more", "LENGTH_MISMATCH", DECODE),
    # records
    (r"client: 1\.. change_cipher_spec before ServerHello", None, None),
    (r"client: 1\.3 a bad change_cipher_spec behind ServerHello", "INVALID_CCS_MESSAGE", registry.UNEXPECTED_MESSAGE),
    (r".* a heartbeat (before|inside|inside the header of) (Client|Server)Hello", "WRONG_VERSION_NUMBER", None),
    (r".* an empty record before .*", "UNEXPECTED_RECORD", registry.UNEXPECTED_MESSAGE),
    (r".* an alert before (Finished|ClientHello)", None, None),
    (r".* an alert inside .*", "MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA", registry.UNEXPECTED_MESSAGE),
    (r".* 1\.2 a heartbeat before Finished", "UNEXPECTED_RECORD", registry.UNEXPECTED_MESSAGE),
    (r"client: 1\.3 HelloRequest before .*", "UNEXPECTED_MESSAGE", registry.UNEXPECTED_MESSAGE),
]


def listed(name: str, verdict: Verdict) -> str | None:
    """The first entry that lists this difference."""
    for pattern, *said in LISTED:
        if re.fullmatch(pattern, name) and verdict == tuple(said):
            return pattern
    return None


@pytest.fixture(scope="module")
def verdicts(pki):
    """Each mistake's name, what `ssl` says, what we say."""
    return [(name, *(row(tls, pki) for tls in (ssl, puretls))) for name, row in ROWS.items()]


def test_a_mistake_has_its_name(verdicts):
    wrong = {name: both for name, *both in verdicts if both[0] != both[1] and not listed(name, both[1])}
    assert not wrong


def test_what_is_listed_differs(verdicts):
    """An entry that lists nothing goes."""
    used = {listed(name, ours) for name, theirs, ours in verdicts if theirs != ours}
    assert used >= {pattern for pattern, *_ in LISTED}


def test_the_table_can_fail(verdicts):
    """It has rows that `ssl` refuses, and rows that it lets pass."""
    assert len([name for name, theirs, _ in verdicts if theirs.refused]) > 250
    assert len([name for name, theirs, _ in verdicts if theirs == (None, None)]) > 50
