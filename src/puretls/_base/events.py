"""Events: what happens on a connection, in order, for whoever drives it to report.

The engine never calls a key log, a message callback or a session cache: it appends to a list, and the driver reports
from there when its step is over.
"""

from __future__ import annotations

from typing import Any

from puretls._base.tuples import NamedTuple


class MessageEvent(NamedTuple):
    """A record or handshake message that was sent or received.  Only on a connection that is watched."""

    sent: bool
    version: int  # of the record
    content_type: int  # 0x100: a record header, 0x101: an inner content type, as in OpenSSL
    data: bytes


class SecretEvent(NamedTuple):
    """A line of a key log (draft-ietf-tls-keylogfile).  Only on a connection that is watched."""

    label: str
    client_random: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"SecretEvent(label={self.label!r})"


class SessionEvent(NamedTuple):
    """A client has got a session that it can resume.  Only where `Handshake.tells_sessions` is set."""

    session: Any  # a Session of the engine


class FailureEvent(NamedTuple):
    """A client's connection has failed: no session with this server is to be resumed (RFC 5246 7.2.2, RFC 8446 6.2).

    Only where `Handshake.tells_sessions` is set.
    """


Event = MessageEvent | SecretEvent | SessionEvent | FailureEvent
