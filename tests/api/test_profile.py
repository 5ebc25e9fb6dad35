"""`verify_profile` through the public names: contexts, verify_chain(), sessions."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

import puretls
import puretls.asyncio
from support import PATIENCE
from support.bios import join
from support.both import V12, V13, client_of, only, server_of

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


def issued(pki: Any, *names: str, usages: Any = (Usage.SERVER_AUTH,), days: int = 90, subject: str = "") -> Any:
    """A server's context with a leaf of our own choosing."""
    key, issuer = ec.generate_private_key(ec.SECP256R1()), pki.issuer
    now = dt.datetime.now(dt.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []))
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(1))
        .not_valid_after(now + dt.timedelta(days - 1))
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=not subject)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain([builder.sign(issuer.key, hashes.SHA256()), issuer.certificate], key)
    return context


def browsing(pki: Any) -> Any:
    context = client_of(puretls, pki)
    context.verify_profile = "webpki"
    return context


@each_version
def test_a_client_holds_servers_to_it(version, pki):
    client = browsing(pki)
    only(version, client)
    assert join(client, server_of(puretls, pki)).shake().client.error is None
    for server, code, why in (
        (issued(pki, "localhost", usages=()), 26, "serverAuth"),
        (issued(pki, "localhost", days=900), 28, "valid for more than"),
        (issued(pki, "localhost", "*.com"), 41, "public suffix"),
        (issued(pki, "localhost", "a.test", subject="other.test"), 41, "common name"),
    ):
        pair = join(client, server).shake()
        error = pair.client.error
        assert (type(error), error.verify_code) == (puretls.SSLCertVerificationError, code)
        assert why in error.verify_message
        assert "ALERT" in pair.server.error.reason
        plain = client_of(puretls, pki)
        only(version, plain)
        assert join(plain, server).shake().client.error is None


def test_public_suffixes(pki, tmp_path: Path):
    server = issued(pki, "localhost", "*.co.uk")
    client = browsing(pki)
    assert join(client, server).shake().client.error is None
    file = tmp_path / "public_suffix_list.dat"
    file.write_text("// a comment\n\nuk\nco.uk\n公司.cn\n", "utf-8")
    for value in (file.read_text("utf-8"), file, ["co.uk"], iter(["CO.UK "])):
        client.public_suffixes = None
        assert join(client, server).shake().client.error is None
        client.public_suffixes = value
        assert join(client, server).shake().client.error.verify_code == 41
    client.public_suffixes = file
    assert client.public_suffixes == ("uk", "co.uk", "公司.cn")


def test_a_session_is_not_resumed_under_a_profile_it_was_not_made_under(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    session = join(client, server).ok().client.obj.session
    assert join(client, server, session=session).ok().client.obj.session_reused
    client.verify_profile = "webpki"
    pair = join(client, server, session=session).ok()
    assert not pair.client.obj.session_reused
    session = pair.client.obj.session
    assert join(client, server, session=session).ok().client.obj.session_reused
    client.public_suffixes = ["com"]
    assert not join(client, server, session=session).ok().client.obj.session_reused


def test_over_sockets_and_asyncio(pki):
    client, server = browsing(pki), issued(pki, "localhost", usages=())
    ours, theirs = socket.socketpair()
    refused: list[Any] = []

    def serve() -> None:
        with pytest.raises(puretls.SSLError) as caught:
            server.wrap_socket(theirs, server_side=True).recv(1)
        refused.append(caught.value)

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(puretls.SSLCertVerificationError, match="serverAuth"):
        client.wrap_socket(ours, server_hostname="localhost")
    thread.join(PATIENCE)
    assert refused

    async def main() -> None:
        async with await puretls.asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=server) as serving:
            port = serving.sockets[0].getsockname()[1]
            with pytest.raises(puretls.SSLCertVerificationError, match="serverAuth"):
                await puretls.asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_verify_chain(pki):
    leaf, between, root = pki.identity("P-256").certificate, pki.issuer.certificate, pki.root.certificate
    options: dict[str, Any] = {"hostname": "localhost", "verify_profile": "webpki"}
    assert len(puretls.verify_chain(leaf, between, root, **options)) == 3
    old = pki.identity("client").certificate
    with pytest.raises(puretls.SSLCertVerificationError):
        puretls.verify_chain(old, between, root, **options)
    with pytest.raises(ValueError, match="verify_profile"):
        puretls.verify_chain(leaf, between, root, verify_profile="browser")
    with pytest.raises(ValueError, match="serverAuth"):
        puretls.verify_chain(leaf, between, root, purpose="clientAuth", verify_profile="webpki")
    with pytest.raises(TypeError, match="suffix"):
        puretls.verify_chain(leaf, between, root, verify_profile="webpki", public_suffixes=[b"com"])


def test_settings(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert puretls.HAS_VERIFY_PROFILE
    assert (client.verify_profile, client.public_suffixes) == (None, None)
    for wrong in ("WEBPKI", "", 5, b"webpki"):
        with pytest.raises(ValueError, match="verify_profile"):
            client.verify_profile = wrong
    with pytest.raises(ValueError, match="SERVER"):
        server.verify_profile = "webpki"
    for odd in (5, [5], [b"com"]):
        with pytest.raises(TypeError):
            client.public_suffixes = odd
    with pytest.raises(OSError, match="nowhere"):
        client.public_suffixes = Path("nowhere")
    assert client.public_suffixes is None
    before = (client.verify_flags, client.security_level, client.hostname_checks_common_name)
    client.verify_profile = "webpki"
    assert (client.verify_flags, client.security_level, client.hostname_checks_common_name) == before
    client.verify_profile = None
    assert client.verify_profile is None
