"""The standard library's own clients with a context of ours: http.client, urllib.request, smtplib."""

from __future__ import annotations

import http.client
import smtplib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from support import MIB, PATIENCE, Pki
from support.ours import client_context, server_context
from support.web import serving


def test_http_client(tls: ModuleType, pki: Pki) -> None:
    """Several requests on one connection, a megabyte each way."""
    with serving(server_context(tls, pki)) as server:
        context = client_context(tls, pki)
        connection = http.client.HTTPSConnection("localhost", server.server_port, context=context, timeout=PATIENCE)
        for _ in range(2):
            connection.request("GET", f"/{MIB}")
            assert connection.getresponse().read() == b"x" * MIB
        connection.request("PUT", "/", body=b"x" * MIB)
        assert connection.getresponse().read() == b"%d %d" % (MIB, MIB)
        connection.close()
    assert server.errors == []


def test_urllib(tls: ModuleType, pki: Pki) -> None:
    with serving(server_context(tls, pki)) as server:
        url = f"https://localhost:{server.server_port}/{MIB}"
        with urllib.request.urlopen(url, context=client_context(tls, pki), timeout=PATIENCE) as response:
            assert response.read() == b"x" * MIB


def test_urllib_refuses_a_stranger(tls: ModuleType, pki: Pki) -> None:
    with serving(server_context(tls, pki, identity="stranger")) as server:
        url, context = f"https://localhost:{server.server_port}/", client_context(tls, pki)
        with pytest.raises(urllib.error.URLError) as caught:
            urllib.request.urlopen(url, context=context, timeout=PATIENCE)
    assert isinstance(caught.value.reason, tls.SSLCertVerificationError)
    assert [getattr(error, "reason", error) for error in server.errors] == ["TLSV1_ALERT_UNKNOWN_CA"]


class Mailbox:
    """As much of an SMTP server (RFC 5321, RFC 3207) as one delivery needs."""

    def __init__(self, listener: socket.socket, context: Any, *, tls_from_the_start: bool) -> None:
        self.listener, self.context, self.direct = listener, context, tls_from_the_start
        self.message = b""

    def deliver(self) -> None:
        sock = self.listener.accept()[0]
        sock.settimeout(PATIENCE)
        if self.direct:
            sock = self.context.wrap_socket(sock, server_side=True)
        lines = sock.makefile("rb")
        sock.sendall(b"220 ready\r\n")
        while line := lines.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                sock.sendall(b"250-here\r\n250 STARTTLS\r\n")
            elif verb == b"STAR":
                sock.sendall(b"220 go\r\n")
                lines.close()
                sock = self.context.wrap_socket(sock, server_side=True)
                lines = sock.makefile("rb")
            elif verb == b"DATA":
                sock.sendall(b"354 go\r\n")
                while (line := lines.readline()) != b".\r\n":
                    self.message += line
                sock.sendall(b"250 kept\r\n")
            elif verb == b"QUIT":
                sock.sendall(b"221 bye\r\n")
                break
            else:
                sock.sendall(b"250 fine\r\n")
        lines.close()
        sock.close()


@contextmanager
def mailbox(tls: ModuleType, pki: Pki, *, tls_from_the_start: bool) -> Iterator[Mailbox]:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(PATIENCE)
        box = Mailbox(listener, server_context(tls, pki), tls_from_the_start=tls_from_the_start)
        delivery = pool.submit(box.deliver)
        yield box
        delivery.result()


BODY = b"Subject: hello\r\n\r\n" + b"A line of text.\r\n" * 10_000


def test_smtp_starttls(tls: ModuleType, pki: Pki) -> None:
    with mailbox(tls, pki, tls_from_the_start=False) as box:
        port = box.listener.getsockname()[1]
        with smtplib.SMTP("localhost", port, timeout=PATIENCE) as smtp:
            smtp.starttls(context=client_context(tls, pki))
            smtp.sendmail("a@test", ["b@test"], BODY)
    assert box.message == BODY


def test_smtp_over_tls(tls: ModuleType, pki: Pki) -> None:
    with mailbox(tls, pki, tls_from_the_start=True) as box:
        port = box.listener.getsockname()[1]
        with smtplib.SMTP_SSL("localhost", port, context=client_context(tls, pki), timeout=PATIENCE) as smtp:
            smtp.sendmail("a@test", ["b@test"], BODY)
    assert box.message == BODY
