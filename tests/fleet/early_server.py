"""Servers that take early data, in several processes: python early_server.py CHAIN KEY HOW WORKERS TAKEN

The first process serves one connection, which gets a ticket, before it forks the others.  Each listens on a port of its
own; the ports are said in one line.  For each flight of early data that is taken a byte is put behind the file TAKEN.
HOW says what the processes share besides: "own", nothing; "secret", keys of tickets; the address of a store, both.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from typing import Any

import puretls
from puretls import fleet

SECRET = b"what the servers of this test share"


def main() -> None:
    chain, key, how, workers, taken = sys.argv[1:]
    context = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    context.max_early_data = 1000
    if how != "own":
        context.set_ticket_secret(SECRET)
    if how not in ("own", "secret"):
        context.anti_replay = fleet.AntiReplay(how, timeout=10)
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(int(workers))]
    sys.stdout.write(" ".join(str(one.getsockname()[1]) for one in listeners) + "\n")
    sys.stdout.flush()
    sock = listeners[0].accept()[0]
    with context.wrap_socket(sock, server_side=True) as tls:
        tls.sendall(b"welcome")
        tls.recv(1)
    own = 0
    for number in range(1, len(listeners)):
        if not os.fork():
            own = number
            break
    listener = listeners[own]
    while True:
        sock = listener.accept()[0]
        threading.Thread(target=serve, args=(context, sock, taken), daemon=True).start()


def serve(context: Any, sock: socket.socket, taken: str) -> None:
    """One connection, as far as its first flight goes."""
    sock.settimeout(30)
    with (
        contextlib.suppress(OSError),
        context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as tls,
    ):
        if tls.read_early_data(1000):
            file = os.open(taken, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, b"x")
            os.close(file)


main()
