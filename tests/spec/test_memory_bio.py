"""Memory BIOs, SSLObject, sessions, and what the security considerations promise."""

from __future__ import annotations

import os
import smtplib
import sys
import threading
import time

import pytest

from support import PATIENCE
from support.bios import ObjectSide, join
from support.both_ends import client, connected, server, silent

# MemoryBIO


def test_a_buffer(tls):
    bio = tls.MemoryBIO()
    assert (bio.pending, bio.eof, bio.read()) == (0, False, b"")
    assert bio.write(b"hello") == 5
    assert bio.write(bytearray(b" world")) == 6
    assert bio.write(memoryview(b"!")) == 1
    assert bio.pending == 12
    assert (bio.read(2), bio.read(0), bio.read(-1), bio.read()) == (b"he", b"", b"llo world!", b"")
    with pytest.raises(TypeError):
        bio.write("text")


def test_end_of_file(tls):
    bio = tls.MemoryBIO()
    bio.write(b"rest")
    bio.write_eof()
    assert bio.eof is False  # only when all has been read
    with pytest.raises(tls.SSLError):
        bio.write(b"more")
    assert bio.read() == b"rest"
    assert bio.eof is True


# SSLObject

MEMBERS = [
    "context", "server_side", "server_hostname", "session", "session_reused", "read", "write", "getpeercert",
    "selected_alpn_protocol", "selected_npn_protocol", "cipher", "shared_ciphers", "compression", "pending",
    "do_handshake", "verify_client_post_handshake", "unwrap", "get_channel_binding", "version",
]  # fmt: skip


def test_members(tls):
    obj = client(tls).wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_hostname="localhost")
    assert [name for name in MEMBERS if not hasattr(obj, name)] == []
    for name in ("recv", "send", "fileno", "connect"):
        assert not hasattr(obj, name)
    if tls.__name__ == "puretls" or sys.version_info >= (3, 13):
        assert obj.get_verified_chain() == obj.get_unverified_chain() == []


def test_nothing_happens_by_itself(tls):
    side = ObjectSide("client", client(tls), server_hostname="localhost")
    assert side.outgoing.pending == 0
    with pytest.raises(tls.SSLWantReadError):
        side.obj.do_handshake()
    assert side.outgoing.pending > 0


def test_a_handshake_that_has_failed_takes_nothing_more(tls, pki):
    side = ObjectSide("server", server(tls, pki))
    side.incoming.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(tls.SSLError):
        side.obj.do_handshake()
    before = side.incoming.pending
    side.incoming.write(b"more")
    with pytest.raises(tls.SSLError):
        side.obj.do_handshake()
    assert side.incoming.pending == before + 4


def test_ends_without_goodbye_are_errors(tls, pki):
    pair = connected(tls, pki)
    pair.end(pair.server)
    with pytest.raises(tls.SSLEOFError):
        pair.client.obj.read()


def test_unwrap_returns_nothing(tls, pki):
    pair = connected(tls, pki)
    with pytest.raises(tls.SSLWantReadError):
        pair.client.obj.unwrap()
    pair.move()
    assert pair.server.obj.unwrap() is None
    pair.move()
    assert pair.client.obj.unwrap() is None


def test_server_name_callback_gets_the_object(tls, pki):
    listening, seen = server(tls, pki), []
    with silent():
        listening.set_servername_callback(lambda obj, _name, _context: seen.append(obj))
    pair = join(client(tls, pki), listening).ok()
    assert seen == [pair.server.obj]


def test_reading_wants_more(tls, pki):
    pair = connected(tls, pki)
    pair.client.read()
    with pytest.raises(tls.SSLWantReadError):
        pair.client.obj.read()
    pair.server.obj.write(b"half of a record")
    record = pair.server.outgoing.read()
    pair.client.incoming.write(record[:10])
    with pytest.raises(tls.SSLWantReadError):
        pair.client.obj.read()
    pair.client.incoming.write(record[10:])
    assert pair.client.obj.read() == b"half of a record"


def test_tls_within_tls(tls, pki):
    """What one connection sends is the data of another."""
    outer = connected(tls, pki)

    def carry(sender, data):
        return outer.send(outer.client if sender == "client" else outer.server, data)

    inner = join(client(tls, pki), server(tls, pki), carry=carry).ok()
    data = bytes(range(256)) * 300
    assert inner.send(inner.client, data) == inner.send(inner.server, data) == data
    inner.goodbye()
    assert inner.errors == outer.errors == (None, None)


def test_positional_arguments(tls, pki):
    context = server(tls, pki)
    obj = context.wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), True, None, None)
    assert obj.server_side is True
    with pytest.raises(TypeError):
        context.wrap_bio(b"no", b"bios", server_side=True)


# SSLSession


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_sessions(tls, pki, version):
    dialing, listening = client(tls, pki, version=tls.TLSVersion[version]), server(tls, pki)
    pair = join(dialing, listening).ok()
    pair.send(pair.server, b"the tickets of TLS 1.3 come before it")
    session = pair.client.obj.session
    assert isinstance(session, tls.SSLSession)
    assert isinstance(session.id, bytes)
    assert session.id
    assert abs(session.time - time.time()) < 60
    assert session.timeout == 7200
    assert session.has_ticket is True
    assert session.ticket_lifetime_hint > 0
    for name in ("id", "time", "timeout", "has_ticket", "ticket_lifetime_hint"):
        with pytest.raises(AttributeError):
            setattr(session, name, 1)
    assert session == pair.client.obj.session
    again = join(dialing, listening, session=session).ok()
    assert again.client.obj.session_reused
    assert again.server.obj.session_reused
    with pytest.raises(ValueError):  # after the handshake
        again.client.obj.session = session
    late = ObjectSide("client", dialing, server_hostname="localhost")
    late.obj.session = session  # before it
    with pytest.raises(TypeError):
        late.obj.session = "session"
    with pytest.raises(ValueError):
        join(client(tls, pki), listening, session=session)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(("first", "then"), [("localhost", "elsewhere.test"), ("127.0.0.1", "127.0.0.2")])
def test_a_session_vouches_for_its_own_host_only(tls, pki, version, first, then):
    """`ssl` resumes it for any host, and checks no name."""
    dialing, listening = client(tls, pki, version=tls.TLSVersion[version]), server(tls, pki)
    pair = join(dialing, listening, first).ok()
    pair.send(pair.server, b"x")
    error = join(dialing, listening, then, session=pair.client.obj.session).shake().client.error
    if tls.__name__ != "ssl":
        assert error.verify_code in (62, 64)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_made_without_a_check_does_not_replace_it(tls, pki, version):
    """Nor does one that was made when nothing was verified."""
    dialing, listening = client(tls, pki, version=tls.TLSVersion[version]), server(tls, pki, "wrong")
    dialing.check_hostname = False
    pair = join(dialing, listening).ok()
    pair.send(pair.server, b"x")
    dialing.check_hostname = True
    error = join(dialing, listening, session=pair.client.obj.session).shake().client.error
    if tls.__name__ != "ssl":
        assert error.verify_code == 62
    unverified, listening = client(tls, version=tls.TLSVersion[version]), server(tls, pki)
    unverified.check_hostname = False
    unverified.verify_mode = tls.CERT_NONE
    pair = join(unverified, listening).ok()
    pair.send(pair.server, b"x")
    unverified.check_hostname = True
    error = join(unverified, listening, session=pair.client.obj.session).shake().client.error
    if tls.__name__ != "ssl":
        assert error.verify_code == 20


def test_a_session_does_not_outlive_its_time(tls, pki, monkeypatch):
    if tls.__name__ == "ssl":
        pytest.skip("OpenSSL's clock cannot be moved")
    from puretls._api import sslconnection

    dialing = client(tls, pki, version=tls.TLSVersion.TLSv1_2)
    for tickets in (True, False):
        listening = server(tls, pki)
        if not tickets:
            listening.options |= tls.OP_NO_TICKET
        session = join(dialing, listening).ok().client.obj.session
        now = time.time()
        for hours, reused in ((1.9, True), (2.1, False)):
            monkeypatch.setattr(sslconnection.time, "time", lambda hours=hours, now=now: now + hours * 3600)
            assert join(dialing, listening, session=session).ok().client.obj.session_reused is reused
        monkeypatch.undo()


def test_ticket_keys_change_and_old_ones_are_honoured(tls):
    if tls.__name__ == "ssl":
        pytest.skip("OpenSSL's tickets are its own")
    from puretls._crypto.suites import BY_NAME
    from puretls._engine.session import Session
    from puretls._engine.sessions import SessionManager
    from puretls._engine.tickets import own_state, shared_state

    keys, now = SessionManager().tickets, 1_800_000_000.0
    suite = BY_NAME["TLS_AES_128_GCM_SHA256"]

    def ticket(at):
        state = Session(version=0x0303, suite=suite, secret=b"s" * 32, time=at)
        return keys.seal([own_state(0, 0) + shared_state(state, 7200, state.secret)], at)[0]

    first = ticket(now)
    assert ticket(now + 3000)[:16] == first[:16]
    later = ticket(now + 3700)
    assert later[:16] != first[:16]
    assert keys.open(first, now + 7100).secret == b"s" * 32
    assert keys.open(first, now + 7300) is None
    for broken in (b"", first[:20], first[:-1] + bytes([first[-1] ^ 1]), os.urandom(len(first))):
        assert keys.open(broken, now + 10) is None


# Security considerations


def test_smtp_with_a_default_context(tls, pki, monkeypatch):
    """The example: STARTTLS with create_default_context(), against a server that refuses nobody."""
    import socket

    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            sock = listener.accept()[0]
            sock.settimeout(PATIENCE)
            sock.sendall(b"220 localhost ESMTP\r\n")
            sock.recv(1000)
            sock.sendall(b"250-localhost\r\n250 STARTTLS\r\n")
            sock.recv(1000)
            sock.sendall(b"220 2.0.0 Ready to start TLS\r\n")
            with server(tls, pki).wrap_socket(sock, server_side=True) as conn:
                conn.recv(1000)
                conn.sendall(b"221 Bye\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        smtp = smtplib.SMTP("localhost", port=listener.getsockname()[1], timeout=PATIENCE)
        assert smtp.starttls(context=tls.create_default_context()) == (220, b"2.0.0 Ready to start TLS")
        smtp.quit()
        thread.join(PATIENCE)


def test_other_protocols_have_insecure_defaults(tls):
    """Only PROTOCOL_TLS_CLIENT verifies without being told."""
    with silent():
        for name in ("PROTOCOL_TLS", "PROTOCOL_TLSv1_2", "PROTOCOL_TLS_SERVER"):
            context = tls.SSLContext(getattr(tls, name))
            assert (context.verify_mode, context.check_hostname) == (tls.CERT_NONE, False)


def test_only_tls13(tls, pki):
    """The example of protocol versions."""
    client_context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client_context.minimum_version = tls.TLSVersion.TLSv1_3
    client_context.maximum_version = tls.TLSVersion.TLSv1_3
    client_context.load_verify_locations(pki.ca)
    assert join(client_context, server(tls, pki)).ok().client.obj.version() == "TLSv1.3"
    older = server(tls, pki, version=tls.TLSVersion.TLSv1_2)
    assert isinstance(join(client_context, older).shake().client.error, tls.SSLError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
def test_forked_processes_do_not_share_random_numbers(tls, pki):
    tls.RAND_bytes(1)
    read, write = os.pipe()
    with silent():
        pid = os.fork()
    if not pid:
        os.write(write, tls.RAND_bytes(32) + hello(tls, pki)[11:43])
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = os.read(read, 64)
    os.close(read)
    os.close(write)
    assert len(theirs) == 64
    assert theirs[:32] != tls.RAND_bytes(32)
    assert theirs[32:] != hello(tls, pki)[11:43]


def hello(tls, pki):
    side = ObjectSide("client", client(tls, pki), server_hostname="localhost")
    side.shake()
    return side.outgoing.read()


# TLS 1.3


def test_suites_of_tls13(tls, pki):
    """All AES-GCM and ChaCha20 suites are there, whatever set_ciphers() is told."""
    context = client(tls, pki)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    names = [suite["name"] for suite in context.get_ciphers()]
    assert names == [
        "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ]  # fmt: skip
    assert join(context, server(tls, pki)).ok().client.obj.cipher()[0] == "TLS_AES_256_GCM_SHA384"


def test_tickets_come_after_the_handshake(tls, pki):
    """Until they have been read the session cannot be resumed; no early data is offered."""
    dialing, listening = client(tls, pki), server(tls, pki)
    pair = join(dialing, listening)
    while not (pair.client.done and pair.server.done):
        pair.client.shake()
        pair.server.shake()
        pair.client.incoming.write(pair.server.outgoing.read()) if not pair.client.done else None
        pair.server.incoming.write(pair.client.outgoing.read())
    assert not pair.client.obj.session.has_ticket
    pair.move()
    pair.client.read()
    assert pair.client.obj.session.has_ticket


def test_client_certificates_are_judged_after_the_clients_handshake(tls, pki):
    pair = join(client(tls, pki), server(tls, pki, asks=tls.CERT_REQUIRED)).shake()
    assert pair.client.done
    assert pair.client.error.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
