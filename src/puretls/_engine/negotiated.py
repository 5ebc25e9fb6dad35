"""Extensions that a client offers and a server answers, one row each: what either makes of the other's body.

The answer is composed by `answers` alone, which asks a row only if its extension is in the ClientHello: a server says
nothing unasked (RFC 8446 4.2, RFC 5246 7.4.1.4).  `accept` gives the client's rows what came back, which
`places.check_response` has compared with the offer.  Versions, groups, shares, keys and cookies are not rows: they need
each other (`negotiate`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._crypto.suites import Block
from puretls._engine.config import OP_NO_ENCRYPT_THEN_MAC
from puretls._wire import extensions
from puretls._wire.codec import vec8, vec16
from puretls._wire.places import EE, SH12

if TYPE_CHECKING:
    from puretls._engine.handshake import Handshake


class Row(NamedTuple):
    """One extension.  The bodies have been read once, so they are well formed."""

    number: int
    where: int  # the messages that answer it
    answer: Callable[[Handshake, bytes, bool], bytes | None]  # a server, resumed or not; None: no answer
    accept: Callable[[Handshake, bytes], None] | None = None  # a client: what the answer means for it


def answers(conn: Handshake, offered: dict[int, bytes], message: int, *, resumed: bool) -> dict[int, bytes]:
    """The extensions of `message`, EncryptedExtensions or ServerHello of TLS 1.2 and older, that answer the offer."""
    found = {}
    for number, answer in ANSWERS[message]:
        if number in offered:
            body = answer(conn, offered[number], resumed)
            if body is not None:
                found[number] = body
    return found


def accept(conn: Handshake, found: dict[int, bytes], message: int) -> None:
    """The answers in `message` to what we have offered."""
    rows = ACCEPTED[message]
    for number, body in found.items():
        if number in rows:
            rows[number](conn, body)


# renegotiation_info (RFC 5746 3.6): our handshakes are all first ones


def _answer_renegotiation(_: Handshake, __: bytes, ___: bool) -> bytes:
    return b"\x00"


# extended_master_secret (RFC 7627 5.1)


def _answer_ems(conn: Handshake, _: bytes, __: bool) -> bytes:
    conn.draft.ems = True
    return b""


def _accept_ems(conn: Handshake, _: bytes) -> None:
    conn.draft.ems = True


# application_layer_protocol_negotiation (RFC 7301 3.1)


def _answer_protocols(conn: Handshake, body: bytes, _: bool) -> bytes | None:
    """By our preference; without overlap there is none, as OpenSSL's `ssl` callback has it (RFC 7301 3.2)."""
    theirs = frozenset(extensions.protocols(body))
    for name in conn.config.alpn:
        if name in theirs:
            conn.draft.alpn = name
            return vec16(vec8(name))
    return None


def _accept_protocol(conn: Handshake, body: bytes) -> None:
    """Exactly one of what we offered."""
    answer = extensions.protocols(body)
    if len(answer) != 1 or answer[0] not in conn.config.alpn:
        raise Abort(faults.BAD_ALPN)
    conn.draft.alpn = answer[0]


def check_protocol(conn: Handshake) -> None:
    """Where applications need one, there is none without (RFC 9001 8.1)."""
    if conn.profile.alpn_required and conn.draft.alpn is None:
        raise Abort(faults.NO_APPLICATION_PROTOCOL)


# record_size_limit (RFC 8449 4): of what the other side sends; TLS 1.3 counts the content type


def _answer_limit(conn: Handshake, body: bytes, _: bool) -> bytes | None:
    _accept_limit(conn, body)
    return conn.config.limit13 if conn.version == TLS13 else conn.config.limit12


def _accept_limit(conn: Handshake, body: bytes) -> None:
    ours = conn.config.record_size_limit
    if ours is not None:
        limit = extensions.record_size_limit(body) - (conn.version == TLS13)
        conn.stream.limit(limit, ours)


# ticket_request (RFC 9149 2): never more than we would send anyway


def _answer_tickets(conn: Handshake, body: bytes, resumed: bool) -> bytes | None:
    config = conn.config
    if config.sessions is None or not conn.draft.peer_takes_tickets:
        return None
    wanted = extensions.ticket_request(body)[resumed]
    conn.draft.tickets = count = min(wanted, config.num_tickets)
    return bytes((count,))


def _accept_tickets(conn: Handshake, body: bytes) -> None:
    conn.draft.tickets = extensions.expected_tickets(body)


# encrypt_then_mac (RFC 7366 2): of each handshake anew, as a client may not offer again what its session had


def _answer_etm(conn: Handshake, _: bytes, __: bool) -> bytes | None:
    suite = conn.draft.suite
    if not isinstance(suite.cipher, Block) or conn.config.options & OP_NO_ENCRYPT_THEN_MAC:
        return None
    conn.draft.etm = True
    return b""


def _accept_etm(conn: Handshake, _: bytes) -> None:
    conn.draft.etm = isinstance(conn.draft.suite.cipher, Block)


# What a full handshake answers only


def _answer_ticket(conn: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 5077 3.2
    config = conn.config
    if resumed or config.sessions is None or not config.tickets12:
        return None
    return b""


def _answer_status(conn: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 6066 8
    credential = conn.draft.own_credential
    return b"" if credential is not None and credential.ocsp and not resumed else None


def _answer_point_formats(conn: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 8422 5.2
    return b"\x01\x00" if conn.draft.group is not None and not resumed else None


def _answer_name(conn: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 6066 3
    return b"" if conn.config.choose_context and not resumed else None


ROWS = (
    Row(registry.RENEGOTIATION_INFO, SH12, _answer_renegotiation),
    Row(registry.EXTENDED_MASTER_SECRET, SH12, _answer_ems, _accept_ems),
    Row(registry.ALPN, SH12, _answer_protocols, _accept_protocol),
    Row(registry.RECORD_SIZE_LIMIT, SH12, _answer_limit, _accept_limit),
    Row(registry.ENCRYPT_THEN_MAC, SH12, _answer_etm, _accept_etm),
    Row(registry.SESSION_TICKET, SH12, _answer_ticket),
    Row(registry.STATUS_REQUEST, SH12, _answer_status),
    Row(registry.EC_POINT_FORMATS, SH12, _answer_point_formats),
    Row(registry.SERVER_NAME, SH12 | EE, _answer_name),
    Row(registry.ALPN, EE, _answer_protocols, _accept_protocol),
    Row(registry.RECORD_SIZE_LIMIT, EE, _answer_limit, _accept_limit),
    Row(registry.TICKET_REQUEST, EE, _answer_tickets, _accept_tickets),
)
ANSWERS = {place: tuple((row.number, row.answer) for row in ROWS if row.where & place) for place in (SH12, EE)}
ACCEPTED = {place: {row.number: row.accept for row in ROWS if row.where & place and row.accept} for place in (SH12, EE)}
