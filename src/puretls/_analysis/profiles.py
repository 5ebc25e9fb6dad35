"""Mozilla's three profiles for servers, and what keeps a server from each.

The values are those of the Server Side TLS guidelines, version 5.7 (https://wiki.mozilla.org/Security/Server_Side_TLS).
A server conforms if it accepts nothing else; key exchanges that are safe from quantum computers, which the guidelines
do not know yet, are welcome in each.
"""

from __future__ import annotations

from collections.abc import Iterator

from puretls._analysis import names
from puretls._analysis.findings import Findings
from puretls._analysis.suites import suite
from puretls._analysis.survey import POST_QUANTUM
from puretls._base import iana
from puretls._base.registry import TLS10, TLS11, TLS12, TLS13
from puretls._base.tuples import NamedTuple

_AEAD = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
_SUITES13 = tuple(f"TLS_{cipher}" for cipher in _AEAD)
_SUITES12 = tuple(
    f"TLS_{exchange}_WITH_{cipher}" for exchange in ("ECDHE_ECDSA", "ECDHE_RSA", "DHE_RSA") for cipher in _AEAD
)
_SUITES_OLD = (
    *(
        f"TLS_{exchange}_WITH_AES_{rest}"
        for exchange in ("ECDHE_ECDSA", "ECDHE_RSA")
        for rest in ("128_CBC_SHA256", "128_CBC_SHA", "256_CBC_SHA384", "256_CBC_SHA")
    ),
    *(f"TLS_DHE_RSA_WITH_AES_{bits}_CBC_SHA256" for bits in (128, 256)),
    *(
        f"TLS_RSA_WITH_AES_{rest}"
        for rest in (
            "128_GCM_SHA256",
            "256_GCM_SHA384",
            "128_CBC_SHA256",
            "256_CBC_SHA256",
            "128_CBC_SHA",
            "256_CBC_SHA",
        )
    ),
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
)
_CURVES = frozenset(code for code, name in iana.GROUPS.items() if name in ("x25519", "secp256r1", "secp384r1"))


class Profile(NamedTuple):
    """What a server may accept."""

    versions: tuple[int, ...]
    suites: tuple[str, ...]
    dh_bits: int  # of the smallest prime; 0: no DHE
    rsa_bits: int  # of the smallest key; 0: no RSA


PROFILES = {  # the strictest first
    "modern": Profile((TLS13,), _SUITES13, 0, 0),
    "intermediate": Profile((TLS13, TLS12), (*_SUITES13, *_SUITES12), 2048, 2048),
    "old": Profile((TLS13, TLS12, TLS11, TLS10), (*_SUITES13, *_SUITES12, *_SUITES_OLD), 1024, 2048),
}


def deviations(found: Findings, profile: Profile) -> list[str]:
    """What keeps the server from a profile; nothing if it conforms."""
    return list(_deviations(found, profile))


def _deviations(found: Findings, profile: Profile) -> Iterator[str]:
    spoken = found.suites
    extra = [names.version(version) for version in spoken if version not in profile.versions]
    extra += ["SSL 2.0"] * found.ssl2
    if extra:
        yield f"accepts {_listed(extra)}"
    missing = [names.version(version) for version in profile.versions if version not in spoken]
    if missing:
        yield f"does not speak {_listed(missing)}"
    picked = {code for version, line in found.suites.items() if version in profile.versions for code in line.picks}
    weak = [suite(code).name for code in sorted(picked) if suite(code).name not in profile.suites]
    if weak:
        yield f"accepts {_listed(weak)}"
    groups = {code for line in found.groups.values() for code in line.picks} - _CURVES - POST_QUANTUM
    other = [names.group(code) for code in sorted(groups) if not names.group(code).startswith("ffdhe")]
    if other:
        yield f"accepts the groups {_listed(other)}"
    if profile.dh_bits and (found.dh_bits or profile.dh_bits) < profile.dh_bits:
        yield f"uses Diffie-Hellman with a prime of {found.dh_bits} bits"
    for one in found.identities:
        least = {"RSA": profile.rsa_bits, "EC": 1}.get(one.kind, 0)
        if not least or one.bits < least:
            yield f"has a certificate with a key of {one.key}"
        if one.refusal:
            yield f"has a certificate that clients refuse: {one.refusal}"


def _listed(found: list[str], most: int = 4) -> str:
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
