"""The ClientHello as programs see it: `client_hello` of a server's connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TypeVar

from puretls._api.enums import TLSVersion
from puretls._base import iana, registry
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._base.registry import TLS10, TLS12
from puretls._wire import extensions, hello
from puretls._wire.codec import u16s
from puretls._wire.ja4 import ja4

T = TypeVar("T")


class Codepoint(int):
    """A number on the wire; `name` is IANA's, or the number in hexadecimal."""

    name: str

    def __new__(cls, number: int, names: Mapping[int, str]) -> Codepoint:  # noqa: PYI034  # Self is new in 3.11
        self = super().__new__(cls, number)
        self.name = names.get(number) or f"0x{number:04x}"
        return self

    def __repr__(self) -> str:
        return f"<{self.name} ({int(self):#06x})>"

    __str__ = int.__repr__


def _named(numbers: Iterable[int], names: Mapping[int, str]) -> tuple[Codepoint, ...]:
    return tuple(Codepoint(number, names) for number in numbers)


def _readable(body: bytes, read: Callable[[bytes], T], otherwise: T) -> T:
    try:
        return read(body)
    except (Abort, IndexError):  # for which the client is refused, if it has not been yet
        return otherwise


@public
class ClientHello:
    """The first message of a client, read: numbers are those on the wire, each with a `name`, in the client's order.

    GREASE (RFC 8701) is among them.  What cannot be read is as if it were not there; the handshake ends for it.  With
    Encrypted Client Hello accepted it is the inner one.
    """

    def __init__(self, message: hello.ClientHello, *, ech_accepted: bool = False) -> None:
        self._message = message
        self._ech_accepted = ech_accepted

    def __repr__(self) -> str:
        return f"<ClientHello for {self.server_name!r}, {len(self.raw)} bytes>"

    def _read(self, number: int, read: Callable[[bytes], T], otherwise: T) -> T:
        body = self._message.extensions.get(number)
        return otherwise if body is None else _readable(body, read, otherwise)

    @property
    def raw(self) -> bytes:
        """The message as it was, with its header of four bytes."""
        return bytes(self._message.raw)

    @property
    def server_name(self) -> str | None:
        """The host that is asked for, an A-label (RFC 6066 3); octets beyond ASCII are lone surrogates."""
        return self._read(registry.SERVER_NAME, extensions.server_name, None)

    @cached_property
    def alpn_protocols(self) -> tuple[str, ...]:
        """The protocols that are offered (RFC 7301), best first; octets beyond ASCII are lone surrogates."""
        found: tuple[bytes, ...] = self._read(registry.ALPN, extensions.protocols, ())
        return tuple(one.decode("ascii", "surrogateescape") for one in found)

    @cached_property
    def versions(self) -> tuple[int, ...]:
        """The versions that are offered, TLSVersion where they are known, best first."""
        found: tuple[int, ...]
        if registry.SUPPORTED_VERSIONS in self._message.extensions:
            found = self._read(registry.SUPPORTED_VERSIONS, extensions.versions, ())
        else:  # before TLS 1.3: the highest, and whatever is below (RFC 5246 E.1)
            found = tuple(range(min(self._message.legacy_version, TLS12), TLS10 - 1, -1))
        known = {int(one) for one in TLSVersion}
        return tuple(TLSVersion(one) if one in known else one for one in found)

    @cached_property
    def cipher_suites(self) -> tuple[Codepoint, ...]:
        """The suites that are offered, best first."""
        none: tuple[int, ...] = ()
        return _named(_readable(self._message.cipher_suites, u16s, none), iana.SUITES)

    @cached_property
    def groups(self) -> tuple[Codepoint, ...]:
        """The groups for key agreement, best first (RFC 8446 4.2.7)."""
        return _named(self._read(registry.SUPPORTED_GROUPS, extensions.numbers, {}), iana.GROUPS)

    @cached_property
    def signature_algorithms(self) -> tuple[Codepoint, ...]:
        """The schemes that we may sign with, best first (RFC 8446 4.2.3)."""
        return _named(self._read(registry.SIGNATURE_ALGORITHMS, extensions.numbers, {}), iana.SCHEMES)

    @cached_property
    def extensions(self) -> tuple[Codepoint, ...]:
        """The numbers of all extensions, in order."""
        return _named(self._message.extensions, registry.EXTENSIONS)

    @cached_property
    def certificate_authorities(self) -> tuple[bytes, ...]:
        """The names of CAs that the client has named, in DER (RFC 8446 4.2.4)."""
        found: tuple[bytes, ...] = self._read(registry.CERTIFICATE_AUTHORITIES, extensions.authorities, ())
        return found

    @property
    def early_data(self) -> bool:
        """Whether data was offered before the handshake is done (RFC 8446 4.2.10)."""
        return registry.EARLY_DATA in self._message.extensions

    @property
    def ech_accepted(self) -> bool:
        """Whether this is what an Encrypted Client Hello had in it (RFC 9849)."""
        return self._ech_accepted

    @cached_property
    def ja4(self) -> str:
        """The JA4 fingerprint, which tells clients apart."""
        return ja4(self.raw)
