"""Failures of commands: one line that says what has failed, why, and if possible what to do.

Commands raise `Failure`, and `puretls.cli` prints it; `reason` puts errors of peers and of the system into words.
"""

from __future__ import annotations

import socket
from typing import Any

from puretls import SSLCertVerificationError, SSLEOFError, SSLError
from puretls.cli.text import printable


class Failure(Exception):
    """What the command was asked about has failed; the message is for people."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Misuse(Failure):
    """Arguments that can be parsed but make no sense; the exit status is that of wrong usage."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=2)


ALERT = "_ALERT_"
CAUSES = {
    "WRONG_VERSION_NUMBER": "the answer is not TLS (a plain-text port, or one that wants STARTTLS first?)",
    "ASN1_LIB": "a certificate that cannot be read",
    "HTTP_REQUEST": "plain HTTP, not TLS",
    "UNSUPPORTED_PROTOCOL": "no version of TLS that both sides enable",
    "NO_SHARED_CIPHER": "no cipher suite that both sides enable",
    "NO_PROTOCOLS_AVAILABLE": "no version of TLS is enabled with these options",
    "NO_CIPHERS_AVAILABLE": "no cipher suite is enabled with these options",
    "DH_KEY_TOO_SMALL": "the server's Diffie-Hellman parameters are too small",
    "EE_KEY_TOO_SMALL": "the key of the certificate is too small",
}

ALERTS = {  # what mostly is behind them (RFC 8446 6.2)
    "handshake_failure": "nothing that both sides enable, or it wants a certificate",
    "protocol_version": "no version of TLS that both sides enable",
    "insufficient_security": "it wants stronger algorithms",
    "bad_certificate": "it does not accept our certificate",
    "certificate_unknown": "it does not accept our certificate",
    "certificate_expired": "our certificate",
    "unknown_ca": "it does not trust the issuer of our certificate",
    "certificate_required": "it wants a certificate",
    "unsupported_certificate": "it has a raw public key alone (--trust-key), or wants another kind of ours",
    "unrecognized_name": "it serves nobody of that name",
    "no_application_protocol": "it speaks none of the application protocols",
}


def reason(error: BaseException) -> str:
    """An error of the network, the system or TLS, in words."""
    if isinstance(error, SSLCertVerificationError):
        return f"not verified: {printable(str(getattr(error, 'verify_message', '') or error)).rstrip('.')}"
    if isinstance(error, SSLEOFError):
        return "the peer closed the connection without a word of TLS"
    if isinstance(error, SSLError):
        return _of_tls(error)
    if isinstance(error, socket.gaierror):
        return f"the name does not resolve ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return f"{text[:1].lower()}{text[1:]}"
    return printable(str(error))


def _of_tls(error: Any) -> str:
    """The peer's alert or our own complaint, without the decoration that programs look for."""
    name = getattr(error, "reason", None) or ""
    if ALERT in name:
        alert = name.partition(ALERT)[2].lower()
        return f"the peer refused: alert {alert}" + (f" ({ALERTS[alert]})" if alert in ALERTS else "")
    text = str(error.strerror or error.args[0])
    text = text.partition("] ")[2] or text
    text = text.partition(" (_ssl.c")[0]
    cause = CAUSES.get(name)
    return f"{text}: {cause}" if cause else printable(text)
