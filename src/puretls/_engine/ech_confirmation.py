"""How a server confirms that it has accepted the inner hello (RFC 9849 7.2, 7.2.1)."""

from __future__ import annotations

from puretls._crypto.kdf import Digest, expand_label
from puretls._wire.ech import CONFIRMATION

HELLO, RETRY = b"ech accept confirmation", b"hrr ech accept confirmation"


def confirmation(d: Digest, inner_random: bytes, label: bytes, digest: bytes) -> bytes:
    """The confirmation, which only a server that has read the inner hello can compute; `digest` is that of a transcript
    with zeros in its place.
    """
    return expand_label(d, d.hmac(d.zeros, inner_random), label, digest, CONFIRMATION)
