"""A server that asks for a certificate after the handshake, and then reads: the request goes out, as with `ssl`."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import puretls
from support import Pki
from support.bios import join

MODULES = pytest.mark.parametrize("tls", [puretls, ssl], ids=["puretls", "ssl"])


def contexts(tls: Any, pki: Pki) -> tuple[Any, Any]:
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pki.ca)
    client.load_cert_chain(pki.chain("client"), pki.key("client"))
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_verify_locations(pki.ca)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.verify_mode = tls.CERT_REQUIRED
    client.post_handshake_auth = server.post_handshake_auth = True
    return client, server


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "read": lambda obj: obj.read(10),
    "read into": lambda obj: obj.read(10, bytearray(10)),
    "read much": lambda obj: obj.read(1 << 17),
    "do_handshake": lambda obj: obj.do_handshake(),
}


@MODULES
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_over_bios(operation, tls, pki):
    pair = join(*contexts(tls, pki)).ok()
    pair.server.obj.verify_client_post_handshake()
    assert not pair.server.outgoing.read()
    with suppress(tls.SSLWantReadError):
        operation(pair.server.obj)
    sent = pair.server.outgoing.read()
    assert sent, "no request was sent"
    pair.client.incoming.write(sent)
    assert pair.client.read() == b""
    pair.client.obj.write(b"me")
    pair.move()
    assert pair.server.read() == b"me"
    assert pair.server.obj.getpeercert()


def test_unwrap_sends_it_first(pki):
    pair = join(*contexts(puretls, pki)).ok()
    pair.server.obj.verify_client_post_handshake()
    with suppress(ssl.SSLWantReadError):
        pair.server.obj.unwrap()
    assert len(pair.server.outgoing.read()) > 100


@pytest.mark.parametrize("timeout", [None, 10.0, 0.0])
@pytest.mark.parametrize("tls", [puretls, ssl], ids=["puretls", "ssl"])
def test_do_handshake_over_sockets(timeout, tls, pki):
    over_sockets("do_handshake", timeout, tls, pki)


@MODULES
@pytest.mark.parametrize("timeout", [None, 10.0, 0.0])
@pytest.mark.parametrize("operation", ["recv", "recv_into"])
def test_over_sockets(operation, timeout, tls, pki):
    over_sockets(operation, timeout, tls, pki)


def over_sockets(operation: str, timeout: float | None, tls: Any, pki: Pki) -> None:
    client_context, server_context = contexts(tls, pki)
    ours, theirs = socket.socketpair()

    def answer() -> None:
        """Shake hands, answer the request, and say so."""
        incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
        client = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        ours.settimeout(3)
        with ours, suppress(TimeoutError):
            while not pump(client.do_handshake, incoming, outgoing, ours):
                pass
            client.write(b"hello")
            ours.sendall(outgoing.read())
            while not outgoing.pending:  # the first to come may be tickets
                incoming.write(ours.recv(65536))
                with suppress(ssl.SSLWantReadError):
                    client.read(10)
            client.write(b"me")
            ours.sendall(outgoing.read())
            ours.recv(1)  # until the server has left

    theirs.settimeout(10)
    thread = threading.Thread(target=answer)
    thread.start()
    with server_context.wrap_socket(theirs, server_side=True) as server:
        assert server.recv(10) == b"hello"
        server.verify_client_post_handshake()
        server.settimeout(timeout)
        got = b""
        with suppress(ssl.SSLWantReadError):
            if operation == "do_handshake":
                server.do_handshake()
            elif operation == "recv":
                got = server.recv(10)
            else:
                buffer = bytearray(1 << 17)
                got = bytes(buffer[: server.recv_into(buffer)])
        server.settimeout(10)
        assert (got or server.recv(10)) == b"me"
        assert server.getpeercert()
    thread.join()


def pump(operation: Callable[[], Any], incoming: Any, outgoing: Any, sock: socket.socket) -> bool:
    try:
        operation()
    except ssl.SSLWantReadError:
        sock.sendall(outgoing.read())
        incoming.write(sock.recv(65536))
        return False
    sock.sendall(outgoing.read())
    return True
