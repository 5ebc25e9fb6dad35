"""SSL contexts: certificates and trust, ciphers, protocols, names, sessions, the key log and the rest."""

from __future__ import annotations

import os
import pty
import select
import socket
import ssl
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from support import PATIENCE
from support.bios import join
from support.both_ends import client, connected, dialled, served, server, silent

SECRET = "correct horse"


@pytest.fixture
def encrypted(pki, tmp_path):
    """A key that needs a password, with its chain."""
    path = tmp_path / "encrypted.pem"
    key = pki.identity("P-256").key
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    path.write_bytes(pem + pki.chain("P-256").read_bytes())
    return path


def test_made_without_a_protocol(tls):
    with silent():
        context = tls.SSLContext()
    assert context.protocol == tls.PROTOCOL_TLS
    assert (context.verify_mode, context.check_hostname) == (tls.CERT_NONE, False)


def test_defaults(tls):
    """Secure AES and ChaCha20 with forward secrecy; security level 2 on many systems; TLS 1.2 at least."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    for suite in context.get_ciphers():
        assert suite["protocol"] == "TLSv1.3" or suite["kea"] in {"kx-ecdhe", "kx-dhe"}
        assert "aes" in suite["symmetric"] or "chacha20" in suite["symmetric"]
        assert suite["strength_bits"] >= 128
    assert context.security_level >= 1
    join(context, tls.SSLContext(tls.PROTOCOL_TLS_SERVER)).shake()


def test_cert_store_stats(tls, pki):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    assert context.cert_store_stats() == {"crl": 0, "x509_ca": 0, "x509": 0}
    context.load_verify_locations(pki.ca)
    context.load_verify_locations(cadata=pki.chain("P-256").read_text())
    assert context.cert_store_stats() == {"crl": 0, "x509_ca": 2, "x509": 3}


# load_cert_chain


@pytest.mark.parametrize(
    "password",
    [SECRET, SECRET.encode(), bytearray(SECRET.encode()), lambda: SECRET, SECRET.encode],
    ids=["str", "bytes", "bytearray", "calls str", "calls bytes"],
)
def test_passwords(tls, pki, encrypted, password):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(encrypted, password=password)
    join(client(tls, pki), context).ok()


def test_wrong_passwords(tls, encrypted):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    for wrong in ("wrong", lambda: "wrong", lambda: ""):
        with pytest.raises(tls.SSLError):
            context.load_cert_chain(encrypted, password=wrong)
    for wrong in (lambda: 1, lambda: None, 1):
        with pytest.raises(TypeError):
            context.load_cert_chain(encrypted, password=wrong)
    with pytest.raises(ValueError, match="1024"):
        context.load_cert_chain(encrypted, password="x" * 102400)
    with pytest.raises(ZeroDivisionError):
        context.load_cert_chain(encrypted, password=lambda: 1 // 0)


def test_a_password_that_is_not_needed_is_not_asked_for(tls, pki):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"), lambda: pytest.fail("asked"))
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"), "not needed")


def test_the_terminal_is_asked(tls, encrypted):
    """Without a password the user is prompted, and what is typed is not echoed."""
    code = (
        f"import {tls.__name__} as tls\n"
        f"tls.SSLContext(tls.PROTOCOL_TLS_SERVER).load_cert_chain({os.fspath(encrypted)!r})\n"
        "print('loaded', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pid, terminal = pty.fork()
    if not pid:
        os.execve(sys.executable, [sys.executable, "-c", code], environment)
    try:
        shown = until_shown(terminal, b"pass phrase:")
        time.sleep(0.1)  # OpenSSL prompts, and then switches the echo off
        os.write(terminal, SECRET.encode() + b"\n")
        shown += until_shown(terminal, b"loaded")
        assert SECRET.encode() not in shown
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def until_shown(terminal, text):
    shown, deadline = b"", time.monotonic() + PATIENCE
    while text not in shown:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], shown
        shown += os.read(terminal, 1024)
    return shown


def test_key_and_certificate_that_do_not_fit(tls, pki):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    for identity in ("expired", "RSA"):
        with pytest.raises(tls.SSLError):
            context.load_cert_chain(pki.chain("P-256"), pki.key(identity))


def test_files_that_are_not_there(tls, pki):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    for arguments in (("/nonexistent",), (pki.chain("P-256"), "/nonexistent")):
        with pytest.raises(FileNotFoundError):
            context.load_cert_chain(*arguments)
    with pytest.raises(FileNotFoundError):
        context.load_verify_locations("/nonexistent")
    with pytest.raises(tls.SSLError):
        context.load_cert_chain(__file__)
    with pytest.raises(tls.SSLError):
        context.load_verify_locations(__file__)


# Trust


def test_load_verify_locations(tls, pki):
    for given in (
        {"cafile": pki.ca},
        {"cafile": os.fsencode(pki.ca)},
        {"cadata": pki.root.pem.decode()},
        {"cadata": "text before\n" + pki.root.pem.decode() + "text after\n"},
        {"cadata": pki.root.certificate.public_bytes(Encoding.DER)},
    ):
        context = client(tls)
        context.load_verify_locations(**given)
        join(context, server(tls, pki)).ok()
    for nothing in ({}, {"cafile": None, "capath": None, "cadata": None}):
        with pytest.raises(TypeError):
            client(tls).load_verify_locations(**nothing)
    for bad in ("", "no certificate"):
        with pytest.raises((tls.SSLError, ValueError)):
            client(tls).load_verify_locations(cadata=bad)


def test_capath_is_read_on_demand(tls, pki, tmp_path):
    pem = pki.root.pem
    command = ["openssl", "x509", "-hash", "-noout"]
    digest = subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode().strip()
    context = client(tls)
    context.load_verify_locations(capath=tmp_path)
    (tmp_path / f"{digest}.0").write_bytes(pem)  # later than the call, and found all the same
    assert context.get_ca_certs() == []
    assert context.cert_store_stats()["x509"] == 0
    join(context, server(tls, pki)).ok()
    assert context.get_ca_certs(binary_form=True) == [pki.root.certificate.public_bytes(Encoding.DER)]


def test_get_ca_certs(tls, pki):
    context = client(tls, pki)
    (cert,) = context.get_ca_certs()
    assert cert["subject"] == cert["issuer"] == ((("commonName", "Test root"),),)
    assert context.get_ca_certs(True) == [pki.root.certificate.public_bytes(Encoding.DER)]
    context.load_verify_locations(cadata=pki.chain("P-256").read_text())
    assert len(context.get_ca_certs()) == 2  # the leaf is none


def test_default_locations(tls, pki, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    for load in ("load_default_certs", "set_default_verify_paths"):
        context = client(tls)
        getattr(context, load)()
        join(context, server(tls, pki)).ok()
    context = server(tls, pki, asks=tls.CERT_REQUIRED)
    context.load_default_certs(tls.Purpose.CLIENT_AUTH)
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    client(tls).set_default_verify_paths()  # nobody is told


def test_default_locations_for_servers(tls, pki, monkeypatch):
    """Purpose.CLIENT_AUTH: what is loaded then verifies clients."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    context.verify_mode = tls.CERT_REQUIRED
    assert context.cert_store_stats()["x509"] == 0
    context.load_default_certs(tls.Purpose.CLIENT_AUTH)
    assert context.cert_store_stats() == {"x509": 1, "x509_ca": 1, "crl": 0}
    pair = join(client(tls, pki, identity="client"), context).ok()
    assert pair.server.obj.getpeercert()["subject"]
    for wrong in ("CLIENT_AUTH", None, 2):
        with pytest.raises(TypeError):
            context.load_default_certs(wrong)


@pytest.mark.parametrize("purpose", ["SERVER_AUTH", "CLIENT_AUTH"])
def test_the_stores_of_windows(tls, pki, monkeypatch, purpose):
    """CA and ROOT; what is trusted for everything, or for this purpose, and nothing else."""
    ders = [one.certificate.public_bytes(Encoding.DER) for one in (pki.root, pki.issuer, pki.elsewhere)]
    wanted = getattr(tls.Purpose, purpose)
    stores = {
        "CA": [(ders[0], "x509_asn", True), (ders[1], "x509_asn", {"1.2.3"}), (b"crl", "pkcs_7_asn", True)],
        "ROOT": [(ders[2], "x509_asn", {wanted.oid, "1.2.3"}), (ders[1], "pkcs_7_asn", True)],
    }
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ssl, "enum_certificates", stores.__getitem__, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.load_default_certs(wanted)
    assert sorted(context.get_ca_certs(binary_form=True)) == sorted([ders[0], ders[2]])


# Ciphers


def test_get_ciphers(tls):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ECDHE+AESGCM:!ECDSA")
    found = [suite for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]
    assert [suite["name"] for suite in found] == ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
    first = dict(found[0])
    assert first.pop("description").split() == (
        ["ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", "Kx=ECDH", "Au=RSA", "Enc=AESGCM(256)", "Mac=AEAD"]
    )
    assert first == {
        "aead": True, "alg_bits": 256, "auth": "auth-rsa", "digest": None, "id": 50380848, "kea": "kx-ecdhe",
        "name": "ECDHE-RSA-AES256-GCM-SHA384", "protocol": "TLSv1.2", "strength_bits": 256,
        "symmetric": "aes-256-gcm",
    }  # fmt: skip


def test_set_ciphers(tls, pki):
    context = client(tls, pki, version=tls.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    assert join(context, server(tls, pki)).ok().client.obj.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    with pytest.raises(tls.SSLError):
        context.set_ciphers("NO-SUCH-CIPHER")
    thirteen = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.3"]
    assert len(thirteen) == 3  # cannot be switched off here


# Protocols


def test_alpn(tls, pki):
    dialing, listening = client(tls, pki), server(tls, pki)
    assert join(dialing, listening).ok().client.obj.selected_alpn_protocol() is None
    dialing.set_alpn_protocols(["http/1.1", "spdy/2"])
    assert join(dialing, listening).ok().client.obj.selected_alpn_protocol() is None
    listening.set_alpn_protocols(["h2", "spdy/2", "http/1.1"])
    assert join(dialing, listening).ok().server.obj.selected_alpn_protocol() == "spdy/2"
    for bad in ([""], ["x" * 256]):
        with pytest.raises(tls.SSLError):
            dialing.set_alpn_protocols(bad)


def test_npn_is_gone(tls):
    if tls.__name__ == "ssl":
        pytest.skip("CPython's raises AttributeError")
    with silent(), pytest.raises(NotImplementedError):
        client(tls).set_npn_protocols(["http/1.1"])


# Server names


def test_sni_callback(tls, pki):
    dialing, first, second = client(tls, pki), server(tls, pki, "wrong"), server(tls, pki)
    calls = []

    def choose(sock, name, context):
        calls.append((type(sock), name, context))
        assert sock.selected_alpn_protocol() is None
        sock.context = second

    first.sni_callback = choose
    assert first.sni_callback is choose
    pair = join(dialing, first).ok()
    assert calls == [(tls.SSLObject, "localhost", first)]
    assert pair.server.obj.context is second
    first.sni_callback = None
    assert join(dialing, first).shake().client.error.verify_code == 62


def test_sni_callback_without_and_with_odd_names(tls, pki):
    """None if the client names nobody; an A-label stays one."""
    dialing, listening = client(tls), server(tls, pki)
    dialing.check_hostname = False
    dialing.verify_mode = tls.CERT_NONE
    names = []
    listening.sni_callback = lambda _sock, name, _context: names.append(name)
    for host in (None, "pythön.org", "127.0.0.1"):
        join(dialing, listening, host).ok()
    assert names == [None, "xn--pythn-mua.org", None]
    legacy = []
    listening.set_servername_callback(lambda _sock, name, _context: legacy.append(name))
    join(dialing, listening, "xn--pythn-mua.org").ok()
    assert legacy == ["xn--pythn-mua.org" if tls.__name__ == "ssl" else "pythön.org"]  # CPython's does not decode it
    listening.set_servername_callback(None)
    assert listening.sni_callback is None
    with pytest.raises(TypeError):
        listening.sni_callback = 4
    with pytest.raises(ValueError):
        dialing.sni_callback = print


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: 112, "TLSV1_UNRECOGNIZED_NAME"),
        (lambda: 49, "TLSV1_ALERT_ACCESS_DENIED"),
        (lambda: "text", "TLSV1_ALERT_INTERNAL_ERROR"),
        (lambda: 1 // 0, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ],
    ids=["alert", "other alert", "no number", "exception"],
)
def test_sni_callback_refuses(tls, pki, monkeypatch, answer, reason):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(args.exc_type))
    listening = server(tls, pki)
    listening.sni_callback = lambda *_args: answer()
    pair = join(client(tls, pki), listening).shake()
    assert pair.client.error.reason == reason
    assert pair.server.error.reason == "CALLBACK_FAILED"
    assert reported == {
        "TLSV1_ALERT_INTERNAL_ERROR": [TypeError],
        "SSLV3_ALERT_HANDSHAKE_FAILURE": [ZeroDivisionError],
    }.get(reason, [])


# Key exchange


def test_dh_parameters(tls, pki):
    version = tls.TLSVersion.TLSv1_2
    dialing, listening = client(tls, pki, version=version), server(tls, pki, "RSA", version=version)
    dialing.set_ciphers("DHE")
    assert join(dialing, listening).shake().server.error.reason == "NO_SHARED_CIPHER"
    listening.load_dh_params(pki.dh)
    assert join(dialing, listening).ok().client.obj.cipher()[0].startswith("DHE-")
    with pytest.raises(FileNotFoundError):
        listening.load_dh_params("/nonexistent")
    with pytest.raises(TypeError):
        listening.load_dh_params(None)
    with pytest.raises(tls.SSLError):
        listening.load_dh_params(pki.ca)


def test_ecdh_curve(tls, pki):
    listening = server(tls, pki)
    listening.set_ecdh_curve("prime256v1")
    listening.set_ecdh_curve(b"secp384r1")
    join(client(tls, pki), listening).ok()
    dialing = client(tls, pki)
    dialing.set_ecdh_curve("prime256v1")
    assert isinstance(join(dialing, listening).shake().client.error, tls.SSLError)
    for wrong, error in (("nope", ValueError), (None, TypeError)):
        with pytest.raises(error):
            listening.set_ecdh_curve(wrong)


# wrap_socket, wrap_bio


def test_what_wrap_socket_refuses(tls, pki):
    context = client(tls)
    with socket.socket() as sock:
        with pytest.raises(ValueError):
            server(tls, pki).wrap_socket(sock, server_side=True, server_hostname="localhost")
        for host in (None, ""):
            with pytest.raises(ValueError):
                context.wrap_socket(sock, server_hostname=host)
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(NotImplementedError):
        context.wrap_socket(sock, server_hostname="localhost")


def test_connecting_later(tls, pki):
    """Construction is lazy for a client that is not connected; then connect() shakes hands, or leaves it to us."""
    for automatic in (True, False):
        with served(server(tls, pki), lambda conn: conn.sendall(b"x")) as address:
            options = {"server_hostname": "localhost", "do_handshake_on_connect": automatic}
            with client(tls, pki).wrap_socket(socket.socket(), **options) as conn:
                conn.settimeout(PATIENCE)
                conn.connect(address)
                assert (conn.version() is not None) is automatic
                conn.do_handshake()
                assert conn.recv(1) == b"x"
                with pytest.raises(ValueError):
                    conn.connect(address)


def test_classes_to_return(tls):
    class Socket(tls.SSLSocket):
        pass

    class Object(tls.SSLObject):
        pass

    class Context(tls.SSLContext):
        sslobject_class = Object

    assert tls.SSLContext.sslsocket_class is tls.SSLSocket
    context = Context(tls.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = Socket
    assert type(context.wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_hostname="x")) is Object
    with context.wrap_socket(socket.socket(), server_hostname="x") as conn:
        assert type(conn) is Socket


# Sessions


def test_session_stats(tls, pki):
    dialing, listening = client(tls, pki), server(tls, pki)
    names = {
        "number", "connect", "connect_good", "connect_renegotiate", "accept", "accept_good", "accept_renegotiate",
        "hits", "misses", "timeouts", "cache_full",
    }  # fmt: skip
    assert dialing.session_stats() == dict.fromkeys(names, 0)
    pair = join(dialing, listening).ok()
    pair.send(pair.server, b"x")
    join(dialing, listening, session=pair.client.obj.session).ok()
    stats = listening.session_stats()
    assert (stats["accept"], stats["accept_good"], stats["hits"], stats["misses"]) == (2, 2, 1, 0)
    assert dialing.session_stats()["connect_good"] == 2


# Host names


def test_check_hostname(tls):
    with silent():
        context = tls.SSLContext(tls.PROTOCOL_TLSv1_2)
    assert context.check_hostname is False
    context.check_hostname = True
    assert context.verify_mode == tls.CERT_REQUIRED
    with pytest.raises(ValueError):
        context.verify_mode = tls.CERT_NONE
    context.verify_mode = tls.CERT_OPTIONAL
    context.check_hostname = False
    context.verify_mode = tls.CERT_NONE


def test_addresses_are_matched(tls, pki):
    join(client(tls, pki), server(tls, pki), "127.0.0.1").ok()
    error = join(client(tls, pki), server(tls, pki), "127.0.0.2").shake().client.error
    assert (error.verify_code, error.verify_message[:27]) == (64, "IP address mismatch, certif")


def test_the_peer_learns_of_a_wrong_name(tls, pki):
    pair = join(client(tls, pki), server(tls, pki, "wrong")).shake()
    assert pair.client.error.verify_code == 62
    assert pair.server.error.reason == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_common_names(tls, pki, tmp_path):
    """hostname_checks_common_name: only where there are no alternative names."""
    key, now = pki.identity("P-256").key, datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(pki.root.name).public_key(key.public_key())
    builder = builder.serial_number(9).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    (tmp_path / "old.pem").write_bytes(builder.sign(pki.root.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    listening = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(tmp_path / "old.pem", pki.key("P-256"))
    dialing = client(tls, pki)
    assert dialing.hostname_checks_common_name is True
    join(dialing, listening).ok()
    dialing.hostname_checks_common_name = False
    assert dialing.hostname_checks_common_name is False
    assert join(dialing, listening).shake().client.error.verify_code == 62


# The key log


def test_keylog_filename(tls, pki, tmp_path):
    path = tmp_path / "keys"
    path.write_text("# what was there stays\n")
    context = client(tls, pki)
    assert context.keylog_filename is None
    context.keylog_filename = path
    assert Path(context.keylog_filename) == path
    join(context, server(tls, pki)).ok()
    first = path.read_text().splitlines()
    assert first[0] == "# what was there stays"
    assert {line.split()[0] for line in first[1:]} == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET",
    }  # fmt: skip
    context.maximum_version = tls.TLSVersion.TLSv1_2
    join(context, server(tls, pki)).ok()
    assert path.read_text().splitlines()[-1].startswith("CLIENT_RANDOM ")
    context.keylog_filename = None
    join(context, server(tls, pki)).ok()
    assert len(path.read_text().splitlines()) == len(first) + 1
    for wrong in (3, tmp_path / "no" / "keys"):
        with pytest.raises((TypeError, FileNotFoundError)):
            context.keylog_filename = wrong


def test_the_key_log_opens_what_was_captured(tls, pki, tmp_path):
    """What Wireshark does: the secrets of the file decrypt the records of the wire."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    captured = {"client": b"", "server": b""}

    def carry(sender, data):
        captured[sender] += data
        return data

    context = client(tls, pki)
    context.keylog_filename = str(tmp_path / "keys")
    pair = join(context, server(tls, pki), carry=carry).ok()
    captured["client"] = b""
    pair.send(pair.client, b"a secret message")
    assert pair.client.obj.cipher()[0] == "TLS_AES_256_GCM_SHA384"
    lines = (line.split() for line in (tmp_path / "keys").read_text().splitlines() if not line.startswith("#"))
    secrets = {label: bytes.fromhex(secret) for label, _random, secret in lines}

    def expand(label, size):
        full = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0"
        return HKDFExpand(hashes.SHA384(), size, info).derive(secrets["CLIENT_TRAFFIC_SECRET_0"])

    record = captured["client"]
    plain = AESGCM(expand(b"key", 32)).decrypt(expand(b"iv", 12), record[5:], record[:5])  # number 0: IV as it is
    assert plain == b"a secret message\x17"


# Versions and the rest


def test_minimum_and_maximum_version(tls, pki):
    dialing, listening = client(tls, pki), server(tls, pki)
    dialing.maximum_version = tls.TLSVersion.TLSv1_2
    assert join(dialing, listening).ok().client.obj.version() == "TLSv1.2"
    listening.minimum_version = tls.TLSVersion.TLSv1_3
    assert join(dialing, listening).shake().client.error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
    dialing.maximum_version = tls.TLSVersion.MAXIMUM_SUPPORTED
    assert join(dialing, listening).ok().client.obj.version() == "TLSv1.3"
    with pytest.raises(ValueError):
        dialing.minimum_version = 5


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_num_tickets(tls, pki, count):
    dialing, listening = client(tls, pki), server(tls, pki)
    assert listening.num_tickets == 2
    listening.num_tickets = count
    assert listening.num_tickets == count
    heard = []
    dialing._msg_callback = lambda *event: heard.append(event[4]) if event[3] == 22 else None
    join(dialing, listening).ok()
    assert heard.count(4) == count
    dialing.maximum_version = tls.TLSVersion.TLSv1_2
    join(dialing, listening).ok()
    assert heard.count(4) == count + 1  # no impact on TLS 1.2
    with pytest.raises(ValueError):
        listening.num_tickets = -1
    with pytest.raises(TypeError):
        listening.num_tickets = None
    with pytest.raises(ValueError):
        dialing.num_tickets = 1


def test_flags_and_modes_are_enumerations(tls):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    assert isinstance(context.options, tls.Options)
    assert isinstance(context.verify_flags, tls.VerifyFlags)
    assert isinstance(context.verify_mode, tls.VerifyMode)
    assert isinstance(context.minimum_version, tls.TLSVersion)
    assert context.protocol == tls.PROTOCOL_TLS_CLIENT
    for name in ("protocol", "security_level"):
        with pytest.raises(AttributeError):
            setattr(context, name, 1)
    context.verify_flags = tls.VERIFY_CRL_CHECK_LEAF | tls.VERIFY_X509_STRICT
    assert context.verify_flags == tls.VERIFY_CRL_CHECK_LEAF | tls.VERIFY_X509_STRICT
    assert context.post_handshake_auth is False
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert context.security_level == 0


def test_anchors_may_be_added_while_in_use(tls, pki):
    context = client(tls)
    assert join(context, server(tls, pki)).shake().client.error.verify_code == 20
    context.load_verify_locations(pki.ca)
    join(context, server(tls, pki)).ok()


def test_a_context_is_for_many_threads(tls, pki):
    from concurrent.futures import ThreadPoolExecutor

    dialing, listening = client(tls, pki), server(tls, pki)

    def once(_number):
        pair = join(dialing, listening).ok()
        return pair.send(pair.client, b"hello")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(once, range(64))) == {b"hello"}
    assert listening.session_stats()["accept_good"] == 64


# Certificates


def test_a_chain_ends_at_its_root_or_before(tls, pki, tmp_path):
    path = tmp_path / "chain.pem"
    path.write_bytes(pki.chain("P-256").read_bytes() + pki.root.pem)
    listening = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(path, pki.key("P-256"))
    join(client(tls, pki), listening).ok()
    assert join(client(tls), listening).shake().client.error.verify_code == 19  # sending a root makes nobody trust it


def test_several_chains_in_one_file_of_anchors(tls, pki, tmp_path):
    path = tmp_path / "bundle.pem"
    path.write_bytes(b"Some text\n" + pki.elsewhere.pem + b"\nMore text\n" + pki.root.pem)
    context = client(tls)
    context.load_verify_locations(path)
    join(context, server(tls, pki)).ok()
    join(context, server(tls, pki, "stranger")).ok()


def test_key_and_certificate_in_one_file(tls, pki, tmp_path):
    path = tmp_path / "both.pem"
    path.write_bytes(pki.key("RSA").read_bytes() + pki.chain("RSA").read_bytes())
    listening = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(path)
    join(client(tls, pki), listening).ok()


def test_a_self_signed_certificate(tls, tmp_path):
    """Made with the very command of the text; it is its own root."""
    path = tmp_path / "cert.pem"
    command = "openssl req -new -x509 -days 365 -nodes -out cert.pem -keyout key.pem -subj /CN=localhost"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    path.write_bytes((tmp_path / "key.pem").read_bytes() + path.read_bytes())
    listening = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(path)
    assert join(client(tls), listening).shake().client.error.verify_code == 18
    trusting = client(tls)
    trusting.load_verify_locations(path)
    join(trusting, listening).ok()


def test_validation_can_be_made_to_fail_the_connection(tls, pki):
    with served(server(tls, pki), lambda conn: conn.recv(1)) as address, dialled(client(tls, pki), address) as conn:
        conn.sendall(b"x")
    pair = connected(tls, pki)
    assert pair.errors == (None, None)
