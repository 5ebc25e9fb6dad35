"""`puretls ca`: the development CA, what it issues, and who trusts it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from puretls.cli import authority, portrait, stores
from puretls.cli.authority import VARIABLE, Development, write_new
from puretls.cli.certs import KINDS, Authority
from puretls.cli.failure import Failure, reason
from puretls.cli.render import Plain, describe, screen

EXAMPLES = f"""\
examples:
  puretls ca trust                                  make the CA if there is none, and have this machine trust it
  puretls ca issue app.test '*.app.test' 127.0.0.1  app.test.pem and app.test-key.pem
  puretls ca issue alice@example.org --client       a certificate for a client
  puretls ca show --pem > ca.pem                    for curl --cacert, or for another machine
  puretls ca untrust                                and it was as before

The CA is made once and never overwritten. It lives in the user's data directory, or in --ca DIR, or in ${VARIABLE}.
Whoever has ca-key.pem can pass for any site to everybody who trusts the CA: it never leaves this machine.
"""
DAYS = 365.0


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls ca`."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    for action, (summary, add_arguments, _) in ACTIONS.items():
        described = actions.add_parser(
            action,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=parser.formatter_class,
        )
        add_ca(described)
        add_arguments(described)


def add_ca(parser: argparse.ArgumentParser) -> None:
    """Which CA."""
    parser.add_argument(
        "--ca", type=Path, metavar="DIR", help=f"the CA's directory (default: ${VARIABLE}, or the user's)"
    )


def run(arguments: argparse.Namespace) -> int:
    """One action."""
    return ACTIONS[arguments.action][2](arguments, Development(authority.directory(arguments.ca)))


# init


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="the CA's name (default: puretls development CA (USER@HOST))")
    _add_kind(parser)
    parser.add_argument(
        "--days",
        type=_days,
        default=authority.YEARS * 365.25,
        metavar="N",
        help="how long it is good (default: 10 years)",
    )


def _init(arguments: argparse.Namespace, development: Development) -> int:
    made = development.make(kind=arguments.kind, name=arguments.name, days=arguments.days)
    shown = screen()
    shown.good(f"{describe(made.certificate)}, in {development.folder}")
    _hint(shown)
    return 0


def _hint(shown: Plain) -> None:
    shown.pairs([("next", "puretls ca trust has this machine trust it; puretls serve uses it")])


# issue


def _add_issue(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  puretls ca issue localhost 127.0.0.1 ::1\n"
        "  puretls ca issue '*.app.test' app.test --kind RSA --out /srv/app\n"
        "  puretls ca issue alice@example.org --client --days 30\n"
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="a host, *.host, an address, a mailbox or a URI")
    parser.add_argument("--client", action="store_true", help="for a client, which shows who it is")
    _add_kind(parser)
    parser.add_argument(
        "--days", type=_days, default=DAYS, metavar="N", help="how long it is good (default %(default)g)"
    )
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the files go (default: here)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def _issue(arguments: argparse.Namespace, development: Development) -> int:
    ca = development.load_or_make()
    identity = authority.leaf(ca, arguments.names, kind=arguments.kind, days=arguments.days, client=arguments.client)
    stem = "".join(one if one.isalnum() or one in "-._@" else "_" for one in arguments.names[0]).lstrip(".")
    chain, key = arguments.out / f"{stem}.pem", arguments.out / f"{stem}-key.pem"
    try:
        for path in (chain, key):
            if path.exists() and not arguments.force:
                raise Failure(f"{path} is there already; --force replaces it")
        for path, data, private in ((key, identity.key_pem, True), (chain, identity.chain_pem, False)):
            if arguments.force:
                path.unlink(missing_ok=True)
            write_new(path, data, private=private)
    except OSError as error:
        raise Failure(f"{arguments.out}: {reason(error)}") from None
    shown = screen()
    shown.good(describe(identity.certificate))
    shown.pairs([("certificate", str(chain)), ("private key", str(key)), ("CA", str(development.certificate_file))])
    return 0


# show


def _add_show(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--pem", action="store_true", help="the CA's certificate as PEM")
    form.add_argument("--json", action="store_true", help="one JSON document")


def _show(arguments: argparse.Namespace, development: Development) -> int:
    ca = development.load()
    if arguments.pem:
        print(ca.pem.decode("ascii"), end="")
        return 0
    root = stores.Root(ca.certificate, development.certificate_file)
    facts = portrait.certificate(ca.certificate.public_bytes(Encoding.DER))
    trusted = {store.label: store.has(root) for store in stores.stores()}
    if arguments.json:
        files = {"certificate": str(development.certificate_file), "key": str(development.key_file)}
        print(json.dumps(files | {"facts": facts, "trusted": trusted}, indent=2))
        return 0
    shown = screen()
    shown.heading("The development CA", str(development.folder))
    shown.pairs([*portrait.lines(facts, leaf=False), ("SHA-256", facts["sha256"])])
    shown.heading("Trusted by")
    shown.pairs([("yes" if has else "no", label) for label, has in trusted.items()] or [("-", "no store was found")])
    return 0


# trust, untrust


def _nothing(_parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def _trust(_arguments: argparse.Namespace, development: Development) -> int:
    return _in_every_store(
        development, development.load_or_make(), "trusts the CA", lambda store, root: store.add(root)
    )


def _untrust(_arguments: argparse.Namespace, development: Development) -> int:
    ca = development.load()
    return _in_every_store(
        development, ca, "does not trust the CA", lambda store, root: store.remove(root), present=True
    )


def _in_every_store(
    development: Development,
    ca: Authority,
    then: str,
    change: Callable[[stores.Store, stores.Root], Any],
    *,
    present: bool = False,
) -> int:
    """Change what has to be changed; 1 if something could not be."""
    root, shown, failed, found = stores.Root(ca.certificate, development.certificate_file), screen(), False, False
    for store in stores.stores():
        found = True
        try:
            if store.has(root) == present:
                change(store, root)
        except (Failure, OSError) as error:
            shown.bad(f"{store.label}: {error if isinstance(error, Failure) else reason(error)}")
            failed = True
        else:
            shown.good(f"{store.label} {then}")
    if not found:
        raise Failure(
            f"no store of trusted CAs was found here; give {development.certificate_file} to whoever shall trust it"
        )
    return int(failed)


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind", choices=KINDS, default="P-256", metavar="KIND", help=f"of key: {', '.join(KINDS)} (default P-256)"
    )


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0
    if not 0 < days < 36525:
        raise argparse.ArgumentTypeError(f"not a number of days: {text!r}")
    return days


ACTIONS: dict[
    str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace, Development], int]]
] = {
    "init": ("make the CA; it is also made when it is first needed", _add_init, _init),
    "issue": ("a certificate and its key, signed by the CA, in two files", _add_issue, _issue),
    "show": ("the CA: where it is, what it is, who trusts it", _add_show, _show),
    "trust": ("have the system and the browsers of this machine trust the CA", _nothing, _trust),
    "untrust": ("have them no longer trust it", _nothing, _untrust),
}
