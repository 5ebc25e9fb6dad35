"""Classes with a slot for every attribute, those included that are worked out when they are first read.

What every handshake reads lives in such classes.  The interpreter has a fast path to a slot, and none, before Python
3.14, to an attribute of an instance that its class knows as well: as a default, or as a property that is worked out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cached_property
from itertools import repeat
from typing import Any, TypeVar, cast

from puretls._base.tuples import NamedTuple

C = TypeVar("C")
put = object.__setattr__  # whatever a class says of assignments


class Several(NamedTuple):
    """A method that works out several attributes at once."""

    names: tuple[str, ...]
    derive: Callable[[Any], tuple[Any, ...]]


def at_once(*names: str) -> Callable[[Callable[[Any], tuple[Any, ...]]], Several]:
    """Whichever of these attributes is read first, the method gives all of them: for what is mostly read together."""
    return lambda derive: Several(names, derive)


def slotted(*names: str) -> Callable[[type[C]], type[C]]:
    """Give a class slots: of these names, for each of its cached properties, and for what it works out `at_once`.

    Two threads may both work out the same one, without a lock; they get equal values, and the second is kept.
    """

    def remake(cls: type[C]) -> type[C]:
        body = dict(vars(cls))
        derived = {name: body.pop(name).func for name, value in vars(cls).items() if isinstance(value, cached_property)}
        groups = [body.pop(name) for name, value in vars(cls).items() if isinstance(value, Several)]
        together = {name: several for several in groups for name in several.names}
        for name in (*names, *together, "__dict__", "__weakref__"):
            body.pop(name, None)

        def fill(self: C, name: str) -> Any:  # its slot is empty
            derive = derived.get(name)
            if derive is not None:
                value = derive(self)
                put(self, name, value)
                return value
            if name not in together:
                raise AttributeError(name)
            several, derive = together[name]
            found = derive(self)
            deque(map(put, repeat(self), several, found), 0)  # a loop, but for the steps of one
            return found[several.index(name)]

        body |= {"__slots__": (*names, *derived, *together), "__getattr__": fill}
        return cast("type[C]", type(cls.__name__, cls.__bases__, body))

    return remake
