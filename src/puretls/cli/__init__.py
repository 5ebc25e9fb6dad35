"""The command `puretls`: a user of the public names like any other, so it shows what those names can do.

Each subcommand is a module with `add(parser)`, which describes its arguments, and `run(arguments)`, which returns the
exit status. They are imported when asked for: `puretls --help` should not wait for what it does not use.

Exit statuses are the same everywhere: 0 it worked, 1 what was asked about failed, 2 wrong usage, 130 interrupted. A
command says `raise Failure(...)` (failure.py), and here it becomes one line on standard error.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from puretls.cli.failure import Failure, reason
from puretls.cli.version import ours

GROUPS = {
    "look at servers": {
        "connect": "talk TLS to a server: its certificates, what was negotiated, data both ways",
        "inspect": "a connection message by message, every byte explained: in the terminal, as a page, as JSON",
        "scan": "which versions, suites, groups and certificates a server accepts, with a grade",
        "crlite": "get Mozilla's filters of revoked certificates, and ask them",
    },
    "serve": {
        "serve": "serve a directory over HTTPS, with a certificate of the development CA",
        "ech": "keys for Encrypted Client Hello: make them, show configurations",
        "ca": "a development CA: make it, issue certificates, have the system trust it",
    },
    "see it and use it": {
        "demo": "see it work: server, verifying clients, throughput, and a page for your browser",
        "bench": "how quick puretls and ssl are on this machine, side by side",
        "run": "run any program with puretls in the place of ssl",
        "completion": "have bash, zsh or fish complete all of this",
        "version": "what is installed, and on what it runs",
    },
}
FULL = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF, getattr(errno, "EDQUOT", errno.ENOSPC))  # no more is taken
COMMANDS = {name: summary for group in GROUPS.values() for name, summary in group.items()}

EXAMPLES = """\
examples:
  puretls connect example.org                     who is this server, and what do we speak with it?
  puretls connect mail.example.org:587 --starttls smtp
  puretls inspect example.org --html page.html    a page about every byte of a handshake
  puretls scan example.org --min-grade A          what does the server accept, and is that good enough?
  puretls serve ./public                          https://localhost:8443/, with a certificate of your own CA
  puretls run script.py                           a program with puretls in the place of ssl

Each command explains itself: puretls COMMAND --help
"""


class Listing(argparse.RawDescriptionHelpFormatter):
    """Help with the commands in their groups; descriptions and examples stay as they were written."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction) or action.choices.keys() != COMMANDS.keys():
            return super()._format_action(action)
        lines = []
        for title, commands in GROUPS.items():
            lines += [f"  {title}:", *(f"    {name:12}{summary}" for name, summary in commands.items()), ""]
        return "\n".join(lines[:-1]) + "\n"


class _Version(argparse.Action):
    """As argparse's own, for a version that is looked up when somebody wants to know it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"puretls {ours()}")
        parser.exit()


def parser(wanted: Sequence[str]) -> argparse.ArgumentParser:
    """The command line, with the arguments of the commands that are wanted."""
    described = argparse.ArgumentParser(
        prog="puretls",
        description="TLS in Python behind the names of the ssl module.",
        epilog=EXAMPLES,
        formatter_class=Listing,
    )
    described.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = described.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", formatter_class=Listing
        )
        if name in wanted:
            import_module(f"{__name__}.{name}").add(command)
    return described


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    _open_what_is_closed()
    argv = sys.argv[1:] if argv is None else argv
    arguments = parser(argv).parse_args(argv)
    if arguments.command != "run":  # whose output is the program's
        for stream in (sys.stdout, sys.stderr):
            _escape_what_cannot_be_shown(stream)
    try:
        status = int(import_module(f"{__name__}.{arguments.command}").run(arguments))
        sys.stdout.flush()  # here, where a reader that has left is no surprise
    except Failure as failure:
        print(f"puretls {arguments.command}: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        _forget_the_output()
        return 141
    except OSError as error:  # commands word those of their own: this one is of standard output
        if error.errno not in FULL:
            raise
        _forget_the_output()
        print(f"puretls {arguments.command}: standard output: {reason(error)}", file=sys.stderr)
        return 1
    return status


def _open_what_is_closed() -> None:
    """Standard streams that were closed: nothing to read, nobody to hear, and no other file gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as we live


def _forget_the_output() -> None:
    """What is still in its buffer goes nowhere, also when the interpreter ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_what_cannot_be_shown(stream: Any) -> None:
    """In a locale without the character, a name from a certificate is escaped rather than an exception."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
