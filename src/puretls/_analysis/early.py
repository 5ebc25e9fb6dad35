"""Early data (RFC 8446 4.2.10): what may protect it.

It comes before the server has named a suite: its suite is that of the session, which nothing in the clear names.  So of
the suites that the hello offers, the first that opens a record is the one.
"""

from __future__ import annotations

from collections.abc import Iterator

from puretls._analysis.keylog import CLIENT_EARLY, KeyLog
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto import suites
from puretls._crypto.suites import Aead, Suite
from puretls._wire.hello import ClientHello
from puretls._wire.messages import EncryptedExtensions


def offered(hello: bytes) -> tuple[Suite, ...]:
    """The suites of TLS 1.3 in a ClientHello that early data follows; none if none follows."""
    try:
        parsed = ClientHello.parse(hello)
    except (Abort, IndexError):
        return ()
    if registry.EARLY_DATA not in parsed.extensions:
        return ()
    codes = (parsed.cipher_suites[pos : pos + 2] for pos in range(0, len(parsed.cipher_suites), 2))
    known = (suites.BY_CODE.get(int.from_bytes(code, "big")) for code in codes)
    return tuple(one for one in known if one and one.since == TLS13 and isinstance(one.cipher, Aead))


def taken(message: bytes) -> bool:
    """Whether this EncryptedExtensions message accepts early data."""
    try:
        return registry.EARLY_DATA in EncryptedExtensions.parse(message).extensions
    except (Abort, IndexError):
        return False


def secrets(log: KeyLog, randoms: tuple[bytes, ...], wanted: tuple[Suite, ...]) -> Iterator[tuple[Suite, bytes]]:
    """Suites that fit a secret in the key log, by its size."""
    for random in randoms:
        secret = log.get(CLIENT_EARLY, random)
        if secret is not None:
            yield from ((one, secret) for one in wanted if one.hash.size == len(secret))
