"""Verifying a chain without a connection: what `puretls.verify_chain` does, but for clock and exception class."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding

from puretls._base.faults import UNPARSABLE_CERTIFICATE, Abort
from puretls._x509 import addresses, certificate, codes, path
from puretls._x509.certificate import Certificate
from puretls._x509.checks import PARTIAL_CHAIN, STRICT, TRUSTED_FIRST, Policy
from puretls._x509.codes import refusal
from puretls._x509.crl import Crl
from puretls._x509.store import Bundle, Store

SECURITY_LEVEL = 2  # what SSLContext starts with
MOST_INTERMEDIATES = 100


def verify_chain(
    leaf: bytes | x509.Certificate,
    intermediates: Sequence[bytes | x509.Certificate],
    roots: Sequence[bytes | x509.Certificate],
    *,
    crls: Sequence[bytes | x509.CertificateRevocationList] = (),
    time: float,
    hostname: str | None = None,
    purpose: str = "serverAuth",
    flags: int = TRUSTED_FIRST | PARTIAL_CHAIN | STRICT,
    max_depth: int | None = None,
    security_level: int = SECURITY_LEVEL,
) -> list[bytes]:
    """The path from the leaf to one of the roots, in DER, both included.

    Raises VerifyAbort if there is none, Abort if a certificate or CRL cannot be read.
    """
    store = Store()
    try:
        chain = [certificate.load(der_of(x)) for x in (leaf, *intermediates)]
        bundle = Bundle(map(Certificate, map(der_of, roots)), [Crl(der_of(crl)) for crl in crls])
        for root in bundle.certificates:
            root.parsed  # noqa: B018 - an anchor that cannot be read is an error, not an anchor less
    except ValueError as error:
        raise Abort(UNPARSABLE_CERTIFICATE, str(error)) from None
    if isinstance(chain[0].public_key(), dsa.DSAPublicKey):  # sound, but no TLS of ours authenticates with it
        raise refusal(codes.INVALID_PURPOSE, 0)
    store.add_bundle(bundle)
    host, ip = reference(hostname)
    depth = MOST_INTERMEDIATES if max_depth is None else max_depth
    policy = Policy(purpose, host, ip, time, flags, depth=depth, security_level=security_level)
    return [x.der for x in path.verify(chain, store, policy)]


def reference(hostname: str | None) -> tuple[str | None, bytes | None]:
    """A host in A-labels, and its octets if it is an address."""
    if hostname is None:
        return None, None
    if not hostname.isascii():
        return hostname.encode("idna").decode("ascii"), None
    return hostname, addresses.address(hostname)


def der_of(value: bytes | x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """What a caller has given, as DER."""
    return value.public_bytes(Encoding.DER) if not isinstance(value, bytes | bytearray | memoryview) else bytes(value)
