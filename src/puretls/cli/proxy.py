"""Connections through a proxy, by CONNECT (RFC 9110 9.3.6).

The answer is read byte by byte up to its end, because a server that speaks first, as with STARTTLS, may follow at once.
The password of a proxy appears in no message.
"""

from __future__ import annotations

import argparse
import re
import socket
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from puretls._base.tuples import NamedTuple
from puretls.cli.failure import Failure, reason
from puretls.cli.target import Target, dial
from puretls.cli.text import printable

LONGEST_ANSWER = 1 << 14
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?\r?\n")


class Proxy(NamedTuple):
    """The address of a proxy, and the credentials for it."""

    where: Target
    authorization: str = ""

    def __repr__(self) -> str:
        return f"<Proxy {self.where}>"


def proxy(text: str) -> Proxy | None:
    """Parse `http://user:password@host:port`, in which the scheme may be left out, or nothing for no proxy; a type for
    argparse.
    """
    if not text:
        return None
    found = urlsplit(text if "://" in text else f"http://{text}")
    try:
        host, port = found.hostname, found.port or 80
    except ValueError:
        host, port = None, 0
    if found.scheme != "http" or not host:
        raise argparse.ArgumentTypeError("not an address of a proxy: http://[USER:PASSWORD@]HOST[:PORT]")
    authorization = ""
    if found.username is not None:
        pair = f"{unquote(found.username)}:{unquote(found.password or '')}"
        authorization = "Basic " + b64encode(pair.encode()).decode()
    return Proxy(Target(host, port), authorization)


def configured(where: Target) -> Proxy | None:
    """The proxy that HTTPS_PROXY or the system's settings name for a host, unless NO_PROXY excludes it."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - it loads a lot, for few

    given = getproxies()
    text = given.get("https") or given.get("all")
    if not text or proxy_bypass(f"{where.host}:{where.port}"):
        return None
    try:
        return proxy(text)
    except argparse.ArgumentTypeError as error:
        raise Failure(f"HTTPS_PROXY: {error}") from None


def chosen(arguments: argparse.Namespace, where: Target) -> Proxy | None:
    """The proxy of --proxy, or without that option the one that is configured; None for none."""
    found: Proxy | None = configured(where) if arguments.proxy is ... else arguments.proxy
    return found


def dial_through(through: Proxy | None, where: Target, *, family: int, timeout: float) -> socket.socket:
    """A connection to `where`, through the proxy if there is one; Failure with the reason if there is none."""
    if through is None:
        return dial(where, family=family, timeout=timeout)
    sock = dial(through.where, family=family, timeout=timeout)
    try:
        refusal = _refusal(sock, where, through.authorization)
    except OSError as error:
        refusal = reason(error)
    if refusal:
        sock.close()
        raise Failure(f"the proxy {through.where}: {refusal}")
    return sock


def _refusal(sock: socket.socket, where: Target, authorization: str) -> str:
    """Ask the proxy for the connection; the reason if it makes none, or ""."""
    request = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
    if authorization:
        request += f"Proxy-Authorization: {authorization}\r\n"
    sock.sendall(f"{request}\r\n".encode("ascii"))
    answer = bytearray()
    while not answer.endswith((b"\r\n\r\n", b"\n\n")):
        byte = sock.recv(1)
        answer += byte
        if not byte or len(answer) > LONGEST_ANSWER:
            return "its answer is not that of a proxy"
    status = STATUS.match(answer)
    if status is None:
        return "its answer is not that of a proxy"
    said = printable((status[2] or b"").decode("latin-1"))[:100]
    return "" if 200 <= int(status[1]) < 300 else f"refused with {status[1].decode()} {said}".rstrip()


def add_proxy(parser: argparse.ArgumentParser) -> None:
    """The option of commands that go through one."""
    parser.add_argument(
        "--proxy",
        type=proxy,
        default=...,
        metavar="URL",
        help="an HTTP proxy to go through (default: HTTPS_PROXY of the environment); '' for none",
    )
