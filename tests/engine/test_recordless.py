"""Every kind of handshake of TLS 1.3 over a layer without records, as QUIC needs it (RFC 9001 4).

With the same randomness both layers come to the same messages and the same secrets.  What QUIC does without is a
profile of data; its rules are tested one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from puretls._base import faults, registry
from puretls._base.events import MessageEvent, SecretEvent
from puretls._base.faults import Abort
from puretls._base.registry import HANDSHAKE as HANDSHAKE_RECORD
from puretls._base.registry import TLS12, TLS13
from puretls._crypto.groups import SECP256R1, X25519
from puretls._crypto.schedule import APPLICATION, HANDSHAKE, INITIAL, Level
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, OP_NO_TICKET, Config
from puretls._engine.connection import Connection
from puretls._engine.established import Established13
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED
from puretls._engine.profile import QUIC, TLS
from puretls._engine.requests import ClientHelloRequest, PskClientRequest, PskServerRequest, SignRequest
from puretls._engine.sessions import SessionManager
from puretls._wire.compression import by_name
from puretls._wire.hello import ClientHello, ServerHello
from support import repeatable
from support.crooked import hello_of, offers
from support.pair import HOST, NOW, SUITES13, configured, message, replace
from support.recordless import CryptoEnd, CryptoPair
from support.repeatable import SeededBytes, identity, signed, trusting

PSK = (b"who", b"0123456789abcdef")
BARE = Config().options & ~OP_ENABLE_MIDDLEBOX_COMPAT
COMMON: dict[str, Any] = {
    "versions": (TLS13,),
    "suites13": SUITES13,
    "groups": (X25519, SECP256R1),
    "key_shares": (X25519,),
    "alpn": (b"h3",),
    "record_size_limit": None,
    "options": BARE,
    "watch": True,
    "grease_seed": b"\x05\x07",
}
ASKING = {"verify_mode": CERT_REQUIRED, "store": trusting()}
EXTERNAL = ({"psk_client": True, "verify_mode": CERT_NONE, "check_hostname": False}, {"psk_server": True})
RETRY = {"groups": (SECP256R1,)}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "full": ({}, {}),
    "a server that chooses its context": ({}, {"choose_context": True}),
    "retry": ({}, RETRY),
    "retry with a cookie": ({}, {**RETRY, "retry_cookie": True}),
    "PSK": EXTERNAL,
    "PSK with retry": (EXTERNAL[0], {**EXTERNAL[1], **RETRY}),
    "client certificate": ({"credentials": (identity("EC"),)}, ASKING),
    "client certificate with retry": ({"credentials": (identity("EC"),)}, {**ASKING, **RETRY}),
    "compressed certificates": (
        {"credentials": (identity("EC"),), "compressions": (by_name("zlib"),)},
        {**ASKING, "compressions": (by_name("zlib"),)},
    ),
    "no client certificate": ({}, {**ASKING, "verify_mode": CERT_OPTIONAL}),
}
RESUMED = {
    "resumed": ({}, {}),
    "resumed by an id": ({}, {"options": BARE | OP_NO_TICKET}),
    "resumed with retry": ({}, RETRY),
    "resumed with a client certificate": KINDS["client certificate"],
}
each_kind = pytest.mark.parametrize("name", [*KINDS, *RESUMED])
each_piece = pytest.mark.parametrize("piece", [0, 1, 7], ids=["whole flights", "single bytes", "pieces"])


def configs(name: str = "full", *more: dict[str, Any]) -> tuple[Config, Config]:
    client, server = {**KINDS, **RESUMED}[name]
    first, second = more or ({}, {})
    theirs = {"verify_mode": CERT_REQUIRED, "check_hostname": True, "store": trusting()}
    ours = {"credentials": (identity("ED25519"),)}
    return (
        configured(Config(sessions=SessionManager()), **{**COMMON, **theirs, **client, **first}),
        configured(Config(sessions=SessionManager()), **{**COMMON, **ours, **server, **second}),
    )


def answers(config: Config) -> dict[type, Any]:
    key = dict([PSK])
    return {
        PskClientRequest: PSK,
        PskServerRequest: lambda request: key.get(request.identity),
        SignRequest: signed,
        ClientHelloRequest: config,
    }


Parties = Callable[[SeededBytes, tuple[Config, Config], Any], Any]


def over_records(source: SeededBytes, both: tuple[Config, Config], session: Any) -> list[Any]:
    """The two handshakes after all has been said, by way of records; and what both sides have said."""
    random = source.stream
    ends = [
        Connection(both[0], False, lambda: NOW, HOST, session, random("client")),
        Connection(both[1], True, lambda: NOW, None, None, random("server")),
    ]
    moved = True
    while moved:
        moved = False
        for number, end in enumerate(ends):
            before = None
            while before != (end.established, end.request):
                before = end.established, end.request
                end.advance()
                if end.request is not None:
                    answer = answers(end.config)[type(end.request)]
                    end.resume(end.request, answer(end.request) if callable(answer) else answer)
                    before = None
            data = end.take()
            if data:
                moved = True
                ends[1 - number].receive(data)
    return [(end.handshake, end.events) for end in ends]


def over_crypto(
    source: SeededBytes, both: tuple[Config, Config], session: Any = None, *, piece: int = 0, run: bool = True
) -> CryptoPair:
    client = CryptoEnd(
        both[0], server_side=False, clock=lambda: NOW, random=source.stream("client"), host=HOST, session=session
    )
    server = CryptoEnd(both[1], server_side=True, clock=lambda: NOW, random=source.stream("server"))
    for end in (client, server):
        end.answers = answers(end.handshake.config)
    ends = CryptoPair(client, server, piece=piece)
    return ends.run() if run else ends


def without_records(source: SeededBytes, both: tuple[Config, Config], session: Any) -> list[Any]:
    ends = over_crypto(source, both, session)
    return [(end.handshake, end) for end in (ends.client, ends.server)]


def said(events: Any) -> list[bytes]:
    """The handshake messages that one side has sent."""
    if isinstance(events, CryptoEnd):
        return [raw for sent in events.layer.sent for raw in sent.messages]
    return [
        event.data
        for event in events
        if isinstance(event, MessageEvent) and event.sent and event.content_type == HANDSHAKE_RECORD
    ]


def secrets(events: Any) -> list[SecretEvent]:
    listed = events.layer.events if isinstance(events, CryptoEnd) else events
    return [event for event in listed if isinstance(event, SecretEvent)]


def told(handshake: Any) -> dict[str, Any]:
    outcome = handshake.outcome
    return {
        "established": handshake.established,
        "suite": outcome.suite,
        "group": outcome.group,
        "alpn": outcome.alpn,
        "peer": outcome.peer and outcome.peer.certificate.der,
        "reused": outcome.session_reused,
        "exporter": handshake.export_keying_material(b"EXPORTER-test", 32),
        "session": handshake.session and handshake.session.secret,
    }


def runs(name: str, parties: Parties) -> list[tuple[list[Any], list[bytes], list[SecretEvent]]]:
    """All that happens in one kind of handshake, with nothing drawn at random."""
    with pytest.MonkeyPatch.context() as patch:
        source, both = repeatable.repeatable(patch), configs(name)
        first = parties(source, both, None)
        found = [first]
        if name in RESUMED:
            session = first[0][0].session
            assert session.ticket
            found.append(parties(source, both, session))
            assert found[1][0][0].outcome.session_reused
        return [(told(handshake), said(events), secrets(events)) for run in found for handshake, events in run]


@each_kind
def test_the_same_randomness_gives_the_same_secrets(name: str) -> None:
    records, crypto = runs(name, over_records), runs(name, without_records)
    assert [secrets for _, _, secrets in crypto] == [secrets for _, _, secrets in records]
    assert all(len(secrets) >= 5 for _, _, secrets in crypto)
    assert [messages for _, messages, _ in crypto] == [messages for _, messages, _ in records]
    assert [facts for facts, _, _ in crypto] == [facts for facts, _, _ in records]
    assert all(facts["established"] for facts, _, _ in crypto)


@each_kind
@each_piece
def test_the_layers_are_told_the_secrets_of_each_level(name: str, piece: int) -> None:
    source, both = SeededBytes(), configs(name)
    ends = over_crypto(source, both, piece=piece)
    if name in RESUMED:
        ends = over_crypto(source, both, ends.client.handshake.session, piece=piece)
        assert ends.client.handshake.outcome.session_reused
    for one, other in ((ends.client, ends.server), (ends.server, ends.client)):
        assert one.layer.done
        for level in (HANDSHAKE, APPLICATION):
            assert one.layer.secrets["write", level] == other.layer.secrets["read", level]
        assert len(set(one.layer.secrets.values())) == 4
        levels = [sent.level for sent in one.layer.sent]
        assert levels == sorted(levels)
        assert not one.layer.alerts


def test_what_goes_at_which_level() -> None:
    """RFC 9001 4.1.4, table 1."""
    ends = over_crypto(SeededBytes(), configs("client certificate"))
    found: dict[tuple[str, Level], list[int]] = {}
    for who, end in (("client", ends.client), ("server", ends.server)):
        for sent in end.layer.sent:
            found.setdefault((who, sent.level), []).extend(raw[0] for raw in sent.messages)
    client = [registry.CERTIFICATE, registry.CERTIFICATE_VERIFY, registry.FINISHED]
    assert found == {
        ("client", INITIAL): [registry.CLIENT_HELLO],
        ("client", HANDSHAKE): client,
        ("server", INITIAL): [registry.SERVER_HELLO],
        ("server", HANDSHAKE): [registry.ENCRYPTED_EXTENSIONS, registry.CERTIFICATE_REQUEST, *client],
        ("server", APPLICATION): [registry.NEW_SESSION_TICKET] * 2,
    }


# What QUIC does without


def refused(ends: CryptoPair, action: Callable[[], object] | None = None) -> tuple[str, str, int]:
    """Who has given up, and why; it has said so once, and keeps nothing."""
    with pytest.raises(Abort) as caught:
        (action or ends.run)()
    failed = [(name, end) for name, end in (("client", ends.client), ("server", ends.server)) if end.machine.failure]
    assert len(failed) == 1
    ((name, end),) = failed
    fault = caught.value.fault
    assert end.layer.alerts == [fault.alert]
    assert end.layer.failed
    with pytest.raises(Abort) as again:
        end.machine.receive(end.handshake.read_level, message(registry.FINISHED, bytes(32)))
    assert again.value.fault is fault
    assert end.layer.alerts == [fault.alert]
    assert fault.alert is not None
    return name, fault.reason, fault.alert


ORDINARY = {"options": Config().options, "record_size_limit": 1 << 14, "versions": (TLS13, TLS12)}


def test_the_profile_takes_out_of_a_configuration_what_it_does_without() -> None:
    client, server = configs(
        "full", {**ORDINARY, "post_handshake_auth": True}, {**ORDINARY, "post_handshake_auth": True}
    )
    for config in (client, server):
        assert TLS.fit(config) is config
        fitted = QUIC.fit(config)
        assert fitted.versions == (TLS13,)
        assert fitted.record_size_limit is None
        assert not fitted.policy.post_handshake_auth
        assert not fitted.options & OP_ENABLE_MIDDLEBOX_COMPAT
        assert QUIC.fit(fitted) is fitted
        unchanged = {"versions", "record_size_limit", "policy", "options"}
        for name in config.__dataclass_fields__.keys() - unchanged:
            assert getattr(fitted, name) is getattr(config, name)


@pytest.mark.parametrize("name", ["full", "retry"])
def test_no_session_id_no_record_size_limit_no_post_handshake_auth(name: str) -> None:
    """Neither offered nor answered, though the context would have them (RFC 9001 8.4, 4.4)."""
    more = {**ORDINARY, "post_handshake_auth": True}
    ends = over_crypto(SeededBytes(), configs(name, more, more))
    hellos = [ClientHello.parse(raw) for raw in said(ends.client) if raw[0] == registry.CLIENT_HELLO]
    assert len(hellos) == 1 + (name == "retry")
    for hello in hellos:
        assert hello.session_id == b""
        assert not {registry.RECORD_SIZE_LIMIT, registry.POST_HANDSHAKE_AUTH} & hello.extensions.keys()
    for raw in said(ends.server):
        if raw[0] == registry.SERVER_HELLO:
            assert ServerHello.parse(raw).session_id == b""


def test_a_session_id_is_refused() -> None:
    """RFC 9001 8.4."""
    ends = over_crypto(SeededBytes(), configs(), run=False)
    ends.server.start()
    raw = hello_of(offers(TLS13), suites=(0x1301,), session_id=bytes(32))
    found = refused(ends, lambda: ends.server.receive(INITIAL, raw))
    assert found == ("server", "INVALID_SESSION_ID", registry.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("asks", [registry.UPDATE_NOT_REQUESTED, registry.UPDATE_REQUESTED])
@pytest.mark.parametrize("who", ["client", "server"])
def test_key_update_is_refused(who: str, asks: int) -> None:
    """RFC 9001 6."""
    ends = over_crypto(SeededBytes(), configs())
    end = getattr(ends, who)
    found = refused(ends, lambda: end.receive(APPLICATION, message(registry.KEY_UPDATE, bytes((asks,)))))
    assert found == (who, "UNEXPECTED_MESSAGE", registry.UNEXPECTED_MESSAGE)


def test_post_handshake_authentication_is_refused() -> None:
    """RFC 9001 4.4: servers do not ask, clients do not answer."""
    later = {"post_handshake_auth": True}
    ends = over_crypto(SeededBytes(), configs("full", later, {**ASKING, **later, "verify_mode": CERT_OPTIONAL}))
    server: Any = ends.server.handshake
    state: Any = ends.server.machine.state
    assert isinstance(state, Established13)
    with pytest.raises(Abort) as caught:
        state.request_authentication(server)
    assert caught.value.fault is faults.EXTENSION_NOT_RECEIVED
    raw = server.config.request13
    assert refused(ends, lambda: ends.client.receive(APPLICATION, raw))[::2] == ("client", registry.UNEXPECTED_MESSAGE)


def test_a_client_that_offers_post_handshake_authentication_is_not_asked() -> None:
    ends = over_crypto(SeededBytes(), configs("full", {}, ASKING | {"verify_mode": CERT_OPTIONAL}), run=False)
    ends.server.start()
    ends.client.start()
    (sent,) = ends.client.layer.take()
    raw = sent.messages[0]
    extra = registry.POST_HANDSHAKE_AUTH.to_bytes(2, "big") + b"\0\0"
    hello = ClientHello.parse(raw)
    block = b"".join(n.to_bytes(2, "big") + len(b).to_bytes(2, "big") + b for n, b in hello.extensions.items()) + extra
    at = len(raw) - len(block) + len(extra) - 2
    ends.server.receive(INITIAL, message(registry.CLIENT_HELLO, raw[4:at] + len(block).to_bytes(2, "big") + block))
    assert ends.server.handshake.draft.peer_offers_pha is False


@pytest.mark.parametrize(("ours", "theirs"), [((b"h3",), ()), ((), (b"h3",)), ((), ()), ((b"h3",), (b"hq",))])
def test_a_server_needs_a_protocol(ours: tuple[bytes, ...], theirs: tuple[bytes, ...]) -> None:
    """RFC 9001 8.1."""
    ends = over_crypto(SeededBytes(), configs("full", {"alpn": theirs}, {"alpn": ours}), run=False)
    assert refused(ends) == ("server", "NO_APPLICATION_PROTOCOL", registry.NO_APPLICATION_PROTOCOL)


def test_a_client_needs_a_protocol() -> None:
    ends = over_crypto(SeededBytes(), configs(), run=False)
    ends.server.handshake.profile = TLS  # a server that does not
    ends.server.handshake.config = replace(ends.server.handshake.config, alpn=())
    assert refused(ends) == ("client", "NO_APPLICATION_PROTOCOL", registry.NO_APPLICATION_PROTOCOL)


def test_there_is_no_older_version() -> None:
    """RFC 9001 4.2: neither side begins with one, nor lets itself be talked into it."""
    ends = over_crypto(SeededBytes(), configs("full", {"versions": (TLS12,)}, {}), run=False)
    with pytest.raises(Abort) as caught:
        ends.client.start()
    assert caught.value.fault is faults.NO_PROTOCOLS_AVAILABLE
    ends = over_crypto(SeededBytes(), configs("full", {}, {"versions": (TLS12,)}), run=False)
    with pytest.raises(Abort) as caught:
        ends.server.start()
    assert caught.value.fault is faults.NO_PROTOCOLS_SERVED
    ends = over_crypto(SeededBytes(), configs("full", {"versions": (TLS13, TLS12)}, {}), run=False)
    ends.client.start()
    raw = message(registry.SERVER_HELLO, b"\x03\x03" + bytes(32) + b"\x00\xc0\x2b\x00")
    found = refused(ends, lambda: ends.client.receive(INITIAL, raw))
    assert found[::2] == ("client", registry.PROTOCOL_VERSION)


# Levels


def flights(name: str = "client certificate") -> list[tuple[str, Level, bytes]]:
    """Each message of a handshake: who gets it, and at which level."""
    ends = over_crypto(SeededBytes(), configs(name))
    both = (("server", ends.client), ("client", ends.server))
    return [(to, sent.level, raw) for to, end in both for sent in end.layer.sent for raw in sent.messages]


@pytest.mark.parametrize("name", ["client certificate", "retry"])
def test_each_message_at_each_wrong_level(name: str) -> None:
    """RFC 9001 4.1.3, 8.3: unexpected_message, whoever gets it and whichever it is."""
    tried, before = 0, {"client": 0, "server": 0}
    for to, right, raw in flights(name):
        number, before[to] = before[to], before[to] + 1
        for wrong in set(Level) - {right}:
            ends = over_crypto(SeededBytes(), configs(name), run=False)
            getattr(ends, to).misplaced = (number, wrong)
            assert refused(ends) == (to, "UNEXPECTED_MESSAGE", registry.UNEXPECTED_MESSAGE), (raw[0], right, wrong)
            tried += 1
    assert tried >= 24


@pytest.mark.parametrize(
    "more", [b"\x14", message(registry.FINISHED, bytes(32))[:-1], message(registry.FINISHED, bytes(32))]
)
@pytest.mark.parametrize(
    ("sender", "name"), [("server", "ServerHello"), ("server", "Finished"), ("client", "Finished")]
)
def test_keys_do_not_change_inside_a_message(sender: str, name: str, more: bytes) -> None:
    """RFC 9001 4.1.3: nothing follows the last message of a level, in whole or in part."""
    ends = over_crypto(SeededBytes(), configs(), run=False)
    ends.more[sender, name] = more
    receiver = "server" if sender == "client" else "client"
    assert refused(ends) == (receiver, "NOT_ON_RECORD_BOUNDARY", registry.UNEXPECTED_MESSAGE)


def test_nothing_follows_a_hello_that_has_to_be_said_again() -> None:
    for sender, name in (("client", "ClientHello"), ("server", "HelloRetryRequest")):
        ends = over_crypto(SeededBytes(), configs("retry"), run=False)
        ends.more[sender, name] = b"\x14"
        assert refused(ends)[::2] == ("server" if sender == "client" else "client", registry.UNEXPECTED_MESSAGE)


def test_nothing_is_a_message_before_the_start() -> None:
    ends = over_crypto(SeededBytes(), configs(), run=False)
    with pytest.raises(Abort) as caught:
        ends.client.machine.receive(INITIAL, message(registry.SERVER_HELLO, bytes(60)))
    assert caught.value.fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE
    assert ends.client.layer.alerts == [registry.UNEXPECTED_MESSAGE]


def test_what_only_records_have_is_not_there() -> None:
    """No state comes to ask for it; one that did would end the connection."""
    ends = over_crypto(SeededBytes(), configs())
    with pytest.raises(Abort) as caught:
        _ = ends.client.handshake.stream
    assert caught.value.fault is faults.INTERNAL
