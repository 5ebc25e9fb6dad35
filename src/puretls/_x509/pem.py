"""PEM as OpenSSL reads it: blocks that begin and end with a line of their own, with base64 between (RFC 7468 is
stricter).

Text around blocks is ignored.  The content of a block is decoded here and checked elsewhere.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from puretls._base.faults import Abort, Fault

BAD_END_LINE = Fault("BAD_END_LINE", None, "bad end line", "PEM")
BAD_BASE64 = Fault("BAD_BASE64_DECODE", None, "bad base64 decode", "PEM")

CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE")
TRUSTED = b"TRUSTED CERTIFICATE"  # with OpenSSL's trust settings behind it

_BOM = b"\xef\xbb\xbf"
_BEGIN = re.compile(rb"^-----BEGIN ([^-\r\n]*)-----[ \t\r]*$", re.MULTILINE)
_END = re.compile(rb"^-----END ([^-\r\n]*)-----[ \t\r]*$", re.MULTILINE)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_GAP = re.compile(rb"\n[ \t\r]*\n")


def blocks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The label, the body and the whole of each block; Abort if one has no end."""
    data = data.removeprefix(_BOM)
    place = 0
    while begin := _BEGIN.search(data, place):
        end = _END.search(data, begin.end())
        if end is None or end[1] != begin[1]:
            label = ascii(begin[1].decode("latin-1"))
            raise Abort(BAD_END_LINE, f"the block {label} is cut off: its END line is not there, or is another's")
        place = end.end()
        yield begin[1], data[begin.end() : end.start()], data[begin.start() : place]


def decoded(body: bytes) -> bytes:
    """Base64 in lines.  An empty line may come first, where other formats have headers; headers are refused."""
    compact = b"".join(body.split())
    if len(compact) % 4 or not _BASE64.fullmatch(compact) or _GAP.search(body.lstrip()):
        raise Abort(BAD_BASE64)
    return binascii.a2b_base64(compact)
