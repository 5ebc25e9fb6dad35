"""`puretls ca`: the development CA, what it issues, and who trusts it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from puretls.cli import authority, portrait, stores
from puretls.cli.authority import VARIABLE, Development
from puretls.cli.certs import Authority
from puretls.cli.failure import Failure, reason
from puretls.cli.issuing import add_issue, add_kind, add_renew, issue, number_of_days, renew
from puretls.cli.render import Plain, describe, screen
from puretls.cli.revoking import add_crl, add_revoke, crl, revoke

EXAMPLES = f"""\
examples:
  puretls ca trust                                  make the CA if there is none, and have this machine trust it
  puretls ca issue app.test '*.app.test' 127.0.0.1  app.test.pem and app.test-key.pem
  puretls ca issue alice@example.org --client       a certificate for a client
  puretls ca issue --csr app.csr                    for a key that stays where it is
  puretls ca renew app.test.pem                     and puretls ca revoke app.test.pem
  puretls ca show --pem > ca.pem                    for curl --cacert, or for another machine
  puretls ca untrust                                and it was as before

The CA is made once and never overwritten. It lives in the user's data directory, or in --ca DIR, or in ${VARIABLE}.
Whoever has ca-key.pem can pass for any site to everybody who trusts the CA: it never leaves this machine.
"""


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
    add_kind(parser)
    parser.add_argument(
        "--days",
        type=number_of_days,
        default=authority.YEARS * 365.25,
        metavar="N",
        help="how long it is good (default: 10 years)",
    )
    parser.add_argument(
        "--pathlen",
        type=_length,
        default=0,
        metavar="N",
        help="how many CAs may be below it (default 0: it signs for servers and clients only); any for no limit",
    )
    add_only(parser)


def _init(arguments: argparse.Namespace, development: Development) -> int:
    made = development.make(
        kind=arguments.kind,
        name=arguments.name,
        days=arguments.days,
        path_length=arguments.pathlen,
        only=arguments.only,
    )
    shown = screen()
    shown.good(f"{describe(made.certificate)}, in {development.folder}")
    _hint(shown)
    return 0


def _length(text: str) -> int | None:
    """A number of CAs, or any; a type for argparse."""
    if text == "any":
        return None
    if text.isascii() and text.isdigit() and int(text) < 100:
        return int(text)
    raise argparse.ArgumentTypeError(f"neither a small number nor any: {text!r}")


def _hint(shown: Plain) -> None:
    shown.pairs([("next", "puretls ca trust has this machine trust it; puretls serve uses it")])


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


def _add_install(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "examples:\n  puretls ca install --only app.test corp.test 127.0.0.1 10.0.0.0/8\n"
    add_only(parser)


def add_only(parser: argparse.ArgumentParser) -> None:
    """What a CA that is made is good for."""
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="the CA is good for these hosts, what is below them, and these addresses or networks only",
    )


def _install(arguments: argparse.Namespace, development: Development) -> int:
    if arguments.only and not development.exists:
        development.make(only=arguments.only)
    elif arguments.only:
        ca, wanted = development.load(), sorted(map(authority.within_reach, arguments.only))
        if sorted(authority.reach(ca.certificate)) != wanted:
            limits = ", ".join(authority.reach(ca.certificate)) or "every name"
            raise Failure(
                f"there is a CA in {development.folder}, good for {limits}; another one goes to another --ca DIR"
            )
    return _trust(arguments, development)


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


ACTIONS: dict[
    str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace, Development], int]]
] = {
    "init": ("make the CA; it is also made when it is first needed", _add_init, _init),
    "issue": ("a certificate and its key, signed by the CA, in two files", add_issue, issue),
    "renew": ("the same certificate again, for the same key", add_renew, renew),
    "revoke": ("put a certificate on the list of those that are good no more", add_revoke, revoke),
    "crl": ("that list, made anew", add_crl, crl),
    "show": ("the CA: where it is, what it is, who trusts it", _add_show, _show),
    "trust": ("have the system and the browsers of this machine trust the CA", _nothing, _trust),
    "install": (
        "make the CA, for some names only if you say so, and have this machine trust it",
        _add_install,
        _install,
    ),
    "untrust": ("have them no longer trust it", _nothing, _untrust),
}
