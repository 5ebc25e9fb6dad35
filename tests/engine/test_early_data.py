"""Early data between two engines: who sends it, who takes it, who refuses it, and everything that may go wrong."""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._base import faults, registry
from puretls._base.events import SecretEvent
from puretls._base.faults import Abort
from puretls._base.process import Process
from puretls._base.registry import EARLY_DATA, TLS12, TLS13
from puretls._crypto.groups import SECP256R1
from puretls._crypto.schedule import APPLICATION, EARLY
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT, OP_NO_TICKET, Config
from puretls._engine.early_data import REMEMBERED, WITHOUT_END
from puretls._engine.early_outcome import (
    ACCEPTED,
    AGE_SKEW,
    ALPN_MISMATCH,
    DECLINED,
    DISABLED,
    NO_SESSION,
    NOT_RESUMED,
    NOT_SENT,
    REJECTED,
    REPLAY,
    RETRIED,
    UNPROTECTED,
    UNSUPPORTED,
)
from puretls._engine.replay import MOST, STEP, WINDOW, ReplayMemory
from puretls._engine.requests import FirstRequest, VerifyRequest
from puretls._engine.session import Session
from puretls._engine.sessions import SessionManager
from puretls._engine.ticket_keys import GivenKeys
from puretls._record.outbound import Outbound
from puretls._wire.hello import ClientHello
from support.pair import (
    NOW,
    SUITES13,
    Pair,
    after,
    before,
    client_config,
    configured,
    drop,
    extensions,
    message,
    read,
    server_config,
    split_records,
    suite,
)
from support.recordless import CryptoEnd, CryptoPair

LIMIT = 1000
DATA = b"GET / HTTP/1.0\r\n\r\n"
AES128 = (suite("TLS_AES_128_GCM_SHA256"),)
EOED = message(registry.END_OF_EARLY_DATA, b"")


def configs(client: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> tuple[Config, Config]:
    common: dict[str, Any] = {"max_early_data": LIMIT, "watch": True}
    return (
        client_config(**{**common, **(client or {})}),
        server_config(**{**common, "sessions": SessionManager(), **(server or {})}),
    )


def ticket(both: tuple[Config, Config]) -> Session:
    """What a client has after a first visit."""
    pair = Pair(*both).handshake()
    session: Session = pair.client.session
    assert session.ticket
    return session


def again(
    both: tuple[Config, Config], session: Session, *, wants: bool = True, reads: bool = True, **more: Any
) -> Pair:
    pair = Pair(*both, session=session, **more)
    pair.client.early_wanted, pair.server.early_wanted = wants, reads
    return pair


def say(pair: Pair, *data: bytes) -> Pair:
    """The client's first flight, with early data, which the server gets."""
    pair.advance(pair.client)
    for one in data:
        pair.client.write(memoryview(one))
    pair.advance(pair.server)
    pair.deliver(pair.server, pair.client.take())
    return pair


def got(pair: Pair) -> bytes:
    return b"".join(pair.server.early.chunks)


def verdicts(pair: Pair) -> tuple[tuple[int, str | None], tuple[int, str | None]]:
    client, server = pair.client.early, pair.server.early
    return (client.status, client.reason), (server.status, server.reason)


def check_accepted(pair: Pair, data: bytes = DATA) -> None:
    assert got(pair) == data
    assert verdicts(pair) == ((ACCEPTED, "accepted"),) * 2
    assert pair.client.session_reused
    assert pair.server.session_reused
    pair.echo()


def check_rejected(pair: Pair, why: str) -> None:
    assert got(pair) == b""
    assert pair.server.early.reason == why
    assert {pair.client.early.status, pair.server.early.status} == {REJECTED}
    pair.echo()


# What there is if all is well


@pytest.mark.parametrize("piece", [0, 1, 100])
@pytest.mark.parametrize("sizes", [[1], [18], [LIMIT], [1] * 20, [500, 500], [0, 7]])
def test_it_is_taken(sizes: list[int], piece: int) -> None:
    both = configs()
    pair = say(again(both, ticket(both), piece=piece), *[bytes(size) for size in sizes])
    assert got(pair) == bytes(sum(sizes)), "before the client has heard anything"
    assert not pair.server.established
    pair.handshake()
    check_accepted(pair, bytes(sum(sizes)))


@pytest.mark.parametrize("options", [0, OP_ENABLE_MIDDLEBOX_COMPAT])
@pytest.mark.parametrize("one", SUITES13, ids=lambda one: one.name)
def test_in_each_suite(one: Any, options: int) -> None:
    both = configs({"suites13": (one,), "options": options}, {"suites13": (one,), "options": options})
    check_accepted(say(again(both, ticket(both)), DATA).handshake())


def test_change_cipher_spec_is_sent_once_and_before_it() -> None:
    """RFC 8446 D.4."""
    both = configs()
    pair = again(both, ticket(both))
    pair.advance(pair.client)
    pair.client.write(memoryview(DATA))
    flight = pair.client.take()
    assert [piece[0] for piece in split_records(flight)] == [22, 20, 23]
    pair.deliver(pair.server, flight)
    pair.deliver(pair.client, pair.server.take())
    assert [piece[0] for piece in split_records(pair.client.take())] == [23, 23]  # EndOfEarlyData, Finished


def test_a_server_that_keeps_sessions_itself() -> None:
    both = configs(server={"options": Config().options | OP_NO_TICKET})
    check_accepted(say(again(both, ticket(both)), DATA).handshake())


def test_data_of_the_server_before_the_handshake_is_done() -> None:
    both = configs()
    pair = say(again(both, ticket(both)), DATA)
    assert pair.server.half_rtt
    pair.server.write(memoryview(b"an answer"))
    pair.deliver(pair.client, pair.server.take())
    assert pair.client.established
    assert not pair.server.established
    assert read(pair.client) == b"an answer"
    check_accepted(pair.run())


def test_no_data_goes_to_who_has_yet_to_show_a_certificate() -> None:
    both = configs(server={"verify_mode": 1})
    pair = Pair(*both)
    pair.server.early_wanted = True
    pair.handshake()
    assert not pair.server.half_rtt


def test_both_log_the_same_secrets_and_export_the_same() -> None:
    both = configs()
    pair = say(again(both, ticket(both)), DATA)
    exported = [side.export_keying_material(b"EXPORTER-x", 32, b"c", early=True) for side in (pair.client, pair.server)]
    assert exported[0] == exported[1]
    pair.handshake()
    logs = [
        {event.label: (event.client_random, event.secret) for event in side.events if isinstance(event, SecretEvent)}
        for side in (pair.client, pair.server)
    ]
    assert logs[0] == logs[1]
    assert {"CLIENT_EARLY_TRAFFIC_SECRET", "EARLY_EXPORTER_SECRET"} <= logs[0].keys()
    assert exported[0] == pair.client.export_keying_material(b"EXPORTER-x", 32, b"c", early=True)
    assert exported[0] != pair.client.export_keying_material(b"EXPORTER-x", 32, b"c")


def test_without_it_there_is_nothing_to_export() -> None:
    pair = Pair(*configs()).handshake()
    for side in (pair.client, pair.server):
        with pytest.raises(ValueError, match="no early data"):
            side.export_keying_material(b"EXPORTER-x", 32, early=True)


def test_a_limit_of_ours_is_for_what_comes_after_it_was_said() -> None:
    """RFC 8449 4: early data is sent before the server has said how long records may be."""
    both = configs({}, {"record_size_limit": 64})
    pair = say(again(both, ticket(both)), bytes(500)).handshake()
    check_accepted(pair, bytes(500))
    pair.client.outbound.fragment = 1000
    with pytest.raises(Abort) as caught:
        pair.send(pair.client, bytes(500))
    assert caught.value.fault is faults.DATA_LENGTH_TOO_LONG


# Off unless asked for


def test_who_does_not_ask_for_it_says_what_was_said_before() -> None:
    both = configs({"max_early_data": 0}, {"max_early_data": 0})
    session = ticket(both)
    assert session.max_early_data == 0
    pair = again(both, session, wants=False, reads=False)
    pair.advance(pair.client)
    assert EARLY_DATA not in pair.client.state.offer.offered
    pair.handshake()
    assert pair.client.early is pair.server.early is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_early_data": 0}, DISABLED),
        ({"judge": print}, DISABLED),
        ({"alpn": (b"other",)}, ALPN_MISMATCH),
    ],
    ids=str,
)
def test_a_client_does_not_send_it(change: dict[str, Any], why: str) -> None:
    judged = {"judge": change["judge"]} if "judge" in change else {}
    first = configs({"alpn": (b"h2",), **judged}, {"alpn": (b"h2",)})
    session = ticket((first[0] if not judged else configured(first[0], judge=None), first[1]))
    if judged:
        session.policy = first[0].policy.digest()
    pair = again((configured(first[0], **change), first[1]), session)
    pair.advance(pair.client)
    assert (pair.client.early.status, pair.client.early.reason) == (NOT_SENT, why)
    assert EARLY_DATA not in pair.client.state.offer.offered
    with pytest.raises(ValueError, match="no early data"):
        pair.client.export_keying_material(b"EXPORTER-x", 32, early=True)


def test_a_client_needs_a_session_that_allows_it() -> None:
    both = configs()
    for session, why in ((None, NO_SESSION), (ticket((both[0], configured(both[1], max_early_data=0))), UNSUPPORTED)):
        pair = again(both, session)  # type: ignore[arg-type]
        pair.advance(pair.client)
        assert (pair.client.early.status, pair.client.early.reason) == (NOT_SENT, why)


def test_the_session_of_another_host_is_none() -> None:
    both = configs()
    pair = again(both, ticket(both), host="other")
    pair.advance(pair.client)
    assert pair.client.early.reason == NO_SESSION


# Who refuses it


def test_servers_that_do_not_read_it_do_not_take_it() -> None:
    both = configs()
    check_rejected(say(again(both, ticket(both), reads=False), DATA).handshake(), DISABLED)


def keys(*secrets: bytes) -> SessionManager:
    found = SessionManager()
    found.tickets.keys = GivenKeys(secrets)
    return found


# What a client's and a server's configuration have become since the first visit
REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "off": ({}, {"max_early_data": 0}, DISABLED),
    "less than was promised": ({}, {"max_early_data": LIMIT - 1}, UNSUPPORTED),
    "a function that has to be asked about clients": ({}, {"judge": print}, DISABLED),
    "HelloRetryRequest": ({}, {"groups": (SECP256R1,)}, RETRIED),
    "another protocol": ({"alpn": (b"h2", b"h3")}, {"alpn": (b"h3",)}, ALPN_MISMATCH),
    "no protocol": ({"alpn": (b"h2",)}, {"alpn": ()}, ALPN_MISMATCH),
    "another suite": ({}, {"suites13": (suite("TLS_CHACHA20_POLY1305_SHA256"),)}, UNSUPPORTED),
    "another hash": ({}, {"suites13": (suite("TLS_AES_256_GCM_SHA384"),)}, NOT_RESUMED),
    "other keys": ({}, {"sessions": SessionManager()}, NOT_RESUMED),
    "another policy": ({}, {"session_id_context": b"other"}, NOT_RESUMED),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused_and_skipped(name: str) -> None:
    client, server, why = REFUSALS[name]
    before = configs({"alpn": (b"h2",), "suites13": SUITES13}, {"alpn": (b"h2",), "suites13": AES128})
    after = configured(before[0], **client), configured(before[1], **server)
    pair = again(after, ticket(before), answers={VerifyRequest: None})
    check_rejected(say(pair, DATA, bytes(200)).handshake(), why)
    expected = {RETRIED: RETRIED, NOT_RESUMED: NOT_RESUMED, ALPN_MISMATCH: ALPN_MISMATCH}.get(why, DECLINED)
    assert pair.client.early.reason == (NOT_RESUMED if name.startswith("a function") else expected)
    with pytest.raises(ValueError, match="no early data"):
        pair.client.export_keying_material(b"EXPORTER-x", 32, early=True)


@pytest.mark.parametrize("late", [-60.0, -10.1, 10.1, 3600.0])
def test_a_flight_that_is_not_fresh(late: float) -> None:
    """RFC 8446 8.3: what was recorded is good for seconds only, and resumes the session afterwards."""
    both = configs()
    session = ticket(both)
    pair = again(both, session)
    pair.now = NOW + 100
    pair.advance(pair.client)
    pair.client.write(memoryview(DATA))
    pair.now += late
    pair.advance(pair.server)
    pair.deliver(pair.server, pair.client.take())
    check_rejected(pair.handshake(), AGE_SKEW)
    assert pair.server.session_reused


@pytest.mark.parametrize("late", [-9.9, 0.0, 9.9])
def test_a_flight_that_is_fresh(late: float) -> None:
    both = configs()
    pair = again(both, ticket(both))
    pair.now = NOW + 100
    pair.advance(pair.client)
    pair.client.write(memoryview(DATA))
    pair.now += late
    pair.advance(pair.server)
    pair.deliver(pair.server, pair.client.take())
    check_accepted(pair.handshake())


# Replays


def replayed(both: tuple[Config, Config], flight: bytes, now: float = NOW, **more: Any) -> Pair:
    """The same flight at another connection of the server."""
    pair = Pair(*both, now=now, **more)
    pair.server.early_wanted = True
    pair.advance(pair.server)
    pair.deliver(pair.server, flight)
    return pair


def flight_of(pair: Pair) -> bytes:
    pair.advance(pair.client)
    pair.client.write(memoryview(DATA))
    return pair.client.take()


def test_one_flight_is_taken_once() -> None:
    both = configs()
    flight = flight_of(again(both, ticket(both)))
    found = [replayed(both, flight).server for _ in range(50)]
    assert [side.early.status for side in found] == [ACCEPTED] + [REJECTED] * 49
    assert {side.early.reason for side in found[1:]} == {REPLAY}
    assert not any(side.early.chunks for side in found[1:])
    assert both[1].sessions is not None
    assert both[1].sessions.stats.replays == 49


@pytest.mark.parametrize("options", [0, OP_NO_TICKET])
def test_a_child_of_a_fork_does_not_take_what_its_parent_may_have_taken(
    options: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and sessions that were there before the fork are the parent's, whose memory the child does not share."""
    both = configs(server={"options": Config().options | options})
    flight = flight_of(again(both, ticket(both)))
    with monkeypatch.context() as patch:
        patch.setattr(Process, "this", object())
        child = replayed(both, flight).server
        assert (child.early.status, child.early.reason) == (REJECTED, UNPROTECTED)
        assert child.draft.resumed is not None, "the session goes on"
    assert replayed(both, flight).server.early.status == ACCEPTED


def test_a_child_promises_nothing_under_a_key_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is resumed with it goes on to be, by the whole family."""
    both = configs()
    assert ticket(both).max_early_data == LIMIT
    monkeypatch.setattr(Process, "this", object())
    session = ticket(both)
    assert session.max_early_data == 0
    assert Pair(*both, session=session).handshake().server.session_reused


def test_a_child_takes_what_it_has_given_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    both = configs()
    monkeypatch.setattr(Process, "this", object())
    check_accepted(say(again(both, ticket(both)), DATA).handshake())


def test_with_shared_keys_somebody_has_to_remember_for_all() -> None:
    """Else tickets do not allow it, and those that do are of no use."""
    alone = configs(server={"sessions": keys(bytes(32))})
    assert ticket(alone).max_early_data == 0
    asked: list[FirstRequest] = []

    def first(_: Any, request: FirstRequest) -> bool:
        asked.append(request)
        return len(asked) == 1

    store = keys(bytes(32))
    store.anti_replay = store
    both = configs(server={"sessions": store})
    session = ticket(both)
    assert session.max_early_data == LIMIT
    flight = flight_of(again(both, session))
    assert replayed(alone, flight).server.early.reason == UNPROTECTED
    answers = {FirstRequest: first}
    found = [replayed(both, flight, answers=answers).server.early for _ in range(3)]
    assert [one.reason for one in found] == ["accepted", REPLAY, REPLAY]
    assert len({request.key for request in asked}) == 1
    assert all(request.seconds == REMEMBERED and request.judge is store for request in asked)
    assert asked[0].key in flight, "the binder"
    for answer in (None, 0, "yes"):
        assert replayed(both, flight, answers={FirstRequest: answer}).server.early.status == REJECTED


def test_nobody_is_asked_about_a_binder_that_is_not_verified() -> None:
    store = keys(bytes(32))
    store.anti_replay = store
    both = configs(server={"sessions": store})
    flight = bytearray(flight_of(again(both, ticket(both))))
    records = split_records(bytes(flight))
    flight[len(records[0]) - 1] ^= 1
    with pytest.raises(Abort) as caught:
        replayed(both, bytes(flight), answers={FirstRequest: pytest.fail})
    assert caught.value.fault is faults.BINDER_DOES_NOT_VERIFY


# The memory itself


def test_the_memory_forgets_what_is_over_and_refuses_it_from_then_on() -> None:
    memory = ReplayMemory()
    for start in (NOW, NOW + 1000):
        assert memory.first(b"a", start + WINDOW, start)
        assert not memory.first(b"a", start + WINDOW, start + WINDOW)
    assert len(memory) == 1
    assert not memory.first(b"a", NOW + WINDOW, NOW), "the clock was set back"
    assert not memory.first(b"b", NOW + WINDOW, NOW)


def test_the_memory_is_bounded() -> None:
    memory = ReplayMemory(3)
    assert [memory.first(bytes((n,)), NOW, NOW) for n in range(5)] == [True] * 3 + [False] * 2
    assert len(memory) == 3
    assert memory.first(b"later", NOW + 3 * STEP, NOW + 2 * STEP)
    assert MOST == 1 << 16


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.floats(0, 200), st.booleans()),
        max_size=60,
    )
)
@settings(max_examples=200)
def test_whatever_the_clock_does_nothing_is_taken_twice(calls: list[tuple[int, float, bool]]) -> None:
    memory, taken = ReplayMemory(10), set()
    for number, now, _ in calls:
        until = NOW + number * 10
        if abs(NOW + now - (until - WINDOW)) <= WINDOW and memory.first(bytes((number,)), until, NOW + now):
            assert number not in taken
            taken.add(number)


# Hostile clients


def client_says(pair: Pair, kind: int, data: bytes) -> None:
    """A record under whatever keys the client has now."""
    pair.client.outbound.put(kind, data)


HOSTILE: dict[str, tuple[Callable[[Pair], object], Any]] = {
    "more than the limit": (lambda pair: client_says(pair, 23, bytes(LIMIT + 1)), faults.TOO_MUCH_EARLY_DATA),
    "more than the limit, bit by bit": (
        lambda pair: [client_says(pair, 23, bytes(100)) for _ in range(11)],
        faults.TOO_MUCH_EARLY_DATA,
    ),
    "empty records": (lambda pair: [client_says(pair, 23, b"") for _ in range(40)], faults.TOO_MANY_EMPTY_RECORDS),
    "Finished in the place of EndOfEarlyData": (
        lambda pair: client_says(pair, 22, message(registry.FINISHED, bytes(32))),
        faults.UNEXPECTED_HANDSHAKE_MESSAGE,
    ),
    "EndOfEarlyData with something in it": (
        lambda pair: client_says(pair, 22, message(registry.END_OF_EARLY_DATA, b"x")),
        faults.LENGTH_MISMATCH,
    ),
    "something behind EndOfEarlyData": (lambda pair: client_says(pair, 22, EOED + EOED), faults.NOT_ON_RECORD_BOUNDARY),
    "part of a message behind it": (lambda pair: client_says(pair, 22, EOED + b"\x14"), faults.NOT_ON_RECORD_BOUNDARY),
    "EndOfEarlyData twice": (
        lambda pair: [client_says(pair, 22, EOED) for _ in range(2)],
        faults.DECRYPTION_FAILED,
    ),
    "data behind EndOfEarlyData": (
        lambda pair: [client_says(pair, 22, EOED), client_says(pair, 23, DATA)],
        faults.DECRYPTION_FAILED,
    ),
    "data inside EndOfEarlyData": (
        lambda pair: [client_says(pair, 22, EOED[:2]), client_says(pair, 23, DATA)],
        faults.UNEXPECTED_RECORD,
    ),
    "a ClientHello": (
        lambda pair: client_says(pair, 22, message(registry.CLIENT_HELLO, bytes(50))),
        faults.UNEXPECTED_HANDSHAKE_MESSAGE,
    ),
    "KeyUpdate": (
        lambda pair: client_says(pair, 22, message(registry.KEY_UPDATE, b"\0")),
        faults.UNEXPECTED_HANDSHAKE_MESSAGE,
    ),
    "a fatal alert": (lambda pair: client_says(pair, 21, b"\x02\x50"), faults.received(80)),
    "a damaged record": (
        lambda pair: Outbound.put_record(pair.client.outbound, b"\x17\x03\x03\x00\x20" + bytes(32)),
        faults.DECRYPTION_FAILED,
    ),
    "an unprotected record of data": (
        lambda pair: Outbound.put_record(pair.client.outbound, b"\x17\x03\x03\x00\x03abc"),
        faults.DECRYPTION_FAILED,
    ),
    "an unprotected message": (
        lambda pair: Outbound.put_record(pair.client.outbound, b"\x16\x03\x03\x00\x04" + EOED),
        faults.BAD_RECORD_TYPE,
    ),
    "another ChangeCipherSpec": (
        lambda pair: Outbound.put_record(pair.client.outbound, b"\x14\x03\x03\x00\x01\x02"),
        faults.INVALID_CCS_MESSAGE,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_clients(name: str) -> None:
    action, fault = HOSTILE[name]
    both = configs()
    pair = again(both, ticket(both))
    pair.advance(pair.client)
    action(pair)
    pair.advance(pair.server)
    with pytest.raises(Abort) as caught:
        pair.deliver(pair.server, pair.client.take())
    assert caught.value.fault.reason == fault.reason
    assert caught.value.fault.alert == fault.alert
    assert not pair.server.early.chunks, "a connection that has failed has nothing for anybody"


def test_nobody_sends_more_than_the_limit_of_what_is_skipped() -> None:
    both = configs()
    pair = again(both, ticket(both), reads=False)
    pair.advance(pair.client)
    pair.advance(pair.server)
    for _ in range(5):
        pair.client.write(memoryview(bytes(16384)))
    with pytest.raises(Abort) as caught:
        pair.deliver(pair.server, pair.client.take())
    assert caught.value.fault is faults.TOO_MUCH_EARLY_DATA


@pytest.mark.parametrize("size", [1, 100, 16384])
def test_all_that_was_promised_is_skipped(size: int) -> None:
    """However it is cut into records, and more than what is skipped of others (RFC 8446 4.2.10)."""
    most = 100_000
    both = configs({"max_early_data": most}, {"max_early_data": most})
    pair = again(both, ticket(both), reads=False)
    pair.advance(pair.client)
    pair.advance(pair.server)
    pair.client.outbound.fragment = size
    pair.client.write(memoryview(bytes(most if size > 1 else 2000)))
    pair.client.outbound.fragment = 16384
    pair.deliver(pair.server, pair.client.take())
    check_rejected(pair.handshake(), DISABLED)


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("accepted", [True, False])
def test_end_of_early_data_where_it_does_not_belong(at: str, accepted: bool) -> None:
    both = configs()
    pair = again(both, ticket(both), wants=accepted)
    pair.client.wire["Finished"] = (before if at == "before" else after)(EOED)
    say(pair)
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.alert) == ("server", registry.UNEXPECTED_MESSAGE)


def test_without_end_of_early_data_there_is_no_finished() -> None:
    both = configs()
    pair = again(both, ticket(both))
    pair.client.wire["EndOfEarlyData"] = drop
    refusal = say(pair, DATA).refusal()
    assert (refusal.by, refusal.fault) == ("server", faults.DECRYPTION_FAILED)


def test_end_of_early_data_is_in_the_transcript() -> None:
    """Somebody in the middle cannot take it away, or put it there (RFC 8446 4.5)."""
    both = configs()
    pair = again(both, ticket(both))
    pair.client.lies["EndOfEarlyData"] = drop
    assert say(pair, DATA).refusal().by == "server"


def test_a_second_hello_has_no_early_data() -> None:
    both = configs(server={})
    session = ticket(both)
    pair = again((both[0], configured(both[1], groups=(SECP256R1,))), session)
    say(pair, DATA)
    pair.deliver(pair.client, pair.server.take())
    records = split_records(pair.client.take())
    assert [record[0] for record in records] == [22], "no second ChangeCipherSpec"
    assert ClientHello.parse(records[0][5:]).extensions.keys() & {EARLY_DATA, registry.PRE_SHARED_KEY} == {
        registry.PRE_SHARED_KEY
    }
    pair.deliver(pair.server, records[0])
    check_rejected(pair.handshake(), RETRIED)
    assert pair.client.session_reused


# Hostile servers


def accepting(pair: Pair) -> Pair:
    """A server that says that it has accepted, whatever it has done."""
    pair.server.lies["EncryptedExtensions"] = extensions(x42=b"")
    return pair


@pytest.mark.parametrize("name", ["another protocol", "another suite", "other keys", "HelloRetryRequest"])
def test_a_server_that_accepts_what_it_cannot_have_read(name: str) -> None:
    client, server, _ = REFUSALS[name]
    first = configs({"alpn": (b"h2",), "suites13": SUITES13}, {"alpn": (b"h2",), "suites13": AES128})
    pair = again((configured(first[0], **client), configured(first[1], **server)), ticket(first))
    with pytest.raises(Abort) as caught:
        say(accepting(pair), DATA).run()
    assert pair.client.failure
    alert = registry.UNSUPPORTED_EXTENSION if name == "HelloRetryRequest" else registry.ILLEGAL_PARAMETER
    assert caught.value.fault.alert == alert


def test_a_server_that_accepts_what_was_not_offered() -> None:
    both = configs()
    pair = accepting(again(both, ticket(both), wants=False))
    assert pair.refusal() == ("client", faults.UNSOLICITED_EXTENSION)


def test_an_older_version_after_early_data() -> None:
    """RFC 8446 D.3."""
    both = configs()
    pair = again((both[0], configured(both[1], versions=(TLS12,))), ticket(both))
    pair.advance(pair.client)
    pair.client.write(memoryview(DATA))
    pair.advance(pair.server)
    pair.deliver(pair.server, split_records(pair.client.take())[0])
    with pytest.raises(Abort) as caught:
        pair.deliver(pair.client, pair.server.take())
    assert caught.value.fault is faults.WRONG_VERSION_ON_EARLY_DATA
    assert caught.value.fault.alert == registry.PROTOCOL_VERSION


def test_a_client_that_gives_up_says_so_under_keys_that_the_server_has() -> None:
    both = configs()
    pair = say(again(both, ticket(both)), DATA)
    pair.server.wire["EncryptedExtensions"] = drop
    pair.client.fail(faults.INTERNAL)
    with pytest.raises(Abort) as caught:
        pair.deliver(pair.server, pair.client.take())
    assert caught.value.fault == faults.received(registry.INTERNAL_ERROR)
    assert not pair.server.early.chunks


@pytest.mark.parametrize("size", [b"", b"\0\0\0", bytes(5)])
def test_a_ticket_with_a_size_that_is_none(size: bytes) -> None:
    both = configs()
    pair = Pair(*both)
    pair.server.lies["NewSessionTicket"] = extensions(x42=size)
    assert pair.refusal() == ("client", faults.BAD_EXTENSION)


# Any mixture


@given(
    pieces=st.lists(st.integers(0, 400), max_size=5),
    cut=st.integers(0, 120),
    wants=st.booleans(),
    reads=st.booleans(),
    shared=st.booleans(),
    retry=st.booleans(),
    off=st.booleans(),
    late=st.floats(-30, 30),
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_together(
    pieces: list[int], cut: int, wants: bool, reads: bool, shared: bool, retry: bool, off: bool, late: float
) -> None:
    """The handshake succeeds, both agree on what has become of it, and it comes whole or not at all."""
    both = configs(server={"sessions": keys(bytes(32)) if shared else SessionManager()})
    session = ticket(both)
    server = {**({"groups": (SECP256R1,)} if retry else {}), **({"max_early_data": 0} if off else {})}
    pair = again((both[0], configured(both[1], **server)), session, wants=wants, reads=reads, piece=cut)
    pair.now += 100
    pair.advance(pair.client)
    sent = b""
    for size in pieces:
        data = bytes([size & 0xFF]) * size
        if pair.client.early is not None and pair.client.early.open and len(sent) + size <= LIMIT:
            pair.client.write(memoryview(data))
            sent += data
    pair.now += late
    pair.handshake().echo()
    accepted = wants and reads and not (shared or retry or off) and abs(late) <= WINDOW
    assert (pair.client.early is not None and pair.client.early.accepted) == accepted
    assert (pair.server.early is not None and pair.server.early.accepted) == accepted
    if accepted:
        assert got(pair) == sent


# Somebody in the middle


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_is_changed_on_the_way_nothing_else_is_read(where: float, bit: int, cut: bool) -> None:
    """Of a first flight of three records of early data the server reads what was sent, in order, or nothing."""
    both = configs()
    pair = again(both, ticket(both))
    pair.advance(pair.client)
    pieces = [b"first", b"second", b"third"]
    for piece in pieces:
        pair.client.write(memoryview(piece))
    flight = bytearray(pair.client.take())
    at = int(where * len(flight))
    if cut:
        del flight[at:]
    else:
        flight[at] ^= 1 << bit
    read_before: list[bytes] = []
    pair.advance(pair.server)
    try:
        for piece in split_records(bytes(flight)) if cut else [bytes(flight)]:
            pair.server.receive(piece)
            pair.advance(pair.server)
            read_before = list(pair.server.early.chunks) if pair.server.early else []
    except Abort:
        assert not pair.server.early or not pair.server.early.chunks
    assert read_before == pieces[: len(read_before)]


# Without records


def over_crypto(both: tuple[Config, Config], session: Session | None) -> CryptoPair:
    fitted = [configured(config, alpn=(b"h3",), versions=(TLS13,)) for config in both]
    client = CryptoEnd(
        fitted[0], server_side=False, clock=lambda: NOW, random=urandom, host="localhost", session=session
    )
    server = CryptoEnd(fitted[1], server_side=True, clock=lambda: NOW, random=urandom)
    for end in (client, server):
        end.handshake.early_wanted = True
    return CryptoPair(client, server).run()


def test_without_records_there_is_no_end_of_it() -> None:
    """RFC 9001 4.6, 8.3."""
    both = configs()
    session = over_crypto(both, None).client.handshake.session
    assert session is not None
    assert session.max_early_data == WITHOUT_END
    ends = over_crypto(both, session)
    for end in (ends.client, ends.server):
        assert end.layer.done
        early = end.handshake.outcome.early
        assert early is not None
        assert early.accepted
        assert not any(raw[0] == registry.END_OF_EARLY_DATA for sent in end.layer.sent for raw in sent.messages)
    assert ends.client.layer.secrets["write", EARLY] == ends.server.layer.secrets["read", EARLY]
    ends = over_crypto((both[0], configured(both[1], groups=(SECP256R1,))), session)
    assert ends.client.layer.done
    assert ends.client.handshake.outcome.early.status == REJECTED  # type: ignore[union-attr]
    assert ("write", EARLY) not in ends.client.layer.secrets


def test_without_records_tickets_do_not_say_how_much() -> None:
    both = configs()
    ends = over_crypto(both, None)
    body = message(
        registry.NEW_SESSION_TICKET,
        (100).to_bytes(4, "big") + bytes(4) + b"\0" + b"\0\1t" + b"\0\x08" + b"\0\x2a\0\4" + bytes((0, 0, 4, 0)),
    )
    with pytest.raises(Abort) as caught:
        ends.client.receive(APPLICATION, body)
    assert caught.value.fault.alert == registry.ILLEGAL_PARAMETER
