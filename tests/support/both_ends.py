"""Contexts and pairs of the module under test, for the chapters of its documentation."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from support import PATIENCE, Pki
from support.bios import ObjectPair, join


def client(tls: Any, pki: Pki | None = None, *, identity: str = "", version: Any = None) -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    return prepared(context, pki, identity, version)


def server(tls: Any, pki: Pki, identity: str = "P-256", *, asks: int = 0, version: Any = None) -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.verify_mode = asks
    return prepared(context, pki, identity, version)


def prepared(context: Any, pki: Pki | None, identity: str, version: Any) -> Any:
    if pki:
        context.load_verify_locations(pki.ca)
        if identity:
            context.load_cert_chain(pki.chain(identity), pki.key(identity))
    if version is not None:
        with silent():
            context.minimum_version = context.maximum_version = version
    return context


def connected(tls: Any, pki: Pki, host: str | None = "localhost", **both: Any) -> ObjectPair:
    """A pair after its handshake."""
    return join(client(tls, pki, **both), server(tls, pki, **both), host).ok()


@contextmanager
def silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def served(context: Any, serve: Callable[[Any], Any], **options: Any) -> Iterator[tuple[str, int]]:
    """An address where one connection is accepted and given to `serve`, in a thread; what that raises is raised."""
    failed: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def run() -> None:
            try:
                sock = listener.accept()[0]
                sock.settimeout(PATIENCE)
                with sock, context.wrap_socket(sock, server_side=True, **options) as conn:
                    serve(conn)
            except BaseException as error:  # noqa: BLE001  # raised below
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            thread.join(PATIENCE)
    if failed:
        raise failed[0]


@contextmanager
def serving_each(context: Any, serve: Callable[[Any], Any]) -> Iterator[int]:
    """A port where one connection after the other is given to `serve`; those that fail are left, and the next comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    sock = listener.accept()[0]
                except OSError:
                    return
                try:
                    with context.wrap_socket(sock, server_side=True) as conn:
                        serve(conn)
                except OSError:
                    pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


@contextmanager
def dialled(context: Any, address: tuple[str, int], **options: Any) -> Iterator[Any]:
    with socket.create_connection(address, PATIENCE) as sock:
        options = {"server_hostname": "localhost", **options}
        with context.wrap_socket(sock, **options) as conn:
            yield conn


@contextmanager
def echoing(tls: Any, pki: Pki, context: Any = None, **options: Any) -> Iterator[Any]:
    """A client connection to a server that sends back what it gets, until the end."""

    def serve(conn: Any) -> None:
        while data := conn.recv(65536):
            conn.sendall(data)
        conn.unwrap()

    with served(server(tls, pki), serve) as address, dialled(context or client(tls, pki), address, **options) as conn:
        conn.settimeout(PATIENCE)
        yield conn
        if conn._sslobj:
            conn.unwrap()
