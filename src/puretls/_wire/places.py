"""Where each extension may stand, and how its body is read there: one row each (RFC 8446 4.2).

Every block of extensions passes `check`: each known extension has to be in its place and readable, whether or not it is
used later.  Most peers send what others have sent before them, so short bodies that were read are kept.
"""

from __future__ import annotations

from collections.abc import Callable

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._wire.codec import USUAL
from puretls._wire.ech import config_list, confirmation
from puretls._wire.extensions import (
    authorities,
    certificate_timestamps,
    certificate_type,
    certificate_types,
    compressions,
    cookie,
    empty,
    expected_tickets,
    fragment_length,
    key_share,
    key_shares,
    max_early_data,
    numbers,
    ocsp_response,
    offered_psks,
    oid_filters,
    point_formats,
    post_handshake_auth,
    protocols,
    psk_modes,
    record_size_limit,
    renegotiated_connection,
    selected_u16,
    server_name,
    status_request,
    ticket_request,
    versions,
)

Read = Callable[[bytes], object]

# The messages an extension may appear in (RFC 8446 4.2); SH12: ServerHello of TLS 1.2 and older
CH, SH, HRR, EE, CT, CR, NST, SH12 = 1, 2, 4, 8, 16, 32, 64, 128
MESSAGES = (CH, SH, HRR, EE, CT, CR, NST, SH12)


def anything(_: bytes) -> None:
    """A body without a structure, or with one that is not checked here."""


ROWS: dict[int, dict[int, Read]] = {
    registry.SERVER_NAME: {CH: server_name, EE: empty, SH12: empty},
    registry.MAX_FRAGMENT_LENGTH: {CH: fragment_length, EE: fragment_length, SH12: fragment_length},
    registry.STATUS_REQUEST: {CH: status_request, CR: empty, CT: ocsp_response, SH12: empty},
    registry.SUPPORTED_GROUPS: {CH: numbers, EE: numbers, SH12: numbers},  # the last is no RFC's, but some send it
    registry.EC_POINT_FORMATS: {CH: point_formats, SH12: point_formats},
    registry.SIGNATURE_ALGORITHMS: {CH: numbers, CR: numbers},
    registry.ALPN: {CH: protocols, EE: protocols, SH12: protocols},
    registry.SIGNED_CERTIFICATE_TIMESTAMP: {
        CH: empty,
        CR: empty,
        CT: certificate_timestamps,
        SH12: certificate_timestamps,
    },
    registry.PADDING: {CH: anything},
    registry.ENCRYPT_THEN_MAC: {CH: empty, SH12: empty},
    registry.EXTENDED_MASTER_SECRET: {CH: empty, SH12: empty},
    registry.CLIENT_CERTIFICATE_TYPE: {CH: certificate_types, EE: certificate_type, SH12: certificate_type},
    registry.SERVER_CERTIFICATE_TYPE: {CH: certificate_types, EE: certificate_type, SH12: certificate_type},
    registry.COMPRESS_CERTIFICATE: {CH: compressions, CR: compressions},
    registry.RECORD_SIZE_LIMIT: {CH: record_size_limit, EE: record_size_limit, SH12: record_size_limit},
    registry.SESSION_TICKET: {CH: anything, SH12: empty},
    registry.PRE_SHARED_KEY: {CH: offered_psks, SH: selected_u16},
    registry.EARLY_DATA: {CH: empty, EE: empty, NST: max_early_data},
    registry.SUPPORTED_VERSIONS: {CH: versions, SH: selected_u16, HRR: selected_u16},
    registry.COOKIE: {CH: cookie, HRR: cookie},
    registry.PSK_KEY_EXCHANGE_MODES: {CH: psk_modes},
    registry.CERTIFICATE_AUTHORITIES: {CH: authorities, CR: authorities},
    registry.OID_FILTERS: {CR: oid_filters},
    registry.POST_HANDSHAKE_AUTH: {CH: post_handshake_auth},
    registry.SIGNATURE_ALGORITHMS_CERT: {CH: numbers, CR: numbers},
    registry.KEY_SHARE: {CH: key_shares, SH: key_share, HRR: selected_u16},
    registry.TICKET_REQUEST: {CH: ticket_request, EE: expected_tickets},
    registry.ENCRYPTED_CLIENT_HELLO: {CH: anything, EE: config_list, HRR: confirmation},
    registry.ECH_OUTER_EXTENSIONS: {},  # it is for sealed hellos only (RFC 9849 5.1)
    registry.RENEGOTIATION_INFO: {CH: renegotiated_connection, SH12: renegotiated_connection},
}
READERS: dict[int, dict[int, Read]] = {
    message: {kind: row[message] for kind, row in ROWS.items() if row.get(message, anything) is not anything}
    for message in MESSAGES
}
del READERS[SH][registry.KEY_SHARE]  # each is another, and the client reads it next
MISPLACED = {  # an unknown one may be anywhere
    message: frozenset(kind for kind, row in ROWS.items() if message not in row) for message in MESSAGES
}
HOPELESS = {**MISPLACED, **dict.fromkeys((SH, SH12), MISPLACED[SH] & MISPLACED[SH12])}  # illegal even if unsolicited
FEW = 8  # extensions that an error names
LONG = frozenset({registry.KEY_SHARE, registry.PRE_SHARED_KEY})  # of a ClientHello; read later, and once
BUT_LONG = -1  # a ClientHello, but for those
READERS[BUT_LONG] = {kind: read for kind, read in READERS[CH].items() if kind not in LONG}
MISPLACED[BUT_LONG] = MISPLACED[CH]
MOST_KNOWN = 256  # bodies of one message; then memory begins anew
KNOWN: dict[int, set[tuple[int, bytes]]] = {message: set() for message in READERS}  # add and clear are atomic


def check(found: dict[int, bytes], message: int) -> None:
    """A known extension in the wrong message is illegal; one in its place can be read; an unknown one is ignored.

    `BUT_LONG` is a ClientHello without a look at the bodies that are long, which `negotiate` reads.
    """
    misplaced, readers, known = MISPLACED[message], READERS[message], KNOWN[message]
    if not misplaced.isdisjoint(found):
        raise Abort(faults.MISPLACED_EXTENSION, f"extensions {sorted(misplaced & found.keys())}")
    for one in found.items():
        if one not in known:
            kind, body = one
            if kind in readers:
                readers[kind](body)
                if len(body) <= USUAL:
                    if len(known) >= MOST_KNOWN:
                        known.clear()
                    known.add(one)


def check_response(found: dict[int, bytes], message: int, offered: frozenset[int]) -> None:
    """Check that an answer has only extensions that were offered and belong there (RFC 8446 4.2)."""
    hopeless = HOPELESS[message]
    if not hopeless.isdisjoint(found):
        raise Abort(faults.MISPLACED_EXTENSION, f"extensions {sorted(hopeless & found.keys())}")
    if not offered.issuperset(found):
        raise Abort(faults.UNSOLICITED_EXTENSION, f"extensions {sorted(found.keys() - offered)[:FEW]}")
    check(found, message)
