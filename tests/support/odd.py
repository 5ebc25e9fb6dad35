"""Certificates as some authorities made them: against DER or RFC 5280 in one respect, and read by OpenSSL.

    odd.ca("critical FALSE")              a root of this shape
    odd.leaf("critical FALSE", issuer)    an end entity of it for localhost

`READ` are the shapes that are used like any other certificate, `UNDATED` those that are used where nobody verifies, and
`LEFT` those that nobody can use, and that spoil nothing else.  Each names what a message has to say of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from support import pki
from support.pki import integer, oid, seq, tlv

ECDSA, NULL = oid("1.2.840.10045.4.3.2"), tlv(5)
MAIL, ORGANISATION = "1.2.840.113549.1.9.1", "2.5.4.10"
FROM, TO = pki.NOW - 30 * pki.DAY, pki.NOW + 3650 * pki.DAY


def rdn(value: bytes, tag: int, kind: str = ORGANISATION) -> bytes:
    return tlv(0x31, seq(oid(kind), tlv(tag, value)))


def attributes(*values: tuple[str, bytes]) -> bytes:
    """One RDN of several attributes, in this order."""
    return tlv(0x31, *(seq(oid(kind), tlv(0x0C, value)) for kind, value in values))


@dataclass(frozen=True)
class Shape:
    """What is written in another way, and the words that a message about it holds."""

    says: str
    rdn: bytes = b""  # in the subject, before the common name
    version: bytes = tlv(0xA0, integer(2))
    serial: bytes = tlv(2, b"\x05")
    algorithm: bytes = seq(ECDSA)  # in what is signed
    outer: bytes | None = None  # beside the signature, if it differs
    validity: bytes = seq(pki.moment(FROM), pki.moment(TO))
    true: bytes = tlv(1, b"\xff")  # `critical`
    extensions: bool = True


ORDINARY = Shape("")
READ: dict[str, Shape] = {
    "& in a PrintableString": Shape("PrintableString", rdn=rdn(b"AT&T", 0x13)),
    "@ in a PrintableString": Shape("PrintableString", rdn=rdn(b"a@b", 0x13)),
    "* in a PrintableString": Shape("PrintableString", rdn=rdn(b"*.example", 0x13)),
    "_ in a PrintableString": Shape("PrintableString", rdn=rdn(b"a_b", 0x13)),
    "Latin-1 in a PrintableString": Shape("PrintableString", rdn=rdn(b"Soci\xe9t\xe9", 0x13)),
    "an RDN out of order": Shape("order", rdn=attributes((ORGANISATION, b"b"), (ORGANISATION, b"a"))),
    "critical FALSE": Shape("FALSE", true=tlv(1, b"\0")),
    "TRUE as 01": Shape("TRUE", true=tlv(1, b"\1")),
    "ECDSA with NULL": Shape("NULL", algorithm=seq(ECDSA, NULL)),
    "version 1 spelled out": Shape("version", version=tlv(0xA0, integer(0)), extensions=False),
    "version 2": Shape("version", version=tlv(0xA0, integer(1)), extensions=False),
    "version 4": Shape("version", version=tlv(0xA0, integer(3))),
}
UNDATED: dict[str, Shape] = {
    "a UTCTime without seconds": Shape("notBefore", validity=seq(tlv(0x17, b"2001010000Z"), tlv(0x17, b"4001010000Z"))),
    "a UTCTime with an offset": Shape(
        "notBefore", validity=seq(tlv(0x17, b"200101000000+0100"), tlv(0x17, b"400101000000Z"))
    ),
    "a GeneralizedTime with fractions": Shape(
        "notAfter", validity=seq(tlv(0x17, b"200101000000Z"), tlv(0x18, b"20600101000000.0Z"))
    ),
}
LEFT: dict[str, Shape] = {
    "a date in words": Shape("notAfter", validity=seq(tlv(0x17, b"200101000000Z"), tlv(0x17, b"never"))),
    "a long length": Shape("X.690 10.1", serial=b"\2\x81\1\5"),
    "a length left open": Shape("X.690 10.1", validity=b"\x30\x80" + ORDINARY.validity[2:] + b"\0\0"),
}
CAS = {name: shape for name, shape in READ.items() if shape.extensions}  # of READ; without extensions nobody is a CA
SHAPES = {"ordinary": ORDINARY, **READ, **UNDATED, **LEFT}


def _issue(
    shape: Shape, common_name: str, issuer: pki.Issued | None, private: object, extensions: pki.Extensions
) -> pki.Issued:
    subject = seq(shape.rdn, pki.name(common_name)[2:])
    signer = issuer.key if issuer else private
    block = b"".join(
        seq(oid(dotted), shape.true if critical else b"", tlv(4, value))
        for dotted, (critical, value) in extensions.items()
    )
    tbs = seq(
        shape.version,
        shape.serial,
        shape.algorithm,
        issuer.subject if issuer else subject,
        shape.validity,
        subject,
        pki.spki(private),
        tlv(0xA3, seq(block)) if shape.extensions else b"",
    )
    signature = pki.bits(pki.sign(signer, "sha256", tbs))
    der = seq(tbs, shape.outer or shape.algorithm, signature)
    return pki.Issued(der, private, subject, 5)


def ca(name: str, issuer: pki.Issued | None = None) -> pki.Issued:
    """An authority of this shape, self-signed without an issuer."""
    extensions = {pki.BC: pki.basic_constraints(ca=True), pki.KU: pki.key_usage(0x06)}
    return _issue(SHAPES[name], f"CA with {name}", issuer, pki.key("p256", len(name)), extensions)


def leaf(name: str, issuer: pki.Issued | None = None) -> pki.Issued:
    """An end entity of this shape for localhost, self-signed without an issuer."""
    extensions = {
        pki.KU: pki.key_usage(0x80),
        pki.EKU: pki.usages(pki.SERVER_AUTH, pki.CLIENT_AUTH),
        pki.SAN: (False, pki.names("DNS:localhost")),
    }
    return _issue(SHAPES[name], "localhost", issuer, pki.key("p256", 0), extensions)


def crl(name: str, issuer: pki.Issued, revoked: tuple[int, ...] = ()) -> bytes:
    """A CRL of this shape, as far as it goes for a CRL."""
    shape = SHAPES[name]
    dates = shape.validity[2:] if shape.validity != ORDINARY.validity else pki.moment(FROM) + pki.moment(TO)
    tbs = seq(
        integer(1),
        shape.algorithm,
        issuer.subject,
        dates,
        seq(*(seq(integer(number), pki.moment(FROM)) for number in revoked)) if revoked else b"",
        tlv(
            0xA0, seq(seq(oid(pki.CRL_NUMBER), shape.true if shape.true != ORDINARY.true else b"", tlv(4, integer(1))))
        ),
    )
    return seq(tbs, shape.algorithm, pki.bits(pki.sign(issuer.key, "sha256", tbs)))
