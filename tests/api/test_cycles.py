"""Connections go with their last reference, whatever their callbacks did: none waits for the cycle collector.

A server whose callbacks raise, because a peer can make them, would otherwise hold each such connection, its keys and
its buffers, until the collector comes by.
"""

from __future__ import annotations

import gc
import sys
import weakref
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, NoReturn

import pytest

import puretls
from puretls.cli.certs import Authority
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


def later(*_: object) -> Future[Any]:
    answer: Future[Any] = Future()
    answer.set_exception(RuntimeError("boom"))
    return answer


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


def client(**settings: Any) -> Callable[[Any, Any], None]:
    def prepare(client: Any, _: Any) -> None:
        for name, value in settings.items():
            setattr(client, name, value)

    return prepare


def server(**settings: Any) -> Callable[[Any, Any], None]:
    def prepare(client: Any, server: Any) -> None:
        client.request_ocsp = client.request_sct = True
        client.set_alpn_protocols(["h2"])
        for name, value in settings.items():
            setattr(server, name, value)

    return prepare


def called(name: str, side: int, callback: Any) -> Callable[[Any, Any], None]:
    """What is set by a method."""

    def prepare(*contexts: Any) -> None:
        contexts[0].set_alpn_protocols(["h2"])
        getattr(contexts[side], name)(callback)

    return prepare


class Failing:
    """A store, a judge of tickets or a cache of which each method raises."""

    put = get = take = first = refresh = boom


class Unsigned:
    """A key elsewhere that cannot be reached."""

    def __init__(self, key: Any) -> None:
        self.public_key = key.public_key

    sign = boom


def compressed(compress: Any, decompress: Any) -> Callable[[Any, Any], None]:
    def prepare(client: Any, server: Any) -> None:
        client.add_cert_compression(65000, None, decompress)
        server.add_cert_compression(65000, compress, lambda data, _: data)

    return prepare


def with_a_key_elsewhere(_: Any, server: Any) -> None:
    identity = SIGNER.issue("localhost")
    server.load_cert_chain(identity.chain_pem, Unsigned(identity.key))


def with_raw_keys(trusted: bool) -> Callable[[Any, Any], None]:
    def prepare(client: Any, server: Any) -> None:
        client.check_hostname = False
        client.server_certificate_types = ["raw"]
        key = SIGNER.issue("localhost").key
        server.load_raw_public_key(key)
        client.set_trusted_public_keys([key if trusted else SIGNER.key])

    return prepare


def encrypted(accepted: bool) -> Callable[[Any, Any], None]:
    def prepare(client: Any, server: Any) -> None:
        keys = [puretls.ECHKey(*puretls.make_ech_config("localhost", config_id=7)) for _ in range(2)]
        server.set_ech_keys(keys[:1])
        client.set_ech_config(keys[not accepted].config.config_list)

    return prepare


def stored(_: Any, server: Any) -> None:
    server.set_ticket_secret(bytes(32))
    server.session_store = Failing()
    server.single_use_tickets = Failing()
    server.options |= puretls.OP_NO_TICKET


SIGNER = Authority("cycles")
LOGS = puretls.CTLogs.from_json({"version": "1.0", "log_list_timestamp": "2099-01-01T00:00:00Z", "operators": []})
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
    "verify_callback raises": client(verify_callback=boom),
    "verify_callback returns rubbish": client(verify_callback=lambda *_: "x"),
    "verify_callback refuses": client(verify_callback=lambda *_: 46),
    "verify_callback fails later": client(verify_callback=later),
    "who verifies raises": called("set_cert_verify_callback", 0, boom),
    "who verifies returns rubbish": called("set_cert_verify_callback", 0, lambda *_: "x"),
    "who verifies fails later": called("set_cert_verify_callback", 0, later),
    "who chooses the protocol raises": called("set_alpn_select_callback", 1, boom),
    "who chooses the protocol returns rubbish": called("set_alpn_select_callback", 1, lambda *_: 5),
    "ocsp_response raises": server(ocsp_response=boom),
    "ocsp_response returns rubbish": server(ocsp_response=lambda _: "x"),
    "sni fails later": sni(later),
    "compress raises": compressed(boom, lambda data, _: data),
    "compress returns rubbish": compressed(lambda _: "x", lambda data, _: data),
    "decompress raises": compressed(zlib.compress, boom),
    "decompress returns rubbish": compressed(zlib.compress, lambda *_: "x"),
    "a key elsewhere raises": with_a_key_elsewhere,
    "raw keys": with_raw_keys(True),
    "raw keys that are refused": with_raw_keys(False),
    "ECH": encrypted(True),
    "ECH rejected": encrypted(False),
    "a store raises": stored,
    "a cache raises": client(client_session_cache=Failing()),
    "timestamps are demanded": client(ct_policy=puretls.CTPolicy(LOGS)),
    "a response is demanded": client(request_ocsp=True, ocsp_policy=puretls.OCSPPolicy.REQUIRE),
    "the rules of the public web": client(verify_profile="webpki"),
    "nobody is trusted": client(verify_callback=lambda *_: None, verify_flags=puretls.VERIFY_CRL_CHECK_LEAF),
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


# Parked handshakes: what the program has promised has not come, and nobody goes on


def slow_key(promise: Callable[..., Any]) -> Callable[[Any, Any], None]:
    def prepare(_: Any, server: Any) -> None:
        identity = SIGNER.issue("localhost")

        class Slow:
            public_key = identity.key.public_key
            sign = staticmethod(promise)

        server.load_cert_chain(identity.chain_pem, Slow())

    return prepare


def slow_store(promise: Callable[..., Any]) -> Callable[[Any, Any], None]:
    def prepare(_: Any, server: Any) -> None:
        class Slow:
            put = get = take = staticmethod(promise)

        server.session_store = Slow()
        server.options |= puretls.OP_NO_TICKET

    return prepare


PARKED: dict[str, Callable[[Callable[..., Any]], Callable[[Any, Any], None]]] = {
    "verify_callback": lambda promise: client(verify_callback=promise),
    "set_cert_verify_callback": lambda promise: called("set_cert_verify_callback", 0, promise),
    "set_alpn_select_callback": lambda promise: called("set_alpn_select_callback", 1, promise),
    "ocsp_response": lambda promise: server(ocsp_response=promise),
    "sign": slow_key,
    "session_store": slow_store,
}


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("what", PARKED)
def test_a_parked_handshake_goes_with_its_connection(pki: Pki, version: str, what: str) -> None:
    """And the promise is told that nobody waits for it any more."""
    promises: list[Future[Any]] = []

    def promise(*_: object) -> Future[Any]:
        promises.append(Future())
        return promises[-1]

    client, server = client_context(puretls, pki), server_context(puretls, pki)
    client.maximum_version = getattr(puretls.TLSVersion, version)
    PARKED[what](promise)(client, server)
    pair = join(client, server)
    for side in (pair.client, pair.server):
        side.obj.set_waker(lambda: None)
    for _ in range(6):
        for side in (pair.client, pair.server):
            side.step(side.obj.do_handshake)
        if promises:
            break
        pair.move()
    left = watch(pair)
    del pair, side
    assert len(promises) == 1
    assert not [name for name, ref in left.items() if ref() is not None]
    assert promises[0].cancelled()


def watch(pair: ObjectPair) -> dict[str, weakref.ref[Any]]:
    found = {}
    for side in (pair.client, pair.server):
        side.error = None  # its traceback leads to this very side
        for name, thing in (("object", side.obj), ("connection", side.obj._sslobj)):
            found[f"the {side.name}'s {name}"] = weakref.ref(thing)
    return found
