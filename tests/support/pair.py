"""Two engines joined in memory, and everything that can go wrong between them.

`Pair` moves records from one side to the other until nothing moves any more.  A test changes one message by its name:
`pair.server.wire["Finished"] = edit` is somebody in the middle who has the sender's keys (the sender's transcript holds
what it meant to send), `pair.server.lies["Finished"] = edit` is a sender that means what it says.  An edit gets the
message and returns what to send in its place: messages, or (content type, data) for records of another kind.
Clock and randomness are parameters; what parks is answered from `answers`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from functools import cache
from os import urandom
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from puretls._base import faults
from puretls._base.faults import Abort, Fault
from puretls._base.registry import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    HANDSHAKE,
    HANDSHAKE_TYPES,
    SERVER_HELLO,
    TLS12,
    TLS13,
)
from puretls._crypto import groups, schedule, signatures, suites
from puretls._crypto.finite_field import FiniteField
from puretls._crypto.groups import SECP256R1, X25519
from puretls._engine.config import Config, Credential
from puretls._engine.connection import Connection
from puretls._engine.handshake import Handshake
from puretls._engine.machine import Machine
from puretls._engine.outcome import NOTHING, Outcome
from puretls._engine.policy import CERT_REQUIRED, PeerPolicy
from puretls._engine.requests import ClientHelloRequest, PskClientRequest, PskServerRequest, SignRequest
from puretls._engine.session import Session
from puretls._engine.sessions import SessionManager
from puretls._record.layer import CCS_RECORD
from puretls._record.outbound import Outbound
from puretls._record.protection import NullOpener, Opener13
from puretls._wire.codec import split_extensions, vec8, vec16
from puretls._wire.hello import HELLO_RETRY_REQUEST, ClientHello, ServerHello
from puretls._x509.store import Store

NOW = 1_800_000_000.0
HOST = "localhost"
CLIENT, SERVER = "client", "server"

Item = bytes | tuple[int, bytes]
Edit = Callable[[bytes], Item | Iterable[Item]]
Edits = dict[str, Edit]

SUITES13 = tuple(suite for suite in suites.SUITES if suite.since == TLS13)[:3]
OLDER = tuple(suite for suite in suites.SUITES if suite.since != TLS13)
AEAD12 = tuple(
    suite
    for suite in OLDER
    if suite.kx in {suites.ECDHE, suites.DHE} and suite.mac is None and suite.auth in {suites.RSA, suites.ECDSA}
)


def suite(name: str) -> suites.Suite:
    return suites.BY_NAME[name]


# Who they are


KEYS: dict[str, Callable[[], Any]] = {
    "EC": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "ED25519": ed25519.Ed25519PrivateKey.generate,
    "ED448": ed448.Ed448PrivateKey.generate,
}


def identity(kind: str = "EC") -> Credential:
    """A self-signed certificate for a key of this kind."""
    return _identity(kind)


@cache
def _identity(kind: str) -> Credential:
    key = KEYS[kind]()
    return Credential([self_signed(kind, key)], key, key.public_key(), signatures.key_kind(key))


def self_signed(kind: str, key: Any, **signing: Any) -> bytes:
    """The certificate of HOST, in DER, for a key of this kind; `signing` goes to `cryptography`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kind)])
    day = dt.datetime.fromtimestamp(NOW, dt.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(day - dt.timedelta(1))
        .not_valid_after(day + dt.timedelta(30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    digest = None if kind.startswith("ED") else hashes.SHA256()
    return builder.sign(key, digest, **signing).public_bytes(Encoding.DER)


@cache
def store(*kinds: str) -> Store:
    found = Store()
    for kind in kinds or ("EC",):
        found.add_der(identity(kind).ders[0])
    return found


def configured(config: Config, **changes: Any) -> Config:
    """Another configuration; what belongs to its policy is told apart here."""
    policy = {one.name: changes.pop(one.name) for one in fields(PeerPolicy) if one.name in changes}
    return replace(config, policy=replace(config.policy, **policy), **changes) if policy else replace(config, **changes)


def client_config(**changes: Any) -> Config:
    """A client that verifies; quick groups, all modern suites."""
    return configured(
        Config(
            versions=(TLS13, TLS12),
            suites=AEAD12,
            suites13=SUITES13,
            groups=(X25519, SECP256R1),
            key_shares=(X25519,),
            policy=PeerPolicy(verify_mode=CERT_REQUIRED, check_hostname=True, store=store()),
            sessions=SessionManager(),
        ),
        **changes,
    )


def server_config(**changes: Any) -> Config:
    return configured(
        Config(
            versions=(TLS13, TLS12),
            suites=AEAD12,
            suites13=SUITES13,
            groups=(X25519, SECP256R1),
            credentials=(identity(),),
            sessions=SessionManager(),
        ),
        **changes,
    )


FFDHE = groups.BY_NAME["ffdhe2048"]


def ffdhe() -> FiniteField:
    return FFDHE.field  # type: ignore[attr-defined,no-any-return]  # only finite fields have one


# Messages and records as they pass


def name_of(raw: bytes) -> str:
    """What an edit is found by."""
    if raw[0] == SERVER_HELLO and raw[6:38] == HELLO_RETRY_REQUEST:
        return "HelloRetryRequest"
    return HANDSHAKE_TYPES.get(raw[0], str(raw[0]))


def split_messages(data: bytes) -> list[bytes]:
    found, pos = [], 0
    while pos < len(data):
        stop = pos + 4 + int.from_bytes(data[pos + 1 : pos + 4], "big")
        found.append(bytes(data[pos:stop]))
        pos = stop
    return found


def split_records(data: bytes) -> list[bytes]:
    found, pos = [], 0
    while pos < len(data):
        stop = pos + 5 + int.from_bytes(data[pos + 3 : pos + 5], "big")
        found.append(data[pos:stop])
        pos = stop
    return found


def record(kind: int, data: bytes, version: int = TLS12) -> bytes:
    """A record without protection."""
    return bytes((kind, version >> 8, version & 255)) + len(data).to_bytes(2, "big") + data


def listed(items: Item | Iterable[Item]) -> list[Item]:
    return [items] if isinstance(items, (bytes, tuple)) else list(items)


def drop(_: bytes) -> list[Item]:
    return []


def twice(raw: bytes) -> list[Item]:
    return [raw, raw]


def instead(*items: Item) -> Edit:
    return lambda _: list(items)


def before(*items: Item) -> Edit:
    return lambda raw: [*items, raw]


def after(*items: Item) -> Edit:
    return lambda raw: [raw, *items]


def swapped(old: bytes, new: bytes) -> Edit:
    """One part of the message for another; its lengths have to be right already."""

    def edit(raw: bytes) -> bytes:
        assert old in raw, "there is nothing to swap"
        return raw.replace(old, new, 1)

    return edit


def body(change: Callable[[bytes], bytes]) -> Edit:
    """Change what follows the header, whose length is corrected."""
    return lambda raw: message(raw[0], change(raw[4:]))


def message(kind: int, data: bytes) -> bytes:
    return bytes((kind,)) + len(data).to_bytes(3, "big") + data


def hello(extensions: dict[int, bytes | None] | None = None, **fields: Any) -> Edit:
    """A ClientHello, ServerHello or HelloRetryRequest with other fields; an extension that is None is left out."""

    def edit(raw: bytes) -> bytes:
        is_client = raw[0] == CLIENT_HELLO
        parsed: Any = (ClientHello if is_client else ServerHello).parse(raw)
        block = extension_block({**parsed.extensions, **(extensions or {})})
        made = parsed._replace(**fields)
        suites = vec16(made.cipher_suites) if is_client else made.cipher_suite.to_bytes(2, "big")
        compression = vec8(made.compression_methods) if is_client else bytes((made.compression_method,))
        head = made.legacy_version.to_bytes(2, "big") + made.random + vec8(made.session_id)
        return message(raw[0], head + suites + compression + (vec16(block) if block else b""))

    return edit


def extension_block(found: dict[int, bytes | None]) -> bytes:
    return b"".join(kind.to_bytes(2, "big") + vec16(body) for kind, body in found.items() if body is not None)


def extensions(**changes: Any) -> Edit:
    """EncryptedExtensions, CertificateRequest or NewSessionTicket of TLS 1.3 with other extensions: x16=b"..."."""
    found = {int(name[1:]): content for name, content in changes.items()}

    def edit(raw: bytes) -> bytes:
        for size in range(4, len(raw)):  # the block is the last vector of the message
            if int.from_bytes(raw[size : size + 2], "big") == len(raw) - size - 2:
                with suppress(Abort):
                    block = {**split_extensions(raw[size + 2 :]), **found}
                    return message(raw[0], raw[4:size] + vec16(extension_block(block)))
        raise AssertionError("no extensions here")

    return edit


class Wire(Outbound):
    """Sends what the edits make of each message; `each` puts every message into a record of its own."""

    __slots__ = ("each", "edits")

    def put(self, kind: int, data: Any) -> None:
        if kind == HANDSHAKE and (self.edits or self.each):
            items = [item for raw in split_messages(data) for item in self._edited(name_of(raw), raw)]
        elif kind == CHANGE_CIPHER_SPEC:
            items = [
                (kind, item) if isinstance(item, bytes) else item for item in self._edited("ChangeCipherSpec", b"\x01")
            ]
        else:
            items = [(kind, data)]
        if all(isinstance(item, bytes) for item in items) and not self.each:
            items = [(HANDSHAKE, b"".join(items))] if items else []
        for item in items:
            super().put(*((HANDSHAKE, item) if isinstance(item, bytes) else item))

    def put_record(self, record: bytes) -> None:
        assert record == CCS_RECORD
        for item in self._edited("ChangeCipherSpec", b"\x01"):
            if isinstance(item, bytes):
                super().put_record(globals()["record"](CHANGE_CIPHER_SPEC, item))
            else:
                super().put(*item)

    def _edited(self, name: str, raw: bytes) -> list[Item]:
        edit = self.edits.get(name)
        return listed(edit(raw)) if edit else [raw]


class Lying(Handshake):
    """A handshake that says other messages than it has made; its transcript has what it says."""

    __slots__ = ("lies",)

    def send_message(self, raw: bytes) -> None:
        super().send_messages(list(self._edited([raw])))

    def send_messages(self, messages: Iterable[bytes]) -> None:
        super().send_messages(list(self._edited(messages)))

    def send_post_handshake(self, messages: Iterable[bytes]) -> None:
        super().send_post_handshake(list(self._edited(messages)))

    def _edited(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        for raw in messages:
            edit = self.lies.get(name_of(raw))
            for item in listed(edit(raw)) if edit else (raw,):
                assert isinstance(item, bytes)
                yield item


class Side(Connection):
    """A connection whose messages can be changed on their way out, and which answers for its handshake.

    What a handshake has agreed on is asked of the side itself: `outcome` once there is one, `draft` until then.
    """

    __slots__ = ("lies", "name", "wire")

    def __init__(self, config: Config, *, server_side: bool, each: bool = False, **arguments: Any) -> None:
        super().__init__(config, server_side=server_side, **arguments)
        self.name = SERVER if server_side else CLIENT
        records, made = self.records, self.handshake
        self.handshake = lying = Lying(
            config, server_side, made.clock, made.server_hostname, made.offered, made.random, records, made.begin
        )
        self.machine = Machine(lying)
        self.lies: Edits = {}
        lying.lies = self.lies
        records.outbound = Wire(records.outbound.sealer.version)  # type: ignore[attr-defined]  # a NullSealer still
        self.wire: Edits = {}
        records.outbound.edits, records.outbound.each = self.wire, each

    def __getattr__(self, name: str) -> Any:
        if name not in Outcome.__slots__ and name != "session_reused":
            raise AttributeError(name)
        return getattr(self.outcome if self.established or self.outcome is not NOTHING else self.draft, name, None)


def _of(part: str, name: str) -> property:
    def change(side: Side, value: Any) -> None:
        setattr(getattr(side, part), name, value)

    return property(lambda side: getattr(getattr(side, part), name), change)


for name in (  # what a test asks a side for, and its record layer has
    "close_received",
    "close_sent",
    "events",
    "inbound",
    "messages",
    "outbound",
    "control",
    "read_secret",
    "next_write_keys",
    "two_threads",
    "update_awaited",
    "update_write_keys",
    "warnings",
    "write_secret",
):
    setattr(Side, name, _of("records", name))
for name in (*(set(Handshake.__slots__) - {"layer"}), "send_message", "send_messages", "session"):
    setattr(Side, name, _of("handshake", name))
for name in ("failure", "refusal", "state"):
    setattr(Side, name, _of("machine", name))


class Refusal(NamedTuple):
    """Who aborted, and why."""

    by: str
    fault: Fault


class Pair:
    """A client, a server and what is between them."""

    def __init__(
        self,
        client: Config | None = None,
        server: Config | None = None,
        *,
        session: Session | None = None,
        host: str | None = HOST,
        now: float = NOW,
        client_random: Callable[[int], bytes] = urandom,
        server_random: Callable[[int], bytes] = urandom,
        answers: dict[type, Any] | None = None,
        each: bool = False,
        piece: int = 0,
    ) -> None:
        self.now, self.piece = now, piece
        self.client = Side(
            client or client_config(),
            server_side=False,
            server_hostname=host,
            session=session,
            clock=lambda: self.now,
            random=client_random,
            each=each,
        )
        self.server = Side(
            server or server_config(), server_side=True, clock=lambda: self.now, random=server_random, each=each
        )
        self.answers = answers or {}

    def other(self, side: Side) -> Side:
        return self.server if side is self.client else self.client

    def advance(self, side: Side) -> None:
        done = side.established
        side.advance()
        if side.established and not done:  # it stopped to say so
            side.advance()
        while side.request is not None:
            answer = self.answers.get(type(side.request), standard_answer)
            side.resume(side.request, answer(side, side.request) if callable(answer) else answer)
            side.advance()

    def deliver(self, side: Side, data: bytes) -> None:
        """Bytes for `side`, in pieces if the test wants that."""
        size = self.piece or len(data) or 1
        for pos in range(0, len(data), size):
            side.receive(data[pos : pos + size])
            self.advance(side)

    def steps(self) -> Iterator[Side]:
        """Run, record by record; yields who has just made something of one."""
        for side in (self.client, self.server):
            self.advance(side)
            yield side
        moved = True
        while moved:
            moved = False
            for sender in (self.client, self.server):
                receiver = self.other(sender)
                for piece in split_records(sender.take()):
                    moved = True
                    self.deliver(receiver, piece)
                    yield receiver

    def run(self) -> Pair:
        """Until nothing moves any more."""
        for _ in self.steps():
            pass
        return self

    def handshake(self) -> Pair:
        self.run()
        assert self.client.established, "the client is not done"
        assert self.server.established, "the server is not done"
        return self

    def send(self, sender: Side, data: bytes) -> bytes:
        """Application data from one side to the other; what arrives."""
        sender.write(memoryview(data))
        return self.arrive(self.other(sender), sender.take())

    def arrive(self, receiver: Side, data: bytes) -> bytes:
        receiver.receive(data)
        return read(receiver)

    def echo(self) -> Pair:
        for sender in (self.client, self.server):
            assert self.send(sender, b"ping from " + sender.name.encode()) == b"ping from " + sender.name.encode()
        return self

    def refusal(self, action: Callable[[], object] | None = None) -> Refusal:
        """Run into an Abort; nothing else may happen, and the other side is told."""
        with pytest.raises(Abort) as caught:
            (action or self.run)()
        failed = [side for side in (self.client, self.server) if side.failure]
        assert len(failed) == 1, "both sides gave up"
        side, fault = failed[0], caught.value.fault
        stays_dead(side, fault)
        told = side.take()
        if fault.alert is None:
            assert not told
        else:
            with pytest.raises(Abort) as caught:
                self.deliver(self.other(side), told)
            assert caught.value.fault == faults.received(fault.alert)
        return Refusal(side.name, fault)


def stays_dead(side: Connection, fault: Fault) -> None:
    """After a failure nothing comes out of a connection but that failure."""
    for call in (side.advance, lambda: side.read_into(memoryview(bytearray(64))), lambda: side.write(memoryview(b"x"))):
        with pytest.raises(Abort) as caught:
            call()
        assert caught.value.fault is fault


def read(side: Connection, size: int = 1 << 16) -> bytes:
    """All application data that is there."""
    found, scratch = bytearray(), memoryview(bytearray(size))
    while got := side.read_into(scratch):
        found += scratch[:got]
    return bytes(found)


def standard_answer(side: Side, request: object) -> object:
    """No PSK; the same configuration; a signature by the key that belongs to the test's certificates."""
    if isinstance(request, ClientHelloRequest):
        return side.config
    if isinstance(request, SignRequest):
        return signatures.sign(request.scheme, identity(request.credential.kind).key, request.data)
    assert isinstance(request, (PskClientRequest, PskServerRequest))
    return None


def remote_key(kind: str = "EC") -> Credential:
    """A credential that signs elsewhere."""
    known = identity(kind)
    return Credential(known.ders, None, known.public_key, known.kind)


# Records from nowhere


def sealed(receiver: Connection, sender: Connection, kind: int, data: bytes) -> bytes:
    """The next record that `receiver` would take for its peer's, whatever the peer has sealed ahead."""
    opener = receiver.inbound.opener
    if isinstance(opener, NullOpener):
        return record(kind, data, min(receiver.version or TLS12, TLS12))
    if isinstance(opener, Opener13):
        return sealed13(receiver, data + bytes((kind,)))
    sealer: Any = sender.outbound.sealer
    sealer.seq = opener.seq  # type: ignore[attr-defined]  # all but the null opener count
    return bytes(sealer.seal(kind, data))


def sealed13(receiver: Connection, inner: bytes, header: bytes | None = None) -> bytes:
    """A protected record of TLS 1.3 with any TLSInnerPlaintext and any header."""
    assert receiver.suite
    opener: Any = receiver.inbound.opener
    aead: Any = receiver.suite.cipher
    key, iv = schedule.traffic_keys(receiver.digest, receiver.read_secret, aead.key)
    nonce = (int.from_bytes(iv, "big") ^ opener.seq).to_bytes(12, "big")
    header = header or b"\x17\x03\x03" + (len(inner) + aead.tag).to_bytes(2, "big")
    return header + bytes(aead.make(key).encrypt(nonce, inner, header))


def inject(pair: Pair, receiver: Side, kind: int, data: bytes) -> None:
    """A record that the receiver takes for its peer's."""
    receiver.receive(sealed(receiver, pair.other(receiver), kind, data))
    pair.advance(receiver)


def alert(description: int, level: int = 2) -> tuple[int, bytes]:
    return ALERT, bytes((level, description))


def data(content: bytes) -> tuple[int, bytes]:
    return APPLICATION_DATA, content
