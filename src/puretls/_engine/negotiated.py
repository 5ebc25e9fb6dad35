"""The extensions that a client offers and a server answers, one row each: adding one is adding a row, and its tests.

`offers` encodes, once for a configuration, what every ClientHello of it contains.  Only `answers` composes a server's
answer, and it asks a row only if its extension is in the ClientHello: a server answers nothing that was not offered
(RFC 8446 4.2, RFC 5246 7.4.1.4).  `accept` hands the answers to the client's rows, after `places.check_response` has
compared them with the offer.

Versions, groups, key shares, pre-shared keys and cookies have no rows, because a server chooses them together
(`negotiate`).  What differs from one ClientHello to the next is added by `client_hello`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto.suites import Block
from puretls._engine.config import OP_NO_ENCRYPT_THEN_MAC, Config, once
from puretls._engine.ech_outcome import GREASE, GREASE_ECH
from puretls._engine.policy import RAW, X509
from puretls._record.protection import MAX_PLAINTEXT
from puretls._wire import extensions
from puretls._wire.codec import extension, join_extensions, vec8, vec16, vec16_of
from puretls._wire.ech import OUTER
from puretls._wire.familiar import Hello
from puretls._wire.messages import encrypted_answers
from puretls._wire.places import EE, SH12

if TYPE_CHECKING:
    from puretls._engine.handshake import Handshake


Answer = Callable[["Handshake", bytes, bool], bytes | None]  # to what was offered, resumed or not; None: no answer


class Row(NamedTuple):
    """One extension.  The bodies have been read once, so they are well formed."""

    number: int
    where: int  # the messages that answer it
    offer: Callable[[Config], bytes | None] | None = None  # a client: in every ClientHello; None: not there
    accept: Callable[[Handshake, bytes], None] | None = None  # a client: what the answer means for it
    answer: Answer | None = None  # a server
    steady: Callable[[Handshake, bytes], bool] = lambda _, __: False  # whether all is said by what is returned, and by
    # alpn, tickets, ems and etm, and that is the same for all such hellos in which the same suite was chosen


class Offers(NamedTuple):
    """What every ClientHello of a configuration contains."""

    extensions: tuple[tuple[int, bytes], ...]  # number, and the extension encoded, in their order
    block: bytes  # all of them
    answerable: frozenset[int]  # what a server may answer of it


@once
def offers(config: Config) -> Offers:
    """RFC 8446 4.2; GREASE goes first and must not be answered (RFC 8701 3.1)."""
    found = [(number, extension(number, b"")) for number in config.grease_values[-1:]]
    may_return = {registry.KEY_SHARE} if config.max_version >= TLS13 else set()
    if config.min_version < TLS13:
        may_return.add(registry.RENEGOTIATION_INFO)  # or the SCSV that stands for it
        if config.tickets12:
            may_return.add(registry.SESSION_TICKET)
    for row in ROWS:
        body = row.offer(config) if row.offer is not None else None
        if body is not None:
            found.append((row.number, extension(row.number, body)))
            may_return.add(row.number)
    return Offers(tuple(found), b"".join([encoded for _, encoded in found]), frozenset(may_return))


def answers(hs: Handshake, offered: dict[int, bytes], message: int, *, resumed: bool) -> dict[int, bytes]:
    """The extensions of `message`, EncryptedExtensions or ServerHello of TLS 1.2 and older, that answer the offer."""
    found = {}
    for number, answer in asked(message, tuple(offered)) if len(offered) <= USUAL else ANSWERS[message]:
        if number in offered:
            body = answer(hs, offered[number], resumed)
            if body is not None:
                found[number] = body
    return found


def said(
    hs: Handshake, message: Hello, known: dict[object, Any], place: int, *, resumed: bool, more: bool = False
) -> tuple[bytes, frozenset[int]]:
    """The answers encoded, and their numbers: EncryptedExtensions, or the extensions of ServerHello.

    `known` are those of hellos like this one.  With `more` a cipher suite has asked for renegotiation_info.
    """
    draft = hs.draft
    before = known.get(draft.suite if resumed else None)
    if before is not None:
        encoded, numbers, draft.alpn, draft.tickets, draft.ems, draft.etm = before
        return encoded, numbers
    offered = message.full.extensions
    if more:
        offered = {**offered, registry.RENEGOTIATION_INFO: b"\x00"}  # the SCSV stands for it
    found = answers(hs, offered, place, resumed=resumed)
    encoded = encrypted_answers(tuple(found.items())) if place == EE else join_extensions(found)
    numbers = frozenset(found)
    if message.kind is not None and all(
        STEADY[number](hs, offered[number]) for number, _ in ANSWERS[place] if number in offered
    ):
        key = draft.suite if resumed else None
        known[key] = encoded, numbers, draft.alpn, draft.tickets, draft.ems, draft.etm
    return encoded, numbers


USUAL = 32  # extensions of a ClientHello


@lru_cache(maxsize=64)
def asked(message: int, numbers: tuple[int, ...]) -> list[tuple[int, Answer]]:
    """The rows for a ClientHello with these extensions: many clients send the same ones in the same order."""
    return [(number, answer) for number, answer in ANSWERS[message] if number in numbers]


def accept(hs: Handshake, found: dict[int, bytes], message: int) -> None:
    """Accept the answers in `message` to what we have offered."""
    rows = ACCEPTED[message]
    for number, body in found.items():
        if number in rows:
            rows[number](hs, body)


def _always(_: Handshake, __: bytes) -> bool:
    return True


# renegotiation_info (RFC 5746 3.6): our handshakes are all first ones


def _answer_renegotiation(_: Handshake, __: bytes, ___: bool) -> bytes:
    return b"\x00"


# extended_master_secret (RFC 7627 5.1)


def _offer_ems(config: Config) -> bytes | None:
    return b"" if config.min_version < TLS13 else None


def _answer_ems(hs: Handshake, _: bytes, __: bool) -> bytes:
    hs.draft.ems = True
    return b""


def _accept_ems(hs: Handshake, _: bytes) -> None:
    hs.draft.ems = True


# application_layer_protocol_negotiation (RFC 7301 3.1)


def _offer_protocols(config: Config) -> bytes | None:
    return extensions.protocol_list(config.alpn) if config.alpn else None


def _answer_protocols(hs: Handshake, body: bytes, _: bool) -> bytes | None:
    """The protocol, in our order of preference; None without a common one, as `ssl` has it (RFC 7301 3.2)."""
    hs.draft.alpn = chosen = _chosen(hs, body)
    return None if chosen is None else vec16(vec8(chosen))


def _chosen(hs: Handshake, body: bytes) -> bytes | None:
    if hs.config.alpn_select is not None:
        return hs.draft.alpn_choice
    theirs = frozenset(extensions.protocols(body))
    for name in hs.config.alpn:
        if name in theirs:
            return name
    return None


def protocol(hs: Handshake, found: dict[int, bytes]) -> bytes | None:
    """The protocol that a server is going to answer to a ClientHello with these extensions."""
    return _chosen(hs, found[registry.ALPN]) if registry.ALPN in found else None


def _accept_protocol(hs: Handshake, body: bytes) -> None:
    """Exactly one of what we offered."""
    answer = extensions.protocols(body)
    if len(answer) != 1 or answer[0] not in hs.config.alpn:
        raise Abort(faults.BAD_ALPN)
    hs.draft.alpn = answer[0]


def check_protocol(hs: Handshake) -> None:
    """Refuse a connection without a protocol where the profile requires one (RFC 9001 8.1)."""
    if hs.profile.alpn_required and hs.draft.alpn is None:
        raise Abort(faults.NO_APPLICATION_PROTOCOL)


def _without_function(hs: Handshake, _: bytes) -> bool:
    return hs.config.alpn_select is None


# record_size_limit (RFC 8449 4): of what the other side sends; TLS 1.3 counts the content type


def _offer_limit(config: Config) -> bytes | None:
    return config.limit13 if config.max_version >= TLS13 else config.limit12


def _answer_limit(hs: Handshake, body: bytes, _: bool) -> bytes | None:
    config = hs.config
    said = config.limit13 if hs.version == TLS13 else config.limit12
    if body != said or config.record_size_limit != MAX_PLAINTEXT:  # otherwise the limit is the protocol's own
        _accept_limit(hs, body)
    return said


def _changes_nothing(hs: Handshake, body: bytes) -> bool:
    theirs = extensions.record_size_limit(body) - (hs.version == TLS13)
    return hs.config.record_size_limit == MAX_PLAINTEXT <= theirs


def _accept_limit(hs: Handshake, body: bytes) -> None:
    ours = hs.config.record_size_limit
    if ours is not None:
        limit = extensions.record_size_limit(body) - (hs.version == TLS13)
        if limit < MAX_PLAINTEXT or ours != MAX_PLAINTEXT:  # otherwise the limit is the protocol's own
            hs.stream.limit(limit, ours)


# ticket_request (RFC 9149 2): never more than are sent to a client that has not asked


def _offer_tickets(config: Config) -> bytes | None:
    if config.max_version < TLS13 or config.ticket_request is None:
        return None
    return bytes(config.ticket_request)


def _answer_tickets(hs: Handshake, body: bytes, resumed: bool) -> bytes | None:
    config = hs.config
    if config.sessions is None or not hs.draft.peer_takes_tickets:
        return None
    wanted = extensions.ticket_request(body)[resumed]
    hs.draft.tickets = count = min(wanted, config.num_tickets)
    return bytes((count,))


def _accept_tickets(hs: Handshake, body: bytes) -> None:
    hs.draft.tickets = extensions.expected_tickets(body)


# encrypt_then_mac (RFC 7366 2): negotiated anew in each handshake, as a client need not offer what its session had


def _offer_etm(config: Config) -> bytes | None:
    if config.min_version >= TLS13 or config.options & OP_NO_ENCRYPT_THEN_MAC:
        return None
    return b"" if any(isinstance(suite.cipher, Block) for suite in config.offered_suites) else None


def _answer_etm(hs: Handshake, _: bytes, __: bool) -> bytes | None:
    suite = hs.draft.suite
    if not isinstance(suite.cipher, Block) or hs.config.options & OP_NO_ENCRYPT_THEN_MAC:
        return None
    hs.draft.etm = True
    return b""


def _accept_etm(hs: Handshake, _: bytes) -> None:
    hs.draft.etm = isinstance(hs.draft.suite.cipher, Block)


# early_data (RFC 8446 4.2.10), which `early_data` has decided about


def _answer_early_data(hs: Handshake, _: bytes, __: bool) -> bytes | None:
    return b"" if hs.draft.early is not None and hs.draft.early.accepted else None


# Answers of a full handshake only


def _answer_ticket(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 5077 3.2
    config = hs.config
    if resumed or config.sessions is None or not config.tickets12:
        return None
    return b""


def _answer_status(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 6066 8
    credential = hs.draft.own_credential
    return b"" if credential is not None and credential.ocsp and not resumed else None


def _by_hello(hs: Handshake, _: bytes) -> bool:
    return not hs.config.selects  # else the name decides about the certificate


def _answer_timestamps(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 6962 3.3.1
    credential = hs.draft.own_credential
    return None if credential is None or resumed else credential.rules.scts


def _offer_timestamps(config: Config) -> bytes | None:
    return b"" if config.request_sct else None


def _accept_timestamps(hs: Handshake, body: bytes) -> None:
    hs.draft.scts = body


def _answer_point_formats(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 8422 5.2
    return b"\x01\x00" if hs.draft.group is not None and not resumed else None


def _answer_name(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:  # RFC 6066 3
    return b"" if hs.config.choose_context and not resumed else None


# What a client wants of a server's certificates


def _offer_status(config: Config) -> bytes | None:  # RFC 6066 8
    return extensions.OCSP_ANY if config.request_ocsp else None


def _offer_compressions(config: Config) -> bytes | None:  # RFC 8879 3
    if config.max_version < TLS13 or not config.decompressors:
        return None
    return extensions.compression_list(tuple(config.decompressors))


def _offer_authorities(config: Config) -> bytes | None:  # RFC 8446 4.2.4
    if config.max_version < TLS13 or not config.ca_names:
        return None
    return extensions.authority_list(config.ca_names)


# client_certificate_type, server_certificate_type (RFC 7250): a server has chosen by then (`raw_keys`)


def _offer_server_types(config: Config) -> bytes | None:
    types = config.policy.types
    return vec8(bytes(types)) if types != (X509,) and config.max_version >= TLS12 else None


def _offer_client_types(config: Config) -> bytes | None:
    types = config.own_types
    return vec8(bytes(types)) if types != (X509,) and config.max_version >= TLS12 else None


def _answer_server_type(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:
    if resumed or not hs.config.typed or hs.version < TLS12:
        return None
    if hs.version == TLS12 and hs.draft.own_credential is None:  # of a suite without certificates
        return None
    return bytes((hs.draft.own_type,))


def _answer_client_type(hs: Handshake, _: bytes, resumed: bool) -> bytes | None:
    if not hs.config.policy.verify_mode or hs.config.policy.types == (X509,):
        return None
    if _answer_server_type(hs, _, resumed) is None:
        return None
    return bytes((hs.draft.peer_type,))


def _accept_server_type(hs: Handshake, body: bytes) -> None:
    hs.draft.peer_type = found = extensions.certificate_type(body)
    if found not in hs.config.policy.types:
        raise Abort(faults.MISPLACED_EXTENSION, "a type of certificate that was not offered")


def _accept_client_type(hs: Handshake, body: bytes) -> None:
    hs.draft.own_type = found = extensions.certificate_type(body)
    if found not in hs.config.own_types:
        raise Abort(faults.MISPLACED_EXTENSION, "a type of certificate that was not offered")
    if found == RAW:
        hs.config = hs.config.with_raw_keys


# What a server chooses from, without an answer in TLS 1.3


def _offer_point_formats(config: Config) -> bytes | None:  # RFC 8422 5.1.2
    return b"\x01\x00" if config.min_version < TLS13 else None


def _offer_groups(config: Config) -> bytes | None:  # RFC 8446 4.2.7
    if not config.hello_groups:
        return None
    return vec16_of((*config.grease_values[:1], *(group.code for group in config.hello_groups)))


def _offer_schemes(config: Config) -> bytes | None:  # RFC 8446 4.2.3
    if config.max_version < TLS12:
        return None
    return vec16_of(tuple(scheme.code for scheme in config.schemes))


def _offer_versions(config: Config) -> bytes | None:  # RFC 8446 4.2.1
    if config.max_version < TLS13:
        return None
    return vec8(vec16_of((*config.grease_values[1:], *config.versions))[2:])


def _offer_psk_modes(config: Config) -> bytes | None:  # RFC 8446 4.2.9
    return vec8(bytes((registry.PSK_DHE_KE,))) if config.max_version >= TLS13 else None


def _offer_post_handshake_auth(config: Config) -> bytes | None:  # RFC 8446 4.2.6
    return b"" if config.max_version >= TLS13 and config.policy.post_handshake_auth else None


# encrypted_client_hello (RFC 9849 5): what to encrypt for, if the hello has not been opened


def _answer_ech(hs: Handshake, body: bytes, _: bool) -> bytes | None:
    return hs.config.ech_retry or None if body[:1] == bytes((OUTER,)) else None


def _accept_ech(hs: Handshake, body: bytes) -> None:
    ech = hs.draft.ech
    if ech is not None:
        ech.retry_configs = body
        if ech.status == GREASE:
            ech.status = GREASE_ECH


ROWS = (  # in the order of a ClientHello
    Row(registry.SERVER_NAME, SH12 | EE, answer=_answer_name, steady=_always),
    Row(registry.EXTENDED_MASTER_SECRET, SH12, _offer_ems, _accept_ems, _answer_ems, _always),
    Row(registry.ENCRYPT_THEN_MAC, SH12, _offer_etm, _accept_etm, _answer_etm, _always),
    Row(registry.EC_POINT_FORMATS, SH12, _offer_point_formats, answer=_answer_point_formats, steady=_always),
    Row(registry.SUPPORTED_GROUPS, 0, _offer_groups),
    Row(registry.SIGNATURE_ALGORITHMS, 0, _offer_schemes),
    Row(registry.ALPN, SH12 | EE, _offer_protocols, _accept_protocol, _answer_protocols, _without_function),
    Row(registry.STATUS_REQUEST, SH12, _offer_status, answer=_answer_status, steady=_by_hello),
    Row(registry.COMPRESS_CERTIFICATE, 0, _offer_compressions),
    Row(registry.CLIENT_CERTIFICATE_TYPE, SH12 | EE, _offer_client_types, _accept_client_type, _answer_client_type),
    Row(registry.SERVER_CERTIFICATE_TYPE, SH12 | EE, _offer_server_types, _accept_server_type, _answer_server_type),
    Row(registry.RECORD_SIZE_LIMIT, SH12 | EE, _offer_limit, _accept_limit, _answer_limit, _changes_nothing),
    Row(registry.SUPPORTED_VERSIONS, 0, _offer_versions),
    Row(registry.PSK_KEY_EXCHANGE_MODES, 0, _offer_psk_modes),
    Row(registry.TICKET_REQUEST, EE, _offer_tickets, _accept_tickets, _answer_tickets, _always),
    Row(registry.POST_HANDSHAKE_AUTH, 0, _offer_post_handshake_auth),
    Row(registry.CERTIFICATE_AUTHORITIES, 0, _offer_authorities),
    Row(registry.RENEGOTIATION_INFO, SH12, answer=_answer_renegotiation, steady=_always),
    Row(registry.SESSION_TICKET, SH12, answer=_answer_ticket, steady=_always),
    Row(registry.ENCRYPTED_CLIENT_HELLO, EE, None, _accept_ech, _answer_ech, _always),
    Row(registry.EARLY_DATA, EE, answer=_answer_early_data),
    Row(
        registry.SIGNED_CERTIFICATE_TIMESTAMP,
        SH12,
        _offer_timestamps,
        _accept_timestamps,
        _answer_timestamps,
        _by_hello,
    ),
)
FIRST12 = (  # our answers begin with these, in this order, which no specification demands
    registry.RENEGOTIATION_INFO,
    registry.EXTENDED_MASTER_SECRET,
    registry.ALPN,
    registry.RECORD_SIZE_LIMIT,
    registry.ENCRYPT_THEN_MAC,
    registry.SESSION_TICKET,
    registry.STATUS_REQUEST,
    registry.EC_POINT_FORMATS,
    registry.SERVER_NAME,
)


def answering(place: int) -> tuple[tuple[int, Answer], ...]:
    """The rows that answer in this message, in order."""
    found = {row.number: row.answer for row in ROWS if row.where & place and row.answer is not None}
    first = [number for number in FIRST12 if number in found] if place == SH12 else []
    return tuple((number, found[number]) for number in dict.fromkeys((*first, *found)))


def accepting(place: int) -> dict[int, Callable[[Handshake, bytes], None]]:
    """The rows that accept an answer in this message."""
    return {row.number: row.accept for row in ROWS if row.where & place and row.accept is not None}


STEADY = {row.number: row.steady for row in ROWS}
ANSWERS = {place: answering(place) for place in (SH12, EE)}
ACCEPTED = {place: accepting(place) for place in (SH12, EE)}
