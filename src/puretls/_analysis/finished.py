"""What a Finished has to say: an HMAC over all that was said before (RFC 8446 4.4.4, RFC 5246 7.4.9)."""

from __future__ import annotations

from collections.abc import Iterable

from puretls._base.registry import MESSAGE_HASH, SERVER_HELLO, TLS12, TLS13
from puretls._crypto import schedule
from puretls._crypto.kdf import MD5_SHA1, Digest, prf
from puretls._crypto.suites import Suite
from puretls._wire.hello import HELLO_RETRY_REQUEST


def verify_data(suite: Suite, version: int, secret: bytes, said: Iterable[bytes], *, client: bool) -> bytes:
    """For messages in order; the secret is the sender's handshake traffic secret, before TLS 1.3 the master secret."""
    if version >= TLS13:
        return schedule.finished(suite.hash, secret, transcript_hash(suite.hash, said))
    digest = suite.hash if version >= TLS12 else MD5_SHA1
    label = b"client finished" if client else b"server finished"
    return prf(digest, secret, label, transcript_hash(digest, said), 12)


def transcript_hash(digest: Digest, said: Iterable[bytes]) -> bytes:
    """The hash of the messages; what came before a HelloRetryRequest is in it as a hash (RFC 8446 4.4.1)."""
    joined = b""
    for raw in said:
        if is_retry(raw):
            joined = bytes((MESSAGE_HASH, 0, 0, digest.size)) + digest.hash(joined)
        joined += raw
    return digest.hash(joined)


def is_retry(raw: bytes) -> bool:
    """Whether a message is a HelloRetryRequest."""
    return raw[:1] == bytes((SERVER_HELLO,)) and raw[6:38] == HELLO_RETRY_REQUEST
