"""NamedTuple, for modules whose annotations are postponed: made in less than half of the time.

`typing.NamedTuple` compiles the annotation of each field, which nobody asks for, and a client loads sixty such classes.
Here annotations stay strings, as they are in all other classes, and `typing.get_type_hints` reads them as it does
there.  The classes are made by `collections.namedtuple`, as `typing`'s are.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 - what it is for type checkers
else:

    class _Maker(type):
        def __new__(cls, name: str, _bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = body.pop("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body.pop("__module__"))  # noqa: PYI024
            made.__annotations__ = made.__new__.__annotations__ = fields
            for key, value in body.items():
                setattr(made, key, value)
            return made

    NamedTuple = type.__new__(_Maker, "NamedTuple", (), {})
