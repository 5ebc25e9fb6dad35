"""Classes with slots: what is worked out is worked out once, alone or with what belongs to it."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import pytest

from puretls._base.slotted import at_once, slotted

worked_out: Counter[str] = Counter()


@slotted("size")
class Square:
    """Knows its size; all else follows."""

    def __init__(self, size: int) -> None:
        self.size = size

    @cached_property
    def area(self) -> int:
        """Alone."""
        worked_out["area"] += 1
        return self.size**2

    diagonal: float  # two numbers that are had together
    perimeter: int

    @at_once("diagonal", "perimeter")
    def _lengths(self) -> tuple[float, int]:
        if self.size < 0:
            raise ValueError("a size below zero")
        worked_out["lengths"] += 1
        return self.size * 2**0.5, self.size * 4


def test_each_is_worked_out_once() -> None:
    worked_out.clear()
    square = Square(3)
    assert [square.area, square.area, square.perimeter, square.diagonal, square.perimeter] == [9, 9, 12, 3 * 2**0.5, 12]
    assert worked_out == {"area": 1, "lengths": 1}
    assert Square(4).diagonal == 4 * 2**0.5
    assert worked_out == {"area": 1, "lengths": 2}


def test_what_cannot_be_worked_out_can_be_asked_for_again() -> None:
    square = Square(-1)
    for name in ("diagonal", "perimeter", "diagonal"):
        with pytest.raises(ValueError, match="below zero"):
            getattr(square, name)
    square.size = 1
    assert square.perimeter == 4


def test_there_is_nothing_else() -> None:
    square = Square(1)
    assert not hasattr(square, "__dict__")
    assert not hasattr(square, "_lengths")
    assert not hasattr(square, "volume")
    with pytest.raises(AttributeError):
        square.volume = 1  # type: ignore[attr-defined]
