"""The messages of TLS 1.3 besides the hellos (RFC 8446 4.3 to 4.6), and those that older versions share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.tuples import NamedTuple
from puretls._wire.codec import (
    Reader,
    StructError,
    cached_if_short,
    join_extensions,
    message,
    pack_u32,
    packer,
    split_extensions,
    tuple_of,
    vec8,
    vec16,
    vec24,
)

pack_verify = packer("!IHH")  # header, scheme, length of signature
pack_ticket = Struct("!IIIB").pack  # header, ticket_lifetime, ticket_age_add, length of ticket_nonce
read_numbers = Struct("!IIB").unpack_from  # its first three fields behind the header
pack_numbered = Struct("!IIIBQH").pack  # the same, a ticket_nonce of eight bytes, length of ticket


class EncryptedExtensions(NamedTuple):
    """RFC 8446 4.3.1."""

    raw: bytes
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> EncryptedExtensions:
        if (raw[4] << 8 | raw[5]) + 6 != len(raw):
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple_of(cls, (raw, split_extensions(raw[6:])))


read_encrypted_extensions = cached_if_short(EncryptedExtensions.parse)  # most servers answer all their clients alike


def encrypted_extensions(extensions: bytes) -> bytes:
    return message(registry.ENCRYPTED_EXTENSIONS, vec16(extensions))


@lru_cache(maxsize=64)
def encrypted_answers(found: tuple[tuple[int, bytes], ...]) -> bytes:
    """The same from numbers and bodies: a server answers most of its clients alike."""
    return encrypted_extensions(join_extensions(dict(found)))


class CertificateRequest(NamedTuple):
    """RFC 8446 4.3.2."""

    raw: bytes
    context: bytes
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> CertificateRequest:
        r = Reader(raw)
        found = cls(raw, r.vec8(), split_extensions(r.vec16()))
        r.done()
        return found


def certificate_request(context: bytes, extensions: bytes) -> bytes:
    return message(registry.CERTIFICATE_REQUEST, vec8(context) + vec16(extensions))


class CertificateEntry(NamedTuple):
    """One certificate and what belongs to it, such as a stapled OCSP response."""

    der: bytes
    extensions: dict[int, bytes]


class Certificate(NamedTuple):
    """RFC 8446 4.4.2."""

    raw: bytes
    context: bytes
    entries: tuple[CertificateEntry, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Certificate:
        size, entries = len(raw), []
        start = 5 + raw[4]
        end = start + 3
        if end + (raw[start] << 16 | raw[start + 1] << 8 | raw[start + 2]) != size:
            raise Abort(faults.LENGTH_MISMATCH)
        context = raw[5:start]
        while end < size:
            start = end + 3
            middle = start + (raw[end] << 16 | raw[end + 1] << 8 | raw[end + 2])
            end = middle + 2 + (raw[middle] << 8 | raw[middle + 1])
            if middle == start:
                raise Abort(faults.LENGTH_MISMATCH, "empty certificate")
            entries.append(tuple_of(CertificateEntry, (raw[start:middle], split_extensions(raw[middle + 2 : end]))))
        if end != size:
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple_of(cls, (raw, context, tuple(entries)))


def certificate_list(entries: tuple[CertificateEntry, ...]) -> bytes:
    """The certificate_list vector of a Certificate message; `extensions` bodies are encoded as they stand."""
    encoded = []
    for der, extensions in entries:
        block = b"".join(kind.to_bytes(2, "big") + vec16(body) for kind, body in extensions.items())
        encoded.append(vec24(der) + vec16(block))
    return vec24(b"".join(encoded))


def certificate(context: bytes, encoded_list: bytes) -> bytes:
    return message(registry.CERTIFICATE, vec8(context) + encoded_list)


class CompressedCertificate(NamedTuple):
    """RFC 8879 4."""

    raw: bytes
    algorithm: int
    uncompressed_length: int
    data: bytes

    @classmethod
    def parse(cls, raw: bytes) -> CompressedCertificate:
        if (raw[9] << 16 | raw[10] << 8 | raw[11]) + 12 != len(raw) or len(raw) == 12:
            raise Abort(faults.LENGTH_MISMATCH)
        return cls(raw, raw[4] << 8 | raw[5], raw[6] << 16 | raw[7] << 8 | raw[8], raw[12:])


def compressed_certificate(algorithm: int, uncompressed_length: int, data: bytes) -> bytes:
    head = algorithm.to_bytes(2, "big") + uncompressed_length.to_bytes(3, "big")
    return message(registry.COMPRESSED_CERTIFICATE, head + vec24(data))


class CertificateVerify(NamedTuple):
    """RFC 8446 4.4.3, RFC 5246 7.4.8."""

    raw: bytes
    scheme: int
    signature: bytes

    @classmethod
    def parse(cls, raw: bytes) -> CertificateVerify:
        if (raw[6] << 8 | raw[7]) + 8 != len(raw):
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple_of(cls, (raw, raw[4] << 8 | raw[5], raw[8:]))


def certificate_verify(scheme: int, signature: bytes) -> bytes:
    size = len(signature)
    return pack_verify(registry.CERTIFICATE_VERIFY << 24 | size + 4, scheme, size) + signature


class Finished(NamedTuple):
    """RFC 8446 4.4.4, RFC 5246 7.4.9.  The receiver knows how long verify_data has to be."""

    raw: bytes
    verify_data: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Finished:
        return tuple_of(cls, (raw, raw[4:]))


def finished(verify_data: bytes) -> bytes:
    return pack_u32(registry.FINISHED << 24 | len(verify_data)) + verify_data


class NewSessionTicket(NamedTuple):
    """RFC 8446 4.6.1."""

    raw: bytes
    lifetime: int  # seconds
    age_add: int
    nonce: bytes
    ticket: bytes
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> NewSessionTicket:
        lifetime, age_add, size = read_numbers(raw, 4)
        end = 13 + size
        start = end + 2
        stop = start + (raw[end] << 8 | raw[end + 1])
        if start == stop or stop + 2 + (raw[stop] << 8 | raw[stop + 1]) != len(raw):
            raise Abort(faults.LENGTH_MISMATCH)
        found = split_extensions(raw[stop + 2 :])
        return tuple_of(cls, (raw, lifetime, age_add, raw[13:end], raw[start:stop], found))


def new_session_ticket(lifetime: int, age_add: int, nonce: bytes, ticket: bytes, extensions: bytes) -> bytes:
    try:
        rest = nonce + len(ticket).to_bytes(2, "big") + ticket + len(extensions).to_bytes(2, "big") + extensions
        return pack_ticket(registry.NEW_SESSION_TICKET << 24 | len(rest) + 9, lifetime, age_add, len(nonce)) + rest
    except (StructError, OverflowError):
        raise Abort(faults.TOO_LONG_TO_SAY) from None


def new_session_tickets(
    lifetime: int, own: Iterable[tuple[int, int]], tickets: Iterable[bytes], extensions: bytes
) -> list[bytes]:
    """Several for one session; what each has for itself are ticket_age_add and the number that is its nonce."""
    try:
        behind = len(extensions).to_bytes(2, "big") + extensions
        head = (registry.NEW_SESSION_TICKET << 24) + len(behind) + 19
        return [
            pack_numbered(head + (size := len(ticket)), lifetime, age_add, 8, nonce, size) + ticket + behind
            for (age_add, nonce), ticket in zip(own, tickets, strict=True)
        ]
    except (StructError, OverflowError):
        raise Abort(faults.TOO_LONG_TO_SAY) from None


class Empty(NamedTuple):
    """A message without a body: EndOfEarlyData (RFC 8446 4.5), HelloRequest and ServerHelloDone (RFC 5246 7.4)."""

    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Empty:
        if len(raw) != 4:
            raise Abort(faults.LENGTH_MISMATCH)
        return cls(raw)


END_OF_EARLY_DATA = message(registry.END_OF_EARLY_DATA, b"")


class KeyUpdate(NamedTuple):
    """RFC 8446 4.6.3."""

    raw: bytes
    request_update: int

    @classmethod
    def parse(cls, raw: bytes) -> KeyUpdate:
        if len(raw) != 5:
            raise Abort(faults.LENGTH_MISMATCH)
        return cls(raw, raw[4])


def key_update(request_update: int) -> bytes:
    return message(registry.KEY_UPDATE, bytes((request_update,)))
