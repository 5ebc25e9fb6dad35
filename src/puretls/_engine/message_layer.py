"""What a handshake needs of whatever carries its messages: the border between TLS and records, or QUIC (RFC 9001 4).

`MessageLayer` is all that a handshake of TLS 1.3 needs.  The record layer is one; a layer without records, as QUIC has
it, is another (tests/support/recordless.py).  `StreamLayer` has besides what only TLS over records knows: the older
versions, change_cipher_spec, KeyUpdate, messages that are exchanged while data flows.

- Messages travel whole, in a list, at the level whose keys protect them.
- Keys change only where no part of a message of the level before is left; the layer refuses anything else.
- Application data never crosses this border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from puretls._base.events import Event
from puretls._base.faults import Fault
from puretls._crypto.kdf import Digest
from puretls._crypto.schedule import Level, TrafficSecret
from puretls._crypto.suites import Suite
from puretls._record.protection import Opener, Sealer


class MessageLayer(Protocol):
    """Carries handshake messages and alerts; is told each secret."""

    @property
    def stream(self) -> StreamLayer | None:
        """Itself, if messages travel in records over a stream of bytes."""

    @property
    def events(self) -> list[Event]:
        """What has happened; the driver reports it and empties the list."""

    @property
    def watched(self) -> bool:
        """Whether somebody wants to know of each message and each secret."""

    def watch(self) -> None:
        """From here on somebody does."""

    def send(self, level: Level, messages: Sequence[bytes]) -> None:
        """Whole messages, into the flight."""

    def flush(self) -> None:
        """The flight is complete."""

    def send_alert(self, level: int, description: int) -> None:
        """An alert, warning or fatal."""

    def on_boundary(self) -> bool:
        """Whether all that has come was made use of: nothing of the peer's follows its last message, or began to."""

    def offered(self, version: int) -> None:
        """A ClientHello is out; `version` is the highest that it offers."""

    def set_version(self, version: int) -> None:
        """What was negotiated."""

    def install_write(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        """What follows is sent at this level; EARLY is of data, and without records of nothing else."""

    def install_read(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        """What follows comes at this level.  Abort if part of a message of the level before is left."""

    def reject_early_data(self, most: int) -> None:
        """The client may have sent early data, which we do not take: so many bytes of it are skipped."""

    def withdraw_early_data(self) -> None:
        """HelloRetryRequest has rejected our early data: what follows is unprotected, as before it."""

    def count(self, fault: Fault, most: int) -> None:
        """A message that has us work: so many without data between them, and the connection fails with `fault`."""

    def handshake_done(self) -> None:
        """Both Finished have been verified."""

    def fail(self) -> None:
        """The connection has failed: its secrets go."""


class StreamLayer(MessageLayer, Protocol):
    """The record layer: TLS over a stream of bytes."""

    @property
    def close_sent(self) -> bool:
        """Whether we have said close_notify: then nothing more is said."""

    @property
    def read_secret(self) -> bytes:
        """The peer's traffic secret of TLS 1.3."""

    def begin_again(self) -> None:
        """A handshake begins inside the connection (RFC 5246 7.4.1.1)."""

    def limit(self, theirs: int, ours: int) -> None:
        """Bytes of data in a record: what the peer takes, and what we take (RFC 8449)."""

    def send_change_cipher_spec(self) -> None:
        """Of middlebox compatibility mode, now (RFC 8446 D.4)."""

    def change_cipher_spec_due(self) -> None:
        """The same, before the next flight or alert: alone it would have Nagle's algorithm delay the rest."""

    def switch_read_keys(self, opener: Opener) -> None:
        """ChangeCipherSpec of TLS 1.2 and older has come (RFC 5246 7.1)."""

    def switch_write_keys(self, sealer: Sealer) -> None:
        """Send it: what follows goes under the new keys."""

    def update_read_keys(self, request_update: int) -> None:
        """A KeyUpdate has come (RFC 8446 4.6.3)."""

    def crowded(self, size: int = 0) -> bool:
        """Whether the transport takes too little of what we say for `size` bytes more."""

    def queue_message(self, message: bytes | Callable[[Digest, bytes], bytes], size: int) -> None:
        """Send it when whoever sends comes by; a message may depend on the hash and the secret that are in use then."""
