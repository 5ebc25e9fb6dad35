"""HOST[:PORT] on a command line, and a TCP connection to it."""

from __future__ import annotations

import argparse
import re
import socket

from puretls._base.tuples import NamedTuple
from puretls.cli.amounts import seconds
from puretls.cli.failure import Failure, reason
from puretls.cli.idn import a_labels

TIMEOUT = 10.0
SCHEMES = ("https", "wss")  # whose port is 443


class Target(NamedTuple):
    """A host and perhaps a port."""

    host: str
    port: int | None

    def at(self, default: int) -> Target:
        """The same with a port, if it has none."""
        return self if self.port is not None else Target(self.host, default)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def target(text: str) -> Target:
    """`example.org`, `example.org:443`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`; a type for argparse.

    An address of the web is one as well: `https://example.org:8443/path` means its server.
    """
    scheme, is_url, address = text.partition("://")
    if is_url:
        if scheme.lower() not in SCHEMES:
            raise argparse.ArgumentTypeError(f"not an address of HTTPS: {text!r}")
        text = re.split(r"[/?#]", address, maxsplit=1)[0].rpartition("@")[2]
    host, port = text, ""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise argparse.ArgumentTypeError(f"not HOST[:PORT]: {text!r}")
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or not host.isprintable() or " " in host or "/" in host:
        raise argparse.ArgumentTypeError(f"not HOST[:PORT]: {text!r}")
    try:
        host = a_labels(host)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not port:
        return Target(host, None)
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"not a port: {port!r}")
    return Target(host, int(port))


def add_network(parser: argparse.ArgumentParser) -> None:
    """The options of every command that dials."""
    parser.add_argument(
        "--timeout", type=seconds, default=TIMEOUT, metavar="SECONDS", help="for each step (default %(default)g)"
    )
    family = parser.add_mutually_exclusive_group()
    for version, number in (("4", socket.AF_INET), ("6", socket.AF_INET6)):
        family.add_argument(
            f"-{version}",
            action="store_const",
            dest="family",
            const=number,
            default=socket.AF_UNSPEC,
            help=f"IPv{version} only",
        )


def dial(where: Target, *, family: int = socket.AF_UNSPEC, timeout: float = TIMEOUT) -> socket.socket:
    """A connection to the first address that answers; Failure says why none did."""
    errors: list[str] = []
    try:
        found = socket.getaddrinfo(where.host, where.port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failure(f"{where}: {reason(error)}") from None
    for kind, type_, protocol, _, address in found:
        sock = socket.socket(kind, type_, protocol)
        try:
            sock.settimeout(timeout)  # each address has its chance, as with socket.create_connection()
            sock.connect(address)
        except OSError as error:
            sock.close()
            errors.append(f"{reason(error)} ({address[0]})")
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise Failure(f"{where}: {', '.join(errors)}")
