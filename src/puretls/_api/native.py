"""The interpreter's own `ssl`, where it exists.

Programs compare classes by identity: `except ssl.SSLError`, `isinstance(context, ssl.SSLContext)`, `OP_ALL in
context.options`.  So whatever the interpreter has is taken from it, and only what it lacks is defined here.  Only this
module looks for it: all others use `native.ssl`, which is None on a Python built without OpenSSL.  It is looked up
once, when puretls is imported, so that a later replacement of `sys.modules["ssl"]` does not lead back to us.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

PACKAGE = __name__.partition(".")[0]  # the package with the public names


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_ssl: Any = _module("_ssl")
ssl: Any = _module("ssl") if _ssl is not None else None


stand_ins: dict[type, type] = {}  # our class: the interpreter's that it stands for, while we are injected into `ssl`


class StandIn(type):
    """The metaclass of classes that replace the interpreter's: objects made by the interpreter's class before count as
    instances.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        original = stand_ins.get(cls)
        return original is not None and isinstance(instance, original)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        if type.__subclasscheck__(cls, subclass):
            return True
        original = stand_ins.get(cls)
        return original is not None and issubclass(subclass, original)


def now(name: str, ours: Any) -> Any:
    """The object that a function of `ssl` finds under this name in its module, where truststore, mocket and mocks
    replace it.
    """
    found = getattr(sys.modules[PACKAGE], name, ours)
    if found is ours and stand_ins:  # not replaced here, while we are injected into `ssl`
        return getattr(ssl, name, ours)
    return found


def borrowed(name: str) -> Any:
    """The interpreter's `ssl.name`, or None."""
    return getattr(ssl, name, None)
