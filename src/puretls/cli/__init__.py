"""The command `puretls`: a user of the public names like any other, so it shows what those names can do.

Each subcommand is a module with `add(parser)`, which describes its arguments, and `run(arguments)`, which returns the
exit status. They are imported when asked for: `puretls --help` should not wait for what it does not use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from puretls.cli.version import ours

COMMANDS = {
    "demo": "see it work: server, verifying clients, throughput, and a page for your browser",
    "run": "run any program with puretls in the place of ssl",
    "version": "what is installed, and on what it runs",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="puretls", description="TLS in Python behind the names of the ssl module.")
    parser.add_argument("--version", action="version", version=f"puretls {ours()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        described = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name in argv:
            import_module(f"{__name__}.{name}").add(described)
    arguments = parser.parse_args(argv)
    try:
        return int(import_module(f"{__name__}.{arguments.command}").run(arguments))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 141
