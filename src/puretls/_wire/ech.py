"""Encrypted Client Hello on the wire (RFC 9849): configurations, the extension, and the encoding of the inner hello.

The engine (ech_config.py) has the keys, and decides which configuration can be used.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import CLIENT_HELLO, ECH_OUTER_EXTENSIONS, ENCRYPTED_CLIENT_HELLO
from puretls._base.tuples import NamedTuple
from puretls._wire.codec import (
    Reader,
    StructError,
    extension,
    join_extensions,
    message,
    packer,
    split_extensions,
    tuple_of,
    u16s,
    vec8,
    vec16,
    vec16_of,
)
from puretls._wire.extensions import reading
from puretls._wire.hello import ClientHello

VERSION = 0xFE0D  # of an ECHConfig; the number of the extension, too
OUTER, INNER = 0, 1  # ECHClientHelloType
CONFIRMATION = 8  # bytes, in a ServerHello's random and in a HelloRetryRequest
INNER_MARK = extension(ENCRYPTED_CLIENT_HELLO, bytes((INNER,)))  # in an inner hello
NO_CONFIRMATION = extension(ENCRYPTED_CLIENT_HELLO, bytes(CONFIRMATION))  # of a HelloRetryRequest, before it is known
MAX_INNER = 0xFFFF  # bytes of an inner hello

Suite = tuple[int, int]  # KDF, AEAD (RFC 9180 7.2, 7.3)

pack_config, pack_sealed = packer("!HH"), packer("!HHBHHBH")
unpack_sealed = Struct("!HHBH").unpack_from  # behind the type
SEALED_HEAD = 8  # bytes before `enc`


class Config(NamedTuple):
    """ECHConfig of version 0xfe0d (RFC 9849 4)."""

    raw: bytes
    config_id: int
    kem: int
    public_key: bytes
    suites: tuple[Suite, ...]
    maximum_name_length: int
    public_name: bytes
    extensions: tuple[tuple[int, bytes], ...]

    @property
    def info(self) -> bytes:
        """The info string of the HPKE context (RFC 9849 6.1)."""
        return b"tls ech\x00" + self.raw


class UnknownConfig(NamedTuple):
    """An ECHConfig of another version."""

    raw: bytes
    version: int


def config_list(data: bytes) -> tuple[Config | UnknownConfig, ...]:
    """ECHConfigList: ECHConfig<4..2^16-1>.  Abort if it is malformed, whatever of it could be used."""

    def parse(r: Reader) -> tuple[Config | UnknownConfig, ...]:
        entries, found = Reader(r.vec16(), 0), []
        while entries.more():
            start = entries.pos
            version, contents = entries.u16(), entries.vec16()
            raw = entries.data[start : entries.pos]
            found.append(_config(raw, contents) if version == VERSION else UnknownConfig(raw, version))
        if not found:
            raise Abort(faults.LENGTH_MISMATCH)
        return tuple(found)

    return reading(parse, data, faults.ECH_DECODE_ERROR)


def _config(raw: bytes, contents: bytes) -> Config:
    """ECHConfigContents."""
    r = Reader(contents, 0)
    config_id, kem, public_key, suites = r.u8(), r.u16(), r.vec16(), r.vec16()
    longest, public_name, others = r.u8(), r.vec8(), Reader(r.vec16(), 0)
    if r.more() or not public_key or not suites or len(suites) % 4 or not public_name:
        raise Abort(faults.LENGTH_MISMATCH)
    numbers = u16s(suites)
    found = []
    while others.more():
        found.append((others.u16(), others.vec16()))
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    return Config(raw, config_id, kem, public_key, pairs, longest, public_name, tuple(found))


def build_config(
    config_id: int,
    kem: int,
    public_key: bytes,
    suites: tuple[Suite, ...],
    maximum_name_length: int,
    public_name: bytes,
    extensions: tuple[tuple[int, bytes], ...] = (),
) -> Config:
    """An ECHConfig."""
    contents = b"".join(
        (
            bytes((config_id,)),
            kem.to_bytes(2, "big"),
            vec16(public_key),
            vec16_of(tuple([number for pair in suites for number in pair])),
            bytes((maximum_name_length,)),
            vec8(public_name),
            vec16(b"".join([extension(kind, body) for kind, body in extensions])),
        )
    )
    return _config(pack_config(VERSION, len(contents)) + contents, contents)


def build_list(configs: Iterable[bytes]) -> bytes:
    """An ECHConfigList."""
    return vec16(b"".join(configs))


# The extension (RFC 9849 5)


class Sealed(NamedTuple):
    """ECHClientHello of type outer."""

    suite: Suite
    config_id: int
    enc: bytes
    payload: bytes

    @classmethod
    def parse(cls, body: bytes) -> Sealed:
        """Parse it, after the type was checked; Abort with decode_error if it is malformed."""
        size = len(body)
        if size < SEALED_HEAD:
            raise Abort(faults.BAD_EXTENSION)
        kdf, aead, config_id, length = unpack_sealed(body, 1)
        end = SEALED_HEAD + length
        payload = body[end + 2 :]
        if not payload or body[end] << 8 | body[end + 1] != len(payload):
            raise Abort(faults.BAD_EXTENSION)
        return tuple_of(cls, ((kdf, aead), config_id, body[SEALED_HEAD:end], payload))

    def build(self) -> bytes:
        """The extension."""
        (kdf, aead), config_id, enc, payload = self
        size = len(enc) + len(payload) + 10
        head = pack_sealed(ENCRYPTED_CLIENT_HELLO, size, OUTER, kdf, aead, config_id, len(enc))
        return head + enc + vec16(payload)


def kind_of(body: bytes) -> int:
    """ECHClientHelloType; Abort for one that there is not, and for an inner one with content."""
    if not body:
        raise Abort(faults.BAD_EXTENSION)
    kind = body[0]
    if kind not in (OUTER, INNER) or (kind == INNER and len(body) > 1):
        raise Abort(faults.BAD_ECH_EXTENSION, f"type {kind}")
    return kind


def confirmation(body: bytes) -> bytes:
    """Of a HelloRetryRequest."""
    if len(body) != CONFIRMATION:
        raise Abort(faults.BAD_EXTENSION)
    return body


def _end(raw: bytes, pos: int) -> int:
    """Where encrypted_client_hello ends, and its payload with it, in a block of extensions from `pos` on."""
    while pos < len(raw):
        start = pos + 4
        end = start + (raw[pos + 2] << 8 | raw[pos + 3])
        if raw[pos] << 8 | raw[pos + 1] == ENCRYPTED_CLIENT_HELLO:
            return end
        pos = end
    raise Abort(faults.INTERNAL)


def with_payload(message: ClientHello, payload: bytes) -> bytes:
    """A ClientHello with another payload of the same length."""
    raw, found = message.raw, message.extensions
    end = len(raw)
    for kind in reversed(found):  # it is one of the last
        if kind == ENCRYPTED_CLIENT_HELLO:
            break
        end -= 4 + len(found[kind])
    return raw[: end - len(payload)] + payload + raw[end:]


def authenticated(message: ClientHello, size: int) -> bytes:
    """ClientHelloOuterAAD: the outer hello without its header, its payload of `size` bytes zeroed (RFC 9849 5.2)."""
    return with_payload(message, bytes(size))[4:]


def without_confirmation(raw: bytes) -> bytes:
    """A HelloRetryRequest whose confirmation is zero."""
    end = _end(raw, 44 + raw[38])
    return raw[: end - CONFIRMATION] + bytes(CONFIRMATION) + raw[end:]


# The inner hello (RFC 9849 5.1)


def encoded_inner(raw: bytes, extensions: bytes) -> bytes:
    """EncodedClientHelloInner: without header and session id, with these extensions, not yet padded."""
    id_end = 39 + raw[38]
    suites_end = id_end + 2 + (raw[id_end] << 8 | raw[id_end + 1])
    end = suites_end + 1 + raw[suites_end]
    return raw[4:38] + b"\x00" + raw[id_end:end] + vec16(extensions)


@lru_cache(64)
def outer_extensions(kinds: tuple[int, ...]) -> bytes:
    """The extension that refers to extensions of the outer hello, in its order."""
    return extension(ECH_OUTER_EXTENSIONS, vec8(vec16_of(kinds)[2:]))


def padding(name: str | None, maximum_name_length: int, size: int) -> int:
    """How many zeros follow an EncodedClientHelloInner of `size` bytes (RFC 9849 6.1.3)."""
    name_padding = maximum_name_length + 9 if name is None else max(0, maximum_name_length - len(name))
    return name_padding + 31 - (size + name_padding - 1) % 32


def rebuilt(encoded: bytes, outer: ClientHello) -> ClientHello:
    """The inner hello, from what was sealed and from the outer hello; in time proportional to both."""
    if len(encoded) > MAX_INNER:
        raise Abort(faults.BAD_ECH_INNER, "it is too long")
    try:
        suites_end = 37 + (encoded[35] << 8 | encoded[36])
        end = suites_end + 1 + encoded[suites_end]
        start = end + 2
        stop = start + (encoded[end] << 8 | encoded[end + 1])
    except IndexError:
        raise Abort(faults.BAD_ECH_INNER) from None
    if encoded[34]:
        raise Abort(faults.BAD_ECH_INNER, "it has a session id")
    if stop > len(encoded) or encoded[stop:].strip(b"\0"):
        raise Abort(faults.BAD_ECH_INNER, "it overruns, or its padding is not zero")
    block = encoded[start:stop]
    found = split_extensions(block)
    references = found.get(ECH_OUTER_EXTENSIONS)
    if references is not None:
        found = _expanded(found, references, outer.extensions)
        block = join_extensions(found)
        if len(block) > MAX_INNER:
            raise Abort(faults.BAD_ECH_INNER, "its extensions are too long")
    body = encoded[:34] + vec8(outer.session_id) + encoded[35:end] + vec16(block)
    try:
        inner = ClientHello.parse(message(CLIENT_HELLO, body), found)
    except (IndexError, StructError):
        raise Abort(faults.BAD_ECH_INNER) from None
    _check_inner(inner.extensions)
    return inner


def _expanded(inner: dict[int, bytes], references: bytes, outer: dict[int, bytes]) -> dict[int, bytes]:
    """The extensions of an inner hello, with those that it takes from the outer one in their place."""
    size = len(references)
    if size < 3 or references[0] != size - 1 or not size & 1:
        raise Abort(faults.BAD_ECH_INNER, "ech_outer_extensions cannot be read")
    referenced = _referenced(u16s(references[1:]), outer)
    found: dict[int, bytes] = {}
    for kind, body in inner.items():
        if kind == ECH_OUTER_EXTENSIONS:
            found.update(referenced)
        else:
            found[kind] = body
    if len(found) != len(inner) - 1 + len(referenced):
        raise Abort(faults.DUPLICATE_EXTENSION, "an extension of the inner hello is referenced, too")
    return found


def _referenced(kinds: tuple[int, ...], outer: dict[int, bytes]) -> dict[int, bytes]:
    """The extensions of the outer hello that are referred to, which have to be there in this order; they are found in
    one pass.
    """
    if ENCRYPTED_CLIENT_HELLO in kinds:
        raise Abort(faults.BAD_ECH_INNER, "encrypted_client_hello is referenced")
    found, wanted = {}, iter(kinds)
    kind = next(wanted, None)
    for one, body in outer.items():
        if one == kind:
            found[one] = body
            kind = next(wanted, None)
    if kind is not None:
        raise Abort(faults.BAD_ECH_INNER, f"extension {kind} is missing in the outer hello, or not in order")
    return found


def _check_inner(found: dict[int, bytes]) -> None:
    """RFC 9849 7.1: the mark of an inner hello, and nothing below TLS 1.3."""
    if found.get(ENCRYPTED_CLIENT_HELLO) != bytes((INNER,)):
        raise Abort(faults.BAD_ECH_INNER, "it is not marked as one")
    body = found.get(registry.SUPPORTED_VERSIONS, b"")
    versions = u16s(body[1:]) if len(body) & 1 and len(body) > 1 else ()
    if registry.TLS13 not in versions or any(registry.SSL3 <= version < registry.TLS13 for version in versions):
        raise Abort(faults.BAD_ECH_INNER, "it offers TLS 1.2 or older")
