"""STARTTLS as `puretls connect` speaks it: with servers that keep to the protocol, and with servers that do not."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls.cli.dialogue import LONGEST, MOST_LINES
from puretls.cli.failure import Failure
from puretls.cli.starttls import DIALOGUES, start
from support import PATIENCE, Pki
from support.commands import called, listening, puretls

LDAP = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
FEATURES = (
    b"<?xml version='1.0'?><stream:stream from='localhost' id='x' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'><stream:features>"
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
)


def mysql(capabilities: int) -> bytes:
    """The packet that a MySQL server begins with."""
    body = b"\x0a8.0.11\0" + b"id.." + b"12345678\0" + capabilities.to_bytes(2, "little") + bytes(20)
    return len(body).to_bytes(3, "little") + b"\0" + body


# What a server says, and after each piece what it waits for: {} is whatever.
PROPER: dict[str, list[tuple[bytes, bytes]]] = {
    "smtp": [
        (b"220-mail.test ESMTP\r\n220 waits for nobody\r\n", b"EHLO [127.0.0.1]\r\n"),
        (b"250-mail.test\r\n250-SIZE 1000\r\n250-StartTLS\r\n250 HELP\r\n", b"STARTTLS\r\n"),
        (b"220 2.0.0 go ahead\r\n", b""),
    ],
    "lmtp": [
        (b"220 mail.test LMTP\r\n", b"LHLO [127.0.0.1]\r\n"),
        (b"250-mail.test\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
        (b"220 go ahead\r\n", b""),
    ],
    "imap": [
        (b"* OK [CAPABILITY IMAP4rev2 STARTTLS] ready\r\n", b"a1 STARTTLS\r\n"),
        (b"* 3 EXISTS\r\na1 OK begin\r\n", b""),
    ],
    "pop3": [(b"+OK ready <1896.697170952@mail.test>\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")],
    "ftp": [(b"220-files\r\nwith words\r\n220 ready\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", b"")],
    "nntp": [(b"201 news, no posting\r\n", b"STARTTLS\r\n"), (b"382 begin\r\n", b"")],
    "sieve": [
        (b'"IMPLEMENTATION" "x"\r\n"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK "ready"\r\n', b"STARTTLS\r\n"),
        (b"OK\r\n", b""),
    ],
    "ldap": [(b"", LDAP), (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", b"")],
    "xmpp": [
        (b"", b"<?xml version='1.0'?><stream:stream to=\"localhost\" version='1.0' xmlns='jabber:client' "),
        (b"", b"xmlns:stream='http://etherx.jabber.org/streams'>"),
        (FEATURES + b"</stream:features>", b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
    ],
    "mysql": [(mysql(0x0800), b"\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x2d" + bytes(23))],
    "postgres": [(b"", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), (b"S", b"")],
}


def speak(sock: socket.socket, script: list[tuple[bytes, bytes]]) -> None:
    """Play the server; what the client says has to be what is written there, byte for byte."""
    for said, expected in script:
        sock.sendall(said)
        heard = b""
        while len(heard) < len(expected):
            piece = sock.recv(len(expected) - len(heard))
            assert piece, f"the client left after {heard!r}"
            heard += piece
        assert heard == expected


@contextmanager
def server(script: list[tuple[bytes, bytes]], then: Callable[[socket.socket], None]) -> Iterator[int]:
    """One connection: a dialogue, and what comes after it."""

    def serve(sock: socket.socket) -> None:
        speak(sock, script)
        then(sock)

    with listening(serve) as port:
        yield port


def linger(sock: socket.socket) -> None:
    """Wait for the client to leave."""
    with suppress(OSError):
        while sock.recv(4096):
            pass


@pytest.mark.parametrize("protocol", PROPER)
def test_each_protocol_up_to_tls(pki: Pki, protocol: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))

    def encrypt(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(b"from within")
            linger(tls)

    with server(PROPER[protocol], encrypt) as port:
        done = puretls("connect", f"localhost:{port}", "-4", "--starttls", protocol, "--ca-file", pki.ca, stdin=b"")
    assert (done.status, done.out) == (0, "from within"), done.err
    assert "verified: localhost" in done.err


@pytest.mark.parametrize("protocol", ["smtp", "postgres"])
def test_inspecting_what_begins_in_clear(pki: Pki, protocol: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))

    def encrypt(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            linger(tls)

    with server(PROPER[protocol], encrypt) as port:
        done = puretls("inspect", f"localhost:{port}", "-4", "--starttls", protocol, "--ca-file", pki.ca)
    assert (done.status, done.err) == (0, "")
    assert "ClientHello -->" in done.out
    assert "Alert close_notify -->" in done.out


def test_every_protocol_is_tested() -> None:
    assert PROPER.keys() == DIALOGUES.keys()


@pytest.mark.parametrize(
    ("protocol", "script", "said"),
    [
        ("smtp", [(b"554 go away\r\n", b"")], "the server says: 554 go away"),
        ("smtp", [(b"220 x\r\n", b"EHLO"), (b"250-x\r\n250 SIZE\r\n", b"")], "does not offer it"),
        ("smtp", [*PROPER["smtp"][:2], (b"454 not now\r\n", b"")], "the server says: 454 not now"),
        ("smtp", [*PROPER["smtp"][:2], (b"220 ok\r\n250 injected\r\n", b"")], "clear text behind the consent"),
        ("smtp", [(b"\x1b[31m\x07220\x9b\r\n", b"")], "\\x1b[31m\\x07220\\x9b"),
        ("imap", [(b"* PREAUTH welcome back\r\n", b"")], "PREAUTH"),
        ("imap", [(b"* OK\r\n", b"a1 STARTTLS\r\n"), (b"a1 BAD what\r\n", b"")], "a1 BAD what"),
        ("imap", [(b"* OK\r\n", b"a1 STARTTLS\r\n"), (b"a2 OK another's\r\n", b"")], "a2 OK another's"),
        ("pop3", [(b"+OK\r\n", b"STLS\r\n"), (b"-ERR no\r\n", b"")], "-ERR no"),
        ("ftp", [(b"220 x\r\n", b"AUTH TLS\r\n"), (b"534 no\r\n", b"")], "534 no"),
        ("postgres", [(b"", b"\0\0\0\x08"), (b"N", b"")], "TLS switched off"),
        ("postgres", [(b"", b"\0\0\0\x08"), (b"SNoise", b"")], "clear text behind the consent"),
        ("postgres", [(b"", b"\0\0\0\x08"), (b"E\0\0", b"")], "the server says: E\\x00\\x00"),
        ("nntp", [(b"200 x\r\n", b"STARTTLS\r\n"), (b"502 no\r\n", b"")], "502 no"),
        ("sieve", [(b'NO "busy"\r\n', b"")], 'NO "busy"'),
        ("ldap", [(b"", LDAP), (b"\x30\x05\x02\x01\x01\x78\x34", b"")], "the server says: "),
        ("ldap", [(b"", LDAP), (b"\x30\x84\x7f\xff\xff\xff", b"")], "bytes at once"),
        ("xmpp", [(b"", b"<?xml"), (b"<stream:stream><stream:features></stream:features>", b"")], "does not offer it"),
        ("xmpp", [(b"", b"<?xml"), (b"<x/></stream:stream>", b"")], "the server says: <x/></stream:stream>"),
        ("xmpp", [*PROPER["xmpp"][:3], (b"<failure/></stream:stream>", b"")], "the server says: <failure/>"),
        ("xmpp", [(b"", b"<?xml"), (b"<" * 20_000, b"")], "bytes without an end"),
        ("mysql", [(mysql(0), b"")], "the server (8.0.11) has TLS switched off"),
        ("mysql", [(b"\x0b\0\0\0\xff\x10\x04Too many", b"")], "Too many"),
        ("mysql", [(b"\xff\xff\xff\0", b"")], "bytes at once"),
        ("smtp", [(b"220-" + b"x" * 2 * LONGEST, b"")], f"more than {LONGEST} bytes without an end"),
        ("ftp", [(b"220-x\r\n" * 2 * MOST_LINES, b"")], f"more than {MOST_LINES} lines"),
        ("pop3", [(b"", b"")], "timed out"),
    ],
)
def test_servers_that_do_not_come_along(
    capsys: pytest.CaptureFixture[str], protocol: str, script: list[tuple[bytes, bytes]], said: str
) -> None:
    with server(script, linger) as port:
        done = called(capsys, "connect", f"localhost:{port}", "-4", "--starttls", protocol, "--timeout", "1")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"puretls connect: localhost:{port}: STARTTLS ({protocol}): ")
    assert done.err.count("\n") == 1
    assert said in done.err
    assert not {"\x1b", "\x07", "\x9b"} & set(done.err)


@pytest.mark.parametrize("protocol", PROPER)
def test_a_server_that_hangs_up(protocol: str) -> None:
    for said in range(len(PROPER[protocol])):
        with (
            server(PROPER[protocol][:said], lambda _: None) as port,
            socket.create_connection(("127.0.0.1", port)) as sock,
            pytest.raises(Failure, match=r"hung up|reset"),
        ):
            start(protocol, sock, PATIENCE, "localhost")


@given(protocol=st.sampled_from(sorted(PROPER)), noise=st.binary(max_size=300))
def test_noise_is_a_failure_and_nothing_else(protocol: str, noise: bytes) -> None:
    """Whatever the server says, the dialogue ends, with TLS to come or with a Failure."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(noise)
        theirs.shutdown(socket.SHUT_WR)
        with suppress(Failure):
            start(protocol, ours, PATIENCE)
