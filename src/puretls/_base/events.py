"""What happens on a connection, told to whoever watches it: messages, records, and the lines of a key log."""

from __future__ import annotations

from typing import NamedTuple


class MessageEvent(NamedTuple):
    """A record or handshake message that was sent or received."""

    sent: bool
    version: int  # of the record
    content_type: int  # 0x100: a record header, 0x101: an inner content type, as in OpenSSL
    data: bytes


class SecretEvent(NamedTuple):
    """A line of a key log (draft-ietf-tls-keylogfile)."""

    label: str
    client_random: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"SecretEvent(label={self.label!r})"


Event = MessageEvent | SecretEvent
