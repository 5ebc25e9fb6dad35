"""The signature schemes: which key signs with which scheme, in which version, and with which parameters.

RFC 8446 4.2.3 for TLS 1.3, RFC 5246 7.4.1.4.1 and RFC 8422 5.1.1 for TLS 1.2, draft-ietf-tls-mldsa for ML-DSA; TLS 1.0
and 1.1 have no choice and nothing on the wire (RFC 4346 4.7, RFC 8422 5.10).  The engine decides what is signed and
which scheme is used; `_x509` has the signatures of certificates.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from puretls._base.faults import BAD_SIGNATURE, Abort
from puretls._base.foreign import signed
from puretls._base.registry import TLS12, TLS13
from puretls._crypto.kdf import MD5_SHA1, SHA1, SHA224, SHA256, SHA384, SHA512, Digest

RSASSA_PSS = "1.2.840.113549.1.1.10"  # RFC 4055 1.2: a public key for PSS only

# Kinds of keys.  An RSA-PSS key is one whose SubjectPublicKeyInfo says so.
RSA, RSA_PSS, EC, ED25519, ED448 = "RSA", "RSA-PSS", "EC", "ED25519", "ED448"
ML_DSA_44, ML_DSA_65, ML_DSA_87 = "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"

_KINDS = (
    (RSA, (RSAPublicKey, RSAPrivateKey)),
    (EC, (EllipticCurvePublicKey, EllipticCurvePrivateKey)),
    (ED25519, (Ed25519PublicKey, Ed25519PrivateKey)),
    (ED448, (Ed448PublicKey, Ed448PrivateKey)),
    (ML_DSA_44, (mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey)),
    (ML_DSA_65, (mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey)),
    (ML_DSA_87, (mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey)),
)


Limits = tuple[str, str, int]  # the digest and the mask's digest of a PSS key, and how much salt it has at least


class Scheme:
    """One way to sign."""

    __slots__ = ("bits", "code", "curve", "digest", "key", "name", "openssl", "parameters", "pss", "tls12", "tls13")

    def __init__(
        self,
        code: int,
        name: str,
        key: str,
        curve: str | None,
        digest: Digest | None,
        tls13: bool,
        tls12: bool,
        openssl: tuple[str, ...],
        bits: int,
        pss: int,
        parameters: tuple[Any, ...],
    ) -> None:
        self.code, self.tls13, self.tls12 = code, tls13, tls12
        self.name = name  # IANA's
        self.key = key  # the kind of key
        self.curve = curve  # in TLS 1.3; TLS 1.2 leaves the curve open
        self.digest = digest  # None: the algorithm includes it
        self.openssl = openssl  # other spellings, upper case
        self.bits = bits  # of security, as OpenSSL counts them for its security levels
        self.pss = pss  # the least length of an encoded message (RFC 8017 9.1.1): SHA-512 does not fit 1024 bits
        self.parameters = parameters  # what sign() and verify() of the key want besides the data

    def __repr__(self) -> str:
        return f"<Scheme {self.name}>"


_BITS = {MD5_SHA1: 67, SHA1: 64, SHA224: 112, SHA256: 128, SHA384: 192, SHA512: 256}


def _pkcs1(code: int, digest: Digest) -> Scheme:
    name, parameters = f"rsa_pkcs1_{digest.name}", (PKCS1v15(), digest.algorithm)
    spellings = (f"RSA+{digest.name}".upper(),)
    return Scheme(code, name, RSA, None, digest, False, True, spellings, _BITS[digest], 0, parameters)


def _pss(code: int, key: str, digest: Digest) -> Scheme:
    name = f"rsa_pss_{'pss' if key == RSA_PSS else 'rsae'}_{digest.name}"
    spellings = (f"RSA-PSS+{digest.name}".upper(), f"PSS+{digest.name}".upper()) if key == RSA else ()
    parameters = (PSS(MGF1(digest.algorithm), digest.size), digest.algorithm)
    return Scheme(code, name, key, None, digest, True, True, spellings, _BITS[digest], 2 * digest.size + 2, parameters)


def _ecdsa(code: int, digest: Digest, curve: str | None = None, *, tls12: bool = True, label: str = "") -> Scheme:
    name = "_".join(filter(None, ("ecdsa", label or curve, digest.name)))
    spellings = (f"ECDSA+{digest.name}".upper(),) if tls12 else ()
    parameters = (ECDSA(digest.algorithm),)
    return Scheme(code, name, EC, curve, digest, curve is not None, tls12, spellings, _BITS[digest], 0, parameters)


def _pure(code: int, name: str, key: str, bits: int, *, tls12: bool) -> Scheme:
    return Scheme(code, name, key, None, None, True, tls12, (), bits, 0, ())


SCHEMES = (  # in OpenSSL 3.5's order of preference
    _pure(0x0905, "mldsa65", ML_DSA_65, 192, tls12=False),
    _pure(0x0906, "mldsa87", ML_DSA_87, 256, tls12=False),
    _pure(0x0904, "mldsa44", ML_DSA_44, 128, tls12=False),
    _ecdsa(0x0403, SHA256, "secp256r1"),
    _ecdsa(0x0503, SHA384, "secp384r1"),
    _ecdsa(0x0603, SHA512, "secp521r1"),
    _pure(0x0807, "ed25519", ED25519, 128, tls12=True),
    _pure(0x0808, "ed448", ED448, 224, tls12=True),
    _ecdsa(0x081A, SHA256, "brainpoolP256r1", tls12=False, label="brainpoolP256r1tls13"),  # RFC 8734
    _ecdsa(0x081B, SHA384, "brainpoolP384r1", tls12=False, label="brainpoolP384r1tls13"),
    _ecdsa(0x081C, SHA512, "brainpoolP512r1", tls12=False, label="brainpoolP512r1tls13"),
    _pss(0x0809, RSA_PSS, SHA256),
    _pss(0x080A, RSA_PSS, SHA384),
    _pss(0x080B, RSA_PSS, SHA512),
    _pss(0x0804, RSA, SHA256),
    _pss(0x0805, RSA, SHA384),
    _pss(0x0806, RSA, SHA512),
    _pkcs1(0x0401, SHA256),
    _pkcs1(0x0501, SHA384),
    _pkcs1(0x0601, SHA512),
    _ecdsa(0x0303, SHA224),
    _pkcs1(0x0301, SHA224),
    _ecdsa(0x0203, SHA1),
    _pkcs1(0x0201, SHA1),
)
OF_CLIENTS = tuple(  # PKCS#1 in TLS 1.3, for keys that cannot do PSS: in a client's CertificateVerify alone (RFC 9963)
    Scheme(code, f"rsa_pkcs1_{digest.name}_legacy", RSA, None, digest, True, False, (), _BITS[digest], 0, (
        PKCS1v15(), digest.algorithm
    ))
    for code, digest in ((0x0420, SHA256), (0x0520, SHA384), (0x0620, SHA512))
)  # fmt: skip
SAME_AS = {0x0420: 0x0401, 0x0520: 0x0501, 0x0620: 0x0601}  # the scheme of TLS 1.2 with the same signature
BY_CODE = {scheme.code: scheme for scheme in (*SCHEMES, *OF_CLIENTS)}
BY_NAME = {name.lower(): scheme for scheme in BY_CODE.values() for name in (scheme.name, *scheme.openssl)}
DEFAULT = SCHEMES  # a security level of 1 or more drops SHA-1 by its bits

# TLS 1.0 and 1.1, by kind of key: never on the wire, so without a code
_RSA_BEFORE12 = Scheme(-1, "rsa_md5_sha1", RSA, None, MD5_SHA1, False, False, (), 67, 0, (PKCS1v15(), NoDigestInfo()))
BEFORE12 = {RSA: _RSA_BEFORE12, EC: BY_CODE[0x0203]}


def key_kind(key: Any, algorithm: str = "") -> str:
    """The kind of a public or private key; "" if TLS cannot use it.

    cryptography loads RSASSA-PSS keys as RSA keys.  Only the certificate tells them apart, so `algorithm` is the dotted
    string of its public_key_algorithm_oid.
    """
    kind = _kind_of(type(key))  # type: ignore[arg-type]  # a class is hashable, whatever mypy thinks
    return RSA_PSS if kind == RSA and algorithm == RSASSA_PSS else kind


@cache
def _kind_of(key: type) -> str:
    return next((kind for kind, types in _KINDS if issubclass(key, types)), "")


def usable(scheme: Scheme, public_key: Any, version: int, kind: str = "", limits: Limits | None = None) -> bool:
    """Whether this key can sign with this scheme in this version; `kind` is the result of `key_kind`.

    `limits`: the parameters in the certificate of a key for RSASSA-PSS only (RFC 4055 1.2).  The schemes of TLS use one
    digest for both purposes and a salt of the same length (RFC 8446 4.2.3), which such a key may not permit.
    """
    if scheme.key != (kind or key_kind(public_key)):
        return False
    if limits is not None and scheme.digest is not None:
        digest, mask, salt = limits
        if not digest == mask == scheme.digest.name or salt > scheme.digest.size:
            return False
    if scheme.pss and (public_key.key_size + 6) // 8 < scheme.pss:
        return False
    if version >= TLS13:
        return scheme.tls13 and (scheme.curve is None or public_key.curve.name == scheme.curve)
    if version == TLS12:
        return scheme.tls12
    return scheme is BEFORE12.get(scheme.key)


def sign(scheme: Scheme, private_key: Any, data: bytes) -> bytes:
    """A signature over `data`, which is not hashed yet."""
    if scheme.digest is MD5_SHA1:
        data = MD5_SHA1.hash(data)
    signature: bytes = private_key.sign(data, *scheme.parameters)
    return signature


def verify(scheme: Scheme, public_key: Any, signature: bytes, data: bytes) -> None:
    """Abort if this is not the key's signature over `data`."""
    if scheme.digest is MD5_SHA1:
        data = MD5_SHA1.hash(data)
    if not signed(public_key, signature, data, *scheme.parameters):
        raise Abort(BAD_SIGNATURE)
