"""Modules of features, which are loaded when a setting or a call asks for the feature.

A module that only some programs need is imported for type checkers, and is `deferred` for the interpreter: it is loaded
when something of it is first asked for.  What a connection may come to has to be loaded by then, since no connection
imports anything (`_engine/roles.py`): the setter that switches a feature on asks for something of its module.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Deferred:
    """Stands for a module."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            self._module = import_module(self._name)
        return getattr(self._module, name)

    def __repr__(self) -> str:
        return f"<deferred {self._name}>"


def deferred(name: str) -> Any:
    """The module of this name, loaded when it is needed."""
    return Deferred(name)
