"""Reading and writing the bodies of extensions (RFC 8446 4.2); `places` has the messages in which each may stand.

A reader of a body may run past its end: `reading` turns that into decode_error, so that no parser here has to.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TypeVar

from puretls._base import faults, registry
from puretls._base.faults import Abort, Fault
from puretls._base.tuples import NamedTuple
from puretls._wire.codec import (
    Ranks,
    Reader,
    StructError,
    cached_if_short,
    extension,
    packer,
    ranks,
    tuple_of,
    u16s,
    vec8,
    vec16,
    vec16_of,
)

T = TypeVar("T")

pack_two, pack_four = packer("!HH"), Struct("!HHHH").pack
pack_share, pack_shares = Struct("!HH").pack, Struct("!HHH").pack
pack_server_name = packer("!HHHBH")  # the extension's type and length, those of the list, of the name


def reading(parse: Callable[[Reader], T], body: bytes, fault: Fault = faults.BAD_EXTENSION) -> T:
    """Read a whole body with `parse`; Abort with `fault` if it cannot be read."""
    r = Reader(body, 0)
    try:
        value = parse(r)
    except (IndexError, StructError):
        raise Abort(fault) from None
    except Abort as abort:
        if abort.fault in {
            faults.LENGTH_MISMATCH,
            faults.BAD_EXTENSION,
        }:  # a Reader's, which does not know what it reads
            raise Abort(fault) from None
        raise
    if r.more():
        raise Abort(fault)
    return value


def _some(data: bytes) -> bytes:
    if not data:
        raise Abort(faults.BAD_EXTENSION)
    return data


def empty(body: bytes) -> None:
    """extended_master_secret, encrypt_then_mac, early_data, some requests and some answers have no body."""
    if body:
        raise Abort(faults.BAD_EXTENSION)


@cached_if_short
def numbers(body: bytes) -> Ranks:
    """supported_groups, signature_algorithms, signature_algorithms_cert: uint16 values<2..2^16-2>."""
    size = len(body)
    if size < 4 or size & 1 or body[0] << 8 | body[1] != size - 2:
        raise Abort(faults.BAD_EXTENSION)
    return ranks(body[2:])


# server_name (RFC 6066 3)


@cached_if_short
def server_name(body: bytes) -> str:
    """The host_name of a ClientHello; octets beyond ASCII, which no host name has, become lone surrogates."""
    size = len(body)
    # ServerNameList of one ServerName: its length, name_type host_name, HostName
    if size < 5 or body[0] << 8 | body[1] != size - 2 or body[2] != 0 or body[3] << 8 | body[4] != size - 5:
        raise Abort(faults.BAD_EXTENSION)
    name = body[5:]
    if not name:
        raise Abort(faults.BAD_EXTENSION)
    if len(name) > 255 or 0 in name:
        raise Abort(faults.BAD_EXTENSION._replace(alert=registry.UNRECOGNIZED_NAME))
    return name.decode("ascii", "surrogateescape")


def build_server_name(name: bytes) -> bytes:
    size = len(name)
    return pack_server_name(registry.SERVER_NAME, size + 5, size + 3, 0, size) + name


# application_layer_protocol_negotiation (RFC 7301 3.1)


@cached_if_short
def protocols(body: bytes) -> tuple[bytes, ...]:
    def parse(r: Reader) -> tuple[bytes, ...]:
        entries, found = Reader(_some(r.vec16()), 0), []
        while entries.more():
            found.append(_some(entries.vec8()))
        return tuple(found)

    return reading(parse, body)


def protocol_list(names: tuple[bytes, ...]) -> bytes:
    """The body of ALPN."""
    return vec16(b"".join(map(vec8, names)))


def build_protocols(names: tuple[bytes, ...]) -> bytes:
    return extension(registry.ALPN, protocol_list(names))


# max_fragment_length (RFC 6066 4), which we do not use


def fragment_length(body: bytes) -> int:
    if len(body) != 1:
        raise Abort(faults.BAD_EXTENSION)
    if body[0] not in registry.FRAGMENT_LENGTHS:
        raise Abort(faults.INVALID_MAX_FRAGMENT_LENGTH)
    return body[0]


# signed_certificate_timestamp (RFC 6962 3.3), which we do not use


def certificate_timestamps(body: bytes) -> tuple[bytes, ...]:
    """SignedCertificateTimestampList: SerializedSCT<1..2^16-1> in a vector of 1 to 2^16-1 bytes."""

    def parse(r: Reader) -> tuple[bytes, ...]:
        entries, found = Reader(_some(r.vec16()), 0), []
        while entries.more():
            found.append(_some(entries.vec16()))
        return tuple(found)

    return reading(parse, body)


# supported_versions (RFC 8446 4.2.1)


@cached_if_short
def versions(body: bytes) -> tuple[int, ...]:
    if len(body) < 3 or body[0] != len(body) - 1 or body[0] & 1:
        raise Abort(faults.BAD_EXTENSION)
    return u16s(body[1:])


def selected_u16(body: bytes) -> int:
    """selected_version of a ServerHello, selected_group of a HelloRetryRequest, selected_identity."""
    if len(body) != 2:
        raise Abort(faults.LENGTH_MISMATCH)
    return body[0] << 8 | body[1]


# key_share (RFC 8446 4.2.8)


KeyShare = tuple[int, bytes]  # group, key_exchange


def key_share(body: bytes) -> KeyShare:
    """The one share of a ServerHello."""
    size = len(body) - 4
    if size < 1 or body[2] << 8 | body[3] != size:
        raise Abort(faults.LENGTH_MISMATCH)
    return body[0] << 8 | body[1], body[4:]


def key_shares(body: bytes) -> tuple[KeyShare, ...]:
    """Those of a ClientHello; there may be none."""
    end, pos, found = len(body), 2, []
    if end < 2 or body[0] << 8 | body[1] != end - 2:
        raise Abort(faults.LENGTH_MISMATCH)
    if end > 6 and body[4] << 8 | body[5] == end - 6:  # just one
        return ((body[2] << 8 | body[3], body[6:]),)
    while pos < end:
        start = pos + 4
        if start >= end:
            raise Abort(faults.LENGTH_MISMATCH)
        stop = start + (body[start - 2] << 8 | body[start - 1])
        if not start < stop <= end:
            raise Abort(faults.LENGTH_MISMATCH)
        found.append((body[pos] << 8 | body[pos + 1], body[start:stop]))
        pos = stop
    return tuple(found)


def build_share(group: int, key_exchange: bytes) -> bytes:
    """A KeyShareEntry; on its own the body of a ServerHello's key_share."""
    return pack_two(group, len(key_exchange)) + key_exchange


def build_shares(shares: list[tuple[int, bytes]]) -> bytes:
    """key_share of a ClientHello."""
    try:
        entries = b"".join([pack_share(group, len(key_exchange)) + key_exchange for group, key_exchange in shares])
        return pack_shares(registry.KEY_SHARE, len(entries) + 2, len(entries)) + entries
    except StructError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


# cookie (RFC 8446 4.2.2)


def cookie(body: bytes) -> bytes:
    return reading(lambda r: _some(r.vec16()), body)


# pre_shared_key, psk_key_exchange_modes (RFC 8446 4.2.9, 4.2.11)


PskIdentity = tuple[bytes, int]  # identity, obfuscated_ticket_age


class OfferedPsks(NamedTuple):
    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]
    binders_size: int  # bytes of the binders vector with its length: what the binder hash leaves out


def offered_psks(body: bytes) -> OfferedPsks:
    size, identities, binders = len(body), [], []
    pos, end = 2, 0
    try:
        end = 2 + (body[0] << 8 | body[1])
        while pos < end:
            start = pos + 2
            pos = start + (body[pos] << 8 | body[pos + 1]) + 4
            middle = pos - 4
            if middle == start or pos > end:
                raise Abort(faults.BAD_EXTENSION)
            identities.append((body[start:middle], int.from_bytes(body[middle:pos], "big")))
        if not identities or end + 2 + (body[end] << 8 | body[end + 1]) != size:
            raise Abort(faults.BAD_EXTENSION)
        pos = end + 2
        while pos < size:
            start = pos + 1
            pos = start + body[pos]
            if pos - start < 32 or pos > size:
                raise Abort(faults.BAD_EXTENSION)
            binders.append(body[start:pos])
    except IndexError:
        raise Abort(faults.BAD_EXTENSION) from None
    if not binders:
        raise Abort(faults.BAD_EXTENSION)
    if len(identities) != len(binders):
        raise Abort(faults.BINDER_DOES_NOT_VERIFY)
    return tuple_of(OfferedPsks, (tuple(identities), tuple(binders), size - end))


@cached_if_short
def psk_modes(body: bytes) -> bytes:
    if len(body) < 2 or body[0] != len(body) - 1:
        raise Abort(faults.BAD_EXTENSION)
    return body[1:]


# record_size_limit (RFC 8449 4)


@cached_if_short
def record_size_limit(body: bytes) -> int:
    if len(body) != 2:
        raise Abort(faults.BAD_EXTENSION)
    limit = body[0] << 8 | body[1]
    if limit < 64:
        raise Abort(faults.MISPLACED_EXTENSION, "record_size_limit below 64")
    return limit


# ticket_request (RFC 9149 2)


def ticket_request(body: bytes) -> tuple[int, int]:
    """ticket_request of a ClientHello: how many tickets a client wants for a new session, and for a resumed one."""
    if len(body) != 2:
        raise Abort(faults.BAD_EXTENSION)
    return body[0], body[1]


def expected_tickets(body: bytes) -> int:
    """ticket_request of EncryptedExtensions: how many tickets will come."""
    if len(body) != 1:
        raise Abort(faults.BAD_EXTENSION)
    return body[0]


# ec_point_formats (RFC 8422 5.1.2)


def point_formats(body: bytes) -> bytes:
    if len(body) < 2 or body[0] != len(body) - 1:
        raise Abort(faults.BAD_EXTENSION)
    formats = body[1:]
    if 0 not in formats:  # uncompressed MUST be there
        raise Abort(faults.ILLEGAL_POINT_COMPRESSION)
    return formats


# renegotiation_info (RFC 5746 3.2)


def renegotiated_connection(body: bytes) -> bytes:
    if not body or body[0] != len(body) - 1:
        raise Abort(faults.RENEGOTIATION_ENCODING_ERR)
    return body[1:]


# certificate_authorities (RFC 8446 4.2.4)


def names(block: bytes) -> tuple[bytes, ...]:
    """DistinguishedName<1..2^16-1> in a row (RFC 5246 7.4.4, RFC 8446 4.2.4)."""
    r, found = Reader(block, 0), []
    while r.more():
        name = r.vec16()
        if not name:
            raise Abort(faults.LENGTH_MISMATCH)
        found.append(name)
    return tuple(found)


def post_handshake_auth(body: bytes) -> None:
    """RFC 8446 4.2.6."""
    if body:
        raise Abort(faults.POST_HANDSHAKE_AUTH_ENCODING_ERR)


def oid_filters(body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """RFC 8446 4.2.5: OIDs of certificate extensions, and the values that are wanted."""

    def parse(r: Reader) -> tuple[tuple[bytes, bytes], ...]:
        entries, found = Reader(r.vec16(), 0), []
        while entries.more():
            found.append((_some(entries.vec8()), entries.vec16()))
        return tuple(found)

    return reading(parse, body)


def max_early_data(body: bytes) -> int:
    """early_data of a NewSessionTicket: max_early_data_size (RFC 8446 4.2.10)."""
    if len(body) != 4:
        raise Abort(faults.BAD_EXTENSION)
    return int.from_bytes(body, "big")


def authorities(body: bytes) -> tuple[bytes, ...]:
    return reading(lambda r: names(_some(r.vec16())), body, faults.LENGTH_MISMATCH)


def authority_list(ders: tuple[bytes, ...]) -> bytes:
    """The body of certificate_authorities."""
    return vec16(b"".join(map(vec16, ders)))


def build_authorities(ders: tuple[bytes, ...]) -> bytes:
    return extension(registry.CERTIFICATE_AUTHORITIES, authority_list(ders))


# compress_certificate (RFC 8879 3)


@cached_if_short
def compressions(body: bytes) -> frozenset[int]:
    """CertificateCompressionAlgorithm algorithms<2..2^8-2>, none of them twice."""
    size = len(body)
    if size < 3 or not size & 1 or body[0] != size - 1:
        raise Abort(faults.BAD_EXTENSION)
    codes = u16s(body[1:])
    found = frozenset(codes)
    if len(found) != len(codes):
        raise Abort(faults.BAD_EXTENSION)
    return found


def compression_list(codes: tuple[int, ...]) -> bytes:
    """The body of compress_certificate."""
    return vec8(vec16_of(codes)[2:])


def build_compressions(codes: tuple[int, ...]) -> bytes:
    return extension(registry.COMPRESS_CERTIFICATE, compression_list(codes))


# client_certificate_type, server_certificate_type (RFC 7250 3)


@cached_if_short
def certificate_types(body: bytes) -> tuple[int, ...]:
    """CertificateType of a ClientHello<1..2^8-1>."""
    if len(body) < 2 or body[0] != len(body) - 1:
        raise Abort(faults.BAD_EXTENSION)
    return tuple(body[1:])


def certificate_type(body: bytes) -> int:
    """The one that a server has chosen."""
    if len(body) != 1:
        raise Abort(faults.BAD_EXTENSION)
    return body[0]


# status_request (RFC 6066 8)

OCSP_ANY = b"\x01\x00\x00\x00\x00"  # the body of a request: any responder, no extensions
OCSP_REQUEST = extension(registry.STATUS_REQUEST, OCSP_ANY)


def status_request(body: bytes) -> int:
    """The status_type of a request: 1 is OCSP."""

    def parse(r: Reader) -> int:
        kind = r.u8()
        if kind == 1:
            r.vec16()
            r.vec16()
        else:
            r.take(len(r.data) - r.pos)
        return kind

    return reading(parse, body)


def ocsp_response(body: bytes) -> bytes:
    """The CertificateStatus in a CertificateEntry (RFC 8446 4.4.2.1)."""

    def parse(r: Reader) -> bytes:
        if r.u8() != 1:
            raise Abort(faults.BAD_EXTENSION)
        return _some(r.vec24())

    return reading(parse, body)


def build_numbers(kind: int, values: tuple[int, ...]) -> bytes:
    """supported_groups and the two signature_algorithms."""
    return extension(kind, vec16_of(values))
