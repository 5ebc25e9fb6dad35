"""The traces of RFC 8448, replayed byte for byte through both state machines.

Randomness, private keys and signatures are those of the trace.  Where our messages are another valid choice (the order
of extensions, EncryptedExtensions, the ticket), the trace's bytes take their place before the transcript sees them,
through `Side.lies`; what ours would have said is compared by its meaning.  Everything else is ours: certificates,
Finished, keys, and every protected record.

The resumed handshake has early data, sent and taken as an application does.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from puretls._base.process import Process
from puretls._base.registry import (
    CERTIFICATE_REQUEST,
    CLIENT_HELLO,
    EARLY_DATA,
    NEW_SESSION_TICKET,
    PRE_SHARED_KEY,
    RECORD_SIZE_LIMIT,
    SIGNATURE_ALGORITHMS,
    SUPPORTED_VERSIONS,
    TLS13,
)
from puretls._crypto import signatures
from puretls._crypto.groups import SECP256R1, X25519, Group, MontgomeryOffer, Offer, WeierstrassOffer
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, Credential
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, PeerPolicy
from puretls._engine.requests import SignRequest
from puretls._engine.session import Session
from puretls._engine.sessions import SessionManager
from puretls._engine.tickets import TicketKeys
from puretls._wire import extensions, messages
from puretls._wire.extensions import key_share, selected_u16
from puretls._wire.hello import ClientHello, ServerHello
from puretls._x509.store import Store
from support import rfc8448
from support.pair import (
    SUITES13,
    Pair,
    Side,
    client_config,
    instead,
    read,
    server_config,
    split_messages,
    split_records,
)
from support.rfc8448 import APPLICATION_DATA, CLIENT_AUTHENTICATION, COMPATIBILITY, RESUMED, RETRY, SIMPLE, Trace

NOW = 1_500_000_000.0  # the certificates are valid from 2016 to 2026
PSK = bytes.fromhex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3")
AES128 = tuple(suite for suite in SUITES13 if suite.code == 0x1301)
TRACES = [
    pytest.param(SIMPLE, id="simple"),
    pytest.param(RESUMED, id="resumed"),
    pytest.param(RETRY, id="retry"),
    pytest.param(CLIENT_AUTHENTICATION, id="client-authentication"),
    pytest.param(COMPATIBILITY, id="compatibility"),
]


class Drawn(Group):
    """A group whose private keys have been drawn already."""

    __slots__ = ("inner", "keys")

    def __init__(self, inner: Group, *keys: bytes) -> None:
        super().__init__(inner.code, inner.name, inner.bits)
        self.inner, self.keys = inner, iter(keys)

    def offer(self) -> Offer:
        key = next(self.keys)
        if self.inner is X25519:
            return MontgomeryOffer(X25519PrivateKey.from_private_bytes(key), X25519PublicKey.from_public_bytes)
        return WeierstrassOffer(ec.derive_private_key(int.from_bytes(key, "big"), ec.SECP256R1()))


def drawn(*values: bytes) -> Any:
    """Randomness that is no surprise; the values have the lengths that the trace gives them."""
    rest = iter(values)
    return lambda _: next(rest)


def signer(der: bytes) -> Credential:
    """The trace tells no private key, only what was signed with it."""
    key = x509.load_der_x509_certificate(der).public_key()
    return Credential([der], None, key, signatures.key_kind(key))


def said(trace: Trace, side: str) -> Iterator[bytes]:
    """The hellos of one side."""
    records = (trace.client_hello, trace.second_hello) if side == "client" else (trace.retry, trace.server_hello)
    return iter([record[5:] for record in records if record])


def hello(record: bytes) -> ClientHello:
    return ClientHello.parse(record[5:])


def session() -> Session:
    """What the ticket of the first trace stands for."""
    found = Session(
        version=TLS13,
        suite=AES128[0],
        secret=PSK,
        time=NOW,
        ticket=rfc8448.TICKET,
        age_add=0xFAD6AAC5,
        server_name="server",
        policy=PeerPolicy().digest(),
    )
    found.max_early_data, found.maker = 1024, Process.this
    return found


class OldKeys(TicketKeys):
    """They open the trace's ticket."""

    def open(self, ticket: bytes, now: float) -> Session | None:
        del now
        return session() if ticket == rfc8448.TICKET else None


def old_sessions() -> SessionManager:
    manager = SessionManager()
    manager.tickets = OldKeys(manager.stats, manager.lifetime)
    return manager


def make_client(trace: Trace) -> Side:
    first = X25519PrivateKey.from_private_bytes(trace.client_private[0]).public_key().public_bytes_raw()
    assert first in trace.client_hello, "the private key is that of the share"
    old = hello(trace.client_hello)
    groups = [Drawn(X25519, trace.client_private[0])]
    if trace is RETRY:
        groups.append(Drawn(SECP256R1, trace.client_private[1]))
    config = client_config(
        versions=(TLS13,),
        groups=tuple(groups),
        key_shares=tuple(groups[:1]),
        credentials=(signer(b64decode(rfc8448.CLIENT_CERTIFICATE)),) if trace is CLIENT_AUTHENTICATION else (),
        options=OP_ENABLE_MIDDLEBOX_COMPAT if old.session_id else 0,
        verify_mode=CERT_NONE,
        check_hostname=False,
        grease=False,
        max_early_data=1024,
    )
    side = Side(
        config,
        server_side=False,
        server_hostname="server",
        clock=lambda: NOW,
        random=drawn(old.random, old.session_id),
        session=session() if trace is RESUMED else None,
    )
    side.early_wanted = trace is RESUMED
    hellos, ours = said(trace, "client"), []

    def say(raw: bytes) -> bytes:
        ours.append(raw)
        theirs = next(hellos)
        compare_hellos(ClientHello.parse(raw), ClientHello.parse(theirs))
        return theirs

    side.lies["ClientHello"] = say
    return side


def compare_hellos(ours: ClientHello, theirs: ClientHello) -> None:
    """What has to be the same although much else may differ."""
    assert (ours.legacy_version, ours.random, ours.session_id) == (
        theirs.legacy_version,
        theirs.random,
        theirs.session_id,
    )
    same = {SUPPORTED_VERSIONS, RECORD_SIZE_LIMIT, 0, 44, 51}  # and server_name, cookie, key_share
    for kind in same & theirs.extensions.keys():
        assert ours.extensions[kind] == theirs.extensions[kind]
    if PRE_SHARED_KEY in theirs.extensions:
        psks = [extensions.offered_psks(one.extensions[PRE_SHARED_KEY]) for one in (ours, theirs)]
        assert psks[0].identities[0][0] == psks[1].identities[0][0]
        assert psks[0].binders != psks[1].binders  # of another ClientHello


@pytest.mark.parametrize("trace", TRACES)
def test_client(trace):
    client = make_client(trace)
    client.advance()
    assert client.take() == trace.client_hello
    if trace.retry:
        client.receive(trace.retry)
        client.advance()
        assert client.take() == trace.second_hello
    if trace is RESUMED:
        client.write(memoryview(b"ABCDEF"))
        assert client.take() == rfc8448.EARLY_DATA
    client.receive(trace.server_hello + trace.server_flight)
    client.advance()
    if trace is CLIENT_AUTHENTICATION:
        assert isinstance(client.request, SignRequest)
        assert client.request.scheme.name == "rsa_pss_rsae_sha256"
        assert client.request.data.startswith(b" " * 64 + b"TLS 1.3, client CertificateVerify\x00")
        client.resume(client.request, rfc8448.CLIENT_SIGNATURE)
    assert client.established
    assert client.session_reused == (trace is RESUMED)
    assert client.take() == (rfc8448.END_OF_EARLY_DATA if trace is RESUMED else b"") + trace.client_flight
    if trace is RESUMED:
        assert client.early.accepted
    if trace.ticket:
        client.receive(trace.ticket)
        client.advance()
        assert (client.session.ticket, client.session.secret) == (rfc8448.TICKET, PSK)
        assert (client.session.lifetime, client.session.age_add) == (30, 0xFAD6AAC5)
        assert client.session.max_early_data == 1024
    if trace.client_data:
        client.write(memoryview(APPLICATION_DATA))
        assert client.take() == trace.client_data
        client.receive(trace.server_data)
        assert read(client) == APPLICATION_DATA
    client.close_notify()
    assert client.take() == trace.client_close
    client.receive(trace.server_close)
    assert not read(client)
    assert client.close_received


def make_server(trace: Trace) -> Side:
    group = Drawn(SECP256R1 if trace is RETRY else X25519, trace.server_private)
    store = Store()
    store.add_der(b64decode(rfc8448.CLIENT_CERTIFICATE))
    ec_certificate = trace is CLIENT_AUTHENTICATION
    config = server_config(
        versions=(TLS13,),
        suites13=AES128,
        groups=(group,),
        credentials=(signer(rfc8448.EC_CERTIFICATE if ec_certificate else rfc8448.RSA_CERTIFICATE),),
        verify_mode=CERT_OPTIONAL if trace is CLIENT_AUTHENTICATION else CERT_NONE,
        store=store,
        security_level=0,
        retry_cookie=trace is RETRY,
        sessions=old_sessions() if trace in (SIMPLE, RESUMED) else None,
        num_tickets=1 if trace is SIMPLE else 0,
        max_early_data=1024,
    )
    cookie = (rfc8448.COOKIE,) if trace is RETRY else ()
    side = Side(
        config, server_side=True, clock=lambda: NOW, random=drawn(*cookie, trace.server_random, b"\xfa\xd6\xaa\xc5")
    )
    side.early_wanted = True
    hellos = said(trace, "server")

    def say(raw: bytes) -> bytes:
        theirs = next(hellos)
        assert ServerHello.parse(raw)._replace(raw=theirs) == ServerHello.parse(theirs)  # but for extensions' order
        return theirs

    def say_extensions(raw: bytes) -> bytes:
        ours = messages.EncryptedExtensions.parse(raw).extensions
        theirs = messages.EncryptedExtensions.parse(trace.extensions).extensions
        assert ours.items() <= theirs.items()
        assert (EARLY_DATA in ours) == (EARLY_DATA in theirs) == (trace is RESUMED)
        return trace.extensions

    def say_request(raw: bytes) -> bytes:
        ours = messages.CertificateRequest.parse(raw)
        assert not ours.context
        assert SIGNATURE_ALGORITHMS in ours.extensions
        return rfc8448.REQUEST

    side.lies.update(
        {
            "HelloRetryRequest": say,
            "ServerHello": say,
            "EncryptedExtensions": say_extensions,
            "CertificateRequest": say_request,
            "NewSessionTicket": instead(rfc8448.TICKET_MESSAGE),
        }
    )
    return side


@pytest.mark.parametrize("trace", TRACES)
def test_server(trace):
    server = make_server(trace)
    server.receive(trace.client_hello)
    server.advance()
    if trace.retry:
        assert server.take() == trace.retry
        server.receive(trace.second_hello)
        server.advance()
    if trace is not RESUMED:
        assert isinstance(server.request, SignRequest)
        assert server.request.scheme.code == (0x0403 if trace is CLIENT_AUTHENTICATION else 0x0804)
        assert server.request.data.startswith(b" " * 64 + b"TLS 1.3, server CertificateVerify\x00")
        server.resume(server.request, trace.signature)
    assert server.take() == trace.server_hello + trace.server_flight
    if trace is RESUMED:
        server.receive(rfc8448.EARLY_DATA + rfc8448.END_OF_EARLY_DATA)
        server.advance()
        assert server.early.chunks == [b"ABCDEF"]
        assert server.early.accepted
    server.receive(trace.client_flight)
    server.advance()
    assert server.established
    assert server.session_reused == (trace is RESUMED)
    assert server.take() == trace.ticket
    if trace is CLIENT_AUTHENTICATION:
        assert server.peer.certificate.der == b64decode(rfc8448.CLIENT_CERTIFICATE)
    if trace.client_data:
        server.receive(trace.client_data)
        assert read(server) == APPLICATION_DATA
        server.write(memoryview(APPLICATION_DATA))
        assert server.take() == trace.server_data
    server.receive(trace.client_close)
    assert not read(server)
    assert server.close_received
    server.close_notify()
    assert server.take() == trace.server_close


def test_the_trace_is_read_as_it_was_meant():
    """The parts that the machines do not look at, or only on one side."""
    ticket = messages.NewSessionTicket.parse(rfc8448.TICKET_MESSAGE)
    assert (ticket.raw[0], ticket.nonce, ticket.extensions) == (
        NEW_SESSION_TICKET,
        b"\x00\x00",
        {EARLY_DATA: b"\x00\x00\x04\x00"},
    )
    assert [raw[0] for raw in split_messages(rfc8448.REQUEST)] == [CERTIFICATE_REQUEST]
    assert len(split_records(COMPATIBILITY.server_flight)) == len(split_records(COMPATIBILITY.client_flight)) == 2
    assert hello(RETRY.second_hello).raw[0] == CLIENT_HELLO
    group, _ = key_share(ServerHello.parse(RETRY.server_hello[5:]).extensions[51])
    assert group == selected_u16(ServerHello.parse(RETRY.retry[5:]).extensions[51]) == SECP256R1.code
    assert Pair  # both machines of one trace never meet: each is compared with the paper alone
