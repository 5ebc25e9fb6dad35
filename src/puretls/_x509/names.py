"""Names: comparing distinguished names, and matching a certificate with the host or address that was asked for.

RFC 5280 7.1 defines when two distinguished names are equal, and RFC 6125/9525 how hosts are matched.  Both are done as
OpenSSL does them, because callers of `ssl` rely on it.  Name constraints, which use the same names, are in
constraints.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

from puretls._base.tuples import NamedTuple
from puretls._x509 import addresses, shapes

# X509_CHECK_FLAG_*, as SSLContext._host_flags has them
ALWAYS_CHECK_SUBJECT = 0x1
NO_WILDCARDS = 0x2
NO_PARTIAL_WILDCARDS = 0x4
MULTI_LABEL_WILDCARDS = 0x8
NEVER_CHECK_SUBJECT = 0x20

# GeneralName, RFC 5280 4.2.1.6: the context tags as they stand in DER
OTHER, EMAIL, DNS, X400, DIRECTORY, EDI_PARTY, URI, IP, REGISTERED = (
    b"\xa0", b"\x81", b"\x82", b"\xa3", b"\xa4", b"\xa5", b"\x86", b"\x87", b"\x88",
)  # fmt: skip
TYPES = frozenset({OTHER, EMAIL, DNS, X400, DIRECTORY, EDI_PARTY, URI, IP, REGISTERED})

COMMON_NAME = "2.5.4.3"
EMAIL_ADDRESS = "1.2.840.113549.1.9.1"

# DER tags of the types that compare by their characters, and of those that compare by their octets. No others may be.
_CODECS = {b"\x0c": "utf-8", b"\x13": "latin-1", b"\x14": "latin-1", b"\x16": "latin-1", b"\x1c": "utf-32-be",
           b"\x1e": "utf-16-be"}  # fmt: skip
_OCTETS = (b"\x03", b"\x12", b"\x30")  # BIT STRING, NumericString, SEQUENCE
_BITS = b"\x03"
DIRECTORY_STRINGS = (b"\x0c", b"\x13", b"\x14", b"\x1c", b"\x1e")  # 4.1.2.4
WIDE = (b"\x1e", b"\x1c")
_SPACES = re.compile(rb"[ \t\n\v\f\r]+")


class Attribute(NamedTuple):
    """One attribute of a name: its type, its DER tag and content."""

    oid: str
    tag: bytes
    value: bytes

    def text(self) -> str | None:
        """Its characters; None if it is no string, or cannot be decoded."""
        codec = _CODECS.get(self.tag)
        if codec is None:
            return None
        try:
            return self.value.decode(codec)
        except UnicodeDecodeError:
            return None

    def canonical(self) -> tuple[str, bytes, bytes]:
        """The form in which it is compared: UTF-8, ASCII letters in lower case, white space as one space, none at the
        ends.

        ValueError if its type is not allowed in a name, or it cannot be read.
        """
        value = self.value
        if self.tag in _OCTETS:
            if self.tag == _BITS and not b"" < value[:1] < b"\x08":  # how many bits of the last octet are unused
                raise ValueError("not a BIT STRING")
            return self
        if self.tag not in _CODECS:
            raise ValueError("not an attribute's value")
        if self.tag in WIDE or not value.isascii():
            value = value.decode(_CODECS[self.tag]).encode()
        return self.oid, b"\x0c", _SPACES.sub(b" ", value).strip(b" ").lower()


Rdn = tuple[Attribute, ...]
Name = tuple[tuple[tuple[str, bytes, bytes], ...], ...]  # canonical: equal names are equal


def read(rdns: Iterable[Iterable[shapes.Attribute]]) -> tuple[Rdn, ...]:
    """The attributes of a decoded name, as they stand in it."""
    return tuple(
        tuple(Attribute(a.oid.dotted_string, bytes(a.value.tag_bytes), bytes(a.value.data)) for a in rdn)
        for rdn in rdns
    )


def canonical(rdns: Sequence[Rdn]) -> Name:
    """A name in the form in which it is compared; an RDN without attributes is ignored, as by OpenSSL."""
    return tuple(
        (rdn[0].canonical(),) if len(rdn) == 1 else tuple(sorted(a.canonical() for a in rdn)) for rdn in rdns if rdn
    )


class Named(Protocol):
    """The part of a certificate that has names."""

    @property
    def alternative_names(self) -> Sequence[tuple[bytes, bytes]]:
        """subjectAltName: each with its tag."""

    @property
    def subject_rdns(self) -> Sequence[Rdn]:
        """The subject."""


def host_matches(certificate: Named, host: str, flags: int) -> bool:
    """Whether the certificate is for this host: a dNSName matches, or with none of those a common name.

    `host` is a name in A-labels, as it goes into server_name.
    """
    name = host.encode("ascii").lower()
    patterns = [value for tag, value in certificate.alternative_names if tag == DNS]
    if any(_matches(pattern, name, flags) for pattern in patterns):
        return True
    if flags & NEVER_CHECK_SUBJECT or (patterns and not flags & ALWAYS_CHECK_SUBJECT):
        return False
    return any(_matches(pattern, name, flags) for pattern in common_names(certificate))


def ip_matches(certificate: Named, address: bytes) -> bool:
    """Whether an iPAddress is this one; a dNSName or a common name that looks like it does not count."""
    return (IP, address) in certificate.alternative_names


def common_names(certificate: Named) -> list[bytes]:
    """The common names of the subject, in UTF-8."""
    texts = (a.text() for rdn in certificate.subject_rdns for a in rdn if a.oid == COMMON_NAME)
    return [text.encode("utf-8", "surrogatepass") for text in texts if text is not None]


def _matches(pattern: bytes, name: bytes, flags: int) -> bool:
    """Whether one name of the certificate matches the name that was asked for, which is in lower case."""
    pattern = pattern.lower()
    if b"*" not in pattern or not _good_wildcard(pattern, flags):
        return pattern == name and b"\0" not in pattern
    prefix, _, suffix = pattern.partition(b"*")
    if len(name) < len(prefix) + len(suffix) or not name.startswith(prefix) or not name.endswith(suffix):
        return False
    wild = name[len(prefix) : len(name) - len(suffix)]
    if wild == b"*":
        return True
    if not prefix and suffix.startswith(b"."):  # the asterisk is the whole label
        allowed = _WILD_LABELS if flags & MULTI_LABEL_WILDCARDS else _WILD
        return bool(allowed.fullmatch(wild))
    return not name.startswith(b"xn--") and (not wild or bool(_WILD.fullmatch(wild)))


_WILD = re.compile(rb"[a-z0-9-]+")
_WILD_LABELS = re.compile(rb"[a-z0-9.-]+")
_LABEL = re.compile(rb"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LAX_LABEL = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")


def _good_wildcard(pattern: bytes, flags: int) -> bool:
    """Whether the asterisk stands alone in the leftmost of at least three labels, or at an end of that label."""
    first, *others = pattern.split(b".")
    if flags & NO_WILDCARDS or first.count(b"*") != 1 or len(others) < 2 or not all(map(_LABEL.fullmatch, others)):
        return False
    if first == b"*":
        return True
    before, _, after = first.partition(b"*")
    if flags & NO_PARTIAL_WILDCARDS or (before and after) or first.startswith(b"xn--") or before.endswith(b"-"):
        return False
    return bool(_LABEL.fullmatch(b"a" + after if after else before))


def as_host(name: bytes) -> bytes | None:
    """A common name as a host name for name constraints; None if it cannot be one.

    As for OpenSSL it needs two labels; but a wildcard, a dot at the end, and numbers that are no address are host names
    too.
    """
    host = name.lower().removesuffix(b".")
    first, *others = host.split(b".")
    if not others or not all(map(_LAX_LABEL.fullmatch, others)):
        return None
    if not _LAX_LABEL.fullmatch(first) and not (
        first.count(b"*") == 1 and _LAX_LABEL.fullmatch(first.replace(b"*", b"a"))
    ):
        return None
    return None if addresses.address(host.decode()) else host


def canonical_der(name: Name) -> bytes:
    """The encoding that OpenSSL hashes: the canonical RDNs one after the other."""
    return b"".join(
        shapes.tagged(b"\x31", b"".join(sorted(_encoded(oid, tag, value) for oid, tag, value in rdn))) for rdn in name
    )


def _encoded(oid: str, tag: bytes, value: bytes) -> bytes:
    return shapes.sequence(asn1.encode_der(ObjectIdentifier(oid)) + shapes.tagged(tag, value))
