"""The dictionary of getpeercert(), field by field as `ssl` makes it, and the subject in one line for repr()."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from puretls._x509 import issuers, names, shapes
from puretls._x509.attributes import LONG_NAMES, long_name, short_name
from puretls._x509.certificate import Certificate
from puretls._x509.extensions import directory_name, other_name

_OCSP = "1.3.6.1.5.5.7.48.1"
_CA_ISSUERS = "1.3.6.1.5.5.7.48.2"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def peercert(x: Certificate) -> dict[str, Any]:
    """The dictionary of a certificate."""
    found: dict[str, Any] = {
        "subject": _name(x.subject_rdns),
        "issuer": _name(x.issuer_rdns),
        "version": x.version + 1,
        "serialNumber": _serial(x.serial),
        "notBefore": _moment(x.parsed.not_valid_before_utc),
        "notAfter": _moment(x.parsed.not_valid_after_utc),
    }
    if x.subject_alt_name is not None:
        found["subjectAltName"] = tuple(_general_name(tag, value) for tag, value in x.subject_alt_name)
    for key, method in (("OCSP", _OCSP), ("caIssuers", _CA_ISSUERS)):
        if uris := _access_uris(x, method):
            found[key] = uris
    if uris := _crl_uris(x):
        found["crlDistributionPoints"] = uris
    return found


def _name(rdns: Sequence[names.Rdn]) -> tuple[tuple[tuple[str, str], ...], ...]:
    return tuple(tuple((long_name(a.oid), _text(a)) for a in rdn) for rdn in rdns)


def _text(attribute: names.Attribute) -> str:
    text = attribute.text()
    return attribute.value.decode("utf-8", "replace") if text is None else text


_ESCAPED = frozenset(b',+"\\<>;')


def one_line(rdns: Sequence[names.Rdn]) -> str:
    """A distinguished name as OpenSSL prints it by RFC 2253: the last RDN first, ASCII whatever is in it."""
    shown = ["+".join(f"{short_name(a.oid)}={_value(a)}" for a in reversed(rdn)) for rdn in reversed(rdns) if rdn]
    return ",".join(shown)


def _value(attribute: names.Attribute) -> str:
    text = attribute.text() if attribute.oid in LONG_NAMES else None
    if text is None:
        return "#" + shapes.tagged(attribute.tag, attribute.value).hex().upper()
    data = text.encode("utf-8", "surrogatepass")
    last = len(data) - 1
    return "".join(
        f"\\{octet:02X}" if not 0x20 <= octet < 0x7F
        else f"\\{octet:c}" if octet in _ESCAPED or (octet == 0x20 and i in (0, last)) or (octet == 0x23 and not i)
        else chr(octet)
        for i, octet in enumerate(data)
    )  # fmt: skip


def _serial(number: int) -> str:
    """Hexadecimal in whole octets, as OpenSSL prints it: lines of 35, of which `ssl` keeps the first."""
    digits = f"{abs(number):X}"
    digits = "0" * (len(digits) % 2) + digits
    sign = "-" if number < 0 else ""
    return sign + (digits if len(digits) <= 70 else digits[:70] + "\\\n")


def _moment(when: dt.datetime) -> str:
    return f"{_MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S} {when.year} GMT"


def _general_name(tag: bytes, value: bytes) -> tuple[str, Any]:
    if tag == names.DIRECTORY:
        return "DirName", _name(directory_name(value))
    if tag == names.IP:
        return "IP Address", _address(value)
    if tag == names.REGISTERED:
        oid = asn1.decode_der(ObjectIdentifier, shapes.tagged(b"\x06", value))
        return "Registered ID", long_name(oid.dotted_string)
    if tag == names.OTHER:
        return "othername", _other_name(value)
    if tag in _UNSUPPORTED:
        return _UNSUPPORTED[tag], "<unsupported>"
    return _STRINGS[tag], value.decode("utf-8", "surrogateescape")


_STRINGS = {names.EMAIL: "email", names.DNS: "DNS", names.URI: "URI"}
_UNSUPPORTED = {names.X400: "X400Name", names.EDI_PARTY: "EdiPartyName"}


def _address(value: bytes) -> str:
    if len(value) == 4:
        return str(ipaddress.IPv4Address(value))
    if len(value) == 16:
        return ":".join(f"{value[i] << 8 | value[i + 1]:X}" for i in range(0, 16, 2))
    return "<invalid>"


# what OpenSSL calls it, and the string type that it must have
_OTHERS = {
    "1.3.6.1.5.5.7.8.9": ("SmtpUTF8Mailbox", b"\x0c"),
    "1.3.6.1.5.5.7.8.5": ("XmppAddr", b"\x0c"),
    "1.3.6.1.5.5.7.8.7": ("SRVName", b"\x16"),
    "1.3.6.1.4.1.311.20.2.3": ("UPN", b"\x0c"),
    "1.3.6.1.5.5.7.8.8": ("NAIRealm", b"\x0c"),
}


def _other_name(content: bytes) -> str:
    other = other_name(content)
    oid, value = other.type.dotted_string, other.value
    label, wanted = _OTHERS.get(oid, ("", b""))
    if value.tag_bytes != wanted:
        return "<unsupported>"
    return f"{label}:{bytes(value.data).decode('utf-8', 'replace')}"


def _access_uris(x: Certificate, method: str) -> tuple[str, ...]:
    return tuple(uri.decode("utf-8", "replace") for uri in issuers.addresses(x, method))


def _crl_uris(x: Certificate) -> tuple[str, ...]:
    return tuple(
        bytes(name.data).decode("utf-8", "replace")
        for point in x.crl_points or ()
        if point.name is not None
        for name in point.name.full or ()
        if name.tag_bytes == names.URI
    )
