"""The public names, and loading them when they are asked for.

A public object has `puretls` as its module, so that a repr, a traceback and a pickle name what a program can import.
Most of them are loaded when they are asked for (PEP 562): every program pays for what an import loads, and few need
everything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
PACKAGE = __name__.partition(".")[0]


def public(thing: T) -> T:
    """Mark a class or a function that programs import from the package.

    The annotations of a class become types, as their names are those of the module that it is defined in.
    """
    if isinstance(thing, type) and thing.__annotations__:
        hints = get_type_hints(thing)
        thing.__annotations__ = {name: hints[name] for name in thing.__annotations__}
        if issubclass(thing, tuple):  # a named one has them twice
            thing.__new__.__annotations__ = thing.__annotations__
    thing.__module__ = PACKAGE
    return thing


def on_demand(module: str, places: Mapping[str, str], otherwise: Any = None) -> Callable[[str], Any]:
    """The `__getattr__` of a module whose names are elsewhere: at "module:name", or "module" for a module itself.

    What has been asked for once is an attribute like any other.  Two threads that ask at once find the same: the
    import system has one of them wait.  `otherwise` is the object that has all other names.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  # it is one
        place = places.get(name)
        if place is None:
            if otherwise is None:
                raise AttributeError(f"module {module!r} has no attribute {name!r}")
            return getattr(otherwise, name)
        where, _, attribute = place.partition(":")
        found: Any = import_module(f"{PACKAGE}.{where}")
        if attribute:
            found = getattr(found, attribute)
        setattr(sys.modules[module], name, found)
        return found

    return __getattr__
