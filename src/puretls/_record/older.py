"""Record protection of TLS 1.0 to 1.2 out of a master secret: the key block and what is made of it (RFC 5246 6.3).

TLS 1.3 has a secret for each direction instead, see `_crypto.schedule`.
"""

from __future__ import annotations

from typing import NamedTuple

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import TLS12
from puretls._crypto.kdf import MD5_SHA1, prf
from puretls._crypto.suites import Aead, Block, Suite
from puretls._record.cbc import BlockOpener, BlockSealer, MacOpener, MacSealer
from puretls._record.protection import Opener, Opener12, Sealer, Sealer12


class Direction(NamedTuple):
    """What one side writes with."""

    mac: bytes
    key: bytes
    iv: bytes


def key_block(suite: Suite, version: int, master: bytes, randoms: bytes) -> tuple[Direction, Direction]:
    """The client's part and the server's; `randoms` is the server's, then the client's."""
    cipher = suite.cipher
    mac_size = suite.mac.size if suite.mac else 0
    iv_size = cipher.salt if isinstance(cipher, Aead) else cipher.block if isinstance(cipher, Block) else 0
    digest = suite.hash if version >= TLS12 else MD5_SHA1
    block = prf(digest, master, b"key expansion", randoms, 2 * (mac_size + cipher.key + iv_size))
    parts: list[bytes] = []
    for size in (mac_size, cipher.key, iv_size):
        parts += block[:size], block[size : 2 * size]
        block = block[2 * size :]
    return Direction(*parts[::2]), Direction(*parts[1::2])


def opener(suite: Suite, version: int, keys: Direction, *, etm: bool) -> Opener:
    """Reads what the owner of the keys has written."""
    cipher = suite.cipher
    if isinstance(cipher, Aead):
        return Opener12(cipher, keys.key, keys.iv, version)
    if suite.mac is None:
        raise Abort(faults.INTERNAL)
    if isinstance(cipher, Block):
        return BlockOpener(cipher, suite.mac, keys.key, keys.mac, keys.iv, version, etm=etm)
    return MacOpener(suite.mac, keys.mac, version)


def sealer(suite: Suite, version: int, keys: Direction, *, etm: bool) -> Sealer:
    """Writes with the keys."""
    cipher = suite.cipher
    if isinstance(cipher, Aead):
        return Sealer12(cipher, keys.key, keys.iv, version)
    if suite.mac is None:
        raise Abort(faults.INTERNAL)
    if isinstance(cipher, Block):
        return BlockSealer(cipher, suite.mac, keys.key, keys.mac, keys.iv, version, etm=etm)
    return MacSealer(suite.mac, keys.mac, version)
