"""Clients of HTTP as programs use them, each with a timeout: http.client, requests and httpx.

The server of each contender answers from memory over a blocking socket; only the client's time counts.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from benchmarks.sockets import TIMEOUT
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import Spent, spending

HAS = {name: find_spec(name) is not None for name in ("requests", "httpx")}
WARM_UP = 3


def serve(library: Any, context: Any, listener: Any, size: int, count: int) -> None:
    """One connection, `count` answers."""
    tls = library.wrap(context, listener.accept()[0], server=True)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    for _ in range(count):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += tls.recv(65536)
        tls.sendall(answer)
    tls.recv(1)
    tls.close()


@contextmanager
def getter(library: Any, context: Any, client: str, port: int, piece: int) -> Iterator[Callable[[], int]]:
    """A function that gets the page over a connection that stays, `piece` bytes at a time; how many there were."""
    base = "127.0.0.1" if library.name == "tcp" else "localhost"
    url = f"{'http' if library.name == 'tcp' else 'https'}://{base}:{port}/"
    with ExitStack() as stack:
        if client == "requests":
            import requests
            from requests.adapters import HTTPAdapter

            class Adapter(HTTPAdapter):
                def init_poolmanager(self, *arguments: Any, **options: Any) -> Any:
                    return super().init_poolmanager(*arguments, ssl_context=context, **options)

                def cert_verify(self, *_: Any) -> None:
                    """The context knows."""

            session = stack.enter_context(requests.Session())
            session.trust_env = False
            session.mount("https://", Adapter())

            def get() -> int:
                with session.get(url, timeout=TIMEOUT, stream=True) as answer:
                    return sum(map(len, answer.iter_content(piece)))

        elif client == "httpx":
            import httpx

            verify = True if context is None else context
            browser = stack.enter_context(httpx.Client(verify=verify, timeout=TIMEOUT, trust_env=False))

            def get() -> int:
                with browser.stream("GET", url) as answer:
                    return sum(map(len, answer.iter_bytes(piece)))

        else:
            if context is None:
                connection = http.client.HTTPConnection(base, port, timeout=TIMEOUT)
            else:
                connection = http.client.HTTPSConnection(base, port, timeout=TIMEOUT, context=context)
            stack.callback(connection.close)

            def get() -> int:
                connection.request("GET", "/")
                answer, got = connection.getresponse(), 0
                while data := answer.read(piece):
                    got += len(data)
                return got

        yield get


def web_client(
    library: Any, files: Files, case: Case, end: tuple[Any, int], client: str, size: int, piece: int, count: int
) -> Spent:
    """`count` pages of `size` bytes over one connection."""
    listener, port = end
    context = library.context(files, case, server=bool(listener))
    if listener:
        with spending(count) as spent:
            serve(library, context, listener, size, count + WARM_UP)
        return spent[0]
    with getter(library, context, client, port, piece) as get:
        for _ in range(WARM_UP):
            if get() != size:
                raise RuntimeError(f"{library.name}: not all of the page")
        with spending(count) as spent:
            for _ in range(count):
                get()
    return spent[0]


def visits(library: Any, files: Files, case: Case, end: tuple[Any, int], count: int, resume: bool) -> Spent:
    """A request each, by requests, over a connection and with a context of its own each; injected."""
    listener, port = end
    if listener:
        context = library.context(files, case, server=True)
        with spending(count) as spent:
            for _ in range(count):
                with library.wrap(context, listener.accept()[0], server=True) as tls:
                    tls.recv(4096)
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        return spent[0]
    import requests

    import puretls

    puretls.inject_into_ssl(client_session_cache=True if resume else None)
    try:
        with spending(count) as spent:
            for _ in range(count):
                requests.get(f"https://localhost:{port}/", verify=files.of("ca.pem"), timeout=20)
    finally:
        puretls.extract_from_ssl()
    return spent[0]
