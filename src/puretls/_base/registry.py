"""Numbers that IANA has assigned for TLS, as plain ints, with names for logs, events and the command line.

The engine works with these ints; the enums of the ssl module belong to the API.  Cipher suites, groups and signature
schemes have tables of their own in `_crypto`, because there a number comes with an algorithm; `iana` has the names of
all that are assigned.
"""

from __future__ import annotations

# ProtocolVersion (RFC 8446 4.2.1)
SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSIONS = {SSL3: "SSLv3", TLS10: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3"}

# ContentType (RFC 8446 5.1)
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CONTENT_TYPES = {20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data", 24: "heartbeat"}

# AlertLevel, AlertDescription (RFC 8446 6)
WARNING, FATAL = 1, 2
ALERT_LEVELS = {WARNING: "warning", FATAL: "fatal"}
CLOSE_NOTIFY = 0
UNEXPECTED_MESSAGE = 10
BAD_RECORD_MAC = 20
DECRYPTION_FAILED = 21
RECORD_OVERFLOW = 22
DECOMPRESSION_FAILURE = 30
HANDSHAKE_FAILURE = 40
NO_CERTIFICATE = 41
BAD_CERTIFICATE = 42
UNSUPPORTED_CERTIFICATE = 43
CERTIFICATE_REVOKED = 44
CERTIFICATE_EXPIRED = 45
CERTIFICATE_UNKNOWN = 46
ILLEGAL_PARAMETER = 47
UNKNOWN_CA = 48
ACCESS_DENIED = 49
DECODE_ERROR = 50
DECRYPT_ERROR = 51
EXPORT_RESTRICTION = 60
PROTOCOL_VERSION = 70
INSUFFICIENT_SECURITY = 71
INTERNAL_ERROR = 80
INAPPROPRIATE_FALLBACK = 86
USER_CANCELED = 90
NO_RENEGOTIATION = 100
MISSING_EXTENSION = 109
UNSUPPORTED_EXTENSION = 110
CERTIFICATE_UNOBTAINABLE = 111
UNRECOGNIZED_NAME = 112
BAD_CERTIFICATE_STATUS_RESPONSE = 113
BAD_CERTIFICATE_HASH_VALUE = 114
UNKNOWN_PSK_IDENTITY = 115
CERTIFICATE_REQUIRED = 116
GENERAL_ERROR = 117  # RFC 9846 6.2
NO_APPLICATION_PROTOCOL = 120
ECH_REQUIRED = 121
ALERTS = {
    CLOSE_NOTIFY: "close_notify",
    UNEXPECTED_MESSAGE: "unexpected_message",
    BAD_RECORD_MAC: "bad_record_mac",
    DECRYPTION_FAILED: "decryption_failed",
    RECORD_OVERFLOW: "record_overflow",
    DECOMPRESSION_FAILURE: "decompression_failure",
    HANDSHAKE_FAILURE: "handshake_failure",
    NO_CERTIFICATE: "no_certificate",
    BAD_CERTIFICATE: "bad_certificate",
    UNSUPPORTED_CERTIFICATE: "unsupported_certificate",
    CERTIFICATE_REVOKED: "certificate_revoked",
    CERTIFICATE_EXPIRED: "certificate_expired",
    CERTIFICATE_UNKNOWN: "certificate_unknown",
    ILLEGAL_PARAMETER: "illegal_parameter",
    UNKNOWN_CA: "unknown_ca",
    ACCESS_DENIED: "access_denied",
    DECODE_ERROR: "decode_error",
    DECRYPT_ERROR: "decrypt_error",
    EXPORT_RESTRICTION: "export_restriction",
    PROTOCOL_VERSION: "protocol_version",
    INSUFFICIENT_SECURITY: "insufficient_security",
    INTERNAL_ERROR: "internal_error",
    INAPPROPRIATE_FALLBACK: "inappropriate_fallback",
    USER_CANCELED: "user_canceled",
    NO_RENEGOTIATION: "no_renegotiation",
    MISSING_EXTENSION: "missing_extension",
    UNSUPPORTED_EXTENSION: "unsupported_extension",
    CERTIFICATE_UNOBTAINABLE: "certificate_unobtainable",
    UNRECOGNIZED_NAME: "unrecognized_name",
    BAD_CERTIFICATE_STATUS_RESPONSE: "bad_certificate_status_response",
    BAD_CERTIFICATE_HASH_VALUE: "bad_certificate_hash_value",
    UNKNOWN_PSK_IDENTITY: "unknown_psk_identity",
    CERTIFICATE_REQUIRED: "certificate_required",
    GENERAL_ERROR: "general_error",
    NO_APPLICATION_PROTOCOL: "no_application_protocol",
    ECH_REQUIRED: "ech_required",
}

# HandshakeType (RFC 8446 4, RFC 5246 7.4, RFC 6066 8)
HELLO_REQUEST = 0
CLIENT_HELLO = 1
SERVER_HELLO = 2
NEW_SESSION_TICKET = 4
END_OF_EARLY_DATA = 5
ENCRYPTED_EXTENSIONS = 8
CERTIFICATE = 11
SERVER_KEY_EXCHANGE = 12
CERTIFICATE_REQUEST = 13
SERVER_HELLO_DONE = 14
CERTIFICATE_VERIFY = 15
CLIENT_KEY_EXCHANGE = 16
FINISHED = 20
CERTIFICATE_STATUS = 22
KEY_UPDATE = 24
COMPRESSED_CERTIFICATE = 25  # RFC 8879
MESSAGE_HASH = 254
HANDSHAKE_TYPES = {
    HELLO_REQUEST: "HelloRequest",
    CLIENT_HELLO: "ClientHello",
    SERVER_HELLO: "ServerHello",
    NEW_SESSION_TICKET: "NewSessionTicket",
    END_OF_EARLY_DATA: "EndOfEarlyData",
    ENCRYPTED_EXTENSIONS: "EncryptedExtensions",
    CERTIFICATE: "Certificate",
    SERVER_KEY_EXCHANGE: "ServerKeyExchange",
    CERTIFICATE_REQUEST: "CertificateRequest",
    SERVER_HELLO_DONE: "ServerHelloDone",
    CERTIFICATE_VERIFY: "CertificateVerify",
    CLIENT_KEY_EXCHANGE: "ClientKeyExchange",
    FINISHED: "Finished",
    CERTIFICATE_STATUS: "CertificateStatus",
    KEY_UPDATE: "KeyUpdate",
    COMPRESSED_CERTIFICATE: "CompressedCertificate",
    MESSAGE_HASH: "message_hash",
}

# ExtensionType (RFC 8446 4.2 and the documents named beside)
SERVER_NAME = 0  # RFC 6066 3
MAX_FRAGMENT_LENGTH = 1  # RFC 6066 4
STATUS_REQUEST = 5  # RFC 6066 8
SUPPORTED_GROUPS = 10  # RFC 8422, RFC 7919
EC_POINT_FORMATS = 11  # RFC 8422 5.1.2
SIGNATURE_ALGORITHMS = 13  # RFC 8446 4.2.3
ALPN = 16  # RFC 7301
SIGNED_CERTIFICATE_TIMESTAMP = 18  # RFC 6962
PADDING = 21  # RFC 7685
ENCRYPT_THEN_MAC = 22  # RFC 7366
EXTENDED_MASTER_SECRET = 23  # RFC 7627
RECORD_SIZE_LIMIT = 28  # RFC 8449
SESSION_TICKET = 35  # RFC 5077
PRE_SHARED_KEY = 41
EARLY_DATA = 42
SUPPORTED_VERSIONS = 43
COOKIE = 44
PSK_KEY_EXCHANGE_MODES = 45
CERTIFICATE_AUTHORITIES = 47
OID_FILTERS = 48
POST_HANDSHAKE_AUTH = 49
SIGNATURE_ALGORITHMS_CERT = 50
KEY_SHARE = 51
CLIENT_CERTIFICATE_TYPE, SERVER_CERTIFICATE_TYPE = 19, 20  # RFC 7250
COMPRESS_CERTIFICATE = 27  # RFC 8879
DELEGATED_CREDENTIAL = 34  # RFC 9345
TICKET_REQUEST = 58  # RFC 9149
APPLICATION_SETTINGS_OLD, APPLICATION_SETTINGS = 0x4469, 0x44CD  # draft-vvv-tls-alps, what Chrome sends
ECH_OUTER_EXTENSIONS = 0xFD00  # RFC 9849
ENCRYPTED_CLIENT_HELLO = 0xFE0D  # RFC 9849
RENEGOTIATION_INFO = 0xFF01  # RFC 5746
EXTENSIONS = {
    SERVER_NAME: "server_name",
    MAX_FRAGMENT_LENGTH: "max_fragment_length",
    STATUS_REQUEST: "status_request",
    SUPPORTED_GROUPS: "supported_groups",
    EC_POINT_FORMATS: "ec_point_formats",
    SIGNATURE_ALGORITHMS: "signature_algorithms",
    ALPN: "application_layer_protocol_negotiation",
    SIGNED_CERTIFICATE_TIMESTAMP: "signed_certificate_timestamp",
    PADDING: "padding",
    ENCRYPT_THEN_MAC: "encrypt_then_mac",
    EXTENDED_MASTER_SECRET: "extended_master_secret",
    RECORD_SIZE_LIMIT: "record_size_limit",
    SESSION_TICKET: "session_ticket",
    PRE_SHARED_KEY: "pre_shared_key",
    EARLY_DATA: "early_data",
    SUPPORTED_VERSIONS: "supported_versions",
    COOKIE: "cookie",
    PSK_KEY_EXCHANGE_MODES: "psk_key_exchange_modes",
    CERTIFICATE_AUTHORITIES: "certificate_authorities",
    OID_FILTERS: "oid_filters",
    POST_HANDSHAKE_AUTH: "post_handshake_auth",
    SIGNATURE_ALGORITHMS_CERT: "signature_algorithms_cert",
    KEY_SHARE: "key_share",
    ENCRYPTED_CLIENT_HELLO: "encrypted_client_hello",
    RENEGOTIATION_INFO: "renegotiation_info",
    CLIENT_CERTIFICATE_TYPE: "client_certificate_type",
    SERVER_CERTIFICATE_TYPE: "server_certificate_type",
    COMPRESS_CERTIFICATE: "compress_certificate",
    DELEGATED_CREDENTIAL: "delegated_credential",
    TICKET_REQUEST: "ticket_request",
    APPLICATION_SETTINGS_OLD: "application_settings (old)",
    APPLICATION_SETTINGS: "application_settings",
    2: "client_certificate_url",
    3: "trusted_ca_keys",
    4: "truncated_hmac",
    6: "user_mapping",
    7: "client_authz",
    8: "server_authz",
    9: "cert_type",
    12: "srp",
    14: "use_srtp",
    15: "heartbeat",
    17: "status_request_v2",
    24: "token_binding",
    25: "cached_info",
    26: "tls_lts",
    29: "pwd_protect",
    30: "pwd_clear",
    31: "password_salt",
    32: "ticket_pinning",
    33: "tls_cert_with_extern_psk",
    52: "transparency_info",
    53: "connection_id (deprecated)",
    54: "connection_id",
    55: "external_id_hash",
    56: "external_session_id",
    57: "quic_transport_parameters",
    59: "dnssec_chain",
    60: "sequence_number_encryption_algorithms",
    61: "rrc",
    62: "tls_flags",
    0x3374: "next_protocol_negotiation",
    0xCA34: "trust_anchors",
    ECH_OUTER_EXTENSIONS: "ech_outer_extensions",
}

# Signalling cipher suite values
EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF  # RFC 5746 3.3
FALLBACK_SCSV = 0x5600  # RFC 7507
SCSVS = frozenset({EMPTY_RENEGOTIATION_INFO_SCSV, FALLBACK_SCSV})  # suites that are none

# GREASE (RFC 8701 2): values that an implementation must ignore
GREASE = tuple(0x0A0A + 0x1010 * n for n in range(16))

# PskKeyExchangeMode (RFC 8446 4.2.9)
PSK_KE, PSK_DHE_KE = 0, 1

# KeyUpdateRequest (RFC 8446 4.6.3)
UPDATE_NOT_REQUESTED, UPDATE_REQUESTED = 0, 1

# CertificateStatusType (RFC 6066 8), CertificateCompressionAlgorithm (RFC 8879 7.3), ECPointFormat (RFC 8422 5.1.2)
STATUS_TYPES = {1: "ocsp", 2: "ocsp_multi"}
COMPRESSIONS = {1: "zlib", 2: "brotli", 3: "zstd"}
RAW_OR_X509 = {0: "X509", 2: "RawPublicKey"}  # CertificateType (RFC 7250 3)
POINT_FORMATS = {0: "uncompressed", 1: "ansiX962_compressed_prime", 2: "ansiX962_compressed_char2"}
CERTIFICATE_TYPES = {1: "rsa_sign", 2: "dss_sign", 3: "rsa_fixed_dh", 4: "dss_fixed_dh", 64: "ecdsa_sign"}
FRAGMENT_LENGTHS = {1: "2^9", 2: "2^10", 3: "2^11", 4: "2^12"}  # RFC 6066 4
PSK_MODES = {PSK_KE: "psk_ke", PSK_DHE_KE: "psk_dhe_ke"}
KEY_UPDATES = {UPDATE_NOT_REQUESTED: "update_not_requested", UPDATE_REQUESTED: "update_requested"}
