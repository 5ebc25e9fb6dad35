"""ClientHello, ServerHello and HelloRetryRequest (RFC 8446 4.1, RFC 5246 7.4.1): the messages of every version."""

from __future__ import annotations

from typing import NamedTuple

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._wire.codec import Reader, message, split_extensions, vec8, vec16

# SHA-256 of "HelloRetryRequest": a ServerHello with this random is one (RFC 8446 4.1.3)
HELLO_RETRY_REQUEST = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
DOWNGRADE_TLS12 = b"DOWNGRD\x01"  # last eight bytes of a server random (RFC 8446 4.1.3)
DOWNGRADE_TLS11 = b"DOWNGRD\x00"


class ClientHello(NamedTuple):
    """RFC 8446 4.1.2."""

    raw: bytes
    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: bytes
    compression_methods: bytes
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> ClientHello:
        r = Reader(raw)
        version, random, session_id, suites, compression = r.u16(), r.take(32), r.vec8(), r.vec16(), r.vec8()
        extensions = split_extensions(r.vec16()) if r.more() else {}  # RFC 5246 7.4.1.2: may be absent altogether
        r.done()
        if len(session_id) > 32 or len(suites) & 1:
            raise Abort(faults.LENGTH_MISMATCH)
        if not suites:
            raise Abort(faults.NO_CIPHERS_SPECIFIED)
        if not compression:
            raise Abort(faults.NO_COMPRESSION_SPECIFIED)
        return cls(raw, version, random, session_id, suites, compression, extensions)

    def psk_is_last(self) -> bool:
        """pre_shared_key, if there, MUST be the last extension (RFC 8446 4.2.11)."""
        return registry.PRE_SHARED_KEY not in self.extensions or next(reversed(self.extensions)) == (
            registry.PRE_SHARED_KEY
        )


def client_hello(
    legacy_version: int,
    random: bytes,
    session_id: bytes,
    suites: bytes,
    extensions: bytes,
    compression_methods: bytes = b"\x00",
) -> bytes:
    """`suites`, `extensions` and `compression_methods` (null alone is all that we speak) are the bodies of vectors."""
    body = b"".join(
        (
            legacy_version.to_bytes(2, "big"),
            random,
            vec8(session_id),
            vec16(suites),
            vec8(compression_methods),
            vec16(extensions) if extensions else b"",
        )
    )
    return message(registry.CLIENT_HELLO, body)


class ServerHello(NamedTuple):
    """RFC 8446 4.1.3; also a HelloRetryRequest (4.1.4), which `is_retry` tells."""

    raw: bytes
    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> ServerHello:
        r = Reader(raw)
        version, random, session_id, suite, compression = r.u16(), r.take(32), r.vec8(), r.u16(), r.u8()
        extensions = split_extensions(r.vec16()) if r.more() else {}
        r.done()
        if len(session_id) > 32:
            raise Abort(faults.LENGTH_MISMATCH)
        return cls(raw, version, random, session_id, suite, compression, extensions)

    @property
    def is_retry(self) -> bool:
        return self.random == HELLO_RETRY_REQUEST


def server_hello(legacy_version: int, random: bytes, session_id: bytes, suite: int, extensions: bytes) -> bytes:
    body = b"".join(
        (
            legacy_version.to_bytes(2, "big"),
            random,
            vec8(session_id),
            suite.to_bytes(2, "big"),
            b"\x00",
            vec16(extensions) if extensions else b"",
        )
    )
    return message(registry.SERVER_HELLO, body)
