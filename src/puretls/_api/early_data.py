"""Early data of TLS 1.3, as programs send and read it: the settings of contexts, and the methods of connections.

A client's data is sent with its ClientHello or not at all: data that the server has not accepted is never sent again by
this library.  A server accepts early data only for a program that reads it, and so never for a program that does not
know of it.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from puretls._api.enums import EarlyDataStatus
from puretls._api.forks import Forks
from puretls._api.settings import PROTOCOL_TLS_CLIENT
from puretls._api.shared_sessions import SingleUse
from puretls._api.types import Buffer
from puretls._api.unraisable import report_unraisable

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._api.sslconnection import _SSLSocket
    from puretls._engine.connection import Connection

MOST = 0xFFFFFFFF  # bytes: max_early_data_size of a ticket is 32 bits (RFC 8446 4.6.1)


class _EarlyDataSettings:
    """The attributes of an SSLContext about early data."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def max_early_data(self) -> int:
        """How many bytes of early data (0-RTT, RFC 8446 2.3) a connection may have; 0, unless set: none.

        A server's tickets allow that much.  The server accepts it if the program reads it with read_early_data(), and
        keeps no more than that much for a program that has not read it yet.  A client sends no more than that, and no
        more than the ticket allows.  It can be replayed: read the recipe first.  Nothing is sent or accepted where
        `verify_callback` or set_cert_verify_callback() judges the peer, because that comes at the end of a handshake.
        ValueError for less than 0 or more than 32 bits.
        """
        return self._settings.max_early_data

    @max_early_data.setter
    def max_early_data(self, value: int) -> None:
        value = operator.index(value)
        if not 0 <= value <= MOST:
            raise ValueError("max_early_data must be from 0 to 4294967295")
        self._settings.max_early_data = value

    @property
    def early_data_callback(self) -> Callable[[Any], Buffer | None] | None:
        """What a client sends early where nobody calls write_early_data(), as in asyncio; None, unless set: nothing.

        A function of the SSLSocket or SSLObject, which is called when a session is about to be resumed that allows
        early data, and returns it; nothing is sent if it is empty, None, or longer than `max_early_data` and the ticket
        allow.  early_data_status() tells afterwards whether the server has taken it.  What the function raises is
        reported to sys.unraisablehook, and the handshake goes on without.  TypeError for what is no function.
        """
        callback: Callable[[Any], Buffer | None] | None = self._settings.early_data_callback
        return callback

    @early_data_callback.setter
    def early_data_callback(self, value: Callable[[Any], Buffer | None] | None) -> None:
        if value is not None and not callable(value):
            raise TypeError("early_data_callback must be a function, or None")
        self._settings.early_data_callback = value

    @property
    def anti_replay(self) -> SingleUse | None:
        """Who says whether early data comes for the first time; None, unless set: the memory of this process.

        An object with `first(key, seconds)`, as `puretls.fleet.AntiReplay`, which may return a future.  It is asked
        about a flight whose client has proven that the ticket is its own.  Whatever it does, data that has been taken,
        or of which nobody can say it, is refused, and the handshake goes on.  The memory of a process vouches only for
        tickets under keys that it has made itself, since its last fork: with set_ticket_keys(), set_ticket_secret() or
        `session_store` early data is refused unless this is set.  TypeError for another object, ValueError on a context
        for clients.
        """
        judge: SingleUse | None = self._settings.sessions.anti_replay
        return judge

    @anti_replay.setter
    def anti_replay(self, value: SingleUse | None) -> None:
        if value is not None:
            if self._settings.protocol == PROTOCOL_TLS_CLIENT:
                raise ValueError("anti_replay is for servers, not for a PROTOCOL_TLS_CLIENT context")
            if not callable(getattr(value, "first", None)):
                raise TypeError("anti_replay must have first()")
        self._settings.sessions.anti_replay = value


# A client


def write(sslobj: _SSLSocket, data: memoryview) -> int:
    """Say hello if that has not been done, and seal the data behind it; how many bytes were taken: all or none."""
    conn, size = sslobj._conn, len(data)
    if conn.server_side:
        raise ValueError("write_early_data() is for clients: a server's data goes with write()")
    if conn.machine.state is None and not conn.failure:
        conn.handshake.early_wanted = True
        sslobj._begin(conn)
        if size > _limit(conn) or not size:
            conn.handshake.early_wanted = False
            return 0
        sslobj._advance()
    if conn.failure:
        raise conn.failed()
    return _seal(conn, data)


def _limit(conn: Connection) -> int:
    from puretls._engine.client_start import early_limit  # noqa: PLC0415  # of clients: see roles.py

    return early_limit(conn.handshake)


def _seal(conn: Connection, data: memoryview) -> int:
    early, size = conn.handshake.draft.early, len(data)
    if early is None or not early.open or size > early.left:
        return 0
    conn.write(data)
    early.left -= size
    return size


def of_callback(sslobj: _SSLSocket, callback: Callable[[Any], Any]) -> None:
    """At the beginning of a client: ask the program for early data if some may be sent, and put it behind the hello."""
    conn = sslobj._conn
    if conn.handshake.early_wanted or conn.handshake.offered is None or not (most := _limit(conn)):
        return
    try:
        found = callback(sslobj._callback_owner())
        data = b"" if found is None else bytes(memoryview(found))
    except BaseException as error:  # noqa: BLE001  # as other callbacks whose answer can be done without
        report_unraisable(error)
        return
    if 0 < len(data) <= most:
        conn.handshake.early_wanted = True
        conn.machine.start()
        _seal(conn, memoryview(data))


# A server


def wanted(conn: Connection) -> None:
    """The program reads early data, so it may be taken."""
    if not conn.server_side:
        raise ValueError("read_early_data() is for servers")
    Forks.check(os.getpid())
    conn.handshake.early_wanted = True


def here(conn: Connection, size: int) -> bytes:
    """What has come and was not read, of one record; so much of it at most."""
    early = conn.handshake.draft.early
    return early.take(size) if early is not None and early.chunks else b""


def over(conn: Connection) -> bool:
    """Whether no more comes."""
    handshake = conn.handshake
    early = handshake.draft.early
    return handshake.established or bool(handshake.version and (early is None or not early.open))


# Both


def status(conn: Connection) -> EarlyDataStatus:
    """What has become of it."""
    early = conn.handshake.draft.early
    return EarlyDataStatus(0 if early is None else early.status)


def protocol(conn: Connection) -> bytes | None:
    """What protocol it is of."""
    early = conn.handshake.draft.early
    return None if early is None else early.alpn


def reason(conn: Connection) -> str | None:
    """Why."""
    early = conn.handshake.draft.early
    return None if early is None else early.reason
