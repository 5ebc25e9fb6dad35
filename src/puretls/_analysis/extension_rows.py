"""Every extension we know, as fields: a row each, with what it is for and how its body looks in each message."""

from __future__ import annotations

from collections.abc import Mapping

from puretls._analysis import names
from puretls._analysis.certificate import distinguished_name
from puretls._analysis.fields import (
    Layout,
    Scan,
    blob,
    maybe,
    number,
    opaque,
    rest,
    several,
    struct,
    text,
    vector,
)
from puretls._base import registry
from puretls._base.tuples import NamedTuple
from puretls._wire.places import CH, CR, CT, EE, HRR, NST, SH, SH12

ANYWHERE = CH | SH | HRR | EE | CT | CR | NST | SH12
REPLY = ANYWHERE & ~CH & ~CR  # a CertificateRequest asks, too


class Row(NamedTuple):
    """What an extension is for, where that is written, and its body by the messages it is in."""

    note: str
    rfc: str
    bodies: Mapping[int, tuple[Layout, ...]]
    reply: str = ""  # what it means in an answer, where that is another thing


def nothing(scan: Scan) -> None:
    """A body without bytes: that the extension is there says it all."""
    scan.field.value = "present"


def status_body(*ocsp: Layout) -> tuple[Layout, ...]:
    """What depends on a status_type that comes first."""

    def read(scan: Scan) -> None:
        leaf, kind = scan.number("status_type", 1, "1 is OCSP, the only type in use.", "RFC 6066 8")
        leaf.value = names.named(registry.STATUS_TYPES)(kind)
        for layout in ocsp if kind == 1 else (maybe(rest("request")),):
            layout(scan)

    return (read,)


def signatures_body(name: str) -> tuple[Layout, ...]:
    return (vector(name, 2, several(number("SignatureScheme", 2, names.scheme))),)


def key_share(name: str, note: str) -> Layout:
    return struct(
        name,
        number("group", 2, names.group, "Which group the share below is for.", "RFC 8446 4.2.7"),
        blob("key_exchange", 2, note, "RFC 8446 4.2.8", inner="share"),
    )


def ech(scan: Scan) -> None:
    """ECHClientHello: outer has the sealed inner hello, inner is a mark without content."""
    leaf, kind = scan.number("type", 1, "outer (0) carries a sealed ClientHello, inner (1) is that hello's mark.", ECH)
    leaf.value = {0: "outer", 1: "inner"}.get(kind, f"unknown ({kind})")
    for layout in ECH_OUTER if kind == 0 else (maybe(rest("bytes")),):
        layout(scan)


ECH = "RFC 9849 5"
KDFS = {1: "HKDF-SHA256", 2: "HKDF-SHA384", 3: "HKDF-SHA512"}
AEADS = {1: "AES-128-GCM", 2: "AES-256-GCM", 3: "ChaCha20Poly1305"}
ECH_OUTER = (
    struct(
        "cipher_suite",
        number("kdf_id", 2, names.named(KDFS, 4), "The HPKE key derivation.", "RFC 9180 7.2"),
        number("aead_id", 2, names.named(AEADS, 4), "The HPKE cipher.", "RFC 9180 7.3"),
    ),
    number("config_id", 1, note="Which of the server's published keys was used; random in GREASE.", rfc=ECH),
    blob("enc", 2, "HPKE's encapsulated key; empty after HelloRetryRequest.", ECH, inner="key"),
    blob("payload", 2, "The sealed ClientHelloInner, or random bytes that look like one.", ECH),
)
PROTOCOLS = (
    vector(
        "protocol_name_list", 2, several(blob("ProtocolName", 1, "A protocol by name.", "RFC 7301 3.1", text, "name"))
    ),
)
OCSP_RESPONSE = blob("response", 3, "A signed statement that the certificate is not revoked.", "RFC 6960", inner="DER")

CERTIFICATE_TYPES = {
    CH: (vector("types", 1, several(number("CertificateType", 1, names.named(registry.RAW_OR_X509)))),),
    REPLY: (number("type", 1, names.named(registry.RAW_OR_X509)),),
}

ROWS: Mapping[int, Row] = {
    registry.SERVER_NAME: Row(
        "The host that the client wants to talk to, in clear, so that one address can serve many names.",
        "RFC 6066 3",
        {
            CH: (
                vector(
                    "server_name_list",
                    2,
                    several(
                        struct(
                            "ServerName",
                            number("name_type", 1, names.named({0: "host_name"}), "Host names are the only type."),
                            blob("host_name", 2, "A DNS name without a trailing dot.", "RFC 6066 3", text, "name"),
                        )
                    ),
                ),
            ),
            REPLY: (nothing,),
        },
        "The server has used the name.",
    ),
    registry.MAX_FRAGMENT_LENGTH: Row(
        "Asks for records smaller than 2^14 bytes; record_size_limit replaces it.",
        "RFC 6066 4",
        {ANYWHERE: (number("length", 1, names.named(registry.FRAGMENT_LENGTHS)),)},
        "The server agrees to smaller records.",
    ),
    registry.STATUS_REQUEST: Row(
        "Asks the server to staple a fresh OCSP response, so that the client need not fetch one.",
        "RFC 6066 8, RFC 8446 4.4.2.1",
        {
            CH | CR: status_body(
                vector("responder_id_list", 2, several(blob("ResponderID", 2)), note="Responders trusted; empty: any."),
                blob("request_extensions", 2, "OCSP extensions; usually empty.", "RFC 6960 4.4"),
            ),
            CT: status_body(OCSP_RESPONSE),
            SH12: (nothing,),
        },
        "A fresh OCSP response for the certificate, or the promise of one.",
    ),
    registry.SUPPORTED_GROUPS: Row(
        "The groups for key exchange that the sender can do, in its order of preference.",
        "RFC 8446 4.2.7, RFC 8422 5.1.1",
        {ANYWHERE: (vector("named_group_list", 2, several(number("NamedGroup", 2, names.group))),)},
        "The groups that the server would have liked better, for next time.",
    ),
    registry.EC_POINT_FORMATS: Row(
        "How points of elliptic curves may be written; only uncompressed is left, and only TLS 1.2 asks.",
        "RFC 8422 5.1.2",
        {ANYWHERE: (vector("ec_point_format_list", 1, several(number("ECPointFormat", 1, names.point_format))),)},
    ),
    registry.SIGNATURE_ALGORITHMS: Row(
        "The signatures that the sender can verify, in its order of preference.",
        "RFC 8446 4.2.3",
        {ANYWHERE: signatures_body("supported_signature_algorithms")},
    ),
    registry.SIGNATURE_ALGORITHMS_CERT: Row(
        "The signatures that the sender can verify within certificates, where that is another list.",
        "RFC 8446 4.2.3",
        {ANYWHERE: signatures_body("supported_signature_algorithms")},
    ),
    registry.DELEGATED_CREDENTIAL: Row(
        "The client accepts short-lived keys that a certificate's owner has signed itself.",
        "RFC 9345 4.1.1",
        {CH | CR: signatures_body("supported_signature_algorithm"), CT: (rest("DelegatedCredential"),)},
    ),
    registry.ALPN: Row(
        "The application protocols on offer, best first; the server answers with the one it takes.",
        "RFC 7301 3.1",
        {ANYWHERE: PROTOCOLS},
        "The protocol that the server has taken.",
    ),
    registry.APPLICATION_SETTINGS: Row(
        "Chrome's offer to exchange HTTP/2 settings within the handshake.",
        "draft-vvv-tls-alps",
        {CH: PROTOCOLS, REPLY: (rest("settings"),)},
    ),
    registry.APPLICATION_SETTINGS_OLD: Row(
        "Chrome's offer to exchange HTTP/2 settings within the handshake, under its first number.",
        "draft-vvv-tls-alps",
        {CH: PROTOCOLS, REPLY: (rest("settings"),)},
    ),
    registry.SIGNED_CERTIFICATE_TIMESTAMP: Row(
        "Certificate Transparency: the client wants proof that the certificate is in public logs.",
        "RFC 6962 3.3",
        {
            CH | CR: (nothing,),
            CT | SH12: (vector("sct_list", 2, several(blob("SerializedSCT", 2))),),
        },
        "Certificate Transparency: proof that the certificate is in public logs.",
    ),
    registry.PADDING: Row(
        "Zeros that mean nothing: they carry a hello past a length at which some middleboxes fail.",
        "RFC 7685",
        {CH: (rest("padding", says=lambda data: f"{len(data)} bytes"),)},
    ),
    registry.ENCRYPT_THEN_MAC: Row(
        "For CBC suites of TLS 1.2 and older: authenticate the ciphertext, which closes padding oracles.",
        "RFC 7366",
        {ANYWHERE: (nothing,)},
    ),
    registry.EXTENDED_MASTER_SECRET: Row(
        "TLS 1.2: bind the master secret to the whole handshake, which stops the triple handshake attack.",
        "RFC 7627",
        {ANYWHERE: (nothing,)},
    ),
    registry.CLIENT_CERTIFICATE_TYPE: Row(
        "What the client can show in the place of a certificate: raw public keys.",
        "RFC 7250 3",
        CERTIFICATE_TYPES,
        "What the client is to show, if it is asked.",
    ),
    registry.SERVER_CERTIFICATE_TYPE: Row(
        "What the server may show in the place of a certificate: raw public keys.",
        "RFC 7250 3",
        CERTIFICATE_TYPES,
        "What the server shows: a certificate, or a raw public key.",
    ),
    registry.COMPRESS_CERTIFICATE: Row(
        "The peer's Certificate message may be compressed in one of these ways.",
        "RFC 8879 3",
        {CH | CR: (vector("algorithms", 1, several(number("algorithm", 2, names.named(registry.COMPRESSIONS, 4)))),)},
    ),
    registry.RECORD_SIZE_LIMIT: Row(
        "The largest record that the sender wants to receive.",
        "RFC 8449 4",
        {ANYWHERE: (number("record_size_limit", 2),)},
    ),
    registry.SESSION_TICKET: Row(
        "TLS 1.2: a ticket from an earlier connection, or empty to ask for one.",
        "RFC 5077 3.2",
        {CH: (rest("ticket"),), REPLY: (nothing,)},
        "The server will send a ticket.",
    ),
    registry.PRE_SHARED_KEY: Row(
        "Keys that both sides may share, mostly tickets of earlier connections, each with a proof of possession.",
        "RFC 8446 4.2.11",
        {
            CH: (
                vector(
                    "identities",
                    2,
                    several(
                        struct(
                            "PskIdentity",
                            blob("identity", 2, "The ticket, opaque to the client.", inner="ticket"),
                            number(
                                "obfuscated_ticket_age",
                                4,
                                note="How old the ticket is in ms, plus a secret number so that nobody can link it.",
                            ),
                        )
                    ),
                ),
                vector(
                    "binders",
                    2,
                    several(
                        blob("PskBinderEntry", 1, "An HMAC over this hello up to here under the key.", inner="HMAC")
                    ),
                ),
            ),
            SH: (number("selected_identity", 2, note="Which of the offered keys the server took, counted from 0."),),
        },
        "The session is resumed: this key takes the place of a certificate.",
    ),
    registry.EARLY_DATA: Row(
        "0-RTT: data under the key of a ticket, before the server has answered.",
        "RFC 8446 4.2.10",
        {NST: (number("max_early_data_size", 4),), ANYWHERE: (nothing,)},
        "The server takes 0-RTT data; in a ticket, how much it would take.",
    ),
    registry.SUPPORTED_VERSIONS: Row(
        "The versions that the client speaks; this, and not legacy_version, is what counts since TLS 1.3.",
        "RFC 8446 4.2.1",
        {
            CH: (vector("versions", 1, several(number("ProtocolVersion", 2, names.version))),),
            REPLY: (number("selected_version", 2, names.version),),
        },
        "The version that the server has taken.",
    ),
    registry.COOKIE: Row(
        "What a server gave out with HelloRetryRequest so that it need not remember; the client repeats it.",
        "RFC 8446 4.2.2",
        {ANYWHERE: (blob("cookie", 2),)},
    ),
    registry.PSK_KEY_EXCHANGE_MODES: Row(
        "How the client would use a pre-shared key: with fresh Diffie-Hellman (forward secrecy) or without.",
        "RFC 8446 4.2.9",
        {ANYWHERE: (vector("ke_modes", 1, several(number("PskKeyExchangeMode", 1, names.psk_mode))),)},
    ),
    registry.TICKET_REQUEST: Row(
        "How many tickets the client would like.",
        "RFC 9149",
        {
            CH: (number("new_session_count", 1), number("resumption_count", 1)),
            REPLY: (number("expected_count", 1),),
        },
        "How many tickets the server will send.",
    ),
    registry.CERTIFICATE_AUTHORITIES: Row(
        "The authorities that the sender trusts, to help the other side choose a certificate.",
        "RFC 8446 4.2.4",
        {
            ANYWHERE: (
                vector("authorities", 2, several(blob("DistinguishedName", 2, says=distinguished_name, inner="DER"))),
            )
        },
    ),
    registry.OID_FILTERS: Row(
        "Certificate extensions that the client's certificate has to have.",
        "RFC 8446 4.2.5",
        {
            CR: (
                vector(
                    "filters",
                    2,
                    several(struct("OIDFilter", blob("certificate_extension_oid", 1), blob("values", 2))),
                ),
            )
        },
    ),
    registry.POST_HANDSHAKE_AUTH: Row(
        "The client may be asked for its certificate later, after the handshake.",
        "RFC 8446 4.2.6",
        {CH: (nothing,)},
    ),
    registry.KEY_SHARE: Row(
        "Public keys for the key exchange, sent on a guess of what the server likes, which saves a round trip.",
        "RFC 8446 4.2.8",
        {
            CH: (
                vector(
                    "client_shares",
                    2,
                    several(key_share("KeyShareEntry", "The client's fresh public key in that group.")),
                ),
            ),
            SH: (key_share("server_share", "The server's: with both, each side can compute the secret."),),
            HRR: (number("selected_group", 2, names.group, "Try again with this group.", "RFC 8446 4.2.8"),),
        },
        "The server's half of the key exchange; in a HelloRetryRequest, the group that it wants.",
    ),
    registry.ENCRYPTED_CLIENT_HELLO: Row(
        "The real ClientHello, sealed with a key from DNS, or GREASE that looks like it.",
        ECH,
        {
            CH: (ech,),
            HRR: (opaque("confirmation", 8, "Tells a client that its inner hello was read.", ECH),),
            EE: (blob("retry_configs", 2, "Keys to try again with.", ECH),),
        },
    ),
    registry.ECH_OUTER_EXTENSIONS: Row(  # in the sealed hello alone: whoever opens it puts the extensions there
        "Which extensions of the outer hello belong into the inner one, so that they are not sent twice.",
        ECH,
        {CH: (vector("OuterExtensions", 1, several(number("ExtensionType", 2, names.extension))),)},
    ),
    registry.RENEGOTIATION_INFO: Row(
        "TLS 1.2: ties a renegotiation to the handshake before it; in a first handshake it is empty and shows support.",
        "RFC 5746 3.2",
        {ANYWHERE: (blob("renegotiated_connection", 1),)},
    ),
}
