"""A well-formed body of every extension of a ClientHello, and bodies that cannot be read."""

from __future__ import annotations

from puretls._base import registry
from puretls._wire.codec import vec16, vec16_of
from support.crooked import POINT, SECP256R1, X25519


def pair_of(*names: bytes) -> bytes:
    return vec16(b"".join(vec16(name) for name in names))


SHARE = SECP256R1.to_bytes(2, "big") + vec16(POINT)
PSK = vec16(vec16(b"identity") + bytes(4)) + vec16(b"\x20" + bytes(32))
WELL_FORMED = {
    registry.SERVER_NAME: b"\x00\x0c\x00\x00\x09localhost",
    registry.MAX_FRAGMENT_LENGTH: b"\x01",
    registry.STATUS_REQUEST: b"\x01\x00\x00\x00\x00",
    registry.SUPPORTED_GROUPS: vec16_of((X25519, SECP256R1)),
    registry.EC_POINT_FORMATS: b"\x01\x00",
    registry.SIGNATURE_ALGORITHMS: vec16_of((0x0403, 0x0804)),
    registry.ALPN: b"\x00\x03\x02h2",
    registry.SIGNED_CERTIFICATE_TIMESTAMP: b"",
    registry.ENCRYPT_THEN_MAC: b"",
    registry.EXTENDED_MASTER_SECRET: b"",
    registry.RECORD_SIZE_LIMIT: b"\x40\x00",
    registry.EARLY_DATA: b"",
    registry.COOKIE: vec16(b"crumbs"),
    registry.PSK_KEY_EXCHANGE_MODES: b"\x01\x01",
    registry.CERTIFICATE_AUTHORITIES: pair_of(b"\x30\x00"),
    registry.POST_HANDSHAKE_AUTH: b"",
    registry.SIGNATURE_ALGORITHMS_CERT: vec16_of((0x0403,)),
    registry.KEY_SHARE: vec16(SHARE),
    registry.RENEGOTIATION_INFO: b"\x00",
    registry.PRE_SHARED_KEY: PSK,
}
MALFORMED = {  # besides one octet too many, and one too few
    registry.SERVER_NAME: [vec16(b""), vec16(b"\x00\x00\x00"), vec16(b"\x00\x00\x05a")],
    registry.STATUS_REQUEST: [b"\x01", b"\x01\x00\x00", b"\x01\x00\x05\x00\x00", b"\x01\x00\x00\x00\x01"],
    registry.SUPPORTED_GROUPS: [vec16(b""), vec16(b"\x00")],
    registry.EC_POINT_FORMATS: [b"\x00"],
    registry.SIGNATURE_ALGORITHMS: [vec16(b""), vec16(b"\x04"), vec16(b"\x04\x03\x05")],
    registry.ALPN: [vec16(b""), vec16(b"\x00"), vec16(b"\x05h2")],
    registry.COOKIE: [vec16(b"")],
    registry.PSK_KEY_EXCHANGE_MODES: [b"\x00"],
    registry.CERTIFICATE_AUTHORITIES: [vec16(b""), pair_of(b""), vec16(b"\x00\x05x")],
    registry.SIGNATURE_ALGORITHMS_CERT: [vec16(b""), vec16(b"\x04")],
    registry.KEY_SHARE: [vec16(SHARE[:-1]), vec16(SHARE[:2] + vec16(b""))],
    registry.PRE_SHARED_KEY: [vec16(b"") + PSK[16:], PSK[:16] + vec16(b""), PSK[:16] + vec16(b"\x1f" + bytes(31))],
}
CASES = [
    (kind, body)
    for kind, good in WELL_FORMED.items()
    for body in (good + b"\x00", *([good[:-1]] if good else []), *MALFORMED.get(kind, []))
]
