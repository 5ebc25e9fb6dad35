"""The verdicts of verification: OpenSSL's X509_V_ERR numbers, their texts, and the alert that libssl sends for each."""

from __future__ import annotations

from puretls._base import registry
from puretls._base.faults import VerifyAbort

UNSPECIFIED = 1
UNABLE_TO_GET_ISSUER = 2
UNABLE_TO_GET_CRL = 3
UNABLE_TO_DECODE_ISSUER_KEY = 6
SIGNATURE_FAILURE = 7
CRL_SIGNATURE_FAILURE = 8
NOT_YET_VALID = 9
EXPIRED = 10
CRL_NOT_YET_VALID = 11
CRL_EXPIRED = 12
BAD_NOT_BEFORE = 13
BAD_NOT_AFTER = 14
SELF_SIGNED_LEAF = 18
SELF_SIGNED_IN_CHAIN = 19
UNABLE_TO_GET_ISSUER_LOCALLY = 20
UNABLE_TO_VERIFY_FIRST = 21
CHAIN_TOO_LONG = 22
REVOKED = 23
PATH_LENGTH_EXCEEDED = 25
INVALID_PURPOSE = 26
REJECTED = 28
NO_CERT_SIGN = 32
UNHANDLED_CRITICAL_EXTENSION = 34
NO_CRL_SIGN = 35
UNHANDLED_CRITICAL_CRL_EXTENSION = 36
INVALID_NON_CA = 37
PROXY_PATH_LENGTH_EXCEEDED = 38
NO_DIGITAL_SIGNATURE = 39
PROXY_NOT_ALLOWED = 40
INVALID_EXTENSION = 41
DIFFERENT_CRL_SCOPE = 44
UNNESTED_RESOURCE = 46
PERMITTED_VIOLATION = 47
EXCLUDED_VIOLATION = 48
SUBTREE_MINMAX = 49
APPLICATION = 50
UNSUPPORTED_CONSTRAINT_TYPE = 51
UNSUPPORTED_CONSTRAINT_SYNTAX = 52
UNSUPPORTED_NAME_SYNTAX = 53
HOSTNAME_MISMATCH = 62
IP_MISMATCH = 64
LEAF_KEY_TOO_SMALL = 66
CA_KEY_TOO_SMALL = 67
CA_DIGEST_TOO_WEAK = 68
PROXY_SUBJECT_VIOLATION = 72
OCSP_NEEDED = 73
OCSP_FAILED = 74
OCSP_UNKNOWN = 75
UNSUPPORTED_SIGNATURE_ALGORITHM = 76
SIGNATURE_ALGORITHM_INCONSISTENT = 78
INVALID_CA = 79
PATHLEN_INVALID_FOR_NON_CA = 80
PATHLEN_WITHOUT_CERT_SIGN = 81
CERT_SIGN_INVALID_FOR_NON_CA = 82
ISSUER_NAME_EMPTY = 83
SUBJECT_NAME_EMPTY = 84
MISSING_AUTHORITY_KEY = 85
MISSING_SUBJECT_KEY = 86
EMPTY_ALT_NAME = 87
ALT_NAME_NOT_CRITICAL = 88
CA_CONSTRAINTS_NOT_CRITICAL = 89
CA_WITHOUT_KEY_USAGE = 92
EXTENSIONS_NEED_VERSION_3 = 93
EXPLICIT_CURVE = 94
RAW_KEY_UNTRUSTED = 95
EMPTY_AUTHORITY_KEY = 102
UNPAIRED_AUTHORITY_KEY = 103

_TEXTS = """
1 unspecified certificate verification error
2 unable to get issuer certificate
3 unable to get certificate CRL
4 unable to decrypt certificate's signature
5 unable to decrypt CRL's signature
6 unable to decode issuer public key
7 certificate signature failure
8 CRL signature failure
9 certificate is not yet valid
10 certificate has expired
11 CRL is not yet valid
12 CRL has expired
13 format error in certificate's notBefore field
14 format error in certificate's notAfter field
15 format error in CRL's lastUpdate field
16 format error in CRL's nextUpdate field
17 out of memory
18 self-signed certificate
19 self-signed certificate in certificate chain
20 unable to get local issuer certificate
21 unable to verify the first certificate
22 certificate chain too long
23 certificate revoked
24 issuer certificate doesn't have a public key
25 path length constraint exceeded
26 unsuitable certificate purpose
27 certificate not trusted
28 certificate rejected
29 subject issuer mismatch
30 authority and subject key identifier mismatch
31 authority and issuer serial number mismatch
32 key usage does not include certificate signing
33 unable to get CRL issuer certificate
34 unhandled critical extension
35 key usage does not include CRL signing
36 unhandled critical CRL extension
37 invalid non-CA certificate (has CA markings)
38 proxy path length constraint exceeded
39 key usage does not include digital signature
40 proxy certificates not allowed, please set the appropriate flag
41 invalid or inconsistent certificate extension
42 invalid or inconsistent certificate policy extension
43 no explicit policy
44 different CRL scope
45 unsupported extension feature
46 RFC 3779 resource not subset of parent's resources
47 permitted subtree violation
48 excluded subtree violation
49 name constraints minimum and maximum not supported
50 application verification failure
51 unsupported name constraint type
52 unsupported or invalid name constraint syntax
53 unsupported or invalid name syntax
54 CRL path validation error
62 hostname mismatch
63 email address mismatch
64 IP address mismatch
66 EE certificate key too weak
67 CA certificate key too weak
68 CA signature digest algorithm too weak
72 proxy subject name violation
73 OCSP verification needed
74 OCSP verification failed
75 OCSP unknown cert
76 Cannot find certificate signature algorithm
78 cert info signature and signature algorithm mismatch
79 invalid CA certificate
80 Path length invalid for non-CA cert
81 Path length given without key usage keyCertSign
82 Key usage keyCertSign invalid for non-CA cert
83 Issuer name empty
84 Subject name empty
85 Missing Authority Key Identifier
86 Missing Subject Key Identifier
87 Empty Subject Alternative Name extension
88 Subject empty and Subject Alt Name extension not critical
89 Basic Constraints of CA cert not marked critical
90 Authority Key Identifier marked critical
91 Subject Key Identifier marked critical
92 CA cert does not include key usage extension
93 Using cert extension requires at least X509v3
94 Certificate public key has explicit ECC parameters
95 Raw public key untrusted, no trusted keys configured
102 Empty Authority Key Identifier
103 Authority Key Identifier issuer and serial number must be paired
"""

_ALERTS = {
    registry.BAD_CERTIFICATE: (4, 5, 6, 9, 11, 13, 14, 15, 16, 27, 28, 29, 62, 63, 64, 66, 67, 68, 94, 95),
    registry.CERTIFICATE_EXPIRED: (10, 12),
    registry.CERTIFICATE_REVOKED: (23,),
    registry.DECRYPT_ERROR: (7, 8),
    registry.HANDSHAKE_FAILURE: (50,),
    registry.INTERNAL_ERROR: (1, 17),
    registry.BAD_CERTIFICATE_STATUS_RESPONSE: (73, 74, 75),
    registry.UNKNOWN_CA: (2, 3, 18, 19, 20, 21, 22, 25, 33, 79),
    registry.UNSUPPORTED_CERTIFICATE: (26,),
}
_ALERT = {code: alert for alert, codes in _ALERTS.items() for code in codes}

# code -> (message, alert)
VERDICTS: dict[int, tuple[str, int]] = {
    int(number): (text, _ALERT.get(int(number), registry.CERTIFICATE_UNKNOWN))
    for number, _, text in (line.partition(" ") for line in _TEXTS.strip().splitlines())
}


def refusal(code: int, depth: int, message: str | None = None) -> VerifyAbort:
    """The exception for a verdict; depth 0 is the leaf."""
    text, alert = VERDICTS[code]
    return VerifyAbort(code, message or text, depth, alert)
