"""`puretls run`: any program, with puretls in the place of `ssl` from its first line on."""

from __future__ import annotations

import argparse
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import puretls
from puretls.cli.failure import Failure, Misuse

EXAMPLES = """\
examples:
  puretls run script.py --its-own option
  puretls run -m pip download requests
  puretls run -m uvicorn app:app --ssl-certfile chain.pem --ssl-keyfile key.pem
"""


def add(parser: argparse.ArgumentParser) -> None:
    """A script or a module, as the interpreter takes them; what follows is the program's."""
    parser.usage = "puretls run [options] (SCRIPT | -m MODULE) [ARGUMENT]"
    parser.add_argument(
        "--no-asyncio", action="store_true", help="leave the event loops of asyncio and uvloop their own TLS layers"
    )
    parser.add_argument(
        "--resume", action="store_true", help="clients resume TLS sessions, from one cache for the whole program"
    )
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="a module, as with python -m")
    parser.add_argument("script", nargs=argparse.REMAINDER, help="a script; what follows is for the program")
    parser.epilog = EXAMPLES


def run(arguments: argparse.Namespace) -> int:
    """Run it; its exit status is ours, by way of SystemExit."""
    program: list[str] = arguments.module or arguments.script
    if not program:
        print("puretls run: which program?  A script, or -m and a module", file=sys.stderr)
        return 2
    if not arguments.module and not Path(program[0]).exists():
        raise Misuse(f"{program[0]}: no such file")
    puretls.inject_into_ssl(client_session_cache=True if arguments.resume else None, asyncio=not arguments.no_asyncio)
    sys.argv[:] = program
    if arguments.module:
        sys.path.insert(0, str(Path.cwd()))
        if not _is_there(program[0]):
            raise Failure(f"no module named {program[0]}")
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(program[0]).resolve().parent))
        runpy.run_path(program[0], run_name="__main__")
    return 0


def _is_there(module: str) -> bool:
    """As runpy will look for it: packages on the way are imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name and (module + ".").startswith(error.name + "."):
            return False
        raise
