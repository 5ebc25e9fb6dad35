"""What a handshake needs from the layer that carries its messages: records, or QUIC (RFC 9001 4).

`MessageLayer` is all that a handshake of TLS 1.3 needs.  The record layer implements it; so does a layer without
records, as QUIC has it (tests/support/recordless.py).  `StreamLayer` adds what exists only in TLS over records: the
older versions, change_cipher_spec, KeyUpdate, and messages that are exchanged while data flows.

- Messages travel whole, in a list, at the level whose keys protect them.
- Keys change only where no part of a message of the previous level is left; the layer refuses anything else.
- Application data never crosses this interface.
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
    """Carries handshake messages and alerts, and installs the secret of each level."""

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
        """Watch the connection from here on."""

    def send(self, level: Level, messages: Sequence[bytes]) -> None:
        """Append whole messages to the flight."""

    def flush(self) -> None:
        """Send the flight, which is complete."""

    def send_alert(self, level: int, description: int) -> None:
        """Send an alert, a warning or a fatal one."""

    def on_boundary(self) -> bool:
        """Whether everything received was processed: not even a part of a message follows the peer's last one."""

    def offered(self, version: int) -> None:
        """A ClientHello was sent; `version` is the highest that it offers."""

    def set_version(self, version: int) -> None:
        """The version was negotiated."""

    def install_write(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        """Send what follows at this level.  EARLY is for data, and for nothing else where there are no records."""

    def install_read(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        """Receive what follows at this level.  Abort if part of a message of the previous level is left."""

    def reject_early_data(self, most: int) -> None:
        """Skip so many bytes of early data, which the client may have sent and the server does not accept."""

    def withdraw_early_data(self) -> None:
        """A HelloRetryRequest has rejected our early data: what follows is sent without protection again."""

    def count(self, fault: Fault, most: int) -> None:
        """Count a message that costs us work.  After `most` of them without data in between the connection fails with
        `fault`.
        """

    def handshake_done(self) -> None:
        """The handshake is done: both Finished messages are verified."""

    def fail(self) -> None:
        """Forget all secrets: the connection has failed."""


class StreamLayer(MessageLayer, Protocol):
    """The record layer: TLS over a stream of bytes."""

    @property
    def close_sent(self) -> bool:
        """Whether close_notify was sent, after which nothing more is sent."""

    @property
    def read_secret(self) -> bytes:
        """The peer's traffic secret of TLS 1.3."""

    def begin_again(self) -> None:
        """A handshake begins inside the connection (RFC 5246 7.4.1.1)."""

    def limit(self, theirs: int, ours: int) -> None:
        """The most bytes of data in a record: what the peer accepts, and what we accept (RFC 8449)."""

    def send_change_cipher_spec(self) -> None:
        """Send the change_cipher_spec of middlebox compatibility mode now (RFC 8446 D.4)."""

    def change_cipher_spec_due(self) -> None:
        """Send it before the next flight or alert: sent alone it would make Nagle's algorithm delay what follows."""

    def switch_read_keys(self, opener: Opener) -> None:
        """Switch the receiving keys: ChangeCipherSpec of TLS 1.2 or older was received (RFC 5246 7.1)."""

    def switch_write_keys(self, sealer: Sealer) -> None:
        """Send ChangeCipherSpec, and what follows under the new keys."""

    def update_read_keys(self, request_update: int) -> None:
        """Switch the receiving keys: a KeyUpdate was received (RFC 8446 4.6.3)."""

    def crowded(self, size: int = 0) -> bool:
        """Whether too much waits for the transport to queue `size` bytes more."""

    def queue_message(self, message: bytes | Callable[[Digest, bytes], bytes], size: int) -> None:
        """Queue a message for the sending side.  It may be a function of the hash and the write secret that are in use
        when it is sealed.
        """
