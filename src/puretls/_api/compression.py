"""Certificate compression (RFC 8879): the methods and attributes of contexts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from puretls._api.unraisable import report_unraisable
from puretls._base.deferred import deferred
from puretls._base.registry import COMPRESSIONS

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._wire import compression
    from puretls._wire.compression import Algorithm
else:
    compression = deferred("puretls._wire.compression")

LARGEST_LIST = (1 << 24) - 1  # bytes of a handshake message
MOST_ALGORITHMS = 127  # that the extension has room for


class _CompressionSettings:
    """The methods and attributes of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    def set_cert_compression(self, algorithms: Iterable[str], /) -> None:
        """Have certificates compressed in TLS 1.3 (RFC 8879): algorithms by name, best first; [] switches it off.

        "zlib" is always there, "zstd" with `compression.zstd` (Python 3.14) or `backports.zstd`, "brotli" with brotli
        1.2 or newer; ValueError for one that is not, or that is named twice.  The peer is told them, and what goes to
        it is compressed in the first of them that it has, where that is shorter.
        """
        if isinstance(algorithms, (str, bytes)):
            raise TypeError(f"algorithms must be a sequence of names, not {type(algorithms).__name__}")
        found: dict[str, Algorithm] = {}
        for name in algorithms:
            if not isinstance(name, str):
                raise TypeError(f"the name of an algorithm must be str, not {type(name).__name__}")
            if name in found:
                raise ValueError(f"{name!r} is named twice")
            try:
                found[name] = compression.by_name(name)
            except LookupError:
                raise ValueError(f"unknown certificate compression {name!r}") from None
            except ImportError as error:
                raise ValueError(f"certificate compression {name!r} is not available: {error}") from None
        self._settings.compressions = tuple(found.values())

    def add_cert_compression(
        self,
        id: int,  # noqa: A002  # what it is
        compress: Callable[[bytes], bytes | None] | None,
        decompress: Callable[[bytes, int], bytes] | None,
    ) -> None:
        """Add an algorithm for certificates by its number at IANA, 1 to 65535, behind those that are there.

        One that has the number already is replaced.  `compress(data)` returns what is sent, or None to send the
        Certificate as it is; `decompress(data, length)` what it was: it must not make more than `length + 1` bytes,
        whatever the peer has sent, and an exception, or another length, ends the handshake with bad_certificate.
        Either may be None: then that direction is not used.  What `compress` raises goes to sys.unraisablehook, and the
        Certificate is sent as it is.  set_cert_compression() begins anew.
        """
        code = operator.index(id)
        if not 0 < code <= 0xFFFF:
            raise ValueError("the number of an algorithm is from 1 to 65535")
        for function in (compress, decompress):
            if function is not None and not callable(function):
                raise TypeError("not a callable object")
        if compress is None and decompress is None:
            raise ValueError("an algorithm has to compress or to decompress")
        added = compression.Algorithm(code, COMPRESSIONS.get(code, str(code)), _guarded(compress), decompress)
        before = self._settings.compressions
        if code in [one.code for one in before]:
            after = tuple(added if one.code == code else one for one in before)
        else:
            after = (*before, added)
        if len(after) > MOST_ALGORITHMS:
            raise ValueError(f"more than {MOST_ALGORITHMS} algorithms")
        self._settings.compressions = after

    @property
    def max_cert_list(self) -> int:
        """The most bytes that a peer's compressed Certificate message may become; 102,400 unless set.

        What says that it becomes more, or nothing, is refused before anything is decompressed.
        """
        return self._settings.max_cert_list

    @max_cert_list.setter
    def max_cert_list(self, value: int) -> None:
        new = operator.index(value)
        if not 0 < new <= LARGEST_LIST:
            raise ValueError(f"max_cert_list must be from 1 to {LARGEST_LIST}")
        self._settings.max_cert_list = new


def _guarded(compress: Callable[[bytes], bytes | None] | None) -> Callable[[bytes], bytes | None] | None:
    """Wrap a program's compress function: its errors are reported, and the certificate is sent uncompressed."""
    if compress is None:
        return None

    def guarded(data: bytes) -> bytes | None:
        try:
            made = compress(data)
            return None if made is None else bytes(memoryview(made))
        except Exception as error:  # noqa: BLE001  # whatever it is, the certificate can be sent as it is
            report_unraisable(error)
            return None

    return guarded


def compression_name(code: int | None) -> str | None:
    """The name of an algorithm."""
    return None if code is None else COMPRESSIONS.get(code, str(code))
