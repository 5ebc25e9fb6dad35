"""A server of a fleet, as a program: `fleet_server.py KIND PORTS CHAIN KEY STORE HOW ROTATE CLOCK TIMEOUT`.

It says "ready" once it listens, and answers each connection with a line: "resumed" or "new", its process, and how many
errors of the store it has counted.  KIND is "threads", which forks for each port but the first; "asyncio"; or
"awaited", the same with a client of the store that is of asyncio as well.  CLOCK is by how many seconds its clock is
wrong.  At the end of its input it ends.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from typing import Any

import puretls
import puretls.asyncio
from puretls import fleet


def line(context: Any, tls: Any) -> bytes:
    errors = context.session_stats()["store_errors"]
    return f"{'resumed' if tls.session_reused else 'new'} {os.getpid()} {errors}\n".encode()


def serve(listener: socket.socket, context: Any) -> None:
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=answer, args=(raw, context), daemon=True).start()


def answer(raw: socket.socket, context: Any) -> None:
    raw.settimeout(20)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with context.wrap_socket(raw, server_side=True) as tls:
            tls.sendall(line(context, tls))
            tls.recv(1)
    except OSError as error:
        print(f"{os.getpid()} {error!r}", flush=True)


async def serve_asyncio(port: int, context: Any) -> None:
    async def answer_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(line(context, writer.get_extra_info("ssl_object")))
            await reader.read(1)
        except OSError as error:
            print(f"{os.getpid()} {error!r}", flush=True)
        finally:
            writer.close()

    await puretls.asyncio.start_server(answer_one, "127.0.0.1", port, ssl=context, backlog=128)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def context_for(kind: str, chain: str, key: str, store: str, how: str, rotate: float, timeout: float) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_ticket_keys(fleet.TicketKeys(store, rotate=rotate, timeout=timeout))
    client: Any = store
    if kind == "awaited":
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(store)
    if how == "store":
        context.options |= puretls.OP_NO_TICKET
        context.session_store = fleet.Sessions(client, timeout=timeout)
    elif how == "once":
        context.single_use_tickets = fleet.AntiReplay(client, timeout=timeout)
    return context


def main(kind: str, ports: str, chain: str, key: str, store: str, how: str, rotate: str, clock: str, wait: str) -> None:
    real, wrong = time.time, float(clock)
    time.time = lambda: real() + wrong
    context = context_for(kind, chain, key, store, how, float(rotate), float(wait))
    first, *others = map(int, ports.split(","))
    if kind != "threads":
        asyncio.run(serve_asyncio(first, context))
        return
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
