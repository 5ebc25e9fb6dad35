"""The names that programs take from `_ssl`: our classes, the constants as plain ints, and everything else that the
interpreter's module has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from puretls._api import enums, native
from puretls._api.errors import (
    SSLCertVerificationError,
    SSLEOFError,
    SSLError,
    SSLSyscallError,
    SSLWantReadError,
    SSLWantWriteError,
    SSLZeroReturnError,
)
from puretls._api.names import nid2obj, txt2obj
from puretls._api.version import (
    _OPENSSL_API_VERSION,
    HAS_ALPN,
    HAS_ECDH,
    HAS_NPN,
    HAS_PSK,
    HAS_SNI,
    HAS_TLS_UNIQUE,
    OPENSSL_VERSION,
    OPENSSL_VERSION_INFO,
    OPENSSL_VERSION_NUMBER,
    HAS_SSLv2,
    HAS_SSLv3,
    HAS_TLSv1,
    HAS_TLSv1_1,
    HAS_TLSv1_2,
    HAS_TLSv1_3,
)
from puretls._base.public import on_demand

if TYPE_CHECKING:
    from puretls._api.base_context import _PureContext as _SSLContext
    from puretls._api.bio import MemoryBIO
    from puretls._api.cipher_string import DEFAULT as _DEFAULT_CIPHERS
    from puretls._api.helpers import RAND_add, RAND_bytes, RAND_status
    from puretls._api.objects import ENCODING_DER, ENCODING_PEM, Certificate, SSLSession
    from puretls._api.objects import decode_certificate as _test_decode_cert
    from puretls._api.sslconnection import _SSLSocket
    from puretls._api.trust import openssl_paths as get_default_verify_paths

__all__ = [
    "ENCODING_DER",
    "ENCODING_PEM",
    "HAS_ALPN",
    "HAS_ECDH",
    "HAS_NPN",
    "HAS_PSK",
    "HAS_SNI",
    "HAS_TLS_UNIQUE",
    "OPENSSL_VERSION",
    "OPENSSL_VERSION_INFO",
    "OPENSSL_VERSION_NUMBER",
    "_DEFAULT_CIPHERS",
    "_OPENSSL_API_VERSION",
    "Certificate",
    "HAS_SSLv2",
    "HAS_SSLv3",
    "HAS_TLSv1",
    "HAS_TLSv1_1",
    "HAS_TLSv1_2",
    "HAS_TLSv1_3",
    "MemoryBIO",
    "RAND_add",
    "RAND_bytes",
    "RAND_status",
    "SSLCertVerificationError",
    "SSLEOFError",
    "SSLError",
    "SSLSession",
    "SSLSyscallError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLZeroReturnError",
    "_SSLContext",
    "_SSLSocket",
    "_test_decode_cert",
    "get_default_verify_paths",
    "nid2obj",
    "txt2obj",
]

_LATER = {
    "ENCODING_DER": "_api.objects:ENCODING_DER",
    "ENCODING_PEM": "_api.objects:ENCODING_PEM",
    "_DEFAULT_CIPHERS": "_api.cipher_string:DEFAULT",
    "Certificate": "_api.objects:Certificate",
    "MemoryBIO": "_api.bio:MemoryBIO",
    "RAND_add": "_api.helpers:RAND_add",
    "RAND_bytes": "_api.helpers:RAND_bytes",
    "RAND_status": "_api.helpers:RAND_status",
    "SSLSession": "_api.objects:SSLSession",
    "_SSLContext": "_api.base_context:_PureContext",
    "_SSLSocket": "_api.sslconnection:_SSLSocket",
    "_test_decode_cert": "_api.objects:decode_certificate",
    "get_default_verify_paths": "_api.trust:openssl_paths",
}

HOSTFLAG_ALWAYS_CHECK_SUBJECT = 0x1
HOSTFLAG_NO_WILDCARDS = 0x2
HOSTFLAG_NO_PARTIAL_WILDCARDS = 0x4
HOSTFLAG_MULTI_LABEL_WILDCARDS = 0x8
HOSTFLAG_SINGLE_LABEL_SUBDOMAINS = 0x10
HOSTFLAG_NEVER_CHECK_SUBJECT = 0x20

for _enum in (
    enums._SSLMethod,
    enums.Options,
    enums.AlertDescription,
    enums.SSLErrorNumber,
    enums.VerifyFlags,
    enums.VerifyMode,
):
    globals().update((name, int(member)) for name, member in _enum.__members__.items())
globals().update((f"PROTO_{name}", int(member)) for name, member in enums.TLSVersion.__members__.items())
del _enum


__getattr__: Any = on_demand(__name__, _LATER, otherwise=native._ssl)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *dir(native._ssl)})
