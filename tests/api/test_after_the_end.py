"""What is done with a connection that has ended, been closed or lost its descriptor: as with `ssl`, or as listed."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import pytest

import puretls
from support import Pki
from support.bios import described, join
from support.ours import client_context, server_context

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])


def outcome(operation: Callable[[], Any]) -> Any:
    try:
        return operation()
    except Exception as error:  # noqa: BLE001  # the test compares it
        return described(error)


@contextmanager
def connected(tls: ModuleType, pki: Pki, version: str = "TLSv1_3") -> Iterator[tuple[Any, Any]]:
    """Over a socket pair; the client has read something, and its tickets with it."""
    client, server = client_context(tls, pki), server_context(tls, pki)
    client.maximum_version = getattr(tls.TLSVersion, version)
    ours, theirs = socket.socketpair()
    wrapped: list[Any] = []
    thread = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as one:
        thread.join()
        with wrapped[0] as other:
            other.sendall(b"!")
            assert one.recv(1) == b"!"
            yield one, other


SENDING: dict[str, Callable[[Any], Any]] = {
    "send": lambda sock: sock.send(b"lost"),
    "sendall": lambda sock: sock.sendall(b"lost"),
    "much": lambda sock: sock.sendall(b"lost" * 10_000),
    "write": lambda sock: sock.write(b"lost"),
    "makefile": lambda sock: sock.makefile("wb", 0).write(b"lost"),
    "do_handshake": lambda sock: sock.do_handshake(),
}


@VERSIONS
@pytest.mark.parametrize("suppress_ragged_eofs", [True, False])
@pytest.mark.parametrize("send", SENDING.values(), ids=SENDING)
def test_nothing_is_sent_after_a_bare_end(
    pki: Pki, version: str, suppress_ragged_eofs: bool, send: Callable[[Any], Any]
) -> None:
    """The stream was cut: who sends is told, again and again, and whoever reads on is told the same as before."""

    def one(tls: ModuleType) -> Any:
        with connected(tls, pki, version) as (client, server):
            client.suppress_ragged_eofs = suppress_ragged_eofs
            socket.socket.shutdown(server, socket.SHUT_WR)
            found = [outcome(lambda: client.recv(9)), client.pending()]
            found += [outcome(lambda: send(client)) for _ in range(2)]
            found.append(outcome(lambda: client.recv(9)))
            server.settimeout(5)
            client.shutdown(socket.SHUT_WR)
            return found, outcome(lambda: server.recv(9))  # what the server hears of it

    assert one(puretls) == one(ssl)


@VERSIONS
def test_nothing_is_sent_after_a_bare_end_of_a_bio(pki: Pki, version: str) -> None:
    def one(tls: ModuleType) -> Any:
        client = client_context(tls, pki)
        client.maximum_version = getattr(tls.TLSVersion, version)
        pair = join(client, server_context(tls, pki)).ok()
        pair.end(pair.server)
        obj = pair.client.obj
        found = [outcome(lambda: obj.read(9)), outcome(lambda: obj.write(b"lost"))]
        with pytest.raises(tls.SSLError):
            obj.do_handshake()
        pair.move()
        return [*found, outcome(lambda: pair.server.obj.read(9))]

    assert one(puretls) == one(ssl)


@VERSIONS
def test_an_end_that_is_accepted_ends_one_direction(pki: Pki, version: str) -> None:
    """OP_IGNORE_UNEXPECTED_EOF has it pass for close_notify, behind which we may still send."""
    client = client_context(puretls, pki)
    client.maximum_version = getattr(puretls.TLSVersion, version)
    client.options |= puretls.OP_IGNORE_UNEXPECTED_EOF
    pair = join(client, server_context(puretls, pki)).ok()
    pair.end(pair.server)
    assert pair.client.obj.read(9) == b""
    assert pair.send(pair.client, b"not lost") == b"not lost"


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    **SENDING,
    "recv": lambda sock: sock.recv(1),
    "recv_into": lambda sock: sock.recv_into(bytearray(2)),
    "read": lambda sock: sock.read(1),
    "read into": lambda sock: sock.read(1, bytearray(2)),
    "sendall nothing": lambda sock: sock.sendall(b""),
    "do_handshake(block)": lambda sock: sock.do_handshake(block=True),
    "unwrap": lambda sock: sock.unwrap(),
    "shutdown": lambda sock: sock.shutdown(socket.SHUT_RDWR),
    "getpeercert": lambda sock: sock.getpeercert(),
    "pending": lambda sock: sock.pending(),
    "cipher": lambda sock: sock.cipher(),
    "version": lambda sock: sock.version(),
    "session": lambda sock: sock.session is None,
    "session_reused": lambda sock: sock.session_reused,
    "compression": lambda sock: sock.compression(),
    "shared_ciphers": lambda sock: sock.shared_ciphers(),
    "selected_alpn_protocol": lambda sock: sock.selected_alpn_protocol(),
    "get_channel_binding": lambda sock: sock.get_channel_binding("tls-unique") is None,
    "get_channel_binding(None)": lambda sock: sock.get_channel_binding(None),
    "verify_client_post_handshake": lambda sock: sock.verify_client_post_handshake(),
    "recvfrom": lambda sock: sock.recvfrom(1),
    "sendto": lambda sock: sock.sendto(b"x", ("127.0.0.1", 1)),
    "accept": lambda sock: sock.accept(),
    "connect": lambda sock: sock.connect(("127.0.0.1", 1)),
    "dup": lambda sock: sock.dup(),
    "close": lambda sock: sock.close(),
    "set context": lambda sock: setattr(sock, "context", sock.context),
    "settimeout": lambda sock: sock.settimeout(3),
}
ENDINGS: dict[str, Callable[[Any], Any]] = {
    "closed": lambda sock: sock.close(),
    "shut down": lambda sock: sock.shutdown(socket.SHUT_RDWR),
    "closed in the middle": lambda sock: os.close(sock.detach()),
    "descriptor closed": lambda sock: os.close(sock.fileno()),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("begun", [True, False], ids=["connected", "before the handshake"])
def test_operations_on_what_is_gone(pki: Pki, operation: str, ending: str, begun: bool) -> None:
    """Same result or same class of error as with `ssl`; what is listed is an OSError that says so."""

    def one(tls: ModuleType) -> Any:
        with suppress(OSError), connected(tls, pki) if begun else unconnected(tls, pki) as (sock, _):
            ENDINGS[ending](sock)
            try:
                found = OPERATIONS[operation](sock)
            except Exception as error:  # noqa: BLE001  # the test compares it
                found = type(error).__name__, getattr(error, "errno", None)
            if ending == "descriptor closed":
                sock.detach()
        return found

    wanted, found = one(ssl), one(puretls)
    if found != wanted and not (operation.startswith("do_handshake") and ending == "descriptor closed"):  # it is done
        assert ending in {"closed in the middle", "descriptor closed"}
        assert found in {("OSError", 9), ("SSLError", 1)}, (wanted, found)


@contextmanager
def unconnected(tls: ModuleType, pki: Pki) -> Iterator[tuple[Any, Any]]:
    ours, theirs = socket.socketpair()
    with (
        client_context(tls, pki).wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False) as one,
        theirs,
    ):
        yield one, theirs
