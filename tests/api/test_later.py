"""Keys whose sign() promises a signature: what blocking and non-blocking sockets and SSLObjects make of that."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from puretls._api import later
from support import PATIENCE, Pki
from support.ours import client_context, server_context

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])


class PromisingKey:
    """A key whose signatures come later: `promise` makes what sign() returns of a function that signs."""

    def __init__(self, pki: Pki, promise: Callable[[Callable[[], bytes]], Any], name: str = "P-256") -> None:
        self.inside: Any = load_pem_private_key(Path(pki.key(name)).read_bytes(), None)
        self.public_key = self.inside.public_key
        self.promise = promise

    def sign(self, data: bytes, *how: Any) -> Any:
        return self.promise(lambda: self.inside.sign(data, *how))


def contexts(tls: ModuleType, pki: Pki, version: str, promise: Callable[[Callable[[], bytes]], Any]) -> tuple[Any, Any]:
    server = server_context(tls, pki)
    server.load_cert_chain(pki.chain("P-256"), PromisingKey(pki, promise))
    return client_context(tls, pki, version=tls.TLSVersion[version]), server


def joined(contexts: tuple[Any, Any], timeout: float | None = PATIENCE) -> tuple[Any, Any, threading.Thread]:
    """A client that shakes hands in a thread, and a server that has not begun."""
    near, far = socket.socketpair()
    near.settimeout(PATIENCE)
    far.settimeout(timeout)
    client = contexts[0].wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False)
    server = contexts[1].wrap_socket(far, server_side=True, do_handshake_on_connect=False)

    def shake() -> None:
        try:
            client.do_handshake()
        except OSError as error:
            failed.append(error)

    failed: list[OSError] = []
    client_thread = threading.Thread(target=shake)
    client_thread.failed = failed  # type: ignore[attr-defined]
    client_thread.start()
    return client, server, client_thread


@VERSIONS
def test_a_blocking_socket_waits(tls: ModuleType, pki: Pki, version: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        client, server, thread = joined(contexts(tls, pki, version, pool.submit))
        with client, server:
            server.do_handshake()
            thread.join()
            server.sendall(b"data")
            assert client.recv(4) == b"data"


def test_a_blocking_socket_waits_no_longer_than_its_timeout(tls: ModuleType, pki: Pki) -> None:
    promised: list[Future[bytes]] = []

    def promise(_: Any) -> Future[bytes]:
        promised.append(Future())
        return promised[-1]

    client, server, thread = joined(contexts(tls, pki, "TLSv1_3", promise), 0.1)
    with client:
        with server, pytest.raises(TimeoutError, match="handshake operation timed out"):
            server.do_handshake()
        thread.join()
    assert promised[0].cancelled()


@VERSIONS
def test_a_non_blocking_socket_says_what_it_waits_for(tls: ModuleType, pki: Pki, version: str) -> None:
    def promise(sign: Callable[[], bytes]) -> Future[bytes]:
        promised.append((Future(), sign))
        return promised[-1][0]

    promised: list[tuple[Future[bytes], Callable[[], bytes]]] = []
    client, server, thread = joined(contexts(tls, pki, version, promise))
    with client, server:
        server.settimeout(0.0)
        while not promised:
            with contextlib.suppress(tls.SSLWantReadError):
                server.do_handshake()
        for _ in range(3):  # it may be asked again
            with pytest.raises(tls.SSLWantReadError) as caught:
                server.do_handshake()
            assert type(caught.value) is tls.SSLWantAnswerError
            assert caught.value.future is promised[0][0]
        promised[0][0].set_result(promised[0][1]())
        while server.version() is None:
            with contextlib.suppress(tls.SSLWantReadError):
                server.do_handshake()
        assert len(promised) == 1
        thread.join()
        assert not thread.failed  # type: ignore[attr-defined]


def over_memory(tls: ModuleType, contexts: tuple[Any, Any]) -> tuple[Any, Any]:
    incoming, outgoing = tls.MemoryBIO(), tls.MemoryBIO()
    client = contexts[0].wrap_bio(incoming, outgoing, server_hostname="localhost")
    server = contexts[1].wrap_bio(outgoing, incoming, server_side=True)
    with pytest.raises(tls.SSLWantReadError):
        client.do_handshake()
    return client, server


def shake(tls: ModuleType, *sides: Any) -> None:
    """Each in turn, as far as it goes."""
    for side in sides:
        with contextlib.suppress(tls.SSLWantReadError):
            side.do_handshake()


@VERSIONS
def test_an_object_blocks(tls: ModuleType, pki: Pki, version: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        client, server = over_memory(tls, contexts(tls, pki, version, pool.submit))
        shake(tls, server, client, server, client)
        assert client.version() == server.version()


@VERSIONS
def test_an_object_with_a_waker(tls: ModuleType, pki: Pki, version: str) -> None:
    """It is called once for an answer, however often somebody asked."""
    promised: list[tuple[Future[bytes], Callable[[], bytes]]] = []

    def promise(sign: Callable[[], bytes]) -> Future[bytes]:
        promised.append((Future(), sign))
        return promised[-1][0]

    client, server = over_memory(tls, contexts(tls, pki, version, promise))
    woken: list[int] = []
    server.set_waker(lambda: woken.append(1))
    for _ in range(3):
        with pytest.raises(tls.SSLWantAnswerError):
            server.do_handshake()
    assert not woken
    promised[0][0].set_result(promised[0][1]())
    assert woken == [1]
    shake(tls, server, client, server, client)
    assert client.version() == server.version()
    assert woken == [1]


@VERSIONS
@pytest.mark.parametrize("how", ["error", "cancelled", "nonsense"])
def test_a_promise_that_is_not_kept(tls: ModuleType, pki: Pki, version: str, how: str) -> None:
    """As a sign() that fails: the peer is told, and the cause is there."""

    def promise(_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if how == "error":
            future.set_exception(LookupError("no such slot"))
        elif how == "cancelled":
            future.cancel()
        else:
            future.set_result("no signature")
        return future

    client, server = over_memory(tls, contexts(tls, pki, version, promise))
    with pytest.raises(tls.SSLError) as caught:
        server.do_handshake()
    assert caught.value.reason == "CALLBACK_FAILED"
    assert caught.value.__cause__ is not None
    if how == "error":
        assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(tls.SSLError) as caught:
        client.do_handshake()
    assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"


@pytest.mark.parametrize("blocking", [True, False])
def test_what_only_a_loop_can_await(tls: ModuleType, pki: Pki, blocking: bool) -> None:
    """RuntimeError at once: in the thread of the loop it would wait for itself."""

    async def later(sign: Callable[[], bytes]) -> bytes:
        return sign()

    client, server, thread = joined(contexts(tls, pki, "TLSv1_3", later))
    with client:
        with server, pytest.raises(RuntimeError, match=r"use puretls\.asyncio"):
            server.do_handshake()
        thread.join()
        assert thread.failed  # type: ignore[attr-defined]
    client_object, server_object = over_memory(tls, contexts(tls, pki, "TLSv1_3", later))
    if not blocking:
        server_object.set_waker(lambda: None)
    with pytest.raises(RuntimeError, match=r"use puretls\.asyncio"):
        server_object.do_handshake()
    with pytest.raises(tls.SSLError):
        client_object.do_handshake()


def test_the_layer_of_asyncio_blocks_but_works(tls: ModuleType, pki: Pki) -> None:
    async def work() -> None:
        async def answer(_: Any, writer: asyncio.StreamWriter) -> None:
            writer.write(b"answer")
            writer.close()

        with ThreadPoolExecutor(1) as pool:
            client, server = contexts(tls, pki, "TLSv1_3", pool.submit)
            async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listening:
                port = listening.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection("localhost", port, ssl=client)
                assert await reader.read() == b"answer"
                writer.close()

    asyncio.run(asyncio.wait_for(work(), PATIENCE))


def promising() -> tuple[list[Future[bytes]], Callable[[Any], Future[bytes]]]:
    """Promises that nobody keeps, and what makes them."""
    made: list[Future[bytes]] = []

    def promise(_: Any) -> Future[bytes]:
        made.append(Future())
        return made[-1]

    return made, promise


@pytest.mark.parametrize("how", ["close", "shutdown", "forget"])
def test_nobody_waits_after_the_end_of_a_socket(tls: ModuleType, pki: Pki, how: str) -> None:
    promised, promise = promising()
    client, server, thread = joined(contexts(tls, pki, "TLSv1_3", promise), 0.0)
    while not promised:
        with contextlib.suppress(tls.SSLWantReadError):
            server.do_handshake()
    assert not promised[0].done()
    if how == "close":
        server.close()
    elif how == "shutdown":
        server.shutdown(socket.SHUT_RDWR)
    else:
        with socket.socket(fileno=server.detach()):
            del server
            gc.collect()
    assert promised[0].cancelled()
    if how == "shutdown":
        server.close()
    client.close()
    thread.join()


@pytest.mark.parametrize("how", ["unwrap", "forget"])
def test_no_waker_after_the_end(tls: ModuleType, pki: Pki, how: str) -> None:
    promised, promise = promising()
    _, server = over_memory(tls, contexts(tls, pki, "TLSv1_3", promise))
    woken: list[int] = []
    server.set_waker(lambda: woken.append(1))
    with pytest.raises(tls.SSLWantAnswerError):
        server.do_handshake()
    if how == "unwrap":
        with pytest.raises(tls.SSLError, match="SHUTDOWN_WHILE_IN_INIT"):
            server.unwrap()
    else:
        del server
        gc.collect()
    assert promised[0].cancelled()
    assert not woken


def test_an_answer_that_comes_while_somebody_begins_to_wait(tls: ModuleType, pki: Pki) -> None:
    """The waker runs foreign code: not where the answer is there at once, with the lock of the connection held."""

    class Hasty(Future[bytes]):
        def add_done_callback(self, fn: Callable[[Future[bytes]], object]) -> None:
            self.set_result(sign())
            super().add_done_callback(fn)

    def promise(signs: Callable[[], bytes]) -> Future[bytes]:
        nonlocal sign
        sign = signs
        return Hasty()

    sign: Callable[[], bytes]
    client, server = over_memory(tls, contexts(tls, pki, "TLSv1_3", promise))
    woken: list[int] = []
    server.set_waker(lambda: woken.append(1))
    shake(tls, server, client, server, client)
    assert client.version() == server.version() == "TLSv1.3"
    assert not woken


@pytest.mark.parametrize("kind", ["socket", "object"])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_data_around_a_promise_is_kept(tls: ModuleType, pki: Pki, kind: str, limit: int) -> None:
    """Post-handshake authentication in the middle of data, and a key that takes its time."""
    promised: list[tuple[Future[bytes], Callable[[], bytes]]] = []

    def promise(sign: Callable[[], bytes]) -> Future[bytes]:
        promised.append((Future(), sign))
        return promised[-1][0]

    client_side, server_side = contexts(tls, pki, "TLSv1_3", lambda sign: sign())
    client_side.load_cert_chain(pki.chain("client"), PromisingKey(pki, promise, "client"))
    client_side.post_handshake_auth = True
    server_side.verify_mode = tls.CERT_OPTIONAL
    server_side.post_handshake_auth = True
    server: Any
    if kind == "socket":
        near, far = socket.socketpair()
        server = server_side.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
        client = client_side.wrap_socket(far, server_hostname="localhost", do_handshake_on_connect=False)
        for side in (near, far, client, server):
            if side.fileno() != -1:
                side.settimeout(0.0)
    else:
        client, server = over_memory(tls, (client_side, server_side))
        client.set_waker(lambda: None)
    for _ in range(4):
        shake(tls, client, server)
    server.write(b"before")
    server.verify_client_post_handshake()
    server.write(b"behind")
    seen: list[tuple[bytes, Any]] = []
    got, read = b"", (client.recv if kind == "socket" else client.read)
    for _ in range(20):
        try:
            got += read(limit)
        except tls.SSLWantReadError as error:
            if isinstance(error, tls.SSLWantAnswerError):
                seen.append((got, error.future))
                if len(seen) == 2:
                    promised[0][0].set_result(promised[0][1]())
            elif got == b"beforebehind":
                break
    assert got == b"beforebehind"
    assert seen == [(b"before", promised[0][0])] * 2
    with contextlib.suppress(tls.SSLWantReadError):
        server.read(1)
    assert server.getpeercert(True)
    for side in (client, server):
        if kind == "socket":
            side.close()


@VERSIONS
@pytest.mark.parametrize("kind", ["socket", "object"])
def test_who_goes_on_from_the_thread_of_the_answer(tls: ModuleType, pki: Pki, version: str, kind: str) -> None:
    """The done callback, or the waker, calls do_handshake(): the lock holds, and both come to an end."""
    others: list[BaseException | None] = []

    def again(*_: Any) -> None:
        try:
            server.do_handshake()
        except tls.SSLWantReadError:
            others.append(None)
        except BaseException as error:  # noqa: BLE001  # for the test
            others.append(error)
        else:
            others.append(None)

    def promise(sign: Callable[[], bytes]) -> Future[bytes]:
        made = pool.submit(lambda: begun.wait(PATIENCE) and sign())
        if kind == "socket":
            made.add_done_callback(again)
            begun.set()
        return made

    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        if kind == "socket":
            client, server, thread = joined(contexts(tls, pki, version, promise))
            with client, server:
                server.do_handshake()
                thread.join()
                assert server.version() == client.version() == version.replace("_", ".")
        else:
            client, server = over_memory(tls, contexts(tls, pki, version, promise))
            server.set_waker(again)
            with pytest.raises(tls.SSLWantAnswerError):
                server.do_handshake()
            begun.set()
            pool.shutdown()
            shake(tls, client, server, client, server)
            assert server.version() == client.version() == version.replace("_", ".")
    assert others == [None]


def test_a_loop_that_drives_a_non_blocking_socket(tls: ModuleType, pki: Pki) -> None:
    """Whoever has a loop of its own awaits the future: of a thread, or of the loop."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for kind in (Future, loop.create_future):
            promised: list[tuple[Any, Callable[[], bytes]]] = []
            seen: list[Any] = []

            def promise(sign: Callable[[], bytes], kind: Any = kind, promised: Any = promised) -> Any:
                promised.append((kind(), sign))
                return promised[-1][0]

            client, server, thread = joined(contexts(tls, pki, "TLSv1_3", promise), 0.0)
            with client, server:
                while server.version() is None:
                    try:
                        server.do_handshake()
                    except tls.SSLWantAnswerError as error:
                        future, sign = promised[0]
                        seen.append(error.future)
                        loop.call_later(0.01, lambda future=future, sign=sign: future.set_result(sign()))
                        await (asyncio.wrap_future(future) if kind is Future else future)
                    except tls.SSLWantReadError:
                        await asyncio.sleep(0.001)
                thread.join()
                assert not thread.failed  # type: ignore[attr-defined]
                assert seen == [promised[0][0]]

    asyncio.run(asyncio.wait_for(work(), PATIENCE))


def test_the_answer_has_the_rest_of_the_time(tls: ModuleType, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeout of a blocking socket is the deadline of the whole handshake: its first part has used some of it."""
    given: list[float | None] = []
    wait = later.wait
    monkeypatch.setattr(later, "wait", lambda promise, seconds: (given.append(seconds), wait(promise, seconds)))
    with ThreadPoolExecutor(1) as pool:
        for timeout in (PATIENCE, None):
            begun = threading.Event()
            client, server, thread = joined(
                contexts(
                    tls, pki, "TLSv1_3", lambda sign, begun=begun: pool.submit(lambda: begun.wait(0.05) or sign())
                ),
                timeout,
            )
            with client, server:
                server.do_handshake()
                thread.join()
    assert given[1:] == [None]
    assert given[0] is not None
    assert 0 < given[0] < PATIENCE
