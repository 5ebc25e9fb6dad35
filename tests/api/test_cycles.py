"""Connections go with their last reference, whatever their callbacks did: none waits for the cycle collector.

A server whose callbacks raise, because a peer can make them, would otherwise hold each such connection, its keys and
its buffers, until the collector comes by.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

import puretls
from support import Pki
from support.bios import ObjectPair, join
from support.ours import client_context, server_context


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No collector, and callbacks' errors go nowhere."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def boom(*_: object) -> NoReturn:
    raise RuntimeError("boom")


def sni(callback: Callable[..., Any]) -> Callable[[Any, Any], None]:
    def prepare(_: Any, server: Any) -> None:
        server.sni_callback = callback

    return prepare


def servername(_: Any, server: Any) -> None:
    server.set_servername_callback(boom)


def messages_of(side: int) -> Callable[[Any, Any], None]:
    def prepare(*contexts: Any) -> None:
        contexts[side]._msg_callback = boom

    return prepare


def with_psk(*contexts: Any) -> None:
    for context in contexts:
        context.set_ciphers("PSK:ECDHE-PSK")


def psk_client(client: Any, server: Any) -> None:
    with_psk(client, server)
    client.set_psk_client_callback(boom)
    server.set_psk_server_callback(lambda _: b"key" * 8)


def psk_client_rubbish(client: Any, server: Any) -> None:
    with_psk(client, server)
    client.set_psk_client_callback(lambda _: 5)
    server.set_psk_server_callback(lambda _: b"key" * 8)


def psk_server(client: Any, server: Any) -> None:
    with_psk(client, server)
    client.set_psk_client_callback(lambda _: ("me", b"key" * 8))
    server.set_psk_server_callback(boom)


CASES: dict[str, Callable[[Any, Any], None]] = {
    "nothing": lambda *_: None,
    "sni raises": sni(boom),
    "sni returns rubbish": sni(lambda *_: "x"),
    "sni refuses": sni(lambda *_: 112),
    "sni switches": sni(lambda conn, _, context: setattr(conn, "context", context)),
    "servername raises": servername,
    "messages of the client": messages_of(0),
    "messages of the server": messages_of(1),
    "psk of the client": psk_client,
    "psk of the client is rubbish": psk_client_rubbish,
    "psk of the server": psk_server,
}


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("prepare", CASES.values(), ids=CASES)
def test_who_called_back_is_gone_at_once(pki: Pki, version: str, prepare: Callable[[Any, Any], None]) -> None:
    client, server = client_context(puretls, pki), server_context(puretls, pki)
    client.maximum_version = getattr(puretls.TLSVersion, version)
    prepare(client, server)
    pair = join(client, server).shake()
    left = watch(pair)
    del pair
    assert not [name for name, ref in left.items() if ref() is not None]


def watch(pair: ObjectPair) -> dict[str, weakref.ref[Any]]:
    found = {}
    for side in (pair.client, pair.server):
        side.error = None  # its traceback leads to this very side
        for name, thing in (("object", side.obj), ("connection", side.obj._sslobj)):
            found[f"the {side.name}'s {name}"] = weakref.ref(thing)
    return found
