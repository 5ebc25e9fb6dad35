"""What has become of the early data of a handshake, and what of it has come (RFC 8446 2.3)."""

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
    """That of one handshake."""

    __slots__ = ("chunks", "digest", "exporter", "hash", "left", "open", "reason", "status")

    def __init__(self, status: int = REJECTED, reason: str | None = None, left: int = 0) -> None:
        self.status, self.reason = status, reason  # offered and not accepted: rejected
        self.left = left  # bytes that may still be sent, or come
        self.open = False  # whether more may be sent, or come
        self.chunks: list[bytes] = []  # a server has received and nobody has read
        self.digest, self.hash = b"", SHA256  # of ClientHello, by the hash of the session
        self.exporter: EarlySecret | None = None

    @property
    def accepted(self) -> bool:
        return self.status == ACCEPTED

    def accept(self) -> None:
        """The server takes it."""
        self.status, self.reason = ACCEPTED, "accepted"

    def reject(self, reason: str) -> None:
        """It does not."""
        self.status, self.reason, self.open, self.left, self.exporter = REJECTED, reason, False, 0, None

    def receive(self, data: bytes) -> None:
        """A record of it has come (RFC 8446 4.2.10: what counts is data)."""
        self.left -= len(data)
        if self.left < 0:
            raise Abort(faults.TOO_MUCH_EARLY_DATA)
        if data:
            self.chunks.append(data)

    def take(self, size: int) -> bytes:
        """The next of what has come, and of one record; so much of it at most."""
        first = self.chunks[0]
        if len(first) <= size:
            return self.chunks.pop(0)
        self.chunks[0] = first[size:]
        return first[:size]

    def forget(self) -> None:
        """The connection has failed."""
        self.chunks, self.exporter, self.open = [], None, False

    def exporting(self) -> tuple[Digest, bytes]:
        """Hash and secret of exporters (RFC 8446 7.5); ValueError if there is none, or no more."""
        if self.exporter is None:
            raise ValueError("there is no early data")
        return self.hash, self.exporter.exporter(self.digest)
