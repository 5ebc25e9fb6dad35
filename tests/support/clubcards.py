"""Builds filters as CRLite has them, in both formats, for tests: small, slow and right."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256


def equation(issuer: bytes, serial: bytes, size: int) -> tuple[int, int]:
    """The place and the coefficients of a certificate's equation among `size` columns."""
    a = int.from_bytes(sha256(issuer + serial).digest(), "little") | 1
    return (a >> 192) % max(1, size), a


def solve(equations: Iterable[tuple[int, int, int]], size: int, rng: random.Random) -> int:
    """A vector of `size` + 256 bits that satisfies all (place, coefficients, parity); what is free is random."""
    rows: dict[int, tuple[int, int]] = {}
    for place, a, wanted in equations:
        vector, parity = a << place, wanted
        while vector:
            pivot = (vector & -vector).bit_length() - 1
            if pivot not in rows:
                rows[pivot] = vector, parity
                break
            vector, parity = vector ^ rows[pivot][0], parity ^ rows[pivot][1]
        else:
            assert not parity, "no solution: more columns are needed"
    found = rng.getrandbits(size + 256)
    for pivot in sorted(rows, reverse=True):
        vector, parity = rows[pivot]
        bit = ((vector & ~(1 << pivot) & found).bit_count() & 1) ^ parity
        found = found & ~(1 << pivot) | bit << pivot
    return found


def build(
    issuer: bytes,
    revoked: Sequence[bytes],
    good: Sequence[bytes],
    covered: Sequence[tuple[bytes, int, int]],
    *,
    version: int = 4,
    inverted: bool = False,
    exceptions: Sequence[bytes] = (),
    rank: int = 3,
) -> bytes:
    """A filter of one issuer that says REVOKED of `revoked` and not of `good`."""
    rng = random.Random(1)
    members, others = (good, revoked) if inverted else (revoked, good)
    size = int(len(members) * 1.2) + 8
    columns = [solve(((*equation(issuer, one, size), 0) for one in members), size, rng) for _ in range(rank)]

    def kept(serial: bytes) -> bool:
        place, a = equation(issuer, serial, size)
        return not any((column >> place & a).bit_count() & 1 for column in columns)

    doubtful = [one for one in others if kept(one)]
    exact_size = int((len(members) + len(doubtful)) * 1.2) + 8
    equations = [(*equation(issuer, one, exact_size), 0) for one in members]
    equations += [(*equation(issuer, one, exact_size), 1) for one in doubtful]
    exact = solve(equations, exact_size, rng)
    wide = version == 3

    def number(value: int, width: int) -> bytes:
        return value.to_bytes(8, "little") if wide else value.to_bytes(width, "big")

    def vector(bits: int, across: int) -> bytes:
        count = (across + 256 + 63) // 64
        words = [bits >> 64 * i & (1 << 64) - 1 for i in range(count)]
        return number(count, 4) + struct.pack(f"{'<' if wide else '>'}{count}Q", *words)

    out = bytes((version, 0)) + number(len(covered), 2)
    for log, low, high in covered:
        out += log + number(low, 8) + number(high, 8)
    out += number(1, 4) + (number(len(issuer), 8) if wide else b"") + issuer
    if wide:
        out += b"".join(number(value, 8) for value in (size, exact_size, rank, 0, 0))
    else:
        out += number(size, 4) + number(rank, 1) + number(0, 4) + number(exact_size, 4) + number(0, 4)
    out += bytes((inverted,)) + number(len(exceptions), 2)
    out += b"".join(number(len(one), 1) + one for one in exceptions)
    out += number(rank, 1) + b"".join(vector(column, size) for column in columns)
    return out + vector(exact, exact_size)
