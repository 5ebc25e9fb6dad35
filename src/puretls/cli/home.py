"""The user's home directory, which not every container and service has."""

from __future__ import annotations

import os
from pathlib import Path

from puretls.cli.failure import Failure


def home() -> Path:
    """Where it is; an empty HOME says as little as none."""
    try:
        if os.environ.get("HOME") == "" and os.name == "posix":
            import pwd  # noqa: PLC0415 - Windows has none

            return Path(pwd.getpwuid(os.getuid()).pw_dir)
        return Path.home()
    except (KeyError, RuntimeError):
        raise Failure("this user has no home directory: PURETLS_CA=DIR says where the CA is to be") from None
