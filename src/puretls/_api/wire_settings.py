"""Settings of an SSLContext about the wire, beyond `ssl`: sizes of records, cookies, names of CAs, GREASE."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography import x509

from puretls._api import lists
from puretls._record.protection import MAX_PLAINTEXT
from puretls._x509.shapes import Rdns, items

if TYPE_CHECKING:
    from puretls._api.settings import Settings

SMALLEST_FRAGMENT = 512  # as OpenSSL has it
SMALLEST_LIMIT = 64  # RFC 8449 4


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
    def max_send_fragment(self) -> int:
        """The most plaintext of a record that we send, in bytes (SSL_CTX_set_max_send_fragment(3)); 16384 unless set.

        What the peer asks for with `record_size_limit` counts if it is less.  ValueError for less than 512 or more than
        16384.
        """
        return self._settings.max_send_fragment

    @max_send_fragment.setter
    def max_send_fragment(self, value: int) -> None:
        value = operator.index(value)
        if not SMALLEST_FRAGMENT <= value <= MAX_PLAINTEXT:
            raise ValueError(f"max_send_fragment must be from {SMALLEST_FRAGMENT} to {MAX_PLAINTEXT}")
        self._settings.max_send_fragment = value

    @property
    def dynamic_record_sizes(self) -> bool:
        """Whether the first 128 KiB of data go in records of 1,208 bytes, which one segment of TCP holds.

        False unless set.  The peer can use the beginning of an answer a round trip earlier, as a record is of no use
        before all of it is there; it costs throughput.
        """
        return self._settings.dynamic_record_sizes

    @dynamic_record_sizes.setter
    def dynamic_record_sizes(self, value: bool) -> None:
        self._settings.dynamic_record_sizes = bool(value)

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
        who is trusted is for load_verify_locations() to say.  May be set to names in DER, to `x509.Name`, or to
        certificates, whose subjects are taken.  ValueError for what is no name, or for more than 60,000 bytes of them.
        """
        return self._settings.client_ca_names

    @client_ca_names.setter
    def client_ca_names(self, value: Iterable[object] | None) -> None:
        found = tuple(dict.fromkeys(map(_name, value or ())))
        if sum(len(name) + 2 for name in found) > lists.LONGEST:
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
    given = getattr(given, "subject", given)
    if isinstance(given, x509.Name):
        return bytes(given.public_bytes())
    der = bytes(memoryview(given))  # type: ignore[arg-type]  # TypeError for what has no bytes
    items(Rdns, der)
    return der
