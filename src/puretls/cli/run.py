"""`puretls run`: any program, with puretls in the place of `ssl` from its first line on."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

import puretls

EXAMPLES = """\
examples:
  puretls run script.py --its-own option
  puretls run -m pip download requests
  puretls run -m uvicorn app:app --ssl-certfile chain.pem --ssl-keyfile key.pem
"""


def add(parser: argparse.ArgumentParser) -> None:
    """A script or a module, as the interpreter takes them; what follows is the program's."""
    parser.usage = "puretls run [-h] [--no-asyncio] [--resume] (SCRIPT | -m MODULE) [ARGUMENT ...]"
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
    puretls.inject_into_ssl(client_session_cache=True if arguments.resume else None, asyncio=not arguments.no_asyncio)
    sys.argv[:] = program
    if arguments.module:
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(program[0]).resolve().parent))
        runpy.run_path(program[0], run_name="__main__")
    return 0
