"""Verifying a chain without a connection: `puretls.verify_chain`, except for the clock and the class of its
exceptions.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding

from puretls._base.faults import UNPARSABLE_CERTIFICATE, Abort
from puretls._x509 import addresses, certificate, codes, path
from puretls._x509.certificate import Certificate
from puretls._x509.checks import CLIENT, PARTIAL_CHAIN, SECURITY_LEVEL, SERVER, STRICT, TRUSTED_FIRST, Policy
from puretls._x509.codes import refusal
from puretls._x509.crl import Crl
from puretls._x509.store import Bundle, Store, parse_pem

if TYPE_CHECKING:
    from puretls._x509.webpki import WebPki

MOST_INTERMEDIATES = 100
MOST_FLAGS = (1 << 64) - 1

ONE = (str, bytes, bytearray, memoryview, x509.Certificate, x509.CertificateRevocationList)


def verify_chain(
    leaf: Any,
    intermediates: Any,
    roots: Any,
    *,
    crls: Any = (),
    time: float,
    hostname: str | None = None,
    purpose: str = SERVER,
    flags: int = TRUSTED_FIRST | PARTIAL_CHAIN | STRICT,
    max_depth: int | None = None,
    security_level: int = SECURITY_LEVEL,
    profile: WebPki | None = None,
) -> list[bytes]:
    """The path from the leaf to one of the roots, in DER, both included.

    Raises VerifyAbort if there is none, Abort if a certificate or CRL cannot be read, TypeError and ValueError for
    arguments that are none, before anything else.
    """
    policy = _policy(time, hostname, purpose, flags, max_depth, security_level)
    if profile is not None:
        if purpose != SERVER:
            raise ValueError(f"the profile {profile.name.split()[0]!r} is for purpose {SERVER!r}")
        strict, names_only, level = profile.tightened(policy.flags, policy.host_flags, policy.security_level)
        policy = policy._replace(flags=strict, host_flags=names_only, security_level=level, profile=profile)
    given = [_one(leaf)], [*_each(intermediates)], [*_each(roots)], [*_each(crls)]
    store = Store()
    try:
        chain = _chain(*given[:2])
        for bundle in (*map(_read, given[2]), *(_read(value, Crl) for value in given[3])):
            store.add_bundle(bundle)
            for root in bundle.certificates:
                root.parsed  # noqa: B018 - an anchor that cannot be read is an error
    except ValueError as error:
        raise Abort(UNPARSABLE_CERTIFICATE, str(error)) from None
    if isinstance(chain[0].public_key(), dsa.DSAPublicKey):  # we have no cipher suite that authenticates with DSA
        raise refusal(codes.INVALID_PURPOSE, 0)
    return [x.der for x in path.verify(chain, store, policy)]


def _chain(leaf: list[Any], intermediates: list[Any]) -> list[Certificate]:
    """The leaf, the certificates behind it in its PEM, and the intermediates, as bytes; ValueError if one is broken."""
    first, *others = [_read(value).certificates for value in (*leaf, *intermediates)]
    if not first:
        raise ValueError("there is no certificate in the PEM of the leaf")
    return [certificate.load(x.der) for found in (first, *others) for x in found]


def _policy(
    time: float, hostname: str | None, purpose: str, flags: int, max_depth: int | None, security_level: int
) -> Policy:
    """The checked arguments as a Policy; TypeError or ValueError for wrong ones."""
    if not isinstance(purpose, str) or purpose not in (SERVER, CLIENT):
        raise ValueError(f"purpose has to be {SERVER!r} or {CLIENT!r}, not {purpose!r}")
    if not math.isfinite(time):
        raise ValueError("time has to be a finite number of seconds")
    if not 0 <= operator.index(flags) <= MOST_FLAGS:
        raise ValueError("flags have to be VERIFY_*")
    depth = MOST_INTERMEDIATES if max_depth is None else operator.index(max_depth)
    if depth < 0:
        raise ValueError("max_depth cannot be negative")
    if hostname is not None and not isinstance(hostname, str):
        raise TypeError(f"hostname has to be str or None, not {type(hostname).__name__}")
    host, ip = reference(hostname)
    return Policy(purpose, host, ip, flags, depth=depth, security_level=operator.index(security_level), time=time)


def reference(hostname: str | None) -> tuple[str | None, bytes | None]:
    """The host in A-labels, and its octets if it is an address."""
    if hostname is None:
        return None, None
    if not hostname.isascii():
        return hostname.encode("idna").decode("ascii"), None
    return hostname, addresses.address(hostname)


def _each(values: Any) -> Iterable[Any]:
    """The certificates or CRLs in a list, or the single one in the place of a list; TypeError for other objects."""
    return map(_one, [values] if isinstance(values, ONE) else values)


def _one(value: Any) -> Any:
    if not isinstance(value, ONE):
        raise TypeError(f"a certificate or CRL is DER, PEM or an object of cryptography, not {type(value).__name__}")
    return value


def first(value: Any) -> Certificate:
    """The certificate that a caller has given, or the first one in its PEM; Abort if it cannot be read."""
    try:
        return _chain([_one(value)], [])[0]
    except ValueError as error:
        raise Abort(UNPARSABLE_CERTIFICATE, str(error)) from None


def _read(value: Any, kind: type[Certificate | Crl] = Certificate) -> Bundle:
    """The content of one value: an object of `cryptography`, DER, or PEM, which may hold several."""
    if isinstance(value, x509.Certificate | x509.CertificateRevocationList):
        value = value.public_bytes(Encoding.DER)
    data = value.encode("ascii") if isinstance(value, str) else bytes(value)
    if b"-----BEGIN " in data:
        bundle = parse_pem(data)
        if bundle.certificates or bundle.crls:
            return bundle
        raise ValueError("there is no certificate in the PEM, and no CRL")
    return Bundle([certificate.listed(data)]) if kind is Certificate else Bundle((), [Crl(data)])
