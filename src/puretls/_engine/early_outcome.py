"""The state of early data in one handshake, and the data that a server has received (RFC 8446 2.3)."""

from __future__ import annotations

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._crypto.kdf import SHA256, Digest
from puretls._crypto.schedule import EarlySecret

NOT_SENT, REJECTED, ACCEPTED = 0, 1, 2  # OpenSSL's numbers
# Why it was refused, or not sent: words of BoringSSL's
DISABLED, NO_SESSION, UNSUPPORTED = "disabled", "no_session_offered", "unsupported_for_session"
NOT_RESUMED, RETRIED, DECLINED = "session_not_resumed", "hello_retry_request", "peer_declined"
ALPN_MISMATCH, AGE_SKEW, VERSION = "alpn_mismatch", "ticket_age_skew", "protocol_version"
REPLAY, UNPROTECTED = "replay", "no_anti_replay"  # ours


class EarlyData:
    """The early data of one handshake."""

    __slots__ = ("alpn", "chunks", "digest", "exporter", "hash", "left", "open", "reason", "status")

    def __init__(self, status: int = REJECTED, reason: str | None = None, left: int = 0) -> None:
        self.status, self.reason = status, reason  # what was offered and not accepted counts as rejected
        self.left = left  # bytes that may still be sent, or come
        self.open = False  # whether more may be sent, or come
        self.alpn: bytes | None = None  # the protocol that it is of
        self.chunks: list[bytes] = []  # a server has received and nobody has read
        self.digest, self.hash = b"", SHA256  # of ClientHello, by the hash of the session
        self.exporter: EarlySecret | None = None

    @property
    def accepted(self) -> bool:
        return self.status == ACCEPTED

    def accept(self) -> None:
        """The server accepts it."""
        self.status, self.reason = ACCEPTED, "accepted"

    def reject(self, reason: str) -> None:
        """The server rejects it, for this reason."""
        self.status, self.reason, self.open, self.left = REJECTED, reason, False, 0
        self.alpn = self.exporter = None

    def receive(self, data: bytes) -> None:
        """Keep the data of a record; only data counts towards the limit (RFC 8446 4.2.10)."""
        self.left -= len(data)
        if self.left < 0:
            raise Abort(faults.TOO_MUCH_EARLY_DATA)
        if data:
            self.chunks.append(data)

    def take(self, size: int) -> bytes:
        """At most so many bytes of the next record that was received."""
        first = self.chunks[0]
        if len(first) <= size:
            return self.chunks.pop(0)
        self.chunks[0] = first[size:]
        return first[:size]

    def forget(self) -> None:
        """Drop all of it: the connection has failed."""
        self.chunks, self.exporter, self.open = [], None, False

    def exporting(self) -> tuple[Digest, bytes]:
        """The hash and the secret of early exporters (RFC 8446 7.5); ValueError if there is none, or no longer."""
        if self.exporter is None:
            raise ValueError("there is no early data")
        return self.hash, self.exporter.exporter(self.digest)
