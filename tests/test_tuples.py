"""NamedTuple of `_base.tuples` beside `typing`'s: the same class, made sooner."""

from __future__ import annotations

import pickle
import typing
from typing import Any

import pytest

from puretls._base import tuples


class Ours(tuples.NamedTuple):
    """What it is."""

    one: int
    two: tuple[str, ...] | None = None

    def both(self) -> tuple[Any, ...]:
        return self.one, self.two

    @property
    def first(self) -> int:
        return self.one

    @classmethod
    def empty(cls) -> Ours:
        return cls(0)


class Compiled(typing.NamedTuple):
    """What it is."""

    one: int
    two: tuple[str, ...] | None = None

    def both(self) -> tuple[Any, ...]:
        return self.one, self.two

    @property
    def first(self) -> int:
        return self.one

    @classmethod
    def empty(cls) -> Compiled:
        return cls(0)


class Nothing(tuples.NamedTuple):
    """No field."""


@pytest.mark.parametrize(
    "look",
    [
        lambda cls: (cls._fields, cls._field_defaults, cls.__match_args__, cls.__bases__, cls.__module__, cls.__doc__),
        lambda cls: (cls.__slots__, hasattr(cls(1), "__dict__"), sorted(set(vars(cls)) - {"__orig_bases__"})),
        typing.get_type_hints,
        lambda cls: list(cls.__annotations__),
        lambda cls: repr(cls(1, ("a",))).replace(cls.__name__, ""),
        lambda cls: (cls(1) == (1, None), cls(two=("a",), one=2), cls(1).both(), cls(3).first, cls.empty()),
        lambda cls: (cls(1)._replace(one=2), cls(1)._asdict(), cls._make([4, None])),
        lambda cls: pickle.loads(pickle.dumps(cls(1, ("b",)))),
        lambda cls: cls.__qualname__ == cls.__name__ == cls(1).__class__.__name__,
    ],
)
def test_it_is_the_class_that_typing_makes(look: Any) -> None:
    assert look(Ours) == look(Compiled)


@pytest.mark.parametrize("arguments", [(), (1, None, 3), (1, None, None, None)])
def test_it_takes_the_same_arguments(arguments: tuple[Any, ...]) -> None:
    for cls in (Ours, Compiled):
        with pytest.raises(TypeError):
            cls(*arguments)


def test_it_may_have_no_field() -> None:
    assert Nothing() == ()
    assert Nothing._fields == ()


def test_its_fields_cannot_be_assigned() -> None:
    with pytest.raises(AttributeError):
        Ours(1).one = 2  # type: ignore[misc]
