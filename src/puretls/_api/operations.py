"""The arguments of sign() as `cryptography` has them, for keys that sign elsewhere."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from puretls._base.public import public
from puretls._base.tuples import NamedTuple


@public
class Operation(NamedTuple):
    """How data is signed: what the arguments of sign() behind the data come to."""

    algorithm: str
    """One of "RSA-PSS" (as much salt as digest, MGF1 with the same digest), "RSA-PKCS1", "ECDSA", and "PURE" for keys
    that hash themselves (Ed25519, Ed448, ML-DSA)."""
    digest: str | None
    """The digest, as "sha256"; None for PURE, and for RSA-PKCS1 over what is not to be hashed (TLS 1.0 and 1.1)."""

    def hashed(self, data: bytes) -> bytes:
        """The digest of the data, or the data if it is not to be hashed."""
        if self.digest is None:
            return bytes(data)
        digest = hashes.Hash(DIGESTS[self.digest])
        digest.update(data)
        return digest.finalize()


DIGESTS: dict[str, hashes.HashAlgorithm] = {
    digest.name: digest
    for digest in (hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())  # noqa: S303 - TLS 1.0 and 1.1 have SHA-1
}


@public
def operation(*parameters: Any) -> Operation:
    """What the arguments of sign() behind the data ask for; ValueError for what TLS never does."""
    if not parameters:
        return Operation("PURE", None)
    first: Any = parameters[0]
    if isinstance(first, ECDSA):
        return Operation("ECDSA", str(getattr(first.algorithm, "name", "")))
    if len(parameters) == 2 and isinstance(first, PSS | PKCS1v15):
        digest = None if isinstance(parameters[1], NoDigestInfo) else parameters[1].name
        return Operation("RSA-PSS" if isinstance(first, PSS) else "RSA-PKCS1", digest)
    raise ValueError("no operation of TLS")
