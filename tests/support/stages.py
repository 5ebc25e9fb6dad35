"""Rows of a table of features, and the stage that each of them is tried on.

A row says how contexts come to have the feature, what both sides see of it then, and who is refused by it;
tests/api/test_matrix.py goes with each row through transports, versions and circumstances.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import puretls
from support import Pki
from support.encounters import Encounter

CLIENT, SERVER = "client", "server"
PLAIN, SWITCHED, RETRIED, RESUMED, ASKED = "plain", "switched", "retried", "resumed", "asked later"
CIRCUMSTANCES = (PLAIN, SWITCHED, RETRIED, RESUMED, ASKED)
V12, V13 = puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3
THREADS = ThreadPoolExecutor(2)


@dataclass
class Stage:
    """Contexts for one cell: those of a client and a server who verify each other."""

    pki: Pki
    folder: Path
    role: str  # whose context has the feature
    transport: str
    version: Any
    circumstance: str
    client: Any = None
    server: Any = None  # that the client ends up with
    first: Any = None  # that the server's connection begins with: the same, unless switched
    told: list[Any] = field(default_factory=list)  # what callbacks have heard
    meetings: int = 0  # that have been
    session: Any = None  # that the next one is to resume

    @property
    def own(self) -> Any:
        """The context that has the feature."""
        return self.client if self.role == CLIENT else self.server

    @property
    def other(self) -> Any:
        return self.server if self.role == CLIENT else self.client

    @property
    def name(self) -> str:
        """The certificate of the side that has the feature."""
        return "client" if self.role == CLIENT else "P-256"

    @property
    def other_name(self) -> str:
        return "P-256" if self.role == CLIENT else "client"

    def later(self, answer: Callable[[], Any]) -> Any:
        """A promise of this, as the transport takes it."""
        if self.transport != "asyncio":
            return THREADS.submit(answer)

        async def waiting() -> Any:
            await asyncio.sleep(0)
            return answer()

        return waiting()


Prepare = Callable[[Stage], None]
Check = Callable[[Stage, Encounter], None]


class Refused(NamedTuple):
    """Who is refused: how contexts come to that, what the refusing side says (a reason, or a number of verify_code),
    and what the other hears, in TLS 1.2 and 1.3 if that differs.
    """

    prepare: Prepare
    said: str | int
    heard: str | tuple[str, str]
    by: str = ""  # who refuses; whose feature it is, if this is empty


@dataclass
class Feature:
    """A row: `nowhere` says of cells why they are not there, by version, circumstance or transport."""

    roles: tuple[str, ...]
    prepare: Prepare
    check: Check
    refusals: dict[str, Refused] = field(default_factory=dict)
    nowhere: dict[Any, str] = field(default_factory=dict)
    bare: bool = False  # whether it brings the certificate of its side
    trusts: bool = True  # whether its side trusts the CA
    caches: bool = True  # whether a second meeting resumes by itself


def both(met: Encounter, role: str) -> tuple[Any, Any]:
    """The connection of the side that has the feature, and the other."""
    return (met.client, met.server) if role == CLIENT else (met.server, met.client)


def nothing(_stage: Stage, _met: Encounter) -> None:
    """That it works is all there is to see."""
