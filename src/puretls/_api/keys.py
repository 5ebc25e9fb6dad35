"""Private keys as files hold them: PEM and DER, encrypted or not, and what is wrong with one that cannot be used.

As with `ssl` every such error reads "PEM lib"; which mistake it was is told in a note.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import serialization

from puretls._api.pem import is_pem, pem_error
from puretls._base.faults import Abort, Fault
from puretls._crypto.primitives import attempt
from puretls._x509 import ber, pem

MAX_PASSWORD = 1024
REFUSED = Fault("", None, "PEM lib")
PRIVATE = b"PRIVATE KEY"

# What `cryptography` decrypts: by the names of DEK-Info (RFC 1421 4.6.1.3), and by the ciphers of PBES2 (RFC 8018 B.2).
_CIPHERS = frozenset({"AES-128-CBC", "AES-256-CBC", "DES-EDE3-CBC"})
_PBES2_CIPHERS = frozenset({
    "2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42",  # AES-CBC
    "1.2.840.113549.3.7", "1.2.840.113549.3.2",  # DES-EDE3-CBC, RC2-CBC
})  # fmt: skip
_NAMES = {
    "1.2.392.200011.61.1.1.1.2": "CAMELLIA-128-CBC",
    "1.2.392.200011.61.1.1.1.3": "CAMELLIA-192-CBC",
    "1.2.392.200011.61.1.1.1.4": "CAMELLIA-256-CBC",
    "1.2.410.200046.1.1.2": "ARIA-128-CBC",
    "1.2.410.200046.1.1.7": "ARIA-192-CBC",
    "1.2.410.200046.1.1.12": "ARIA-256-CBC",
}
_DEK_INFO = re.compile(rb"DEK-Info: *([A-Za-z0-9-]+)")
_PBES2, _RSA = "1.2.840.113549.1.5.13", "1.2.840.113549.1.1.1"


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
    if _has_terminal():  # without one, getpass would show what is typed, or read standard input
        import getpass  # noqa: PLC0415 - few keys have a password that nobody gave

        with suppress(EOFError, OSError):
            return getpass.getpass("Enter PEM pass phrase:").encode()
    raise pem_error(detail="the private key is encrypted, and nobody was there to be asked for a password")


def _has_terminal() -> bool:
    """Whether getpass can ask: at the terminal of this process, or else on standard input."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
            return True
    return sys.stdin is not None and sys.stdin.isatty()


def parse(data: bytes, secret: Password) -> Any:
    """The first private key in a file; None if there is none.

    The arithmetic of an own RSA key is not checked anew, as OpenSSL does not either.
    """
    load: Callable[..., Any] = serialization.load_der_private_key
    label, der, encrypted = b"", data, False
    if is_pem(data):
        try:
            label, body, data = next(block for block in pem.blocks(data) if block[0].endswith(PRIVATE))
            if headers := _DEK_INFO.search(body):
                lacking = "" if headers[1].decode() in _CIPHERS else headers[1].decode()
                return _decrypted(serialization.load_pem_private_key, data, secret, lacking)
            der = pem.decoded(body)
        except StopIteration:
            return None
        except Abort as abort:
            raise pem_error(detail=abort.detail or "the private key is damaged: it is not base64") from None
        load = serialization.load_pem_private_key
        encrypted = label.startswith(b"ENCRYPTED")
    fields = _fields(der)
    if encrypted or _tags(fields) == [ber.SEQUENCE, ber.OCTET_STRING]:  # EncryptedPrivateKeyInfo (RFC 5958 3)
        return _decrypted(load, data, secret, _lacking(fields))
    return _loaded(load, data, None, _why(fields))


def _decrypted(load: Callable[..., Any], data: bytes, secret: Password, lacking: str) -> Any:
    if lacking:
        raise pem_error(
            detail=f"the private key is encrypted with {lacking}, which cannot be decrypted here; "
            "`openssl pkey -aes256` encrypts it anew"
        )
    return _loaded(load, data, secret.get(), "the password is wrong, or what it protects is not a private key")


def _loaded(load: Callable[..., Any], data: bytes, password: bytes | None, why: str) -> Any:
    try:
        return attempt(REFUSED, partial(load, data, password, unsafe_skip_rsa_key_validation=True))
    except Abort:
        raise pem_error(detail=why) from None


# What a key's outline says


def _fields(der: bytes) -> list[ber.Value]:
    """The fields of a SEQUENCE; none if it is not one."""
    try:
        whole, _ = ber.value(der)
        return ber.fields(whole.content) if whole.tag == ber.SEQUENCE else []
    except ValueError:
        return []


def _tags(fields: list[ber.Value]) -> list[int]:
    return [field.tag for field in fields]


def _oid(fields: list[ber.Value]) -> str:
    """The OBJECT IDENTIFIER that an AlgorithmIdentifier begins with; "" if it does not."""
    try:
        return ber.dotted(fields[0])
    except (IndexError, ValueError):
        return ""


def _lacking(fields: list[ber.Value]) -> str:
    """The cipher of PBES2 that is not supported; "" if it is, or cannot be found."""
    scheme = _fields(fields[0].whole) if fields else []
    if _oid(scheme) != _PBES2 or len(parameters := _fields(scheme[-1].whole)) != 2:
        return ""
    cipher = _oid(_fields(parameters[1].whole))
    return "" if cipher in _PBES2_CIPHERS else _NAMES.get(cipher, cipher)


def _why(fields: list[ber.Value]) -> str:
    """What is wrong with a key that is not encrypted and cannot be read."""
    if _tags(fields)[:3] == [ber.INTEGER, ber.SEQUENCE, ber.OCTET_STRING]:  # PrivateKeyInfo (RFC 5958 2)
        fields = _fields(fields[2].content) if _oid(_fields(fields[1].whole)) == _RSA else []
    if fields and fields[0].whole == b"\2\1\1" and _tags(fields[1:9]) == [ber.INTEGER] * 8:  # multi (RFC 8017 A.1.2)
        return "it is an RSA key of more than two primes, which `cryptography` does not load"
    return "the private key is damaged, or of a kind that is not known"
