"""Wrong arguments of reads and writes: refused as with `ssl`, before anything has happened to the connection."""

from __future__ import annotations

import array
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import puretls
from support import Pki
from support.ours import client_context, server_context

BUFFERS: dict[str, Callable[[], Any]] = {
    "bytearray": lambda: bytearray(4),
    "large": lambda: bytearray(1 << 18),
    "array": lambda: array.array("I", [0, 0]),
    "of two dimensions": lambda: memoryview(bytearray(8)).cast("B", (2, 4)),
    "read-only": lambda: b"four",
    "read-only view": lambda: memoryview(b"four"),
    "with gaps": lambda: memoryview(bytearray(8))[::2],
    "with gaps, large": lambda: memoryview(bytearray(1 << 18))[::2],
    "backwards": lambda: memoryview(bytearray(1 << 17))[::-1],
    "text": lambda: "four",
    "a number": lambda: 4,
    "a list": lambda: [1, 2],
    "empty": bytearray,
}
COUNTED = (BUFFERS["array"], BUFFERS["of two dimensions"])  # of which len() is not the number of bytes
INTO: dict[str, Callable[[Any, Any], Any]] = {
    "recv_into": lambda sock, buffer: sock.recv_into(buffer),
    "recv_into, some": lambda sock, buffer: sock.recv_into(buffer, 2),
    "read": lambda sock, buffer: sock.read(4, buffer),
    "_sslobj.read": lambda sock, buffer: sock._sslobj.read(4, buffer),
}
OUT: dict[str, Callable[[Any, Any], Any]] = {
    "send": lambda sock, data: sock.send(data),
    "write": lambda sock, data: sock.write(data),
    "sendall": lambda sock, data: sock.sendall(data),
}


def one(tls: ModuleType, pki: Pki, use: Callable[[Any, Any], Any], make: Callable[[], Any]) -> Any:
    """The result, or the class of the error, and what can still be done with the connection."""
    ours, theirs = socket.socketpair()
    wrapped: list[Any] = []
    server = server_context(tls, pki)
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client_context(tls, pki).wrap_socket(ours, server_hostname="localhost") as sock:
        thread.join()
        with wrapped[0] as peer:
            peer.sendall(b"12345678")
            sock.settimeout(5)
            argument = make()
            try:
                done = use(sock, argument)
            except (TypeError, ValueError, BufferError, OverflowError) as error:
                done = type(error).__name__
            peer.sendall(b"again")
            left = b""
            while not left.endswith(b"again"):
                left += sock.recv(100)
            sock.sendall(b"good")
            said = b""
            while not said.endswith(b"good"):
                said += peer.recv(100)
    return done, left, said


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
@pytest.mark.parametrize("use", INTO.values(), ids=INTO)
def test_what_cannot_be_filled(pki: Pki, use: Callable[[Any, Any], Any], make: Callable[[], Any]) -> None:
    if make is bytearray and use in {INTO["recv_into"], INTO["recv_into, some"]}:
        pytest.skip("an empty buffer is asked for 1024 bytes by ssl, and says so with an error in some versions")
    if use is INTO["recv_into"] and make in COUNTED and sys.version_info < (3, 11):
        pytest.skip("ssl filled as many bytes as a buffer has elements until Python 3.11")
    assert one(puretls, pki, use, make) == one(ssl, pki, use, make)


@pytest.mark.parametrize("make", [make for name, make in BUFFERS.items() if name != "large"])
@pytest.mark.parametrize("use", OUT.values(), ids=OUT)
def test_what_cannot_be_sent(pki: Pki, use: Callable[[Any, Any], Any], make: Callable[[], Any]) -> None:
    assert one(puretls, pki, use, make) == one(ssl, pki, use, make)


@pytest.mark.parametrize("size", [-1, -(1 << 40), 1.5, "3", None, b"1", [], 0, True, 3])
@pytest.mark.parametrize(
    "use",
    [
        lambda sock, size: sock.recv(size),
        lambda sock, size: sock.read(size),
        lambda sock, size: sock._sslobj.read(size),
        lambda sock, size: sock.recv_into(bytearray(4), size),
    ],
    ids=["recv", "read", "_sslobj.read", "recv_into"],
)
def test_what_is_no_size(pki: Pki, use: Callable[[Any, Any], Any], size: Any) -> None:
    assert one(puretls, pki, use, lambda: size) == one(ssl, pki, use, lambda: size)
