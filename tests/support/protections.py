"""A sealer and an opener of every kind that the cipher suites make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from puretls._base.registry import TLS10, TLS11, TLS12, TLS13
from puretls._crypto import suites
from puretls._crypto.suites import Aead, Block
from puretls._record.cbc import BlockOpener, BlockSealer, MacOpener, MacSealer
from puretls._record.protection import HEADER, Opener12, Opener13, Sealer12, Sealer13

Make = Callable[[], tuple[Any, Any]]  # a sealer and its opener


def protections() -> dict[str, Make]:
    """One of each kind that the suites make."""
    found: dict[str, Make] = {}
    for suite in suites.SUITES:
        cipher, mac = suite.cipher, suite.mac
        if isinstance(cipher, Aead):
            key, iv = bytes(range(cipher.key)), bytes(range(12))
            if suite.since == TLS13:
                found[f"1.3 {cipher.name}"] = lambda c=cipher, k=key, i=iv: (Sealer13(c, k, i), Opener13(c, k, i))
            else:
                salt = iv[: cipher.salt]
                found[f"1.2 {cipher.name}"] = lambda c=cipher, k=key, s=salt: (
                    Sealer12(c, k, s, TLS12),
                    Opener12(c, k, s, TLS12),
                )
        elif isinstance(cipher, Block):
            assert mac
            for version in (TLS10, TLS11, TLS12):
                for etm in (False, True):
                    arguments = (cipher, mac, bytes(range(cipher.key)), bytes(mac.size), bytes(cipher.block), version)
                    found[f"{version & 15} {cipher.name} {mac.name} {'etm' if etm else 'mte'}"] = (
                        lambda a=arguments, e=etm: (BlockSealer(*a, etm=e), BlockOpener(*a, etm=e))
                    )
        else:
            assert mac
            found[f"1.2 null {mac.name}"] = lambda m=mac: (MacSealer(m, b"key", TLS12), MacOpener(m, b"key", TLS12))
    return found


PROTECTIONS = protections()


def open_all(opener: Any, data: bytes) -> tuple[int, bytes]:
    """One record, or several of one kind, one by one."""
    kind, found, pos = 0, b"", 0
    while pos < len(data):
        stop = pos + HEADER + int.from_bytes(data[pos + 3 : pos + 5], "big")
        kind, piece = opener.open(data[pos : pos + HEADER], memoryview(data)[pos + HEADER : stop])
        found += piece
        pos = stop
    return kind, found
