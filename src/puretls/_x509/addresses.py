"""Which names are literal addresses: those that OpenSSL reads as such (a2i_IPADDRESS), and no others.

For IPv4 it accepts leading zeros, signs, white space before numbers, and anything behind white space; it knows no zones
of IPv6.  An address is not sent in server_name, and is compared with iPAddresses.
"""

from __future__ import annotations

import re

_BYTE = r"[ \t-\r]*(?:\+?0*([0-9]{1,3})|-(0)0*)"
_V4 = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}(?![^ \t-\r])", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{1,4}")


def address(text: str) -> bytes | None:
    """The octets of an address; None if this is none."""
    return _v6(text) if ":" in text else _v4(text)


def _v4(text: str) -> bytes | None:
    found = _V4.match(text)
    if found is None:
        return None
    numbers = [int(number) for number in found.groups() if number is not None]
    return bytes(numbers) if max(numbers) < 256 else None


def _v6(text: str) -> bytes | None:
    """Groups of up to four digits; the last two may be an IPv4 address; empty ones, next to each other, are zeros."""
    parts = text.split(":")
    octets = b""
    gap, empty = -1, 0
    for part in parts:
        if len(octets) == 16:
            return None
        if not part:
            if gap not in (-1, len(octets)):
                return None
            gap, empty = len(octets), empty + 1
        elif len(part) <= 4:
            if not _HEX.fullmatch(part):
                return None
            octets += int(part, 16).to_bytes(2, "big")
        else:
            last = _v4(part) if part is parts[-1] and len(octets) <= 12 else None
            if last is None:
                return None
            octets += last
    if gap == -1:
        return octets if len(octets) == 16 else None
    whole = len(octets) == 16
    once = empty == (2 if gap in (0, len(octets)) else 1) or (empty == 3 and not octets)
    return octets[:gap] + bytes(16 - len(octets)) + octets[gap:] if once and not whole else None
