"""Object identifiers, host names and dates as `ssl` writes them: small conversions without state.

`_ASN1Object` and `Purpose` are the interpreter's own where it has them, for `http.client` and others pass its
`ssl.Purpose`.  Names are matched for a handshake in `_x509/names.py`; `_dnsname_match` and its neighbours are
what programs still take from the module since match_hostname() went away.
"""

from __future__ import annotations

import base64
import time
from collections import namedtuple
from enum import Enum
from typing import TYPE_CHECKING

from puretls._api import native
from puretls._api.enums import PROTOCOL_NAMES
from puretls._api.errors import CertificateError
from puretls._api.types import Buffer
from puretls._base.public import public

if TYPE_CHECKING:
    from ssl import Purpose, _ASN1Object

__all__ = ["Purpose", "_ASN1Object"]

PEM_HEADER = "-----BEGIN CERTIFICATE-----"
PEM_FOOTER = "-----END CERTIFICATE-----"

# The objects that ssl itself refers to, for interpreters that have no table: NID, short name, long name, OID.
_OBJECTS = (
    (13, "CN", "commonName", "2.5.4.3"),
    (85, "subjectAltName", "X509v3 Subject Alternative Name", "2.5.29.17"),
    (87, "basicConstraints", "X509v3 Basic Constraints", "2.5.29.19"),
    (126, "extendedKeyUsage", "X509v3 Extended Key Usage", "2.5.29.37"),
    (129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
    (130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"),
    (131, "codeSigning", "Code Signing", "1.3.6.1.5.5.7.3.3"),
    (132, "emailProtection", "E-mail Protection", "1.3.6.1.5.5.7.3.4"),
    (133, "timeStamping", "Time Stamping", "1.3.6.1.5.5.7.3.8"),
    (180, "OCSPSigning", "OCSP Signing", "1.3.6.1.5.5.7.3.9"),
    (910, "anyExtendedKeyUsage", "Any Extended Key Usage", "2.5.29.37.0"),
)
_BY_NID = {row[0]: row for row in _OBJECTS}
_BY_OID = {row[3]: row for row in _OBJECTS}
_BY_NAME = {name: row for row in _OBJECTS for name in row[1:]}


@public
def txt2obj(txt: str, name: bool = False) -> tuple[int, str, str, str]:
    """An object by its OID, or by any of its names too."""
    found = (_BY_NAME if name else _BY_OID).get(txt)
    if found is None:
        if native.ssl is not None:
            return native._ssl.txt2obj(txt, name=name)  # type: ignore[no-any-return]  # a tuple as ours
        raise ValueError("Unknown object" if txt.replace(".", "").isdigit() else f"unknown object {txt[:100]!r}")
    return found


@public
def nid2obj(nid: int, /) -> tuple[int, str, str, str]:
    """An object by OpenSSL's number."""
    found = _BY_NID.get(nid)
    if found is None:
        if native.ssl is not None:
            return native._ssl.nid2obj(nid)  # type: ignore[no-any-return]  # a tuple as ours
        if nid < 0:
            raise ValueError("NID must be positive.")
        raise ValueError(f"unknown NID {nid}" if nid else "Unknown object")
    return found


if native.ssl is not None:
    if not TYPE_CHECKING:
        _ASN1Object, Purpose = native.ssl._ASN1Object, native.ssl.Purpose
elif not TYPE_CHECKING:

    @public
    class _ASN1Object(namedtuple("_ASN1Object", "nid shortname longname oid")):  # noqa: PYI024  # an Enum mixes it in
        """An object identifier with the number and names that OpenSSL gives it."""

        __slots__ = ()

        def __new__(cls, oid: str) -> _ASN1Object:  # noqa: PYI034  # Self is not in Python 3.10
            return super().__new__(cls, *txt2obj(oid))

        @classmethod
        def fromnid(cls, nid: int) -> _ASN1Object:
            """By OpenSSL's number."""
            return super().__new__(cls, *nid2obj(nid))

        @classmethod
        def fromname(cls, name: str) -> _ASN1Object:
            """By short name, long name or OID."""
            return super().__new__(cls, *txt2obj(name, name=True))

    @public
    class Purpose(_ASN1Object, Enum):
        """What a context is for, as the extended key usage of the peer's certificate."""

        SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
        CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


@public
def get_protocol_name(protocol_code: int) -> str:
    """The name of a PROTOCOL_* constant by its number; "<unknown>" for others."""
    return PROTOCOL_NAMES.get(protocol_code, "<unknown>")  # type: ignore[call-overload,no-any-return]  # keys are ints


@public
def DER_cert_to_PEM_cert(der_cert_bytes: Buffer) -> str:  # noqa: N802  # ssl's name
    """A certificate in DER as PEM, with lines of 64 characters."""
    body = base64.standard_b64encode(der_cert_bytes).decode("ascii")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([PEM_HEADER, *lines, PEM_FOOTER, ""])


@public
def PEM_cert_to_DER_cert(pem_cert_string: str) -> bytes:  # noqa: N802  # ssl's name
    """A certificate in PEM as DER.  ValueError if it does not begin with PEM_HEADER and end with PEM_FOOTER."""
    if not pem_cert_string.startswith(PEM_HEADER):
        raise ValueError(f"Invalid PEM encoding; must start with {PEM_HEADER}")
    text = pem_cert_string.strip()
    if not text.endswith(PEM_FOOTER):
        raise ValueError(f"Invalid PEM encoding; must end with {PEM_FOOTER}")
    return base64.decodebytes(text[len(PEM_HEADER) : -len(PEM_FOOTER)].encode("ascii"))


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_AFTER_THE_MONTH = " %d %H:%M:%S %Y GMT"


@public
def cert_time_to_seconds(cert_time: str) -> int:
    """Seconds since the epoch of a date as getpeercert() has it, such as "Jan  5 09:34:43 2018 GMT".

    The month's name knows no locale.  ValueError for anything else.
    """
    month = cert_time[:3].lower()
    if month not in _MONTHS:
        raise ValueError(f'time data {cert_time!r} does not match format "%b{_AFTER_THE_MONTH}"')
    parsed = time.strptime(cert_time[3:], _AFTER_THE_MONTH)
    from calendar import timegm  # noqa: PLC0415 - it brings locale, and few programs come here

    return timegm((parsed[0], _MONTHS.index(month) + 1, *parsed[2:6]))


@public
def _dnsname_match(dn: str, hostname: str) -> bool:
    """Whether a dNSName matches a host name, both as A-labels (RFC 6125 6.4.3): "*" is one whole first label."""
    if not dn:
        return False
    stars = dn.count("*")
    if not stars:
        return dn.lower() == hostname.lower()
    first, dot, rest = dn.partition(".")
    if stars > 1:
        raise CertificateError(f"too many wildcards in certificate DNS name: {dn!r}.")
    if "*" in rest:
        raise CertificateError(f"wildcard can only be present in the leftmost label: {dn!r}.")
    if not dot:
        raise CertificateError(f"sole wildcard without additional labels are not support: {dn!r}.")
    if first != "*":
        raise CertificateError(f"partial wildcards in leftmost label are not supported: {dn!r}.")
    label, dot, parent = hostname.partition(".")
    return bool(label and dot) and rest.lower() == parent.lower()


@public
def _inet_paton(ipname: str) -> bytes:
    """The bytes of an IPv4 address with four parts or of an IPv6 address."""
    import ipaddress  # noqa: PLC0415 - as above

    try:
        return ipaddress.ip_address(ipname).packed
    except ValueError:
        pass
    if ipname.replace(".", "").strip().isdigit():
        raise ValueError(f"{ipname!r} is not a quad-dotted IPv4 address.")
    raise ValueError(f"{ipname!r} is neither an IPv4 nor an IP6 address.")


@public
def _ipaddress_match(cert_ipaddress: str, host_ip: bytes) -> bool:
    """Whether an iPAddress, as getpeercert() writes it, is this address."""
    return _inet_paton(cert_ipaddress.rstrip()) == host_ip
