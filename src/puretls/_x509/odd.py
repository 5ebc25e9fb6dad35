"""Certificates and CRLs that break DER or RFC 5280, but that OpenSSL reads all the same.

PyCA refuses such a certificate as a whole.  Here it is taken apart by a reader that looks only at the structure
(ber.py).  Where its content has exactly one meaning, a "twin" with the same content is encoded by the rules, and PyCA
and shapes.py read the twin.  A signature is never corrected: it is checked over the octets that were signed.  If there
is more than one meaning, or none, there is no twin: the certificate keeps its place in its list, is used for nothing,
and an error message can say what is wrong with it.

`_Reading` has what is accepted, each with the sentence for messages; docs/differences.md has the reasons.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

from puretls._base.tuples import NamedTuple
from puretls._x509 import algorithms, names, shapes
from puretls._x509.ber import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    Value,
    dotted,
    fields,
    value,
)

UTF8, PRINTABLE, TELETEX, UTC_TIME, GENERALIZED_TIME = 0x0C, 0x13, 0x14, 0x17, 0x18
VERSION, ISSUER_ID, SUBJECT_ID, EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
LARGEST = 16384  # octets; an odd certificate takes longer to read, and larger ones are not in use
LONGEST_TEXT = 100
MOST_FAULTS = 4  # in one message

# AlgorithmIdentifiers without parameters (RFC 5758 3.1 and 3.2), to which some authorities give a NULL
_BARE = ("1.2.840.10045.4.", "1.2.840.10040.4.3", "2.16.840.1.101.3.4.3.")
# Patterns, which are compiled when the first odd certificate comes
_PRINTABLE = rb"[A-Za-z0-9 '()+,./:=?-]*"  # X.680 41.4
_DATES = {UTC_TIME: rb"\d{12}Z", GENERALIZED_TIME: rb"\d{14}Z"}  # RFC 5280 4.1.2.5
_ANY_DATES = {  # X.680 46 and 47
    UTC_TIME: r"(\d{10})(\d\d)?(Z|[+-]\d{4})",
    GENERALIZED_TIME: r"(\d{12})(\d\d)?(?:[.,]\d+)?(Z|[+-]\d{4})",
}
_SHORT = {"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU"}


class Odd(NamedTuple):
    """What was read of a certificate that PyCA refuses."""

    twin: bytes | None  # the same content, encoded by the rules
    version: int  # as it is encoded
    consistent: bool  # whether both places name the same signature algorithm (4.1.1.2)
    signed: bytes  # TBSCertificate, as it was signed
    undated: tuple[bool, bool]  # whether notBefore and notAfter are in a form that is never valid
    issuer: tuple[names.Rdn, ...]
    subject: tuple[names.Rdn, ...]
    key: bytes  # SubjectPublicKeyInfo as it is
    faults: tuple[str, ...]

    def unreadable(self, why: str) -> Odd:
        """The same without its twin, which cannot be read either."""
        return self if self.twin is None else self._replace(twin=None, faults=(*self.faults, why))

    def is_called(self, name: names.Name) -> bool:
        """Whether it is the certificate of this subject."""
        try:
            return names.canonical(self.subject) == name
        except ValueError:
            return False

    def __str__(self) -> str:
        more = len(self.faults) - MOST_FAULTS
        told = "; ".join(self.faults[:MOST_FAULTS]) + (f"; and {more} more" if more > 0 else "")
        return f"{describe(self.subject)}: {told}"


def describe(name: Sequence[names.Rdn]) -> str:
    """A name for a message, in one line and of limited length, whoever has written it."""
    parts = [f"{_SHORT.get(a.oid, a.oid)}={a.value.decode('utf-8', 'replace')}" for rdn in name for a in rdn]
    return ascii(", ".join(parts)[:LONGEST_TEXT])


def examine(der: bytes) -> Odd:
    """What is odd about a certificate that PyCA refuses; ValueError if OpenSSL would refuse it as well."""
    whole, end = value(der)
    if end != len(der):
        raise ValueError(f"{len(der) - end} octets behind the certificate")
    return _Reading().certificate(whole)


def regular_date(text: str, tag: int) -> bytes:
    """A date with or without seconds, fractions and an offset, in the form of RFC 5280 4.1.2.5."""
    year = "%y" if tag == UTC_TIME else "%Y"
    match = re.fullmatch(_ANY_DATES[tag], text, re.ASCII)
    if match is None:
        raise ValueError("not a date")
    minutes, seconds, offset = match.groups()
    moment = datetime.strptime(minutes + (seconds or "00") + offset.replace("Z", "+0000"), f"{year}%m%d%H%M%S%z")
    return moment.astimezone(timezone.utc).strftime(f"{year}%m%d%H%M%SZ").encode()


def examine_crl(der: bytes) -> Odd:
    """The same of a CRL, whose issuer counts as its subject."""
    whole, end = value(der)
    if end != len(der):
        raise ValueError(f"{len(der) - end} octets behind the CRL")
    return _Reading().crl(whole)


class _Reading:
    """One certificate or CRL on its way to its twin."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.sound = True  # a twin is still possible
        self.version = 0

    def certificate(self, whole: Value) -> Odd:
        signed, outer, signature = self.parts(whole, SEQUENCE, 3)
        found = self.parts(signed, SEQUENCE)
        version = self.read_version(found.pop(0)) if found and found[0].tag == VERSION else b""
        if [field.tag for field in found[:6]] != [INTEGER, *[SEQUENCE] * 5] or signature.tag != BIT_STRING:
            raise ValueError("not a certificate")
        serial, inner, issuer, validity, subject, key = found[:6]
        if (
            len(serial.content) > 1
            and serial.content[0] in (0, 0xFF)
            and (serial.content[0] ^ serial.content[1]) < 0x80
        ):
            raise ValueError("not an INTEGER")
        if len(whole.whole) > LARGEST:
            why = f"a certificate of {len(whole.whole)} octets is not read otherwise than by the rules"
            return Odd(None, self.version, False, signed.whole, (False, False), (), (), key.whole, (why,))
        issuer_der, issuer_name = self.name(issuer, "issuer")
        subject_der, subject_name = self.name(subject, "subject")
        algorithms = self.algorithm(inner), self.algorithm(outer)
        dates, undated = self.dates(validity)
        rest = b"".join(map(self.last_field, found[6:]))
        body = (version, serial.whole, algorithms[0], issuer_der, dates, subject_der, self.key(key), rest)
        twin = shapes.sequence(shapes.sequence(b"".join(body)) + algorithms[1] + signature.whole)
        return Odd(
            twin if self.sound else None,
            self.version,
            inner.whole == outer.whole,
            signed.whole,
            undated,
            issuer_name,
            subject_name,
            key.whole,
            tuple(dict.fromkeys(self.faults)),
        )

    def crl(self, whole: Value) -> Odd:
        signed, outer, signature = self.parts(whole, SEQUENCE, 3)
        found = self.parts(signed, SEQUENCE)
        version = found.pop(0).whole if found and found[0].tag == INTEGER else b""
        dates = [field for field in found if field.tag in _DATES]
        rest = found[2 + len(dates) :]
        order = [SEQUENCE, SEQUENCE, *(date.tag for date in dates)]
        if not dates or [field.tag for field in found[: len(order)]] != order or signature.tag != BIT_STRING:
            raise ValueError("not a CRL")
        issuer_der, issuer_name = self.name(found[1], "issuer")
        for date in dates:
            if not re.fullmatch(_DATES[date.tag], date.content):
                self.refuse(f"{date.content[:LONGEST_TEXT]!a} is not a date in the form of RFC 5280 5.1.2.4")
        body = b"".join(
            [version, self.algorithm(found[0]), issuer_der, *(date.whole for date in dates), *map(self.crl_field, rest)]
        )
        twin = shapes.sequence(shapes.sequence(body) + self.algorithm(outer) + signature.whole)
        return Odd(
            twin if self.sound else None,
            1,
            found[0].whole == outer.whole,
            signed.whole,
            (False, False),
            issuer_name,
            issuer_name,
            b"",
            tuple(dict.fromkeys(self.faults)),
        )

    def crl_field(self, field: Value) -> bytes:
        """The entries, whose extensions are left as they are, or the extensions of the list."""
        if field.tag == VERSION:  # [0] here, too
            (block,) = self.parts(field, VERSION, 1)
            return shapes.tagged(b"\xa0", shapes.sequence(b"".join(map(self.extension, self.parts(block, SEQUENCE)))))
        if field.tag != SEQUENCE:
            raise ValueError("not a CRL")
        return field.whole

    def parts(self, whole: Value, tag: int, count: int | None = None) -> list[Value]:
        """What a constructed value holds."""
        if whole.tag != tag:
            raise ValueError("not a certificate")
        found = fields(whole.content)
        if count is not None and len(found) != count:
            raise ValueError("not a certificate")
        if not whole.shortest or not all(part.shortest for part in found):
            self.refuse("it is not in DER: a length is not written in the shortest way (X.690 10.1)")
        return found

    def forgive(self, fault: str) -> None:
        self.faults.append(fault)

    def refuse(self, fault: str) -> None:
        self.faults.append(fault)
        self.sound = False

    def read_version(self, field: Value) -> bytes:
        """RFC 5280 4.1.2.1: be prepared to accept any version.  A version that PyCA does not know is replaced in the
        twin.
        """
        (number,) = self.parts(field, VERSION, 1)
        if number.tag != INTEGER or len(number.content) != 1 or number.content[0] > 0x7F:
            raise ValueError("not a version")
        self.version = number.content[0]
        if self.version == 0:
            self.forgive("version 1 is the default and must not be spelled out (X.690 11.5)")
            return b""
        if self.version != 2:
            self.forgive(f"it has version {self.version + 1}, and certificates have had version 3 since 1996")
        return shapes.tagged(b"\xa0", b"\x02\x01\x02")

    def algorithm(self, field: Value) -> bytes:
        parts = self.parts(field, SEQUENCE)
        if len(parts) == 2 and parts[1].whole == b"\x05\x00" and dotted(parts[0]).startswith(_BARE):
            self.forgive("the signature algorithm has NULL for parameters, and must not have any (RFC 5758 3.2)")
            return shapes.sequence(parts[0].whole)
        return self.pss(field, parts[0]) if self.is_pss(parts) else field.whole

    def is_pss(self, parts: list[Value]) -> bool:
        return len(parts) == 2 and dotted(parts[0]) == algorithms.RSA_PSS

    def pss(self, field: Value, number: Value) -> bytes:
        """A signature's RSASSA-PSS with parameters.  Broken ones are left out: as without any, the signature cannot be
        verified.
        """
        try:
            parameters = self.regular_pss(field)
        except ValueError:
            self.forgive("the parameters of the RSASSA-PSS signature cannot be read (RFC 4055 3.1)")
            parameters = b""
        return shapes.sequence(number.whole + parameters)

    def regular_pss(self, field: Value) -> bytes:
        said = shapes.read(shapes.AlgorithmWithParameters, field.whole).parameters
        parameters = algorithms.pss_encoded(algorithms.pss_parameters(said))
        if len(parameters) < len(shapes.whole(said)):
            self.forgive("the parameters of RSASSA-PSS spell out what is the default (X.690 11.5)")
        return parameters

    def key(self, field: Value) -> bytes:
        """SubjectPublicKeyInfo.  The parameters of a key for RSASSA-PSS are kept, as a key without them has no
        restriction.
        """
        algorithm, octets = self.parts(field, SEQUENCE, 2)
        parts = self.parts(algorithm, SEQUENCE)
        if not self.is_pss(parts):
            return field.whole
        try:
            parameters = self.regular_pss(algorithm)
        except ValueError:
            return field.whole
        return shapes.sequence(shapes.sequence(parts[0].whole + parameters) + octets.whole)

    def name(self, field: Value, which: str) -> tuple[bytes, tuple[names.Rdn, ...]]:
        rdns, encoded = [], []
        for rdn in self.parts(field, SEQUENCE):
            attributes, order = [], []
            for pair in self.parts(rdn, SET):
                kind, content = self.parts(pair, SEQUENCE, 2)
                attribute = names.Attribute(dotted(kind), bytes([content.tag]), content.content)
                attribute.canonical()  # ValueError if it is of no type that OpenSSL reads
                attributes.append(attribute)
                order.append(shapes.sequence(kind.whole + self.text(attribute, content, which)))
            if order != sorted(order):
                self.forgive(f"the attributes of an RDN of the {which} are not in the order of DER (X.690 11.6)")
            rdns.append(tuple(attributes))
            encoded.append(shapes.tagged(b"\x31", b"".join(sorted(order))))
        return shapes.sequence(b"".join(encoded)), tuple(rdns)

    def text(self, attribute: names.Attribute, content: Value, which: str) -> bytes:
        if content.tag != PRINTABLE or re.fullmatch(_PRINTABLE, content.content):
            return content.whole
        if len(self.faults) < MOST_FAULTS:
            strange = sorted({chr(octet) for octet in content.content if not re.fullmatch(_PRINTABLE, bytes([octet]))})
            self.forgive(
                f"{describe([(attribute,)])} in the {which} is a PrintableString with {''.join(strange)[:9]!a} "
                "in it, which it may not hold (X.680 41.4)"
            )
        return shapes.tagged(bytes([UTF8 if content.content.isascii() else TELETEX]), content.content)

    def dates(self, field: Value) -> tuple[bytes, tuple[bool, bool]]:
        """OpenSSL shows dates of other forms, and takes none of them for valid (X509_V_ERR 13 and 14)."""
        encoded, bad = [], []
        for date, which in zip(self.parts(field, SEQUENCE, 2), ("notBefore", "notAfter"), strict=True):
            if date.tag not in _DATES:
                raise ValueError("not a date")
            bad.append(not re.fullmatch(_DATES[date.tag], date.content))
            if not bad[-1]:
                encoded.append(date.whole)
                continue
            text = date.content.decode("latin-1")
            self.forgive(f"{which} is {text[:LONGEST_TEXT]!a}, not a date in the form of RFC 5280 4.1.2.5")
            try:
                encoded.append(shapes.tagged(bytes([date.tag]), regular_date(text, date.tag)))
            except ValueError:
                self.sound = False
        return shapes.sequence(b"".join(encoded)), (bad[0], bad[1])

    def last_field(self, field: Value) -> bytes:
        if field.tag != EXTENSIONS:
            if field.tag not in (ISSUER_ID, SUBJECT_ID):
                raise ValueError("not a certificate")
            return field.whole
        (block,) = self.parts(field, EXTENSIONS, 1)
        extensions = b"".join(map(self.extension, self.parts(block, SEQUENCE)))
        return shapes.tagged(b"\xa3", shapes.sequence(extensions))

    def extension(self, field: Value) -> bytes:
        parts = self.parts(field, SEQUENCE)
        if [part.tag for part in parts] == [OID, OCTET_STRING]:
            return field.whole
        if [part.tag for part in parts] != [OID, BOOLEAN, OCTET_STRING] or len(parts[1].content) != 1:
            raise ValueError("not an extension")
        oid, critical, content = parts
        if critical.content == b"\0":
            self.forgive(
                f"extension {dotted(oid)} spells out that it is not critical: FALSE is the default (X.690 11.5)"
            )
            return shapes.sequence(oid.whole + content.whole)
        if critical.content != b"\xff":
            self.forgive(f"extension {dotted(oid)} is critical, and its TRUE is not FF (X.690 11.1)")
        return shapes.sequence(oid.whole + b"\1\1\xff" + content.whole)
