"""JA4, a fingerprint of TLS clients: which software a ClientHello comes from (FoxIO's specification).

Three parts: what can be read at a glance, a hash of the suites, and a hash of the extensions and signature algorithms.
Suites and extensions are sorted, because browsers shuffle them; GREASE does not count. The fingerprint is of what was
sent, so a hello of any kind has one, if only it can be read.
"""

from __future__ import annotations

from hashlib import sha256

from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS10, TLS13
from puretls._wire.codec import Reader
from puretls._wire.hello import ClientHello

NOTHING = "0" * 12
GREASE = frozenset(registry.GREASE)


def ja4(client_hello: bytes) -> str:
    """The JA4 of a ClientHello message (of TLS over TCP), "" if it is none that can be read."""
    return fingerprint(client_hello)[0]


def ja4_r(client_hello: bytes) -> str:
    """The same with the lists in the place of their hashes, which shows what the hashes are of."""
    return fingerprint(client_hello)[1]


def fingerprint(client_hello: bytes) -> tuple[str, str]:
    """JA4 and JA4_r."""
    try:
        hello = ClientHello.parse(client_hello)
    except (Abort, IndexError):
        return "", ""
    suites = sorted(numbers(hello.cipher_suites))
    kinds = [kind for kind in hello.extensions if kind not in GREASE]
    schemes = numbers(hello.extensions.get(registry.SIGNATURE_ALGORITHMS, b"")[2:])
    head = "t{}{}{:02}{:02}{}".format(
        version(hello),
        "d" if registry.SERVER_NAME in kinds else "i",
        min(len(suites), 99),
        min(len(kinds), 99),
        protocol(hello.extensions.get(registry.ALPN, b"")),
    )
    listed = joined(sorted(kind for kind in kinds if kind not in (registry.SERVER_NAME, registry.ALPN)))
    if listed and schemes:
        listed += "_" + joined(schemes)
    return f"{head}_{short(joined(suites))}_{short(listed)}", f"{head}_{joined(suites)}_{listed}"


def numbers(vector: bytes) -> list[int]:
    """The numbers of two bytes in a list, without GREASE; half a number at the end is none."""
    found = (vector[at] << 8 | vector[at + 1] for at in range(0, len(vector) - 1, 2))
    return [number for number in found if number not in GREASE]


def version(hello: ClientHello) -> str:
    """The highest in supported_versions, or else the hello's own."""
    offered = numbers(hello.extensions.get(registry.SUPPORTED_VERSIONS, b"")[1:])
    highest = max(offered, default=hello.legacy_version)
    if TLS10 <= highest <= TLS13:
        return str(10 + highest - TLS10)
    return {registry.SSL3: "s3", 2: "s2"}.get(highest, "00")


def protocol(alpn: bytes) -> str:
    """First and last character of the first protocol; of its hexadecimal form if one is neither letter nor digit."""
    try:
        name = Reader(alpn, 2).vec8()
    except (Abort, IndexError):
        name = b""
    if not name:
        return "00"
    ends = name[:1] + name[-1:]
    if ends.isalnum():
        return ends.decode()
    spelled = name.hex()
    return spelled[0] + spelled[-1]


def joined(values: list[int]) -> str:
    """Four hexadecimal digits each."""
    return ",".join(f"{value:04x}" for value in values)


def short(listed: str) -> str:
    """The first 12 digits of the hash; an empty list shows as one."""
    return sha256(listed.encode()).hexdigest()[:12] if listed else NOTHING
