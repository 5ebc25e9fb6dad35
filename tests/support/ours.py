"""Our side of a test with a peer: contexts, a client connection, a listening server, for the module under test."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from support import PATIENCE, Pki, dial


def configure(context: Any, pki: Pki, options: dict[str, Any]) -> Any:
    """What both roles understand; every option is the test's."""
    context.load_verify_locations(pki.ca if options.pop("trusts", True) else pki.other_ca)
    if identity := options.pop("identity", ""):
        context.load_cert_chain(pki.chain(identity), pki.key(identity))
    if alpn := options.pop("alpn", ()):
        context.set_alpn_protocols(alpn)
    if watch := options.pop("watch", None):
        context._msg_callback = watch
    if curve := options.pop("curve", ""):
        context.set_ecdh_curve(curve)
    if groups := options.pop("groups", ""):
        context.set_groups(groups)
    if ciphers := options.pop("ciphers", ""):
        context.set_ciphers(ciphers)
    if suites := options.pop("ciphersuites", ""):
        context.set_ciphersuites(suites)
    if version := options.pop("version", None):
        context.minimum_version = context.maximum_version = version
    assert not options, f"unknown options {options}"
    return context


def client_context(tls: ModuleType, pki: Pki, **options: Any) -> Any:
    return configure(tls.SSLContext(tls.PROTOCOL_TLS_CLIENT), pki, options)


def server_context(tls: ModuleType, pki: Pki, *, asks: bool = False, **options: Any) -> Any:
    context = configure(tls.SSLContext(tls.PROTOCOL_TLS_SERVER), pki, {"identity": "P-256", **options})
    if asks:
        context.verify_mode = tls.CERT_REQUIRED
    return context


@contextmanager
def open_client(
    tls: ModuleType,
    pki: Pki,
    port: int,
    context: Any = None,
    session: Any = None,
    host: str = "localhost",
    **options: Any,
) -> Iterator[Any]:
    """A verified connection to a peer; options make the context where none is given."""
    context = context or client_context(tls, pki, **options)
    with (
        dial(port) as sock,
        context.wrap_socket(
            sock, False, False, suppress_ragged_eofs=False, server_hostname=host, session=session
        ) as conn,
    ):
        try:
            conn.do_handshake()
            yield conn
        except OSError:
            linger(conn)
            raise


def linger(conn: socket.socket) -> None:
    """Closing with data unread resets the connection, and the alert may never be seen: first let the peer finish."""
    with suppress(OSError):
        socket.socket.shutdown(conn, socket.SHUT_WR)
        conn.settimeout(0.3)
        while socket.socket.recv(conn, 65536):
            pass


class Listening:
    """Our server: `take` accepts one connection and does its handshake, which may raise."""

    def __init__(self, listener: socket.socket, context: Any) -> None:
        self.listener, self.context = listener, context
        self.port: int = listener.getsockname()[1]

    @contextmanager
    def take(self) -> Iterator[Any]:
        sock = self.listener.accept()[0]
        sock.settimeout(PATIENCE)
        with sock, self.context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False) as conn:
            yield conn


@contextmanager
def listening(tls: ModuleType, pki: Pki, **options: Any) -> Iterator[Listening]:
    context = server_context(tls, pki, **options)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield Listening(listener, context)
