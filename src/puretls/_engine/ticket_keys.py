"""Keys that tickets and stored sessions are sealed under: those of one context, or those that several servers share.

From one secret of at least 32 bytes comes a TicketKey: a name, by which a ticket says what it is sealed under, a key
for AES-256-GCM, and one for the MAC of ids (HKDF-SHA256, RFC 5869).  Who shares the secret, and nothing else, opens the
tickets of the others.
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
    """What tickets are sealed under, and since when."""

    __slots__ = ("cipher", "mac", "made", "maker", "name")

    def __init__(self, secret: bytes, made: float = 0.0, number: int | None = None) -> None:
        """`number`: what the name begins with, so that it can be found without trying."""
        made_of = HKDF(hashes.SHA256(), NAME + 32 + 32, None, LABEL).derive(secret)
        name, self.cipher, self.mac = made_of[:NAME], AESGCM(made_of[NAME : NAME + 32]), made_of[NAME + 32 :]
        self.name = name if number is None else number.to_bytes(4, "big") + name[4:]
        self.made = made
        self.maker: object = None  # the process that has made it, and has it alone unless it forks


class Keys(Protocol):
    """Where the keys come from."""

    def sealing(self, now: float) -> TicketKey:
        """What to seal under."""

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        """The key whose name begins so, if what it has sealed may still be alive."""


class OwnKeys:
    """Random ones of this process, which it changes every hour; those whose tickets are dead are forgotten."""

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
            with self._lock:  # so that nobody can open what was recorded
                self.keys = keys = self._young(now)
        return _named(keys, name)

    def _young(self, now: float) -> tuple[TicketKey, ...]:
        return tuple(key for key in self.keys if abs(now - key.made) < KEY_LIFETIME + self._lifetime)


class GivenKeys:
    """Those that the program says, and changes: the first seals, all open."""

    __slots__ = ("keys",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self.keys = tuple(map(TicketKey, secrets))

    def sealing(self, now: float) -> TicketKey:
        del now
        return self.keys[0]

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        del now
        return _named(self.keys, name)


Secrets = Callable[[int, float], Sequence[bytes]]  # those of an epoch, of which the first seals; and what time it is


class EpochKeys:
    """One for each epoch of `rotate` seconds, from a secret that all servers know, or can find, for each.

    A ticket opens as long as it may live, and up to CLOCKS seconds or an epoch before its time: clocks differ.  Where
    the secret of an epoch is not to be had, the newest that is known goes on sealing, and without any a key of this
    process.
    """

    __slots__ = ("_known", "_lifetime", "_own", "_refresh", "_rotate", "_secrets")

    def __init__(
        self, secrets: Secrets, rotate: float, lifetime: int, refresh: Callable[[float], object] | None = None
    ) -> None:
        """`refresh` is called whenever something is sealed, with the time; `secrets` may then say something else."""
        self._secrets, self._rotate, self._lifetime, self._refresh = secrets, rotate, lifetime, refresh
        self._known: dict[int, tuple[Sequence[bytes], tuple[TicketKey, ...]]] = {}
        self._own = OwnKeys(lifetime)

    def sealing(self, now: float) -> TicketKey:
        if self._refresh is not None:
            self._refresh(now)
        epoch = int(now // self._rotate)
        keys = self._keys(epoch, now, again=self._refresh is not None)
        if not keys:
            known = [one for one in list(self._known) if self._first(now) <= one < epoch]
            keys = self._known.get(max(known), ((), ()))[1] if known else ()
        return keys[0] if keys else self._own.sealing(now)

    def opening(self, name: bytes, now: float) -> TicketKey | None:
        epoch = int.from_bytes(name[:4], "big")
        keys = self._keys(epoch, now) if self._first(now) <= epoch <= self._last(now) else ()
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
    """The secrets of all epochs, from one: nobody has to tell anybody anything."""

    def of_epoch(epoch: int, _: float) -> tuple[bytes]:
        return (HKDF(hashes.SHA256(), 32, None, LABEL + b" epoch" + epoch.to_bytes(8, "big")).derive(secret),)

    return of_epoch
