"""Files that hold keys: read by name, where what was meant for the content may have been given for the name.

An OSError says which file it is about.  A key that is neither PEM nor DER, as somebody has cut or pasted it, is taken
for the name of a file; there is none, and the error that says so goes into a log.  So it has no name then.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from puretls._api.errors import noted

if TYPE_CHECKING:
    from puretls._api.types import StrOrBytesPath

LONGEST = 255  # characters that a part of a path may have, nearly everywhere
# What no name looks like: control characters, PEM, and a SEQUENCE in Base64 or in hexadecimal digits
_CONTENT = re.compile(r"[\0-\x1f\x7f]|-----|PRIVATE KEY|^M[\w+/=-]{47}|^30[0-9A-Fa-f]{62}|^[0-9A-Fa-f]{64}")


def read(path: StrOrBytesPath, most: int = -1) -> bytes:
    """The content of a file, or so many bytes of it; OSError, which has the name only if it looks like one."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # bytes too
            return file.read(most)
    except OSError as error:
        if is_a_name(path):
            raise
        code, text = error.errno, error.strerror
    raise noted(OSError(code, text), "no name of a file: what is in memory has to be PEM or DER")


def is_a_name(path: StrOrBytesPath) -> bool:
    """Whether this may be shown as the name of a file."""
    text = os.fsdecode(path)
    return _CONTENT.search(text) is None and max(map(len, text.split("/"))) <= LONGEST
