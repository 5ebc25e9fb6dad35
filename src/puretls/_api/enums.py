"""The enumerations of `ssl`, and their members as module constants.

The classes are the interpreter's own where it has them, because a flag of one IntFlag is not `in` the value of another.
A member that an older interpreter lacks (OP_ENABLE_KTLS before 3.12) is then a nameless value of its class.  Elsewhere
they are built from the tables here.  The `_TLS*` ones name what `SSLContext._msg_callback` is told (RFC 8446 B).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

from puretls._api import native
from puretls._base import registry
from puretls._base.public import public

if TYPE_CHECKING:  # what they are to a type checker; at run time they are adopted below
    from ssl import (
        AlertDescription,
        Options,
        SSLErrorNumber,
        TLSVersion,
        VerifyFlags,
        VerifyMode,
        _SSLMethod,
    )

__all__ = [  # the classes; the constants are found by their prefixes
    "AlertDescription",
    "ECHStatus",
    "EarlyDataStatus",
    "Options",
    "SSLErrorNumber",
    "TLSVersion",
    "VerifyFlags",
    "VerifyMode",
    "_SSLMethod",
]

# The members of CPython 3.13 with OpenSSL 3.0, in order of value.
MEMBERS: dict[str, dict[str, int]] = {
    "_SSLMethod": {
        "PROTOCOL_TLS": 2,
        "PROTOCOL_TLSv1": 3,
        "PROTOCOL_TLSv1_1": 4,
        "PROTOCOL_TLSv1_2": 5,
        "PROTOCOL_TLS_CLIENT": 16,
        "PROTOCOL_TLS_SERVER": 17,
    },
    "Options": {
        "OP_NO_SSLv2": 0,
        "OP_SINGLE_DH_USE": 0,
        "OP_SINGLE_ECDH_USE": 0,
        "OP_LEGACY_SERVER_CONNECT": 4,
        "OP_ENABLE_KTLS": 8,
        "OP_IGNORE_UNEXPECTED_EOF": 128,
        "OP_NO_TICKET": 0x4000,
        "OP_NO_COMPRESSION": 0x20000,
        "OP_ENABLE_MIDDLEBOX_COMPAT": 0x100000,
        "OP_CIPHER_SERVER_PREFERENCE": 0x400000,
        "OP_NO_SSLv3": 0x2000000,
        "OP_NO_TLSv1": 0x4000000,
        "OP_NO_TLSv1_2": 0x8000000,
        "OP_NO_TLSv1_1": 0x10000000,
        "OP_NO_TLSv1_3": 0x20000000,
        "OP_NO_RENEGOTIATION": 0x40000000,
        "OP_ALL": 0x80000050,
    },
    "AlertDescription": {
        "ALERT_DESCRIPTION_CLOSE_NOTIFY": 0,
        "ALERT_DESCRIPTION_UNEXPECTED_MESSAGE": 10,
        "ALERT_DESCRIPTION_BAD_RECORD_MAC": 20,
        "ALERT_DESCRIPTION_RECORD_OVERFLOW": 22,
        "ALERT_DESCRIPTION_DECOMPRESSION_FAILURE": 30,
        "ALERT_DESCRIPTION_HANDSHAKE_FAILURE": 40,
        "ALERT_DESCRIPTION_BAD_CERTIFICATE": 42,
        "ALERT_DESCRIPTION_UNSUPPORTED_CERTIFICATE": 43,
        "ALERT_DESCRIPTION_CERTIFICATE_REVOKED": 44,
        "ALERT_DESCRIPTION_CERTIFICATE_EXPIRED": 45,
        "ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN": 46,
        "ALERT_DESCRIPTION_ILLEGAL_PARAMETER": 47,
        "ALERT_DESCRIPTION_UNKNOWN_CA": 48,
        "ALERT_DESCRIPTION_ACCESS_DENIED": 49,
        "ALERT_DESCRIPTION_DECODE_ERROR": 50,
        "ALERT_DESCRIPTION_DECRYPT_ERROR": 51,
        "ALERT_DESCRIPTION_PROTOCOL_VERSION": 70,
        "ALERT_DESCRIPTION_INSUFFICIENT_SECURITY": 71,
        "ALERT_DESCRIPTION_INTERNAL_ERROR": 80,
        "ALERT_DESCRIPTION_USER_CANCELLED": 90,
        "ALERT_DESCRIPTION_NO_RENEGOTIATION": 100,
        "ALERT_DESCRIPTION_UNSUPPORTED_EXTENSION": 110,
        "ALERT_DESCRIPTION_CERTIFICATE_UNOBTAINABLE": 111,
        "ALERT_DESCRIPTION_UNRECOGNIZED_NAME": 112,
        "ALERT_DESCRIPTION_BAD_CERTIFICATE_STATUS_RESPONSE": 113,
        "ALERT_DESCRIPTION_BAD_CERTIFICATE_HASH_VALUE": 114,
        "ALERT_DESCRIPTION_UNKNOWN_PSK_IDENTITY": 115,
        "ALERT_DESCRIPTION_GENERAL_ERROR": 117,  # RFC 9846, which no interpreter has yet
    },
    "SSLErrorNumber": {
        "SSL_ERROR_SSL": 1,
        "SSL_ERROR_WANT_READ": 2,
        "SSL_ERROR_WANT_WRITE": 3,
        "SSL_ERROR_WANT_X509_LOOKUP": 4,
        "SSL_ERROR_SYSCALL": 5,
        "SSL_ERROR_ZERO_RETURN": 6,
        "SSL_ERROR_WANT_CONNECT": 7,
        "SSL_ERROR_EOF": 8,
        "SSL_ERROR_INVALID_ERROR_CODE": 10,
    },
    "VerifyFlags": {
        "VERIFY_DEFAULT": 0,
        "VERIFY_CRL_CHECK_LEAF": 4,
        "VERIFY_CRL_CHECK_CHAIN": 12,
        "VERIFY_X509_STRICT": 32,
        "VERIFY_ALLOW_PROXY_CERTS": 64,
        "VERIFY_X509_TRUSTED_FIRST": 0x8000,
        "VERIFY_X509_PARTIAL_CHAIN": 0x80000,
    },
    "VerifyMode": {
        "CERT_NONE": 0,
        "CERT_OPTIONAL": 1,
        "CERT_REQUIRED": 2,
    },
    "TLSVersion": {
        "MINIMUM_SUPPORTED": -2,
        "SSLv3": 0x300,
        "TLSv1": 0x301,
        "TLSv1_1": 0x302,
        "TLSv1_2": 0x303,
        "TLSv1_3": 0x304,
        "MAXIMUM_SUPPORTED": -1,
    },
    "_TLSContentType": {
        "CHANGE_CIPHER_SPEC": 20,
        "ALERT": 21,
        "HANDSHAKE": 22,
        "APPLICATION_DATA": 23,
        "HEADER": 0x100,
        "INNER_CONTENT_TYPE": 0x101,
    },
    "_TLSAlertType": {name.upper(): alert for alert, name in registry.ALERTS.items() if alert <= 120},
    "_TLSMessageType": {
        "HELLO_REQUEST": 0,
        "CLIENT_HELLO": 1,
        "SERVER_HELLO": 2,
        "HELLO_VERIFY_REQUEST": 3,
        "NEWSESSION_TICKET": 4,
        "END_OF_EARLY_DATA": 5,
        "HELLO_RETRY_REQUEST": 6,
        "ENCRYPTED_EXTENSIONS": 8,
        "CERTIFICATE": 11,
        "SERVER_KEY_EXCHANGE": 12,
        "CERTIFICATE_REQUEST": 13,
        "SERVER_DONE": 14,
        "CERTIFICATE_VERIFY": 15,
        "CLIENT_KEY_EXCHANGE": 16,
        "FINISHED": 20,
        "CERTIFICATE_URL": 21,
        "CERTIFICATE_STATUS": 22,
        "SUPPLEMENTAL_DATA": 23,
        "KEY_UPDATE": 24,
        "NEXT_PROTO": 67,
        "MESSAGE_HASH": 254,
        "CHANGE_CIPHER_SPEC": 257,
    },
}


def _adopt(name: str, base: Any) -> Any:
    """The interpreter's enumeration of that name, or one of our own."""
    found = native.borrowed(name)
    return base(name, MEMBERS[name], module="ssl") if found is None else found


def _member(enum: Any, name: str) -> Any:
    """The member of that name; if an older interpreter lacks it, its value, as a flag if the class has flags."""
    found = enum.__members__.get(name)
    if found is not None:
        return found
    value = MEMBERS[enum.__name__][name]
    return enum(value) if issubclass(enum, IntFlag) else value


if not TYPE_CHECKING:
    _SSLMethod = _adopt("_SSLMethod", IntEnum)
    Options = _adopt("Options", IntFlag)
    AlertDescription = _adopt("AlertDescription", IntEnum)
    SSLErrorNumber = _adopt("SSLErrorNumber", IntEnum)
    VerifyFlags = _adopt("VerifyFlags", IntFlag)
    VerifyMode = _adopt("VerifyMode", IntEnum)
    TLSVersion = _adopt("TLSVersion", IntEnum)
    if native.ssl is None:
        _SSLMethod.PROTOCOL_SSLv23 = _SSLMethod.PROTOCOL_TLS
_TLSContentType: Any = _adopt("_TLSContentType", IntEnum)
_TLSAlertType: Any = _adopt("_TLSAlertType", IntEnum)
_TLSMessageType: Any = _adopt("_TLSMessageType", IntEnum)

PROTOCOL_TLS: _SSLMethod = _member(_SSLMethod, "PROTOCOL_TLS")
PROTOCOL_TLSv1: _SSLMethod = _member(_SSLMethod, "PROTOCOL_TLSv1")
PROTOCOL_TLSv1_1: _SSLMethod = _member(_SSLMethod, "PROTOCOL_TLSv1_1")
PROTOCOL_TLSv1_2: _SSLMethod = _member(_SSLMethod, "PROTOCOL_TLSv1_2")
PROTOCOL_TLS_CLIENT: _SSLMethod = _member(_SSLMethod, "PROTOCOL_TLS_CLIENT")
PROTOCOL_TLS_SERVER: _SSLMethod = _member(_SSLMethod, "PROTOCOL_TLS_SERVER")
PROTOCOL_SSLv23: _SSLMethod = PROTOCOL_TLS

OP_NO_SSLv2: Options = _member(Options, "OP_NO_SSLv2")
OP_SINGLE_DH_USE: Options = _member(Options, "OP_SINGLE_DH_USE")
OP_SINGLE_ECDH_USE: Options = _member(Options, "OP_SINGLE_ECDH_USE")
OP_LEGACY_SERVER_CONNECT: Options = _member(Options, "OP_LEGACY_SERVER_CONNECT")
OP_ENABLE_KTLS: Options = _member(Options, "OP_ENABLE_KTLS")
OP_IGNORE_UNEXPECTED_EOF: Options = _member(Options, "OP_IGNORE_UNEXPECTED_EOF")
OP_NO_TICKET: Options = _member(Options, "OP_NO_TICKET")
OP_NO_COMPRESSION: Options = _member(Options, "OP_NO_COMPRESSION")
OP_ENABLE_MIDDLEBOX_COMPAT: Options = _member(Options, "OP_ENABLE_MIDDLEBOX_COMPAT")
OP_CIPHER_SERVER_PREFERENCE: Options = _member(Options, "OP_CIPHER_SERVER_PREFERENCE")
OP_NO_SSLv3: Options = _member(Options, "OP_NO_SSLv3")
OP_NO_TLSv1: Options = _member(Options, "OP_NO_TLSv1")
OP_NO_TLSv1_2: Options = _member(Options, "OP_NO_TLSv1_2")
OP_NO_TLSv1_1: Options = _member(Options, "OP_NO_TLSv1_1")
OP_NO_TLSv1_3: Options = _member(Options, "OP_NO_TLSv1_3")
OP_NO_RENEGOTIATION: Options = _member(Options, "OP_NO_RENEGOTIATION")
OP_ALL: Options = _member(Options, "OP_ALL")

ALERT_DESCRIPTION_CLOSE_NOTIFY: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_CLOSE_NOTIFY")
ALERT_DESCRIPTION_UNEXPECTED_MESSAGE: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_UNEXPECTED_MESSAGE"
)
ALERT_DESCRIPTION_BAD_RECORD_MAC: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_BAD_RECORD_MAC")
ALERT_DESCRIPTION_RECORD_OVERFLOW: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_RECORD_OVERFLOW")
ALERT_DESCRIPTION_DECOMPRESSION_FAILURE: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_DECOMPRESSION_FAILURE"
)
ALERT_DESCRIPTION_HANDSHAKE_FAILURE: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_HANDSHAKE_FAILURE")
ALERT_DESCRIPTION_BAD_CERTIFICATE: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_BAD_CERTIFICATE")
ALERT_DESCRIPTION_UNSUPPORTED_CERTIFICATE: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_UNSUPPORTED_CERTIFICATE"
)
ALERT_DESCRIPTION_CERTIFICATE_REVOKED: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_CERTIFICATE_REVOKED"
)
ALERT_DESCRIPTION_CERTIFICATE_EXPIRED: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_CERTIFICATE_EXPIRED"
)
ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_CERTIFICATE_UNKNOWN"
)
ALERT_DESCRIPTION_ILLEGAL_PARAMETER: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_ILLEGAL_PARAMETER")
ALERT_DESCRIPTION_UNKNOWN_CA: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_UNKNOWN_CA")
ALERT_DESCRIPTION_ACCESS_DENIED: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_ACCESS_DENIED")
ALERT_DESCRIPTION_DECODE_ERROR: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_DECODE_ERROR")
ALERT_DESCRIPTION_DECRYPT_ERROR: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_DECRYPT_ERROR")
ALERT_DESCRIPTION_PROTOCOL_VERSION: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_PROTOCOL_VERSION")
ALERT_DESCRIPTION_INSUFFICIENT_SECURITY: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_INSUFFICIENT_SECURITY"
)
ALERT_DESCRIPTION_INTERNAL_ERROR: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_INTERNAL_ERROR")
ALERT_DESCRIPTION_USER_CANCELLED: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_USER_CANCELLED")
ALERT_DESCRIPTION_NO_RENEGOTIATION: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_NO_RENEGOTIATION")
ALERT_DESCRIPTION_UNSUPPORTED_EXTENSION: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_UNSUPPORTED_EXTENSION"
)
ALERT_DESCRIPTION_CERTIFICATE_UNOBTAINABLE: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_CERTIFICATE_UNOBTAINABLE"
)
ALERT_DESCRIPTION_UNRECOGNIZED_NAME: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_UNRECOGNIZED_NAME")
ALERT_DESCRIPTION_BAD_CERTIFICATE_STATUS_RESPONSE: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_BAD_CERTIFICATE_STATUS_RESPONSE"
)
ALERT_DESCRIPTION_BAD_CERTIFICATE_HASH_VALUE: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_BAD_CERTIFICATE_HASH_VALUE"
)
ALERT_DESCRIPTION_UNKNOWN_PSK_IDENTITY: AlertDescription = _member(
    AlertDescription, "ALERT_DESCRIPTION_UNKNOWN_PSK_IDENTITY"
)
ALERT_DESCRIPTION_GENERAL_ERROR: AlertDescription = _member(AlertDescription, "ALERT_DESCRIPTION_GENERAL_ERROR")

SSL_ERROR_SSL: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_SSL")
SSL_ERROR_WANT_READ: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_WANT_READ")
SSL_ERROR_WANT_WRITE: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_WANT_WRITE")
SSL_ERROR_WANT_X509_LOOKUP: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_WANT_X509_LOOKUP")
SSL_ERROR_SYSCALL: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_SYSCALL")
SSL_ERROR_ZERO_RETURN: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_ZERO_RETURN")
SSL_ERROR_WANT_CONNECT: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_WANT_CONNECT")
SSL_ERROR_EOF: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_EOF")
SSL_ERROR_INVALID_ERROR_CODE: SSLErrorNumber = _member(SSLErrorNumber, "SSL_ERROR_INVALID_ERROR_CODE")

VERIFY_DEFAULT: VerifyFlags = _member(VerifyFlags, "VERIFY_DEFAULT")
VERIFY_CRL_CHECK_LEAF: VerifyFlags = _member(VerifyFlags, "VERIFY_CRL_CHECK_LEAF")
VERIFY_CRL_CHECK_CHAIN: VerifyFlags = _member(VerifyFlags, "VERIFY_CRL_CHECK_CHAIN")
VERIFY_X509_STRICT: VerifyFlags = _member(VerifyFlags, "VERIFY_X509_STRICT")
VERIFY_ALLOW_PROXY_CERTS: VerifyFlags = _member(VerifyFlags, "VERIFY_ALLOW_PROXY_CERTS")
VERIFY_X509_TRUSTED_FIRST: VerifyFlags = _member(VerifyFlags, "VERIFY_X509_TRUSTED_FIRST")
VERIFY_X509_PARTIAL_CHAIN: VerifyFlags = _member(VerifyFlags, "VERIFY_X509_PARTIAL_CHAIN")

CERT_NONE: VerifyMode = _member(VerifyMode, "CERT_NONE")
CERT_OPTIONAL: VerifyMode = _member(VerifyMode, "CERT_OPTIONAL")
CERT_REQUIRED: VerifyMode = _member(VerifyMode, "CERT_REQUIRED")


@public
class ECHStatus(IntEnum):
    """The state of Encrypted Client Hello, as get_ech_status() returns it."""

    ECH_STATUS_BACKEND = 4
    ECH_STATUS_GREASE_ECH = 3
    ECH_STATUS_GREASE = 2
    ECH_STATUS_SUCCESS = 1
    ECH_STATUS_FAILED = 0
    ECH_STATUS_BAD_CALL = -100
    ECH_STATUS_NOT_TRIED = -101
    ECH_STATUS_BAD_NAME = -102
    ECH_STATUS_NOT_CONFIGURED = -103
    ECH_STATUS_FAILED_ECH = -105
    ECH_STATUS_FAILED_ECH_BAD_NAME = -106


@public
class EarlyDataStatus(IntEnum):
    """What has become of early data, as early_data_status() says it: OpenSSL's numbers."""

    EARLY_DATA_NOT_SENT = 0
    EARLY_DATA_REJECTED = 1
    EARLY_DATA_ACCEPTED = 2


EARLY_DATA_NOT_SENT = EarlyDataStatus.EARLY_DATA_NOT_SENT
EARLY_DATA_REJECTED = EarlyDataStatus.EARLY_DATA_REJECTED
EARLY_DATA_ACCEPTED = EarlyDataStatus.EARLY_DATA_ACCEPTED
ECH_STATUS_BACKEND = ECHStatus.ECH_STATUS_BACKEND
ECH_STATUS_GREASE_ECH = ECHStatus.ECH_STATUS_GREASE_ECH
ECH_STATUS_GREASE = ECHStatus.ECH_STATUS_GREASE
ECH_STATUS_SUCCESS = ECHStatus.ECH_STATUS_SUCCESS
ECH_STATUS_FAILED = ECHStatus.ECH_STATUS_FAILED
ECH_STATUS_BAD_CALL = ECHStatus.ECH_STATUS_BAD_CALL
ECH_STATUS_NOT_TRIED = ECHStatus.ECH_STATUS_NOT_TRIED
ECH_STATUS_BAD_NAME = ECHStatus.ECH_STATUS_BAD_NAME
ECH_STATUS_NOT_CONFIGURED = ECHStatus.ECH_STATUS_NOT_CONFIGURED
ECH_STATUS_FAILED_ECH = ECHStatus.ECH_STATUS_FAILED_ECH
ECH_STATUS_FAILED_ECH_BAD_NAME = ECHStatus.ECH_STATUS_FAILED_ECH_BAD_NAME
# Not members of Options, which is the interpreter's where it has one
OP_ECH_GREASE, OP_ECH_TRIALDECRYPT, OP_ECH_IGNORE_CID, OP_ECH_GREASE_RETRY_CONFIG = 1 << 37, 1 << 38, 1 << 39, 1 << 40

PROTOCOL_NAMES = {value: name for name, value in _SSLMethod.__members__.items() if name != "PROTOCOL_SSLv23"}
