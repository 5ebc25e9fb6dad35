"""The types in public signatures: those of typeshed's `ssl`, under names that also exist at run time.

They exist at run time because `typing.get_type_hints()` looks them up.  There they are a little wider where the precise
type is for checkers only: the buffer protocol has no name before Python 3.12.
"""

# ruff: noqa: UP007 - these unions are made at run time, out of names that are strings or Any there

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, Union

if TYPE_CHECKING:
    from ssl import MemoryBIO as NativeMemoryBIO
    from typing import TypedDict

    from cryptography import x509
    from typing_extensions import Buffer as Buffer  # noqa: PLC0414 - re-exported

    from puretls._api.bio import MemoryBIO
    from puretls._api.context import SSLContext
    from puretls._api.sslobject import SSLObject
    from puretls._api.sslsocket import SSLSocket
else:
    if sys.version_info >= (3, 12):
        from collections.abc import Buffer
    else:
        Buffer = Any
    MemoryBIO = NativeMemoryBIO = SSLContext = SSLObject = SSLSocket = Any

StrOrBytesPath = Union[str, bytes, PathLike[str], PathLike[bytes]]
RelativeNames = tuple[tuple[tuple[str, str], ...], ...]  # a distinguished name as getpeercert() has it


if TYPE_CHECKING:

    class _CertificateOfAHost(TypedDict):
        subject: RelativeNames
        issuer: RelativeNames
        version: int
        serialNumber: str
        notBefore: str
        notAfter: str
        subjectAltName: tuple[tuple[str, str], ...]

    class PeerCertificate(_CertificateOfAHost, total=False):
        """The dictionary of getpeercert() for a verified certificate; it is empty for others."""

        OCSP: tuple[str, ...]
        caIssuers: tuple[str, ...]
        crlDistributionPoints: tuple[str, ...]

    class Cipher(TypedDict):
        """A cipher suite as get_ciphers() describes it."""

        id: int
        name: str
        protocol: str
        description: str
        strength_bits: int
        alg_bits: int
        aead: bool
        symmetric: str | None
        digest: str | None
        kea: str
        auth: str

else:  # a TypedDict compiles its annotations, and every program would pay for it
    PeerCertificate = Cipher = dict[str, Any]


class ReadableFile(Protocol):
    """An open file whose content is PEM or DER."""

    def read(self, size: int = ..., /) -> str | bytes: ...


class SigningKey(Protocol):
    """A private key that may be elsewhere: in a token, in another process."""

    def public_key(self) -> Any:
        """Its public half, a key of `cryptography`."""

    def sign(self, data: Any, /, *parameters: Any) -> bytes:
        """A signature, with the parameters that `cryptography` has for this kind of key."""


Password = Union[str, bytes, bytearray, Callable[[], str | bytes | bytearray]]
Bio = Union[MemoryBIO, NativeMemoryBIO]
SniCallback = Union[
    Callable[[SSLObject, str, SSLContext], int | None],
    Callable[[SSLSocket, str, SSLContext], int | None],
]
PskClientCallback = Callable[[str | None], tuple[str | None, bytes]]
PskServerCallback = Callable[[str | None], bytes]
MessageCallback = Callable[[Any, str, int, int, int, bytes], None]

if TYPE_CHECKING:
    CertificateSource = StrOrBytesPath | ReadableFile | Buffer | x509.Certificate | Sequence[x509.Certificate]
    TrustSource = str | Buffer | x509.Certificate | x509.CertificateRevocationList | Sequence[Any]
    CertificateData = str | bytes | bytearray | memoryview | x509.Certificate
    CrlData = str | bytes | bytearray | memoryview | x509.CertificateRevocationList
else:  # without the import of cryptography.x509
    CertificateSource = TrustSource = CertificateData = CrlData = Any
KeySource = Union[StrOrBytesPath, ReadableFile, Buffer, SigningKey]
