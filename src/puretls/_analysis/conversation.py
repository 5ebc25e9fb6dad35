"""A whole connection from its bytes: records taken apart, decrypted with what the key log has, messages put together.

`feed` takes what each side sent, in the order it was seen; everything found is in `records`, in that order. Whatever is
fed, nothing raises: what cannot be decrypted or read is a record that says why. This watches a connection and never
judges it: whether a signature is good is the engine's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as default

from puretls._analysis import early, keylog, names, records
from puretls._analysis.fields import About, Field, Layout, brief, dissect, rest
from puretls._analysis.finished import is_retry, verify_data
from puretls._analysis.inner_hello import InnerHellos
from puretls._analysis.keylog import ECH_SECRET, KeyLog
from puretls._analysis.messages import about_suite, message
from puretls._analysis.records import HEADER, Piece, Protection
from puretls._base import registry
from puretls._base.faults import Abort
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto import schedule, suites
from puretls._crypto.kdf import MD5_SHA1, Prf
from puretls._crypto.suites import Aead, Suite
from puretls._record import protection12
from puretls._record.protection import Opener, Opener13
from puretls._wire.hello import ServerHello

OUTSIDE = {  # the transcript, in TLS 1.3 and before
    True: frozenset({registry.NEW_SESSION_TICKET, registry.KEY_UPDATE}),
    False: frozenset({registry.HELLO_REQUEST}),
}
FINISHING = frozenset({keylog.CLIENT_HANDSHAKE, keylog.SERVER_HANDSHAKE, keylog.MASTER})


@dataclass
class Message:
    """A handshake message, an alert, a ChangeCipherSpec or some application data: a rung of the ladder."""

    from_client: bool
    at: float
    content: int
    name: str
    raw: bytes
    field: Field
    secret: str  # the label of the secret that protected it, "" in clear

    @property
    def spoken(self) -> str:
        """The name of the message; of an alert, its description."""
        return f"Alert {self.field.value}" if self.content == ALERT else self.name


@dataclass
class Record:
    """A record on the wire, and what was in it."""

    from_client: bool
    at: float
    raw: bytes
    field: Field
    secret: str = ""
    protected: bool = False
    plain: bytes = b""  # after decryption; TLS 1.3's inner plaintext with type and padding
    inner: Field | None = None
    fault: str = ""
    messages: list[Message] = default(default_factory=list)  # that end in this record


class Keys(NamedTuple):
    """What a direction was protected with: a line of the key log, and what came out of it."""

    label: str
    secret: bytes
    from_client: bool
    key: bytes
    iv: bytes


class Side:
    """One direction: what has arrived of a record and of a message, and what opens the next."""

    def __init__(self, *, client: bool) -> None:
        self.client = client
        self.buffer, self.partial = bytearray(), bytearray()
        self.protection: Protection | None = None
        self.opener: Opener | None = None
        self.label, self.secret = "", b""
        self.early: tuple[Suite, ...] = ()  # which may protect early data, until one has opened a record
        self.pending: tuple[Protection, Opener | None, str, bytes] | None = None  # TLS 1.2: until ChangeCipherSpec


class Conversation:
    """Both directions of a connection."""

    def __init__(self, log: KeyLog | None = None) -> None:
        self.log = log or KeyLog()
        self.records: list[Record] = []
        self.keys: list[Keys] = []
        self.about = About()
        self.client_random = self.client_hello = b""
        self.suite: Suite | None = None
        self.said: list[bytes] = []  # the transcript
        self.inner = InnerHellos()
        self.sides = {True: Side(client=True), False: Side(client=False)}

    @property
    def messages(self) -> list[Message]:
        """The messages of both sides, in order."""
        return [one for record in self.records for one in record.messages]

    def feed(self, from_client: bool, data: bytes, at: float = 0) -> None:
        """What one side sent, as it was on the wire."""
        side = self.sides[from_client]
        side.buffer += data
        while len(side.buffer) >= HEADER:
            size = HEADER + int.from_bytes(side.buffer[3:5], "big")
            if len(side.buffer) < size:
                return
            raw = bytes(side.buffer[:size])
            del side.buffer[:size]
            self._record(side, raw, at)

    def end(self, at: float = 0) -> None:
        """No more will come: what is left is less than a record."""
        for side in self.sides.values():
            found: list[Message] = []
            if side.partial:
                raw = bytes(side.partial)
                side.partial.clear()
                root = message(raw, self.about)
                found.append(Message(side.client, at, HANDSHAKE, root.name, raw, root, side.label))
            if side.buffer or found:
                raw = bytes(side.buffer)
                side.buffer.clear()
                root = records.record(raw, 0, (rest("fragment"),), protected=False)
                fault = "the connection ended within this record" if raw else "the connection ended within a message"
                self.records.append(Record(side.client, at, raw, root, fault=fault, messages=found))

    def _record(self, side: Side, raw: bytes, at: float) -> None:
        kind, body, version = raw[0], raw[HEADER:], self.about.version
        protection = side.protection
        if protection is None or (protection.version == TLS13 and kind != APPLICATION_DATA):
            pieces, found = self._content(side, kind, body, at, "")
            if kind not in registry.CONTENT_TYPES or (kind == APPLICATION_DATA and protection is None):
                content: tuple[Layout, ...] = (rest("fragment"),)
            else:
                content = records.content(kind, body, pieces)
            root = records.record(raw, version, content, protected=False)
            record = Record(side.client, at, raw, root, messages=found)
            for one in found:
                if one.secret == ECH_SECRET:
                    record.plain, record.inner = one.raw, one.field
            self.records.append(record)
        else:
            root = records.record(raw, protection.version, protection.parts(len(body)), protected=True)
            record = Record(side.client, at, raw, root, side.label, protected=True)
            self.records.append(record)
            self._open(side, record, body)
        for one in self.records[-1].messages:
            self._follow(side, one)

    def _open(self, side: Side, record: Record, body: bytes) -> None:
        """Decrypt a record and look inside."""
        if side.early:
            self._open_early(side, record.raw)
        if side.opener is None or side.protection is None:
            record.fault = f"the key log has no {side.label}, so this stays closed"
            return
        try:
            kind, data = side.opener.open(record.raw[:HEADER], body)
        except Abort:
            record.fault = f"{side.label} does not open this: it is damaged, or protected with another key"
            return
        pieces, record.messages = self._content(side, kind, data, record.at, side.label)
        if side.protection.version == TLS13 and isinstance(side.protection.suite.cipher, Aead):
            zeros = len(body) - side.protection.suite.cipher.tag - len(data) - 1
            record.plain = data + bytes((kind,)) + bytes(zeros)
            record.inner = records.inner13(kind, data, zeros, pieces)
        else:
            record.plain = data
            record.inner = dissect("fragment", data, self.about, *records.content(kind, data, pieces))

    def _open_early(self, side: Side, raw: bytes) -> None:
        """Find the keys of early data by what they open."""
        randoms = (self.client_random, self.inner.random)
        for suite, secret in early.secrets(self.log, randoms, side.early):
            before = len(self.keys)
            self._traffic(side, keylog.CLIENT_EARLY, secret, suite)
            opened = side.opener is not None and _opens(side.opener, raw)
            del self.keys[before:]
            if opened:
                self._traffic(side, keylog.CLIENT_EARLY, secret, suite)  # from its first record on
                side.early = ()
                return
        side.opener = None

    def _content(self, side: Side, kind: int, data: bytes, at: float, label: str) -> tuple[list[Piece], list[Message]]:
        """The messages that end in this content, and how it is cut into them."""
        if kind == HANDSHAKE:
            return self._handshake(side, data, at, label)
        if kind == ALERT:
            root = dissect("Alert", data, self.about, *records.ALERT_LAYOUT)
            root.value = root.children[-1].value
            root.note, root.rfc = "One side tells the other why it ends.", "RFC 8446 6"
        elif kind == CHANGE_CIPHER_SPEC:
            root = dissect("ChangeCipherSpec", data, self.about, *records.CHANGE_LAYOUT)
            root.note, root.rfc = records.CHANGE_NOTES[self.about.version == TLS13], "RFC 5246 7.1, RFC 8446 D.4"
        elif kind == APPLICATION_DATA and (label or side.protection is None):
            root = dissect("application_data", data, self.about, records.opaque_text("data", len(data)))
            root.value = root.children[-1].value if label else brief(data)
            root.note, root.rfc = "What the application sends.", "RFC 8446 5.2"
        else:
            root = dissect("unknown", data, self.about, rest("fragment"))
        return [], [Message(side.client, at, kind, root.name, data, root, label)]

    def _handshake(self, side: Side, data: bytes, at: float, label: str) -> tuple[list[Piece], list[Message]]:
        pieces: list[Piece] = []
        found: list[Message] = []
        position = 0
        while position < len(data):
            before = len(side.partial)
            head = (bytes(side.partial[:4]) + data[position : position + 4])[:4]
            size = 4 + int.from_bytes(head[1:4], "big") if len(head) == 4 else 4
            here = min(size - before, len(data) - position)
            side.partial += data[position : position + here]
            name = names.handshake_type(head[0])
            whole = before + here == size and len(head) == 4
            share = "" if here == size else f"bytes {before} to {before + here} of {size}"
            pieces.append(Piece(name, here, share))
            position += here
            if whole:
                raw = bytes(side.partial)
                side.partial.clear()
                root = message(raw, self.about)
                found.append(Message(side.client, at, HANDSHAKE, root.name, raw, root, label))
                if raw[0] == registry.FINISHED:
                    self._judge(side, raw, root)
                self._learn(raw)
                if raw[0] not in OUTSIDE[self.about.version == TLS13]:
                    self.said.append(raw)
                if raw[0] == registry.CLIENT_HELLO:
                    found += self._within(side, raw, at)
                elif self.said is not self.inner.said and self.inner.said:
                    self.inner.said.append(raw)
        return pieces, found

    def _within(self, side: Side, raw: bytes, at: float) -> list[Message]:
        """The inner hello of an encrypted one, beside it: its bytes are not among those of the record."""
        inner = self.inner.open(raw, self.log)
        if inner is None:
            return []
        self.inner.said.append(inner)
        root = message(inner, self.about)
        root.note = "Sealed in encrypted_client_hello: only who has the server's key can read it."
        root.rfc = "RFC 9849 5.1"
        return [Message(side.client, at, HANDSHAKE, "ClientHello, inner", inner, root, ECH_SECRET)]

    def _judge(self, side: Side, raw: bytes, root: Field) -> None:
        """Whether a Finished fits what was said before it: if not, somebody has changed something."""
        leaf = root.find("verify_data")
        if leaf is None or self.suite is None or not side.secret or side.label not in FINISHING:
            return
        expected = verify_data(self.suite, self.about.version, side.secret, self.said, client=side.client)
        if raw[4:] == expected:
            leaf.value += ", as it has to be"
        else:
            leaf.fault = f"has to be {expected.hex()} after what was said before"

    # What a message changes

    def _learn(self, raw: bytes) -> None:
        """Take from the hellos what later messages are read by; later messages may be in the same record."""
        if raw[0] == registry.CLIENT_HELLO:
            if not (self.said and is_retry(self.said[-1])):
                self.said.clear()
            self.client_random, self.client_hello = raw[6:38], self.client_hello or raw
            self.about = About()
            self._expect_early(raw)
        elif raw[0] == registry.SERVER_HELLO:
            try:
                hello = ServerHello.parse(raw)
            except (Abort, IndexError):
                return
            if is_retry(raw):
                self._expect_early(b"")
                return
            chosen = hello.extensions.get(registry.SUPPORTED_VERSIONS, b"")
            version = int.from_bytes(chosen, "big") if len(chosen) == 2 else hello.legacy_version
            self.about = about_suite(version, hello.cipher_suite)
            self.suite = suites.BY_CODE.get(hello.cipher_suite)
            if self.inner.said and self.log.get(keylog.CLIENT_HANDSHAKE, self.inner.random) is not None:
                self.client_random, self.said = self.inner.random, self.inner.said  # it was read: it counts
            if self.suite and version == TLS13 and isinstance(self.suite.cipher, Aead):
                self._traffic(self.sides[False], keylog.SERVER_HANDSHAKE)
                if self.sides[True].label != keylog.CLIENT_EARLY:  # which go on until the server takes none, or the end
                    self._traffic(self.sides[True], keylog.CLIENT_HANDSHAKE)
            elif self.suite and version < TLS13:
                self._expect_early(b"")
                self._traffic12(self.suite, version, hello)
        elif raw[0] == registry.ENCRYPTED_EXTENSIONS and not early.taken(raw):
            self._end_early()

    def _expect_early(self, hello: bytes) -> None:
        """Expect early data behind this hello if it offers any; none follows a HelloRetryRequest."""
        client = self.sides[True]
        client.early = early.offered(hello) if self.about.version == 0 and hello else ()
        if client.early:
            client.protection, client.opener = Protection(client.early[0], TLS13), None
            client.label, client.secret = keylog.CLIENT_EARLY, b""
        elif client.label == keylog.CLIENT_EARLY:
            client.protection, client.opener, client.label, client.secret = None, None, "", b""

    def _end_early(self) -> None:
        """Early data is over: the client's next records belong to the handshake."""
        client = self.sides[True]
        if client.label == keylog.CLIENT_EARLY:
            client.early = ()
            self._traffic(client, keylog.CLIENT_HANDSHAKE)

    def _follow(self, side: Side, one: Message) -> None:
        """Keys change with some messages, from the sender's next record on."""
        if one.content == CHANGE_CIPHER_SPEC and side.pending:
            (side.protection, side.opener, side.label, side.secret), side.pending = side.pending, None
        elif one.content == HANDSHAKE and self.about.version == TLS13 and one.secret and one.raw:
            if one.raw[0] == registry.END_OF_EARLY_DATA and side.client:
                self._end_early()
            elif one.raw[0] == registry.FINISHED and side.label in FINISHING:
                self._traffic(side, keylog.CLIENT_TRAFFIC if side.client else keylog.SERVER_TRAFFIC)
            elif one.raw[0] == registry.KEY_UPDATE and side.secret and self.suite:
                base, _, number = side.label.rpartition("_")
                secret = schedule.next_traffic_secret(self.suite.hash, side.secret)
                self._traffic(side, f"{base}_{int(number) + 1}" if number.isdigit() else side.label, secret)

    def _traffic(self, side: Side, label: str, secret: bytes | None = None, suite: Suite | None = None) -> None:
        """TLS 1.3: a traffic secret is in use from here on."""
        suite = suite or self.suite
        if suite is None or not isinstance(suite.cipher, Aead):
            return
        secret = secret or self.log.get(label, self.client_random)
        side.label, side.secret, side.protection, side.opener = label, secret or b"", Protection(suite, TLS13), None
        if secret and len(secret) == suite.hash.size:
            key, iv = schedule.traffic_keys(suite.hash, secret, suite.cipher.key)
            side.opener = Opener13(suite.cipher, key, iv)
            self.keys.append(Keys(label, secret, side.client, key, iv))

    def _traffic12(self, suite: Suite, version: int, hello: ServerHello) -> None:
        """TLS 1.0 to 1.2: one master secret for both directions, used from each ChangeCipherSpec on."""
        etm = registry.ENCRYPT_THEN_MAC in hello.extensions
        protection = Protection(suite, version, etm)
        master = self.log.get(keylog.MASTER, self.client_random)
        if master is None:
            for side in self.sides.values():
                side.pending = protection, None, keylog.MASTER, b""
            return
        prf = Prf(suite.hash if version >= TLS12 else MD5_SHA1, master)
        directions = protection12.key_block(suite, prf, hello.random + self.client_random)
        for keys, side in zip(directions, (self.sides[True], self.sides[False]), strict=True):
            side.pending = protection, protection12.opener(suite, version, keys, etm=etm), keylog.MASTER, master
            self.keys.append(Keys(keylog.MASTER, master, side.client, keys.key, keys.iv))


def _opens(opener: Opener, raw: bytes) -> bool:
    try:
        opener.open(raw[:HEADER], raw[HEADER:])
    except Abort:
        return False
    return True
