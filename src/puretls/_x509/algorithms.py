"""Signature algorithms of certificates and CRLs: the kind of key, the digest, and the security bits.

RFC 3279 2.2, RFC 4055, RFC 5758, RFC 8410, RFC 9814; the names of the SHA-3 variants are NIST's.  The table has the
algorithms that OpenSSL relates to a kind of key.  Any other algorithm fits no key.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat import asn1
from cryptography.hazmat.asn1 import TLV
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import (
    MD5,
    SHA1,
    SHA3_224,
    SHA3_256,
    SHA3_384,
    SHA3_512,
    SHA224,
    SHA256,
    SHA384,
    SHA512,
    SHA512_224,
    SHA512_256,
    Hash,
    HashAlgorithm,
)
from cryptography.x509 import ObjectIdentifier

from puretls._base import foreign
from puretls._base.tuples import NamedTuple
from puretls._x509 import shapes

# Kinds of keys
RSA = "1.2.840.113549.1.1.1"
RSA_PSS = "1.2.840.113549.1.1.10"
ANY_RSA = (RSA, RSA_PSS)
EC = "1.2.840.10045.2.1"
DSA = "1.2.840.10040.4.1"
PURE = {  # keys with a single algorithm of the same OID, and their security bits
    "1.3.101.112": 128,  # Ed25519
    "1.3.101.113": 224,  # Ed448
    "2.16.840.1.101.3.4.3.17": 128,  # ML-DSA-44, -65, -87
    "2.16.840.1.101.3.4.3.18": 192,
    "2.16.840.1.101.3.4.3.19": 256,
}

_MGF1 = "1.2.840.113549.1.1.8"
SALT = 20  # octets, the default of RSASSA-PSS-params
MOST_SALT = 0xFFFF  # octets, more than fit any key
BROKEN = {"md5": 39, "sha1": 63}  # security bits, less than any level


class Pss(NamedTuple):
    """Parameters of RSASSA-PSS: the names of the digest and of the mask's digest, and the length of the salt.

    A key's parameters say what its signatures must have, with at least that much salt (RFC 4055 1.2); a signature's say
    what it has.
    """

    digest: str
    mask: str
    salt: int


class Algorithm(NamedTuple):
    """How a signature was made."""

    key: str  # the kind of key
    digest: HashAlgorithm | None = None  # None: part of the algorithm, or unknown to PyCA
    bits: int = 0  # of security, for the levels; 0 if they are not known
    pss: Pss | None = None
    checked: bool = True  # whether PyCA can check it


def _over(key: str, digest: HashAlgorithm) -> Algorithm:
    return Algorithm(key, digest, BROKEN.get(digest.name, digest.digest_size * 4))


SHA_256 = SHA256()
_MD5, _SHA1 = MD5(), SHA1()  # noqa: S303 - security level 0 may ask for them
_DIGESTS: dict[str, HashAlgorithm] = {
    "1.3.14.3.2.26": _SHA1,
    "2.16.840.1.101.3.4.2.4": SHA224(),
    "2.16.840.1.101.3.4.2.1": SHA256(),
    "2.16.840.1.101.3.4.2.2": SHA384(),
    "2.16.840.1.101.3.4.2.3": SHA512(),
    "2.16.840.1.101.3.4.2.5": SHA512_224(),
    "2.16.840.1.101.3.4.2.6": SHA512_256(),
    "2.16.840.1.101.3.4.2.7": SHA3_224(),
    "2.16.840.1.101.3.4.2.8": SHA3_256(),
    "2.16.840.1.101.3.4.2.9": SHA3_384(),
    "2.16.840.1.101.3.4.2.10": SHA3_512(),
}
_BY_NAME = {digest.name: digest for digest in _DIGESTS.values()}
_ECDSA = {digest.name: ec.ECDSA(digest) for digest in _DIGESTS.values()}
_NUMBERS = {digest.name: number for number, digest in _DIGESTS.items()}

_ALGORITHMS: dict[str, Algorithm] = {
    "1.2.840.113549.1.1.4": _over(RSA, _MD5),
    "1.2.840.113549.1.1.5": _over(RSA, _SHA1),
    "1.3.14.3.2.29": _over(RSA, _SHA1),
    "1.2.840.113549.1.1.14": _over(RSA, SHA224()),
    "1.2.840.113549.1.1.11": _over(RSA, SHA256()),
    "1.2.840.113549.1.1.12": _over(RSA, SHA384()),
    "1.2.840.113549.1.1.13": _over(RSA, SHA512()),
    "2.16.840.1.101.3.4.3.13": _over(RSA, SHA3_224()),
    "2.16.840.1.101.3.4.3.14": _over(RSA, SHA3_256()),
    "2.16.840.1.101.3.4.3.15": _over(RSA, SHA3_384()),
    "2.16.840.1.101.3.4.3.16": _over(RSA, SHA3_512()),
    "1.3.36.3.3.1.2": Algorithm(RSA, bits=80, checked=False),  # RIPEMD-160
    "1.2.840.10045.4.1": _over(EC, _SHA1),
    "1.2.840.10045.4.3.1": _over(EC, SHA224()),
    "1.2.840.10045.4.3.2": _over(EC, SHA256()),
    "1.2.840.10045.4.3.3": _over(EC, SHA384()),
    "1.2.840.10045.4.3.4": _over(EC, SHA512()),
    "2.16.840.1.101.3.4.3.9": _over(EC, SHA3_224()),
    "2.16.840.1.101.3.4.3.10": _over(EC, SHA3_256()),
    "2.16.840.1.101.3.4.3.11": _over(EC, SHA3_384()),
    "2.16.840.1.101.3.4.3.12": _over(EC, SHA3_512()),
    "1.2.840.10040.4.3": _over(DSA, _SHA1),
    "1.3.14.3.2.27": _over(DSA, _SHA1),
    "2.16.840.1.101.3.4.3.1": _over(DSA, SHA224()),
    "2.16.840.1.101.3.4.3.2": _over(DSA, SHA256()),
    **{number: Algorithm(number, bits=bits) for number, bits in PURE.items()},
}
_BROKEN_PSS = Algorithm(RSA_PSS)  # without parameters, nothing can be checked
NOBODYS = Algorithm("")


def named(said: shapes.AlgorithmIdentifier) -> Algorithm:
    """The algorithm of a signature's AlgorithmIdentifier; NOBODYS, which fits no key, if it is unknown."""
    number, parameters = said
    if number != RSA_PSS:
        return _ALGORITHMS.get(number, NOBODYS)
    try:
        pss = None if parameters is None else pss_parameters(parameters)
    except ValueError:
        return _BROKEN_PSS
    return _BROKEN_PSS if pss is None else _over(RSA_PSS, _BY_NAME[pss.digest])._replace(pss=pss)


def pss_parameters(value: TLV) -> Pss:
    """RSASSA-PSS-params (RFC 4055 3.1); ValueError if they are broken, or name what is unknown."""
    said = shapes.parse(shapes.PssParameters, value)
    digest: HashAlgorithm = _SHA1
    mask: HashAlgorithm = _SHA1
    if said.digest is not None:
        number, *_ = said.digest
        digest = _digest(shapes.oid(number))
    if said.mask is not None:
        number, inner = said.mask
        if shapes.oid(number) != _MGF1:
            raise ValueError("not MGF1")
        mask = _digest(shapes.algorithm(inner).oid)
    salt = SALT if said.salt is None else said.salt
    if not 0 <= salt <= MOST_SALT or said.trailer not in (None, 1):
        raise ValueError("not parameters of RSASSA-PSS")
    return Pss(digest.name, mask.name, salt)


def pss_encoded(pss: Pss) -> bytes:
    """RSASSA-PSS-params in DER, in which defaults are left out (X.690 11.5)."""
    digest, mask = (shapes.sequence(_encoded(_NUMBERS[name]) + b"\5\0") for name in pss[:2])
    masked = shapes.sequence(_encoded(_MGF1) + mask)
    salt = asn1.encode_der(pss.salt)
    return shapes.sequence(
        (b"" if pss.digest == _SHA1.name else shapes.tagged(b"\xa0", digest))
        + (b"" if pss.mask == _SHA1.name else shapes.tagged(b"\xa1", masked))
        + (b"" if pss.salt == SALT else shapes.tagged(b"\xa2", salt))
    )


def _encoded(number: str) -> bytes:
    return asn1.encode_der(ObjectIdentifier(number))


def _digest(number: str) -> HashAlgorithm:
    digest = _DIGESTS.get(number)
    if digest is None:
        raise ValueError("an unknown digest")
    return digest


def digest_of(algorithm: HashAlgorithm, data: bytes) -> bytes:
    """A digest of the data."""
    started = _started.get(algorithm.name)
    if started is None:
        started = _started[algorithm.name] = Hash(algorithm)
    running = started.copy()  # cheaper than a new one
    running.update(data)
    return running.finalize()


_started: dict[str, Hash] = {}  # by name; each is of one of those above


def may_make(key: str, algorithm: Algorithm) -> bool:
    """Whether such keys make such signatures: RSASSA-PSS ones are made by any RSA key."""
    return key == algorithm.key or (algorithm.key == RSA_PSS and key == RSA)


def allows(limits: Pss | None, pss: Pss | None) -> bool:
    """Whether a key with these restrictions, or none, may have made a signature with these parameters."""
    if limits is None or pss is None:
        return limits is None
    return limits[:2] == pss[:2] and pss.salt >= limits.salt


def is_good(algorithm: Algorithm, key: Any, limits: Pss | None, signature: bytes, data: bytes) -> bool:
    """Whether a key, restricted to these parameters, made this signature."""
    digest, pss = algorithm.digest, algorithm.pss
    if not algorithm.checked or not allows(limits, pss):
        return False
    if algorithm.key in PURE:
        return foreign.signed(key, signature, data)
    if digest is None:
        return False
    if pss is not None:
        scheme = padding.PSS(padding.MGF1(_BY_NAME[pss.mask]), pss.salt)
        return foreign.signed(key, signature, data, scheme, digest)
    if algorithm.key == RSA:
        return foreign.signed(key, signature, data, padding.PKCS1v15(), digest)
    return foreign.signed(key, signature, data, _ECDSA[digest.name] if algorithm.key == EC else digest)
