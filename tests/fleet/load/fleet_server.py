"""A server of a fleet, as a program: `fleet_server.py PORTS CHAIN KEY STORE HOW ROTATE CLOCK`.

It says "ready" once it listens, forks for each port but the first, and answers each connection with "resumed" or "new".
CLOCK is by how many seconds its clock is wrong.  At the end of its input it ends.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import Any

import puretls
from puretls import fleet



def serve(listener: socket.socket, context: Any) -> None:
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=answer, args=(raw, context), daemon=True).start()


def answer(raw: socket.socket, context: Any) -> None:
    raw.settimeout(20)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with context.wrap_socket(raw, server_side=True) as tls:
            tls.sendall(b"resumed" if tls.session_reused else b"new")
            tls.recv(1)
    except OSError as error:
        print(f"{os.getpid()} {error!r}", flush=True)


def main(ports: str, chain: str, key: str, store: str, how: str, rotate: str, clock: str) -> None:
    real, wrong = time.time, float(clock)
    time.time = lambda: real() + wrong
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_ticket_keys(fleet.TicketKeys(store, rotate=float(rotate)))
    if how == "store":
        context.options |= puretls.OP_NO_TICKET
        context.session_store = fleet.Sessions(store)
    elif how == "once":
        context.single_use_tickets = fleet.AntiReplay(store)
    first, *others = map(int, ports.split(","))
    for port in others:
        if not os.fork():
            listener = socket.create_server(("127.0.0.1", port), backlog=128)
            threading.Thread(target=serve, args=(listener, context), daemon=True).start()
            while os.getppid() != 1 and time.sleep(0.1) is None:  # as long as the first lives
                pass
            os._exit(0)
    listener = socket.create_server(("127.0.0.1", first), backlog=128)
    threading.Thread(target=serve, args=(listener, context), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
