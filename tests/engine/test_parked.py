"""Handshakes that wait for an answer from outside: `resume` gives it, and a wrong call of it changes nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pair import (
    Pair,
    client_config,
    remote_key,
    server_config,
    store,
    suite,
)
from puretls._base.registry import TLS12, TLS13
from puretls._engine.connection import Connection
from puretls._engine.policy import CERT_NONE, CERT_REQUIRED
from puretls._engine.requests import ClientHelloRequest, PskClientRequest, PskServerRequest, Request, SignRequest

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
    return Pair(client, server_config(psk_server=True, **PSK12), answers={PskClientRequest: (b"i", b"k")})


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
}
EACH = pytest.mark.parametrize("name", WAITING)


class Reached(Exception):
    """The handshake waits where the test wants it."""


def waiting(name: str) -> tuple[Pair, Any]:
    """Both sides, and the one that waits."""
    make, kind = WAITING[name]
    pair = make()

    def stop(side: Any, _: Request) -> Any:
        raise Reached(side)

    pair.answers[kind] = stop
    try:
        pair.run()
    except Reached as reached:
        return pair, reached.args[0]
    raise AssertionError("nobody has waited")


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@EACH
@pytest.mark.usefixtures("no_collector")
def test_a_handshake_that_nobody_goes_on_with_is_gone_with_its_last_user(name: str) -> None:
    """It does not wait for the cycle collector: whoever leaves in the middle would be a way to fill the memory."""
    pair, side = waiting(name)
    assert side.request is not None
    number = id(side)
    pair.answers.clear()
    pair.client.clock = pair.server.clock = float  # not the pair's own
    del pair, side
    assert number not in {id(one) for one in gc.get_objects() if isinstance(one, Connection)}


def test_an_answer_that_nobody_waits_for() -> None:
    """It is the caller's mistake; the connection goes on."""
    pair = Pair()
    for side in (pair.client, pair.server):
        with pytest.raises(ValueError, match="nothing"):
            side.resume(None)
    pair.handshake()
    for side in (pair.client, pair.server):
        with pytest.raises(ValueError, match="nothing"):
            side.resume(None)
    pair.echo()
