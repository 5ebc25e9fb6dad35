"""Certificates with their keys, from files or memory: what SSLContext.load_cert_chain() reads.

Beyond the PEM files of `ssl`: text and bytes in memory (PEM, DER, PKCS#12), PKCS#12 and DER files, `cryptography`
objects, and any key that has `public_key()` and `sign()`, so that it may be in a token.  Wrong files, keys and
passwords fail as `ssl` fails.  A password is asked for only if something is encrypted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates

from puretls._api import keys, pem, pkcs11, secret_files
from puretls._api.errors import fault_error, noted, ssl_error
from puretls._api.keys import PRIVATE, REFUSED, Password
from puretls._api.pem import pem_error
from puretls._base.faults import Abort
from puretls._crypto import signatures
from puretls._crypto.primitives import attempt
from puretls._engine.config import NO_RULES, Credential, Rules
from puretls._x509 import ber, certificate, shapes
from puretls._x509.pem import BAD_BASE64, BAD_END_LINE, CERTIFICATES, TRUSTED, blocks, decoded
from puretls._x509.store import BAD_DER

_LEVEL_BITS = (0, 80, 112, 128, 192, 256)


def load(certfile: Any, keyfile: Any, password: Any, level: int) -> Credential:
    """The chain and its key, checked to belong together and to be strong enough for the security level.

    Errors of the chain come first.
    """
    secret = Password(password)
    source = read(certfile, "certfile")
    if isinstance(source, bytes) and not pem.is_pem(source):
        source = _binary(source, secret)
    chain = _chain(source)
    if not chain:
        raise pem_error(detail=_without_certificate(source, keyfile))
    try:
        leaf = certificate.load(chain[0])
        public = leaf.public_key()
    except ValueError as error:
        raise pem_error(detail=f"the certificate cannot be read: {error}") from None
    if leaf.invalid:
        wrong = ssl_error(158, "invalid certificate", reason="INVALID_CERTIFICATE", library="X509V3")
        raise noted(wrong, "an extension of the certificate is repeated, unreadable, or contradicts another")
    key = _key(source, secret) if keyfile is None else _read_key(keyfile, "keyfile", secret)
    if public is None:
        raise ssl_error(247, "unknown certificate type", reason="UNKNOWN_CERTIFICATE_TYPE", library="SSL")
    algorithm = leaf.parsed.public_key_algorithm_oid.dotted_string  # tells RSA-PSS keys from RSA keys
    own, kind = key.public_key(), signatures.key_kind(public, algorithm)
    if own != public:
        if signatures.key_kind(own, algorithm) != kind:
            wrong = ssl_error(177, "no certificate assigned", reason="NO_CERTIFICATE_ASSIGNED", library="SSL")
        else:
            wrong = ssl_error(116, "key values mismatch", reason="KEY_VALUES_MISMATCH", library="X509")
        raise noted(wrong, "the private key belongs to another certificate than the first of the chain")
    _check_strength(chain, level)
    return Credential(chain, key, public, kind, None, rules_of(key))


def rules_of(key: Any) -> Rules:
    """The schemes that a key object names for itself; unknown names are ignored."""
    said = getattr(key, "signature_algorithms", None)
    if said is None:
        return NO_RULES
    names = [said] if isinstance(said, str) else list(said)
    if not all(isinstance(name, str) for name in names):
        raise TypeError("signature_algorithms of a key are names of schemes")
    found = (signatures.BY_NAME.get(name.lower()) for name in names)
    return Rules(schemes=frozenset(scheme.code for scheme in found if scheme is not None))


def load_key(keyfile: Any, password: Any) -> Any:
    """A private key by itself."""
    return _read_key(keyfile, "key", Password(password))


def _read_key(given: Any, name: str, secret: Password) -> Any:
    """The private key that a file holds, or that a URI names (RFC 7512)."""
    if isinstance(given, str) and given.startswith(pkcs11.SCHEME):
        return pkcs11.open_key(given, secret.get)
    return _key(read(given, name), secret)


def _check_strength(ders: list[bytes], level: int) -> None:
    """Check the demands of a security level on a chain that is loaded (SSL_CTX_set_security_level(3))."""
    bits = _LEVEL_BITS[min(level, 5)]
    if not level:
        return
    for place, x in enumerate(map(certificate.listed, ders)):
        if not x.readable:
            continue  # sent as it is, to peers that can read it
        if x.key_bits < bits:
            if place:
                raise ssl_error(397, "ca key too small", reason="CA_KEY_TOO_SMALL", library="SSL")
            raise ssl_error(399, "ee key too small", reason="EE_KEY_TOO_SMALL", library="SSL")
        if not x.self_signed and x.signature.bits < bits:
            raise ssl_error(398, "ca md too weak", reason="CA_MD_TOO_WEAK", library="SSL")


def is_material(source: str | bytes) -> bool:
    """Whether this is the content and not the name of a file: PEM, or the SEQUENCE that DER begins with."""
    if isinstance(source, str):
        return "-----BEGIN " in source
    if source[:2] in (b"\x30\x80", b"\x30\x81", b"\x30\x82", b"\x30\x83"):
        return True
    short = len(source) > 2 and source[0] == 0x30 and source[1] == len(source) - 2  # as a key of Ed25519
    return pem.is_pem(source) or (short and source[2] == 0x02)


def read(given: Any, name: str) -> Any:
    """The bytes that a path, a file or text stands for; `cryptography` objects and other keys as they are."""
    if isinstance(given, bytearray | memoryview):
        given = bytes(given)
    if isinstance(given, str | bytes) and is_material(given):
        return given.encode() if isinstance(given, str) else given
    if isinstance(given, str | bytes | os.PathLike):
        return secret_files.read(given)
    if hasattr(given, "read"):
        data = given.read()
        return data.encode() if isinstance(data, str) else data
    if isinstance(given, x509.Certificate) or hasattr(given, "sign") or _is_chain(given):
        return given
    raise TypeError(f"{name} should be a valid filesystem path")


def _is_chain(given: Any) -> bool:
    return isinstance(given, Sequence) and bool(given) and all(isinstance(one, x509.Certificate) for one in given)


def _binary(data: bytes, secret: Password) -> bytes | PKCS12KeyAndCertificates:
    """The parts of a PKCS#12 file, if this is one: it begins with a version, where a certificate or key has something
    longer.
    """
    if not data.startswith(b"\x30"):
        raise pem_error(detail="there is no certificate in certfile: neither PEM nor DER")
    certificates, _ = pem.der_items(data)
    if certificates and _is_certificate(certificates[0]):
        return data
    try:
        return attempt(REFUSED, pkcs12.load_pkcs12, data, None)
    except Abort:
        password = secret.get()
    try:
        return attempt(REFUSED, pkcs12.load_pkcs12, data, password)
    except Abort:
        why = "the password is wrong, or what it protects is no PKCS #12 file with certificates that can be read"
        raise pem_error(detail=why) from None


def _is_certificate(der: bytes) -> bool:
    try:
        certificate.load(der)
    except ValueError:
        return False
    return True


def _chain(source: Any) -> list[bytes]:
    """The DER of the leaf and of what comes with it."""
    if isinstance(source, PKCS12KeyAndCertificates):
        found = [source.cert, *source.additional_certs] if source.cert else []
        chain = [entry.certificate.public_bytes(Encoding.DER) for entry in found]
    elif isinstance(source, bytes):
        chain = _pem_chain(source) if pem.is_pem(source) else _der_chain(source)
    elif isinstance(source, x509.Certificate):
        chain = [source.public_bytes(Encoding.DER)]
    elif _is_chain(source):
        chain = [one.public_bytes(Encoding.DER) for one in source]
    else:
        raise TypeError("certfile should be a valid filesystem path")
    return chain


def _without_certificate(source: Any, keyfile: Any) -> str:
    """The error for a file that should contain a certificate."""
    if keyfile is not None and isinstance(source, bytes) and PRIVATE in source:
        with suppress(OSError):
            other = read(keyfile, "keyfile")
            if isinstance(other, bytes) and b"CERTIFICATE-----" in other:
                return "certfile is a private key, and keyfile a certificate: were the two swapped?"
    return "there is no certificate in certfile"


def _pem_chain(data: bytes) -> list[bytes]:
    """The certificates as SSL_CTX_use_certificate_chain_file(3) reads them: the first may be a TRUSTED CERTIFICATE, and
    every block has to be readable.
    """
    chain: list[bytes] = []
    try:
        for label, body, _ in blocks(data):
            if label in CERTIFICATES or (label == TRUSTED and not chain):
                chain.append(_first(decoded(body), leaf=not chain))
    except Abort as abort:
        detail = abort.detail or f"certificate {len(chain)} of the file: {abort.fault.text}"
        raise (fault_error(abort.fault, detail, _NUMBERS[abort.fault]) if chain else pem_error(detail=detail)) from None
    return chain


_NUMBERS = {BAD_BASE64: 100, BAD_END_LINE: 102, BAD_DER: 524301}


def _first(der: bytes, *, leaf: bool) -> bytes:
    """The certificate in a block, without the trust settings that may follow in the first one."""
    try:
        whole, end = ber.value(der)
        if leaf and end < len(der):
            shapes.read(shapes.CertAux, der[end:])
        certificate.listed(whole.whole)
    except ValueError as error:
        raise Abort(BAD_DER, f"not a certificate: {error}") from None
    return whole.whole


def _der_chain(data: bytes) -> list[bytes]:
    chain, rest = pem.der_items(data)
    try:
        for der in chain:
            certificate.listed(der)
    except ValueError as error:
        raise pem_error(detail=f"not a certificate: {error}") from None
    if rest:
        raise pem_error(detail=f"{len(rest)} octets behind the last certificate")
    return chain


def _key(source: Any, secret: Password) -> Any:
    """The private key."""
    if isinstance(source, PKCS12KeyAndCertificates):
        key: Any = source.key
    elif isinstance(source, bytes):
        key = keys.parse(source, secret)
    else:
        key = source if hasattr(source, "sign") else None
    if key is None:
        raise pem_error(detail="there is no private key in keyfile, or in certfile if there is no keyfile")
    return key
