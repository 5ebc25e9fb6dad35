"""What an SSLContext says about the wire beyond `ssl`: sizes of records, cookies, names of CAs, GREASE."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING

from puretls._record.protection import MAX_PLAINTEXT
from puretls._x509.shapes import Rdns, items

if TYPE_CHECKING:
    from puretls._api.settings import Settings

SMALLEST_LIMIT = 64  # RFC 8449 4
MOST_NAMES = 0xFFFF  # bytes of a list of names (RFC 8446 4.2.4)


class _WireSettings:
    """The attributes of an SSLContext about the wire."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def record_size_limit(self) -> int | None:
        """The most plaintext of a record that the peer may send, in bytes (RFC 8449); 16384 unless set.

        None leaves the extension out.  ValueError for less than 64 or more than 16384.
        """
        return self._settings.record_size_limit

    @record_size_limit.setter
    def record_size_limit(self, value: int | None) -> None:
        if value is not None:
            value = operator.index(value)
            if not SMALLEST_LIMIT <= value <= MAX_PLAINTEXT:
                raise ValueError(f"record_size_limit must be from {SMALLEST_LIMIT} to {MAX_PLAINTEXT}")
        self._settings.record_size_limit = value

    @property
    def retry_cookie(self) -> bool:
        """Whether a server's HelloRetryRequest carries a cookie, which the client has to return (RFC 8446 4.2.2).

        False unless set.  The cookie is random and checked by the connection that has sent it.
        """
        return self._settings.retry_cookie

    @retry_cookie.setter
    def retry_cookie(self, value: bool) -> None:
        self._settings.retry_cookie = bool(value)

    @property
    def client_ca_names(self) -> tuple[bytes, ...]:
        """Names of CAs, in DER, whose certificates are welcome (RFC 8446 4.2.4, RFC 5246 7.4.4); none unless set.

        A server tells them to clients whose certificate it asks for, a client of TLS 1.3 to servers.  They are a hint:
        who is trusted is for load_verify_locations() to say.  May be set to names in DER or to certificates, whose
        subjects are taken.  ValueError for what is no name, or for more than 65,535 bytes of them.
        """
        return self._settings.client_ca_names

    @client_ca_names.setter
    def client_ca_names(self, value: Iterable[object]) -> None:
        found = tuple(dict.fromkeys(map(_name, value)))
        if sum(len(name) + 2 for name in found) > MOST_NAMES:
            raise ValueError("client_ca_names are too long for one message")
        self._settings.client_ca_names = found

    @property
    def grease(self) -> bool:
        """Whether a client offers values that mean nothing, so that servers stay tolerant (RFC 8701).

        True unless set; servers send none in any case.
        """
        return self._settings.grease

    @grease.setter
    def grease(self, value: bool) -> None:
        self._settings.grease = bool(value)


def _name(given: object) -> bytes:
    """The DER of a distinguished name: itself, or the subject of a certificate."""
    if hasattr(given, "subject"):
        return bytes(given.subject.public_bytes())
    der = bytes(memoryview(given))  # type: ignore[arg-type]  # TypeError for what has no bytes
    items(Rdns, der)
    return der
