"""Where keys change and wear out, alerts, closing, and attempts to renegotiate, by a hostile peer with the right keys.

RFC 8446 4.6.3, 5.1, 5.5 and 6, RFC 5246 7.2 and 7.4.1.1.
"""

from __future__ import annotations

import copy

import pytest

from puretls._base import faults
from puretls._base.events import MessageEvent
from puretls._base.faults import Abort
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    CLOSE_NOTIFY,
    FATAL,
    HANDSHAKE,
    HELLO_REQUEST,
    KEY_UPDATE,
    TLS12,
    TLS13,
    USER_CANCELED,
    WARNING,
)
from puretls._crypto import schedule, suites
from puretls._record.inbound import MAX_EMPTY_RECORDS
from puretls._record.layer import MAX_EPOCH, MAX_IN_A_ROW, MAX_WARNINGS
from puretls._record.protection import MAX_PLAINTEXT
from support.hostile import BOTH, established, from_client, refused
from support.pair import (
    SUITES13,
    Pair,
    client_config,
    drop,
    inject,
    message,
    read,
    record,
    server_config,
    split_records,
)

# Where keys change


def test_no_message_crosses_a_change_of_keys():
    """RFC 8446 5.1: ServerHello, Finished and KeyUpdate end their record."""
    for by, name in (("server", "ServerHello"), ("server", "Finished"), ("client", "Finished")):
        pair = Pair()
        side = getattr(pair, by)
        side.wire[name] = lambda raw: [raw + message(KEY_UPDATE, b"\x00")[:3]]
        fault = pair.refusal()
        assert fault.fault is faults.NOT_ON_RECORD_BOUNDARY
        assert fault.fault.alert == 10
    pair = Pair()
    pair.client.wire["ClientHello"] = lambda raw: [raw + b"\x14"]
    assert pair.refusal() == ("server", faults.NOT_ON_RECORD_BOUNDARY)
    pair = established(TLS13)
    update = message(KEY_UPDATE, b"\x00")
    assert refused(pair, from_client(pair, HANDSHAKE, update + update)) is faults.NOT_ON_RECORD_BOUNDARY


def test_no_message_crosses_change_cipher_spec():
    for by in ("client", "server"):
        pair = Pair(client_config(versions=(TLS12,)))
        side = getattr(pair, by)
        side.wire["ChangeCipherSpec"] = lambda _: [(HANDSHAKE, b"\x14\x00"), (CHANGE_CIPHER_SPEC, b"\x01")]
        assert pair.refusal().fault is faults.BAD_CHANGE_CIPHER_SPEC


@BOTH
def test_no_record_between_the_parts_of_a_message(version):
    part = message(KEY_UPDATE if version == TLS13 else CLIENT_HELLO, bytes(1))[:3]
    for kind, data in ((APPLICATION_DATA, b"x"), (ALERT, bytes((WARNING, 0))), (APPLICATION_DATA, b"")):
        pair = established(version)
        inject(pair, pair.server, HANDSHAKE, part)
        assert refused(pair, from_client(pair, kind, data)) in {faults.MIXED_RECORDS, faults.UNEXPECTED_RECORD}
    pair = established(version)
    inject(pair, pair.server, HANDSHAKE, part)
    with pytest.raises(Abort) as caught:  # a peer that gives up in the middle says why
        inject(pair, pair.server, ALERT, bytes((FATAL, 40)))
    assert caught.value.fault == faults.received(40)


def test_change_cipher_spec_for_middleboxes():
    """RFC 8446 5, D.4: one byte, value one, in the handshake only, at most noise."""
    ccs = record(CHANGE_CIPHER_SPEC, b"\x01")
    pair = Pair()
    pair.server.wire["ChangeCipherSpec"] = lambda raw: [raw] * 5
    pair.client.wire["ChangeCipherSpec"] = lambda raw: [raw] * 5
    pair.handshake().echo()
    pair = Pair()
    pair.server.wire["ChangeCipherSpec"] = drop
    pair.client.wire["ChangeCipherSpec"] = drop
    pair.handshake().echo()
    for wrong in (b"\x02", b"\x00", b"\x01\x01", b""):
        for by in ("client", "server"):
            pair = Pair()
            getattr(pair, by).wire["ChangeCipherSpec"] = lambda _, wrong=wrong: [wrong]
            assert pair.refusal().fault is faults.INVALID_CCS_MESSAGE
    pair = Pair()
    pair.server.wire["ChangeCipherSpec"] = lambda raw: [raw] * (MAX_EMPTY_RECORDS + 1)
    assert pair.refusal().fault.alert == 10
    assert refused(Pair(), ccs) is faults.UNEXPECTED_HANDSHAKE_MESSAGE  # before ClientHello


# Limits of keys


def limited(limit: int) -> tuple[suites.Suite, ...]:
    """The suites of TLS 1.3 with keys that are good for a few records only."""
    rows = tuple(map(copy.copy, SUITES13))
    for row in rows:
        row.cipher = copy.copy(row.cipher)
        row.cipher.limit = limit
    return rows


@pytest.mark.parametrize("limit", [2, 3, 10])
def test_keys_are_updated_before_they_are_worn_out(limit):
    """RFC 8446 5.5."""
    pair = Pair(client_config(suites13=limited(limit)), server_config(watch=True)).handshake()
    data = bytes(n & 255 for n in range(MAX_PLAINTEXT * 7 + 3))
    highest = 0
    for _ in range(3):
        pair.client.write(memoryview(data))
        highest = max(highest, pair.client.outbound.sealer.seq)
        assert pair.arrive(pair.server, pair.client.take()) == data
    for n in range(25):
        sent = pair.client.write_record(b"one by one %d" % n)
        assert pair.arrive(pair.server, sent) == b"one by one %d" % n
        highest = max(highest, pair.client.outbound.sealer.seq)
    assert highest <= limit + 1  # the KeyUpdate itself is under the old key
    updates = [e for e in pair.server.events if isinstance(e, MessageEvent) and e.data[0] == KEY_UPDATE]
    assert len(updates) >= 3 * 8 // limit
    pair.echo()


def test_tls12_stops_where_it_cannot_go_on():
    pair = established(TLS12)
    pair.client.outbound.sealer.seq = (1 << 64) - 1
    with pytest.raises(Abort) as caught:
        pair.client.write(memoryview(b"x"))
    assert caught.value.fault is faults.SEQUENCE_CTR_WRAPPED


@pytest.mark.parametrize("asked", [0, 1])
def test_key_updates_both_ways(asked):
    pair = established(TLS13)
    for _ in range(4):
        pair.client.update_write_keys(asked)
        pair.echo()
        pair.server.update_write_keys(asked)
        pair.echo()


def test_a_requested_update_is_answered_once():
    """RFC 9846 4.7.3: however many requests wait, one answer, before the next data at the latest."""
    pair = established(TLS13)
    before = pair.server.write_secret
    for _ in range(5):
        pair.client.update_write_keys(1)
        pair.client.update_awaited = False
    pair.server.receive(pair.client.take())
    assert not read(pair.server)
    assert not pair.server.take()
    pair.echo()
    assert pair.server.write_secret == schedule.next_traffic_secret(pair.server.digest, before)


def test_who_has_asked_for_an_update_asks_again_only_when_it_has_come():
    """RFC 9846 4.7.3: no second update_requested before the peer's own KeyUpdate."""
    pair = established(TLS13)
    pair.client.records.watched = True
    for _ in range(3):
        pair.client.update_write_keys(1)
    assert [event.data[-1] for event in pair.client.records.events] == [1, 0, 0]
    pair.server.receive(pair.client.take())
    assert not read(pair.server)
    pair.echo()  # with it comes the server's
    pair.client.update_write_keys(1)
    assert pair.client.records.events[-1].data[-1] == 1


def test_a_sender_stops_before_its_epoch_overflows_and_a_receiver_does_not_count():
    """RFC 9846 4.7.3: at most 2^48 - 1; beyond, requests are ignored, and what would need new keys is not sent."""
    pair = established(TLS13)
    pair.server.records.epoch = MAX_EPOCH - 1
    pair.client.update_write_keys(1)
    pair.echo()
    assert pair.server.records.epoch == MAX_EPOCH == (1 << 48) - 1
    before = pair.server.write_secret
    pair.client.update_write_keys(1)  # which is not answered
    pair.echo()
    assert pair.server.write_secret == before
    with pytest.raises(Abort) as caught:
        pair.server.update_write_keys(0)
    assert caught.value.fault is faults.SEQUENCE_CTR_WRAPPED


def test_user_canceled_is_not_the_end():
    """RFC 8446 6.1: it is ignored, and close_notify is waited for; data that follows it all the same is data."""
    pair = established(TLS13)
    canceled, notify = bytes((WARNING, USER_CANCELED)), bytes((WARNING, CLOSE_NOTIFY))
    inject(pair, pair.server, ALERT, canceled)
    assert not pair.server.close_received
    pair.server.receive(from_client(pair, APPLICATION_DATA, b"x"))
    assert read(pair.server) == b"x"
    inject(pair, pair.server, ALERT, canceled)
    inject(pair, pair.server, ALERT, notify)
    assert pair.server.close_received
    assert not pair.server.failure


def test_many_key_updates_in_a_row():
    pair = established(TLS13)
    for _ in range(MAX_IN_A_ROW):
        pair.client.update_write_keys(0)
    pair.server.receive(pair.client.take())
    assert not read(pair.server)
    pair.client.update_write_keys(0)
    assert refused(pair, pair.client.take()) is faults.TOO_MANY_KEY_UPDATES


def test_key_updates_with_data_between_them_are_welcome():
    pair = established(TLS13)
    for _ in range(3 * MAX_IN_A_ROW):
        pair.client.update_write_keys(0)
        assert pair.send(pair.client, b"x") == b"x"


@pytest.mark.parametrize(
    ("body", "fault"),
    [(b"\x02", faults.BAD_KEY_UPDATE), (b"", faults.LENGTH_MISMATCH), (b"\x00\x00", faults.LENGTH_MISMATCH)],
)
def test_malformed_key_updates(body, fault):
    pair = established(TLS13)
    assert refused(pair, from_client(pair, HANDSHAKE, message(KEY_UPDATE, body))) is fault
    assert (fault.alert, faults.BAD_KEY_UPDATE.alert) == (fault.alert, 47)


# Alerts


@BOTH
def test_half_close(version):
    """RFC 8446 6.1: who has said close_notify may still receive, and the other side may still send."""
    pair = established(version)
    pair.client.close_notify()
    pair.client.close_notify()  # once is enough
    sent = pair.client.take()
    assert len(split_records(sent)) == 1
    assert not pair.arrive(pair.server, sent)
    assert pair.server.close_received
    assert pair.send(pair.server, b"late") == b"late"
    with pytest.raises(Abort) as caught:
        pair.client.write(memoryview(b"x"))
    assert caught.value.fault is faults.PROTOCOL_IS_SHUTDOWN
    assert not pair.client.failure
    pair.server.close_notify()
    assert not pair.arrive(pair.client, pair.server.take())
    assert pair.client.close_received


@BOTH
def test_nothing_is_read_after_close_notify(version):
    """RFC 8446 6.1: it MUST be ignored; here it is not even opened, as it may be the application's."""
    pair = established(version)
    pair.client.close_notify()
    closing = pair.client.take()
    pair.client.close_sent = False
    late = from_client(pair, APPLICATION_DATA, b"late")
    pair.client.write(memoryview(b"late"))
    for data in (pair.client.take(), late, record(APPLICATION_DATA, b"x" * 40)):
        pair = established(version)
        pair.client.close_notify()
        closing = pair.client.take()
        pair.server.receive(closing + data)
        assert not read(pair.server)
        assert not pair.server.read_record(data)
        assert not read(pair.server)
        assert not pair.server.failure


@BOTH
def test_no_alert_after_our_close_notify(version):
    pair = established(version)
    pair.server.close_notify()
    pair.server.take()
    pair.server.receive(record(APPLICATION_DATA, bytes(40)))
    with pytest.raises(Abort):
        read(pair.server)
    assert not pair.server.take()


def test_warnings():
    """TLS 1.2: a few are noise, many in a row are an attack; TLS 1.3 knows no warning but user_canceled."""
    pair = established(TLS12)
    warning = bytes((WARNING, 41))
    for _ in range(3):
        for _ in range(MAX_WARNINGS):
            inject(pair, pair.server, ALERT, warning)
        pair.server.receive(from_client(pair, APPLICATION_DATA, b"x"))
        assert read(pair.server) == b"x"
    for _ in range(MAX_WARNINGS):
        inject(pair, pair.server, ALERT, warning)
    assert refused(pair, from_client(pair, ALERT, warning)) is faults.TOO_MANY_WARN_ALERTS
    pair = established(TLS13)
    for _ in range(MAX_WARNINGS):
        inject(pair, pair.server, ALERT, bytes((WARNING, USER_CANCELED)))
    assert refused(pair, from_client(pair, ALERT, bytes((WARNING, USER_CANCELED)))) is faults.TOO_MANY_WARN_ALERTS
    pair = established(TLS13)
    assert refused(pair, from_client(pair, ALERT, warning)) == faults.received(41)


@pytest.mark.parametrize("description", [10, 20, 22, 40, 42, 48, 70, 80, 90, 112, 116, 120, 255])
@BOTH
def test_fatal_alerts(version, description):
    pair = established(version)
    if version == TLS13 and description == USER_CANCELED:
        return
    assert refused(pair, from_client(pair, ALERT, bytes((FATAL, description)))) == faults.received(description)


@BOTH
@pytest.mark.parametrize("data", [b"\x01", b"\x01\x00\x00", b"\x02\x28\x01\x00", bytes(100)])
def test_malformed_alerts(version, data):
    pair = established(version)
    assert refused(pair, from_client(pair, ALERT, data)) is faults.MALFORMED_ALERT


@pytest.mark.parametrize("level", [0, 3, 255])
def test_levels_that_do_not_exist(level):
    """RFC 8446 6: the level is ignored; before it, it is not."""
    pair = established(TLS12)
    assert refused(pair, from_client(pair, ALERT, bytes((level, 40)))) is faults.UNKNOWN_ALERT_TYPE
    pair = established(TLS13)
    assert refused(pair, from_client(pair, ALERT, bytes((level, 40)))) == faults.received(40)


def test_a_cut_stream_is_no_end():
    """Truncation: without close_notify nothing says that all has arrived."""
    for version in (TLS13, TLS12):
        pair = established(version)
        pair.server.receive(from_client(pair, APPLICATION_DATA, b"half of it"))
        assert read(pair.server) == b"half of it"
        assert not pair.server.close_received


# Renegotiation


def test_a_server_is_not_asked_again():
    """RFC 5246 7.4.1.1: a warning, and life goes on; not for ever."""
    pair = established(TLS12)
    other = Pair(client_config(versions=(TLS12,)))
    other.client.advance()
    hello = other.client.take()[5:]
    for _ in range(MAX_IN_A_ROW):
        pair.server.receive(from_client(pair, HANDSHAKE, hello))
        assert not read(pair.server)
        assert pair.server.control.pop() == (ALERT, bytes((WARNING, 100)))
    assert refused(pair, from_client(pair, HANDSHAKE, hello)) is faults.TOO_MANY_KEY_UPDATES
    for raw in (message(CLIENT_HELLO, bytes(10)), message(HELLO_REQUEST, b"")):
        pair = established(TLS12)
        assert refused(pair, from_client(pair, HANDSHAKE, raw)).alert in {10, 50}


def test_tls13_knows_no_renegotiation():
    for kind in (HELLO_REQUEST, CLIENT_HELLO):
        pair = established(TLS13)
        fault = refused(pair, from_client(pair, HANDSHAKE, message(kind, b"")))
        assert fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE
