"""What a certificate and a name say, in a line. PyCA's parser reads them; what it cannot read is shown as bytes."""

from __future__ import annotations

import warnings
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from puretls._analysis.fields import brief, printable

UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


def distinguished_name(der: bytes) -> str:
    """A DER name as RFC 4514 writes it."""
    try:
        return printable(x509.Name.from_bytes(der).rfc4514_string()) or "(empty)"
    except UNREADABLE:
        return brief(der)


def certificate(der: bytes) -> str:
    """Subject, issuer, key, names and until when."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a peer's odd serial number is no business of our user's warnings
            parsed = x509.load_der_x509_certificate(der)
            subject, issuer = (printable(name.rfc4514_string()) for name in (parsed.subject, parsed.issuer))
            until = f"{parsed.not_valid_after_utc:%Y-%m-%d}"
    except UNREADABLE:
        return brief(der)
    return f"{subject or '(no subject)'}, issued by {issuer or '(nobody)'}, {key(parsed)}, until {until}"


def key(parsed: x509.Certificate) -> str:
    """The kind of a certificate's public key."""
    try:
        public: Any = parsed.public_key()
    except (*UNREADABLE, UnsupportedAlgorithm):
        return "a key of an unknown kind"
    curve, size = getattr(public, "curve", None), getattr(public, "key_size", None)
    return str(curve.name if curve else f"RSA {size}" if size else type(public).__name__.removesuffix("PublicKey"))
