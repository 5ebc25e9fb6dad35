"""`puretls demo`: everything the library is for, seen working on this machine in under a minute.

A CA and a server certificate are made in memory, a server listens on loopback, verifying clients connect (ours and
the interpreter's), strangers are refused, bulk data is timed, and a page stays up for a browser. The exit status is 0
only if all of it worked. Connections are made with public names only.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

from puretls import SSLZeroReturnError
from puretls._base.registry import APPLICATION_DATA
from puretls.cli.amounts import port, whole
from puretls.cli.certs import Authority, Identity
from puretls.cli.https import until_ctrl_c
from puretls.cli.observe import Message, negotiated
from puretls.cli.page import PageServer
from puretls.cli.render import MIB, describe, screen
from puretls.cli.tap import Tap, logging_keys
from puretls.cli.throughput import Contender, Mismatch, cores, measure, opponent
from puretls.cli.version import versions

HOST = "localhost"
REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {}-demo/1.0\r\nConnection: close\r\n\r\n"
OURS, THEIRS = "puretls", "ssl"
EXAMPLES = """\
examples:
  puretls demo                        everything, and a page that stays until Ctrl-C
  puretls demo --once --size 16       the report alone, quickly
  puretls demo --ca-file ca.pem       for a browser that is to trust the page
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls demo`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--port", type=port, default=8443, help="where the page is served (default 8443, or any free port)"
    )
    parser.add_argument(
        "--size", type=whole(1, 1 << 16), default=256, metavar="MIB", help="to move each way (default 256)"
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="leave the CA certificate there, to trust it in a browser"
    )
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument(
        "--serve", action="store_true", default=None, dest="serve", help="keep serving, even without a terminal"
    )
    keep.add_argument(
        "--once", action="store_false", default=None, dest="serve", help="end after the report, even in a terminal"
    )


def run(arguments: argparse.Namespace) -> int:
    """The whole demonstration; 0 only if all of it worked."""
    demo = Demo(arguments.port)
    with demo.server:
        Thread(target=demo.server.serve_forever, name="page", daemon=True).start()
        try:
            demo.handshakes()
            demo.refusals()
            demo.throughput(arguments.size * MIB)
            demo.verdict()
            if sys.stdout.isatty() if arguments.serve is None else arguments.serve:
                demo.invite(arguments.ca_file)
        finally:
            demo.server.shutdown()
    return 1 if demo.failures else 0


class Demo:
    """The server, its certificates, and a count of what went wrong."""

    def __init__(self, port: int) -> None:
        self.screen, self.failures = screen(), 0
        self.clients = [OURS, *([THEIRS] if find_spec("_ssl") else [])]
        about = versions()
        self.screen.banner("puretls", ", ".join(f"{name} {number}" for name, number in about[1:]))

        start = perf_counter()
        self.authority = Authority("puretls demo CA")
        self.identity = self.authority.issue(HOST, "127.0.0.1", "::1")
        self.screen.heading("Certificates", f"made in memory in {(perf_counter() - start) * 1000:.0f} ms")
        for certificate in (self.authority.certificate, self.identity.certificate):
            self.screen.good(describe(certificate))

        context = server_context(OURS, self.identity)
        try:
            self.server = PageServer(context, port, about)
        except OSError:  # somebody else's port
            self.server = PageServer(context, 0, about)
        self.port = self.server.server_port
        self.url = f"https://{HOST}:{self.port}/"

    def handshakes(self) -> None:
        """A verified request by each client, side by side, and ours message by message."""
        self.screen.heading("Verified requests", self.url)
        facts: dict[str, dict[str, str]] = {}
        ladder: list[Message] = []
        for module in self.clients:
            try:
                facts[module] = self.request(module, self.authority)
                self.screen.good(f"{module}: chain and name verified, page received, closed cleanly")
            except (OSError, Mismatch) as error:
                self.fail(f"{module}: {error}")
        if facts:
            names = next(iter(facts.values()))
            rows = {name: [told[name] for told in facts.values()] for name in names}
            self.screen.facts([f"{module} client" for module in facts], rows)
        if OURS in facts:
            try:
                ladder = self.on_the_wire()
            except OSError as error:
                self.fail(f"{OURS}: {error}")
        if ladder:
            self.screen.heading("The handshake, message by message", "as the puretls client saw it")
            self.screen.ladder(ladder)

    def request(self, module: str, authority: Authority, host: str = HOST) -> dict[str, str]:
        """Fetch the page from `host`, trusting only `authority`; what was negotiated."""
        context = client_context(module, authority)
        context.set_alpn_protocols(["http/1.1"])
        start = perf_counter()
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=host, suppress_ragged_eofs=False) as tls,
        ):
            facts = negotiated(tls)
            facts["chain"] = " < ".join(chain_of(tls)) or "-"
            facts["time"] = f"{(perf_counter() - start) * 1000:.1f} ms"
            tls.sendall(REQUEST.format(module).encode())
            page = b"".join(iter(lambda: tls.recv(65536), b""))
        if not (page.startswith(b"HTTP/1.1 200") and page.endswith(b"</html>\n")):
            raise Mismatch("not the page that was expected")
        return facts

    def on_the_wire(self) -> list[Message]:
        """The same request over a socket of ours: the messages, each when its bytes left or arrived."""
        context = client_context(OURS, self.authority)
        with (
            logging_keys(context) as log,
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw,
        ):
            tap = Tap(context, raw, server_hostname=HOST)
            tap.drive(tap.tls.do_handshake)
            tap.drive(tap.tls.write, REQUEST.format(OURS).encode())
            with suppress(SSLZeroReturnError):
                while tap.drive(tap.tls.read, 65536):
                    pass
            with suppress(OSError):
                tap.drive(tap.tls.unwrap)
            said = tap.explained(log()).messages
        return [
            Message(one.from_client, one.name, len(one.raw), one.at) for one in said if one.content != APPLICATION_DATA
        ]

    def refusals(self) -> None:
        """Verification means that strangers are refused: another CA of the same name, and a wrong host."""
        self.screen.heading("Refusals", "each of these has to fail")
        for authority, host in ((Authority("puretls demo CA"), HOST), (self.authority, "elsewhere.test")):
            for module in self.clients:
                try:
                    self.request(module, authority, host)
                    self.fail(f"{module}: accepted a server that it has no reason to trust as {host}")
                except import_module(module).SSLCertVerificationError as error:
                    self.screen.good(f"{module}: {error.verify_message}")
                except (OSError, Mismatch) as error:
                    self.fail(f"{module}: {error}")

    def throughput(self, total: int) -> None:
        """Bulk data each way: ours, the interpreter's, and what the kernel alone can do."""
        self.screen.heading("Throughput", f"{total // MIB} MiB each way over loopback, two processes, {cores()} cores")
        contenders = [Contender(module, module, server_context(module, self.identity)) for module in self.clients]
        contenders.append(Contender("plain TCP", ""))
        speeds: dict[str, tuple[float, float]] = {}
        try:
            with opponent(contenders, self.authority.pem, total) as listener:
                for contender in contenders:
                    up, down = measure(listener, contender, total, self.screen.progress)
                    speeds[contender.label] = up / MIB, down / MIB
        except (OSError, Mismatch) as error:
            self.fail(f"bulk transfer: {error}")
        if speeds:
            self.screen.speeds(["to the server", "from the server"], speeds)
        if OURS in speeds and THEIRS in speeds:
            ratio = sum(speeds[OURS]) / sum(speeds[THEIRS])
            self.screen.line((f"  puretls moves {ratio:.2f} times what the interpreter's ssl does", ""))

    def verdict(self) -> None:
        """The one line that says whether to believe the rest."""
        self.screen.heading("All of it worked" if not self.failures else f"{self.failures} of it did not work")

    def invite(self, ca_file: Path | None) -> None:
        """Keep serving until Ctrl-C, with the CA certificate in a file for whoever wants to trust it."""
        with tempfile.TemporaryDirectory(prefix="puretls-") as folder:
            path = ca_file or Path(folder, "ca.pem")
            path.write_bytes(self.authority.pem)
            hints = {
                "curl": f"curl --cacert {path} {self.url}",
                "trust": f"{path}, or the browser warns",
            }
            try:
                self.screen.invite(self.url, hints)
                until_ctrl_c()
            except KeyboardInterrupt:
                print()

    def fail(self, text: str) -> None:
        """Print that something has failed, and count it for the exit status."""
        self.failures += 1
        self.screen.bad(text)


def client_context(module: str, authority: Authority) -> Any:
    """A verifying client of either library that trusts one CA and nothing else."""
    tls = import_module(module)
    return tls.create_default_context(cadata=authority.pem.decode())


def server_context(module: str, identity: Identity) -> Any:
    """A server of either library. Ours takes the certificate and key as they are; `ssl` knows only files."""
    tls = import_module(module)
    context = tls.create_default_context(tls.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    if module == OURS:
        context.load_cert_chain(identity.chain_pem, identity.key_pem)
        return context
    with tempfile.TemporaryDirectory(prefix="puretls-") as folder:
        path = Path(folder, "server.pem")
        path.touch(0o600)
        path.write_bytes(identity.key_pem + identity.chain_pem)
        context.load_cert_chain(path)
    return context


def chain_of(tls: Any) -> list[str]:
    """Subjects of the verified chain, leaf first; empty where this `ssl` cannot tell (before 3.13)."""
    from cryptography import x509  # noqa: PLC0415 - beside its only use

    chain: list[bytes] = getattr(tls, "get_verified_chain", list)()
    return [x509.load_der_x509_certificate(der).subject.rfc4514_string().removeprefix("CN=") for der in chain]
