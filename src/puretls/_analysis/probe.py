"""A ClientHello of any content, and what the server's answer to it says (RFC 8446 4.1, RFC 5246 7.4, RFC 6101).

The engine rightly refuses to speak most of what a scan asks for. So a scan composes its own hellos, reads as far as the
server's part of the handshake is in the clear, and goes no further: it computes no keys and finishes nothing. In TLS
1.3 the share of no group is sent, which makes the server name the group that it wants in a HelloRetryRequest.

`Reading` takes bytes as they come and has an answer or wants more. Everything in them is the server's word: lengths are
checked, sizes bounded, and nothing of it is repeated as text.
"""

from __future__ import annotations

from puretls._analysis.suites import suite
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._wire import extensions, messages12
from puretls._wire.codec import Reader, StructError, extension, vec8, vec16
from puretls._wire.hello import ServerHello, client_hello
from puretls._wire.messages import NewSessionTicket

HEARTBEAT = 15  # RFC 6520
EXPLICIT = {1: 0xFF01, 2: 0xFF02}  # ECCurveType to the group that stands for it (RFC 8422 5.4)
DEFLATE = 1  # RFC 3749
MOST = 1 << 18  # bytes of an answer; a server with more to say is not answering
LONGEST = (1 << 14) + 2048  # of a record (RFC 5246 6.2.3)


class Offer(NamedTuple):
    """What a ClientHello offers. Nothing is checked: a server may be asked for anything."""

    version: int
    suites: tuple[int, ...]
    groups: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()
    server_name: str = ""
    alpn: tuple[bytes, ...] = ()
    compression: bytes = b"\x00"
    unknown: tuple[int, ...] = ()  # extensions that no server knows, all of them empty
    session_id: bytes = b""  # before TLS 1.3
    ticket: bytes = b""  # the session ticket (RFC 5077)


class Hello(NamedTuple):
    """The server goes on: its ServerHello, and what the messages after it say."""

    version: int
    suite: int
    compression: int = 0
    extensions: tuple[int, ...] = ()
    group: int = 0  # 0: none, or not told
    scheme: int = 0  # of its signature in TLS 1.2
    bits: int = 0  # of the modulus, with DHE and with RSA keys of export strength
    prime: int = 0  # DHE's
    chain: tuple[bytes, ...] = ()  # DER; only until TLS 1.2, where it is in the clear
    stapled: bool = False  # an OCSP response came with it
    asks: bool = False  # for a client certificate
    session_id: bytes = b""


class Alert(NamedTuple):
    """The server refuses, with an alert."""

    description: int

    def __str__(self) -> str:
        return registry.ALERTS.get(self.description, f"alert {self.description}")


class Silence(NamedTuple):
    """No answer: closed without a word, or `lost`: there was no connection, or nothing came in time."""

    why: str
    lost: bool = False

    def __str__(self) -> str:
        return self.why


class Nonsense(NamedTuple):
    """Something that is no answer to a ClientHello."""

    why: str

    def __str__(self) -> str:
        return self.why


Answer = Hello | Alert | Silence | Nonsense


def compose(offer: Offer, random: bytes) -> bytes:
    """One record with the ClientHello; `random` is 64 bytes, for its random and its session id."""
    body = _extensions(offer) if offer.version > SSL3 else b""
    suites = b"".join(code.to_bytes(2, "big") for code in offer.suites)
    session_id = random[32:] if offer.version >= TLS13 else offer.session_id  # the former: RFC 8446 D.4
    raw = client_hello(min(offer.version, TLS12), random[:32], session_id, suites, body, offer.compression)
    version = SSL3 if offer.version == SSL3 else TLS10
    return bytes((registry.HANDSHAKE,)) + version.to_bytes(2, "big") + vec16(raw)


def _extensions(offer: Offer) -> bytes:
    parts = [extension(kind, b"") for kind in offer.unknown]
    if offer.server_name:
        parts.append(extensions.build_server_name(offer.server_name.encode("ascii")))
    if offer.groups:
        parts.append(extensions.build_numbers(registry.SUPPORTED_GROUPS, offer.groups))
        parts.append(extension(registry.EC_POINT_FORMATS, vec8(b"\x00")))
    if offer.version >= TLS12 and offer.schemes:
        parts.append(extensions.build_numbers(registry.SIGNATURE_ALGORITHMS, offer.schemes))
    if offer.alpn:
        parts.append(extensions.build_protocols(offer.alpn))
    parts.append(extensions.OCSP_REQUEST)
    parts.append(extension(registry.SIGNED_CERTIFICATE_TIMESTAMP, b""))
    if offer.version >= TLS13:
        parts.append(extension(registry.SUPPORTED_VERSIONS, vec8(offer.version.to_bytes(2, "big"))))
        parts.append(extension(registry.PSK_KEY_EXCHANGE_MODES, vec8(bytes((registry.PSK_DHE_KE,)))))
        parts.append(extension(registry.KEY_SHARE, vec16(b"")))
    else:
        parts.append(extension(registry.ENCRYPT_THEN_MAC, b""))
        parts.append(extension(registry.EXTENDED_MASTER_SECRET, b""))
        parts.append(extension(registry.SESSION_TICKET, offer.ticket))
        parts.append(extension(HEARTBEAT, b"\x01"))
        parts.append(extension(registry.RENEGOTIATION_INFO, vec8(b"")))
    return b"".join(parts)


class Reading:
    """The answer to one ClientHello, as it arrives; `only_hello` says that ServerHello is enough."""

    def __init__(self, *, only_hello: bool = False) -> None:
        self._only_hello, self._taken = only_hello, 0
        self._records, self._messages = bytearray(), bytearray()
        self._hello: Hello | None = None

    def feed(self, data: bytes) -> Answer | None:
        """Take in what has come; the answer, or None while it is incomplete."""
        self._taken += len(data)
        self._records += data
        try:
            answer = self._read()
        except (Abort, IndexError):
            return Nonsense("a malformed message")
        if answer is None and self._taken > MOST:
            return Nonsense(f"more than {MOST >> 10} KiB and no end of the answer")
        return answer

    def end(self) -> Answer:
        """The server has closed without an answer."""
        return Silence("the server closed the connection" + (" within its answer" if self._taken else ""))

    def _read(self) -> Answer | None:
        data, pos = self._records, 0
        try:
            while len(data) - pos >= 5:
                kind, size = data[pos], int.from_bytes(data[pos + 3 : pos + 5], "big")
                if not 20 <= kind <= 23 or data[pos + 1] != 3 or not 0 < size <= LONGEST:
                    return Nonsense(_guess(bytes(data[pos : pos + 5])))
                if len(data) - pos < 5 + size:
                    return None
                body = bytes(data[pos + 5 : pos + 5 + size])
                pos += 5 + size
                answer = self._record(kind, body)
                if answer is not None:
                    return answer
            return None
        finally:
            del data[:pos]

    def _record(self, kind: int, body: bytes) -> Answer | None:
        if kind == registry.ALERT:
            if len(body) != 2:
                return Nonsense("an alert of a wrong size")
            ignored = body[0] == registry.WARNING and body[1] != registry.CLOSE_NOTIFY  # unrecognized_name, say
            return None if ignored else Alert(body[1])
        if kind != registry.HANDSHAKE:
            return Nonsense(f"a record of type {registry.CONTENT_TYPES[kind]} before a ServerHello is complete")
        self._messages += body
        data, pos = self._messages, 0
        try:
            while len(data) - pos >= 4:
                size = 4 + int.from_bytes(data[pos + 1 : pos + 4], "big")
                if size > MOST:
                    return Nonsense(f"a handshake message of {size} bytes")
                if len(data) - pos < size:
                    return None
                message = bytes(data[pos : pos + size])
                pos += size
                answer = self._message(message)
                if answer is not None:
                    return answer
            return None
        finally:
            del data[:pos]

    def _message(self, raw: bytes) -> Answer | None:
        kind, hello = raw[0], self._hello
        if hello is None:
            if kind != registry.SERVER_HELLO:
                return Nonsense("a handshake message before ServerHello")
            hello = self._hello = _server_hello(ServerHello.parse(raw))
            return hello if hello.version >= TLS13 or self._only_hello else None
        if kind == registry.CERTIFICATE:
            hello = hello._replace(chain=messages12.Certificate.parse(raw).ders)
        elif kind == registry.CERTIFICATE_STATUS:
            hello = hello._replace(stapled=bool(messages12.CertificateStatus.parse(raw).response))
        elif kind == registry.SERVER_KEY_EXCHANGE:
            hello = _key_exchange(hello, raw)
        elif kind == registry.CERTIFICATE_REQUEST:
            hello = hello._replace(asks=True)
        elif kind == registry.SERVER_HELLO_DONE:
            return hello
        else:
            return Nonsense("a handshake message that does not belong there")
        self._hello = hello
        return None


def _server_hello(message: ServerHello) -> Hello:
    found = message.extensions
    version, group = message.legacy_version, 0
    if registry.SUPPORTED_VERSIONS in found:
        version = extensions.selected_u16(found[registry.SUPPORTED_VERSIONS])
    if registry.KEY_SHARE in found:
        share = found[registry.KEY_SHARE]
        group = extensions.selected_u16(share) if message.is_retry else extensions.key_share(share)[0]
    hello = Hello(version, message.cipher_suite, message.compression_method, tuple(found), group)
    return hello._replace(session_id=message.session_id)


def _key_exchange(hello: Hello, raw: bytes) -> Hello:
    """ServerKeyExchange, whose form the suite decides (RFC 5246 7.4.3, RFC 8422 5.4, RFC 4279 3)."""
    r, chosen = Reader(raw), suite(hello.suite)
    if chosen.exchange.endswith("PSK"):
        r.vec16()  # psk_identity_hint
    if chosen.exchange.startswith("ECDHE"):
        if r.data[r.pos] in EXPLICIT:  # the curve spelled out, of which the rest is not read
            return hello._replace(group=EXPLICIT[r.data[r.pos]])
        hello = hello._replace(group=messages12.EcdhParams.read(r).group)
    elif chosen.exchange.startswith("DHE"):
        prime = messages12.DhParams.read(r).p
        hello = hello._replace(bits=prime.bit_length(), prime=prime)
    elif chosen.exchange == "RSA":  # only of export strength
        hello = hello._replace(bits=int.from_bytes(r.vec16(), "big").bit_length())
        r.vec16()
    if chosen.signed and chosen.exchange != "SRP" and hello.version == TLS12:
        hello = hello._replace(scheme=r.u16())
    return hello


def early_data(ticket: bytes) -> int:
    """How much early data a NewSessionTicket of TLS 1.3 allows (RFC 8446 4.6.1); 0 if none, or if it is malformed."""
    try:
        body = NewSessionTicket.parse(ticket).extensions.get(registry.EARLY_DATA, b"")
    except (Abort, IndexError, StructError):
        return 0
    return int.from_bytes(body, "big") if len(body) == 4 else 0


def _guess(start: bytes) -> str:
    """What speaks there instead, by the first bytes."""
    names = {b"HTTP/": "HTTP", b"SSH-2": "SSH", b"220 ": "a protocol that needs STARTTLS", b"* OK ": "IMAP"}
    for first, name in names.items():
        if start.startswith(first):
            return f"this is {name}, not TLS"
    return f"this is not TLS: it begins with {start.hex(' ')}"
