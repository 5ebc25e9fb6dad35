"""Encrypted Client Hello (RFC 9849): the settings of contexts, and the answers of connections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from puretls._api import features, lists
from puretls._api.enums import ECHStatus
from puretls._api.errors import abort_error
from puretls._base.deferred import deferred
from puretls._base.faults import NO_ECH_CONFIG, Abort, EchRejected, VerifyAbort
from puretls._engine import ech_outcome as outcomes
from puretls._engine.connection import Connection

if TYPE_CHECKING:
    from puretls._api import ech
    from puretls._api.settings import Settings
    from puretls._engine import ech_config
else:
    ech = deferred("puretls._api.ech")
    ech_config = deferred("puretls._engine.ech_config")


class _EchSettings:
    """The methods and attributes of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def ech_grease(self) -> bool:
        """Whether a client without a configuration acts as if it had one (RFC 9849 6.2); True unless set.

        So those who have one do not stand out.  It is for TLS 1.3; servers ignore it.
        """
        return self._settings.ech_grease

    @ech_grease.setter
    def ech_grease(self, value: bool) -> None:
        self._settings.ech_grease = bool(value)

    def set_ech_config(self, ech_config: bytes, /) -> None:
        """Encrypt the ClientHello for one of these configurations: an ECHConfigList, as DNS has it.

        What is set adds to what was set before; the first one that can be used is used.  Such a client speaks TLS 1.3
        only, and never goes on without: if the server cannot open the hello, SSLECHRejected says what to try instead.
        SSLError if the list is malformed, or nothing in it can be used.
        """
        chosen = choose(ech_config)
        if chosen is None:
            raise abort_error(Abort(NO_ECH_CONFIG))
        self._settings.ech = (*self._settings.ech, chosen)

    def set_outer_server_hostname(self, server_hostname: str | None, /) -> None:
        """Ask for this host in the outer ClientHello, instead of the configuration's public name; None: that name.

        Only what is seen changes: who is to answer for a rejection is the public name.
        """
        self._settings.outer_name = outer_name(server_hostname)

    @property
    def outer_server_hostname(self) -> str | None:
        """What set_outer_server_hostname() has set."""
        return self._settings.outer_name

    def set_outer_alpn_protocols(self, alpn_protocols: Iterable[str] | None, /) -> None:
        """Offer these protocols in the outer ClientHello, and those of set_alpn_protocols() in the inner one only.

        [] offers none there; None, as is unless set, offers the same in both.
        """
        if alpn_protocols is None:
            self._settings.outer_alpn = None
            return
        names = tuple(bytes(protocol, "ascii") for protocol in alpn_protocols)
        if not all(0 < len(name) < 256 for name in names):
            raise abort_error(
                Abort(NO_ECH_CONFIG._replace(text="ALPN protocols must be 1 to 255 in length", reason=""))
            )
        self._settings.outer_alpn = names

    def set_ech_keys(self, keys: Iterable[ech.ECHKey], /) -> None:
        """The keys that open clients' hellos, as a server: ECHKey's, newest first; [] for none.

        It may be called while the context is in use: connections that are wrapped from then on have the new keys.
        Keep an old key as long as DNS may have told clients of it, with `retry=False`.
        """
        found = tuple(keys)
        if not all(isinstance(key, ech.ECHKey) for key in found):
            raise TypeError("keys must be ECHKey objects")
        inner = tuple(key._key for key in found)
        if sum(len(key.config.raw) for key in inner if key.retry) > lists.LONGEST:
            raise ValueError("the configurations of the keys without retry=False are too long for one message")
        self._settings.ech_keys = inner


def choose(data: Any) -> ech_config.Chosen | None:
    """What a client uses of an ECHConfigList, and all that is needed for it."""
    features.load("ech", data)
    try:
        return ech_config.choose(bytes(memoryview(data)))
    except Abort as abort:
        raise abort_error(Abort(abort.fault, "not an ECHConfigList")) from None


def outer_name(name: str | None) -> str | None:
    """The checked name for an outer hello; ValueError if it is no host name."""
    if name is None:
        return None
    if not isinstance(name, str):
        raise TypeError(f"server_hostname must be str or None, not {type(name).__name__}")
    try:
        raw = name.encode("ascii" if name.isascii() else "idna")
    except UnicodeError:
        raw = b""
    if not ech_config.is_public_name(raw):
        raise ValueError(f"no host name: {name!r}")
    return raw.decode("ascii")


# What connections say


def status(conn: Connection) -> ECHStatus:
    """SSL_ech_get1_status(3), as far as it is a number."""
    handshake = conn.handshake
    record, config = handshake.draft.ech, conn.config
    if record is None:
        tried = bool(config.ech_keys) if conn.server_side else config.ech is not None
        return ECHStatus(outcomes.NOT_TRIED if tried else outcomes.NOT_CONFIGURED)
    found = record.status
    if not conn.server_side and record.public_name is not None:
        failed = isinstance(conn.machine.refusal, VerifyAbort)
        if found == outcomes.SUCCESS:
            found = outcomes.BAD_NAME if failed else found
        elif record.rejected and conn.failure:
            found = outcomes.FAILED_ECH if record.retry_configs else outcomes.FAILED
            found = outcomes.FAILED_ECH_BAD_NAME if failed else found
        elif conn.failure:
            found = outcomes.FAILED
    elif conn.server_side and conn.failure and not handshake.established:
        found = outcomes.FAILED
    return ECHStatus(found)


def retry_config(conn: Connection) -> bytes | None:
    """The configurations that a server has sent, after a rejection only if the server's certificate was verified."""
    record, refusal = conn.handshake.draft.ech, conn.machine.refusal
    if record is None or conn.server_side:
        return None
    if record.public_name is None:  # GREASE: for information only
        return record.retry_configs
    return (refusal.retry_configs or None) if isinstance(refusal, EchRejected) else None
