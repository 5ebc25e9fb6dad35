#!/usr/bin/env python3
"""What a fleet asks of its store: `tools/fleet_load.py [--servers 1000] [--clients 10000000] ...` prints a table.

Clients come at random, so many times an hour each.  A visit within the life of a session resumes, the others do not.
The table is computed; `--simulate` plays four hours of one client in a thousand, visit by visit, and prints what came
of it beside.  `--measure` starts a redis-server, and counts with what one core of it does here, and with the memory
that it takes.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from pathlib import Path
from typing import NamedTuple

LIFETIME = 7200.0
KEY = 100  # bytes in the store of the key of an epoch
# Of the store, for each operation: calls in a second of one core, and bytes that it leaves in memory.  What `--measure`
# found for redis-server 7.0 on the machine of docs/benchmarks.md, rounded down and up.
MEASURED = {"put": (110_000.0, 450.0), "take": (160_000.0, 0.0), "first": (120_000.0, 170.0)}


class Demand(NamedTuple):
    """What one way to share asks of the store."""

    calls: dict[str, float]  # in a second
    bytes: float

    def cores(self, measured: dict[str, tuple[float, float]]) -> float:
        """How busy it is."""
        return sum(calls / measured["take" if name == "mget" else name][0] for name, calls in self.calls.items())


def load(
    servers: int,
    clients: int,
    visits: float,
    tickets: int = 2,
    rotate: float = 3600.0,
    measured: dict[str, tuple[float, float]] = MEASURED,
) -> dict[str, Demand]:
    """For each way to share.  `visits`: of a client in an hour; `tickets`: after a full handshake."""
    rate = clients * visits / 3600  # handshakes a second
    resumed = 1 - math.exp(-visits * LIFETIME / 3600)  # the last visit was within the life of a session
    again, new = rate * resumed, rate * (1 - resumed)
    keys = {"mget": servers / 60, "put": 2 / rotate}  # one a minute for each, and a set and a get for a new key
    key_bytes = (LIFETIME + rotate) / rotate * KEY
    puts = again + new * tickets  # sessions that are given out: one after a resumption
    kept = clients * resumed + new * (tickets - 1) * LIFETIME  # those who were here lately, and the rest
    return {
        "set_ticket_secret()": Demand({}, 0.0),
        "TicketKeys": Demand(keys, key_bytes),
        "TicketKeys and AntiReplay": Demand({**keys, "first": again}, again * LIFETIME * measured["first"][1]),
        "TicketKeys and Sessions": Demand({**keys, "take": again, "put": puts}, kept * measured["put"][1]),
    }


def simulate(
    clients: int, visits: float, tickets: int = 2, hours: float = 4.0, seed: int = 1
) -> tuple[dict[str, float], float, float]:
    """Calls in a second for so many clients, visit by visit; and the sessions and the marks that are kept."""
    dice, begins, ends = random.Random(seed), 2 * LIFETIME, 2 * LIFETIME + hours * 3600
    counts, sessions, marks = {"put": 0, "take": 0, "first": 0}, 0, 0
    for _ in range(clients):
        now, held = dice.expovariate(visits / 3600), list[float]()  # when each session that it has ends
        while now < ends:
            held = [end for end in held if end > now]
            resumes = bool(held)
            if resumes:
                held.pop()
                marks += ends - LIFETIME < now
            given = 1 if resumes else tickets
            held += [now + LIFETIME] * given
            if now >= begins:
                counts["put"] += given
                counts["take"] += resumes
                counts["first"] += resumes
            now += dice.expovariate(visits / 3600)
        sessions += sum(end > ends for end in held)
    return {name: count / (ends - begins) for name, count in counts.items()}, sessions, marks


def measure() -> dict[str, tuple[float, float]]:
    """What a store does here; it is printed, too."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.fleet import capacity, cost_of_a_call, redis_server

    with redis_server() as address:
        found = {name: (one.calls, one.bytes) for name, one in capacity(address).items()}
        costs = cost_of_a_call(address)
    print(f"{'':8}{'a core, calls/s':>16}{'bytes left':>12}{'a server waits':>20}")
    for name, (calls, left) in found.items():
        print(f"{name:8}{calls:16,.0f}{left:12,.0f}{costs[name] * 1e6:7,.0f} microseconds")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=10_000_000)
    parser.add_argument("--visits", type=float, default=4.0, help="of each client in an hour (default 4)")
    parser.add_argument("--tickets", type=int, default=2, help="after a full handshake (default 2)")
    parser.add_argument("--rotate", type=float, default=3600.0, help="seconds of an epoch (default 3600)")
    parser.add_argument("--measure", action="store_true", help="count with what a store does on this machine")
    parser.add_argument("--simulate", action="store_true", help="play it with one client in a thousand")
    given = parser.parse_args()
    measured = measure() if given.measure else MEASURED
    handshakes = given.clients * given.visits / 3600
    print(f"{given.servers:,} servers, {given.clients:,} clients, {handshakes:,.0f} handshakes/s")
    print(f"{'':28}{'calls/s':>12}{'in the store':>16}{'cores':>9}")
    demands = load(given.servers, given.clients, given.visits, given.tickets, given.rotate, measured)
    for name, demand in demands.items():
        cores = demand.cores(measured)
        print(f"{name:28}{sum(demand.calls.values()):12,.0f}{demand.bytes / 1e6:13,.0f} MB{cores:9.2f}")
    if given.simulate:
        calls, sessions, marks = simulate(given.clients // 1000, given.visits, given.tickets)
        once, kept = marks * measured["first"][1] / 1e3, sessions * measured["put"][1] / 1e3
        print(f"{'played: AntiReplay':28}{calls['first'] * 1000:12,.0f}{once:13,.0f} MB")
        print(f"{'played: Sessions':28}{(calls['take'] + calls['put']) * 1000:12,.0f}{kept:13,.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
