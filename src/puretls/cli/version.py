"""`puretls version`: the versions that matter in a bug report."""

from __future__ import annotations

import argparse
from importlib.util import find_spec


def add(parser: argparse.ArgumentParser) -> None:
    """No arguments."""
    parser.epilog = "example:\n  puretls version                     a bug report begins with it"


def ours() -> str:
    """Our own version, as installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - it brings much, for this alone

    try:
        return version("puretls")
    except PackageNotFoundError:
        return "(a source tree, not installed)"


def versions() -> list[tuple[str, str]]:
    """Each part and its version, the interpreter's own OpenSSL where there is one."""
    import platform  # noqa: PLC0415 - as above
    from importlib.metadata import version  # noqa: PLC0415

    found = [
        ("puretls", ours()),
        (platform.python_implementation(), platform.python_version()),
        ("cryptography", version("cryptography")),
    ]
    if find_spec("_ssl"):
        import ssl  # noqa: PLC0415 - an interpreter without it is a case we serve

        found.append(("ssl", ssl.OPENSSL_VERSION))
    return found


def run(_arguments: argparse.Namespace) -> int:
    """Print one line for each part."""
    for name, number in versions():
        print(f"{name:14}{number}")
    return 0
