"""ClientHello, ServerHello and HelloRetryRequest as fields (RFC 8446 4.1)."""

from __future__ import annotations

from puretls._analysis import names
from puretls._analysis.extensions import extensions, place
from puretls._analysis.fields import Layout, Scan, blob, brief, maybe, number, opaque, several, vector
from puretls._base import registry
from puretls._wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12, HELLO_RETRY_REQUEST
from puretls._wire.places import CH, HRR, SH, SH12

COMPRESSION = names.named({0: "null", 1: "DEFLATE"})
CLIENT_RANDOM = "32 random bytes, so that no two handshakes are alike."
SESSION_ID = "Before TLS 1.3 the name of a session to resume; now random, so that middleboxes see what they know."


CLIENT_HELLO = place(
    CH,
    number("legacy_version", 2, names.version, "Frozen at TLS 1.2 since TLS 1.3: supported_versions says more."),
    opaque("random", 32, CLIENT_RANDOM, "RFC 8446 4.1.2"),
    blob("legacy_session_id", 1, SESSION_ID, "RFC 8446 4.1.2"),
    vector(
        "cipher_suites",
        2,
        several(number("CipherSuite", 2, names.suite)),
        note="The suites the client can do, best first: the cipher and the hash, before TLS 1.3 also the key exchange.",
        rfc="RFC 8446 B.4",
    ),
    vector(
        "legacy_compression_methods",
        1,
        several(number("CompressionMethod", 1, COMPRESSION)),
        note="Compression of records leaked secrets (CRIME), so it is always null.",
        rfc="RFC 8446 4.1.2",
    ),
    maybe(extensions("Everything that was added to TLS since 1999.", "RFC 8446 4.2")),
)


def server_hello(scan: Scan) -> None:
    """ServerHello and, by its random, HelloRetryRequest (RFC 8446 4.1.3, 4.1.4)."""
    random = scan.data[scan.pos + 2 : scan.pos + 34]
    ahead = scan.data[scan.pos + 34 : scan.end]
    if random == HELLO_RETRY_REQUEST:
        scan.place, scan.field.name = HRR, "HelloRetryRequest"
        scan.field.note = (
            "The server wants another ClientHello, with a share in the group that it names or with its cookie."
        )
        scan.field.rfc = "RFC 8446 4.1.4"
    else:
        scan.place = SH if _selects_tls13(ahead) else SH12
    for layout in SERVER_HELLO:
        layout(scan)


def _selects_tls13(data: bytes) -> bool:
    """Whether supported_versions is among the extensions of a ServerHello, given what follows its random."""
    pos = 1 + (data[0] if data else 0) + 3 + 2
    while pos + 4 <= len(data):
        if data[pos : pos + 2] == registry.SUPPORTED_VERSIONS.to_bytes(2, "big"):
            return True
        pos += 4 + int.from_bytes(data[pos + 2 : pos + 4], "big")
    return False


def server_random(scan: Scan) -> None:
    """The random, which may be more than random."""
    leaf, data = scan.take("random", 32, "The server's 32 random bytes.", "RFC 8446 4.1.3")
    leaf.value = brief(data)
    if data == HELLO_RETRY_REQUEST:
        leaf.value += ": this is a HelloRetryRequest"
        leaf.note = "Not random: SHA-256 of the word HelloRetryRequest, which is how this message is told apart."
    elif data.endswith((DOWNGRADE_TLS12, DOWNGRADE_TLS11)):
        leaf.value += ", ends with DOWNGRD"
        leaf.note = "The last 8 bytes say that the server could do more; a client that could, too, sees an attack here."


SERVER_HELLO: tuple[Layout, ...] = (
    number("legacy_version", 2, names.version, "The version, unless supported_versions says so.", "RFC 8446 4.1.3"),
    server_random,
    blob("legacy_session_id_echo", 1, "TLS 1.3: what the client sent. Before: the session's name.", "RFC 8446 4.1.3"),
    number("cipher_suite", 2, names.suite, "The suite that the server took from the client's list.", "RFC 8446 B.4"),
    number("legacy_compression_method", 1, COMPRESSION, "Always null.", "RFC 8446 4.1.3"),
    maybe(extensions("The answers to those of the client that the keys depend on.", "RFC 8446 4.2")),
)
