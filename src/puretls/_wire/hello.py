"""ClientHello, ServerHello and HelloRetryRequest (RFC 8446 4.1, RFC 5246 7.4.1): the messages of every version."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar

from puretls._base import faults, registry
from puretls._base.faults import Abort, Fault
from puretls._base.registry import TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._wire.codec import StructError, message, packer, split_extensions, tuple_of

# SHA-256 of "HelloRetryRequest": a ServerHello with this random is one (RFC 8446 4.1.3)
HELLO_RETRY_REQUEST = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
DOWNGRADE_TLS12 = b"DOWNGRD\x01"  # last eight bytes of a server random (RFC 8446 4.1.3)
DOWNGRADE_TLS11 = b"DOWNGRD\x00"


pack_head = packer("!H32sB")  # legacy_version, random, length of legacy_session_id
pack_start = Struct("!IH32sB").pack  # the same behind the header of a message
pack_u8, pack_u16 = Struct("!B").pack, Struct("!H").pack
pack_choices = Struct("!HBH").pack  # cipher_suite, legacy_compression_method, length of extensions
pack_choice = Struct("!HB").pack  # cipher_suite, legacy_compression_method
pack_answers = Struct("!HBH3H4H").pack  # the same with supported_versions, and key_share up to key_exchange
pack_selected = Struct("!3H").pack

# Both hellos are read by where their vectors end: one that overruns makes the next index raise IndexError, or leaves
# `_extensions_from` with an end that is not the message's.


def _extensions_from(raw: bytes, pos: int, wrong: Fault = faults.LENGTH_MISMATCH) -> dict[int, bytes]:
    """The extensions, the last vector of a hello, which may be absent altogether (RFC 5246 7.4.1.2)."""
    size = len(raw)
    if pos == size:
        return {}
    start = pos + 2
    if start + (raw[pos] << 8 | raw[pos + 1]) != size:
        raise Abort(wrong)
    return split_extensions(raw[start:])


class ClientHelloFields(NamedTuple):
    """RFC 8446 4.1.2."""

    raw: bytes
    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: bytes
    compression_methods: bytes
    extensions: dict[int, bytes]


class ClientHello(ClientHelloFields):
    """A ClientHello, all of which was read."""

    __slots__ = ()
    kind: ClassVar[None] = None  # that of a `familiar` one makes reading unnecessary

    @classmethod
    def parse(cls, raw: bytes, extensions: dict[int, bytes] | None = None) -> ClientHello:
        """`extensions` are those of `raw`, if they have been read already."""
        id_end = 39 + raw[38]
        suites_end = id_end + 2 + (raw[id_end] << 8 | raw[id_end + 1])
        end = suites_end + 1 + raw[suites_end]
        session_id, suites, compression = raw[39:id_end], raw[id_end + 2 : suites_end], raw[suites_end + 1 : end]
        if extensions is None:
            extensions = _extensions_from(raw, end)
        if len(session_id) > 32:
            raise Abort(faults.LENGTH_MISMATCH)
        if len(suites) & 1:
            raise Abort(faults.ERROR_IN_RECEIVED_CIPHER_LIST)
        if not suites:
            raise Abort(faults.NO_CIPHERS_SPECIFIED)
        if not compression:
            raise Abort(faults.NO_COMPRESSION_SPECIFIED)
        return tuple_of(cls, (raw, raw[4] << 8 | raw[5], raw[6:38], session_id, suites, compression, extensions))

    @property
    def full(self) -> ClientHello:
        """Itself."""
        return self

    def psk_is_last(self) -> bool:
        """pre_shared_key, if there, MUST be the last extension (RFC 8446 4.2.11)."""
        return registry.PRE_SHARED_KEY not in self.extensions or next(reversed(self.extensions)) == (
            registry.PRE_SHARED_KEY
        )


def client_hello(
    legacy_version: int,
    random: bytes,
    session_id: bytes,
    suites: bytes,
    extensions: bytes,
    compression_methods: bytes = b"\x00",
) -> bytes:
    """`suites`, `extensions` and `compression_methods` (null alone is all that we speak) are the bodies of vectors."""
    try:
        rest = session_id + pack_u16(len(suites)) + suites + pack_u8(len(compression_methods)) + compression_methods
        if extensions:
            rest += pack_u16(len(extensions)) + extensions
        return pack_start(registry.CLIENT_HELLO << 24 | len(rest) + 35, legacy_version, random, len(session_id)) + rest
    except StructError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


class ServerHello(NamedTuple):
    """RFC 8446 4.1.3; also a HelloRetryRequest (4.1.4), which `is_retry` tells."""

    raw: bytes
    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suite: int
    compression_method: int
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, raw: bytes) -> ServerHello:
        id_end = 39 + raw[38]
        suite, compression = raw[id_end] << 8 | raw[id_end + 1], raw[id_end + 2]
        extensions = _extensions_from(raw, id_end + 3, faults.BAD_LENGTH)
        if id_end > 39 + 32:
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple_of(cls, (raw, raw[4] << 8 | raw[5], raw[6:38], raw[39:id_end], suite, compression, extensions))

    @property
    def is_retry(self) -> bool:
        return self.random == HELLO_RETRY_REQUEST


def server_hello13(
    random: bytes, session_id: bytes, suite: int, group: int, key_exchange: bytes, psk: int | None = None
) -> bytes:
    """A ServerHello of TLS 1.3: supported_versions, key_share, and which pre-shared key was selected."""
    size, share = len(session_id), len(key_exchange)
    selected = b"" if psk is None else pack_selected(registry.PRE_SHARED_KEY, 2, psk)
    block = share + len(selected) + 14
    try:
        head = pack_start(registry.SERVER_HELLO << 24 | size + block + 40, TLS12, random, size)
        versions = registry.SUPPORTED_VERSIONS, 2, TLS13
        middle = pack_answers(suite, 0, block, *versions, registry.KEY_SHARE, share + 4, group, share)
        return head + session_id + middle + key_exchange + selected
    except StructError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None


def server_hello(legacy_version: int, random: bytes, session_id: bytes, suite: int, extensions: bytes) -> bytes:
    size, block = len(session_id), len(extensions)
    if not block:  # RFC 5246 7.4.1.3: then there is no vector, either
        body = pack_head(legacy_version, random, size) + session_id + pack_choice(suite, 0)
        return message(registry.SERVER_HELLO, body)
    try:
        head = pack_start(registry.SERVER_HELLO << 24 | size + block + 40, legacy_version, random, size)
        return head + session_id + pack_choices(suite, 0, block) + extensions
    except StructError:
        raise Abort(faults.TOO_LONG_TO_SAY) from None
