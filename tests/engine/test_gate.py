"""The gate at the end of every handshake, with the causes that it guards against brought back by force."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from puretls._base import faults
from puretls._base.registry import TLS12, TLS13
from puretls._engine import client_start, receive13
from puretls._engine.config import Config
from puretls._engine.handshake import Handshake
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED, PeerPolicy
from support.joined12 import renegotiating, twelve
from support.pair import (
    CLIENT,
    HOST,
    SERVER,
    Pair,
    client_config,
    configured,
    identity,
    server_config,
    store,
    suite,
)

BOTH = pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])
ANONYMOUS = {"suites": (suite("AECDH-AES128-SHA"),), "versions": (TLS12,)}
DEMANDS = {"verify_mode": CERT_REQUIRED, "store": store()}


def run_until_the_clients_flight(pair: Pair) -> None:
    """Both sides have said all but the last word."""
    pair.advance(pair.client)
    pair.deliver(pair.server, pair.client.take())
    pair.deliver(pair.client, pair.server.take())


@BOTH
@pytest.mark.parametrize("resumed", [False, True], ids=["full", "resumed"])
def test_a_server_that_has_not_asked_lets_nobody_in(version, resumed):
    """Whatever has made it forget: here its policy grows stricter in the middle of the handshake."""
    client, server = client_config(versions=(version,)), server_config()
    session = Pair(client, server).handshake().client.session if resumed else None
    pair = Pair(client, server, session=session)
    run_until_the_clients_flight(pair)
    pair.server.config = configured(server, **DEMANDS)
    refused = pair.refusal()
    assert (refused.by, refused.fault.reason) == (SERVER, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    assert refused.fault.alert == (116 if version == TLS13 else 40)
    stats = server.sessions.stats
    assert stats.accept_good == int(resumed)


@BOTH
def test_a_client_that_has_not_verified_goes_no_further(version, monkeypatch):
    """It should have, it finds at the end."""
    pair = Pair(client_config(versions=(version,), verify_mode=CERT_NONE, check_hostname=False))
    pass_gate = Handshake.pass_gate

    def stricter(handshake: Handshake, *, later: bool) -> None:
        if handshake is pair.client.handshake:
            handshake.config = client_config(versions=(version,))
        pass_gate(handshake, later=later)

    monkeypatch.setattr(Handshake, "pass_gate", stricter)
    refused = pair.refusal()
    assert (refused.by, refused.fault.reason) == (CLIENT, "CERTIFICATE_VERIFY_FAILED")
    assert not pair.client.established


def test_a_client_that_offers_anonymous_suites_all_the_same():
    pair = Pair(offering_everything(client_config(**ANONYMOUS)), server_config(**ANONYMOUS))
    assert pair.refusal() == (CLIENT, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE)


def test_a_server_that_chooses_an_anonymous_suite_all_the_same():
    lax = client_config(**ANONYMOUS, verify_mode=CERT_NONE, check_hostname=False)
    pair = Pair(lax, server_config(**ANONYMOUS))
    run_until_the_clients_flight(pair)
    pair.server.config = configured(pair.server.config, **DEMANDS)
    assert pair.refusal() == (SERVER, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE)


def offering_everything(config: Config) -> Config:
    """As if a client that verifies did not leave anonymous suites out."""
    object.__setattr__(config, "offered_suites", config.suites)
    return config


def test_a_renegotiation_is_no_way_around_the_gate(monkeypatch):
    """The first handshake had a certificate, the second has none."""
    both = {"suites": (suite("ECDHE-ECDSA-AES128-GCM-SHA256"), *ANONYMOUS["suites"])}
    pair = renegotiating(client=both, server=both)
    monkeypatch.setattr(client_start, "replace", lambda config, **_: offering_everything(replace(config)))
    pair.server.config = configured(pair.server.config, suites=ANONYMOUS["suites"], credentials=())
    assert pair.refusal() == (CLIENT, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE)


def test_the_name_of_a_resumed_session_is_asked_for_again():
    """Should a session of somebody else be offered after all."""
    pair = twelve().handshake()
    again = Pair(pair.client.config, pair.server.config, session=pair.client.session)
    again.advance(again.client)
    again.client.server_hostname = "elsewhere.test"
    refused = again.refusal()
    assert (refused.by, refused.fault.reason) == (CLIENT, "CERTIFICATE_VERIFY_FAILED")


def test_a_certificate_that_comes_later_has_to_be_good():
    """The end of post-handshake authentication is the end of a handshake; the promise to ask has been kept by then."""
    pair = Pair(
        client_config(post_handshake_auth=True, credentials=(identity(),)),
        server_config(post_handshake_auth=True, **DEMANDS),
    ).handshake()
    assert pair.server.peer is None
    pair.server.request_authentication()
    pair.run()
    assert pair.server.peer.path
    lacking = Pair(client_config(post_handshake_auth=True), server_config(post_handshake_auth=True, **DEMANDS))
    lacking.handshake()
    lacking.server.request_authentication()
    assert lacking.refusal() == (SERVER, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13)


def test_a_promise_to_ask_is_kept_once():
    """A client that had nothing to show when it was asked has not been let in by the promise."""
    optional = {"verify_mode": CERT_OPTIONAL, "store": store(), "post_handshake_auth": True}
    pair = Pair(client_config(post_handshake_auth=True), server_config(**optional)).handshake()
    pair.server.request_authentication()
    pair.deliver(pair.client, pair.server.take())
    pair.server.config = configured(pair.server.config, verify_mode=CERT_REQUIRED)
    answer = pair.client.take()
    with pytest.MonkeyPatch.context() as patch:  # as if nobody had looked at the empty Certificate
        patch.setattr(receive13, "CERT_REQUIRED", None)
        assert pair.refusal(lambda: pair.deliver(pair.server, answer)) == (
            SERVER,
            faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13,
        )


class Known:
    """As much of a Peer as the gate looks at."""

    def __init__(self, verified: bool, named: bool) -> None:
        self.path, self.named = (() if verified else None), named

    def answers_to(self, host: str | None, flags: int) -> bool:
        del flags
        return self.named and host == HOST


def test_the_whole_table():
    """Written down a second time, the other way round: what each demand takes."""
    peers = [None, *(Known(verified, named) for verified, named in product([True, False], repeat=2))]
    for mode, check, later, server_side, version, peer, key in product(
        (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED),
        *[(False, True)] * 3,
        (TLS12, TLS13),
        peers,
        (False, True),
    ):
        policy = PeerPolicy(verify_mode=mode, check_hostname=check, post_handshake_auth=later)
        good_chain = peer is not None and peer.path is not None
        good_name = peer is not None and peer.named
        if peer is not None and mode != CERT_NONE and not good_chain:
            wanted = False
        elif server_side:
            promised = later and version == TLS13
            wanted = mode != CERT_REQUIRED or good_chain or key or promised
        else:
            wanted = (mode == CERT_NONE or good_chain or (key and peer is None)) and (
                not check or good_name or (key and peer is None)
            )
        found = policy.admits(
            peer,  # type: ignore[arg-type]
            server_side,
            HOST,
            version == TLS13,
            key,
        )
        assert found == wanted, (mode, check, later, server_side, version, peer and vars(peer), key)


def test_a_policy_is_never_taken_apart():
    """Of two, one as it is: the one that demands more, of equals the one that was chosen."""
    policies = [
        PeerPolicy(verify_mode=mode, post_handshake_auth=later)
        for mode in (CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED)
        for later in (False, True)
    ]
    for chosen, before in product(policies, repeat=2):
        found = chosen.or_stricter(before)
        assert found is (before if before.verify_mode > chosen.verify_mode else chosen)
