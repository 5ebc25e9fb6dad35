"""Sockets that are not what they seem: SSLError and OSError come out of a connection, nothing else."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import puretls
from support import Pki
from support.ours import client_context, server_context


class Treacherous(puretls.SSLSocket):
    """Its descriptor goes away when `betrayal` is called: after so many questions for it or for its timeout."""

    questions = 1 << 30
    times = 0
    betrayal: Callable[[], None] | None = None

    def fileno(self) -> int:
        self._asked()
        return super().fileno()

    def gettimeout(self) -> float | None:
        """Longer when it is asked again: then what is left of the first one has to be watched with poll()."""
        self._asked()
        timeout = super().gettimeout()
        return timeout and timeout + 1000 * (self.betrayal is not None and self.asked_before())

    def asked_before(self) -> bool:
        self.times += 1
        return self.times > 1

    def _asked(self) -> None:
        self.questions -= 1
        if self.questions == 0 and self.betrayal is not None:
            self.betrayal()


@contextmanager
def connected(pki: Pki, timeout: float | None) -> Iterator[tuple[Any, Any]]:
    client, server = client_context(puretls, pki), server_context(puretls, pki)
    client.sslsocket_class = Treacherous
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 12)
    wrapped: list[Any] = []
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as one:
        thread.join()
        with wrapped[0] as other:
            other.sendall(b"!")
            assert one.recv(1) == b"!"
            one.settimeout(timeout)
            yield one, other


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "recv": lambda sock: sock.recv(9),
    "recv much": lambda sock: sock.recv(1 << 18),
    "recv_into": lambda sock: sock.recv_into(bytearray(1 << 18)),
    "send": lambda sock: sock.send(b"data"),
    "sendall": lambda sock: sock.sendall(b"data" * (1 << 18)),
    "unwrap": lambda sock: sock.unwrap(),
    "pending": lambda sock: sock.pending(),
}
BETRAYALS: dict[str, Callable[[Any], None]] = {
    "closed": puretls.SSLSocket.close,
    "closed below": socket.socket._real_close,  # type: ignore[attr-defined]
    "detached": lambda sock: os.close(sock.detach()),
    "shut down": lambda sock: socket.socket.shutdown(sock, socket.SHUT_RDWR),
}


@pytest.mark.parametrize("polling", [True, False], ids=["poll", "select"])
@pytest.mark.parametrize("timeout", [None, 5.0, 0.0])
@pytest.mark.parametrize("betrayal", BETRAYALS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_descriptor_that_goes_away(
    pki: Pki,
    operation: str,
    betrayal: str,
    timeout: float | None,
    polling: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every question that a call asks of its socket, as a thread that closes it could."""
    if not polling:
        monkeypatch.delattr(select, "poll", raising=False)
    for place in range(1, 12):
        with connected(pki, timeout) as (sock, other):
            socket.socket.send(other, b"\x17\x03\x03")  # part of a record, so that there is more than one look
            other.close()
            sock.betrayal, sock.questions = lambda sock=sock: BETRAYALS[betrayal](sock), place
            with suppress(OSError):
                OPERATIONS[operation](sock)
            done, sock.questions = sock.questions > 0, 1 << 30
        if done:
            return
    pytest.fail("more questions than there are")


class NoSocket:
    """Has some of a socket's methods."""

    def getsockopt(self, *_: int) -> int:
        return socket.SOCK_STREAM


NOT_SOCKETS: list[Any] = [None, 5, "socket", object(), NoSocket(), [], b""]


@pytest.mark.parametrize("thing", NOT_SOCKETS, ids=lambda thing: type(thing).__name__)
def test_what_is_no_socket_is_refused_as_with_ssl(tls: Any, pki: Pki, thing: Any) -> None:
    """A mistake of the program's: AttributeError, as from `ssl`."""
    with pytest.raises(AttributeError):
        client_context(tls, pki).wrap_socket(thing, server_hostname="localhost")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM])
def test_other_kinds_of_sockets(tls: Any, pki: Pki, kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as sock, pytest.raises(NotImplementedError):
        client_context(tls, pki).wrap_socket(sock, server_hostname="localhost")


@pytest.mark.parametrize("prepare", ["closed", "detached", "descriptor closed", "shut down"])
@pytest.mark.parametrize("server_side", [False, True])
def test_a_socket_that_is_dead_already(tls: Any, pki: Pki, prepare: str, server_side: bool) -> None:
    """OSError, and the socket is closed, or was."""
    ours, theirs = socket.socketpair()
    with theirs:
        if prepare == "closed":
            ours.close()
        elif prepare == "detached":
            socket.close(ours.detach())
        elif prepare == "shut down":
            ours.shutdown(socket.SHUT_RDWR)
        else:
            os.close(ours.fileno())
        context = server_context(tls, pki) if server_side else client_context(tls, pki)
        with pytest.raises(OSError) as caught:
            context.wrap_socket(ours, server_side, server_hostname=None if server_side else "localhost")
        if prepare in {"closed", "detached", "descriptor closed"}:
            assert caught.value.errno == errno.EBADF
    with suppress(OSError):
        ours.close()
