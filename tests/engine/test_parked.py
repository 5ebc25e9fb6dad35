"""Handshakes that wait for an answer from outside, of each kind: given at once, late, twice, refused, after the end.

Nothing but the answer to the request that is open goes on with a handshake, and nothing of one stays behind.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._engine.config import OP_NO_TICKET, Credential
from puretls._engine.connection import Connection
from puretls._engine.handshake import Handshake, Parked
from puretls._engine.policy import CERT_NONE, CERT_REQUIRED
from puretls._engine.requests import (
    AlpnRequest,
    ClientHelloRequest,
    FirstRequest,
    IssuerRequest,
    KeepRequest,
    PskClientRequest,
    PskServerRequest,
    RecallRequest,
    Request,
    SignRequest,
    VerifyRequest,
)
from puretls._engine.sessions import SessionManager
from puretls._x509 import issuers
from puretls._x509.store import Store
from support import pki as ca
from support.joined12 import BASE
from support.pair import (
    HOST,
    NOW,
    Pair,
    Side,
    client_config,
    remote_key,
    server_config,
    standard_answer,
    store,
    suite,
)

PSK12 = {"versions": (TLS12,), "suites": (suite("PSK-AES128-GCM-SHA256"),)}
ANYBODY = {"verify_mode": CERT_NONE, "check_hostname": False}


def choosing() -> Pair:
    return Pair(client_config(), server_config(choose_context=True))


def psk13() -> Pair:
    return Pair(
        client_config(psk_client=True), server_config(psk_server=True), answers={PskClientRequest: (b"i", b"k")}
    )


def psk12() -> Pair:
    client = client_config(psk_client=True, **ANYBODY, **PSK12)
    answers = {PskClientRequest: (b"i", b"k"), PskServerRequest: b"k"}
    return Pair(client, server_config(psk_server=True, **PSK12), answers=answers)


def judging(version: int, **more: Any) -> Pair:
    pair = Pair(client_config(versions=(version,), judge=len, **more))
    pair.answers[VerifyRequest] = None
    return pair


def choosing_protocols(version: int) -> Pair:
    pair = Pair(client_config(versions=(version,), alpn=(b"h2", b"h3")), server_config(alpn_select=len))
    pair.answers[AlpnRequest] = b"h3"
    return pair


def fetching(version: int) -> Pair:
    """The server sends its own certificate only, which says where its issuer's is."""
    dates = {"not_before": NOW - 3600, "not_after": NOW + 86400}
    root = ca.ca("CN=Root", private=ca.key("p256", 1), **dates)
    between = ca.ca("CN=Between", root, private=ca.key("p256", 2), **dates)
    place = ca.seq(ca.seq(ca.oid(issuers.CA_ISSUERS), ca.tlv(0x86, b"http://ca.test/between")))
    leaf = ca.leaf(HOST, between, extensions={"1.3.6.1.5.5.7.1.1": (False, place)}, **dates)
    trusting = Store()
    trusting.add_der(root.der)
    own = Credential([leaf.der], leaf.key, leaf.key.public_key(), "EC")
    pair = Pair(client_config(versions=(version,), store=trusting, aia=len), server_config(credentials=(own,)))
    pair.answers[IssuerRequest] = between.der
    return pair


def keeping(version: int, *, again: bool = False) -> Pair:
    """The server's sessions are in a store outside; `again`: there is one, and the client offers it."""
    sessions, kept = SessionManager(), dict[bytes, bytes]()
    sessions.store = kept
    both = client_config(versions=(version,)), server_config(sessions=sessions, options=BASE | OP_NO_TICKET)

    def keep(_: Side, request: KeepRequest) -> bool:
        kept.update({name: value for name, value, _ in request.entries})
        return True

    answers = {KeepRequest: keep, RecallRequest: lambda _, request: kept.get(request.id)}
    pair = Pair(*both, answers=answers)
    return Pair(*both, answers=answers, session=pair.handshake().client.session) if again else pair


def once() -> Pair:
    """Tickets are good once, and somebody outside knows which have been used."""
    sessions = SessionManager()
    sessions.single_use = len
    both = client_config(), server_config(sessions=sessions)
    session = Pair(*both).handshake().client.session
    return Pair(*both, session=session, answers={FirstRequest: True})


def signing(version: int, *, mutual: bool = False) -> Pair:
    changes: dict[str, Any] = {"credentials": (remote_key(),)} if not mutual else {}
    if mutual:
        changes = {"verify_mode": CERT_REQUIRED, "store": store()}
    own = {"credentials": (remote_key(),)} if mutual else {}
    return Pair(client_config(versions=(version,), **own), server_config(**changes))


WAITING: dict[str, tuple[Callable[[], Pair], type[Request]]] = {
    "a choice of contexts": (choosing, ClientHelloRequest),
    "a client's PSK, 1.3": (psk13, PskClientRequest),
    "a client's PSK, 1.2": (psk12, PskClientRequest),
    "a server's PSK, 1.3": (psk13, PskServerRequest),
    "a server's PSK, 1.2": (psk12, PskServerRequest),
    "a server's signature, 1.3": (lambda: signing(TLS13), SignRequest),
    "a server's signature, 1.2": (lambda: signing(TLS12), SignRequest),
    "a client's signature, 1.3": (lambda: signing(TLS13, mutual=True), SignRequest),
    "a client's signature, 1.2": (lambda: signing(TLS12, mutual=True), SignRequest),
    "a protocol, 1.3": (lambda: choosing_protocols(TLS13), AlpnRequest),
    "a protocol, 1.2": (lambda: choosing_protocols(TLS12), AlpnRequest),
    "an issuer, 1.3": (lambda: fetching(TLS13), IssuerRequest),
    "an issuer, 1.2": (lambda: fetching(TLS12), IssuerRequest),
    "a session to keep, 1.3": (lambda: keeping(TLS13), KeepRequest),
    "a session to keep, 1.2": (lambda: keeping(TLS12), KeepRequest),
    "a session to recall, 1.3": (lambda: keeping(TLS13, again=True), RecallRequest),
    "a session to recall, 1.2": (lambda: keeping(TLS12, again=True), RecallRequest),
    "a ticket that is good once": (once, FirstRequest),
    "a judge, 1.3": (lambda: judging(TLS13), VerifyRequest),
    "a judge, 1.2": (lambda: judging(TLS12), VerifyRequest),
    "a judge in place of path building": (lambda: judging(TLS13, path_judge=len), VerifyRequest),
}
DENIED = faults.CALLBACK_FAILED._replace(alert=registry.ACCESS_DENIED)
EACH = pytest.mark.parametrize("name", WAITING)


def test_every_request_is_here() -> None:
    assert set(Request.__subclasses__()) == {kind for _, kind in WAITING.values()}


def answer_of(pair: Pair, side: Side) -> Any:
    """What the test answers the open request with."""
    request = side.request
    answer = pair.answers.get(type(request), standard_answer)
    return answer(side, request) if callable(answer) else answer


class Reached(Exception):
    """The handshake waits where the test wants it."""


def waiting(name: str) -> tuple[Pair, Any]:
    """Both sides, and the one that waits."""
    make, kind = WAITING[name]
    pair = make()
    usual = pair.answers.get(kind, standard_answer)

    def stop(side: Any, _: Request) -> Any:
        raise Reached(side)

    pair.answers[kind] = stop
    try:
        pair.advance(pair.client)
        for sender in (pair.client, pair.server) * 3:  # whole flights, so that nothing is lost
            receiver = pair.other(sender)
            receiver.receive(sender.take())
            pair.advance(receiver)
    except Reached as reached:
        pair.answers[kind] = usual
        return pair, reached.args[0]
    raise AssertionError("nobody has waited")


@EACH
def test_answered_at_once(name: str) -> None:
    make, kind = WAITING[name]
    pair, asked = make(), []
    usual = pair.answers.get(kind, standard_answer)

    def answer(side: Any, request: Request) -> Any:
        asked.append(type(request))
        return usual(side, request) if callable(usual) else usual

    pair.answers[kind] = answer
    pair.handshake().echo()
    assert asked[0] is kind


@EACH
def test_answered_late(name: str) -> None:
    """Until then nothing more is looked at, and nothing is said."""
    pair, side = waiting(name)
    request = side.request
    said = side.take()
    pair.other(side).receive(said)
    for _ in range(3):
        side.advance()
        assert side.request is request
        assert not side.has_data_to_send
    side.resume(request, answer_of(pair, side))
    assert side.request is not request
    pair.handshake().echo()


@EACH
def test_only_the_request_that_is_open_is_answered(name: str) -> None:
    """Answering another, or the same one twice, is the caller's mistake; the connection goes on."""
    pair, side = waiting(name)
    request, answer = side.request, answer_of(pair, side)
    for wrong in (None, Request(), PskClientRequest(None)):
        with pytest.raises(ValueError, match="this request"):
            side.resume(wrong, answer)
        with pytest.raises(ValueError, match="this request"):
            side.refuse(wrong, KeyError())
        assert side.request is request
    side.resume(request, answer)
    with pytest.raises(ValueError, match="this request"):
        side.resume(request, answer)
    with pytest.raises(ValueError, match="this request"):
        side.refuse(request, KeyError())
    assert side.failure is None


@EACH
@pytest.mark.parametrize("error", [KeyError("x"), Abort(DENIED), KeyboardInterrupt()], ids=lambda e: type(e).__name__)
def test_refused(name: str, error: BaseException) -> None:
    """The peer is told once, and no answer goes on with the handshake any more."""
    pair, side = waiting(name)
    request, answer = side.request, answer_of(pair, side)
    side.take()
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else Abort
    with pytest.raises(expected) as caught:
        side.refuse(request, error)
    if expected is Abort:
        fault = caught.value.fault
        assert fault.alert == (registry.ACCESS_DENIED if error is caught.value else registry.INTERNAL_ERROR)
        assert error in (caught.value, caught.value.__cause__)
    assert side.failure
    assert side.request is None
    told = side.take()
    assert told
    for call in (lambda: side.resume(request, answer), lambda: side.refuse(request, KeyError()), side.advance):
        with pytest.raises(Abort):
            call()
    assert not side.take()


@EACH
def test_answered_after_the_failure(name: str) -> None:
    """The connection has ended meanwhile, for another reason: that is what the answer meets."""
    pair, side = waiting(name)
    request, answer = side.request, answer_of(pair, side)
    side.fail(faults.INTERNAL, "as a test will have it")
    for call in (lambda: side.resume(request, answer), lambda: side.refuse(request, KeyError())):
        with pytest.raises(Abort) as caught:
            call()
        assert (caught.value.fault, caught.value.detail) == (faults.INTERNAL, "as a test will have it")


# What stays behind


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(*numbers: int) -> set[int]:
    kinds = Connection, Handshake, Parked
    return {id(one) for one in gc.get_objects() if isinstance(one, kinds)}.intersection(numbers)


def parts(side: Any) -> list[int]:
    return [id(side), id(side.handshake), id(side.state)]


def let_go(pair: Pair) -> None:
    """Of what a test's pair holds besides its sides."""
    pair.answers.clear()
    pair.client.clock = pair.server.clock = float  # not the pair's own


def leave(pair: Pair, side: Any) -> None:
    """Nobody goes on with it: it does not wait for the collector, or whoever leaves early could fill the memory."""


def finish(pair: Pair, side: Any) -> None:
    side.resume(side.request, answer_of(pair, side))
    pair.handshake()


def refuse(_: Pair, side: Any) -> None:
    with pytest.raises(Abort):
        side.refuse(side.request, Abort(DENIED))


def fail(_: Pair, side: Any) -> None:
    side.fail(faults.INTERNAL)


@EACH
@pytest.mark.parametrize("end", [leave, finish, refuse, fail])
@pytest.mark.usefixtures("no_collector")
def test_freed_without_the_collector(name: str, end: Callable[[Pair, Any], None]) -> None:
    pair, side = waiting(name)
    numbers = parts(side)
    end(pair, side)
    let_go(pair)
    del pair, side
    assert not alive(*numbers)


@EACH
@pytest.mark.usefixtures("no_collector")
def test_the_handler_goes_with_the_failure(name: str) -> None:
    """What waits in it may be secret."""
    pair, side = waiting(name)
    parked, script = id(side.state), id(side.state.script)
    side.fail(faults.INTERNAL)
    assert not alive(parked)
    assert script not in {id(one) for one in gc.get_objects()}
    del pair


def test_an_answer_that_nobody_waits_for() -> None:
    pair = Pair()
    for _ in range(2):
        for side in (pair.client, pair.server):
            with pytest.raises(ValueError, match="this request"):
                side.resume(PskClientRequest(None), None)
        pair.handshake()
    pair.echo()
