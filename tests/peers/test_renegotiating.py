"""OpenSSL asks our client to renegotiate, and has changed its mind meanwhile: nothing of the first handshake is
inherited, and whoever may refuse a peer is asked again.

In memory, so that who says what first is no question of scheduling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from OpenSSL import SSL

import puretls
from support.bios import ObjectSide
from support.both import V12, client_of, only, server_of
from support.staples import GOOD, REVOKED, response


class AskingServer:
    """A server of OpenSSL, whose context a test may change between two handshakes, and our client."""

    def __init__(
        self,
        client: Any,
        pki: Any,
        identity: str = "P-256",
        prepare: Callable[[Any], None] | None = None,
        serving: Any = None,
    ) -> None:
        only(V12, client)
        self.pki = pki
        self.context = context = serving or SSL.Context(SSL.TLS_SERVER_METHOD)
        if serving is None:
            self.show(context, identity)
        if prepare:
            prepare(context)
        self.conn = SSL.Connection(context, None)
        self.conn.set_accept_state()
        self.error: Exception | None = None
        self.ours = ObjectSide("client", client, server_hostname="localhost")
        self.shake()

    def show(self, context: Any, identity: str) -> None:
        context.use_certificate_chain_file(str(self.pki.chain(identity)))
        context.use_privatekey_file(str(self.pki.key(identity)))

    def move(self) -> None:
        if data := self.ours.outgoing.read():
            self.conn.bio_write(data)
        try:
            while True:
                self.ours.incoming.write(self.conn.bio_read(1 << 16))
        except SSL.WantReadError:
            pass

    def theirs(self, act: Callable[[], Any]) -> Any:
        if self.error is not None:
            return None
        try:
            return act()
        except SSL.WantReadError:
            return None
        except SSL.Error as error:
            self.error = error
            return None

    def shake(self) -> AskingServer:
        for _ in range(6):
            self.ours.shake()
            self.move()
            self.theirs(self.conn.do_handshake)
            self.move()
        return self

    def again(self, identity: str = "", prepare: Callable[[Any], None] | None = None) -> AskingServer:
        """The server asks, and shows another certificate if there is one; the client reads."""
        assert self.ours.done, self.ours.error
        if identity or prepare:
            other = SSL.Context(SSL.TLS_SERVER_METHOD)
            self.show(other, identity or "P-256")
            if prepare:
                prepare(other)
            self.conn.set_context(other)
        self.conn.renegotiate()
        self.theirs(self.conn.do_handshake)  # says HelloRequest
        for _ in range(4):
            self.move()
            self.ours.step(lambda: self.ours.obj.read(10))
            self.move()
            self.theirs(lambda: self.conn.recv(10))  # handshakes
        self.move()
        self.ours.step(lambda: self.ours.obj.read(10))
        return self

    def echo(self) -> None:
        assert self.error is None
        assert self.ours.error is None
        self.ours.step(lambda: self.ours.obj.write(b"up"))
        self.move()
        assert self.theirs(lambda: self.conn.recv(10)) == b"up"
        self.conn.send(b"down")
        self.move()
        assert self.ours.step(lambda: self.ours.obj.read(10)) == b"down"


def test_the_same_again(pki):
    made = AskingServer(client_of(puretls, pki), pki).again()
    made.echo()
    assert made.conn.total_renegotiations() == 1


def test_another_certificate_of_the_same_host_is_verified_and_shown(pki):
    made = AskingServer(client_of(puretls, pki), pki)
    first = made.ours.obj.getpeercert(True)
    made.again("RSA").echo()
    assert made.ours.obj.getpeercert(True) != first
    assert made.ours.obj.cipher()[0].startswith("ECDHE-RSA")


@pytest.mark.parametrize("identity", ["wrong", "stranger"])
def test_a_certificate_that_would_not_have_been_let_in(identity, pki):
    made = AskingServer(client_of(puretls, pki), pki).again(identity)
    assert made.ours.error.reason == "CERTIFICATE_VERIFY_FAILED"
    assert made.error is not None


def test_the_verify_callback_is_asked_again(pki):
    """And its refusal ends the connection, though the first handshake was let in."""
    seen: list[Any] = []

    def judge(_: Any, chain: Any) -> None:
        seen.append(chain)
        if len(seen) > 1:
            raise puretls.SSLCertVerificationError("not this one")

    context = client_of(puretls, pki)
    context.verify_callback = judge
    made = AskingServer(context, pki)
    made.again("RSA")
    assert len(seen) == 2
    assert made.ours.error is not None
    assert made.error is not None


def test_a_function_in_place_of_path_building_is_asked_again(pki):
    asked: list[Any] = []
    context = client_of(puretls, pki, trusts=False)
    context.set_cert_verify_callback(lambda *what: asked.append(what))
    AskingServer(context, pki).again("RSA").echo()
    assert len(asked) == 2


def stapling(staple: bytes) -> Callable[[Any], None]:
    return lambda context: context.set_ocsp_server_callback(lambda *_: staple)


def test_a_response_of_the_first_handshake_is_none_of_the_second(pki):
    context = client_of(puretls, pki)
    context.request_ocsp = True
    good = response(pki, GOOD)
    made = AskingServer(context, pki, prepare=stapling(good))
    assert made.ours.obj.ocsp_response == good
    made.again("RSA", stapling(b""))
    made.echo()
    assert made.ours.obj.ocsp_response is None


@pytest.mark.parametrize("staple", [REVOKED, None], ids=["revoked", "none, where it is required"])
def test_the_second_response_counts(staple, pki):
    context = client_of(puretls, pki)
    context.request_ocsp, context.ocsp_policy = True, puretls.OCSPPolicy.REQUIRE
    answers = [response(pki, GOOD), response(pki, staple) if staple else b""]
    made = AskingServer(context, pki, prepare=lambda it: it.set_ocsp_server_callback(lambda *_: answers.pop(0)))
    made.again()
    assert made.ours.error.verify_code == (23 if staple else 73)


def test_the_certificate_is_chosen_for_the_second_request(pki):
    """Nobody asked the first time; the second time one is, which the request suits."""
    context = client_of(puretls, pki, identity="client")  # a P-256 key
    context.add_cert_chain(pki.chain("RSA"), pki.key("RSA"))
    made = AskingServer(context, pki)
    assert made.conn.get_peer_certificate() is None
    made.conn.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    made.again().echo()
    assert shown_to(made) == made.pki.identity("client").certificate


def shown_to(made: AskingServer) -> Any:
    found = made.conn.get_peer_certificate()
    assert found is not None
    return found.to_cryptography()


def test_a_cache_has_the_session_of_the_last_handshake(pki):
    """The renegotiation offers none, and what it has left is resumed afterwards: with whom it was made."""
    context = client_of(puretls, pki)
    context.client_session_cache = True
    made = AskingServer(context, pki)
    made.again("RSA").echo()
    shown = made.ours.obj.getpeercert(True)
    assert not made.ours.obj.session_reused
    again = AskingServer(context, pki, serving=made.context)  # which has the other certificate
    again.echo()
    assert again.ours.obj.session_reused
    assert again.ours.obj.getpeercert(True) == shown


def test_our_server_refuses_theirs(pki):
    """OpenSSL's client then ends the connection."""
    server = server_of(puretls, pki)
    only(V12, server)
    ours = ObjectSide("server", server)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    conn = SSL.Connection(context, None)
    conn.set_connect_state()

    def move(act: Callable[[], Any]) -> str:
        said = ""
        try:
            act()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            said = str(error)
        try:
            while True:
                ours.incoming.write(conn.bio_read(1 << 16))
        except SSL.WantReadError:
            pass
        return said

    for _ in range(4):
        move(conn.do_handshake)
        ours.shake()
        if data := ours.outgoing.read():
            conn.bio_write(data)
    assert ours.done
    conn.renegotiate()
    move(conn.do_handshake)
    ours.step(lambda: ours.obj.read(10))
    assert ours.error is None
    conn.bio_write(ours.outgoing.read())
    assert "renegotiation" in move(conn.do_handshake)
    assert server.session_stats()["accept_renegotiate"] == 0
