"""Who gets in: a handshake ends well only if the policy of the side that asks is satisfied, whatever way it took.

Through the public API, over memory BIOs, so that each side's verdict can be asked.
"""

from __future__ import annotations

from typing import Any

import pytest

import puretls
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only, server_of

ANONYMOUS = "AECDH:@SECLEVEL=0"
EVERYTHING = "ALL:@SECLEVEL=0"  # OpenSSL's ALL has the anonymous suites in it
NONE, OPTIONAL, REQUIRED = puretls.CERT_NONE, puretls.CERT_OPTIONAL, puretls.CERT_REQUIRED
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


def done(pair: ObjectPair) -> tuple[bool, bool]:
    """Whether each side got through its handshake, and what it read afterwards gave it no reason to give up."""
    return pair.client.done and pair.client.error is None, pair.server.done and pair.server.error is None


def trusting(context: Any) -> Any:
    """A client's context that asks for nothing."""
    context.check_hostname = False
    context.verify_mode = NONE
    return context


def test_a_server_that_requires_a_certificate_is_not_anonymous(pki):
    client, server = trusting(client_of(puretls, pki)), server_of(puretls, pki, asks=REQUIRED)
    only(V12, client)
    client.set_ciphers(ANONYMOUS)
    server.set_ciphers(EVERYTHING)
    pair = join(client, server).shake()
    assert done(pair) == (False, False)
    assert pair.server.error.reason == "NO_SHARED_CIPHER"
    assert pair.client.error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize("check_hostname", [True, False])
def test_a_client_that_verifies_meets_no_anonymous_server(check_hostname, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.check_hostname = check_hostname
    only(V12, client)
    client.set_ciphers(EVERYTHING)
    server.set_ciphers(ANONYMOUS)
    pair = join(client, server).shake()
    assert done(pair) == (False, False)
    assert pair.server.error.reason == "NO_SHARED_CIPHER"


def switched(pki: Any, version: Any, first: Any, chosen: Any, identity: str = "") -> ObjectPair:
    """A server's sni_callback goes from one context to the other."""
    client = client_of(puretls, pki, identity=identity)
    only(version, client)
    first.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", chosen)
    return join(client, first).shake()


def test_the_chosen_context_makes_its_own_promises(pki):
    """The one that requires a certificate has not said that it will ask later."""
    first, chosen = server_of(puretls, pki), server_of(puretls, pki, asks=REQUIRED)
    first.post_handshake_auth = True
    pair = switched(pki, V13, first, chosen)
    assert not pair.server.done
    assert pair.server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_the_chosen_context_may_promise_to_ask_later(pki):
    first, chosen = server_of(puretls, pki), server_of(puretls, pki, asks=REQUIRED)
    chosen.post_handshake_auth = True
    assert done(switched(pki, V13, first, chosen)) == (True, True)
    assert not done(switched(pki, V12, first, chosen))[1]  # TLS 1.2 has no later


@each_version
def test_the_chosen_contexts_anchors_go_with_its_demand(version, pki):
    first, chosen = server_of(puretls, pki), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    chosen.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    chosen.load_verify_locations(pki.other_ca)
    chosen.verify_mode = REQUIRED
    for identity, wanted in (("client", False), ("stranger-client", True), ("", False)):
        pair = switched(pki, version, first, chosen, identity)
        assert done(pair)[1] == wanted, identity


KEYED = {
    V13: ("PSK:@SECLEVEL=0",),
    V12: ("PSK-AES128-GCM-SHA256:@SECLEVEL=0", "ECDHE-PSK-AES128-CBC-SHA:@SECLEVEL=0"),
}


def with_key(*contexts: Any) -> None:
    client, server = contexts
    client.set_psk_client_callback(lambda _hint: ("me", b"k" * 32))
    server.set_psk_server_callback(lambda _identity: b"k" * 32)


@pytest.mark.parametrize(("version", "ciphers"), [(v, c) for v, all_ in KEYED.items() for c in all_])
def test_an_external_key_satisfies_both_sides(version, ciphers, pki):
    """As with `ssl`: who knows the key needs no certificate, and has no name to be checked."""
    client, server = client_of(puretls, pki), server_of(puretls, pki, asks=REQUIRED)
    only(version, client, server)
    client.set_ciphers(ciphers)
    server.set_ciphers(ciphers)
    with_key(client, server)
    pair = join(client, server).ok()
    assert pair.client.obj.getpeercert() is None
    assert pair.server.obj.getpeercert() is None


def test_rsa_psk_asks_for_the_clients_certificate_too(pki):
    for identity, wanted in (("", False), ("client", True), ("stranger-client", False)):
        client, server = client_of(puretls, pki, identity=identity), server_of(puretls, pki, "RSA", asks=REQUIRED)
        only(V12, client, server)
        for context in (client, server):
            context.set_ciphers("RSA-PSK-AES128-GCM-SHA256:@SECLEVEL=0")
        with_key(client, server)
        assert done(join(client, server).shake())[1] == wanted


# All ways in, under all policies

DEMANDS = {  # of a server: verify_mode, post_handshake_auth
    "none": (NONE, False),
    "optional": (OPTIONAL, False),
    "required": (REQUIRED, False),
    "required later": (REQUIRED, True),
    "optional later": (OPTIONAL, True),
}
CHECKS = ("nothing", "chain", "chain and name")  # by a client
CLIENTS = ("", "client", "stranger-client")
SERVERS = ("P-256", "wrong", "stranger")
WAYS = ("full", "anonymous", "key", "resumed", "resumed from nothing", "switched from none", "switched from required")


class Case:
    """One combination: the two contexts, and who may get in."""

    def __init__(self, pki: Any, version: Any, way: str, demand: str, check: str, identity: str, server: str) -> None:
        self.version, self.way, self.check, self.identity, self.served = version, way, check, identity, server
        self.mode, self.later = DEMANDS[demand]
        self.client, self.server = client_of(puretls, pki, identity=identity), server_of(puretls, pki, server)
        only(version, self.client)
        self.pki = pki

    def apply(self) -> None:
        self.client.check_hostname = self.check == "chain and name"
        self.client.verify_mode = NONE if self.check == "nothing" else REQUIRED
        self.server.verify_mode, self.server.post_handshake_auth = self.mode, self.later

    def connect(self) -> ObjectPair | None:
        """The connection that counts; None if there is no way to it."""
        getattr(self, "by_" + self.way.partition(" ")[0])()
        session = None
        if self.way == "resumed from nothing":  # made when neither side verified anything
            trusting(self.client)
            self.server.verify_mode = NONE
            session = join(self.client, self.server).ok().client.obj.session
        self.apply()
        if self.way == "resumed":
            pair = join(self.client, self.server).shake()
            if done(pair) != (True, True):
                return None
            session = pair.client.obj.session
        listening = self.server
        if self.way.startswith("switched"):
            listening = server_of(puretls, self.pki)
            if self.way.endswith("required"):
                listening.verify_mode = REQUIRED
                if self.mode != REQUIRED:  # the stricter of the two counts
                    self.mode, self.later = REQUIRED, False
            else:
                listening.post_handshake_auth = True
            listening.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", self.server)
        return join(self.client, listening, session=session).shake()

    def by_full(self) -> None:
        """Certificates, as usual."""

    by_resumed = by_switched = by_full

    def by_anonymous(self) -> None:
        self.client.set_ciphers(EVERYTHING)
        self.server.set_ciphers(ANONYMOUS)

    def by_key(self) -> None:
        for context in (self.client, self.server):
            context.set_ciphers("PSK-AES128-GCM-SHA256:@SECLEVEL=0")
        with_key(self.client, self.server)

    @property
    def client_is_content(self) -> bool:
        if self.check == "nothing" or self.way == "key":
            return True
        if self.way == "anonymous" or self.served == "stranger":
            return False
        return self.served == "P-256" or self.check == "chain"

    @property
    def server_is_content(self) -> bool:
        if self.mode == NONE or self.way == "key":
            return True
        if self.way == "anonymous":
            return self.mode == OPTIONAL
        if self.later and self.version == V13:
            return True
        return self.identity == "client" or (not self.identity and self.mode == OPTIONAL)


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("way", WAYS)
@each_version
def test_nobody_gets_in_who_should_not(version, way, demand, pki):
    """And everybody who should."""
    if way == "anonymous" and version == V13:
        pytest.skip("TLS 1.3 has no anonymous suites")
    counted = 0
    for check in CHECKS:
        for identity in CLIENTS:
            for server in SERVERS:
                case = Case(pki, version, way, demand, check, identity, server)
                pair = case.connect()
                if pair is None:
                    continue
                counted += 1
                about = (check, identity, server, pair.errors)
                if not case.client_is_content:
                    assert not pair.client.done, about
                if not case.server_is_content:
                    assert not pair.server.done, about
                if case.client_is_content and case.server_is_content:
                    assert done(pair) == (True, True), about
                    peer = pair.client.obj.getpeercert()
                    assert bool(peer) == (check != "nothing" and way != "key"), about
                else:
                    assert done(pair) != (True, True), about
                    told = [side.error for side in (pair.client, pair.server) if side.error]
                    assert len(told) == 2, about  # one failed, the other was told why
    assert counted
