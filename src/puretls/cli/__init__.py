"""The command `puretls`. It uses the public names like any other program.

Each subcommand is a module with `add(parser)`, which describes its arguments, and `run(arguments)`, which returns the
exit status. They are imported when they are needed: `puretls --help` should not wait for what it does not use.

Exit statuses are the same everywhere: 0 it worked, 1 what was asked about failed, 2 wrong usage, 130 interrupted. A
command raises `Failure(...)` (failure.py), which becomes one line on standard error here.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from shutil import get_terminal_size
from typing import Any, NoReturn

from puretls.cli.failure import Failure, reason
from puretls.cli.text import printable
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
WIDEST = 118  # of a line of help, in however wide a terminal
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
    """Help with the commands in their groups; examples keep their lines where these fit."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(get_terminal_size().columns - 2, WIDEST))

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction) or action.choices.keys() != COMMANDS.keys():
            return super()._format_action(action)
        lines = []
        for title, commands in GROUPS.items():
            lines.append(f"  {title}:")
            for name, summary in commands.items():
                lines += _wrapped(f"    {name:12}", summary, self._width)
            lines.append("")
        return "\n".join(lines[:-1]) + "\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Paragraphs are filled; of an example that is too long, what is said about it goes below."""
        lines: list[str] = []
        for block in re.split(r"\n(?=  )|\n\n", text.strip("\n")):
            command, _, said = block.lstrip().partition("  ")
            if not block.startswith("  "):
                lines += [*([""] if lines else []), *textwrap.wrap(block, width)]
            elif len(block) <= width or not (said or block.startswith(" " * 6)):
                lines.append(block)
            elif said:
                lines += [f"  {command}", *_wrapped(" " * 6, said.strip(), width)]
            else:  # said of the line before
                lines += _wrapped(" " * 6, command, width)
        return "".join(f"{indent}{line}\n" for line in lines)


def _wrapped(before: str, text: str, width: int) -> list[str]:
    """Lines of text, all of them as far in as the first, which has something before it."""
    found = textwrap.wrap(text, max(width - len(before), 20))
    return [before + found[0], *(" " * len(before) + line for line in found[1:])]


class Parser(argparse.ArgumentParser):
    """A command line; who is wrong hears that, and not all that would be right."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.commands: dict[str, Parser] = {}

    def error(self, message: str) -> NoReturn:
        """Two lines, and the status of wrong usage."""
        positional = [self._get_formatter()._format_args(one, one.dest) for one in self._get_positional_actions()]
        usage = self.usage or f"{self.prog} [options] {' '.join(positional)}".rstrip()
        print(f"usage: {usage}", file=sys.stderr)
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """A disk that is full is none of argparse's secrets."""
        (file or sys.stderr).write(message)


class _Version(argparse.Action):
    """The same as argparse's own action, for a version that is looked up only when it is wanted."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"puretls {ours()}")
        parser.exit()


def parser(wanted: Sequence[str]) -> Parser:
    """The command line, with the arguments of the commands that are wanted."""
    described = Parser(
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
        described.commands[name] = command
    return described


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    _open_what_is_closed()
    argv = sys.argv[1:] if argv is None else argv
    name = "puretls"
    try:
        arguments = _parsed(argv)
        name = f"puretls {arguments.command}"
        status = int(import_module(f"{__name__}.{arguments.command}").run(arguments))
        sys.stdout.flush()  # here, where a reader that has left is no surprise
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        _forget_the_output()
        return 141
    except OSError as error:
        if name == "puretls run":  # the program's
            raise
        where = error.filename
        if where is None and error.errno in FULL:
            _forget_the_output()
            where = "standard output"
        said = reason(error) if where is None else f"{printable(os.fsdecode(where))}: {reason(error)}"
        print(f"{name}: {said}", file=sys.stderr)
        return 1
    return status


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """What the command line says; SystemExit for wrong usage, and once help has been printed."""
    if argv[:1] != ["run"]:  # whose output is the program's
        for stream in (sys.stdout, sys.stderr):
            _escape_what_cannot_be_shown(stream)
    described = parser(argv)
    try:
        arguments, unknown = described.parse_known_args(argv)
        if unknown:
            described.commands[arguments.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit:
        sys.stdout.flush()
        raise
    return arguments


def _open_what_is_closed() -> None:
    """Replace standard streams that were closed by the null device, so that no other file gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as we live


def _forget_the_output() -> None:
    """Drop what is still in the buffer of standard output, also when the interpreter ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_what_cannot_be_shown(stream: Any) -> None:
    """In a locale without the character, a name from a certificate is escaped rather than an exception."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
