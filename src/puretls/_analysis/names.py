"""Numbers on the wire by their names, for people: IANA's, and GREASE."""

from __future__ import annotations

from collections.abc import Mapping

from puretls._analysis.fields import Namer
from puretls._base import iana, registry

GREASE = frozenset(registry.GREASE)
GREASE8 = frozenset(0x0B + 0x1F * n for n in range(8))  # PskKeyExchangeMode (RFC 8701 2)


def named(names: Mapping[int, str], digits: int = 0) -> Namer:
    """A function from numbers to names; with `digits`, numbers without a name are so many digits of hexadecimal."""

    def name(number: int) -> str:
        if digits == 4 and number in GREASE:
            return f"GREASE (0x{number:04x})"
        return names.get(number) or (f"0x{number:0{digits}x}" if digits else f"unknown ({number})")

    return name


suite = named(iana.SUITES, 4)
group = named(iana.GROUPS, 4)
scheme = named(iana.SCHEMES, 4)
version = named({code: f"TLS 1.{code - registry.TLS10}" for code in registry.VERSIONS} | {registry.SSL3: "SSL 3.0"}, 4)
extension = named(registry.EXTENSIONS, 4)
content_type = named(registry.CONTENT_TYPES)
handshake_type = named(registry.HANDSHAKE_TYPES)
alert = named(registry.ALERTS)
alert_level = named(registry.ALERT_LEVELS)


def psk_mode(number: int) -> str:
    """PskKeyExchangeMode, which has a GREASE of its own."""
    return f"GREASE ({number})" if number in GREASE8 else named(registry.PSK_MODES)(number)


point_format = named(registry.POINT_FORMATS)
