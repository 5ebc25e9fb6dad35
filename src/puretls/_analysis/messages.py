"""Every handshake message of TLS 1.0 to 1.3 as fields (RFC 8446 4, RFC 5246 7.4): a row each, one layout a version."""

from __future__ import annotations

from puretls._analysis import names
from puretls._analysis.certificate import certificate, certificate_fields
from puretls._analysis.extension_rows import OCSP_RESPONSE, status_body
from puretls._analysis.extensions import extensions, place
from puretls._analysis.fields import (
    About,
    Field,
    Layout,
    Scan,
    blob,
    dissect,
    maybe,
    number,
    opaque,
    rest,
    several,
    struct,
    vector,
)
from puretls._analysis.hellos import CLIENT_HELLO, server_hello
from puretls._analysis.messages12 import (
    CERTIFICATE_12,
    SCHEME,
    TICKET_12,
    certificate_request_12,
    client_key_exchange,
    server_key_exchange,
)
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto import suites
from puretls._wire import codec, compression
from puretls._wire.messages import CompressedCertificate
from puretls._wire.places import CR, CT, EE, NST

available = compression.available  # for scans of servers
MOST = 1 << 20  # bytes of a Certificate message that is decompressed to be shown

# TLS 1.3

CERTIFICATE_13 = place(
    CT,
    blob("certificate_request_context", 1, "Which request this answers; empty in the handshake.", "RFC 8446 4.4.2"),
    vector(
        "certificate_list",
        3,
        several(
            struct(
                "CertificateEntry",
                vector("cert_data", 3, certificate_fields, note="A certificate.", rfc="RFC 5280 4.1", says=certificate),
                extensions("What belongs to this certificate, such as a stapled OCSP response.", "RFC 8446 4.4.2"),
            )
        ),
        note="The sender's certificate first, then those that lead to a root.",
        rfc="RFC 8446 4.4.2",
    ),
)
SIGNATURE = blob(
    "signature",
    2,
    "Made with the certificate's key over everything said so far: proof that the sender owns it, here and now.",
    "RFC 8446 4.4.3",
)
VERIFY_DATA = rest(
    "verify_data",
    "An HMAC over everything said so far: if anybody had changed a byte, the two sides would not agree.",
    "RFC 8446 4.4.4, RFC 5246 7.4.9",
)
TICKET_13 = place(
    NST,
    number("ticket_lifetime", 4, lambda n: f"{n} s", "For how long the ticket may be used.", "RFC 8446 4.6.1"),
    opaque("ticket_age_add", 4, "Added to the ticket's age when it is used, so that it cannot be linked."),
    blob("ticket_nonce", 1, "Makes each ticket's key another one.", "RFC 8446 4.6.1", inner="nonce"),
    blob("ticket", 2, "Opaque to the client: the server's own note, sealed, or a number.", "RFC 8446 4.6.1"),
    extensions("early_data, if the ticket allows it.", "RFC 8446 4.6.1"),
)


def expanded(raw: bytes) -> bytes | None:
    """The Certificate message in a CompressedCertificate; None if it cannot be had."""
    try:
        _, code, length, data = CompressedCertificate.parse(raw)
        decompress = compression.by_name(registry.COMPRESSIONS[code]).decompress
        if decompress is None or length > MOST:
            return None
        return codec.message(registry.CERTIFICATE, decompress(data, length))
    except (Abort, IndexError, LookupError, ImportError):
        return None
    except Exception:  # noqa: BLE001  # each library has exceptions of its own for what it cannot read
        return None


def compressed(scan: Scan) -> None:
    """The compressed bytes, and who is in them: what they become has no place among the bytes of the message."""
    start, outer = scan.pos, scan.field
    blob("compressed_certificate_message", 3, "A Certificate message without its header, compressed.", "RFC 8879 4")(
        scan
    )
    raw = expanded(scan.data[: scan.end]) if start == 9 else None
    if raw is not None:
        found = [node.value for _, node in message(raw, About(TLS13)).walk() if node.name == "Certificate"]
        outer.children[-1].value = "; ".join(found[1:] if found[:1] == [""] else found)


class Row(NamedTuple):
    """What a message is for, where that is written, and its body in TLS 1.3 and before."""

    note: str
    rfc: str
    tls13: tuple[Layout, ...]
    older: tuple[Layout, ...] | None = None  # None: the same

    def body(self, version: int) -> tuple[Layout, ...]:
        return self.tls13 if self.older is None or version == TLS13 else self.older


ROWS = {
    registry.HELLO_REQUEST: Row("The server asks for a new handshake; gone in TLS 1.3.", "RFC 5246 7.4.1.1", ()),
    registry.CLIENT_HELLO: Row(
        "The client speaks first: what it can do, and its half of the key exchange.", "RFC 8446 4.1.2", (CLIENT_HELLO,)
    ),
    registry.SERVER_HELLO: Row(
        "What the server has chosen, and its half of the key exchange. In TLS 1.3 all that follows is encrypted.",
        "RFC 8446 4.1.3",
        (server_hello,),
    ),
    registry.NEW_SESSION_TICKET: Row(
        "A ticket with which the client may resume this session later, without certificates.",
        "RFC 8446 4.6.1, RFC 5077 3.3",
        (TICKET_13,),
        TICKET_12,
    ),
    registry.END_OF_EARLY_DATA: Row("The client's 0-RTT data ends here.", "RFC 8446 4.5", ()),
    registry.ENCRYPTED_EXTENSIONS: Row(
        "The answers to those extensions that the keys do not depend on, now encrypted.",
        "RFC 8446 4.3.1",
        (place(EE, extensions("One for each thing that the server agrees to.", "RFC 8446 4.3.1")),),
    ),
    registry.CERTIFICATE: Row(
        "Who the sender claims to be, vouched for by an authority.",
        "RFC 8446 4.4.2, RFC 5246 7.4.2",
        (CERTIFICATE_13,),
        (CERTIFICATE_12,),
    ),
    registry.SERVER_KEY_EXCHANGE: Row(
        "The server's half of the key exchange, signed with its certificate's key.",
        "RFC 5246 7.4.3, RFC 8422 5.4",
        (server_key_exchange,),
    ),
    registry.CERTIFICATE_REQUEST: Row(
        "The server wants to know who the client is.",
        "RFC 8446 4.3.2, RFC 5246 7.4.4",
        (
            blob("certificate_request_context", 1, "To be repeated in the answer; empty in the handshake."),
            place(CR, extensions("What certificate would do.", "RFC 8446 4.3.2")),
        ),
        (certificate_request_12,),
    ),
    registry.SERVER_HELLO_DONE: Row("The server has said all it has to say for now.", "RFC 5246 7.4.5", ()),
    registry.CERTIFICATE_VERIFY: Row(
        "The proof that the sender owns the certificate it showed.",
        "RFC 8446 4.4.3, RFC 5246 7.4.8",
        (SCHEME, SIGNATURE),
    ),
    registry.CLIENT_KEY_EXCHANGE: Row(
        "The client's half of the key exchange: now both sides can compute the master secret.",
        "RFC 5246 7.4.7, RFC 8422 5.7",
        (client_key_exchange,),
    ),
    registry.FINISHED: Row(
        "The end of a side's handshake, and the check that both saw the same one.",
        "RFC 8446 4.4.4, RFC 5246 7.4.9",
        (VERIFY_DATA,),
    ),
    registry.CERTIFICATE_STATUS: Row(
        "A stapled OCSP response for the certificate.", "RFC 6066 8", status_body(OCSP_RESPONSE)
    ),
    registry.KEY_UPDATE: Row(
        "The sender's next record has a new key; it may ask the other side to do the same.",
        "RFC 8446 4.6.3",
        (number("request_update", 1, names.named(registry.KEY_UPDATES)),),
    ),
    registry.COMPRESSED_CERTIFICATE: Row(
        "A Certificate message, compressed.",
        "RFC 8879 4",
        (
            number("algorithm", 2, names.named(registry.COMPRESSIONS, 4), "How it was compressed.", "RFC 8879 7.3"),
            number("uncompressed_length", 3, note="How many bytes it becomes.", rfc="RFC 8879 4"),
            compressed,
        ),
    ),
}
UNKNOWN = Row("A message that this program does not know.", "RFC 8446 4", (maybe(rest("body")),))


def message(data: bytes, about: About = About()) -> Field:  # noqa: B008 - a tuple of constants
    """One whole handshake message, header included, as a tree of fields. Never raises, whatever the bytes."""
    kind = data[0] if data else -1
    row = ROWS.get(kind, UNKNOWN)
    body = row.body(about.version)
    if kind == registry.CERTIFICATE_VERIFY and 0 < about.version < TLS12:
        body = (SIGNATURE,)
    root = dissect(names.handshake_type(kind) if data else "nothing", data, about, header, *body)
    root.note, root.rfc = root.note or row.note, root.rfc or row.rfc
    return root


def header(scan: Scan) -> None:
    """msg_type and length (RFC 8446 4)."""
    leaf, kind = scan.number("msg_type", 1, "Which message this is.", "RFC 8446 4")
    leaf.value = f"{names.handshake_type(kind)} ({kind})"
    leaf, size = scan.number("length", 3, "How many bytes follow.", "RFC 8446 4")
    if size != scan.left:
        leaf.fault = f"{size} bytes are announced, {scan.left} are there"
        scan.end = min(scan.end, scan.pos + size)


def about_suite(version: int, suite: int) -> About:
    """What a ServerHello decides that later messages depend on."""
    found = suites.BY_CODE.get(suite)
    if found is None or version >= TLS13:
        return About(version)
    exchange = found.kx
    signed = exchange in (suites.DHE, suites.ECDHE) and found.auth != suites.ANON
    return About(version, exchange, signed)
