"""Socket creation, context creation, exceptions."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from support import PATIENCE
from support.bios import ObjectSide, join
from support.both_ends import client, connected, dialled, served, server


def test_client_examples(tls, pki, monkeypatch):
    """Both client examples: a default context, and one of PROTOCOL_TLS_CLIENT with its own bundle."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    own = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    own.load_verify_locations(str(pki.ca))
    for context in (tls.create_default_context(), own):
        with (
            served(server(tls, pki), lambda conn: conn.sendall(b"x")) as (host, port),
            socket.create_connection((host, port)) as sock,
            context.wrap_socket(sock, server_hostname="localhost") as ssock,
        ):
            assert ssock.version() == "TLSv1.3"
            assert isinstance(ssock, tls.SSLSocket)
            assert ssock.recv(10) == b"x"


def test_server_example(tls, pki):
    """A wrapped listening socket accepts wrapped connections."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pki.chain("P-256")), str(pki.key("P-256")))
    with socket.create_server(("127.0.0.1", 0)) as sock, context.wrap_socket(sock, server_side=True) as ssock:
        ssock.settimeout(PATIENCE)
        dialing = socket.create_connection(ssock.getsockname())
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            theirs = pool.submit(client(tls, pki).wrap_socket, dialing, server_hostname="localhost")
            conn, _address = ssock.accept()
            assert isinstance(conn, tls.SSLSocket)
            assert conn.server_side
            with theirs.result(PATIENCE) as other, conn:
                other.sendall(b"hello")
                assert conn.recv(10) == b"hello"


def test_no_public_constructors(tls):
    with socket.socket() as sock, pytest.raises(TypeError, match=r"wrap_socket\(\)"):
        tls.SSLSocket(sock)
    with pytest.raises(TypeError, match=r"wrap_bio\(\)"):
        tls.SSLObject(tls.MemoryBIO(), tls.MemoryBIO())


def test_default_context_for_clients(tls, monkeypatch, pki):
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    context = tls.create_default_context(cafile=str(pki.ca))
    assert context.protocol == tls.PROTOCOL_TLS_CLIENT
    assert context.verify_mode == tls.CERT_REQUIRED
    assert context.check_hostname is True
    assert context.options & tls.OP_NO_SSLv2 == tls.OP_NO_SSLv2
    assert context.options & tls.OP_NO_SSLv3
    assert context.options & tls.OP_NO_COMPRESSION
    names = {suite["name"] for suite in context.get_ciphers()}
    assert names
    assert not [name for name in names if "RC4" in name or "NULL" in name or name.startswith(("ADH", "AECDH"))]
    if tls.__name__ == "puretls" or sys.version_info >= (3, 13):
        assert context.verify_flags & tls.VERIFY_X509_PARTIAL_CHAIN
        assert context.verify_flags & tls.VERIFY_X509_STRICT
    context.verify_flags &= ~tls.VERIFY_X509_STRICT
    assert not context.verify_flags & tls.VERIFY_X509_STRICT
    assert context.keylog_filename is None


def test_default_context_for_servers(tls):
    context = tls.create_default_context(tls.Purpose.CLIENT_AUTH)
    assert context.protocol == tls.PROTOCOL_TLS_SERVER
    assert context.verify_mode == tls.CERT_NONE
    assert context.check_hostname is False
    context.options &= ~tls.OP_NO_SSLv3  # the note's way to allow it; nobody speaks it any more
    assert not context.options & tls.OP_NO_SSLv3


def test_default_settings_of_servers_are_those_of_clients(tls, pki):
    """Options, ciphers and flags; what it is given to trust it trusts, though it verifies nobody yet."""
    context = tls.create_default_context(tls.Purpose.CLIENT_AUTH, cafile=str(pki.ca))
    dialing = tls.create_default_context(cafile=str(pki.ca))
    assert context.options == dialing.options
    assert context.verify_flags == dialing.verify_flags
    assert context.get_ciphers() == dialing.get_ciphers()
    assert (context.minimum_version, context.maximum_version) == (dialing.minimum_version, dialing.maximum_version)
    if tls.__name__ == "puretls" or sys.version_info >= (3, 13):
        assert context.verify_flags & tls.VERIFY_X509_PARTIAL_CHAIN
        assert context.verify_flags & tls.VERIFY_X509_STRICT
    assert context.options & tls.OP_NO_COMPRESSION
    assert context.options & tls.OP_CIPHER_SERVER_PREFERENCE
    assert len(context.get_ca_certs()) == 1
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    context.verify_mode = tls.CERT_REQUIRED
    dialing.load_cert_chain(pki.chain("client"), pki.key("client"))
    assert join(dialing, context).ok().server.obj.getpeercert()["subject"]


@pytest.mark.parametrize("how", ["cafile", "capath", "cadata"])
def test_default_context_trusts_what_it_is_given(tls, pki, how, tmp_path):
    if how == "capath":
        (tmp_path / f"{name_hash(pki)}.0").write_bytes(pki.root.pem)
    given = {"cafile": str(pki.ca), "capath": str(tmp_path), "cadata": pki.root.pem.decode()}[how]
    context = tls.create_default_context(**{how: given})
    assert join(context, server(tls, pki)).ok().client.obj.getpeercert()["subject"]


def name_hash(pki):
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = pki.root.certificate.public_bytes(Encoding.PEM)
    command = ["openssl", "x509", "-hash", "-noout"]
    return subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode().strip()


def test_default_context_loads_the_systems_anchors(tls, pki, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    monkeypatch.setenv("SSL_CERT_DIR", str(pki.folder / "none"))
    assert len(tls.create_default_context().get_ca_certs()) == 1
    assert tls.create_default_context(tls.Purpose.CLIENT_AUTH).get_ca_certs() == []  # it verifies nobody


def test_default_context_logs_keys_if_the_environment_says_so(tls, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert os.fspath(tls.create_default_context(cadata=None).keylog_filename) == str(tmp_path / "keys")


def test_wrong_purpose(tls):
    with pytest.raises(TypeError):
        tls.create_default_context("client")


# Exceptions


def endlessly(operation, argument):
    while True:
        operation(argument)


def test_exceptions_are_what_they_are_said_to_be(tls):
    assert issubclass(tls.SSLError, OSError)
    for name in ("ZeroReturn", "WantRead", "WantWrite", "Syscall", "EOF", "CertVerification"):
        assert issubclass(getattr(tls, f"SSL{name}Error"), tls.SSLError)
    assert tls.CertificateError is tls.SSLCertVerificationError
    assert issubclass(tls.CertificateError, ValueError)


def test_library_and_reason(tls, pki):
    with pytest.raises(tls.SSLError) as caught:
        tls.SSLContext(tls.PROTOCOL_TLS_SERVER).load_cert_chain(pki.chain("P-256"), pki.key("RSA"))
    assert (caught.value.library, caught.value.reason) in {
        ("X509", "KEY_VALUES_MISMATCH"),
        ("X509", "KEY_TYPE_MISMATCH"),
        ("SSL", "NO_CERTIFICATE_ASSIGNED"),
    }
    assert f"[{caught.value.library}: {caught.value.reason}]" in str(caught.value)


def test_verify_code_and_message(tls, pki):
    error = join(client(tls), server(tls, pki)).shake().client.error
    assert isinstance(error, tls.SSLCertVerificationError)
    assert (error.verify_code, error.verify_message) == (20, "unable to get local issuer certificate")
    assert (error.library, error.reason) == ("SSL", "CERTIFICATE_VERIFY_FAILED")


def test_want_read_before_there_is_anything(tls):
    side = ObjectSide("client", client(tls), server_hostname="localhost")
    with pytest.raises(tls.SSLWantReadError):
        side.obj.do_handshake()


def test_want_write_when_the_buffers_are_full(tls, pki):
    full = threading.Event()
    idle = served(server(tls, pki), lambda _conn: full.wait(PATIENCE))
    with idle as address, dialled(client(tls, pki), address) as conn:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        conn.setblocking(False)
        with pytest.raises(tls.SSLWantWriteError):
            endlessly(conn.send, bytes(16384))
        full.set()


def test_zero_return_after_a_clean_close(tls, pki):
    pair = connected(tls, pki)
    pair.goodbye()
    with pytest.raises(tls.SSLZeroReturnError):
        pair.client.obj.read(1)


def test_eof_error_after_an_abrupt_end(tls, pki):
    pair = connected(tls, pki)
    pair.end(pair.server)
    with pytest.raises(tls.SSLEOFError):
        pair.client.obj.read(1)


def test_connection_reset_keeps_its_kind(tls, pki):
    """A system error: SSLSyscallError if it cannot be told which, ConnectionResetError here."""
    import struct

    def reset(conn):
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with (
        served(server(tls, pki), reset) as address,
        dialled(client(tls, pki), address) as conn,
        pytest.raises((ConnectionResetError, tls.SSLSyscallError)),
    ):
        endlessly(conn.recv, 1)
