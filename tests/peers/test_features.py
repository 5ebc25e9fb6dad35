"""What few peers ask for, against those that do: old versions, pre-shared keys, renegotiation, authentication later.

`openssl s_server` and `s_client` obey letters on their standard input: that is how they are made to ask.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import puretls.asyncio
from support import PATIENCE, Pki, Program, dial, free_port, need, running, until
from support.ours import client_context, open_client, server_context

KEY = "c0ffee"
OLD = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1"}
VERSIONS = {**OLD, "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


def version_of(tls: Any, name: str) -> Any:
    return tls.TLSVersion[name.replace(".", "_")]


def restrict(tls: Any, context: Any, name: str, ciphers: str = "") -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version_of(tls, name)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


@contextmanager
def s_server(pki: Pki, *argv: object, certificate: str = "P-256") -> Iterator[tuple[Program, int]]:
    need("openssl")
    port = free_port()
    if certificate:
        argv += ("-cert", pki.chain(certificate), "-cert_chain", pki.chain(certificate), "-key", pki.key(certificate))
    else:
        argv += ("-nocert",)
    with running(pki.folder, "openssl", "s_server", "-accept", f"127.0.0.1:{port}", *argv) as program:
        yield program, port


def printed(program: Program, text: bytes) -> None:
    """Wait until the program has written this to its standard output."""
    seen = b""
    while text not in seen:
        piece = program.recv(1)
        assert piece, f"{text!r} not in {seen!r}\n{program.said()}"
        seen += piece


@contextmanager
def s_client(pki: Pki, context: Any, *argv: object) -> Iterator[tuple[Any, Program]]:
    """Our connection, accepted from `openssl s_client`."""
    need("openssl")
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        command = (
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{port}",
            "-CAfile",
            pki.ca,
            "-servername",
            "localhost",
        )
        with running(pki.folder, *command, *argv) as program:
            sock = listener.accept()[0]
            sock.settimeout(PATIENCE)
            with sock, context.wrap_socket(sock, server_side=True) as conn:
                yield conn, program


@pytest.mark.parametrize("identity", ["RSA", "P-256"])
@pytest.mark.parametrize("version", OLD)
def test_our_old_client(tls, pki, version, identity):
    with s_server(pki, OLD[version], "-cipher", "ALL:@SECLEVEL=0", "-quiet", certificate=identity) as (program, port):
        context = restrict(tls, client_context(tls, pki), version, "ALL:@SECLEVEL=0")
        with open_client(tls, pki, port, context) as conn:
            assert conn.version() == version
            conn.sendall(b"there\n")
            assert program.recv(6) == b"there\n"
            program.send(b"and back\n")
            assert conn.recv(100) == b"and back\n"


@pytest.mark.parametrize("identity", ["RSA", "P-256"])
@pytest.mark.parametrize("version", OLD)
def test_our_old_server(tls, pki, version, identity):
    context = restrict(tls, server_context(tls, pki, identity=identity), version, "ALL:@SECLEVEL=0")
    with s_client(pki, context, OLD[version], "-cipher", "ALL:@SECLEVEL=0", "-quiet") as (conn, program):
        assert conn.version() == version
        conn.sendall(b"there\n")
        assert program.recv(6) == b"there\n"
        program.send(b"and back\n")
        assert conn.recv(100) == b"and back\n"


def anonymous(tls: Any, context: Any) -> Any:
    context.check_hostname = False
    context.verify_mode = tls.CERT_NONE
    return context


PSK_SUITES = ["PSK-AES128-GCM-SHA256", "DHE-PSK-AES128-GCM-SHA256", "ECDHE-PSK-CHACHA20-POLY1305", "PSK-AES128-CBC-SHA"]
PSK_CASES = [*((f"TLSv1.2-{suite}", "TLSv1.2", ("-cipher", suite)) for suite in PSK_SUITES), ("TLSv1.3", "TLSv1.3", ())]
psk_cases = pytest.mark.parametrize(
    ("version", "argv"), [row[1:] for row in PSK_CASES], ids=[row[0] for row in PSK_CASES]
)


def needs_psk(tls: Any) -> None:
    if not hasattr(tls.SSLContext, "set_psk_client_callback"):
        pytest.skip("new in Python 3.13")


@psk_cases
def test_our_client_with_a_key(tls, pki, version, argv):
    needs_psk(tls)
    options = ("-psk", KEY, "-psk_identity", "me", "-psk_hint", "who?", "-dhparam", pki.dh, "-quiet")
    with s_server(pki, VERSIONS[version], *argv, *options, certificate="") as (program, port):
        context = anonymous(tls, restrict(tls, tls.SSLContext(tls.PROTOCOL_TLS_CLIENT), version, *argv[1:]))
        hints = []
        context.set_psk_client_callback(lambda hint: (hints.append(hint), ("me", bytes.fromhex(KEY)))[1])
        with open_client(tls, pki, port, context) as conn:
            conn.sendall(b"hello\n")
            assert program.recv(6) == b"hello\n"
            assert set(hints) == {None if version == "TLSv1.3" else "who?"}
            assert conn.getpeercert(True) is None


@psk_cases
def test_our_server_with_a_key(tls, pki, version, argv):
    needs_psk(tls)
    context = restrict(tls, tls.SSLContext(tls.PROTOCOL_TLS_SERVER), version, *argv[1:])
    context.load_dh_params(pki.dh)
    asked = []
    context.set_psk_server_callback(lambda name: (asked.append(name), bytes.fromhex(KEY))[1], "who?")
    with s_client(pki, context, VERSIONS[version], *argv, "-psk", KEY, "-psk_identity", "me", "-quiet") as (
        conn,
        program,
    ):
        conn.sendall(b"hello\n")
        assert program.recv(6) == b"hello\n"
        assert asked == ["me"]


def listen(context: Any) -> list[tuple[str, str]]:
    """What goes over its connections: ("read" or "write", type of the message or alert)."""
    heard: list[tuple[str, str]] = []
    context._msg_callback = lambda *event: heard.append((event[1], getattr(event[4], "name", event[4])))
    return heard


def told(program: Program, conn: Any, letter: bytes, heard: list[tuple[str, str]], message: str) -> None:
    """The program obeys a letter, we read the message that it sends, and after it comes data."""
    conn.settimeout(PATIENCE)
    before = heard.count(("read", message))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(conn.recv, 100)
        program.send(letter)
        until(lambda: heard.count(("read", message)) > before or reading.done(), message)
        program.send(b"after\n")  # not sooner: it would read both at once and drop this
        assert reading.result() == b"after\n"


@pytest.mark.parametrize("letter", [b"r\n", b"R\n"], ids=["r", "R and a certificate"])
def test_our_client_renegotiates_when_asked(tls, pki, letter):
    """RFC 5746: with `R` the new handshake has a client certificate."""
    with s_server(pki, "-tls1_2", "-CAfile", pki.ca) as (program, port):
        context = client_context(tls, pki, identity="client")
        heard = listen(context)
        with open_client(tls, pki, port, context) as conn:
            before = conn.get_channel_binding()
            told(program, conn, letter, heard, "HELLO_REQUEST")  # data may come before the new handshake is done
            conn.sendall(b"still here\n")
            printed(program, b"still here")
            program.send(b"and we\n")
            assert conn.recv(100) == b"and we\n"
            assert heard.count(("write", "CLIENT_HELLO")) == heard.count(("read", "FINISHED")) == 2
            assert conn.get_channel_binding() != before
            stats = context.session_stats()
            assert (stats["connect"], stats["connect_good"], stats["connect_renegotiate"]) == (1, 2, 1)
            if not stats["hits"]:  # OpenSSL resumes its own session
                assert ("verify return:1" in program.said()) == (letter == b"R\n")


def test_a_writer_waits_for_the_reader_who_renegotiates(tls, pki):
    """One thread is in recv() when the server asks, another writes: not before the new handshake is over."""
    with s_server(pki, "-tls1_2") as (program, port):
        context = client_context(tls, pki)
        heard = listen(context)
        with open_client(tls, pki, port, context) as conn, ThreadPoolExecutor(1) as pool:
            conn.settimeout(PATIENCE)
            for number in range(5):
                reading = pool.submit(conn.recv, 100)
                program.send(b"r\n")
                until(lambda n=number: heard.count(("read", "HELLO_REQUEST")) > n, "HelloRequest")
                conn.sendall(b"line %d\n" % number)
                printed(program, b"line %d" % number)
                program.send(b"next\n")
                assert reading.result() == b"next\n"
            assert heard.count(("read", "FINISHED")) == 6


def asked(heard: list[tuple[str, str]], before: int) -> None:
    until(lambda: heard.count(("read", "HELLO_REQUEST")) > before, "HelloRequest")


def test_writes_wait_for_a_renegotiation_in_an_event_loop(tls, pki):
    """Nothing is written while the new handshake goes on, nothing is lost, and close() comes behind it."""

    async def work(program, port):
        context = client_context(tls, pki)
        heard = listen(context)
        reader, writer = await puretls.asyncio.open_connection("localhost", port, ssl=context)
        writer.write(b"first\n")
        await asyncio.to_thread(printed, program, b"first")
        for number in range(5):
            program.send(b"r\n")
            await asyncio.to_thread(asked, heard, number)
            for part in (b"li", b"ne ", b"%d\n" % number):
                writer.write(part)
            await asyncio.to_thread(printed, program, b"line %d" % number)
            program.send(b"next\n")
            assert await reader.readexactly(5) == b"next\n"
        assert heard.count(("read", "FINISHED")) == 6
        program.send(b"r\n")
        await asyncio.to_thread(asked, heard, 5)
        writer.write(b"last words\n")
        writer.close()
        await asyncio.to_thread(printed, program, b"last words")
        await writer.wait_closed()

    with s_server(pki, "-tls1_2") as (program, port):
        dial(port).close()
        asyncio.run(asyncio.wait_for(work(program, port), 3 * PATIENCE))


def test_our_client_does_not_renegotiate_if_told_so(tls, pki):
    """Refused with the warning no_renegotiation; the connection goes on, if the server lets it."""
    with s_server(pki, "-tls1_2") as (program, port):
        context = client_context(tls, pki)
        context.options |= tls.OP_NO_RENEGOTIATION
        heard = listen(context)
        with open_client(tls, pki, port, context) as conn:
            program.send(b"r\n")
            conn.settimeout(PATIENCE)
            with pytest.raises(tls.SSLError):  # s_server does not
                conn.recv(100)
            assert heard.count(("write", "CLIENT_HELLO")) == 1
            assert ("write", "NO_RENEGOTIATION") in heard
            assert context.session_stats()["connect_renegotiate"] == 0


def test_our_server_does_not_renegotiate(tls, pki):
    context = restrict(tls, server_context(tls, pki), "TLSv1.2")
    context.options |= tls.OP_NO_RENEGOTIATION
    heard = listen(context)
    with s_client(pki, context, "-tls1_2") as (conn, program):
        program.send(b"R\n")
        with pytest.raises(tls.SSLError):  # s_client does not go on
            conn.recv(100)
        assert ("write", "NO_RENEGOTIATION") in heard
        assert heard.count(("write", "SERVER_HELLO")) == 1
        assert context.session_stats()["accept_renegotiate"] == 0


def test_a_server_without_rfc5746(tls, pki):
    """Refused unless OP_LEGACY_SERVER_CONNECT is set."""
    need("gnutls-serv")
    port = free_port()
    argv = ("--port", port, "--echo", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION")
    files = ("--x509certfile", pki.chain("P-256"), "--x509keyfile", pki.key("P-256"))
    with running(pki.folder, "gnutls-serv", *argv, *files):
        dial(port).close()
        context = client_context(tls, pki)
        legacy = getattr(tls, "OP_LEGACY_SERVER_CONNECT", 4)
        assert not context.options & legacy
        with pytest.raises(tls.SSLError) as caught, open_client(tls, pki, port, context):
            pass
        assert caught.value.reason == "UNSAFE_LEGACY_RENEGOTIATION_DISABLED"
        context.options |= legacy
        with open_client(tls, pki, port, context) as conn:
            conn.sendall(b"hello\n")
            assert conn.recv(6) == b"hello\n"


@pytest.mark.parametrize("identity", ["client", "client-RSA", ""])
def test_our_client_is_asked_later(tls, pki, identity):
    """`c` has s_server send a CertificateRequest after the handshake."""
    with s_server(pki, "-tls1_3", "-CAfile", pki.ca, "-verify", 3) as (program, port):
        context = client_context(tls, pki, **({"identity": identity} if identity else {}))
        context.post_handshake_auth = True
        heard = listen(context)
        with open_client(tls, pki, port, context) as conn:
            told(program, conn, b"c\n", heard, "CERTIFICATE_REQUEST")
            conn.sendall(b"answered\n")
            printed(program, b"answered")
            assert ("verify return:1" in program.said()) == bool(identity)


@pytest.mark.parametrize("letter", [b"k\n", b"K\n"], ids=["keys of the server", "keys of both"])
def test_key_updates(tls, pki, letter):
    context = client_context(tls, pki)
    heard = listen(context)
    with s_server(pki, "-tls1_3") as (program, port), open_client(tls, pki, port, context) as conn:
        for _ in range(3):
            told(program, conn, letter, heard, "KEY_UPDATE")
            conn.sendall(b"agreed\n")
            printed(program, b"agreed")


def test_our_server_asks_later(tls, pki):
    context = server_context(tls, pki)
    context.verify_mode = tls.CERT_OPTIONAL
    context.post_handshake_auth = True
    certificate = ("-cert", pki.chain("client"), "-cert_chain", pki.chain("client"), "-key", pki.key("client"))
    with s_client(pki, context, "-tls1_3", "-enable_pha", "-quiet", *certificate) as (conn, program):
        assert conn.getpeercert() is None
        conn.verify_client_post_handshake()
        conn.sendall(b"who are you?\n")
        assert program.recv(13) == b"who are you?\n"
        program.send(b"me\n")
        assert conn.recv(100) == b"me\n"
        assert conn.getpeercert()["subject"] == ((("commonName", "localhost"),),)


def test_get_server_certificate(tls, pki):
    with s_server(pki, "-quiet") as (_program, port):
        dial(port).close()
        address = ("localhost", port)
        pem = tls.get_server_certificate(address)
        assert pem.strip() in Path(pki.chain("P-256")).read_text()
        assert tls.get_server_certificate(address, ca_certs=str(pki.ca), timeout=PATIENCE) == pem
        with pytest.raises(tls.SSLCertVerificationError):
            tls.get_server_certificate(address, ca_certs=str(pki.other_ca))
