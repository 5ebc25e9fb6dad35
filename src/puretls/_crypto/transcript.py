"""The transcript: a running hash of the handshake messages (RFC 8446 4.4.1, RFC 5246 7.4.9).

Messages wait in a list until the cipher suite decides on the hash.  The engine knows when a digest is taken and what
for; the key schedule sees digests only.
"""

from __future__ import annotations

from puretls._base.registry import MESSAGE_HASH
from puretls._crypto.kdf import Digest, RunningHash


class Transcript:
    """A transcript: takes whole handshake messages with their headers, and gives digests."""

    __slots__ = ("_digest", "_hash", "_kept", "_now")

    def __init__(self) -> None:
        self._digest: Digest | None = None
        self._hash: RunningHash | None = None
        self._kept: list[bytes] | None = []
        self._now: bytes | None = None  # the digest, until the next message: some are asked for twice

    def update(self, raw: bytes) -> None:
        self._now, running = None, self._hash
        if self._kept is not None:
            self._kept.append(raw)
        if running is not None:
            running.update(raw)

    def choose(self, digest: Digest, *, keep: bool = False) -> None:
        """Set the hash, which is known from here on.

        `keep` also keeps the messages themselves, until `forget`: the CertificateVerify of TLS 1.2 signs them with a
        hash of its own (RFC 5246 7.4.8).
        """
        self._digest = digest
        self._hash = digest.new()
        for raw in self._kept or ():
            self._hash.update(raw)
        if not keep:
            self._kept = None

    def copy(self) -> Transcript:
        """A copy that continues from here, without the messages themselves."""
        other = Transcript()
        other._digest, other._kept = self._digest, None
        other._hash = self._hash.copy() if self._hash is not None else None
        return other

    def digest(self) -> bytes:
        assert self._hash is not None, "choose() comes first"  # noqa: S101 (our own order of calls, not input)
        now = self._now
        if now is None:
            now = self._now = self._hash.copy().finalize()
        return now

    def digest_after(self, raw: bytes) -> bytes:
        """The digest after adding this message."""
        self.update(raw)
        return self.digest()

    def digest_with(self, extra: bytes, digest: Digest | None = None) -> bytes:
        """The digest as if `extra` had been added: a PSK binder covers a truncated ClientHello (RFC 8446 4.2.11.2).

        Before the choice the PSK says with which hash.
        """
        if self._hash is None:
            assert digest is not None, "no hash is chosen yet"  # noqa: S101 (as above)
            return digest.hash(b"".join(self._kept or ()) + extra)
        running = self._hash.copy()
        running.update(extra)
        return running.finalize()

    def rewrite_for_retry(self) -> None:
        """Replace the first ClientHello by its hash, before HelloRetryRequest is added (RFC 8446 4.4.1)."""
        assert self._digest is not None, "choose() comes first"  # noqa: S101 (as above)
        first = self.digest()
        self._hash, self._now = self._digest.new(), None
        self._hash.update(bytes((MESSAGE_HASH, 0, 0, len(first))) + first)

    def messages(self) -> bytes:
        """The messages so far, where `choose` was told to keep them."""
        assert self._kept is not None, "the messages were not kept"  # noqa: S101 (as above)
        return b"".join(self._kept)

    def forget(self) -> None:
        """Drop the kept messages."""
        self._kept = None
