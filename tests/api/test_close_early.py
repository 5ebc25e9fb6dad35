"""A client that closes without having read anything: its session tickets must not turn the end into a reset."""

from __future__ import annotations

import os
import socket
import threading

import pytest

import puretls
from ours import client_context, server_context
from support import Pki


@pytest.mark.parametrize("timeout", [None, 10.0, 0.0])
def test_the_server_sees_an_end_and_no_reset(pki: Pki, timeout: float | None) -> None:
    context = server_context(puretls, pki)
    ours, theirs = socket.socketpair()
    wrapped: list[puretls.SSLSocket] = []
    thread = threading.Thread(target=lambda: wrapped.append(context.wrap_socket(theirs, server_side=True)))
    thread.start()
    client = client_context(puretls, pki).wrap_socket(ours, server_hostname="localhost")
    thread.join()  # the tickets are on their way
    client.sendall(b"last words")
    client.settimeout(timeout)
    client.close()
    with wrapped[0] as server:
        assert server.recv(100) == b"last words"
        assert server.recv(100) == b""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork_nothing_is_taken(pki: Pki) -> None:
    """What one process closes, another may still read."""
    context = server_context(puretls, pki)
    ours, theirs = socket.socketpair()
    wrapped: list[puretls.SSLSocket] = []
    thread = threading.Thread(target=lambda: wrapped.append(context.wrap_socket(theirs, server_side=True)))
    thread.start()
    client = client_context(puretls, pki).wrap_socket(ours, server_hostname="localhost")
    thread.join()
    with wrapped[0] as server:
        server.sendall(b"for the parent")
        child = os.fork()
        if not child:
            client.close()
            os._exit(0)
        os.waitpid(child, 0)
        with client:
            assert client.recv(100) == b"for the parent"
