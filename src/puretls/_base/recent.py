"""A cache of what was used last."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """What was used last: at most so many values, of which the older half goes when the newer half is full.

    Each step is one operation of a dict: so threads, signal handlers and forks can come between any two of them, and
    there is no lock.
    """

    __slots__ = ("_half", "_newer", "_older")

    def __init__(self, most: int) -> None:
        self._newer: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._half = most // 2

    def __len__(self) -> int:
        return len({**self._older, **self._newer})

    def get(self, key: K) -> V | None:
        """The value, if it is still there."""
        value = self._newer.get(key)
        if value is None:
            value = self._older.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep a value, which is not None."""
        newer = self._newer
        newer[key] = value
        if len(newer) >= self._half and newer is self._newer:
            self._older, self._newer = newer, {}
