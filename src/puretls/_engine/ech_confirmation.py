"""How a server confirms that it has accepted the inner hello (RFC 9849 7.2, 7.2.1)."""

from __future__ import annotations

from puretls._crypto.kdf import Digest, copied, hkdf_expand, hkdf_label, without_salt
from puretls._wire.ech import CONFIRMATION

_LENGTH = CONFIRMATION.to_bytes(2, "big")
HELLO = _LENGTH + hkdf_label(b"ech accept confirmation")
RETRY = _LENGTH + hkdf_label(b"hrr ech accept confirmation")


def confirmation(d: Digest, inner_random: bytes, label: bytes, digest: bytes) -> bytes:
    """The confirmation, which only a server that has read the inner hello can compute; `digest` is that of a transcript
    with zeros in its place, `label` HELLO or RETRY.
    """
    secret = copied(without_salt(d), inner_random)
    return hkdf_expand(d, secret, label + bytes((d.size,)) + digest, CONFIRMATION)
