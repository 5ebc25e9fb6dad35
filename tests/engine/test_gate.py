"""The gate at the end of every handshake, with the causes that it guards against brought back by force."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest

from puretls._base import faults
from puretls._base.registry import TLS12, TLS13
from puretls._engine import client_start, receive13
from puretls._engine.config import Config
from puretls._engine.handshake import Handshake
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED, RAW, X509, PeerPolicy
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


def judge(*_: object) -> None:
    """Accepts."""


class Named:
    """Rules, a list of logs or filters, known by their name."""

    def __init__(self, name: str) -> None:
        self.name = name


# Each setting of a policy with another value; None: it lets nobody in who would not be let in otherwise
OTHERWISE = {
    "verify_mode": CERT_OPTIONAL,
    "check_hostname": True,
    "post_handshake_auth": None,  # a session of nobody is not resumed where it is False: `admits` is asked again
    "store": store("P-384"),
    "verify_flags": 0x20,
    "host_flags": 0x4,
    "verify_depth": 5,
    "security_level": 2,
    "session_id_context": b"another",
    "ocsp": 1,
    "crlite": Named("filters"),
    "webpki": Named("webpki"),
    "types": (X509, RAW),
    "trusted_keys": None,  # see below: they count where raw keys are taken
    "intermediates": None,  # they only complete paths, and so does `aia`
    "aia": None,
    "ct": Named("logs"),
    "path_judge": judge,
    "judge": judge,
}


def test_every_setting_of_a_policy_is_in_its_digest():
    """A session is resumed under an equal digest only; a new setting belongs in this table, whichever it is."""
    assert set(OTHERWISE) == {one.name for one in fields(PeerPolicy)}
    policy = PeerPolicy(verify_mode=CERT_REQUIRED, store=store())
    digests = {None: policy.digest(), "the same": replace(policy).digest()}
    assert len(set(digests.values())) == 1
    for name, value in OTHERWISE.items():
        if value is not None:
            digests[name] = replace(policy, **{name: value}).digest()
    assert len(set(digests.values())) == len(digests) - 1


def test_names_count_in_the_digest():
    for setting in ("crlite", "webpki", "ct"):
        found = [
            PeerPolicy(verify_mode=CERT_REQUIRED, **{setting: Named(name)}).digest() for name in ("one", "other", "one")
        ]
        assert found[0] == found[2] != found[1]


def test_trusted_keys_count_in_the_digest():
    """Each by itself: keys cannot be cut at another place; and not where keys are not taken at all."""
    lists = [(), (b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"c", b"ab")]
    for types in ((RAW,), (X509, RAW), (RAW, X509)):
        found = {PeerPolicy(verify_mode=CERT_REQUIRED, types=types, trusted_keys=keys).digest() for keys in lists}
        assert len(found) == len(lists)
    plain = {PeerPolicy(verify_mode=CERT_REQUIRED, trusted_keys=keys).digest() for keys in lists}
    assert len(plain) == 1


def test_where_nobody_is_verified_judges_and_the_word_of_the_program_count():
    """Of the rest nothing has been asked."""
    policies = [
        PeerPolicy(),
        PeerPolicy(session_id_context=b"x"),
        PeerPolicy(judge=judge),
        PeerPolicy(path_judge=judge),
    ]
    assert len({policy.digest() for policy in policies}) == 4
    assert PeerPolicy().digest() == PeerPolicy(verify_flags=0x20, security_level=2).digest()
    assert PeerPolicy().digest() != PeerPolicy(check_hostname=True).digest()


def test_another_judge_is_another_policy():
    for setting in ("judge", "path_judge"):
        for mode in (CERT_NONE, CERT_REQUIRED):
            one, other = (PeerPolicy(verify_mode=mode, **{setting: j}) for j in (judge, lambda *_: None))
            assert one.digest() != other.digest()
            assert one.judged
    assert not PeerPolicy().judged
