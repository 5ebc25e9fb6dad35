#!/usr/bin/env python3
"""What a fleet asks of its store: `tools/fleet_load.py [--servers 1000] [--clients 10000000] ...` prints a table.

Clients come at random, so many times an hour each.  A visit within the life of a session resumes, the others do not.
`--measure` starts a redis-server and adds what one call takes here.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

LIFETIME = 7200.0
VALUE, ONCE = 700, 100  # bytes in the store: of a sealed session with its name, of a mark
ONE_STORE = 100_000  # calls a second that one Valkey on one core is known to answer (valkey-benchmark, no pipeline)


def load(servers: int, clients: int, visits: float, tickets: int, rotate: float) -> dict[str, tuple[float, float]]:
    """For each way to share: calls of the store in a second, and bytes in it.  `visits`: of a client in an hour."""
    rate = clients * visits / 3600  # handshakes a second
    resumed = 1 - math.exp(-visits * LIFETIME / 3600)  # the last visit was within the life of a session
    again, new = rate * resumed, rate * (1 - resumed)
    keys = servers / 60 + 2 * (1 / rotate)  # one mget a minute for each, and a set and a get for a new key
    stored = again + new * tickets  # sessions that are given out: one after a resumption
    kept = clients * resumed + new * (tickets - 1) * LIFETIME  # those who were here lately, and the rest
    return {
        "set_ticket_secret()": (0.0, 0.0),
        "TicketKeys": (keys, (LIFETIME + rotate) / rotate * 100),
        "TicketKeys and AntiReplay": (keys + again, again * LIFETIME * ONCE),
        "TicketKeys and Sessions": (keys + again + stored, kept * VALUE),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=10_000_000)
    parser.add_argument("--visits", type=float, default=4.0, help="of each client in an hour (default 4)")
    parser.add_argument("--tickets", type=int, default=2, help="after a full handshake (default 2)")
    parser.add_argument("--rotate", type=float, default=3600.0, help="seconds of an epoch (default 3600)")
    parser.add_argument("--measure", action="store_true", help="also what a call takes on this machine")
    given = parser.parse_args()
    print(
        f"{given.servers:,} servers, {given.clients:,} clients, {given.clients * given.visits / 3600:,.0f} handshakes/s"
    )
    print(f"{'':28}{'calls/s':>12}{'in the store':>16}{'stores':>9}")
    for name, (calls, size) in load(given.servers, given.clients, given.visits, given.tickets, given.rotate).items():
        print(f"{name:28}{calls:12,.0f}{size / 1e6:13,.0f} MB{math.ceil(calls / ONE_STORE):9}")
    if given.measure:
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from benchmarks.fleet import cost_of_a_call, redis_server

        with redis_server() as address:
            for name, seconds in cost_of_a_call(address).items():
                print(f"{name:8}{seconds * 1e6:8.0f} microseconds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
