"""Classes with a slot for every attribute, those included that are worked out when they are first read.

What every handshake reads lives in such classes.  The interpreter has a fast path to a slot, and none, before Python
3.14, to an attribute of an instance that its class knows as well: as a default, or as a property that is worked out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

C = TypeVar("C")
put = object.__setattr__  # whatever a class says of assignments


def slotted(*names: str) -> Callable[[type[C]], type[C]]:
    """Give a class slots: of these names, and for each of its cached properties.

    Two threads may both work out the same one, without a lock; they get equal values, and the second is kept.
    """

    def remake(cls: type[C]) -> type[C]:
        body = dict(vars(cls))
        derived = {name: body.pop(name).func for name, value in vars(cls).items() if isinstance(value, cached_property)}
        for name in (*names, "__dict__", "__weakref__"):
            body.pop(name, None)

        def fill(self: C, name: str) -> Any:  # its slot is empty
            derive = derived.get(name)
            if derive is None:
                raise AttributeError(name)
            value = derive(self)
            put(self, name, value)
            return value

        body |= {"__slots__": (*names, *derived), "__getattr__": fill}
        return cast("type[C]", type(cls.__name__, cls.__bases__, body))

    return remake
