"""The keys under which tickets and stored sessions are sealed: those of one context, or those that several servers
share.

A TicketKey is derived from one secret of at least 32 bytes (HKDF-SHA256, RFC 5869): a name, with which a ticket says
what it is sealed under, a key for AES-256-GCM, and one for the MAC of ids.  Servers that share the secret, and nothing
else, open each other's tickets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import urandom
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from puretls._base.locks import new_lock
from puretls._base.process import Process

KEY_LIFETIME = 3600  # seconds that a ticket key seals; it opens for as long as its last ticket lives
SHORTEST_SECRET = 32  # bytes
NAME, SHORT_NAME = 16, 8  # bytes of a key's name, and of that part of it that an id has room for
CLOCKS = 60  # seconds by which the clocks of servers that share keys may differ
LABEL = b"puretls ticket v1"


class TicketKey:
    """One key for tickets, and the time when it was made."""

    __slots__ = ("cipher", "mac", "made", "maker", "name")

    def __init__(self, secret: bytes, made: float = 0.0, number: int | None = None) -> None:
        """`number` begins the name, so that the key of a ticket is found without trying each."""
        made_of = HKDF(hashes.SHA256(), NAME + 32 + 32, None, LABEL).derive(secret)
        name, self.cipher, self.mac = made_of[:NAME], AESGCM(made_of[NAME : NAME + 32]), made_of[NAME + 32 :]
        self.name = name if number is None else number.to_bytes(4, "big") + name[4:]
        self.made = made
        self.maker: object = None  # the process that made it; no other has it, except for children of a fork


class Keys(Protocol):
    """Where the keys come from."""

    def sealing(self, now: float) -> TicketKey:
        """The key to seal with."""

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        """The key whose name begins so, if tickets that it sealed may still be valid."""


class OwnKeys:
    """Random keys of this process, changed every hour; those whose tickets have all expired are forgotten."""

    __slots__ = ("_lifetime", "_lock", "keys")

    def __init__(self, lifetime: int) -> None:
        self._lifetime = lifetime
        self.keys: tuple[TicketKey, ...] = ()  # the newest first
        self._lock = new_lock()

    def sealing(self, now: float) -> TicketKey:
        keys = self.keys
        if keys and 0 <= now - keys[0].made < KEY_LIFETIME:
            return keys[0]
        fresh = TicketKey(urandom(32), now)
        fresh.maker = Process.this
        with self._lock:
            keys = self.keys
            if not keys or not 0 <= now - keys[0].made < KEY_LIFETIME:
                self.keys = keys = (fresh, *self._young(now))
            return keys[0]

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        keys = self.keys
        if keys and abs(now - keys[-1].made) >= KEY_LIFETIME + self._lifetime:  # the oldest
            with self._lock:  # forgotten, so that recorded tickets can never be opened again
                self.keys = keys = self._young(now)
        return _named(keys, name)

    def _young(self, now: float) -> tuple[TicketKey, ...]:
        return tuple(key for key in self.keys if abs(now - key.made) < KEY_LIFETIME + self._lifetime)


class GivenKeys:
    """Keys that the program sets: the first one seals, all of them open."""

    __slots__ = ("keys",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self.keys = tuple(map(TicketKey, secrets))

    def sealing(self, now: float) -> TicketKey:
        del now
        return self.keys[0]

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        del now
        return _named(self.keys, name)


Secrets = Callable[[int, float], Sequence[bytes]]  # (epoch, time) -> the secrets of that epoch; the first one seals


class EpochKeys:
    """A key for each epoch of `rotate` seconds, from a secret that all servers know, or can find, for each epoch.

    A ticket opens for its whole lifetime, and up to CLOCKS seconds or an epoch before its time, because clocks differ.
    If the secret of an epoch is not available, the newest known key continues to seal, however old it is, or else a
    key of this process.
    """

    __slots__ = ("_known", "_lifetime", "_own", "_refresh", "_rotate", "_secrets")

    def __init__(
        self, secrets: Secrets, rotate: float, lifetime: int, refresh: Callable[[float], object] | None = None
    ) -> None:
        """`refresh` is called with the time whenever something is sealed, and may change what `secrets` gives."""
        self._secrets, self._rotate, self._lifetime, self._refresh = secrets, rotate, lifetime, refresh
        self._known: dict[int, tuple[Sequence[bytes], tuple[TicketKey, ...]]] = {}
        self._own = OwnKeys(lifetime)

    def sealing(self, now: float) -> TicketKey:
        if self._refresh is not None:
            self._refresh(now)
        epoch = int(now // self._rotate)
        keys = self._keys(epoch, now, again=self._refresh is not None)
        if not keys:
            known = [one for one in list(self._known) if one < epoch]
            keys = self._known.get(max(known), ((), ()))[1] if known else ()
        return keys[0] if keys else self._own.sealing(now)

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        epoch = int.from_bytes(name[:4], "big")
        alive = self._first(now) <= epoch <= self._last(now)
        keys = self._keys(epoch, now) if alive else self._known.get(epoch, ((), ()))[1]
        return _named(keys, name) or self._own.opening(name, now)

    def _first(self, now: float) -> int:
        return int((now - self._lifetime - CLOCKS) // self._rotate)

    def _last(self, now: float) -> int:
        return max(int((now + CLOCKS) // self._rotate), int(now // self._rotate) + 1)

    def _keys(self, epoch: int, now: float, *, again: bool = False) -> tuple[TicketKey, ...]:
        secrets, keys = self._known.get(epoch, ((), ()))
        if (again or not keys) and (found := self._secrets(epoch, now)) and found != secrets:
            if len(self._known) > self._last(now) - self._first(now):
                first = self._first(now)
                self._known = {one: known for one, known in list(self._known.items()) if one >= first}
            keys = tuple(TicketKey(secret, epoch * self._rotate, epoch & 0xFFFFFFFF) for secret in found)
            self._known[epoch] = found, keys
        return keys


def _named(keys: Sequence[TicketKey], name: bytes) -> TicketKey | None:
    for key in keys:
        if key.name.startswith(name):
            return key
    return None


def of_one_secret(secret: bytes) -> Secrets:
    """The secrets of all epochs, derived from one secret: servers that share it need not talk to each other."""

    def of_epoch(epoch: int, _: float) -> tuple[bytes]:
        return (HKDF(hashes.SHA256(), 32, None, LABEL + b" epoch" + epoch.to_bytes(8, "big")).derive(secret),)

    return of_epoch
