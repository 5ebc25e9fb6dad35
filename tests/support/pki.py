"""A small certificate authority for tests: any certificate or CRL, right by default, wrong in whatever way is wanted.

    root = pki.ca("root")
    middle = pki.ca("middle", root)
    leaf = pki.leaf("example.test", middle)
    leaf = pki.leaf("example.test", middle, not_after=0, extensions={pki.EKU: None})

An `Issued` has `.der`, `.pem`, `.key` and `.key_pem`.  Extensions are given by OID, as (critical, DER) or as an object
of `cryptography`; None takes one of the defaults away.  Keys are made once per kind and number, and dates do not depend
on the clock: everything is valid at `NOW`.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA224, SHA256, SHA384, SHA512

NOW = 1_750_000_000  # 2025-06-15
DAY = 86400

BC, KU, EKU, SAN, SKI, AKI, NC, PROXY, CDP = (
    "2.5.29.19", "2.5.29.15", "2.5.29.37", "2.5.29.17", "2.5.29.14", "2.5.29.35", "2.5.29.30", "1.3.6.1.5.5.7.1.14",
    "2.5.29.31",
)  # fmt: skip
IDP, CRL_NUMBER, DELTA = "2.5.29.28", "2.5.29.20", "2.5.29.27"

_DIGESTS = {"md5": MD5, "sha1": SHA1, "sha224": SHA224, "sha256": SHA256, "sha384": SHA384, "sha512": SHA512}
_RSA = {"md5": 4, "sha1": 5, "sha224": 14, "sha256": 11, "sha384": 12, "sha512": 13}
_ECDSA = {"sha1": "1.2.840.10045.4.1", "sha224": "1.2.840.10045.4.3.1", "sha256": "1.2.840.10045.4.3.2",
          "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}  # fmt: skip


# DER


def tlv(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + body


def seq(*content: bytes) -> bytes:
    return tlv(0x30, *content)


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    out = b""
    for arc in (first * 40 + second, *rest):
        part = bytes([arc & 127])
        while arc := arc >> 7:
            part = bytes([128 | arc & 127]) + part
        out += part
    return tlv(6, out)


def bits(value: bytes, unused: int = 0) -> bytes:
    return tlv(3, bytes([unused]), value)


def moment(seconds: float) -> bytes:
    when = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    if 1950 <= when.year < 2050:
        return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def name(text: str | bytes) -> bytes:
    """A Name: DER as it is, else a common name, or "CN=a,O=b" in the order of encoding."""
    if isinstance(text, bytes):
        return text
    if not text:
        return seq()
    kinds = {"CN": "2.5.4.3", "O": "2.5.4.10", "C": "2.5.4.6", "E": "1.2.840.113549.1.9.1"}
    parts = [part.split("=", 1) for part in text.split(",")] if "=" in text else [["CN", text]]
    attributes = [
        seq(oid(kinds[kind]), tlv(0x16 if kind == "E" else 0x13 if kind == "C" else 0x0C, value.encode()))
        for kind, value in parts
    ]
    return seq(*(tlv(0x31, attribute) for attribute in attributes))


def general(text: str) -> bytes:
    """A GeneralName: "DNS:a", "IP:1.2.3.4" (or a network), "email:a@b", "URI:x", "dir:CN=x"."""
    kind, _, value = text.partition(":")
    if kind == "IP":
        if "/" in value:
            network = ipaddress.ip_network(value)
            return tlv(0x87, network.network_address.packed, network.netmask.packed)
        return tlv(0x87, ipaddress.ip_address(value).packed)
    if kind == "dir":
        return tlv(0xA4, name(value))
    return tlv({"email": 0x81, "DNS": 0x82, "URI": 0x86, "RID": 0x88}[kind], value.encode())


def names(*texts: str) -> bytes:
    return seq(*map(general, texts))


def constraints(permitted: tuple[str, ...] = (), excluded: tuple[str, ...] = ()) -> tuple[bool, bytes]:
    """A critical NameConstraints extension."""
    subtrees = [
        tlv(tag, *(seq(general(text)) for text in texts))
        for tag, texts in ((0xA0, permitted), (0xA1, excluded))
        if texts
    ]
    return True, seq(*subtrees)


# Keys


@cache
def key(kind: str = "p256", number: int = 0) -> Any:  # noqa: ARG001 - the cache tells numbers apart
    """A private key, the same one for the same arguments within a process."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind.startswith("dsa"):
        return dsa.generate_private_key(int(kind[3:]))
    return {
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "p224": lambda: ec.generate_private_key(ec.SECP224R1()),
        "p192": lambda: ec.generate_private_key(ec.SECP192R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ed448": ed448.Ed448PrivateKey.generate,
    }[kind]()


def spki(private: Any) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(private: Any) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(private.public_key()).digest


def algorithm(private: Any, digest: str) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return seq(oid(f"1.2.840.113549.1.1.{_RSA[digest]}"), tlv(5))
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return seq(oid(_ECDSA[digest]))
    if isinstance(private, dsa.DSAPrivateKey):
        return seq(oid("2.16.840.1.101.3.4.3.2"))
    return seq(oid("1.3.101.112" if isinstance(private, ed25519.Ed25519PrivateKey) else "1.3.101.113"))


def sign(private: Any, digest: str, data: bytes) -> bytes:
    chosen: hashes.HashAlgorithm = _DIGESTS[digest]()
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(data, padding.PKCS1v15(), chosen)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(data, ec.ECDSA(chosen))
    if isinstance(private, dsa.DSAPrivateKey):
        return private.sign(data, hashes.SHA256())
    return private.sign(data)


# Keys and signatures of other forms


def signer(private: Any, digest: str) -> Callable[[bytes], bytes]:
    """What signs with any digest of `cryptography`, by its class's name."""
    chosen: hashes.HashAlgorithm = getattr(hashes, digest)()
    if isinstance(private, rsa.RSAPrivateKey):
        return lambda data: private.sign(data, padding.PKCS1v15(), chosen)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return lambda data: private.sign(data, ec.ECDSA(chosen))
    return lambda data: private.sign(data, chosen)


RSA_PSS = "1.2.840.113549.1.1.10"
HASHES = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2",
          "sha512": "2.16.840.1.101.3.4.2.3"}  # fmt: skip
P256 = {"p": 2**256 - 2**224 + 2**192 + 2**96 - 1,
        "b": 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        "n": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551}  # fmt: skip
P256_BASE = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


def explicit(private: Any) -> bytes:
    """SubjectPublicKeyInfo of a P-256 key with its curve spelled out (RFC 3279 2.3.5) instead of named."""
    size = 32
    field = seq(oid("1.2.840.10045.1.1"), integer(P256["p"]))
    coefficients = seq(tlv(4, (P256["p"] - 3).to_bytes(size, "big")), tlv(4, P256["b"].to_bytes(size, "big")))
    curve = seq(integer(1), field, coefficients, tlv(4, P256_BASE), integer(P256["n"]), integer(1))
    point = private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return seq(seq(oid("1.2.840.10045.2.1"), curve), bits(point))


def rsa_numbers(n: int, e: int, *, algorithm: bytes | None = None) -> bytes:
    """SubjectPublicKeyInfo of an RSA key, whatever its numbers are."""
    return seq(algorithm or seq(oid("1.2.840.113549.1.1.1"), tlv(5)), bits(seq(integer(n), integer(e))))


def pss(digest: str, mgf: str | None = None, salt: int | None = None, trailer: int | None = None) -> bytes:
    """RSASSA-PSS-params (RFC 4055 3.1); what has a default is left out if it is that."""
    hashed, masked = (
        b"" if one == "sha1" else tlv(tag, content)
        for one, tag, content in (
            (digest, 0xA0, seq(oid(HASHES[digest]), tlv(5))),
            (mgf or digest, 0xA1, seq(oid("1.2.840.113549.1.1.8"), seq(oid(HASHES[mgf or digest]), tlv(5)))),
        )
    )
    length = _DIGESTS[digest].digest_size if salt is None else salt
    salted = b"" if length == 20 else tlv(0xA2, integer(length))
    return seq(hashed, masked, salted, b"" if trailer is None else tlv(0xA3, integer(trailer)))


def spelled_pss(
    digest: str | None = None, mgf: str | None = None, salt: int | None = None, trailer: int | None = None
) -> bytes:
    """RSASSA-PSS-params with these fields and no others, a default as well."""
    return seq(
        b"" if digest is None else tlv(0xA0, seq(oid(HASHES[digest]), tlv(5))),
        b"" if mgf is None else tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"), seq(oid(HASHES[mgf]), tlv(5)))),
        b"" if salt is None else tlv(0xA2, integer(salt)),
        b"" if trailer is None else tlv(0xA3, integer(trailer)),
    )


def pss_key(private: Any, parameters: bytes | None = None) -> bytes:
    """SubjectPublicKeyInfo of an RSA key that is for PSS only, with restrictions or without."""
    numbers = private.public_key().public_numbers()
    return rsa_numbers(numbers.n, numbers.e, algorithm=seq(oid(RSA_PSS), parameters or b""))


def pss_scheme(
    private: Any, digest: str, mgf: str | None = None, salt: int | None = None, *, said: bytes | None = None
) -> tuple[bytes, Callable[[bytes], bytes]]:
    """What signs with RSASSA-PSS, for `scheme` of a certificate; `said` are other parameters than those it uses."""
    length = _DIGESTS[digest].digest_size if salt is None else salt
    scheme = padding.PSS(padding.MGF1(_DIGESTS[mgf or digest]()), length)
    return (
        seq(oid(RSA_PSS), pss(digest, mgf, salt) if said is None else said),
        lambda data: private.sign(data, scheme, _DIGESTS[digest]()),
    )


# Certificates


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    der: bytes
    key: Any
    subject: bytes
    serial: int

    @cached_property
    def pem(self) -> str:
        return pem(self.der, "CERTIFICATE")

    @cached_property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @cached_property
    def x509(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)


def pem(der: bytes, label: str) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


_serials = iter(range(1000, 10**9))

Extensions = dict[str, Any]


def extension(dotted: str, value: Any, *, critical: bool = False) -> bytes:
    if isinstance(value, tuple):
        critical, value = value
    elif not isinstance(value, bytes):
        value = value.public_bytes()
    return seq(oid(dotted), tlv(1, b"\xff") if critical else b"", tlv(4, value))


def certificate(
    subject: str | bytes,
    issuer: Issued | None = None,
    *,
    extensions: Extensions,
    private: Any = None,
    issuer_name: bytes | None = None,
    version: int = 2,
    serial: int | None = None,
    not_before: float = NOW - 30 * DAY,
    not_after: float = NOW + 365 * DAY,
    digest: str = "sha256",
    signer: Any = None,
    inner: bytes | None = None,
    bad_signature: bool = False,
    extra: bytes = b"",
    key_info: bytes | None = None,
    scheme: tuple[bytes, Callable[[bytes], bytes]] | None = None,
) -> Issued:
    """A certificate with just these extensions; `extra` is appended to them (a repeated one, for example).

    `key_info` is a SubjectPublicKeyInfo in place of the key's own, `scheme` an AlgorithmIdentifier and what signs so.
    """
    private = private or key()
    signer = signer or (issuer.key if issuer else private)
    serial = next(_serials) if serial is None else serial
    subject = name(subject)
    outer, signs = scheme or (algorithm(signer, digest), lambda data: sign(signer, digest, data))
    block = b"".join(extension(dotted, value) for dotted, value in extensions.items() if value is not None) + extra
    tbs = seq(
        tlv(0xA0, integer(version)) if version else b"",
        integer(serial),
        inner or outer,
        issuer_name if issuer_name is not None else issuer.subject if issuer else subject,
        seq(moment(not_before), moment(not_after)),
        subject,
        key_info or spki(private),
        tlv(0xA3, seq(block)) if block else b"",
    )
    signature = signs(tbs + b"x" if bad_signature else tbs)
    return Issued(seq(tbs, outer, bits(signature)), private, subject, serial)


def key_usage(value: int) -> tuple[bool, bytes]:
    unused = 0
    while value and not value >> unused & 1:
        unused += 1
    return True, bits(bytes([value]) if value else b"", unused if value else 0)


def basic_constraints(*, ca: bool, path_length: int | None = None, critical: bool = True) -> tuple[bool, bytes]:
    parts = (tlv(1, b"\xff") if ca else b"", b"" if path_length is None else integer(path_length))
    return critical, seq(*parts)


def usages(*dotted: str) -> tuple[bool, bytes]:
    return False, seq(*map(oid, dotted))


SERVER_AUTH, CLIENT_AUTH, ANY_USAGE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"


def _identifiers(private: Any, issuer: Issued | None) -> Extensions:
    return {
        SKI: (False, tlv(4, key_id(private))),
        AKI: (False, seq(tlv(0x80, key_id(issuer.key)))) if issuer else None,
    }


def ca(
    subject: str | bytes,
    issuer: Issued | None = None,
    *,
    path_length: int | None = None,
    extensions: Extensions | None = None,
    private: Any = None,
    **others: Any,
) -> Issued:
    """A certificate authority, self-signed without an issuer."""
    private = private or key("p256", sum(name(subject)) % 50 + 1)
    defaults: Extensions = {
        BC: basic_constraints(ca=True, path_length=path_length),
        KU: key_usage(0x06),
        **_identifiers(private, issuer),
    }
    return certificate(subject, issuer, private=private, extensions=defaults | (extensions or {}), **others)


def leaf(
    host: str = "example.test",
    issuer: Issued | None = None,
    *,
    subject: str | bytes | None = None,
    alt: tuple[str, ...] | None = None,
    extensions: Extensions | None = None,
    private: Any = None,
    **others: Any,
) -> Issued:
    """An end entity for a host; self-signed without an issuer."""
    private = private or key("p256", 0)
    defaults: Extensions = {
        KU: key_usage(0x80),
        EKU: usages(SERVER_AUTH, CLIENT_AUTH),
        SAN: (False, names(*(alt if alt is not None else (f"DNS:{host}",)))),
        **_identifiers(private, issuer),
    }
    return certificate(
        host if subject is None else subject,
        issuer,
        private=private,
        extensions=defaults | (extensions or {}),
        **others,
    )


# CRLs


def crl(
    issuer: Issued,
    revoked: tuple[int, ...] = (),
    *,
    this_update: float = NOW - DAY,
    next_update: float | None = NOW + 30 * DAY,
    extensions: Extensions | None = None,
    entry: bytes = b"",
    version: int = 1,
    signer: Any = None,
    digest: str = "sha256",
    scheme: tuple[bytes, Callable[[bytes], bytes]] | None = None,
    bad_signature: bool = False,
    issuer_name: bytes | None = None,
) -> bytes:
    """A CRL's DER; `entry` is the DER of extensions that each entry gets."""
    signer = signer or issuer.key
    said, signs = scheme or (algorithm(signer, digest), lambda data: sign(signer, digest, data))
    defaults: Extensions = {AKI: (False, seq(tlv(0x80, key_id(issuer.key)))), CRL_NUMBER: (False, integer(1))}
    block = [extension(d, value) for d, value in (defaults | (extensions or {})).items() if value is not None]
    entries = [seq(integer(n), moment(this_update), seq(entry) if entry else b"") for n in revoked]
    tbs = seq(
        integer(version) if version else b"",
        said,
        issuer_name if issuer_name is not None else issuer.subject,
        moment(this_update),
        b"" if next_update is None else moment(next_update),
        seq(*entries) if entries else b"",
        tlv(0xA0, seq(*block)) if block and version else b"",
    )
    return seq(tbs, said, bits(signs(tbs + b"x" if bad_signature else tbs)))
