"""`puretls serve`: a directory over HTTPS, with a certificate of the development CA or one that is given."""

from __future__ import annotations

import argparse
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from puretls import CERT_REQUIRED, PROTOCOL_TLS_SERVER, SSLContext, TLSVersion, fleet, load_ech_keys
from puretls.cli import authority, stores, workers
from puretls.cli.amounts import LONGEST, decimal, port, whole
from puretls.cli.authority import Development
from puretls.cli.certs import KINDS
from puretls.cli.client import add_key, identify
from puretls.cli.ech_configs import in_base64
from puretls.cli.failure import Failure, reason
from puretls.cli.https import until_ctrl_c
from puretls.cli.render import screen
from puretls.cli.static import StaticServer
from puretls.cli.target import Target

LOOPBACK = ("127.0.0.1", "::1")
LOCAL_NAMES = ("localhost", *LOOPBACK)
ANY = ("0.0.0.0", "::")  # noqa: S104 - to compare with
DAYS = 365.0
MOST_WORKERS = 64
EXAMPLES = """\
examples:
  puretls serve                                     this directory, at https://localhost:8443/
  puretls serve ./public --port 443 --name app.test
  puretls serve --bind 0.0.0.0 --name myhost.lan    for others in the network, too
  puretls serve --client-ca clients.pem             only for clients with a certificate of that CA
  puretls serve --workers 4 --fleet redis://localhost:6379/0
  puretls serve --cert site.pem --key site-key.pem

puretls ca trust makes browsers on this machine accept the certificate.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls serve`."""
    parser.epilog = EXAMPLES
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: this one")
    parser.add_argument("--port", type=port, default=8443, help="default %(default)s; 0 takes any that is free")
    parser.add_argument("--bind", metavar="ADDRESS", help="where to listen (default: this machine only)")
    parser.add_argument("--no-listing", action="store_false", dest="listing", help="no pages about directories")
    parser.add_argument("--hidden", action="store_true", help="also names that begin with a dot")
    certificate = parser.add_argument_group("certificate")
    certificate.add_argument(
        "--name", action="append", default=[], metavar="NAME", help="besides localhost, 127.0.0.1, ::1; may be repeated"
    )
    certificate.add_argument("--kind", choices=KINDS, default="P-256", metavar="KIND", help="of key (default P-256)")
    certificate.add_argument("--ca", type=Path, metavar="DIR", help="the development CA's directory, as in puretls ca")
    certificate.add_argument("--cert", type=Path, metavar="FILE", help="one of your own, with its chain: PEM, PKCS #12")
    add_key(certificate)
    certificate.add_argument(
        "--reload",
        type=decimal(0, LONGEST),
        default=60.0,
        metavar="SECONDS",
        help="look so often whether the files of --cert, --key and --client-ca have been renewed (default 60)",
    )
    several = parser.add_argument_group("several processes")
    several.add_argument(
        "--workers", type=whole(1, MOST_WORKERS), default=1, metavar="N", help="processes that serve (default 1)"
    )
    several.add_argument(
        "--fleet", metavar="URL", help="Valkey or Redis (redis://...), by which clients resume with any of them"
    )
    certificate.add_argument(
        "--ech", type=Path, metavar="FILE", help="open encrypted ClientHellos with its keys (puretls ech make)"
    )
    clients = parser.add_argument_group("clients")
    clients.add_argument("--client-ca", type=Path, metavar="FILE", help="they must have a certificate of these CAs")
    clients.add_argument("--min", choices=("1.2", "1.3"), default="1.2", metavar="VERSION", help="default TLS 1.2")


def run(arguments: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    root = arguments.directory
    if not root.is_dir():
        raise Failure(f"{root}: no such directory")
    context, hints = prepared(arguments)
    with ExitStack() as stack, suppress(KeyboardInterrupt):
        servers = [stack.enter_context(server) for server in listening(arguments, context, root)]
        stack.enter_context(workers.beside(arguments.workers - 1, lambda: accept(servers)))
        accept(servers)
        for server in servers:
            stack.callback(server.shutdown)
        port = servers[0].server_port
        first, *others = [f"https://{Target(name, None if port == 443 else port)}/" for name in hosts(arguments)]
        hints = {"serving": str(root.resolve()), **({"also": " ".join(others)} if others else {}), **hints}
        screen().invite(first, {name: hint.replace("URL", first) for name, hint in hints.items()})
        until_ctrl_c()
    print()
    return 0


def accept(servers: list[StaticServer]) -> None:
    """Serve, in threads."""
    for server in servers:
        Thread(target=server.serve_forever, name="accept", daemon=True).start()


def share(context: SSLContext, arguments: argparse.Namespace) -> dict[str, str]:
    """What workers, and other machines, need to resume each other's sessions; and what to tell of it."""
    if not arguments.fleet:
        if arguments.workers > 1:
            context.set_ticket_secret(os.urandom(32))
        return {}
    shown = without_password(arguments.fleet)
    try:
        keys = fleet.TicketKeys(arguments.fleet)
        context.set_ticket_keys(keys)
        context.session_store = fleet.Sessions(arguments.fleet)
    except ImportError as error:
        raise Failure(f"--fleet: {reason(error)}") from None
    except ValueError:  # whose text may have the password
        raise Failure(f"--fleet {shown}: not an address, which is redis://[:PASSWORD@]HOST[:PORT][/NUMBER]") from None
    return {"fleet": f"{shown} does not answer, and is asked again" if keys.errors else shown}


def without_password(url: str) -> str:
    """What may be printed of the address of a store."""
    try:
        split = urlsplit(url)
        port = f":{split.port}" if split.port else ""
    except ValueError:
        return ""
    return f"{split.scheme}://{split.hostname}{port}{split.path}" if split.hostname else split.scheme


def hosts(arguments: argparse.Namespace) -> list[str]:
    """The names to call the server by."""
    found = [*arguments.name, *(own_name() if arguments.bind in ANY else [arguments.bind or "localhost"])]
    return [name for name in found if not name.startswith("*")] or ["localhost"]


def own_name() -> list[str]:
    """What this machine calls itself, if that is a name: for servers that listen everywhere."""
    with suppress(ValueError):
        return [authority.checked(socket.gethostname())]
    return []


def listening(arguments: argparse.Namespace, context: SSLContext, root: Path) -> list[StaticServer]:
    """A server for each address; of the loopback addresses IPv6's may be missing."""
    options = {"listing": arguments.listing, "hidden": arguments.hidden}
    hint = "" if arguments.cert else " (puretls ca trust)"
    servers: list[StaticServer] = []
    for address in [arguments.bind] if arguments.bind else LOOPBACK:
        port = servers[0].server_port if servers else arguments.port
        try:
            servers.append(StaticServer(context, address, port, root, hint=hint, **options))
        except (OSError, OverflowError) as error:
            if not servers:
                more = "; --port 0 takes any that is free" if arguments.port else ""
                raise Failure(f"{Target(address, port)}: {reason(error)}{more}") from None
    return servers


def prepared(arguments: argparse.Namespace) -> tuple[SSLContext, dict[str, str]]:
    """The context, and what to tell of it."""
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = {"1.2": TLSVersion.TLSv1_2, "1.3": TLSVersion.TLSv1_3}[arguments.min]
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # browsers and curl have had them for ten years
    context.set_alpn_protocols(["http/1.1"])
    shared = share(context, arguments)
    if arguments.client_ca:
        try:
            context.load_verify_locations(arguments.client_ca, reload=arguments.reload)
        except (OSError, ValueError) as error:
            raise Failure(f"--client-ca {arguments.client_ca}: {reason(error)}") from None
        context.verify_mode = CERT_REQUIRED
    hints = {**(open_hellos(context, arguments.ech) if arguments.ech else {}), **shared}
    if identify(context, arguments, reload=arguments.reload):
        return context, {"by": f"the certificate in {arguments.cert}", **hints}
    return context, {**of_the_development_ca(arguments, context), **hints}


def open_hellos(context: SSLContext, file: Path) -> dict[str, str]:
    """Encrypted Client Hello with the keys of a file."""
    try:
        keys = load_ech_keys(file)
    except OSError as error:
        raise Failure(f"--ech {file}: {reason(error)}") from None
    context.set_ech_keys(keys)
    return {"ech": in_base64(keys[0].config.config_list)}


def of_the_development_ca(arguments: argparse.Namespace, context: SSLContext) -> dict[str, str]:
    """A certificate that lives as long as this process."""
    development = Development(authority.directory(arguments.ca))
    ca = development.load_or_make()
    bound = own_name() if arguments.bind in ANY else [arguments.bind] if arguments.bind else []
    names = list(dict.fromkeys((*arguments.name, *LOCAL_NAMES, *bound)))
    identity = authority.leaf(ca, names, kind=arguments.kind, days=DAYS)
    context.load_cert_chain(identity.chain_pem, identity.key_pem)
    root = stores.Root(ca.certificate, development.certificate_file)
    hints = {"CA": str(development.certificate_file), "curl": f"curl --cacert {development.certificate_file} URL"}
    strangers = [store.label for store in stores.stores() if not store.has(root)]
    if strangers:
        hints["trust"] = f"puretls ca trust (not yet trusted by {', '.join(strangers)})"
    return hints
