"""A client of Redis in memory, and clients of TLS that come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.bios import join


class RedisInMemory:
    """What is used of a client of redis-py, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.before: Callable[[], Any] = lambda: None

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.before()

    def set(self, name: str, value: bytes, *, ex: int = 0, px: int = 0, nx: bool = False) -> bool | None:
        self._called("set")
        assert ex > 0 or px > 0
        if nx and name in self.kept:
            return None
        self.kept[name] = value
        return True

    def get(self, name: str) -> bytes | None:
        self._called("get")
        return self.kept.get(name)

    def getdel(self, name: str) -> bytes | None:
        self._called("getdel")
        return self.kept.pop(name, None)

    def mget(self, names: list[str]) -> list[bytes | None]:
        self._called("mget")
        return [self.kept.get(name) for name in names]


def resumed(client: Any, server: Any, session: Any = None) -> bool:
    pair = join(client, server, session=session).ok()
    return bool(pair.server.obj.session_reused)
