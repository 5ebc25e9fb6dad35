"""What has to fail between us and real implementations, and what each side learns of it: our exception and the alert.

Both directions: what we refuse, the peer must see as the right alert; what the peer refuses, we must report as OpenSSL
does. GnuTLS has alerts of its own choosing; `GNUTLS` has what it says where OpenSSL says something else.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from support import Pki
from support.ours import listening, open_client
from support.peering import PEERS, V12, V13, Peer, Setup

each_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
each_version = pytest.mark.parametrize("version", [V12, V13])


def client_fails(tls: ModuleType, pki: Pki, peer: Peer, setup: Setup, alert: str = "", **ours: Any) -> Any:
    """Our client's exception; with `alert`, what the peer's server must have received."""
    with peer.accept(pki, setup) as theirs:
        with pytest.raises(tls.SSLError) as caught, open_client(tls, pki, theirs.port, **ours) as conn:
            conn.recv(1)  # TLS 1.3: the server's verdict comes after our handshake
        if alert:
            theirs.saw(alert)
    return caught.value


def server_fails(tls: ModuleType, pki: Pki, peer: Peer, setup: Setup, alert: str = "", **ours: Any) -> Any:
    """Our server's exception; with `alert`, what the peer's client must have received."""
    with listening(tls, pki, **ours) as server, peer.connect(pki, setup, server.port) as theirs:
        with pytest.raises(tls.SSLError) as caught, server.take() as conn:
            conn.recv(1)
        if alert:
            theirs.saw(alert)
    return caught.value


BAD_SERVERS = [
    ("stranger", 20, "unable to get local issuer certificate", "unknown_ca"),
    ("wrong", 62, "Hostname mismatch, certificate is not valid for 'localhost'.", "bad_certificate"),
    ("expired", 10, "certificate has expired", "certificate_expired"),
]


@each_version
@pytest.mark.parametrize(("identity", "code", "message", "alert"), BAD_SERVERS, ids=[row[0] for row in BAD_SERVERS])
@each_peer
def test_we_refuse_their_server(
    tls: ModuleType, pki: Pki, peer: Peer, version: str, identity: str, code: int, message: str, alert: str
) -> None:
    if (tls.__name__, peer.name, version) == ("ssl", "gnutls", V13):
        alert = ""  # OpenSSL sends it in clear, RFC 8446 has it encrypted by then, and GnuTLS cannot read it
    error = client_fails(tls, pki, peer, Setup(version, identity=identity), alert)
    assert isinstance(error, tls.SSLCertVerificationError)
    assert (error.verify_code, error.verify_message) == (code, message)
    assert f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message}" in str(error)


BAD_TO_THEM = [
    ("P-256", False, "TLSV1_ALERT_UNKNOWN_CA"),
    ("wrong", True, "SSLV3_ALERT_BAD_CERTIFICATE"),
    ("expired", True, "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
]


@each_version
@pytest.mark.parametrize(("identity", "trusts", "reason"), BAD_TO_THEM, ids=["stranger", "wrong", "expired"])
@each_peer
def test_their_client_refuses_us(
    tls: ModuleType, pki: Pki, peer: Peer, version: str, identity: str, trusts: bool, reason: str
) -> None:
    if identity == "wrong" and not peer.names_host:
        pytest.skip(f"{peer.name} leaves host names to its caller")
    error = server_fails(tls, pki, peer, Setup(version, trusts=trusts), identity=identity)
    assert error.reason == ("SSLV3_ALERT_BAD_CERTIFICATE" if peer.name == "gnutls" else reason)


@each_version
@each_peer
def test_we_refuse_a_client_of_an_unknown_ca(tls: ModuleType, pki: Pki, peer: Peer, version: str) -> None:
    error = server_fails(tls, pki, peer, Setup(version, identity="stranger-client"), "unknown_ca", asks=True)
    assert isinstance(error, tls.SSLCertVerificationError)
    assert error.verify_code == 20


@each_version
@each_peer
def test_we_refuse_a_client_without_certificate(tls: ModuleType, pki: Pki, peer: Peer, version: str) -> None:
    alert = "handshake_failure" if version == V12 else "certificate_required"
    error = server_fails(tls, pki, peer, Setup(version), alert, asks=True)
    assert error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


REQUIRED = {V12: "SSLV3_ALERT_HANDSHAKE_FAILURE", V13: "TLSV13_ALERT_CERTIFICATE_REQUIRED"}
GNUTLS = {
    ("stranger-client", V12): "TLSV1_ALERT_ACCESS_DENIED",
    ("stranger-client", V13): "TLSV1_ALERT_ACCESS_DENIED",
    ("", V12): "TLSV1_ALERT_DECODE_ERROR",
}


@each_version
@pytest.mark.parametrize("identity", ["stranger-client", ""], ids=["stranger", "none"])
@each_peer
def test_their_server_refuses_us(tls: ModuleType, pki: Pki, peer: Peer, version: str, identity: str) -> None:
    setup = Setup(version, identity="P-256", asks=True)
    error = client_fails(tls, pki, peer, setup, **({"identity": identity} if identity else {}))
    reason = "TLSV1_ALERT_UNKNOWN_CA" if identity else REQUIRED[version]
    assert error.reason == (GNUTLS.get((identity, version), reason) if peer.name == "gnutls" else reason)


CIPHERS = {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}, "ECDHE-ECDSA-CHACHA20-POLY1305"
SUITES = {"ciphersuites": "TLS_AES_128_GCM_SHA256"}, "TLS_CHACHA20_POLY1305_SHA256"


@each_version
@pytest.mark.parametrize("role", ["client", "server"])
@each_peer
def test_no_shared_cipher(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str) -> None:
    if version == V13 and not (hasattr(tls.SSLContext, "set_ciphersuites") and peer.name != "ssl"):
        pytest.skip("cannot choose the suites of TLS 1.3")
    ours, theirs = CIPHERS if version == V12 else SUITES
    setup = Setup(version, identity="P-256" if role == "client" else "", ciphers=theirs)
    if role == "client":
        assert client_fails(tls, pki, peer, setup, **ours).reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    else:
        assert server_fails(tls, pki, peer, setup, "handshake_failure", **ours).reason == "NO_SHARED_CIPHER"


@each_version
@pytest.mark.parametrize("role", ["client", "server"])
@each_peer
def test_no_shared_version(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str) -> None:
    """`version` is theirs, ours is the other."""
    ours = {"version": tls.TLSVersion.TLSv1_2 if version == V13 else tls.TLSVersion.TLSv1_3}
    setup = Setup(version, identity="P-256" if role == "client" else "")
    if role == "client":
        reason = "SSLV3_ALERT_HANDSHAKE_FAILURE" if peer.name == "gnutls" else "TLSV1_ALERT_PROTOCOL_VERSION"
        assert client_fails(tls, pki, peer, setup, **ours).reason == reason
    else:
        assert server_fails(tls, pki, peer, setup, "protocol_version", **ours).reason == "UNSUPPORTED_PROTOCOL"
