"""OpenSSL 3.5, by ctypes: raw public keys (RFC 7250) and certificates compressed with zlib (RFC 8879), both roles."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import puretls
from puretls._base.registry import CERTIFICATE, COMPRESSED_CERTIFICATE
from support import PATIENCE, Pki
from support.libssl import RAW, X509, ZLIB, Libssl, LibsslConnection, LibsslError

each_version = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
each_kind = pytest.mark.parametrize("kind", ["P-256", "Ed25519"])
KEYS: dict[str, Any] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
OTHER = ec.generate_private_key(ec.SECP256R1())


def spki(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def written(folder: Path, key: Any) -> Path:
    path = folder / "raw.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@contextmanager
def met(ours: Any, theirs: Libssl, host: str | None = "localhost") -> Iterator[tuple[Any, LibsslConnection]]:
    """Our connection, which has not begun, and theirs, which has."""
    with ExitStack() as stack:
        stack.callback(theirs.close)
        one, other = socket.socketpair()
        one.settimeout(PATIENCE)
        their = theirs.connected(other)
        stack.callback(their.close)
        conn = ours.wrap_socket(
            one, server_side=not theirs.server, server_hostname=host if theirs.server else None,
            do_handshake_on_connect=False,
        )  # fmt: skip
        stack.enter_context(conn)
        yield conn, their


def through(conn: Any, their: LibsslConnection) -> None:
    conn.do_handshake()
    their.shaken()
    conn.sendall(b"there")
    assert their.read() == b"there"
    their.write(b"back")
    assert conn.recv(10) == b"back"


def openssl(version: str, *, server: bool) -> Libssl:
    return Libssl(version, server=server)


def our(role: int, version: str) -> Any:
    context = puretls.SSLContext(role)
    context.maximum_version = context.minimum_version = puretls.TLSVersion[version.replace(".", "_")]
    if role == puretls.PROTOCOL_TLS_CLIENT:
        context.check_hostname = False
    return context


@each_kind
@each_version
def test_openssl_serves_a_raw_key(version: str, kind: str, tmp_path: Path) -> None:
    theirs = openssl(version, server=True)
    theirs.shows(written(tmp_path, KEYS[kind]))
    theirs.types("server", RAW, X509)
    ours = our(puretls.PROTOCOL_TLS_CLIENT, version)
    ours.server_certificate_types = ["raw"]
    ours.set_trusted_public_keys([KEYS[kind].public_key()])
    with met(ours, theirs) as (conn, their):
        through(conn, their)
        assert conn.peer_public_key() == spki(KEYS[kind])
        assert conn.getpeercert(True) is None


@each_version
def test_another_raw_key_of_openssl(version: str, tmp_path: Path) -> None:
    theirs = openssl(version, server=True)
    theirs.shows(written(tmp_path, OTHER))
    theirs.types("server", RAW)
    ours = our(puretls.PROTOCOL_TLS_CLIENT, version)
    ours.server_certificate_types = ["raw"]
    ours.set_trusted_public_keys([KEYS["P-256"].public_key()])
    with met(ours, theirs) as (conn, their):
        with pytest.raises(puretls.SSLCertVerificationError):
            conn.do_handshake()
        with pytest.raises(LibsslError, match="bad certificate"):
            their.refused()


@each_kind
@each_version
def test_openssl_asks_for_ours(version: str, kind: str, pki: Pki) -> None:
    """The server has a certificate, the client a raw key."""
    theirs = openssl(version, server=True)
    theirs.shows(pki.key("P-256"), pki.chain("P-256"))
    theirs.types("client", RAW)
    theirs.expects(spki(KEYS[kind]))
    ours = our(puretls.PROTOCOL_TLS_CLIENT, version)
    ours.load_verify_locations(pki.ca)
    ours.load_raw_public_key(KEYS[kind])
    ours.client_certificate_types = ["raw"]
    with met(ours, theirs) as (conn, their):
        through(conn, their)
        assert their.peer_key() == spki(KEYS[kind])
        assert conn.getpeercert(True)


@each_kind
@each_version
def test_openssl_connects_to_a_raw_key(version: str, kind: str, tmp_path: Path) -> None:
    """Both sides show one."""
    theirs = openssl(version, server=False)
    theirs.shows(written(tmp_path, OTHER))
    theirs.types("server", RAW)
    theirs.types("client", RAW)
    theirs.expects(spki(KEYS[kind]))
    ours = our(puretls.PROTOCOL_TLS_SERVER, version)
    ours.load_raw_public_key(KEYS[kind])
    ours.verify_mode = puretls.CERT_REQUIRED
    ours.client_certificate_types = ["raw"]
    ours.set_trusted_public_keys([OTHER.public_key()])
    with met(ours, theirs) as (conn, their):
        through(conn, their)
        assert their.peer_key() == spki(KEYS[kind])
        assert conn.peer_public_key() == spki(OTHER)


@each_version
def test_openssl_expects_another(version: str) -> None:
    theirs = openssl(version, server=False)
    theirs.types("server", RAW)
    theirs.expects(spki(OTHER))
    ours = our(puretls.PROTOCOL_TLS_SERVER, version)
    ours.load_raw_public_key(KEYS["P-256"])
    with met(ours, theirs) as (conn, their):
        with pytest.raises(puretls.SSLError):
            through(conn, their)
        with pytest.raises(LibsslError, match="certificate verify failed"):
            their.shaken()


@each_version
def test_openssl_has_only_certificates(version: str, pki: Pki) -> None:
    """A server with both shows it the certificate; one that has only a raw key refuses."""
    for both in (True, False):
        theirs = openssl(version, server=False)
        theirs.trusts(pki.ca)
        ours = our(puretls.PROTOCOL_TLS_SERVER, version)
        ours.load_raw_public_key(KEYS["P-256"])
        if both:
            ours.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
            ours.server_certificate_types = ["raw", "x509"]
        with met(ours, theirs) as (conn, their):
            if both:
                through(conn, their)
                assert their.peer_key() is None
                continue
            with pytest.raises(puretls.SSLError):
                conn.do_handshake()
            with pytest.raises(LibsslError, match="unsupported certificate"):
                their.shaken()


def counted(context: Any) -> list[tuple[str, int]]:
    seen: list[tuple[str, int]] = []
    context._msg_callback = lambda _conn, way, _version, _content, kind, _data: seen.append((way, int(kind)))
    return seen


def test_openssl_serves_and_connects_with_zlib(pki: Pki) -> None:
    """The certificates of both sides, in each role."""
    for server in (True, False):
        theirs = openssl("TLSv1.3", server=server)
        theirs.shows(pki.key("P-256" if server else "client"), pki.chain("P-256" if server else "client"))
        theirs.compresses(ZLIB)
        theirs.trusts(pki.ca)
        ours = our(puretls.PROTOCOL_TLS_CLIENT if server else puretls.PROTOCOL_TLS_SERVER, "TLSv1.3")
        ours.load_cert_chain(pki.chain("client" if server else "P-256"), pki.key("client" if server else "P-256"))
        ours.load_verify_locations(pki.ca)
        ours.verify_mode = puretls.CERT_REQUIRED
        ours.set_cert_compression(["zlib"])
        seen = counted(ours)
        with met(ours, theirs) as (conn, their):
            through(conn, their)
            assert conn.cert_compression() == "zlib"
        assert {("read", COMPRESSED_CERTIFICATE), ("write", COMPRESSED_CERTIFICATE)} <= set(seen)
        assert CERTIFICATE not in {kind for _, kind in seen}
