"""Certificate compression (RFC 8879): of our Certificate, and of the peer's.

The length that a peer announces is checked before anything is decompressed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.foreign import Unusable, asked
from puretls._engine.config import Config, Credential
from puretls._engine.handshake import Handshake, decode
from puretls._engine.policy import RAW
from puretls._wire import messages
from puretls._wire.codec import MAX_BODY, message

if TYPE_CHECKING:
    from puretls._wire.compression import Algorithm

MOST_KEPT = 32  # compressed messages of one credential


# Ours


def shorter(credential: Credential, raw: bytes, config: Config, theirs: frozenset[int]) -> bytes:
    """Our Certificate message, compressed with the first of our algorithms that the peer has, if that makes it shorter.

    It is compressed once for each credential, with and without a staple.
    """
    for algorithm in config.compressions:
        if algorithm.code in theirs and algorithm.compress is not None:
            known = credential.compressed
            found = known.get((algorithm, raw))
            if found is None:
                found = _compressed(algorithm, algorithm.compress, raw)
                if len(known) >= MOST_KEPT:
                    known.clear()
                known[algorithm, raw] = found
            return found
    return raw


def _compressed(algorithm: Algorithm, compress: Callable[[bytes], bytes | None], raw: bytes) -> bytes:
    body = raw[4:]
    data = compress(body)
    if not data or len(data) > MAX_BODY - 8:
        return raw
    found = messages.compressed_certificate(algorithm.code, len(body), data)
    return found if len(found) < len(raw) else raw


# The peer's


def expand(hs: Handshake, compressed: messages.CompressedCertificate) -> messages.Certificate:
    """The Certificate in a CompressedCertificate; its `raw`, which the transcript has, is the latter (RFC 8879 4)."""
    config = hs.config
    if hs.draft.peer_type == RAW:
        raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "a compressed raw public key")
    hs.draft.certificate_compression = compressed.algorithm
    if not config.decompressors:
        raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "nobody asked for CompressedCertificate")
    raw, code, length, data = compressed
    algorithm = config.decompressors.get(code)
    if algorithm is None or algorithm.decompress is None:
        raise Abort(faults.BAD_COMPRESSION_ALGORITHM, f"certificate compression {code:#06x} was not offered")
    if not 0 < length <= config.max_cert_list:
        raise Abort(faults.BAD_DECOMPRESSION, f"{length} bytes are announced")
    try:
        body = bytes(memoryview(asked(algorithm.decompress, data, length)))
    except (Unusable, TypeError):
        raise Abort(faults.BAD_DECOMPRESSION, algorithm.name) from None
    if len(body) != length:
        raise Abort(faults.BAD_DECOMPRESSION, f"{length} bytes were announced")
    return decode(messages.Certificate.parse, message(registry.CERTIFICATE, body))._replace(raw=raw)
