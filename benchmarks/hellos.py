"""What Encrypted Client Hello costs: plain handshakes, greased ones and encrypted ones, in turns, beside each other."""

from __future__ import annotations

from statistics import median
from typing import Any

from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import shake

WARM = 5  # of each kind, before it counts


def hellos(library: Any, files: Files, case: Case, count: int) -> tuple[float, ...]:
    """How long a plain handshake takes, in parts of a greased one (the client's side) and an encrypted one (both)."""
    tls = library.module
    config, key = tls.make_ech_config("public.example", maximum_name_length=32)
    plain, greased = (library.context(files, case, server=False) for _ in range(2))
    server, opening = (library.context(files, case, server=True) for _ in range(2))
    plain.ech_grease = False
    opening.set_ech_keys([tls.ECHKey(config, key)])
    kinds = (plain, server), (greased, server), (greased.set_ech_configs(config.config_list), opening)
    spent: list[list[tuple[float, float]]] = [[] for _ in kinds]
    for number in range(-WARM, count):
        for found, (client, other) in zip(spent, kinds, strict=True):
            both = shake(library.side(client, server=False), library.side(other, server=True))
            if number >= 0:
                found.append(both)
    usual, grease, encrypted = spent
    return (
        median(one[0] / other[0] for one, other in zip(usual, grease, strict=True)),
        median(sum(one) / sum(other) for one, other in zip(usual, encrypted, strict=True)),
    )
