"""Sessions of clients: a cache for connections to take them from, and sessions as bytes."""

from __future__ import annotations

import operator
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from puretls._api.objects import SSLSession
from puretls._api.settings import PROTOCOL_TLS_SERVER
from puretls._api.types import Buffer
from puretls._api.unraisable import report_unraisable
from puretls._base.events import FailureEvent, SessionEvent
from puretls._base.locks import new_lock
from puretls._base.public import public
from puretls._base.registry import TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto.kdf import SHA256
from puretls._engine.session import Session
from puretls._engine.session_bytes import load

if TYPE_CHECKING:
    from puretls._api.context import SSLContext
    from puretls._api.settings import Settings
    from puretls._engine.connection import Connection

MOST_FOR_ONE = 8  # sessions for one key: so many connections at once begin with one


class SessionKey(NamedTuple):
    """The key of a cached session: the name and port of the server, what is offered, and how the server was
    verified.
    """

    server_hostname: str
    port: int | None  # None where it is not known, as over memory BIOs
    alpn: tuple[str, ...]
    certificate: bytes  # a digest of the client's own
    policy: bytes  # a digest of the settings for verification


class ClientSessionCache(Protocol):
    """The protocol of `SSLContext.client_session_cache`; a method `forget(key)` is called as well, if there is one."""

    def get(self, key: SessionKey, /) -> SSLSession | None:
        """A session to resume; a session of TLS 1.3 must be returned only once."""

    def put(self, key: SessionKey, session: SSLSession, /) -> None:
        """Keep a new session."""


@public
class SessionCache:
    """Sessions of clients in memory, `size` of them at most: the oldest make room.

    It may be shared between contexts and threads.  Each is kept under a key that says for which server it is good, and
    under which settings for verification: a session that was made under others is never found.  Sessions of TLS 1.3
    are given once, those of TLS 1.2 stay.  A forked child begins without its parent's of TLS 1.3.
    """

    __slots__ = ("_count", "_lock", "_process", "_sessions", "_size")

    def __init__(self, size: int = 256) -> None:
        self._size = operator.index(size)
        if self._size < 1:
            raise ValueError("size must be at least 1")
        self._sessions: OrderedDict[SessionKey, list[SSLSession]] = OrderedDict()  # the newest last
        self._count, self._process = 0, os.getpid()
        self._lock = new_lock()

    def __repr__(self) -> str:
        return f"<SessionCache of {self._count} sessions, {self._size} at most>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot copy or pickle a SessionCache: share it, or keep sessions with SSLSession.to_bytes()")

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """How many there may be."""
        return self._size

    def get(self, key: SessionKey, /) -> SSLSession | None:
        """The newest session for this key, or None; one of TLS 1.3 is taken out."""
        with self._lock:
            if self._process != os.getpid():
                self._after_fork()
            found = self._sessions.pop(key, None)
            if not found:
                return None
            self._count -= len(found)
            session = found[-1]
            if session._session.version == TLS13:
                found.pop()
            if found:
                self._sessions[key] = found
                self._count += len(found)
            return session

    def put(self, key: SessionKey, session: SSLSession, /) -> None:
        """Keep a session for this key."""
        with self._lock:
            if self._process != os.getpid():
                self._after_fork()
            found = self._sessions.pop(key, [])
            self._count -= len(found)
            if session._session.version != TLS13:  # it can be used until there is another
                found = []
            found.append(session)
            del found[:-MOST_FOR_ONE]
            self._sessions[key] = found
            self._count += len(found)
            while self._count > self._size:
                oldest = next(iter(self._sessions.values()))
                del oldest[0]
                self._count -= 1
                if not oldest:
                    self._sessions.popitem(last=False)

    def forget(self, key: SessionKey, /) -> None:
        """Drop all sessions for this key."""
        with self._lock:
            self._count -= len(self._sessions.pop(key, ()))

    def clear(self) -> None:
        """Drop all sessions."""
        with self._lock:
            self._sessions.clear()
            self._count = 0

    def _after_fork(self) -> None:
        """After a fork, drop sessions of TLS 1.3: they may be used once, and the parent has them too."""
        left = ((key, [x for x in found if x._session.version != TLS13]) for key, found in self._sessions.items())
        self._sessions = OrderedDict((key, found) for key, found in left if found)
        self._count, self._process = sum(map(len, self._sessions.values())), os.getpid()


class CacheKeeper:
    """Keeps the sessions of one connection in a cache.  A cache that fails costs a full handshake, and no
    connection.
    """

    __slots__ = ("_cache", "_key", "_offered")

    def __init__(self, cache: Any, conn: Connection, port: int | None) -> None:
        config = conn.config
        own = b"".join([credential.ders[0] for credential in (*config.credentials, *config.raw_keys)])
        self._cache, self._offered = cache, None
        self._key = SessionKey(
            conn.server_hostname or "",
            port,
            tuple([name.decode("latin-1") for name in config.alpn]),
            SHA256.hash(own) if own else b"",
            config.policy.digest(),
        )

    if TYPE_CHECKING:
        _offered: Session | None

    def take(self, now: float) -> Session | None:
        """A session to offer."""
        try:
            found = self._cache.get(self._key)
            while found is not None:
                session = _checked(found)._session
                if session.alive(now) and not session.spent:
                    session.spent = session.version == TLS13  # whatever the cache does, it is offered once
                    self._offered = session
                    return session
                if not isinstance(self._cache, SessionCache):
                    break
                if session.version != TLS13:
                    self._cache.forget(self._key)
                found = self._cache.get(self._key)
        except Exception as error:  # noqa: BLE001  # a program's own cache
            report_unraisable(error)
        return None

    def handle(self, event: SessionEvent | FailureEvent) -> None:
        """Handle an event about the connection's sessions."""
        if isinstance(event, SessionEvent):
            self.keep(event.session)
        else:
            self.forget()

    def keep(self, session: Session) -> None:
        """The connection has a session that can be resumed."""
        if session.policy != self._key.policy or session.peer is None:
            return  # the policy has changed meanwhile, or a pre-shared key has stood in for the server's certificate
        try:
            self._cache.put(self._key, SSLSession._of(session, None))
        except Exception as error:  # noqa: BLE001  # a program's own cache
            report_unraisable(error)

    def forget(self) -> None:
        """The connection has failed."""
        if self._offered is not None:
            self._offered.spent = True
        try:
            forget = getattr(self._cache, "forget", None)
            if forget is not None:
                forget(self._key)
        except Exception as error:  # noqa: BLE001  # a program's own cache
            report_unraisable(error)


def _checked(found: Any) -> SSLSession:
    if not isinstance(found, SSLSession):
        raise TypeError(f"client_session_cache.get() returned {type(found).__name__}, not SSLSession")
    return found


def checked_cache(value: Any) -> Any:
    """The checked value of `client_session_cache`, or TypeError."""
    if value is None or value is False:
        return None
    if value is True:
        return SessionCache()
    if callable(getattr(value, "get", None)) and callable(getattr(value, "put", None)):
        return value
    raise TypeError(f"client_session_cache must be True, None or an object with get() and put(), not {value!r}")


class _ClientSessionSettings:
    """The attributes of an SSLContext about sessions of clients."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def client_session_cache(self) -> Any:
        """Where clients keep sessions and look for one to resume, if they are given none; None unless set.

        True makes a SessionCache for this context.  To share one between contexts, assign the same SessionCache, or any
        object with `get(key)` and `put(key, session)`; keys are tuples, sessions are SSLSession.  A connection takes a
        session that was made with the same name and port, ALPN protocols, own certificate and verification settings;
        if its handshake fails, those are forgotten (`forget(key)`, if the object has it).  Without a `server_hostname`
        nothing is taken or kept.  TypeError for another object, ValueError on a context for servers.
        """
        return self._settings.client_session_cache

    @client_session_cache.setter
    def client_session_cache(self, value: Any) -> None:
        cache = checked_cache(value)
        if cache is not None and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("client_session_cache cannot be set on a PROTOCOL_TLS_SERVER context")
        self._settings.client_session_cache = cache

    @property
    def ticket_request(self) -> tuple[int, int] | None:
        """How many tickets a client of TLS 1.3 asks for: after a full handshake, and after a resumed one (RFC 9149).

        None, unless set, leaves it to the server; `(0, 0)` asks for none, which spares both sides the work.  Servers
        that know the request send no more than that, and no more than their `num_tickets`.  ValueError for numbers
        below 0 or above 255, and on a context for servers.
        """
        return self._settings.ticket_request

    @ticket_request.setter
    def ticket_request(self, value: tuple[int, int] | None) -> None:
        if value is not None:
            new, resumed = map(operator.index, value)
            if not (0 <= new <= 255 and 0 <= resumed <= 255):
                raise ValueError("ticket_request must be two numbers from 0 to 255")
            if self._settings.protocol == PROTOCOL_TLS_SERVER:
                raise ValueError("ticket_request cannot be set on a PROTOCOL_TLS_SERVER context: see num_tickets")
            value = new, resumed
        self._settings.ticket_request = value

    def load_session(self, data: Buffer) -> SSLSession:
        """The session that SSLSession.to_bytes() made these bytes of, for connections of this context.

        It is resumed only if name and verification settings are those that it was made under.  The bytes are believed:
        whoever can change them says who the server is.  ValueError if they are no session.
        """
        context: SSLContext = self  # type: ignore[assignment]  # a part of it
        return SSLSession._of(load(bytes(memoryview(data))), context)
