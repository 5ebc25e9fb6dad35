"""OCSP through the public names: what is asked for, stapled, checked and refused, in both versions."""

from __future__ import annotations

import socket
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls import OCSPPolicy
from support import PATIENCE, dial, free_port, need, running
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only, server_of
from support.staples import GOOD, REVOKED, UNKNOWN, response

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


def asking(pki: Any, version: Any, policy: OCSPPolicy | None = None) -> Any:
    context = client_of(puretls, pki)
    only(version, context)
    context.request_ocsp = True
    if policy is not None:
        context.ocsp_policy = policy
    return context


def met(pki: Any, client: Any, staple: Any, identity: str = "P-256") -> ObjectPair:
    server = server_of(puretls, pki, identity)
    server.ocsp_response = staple
    return join(client, server).shake()


@each_version
def test_a_response_is_stapled_and_checked(version, pki):
    staple = response(pki)
    pair = met(pki, asking(pki, version), staple)
    assert pair.client.error is None
    assert pair.client.obj.ocsp_response == staple
    assert pair.server.obj.ocsp_response is None


@each_version
def test_who_does_not_ask_gets_none(version, pki):
    client = client_of(puretls, pki)
    only(version, client)
    pair = met(pki, client, response(pki, REVOKED))
    assert pair.client.error is None
    assert pair.client.obj.ocsp_response is None


@each_version
@pytest.mark.parametrize("policy", [OCSPPolicy.CHECK, OCSPPolicy.REQUIRE])
def test_a_revoked_certificate_is_refused(policy, version, pki):
    pair = met(pki, asking(pki, version, policy), response(pki, REVOKED))
    assert pair.client.error.verify_code == 23
    assert pair.client.error.verify_message == "certificate revoked"
    assert pair.server.error.reason == "SSLV3_ALERT_CERTIFICATE_REVOKED"


REFUSED = {
    "none": (lambda _pki: None, 73),
    "stale": (lambda pki: response(pki, days=-1), 74),
    "unknown": (lambda pki: response(pki, UNKNOWN), 75),
}


@each_version
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_required_has_to_be_good(what, version, pki):
    staple, code = REFUSED[what]
    pair = met(pki, asking(pki, version, OCSPPolicy.REQUIRE), staple(pki))
    assert pair.client.error.verify_code == code
    assert pair.server.error.reason == "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE"
    for policy in (OCSPPolicy.CHECK, OCSPPolicy.IGNORE):
        assert met(pki, asking(pki, version, policy), staple(pki)).client.error is None


@each_version
def test_a_certificate_may_demand_a_response(version, pki):
    """TLS feature status_request (RFC 7633): a client that asks takes it at its word."""
    leaf = pki.identity("P-256")
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.certificate.subject)
        .issuer_name(pki.issuer.certificate.subject)
        .public_key(leaf.key.public_key())
        .serial_number(4711)
        .not_valid_before(leaf.certificate.not_valid_before_utc)
        .not_valid_after(leaf.certificate.not_valid_after_utc)
        .add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    )
    for extension in leaf.certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    demanding = builder.sign(pki.issuer.key, hashes.SHA256())
    server = server_of(puretls, pki, "")
    server.load_cert_chain([demanding, pki.issuer.certificate], leaf.key)
    pair = join(asking(pki, version), server).shake()
    assert pair.client.error.verify_code == 73
    silent = client_of(puretls, pki)
    only(version, silent)
    assert join(silent, server).shake().client.error is None


@each_version
def test_a_function_answers_for_each_connection(version, pki):
    asked = []

    def staple(sslobj: Any) -> bytes | None:
        asked.append(sslobj)
        return response(pki) if len(asked) > 1 else None

    server = server_of(puretls, pki)
    server.ocsp_response = staple
    client = asking(pki, version)
    seen = []
    for _ in range(3):
        pair = join(client, server).shake()
        assert pair.client.error is None
        seen.append(pair.client.obj.ocsp_response)
        assert asked[-1] is pair.server.obj
    assert [found is not None for found in seen] == [False, True, True]
    silent = client_of(puretls, pki)
    only(version, silent)
    assert join(silent, server).shake().client.error is None
    assert len(asked) == 3  # it is not asked for who does not ask


@each_version
def test_a_function_that_answers_later(version, pki):
    with ThreadPoolExecutor(1) as pool:
        stapled = response(pki)
        pair = met(pki, asking(pki, version), lambda _sslobj: pool.submit(lambda: stapled))
        assert pair.server.error is None
        assert pair.client.obj.ocsp_response == stapled
        pair = met(pki, asking(pki, version), lambda _sslobj: pool.submit(lambda: None))
        assert pair.server.error is None
        assert pair.client.obj.ocsp_response is None


@each_version
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("wrong", [5, "text", b"rubbish", ZeroDivisionError])
def test_a_function_that_fails(wrong, late, version, pki, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def staple(_sslobj: Any) -> Any:
        promise: Future[Any] = Future()
        if wrong is ZeroDivisionError:
            if not late:
                raise ZeroDivisionError
            promise.set_exception(ZeroDivisionError())
        else:
            promise.set_result(wrong)
        return promise if late else wrong

    pair = met(pki, asking(pki, version), staple)
    assert pair.server.error.reason == "CALLBACK_FAILED"
    assert pair.client.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert len(told) == 1


@each_version
def test_the_context_that_was_chosen_staples(version, pki):
    first, chosen = server_of(puretls, pki), server_of(puretls, pki)
    first.ocsp_response, chosen.ocsp_response = response(pki, REVOKED), response(pki)
    first.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", chosen)
    pair = join(asking(pki, version), first).shake()
    assert pair.client.error is None
    assert pair.client.obj.ocsp_response == chosen.ocsp_response
    chosen.ocsp_response = lambda _sslobj: response(pki, REVOKED)
    assert join(asking(pki, version), first).shake().client.error.verify_code == 23


@each_version
def test_a_response_goes_with_the_certificate_that_it_is_about(version, pki):
    server = server_of(puretls, pki, "RSA")
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.ocsp_response = response(pki, REVOKED, identity="RSA")
    client = asking(pki, version)
    client.set_server_sigalgs("ecdsa_secp256r1_sha256")
    assert join(client, server).shake().client.error is None
    client = asking(pki, version)
    client.set_server_sigalgs("rsa_pss_rsae_sha256")
    assert join(client, server).shake().client.error.verify_code == 23


@each_version
def test_a_session_made_without_it_is_not_resumed_where_it_is_required(version, pki):
    server = server_of(puretls, pki)
    client = client_of(puretls, pki)
    only(version, client)
    pair = join(client, server).shake()
    session = pair.client.obj.session
    again = join(client, server, session=session).shake()
    assert again.client.obj.session_reused
    client.request_ocsp, client.ocsp_policy = True, OCSPPolicy.REQUIRE
    assert join(client, server, session=session).shake().client.error.verify_code == 73


def test_settings(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert (client.request_ocsp, client.ocsp_policy, server.ocsp_response) == (False, OCSPPolicy.CHECK, None)
    with pytest.raises(ValueError, match="SERVER"):
        server.request_ocsp = True
    with pytest.raises(ValueError, match="CLIENT"):
        client.ocsp_response = response(pki)
    for wrong in (b"", b"rubbish", response(pki)[:-1]):
        with pytest.raises(ValueError, match=r"read|parsing"):
            server.ocsp_response = wrong
    with pytest.raises(TypeError):
        server.ocsp_response = "text"
    with pytest.raises(ValueError, match="5"):
        client.ocsp_policy = 5
    assert server.ocsp_response is None
    assert puretls.HAS_OCSP


def test_a_response_by_itself(pki):
    leaf, issuer = pki.identity("P-256").certificate, pki.issuer.certificate
    assert puretls.verify_ocsp_response(response(pki), leaf, issuer).status == "good"
    found = puretls.verify_ocsp_response(response(pki, REVOKED), leaf.public_bytes(Encoding.DER), issuer)
    assert (found.status, found.revocation_time is not None) == ("revoked", True)
    with pytest.raises(puretls.SSLCertVerificationError, match="another certificate") as caught:
        puretls.verify_ocsp_response(response(pki), issuer, pki.root.certificate)
    assert caught.value.verify_code == 74
    with pytest.raises(puretls.SSLCertVerificationError, match="cannot be read"):
        puretls.verify_ocsp_response(b"rubbish", leaf, issuer)
    with pytest.raises(puretls.SSLError):
        puretls.verify_ocsp_response(response(pki), b"rubbish", issuer)


@each_version
@pytest.mark.parametrize("status", [GOOD, REVOKED], ids=["good", "revoked"])
def test_openssl_staples(status, version, pki, tmp_path):
    need("openssl")
    file = tmp_path / "response.der"
    file.write_bytes(response(pki, status))
    port = free_port()
    served = (
        "openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", pki.chain("P-256"),
        "-cert_chain", pki.chain("P-256"), "-key", pki.key("P-256"), "-status_file", file,
    )  # fmt: skip
    context = asking(pki, version, OCSPPolicy.REQUIRE)
    with running(tmp_path, *served), dial(port) as sock:
        if status is GOOD:
            with context.wrap_socket(sock, server_hostname="localhost") as tls:
                assert tls.ocsp_response == file.read_bytes()
        else:
            with pytest.raises(puretls.SSLCertVerificationError, match="certificate revoked"):
                context.wrap_socket(sock, server_hostname="localhost")


@each_version
def test_openssl_is_answered(version, pki, tmp_path):
    need("openssl")
    server = server_of(puretls, pki)
    only(version, server)
    server.ocsp_response = response(pki)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with running(
            tmp_path, "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status", "-CAfile", pki.ca
        ) as client:
            sock, _ = listening.accept()
            sock.settimeout(PATIENCE)
            with server.wrap_socket(sock, server_side=True):
                said = b""
                while b"OCSP Response Status" not in said:
                    said += client.recv(1)
            assert b"successful" in client.recv(20)
