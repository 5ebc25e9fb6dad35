"""Every way to fail: what the caller reads, and what the peer is told.

A fault binds three things where it is named: the `reason` of SSLError as OpenSSL spells it (callers match on it), the
alert that goes to the peer (RFC 8446 6, RFC 5246 7.2), and the text of the message.  `Abort` carries one of them from
wherever it is noticed to the connection, which sends the alert, and from there to the API, which makes an SSLError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from puretls._base import registry
from puretls._base.registry import (
    BAD_CERTIFICATE,
    BAD_RECORD_MAC,
    CERTIFICATE_REQUIRED,
    DECODE_ERROR,
    DECRYPT_ERROR,
    ECH_REQUIRED,
    HANDSHAKE_FAILURE,
    ILLEGAL_PARAMETER,
    INAPPROPRIATE_FALLBACK,
    INTERNAL_ERROR,
    MISSING_EXTENSION,
    PROTOCOL_VERSION,
    RECORD_OVERFLOW,
    UNEXPECTED_MESSAGE,
    UNKNOWN_PSK_IDENTITY,
    UNSUPPORTED_EXTENSION,
)


class Fault(NamedTuple):
    """One way to fail."""

    reason: str  # SSLError.reason, as OpenSSL spells it
    alert: int | None  # what the peer is told; None: nothing
    text: str
    library: str = "SSL"


class Abort(Exception):
    """A fault on its way to the connection.  `detail` is for people and never holds a secret."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(fault, detail)
        self.fault, self.detail = fault, detail

    def again(self) -> Abort:
        """The same error for a later operation: a new one, since a traceback holds the frames that it came through."""
        return Abort(self.fault, self.detail)


class VerifyAbort(Abort):
    """The peer's certificate is not acceptable: OpenSSL's verify code and message, and where in the chain."""

    def __init__(self, code: int, message: str, depth: int, alert: int) -> None:
        super().__init__(CERTIFICATE_VERIFY_FAILED._replace(alert=alert), message)
        self.code, self.message, self.depth = code, message, depth
        self.note = ""  # what else is known, for people
        self.lacks: Any = None  # the certificate whose issuer was not found
        self.aia_urls: tuple[str, ...] = ()  # where that is published

    def again(self) -> VerifyAbort:
        same = VerifyAbort(self.code, self.message, self.depth, self.fault.alert or 0)
        same.fault, same.note, same.aia_urls = self.fault, self.note, self.aia_urls
        return same


class EchRejected(Abort):
    """The server did not open the inner hello; `retry_configs` is what it wants instead, b"" if securely nothing.

    None: nobody has verified that it was the server who said so.
    """

    def __init__(self, retry_configs: bytes | None) -> None:
        super().__init__(ECH_WAS_REQUIRED, "the server did not open the encrypted ClientHello")
        self.retry_configs = retry_configs

    def again(self) -> EchRejected:
        return EchRejected(self.retry_configs)


def fault(reason: str, alert: int | None) -> Fault:
    """A fault whose text is its reason in lower case, as OpenSSL's nearly always is."""
    return Fault(reason, alert, reason.lower().replace("_", " "))


# Records
DECRYPTION_FAILED = fault("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", BAD_RECORD_MAC)
DATA_LENGTH_TOO_LONG = fault("DATA_LENGTH_TOO_LONG", RECORD_OVERFLOW)
ENCRYPTED_LENGTH_TOO_LONG = fault("ENCRYPTED_LENGTH_TOO_LONG", RECORD_OVERFLOW)
PACKET_LENGTH_TOO_LONG = fault("PACKET_LENGTH_TOO_LONG", RECORD_OVERFLOW)
BAD_RECORD_TYPE = fault("BAD_RECORD_TYPE", UNEXPECTED_MESSAGE)
WRONG_VERSION_NUMBER = fault("WRONG_VERSION_NUMBER", PROTOCOL_VERSION)
NOT_TLS = fault("WRONG_VERSION_NUMBER", None)
HTTP_REQUEST = fault("HTTP_REQUEST", None)
HTTPS_PROXY_REQUEST = fault("HTTPS_PROXY_REQUEST", None)
UNEXPECTED_RECORD = fault("UNEXPECTED_RECORD", UNEXPECTED_MESSAGE)
MIXED_RECORDS = fault("MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA", UNEXPECTED_MESSAGE)
DATA_BETWEEN_CCS_AND_FINISHED = fault("DATA_BETWEEN_CCS_AND_FINISHED", UNEXPECTED_MESSAGE)
EMPTY_RECORD = fault("BAD_LENGTH", UNEXPECTED_MESSAGE)  # of TLS 1.3
INVALID_CCS_MESSAGE = fault("INVALID_CCS_MESSAGE", UNEXPECTED_MESSAGE)
UNEXPECTED_CCS_MESSAGE = fault("UNEXPECTED_CCS_MESSAGE", UNEXPECTED_MESSAGE)
BAD_CHANGE_CIPHER_SPEC = fault("BAD_CHANGE_CIPHER_SPEC", UNEXPECTED_MESSAGE)
CCS_RECEIVED_EARLY = fault("CCS_RECEIVED_EARLY", UNEXPECTED_MESSAGE)
TOO_MANY_EMPTY_RECORDS = fault("RECORD_TOO_SMALL", UNEXPECTED_MESSAGE)
SEQUENCE_CTR_WRAPPED = fault("SEQUENCE_CTR_WRAPPED", INTERNAL_ERROR)
NOT_ON_RECORD_BOUNDARY = fault("NOT_ON_RECORD_BOUNDARY", UNEXPECTED_MESSAGE)
UNKNOWN_ALERT_TYPE = fault("UNKNOWN_ALERT_TYPE", ILLEGAL_PARAMETER)
TOO_MUCH_EARLY_DATA = fault("TOO_MUCH_EARLY_DATA", UNEXPECTED_MESSAGE)
INVALID_ALERT = fault("INVALID_ALERT", UNEXPECTED_MESSAGE)
MALFORMED_ALERT = Fault("INVALID_ALERT", DECODE_ERROR, "invalid alert")
TOO_MANY_WARN_ALERTS = fault("TOO_MANY_WARN_ALERTS", UNEXPECTED_MESSAGE)
UNEXPECTED_EOF = Fault("UNEXPECTED_EOF_WHILE_READING", None, "EOF occurred in violation of protocol")

# Messages
UNEXPECTED_HANDSHAKE_MESSAGE = fault("UNEXPECTED_MESSAGE", UNEXPECTED_MESSAGE)
LENGTH_MISMATCH = fault("LENGTH_MISMATCH", DECODE_ERROR)
BAD_LENGTH = fault("BAD_LENGTH", DECODE_ERROR)
EXCESSIVE_MESSAGE_SIZE = fault("EXCESSIVE_MESSAGE_SIZE", ILLEGAL_PARAMETER)
BAD_EXTENSION = fault("BAD_EXTENSION", DECODE_ERROR)
MISPLACED_EXTENSION = fault("BAD_EXTENSION", ILLEGAL_PARAMETER)
ILLEGAL_POINT_COMPRESSION = fault("ILLEGAL_POINT_COMPRESSION", ILLEGAL_PARAMETER)
NO_CHANGE_FOLLOWING_HRR = fault("NO_CHANGE_FOLLOWING_HRR", ILLEGAL_PARAMETER)
DUPLICATE_EXTENSION = fault("BAD_EXTENSION", ILLEGAL_PARAMETER)
INVALID_MAX_FRAGMENT_LENGTH = fault("SSL3_EXT_INVALID_MAX_FRAGMENT_LENGTH", ILLEGAL_PARAMETER)
POST_HANDSHAKE_AUTH_ENCODING_ERR = fault("POST_HANDSHAKE_AUTH_ENCODING_ERR", DECODE_ERROR)
UNSOLICITED_EXTENSION = fault("UNSOLICITED_EXTENSION", UNSUPPORTED_EXTENSION)
MISSING_SIGALGS = fault("MISSING_SIGALGS_EXTENSION", MISSING_EXTENSION)
MISSING_SUPPORTED_GROUPS = fault("MISSING_SUPPORTED_GROUPS_EXTENSION", MISSING_EXTENSION)
MISSING_PSK_KEX_MODES = fault("MISSING_PSK_KEX_MODES_EXTENSION", MISSING_EXTENSION)
MISSING_KEY_SHARE = fault("NO_SUITABLE_KEY_SHARE", MISSING_EXTENSION)

# Negotiation
UNSUPPORTED_PROTOCOL = fault("UNSUPPORTED_PROTOCOL", PROTOCOL_VERSION)
WRONG_SSL_VERSION = fault("WRONG_SSL_VERSION", PROTOCOL_VERSION)
SSL_SESSION_VERSION_MISMATCH = fault("SSL_SESSION_VERSION_MISMATCH", PROTOCOL_VERSION)
VERSION_TOO_LOW = fault("VERSION_TOO_LOW", PROTOCOL_VERSION)
BAD_LEGACY_VERSION = fault("BAD_LEGACY_VERSION", PROTOCOL_VERSION)  # of a ClientHello
BAD_PROTOCOL_VERSION_NUMBER = fault("BAD_PROTOCOL_VERSION_NUMBER", ILLEGAL_PARAMETER)  # of a ServerHello
NO_PROTOCOLS_AVAILABLE = fault("NO_PROTOCOLS_AVAILABLE", None)
NO_PROTOCOLS_SERVED = fault("NO_PROTOCOLS_AVAILABLE", PROTOCOL_VERSION)
NO_CIPHERS_AVAILABLE = fault("NO_CIPHERS_AVAILABLE", None)
INAPPROPRIATE_FALLBACK_SCSV = Fault("INAPPROPRIATE_FALLBACK", INAPPROPRIATE_FALLBACK, "inappropriate fallback")
DOWNGRADE_DETECTED = Fault("INAPPROPRIATE_FALLBACK", ILLEGAL_PARAMETER, "inappropriate fallback")
NO_SHARED_CIPHER = fault("NO_SHARED_CIPHER", HANDSHAKE_FAILURE)
NO_CIPHERS_SPECIFIED = fault("NO_CIPHERS_SPECIFIED", ILLEGAL_PARAMETER)
ERROR_IN_RECEIVED_CIPHER_LIST = fault("ERROR_IN_RECEIVED_CIPHER_LIST", DECODE_ERROR)
REQUIRED_CIPHER_MISSING = fault("REQUIRED_CIPHER_MISSING", ILLEGAL_PARAMETER)
NO_COMPRESSION_SPECIFIED = fault("NO_COMPRESSION_SPECIFIED", DECODE_ERROR)
INVALID_COMPRESSION_ALGORITHM = fault("INVALID_COMPRESSION_ALGORITHM", ILLEGAL_PARAMETER)
COMPRESSION_DISABLED = fault("COMPRESSION_DISABLED", ILLEGAL_PARAMETER)
WRONG_CIPHER_RETURNED = fault("WRONG_CIPHER_RETURNED", ILLEGAL_PARAMETER)
UNKNOWN_CIPHER_RETURNED = fault("UNKNOWN_CIPHER_RETURNED", ILLEGAL_PARAMETER)
CIPHERSUITE_DIGEST_HAS_CHANGED = fault("CIPHERSUITE_DIGEST_HAS_CHANGED", ILLEGAL_PARAMETER)
INVALID_SESSION_ID = fault("INVALID_SESSION_ID", ILLEGAL_PARAMETER)
OLD_SESSION_CIPHER_NOT_RETURNED = fault("OLD_SESSION_CIPHER_NOT_RETURNED", ILLEGAL_PARAMETER)
NO_SUITABLE_KEY_SHARE = fault("NO_SUITABLE_KEY_SHARE", HANDSHAKE_FAILURE)
NO_SUITABLE_GROUPS = fault("NO_SUITABLE_GROUPS", None)
NO_SUITABLE_SIGNATURE_ALGORITHM = fault("NO_SUITABLE_SIGNATURE_ALGORITHM", HANDSHAKE_FAILURE)
WRONG_CURVE = fault("WRONG_CURVE", ILLEGAL_PARAMETER)
BAD_KEY_SHARE = fault("BAD_KEY_SHARE", ILLEGAL_PARAMETER)
BAD_HRR_COOKIE = Fault("COOKIE_MISMATCH", ILLEGAL_PARAMETER, "cookie mismatch")
BAD_PSK_IDENTITY = fault("BAD_PSK_IDENTITY", ILLEGAL_PARAMETER)
EMPTY_PSK_IDENTITY = Fault("", None, "internal error")
BINDER_DOES_NOT_VERIFY = fault("BINDER_DOES_NOT_VERIFY", ILLEGAL_PARAMETER)
PSK_IDENTITY_NOT_FOUND = fault("PSK_IDENTITY_NOT_FOUND", UNKNOWN_PSK_IDENTITY)
PSK_IDENTITY_NOT_FOUND_CLIENT = fault("PSK_IDENTITY_NOT_FOUND", HANDSHAKE_FAILURE)
INCONSISTENT_EXTMS = fault("INCONSISTENT_EXTMS", HANDSHAKE_FAILURE)
ENCRYPT_THEN_MAC_REQUIRED = Fault("BAD_EXTENSION", HANDSHAKE_FAILURE, "bad extension")
UNSAFE_LEGACY_RENEGOTIATION_DISABLED = fault("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", HANDSHAKE_FAILURE)
RENEGOTIATION_MISMATCH = fault("RENEGOTIATION_MISMATCH", HANDSHAKE_FAILURE)
RENEGOTIATION_ENCODING_ERR = fault("RENEGOTIATION_ENCODING_ERR", DECODE_ERROR)
NO_RENEGOTIATION = fault("NO_RENEGOTIATION", HANDSHAKE_FAILURE)
NO_APPLICATION_PROTOCOL = fault("NO_APPLICATION_PROTOCOL", registry.NO_APPLICATION_PROTOCOL)
BAD_ALPN = fault("BAD_EXTENSION", ILLEGAL_PARAMETER)
CALLBACK_FAILED = fault("CALLBACK_FAILED", HANDSHAKE_FAILURE)

# Encrypted Client Hello
ECH_DECODE_ERROR = fault("ECH_DECODE_ERROR", DECODE_ERROR)  # a list of configurations
BAD_ECH_EXTENSION = Fault("BAD_EXTENSION", ILLEGAL_PARAMETER, "bad extension")
BAD_ECH_INNER = Fault("BAD_EXTENSION", ILLEGAL_PARAMETER, "bad inner ClientHello")
MISSING_ECH = Fault("BAD_EXTENSION", MISSING_EXTENSION, "bad extension")  # in a second ClientHello
ECH_DOES_NOT_OPEN = Fault("ECH_DECODE_ERROR", DECRYPT_ERROR, "ech decode error")  # likewise
NO_ECH_CONFIG = Fault("ECH_DECODE_ERROR", None, "no usable ECH configuration")
ECH_WAS_REQUIRED = Fault("ECH_REQUIRED", ECH_REQUIRED, "ech required")

# Keys, signatures, certificates
BAD_SIGNATURE = fault("BAD_SIGNATURE", DECRYPT_ERROR)
WRONG_SIGNATURE_TYPE = fault("WRONG_SIGNATURE_TYPE", ILLEGAL_PARAMETER)
DIGEST_CHECK_FAILED = fault("DIGEST_CHECK_FAILED", DECRYPT_ERROR)
BAD_DIGEST_LENGTH = fault("BAD_DIGEST_LENGTH", DECODE_ERROR)
BAD_DH_VALUE = fault("BAD_DH_VALUE", ILLEGAL_PARAMETER)
DH_KEY_TOO_SMALL = fault("DH_KEY_TOO_SMALL", HANDSHAKE_FAILURE)
CANNOT_ENCRYPT = Fault("EVP_LIB", INTERNAL_ERROR, "EVP lib")
UNPARSABLE_CERTIFICATE = Fault("ASN1_LIB", BAD_CERTIFICATE, "ASN1 lib")
BAD_ECC_CERT = fault("BAD_ECC_CERT", HANDSHAKE_FAILURE)
MISSING_SIGNING_CERT = fault("MISSING_SIGNING_CERT", HANDSHAKE_FAILURE)
WRONG_CERTIFICATE_TYPE = fault("WRONG_CERTIFICATE_TYPE", ILLEGAL_PARAMETER)
BAD_COMPRESSION_ALGORITHM = fault("BAD_COMPRESSION_ALGORITHM", ILLEGAL_PARAMETER)  # of a certificate
BAD_DECOMPRESSION = fault("BAD_DECOMPRESSION", BAD_CERTIFICATE)
UNKNOWN_CERTIFICATE_TYPE = fault("UNKNOWN_CERTIFICATE_TYPE", ILLEGAL_PARAMETER)
EE_KEY_TOO_SMALL = fault("EE_KEY_TOO_SMALL", HANDSHAKE_FAILURE)
PEER_DID_NOT_RETURN_A_CERTIFICATE = fault("PEER_DID_NOT_RETURN_A_CERTIFICATE", HANDSHAKE_FAILURE)
PEER_DID_NOT_RETURN_A_CERTIFICATE_13 = fault("PEER_DID_NOT_RETURN_A_CERTIFICATE", CERTIFICATE_REQUIRED)
CERTIFICATE_VERIFY_FAILED = Fault("CERTIFICATE_VERIFY_FAILED", BAD_CERTIFICATE, "certificate verify failed")
INVALID_CONTEXT = fault("INVALID_CONTEXT", DECODE_ERROR)
EXTENSION_NOT_RECEIVED = fault("EXTENSION_NOT_RECEIVED", None)
INVALID_TICKET_LIFETIME = Fault("BAD_LENGTH", ILLEGAL_PARAMETER, "bad length")

# After the handshake
TOO_MANY_KEY_UPDATES = fault("TOO_MANY_KEY_UPDATES", UNEXPECTED_MESSAGE)
BAD_KEY_UPDATE = fault("BAD_KEY_UPDATE", ILLEGAL_PARAMETER)
APPLICATION_DATA_AFTER_CLOSE_NOTIFY = fault("APPLICATION_DATA_AFTER_CLOSE_NOTIFY", None)
PROTOCOL_IS_SHUTDOWN = fault("PROTOCOL_IS_SHUTDOWN", None)
SHUTDOWN_WHILE_IN_INIT = fault("SHUTDOWN_WHILE_IN_INIT", None)
BAD_WRITE_RETRY = fault("BAD_WRITE_RETRY", None)
INVALID_SERVERNAME = fault("SSL3_EXT_INVALID_SERVERNAME", None)
NOT_SERVER = fault("NOT_SERVER", None)
PHA_WRONG_VERSION = fault("WRONG_SSL_VERSION", None)
REQUEST_PENDING = fault("REQUEST_PENDING", None)
INVALID_CONFIG = fault("INVALID_CONFIG", None)
STILL_IN_INIT = fault("STILL_IN_INIT", None)
INTERNAL = fault("INTERNAL_ERROR", INTERNAL_ERROR)
TOO_LONG_TO_SAY = INTERNAL  # as OpenSSL has it for what a message has no room for


# A fatal alert from the peer (OpenSSL 3.0's spelling, which is what programs compare with).
_SSLV3 = frozenset({10, 20, 30, 40, 41, 42, 43, 44, 45, 46, 47})
_BARE = frozenset({110, 111, 112, 113, 114})
_TLSV13 = frozenset({109, 116, 117})


def received(alert: int) -> Fault:
    """The fault that a fatal alert from the peer is reported as; nothing is sent back."""
    name = registry.ALERTS.get(alert)
    if name is None or alert == registry.CLOSE_NOTIFY:  # which is no failure, but here it came as one
        return Fault("", None, "unknown error")
    name = "user_cancelled" if alert == registry.USER_CANCELED else name
    if alert in _SSLV3:
        prefix = "sslv3_alert_"
    elif alert in _BARE:
        prefix = "tlsv1_"
    else:
        prefix = "tlsv13_alert_" if alert in _TLSV13 else "tlsv1_alert_"
    return fault((prefix + name).upper(), None)
