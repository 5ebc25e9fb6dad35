"""A client that closes without having read anything: its session tickets must not turn the end into a reset."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import puretls
from puretls._api import over_socket
from support import Pki
from support.ours import client_context, server_context


@pytest.fixture
def ends(pki: Pki) -> tuple[puretls.SSLSocket, puretls.SSLSocket]:
    """A client and a server whose tickets are on their way."""
    context = server_context(puretls, pki)
    ours, theirs = socket.socketpair()
    wrapped: list[puretls.SSLSocket] = []
    thread = threading.Thread(target=lambda: wrapped.append(context.wrap_socket(theirs, server_side=True)))
    thread.start()
    client = client_context(puretls, pki).wrap_socket(ours, server_hostname="localhost")
    thread.join()
    return client, wrapped[0]


@pytest.mark.parametrize("timeout", [None, 10.0, 0.0])
def test_the_server_sees_an_end_and_no_reset(
    ends: tuple[puretls.SSLSocket, puretls.SSLSocket], timeout: float | None
) -> None:
    client, server = ends
    client.sendall(b"last words")
    client.settimeout(timeout)
    client.close()
    with server:
        assert server.recv(100) == b"last words"
        assert server.recv(100) == b""


def test_what_comes_in_the_last_moment(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look at what is there and the end of the socket more may come, tickets as a rule."""
    context = server_context(puretls, pki)
    context.num_tickets = 0
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        ours = socket.create_connection(listener.getsockname())
        server = pool.submit(context.wrap_socket, listener.accept()[0], server_side=True)
        client = client_context(puretls, pki).wrap_socket(ours, server_hostname="localhost")
    with server.result(10) as tls:
        look = over_socket.ready

        def too_early(sock: Any, event: str, seconds: float) -> bool:
            ready = look(sock, event, seconds)
            tls.sendall(b"of the last moment")
            return ready

        client.sendall(b"last words")
        monkeypatch.setattr(over_socket, "ready", too_early)
        client.close()
        assert tls.recv(100) == b"last words"
        assert tls.recv(100) == b""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork_nothing_is_taken(ends: tuple[puretls.SSLSocket, puretls.SSLSocket]) -> None:
    """What one process closes, another may still read."""
    client, server = ends
    with server:
        server.sendall(b"for the parent")
        child = os.fork()
        if not child:
            client.close()
            os._exit(0)
        os.waitpid(child, 0)
        with client:
            assert client.recv(100) == b"for the parent"
