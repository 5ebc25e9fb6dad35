"""Every feature over every transport, in each role, with TLS 1.2 and 1.3, and in whatever circumstance a handshake is.

The rows are in support/offered_trust.py and support/offered_own.py; a cell that is not there says why.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import puretls
from support import Pki
from support.both import client_of, only, server_of
from support.encounters import TRANSPORTS, Encounter
from support.offered_own import OWN
from support.offered_trust import TRUST
from support.stages import ASKED, CIRCUMSTANCES, CLIENT, RESUMED, RETRIED, SERVER, SWITCHED, V12, V13, Feature, Stage

FEATURES = {**TRUST, **OWN}
VERSIONS = {"1.2": V12, "1.3": V13}
NOWHERE = {  # of every feature
    (V12, RETRIED): "HelloRetryRequest is a message of TLS 1.3",
    (V12, ASKED): "post-handshake authentication is TLS 1.3's",
}
Cell = tuple[str, str, str, str, str]  # feature, role, transport, version, circumstance


def why_not(feature: Feature, version: Any, circumstance: str, transport: str) -> str | None:
    """The reason for which a cell is not there."""
    reasons = (NOWHERE.get((version, circumstance)), *map(feature.nowhere.get, (version, circumstance, transport)))
    return next((one for one in reasons if one), None)


def cells() -> Iterator[Cell]:
    for name, feature in FEATURES.items():
        for role in feature.roles:
            for transport in TRANSPORTS:
                for version, number in VERSIONS.items():
                    for circumstance in CIRCUMSTANCES:
                        if not why_not(feature, number, circumstance, transport):
                            yield name, role, transport, version, circumstance


def staged(pki: Pki, folder: Path, cell: Cell) -> Stage:
    """A client and a server who verify each other, in the circumstances of the cell, without the feature yet."""
    name, role, transport, version, circumstance = cell
    feature = FEATURES[name]
    stage = Stage(pki, folder, role, transport, VERSIONS[version], circumstance)
    bare, trusts = feature.bare, feature.trusts
    stage.client = client_of(
        puretls, pki, trusts=trusts or role == SERVER, identity="" if bare and role == CLIENT else "client"
    )
    stage.server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    stage.server.verify_mode = puretls.CERT_REQUIRED
    if trusts or role == CLIENT:
        stage.server.load_verify_locations(pki.ca)
    if not bare or role == CLIENT:
        stage.server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    stage.first = stage.server
    if circumstance == SWITCHED:
        stage.first = server_of(puretls, pki, "RSA")
        stage.first.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", stage.server)
    only(stage.version, stage.client)
    if circumstance == RETRIED:
        stage.server.set_groups("secp384r1")  # of which a client sends no share
    if circumstance == ASKED:
        stage.client.post_handshake_auth = stage.server.post_handshake_auth = True
    if circumstance == RESUMED and feature.caches:
        stage.client.client_session_cache = True
    return stage


def meet(stage: Stage) -> Encounter:
    stage.meetings += 1
    return TRANSPORTS[stage.transport](
        stage.client, stage.first, session=stage.session, ask=stage.circumstance == ASKED
    )


def named(cell: Cell) -> str:
    return ", ".join(cell)


@pytest.mark.parametrize("cell", [*cells()], ids=named)
def test_it_works(pki: Pki, tmp_path: Path, cell: Cell) -> None:
    feature, stage = FEATURES[cell[0]], staged(pki, tmp_path, cell)
    feature.prepare(stage)
    for again in (False, True)[: 1 + (stage.circumstance == RESUMED)]:
        with closing(meet(stage)) as met:
            met.ok()
            assert met.client.version() == f"TLSv{cell[3]}"
            assert met.resumed is again
            assert met.server.context is stage.server
            if stage.circumstance == RETRIED:
                assert met.client.group() in ("secp384r1", "MLKEM768")
            feature.check(stage, met)


def refusals() -> Iterator[tuple[Cell, str]]:
    for cell in cells():
        for what in FEATURES[cell[0]].refusals:
            if cell[4] != RESUMED:  # who is refused leaves no session
                yield cell, what


@pytest.mark.parametrize(("cell", "what"), [*refusals()], ids=lambda x: named(x) if isinstance(x, tuple) else x)
def test_it_refuses(pki: Pki, tmp_path: Path, cell: Cell, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    refusal, stage = FEATURES[cell[0]].refusals[what], staged(pki, tmp_path, cell)
    refusal.prepare(stage)
    role, other = (CLIENT, SERVER) if (stage.role == CLIENT) is (refusal.by != "other") else (SERVER, CLIENT)
    with closing(meet(stage)) as met:
        said: Any = met.of(role)[1]
        heard: Any = met.of(other)[1]
        if isinstance(refusal.said, int):
            assert isinstance(said, puretls.SSLCertVerificationError), said
            assert said.verify_code == refusal.said, said
        else:
            assert isinstance(said, puretls.SSLError), said
            assert said.reason == refusal.said, said
        assert isinstance(heard, puretls.SSLError), heard
        either = refusal.heard
        assert heard.reason == (either if isinstance(either, str) else either[stage.version == V13]), heard
