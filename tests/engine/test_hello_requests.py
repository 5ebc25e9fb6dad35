"""HelloRequest (RFC 5246 7.4.1.1): behind Finished it begins a renegotiation, during a handshake it is ignored."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

import pytest

import puretls
from puretls._base import faults
from puretls._base.registry import HANDSHAKE, TLS12, TLS13
from puretls._wire.messages12 import HELLO_REQUEST
from support.crooked import Meeting, client_meets
from support.joined12 import twelve
from support.pair import CLIENT, Pair, after, before, client_config, message, server_config

FLIGHT = ["ServerHello", "Certificate", "ServerKeyExchange", "ServerHelloDone", "Finished"]


def lenient(tls: Any) -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, tls.CERT_NONE
    return context


def asks_at_once(context: Any, **config: Any) -> Meeting:
    """A TLS 1.2 server with HelloRequest in the record of its Finished."""
    return client_meets(
        context, lambda engine: engine.wire.update(Finished=after(HELLO_REQUEST)), versions=(TLS12,), **config
    )


@pytest.mark.parametrize("tls", [puretls, ssl], ids=["puretls", "ssl"])
def test_a_request_in_the_record_of_finished(tls):
    """read() answers it, with nothing more from the server."""
    meeting = asks_at_once(lenient(tls))
    while not meeting.tls.done:
        meeting.tls.shake()
        meeting.move()
    assert not meeting.tls.outgoing.read()
    meeting.tls.step(lambda: meeting.tls.obj.read(100))
    assert meeting.tls.error is None
    sent = meeting.tls.outgoing.read()
    assert sent[0] == HANDSHAKE
    assert len(sent) > 200, "that is no ClientHello"


@pytest.mark.parametrize("timeout", [None, 10.0, 0.0])
def test_a_request_in_the_record_of_finished_over_a_socket(timeout):
    engine = asks_at_once(lenient(puretls)).engine
    ours, theirs = socket.socketpair()
    answers: list[bytes] = []

    def serve() -> None:
        theirs.settimeout(3)
        with theirs:
            while not engine.established:
                engine.receive(theirs.recv(65536))
                engine.advance()
                theirs.sendall(engine.take())
            with suppress(TimeoutError):
                answers.append(theirs.recv(65536))

    thread = threading.Thread(target=serve)
    thread.start()
    ours.settimeout(10)
    with lenient(puretls).wrap_socket(ours) as client:
        client.settimeout(timeout)
        with suppress(OSError):
            client.read(10)
        thread.join()
    assert answers
    assert answers[0][0] == HANDSHAKE


def test_pending_sees_a_request_in_the_record_of_finished():
    """Programs that ask it before they wait for the socket are not kept waiting either."""
    meeting = asks_at_once(lenient(puretls))
    while not meeting.tls.done:
        meeting.tls.shake()
        meeting.move()
    assert not meeting.tls.obj.pending()
    meeting.tls.step(lambda: meeting.tls.obj.read(100))
    assert meeting.tls.outgoing.read()


@pytest.mark.parametrize("name", FLIGHT)
@pytest.mark.parametrize("versions", [(TLS12,), (TLS13, TLS12)])
def test_a_request_during_a_handshake_is_ignored(name, versions):
    """And it is no part of the transcript."""
    pair = twelve(client={"versions": versions}, server={"versions": (TLS12,)})
    pair.server.wire[name] = before(HELLO_REQUEST)
    pair.handshake().echo()


def test_requests_during_a_handshake_are_counted():
    pair = twelve()
    pair.server.wire["ServerHello"] = before(*[HELLO_REQUEST] * 32)
    pair.handshake().echo()
    pair = twelve()
    pair.server.wire["ServerHello"] = before(*[HELLO_REQUEST] * 33)
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (CLIENT, 10)


@pytest.mark.parametrize("name", ["ServerHello", "EncryptedExtensions", "Certificate", "Finished"])
def test_tls13_knows_no_such_message(name):
    """RFC 8446 4: a reserved type is unexpected; so it is for a client that has nothing but TLS 1.3."""
    pair = Pair(client_config(versions=(TLS13,)), server_config())
    pair.server.wire[name] = before(HELLO_REQUEST)
    refused = pair.refusal()
    assert (refused.by, refused.fault) == (CLIENT, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


@pytest.mark.parametrize("raw", [message(0, b"x"), HELLO_REQUEST])
def test_a_client_sends_none(raw):
    for name in ("ClientHello", "ClientKeyExchange", "Finished"):
        pair = twelve()
        pair.client.wire[name] = before(raw)
        assert pair.refusal().fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE


def test_a_malformed_request_is_none():
    pair = twelve()
    pair.server.wire["Certificate"] = before(message(0, b"x"))
    refused = pair.refusal()
    assert refused.by == CLIENT
    assert refused.fault.alert in {10, 50}
