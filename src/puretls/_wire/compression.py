"""The algorithms of certificate compression (RFC 8879 7.3), by name, if their library is installed, and bounded.

None of them returns more than one byte beyond the expected length, so a few bytes cannot make us fill memory.
"""

from __future__ import annotations

from collections.abc import Callable

from puretls._base import registry
from puretls._base.tuples import NamedTuple

ZSTD_WINDOW = 21  # log2 of the most memory that a frame may demand: what encoders use that do not know the length


class Algorithm(NamedTuple):
    """One CertificateCompressionAlgorithm; None where there is no such direction."""

    code: int
    name: str
    compress: Callable[[bytes], bytes | None] | None  # None: it would rather not
    decompress: Callable[[bytes, int], bytes] | None  # given the length that there should be: a byte more at most


def by_name(name: str) -> Algorithm:
    """A built-in algorithm; LookupError if there is none of that name, ImportError if its library is not installed."""
    make = {"zlib": _zlib, "brotli": _brotli, "zstd": _zstd}[name]
    code = next(code for code, known in registry.COMPRESSIONS.items() if known == name)
    return Algorithm(code, name, *make())


Functions = tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]


def _zlib() -> Functions:
    import zlib  # noqa: PLC0415 - who compresses nothing needs none of these

    def decompress(data: bytes, length: int) -> bytes:
        stream = zlib.decompressobj()
        return _whole(stream.decompress(data, length + 1), stream.eof and not stream.unused_data)

    return lambda data: zlib.compress(data, 9), decompress


def _brotli() -> Functions:
    import brotli  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415 - as above

    if not hasattr(brotli.Decompressor, "can_accept_more_data"):  # before 1.2 nothing bounds what comes out
        raise ImportError("brotli is older than 1.2")

    def decompress(data: bytes, length: int) -> bytes:
        stream = brotli.Decompressor()  # the limit is rounded up to some 32 KiB; trailing bytes are an error
        out = stream.process(data, output_buffer_limit=length + 1)
        return _whole(out, stream.is_finished())

    return brotli.compress, decompress


def _zstd() -> Functions:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - Python 3.14
    except ImportError:
        from backports import zstd  # type: ignore[import-not-found,unused-ignore,no-redef]  # noqa: PLC0415
    options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW}

    def decompress(data: bytes, length: int) -> bytes:
        stream = zstd.ZstdDecompressor(options=options)
        return _whole(stream.decompress(data, length + 1), stream.eof and not stream.unused_data)

    return zstd.compress, decompress


def _whole(data: bytes, complete: bool) -> bytes:
    if not complete:
        raise ValueError("not one whole stream")
    return data


def available() -> list[str]:
    """The names of the algorithms whose libraries are installed."""
    found = []
    for name in sorted(registry.COMPRESSIONS.values(), reverse=True):  # zstd, zlib, brotli
        try:
            by_name(name)
        except ImportError:
            continue
        found.append(name)
    return found
