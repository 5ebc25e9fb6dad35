"""Comparing what must not be told by the time that it takes.

`hmac.compare_digest` is this function too, or OpenSSL's that does the same; but `hmac` loads `hashlib`, and that all
of the interpreter's OpenSSL, which nothing else here needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hmac import compare_digest
else:
    try:
        from _operator import _compare_digest as compare_digest
    except ImportError:
        from hmac import compare_digest

__all__ = ["compare_digest"]
