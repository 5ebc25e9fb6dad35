"""The state of Encrypted Client Hello in one handshake, for its states and for the application (RFC 9849).

The numbers are OpenSSL's (SSL_ECH_STATUS_*).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from puretls._crypto.hpke import Context
    from puretls._wire.ech import Sealed

BACKEND, GREASE_ECH, GREASE, SUCCESS, FAILED = 4, 3, 2, 1, 0
NOT_TRIED, BAD_NAME, NOT_CONFIGURED, FAILED_ECH, FAILED_ECH_BAD_NAME = -101, -102, -103, -105, -106


class EchOutcome:
    """The state of ECH in one handshake, in either role."""

    __slots__ = ("opened", "outer_name", "public_name", "rejected", "retry_configs", "status")

    def __init__(self, status: int, outer_name: str | None = None, public_name: str | None = None) -> None:
        self.status = status
        self.outer_name = outer_name  # of the outer hello
        self.public_name = public_name  # the name for the server's certificate if the inner hello was rejected
        self.rejected = False  # a client's inner hello was rejected
        self.retry_configs: bytes | None = None  # received by a client, perhaps without authentication
        self.opened: tuple[Sealed, Context] | None = None  # a server's, until the second hello

    @property
    def confirmed(self) -> bool:
        """Whether a server has to confirm that it goes on with an inner hello."""
        return self.status in (SUCCESS, BACKEND)
