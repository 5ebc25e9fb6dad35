"""Reading files of certificates: PEM or DER, DER values in a row, and the error of `ssl` for all that is wrong with a
file.
"""

from __future__ import annotations

from puretls._api.errors import SSLError, noted, ssl_error

PEM_LIB = 524297  # OpenSSL's number for "the PEM part failed"


def pem_error(library: str = "SSL", detail: str = "") -> SSLError:
    return noted(ssl_error(PEM_LIB, "PEM lib", library=library), detail)


def is_pem(data: bytes) -> bool:
    return b"-----BEGIN " in data


def der_length(data: bytes, pos: int) -> int | None:
    """The length of the SEQUENCE at that place, with its header; None if there is none, or only part of it."""
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
    """The SEQUENCEs that follow each other, and the bytes behind the last whole one."""
    items, pos = [], 0
    while (size := der_length(data, pos)) is not None:
        items.append(data[pos : pos + size])
        pos += size
    return items, data[pos:]
