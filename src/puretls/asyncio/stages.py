"""The stages of a connection, and of the calls to its application."""

from __future__ import annotations

import enum

NEW, HANDSHAKE, OPEN, CLOSING, CLOSED = range(5)
"""The stage of a connection: not connected yet, in the handshake, open, waiting for the peer's close_notify, over."""


class Application(enum.Enum):
    """The stage of the application: connection_made(), eof_received() and connection_lost() are called once each, in
    this order.
    """

    NEW = enum.auto()
    CONNECTED = enum.auto()
    ENDED = enum.auto()
    LOST = enum.auto()
