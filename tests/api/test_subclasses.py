"""Classes derived from SSLSocket: what they override is what everything else goes through, as in CPython."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from types import ModuleType
from typing import Any

import pytest

from support import Pki
from support.ours import client_context, server_context


def watching(base: Any, *names: str) -> Any:
    """A class that notes the calls of these methods, and passes them on."""

    def noting(name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            return getattr(super(derived, self), name)(*args, **kwargs)

        return method

    derived: Any = type("Watching", (base,), {"calls": [], **{name: noting(name) for name in names}})
    return derived


@contextmanager
def connected(tls: ModuleType, pki: Pki, sslsocket_class: Any) -> Iterator[tuple[Any, Any]]:
    client, server = client_context(tls, pki), server_context(tls, pki)
    client.sslsocket_class = sslsocket_class
    ours, theirs = socket.socketpair()
    wrapped: list[Any] = []
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as one:
        thread.join()
        with wrapped[0] as other:
            other.sendall(b"data" * 9)
            getattr(one, "calls", []).clear()
            yield one, other


USES: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "sendall": (lambda sock: sock.sendall(b"data"), ("send",)),
    "sendall of a view": (lambda sock: sock.sendall(memoryview(b"data")), ("send",)),
    "sendfile": (lambda sock: sock.sendfile(BytesIO(b"data")), ("send",)),
    "recv": (lambda sock: sock.recv(4), ("read",)),
    "recv_into": (lambda sock: sock.recv_into(bytearray(4)), ("read",)),
    "recv_into, some": (lambda sock: sock.recv_into(bytearray(4), 2), ("read",)),
    "makefile, read": (lambda sock: sock.makefile("rb", 0).read(4), ("read", "recv_into")),
    "makefile, write": (lambda sock: sock.makefile("wb", 0).write(b"data"), ("send",)),
    "recv, closed": (lambda sock: sock.recv(4), ("_checkClosed",)),
    "sendall, closed": (lambda sock: sock.sendall(b"data"), ("_checkClosed",)),
}


@pytest.mark.parametrize("name", USES)
def test_a_method_goes_through_those_that_were_overridden(tls: Any, pki: Pki, name: str) -> None:
    use, through = USES[name]
    with connected(tls, pki, watching(tls.SSLSocket, *through)) as (sock, _):
        use(sock)
        assert set(through) <= set(sock.calls)


@pytest.mark.parametrize("through", ["read", "send"])
def test_a_class_between_counts_too(tls: Any, pki: Pki, through: str) -> None:
    calls: list[str] = []
    methods = {
        "read": lambda _self, *_: calls.append("read") or b"mine",
        "send": lambda _self, data, *_: calls.append("send") or len(data),
    }
    mixin = type("Mixin", (), {through: methods[through]})
    grandchild = type("Grandchild", (type("Derived", (mixin, tls.SSLSocket), {}),), {})
    with connected(tls, pki, grandchild) as (sock, _):
        if through == "read":
            assert sock.recv(4) == b"mine"
        else:
            sock.sendall(b"data")
        assert calls == [through]


def test_classes_that_override_both(tls: Any, pki: Pki) -> None:
    """What they override is theirs; what they do not is ours, and as quick as before."""
    derived = watching(tls.SSLSocket, "recv", "sendall")
    with connected(tls, pki, derived) as (sock, other):
        sock.sendall(b"data")
        assert sock.recv(4) == b"data"
        assert other.recv(9) == b"data"
        assert sock.calls == ["sendall", "recv"]


def test_classes_of_every_shape(tls: Any, pki: Pki) -> None:
    """With slots, with another base behind, with a base that overrides already."""

    class Slotted(tls.SSLSocket):
        __slots__ = ("note",)

        def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002
            self.note = "slotted"
            return super().read(len, buffer)

    class Behind:
        def send(self, *_: Any) -> int:
            raise AssertionError("it comes last")

    class Before(tls.SSLSocket, Behind):
        def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002
            self.note = "before"
            return super().read(len, buffer)

    class Again(Before):
        def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002
            data = super().read(len, buffer)
            self.note += " again"
            return data

    for derived, note in ((Slotted, "slotted"), (Before, "before"), (Again, "before again")):
        with connected(tls, pki, derived) as (sock, _):
            assert sock.recv(4) == b"data"
            assert sock.note == note
            sock.sendall(b"data")
            assert isinstance(sock, tls.SSLSocket)
