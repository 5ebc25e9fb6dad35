"""Clients that a server cannot tell apart: of what the server supports, their hellos offer the same.

The server answers all of them as it answers one, so a scan asks once for all of them. This rests on the whole list of
what the server supports being known.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from puretls._analysis.clients import Client
from puretls._analysis.old_clients import Described
from puretls._analysis.survey import Found
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import HANDSHAKE, TLS13
from puretls._wire import extensions
from puretls._wire.hello import ClientHello

HEADER = 5
PSS = range(4, 12)  # the second octet of schemes with RSA whose first one is 8


def likeness(client: Client | Described, suites: Mapping[int, Found], groups: Mapping[int, Found]) -> Hashable:
    """The same for those that are alike; `suites` and `groups` are what the server has, by version.

    Groups before TLS 1.3 may not all be known, and signatures count by the kind of key.
    """
    raw = client.compose("server.example", bytes(64))
    spoken = [version for version in suites if version <= client.highest]
    if raw[0] != HANDSHAKE or not spoken:  # a hello in the form of SSL 2.0 is like no other
        return client.name
    version = max(spoken)
    if suites[version].odd or (version in groups and groups[version].odd):
        return client.name
    try:
        hello = ClientHello.parse(raw[HEADER:])
        offered = _numbers(hello, registry.SUPPORTED_GROUPS)
        kinds = {_kind(code) for code in _numbers(hello, registry.SIGNATURE_ALGORITHMS)}
        shares = [group for group, _ in extensions.key_shares(hello.extensions.get(registry.KEY_SHARE, bytes(2)))]
    except (Abort, IndexError):
        return client.name
    picks = suites[version].picks
    codes = [int.from_bytes(hello.cipher_suites[pos : pos + 2], "big") for pos in range(0, len(hello.cipher_suites), 2)]
    ours = [code for code in codes if code in picks]
    if suites[version].order == "server":
        ours.sort()
    if version >= TLS13:
        known = groups[version].picks if version in groups else []
        offered, shares = [code for code in offered if code in known], [code for code in shares if code in known]
    else:
        shares = []
    named = registry.SERVER_NAME in hello.extensions
    return version, tuple(ours), tuple(offered), tuple(shares), frozenset(kinds), named


def _numbers(hello: ClientHello, kind: int) -> list[int]:
    body = hello.extensions.get(kind)
    return [] if body is None else [code for code in extensions.numbers(body) if code not in registry.GREASE]


def _kind(code: int) -> str:
    """RSA, EC or another kind of key, or of a number that means nothing today."""
    first, second = code >> 8, code & 0xFF
    if first == 8:
        return "RSA" if second in PSS and second not in (7, 8) else str(code)
    return {1: "RSA", 2: "DSA", 3: "EC"}.get(second, str(code)) if first < 8 else str(code)
