"""Sessions, tickets and pre-shared keys: what is resumed and what is not (RFC 8446 2.2, 4.2.11, 4.6.1)."""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import (
    HANDSHAKE,
    KEY_SHARE,
    NEW_SESSION_TICKET,
    PRE_SHARED_KEY,
    PSK_KEY_EXCHANGE_MODES,
    SIGNATURE_ALGORITHMS,
    TLS12,
    TLS13,
)
from puretls._crypto.groups import SECP256R1
from puretls._crypto.schedule import Resumption
from puretls._engine import negotiated
from puretls._engine.config import OP_NO_TICKET, Config
from puretls._engine.outcome import Outcome
from puretls._engine.requests import PskClientRequest, PskServerRequest
from puretls._engine.session import LIFETIME, Session
from puretls._engine.sessions import SessionManager
from puretls._engine.ticket_keys import KEY_LIFETIME
from puretls._engine.tickets import FORMAT, own_state, shared_state
from puretls._wire.codec import vec8, vec16
from puretls._wire.extensions import offered_psks
from puretls._wire.hello import ClientHello
from support.pair import (
    CLIENT,
    HOST,
    NOW,
    SERVER,
    SUITES13,
    Pair,
    body,
    client_config,
    configured,
    extensions,
    ffdhe,
    hello,
    identity,
    inject,
    instead,
    message,
    server_config,
    store,
    suite,
)

BOTH = pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])
BASE = Config().options


def first(version: int = TLS13, client: Any = None, server: Any = None, **more: Any) -> Pair:
    return Pair(
        client_config(**{"versions": (version,), **(client or {})}), server_config(**(server or {})), **more
    ).handshake()


def again(pair: Pair, *, client: Any = None, server: Any = None, **more: Any) -> Pair:
    return Pair(
        configured(pair.client.config, **(client or {})),
        configured(pair.server.config, **(server or {})),
        **{"session": pair.client.session, "now": pair.now, **more},
    )


def outcome(pair: Pair) -> bool:
    pair.handshake().echo()
    assert pair.client.session_reused == pair.server.session_reused
    assert pair.client.peer
    assert pair.client.peer.certificate.der == identity().ders[0]
    return pair.client.session_reused


@BOTH
def test_a_session_is_resumed(version):
    pair = first(version)
    for _ in range(3):
        pair = again(pair)
        assert outcome(pair)


@BOTH
def test_sessions_end(version):
    pair = first(version)
    assert outcome(again(pair, now=NOW + LIFETIME - 5))
    assert not outcome(again(pair, now=NOW + LIFETIME + 5))
    assert not outcome(again(pair, now=NOW - 60))  # a clock that went back


@BOTH
def test_a_server_does_not_trust_the_clients_clock(version):
    """Only the server knows that the time is over."""
    pair = first(version)
    late = again(pair, now=NOW + LIFETIME + 5)
    late.client.clock = lambda: NOW
    assert not outcome(late)


@BOTH
def test_another_host_gets_no_session(version):
    """Neither does the client offer it, nor would the server take it: names are chosen per host."""
    relaxed = {"verify_mode": 0, "check_hostname": False}
    pair = first(version, client=relaxed)
    other = again(pair, host="elsewhere.test").handshake()
    assert not other.client.session_reused
    other = again(pair, host=HOST)
    other.client.server_hostname = "elsewhere.test"
    pair.client.session.server_name = "elsewhere.test"
    assert not other.handshake().client.session_reused


@BOTH
def test_another_server_gets_no_session(version):
    """Tickets are sealed with keys of their own context."""
    pair = first(version)
    assert not outcome(again(pair, server={"sessions": SessionManager()}))


@BOTH
def test_a_session_without_verification_is_no_shortcut(version):
    pair = first(version, client={"verify_mode": 0, "check_hostname": False})
    assert not outcome(again(pair, client={"verify_mode": 2, "check_hostname": True}))
    pair = first(version)  # a server that now demands a certificate
    pair = again(pair, client={"credentials": (identity(),)}, server={"verify_mode": 2, "store": store()})
    assert not pair.handshake().client.session_reused
    assert pair.server.peer
    assert again(pair).handshake().server.peer.certificate.der == identity().ders[0]


@BOTH
def test_a_suite_that_is_gone(version):
    pair = first(version)
    gone = pair.client.suite
    suites = {"suites": pair.client.config.suites, "suites13": pair.client.config.suites13}
    rest = {name: tuple(row for row in rows if row is not gone) for name, rows in suites.items()}
    for changes in ({"client": rest}, {"server": rest}):
        pair2 = again(pair, **changes).handshake().echo()
        if version == TLS12:
            assert not pair2.client.session_reused
        else:  # another suite with the same hash will do (RFC 8446 4.2.11)
            assert pair2.client.session_reused == (pair2.client.suite.hash is gone.hash and "server" in changes)


def test_another_hash_needs_another_key():
    """RFC 8446 4.2.11: a PSK belongs to one hash."""
    pair = first(server={"suites13": SUITES13[1:2]})
    assert pair.client.suite.hash.name == "sha384"
    other = again(pair, server={"suites13": SUITES13[:1]}).handshake().echo()
    assert not other.client.session_reused
    retried = again(pair, server={"suites13": SUITES13[:1], "groups": (SECP256R1,)}).handshake().echo()
    assert not retried.client.session_reused
    kept = again(pair, server={"groups": (SECP256R1,)}).handshake().echo()
    assert kept.client.session_reused


@BOTH
def test_a_version_that_is_gone(version):
    pair = first(version)
    other = TLS12 if version == TLS13 else TLS13
    assert not outcome(again(pair, client={"versions": (other,)}))
    pair2 = again(pair, client={"versions": (TLS13, TLS12)}, server={"versions": (other,)})
    assert not outcome(pair2)


@BOTH
@pytest.mark.parametrize("at", [0, 15, 16, 27, 28, 60, -1])
def test_a_touched_ticket_is_no_ticket(version, at):
    """It is not an error either: the server may have lost its keys."""
    pair = first(version)
    ticket = bytearray(pair.client.session.ticket)
    ticket[at] ^= 1
    pair.client.session.ticket = bytes(ticket)
    assert not outcome(again(pair))


def sealed(manager: SessionManager, session: Session, now: float) -> bytes:
    return manager.tickets.seal(
        [own_state(session.age_add, 0) + shared_state(session, session.lifetime, session.secret)], now
    )[0]


@BOTH
@given(st.data())
def test_noise_is_no_ticket(version, data):
    manager = SessionManager()
    session = Session(version=version, suite=SUITES13[0], secret=bytes(32), time=NOW, server_name=HOST)
    ticket = sealed(manager, session, NOW)
    assert manager.tickets.open(ticket, NOW)
    assert manager.tickets.open(ticket[: data.draw(st.integers(0, len(ticket) - 1))], NOW) is None
    assert manager.tickets.open(data.draw(st.binary(max_size=200)), NOW) is None
    assert manager.tickets.open(ticket[:16] + data.draw(st.binary(max_size=200)), NOW) is None


def test_a_ticket_of_another_format_is_none_of_ours():
    """Servers of different age may share keys."""
    manager = SessionManager()
    session = Session(version=TLS13, suite=SUITES13[0], secret=bytes(32), time=NOW, server_name=HOST)
    state = own_state(0, 0) + shared_state(session, LIFETIME, bytes(32))
    assert manager.tickets.open(manager.tickets.seal([state], NOW)[0], NOW)
    for other in {0, 2, 255, FORMAT + 1}:
        assert manager.tickets.open(manager.tickets.seal([bytes((other,)) + state[1:]], NOW)[0], NOW) is None


@given(
    secret=st.binary(min_size=32, max_size=48),
    time=st.integers(0, 1 << 40),
    age_add=st.integers(0, (1 << 32) - 1),
    alpn=st.none() | st.binary(min_size=1, max_size=20),
    name=st.none() | st.text("abc.-", min_size=1, max_size=40),
    ems=st.booleans(),
)
def test_what_a_ticket_holds_comes_out_again(secret, time, age_add, alpn, name, ems):
    session = Session(
        version=TLS12,
        suite=SUITES13[1],
        secret=secret,
        time=time,
        age_add=age_add,
        alpn=alpn,
        server_name=name,
        ems=ems,
    )
    manager = SessionManager()
    ticket = sealed(manager, session, time)
    assert secret not in ticket
    found = manager.tickets.open(ticket, time)
    assert found
    assert (found.secret, found.time, found.age_add, found.alpn, found.server_name, found.ems, found.suite) == (
        secret,
        time,
        age_add,
        alpn,
        name,
        ems,
        SUITES13[1],
    )
    assert secret.hex() not in repr(found)


def test_ticket_keys_rotate():
    """An old key opens for as long as its tickets live, and no longer; it seals for an hour."""
    manager = SessionManager()

    def seal(now: float) -> bytes:
        return sealed(manager, Session(version=TLS13, suite=SUITES13[0], secret=bytes(32), time=now), now)

    one = seal(NOW)
    assert seal(NOW + KEY_LIFETIME - 1)[:16] == one[:16]
    two = seal(NOW + KEY_LIFETIME + 1)
    assert two[:16] != one[:16]
    assert manager.tickets.open(one, NOW + KEY_LIFETIME + 1)
    assert manager.tickets.open(one, NOW + LIFETIME + 60) is None
    seal(NOW + KEY_LIFETIME + LIFETIME + 10)
    assert all(key.name != one[:16] for key in manager.tickets.own.keys)
    assert "AESGCM" not in repr(manager.tickets.own.keys)


def test_ticket_keys_go_when_their_time_is_over():
    """Whoever asks next: a server that has gone quiet must not be able to open what was recorded long ago."""
    manager = SessionManager()
    ticket = sealed(manager, Session(version=TLS13, suite=SUITES13[0], secret=bytes(32), time=NOW), NOW)
    assert manager.tickets.open(ticket, NOW + 1)
    assert manager.tickets.open(ticket, NOW + KEY_LIFETIME + LIFETIME + 10) is None
    assert not manager.tickets.own.keys


def test_the_cache_is_bounded_and_the_oldest_go():
    manager = SessionManager(cache_size=3)
    for n in range(5):
        manager.cache.add(Session(version=TLS12, suite=SUITES13[0], secret=b"", time=NOW, id=bytes((n,))))
    assert len(manager.cache) == 3
    assert manager.stats.cache_full == 2
    assert manager.cache.find(b"\x01", NOW) is None
    assert manager.cache.find(b"\x04", NOW)
    assert manager.cache.find(b"\x03", NOW + LIFETIME + 10) is None
    assert len(manager.cache) == 2


# NewSessionTicket


@pytest.mark.parametrize(
    ("what", "edit", "alert"),
    [
        ("more than a week", body(lambda raw: (604801).to_bytes(4, "big") + raw[4:]), 47),
        ("no ticket", body(lambda _: bytes(8) + vec8(b"") + vec16(b"") + vec16(b"")), 50),
        ("half of it", body(lambda raw: raw[:-4]), 50),
        ("something behind", body(lambda raw: raw + b"x"), 50),
        ("key_share", extensions(x51=b""), 47),
        ("an extension twice", body(lambda raw: raw[:-2] + vec16(b"\x12\x34\x00\x00" * 2)), 47),
    ],
)
def test_tickets_that_no_rfc_allows(what, edit, alert):
    pair = Pair()
    pair.server.wire["NewSessionTicket"] = edit
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, alert), what


def test_tickets_with_unknown_extensions_or_no_life():
    pair = Pair()
    pair.server.wire["NewSessionTicket"] = extensions(x4660=b"x")
    assert pair.handshake().client.session.ticket
    pair = Pair()
    pair.server.wire["NewSessionTicket"] = body(lambda raw: bytes(4) + raw[4:])
    assert pair.handshake().client.session is None  # 0: discard it at once


def test_tickets_stand_for_different_keys():
    pair = Pair(server=server_config(num_tickets=4))
    found = []

    def keep(raw: bytes) -> bytes:
        found.append(raw)
        return raw

    pair.server.lies["NewSessionTicket"] = keep
    pair.handshake()
    assert len(found) == len({raw[13:21] for raw in found}) == 4  # nonces
    assert len({raw[8:12] for raw in found}) == 4  # ticket_age_add


def test_no_tickets():
    pair = Pair(server=server_config(num_tickets=0)).handshake().echo()
    assert pair.client.session is None
    pair = first(TLS12, server={"options": BASE | OP_NO_TICKET})
    assert not pair.client.session.ticket
    assert outcome(again(pair))


def test_only_clients_are_given_tickets():
    pair = Pair().handshake()
    ticket = message(NEW_SESSION_TICKET, bytes(8) + vec8(b"n") + vec16(b"t") + vec16(b""))
    with pytest.raises(Abort) as caught:
        inject(pair, pair.server, HANDSHAKE, ticket)
    assert caught.value.fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE


def test_the_age_of_a_ticket_is_hidden():
    """RFC 8446 4.2.11.1."""
    pair = first()
    session = pair.client.session
    seen = []

    def keep(raw: bytes) -> bytes:
        seen.append(raw)
        return raw

    later = again(pair, now=NOW + 7.5)
    later.client.lies["ClientHello"] = keep
    later.handshake()
    offered = offered_psks(ClientHello.parse(seen[0]).extensions[PRE_SHARED_KEY])
    assert offered.identities[0][1] == (7500 + session.age_add) % (1 << 32)


# The pre_shared_key extension


def with_psk(change: Any) -> Any:
    return lambda raw: hello({PRE_SHARED_KEY: change(ClientHello.parse(raw).extensions[PRE_SHARED_KEY])})(raw)


OFFERS = [
    ("a binder with one bit turned", with_psk(lambda psk: psk[:-1] + bytes((psk[-1] ^ 1,))), 47),
    ("a binder of zeros", with_psk(lambda psk: psk[:-32] + bytes(32)), 47),
    ("a binder too many", with_psk(lambda psk: psk[:-35] + vec16(psk[-33:] * 2)), 47),
    ("no binder", with_psk(lambda psk: psk[:-35] + vec16(b"")), 50),
    ("a short binder", with_psk(lambda psk: psk[:-35] + vec16(vec8(bytes(31)))), 50),
    ("a long binder", with_psk(lambda psk: psk[:-35] + vec16(vec8(bytes(33)))), 47),
    ("no identity", with_psk(lambda psk: vec16(b"") + psk[-35:]), 50),
    ("an empty identity", with_psk(lambda psk: vec16(vec16(b"") + bytes(4)) + psk[-35:]), 50),
    ("half of it", with_psk(lambda psk: psk[:20]), 50),
    ("something behind", with_psk(lambda psk: psk + b"x"), 50),
    ("no modes", hello({PSK_KEY_EXCHANGE_MODES: None}), 109),
    ("another hello", hello(random=bytes(32)), 47),
    ("another share", lambda raw: hello({KEY_SHARE: share_of(raw)})(raw), 47),
]


def share_of(raw: bytes) -> bytes:
    share = ClientHello.parse(raw).extensions[KEY_SHARE]
    return share[:-1] + bytes((share[-1] ^ 1,))


@pytest.mark.parametrize(("what", "edit", "alert"), OFFERS, ids=[row[0] for row in OFFERS])
def test_offers_of_a_key(what, edit, alert):
    pair = again(first(server={"suites13": SUITES13[:1]}))
    pair.client.wire["ClientHello"] = edit
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (SERVER, alert), what


def test_a_key_alone_is_not_taken():
    """psk_ke has no forward secrecy; without psk_dhe_ke the certificate it is."""
    pair = again(first())
    pair.client.lies["ClientHello"] = hello({PSK_KEY_EXCHANGE_MODES: b"\x01\x00"})
    assert not outcome(pair)
    pair = again(first())
    pair.client.wire["ClientHello"] = hello({PSK_KEY_EXCHANGE_MODES: b"\x01\x00", SIGNATURE_ALGORITHMS: None})
    assert pair.refusal() == (SERVER, faults.MISSING_SIGALGS)


def test_a_key_that_fits_needs_no_signature_algorithms(monkeypatch):
    pair = again(first(), client={"schemes": ()})
    monkeypatch.setattr(negotiated, "ROWS", tuple(row for row in negotiated.ROWS if row.number != SIGNATURE_ALGORITHMS))
    pair.handshake().echo()
    assert pair.client.session_reused


@pytest.mark.parametrize("chosen", [1, 7, 65535])
def test_a_server_chooses_what_was_offered(chosen):
    pair = again(first())
    pair.server.wire["ServerHello"] = hello({PRE_SHARED_KEY: chosen.to_bytes(2, "big")})
    assert pair.refusal() == (CLIENT, faults.BAD_PSK_IDENTITY)
    assert faults.BAD_PSK_IDENTITY.alert == 47


def test_a_key_goes_with_its_hash_only():
    pair = again(first(server={"suites13": SUITES13[:1]}))
    pair.server.wire["ServerHello"] = hello(cipher_suite=0x1302)
    assert pair.refusal() == (CLIENT, faults.CIPHERSUITE_DIGEST_HAS_CHANGED)


def test_after_a_key_no_certificate():
    pair = again(first())
    pair.server.wire["Finished"] = lambda raw: [message(11, bytes(4)), raw]
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)
    pair = Pair()  # and without one, no Finished without a certificate
    for name in ("Certificate", "CertificateVerify"):
        pair.server.wire[name] = lambda _: []
    assert pair.refusal() == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


# Keys that both sides know beforehand


def external(
    psk: tuple[bytes, bytes] | None, keys: dict[bytes, bytes], *, client: Any = None, server: Any = None
) -> Pair:
    return Pair(
        client_config(psk_client=True, verify_mode=0, check_hostname=False, **(client or {})),
        server_config(**{"psk_server": True, **(server or {})}),
        answers={PskClientRequest: psk, PskServerRequest: lambda _, request: keys.get(request.identity)},
    )


def test_external_keys():
    pair = external((b"who", b"secret"), {b"who": b"secret"}, server={"credentials": ()}).handshake().echo()
    assert pair.client.peer is None
    assert pair.server.peer is None
    assert not pair.client.session_reused
    for keys in ({}, {b"other": b"secret"}):  # unknown: the certificate it is
        assert external((b"who", b"secret"), keys).handshake().echo().client.peer
    assert external((b"who", b"secret"), {b"who": b"wrong"}).refusal() == (SERVER, faults.BINDER_DOES_NOT_VERIFY)
    assert external((b"who", b"secret"), {}, server={"credentials": ()}).refusal().fault.alert == 40
    assert external(None, {}).handshake().echo().client.peer
    retried = external((b"who", b"secret"), {b"who": b"secret"}, server={"groups": (SECP256R1,)}).handshake().echo()
    assert retried.client.peer is None


def test_an_external_key_is_no_ticket():
    """RFC 8446 4.2.11.2: their binders have different labels."""
    one = first()
    psk = (one.client.session.ticket, one.client.session.secret)
    pair = external(psk, {psk[0]: psk[1]}, server={"sessions": one.server.config.sessions})
    refused = pair.refusal()
    assert refused == (SERVER, faults.BINDER_DOES_NOT_VERIFY)


@pytest.mark.parametrize(
    "name",
    [
        "PSK-AES128-GCM-SHA256",
        "DHE-PSK-AES128-GCM-SHA256",
        "ECDHE-PSK-CHACHA20-POLY1305",
        "RSA-PSK-AES128-GCM-SHA256",
    ],
)
def test_external_keys_of_tls12(name):
    row = suite(name)
    common = {"versions": (TLS12,), "suites": (row,)}
    kinds = {"credentials": (identity("RSA"),), "dh": ffdhe(), "psk_hint": b"a hint"}

    def make(psk: tuple[bytes, bytes] | None, keys: dict[bytes, bytes]) -> Pair:
        return external(psk, keys, client=common, server={**common, **kinds})

    make((b"who", b"secret"), {b"who": b"secret"}).handshake().echo()
    assert make((b"who", b"secret"), {b"who": b"wrong"}).refusal() == (SERVER, faults.DECRYPTION_FAILED)
    assert make((b"who", b"secret"), {}).refusal() == (SERVER, faults.PSK_IDENTITY_NOT_FOUND)
    assert faults.PSK_IDENTITY_NOT_FOUND.alert == 115
    assert make(None, {}).refusal() == (CLIENT, faults.PSK_IDENTITY_NOT_FOUND_CLIENT)
    pair = make((b"who", b"secret"), {b"who": b"secret"})
    pair.client.wire["ClientKeyExchange"] = instead(message(16, b"\x00"))
    assert pair.refusal().fault.alert == 50


@BOTH
def test_a_ticket_that_no_client_hello_has_room_for(version):
    """A server may give one of 65535 bytes; it is not offered."""
    pair = first(version)
    pair.client.session.ticket = bytes(65_500)
    assert not outcome(again(pair))


def test_a_ticket_becomes_a_session_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    derive = Resumption.psk
    monkeypatch.setattr(Resumption, "psk", lambda of, nonce: made.append(nonce) or derive(of, nonce))
    pair = Pair().handshake().echo()
    assert not made
    pair.now += 100
    assert pair.client.session.time == pair.now - 100
    assert pair.client.session is pair.client.session
    assert len(made) == 1  # the last of two


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_secrets_go_with_a_connection_and_its_session_stays(version: int) -> None:
    both = client_config(versions=(version,)), server_config()
    lost = Pair(*both).handshake().echo().client
    lost.machine.fail(faults.INTERNAL)
    assert lost.outcome.master is None
    assert Pair(*both, session=lost.session).handshake().client.session_reused


def test_a_session_is_of_the_handshake_that_is_done() -> None:
    pair = first(TLS12)
    before = pair.client.outcome
    pair.client.draft = Outcome()  # of a renegotiation that has begun
    assert pair.client.session.secret == before.master
    assert pair.client.session.peer is before.peer


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_who_has_seen_the_name_of_a_session_cannot_have_it_forgotten(version: int) -> None:
    """Ids of TLS 1.2 and tickets travel in clear; a handshake that fails for want of the secret is not the owner's."""
    both = client_config(versions=(version,)), server_config(options=Config().options | OP_NO_TICKET)
    known = Pair(*both).handshake().echo().client.session
    stolen = copy(known)
    stolen.secret = bytes(len(known.secret))
    stranger = Pair(*both, session=stolen)
    with pytest.raises(Abort):
        stranger.run()
    for side in (stranger.server, stranger.client):
        if side.failure is None:  # it hears of it
            with suppress(Abort):
                stranger.deliver(side, stranger.other(side).take())
    assert stranger.server.failure
    assert Pair(*both, session=known).handshake().client.session_reused
