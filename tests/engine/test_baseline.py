"""What goes over the wire, byte for byte, in every kind of handshake: compared with a file that is committed.

Nothing is drawn at random (`repeatable`), so whatever changes in tests/data/baseline/wire.txt was changed by us.
`make baseline` writes it anew; a commit that does so says why.  For each kind the file has what both sides sent, in
order: handshake messages whole, records by their header and a hash.  Each kind runs twice, unwatched for its records
and watched for its messages: watching must not change a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import zip_longest
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from puretls._base import faults, registry
from puretls._base.events import MessageEvent
from puretls._base.faults import Abort
from puretls._base.registry import HANDSHAKE, HELLO_REQUEST, TLS10, TLS11, TLS12, TLS13
from puretls._crypto import groups
from puretls._crypto.groups import SECP256R1, X25519, X25519MLKEM768
from puretls._crypto.transcript import Transcript
from puretls._engine import ech_config
from puretls._engine.config import (
    OP_ENABLE_MIDDLEBOX_COMPAT,
    OP_NO_ENCRYPT_THEN_MAC,
    OP_NO_RENEGOTIATION,
    OP_NO_TICKET,
    Config,
)
from puretls._engine.connection import Connection
from puretls._engine.ech_outcome import SUCCESS
from puretls._engine.outcome import NOTHING, Outcome
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED
from puretls._engine.requests import PskClientRequest, PskServerRequest, SignRequest
from puretls._engine.server_start import ExpectClientHello
from puretls._engine.sessions import SessionManager
from puretls._wire import ech
from puretls._wire.codec import vec8
from puretls._x509.store import Store
from support import repeatable
from support.joined12 import BASE
from support.pair import (
    AEAD12,
    HOST,
    NOW,
    SUITES13,
    Pair,
    configured,
    ffdhe,
    hello,
    message,
    name_of,
    suite,
)
from support.repeatable import SeededBytes, identity, signed, trusting

FILE = repeatable.FOLDER / "wire.txt"
PSK = (b"who", b"0123456789abcdef")
SIDES = ("client", "server")


class Run:
    """One connection after the other between the same two contexts, and what they said."""

    def __init__(self, source: SeededBytes, *, watch: bool) -> None:
        self.source, self.watch = source, watch
        self.lines: list[str] = []
        self.configs: list[Config] = []
        self.session: Any = None
        self.answers: dict[type, Any] = {PskClientRequest: None, PskServerRequest: None, SignRequest: signed}

    def contexts(self, client: dict[str, Any], server: dict[str, Any]) -> Run:
        common = {
            "versions": (TLS13, TLS12),
            "suites": AEAD12,
            "suites13": SUITES13,
            "groups": (X25519, SECP256R1),
            "key_shares": (X25519,),
            "watch": self.watch,
            "grease_seed": b"\x05\x07",
        }
        theirs = {"verify_mode": CERT_REQUIRED, "check_hostname": True, "store": trusting()}
        ours = {"credentials": (identity("ED25519"),)}
        self.configs = [
            configured(Config(sessions=SessionManager()), **{**common, **theirs, **client}),
            configured(Config(sessions=SessionManager()), **{**common, **ours, **server}),
        ]
        return self

    def changed(self, client: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> Run:
        """The next connection differs in this."""
        self.configs = [configured(self.configs[0], **(client or {})), configured(self.configs[1], **(server or {}))]
        return self

    def connect(self) -> Run:
        """Two new ends; the client offers the session of the connection before."""
        clock, random = (lambda: NOW), self.source.stream
        client, server = self.configs
        self.ends = [
            Connection(client, False, clock, HOST, self.session, random("client")),
            Connection(server, True, clock, None, None, random("server")),
        ]
        return self

    @property
    def client(self) -> Any:
        return self.ends[0]

    @property
    def server(self) -> Any:
        return self.ends[1]

    def say(self, text: str) -> None:
        self.lines.append(f"-- {text}")

    def handshake(self) -> Run:
        self.exchange()
        assert self.client.established
        assert self.server.established
        return self

    def exchange(self) -> Run:
        """Until nobody has anything to say; who fails says an alert, and the other one hears it."""
        for number in (0, 1):
            self.advance(number)
        moved = True
        while moved:
            moved = False
            for number in (0, 1):
                data = self.sent(number)
                if data:
                    moved = True
                    self.ends[1 - number].receive(data)
                    self.advance(1 - number)
        return self

    def advance(self, number: int) -> None:
        end = self.ends[number]
        try:
            while True:
                before = end.established
                end.advance()
                if end.request is not None:
                    answer = self.answers.get(type(end.request), end.config)
                    end.resume(end.request, answer(end.request) if callable(answer) else answer)
                elif end.established == before:
                    break
        except Abort as abort:
            if not self.lines[-1].startswith(f"-- the {SIDES[number]} fails"):
                self.say(f"the {SIDES[number]} fails: {abort.fault.reason}")

    def sent(self, number: int) -> bytes:
        """What one side sends now, written down."""
        end, who = self.ends[number], SIDES[number]
        data = bytes(end.take())
        for event in end.events:
            if isinstance(event, MessageEvent) and event.sent and event.content_type == HANDSHAKE:
                self.lines.append(f"{who} {name_of(event.data)} {event.data.hex()}")
        end.events.clear()
        position = 0
        while position < len(data):
            size = int.from_bytes(data[position + 3 : position + 5], "big")
            record = data[position : position + 5 + size]
            self.lines.append(f"{who} record {record[:5].hex()} {sha256(record).hexdigest()[:32]}")
            position += len(record)
        assert position == len(data)
        return data

    def data(self, number: int, size: int) -> None:
        """Application data from this side to the other."""
        end, content = self.ends[number], bytes(range(256)) * (size // 256 + 1)
        end.write(memoryview(content[:size]))
        self.ends[1 - number].receive(self.sent(number))
        out, got = memoryview(bytearray(size + 1)), 0
        while got < size:
            more = self.ends[1 - number].read_into(out[got:])
            assert more
            got += more
        assert out[:size] == content[:size]

    def talk(self) -> Run:
        """Data both ways, in one record and in several, and the end."""
        for number in (0, 1):
            self.data(number, 5)
            self.data(number, 20_000)
        return self

    def close(self) -> Run:
        for number in (0, 1):
            self.ends[number].close_notify()
            self.exchange()
        assert self.client.records.close_received
        assert self.server.records.close_received
        self.session = self.client.handshake.session
        return self

    def whole(self) -> Run:
        return self.connect().handshake().talk().close()


Kind = Callable[[Run], object]
KINDS: dict[str, Kind] = {}


def kind(name: str, client: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> Any:
    """A kind of handshake between these two configurations; without a function of its own it is one connection."""

    def add(script: Kind) -> Kind:
        assert name not in KINDS
        KINDS[name] = lambda run: script(run.contexts(client or {}, server or {}))
        return script

    return add


def whole(run: Run) -> None:
    run.whole()


# TLS 1.3

for row in SUITES13:
    kind(f"TLS 1.3, {row.openssl}", {"suites13": (row,)})(whole)
for group in (SECP256R1, groups.X448, groups.FFDHE2048, X25519MLKEM768):
    one = {"groups": (group,), "key_shares": (group,)}
    kind(f"TLS 1.3, {group.name}", one, one)(whole)
kind("TLS 1.3, an ECDSA certificate", {}, {"credentials": (identity("EC"),)})(whole)
kind("TLS 1.3, HelloRetryRequest", {}, {"groups": (SECP256R1,)})(whole)
kind("TLS 1.3, HelloRetryRequest with a cookie", {}, {"groups": (SECP256R1,), "retry_cookie": True})(whole)
plain = {"options": BASE & ~OP_ENABLE_MIDDLEBOX_COMPAT}
kind("TLS 1.3, without middlebox compatibility", plain, plain)(whole)
kind("TLS 1.3, ALPN", {"alpn": (b"h2", b"http/1.1")}, {"alpn": (b"http/1.1",)})(whole)
STAPLED = {"credentials": (identity("ED25519", b"a response"),)}
kind("TLS 1.3, a stapled response", {"request_ocsp": True}, STAPLED)(whole)
kind("TLS 1.3, record_size_limit", {"record_size_limit": 1024}, {"record_size_limit": 2048})(whole)
kind("TLS 1.3, a server that chooses its context", {}, {"choose_context": True})(whole)


@kind("TLS 1.3, resumed")
@kind("TLS 1.3, resumed by an id", {}, {"options": BASE | OP_NO_TICKET})
def resumed(run: Run) -> None:
    run.whole().say("again")
    run.whole()
    assert run.client.outcome.session_reused


@kind("TLS 1.3, resumed with HelloRetryRequest")
def resumed_retry(run: Run) -> None:
    run.whole().say("again")
    run.changed(server={"groups": (SECP256R1,)}).whole()
    assert run.client.outcome.session_reused


@kind("TLS 1.3, a ticket of somebody else")
def foreign(run: Run) -> None:
    run.whole().say("again")
    run.changed(server={"sessions": SessionManager()}).whole()
    assert not run.client.outcome.session_reused


EXTERNAL = ({"psk_client": True, "verify_mode": CERT_NONE, "check_hostname": False}, {"psk_server": True})


@kind("TLS 1.3, PSK", *EXTERNAL)
def psk(run: Run) -> None:
    run.answers |= {PskClientRequest: PSK, PskServerRequest: lambda request: dict([PSK]).get(request.identity)}
    run.whole()
    assert run.server.outcome.peer is None


@kind("TLS 1.3, PSK with HelloRetryRequest", *EXTERNAL)
def psk_retry(run: Run) -> None:
    psk(run.changed(server={"groups": (SECP256R1,)}))


@kind("TLS 1.3, a PSK that the server does not know", *EXTERNAL)
def unknown_psk(run: Run) -> None:
    run.answers[PskClientRequest] = PSK
    run.whole()
    assert run.client.outcome.peer


ASKING = {"verify_mode": CERT_REQUIRED, "store": trusting()}
kind("TLS 1.3, client certificate", {"credentials": (identity("EC"),)}, ASKING)(whole)
kind("TLS 1.3, no client certificate", {}, {**ASKING, "verify_mode": CERT_OPTIONAL})(whole)

# Encrypted Client Hello: HOST is the public name, too, as there is one certificate

ECH_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
ECH_CONFIG = ech.build_config(5, 0x20, ECH_KEY.public_key().public_bytes_raw(), ((1, 1),), 16, HOST.encode())
ENCRYPTING = {"ech": ech_config.usable(ECH_CONFIG)}
OPENING = {"ech_keys": (ech_config.ServerKey(ECH_CONFIG, ECH_KEY, retry=True),)}
OTHERS = {**OPENING, "ech_retry": ech.build_list([ECH_CONFIG.raw])}
kind("TLS 1.3, GREASE ECH", {"ech_grease": True}, OTHERS)(whole)
kind("TLS 1.3, GREASE ECH with HelloRetryRequest", {"ech_grease": True}, {"groups": (SECP256R1,)})(whole)
kind("TLS 1.3, encrypted ClientHello", ENCRYPTING, OPENING)(whole)
kind(
    "TLS 1.3, encrypted ClientHello, other protocols outside",
    {**ENCRYPTING, "alpn": (b"h2",), "outer_alpn": (b"x",)},
    OPENING,
)(whole)


@kind("TLS 1.3, encrypted ClientHello, resumed with HelloRetryRequest", ENCRYPTING, OPENING)
def encrypted_retry(run: Run) -> None:
    resumed_retry(run)
    assert run.server.outcome.ech.status == run.client.outcome.ech.status == SUCCESS


@kind(
    "TLS 1.3, encrypted ClientHello that is rejected",
    {**ENCRYPTING, "credentials": (identity("EC"),)},
    {**ASKING, "verify_mode": CERT_OPTIONAL},
)
def rejected(run: Run) -> None:
    failing(run)
    assert run.client.failure[0] is faults.ECH_WAS_REQUIRED


LATER = {"post_handshake_auth": True}


@kind("TLS 1.3, post-handshake authentication", {**LATER, "credentials": (identity("EC"),)}, {**ASKING, **LATER})
@kind("TLS 1.3, post-handshake authentication, declined", LATER, {**ASKING, **LATER, "verify_mode": CERT_OPTIONAL})
def authenticated_later(run: Run) -> None:
    run.connect().handshake().talk()
    assert run.server.outcome.peer is None
    run.server.request_authentication()
    run.exchange().talk().close()
    assert bool(run.server.outcome.peer) == bool(run.configs[0].credentials)


@kind("TLS 1.3, KeyUpdate")
def updated(run: Run) -> None:
    run.connect().handshake()
    for end in run.ends:
        for asked in (registry.UPDATE_REQUESTED, registry.UPDATE_NOT_REQUESTED):
            end.records.update_write_keys(asked)
            run.exchange().talk()
    run.close()


# TLS 1.2 and older


def older(name: str, version: int = TLS12, *, key: str = "RSA", **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    common = {"versions": (version,), "suites": (suite(name),), "security_level": 0, **more}
    return common, {**common, "credentials": (identity(key),), "dh": ffdhe()}


for name, key in (
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "EC"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "ED25519"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "RSA"),
    ("DHE-RSA-AES256-GCM-SHA384", "RSA"),
    ("AES128-GCM-SHA256", "RSA"),
    ("ECDHE-RSA-AES128-SHA256", "RSA"),
    ("AES256-SHA", "RSA"),
    ("NULL-SHA256", "RSA"),
    ("AECDH-AES128-SHA", "RSA"),
    ("ADH-AES128-SHA256", "RSA"),
):
    more = {"schemes": Config().schemes}
    if suite(name).auth in ("ECDSA", "RSA"):  # PSS draws a salt, PKCS #1 does not
        more = {"schemes": tuple(scheme for scheme in Config().schemes if not scheme.pss)}
    both = older(name, key=key, **more)
    if suite(name).openssl.startswith(("AECDH", "ADH")):
        both[0].update(verify_mode=CERT_NONE, check_hostname=False)
    kind(f"TLS 1.2, {name}", *both)(whole)
for name in ("AES128-SHA", "AES128-SHA256"):
    kind(f"TLS 1.2, {name}, MAC-then-encrypt", *older(name, options=BASE | OP_NO_ENCRYPT_THEN_MAC))(whole)
for version, number in ((TLS11, "1.1"), (TLS10, "1.0")):
    for name, key in (("ECDHE-ECDSA-AES128-SHA", "EC"), ("DHE-RSA-AES256-SHA", "RSA"), ("AES128-SHA", "RSA")):
        kind(f"TLS {number}, {name}", *older(name, version, key=key))(whole)
    both = older("ECDHE-ECDSA-AES128-SHA", version, key="EC", options=BASE | OP_NO_ENCRYPT_THEN_MAC)
    kind(
        f"TLS {number}, client certificate, MAC-then-encrypt",
        {**both[0], "credentials": (identity("EC"),)},
        {**both[1], **ASKING},
    )(whole)

TWELVE = ({"versions": (TLS12,)}, {"versions": (TLS13, TLS12)})
kind("TLS 1.2, client certificate", {**TWELVE[0], "credentials": (identity("EC"),)}, {**TWELVE[1], **ASKING})(whole)
kind("TLS 1.2, no client certificate", TWELVE[0], {**ASKING, **TWELVE[1], "verify_mode": CERT_OPTIONAL})(whole)
kind("TLS 1.2, ALPN", {**TWELVE[0], "alpn": (b"h2",)}, {**TWELVE[1], "alpn": (b"h2",)})(whole)
kind("TLS 1.2, a stapled response", {**TWELVE[0], "request_ocsp": True}, {**TWELVE[1], **STAPLED})(whole)
kind("TLS 1.2, both could do 1.3 but for their settings", {}, {"versions": (TLS12,)})(whole)

kind("TLS 1.2, resumed", *TWELVE)(resumed)
kind("TLS 1.2, resumed by an id", TWELVE[0], {**TWELVE[1], "options": BASE | OP_NO_TICKET})(resumed)
kind("TLS 1.2, a ticket of somebody else", *TWELVE)(foreign)

for name in (
    "PSK-AES128-GCM-SHA256",
    "DHE-PSK-AES128-GCM-SHA256",
    "ECDHE-PSK-CHACHA20-POLY1305",
    "RSA-PSK-AES128-GCM-SHA256",
):
    client, server = older(name)
    kind(f"TLS 1.2, {name}", {**client, **EXTERNAL[0]}, {**server, **EXTERNAL[1], "psk_hint": b"a hint"})(psk)


@kind("TLS 1.2, renegotiation declined by the client", {**TWELVE[0], "options": BASE | OP_NO_RENEGOTIATION}, TWELVE[1])
def declined(run: Run) -> None:
    run.connect().handshake()
    run.server.records.outbound.put(HANDSHAKE, message(HELLO_REQUEST, b""))
    run.exchange()
    assert run.server.failure
    assert run.client.failure


@kind("TLS 1.2, renegotiation declined by the server", *TWELVE)
def declined_by_server(run: Run) -> None:
    run.connect().handshake()
    run.server.records.outbound.put(HANDSHAKE, message(HELLO_REQUEST, b""))
    run.exchange()
    assert run.client.records.renegotiating


@kind("TLS 1.2, renegotiation", *TWELVE)
@kind("TLS 1.2, renegotiation with an id", TWELVE[0], {**TWELVE[1], "options": BASE | OP_NO_TICKET})
def renegotiated(run: Run) -> None:
    """The server is made to take a second ClientHello, as OpenSSL's does when it asked; ours never would."""
    pair = Pair(*run.configs, client_random=run.source.stream("client"), server_random=run.source.stream("server"))
    run.ends = [pair.client, pair.server]
    run.handshake().say("again")
    client, server = pair.client, pair.server
    server.records.outbound.put(HANDSHAKE, message(HELLO_REQUEST, b""))
    both = vec8(client.outcome.finished_sent + client.outcome.finished_received)
    server.lies["ServerHello"] = hello({registry.RENEGOTIATION_INFO: both})
    client.lies["ClientHello"] = hello({registry.RENEGOTIATION_INFO: None})
    server.state, server.transcript, server.established = ExpectClientHello(), Transcript(), False
    server.outcome, server.draft = NOTHING, Outcome()
    run.handshake().talk().close()


# Handshakes that fail


def failing(run: Run) -> None:
    run.connect().exchange()
    assert run.client.failure
    assert run.server.failure


STRANGERS = {"store": Store()}
kind("TLS 1.3, a certificate that is not trusted", STRANGERS)(failing)
kind("TLS 1.2, a certificate that is not trusted", {**STRANGERS, **TWELVE[0]}, TWELVE[1])(failing)
kind("TLS 1.3, a client certificate that is not trusted", {"credentials": (identity("EC"),)}, {**ASKING, **STRANGERS})(
    failing
)
kind("TLS 1.3, a client certificate is missing", {}, ASKING)(failing)
kind("TLS 1.2, a client certificate is missing", TWELVE[0], {**ASKING, **TWELVE[1]})(failing)
kind("no version in common", {"versions": (TLS13,)}, {"versions": (TLS12,)})(failing)
kind("no suite in common", {"versions": (TLS12,), "suites": AEAD12[:1]}, {"versions": (TLS12,), "suites": AEAD12[1:2]})(
    failing
)
kind("no group in common", {"groups": (X25519,)}, {"groups": (SECP256R1,)})(failing)


def transcript_of(name: str) -> list[str]:
    """What both sides say; messages and records in one list."""
    found = []
    for watch in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            run = Run(repeatable.repeatable(patch), watch=watch)
            KINDS[name](run)
            found.append(run.lines)
    unwatched, watched = found
    assert unwatched == [line for line in watched if line.startswith("--") or line.split(" ")[1] == "record"]
    return watched


def recorded() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for block in FILE.read_text("ascii").split("\n\n"):
        title, *lines = block.strip().split("\n")
        found[title.removeprefix("# ")] = lines
    return found


@pytest.fixture(scope="module")
def baseline(request: pytest.FixtureRequest) -> Iterator[dict[str, list[str]]]:
    """What was recorded; with --record-baseline what will be."""
    if not request.config.getoption("--record-baseline"):
        yield recorded()
        return
    fresh = {name: transcript_of(name) for name in KINDS}
    FILE.write_text("\n\n".join("\n".join((f"# {name}", *lines)) for name, lines in fresh.items()) + "\n", "ascii")
    yield fresh


@pytest.mark.parametrize("name", KINDS)
def test_the_wire_is_as_it_was(name, baseline):
    assert name in baseline, "not recorded: make baseline"
    for number, (now, then) in enumerate(zip_longest(transcript_of(name), baseline[name])):
        assert now == then, f"line {number} of {name!r}; if that is meant: make baseline, and say so in the commit"


def test_nothing_is_recorded_that_is_not_run(baseline):
    assert list(baseline) == list(KINDS)


def test_every_kind_of_message_is_there(baseline):
    said = {line.split(" ")[1] for lines in baseline.values() for line in lines}
    never = {"HelloRequest", "EndOfEarlyData", "CompressedCertificate", "message_hash"}  # not by a side of ours
    assert set(registry.HANDSHAKE_TYPES.values()) - never <= said
