"""`puretls completion`: a script with which a shell completes commands, options, their values and files, by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from puretls.cli import COMMANDS, parser
from puretls.cli.failure import Failure

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """\
examples:
  eval "$(puretls completion bash)"                                in ~/.bashrc
  puretls completion bash > ~/.local/share/bash-completion/completions/puretls
  puretls completion zsh > ~/.zfunc/_puretls                       a directory of $fpath
  puretls completion fish > ~/.config/fish/completions/puretls.fish
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls completion`."""
    parser.epilog = EXAMPLES
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab  # noqa: PLC0415 - an extra
    except ImportError:
        raise Failure("needs shtab: pip install 'puretls[cli]'") from None
    if arguments.shell not in shtab.SUPPORTED_SHELLS:
        raise Failure(f"this shtab knows nothing of {arguments.shell}: pip install --upgrade shtab")
    described = parser(tuple(COMMANDS))
    for action in everything(described):
        if action.metavar == "FILE":
            action.complete = shtab.FILE
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY
    print(shtab.complete(described, arguments.shell))
    return 0


def everything(described: argparse.ArgumentParser) -> Iterator[Any]:
    """The arguments of a parser and of those below it."""
    for action in described._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from everything(below)
        else:
            yield action
