"""The messages that only TLS 1.0 to 1.2 have, or have otherwise, as fields (RFC 5246 7.4, RFC 8422 5, RFC 4279 2)."""

from __future__ import annotations

from puretls._analysis import names
from puretls._analysis.certificate import certificate, certificate_fields, distinguished_name
from puretls._analysis.fields import Layout, Scan, blob, maybe, number, rest, several, struct, vector
from puretls._base import registry
from puretls._base.registry import TLS12

SCHEME = number("algorithm", 2, names.scheme, "How the signature was made.", "RFC 8446 4.2.3")


def server_key_exchange(scan: Scan) -> None:
    """Its content depends on the suite (RFC 5246 7.4.3, RFC 8422 5.4, RFC 4279 2)."""
    exchange = scan.about.exchange
    parts: list[Layout] = [IDENTITY_HINT] if "PSK" in exchange else []
    parts += [ECDH_PARAMS] if "ECDHE" in exchange else [DH_PARAMS] if "DHE" in exchange else []
    if scan.about.signed:
        parts += [SCHEME] * (scan.about.version >= TLS12)
        parts += [blob("signature", 2, "Over both randoms and these parameters, with the certificate's key.")]
    for layout in parts or [maybe(rest("params", "What this is depends on the suite."))]:
        layout(scan)


def curve_params(scan: Scan) -> None:
    """The curve of ServerECDHParams: by name, or (never any more) spelled out."""
    leaf, kind = scan.number("curve_type", 1, "3: the curve is given by name.", "RFC 8422 5.4")
    leaf.value = names.named({1: "explicit_prime", 2: "explicit_char2", 3: "named_curve"})(kind)
    if kind == 3:
        number("namedcurve", 2, names.group, "The group of the key exchange.", "RFC 8422 5.4")(scan)


IDENTITY_HINT = blob("psk_identity_hint", 2, "Helps the client to choose its key.", "RFC 4279 2")
ECDH_PARAMS = struct(
    "ServerECDHParams",
    struct("curve_params", curve_params),
    blob("public", 1, "The server's fresh public key.", "RFC 8422 5.4", inner="point"),
)
DH_PARAMS = struct(
    "ServerDHParams",
    blob("dh_p", 2, "The prime.", "RFC 5246 7.4.3", lambda data: f"{8 * len(data.lstrip(bytes(1)))} bits", "p"),
    blob("dh_g", 2, "The generator.", "RFC 5246 7.4.3", inner="g"),
    blob("dh_Ys", 2, "The server's fresh public value.", "RFC 5246 7.4.3", inner="Ys"),
)


def client_key_exchange(scan: Scan) -> None:
    """Its content depends on the suite (RFC 5246 7.4.7, RFC 8422 5.7, RFC 4279 2)."""
    exchange = scan.about.exchange
    parts: list[Layout] = [blob("psk_identity", 2, "Which key the client means.", "RFC 4279 2")] * ("PSK" in exchange)
    if "ECDHE" in exchange:
        parts += [blob("ecdh_Yc", 1, "The client's fresh public key.", "RFC 8422 5.7", inner="point")]
    elif "DHE" in exchange:
        parts += [blob("dh_Yc", 2, "The client's fresh public value.", "RFC 5246 7.4.7.2", inner="Yc")]
    elif "RSA" in exchange:
        note = "The premaster secret, encrypted with the certificate's key: whoever gets that key later can read all."
        parts += [blob("EncryptedPreMasterSecret", 2, note, "RFC 5246 7.4.7.1")]
    for layout in parts or [maybe(rest("exchange_keys", "What this is depends on the suite."))]:
        layout(scan)


CERTIFICATE_12 = vector(
    "certificate_list",
    3,
    several(vector("ASN.1Cert", 3, certificate_fields, note="A certificate.", rfc="RFC 5280 4.1", says=certificate)),
    note="The sender's certificate first, then those that lead to a root.",
    rfc="RFC 5246 7.4.2",
)


def certificate_request_12(scan: Scan) -> None:
    """RFC 5246 7.4.4; before TLS 1.2 without signature algorithms."""
    number_of = names.named(registry.CERTIFICATE_TYPES)
    parts = [vector("certificate_types", 1, several(number("ClientCertificateType", 1, number_of)))]
    if scan.about.version in (0, TLS12):
        signatures = several(number("SignatureAndHashAlgorithm", 2, names.scheme))
        parts.append(vector("supported_signature_algorithms", 2, signatures, rfc="RFC 5246 7.4.4"))
    authorities = several(blob("DistinguishedName", 2, says=distinguished_name, inner="DER"))
    parts.append(vector("certificate_authorities", 2, authorities, note="Whom the server trusts; empty: it will see."))
    for layout in parts:
        layout(scan)


TICKET_12 = (
    number("ticket_lifetime_hint", 4, lambda n: f"{n} s", "For how long the ticket may be used.", "RFC 5077 3.3"),
    blob("ticket", 2, "The session, sealed with a key of the server's own: it need not remember.", "RFC 5077 4"),
)
