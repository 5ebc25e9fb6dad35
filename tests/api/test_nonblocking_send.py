"""send() on a non-blocking socket: what is reported, and what happens to a record that the kernel took in part."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator

import pytest

import puretls
from support import Pki
from support.ours import client_context, server_context

SIZE = 3 << 20


@pytest.fixture
def pair(pki: Pki) -> Iterator[tuple[puretls.SSLSocket, puretls.SSLSocket]]:
    context = server_context(puretls, pki)
    ours, theirs = socket.socketpair()
    wrapped = []
    thread = threading.Thread(target=lambda: wrapped.append(context.wrap_socket(theirs, server_side=True)))
    thread.start()
    with client_context(puretls, pki).wrap_socket(ours, server_hostname="localhost") as client:
        thread.join()
        with wrapped[0] as server:
            client.setblocking(False)
            yield client, server


def read_all(server: puretls.SSLSocket, received: bytearray) -> None:
    while data := server.recv(10_000):
        received += data


def test_retries_send_every_byte_once(pair: tuple[puretls.SSLSocket, puretls.SSLSocket]) -> None:
    client, server = pair
    data, received, blocked, sent = os.urandom(SIZE), bytearray(), 0, 0
    reader = threading.Thread(target=read_all, args=(server, received))
    while sent < SIZE:
        try:
            sent += client.send(data[sent : sent + 200_000])  # another object each time, with the same bytes
        except puretls.SSLWantWriteError:
            blocked += 1
            if not reader.is_alive():
                reader.start()
            select.select([], [client], [])
    client.shutdown(socket.SHUT_WR)
    reader.join()
    assert blocked
    assert received == data


def fill(client: puretls.SSLSocket, data: bytes) -> int:
    """Send until the kernel takes no more; how much was reported."""
    sent = 0
    while True:
        try:
            sent += client.send(data[sent:])
        except puretls.SSLWantWriteError:
            return sent


def test_what_waits_cannot_be_replaced(pair: tuple[puretls.SSLSocket, puretls.SSLSocket]) -> None:
    client, server = pair
    data, received, refused = os.urandom(SIZE), bytearray(), None
    sent = fill(client, data)
    while refused is None:  # make room in the kernel until what was sealed is out; one byte is not the same data again
        try:
            client.send(data[sent : sent + 1])
        except puretls.SSLWantWriteError:
            received += server.recv(SIZE)
        except puretls.SSLError as error:
            refused = error
    assert refused.reason == "BAD_WRITE_RETRY"
    sent += client.send(data[sent:])
    while len(received) < sent:
        received += server.recv(SIZE)
    assert received == data[:sent]
