"""PEM and DER as files hold them: blocks with labels (RFC 7468), and values one after the other.

Text around blocks is ignored.  What is inside a block is not judged here, only decoded.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from puretls._api.errors import SSLError, ssl_error

PEM_LIB = 524297  # OpenSSL's number for "the PEM part failed"

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)


def pem_error(library: str = "SSL") -> SSLError:
    return ssl_error(PEM_LIB, "PEM lib", library=library)


def is_pem(data: bytes) -> bool:
    return b"-----BEGIN " in data


def blocks(data: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Label, body as it is, and the whole block, of each."""
    for match in _BLOCK.finditer(data):
        yield match[1].decode("ascii"), match[2], match[0]


def decode(body: bytes) -> bytes:
    """The DER in a block without headers."""
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        raise pem_error() from None


def der_length(data: bytes, pos: int) -> int | None:
    """How long the SEQUENCE at that place is, with its header; None if there is none, or not all of it."""
    head = data[pos : pos + 6]
    if len(head) < 2 or head[0] != 0x30 or head[1] == 0x80:
        return None
    size, start = head[1], 2
    if size > 0x80:
        width = size - 0x80
        if width > 4 or len(head) < 2 + width:
            return None
        size, start = int.from_bytes(head[2 : 2 + width], "big"), 2 + width
    return start + size if pos + start + size <= len(data) else None


def der_items(data: bytes) -> tuple[list[bytes], bytes]:
    """The SEQUENCEs that follow each other, and what comes after the last whole one."""
    items, pos = [], 0
    while (size := der_length(data, pos)) is not None:
        items.append(data[pos : pos + size])
        pos += size
    return items, data[pos:]
