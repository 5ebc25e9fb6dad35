"""The messages of TLS 1.0 to 1.2 only: RFC 5246 7.4, RFC 8422 5, RFC 4279, RFC 5077, RFC 6066 8."""

from __future__ import annotations

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.tuples import NamedTuple
from puretls._wire.codec import Ranks, Reader, message, packer, ranks, tuple_of, vec8, vec16, vec16_of, vec24
from puretls._wire.extensions import names

# ClientCertificateType (RFC 5246 7.4.4, RFC 8422 5.5)
RSA_SIGN, DSS_SIGN, ECDSA_SIGN = 1, 2, 64

NAMED_CURVE = 3  # ECCurveType (RFC 8422 5.4)

pack_params = packer("!BHB")  # ECCurveType, named curve, length of the point


HELLO_REQUEST = message(registry.HELLO_REQUEST, b"")
SERVER_HELLO_DONE = message(registry.SERVER_HELLO_DONE, b"")


class Certificate(NamedTuple):
    """RFC 5246 7.4.2."""

    raw: bytes
    ders: tuple[bytes, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Certificate:
        size, end, ders = len(raw), 7, []
        if end + (raw[4] << 16 | raw[5] << 8 | raw[6]) != size:
            raise Abort(faults.LENGTH_MISMATCH)
        while end < size:
            start = end + 3
            end = start + (raw[end] << 16 | raw[end + 1] << 8 | raw[end + 2])
            if end == start:
                raise Abort(faults.LENGTH_MISMATCH, "empty certificate")
            ders.append(raw[start:end])
        if end != size:
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple_of(cls, (raw, tuple(ders)))


def raw_public_key(raw: bytes) -> bytes:
    """The SubjectPublicKeyInfo in a Certificate message (RFC 7250 3)."""
    r = Reader(raw)
    found = r.vec24()
    r.done()
    return found


def certificate(ders: tuple[bytes, ...]) -> bytes:
    return message(registry.CERTIFICATE, vec24(b"".join(map(vec24, ders))))


class CertificateStatus(NamedTuple):
    """A stapled OCSP response (RFC 6066 8)."""

    raw: bytes
    status_type: int
    response: bytes

    @classmethod
    def parse(cls, raw: bytes) -> CertificateStatus:
        r = Reader(raw)
        found = cls(raw, r.u8(), r.vec24())
        r.done()
        return found


def certificate_status(response: bytes) -> bytes:
    return message(registry.CERTIFICATE_STATUS, b"\x01" + vec24(response))


class KeyExchange(NamedTuple):
    """ServerKeyExchange and ClientKeyExchange, whose content depends on the suite, which the receiver knows."""

    raw: bytes
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> KeyExchange:
        return tuple_of(cls, (raw, raw[4:]))


def server_key_exchange(body: bytes) -> bytes:
    return message(registry.SERVER_KEY_EXCHANGE, body)


def client_key_exchange(body: bytes) -> bytes:
    return message(registry.CLIENT_KEY_EXCHANGE, body)


class EcdhParams(NamedTuple):
    """ServerECDHParams with a named curve (RFC 8422 5.4)."""

    group: int
    point: bytes

    def encode(self) -> bytes:
        group, point = self
        return pack_params(NAMED_CURVE, group, len(point)) + point

    @classmethod
    def read(cls, r: Reader) -> EcdhParams:
        data, pos = r.data, r.pos
        if data[pos] != NAMED_CURVE:
            raise Abort(faults.WRONG_CURVE, "explicit curves are not accepted")
        start = pos + 4
        r.pos = end = start + data[pos + 3]
        if end > len(data):
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple_of(cls, (data[pos + 1] << 8 | data[pos + 2], data[start:end]))


class DhParams(NamedTuple):
    """ServerDHParams (RFC 5246 7.4.3), as the integers they stand for."""

    p: int
    g: int
    y: bytes

    def encode(self) -> bytes:
        p = self.p.to_bytes((self.p.bit_length() + 7) // 8, "big")
        g = self.g.to_bytes((self.g.bit_length() + 7) // 8, "big")
        return vec16(p) + vec16(g) + vec16(self.y)

    @classmethod
    def read(cls, r: Reader) -> DhParams:
        p, g, y = r.vec16(), r.vec16(), r.vec16()
        if not p or not g or not y:
            raise Abort(faults.LENGTH_MISMATCH)
        return cls(int.from_bytes(p, "big"), int.from_bytes(g, "big"), y)


class CertificateRequest(NamedTuple):
    """RFC 5246 7.4.4; before TLS 1.2 it has no signature algorithms."""

    raw: bytes
    certificate_types: bytes
    schemes: Ranks
    authorities: tuple[bytes, ...]  # DER names

    @classmethod
    def parse(cls, raw: bytes) -> CertificateRequest:
        return cls._parse(raw, with_schemes=True)

    @classmethod
    def parse_tls11(cls, raw: bytes) -> CertificateRequest:
        return cls._parse(raw, with_schemes=False)

    @classmethod
    def _parse(cls, raw: bytes, *, with_schemes: bool) -> CertificateRequest:
        r = Reader(raw)
        types = r.vec8()
        schemes = ranks(r.vec16()) if with_schemes else {}
        if with_schemes and not schemes:
            raise Abort(faults.LENGTH_MISMATCH, "no signature algorithms")
        block = r.vec16()
        r.done()
        if not types:
            raise Abort(faults.LENGTH_MISMATCH)
        return cls(raw, types, schemes, names(block))


def certificate_request(types: bytes, schemes: tuple[int, ...] | None, authorities: tuple[bytes, ...]) -> bytes:
    """`schemes` is None before TLS 1.2."""
    middle = b"" if schemes is None else vec16_of(schemes)
    return message(registry.CERTIFICATE_REQUEST, vec8(types) + middle + vec16(b"".join(map(vec16, authorities))))


class CertificateVerify(NamedTuple):
    """Before TLS 1.2 the signature stands alone (RFC 4346 7.4.8); `scheme` is 0."""

    raw: bytes
    scheme: int
    signature: bytes

    @classmethod
    def parse(cls, raw: bytes) -> CertificateVerify:
        r = Reader(raw)
        found = cls(raw, 0, r.vec16())
        r.done()
        return found


def certificate_verify(signature: bytes) -> bytes:
    return message(registry.CERTIFICATE_VERIFY, vec16(signature))


class NewSessionTicket(NamedTuple):
    """RFC 5077 3.3.  An empty ticket means that the server does not send one after all."""

    raw: bytes
    lifetime_hint: int  # seconds; 0: unspecified
    ticket: bytes

    @classmethod
    def parse(cls, raw: bytes) -> NewSessionTicket:
        r = Reader(raw)
        found = cls(raw, r.u32(), r.vec16())
        r.done()
        return found


def new_session_ticket(lifetime_hint: int, ticket: bytes) -> bytes:
    return message(registry.NEW_SESSION_TICKET, lifetime_hint.to_bytes(4, "big") + vec16(ticket))
