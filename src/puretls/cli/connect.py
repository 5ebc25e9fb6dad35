"""`puretls connect`: shows a server and what is negotiated with it, and carries data both ways, like `openssl
s_client`.

The server is always verified. With --insecure a refusal is reported, and a second connection is made without
verification.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import Any

from puretls import DER_cert_to_PEM_cert, SSLCertVerificationError, SSLContext, SSLECHRejected, SSLError
from puretls._analysis.messages import available
from puretls.cli.client import (
    add_context,
    asked_name,
    became_of_early_data,
    context_for,
    early_data,
    early_data_line,
    unverified,
)
from puretls.cli.ech_configs import in_base64
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.proxy import add_proxy, chosen, dial_through
from puretls.cli.render import screen
from puretls.cli.report import Report, advice
from puretls.cli.session import GOODBYE, NoOutput, finish, relay
from puretls.cli.starttls import PORTS, start
from puretls.cli.target import Target, add_network, target
from puretls.cli.text import printable
from puretls.cli.watched import Watched

EXAMPLES = """\
examples:
  puretls connect example.org                          certificates, version, suite, group, ticket
  puretls connect example.org --tls1.2 --resume        is a session resumed?
  puretls connect mail.example.org --starttls smtp     port 25; 587 and others as mail.example.org:587
  puretls connect 192.0.2.7:8443 --servername intranet.example --ca-file ca.pem
  puretls connect expired.example --insecure --pem > chain.pem
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | puretls connect example.org
                                                       data from standard input; the report goes to standard error
  puretls connect example.org --early-data request.txt what is sent before the handshake: does the server take it?
  puretls connect example.org --json | jq .chain[0].days_left

The exit status is 0 if there was a verified connection, and all that the server sent has come; 1 if not; 2 for wrong
usage.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls connect`."""
    parser.epilog = EXAMPLES
    parser.add_argument("target", type=target, metavar="HOST[:PORT]", help="port 443 unless given")
    parser.add_argument("--starttls", choices=PORTS, metavar="PROTOCOL", help=f"ask for TLS first: {', '.join(PORTS)}")
    parser.add_argument(
        "--reconnect",
        "--resume",
        action="count",
        default=0,
        help="connect again with the session: is it resumed?  Twice for two times, each with the newest one",
    )
    parser.add_argument("-i", "--interactive", action="store_true", help="send standard input though it is a terminal")
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="look at a server that cannot be verified; the report says why it cannot",
    )
    parser.add_argument(
        "--crlf", action="store_true", help="send CR LF for each end of a line, as SMTP and others want"
    )
    parser.add_argument(
        "--half-close",
        action="store_true",
        help="send close_notify at the end of the input, and not once the server has ended",
    )
    add_network(parser)
    add_proxy(parser)
    shown = parser.add_argument_group("output")
    shown.add_argument("--pem", "--showcerts", action="store_true", help="the certificates the server sent, as PEM")
    shown.add_argument("--json", action="store_true", help="one JSON document; standard input is left alone")
    shown.add_argument("--keylog", type=Path, metavar="FILE", help="append the secrets there, for Wireshark")
    add_context(parser)


def run(arguments: argparse.Namespace) -> int:
    """One connection, perhaps another."""
    if arguments.interactive and (arguments.json or arguments.pem):
        raise Misuse("-i needs standard output for what the server sends, --json and --pem for themselves")
    call = Call(arguments)
    try:
        return call.make()
    except Failure as failure:
        call.failed(failure)
        raise


class Call:
    """One run of the command: the arguments, and the findings so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.where: Target = arguments.target.at(PORTS.get(arguments.starttls, 443))
        self.name: str = asked_name(arguments, self.where)
        self.report = Report(self.where, self.name, arguments.starttls)
        self.context: SSLContext = context_for(arguments)
        self.context.request_ocsp = self.context.request_sct = True
        self.context.set_cert_compression(available())
        self.early = early_data(self.context, arguments)
        self.again: int = arguments.reconnect or int(bool(self.early))
        self.watched = Watched(self.context)
        try:
            self.context.keylog_filename = arguments.keylog or self.context.keylog_filename
        except OSError as error:
            raise Failure(f"--keylog {arguments.keylog}: {reason(error)}") from None
        self.talks = arguments.interactive or not (arguments.json or arguments.pem or not has_input())

    def make(self) -> int:
        """Connect, report, talk or not, connect again if asked to; the exit status."""
        arguments, report, whole = self.arguments, self.report, True
        with self.connection() as tls:
            if self.talks:
                with redirect_stdout(sys.stderr):  # standard output is for what the server sends
                    report.show(screen())
                whole, session = self.talk(tls)
            else:
                session = self.finish(tls)
        report.ended(session)
        for _ in range(self.again):
            with self.connection(session) as tls:
                report.resumed(tls)
                session = self.finish(tls) or session
        if arguments.json:
            print(json.dumps(report.document(), indent=2))
        elif arguments.pem:
            print("".join(map(DER_cert_to_PEM_cert, report.ders)), end="")
        elif not self.talks:
            report.show(screen())
        elif self.again:
            early = report.facts["early_data"]
            more = f"; early data: {early_data_line(early)}" if early else ""
            print(f"puretls connect: {self.where}: {report.resumption()}{more}", file=sys.stderr)
        return 0 if whole else 1

    def failed(self, failure: Failure) -> None:
        """Report what is known after a failure: a refused certificate is described."""
        if self.arguments.json:
            self.report.facts["failed"] = str(failure)
            print(json.dumps(self.report.document(), indent=2))
        elif self.report.ders and not self.report.shown:
            with redirect_stdout(sys.stderr) if self.talks or self.arguments.pem else nullcontext():
                self.report.show(screen())

    def finish(self, tls: Any) -> Any:
        """End the connection; its session."""
        try:
            return finish(tls, min(self.arguments.timeout, GOODBYE))
        except SSLError as error:
            raise Failure(f"{self.where}: after the handshake {reason(error)}") from None

    @contextmanager
    def connection(self, session: Any = None) -> Iterator[Any]:
        """A TLS connection; if it cannot be verified and that was said not to matter, another that is not."""
        started = perf_counter()
        self.watched.begin()
        with self.dialled() as sock:
            connected = perf_counter()
            with self.wrapped(sock, session) as tls:
                try:
                    if session is not None and self.early:
                        sent = tls.write_early_data(self.early)
                    tls.do_handshake()
                except SSLCertVerificationError as error:
                    self.report.refused(error, self.watched)
                    refusal = error
                except (OSError, ValueError) as error:
                    self.report.shown_by(self.watched)
                    raise Failure(f"{self.where}: {reason(error)}{other_configurations(error)}") from None
                else:
                    if session is not None and self.early:
                        self.report.facts["early_data"] = became_of_early_data(tls, sent)
                    if session is None:
                        self.report.connected(tls, connected - started, perf_counter() - connected, self.watched)
                    yield tls
                    return
        if not self.arguments.insecure:
            urls = "" if self.arguments.aia else " or ".join(map(printable, getattr(refusal, "aia_urls", ())))
            hint = f"; --aia fetches it from {urls}" if urls else ""
            hint += "; --insecure looks at it anyway"
            raise Failure(f"{self.where}: {reason(refusal)}: {advice(refusal.verify_code)}{hint}")
        unverified(self.context)
        with self.connection() as tls:
            yield tls

    def wrapped(self, sock: socket.socket, session: Any) -> Any:
        """TLS that has not begun; Misuse if the name cannot be asked for."""
        try:
            return self.context.wrap_socket(
                sock,
                server_hostname=self.name or None,
                session=session,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
        except ValueError as error:
            raise Misuse(f"--servername {self.name}: {reason(error)}") from None

    def dialled(self) -> socket.socket:
        """Where TLS begins."""
        arguments = self.arguments
        through = chosen(arguments, self.where)
        sock = dial_through(through, self.where, family=arguments.family, timeout=arguments.timeout)
        self.report.dialled(sock, through)
        if arguments.starttls:
            try:
                start(arguments.starttls, sock, arguments.timeout, self.name or self.where.host)
            except Failure as failure:
                sock.close()
                raise Failure(f"{self.where}: {failure}") from None
        return sock

    def talk(self, tls: Any) -> tuple[bool, Any]:
        """Standard input there, what comes from there to standard output; whether all of it came, and the session."""
        half_close = self.arguments.half_close or sys.stdin.isatty()  # who types Ctrl-D means it
        try:
            ending, session = relay(tls, self.arguments.timeout, half_close=half_close, crlf=self.arguments.crlf)
        except NoOutput as stopped:
            raise stopped.args[0] from None
        except OSError as error:
            raise Failure(f"{self.where}: {reason(error)}") from None
        if ending.note:
            print(f"puretls connect: {self.where}: {ending.note}", file=sys.stderr)
        return ending.whole, session


def other_configurations(error: Exception) -> str:
    """Say what to try if the server has rejected our encrypted ClientHello."""
    if not isinstance(error, SSLECHRejected):
        return ""
    if error.retry_configs:
        return f"; the server has another key: --ech {in_base64(error.retry_configs)}"
    return "; the server has no key for encrypted hellos" if error.retry_configs == b"" else ""


def has_input() -> bool:
    """Whether standard input is a pipe, a file or a socket: a terminal, and /dev/null, have nothing to send."""
    try:
        return sys.stdin is not None and not stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError):  # closed, or replaced by something without a descriptor
        return False
