"""Servers to ask without a network: ours over memory, and one that is nothing but a list of what it accepts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import puretls
from puretls._analysis.probe import Alert, Answer, Hello, Offer, Reading, compose
from puretls._analysis.survey import Ask
from puretls._base.registry import HANDSHAKE_FAILURE, PROTOCOL_VERSION
from support import Pki


def server(pki: Pki, *names: str, version: puretls.TLSVersion, level: int = 1) -> puretls.SSLContext:
    """A context of this package, for one version."""
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"ALL:@SECLEVEL={level}")
    context.minimum_version = context.maximum_version = version
    for name in names:
        context.load_cert_chain(pki.chain(name), pki.key(name))
    return context


def ours(context: puretls.SSLContext) -> Ask:
    """Real bytes both ways."""

    def ask(offer: Offer) -> Answer:
        incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
        conn = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(compose(offer, os.urandom(64)))
        with suppress(puretls.SSLError):  # what it says to us is what counts
            conn.do_handshake()
        reading = Reading()
        return reading.feed(outgoing.read()) or reading.end()

    return ask


class Listed:
    """Accepts these suites and groups of one version, in its own order or in the client's; counts what it is asked."""

    def __init__(self, version: int, suites: Sequence[int], groups: Sequence[int] = (), *, own_order: bool) -> None:
        self.version, self.suites, self.groups, self.own_order = version, suites, groups, own_order
        self.asked = 0

    def ask(self, offer: Offer) -> Answer:
        self.asked += 1
        if offer.version < self.version:
            return Alert(PROTOCOL_VERSION)
        suite, group = self.choose(self.suites, offer.suites), self.choose(self.groups, offer.groups)
        if suite is None or (self.groups and group is None):
            return Alert(HANDSHAKE_FAILURE)
        return Hello(self.version, suite, group=group or 0)

    def choose(self, mine: Sequence[int], theirs: Sequence[int]) -> int | None:
        first, second = (mine, theirs) if self.own_order else (theirs, mine)
        return next((one for one in first if one in second), None)
