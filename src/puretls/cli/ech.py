"""`puretls ech`: make keys of Encrypted Client Hello (RFC 9849), and show configurations."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from puretls import ECHConfig, ECHKey, make_ech_config
from puretls.cli.amounts import whole
from puretls.cli.ech_configs import configurations, described, in_base64
from puretls.cli.failure import Failure, Misuse, reason

KEMS = ("X25519", "P-256", "P-384", "P-521")
EXAMPLES = """\
examples:
  puretls ech make public.example --out ech.pem      a key and its configuration, and what goes into the DNS
  puretls ech show ech.pem                           what the configuration says
  puretls ech show AEX+DQBB...                       the same of ech= in an HTTPS record

  puretls serve --ech ech.pem                        a server that opens hellos with it
  puretls connect --ech ech.pem HOST                 a client that encrypts for it
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls ech`."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="a new key, for a server")
    make.add_argument(
        "public_name", metavar="NAME", help="the host that is asked for in the clear; it needs a certificate"
    )
    make.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new file for both, which is secret")
    make.add_argument(
        "--maximum-name-length", type=whole(0, 255), default=64, metavar="N", help="names are padded to it (64)"
    )
    make.add_argument(
        "--config-id", type=whole(0, 255), metavar="N", help="0 to 255, unlike those of other keys (random)"
    )
    make.add_argument("--kem", choices=KEMS, default="X25519", help="the kind of key (default %(default)s)")
    show = actions.add_parser("show", help="what configurations say")
    show.add_argument("configs", type=configurations, metavar="CONFIGS", help="in base64, or a file that has them")
    show.add_argument("--json", action="store_true", help="one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Run one of the two actions."""
    return made(arguments) if arguments.action == "make" else shown(arguments)


def made(arguments: argparse.Namespace) -> int:
    """Make a key: the file has the key and its configuration, and is readable by its owner only; the configuration is
    printed.
    """
    try:
        config, private = make_ech_config(
            arguments.public_name,
            config_id=arguments.config_id,
            maximum_name_length=arguments.maximum_name_length,
            kem=arguments.kem,
        )
    except ValueError as error:
        raise Misuse(str(error)) from None
    try:
        descriptor = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(ECHKey(config, private).to_pem())
    except OSError as error:
        raise Failure(f"{arguments.out}: {reason(error)}") from None
    print(f"{arguments.out}: the key (keep it secret) and its configuration")
    print(f"in the HTTPS record of each host that it is to hide: ech={in_base64(config.config_list)}")
    return 0


def shown(arguments: argparse.Namespace) -> int:
    """Show configurations; the exit status is 0 if one of them can be used here."""
    configs = [described(config) for config in ECHConfig.from_list(arguments.configs)]
    if arguments.json:
        print(json.dumps({"ech": in_base64(arguments.configs), "configs": configs}, indent=2))
    else:
        print(f"ech={in_base64(arguments.configs)}")
        for facts in configs:
            print(f"\n{facts['public_name']}")
            for name, value in list(facts.items())[1:]:
                words = "; ".join(value) if isinstance(value, list) else value
                print(f"  {name.replace('_', ' '):20}{words}")
        if not configs:
            print("no configuration of a version that is known (0xfe0d)")
    return 0 if any(facts["usable"] for facts in configs) else 1
