"""`puretls inspect`: a connection message by message and byte by byte, decrypted with its own keys.

A client (or, with --listen, a server) of ours makes a real connection, keeps both streams and the key log, and explains
them. A handshake that fails is explained as far as it went.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from puretls import Purpose, SSLCertVerificationError, SSLContext, SSLError, create_default_context
from puretls._analysis.messages import available
from puretls.cli.amounts import port
from puretls.cli.anatomy import page
from puretls.cli.certs import Authority
from puretls.cli.client import (
    add_context,
    asked_name,
    became_of_early_data,
    context_for,
    early_data,
    early_data_line,
    identify,
    offering,
    unverified,
)
from puretls.cli.explain import Inspection, show
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.idn import both_ways
from puretls.cli.observe import negotiated
from puretls.cli.proxy import add_proxy, chosen, dial_through
from puretls.cli.render import screen
from puretls.cli.report import advice, crlite_status, raw_key, timestamps, timestamps_line
from puretls.cli.starttls import PORTS, start
from puretls.cli.tap import Tap, logging_keys
from puretls.cli.target import Target, add_network, target
from puretls.cli.text import write_private
from puretls.cli.watched import Watched, ocsp, ocsp_line

EXAMPLES = """\
examples:
  puretls inspect example.org                          the handshake as a ladder, with what matters of each message
  puretls inspect example.org --full                   every field of every record, with its bytes
  puretls inspect example.org --html handshake.html    a page that explains every byte
  puretls inspect example.org --http --resume          a request as well, and the session in a second connection
  puretls inspect mail.example.org --starttls smtp     where TLS begins in the middle
  puretls inspect --listen 8443 --html browser.html    whatever connects: which client is that?
  puretls inspect example.org --json | jq .connections[0].ja4

The exit status is 0 if the handshake was finished, 1 if not, 2 for wrong usage.
"""
LIMIT = 1 << 18  # bytes of an answer that are enough to look at
PARTING = 3.0  # seconds to wait for the last word of the other side
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 56\r\nConnection: close\r\n\r\n"
    b"puretls has seen this connection: look at its terminal.\n"
)


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls inspect`."""
    parser.epilog = EXAMPLES
    parser.add_argument("target", nargs="?", type=target, metavar="HOST[:PORT]", help="port 443 unless given")
    parser.add_argument("--starttls", choices=PORTS, metavar="PROTOCOL", help=f"ask for TLS first: {', '.join(PORTS)}")
    parser.add_argument("--listen", type=port, metavar="PORT", help="be the server: inspect the client that connects")
    parser.add_argument("--http", action="store_true", help="send GET / (HTTP/1.1) after the handshake")
    parser.add_argument("--resume", action="store_true", help="connect again with the session of the first connection")
    parser.add_argument("--insecure", action="store_true", help="do not verify the server's certificate")
    parser.add_argument(
        "--compress-cert", action="store_true", help="let the peer compress its certificate (RFC 8879), and do so"
    )
    parser.add_argument("--ca-out", type=Path, metavar="FILE", help="with --listen: leave the CA there, for the client")
    add_network(parser)
    add_proxy(parser)
    shown = parser.add_argument_group("output")
    shown.add_argument("--full", action="store_true", help="every field of every record, with its bytes")
    shown.add_argument("--json", action="store_true", help="one JSON document: records, messages, fields, secrets")
    shown.add_argument("--html", type=Path, metavar="FILE", help="write a page that explains every byte")
    add_context(parser)


def run(arguments: argparse.Namespace) -> int:
    """Connect or be connected to, once or twice, and explain."""
    if (arguments.target is None) == (arguments.listen is None):
        raise Misuse("either HOST, or --listen PORT")
    for_clients = arguments.early_data or arguments.resume or arguments.http or arguments.insecure or arguments.starttls
    if arguments.listen is not None and for_clients:
        raise Misuse(
            "--early-data, --resume, --http, --insecure, --starttls are for clients; with --listen we are the server"
        )
    found = listen(arguments) if arguments.listen is not None else connect(arguments)
    if arguments.html:
        try:
            write_private(arguments.html, page(found))
        except OSError as error:
            raise Failure(f"--html {arguments.html}: {reason(error)}") from None
    if arguments.json:
        print(json.dumps({"connections": [one.document() for one in found]}, indent=1))
    elif not arguments.html or arguments.full:
        for one in found:
            show(one, screen(), full=arguments.full)
    failed = [f"{one.title}: {one.failed}" for one in found if one.failed]
    if failed:
        raise Failure("; ".join(failed))
    if arguments.html and not arguments.json:
        print(f"{arguments.html}: {sum(len(one.conversation.records) for one in found)} records explained")
    return 0


# The client


def connect(arguments: argparse.Namespace) -> list[Inspection]:
    """One connection as a client, and with --resume another."""
    where = arguments.target.at(PORTS.get(arguments.starttls, 443))
    context = context_for(arguments)
    context.request_ocsp = context.request_sct = True
    if arguments.compress_cert:
        context.set_cert_compression(available())
    if arguments.insecure:
        unverified(context)
    early = early_data(context, arguments)
    first, session = call(arguments, context, where, None)
    found = [first]
    if (arguments.resume or early) and not first.failed:
        if session is None:
            raise Failure(f"{where}: the server gave no session to resume")
        again, _ = call(arguments, context, where, session, early)
        found.append(again)
    return found


def call(
    arguments: argparse.Namespace, context: SSLContext, where: Target, session: Any, early: bytes = b""
) -> tuple[Inspection, Any]:
    """A connection from the TCP handshake to the last word."""
    name = asked_name(arguments, where)
    through = chosen(arguments, where)
    dialled = dial_through(through, where, family=arguments.family, timeout=arguments.timeout)
    with logging_keys(context) as log, dialled as sock:
        way = f"through the proxy {through.where}" if through else sock.getpeername()[0]
        title = f"{where} ({way})" + (", resumed session" if session else "")
        if arguments.starttls:
            start(arguments.starttls, sock, arguments.timeout, name or where.host)
        watched = Watched(context)
        tap = Tap(context, sock, server_hostname=name or None, session=session)
        facts, failed = {}, ""
        try:
            sent = tap.drive(tap.tls.write_early_data, early) if early else 0
            tap.drive(tap.tls.do_handshake)
            facts = {
                **negotiated(tap.tls),
                **({"early data": early_data_line(became_of_early_data(tap.tls, sent))} if early else {}),
                "verified": "not checked" if arguments.insecure else verified_line(tap.tls, name),
            }
            if compressed := tap.tls.cert_compression():
                facts["compression"] = f"of the certificate: {compressed}"
            if arguments.http:
                fetch(tap, name or where.host)
            with ending(tap):
                tap.drive(tap.tls.unwrap)
        except SSLCertVerificationError as error:
            failed = f"{reason(error)}: {advice(error.verify_code)}; --insecure looks at it anyway"
        except OSError as error:
            failed = reason(error)
        if facts and without_certificate(tap.tls):
            facts["raw key"] = f"sha256//{raw_key(tap.tls)}"
        elif watched.chain:
            facts["OCSP"] = ocsp_line(ocsp(watched.staple, watched.chain))
            if any((logged := timestamps(watched.chain, tap.tls.sct_list)).values()):
                facts["logged"] = timestamps_line(logged)
            if said := crlite_status(context.crlite, watched.chain):
                facts["CRLite"] = said
        return Inspection(title, tap.explained(log()), facts, failed), tap.tls.session


def without_certificate(tls: Any) -> bool:
    """Whether the server has shown a raw public key (RFC 7250)."""
    return tls.getpeercert(True) is None and tls.peer_public_key() is not None


def verified_line(tls: Any, name: str) -> str:
    """Why the server is believed to be who it says it is."""
    if without_certificate(tls):
        return "yes, it has the key that is trusted; it has no certificate"
    return f"yes, {both_ways(name) or 'no name asked for'}"


def fetch(tap: Tap, name: str) -> None:
    """One request, and as much of its answer as there is in time and up to a limit."""
    if tap.tls.selected_alpn_protocol() not in (None, "http/1.1"):
        raise Misuse("--http speaks HTTP/1.1, and with --alpn the server chose something else")
    tap.allow(tap.timeout)
    tap.drive(
        tap.tls.write, f"GET / HTTP/1.1\r\nHost: {name}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode("ascii")
    )
    got = 0
    with ending(tap, tap.timeout):
        while got < LIMIT and (data := tap.drive(tap.tls.read, 1 << 14)):
            got += len(data)


@contextmanager
def ending(tap: Tap, seconds: float = PARTING) -> Iterator[None]:
    """End a connection; silence, or an end without close_notify, is no failure of the inspection."""
    tap.allow(seconds)
    with suppress(SSLError, ConnectionError, TimeoutError):
        yield


# The server


def listen(arguments: argparse.Namespace) -> list[Inspection]:
    """Accept the next connection as a server."""
    context = create_default_context(Purpose.CLIENT_AUTH)
    authority = Authority("puretls inspect CA")
    if not identify(context, arguments):
        identity = authority.issue("localhost", "127.0.0.1", "::1", *filter(None, [arguments.servername]))
        context.load_cert_chain(identity.chain_pem, identity.key_pem)
    context.set_alpn_protocols(["http/1.1"])
    offering(context, arguments)
    if arguments.ca_out:
        try:
            arguments.ca_out.write_bytes(authority.pem)
        except OSError as error:
            raise Failure(f"--ca-out {arguments.ca_out}: {reason(error)}") from None
    try:
        listener = socket.create_server(("127.0.0.1", arguments.listen))
    except OSError as error:
        raise Failure(f"--listen {arguments.listen}: {reason(error)}") from None
    with listener:
        port = listener.getsockname()[1]
        print(f"waiting for a client: https://localhost:{port}/", file=sys.stderr, flush=True)
        sock, address = listener.accept()
    with sock, logging_keys(context) as log:
        sock.settimeout(arguments.timeout)
        tap = Tap(context, sock, server_side=True)
        facts, failed = {}, ""
        try:
            tap.drive(tap.tls.do_handshake)
            facts = negotiated(tap.tls)
            serve(tap)
        except OSError as error:
            failed = reason(error)
        return [Inspection(f"{address[0]}:{address[1]} at our port {port}", tap.explained(log()), facts, failed)]


def serve(tap: Tap) -> None:
    """An answer, if it looks like a request for a page; then goodbye."""
    with ending(tap):
        asked = tap.drive(tap.tls.read, 1 << 14)
        if asked.startswith((b"GET ", b"HEAD ", b"POST ")):
            tap.drive(tap.tls.write, ANSWER)
    with ending(tap):
        tap.drive(tap.tls.unwrap)
