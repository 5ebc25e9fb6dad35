"""Every state, reached by a real handshake, against everything that it does not expect.

The states are the subclasses of State; what each accepts is data, so the tests enumerate all pairs of state and
message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    FATAL,
    HANDSHAKE,
    HANDSHAKE_TYPES,
    HELLO_REQUEST,
    NEW_SESSION_TICKET,
    TLS12,
    TLS13,
    UNEXPECTED_MESSAGE,
    WARNING,
)
from puretls._crypto.groups import SECP256R1
from puretls._engine import (
    client12,
    client13,
    established,
    handshake12,
    server12,
    server13,
    server_hello,
    server_start,
)
from puretls._engine.config import OP_NO_TICKET, Credential
from puretls._engine.handshake import Failed, Parked, State
from puretls._engine.policy import CERT_OPTIONAL, CERT_REQUIRED
from puretls._record.protection import NullOpener
from support.pair import (
    CLIENT,
    SERVER,
    Pair,
    Side,
    alert,
    client_config,
    identity,
    inject,
    message,
    record,
    remote_key,
    sealed,
    server_config,
    stays_dead,
    store,
    suite,
)

# How each state is reached

Reach = Callable[[], Pair]


def thirteen(client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **more: Any) -> Pair:
    return Pair(client_config(**(client or {})), server_config(**(server or {})), each=True, **more)


def twelve(client: dict[str, Any] | None = None, server: dict[str, Any] | None = None, **more: Any) -> Pair:
    old = {"versions": (TLS12,)}
    return Pair(client_config(**old, **(client or {})), server_config(**old, **(server or {})), each=True, **more)


def mutual(make: Callable[..., Pair]) -> Pair:
    return make(
        {"credentials": (identity("RSA"),)}, {"verify_mode": CERT_REQUIRED, "store": store("RSA"), "security_level": 0}
    )


def post_handshake() -> Pair:
    return thirteen(
        {"credentials": (identity("RSA"),), "post_handshake_auth": True},
        {"verify_mode": CERT_OPTIONAL, "store": store("RSA"), "post_handshake_auth": True},
    )


def resumed(make: Callable[..., Pair], *, tickets: bool = True) -> Pair:
    first = make(server={} if tickets else {"options": OP_NO_TICKET}).handshake()
    return Pair(first.client.config, first.server.config, session=first.client.session, each=True)


def early() -> Pair:
    """A client that sends early data, which is taken."""
    allowed = {"max_early_data": 1000}
    first = thirteen(allowed, allowed).handshake()
    pair = Pair(first.client.config, first.server.config, session=first.client.session, each=True)
    pair.client.early_wanted = pair.server.early_wanted = True
    return pair


def stapled(kx: str) -> Pair:
    known = identity("RSA")
    credential = Credential(known.ders, known.key, known.public_key, known.kind, ocsp=b"a response")
    return twelve(
        {"suites": (suite(kx),), "request_ocsp": True, "store": store("RSA"), "psk_client": True},
        {"suites": (suite(kx),), "credentials": (credential,), "psk_server": True},
    )


def psk() -> Pair:
    suites = {"suites": (suite("PSK-AES128-GCM-SHA256"),)}
    return twelve(
        {**suites, "psk_client": True, "verify_mode": 0, "check_hostname": False}, {**suites, "psk_server": True}
    )


def renegotiation() -> Pair:
    return twelve()


def parked() -> Pair:
    return thirteen(server={"credentials": (remote_key(),)})


def retried() -> Pair:
    return thirteen(server={"groups": (SECP256R1,)})


REACH: dict[type[State], tuple[str, Reach]] = {
    server_hello.ExpectServerHello: (CLIENT, thirteen),
    server_hello.ExpectServerHelloAgain: (CLIENT, renegotiation),
    client13.ExpectEncryptedExtensions: (CLIENT, thirteen),
    client13.ExpectCertificateOrRequest: (CLIENT, thirteen),
    client13.ExpectCertificate: (CLIENT, lambda: mutual(thirteen)),
    client13.ExpectCertificateVerify: (CLIENT, thirteen),
    client13.ExpectFinished: (CLIENT, thirteen),
    client12.ExpectCertificate: (CLIENT, twelve),
    client12.ExpectKeyExchange: (CLIENT, twelve),
    client12.ExpectHelloDone: (CLIENT, twelve),
    client12.ExpectHintOrDone: (CLIENT, psk),
    client12.ExpectStatusOrExchange: (CLIENT, lambda: stapled("ECDHE-RSA-AES128-GCM-SHA256")),
    client12.ExpectStatusOrDone: (CLIENT, lambda: stapled("AES128-GCM-SHA256")),
    client12.ExpectStatusHintOrDone: (CLIENT, lambda: stapled("RSA-PSK-AES128-GCM-SHA256")),
    client12.ExpectTicket: (CLIENT, twelve),
    client12.ExpectChangeCipherSpec: (CLIENT, lambda: resumed(twelve)),
    client12.ExpectFinished: (CLIENT, twelve),
    server_start.ExpectClientHello: (SERVER, thirteen),
    server13.ExpectSecondClientHello: (SERVER, retried),
    server13.ExpectEndOfEarlyData: (SERVER, early),
    server13.ExpectCertificate: (SERVER, lambda: mutual(thirteen)),
    server13.ExpectCertificateVerify: (SERVER, lambda: mutual(thirteen)),
    server13.ExpectFinished: (SERVER, thirteen),
    server12.ExpectCertificate: (SERVER, lambda: mutual(twelve)),
    server12.ExpectKeyExchange: (SERVER, twelve),
    server12.ExpectCertificateVerify: (SERVER, lambda: mutual(twelve)),
    server12.ExpectChangeCipherSpec: (SERVER, twelve),
    server12.ExpectFinished: (SERVER, twelve),
    established.Established13: (CLIENT, thirteen),
    handshake12.Established12: (CLIENT, twelve),
    established.ExpectPostCertificateVerify: (SERVER, post_handshake),
    established.ExpectPostFinished: (SERVER, post_handshake),
    Parked: (SERVER, parked),
}
# The same state seen from the other side, and by other ways
ALSO: list[tuple[type[State], str, Reach]] = [
    (established.Established13, SERVER, thirteen),
    (handshake12.Established12, SERVER, twelve),
    (server_hello.ExpectServerHello, CLIENT, retried),
    (client13.ExpectFinished, CLIENT, lambda: resumed(thirteen)),
    (server13.ExpectFinished, SERVER, lambda: resumed(thirteen)),
    (server_hello.ExpectServerHello, CLIENT, early),
    (client13.ExpectEncryptedExtensions, CLIENT, early),
    (client13.ExpectFinished, CLIENT, early),
    (server13.ExpectFinished, SERVER, early),
    (client12.ExpectFinished, CLIENT, lambda: resumed(twelve)),
    (client12.ExpectChangeCipherSpec, CLIENT, lambda: resumed(twelve, tickets=False)),
    (server12.ExpectChangeCipherSpec, SERVER, lambda: resumed(twelve)),
    (server12.ExpectFinished, SERVER, lambda: resumed(twelve, tickets=False)),
]
EVERY = [(state, *how) for state, how in REACH.items()] + ALSO
WAYS = [
    pytest.param(*way, id=f"{way[1]}-{way[0].__module__.rsplit('.', 1)[-1]}-{way[0].__name__}")
    for way in EVERY
    if way[0] is not Parked  # which does not look at what arrives; see the last test
]


def concrete(of: type[State] = State) -> Iterator[type[State]]:
    """All states that a connection can be in."""
    for child in of.__subclasses__():
        yield from concrete(child)
        if not child.__name__.startswith("_") and child not in {established.Established, Failed}:
            yield child


def test_every_state_is_reached_here():
    assert {state for state in concrete() if state.__module__.startswith("puretls.")} == set(REACH)


def test_states_inherit_from_one_class_and_hide_nothing_in_functions():
    """What a state does is read in one place: no second base, and no attribute of a function."""
    for state in concrete():
        assert len(state.__bases__) == 1, state
        for name, method in vars(state).items():
            assert not getattr(method, "__dict__", None), f"{state.__name__}.{name}"


def reach(target: type[State], by: str, make: Reach) -> tuple[Pair, Side]:
    """A pair whose side `by` is in that state, and nothing on its way."""
    pair = make()
    side = getattr(pair, by)
    if target is Parked:
        pair.client.advance()
        side.receive(pair.client.take())
        side.advance()
        return pair, side
    stages: list[Callable[[], None]] = [lambda: None]
    if issubclass(target, established.Established) and target.__name__.startswith("ExpectPost"):
        stages.append(pair.server.request_authentication)
    elif target is server_hello.ExpectServerHelloAgain:
        stages.append(lambda: pair.server.outbound.put(HANDSHAKE, message(HELLO_REQUEST, b"")))
    for begin in stages:
        begin()
        for _ in pair.steps():
            done = begin is stages[-1] and type(side.state) is target
            if done and not (issubclass(target, established.Established) and side.state.accepts_data):
                return pair, side
    assert type(side.state) is target, f"ended in {side.state}"
    return pair, side


# A well-formed message of every kind; which does not matter, as no parser is asked
SAMPLES = {kind: message(kind, bytes(8)) for kind in (*HANDSHAKE_TYPES, 3, 6, 21, 23, 25, 67, 200, 255)}
SENT_BY_OTHERS = {  # accepted in that state, but only of the other role, or after a question
    (established.Established13, CLIENT): {CERTIFICATE},
    (established.Established13, SERVER): {NEW_SESSION_TICKET, CERTIFICATE_REQUEST, CERTIFICATE},
    (handshake12.Established12, CLIENT): {CLIENT_HELLO},
    (handshake12.Established12, SERVER): {HELLO_REQUEST},
}
WELL_FORMED = {
    CERTIFICATE: message(CERTIFICATE, bytes(4)),
    NEW_SESSION_TICKET: message(NEW_SESSION_TICKET, bytes(8) + b"\x00\x00\x01t\x00\x00"),
    CERTIFICATE_REQUEST: message(CERTIFICATE_REQUEST, b"\x01c\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03"),
    HELLO_REQUEST: message(HELLO_REQUEST, b""),
}


def check_refused(pair: Pair, side: Side, kind: int, data: bytes, *allowed: faults.Fault) -> None:
    """The record is refused, the peer is told, nothing was delivered and nothing follows."""
    with pytest.raises(Abort) as caught:
        inject(pair, side, kind, data)
    assert caught.value.fault in allowed
    assert side.control[-1] == (ALERT, bytes((FATAL, caught.value.fault.alert)))
    assert not side.inbound.plain
    stays_dead(side, caught.value.fault)
    assert side.take()


@pytest.mark.parametrize(("state", "by", "make"), WAYS)
def test_a_state_refuses_what_it_does_not_expect(state, by, make):
    foreign = SENT_BY_OTHERS.get((state, by), set())
    for kind in (SAMPLES.keys() - state.expects.keys()) | foreign:
        pair, side = reach(state, by, make)
        sample = WELL_FORMED[kind] if kind in foreign and kind in WELL_FORMED else SAMPLES[kind]
        if kind in foreign and kind == CLIENT_HELLO:
            other = Pair()
            other.client.advance()
            sample = other.client.take()[5:]
        check_refused(pair, side, HANDSHAKE, sample, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


STRAYS = faults.UNEXPECTED_HANDSHAKE_MESSAGE, faults.UNEXPECTED_RECORD, faults.DATA_BETWEEN_CCS_AND_FINISHED


@pytest.mark.parametrize(("state", "by", "make"), WAYS)
def test_a_state_refuses_other_records(state, by, make):
    tls13 = reach(state, by, make)[1].version == TLS13
    begun = reach(state, by, make)[1].version != 0
    protected = not isinstance(reach(state, by, make)[1].inbound.opener, NullOpener)
    if not state.accepts_data and not state.takes_early_data:
        pair, side = reach(state, by, make)
        check_refused(pair, side, APPLICATION_DATA, b"x", *STRAYS)
    if state is not client12.ExpectChangeCipherSpec and state is not server12.ExpectChangeCipherSpec:
        pair, side = reach(state, by, make)
        if (tls13 and protected) or (state is not server_hello.ExpectServerHello and not side.inbound.drop_ccs):
            early = faults.CCS_RECEIVED_EARLY, faults.UNEXPECTED_CCS_MESSAGE, faults.BAD_RECORD_TYPE
            check_refused(pair, side, CHANGE_CIPHER_SPEC, b"\x01", *early, *STRAYS)
    else:
        pair, side = reach(state, by, make)
        check_refused(pair, side, CHANGE_CIPHER_SPEC, b"\x02", faults.BAD_CHANGE_CIPHER_SPEC)
        pair, side = reach(state, by, make)
        check_refused(pair, side, CHANGE_CIPHER_SPEC, b"\x01\x01", faults.BAD_CHANGE_CIPHER_SPEC)
    for kind in (HANDSHAKE, ALERT):
        pair, side = reach(state, by, make)
        check_refused(pair, side, kind, b"", faults.UNEXPECTED_RECORD, faults.EMPTY_RECORD, faults.MALFORMED_ALERT)
    pair, side = reach(state, by, make)
    check_refused(pair, side, ALERT, b"\x02", faults.MALFORMED_ALERT)
    pair, side = reach(state, by, make)
    check_refused(pair, side, ALERT, b"\x02\x28\x02\x28", faults.MALFORMED_ALERT)
    if begun:
        pair, side = reach(state, by, make)
        check_refused(pair, side, 24, b"x", faults.BAD_RECORD_TYPE if tls13 else faults.UNEXPECTED_RECORD)
    # a record of another kind between the parts of a message (RFC 8446 5.1)
    pair, side = reach(state, by, make)
    inject(pair, side, HANDSHAKE, SAMPLES[20][:5])
    check_refused(pair, side, ALERT, bytes((WARNING, 0)), faults.MIXED_RECORDS)


@pytest.mark.parametrize(("state", "by", "make"), WAYS)
def test_a_fatal_alert_ends_every_state(state, by, make):
    pair, side = reach(state, by, make)
    side.take()
    with pytest.raises(Abort) as caught:
        inject(pair, side, *alert(40))
    assert caught.value.fault == faults.received(40)
    stays_dead(side, caught.value.fault)
    assert not side.take()


@pytest.mark.parametrize(("state", "by", "make"), WAYS)
def test_a_cut_stream_is_neither_success_nor_crash(state, by, make):
    """Half a message and half a record wait for the rest, which never comes."""
    for data in (SAMPLES[20][:3], SAMPLES[20][:7]):
        pair, side = reach(state, by, make)
        before, done = type(side.state), side.established
        inject(pair, side, HANDSHAKE, data)
        side.receive(sealed(side, pair.other(side), HANDSHAKE, SAMPLES[20])[:-1])
        side.advance()
        assert (type(side.state), side.established) == (before, done)


@pytest.mark.parametrize(("state", "by", "make"), WAYS)
def test_protection_once_begun_is_not_left(state, by, make):
    _, side = reach(state, by, make)
    if isinstance(side.inbound.opener, NullOpener):
        return
    for kind in (HANDSHAKE, APPLICATION_DATA, ALERT):
        _, side = reach(state, by, make)
        if kind == ALERT and side.inbound.allow_plain_alert:
            continue
        side.receive(record(kind, b"\x02\x28" if kind == ALERT else SAMPLES[20], min(side.version, TLS12)))
        with pytest.raises(Abort) as caught:
            side.advance()
        assert caught.value.fault in {faults.DECRYPTION_FAILED, faults.BAD_RECORD_TYPE}
        assert caught.value.fault.alert in {20, UNEXPECTED_MESSAGE}
        stays_dead(side, caught.value.fault)


def test_a_parked_state_leaves_the_wire_alone():
    pair, side = reach(*EVERY[list(REACH).index(Parked)])
    request = side.request
    side.receive(record(HANDSHAKE, SAMPLES[20]))
    side.advance()
    assert side.request is request is not None
    assert not side.failure
    with pytest.raises(Abort) as caught:  # what came too early is looked at when the answer is there
        pair.advance(side)
    assert caught.value.fault is faults.BAD_RECORD_TYPE


@pytest.mark.parametrize(("state", "by", "make"), WAYS)
def test_close_notify_in_every_state(state, by, make):
    """RFC 8446 6.1: nothing that follows is looked at, and a handshake that it interrupts is not done."""
    pair, side = reach(state, by, make)
    done = side.established
    inject(pair, side, ALERT, bytes((WARNING, 0)))
    assert side.close_received
    side.receive(record(HANDSHAKE, SAMPLES[20]))
    side.advance()
    assert (side.established, side.failure) == (done, None)
    assert not side.inbound.plain
