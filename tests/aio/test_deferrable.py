"""Every function of the program that may answer later, in an event loop: one table, and what holds for each row.

A new function that may answer later gets a row here and one in docs/answers.md.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import puretls
from support import PATIENCE, Pki
from support.bios import session_at
from support.wire import Both, Recorder, run, settle

CLIENT, SERVER = 0, 1
Promise = Callable[[Callable[[], Any]], Any]


def slow_key(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    del client

    class Key:
        inside: Any = load_pem_private_key(Path(pki.key("P-256")).read_bytes(), None)
        public_key = inside.public_key

        def sign(self, *what: Any) -> Any:
            return promise(lambda: self.inside.sign(*what))

    server.load_cert_chain(pki.chain("P-256"), Key())


def slow_staple(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    del pki
    client.request_ocsp = True
    server.ocsp_response = lambda _: promise(lambda: None)


def slow_verify(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    del pki, server
    client.verify_callback = lambda *_: promise(lambda: None)


def slow_verify_of_server(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    client.load_cert_chain(pki.chain("client"), pki.key("client"))
    server.verify_mode = 2
    server.verify_callback = lambda *_: promise(lambda: None)


def slow_path(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    del pki, server
    client.set_cert_verify_callback(lambda *_: promise(lambda: None))


def slow_alpn(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    del pki
    client.set_alpn_protocols(["h2"])
    server.set_alpn_select_callback(lambda _, offered: promise(lambda: offered[0]))


def slow_first(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    """The first connection has left a session."""
    del pki
    client.client_session_cache = True
    session_at(client, server)

    class Once:
        def first(self, *_: Any) -> Any:
            return promise(lambda: True)

    server.single_use_tickets = Once()


class SlowStore:
    """Keeps sessions at once, but for what is slow."""

    def __init__(self, slow: str, promise: Promise) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.slow, self.promise = slow, promise

    def _answer(self, name: str, answer: Callable[[], Any]) -> Any:
        return self.promise(answer) if name == self.slow else answer()

    def put(self, key: bytes, value: bytes, _: float) -> Any:
        return self._answer("put", lambda: self.kept.update({key: value}))

    def get(self, key: bytes) -> Any:
        return self._answer("get", lambda: self.kept.get(key))

    def take(self, key: bytes) -> Any:
        return self._answer("get", lambda: self.kept.pop(key, None))


def slow_put(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    del pki, client
    server.options |= puretls.OP_NO_TICKET
    server.session_store = SlowStore("put", promise)


def slow_get(pki: Pki, client: Any, server: Any, promise: Promise) -> None:
    server.options |= puretls.OP_NO_TICKET
    server.session_store = SlowStore("get", promise)
    slow_first(pki, client, server, promise)
    server.single_use_tickets = None


BROKEN = "CALLBACK_FAILED", "TLSV1_ALERT_INTERNAL_ERROR"  # what our side and the peer say of a broken promise
MISS = None  # it costs a full handshake
ROWS: dict[str, tuple[Any, int, Any]] = {  # how contexts come to have it, which side asks it, and if it is broken
    "sign": (slow_key, SERVER, BROKEN),
    "ocsp_response": (slow_staple, SERVER, BROKEN),
    "verify_callback": (slow_verify, CLIENT, BROKEN),
    "verify_callback, server": (slow_verify_of_server, SERVER, BROKEN),
    "set_cert_verify_callback": (slow_path, CLIENT, BROKEN),
    "set_alpn_select_callback": (
        slow_alpn, SERVER, ("NO_APPLICATION_PROTOCOL", "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
    ),
    "session_store, put": (slow_put, SERVER, MISS),
    "session_store, get": (slow_get, SERVER, MISS),
    "single_use_tickets": (slow_first, SERVER, MISS),
}  # fmt: skip
each = pytest.mark.parametrize("row", [*ROWS])
VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
KINDS = pytest.mark.parametrize("kind", ["coroutine", "future of the loop", "future of a thread"])


class Promises:
    """What has been promised, kept or broken all at once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.made: list[tuple[Any, Callable[[], Any]]] = []
        self.more = asyncio.Event()
        self.kept = False  # from now on at once

    def __call__(self, answer: Callable[[], Any]) -> Any:
        future: Any = Future() if self.kind == "future of a thread" else asyncio.get_running_loop().create_future()
        self.made.append((future, answer))
        self.more.set()
        if self.kept:
            future.set_result(answer())

        async def waiting() -> Any:
            return await future

        return waiting() if self.kind == "coroutine" else future

    async def until(self, count: int) -> None:
        while len(self.made) < count:
            self.more.clear()
            await asyncio.wait_for(self.more.wait(), PATIENCE)

    def keep(self) -> None:
        self.kept = True
        for future, answer in self.made:
            if not future.done():
                future.set_result(answer())


def both(tls: ModuleType, pki: Pki, row: str, version: str, promises: Promises) -> Both:
    def prepare(client: Any, server: Any) -> None:
        ROWS[row][0](pki, client, server, promises)

    made = Both(tls, pki, Recorder(), Recorder(), version=tls.TLSVersion[version], prepare=prepare)
    made.tls_server.connection_made(made.far)
    made.tls_client.connection_made(made.plain)
    return made


@each
@KINDS
@VERSIONS
def test_others_go_on_meanwhile(tls: ModuleType, pki: Pki, row: str, kind: str, version: str) -> None:
    """Nobody is answered before everybody has asked."""
    if (row, version) == ("single_use_tickets", "TLSv1_2"):
        return  # there tickets are good for as long as they last

    async def work() -> None:
        promises = Promises(kind)
        made = [both(tls, pki, row, version, promises) for _ in range(5)]
        await promises.until(5)
        assert row == "session_store, put" or not any(one.waiters[ROWS[row][1]].done() for one in made)
        promises.keep()
        for one in made:
            await asyncio.gather(*one.waiters)
            one.tls_client.write(b"data")
            await one.server.until(4)
            await one.close()

    run("asyncio", work())


@each
@KINDS
@pytest.mark.parametrize("how", ["error", "cancelled"])
def test_a_promise_that_is_broken(
    tls: ModuleType, pki: Pki, row: str, kind: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the same exception of the function itself."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)

    async def work() -> None:
        promises = Promises(kind)
        one = both(tls, pki, row, "TLSv1_3", promises)
        await promises.until(1)
        future = promises.made[0][0]
        promises.kept = True  # what else is asked
        if how == "error":
            future.set_exception(LookupError("no such thing"))
        else:
            future.cancel()
        expected = ROWS[row][2]
        if expected is MISS:
            await asyncio.gather(*one.waiters)
            assert not one.tls_server.get_extra_info("ssl_object").session_reused
            await one.close()
            return
        ours, peers = one.waiters if ROWS[row][1] == CLIENT else one.waiters[::-1]
        with pytest.raises(tls.SSLError) as caught:
            await ours
        assert caught.value.reason == expected[0]
        assert isinstance(caught.value.__cause__, LookupError if how == "error" else RuntimeError)
        await settle()
        error = peers.exception()
        if error is None:  # it was done before we verified it
            peer = one.server if ROWS[row][1] == CLIENT else one.client
            await peer.lost
            error = peer.error
        assert error.reason == expected[1]

    run("asyncio", work(), silent=False)


@each
@KINDS
def test_nobody_waits_after_abort(tls: ModuleType, pki: Pki, row: str, kind: str) -> None:
    async def work() -> None:
        promises = Promises(kind)
        one = both(tls, pki, row, "TLSv1_3", promises)
        await promises.until(1)
        await settle()  # until the coroutine has begun to wait
        (one.tls_client if ROWS[row][1] == CLIENT else one.tls_server).abort()
        await settle()
        assert promises.made[0][0].cancelled()
        await asyncio.gather(*one.waiters, return_exceptions=True)

    run("asyncio", work())


def test_the_documentation_has_every_row() -> None:
    text = (Path(__file__).parents[2] / "docs" / "answers.md").read_text("utf-8")
    assert [row for row in ROWS if f"{row.split(',')[0]}" not in text] == []
