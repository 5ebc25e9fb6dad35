"""Flights that no honest peer sends, at both roles and in both versions: what comes out is SSLError, or data.

The peer has the keys: its messages are changed before they are sealed, its records are of its choice, and bytes are
changed on the wire.  Whatever the victim is asked to do next, nothing but SSLError leaves it (ValueError says that the
handshake is not done); and what has failed stays failed.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

import puretls
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE
from puretls._record.outbound import Outbound
from puretls.cli.certs import Authority, Identity
from support.bios import ObjectPair, ObjectSide, join
from support.pair import split_messages

BOTH = pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
EITHER = pytest.mark.parametrize("victim", ["client", "server"])
KINDS = (HANDSHAKE, APPLICATION_DATA, ALERT, CHANGE_CIPHER_SPEC)
SAID = [name for name in dir(puretls.ClientHello) if not name.startswith("_")]
ASKED: tuple[Callable[[Any], Any], ...] = (
    lambda obj: obj.do_handshake(),
    lambda obj: obj.read(100),
    lambda obj: obj.read(1 << 16, bytearray(1 << 16)),
    lambda obj: obj.write(b"some data"),
    lambda obj: obj.pending(),
    lambda obj: obj.getpeercert(),
    lambda obj: obj.get_unverified_chain(),
    lambda obj: obj.get_channel_binding("tls-unique"),
    lambda obj: obj.get_channel_binding("tls-server-end-point"),
    lambda obj: obj.get_channel_binding("tls-exporter"),
    lambda obj: obj.session,
    lambda obj: obj.shared_ciphers(),
    lambda obj: obj.ocsp_response,
    lambda obj: obj.sct_list,
    lambda obj: obj.client_hello and [getattr(obj.client_hello, name) for name in SAID],
    lambda obj: obj.cert_compression(),
    lambda obj: obj.peer_public_key(),
    lambda obj: obj.get_ech_status(),
    lambda obj: obj.get_ech_retry_config(),
    lambda obj: obj.selected_cert_chain,
    lambda obj: obj.get_verified_chain(),
    lambda obj: obj.verify_client_post_handshake(),
    lambda obj: obj.unwrap(),
)


LOGS: dict[str, Any] = {"version": "1.0", "log_list_timestamp": "2026-01-01T00:00:00Z", "operators": []}


@cache
def identities() -> tuple[Authority, Identity, Identity]:
    authority = Authority("hostile")
    return authority, authority.issue("localhost"), authority.issue("client", client=True)


WAYS = ("bare", "mutual", "everything", "raw keys", "rejected")


@cache
def contexts(version: str, way: str) -> tuple[puretls.SSLContext, puretls.SSLContext]:
    authority, server_identity, client_identity = identities()
    mutual = way != "bare"
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for context, identity in ((client, client_identity), (server, server_identity)):
        context.load_cert_chain(identity.chain_pem, identity.key_pem)
        context.load_verify_locations(cadata=authority.pem.decode())
        context.minimum_version = context.maximum_version = getattr(puretls.TLSVersion, version)
        context.set_alpn_protocols(["h2", "http/1.1"])
    server.verify_mode = puretls.CERT_OPTIONAL if mutual else puretls.CERT_NONE
    client.post_handshake_auth = server.post_handshake_auth = mutual
    server.set_groups("P-256:x25519")  # TLS 1.3: with a HelloRetryRequest
    server.sni_callback = lambda *_: None
    if mutual:  # what is watched goes other ways
        client._msg_callback = server._msg_callback = lambda *_: None
    client.set_psk_client_callback(lambda _: (None, b""))
    server.set_psk_server_callback(lambda _: b"key")
    if way == "everything":
        ask_for_everything(client, server)
    if way == "raw keys":
        client.check_hostname = False  # a key has no name
        for context, identity in ((client, client_identity), (server, server_identity)):
            context.load_raw_public_key(identity.key_pem)
            context.server_certificate_types = context.client_certificate_types = ["raw", "x509"]
            context.set_trusted_public_keys([server_identity.key, client_identity.key])
    if way in ("everything", "rejected") and version == "TLSv1_3":
        config, private = puretls.make_ech_config("localhost", maximum_name_length=20)
        served = puretls.ECHKey(config, private)
        server.set_ech_keys([served])
        known = served if way == "everything" else puretls.ECHKey(*puretls.make_ech_config("localhost"))
        client.set_ech_config(len(known.config).to_bytes(2, "big") + known.config)
    return client, server


def ask_for_everything(client: puretls.SSLContext, server: puretls.SSLContext) -> None:
    """Whatever a handshake can carry beside what it has to."""
    authority, *_ = identities()
    for context in (client, server):
        context.set_cert_compression(["zlib"])
    client.ticket_request = (2, 1)
    client.request_ocsp = client.request_sct = True
    client.ocsp_policy = puretls.OCSPPolicy.CHECK
    client.ct_policy = puretls.CTPolicy(puretls.CTLogs.from_json(LOGS), minimum=0)
    client.verify_profile = "webpki"
    client.verify_callback = lambda _connection, _info: None
    server.ocsp_response = stapled()
    server.sct_list = [b"\0" + bytes(32) + bytes(8) + b"\0\0\4\3\0\2\0\0"]
    server.client_ca_names = [authority.certificate.subject.public_bytes()]
    server.retry_cookie = True
    server.set_alpn_select_callback(lambda _connection, names: names[0])


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """A name beyond ASCII is reported where there is an sni_callback, as with `ssl`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda _: None)
        yield


def stapled() -> bytes:
    authority, identity, _ = identities()
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    made = ocsp.OCSPResponseBuilder().add_response(
        identity.certificate,
        authority.certificate,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        now - dt.timedelta(1),
        now + dt.timedelta(1),
        None,
        None,
    )
    made = made.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate)
    der: bytes = made.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
    return der


def ask(side: ObjectSide, how: Callable[[Any], Any]) -> None:
    """One operation: a result, SSLError, or ValueError for what needs a handshake that is done."""
    found: BaseException | None = None
    try:
        how(side.obj)
    except puretls.SSLError as error:
        found = side.error = side.error or error
    except ValueError as error:
        found = error
        assert str(error) == "handshake not done yet"  # noqa: PT017
    assert found is None or found.__cause__ is None, "a mistake of ours"


def ask_everything(side: ObjectSide) -> None:
    for how in ASKED:
        ask(side, how)


def other(pair: ObjectPair, side: ObjectSide) -> ObjectSide:
    return pair.client if side is pair.server else pair.server


def as_far_as_it_goes(pair: ObjectPair, victim: ObjectSide, moves: int) -> None:
    """The handshake, some moves of it; the victim's peer may well find out."""
    peer = other(pair, victim)
    for _ in range(moves):
        peer.shake()
        ask(victim, lambda obj: obj.do_handshake())
        if not pair.move():
            break
    for side in (peer, victim):
        side.step(lambda side=side: side.obj.read(1))  # type: ignore[misc]


class Change(NamedTuple):
    """What becomes of the one message of this number: at a place something is cut out, and something else put in."""

    number: int
    place: int
    cut: int
    new: bytes
    fixed: bool  # its length is right then, too

    def of(self, raw: bytes) -> bytes:
        at = 4 + self.place % max(1, len(raw) - 3)
        changed = raw[:at] + self.new + raw[at + self.cut :]
        return changed[:1] + (len(changed) - 4).to_bytes(3, "big") + changed[4:] if self.fixed else changed


changes = st.builds(
    Change,
    st.integers(0, 6),
    st.one_of(st.integers(0, 80), st.integers(0, 2000)),
    st.integers(0, 40),
    st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"\x00", b"\xff\xff", bytes(3), bytes(300)])),
    st.booleans(),
)


class Spoiling(Outbound):
    """Sends the messages of a connection, and another in the place of one of them."""

    __slots__ = ("change", "left")

    def __init__(self, version: int, change: Change) -> None:
        super().__init__(version)
        self.change, self.left = change, change.number

    def put(self, kind: int, data: Any) -> None:
        if kind == HANDSHAKE and self.left >= 0:
            messages = split_messages(data)
            if self.left < len(messages):
                messages[self.left] = self.change.of(messages[self.left])
                data = b"".join(messages)
            self.left -= len(messages)
        super().put(kind, data)


@EITHER
@BOTH
@settings(max_examples=150)
@given(change=changes, way=st.sampled_from(WAYS))
def test_a_message_is_another(version: str, victim: str, change: Change, way: str) -> None:
    """Any message of the handshake or after it, changed where the peer has sealed nothing yet."""
    pair = join(*contexts(version, way))
    attacked: ObjectSide = getattr(pair, victim)
    peer = other(pair, attacked)
    conn = peer.obj._sslobj._conn.records
    conn.outbound = Spoiling(conn.outbound.sealer.version, change)
    as_far_as_it_goes(pair, attacked, 8)
    ask_everything(attacked)
    pair.move()
    ask_everything(attacked)


@EITHER
@BOTH
@settings(max_examples=100)
@given(st.data())
def test_records_of_the_peers_choice(version: str, victim: str, data: st.DataObject) -> None:
    """At any point: records under the peer's keys with anything in them, and bytes without any protection."""
    pair = join(*contexts(version, data.draw(st.sampled_from(WAYS))))
    attacked: ObjectSide = getattr(pair, victim)
    peer = other(pair, attacked)
    as_far_as_it_goes(pair, attacked, data.draw(st.integers(0, 8)))
    for _ in range(data.draw(st.integers(1, 4))):
        content = data.draw(st.binary(max_size=80))
        if data.draw(st.booleans()):
            attacked.incoming.write(content)
        else:
            kind = data.draw(st.sampled_from(KINDS))
            if kind == HANDSHAKE and data.draw(st.booleans()):
                content = bytes((data.draw(st.integers(0, 25)),)) + len(content).to_bytes(3, "big") + content
            attacked.incoming.write(peer.obj._sslobj._conn.records.outbound.sealer.seal(kind, content))
        ask(attacked, data.draw(st.sampled_from(ASKED)))
    ask_everything(attacked)
    attacked.incoming.write_eof()
    ask_everything(attacked)


@EITHER
@BOTH
@settings(max_examples=100)
@given(st.data())
def test_bytes_on_the_wire_are_others(version: str, victim: str, data: st.DataObject) -> None:
    """Somebody between them changes, cuts or repeats what passes."""
    at, turned, cut = data.draw(st.integers(0, 4000)), data.draw(st.integers(1, 255)), data.draw(st.integers(0, 3))
    passed = [0]

    def carry(sender: str, what: bytes) -> bytes:
        if sender == victim:
            return what
        before, passed[0] = passed[0], passed[0] + len(what)
        if not before <= at < passed[0]:
            return what
        place = at - before
        return what[:place] + bytes((what[place] ^ turned,)) + what[place + 1 + cut :]

    pair = join(*contexts(version, data.draw(st.sampled_from(WAYS))), carry=carry)
    attacked: ObjectSide = getattr(pair, victim)
    as_far_as_it_goes(pair, attacked, 8)
    ask_everything(attacked)
