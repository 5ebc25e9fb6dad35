"""GREASE for Encrypted Client Hello (RFC 9849 6.2): what a client without a configuration sends."""

from __future__ import annotations

from collections.abc import Callable

from puretls._crypto import groups
from puretls._wire.codec import tuple_of
from puretls._wire.ech import Sealed

TAG = 16  # bytes that sealing adds, with each AEAD


def grease(random: Callable[[int], bytes]) -> bytes:
    """An encrypted_client_hello of random bytes."""
    numbers = random(2)
    payload = random(32 * (4 + numbers[1] % 4) + TAG)
    return tuple_of(Sealed, ((1, 1), numbers[0], groups.X25519.offer().public, payload)).build()
