"""A peer's mistakes after the handshake, one at a time: as `test_reasons.py` has it for those within.

The peer is our engine, which seals whatever it is told to; the module under test reads.
"""

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest

import puretls
from puretls._base import registry
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS12, TLS13
from support.both import like_openssl_30
from support.crooked import client_meets, server_meets
from support.pair import message

pytestmark = like_openssl_30
Records = list[tuple[int, bytes]]
UNEXPECTED, DECODE, PARAMETER = registry.UNEXPECTED_MESSAGE, registry.DECODE_ERROR, registry.ILLEGAL_PARAMETER
WARNING, FATAL = 1, 2


def handshake(kind: int, body: bytes) -> Records:
    return [(HANDSHAKE, message(kind, body))]


def ticket(body: bytes, *, lifetime: int = 256, name: bytes = b"tick") -> Records:
    head = lifetime.to_bytes(4, "big") + bytes(4) + b"\x01x"
    return handshake(4, head + len(name).to_bytes(2, "big") + name + body)


ASKS = handshake(0, b"")[0]
DATA = APPLICATION_DATA, b"x"
SCHEMES = b"\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03"
HELLO = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\xc0\x2b" + b"\x01\x00"
SENT: dict[str, Records] = {
    **{f"warning {one}": [(ALERT, bytes((WARNING, one)))] for one in (0, 10, 40, 90, 100, 110, 112, 255)},
    **{f"fatal {one}": [(ALERT, bytes((FATAL, one)))] for one in (0, 10, 90, 100, 255)},
    **{f"an alert of level {one}": [(ALERT, bytes((one, 10)))] for one in (0, 3, 255)},
    "half an alert": [(ALERT, b"\x01"), (ALERT, b"\x5a")],
    "an empty alert": [(ALERT, b"")],
    "a long alert": [(ALERT, b"\x01\x5a\x00")],
    "two alerts": [(ALERT, b"\x01\x5a\x01\x5a")],
    "data behind close_notify": [(ALERT, b"\x01\x00"), DATA],
    "change_cipher_spec": [(CHANGE_CIPHER_SPEC, b"\x01")],
    "a bad change_cipher_spec": [(CHANGE_CIPHER_SPEC, b"\x02")],
    **{f"content type {one}": [(one, b"xx")] for one in (0, 24, 25, 255)},
    "an empty handshake record": [(HANDSHAKE, b"")],
    "empty data": [(APPLICATION_DATA, b"")],
    "a lot of empty data": [(APPLICATION_DATA, b"")] * 40,
    "HelloRequest": [ASKS],
    "HelloRequest twice": [ASKS, ASKS],
    "HelloRequest, and the answer is refused": [ASKS, (ALERT, bytes((WARNING, 100)))],
    "HelloRequest, data": [ASKS, DATA],
    "HelloRequest, change_cipher_spec": [ASKS, (CHANGE_CIPHER_SPEC, b"\x01")],
    "HelloRequest with a body": handshake(0, b"x"),
    "half a message, data": [(HANDSHAKE, b"\x00\x00"), DATA],
    "half a message, close_notify": [(HANDSHAKE, b"\x00\x00"), (ALERT, b"\x01\x00")],
    "ClientHello": handshake(1, HELLO),
    "ClientHello that cannot be read": handshake(1, b"xx"),
    "ServerHello": handshake(2, b"\x03\x03" + bytes(38)),
    "EndOfEarlyData": handshake(5, b""),
    "EncryptedExtensions": handshake(8, b"\x00\x00"),
    "Certificate": handshake(11, bytes(4)),
    "ServerHelloDone": handshake(14, b""),
    "CertificateVerify": handshake(15, b"\x04\x03\x00\x00"),
    "Finished": handshake(20, bytes(12)),
    "CertificateStatus": handshake(22, b"\x01\x00\x00\x00"),
    "CompressedCertificate": handshake(25, b"\x00\x01\x00\x00\x01\x00\x00\x01x"),
    "message_hash": handshake(254, bytes(32)),
    "a message of type 99": handshake(99, b""),
    "a ticket": ticket(b"\x00\x00"),
    "a ticket of TLS 1.2": handshake(4, b"\x00\x00\x01\x00\x00\x04tick"),
    "a ticket, empty": ticket(b"\x00\x00", name=b""),
    "a ticket, a byte more": ticket(b"\x00\x00x"),
    "a ticket, an unknown extension": ticket(b"\x00\x04\x12\x34\x00\x00"),
    "a ticket, an extension twice": ticket(b"\x00\x08\x12\x34\x00\x00\x12\x34\x00\x00"),
    "a ticket, for eleven days": ticket(b"\x00\x00", lifetime=0xF0000),
    "a ticket, for no time": ticket(b"\x00\x00", lifetime=0),
    "CertificateRequest": handshake(13, b"\x04abcd" + SCHEMES),
    "CertificateRequest without schemes": handshake(13, b"\x04abcd\x00\x00"),
    "CertificateRequest without a context": handshake(13, b"\x00" + SCHEMES),
    "KeyUpdate": handshake(24, b"\x00"),
    "KeyUpdate, 2": handshake(24, b"\x02"),
    "KeyUpdate, long": handshake(24, b"\x00\x00"),
    "KeyUpdate, empty": handshake(24, b""),
    "KeyUpdate, and a message behind it": [(HANDSHAKE, message(24, b"\x00") + message(0, b""))],
    "a message of 16 MB": [(HANDSHAKE, b"\x04\xff\xff\xff" + bytes(100))],
    "KeyUpdate of 16 KB": [(HANDSHAKE, b"\x18\x00\x40\x00" + bytes(100))],
}

SEALED = {CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA}  # what our sealer of TLS 1.3 seals

# What we say in place of it, and why: docs/differences.md
LISTED: list[tuple[str, str | None, int | None]] = [
    (r".* 1\.2, an empty handshake record", "UNEXPECTED_RECORD", UNEXPECTED),
    (r".* 1\.2, half a message, data", "UNEXPECTED_RECORD", UNEXPECTED),
    (r".* 1\.2, half a message, close_notify", "MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA", UNEXPECTED),
    (r".* (HelloRequest with a body|ClientHello that cannot be read)", "LENGTH_MISMATCH", DECODE),
    (r"server of TLS 1\.3, a ticket( of TLS 1\.2|, empty|, a byte more)", "LENGTH_MISMATCH", DECODE),
    (r".* 1\.3, KeyUpdate, (long|empty)", "LENGTH_MISMATCH", DECODE),
    (r".* 1\.3, a ticket, an extension twice", "BAD_EXTENSION", PARAMETER),
    (r"client of TLS 1\.3, a ticket, for eleven days", "BAD_LENGTH", PARAMETER),
    (r".* a message of 16 MB", "EXCESSIVE_MESSAGE_SIZE", PARAMETER),
    (r".* KeyUpdate of 16 KB", None, None),  # it waits for the rest of it, and then for no more
]


def read_by(tls: Any, role: str, version: int, records: Records, pki: Any) -> tuple[str | None, int | None, Any]:
    """What one read says, the alert that is sent, and what is read."""
    if role == "client":
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, tls.CERT_NONE
        meeting = client_meets(context, versions=(version,))
    else:
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        meeting = server_meets(context, versions=(version,))
    meeting.shake()
    assert meeting.tls.done
    assert meeting.tls.error is None
    for kind, data in records:
        meeting.engine.outbound.put(kind, data)
    meeting.move()
    found: list[Any] = []
    for _ in range(3):
        found.append(meeting.tls.step(lambda: meeting.tls.obj.read(10)))
        meeting.move()
        if meeting.tls.error is not None:
            break
    return (*meeting.verdict, found[0])


@pytest.fixture(scope="module")
def verdicts(pki: Any) -> dict[str, list[Any]]:
    """Each mistake's name, what `ssl` says and what we say."""
    return {
        f"{role} of TLS 1.{version - TLS12 + 2}, {name}": [
            read_by(tls, role, version, records, pki) for tls in (ssl, puretls)
        ]
        for role in ("client", "server")
        for version in (TLS12, TLS13)
        for name, records in SENT.items()
        if version == TLS12 or all(kind in SEALED for kind, _ in records)
    }


def listed(name: str, verdict: tuple[Any, ...]) -> str | None:
    return next((pattern for pattern, *said in LISTED if re.fullmatch(pattern, name) and verdict[:2] == (*said,)), None)


def test_a_mistake_has_its_name(verdicts):
    assert not {name: both for name, both in verdicts.items() if both[0] != both[1] and not listed(name, both[1])}


def test_what_is_listed_differs(verdicts):
    """An entry that lists nothing goes."""
    used = {listed(name, ours) for name, (theirs, ours) in verdicts.items() if theirs != ours}
    assert used >= {pattern for pattern, *_ in LISTED}


def test_the_table_can_fail(verdicts):
    """It has rows that `ssl` refuses, and rows that it lets pass."""
    refused = [theirs[1] is not None for theirs, _ in verdicts.values()]
    assert sum(refused) > 100
    assert len(refused) - sum(refused) > 40
