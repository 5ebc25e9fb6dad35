"""Record protection of TLS 1.0 to 1.2, from a master secret: the key block, and the openers and sealers made of it (RFC
5246 6.3).

TLS 1.3 has a secret for each direction instead, see `_crypto.schedule`.
"""

from __future__ import annotations

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.tuples import NamedTuple
from puretls._crypto.kdf import Prf
from puretls._crypto.suites import Aead, Block, Suite
from puretls._record.cbc import BlockOpener, BlockSealer, MacOpener, MacSealer
from puretls._record.protection import Opener, Opener12, Sealer, Sealer12

tuple_of = tuple.__new__  # as `_wire.codec` has it


class Direction(NamedTuple):
    """The keys with which one side writes."""

    mac: bytes
    key: bytes
    iv: bytes

    def __repr__(self) -> str:
        return "<Direction>"


def key_block(suite: Suite, prf: Prf, randoms: bytes) -> tuple[Direction, Direction]:
    """The keys of the client and of the server.  `prf` is that of the master secret; `randoms` is the server's random,
    then the client's.
    """
    cipher = suite.cipher
    if isinstance(cipher, Aead):
        key, salt = cipher.key, cipher.salt
        both = 2 * key
        block = prf(b"key expansion", randoms, both + 2 * salt)
        client, server = (b"", block[:key], block[both : both + salt]), (b"", block[key:both], block[both + salt :])
        return tuple_of(Direction, client), tuple_of(Direction, server)
    mac_size = suite.mac.size if suite.mac else 0
    key_size, iv_size = cipher.key, cipher.block
    keys = 2 * mac_size
    ivs = keys + 2 * key_size
    block = prf(b"key expansion", randoms, ivs + 2 * iv_size)
    client = block[:mac_size], block[keys : keys + key_size], block[ivs : ivs + iv_size]
    server = block[mac_size:keys], block[keys + key_size : ivs], block[ivs + iv_size :]
    return tuple_of(Direction, client), tuple_of(Direction, server)


def opener(suite: Suite, version: int, keys: Direction, *, etm: bool) -> Opener:
    """The opener for records that the owner of the keys has written."""
    cipher = suite.cipher
    if type(cipher) is Aead:
        _, key, iv = keys
        return Opener12(cipher, key, iv, version)
    if suite.mac is None:
        raise Abort(faults.INTERNAL)
    if isinstance(cipher, Block):
        return BlockOpener(cipher, suite.mac, keys.key, keys.mac, keys.iv, version, etm=etm)
    return MacOpener(suite.mac, keys.mac, version)


def sealer(suite: Suite, version: int, keys: Direction, *, etm: bool) -> Sealer:
    """The sealer with the keys."""
    cipher = suite.cipher
    if type(cipher) is Aead:
        _, key, iv = keys
        return Sealer12(cipher, key, iv, version)
    if suite.mac is None:
        raise Abort(faults.INTERNAL)
    if isinstance(cipher, Block):
        return BlockSealer(cipher, suite.mac, keys.key, keys.mac, keys.iv, version, etm=etm)
    return MacSealer(suite.mac, keys.mac, version)
