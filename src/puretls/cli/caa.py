"""Which CAs may issue for a name, as its owner says in the DNS (CAA, RFC 8659).

dnspython asks, where it is installed.
"""

from __future__ import annotations

import importlib
from typing import Any

from puretls.cli.failure import Failure
from puretls.cli.text import printable


def caa(host: str, seconds: float, resolver: Any = None) -> list[str]:
    """The records of the closest name that has any (RFC 8659 3), as `issue "ca.example"`; none if any CA may issue.

    Failure if dnspython is missing, or the DNS gives no answer.
    """
    try:
        dns: Any = importlib.import_module("dns.resolver")
    except ImportError:
        raise Failure("--dns needs dnspython: pip install dnspython") from None
    asked = resolver or dns.Resolver()
    labels = host.rstrip(".").split(".")
    try:
        for start in range(len(labels)):
            try:
                found = _records(asked, ".".join(labels[start:]), seconds)
            except dns.NXDOMAIN:  # what is above it may be there
                continue
            if found:
                return found
    except Exception as error:
        if type(error).__module__.startswith("dns."):
            raise Failure(f"--dns: {host}: {printable(str(error), 200)}") from None
        raise
    return []


def _records(resolver: Any, name: str, seconds: float) -> list[str]:
    answer = resolver.resolve(name, "CAA", lifetime=seconds, raise_on_no_answer=False, search=False)
    rows = answer.rrset or ()  # a set, without an order
    said = (f'{_text(one.tag)} "{_text(one.value)}"' + " (critical)" * bool(one.flags & 128) for one in rows)
    return sorted(printable(line, 200) for line in said)


def _text(data: Any) -> str:
    return data.decode("latin-1") if isinstance(data, bytes) else str(data)
