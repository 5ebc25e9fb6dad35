"""Certificates with their keys, from wherever they are: what SSLContext.load_cert_chain() reads.

Beyond the PEM files of `ssl`: text and bytes in memory (PEM, DER, PKCS#12), PKCS#12 and DER files, `cryptography`
objects, and any key that has `public_key()` and `sign()`, so that it may live in a token.  Wrong files, keys and
passwords fail as `ssl` fails.  A password is asked for only if something is encrypted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates

from puretls._api import pem
from puretls._api.errors import ssl_error
from puretls._api.pem import pem_error
from puretls._crypto import signatures
from puretls._engine.config import Credential
from puretls._x509 import certificate

MAX_PASSWORD = 1024
CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")


def load(certfile: Any, keyfile: Any, password: Any) -> Credential:
    """The chain and its key, which fit each other.  What is wrong with the chain is told first."""
    secret = Password(password)
    source = read(certfile, "certfile")
    if isinstance(source, bytes) and not pem.is_pem(source):
        source = _binary(source, secret)
    chain = _chain(source)
    try:
        leaf = certificate.load(chain[0])
        public = leaf.public_key()
    except ValueError:
        raise pem_error() from None
    key = _key(source if keyfile is None else read(keyfile, "keyfile"), secret)
    if public is None:
        raise ssl_error(247, "unknown certificate type", reason="UNKNOWN_CERTIFICATE_TYPE", library="SSL")
    algorithm = leaf.parsed.public_key_algorithm_oid.dotted_string  # tells RSA-PSS keys from RSA keys
    own, kind = key.public_key(), signatures.key_kind(public, algorithm)
    if own != public:
        if signatures.key_kind(own, algorithm) != kind:
            raise ssl_error(177, "no certificate assigned", reason="NO_CERTIFICATE_ASSIGNED", library="SSL")
        raise ssl_error(116, "key values mismatch", reason="KEY_VALUES_MISMATCH", library="X509")
    return Credential(chain, key, public, kind)


class Password:
    """A password that may have to be asked for: str, bytes, a callable, or None for the terminal."""

    def __init__(self, password: Any) -> None:
        if password is not None and not callable(password):
            if not isinstance(password, str | bytes | bytearray):
                raise TypeError("password should be a string or callable")
            _check_length(password)
        self._given = password

    def get(self) -> bytes:
        given = self._given
        if given is None:
            return _prompt()
        if callable(given):
            given = given()
            if not isinstance(given, str | bytes | bytearray):
                raise TypeError("password callback must return a string")
        return _check_length(given)


def _check_length(password: str | bytes | bytearray) -> bytes:
    raw = password.encode() if isinstance(password, str) else bytes(password)
    if len(raw) > MAX_PASSWORD:
        raise ValueError(f"password cannot be longer than {MAX_PASSWORD} bytes")
    return raw


def _prompt() -> bytes:
    import getpass  # noqa: PLC0415 - few keys have a password that nobody gave

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # no terminal: neither echo nor read stdin
            return getpass.getpass("Enter PEM pass phrase:").encode()
    except (getpass.GetPassWarning, EOFError, OSError):
        raise pem_error() from None


def is_material(source: str | bytes) -> bool:
    """Whether it is the thing itself and not the name of a file: PEM, or the SEQUENCE that DER opens with."""
    if isinstance(source, str):
        return "-----BEGIN " in source
    return pem.is_pem(source) or source[:2] in (b"\x30\x80", b"\x30\x81", b"\x30\x82", b"\x30\x83")


def read(given: Any, name: str) -> Any:
    """The bytes that a path, a file or text stands for; `cryptography` objects and other keys as they are."""
    if isinstance(given, bytearray | memoryview):
        given = bytes(given)
    if isinstance(given, str | bytes) and is_material(given):
        return given.encode() if isinstance(given, str) else given
    if isinstance(given, str | bytes | os.PathLike):
        with open(given, "rb") as file:  # noqa: PTH123  # bytes too
            return file.read()
    if hasattr(given, "read"):
        data = given.read()
        return data.encode() if isinstance(data, str) else data
    if isinstance(given, x509.Certificate) or hasattr(given, "sign") or _is_chain(given):
        return given
    raise TypeError(f"{name} should be a valid filesystem path")


def _is_chain(given: Any) -> bool:
    return isinstance(given, Sequence) and bool(given) and all(isinstance(one, x509.Certificate) for one in given)


def _binary(data: bytes, secret: Password) -> bytes | PKCS12KeyAndCertificates:
    """PKCS#12 if it is that: then the version comes first, where a certificate or key has something longer."""
    if not data.startswith(b"\x30"):
        raise pem_error()
    certificates, _ = pem.der_items(data)
    if certificates and _is_certificate(certificates[0]):
        return data
    try:
        return pkcs12.load_pkcs12(data, None)
    except (ValueError, TypeError):
        pass
    password = secret.get()
    try:
        return pkcs12.load_pkcs12(data, password)
    except (ValueError, TypeError):
        raise pem_error() from None


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
        if pem.is_pem(source):
            bodies = [pem.decode(body) for label, body, _ in pem.blocks(source) if label in CERTIFICATES]
            chain = [item for body in bodies for item in pem.der_items(body)[0][:1]]  # without what TRUSTED adds
        else:
            chain, _ = pem.der_items(source)
    elif isinstance(source, x509.Certificate):
        chain = [source.public_bytes(Encoding.DER)]
    elif _is_chain(source):
        chain = [one.public_bytes(Encoding.DER) for one in source]
    else:
        raise TypeError("certfile should be a valid filesystem path")
    if not chain:
        raise pem_error()
    return chain


def _key(source: Any, secret: Password) -> Any:
    """The private key; the RSA arithmetic of an own key is not checked anew, as OpenSSL does not either."""
    if isinstance(source, PKCS12KeyAndCertificates):
        key: Any = source.key
    elif isinstance(source, bytes):
        key = _parse_key(source, secret)
    else:
        key = source if hasattr(source, "sign") else None
    if key is None:
        raise pem_error()
    return key


def _parse_key(data: bytes, secret: Password) -> Any:
    parse: Any = serialization.load_der_private_key
    encrypted: bool | None = None
    if pem.is_pem(data):
        found = [block for block in pem.blocks(data) if block[0].endswith("PRIVATE KEY")]
        if not found:
            return None
        label, body, data = found[0]
        parse = serialization.load_pem_private_key
        encrypted = label.startswith("ENCRYPTED") or b"ENCRYPTED" in body[:60]
    if not encrypted:
        try:
            return parse(data, None, unsafe_skip_rsa_key_validation=True)
        except TypeError:  # encrypted DER
            pass
        except (ValueError, UnsupportedAlgorithm):
            raise pem_error() from None
    password = secret.get()
    try:
        return parse(data, password, unsafe_skip_rsa_key_validation=True)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise pem_error() from None
