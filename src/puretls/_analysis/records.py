"""Records as fields (RFC 8446 5, RFC 5246 6.2): what is on the wire, and what is found inside after decryption."""

from __future__ import annotations

from collections.abc import Sequence

from puretls._analysis import names
from puretls._analysis.fields import About, Field, Layout, Scan, brief, dissect, number, opaque, rest, text
from puretls._base import registry
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS10, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto.suites import Aead, Block, Suite

HEADER = 5
SHOWN = 72  # characters of application data that its value shows

ALERT_LAYOUT = (
    number("level", 1, names.alert_level, "Meaningless in TLS 1.3: all but two are fatal.", "RFC 8446 6"),
    number("description", 1, names.alert, "What is wrong, or close_notify: nothing, that was all.", "RFC 8446 6"),
)
CHANGE_LAYOUT = (number("type", 1, names.named({1: "change_cipher_spec"}), "The only value there is.", "RFC 5246 7.1"),)
CHANGE_NOTES = {
    False: "From here on the sender's records are protected with the keys just made.",
    True: "Means nothing in TLS 1.3: it makes the handshake look like an old one to middleboxes.",
}


class Piece(NamedTuple):
    """As much of a handshake message as is in one record."""

    name: str
    size: int
    share: str = ""  # "" for a whole message


class Protection(NamedTuple):
    """How the records of a direction are protected: what decides where their parts are."""

    suite: Suite
    version: int
    etm: bool = False

    def parts(self, size: int) -> tuple[Layout, ...]:
        """The parts of a protected body of `size` bytes."""
        cipher, mac = self.suite.cipher, self.suite.mac
        before = after = 0
        ahead = behind = ""
        if isinstance(cipher, Aead):
            before = 0 if self.version >= TLS13 else 12 - cipher.salt
            after, ahead, behind = cipher.tag, "nonce_explicit", "tag"
        elif mac is not None:
            before = cipher.block if isinstance(cipher, Block) and self.version > TLS10 else 0
            after = 0 if isinstance(cipher, Block) and not self.etm else mac.size
            ahead, behind = "IV", "MAC"
        middle = size - before - after
        if middle < 0:
            return (rest("fragment"),)
        return (
            *((opaque(ahead, before, "Makes this record's nonce another one."),) if before else ()),
            opaque("ciphertext", middle, "The content, encrypted."),
            *((opaque(behind, after, "Proves that nobody changed the record on the way."),) if after else ()),
        )


def record(data: bytes, version: int, content: tuple[Layout, ...], *, protected: bool) -> Field:
    """A record as it is on the wire: five bytes of header, and what the caller knows of the rest."""
    name = ("TLSCiphertext" if protected else "TLSPlaintext") if data else "nothing"
    root = dissect(name, data, About(version), header(protected=protected and version == TLS13), *content)
    root.value = root.children[0].value if root.children else ""
    return root


def header(*, protected: bool) -> Layout:
    """type, legacy_record_version, length (RFC 8446 5.1, 5.2)."""
    hidden = "Always application_data: the real type is encrypted inside."
    note = hidden if protected else "What kind of content this is."

    def read(scan: Scan) -> None:
        leaf, kind = scan.number("opaque_type" if protected else "type", 1, note, "RFC 8446 5.1")
        leaf.value = names.content_type(kind)
        if kind not in registry.CONTENT_TYPES:
            leaf.fault = "this is no type of TLS: is it TLS at all?"
        number("legacy_record_version", 2, names.version, "Frozen, because middleboxes looked at it.")(scan)
        leaf, size = scan.number("length", 2, "How many bytes follow: up to 2^14, and what protection adds.")
        if size != scan.left:
            leaf.fault = f"{size} bytes are announced, {scan.left} are there"

    return read


def content(kind: int, data: bytes, pieces: Sequence[Piece]) -> tuple[Layout, ...]:
    """What is in a record of a type that is not protected (any more)."""
    if kind == HANDSHAKE:
        return tuple(map(piece_layout, pieces)) or (rest("fragment"),)
    if kind == ALERT:
        return ALERT_LAYOUT
    if kind == CHANGE_CIPHER_SPEC:
        return CHANGE_LAYOUT
    name = "application_data" if kind == APPLICATION_DATA else "fragment"
    return (opaque_text(name, len(data)),)


def piece_layout(piece: Piece) -> Layout:
    """A message, or a part of one, as a leaf: the message itself is explained as a whole."""

    def read(scan: Scan) -> None:
        note = "A handshake message, explained below." if not piece.share else "Part of a handshake message."
        leaf, _ = scan.take(piece.name, piece.size, note, "RFC 8446 5.1")
        leaf.value = piece.share or "the whole message"

    return read


def opaque_text(name: str, size: int) -> Layout:
    """Bytes that may be text."""

    def read(scan: Scan) -> None:
        leaf, data = scan.take(name, size, "What the application sends: TLS does not look into it.", "RFC 8446 5.2")
        leaf.value = excerpt(data)

    return read


def excerpt(data: bytes) -> str:
    """The beginning of application data: as text, if it looks like it."""
    readable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in data[:SHOWN])
    if readable < len(data[:SHOWN]):
        return brief(data)
    return text(data[:SHOWN]) + (f"... ({len(data)} bytes)" if len(data) > SHOWN else "")


def inner13(kind: int, data: bytes, zeros: int, pieces: Sequence[Piece]) -> Field:
    """TLSInnerPlaintext (RFC 8446 5.2): content, its type, and padding."""
    layouts = content(kind, data, pieces)
    tail: tuple[Layout, ...] = (
        number("type", 1, names.content_type, "The type of the content, hidden from those on the way.", "RFC 8446 5.2"),
    )
    if zeros:
        tail += (opaque("zeros", zeros, "Padding: it hides how long the content is.", "RFC 8446 5.4"),)
    return dissect(
        "TLSInnerPlaintext", data + bytes((kind,)) + bytes(zeros), About(TLS13), within(len(data), layouts), *tail
    )


def within(size: int, layouts: tuple[Layout, ...]) -> Layout:
    """Layouts that have to do with `size` bytes."""

    def read(scan: Scan) -> None:
        end, scan.end = scan.end, scan.pos + size
        scan.fill(layouts)
        scan.end = end

    return read
