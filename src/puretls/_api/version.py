"""The version of the module: the OpenSSL whose behaviour it has, and the features that it has."""

from __future__ import annotations

__version__ = "0.2.0"

# Programs look for "OpenSSL " and compare numbers to know which behaviour to expect; ours is that of 3.0.
OPENSSL_VERSION_INFO = (3, 0, 0, 0, 0)
OPENSSL_VERSION_NUMBER = 0x30000000
OPENSSL_VERSION = f"OpenSSL 3.0.0 (puretls {__version__})"
_OPENSSL_API_VERSION = OPENSSL_VERSION_INFO

HAS_SNI = True
HAS_ECDH = True
HAS_NPN = False
HAS_ALPN = True
HAS_SSLv2 = False
HAS_SSLv3 = False
HAS_TLSv1 = True
HAS_TLSv1_1 = True
HAS_TLSv1_2 = True
HAS_TLSv1_3 = True
HAS_TLS_UNIQUE = True
HAS_PSK = True
HAS_PHA = True
HAS_OCSP = True
HAS_CRLITE = True
HAS_RELOAD = True
HAS_SHARED_SESSIONS = True
HAS_VERIFY_CALLBACK = True
HAS_TRUST_ANCHOR_CONSTRAINTS = True
HAS_CLIENT_HELLO = True
HAS_CERT_CHAINS = True
HAS_ALPN_SELECT = True
HAS_RECORD_SIZES = True
HAS_KEYS_ELSEWHERE = True
HAS_CLIENT_SESSION_CACHE = True
HAS_TICKET_REQUEST = True
HAS_CERT_COMPRESSION = True
HAS_VERIFY_PROFILE = True
HAS_ECH = True
HAS_EARLY_DATA = True
HAS_AIA = True
HAS_RAW_PUBLIC_KEYS = True
HAS_SCT = True
HAS_PSK_TLS13 = True
HAS_NEVER_CHECK_COMMON_NAME = True
