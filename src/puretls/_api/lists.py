"""OpenSSL's lists of groups and of signature schemes, as SSLContext.set_groups() and set_*_sigalgs() take them.

Groups (SSL_CTX_set1_groups_list(3) of OpenSSL 3.5): names with ":" or "/" between; "*" before a name sends a key share
for it, "?" ignores it if it is unknown, "-" removes it; DEFAULT stands for the built-in list.  Schemes: IANA names, or
an algorithm and a digest as ECDSA+SHA256, with ":" between, and the same "?".
"""

from __future__ import annotations

import re

from puretls._base.public import public
from puretls._crypto import groups, signatures
from puretls._crypto.groups import Group, MlKem, Montgomery, Weierstrass
from puretls._crypto.signatures import Scheme

_LEVEL_BITS = (0, 80, 112, 128, 192, 256)
LONGEST = 60_000  # bytes of a list in an extension of ours, which shares a block of 65,535 with others


def parse_groups(text: str) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """The groups in order of preference, and those that a client sends a share for; ValueError names what is wrong."""
    chosen: dict[Group, bool] = {}  # whether a share is sent
    for item in filter(None, re.split("[:/]", text)):
        name = item.lstrip("*?-")
        marks = item[: len(item) - len(name)]
        if name.upper() == "DEFAULT" and not marks:
            chosen.update((group, group in groups.DEFAULT_SHARES) for group in groups.DEFAULT if group not in chosen)
            continue
        group = groups.BY_NAME.get(name.lower())
        if group is None:
            if "?" not in marks:
                raise ValueError(f"unknown group {name!r}")
        elif "-" in marks:
            chosen.pop(group, None)
        else:
            chosen[group] = chosen.get(group, False) or "*" in marks
    if not chosen:
        raise ValueError("no group")
    order = tuple(chosen)
    shares = tuple(group for group in order if chosen[group]) or order[:1]
    if len(shares) == 1 and isinstance(shares[0], MlKem):  # few servers have it: a curve beside it saves a round trip
        shares += tuple(group for group in order if isinstance(group, Montgomery | Weierstrass))[:1]
    return order, shares


def parse_schemes(text: str) -> tuple[Scheme, ...]:
    """The schemes in order of preference."""
    chosen: dict[int, Scheme] = {}
    for item in filter(None, text.split(":")):
        name = item.removeprefix("?")
        scheme = signatures.BY_NAME.get(name.lower())
        if scheme is not None:
            chosen.setdefault(scheme.code, scheme)
        elif name == item:
            raise ValueError(f"unknown signature scheme {name!r}")
    if not chosen:
        raise ValueError("no signature scheme")
    return tuple(chosen.values())


def strong_groups(found: tuple[Group, ...], level: int) -> tuple[Group, ...]:
    """Those that a security level permits."""
    bits = _LEVEL_BITS[min(level, 5)]
    return tuple(group for group in found if group.bits >= bits)


def strong_schemes(found: tuple[Scheme, ...], level: int) -> tuple[Scheme, ...]:
    """Those that a security level permits."""
    bits = _LEVEL_BITS[min(level, 5)]
    return tuple(scheme for scheme in found if scheme.bits >= bits)


def group_names(found: tuple[Group, ...], lowest: int, highest: int, *, aliases: bool) -> list[str]:
    """The names of groups that some of these versions can use."""
    usable = [group for group in found if group.since <= highest and group.until >= lowest]
    names = [name for group in usable for name in (group.name, *(group.aliases if aliases else ()))]
    return list(dict.fromkeys(names))


@public
def get_sigalgs() -> list[str]:
    """The names of all signature schemes that set_client_sigalgs() and set_server_sigalgs() know, best first."""
    return [scheme.name for scheme in signatures.SCHEMES if scheme.tls13 or scheme.tls12]
