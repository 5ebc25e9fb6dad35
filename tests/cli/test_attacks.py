"""The faults that a scan asks for, in servers made to have them, and in real ones, which have none."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls._analysis import attacks
from puretls._analysis.findings import Findings
from puretls._analysis.probe import Hello, Offer, Reading, compose
from puretls._analysis.survey import Found, Survey
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13
from puretls._wire import messages12
from puretls._wire.codec import extension, vec16
from puretls._wire.hello import ClientHello, server_hello
from puretls.cli.asking import Asker
from puretls.cli.attacks import Attacks
from puretls.cli.certs import Authority
from puretls.cli.handshakes import Handshakes
from puretls.cli.target import Target
from support import PATIENCE, Pki
from support.scanning import each_connection, facts, openssl, remarks

CODES = {name: code for code, name in iana.SUITES.items()}
STATIC, MODERN = CODES["TLS_RSA_WITH_AES_128_GCM_SHA256"], CODES["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
HEARTBEAT, BAD_MAC, UNEXPECTED = 15, 20, 10
OWN = Authority("A root").issue("localhost", kind="RSA")
DER = OWN.certificate.public_bytes(Encoding.DER)


class Broken:
    """A server of TLS 1.2 with a static RSA suite up to ServerHelloDone; what comes then is each fault's."""

    def __init__(self, after: Callable[[Broken], None], *, heartbeat: bool = False, memory: bytes = b"") -> None:
        self.after, self.heartbeat, self.memory = after, heartbeat, memory

    def __call__(self, sock: socket.socket) -> Broken:
        other = Broken(self.after, heartbeat=self.heartbeat, memory=self.memory)
        other.serve(sock)
        return other

    def serve(self, sock: socket.socket) -> None:
        self.sock = sock
        self.hello = ClientHello.parse(self.record()[1])
        found = extension(HEARTBEAT, b"\x01") if self.heartbeat else b""
        identifier = self.hello.session_id + self.memory if self.hello.session_id else b""
        flight = server_hello(TLS12, bytes(32), identifier, STATIC, found)
        flight += messages12.certificate((DER,)) + bytes((registry.SERVER_HELLO_DONE, 0, 0, 0))
        self.send(registry.HANDSHAKE, flight)
        self.after(self)

    def record(self) -> tuple[int, bytes]:
        head = self._exactly(5)
        return head[0], self._exactly(int.from_bytes(head[3:5], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def send(self, kind: int, body: bytes) -> None:
        self.sock.sendall(attacks.record(kind, body, TLS12))

    def alert(self, description: int) -> None:
        self.send(registry.ALERT, bytes((2, description)))


@contextmanager
def serving(broken: Broken) -> Iterator[Asker]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(PATIENCE)
            try:
                broken(self.request)
            except (EOFError, OSError):
                return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = Target("127.0.0.1", server.server_address[1])
        yield Asker(where, name="", family=socket.AF_INET, timeout=PATIENCE, pause=0, most=99, starttls=None)
        server.shutdown()


def asking(asker: Asker, *suites: int) -> Attacks:
    made = Attacks(asker, Survey(asker.ask, ""), {TLS13: [0x1301], TLS12: list(suites or (STATIC,))})
    made.wait = 0.3
    return made


# Heartbleed


def bleeds(server: Broken) -> None:
    kind, body = server.record()
    assert (kind, body[:1]) == (attacks.HEARTBEAT_RECORD, b"\x01")
    size = int.from_bytes(body[1:3], "big")
    assert size == attacks.CLAIMED <= 64
    server.send(kind, b"\x02" + body[1:3] + bytes(size + 16))


def refuses(server: Broken) -> None:
    server.record()
    server.alert(UNEXPECTED)


def is_silent(server: Broken) -> None:
    while True:
        server.record()


@pytest.mark.parametrize(
    ("after", "speaks", "open_to_it"),
    [(bleeds, True, True), (bleeds, False, False), (refuses, True, False), (is_silent, True, False)],
)
def test_heartbleed(after: Callable[[Broken], None], *, speaks: bool, open_to_it: bool) -> None:
    with serving(Broken(after, heartbeat=speaks)) as asker:
        assert asking(asker).heartbleed() is open_to_it


# CCS injection


def takes_it(server: Broken) -> None:
    assert server.record() == (registry.CHANGE_CIPHER_SPEC, b"\x01")
    server.record()
    server.alert(BAD_MAC)


def takes_it_and_closes(server: Broken) -> None:
    server.record()
    server.record()


@pytest.mark.parametrize(
    ("after", "open_to_it"), [(takes_it, True), (takes_it_and_closes, False), (refuses, False), (is_silent, None)]
)
def test_ccs_injection(after: Callable[[Broken], None], open_to_it: bool | None) -> None:
    with serving(Broken(after)) as asker:
        assert asking(asker).ccs_injection() is open_to_it


# ROBOT


def premaster(server: Broken) -> bytes | None:
    """What comes out, or None if the padding is wrong, as a bad implementation has it."""
    kind, message = server.record()
    assert (kind, message[0]) == (registry.HANDSHAKE, registry.CLIENT_KEY_EXCHANGE)
    server.record()
    server.record()
    try:
        return bytes(OWN.key.decrypt(message[6:], PKCS1v15()))
    except ValueError:
        return None


def tells_padding(server: Broken) -> None:
    found = premaster(server)
    server.alert(BAD_MAC if found and len(found) == 48 else 51)


def tells_version(server: Broken) -> None:
    found = premaster(server)
    server.alert(47 if found and found[:2] != b"\x03\x03" else BAD_MAC)


def tells_by_its_end(server: Broken) -> None:
    found = premaster(server)
    if found and len(found) == 48:
        server.alert(BAD_MAC)


def tells_nothing(server: Broken) -> None:
    premaster(server)
    server.alert(BAD_MAC)


@pytest.mark.parametrize(
    ("after", "open_to_it"),
    [(tells_version, True), (tells_by_its_end, True), (tells_nothing, False), (is_silent, False)],
)
def test_robot(after: Callable[[Broken], None], *, open_to_it: bool) -> None:
    with serving(Broken(after)) as asker:
        assert asking(asker).robot() is open_to_it
        assert asking(asker, MODERN).robot() is False


def test_premasters_differ_in_what_they_say() -> None:
    key = OWN.key
    made = attacks.premasters(key.public_key(), TLS12, bytes(range(256)) * 16)
    assert len(made) == 4
    assert {len(one) for one in made.values()} == {256}
    assert key.decrypt(made["well formed"], PKCS1v15())[:2] == b"\x03\x03"
    assert key.decrypt(made["of another version"], PKCS1v15())[:2] == b"\x02\x02"
    assert len(key.decrypt(made["too short"], PKCS1v15())) == 47


# Ticketbleed


@pytest.mark.parametrize(("memory", "open_to_it"), [(bytes(range(16)), True), (b"", False)])
def test_ticketbleed(monkeypatch: pytest.MonkeyPatch, memory: bytes, *, open_to_it: bool) -> None:
    """The ticket is of a whole handshake, which the server here has no keys for: it is put in its place."""
    seen: list[ClientHello] = []
    with serving(Broken(lambda server: seen.append(server.hello), memory=memory)) as asker:
        handshakes = Handshakes(asker, None)

        @contextmanager
        def shaken(context: Any, _session: Any = None) -> Iterator[None]:
            message = bytes((registry.NEW_SESSION_TICKET, 0, 0, 12)) + bytes(4) + vec16(b"a word")
            context._msg_callback(None, "read", TLS12, registry.HANDSHAKE, registry.NEW_SESSION_TICKET, message)
            yield

        monkeypatch.setattr(asker, "handshake", shaken)
        assert asking(asker).ticketbleed(handshakes) is open_to_it
    assert len(seen[-1].session_id) == attacks.SHORT_ID
    assert seen[-1].extensions[registry.SESSION_TICKET] == b"a word"


def test_what_is_asked_with_a_ticket() -> None:
    raw = compose(Offer(TLS12, (MODERN,), session_id=b"i" * 16, ticket=b"t"), bytes(64))
    hello = ClientHello.parse(raw[5:])
    assert (hello.session_id, hello.extensions[registry.SESSION_TICKET]) == (b"i" * 16, b"t")
    reading = Reading(only_hello=True)
    flight = attacks.record(registry.HANDSHAKE, server_hello(TLS12, bytes(32), b"j" * 32, MODERN, b""), TLS12)
    answer = reading.feed(flight)
    assert isinstance(answer, Hello)
    assert answer.session_id == b"j" * 32
    assert attacks.ticket_of(b"") == attacks.ticket_of(b"\4\0\0\1\0") == b""


# Renegotiation that the client begins


@pytest.mark.parametrize(
    ("options", "works"),
    [(("-client_renegotiation",), True), ((), False), (("-no_renegotiation",), False), (("-tls1_3",), False)],
)
def test_clients_that_renegotiate(lasting: Pki, options: tuple[str, ...], *, works: bool) -> None:
    """OpenSSL's server lets them if it is told to, and else says no_renegotiation."""
    with openssl(lasting, "P-256", options=options) as port:
        found = facts(port, lasting)
    assert found["attacks"]["client-initiated renegotiation"] == {"works": works, "source": "CVE-2011-1473"}
    assert any("renegotiate" in what for what in remarks(found)) is works
    assert {one["works"] for one in found["attacks"].values()} <= {False, works}  # in TLS 1.3 there is none of them


@pytest.mark.parametrize("does", ["ignores", "closes", "warns"])
def test_servers_that_do_not_renegotiate(pki: Pki, does: str) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.maximum_version = puretls.TLSVersion.TLSv1_2
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))

    def serve(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as conn:
            if does == "warns":
                conn.recv(1)
            else:
                assert socket.socket.recv(conn, 1 << 14, *([socket.MSG_PEEK] if does == "ignores" else []))
                if does == "ignores":
                    socket.socket.recv(conn, 1 << 14)
                    socket.socket.recv(conn, 1)

    with each_connection(serve) as port:
        where = Target("127.0.0.1", port)
        asker = Asker(where, name="", family=socket.AF_INET, timeout=PATIENCE, pause=0, most=9, starttls=None)
        assert asking(asker, MODERN).renegotiation(Handshakes(asker, None)) is False


QUESTIONS = ("Heartbleed", "CCS injection", "ROBOT", "Ticketbleed", "client-initiated renegotiation")


# What follows from what is accepted


def accepting(version: int, *names: str, **hello: Any) -> Findings:
    codes = [CODES[name] for name in names]
    told = {"extensions": (registry.RENEGOTIATION_INFO,), **hello}
    return Findings({version: Found(codes, [Hello(version, code, **told) for code in codes])})


GOOD = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
CASES: dict[str, Findings] = {
    "POODLE": accepting(SSL3, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    "BEAST": accepting(TLS10, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    "FREAK": accepting(TLS10, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"),
    "Logjam": accepting(TLS12, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", bits=768),
    "Sweet32": accepting(TLS12, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    "RC4 biases": accepting(TLS12, "TLS_RSA_WITH_RC4_128_SHA"),
    "CRIME": accepting(TLS12, GOOD, compression=1),
    "insecure renegotiation": accepting(TLS12, GOOD, extensions=()),
}


@pytest.mark.parametrize("name", CASES)
def test_by_what_is_accepted(name: str) -> None:
    assert attacks.verdicts(CASES[name])[name] is True
    others = {other for other, works in attacks.verdicts(CASES[name]).items() if works} - {name}
    assert others <= {"BEAST", "RC4 biases"}


def test_a_good_server_is_open_to_none() -> None:
    found = accepting(TLS12, GOOD)
    found.tried = dict.fromkeys(QUESTIONS, False)
    assert set(attacks.verdicts(found).values()) == {False}
    assert attacks.verdicts(accepting(TLS12, GOOD))["Heartbleed"] is None
    found.ssl2 = True
    assert attacks.verdicts(found)["DROWN"] is True
    found.refuses_fallback, found.suites[TLS10] = False, Found([MODERN])
    assert attacks.verdicts(found)["fallback to an older version"] is True
    found.schemes = {TLS12: [0x0101]}
    assert attacks.verdicts(found)["SLOTH"] is True
