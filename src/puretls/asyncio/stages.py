"""How far a connection is, and what its application has been told."""

from __future__ import annotations

import enum

NEW, HANDSHAKE, OPEN, CLOSING, CLOSED = range(5)
"""Of the connection: not connected yet, in the handshake, open, waiting for the peer's close_notify, over."""


class Application(enum.Enum):
    """connection_made(), eof_received() and connection_lost() come once each, in this order."""

    NEW = enum.auto()
    CONNECTED = enum.auto()
    ENDED = enum.auto()
    LOST = enum.auto()
