"""Configurations of Encrypted Client Hello (RFC 9849 4): the one that a client uses, and the keys of a server."""

from __future__ import annotations

import re
from typing import Any

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._crypto.hpke import AEADS, KDFS, KEMS, Context, HpkeError
from puretls._wire.ech import Config, Suite, build_list, config_list

_MANDATORY = 0x8000  # an extension of a configuration that must be understood (RFC 9849 4.2)
_LABEL = re.compile(rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(rb"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_public_name(name: bytes) -> bool:
    """Whether this is a name of LDH labels, the last of which is no number, so that it cannot be taken for an address
    (RFC 9849 4).
    """
    labels = name.split(b".")
    return all(map(_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1])


class Chosen:
    """A configuration that a client can use, with the suite that it uses."""

    __slots__ = ("config", "public_name", "suite")

    def __init__(self, config: Config, suite: Suite) -> None:
        self.config, self.suite = config, suite
        self.public_name = config.public_name.decode("ascii")

    def __repr__(self) -> str:
        return f"<Chosen {self.config.config_id} {self.public_name}>"


def usable(config: Config) -> Chosen | None:
    """Whether this configuration is usable: we support all that it demands (RFC 9849 4, 6.1)."""
    kem = KEMS.get(config.kem)
    kinds = [kind for kind, _ in config.extensions]
    suite = next((pair for pair in config.suites if pair[0] in KDFS and pair[1] in AEADS), None)
    if (
        kem is None
        or suite is None
        or len(set(kinds)) != len(kinds)
        or any(kind & _MANDATORY for kind in kinds)
        or not is_public_name(config.public_name)
    ):
        return None
    try:
        kem.encapsulate(config.public_key)
    except HpkeError:
        return None
    return Chosen(config, suite)


def choose(data: bytes) -> Chosen | None:
    """The first usable one of an ECHConfigList; Abort if that is malformed."""
    configs = [config for config in config_list(data) if isinstance(config, Config)]
    return next(filter(None, map(usable, configs)), None)


class ServerKey:
    """A configuration with its private key; with `retry`, clients that had none or an old one are sent it."""

    __slots__ = ("config", "key", "retry")

    def __init__(self, config: Config, key: Any, *, retry: bool) -> None:
        """Abort if the key is not the configuration's."""
        kem = KEMS.get(config.kem)
        if kem is None or not kem.owns(key) or kem.public_bytes(key) != config.public_key:
            raise Abort(faults.NO_ECH_CONFIG, "the private key does not belong to the configuration")
        if not any(suite[0] in KDFS and suite[1] in AEADS for suite in config.suites):
            raise Abort(faults.NO_ECH_CONFIG, "the configuration has no cipher suite that is known")
        self.config, self.key, self.retry = config, key, retry

    def __repr__(self) -> str:
        return f"<ServerKey {self.config.config_id}>"

    def agreed(self, suite: Suite, enc: bytes) -> tuple[bytes, Context]:
        """The shared secret and the context of a client's sealed hello; HpkeError if `enc` is no public key."""
        kem = KEMS[self.config.kem]
        secret = kem.decapsulate(enc, self.key, self.config.public_key)
        return secret, Context(kem, *suite, secret, self.config.info)


GREASE_CONFIG = bytes.fromhex("baba0008") + b"\x00" * 8  # of an unknown version, which clients ignore


def retry_list(keys: tuple[ServerKey, ...], *, grease: bool = False) -> bytes:
    """ECHConfigList for clients whose hello does not open; nothing if there is none."""
    configs = [key.config.raw for key in keys if key.retry]
    if configs and grease:
        configs.append(GREASE_CONFIG)
    return build_list(configs) if configs else b""
