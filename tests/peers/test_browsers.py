"""Chromium and Firefox as visitors of our servers: what they offer, take, resume, refuse, and encrypt their hello for.

Each is started once for the module.  Names in .example are resolved by a server of the test, over HTTPS, so that
browsers learn configurations of Encrypted Client Hello as they do elsewhere, and ask nobody else for a name.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls._base.registry import (
    CERTIFICATE,
    CLIENT_HELLO,
    COMPRESS_CERTIFICATE,
    COMPRESSED_CERTIFICATE,
    SIGNED_CERTIFICATE_TIMESTAMP,
    STATUS_REQUEST,
)
from puretls._wire.codec import vec16
from puretls.cli.page import PageServer
from support import PATIENCE, Pki, browser, dial, firefox, free_port, running
from support.encrypted import PUBLIC, Site, listed, new_key
from support.resolver import resolver
from support.staples import GOOD, REVOKED, stapled
from support.visits import visited

pytestmark = pytest.mark.timeout(180)
TRIES = 5  # of a page, until the connection is one that was begun after a session was known


@dataclass
class Browser:
    """One that runs, and what it is told about names."""

    name: str
    tab: Any
    records: dict[str, str] = field(default_factory=dict)

    def publish(self, host: str, port: int, configs: bytes) -> None:
        """The HTTPS record of a host whose port is not 443 (RFC 9460 2.3)."""
        shown = base64.b64encode(configs).decode()
        self.records[f"_{port}._https.{host}."] = f'1 {host}. alpn="http/1.1" ech={shown}'

    def visit(self, url: str) -> str:
        self.tab.load(url)
        return str(self.tab.value("document.title"))

    def encrypted(self) -> bool:
        """Whether the browser itself says that the page's hello was."""
        return bool(self.tab.security().get("isAcceptedEch" if self.name == "firefox" else "encryptedClientHello"))


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def visitor(request: pytest.FixtureRequest, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder, records = tmp_path_factory.mktemp(request.param), dict[str, str]()
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    with visited(context, resolver(records)) as names:
        url = f"https://127.0.0.1:{names.port}/dns-query"
        if request.param == "chromium":
            running = browser.browsing(browser.home_trusting(folder, pki.ca), resolver=url)
        else:
            running = firefox.browsing(folder, pki.ca, resolver=url)
        with running as tab:
            yield Browser(request.param, tab, records)


def serving(pki: Pki, *hosts: str, **more: Any) -> Any:
    """Our context for these names."""
    identity = pki.issuer.issue(*(hosts or ("localhost",)))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.add_cert_chain(identity.chain_pem, identity.key_pem, **more)
    return context


def test_what_they_offer_and_get(visitor: Browser, pki: Pki) -> None:
    """Post-quantum at once, the protocol that a callback chooses, greased hellos."""
    context, offered = serving(pki), list[list[str]]()
    context.set_ech_keys([new_key()])
    context.set_alpn_select_callback(lambda _conn, names: (offered.append(names), "http/1.1")[1])
    with visited(context) as site:
        assert visitor.visit(f"https://localhost:{site.port}/page") == "/page"
        found = site.to("/page")
    assert found.version == "TLSv1.3"
    assert found.group == "X25519MLKEM768"
    assert found.protocol == "http/1.1"
    assert offered[0] == ["h2", "http/1.1"]
    assert found.ech == "GREASE"
    assert not visitor.encrypted()
    assert {STATUS_REQUEST, SIGNED_CERTIFICATE_TIMESTAMP, COMPRESS_CERTIFICATE} <= set(found.hello.extensions)


@pytest.mark.parametrize("group", ["x25519", "secp256r1", "secp384r1"])
def test_groups(visitor: Browser, pki: Pki, group: str) -> None:
    """For P-384 neither sends a share: a HelloRetryRequest.  For P-256 only Firefox does."""
    context = serving(pki)
    context.set_groups(group)
    with visited(context) as site:
        assert visitor.visit(f"https://localhost:{site.port}/{group}") == f"/{group}"
        found = site.to(f"/{group}")
    assert found.group == group
    expected = {"x25519": {1}, "secp256r1": {1, 2}, "secp384r1": {2}}
    assert found.messages.count(("read", CLIENT_HELLO)) in expected[group]


def test_tls_1_2(visitor: Browser, pki: Pki) -> None:
    context = serving(pki)
    context.maximum_version = puretls.TLSVersion.TLSv1_2
    with visited(context) as site:
        assert visitor.visit(f"https://localhost:{site.port}/old") == "/old"
        assert site.to("/old").version == "TLSv1.2"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_they_resume(visitor: Browser, pki: Pki, version: str) -> None:
    context = serving(pki)
    context.maximum_version = puretls.TLSVersion[version]
    with visited(context) as site:
        for number in range(TRIES):  # a connection that was begun early knows of no session yet
            assert visitor.visit(f"https://localhost:{site.port}/{number}") == f"/{number}"
            if site.to(f"/{number}").resumed:
                break
        else:
            pytest.fail("never resumed")
        assert number


@pytest.mark.parametrize("name", ["brotli", "zlib", "zstd"])
def test_compressed_certificates(visitor: Browser, pki: Pki, name: str) -> None:
    """Each takes what it offers: Firefox all three, Chromium brotli."""
    context = serving(pki)
    try:
        context.set_cert_compression([name])
    except ValueError:
        pytest.skip(f"no {name}")
    with visited(context) as site:
        assert visitor.visit(f"https://localhost:{site.port}/{name}") == f"/{name}"
        sent = {kind for way, kind in site.to(f"/{name}").messages if way == "write"}
    expected = COMPRESSED_CERTIFICATE if visitor.name == "firefox" or name == "brotli" else CERTIFICATE
    assert sent & {CERTIFICATE, COMPRESSED_CERTIFICATE} == {expected}


def test_several_credentials(visitor: Browser, pki: Pki) -> None:
    """By name; and of one name the one whose signature a browser knows."""
    context, shown = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), {}
    for host, kind in (("one.example", "Ed448"), ("one.example", "RSA"), ("two.example", "P-256")):
        identity = pki.issuer.issue(host, kind=kind)
        shown[kind] = identity.certificate
        context.add_cert_chain(identity.chain_pem, identity.key_pem)
    with visited(context) as site:
        for host, kind in (("one", "RSA"), ("two", "P-256")):
            assert visitor.visit(f"https://{host}.example:{site.port}/{host}") == f"/{host}"
            der = site.to(f"/{host}").certificate
            assert der == shown[kind].public_bytes(Encoding.DER)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_staples(visitor: Browser, pki: Pki, version: str) -> None:
    """Both read what is stapled, and refuse who staples that it is revoked."""
    for status in (GOOD, REVOKED):
        identity = pki.issuer.issue("localhost")
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        context.maximum_version = puretls.TLSVersion[version]
        context.add_cert_chain(
            identity.chain_pem, identity.key_pem, ocsp_response=stapled(pki.issuer, identity.certificate, status)
        )
        with visited(context) as site:
            url = f"https://localhost:{site.port}/status"
            if status is GOOD:
                assert visitor.visit(url) == "/status"
            else:
                refused = {"chromium": "net::ERR_CERT_REVOKED", "firefox": "SEC_ERROR_REVOKED_CERTIFICATE"}
                assert visitor.tab.refused(url) == refused[visitor.name]
                assert not site.seen


def test_timestamps(visitor: Browser, pki: Pki) -> None:
    """Both take a list of timestamps whose log they do not know, of a CA that is not a public one."""
    sct = b"\0" + bytes(32) + (1700000000000).to_bytes(8, "big") + b"\0\0" + b"\x04\x03" + vec16(bytes(70))
    context = serving(pki, sct_list=[sct])
    with visited(context) as site:
        assert visitor.visit(f"https://localhost:{site.port}/scts") == "/scts"
        config = context._config(server_side=True)
        asked = {int(number): b"" for number in site.to("/scts").hello.extensions}
        assert vec16(vec16(sct)) in config.credentials[0].shown13(asked)


# Encrypted Client Hello


@pytest.mark.parametrize("groups", ["", "P-384"], ids=["at once", "HelloRetryRequest"])
def test_an_encrypted_hello(visitor: Browser, pki: Pki, groups: str) -> None:
    """What the DNS publishes is used, and a connection that resumes hides its name, too."""
    key, host = new_key(), f"secret{len(groups)}.example"
    context = Site(pki, host, PUBLIC).server(key, protocols=("http/1.1",), groups=groups)
    with visited(context) as site:
        visitor.publish(host, site.port, listed(key))
        for number in range(TRIES):
            assert visitor.visit(f"https://{host}:{site.port}/{number}") == f"/{number}"
            found = site.to(f"/{number}")
            assert found.ech == "SUCCESS"
            assert visitor.encrypted()
            assert found.outer_name == PUBLIC
            assert found.hello.server_name == host
            assert found.messages.count(("read", CLIENT_HELLO)) == 1 + bool(groups)
            if found.resumed:
                break
        else:
            pytest.fail("never resumed")


def test_an_old_configuration(visitor: Browser, pki: Pki) -> None:
    """The server has another key by now: the browser verifies its public name, and comes again with that."""
    host = "renewed.example"
    with visited(Site(pki, host, PUBLIC).server(new_key(), protocols=("http/1.1",))) as site:
        visitor.publish(host, site.port, listed(new_key()))
        assert visitor.visit(f"https://{host}:{site.port}/again") == "/again"
        assert site.to("/again").ech == "SUCCESS"
        assert site.to("/again").outer_name == PUBLIC
        assert site.errors


def test_a_server_that_is_not_the_public_name(visitor: Browser, pki: Pki) -> None:
    """It cannot open the hello, and has no certificate for the public name: nobody falls back."""
    host = "false.example"
    with visited(serving(pki, host)) as site:
        visitor.publish(host, site.port, listed(new_key()))
        assert visitor.tab.refused(f"https://{host}:{site.port}/")
        assert not site.seen


def test_the_demo_s_page_says_so(visitor: Browser, pki: Pki) -> None:
    """Its own words for the reader; the configuration is the one that the server tells who greases."""
    host, context = "demo.example", serving(pki, "demo.example", "localhost")
    context.set_alpn_protocols(["http/1.1"])
    with PageServer(context, 0, ()) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            client = puretls.create_default_context(cafile=pki.ca)
            with client.wrap_socket(dial(server.server_port), server_hostname="localhost") as conn:
                configs = conn.get_ech_retry_config()
            text, address = "document.body.innerText", f"https://{host}:{server.server_port}/"
            visitor.tab.load(address.replace(host, "localhost"))
            assert "not encrypted, but as if it were (GREASE)" in visitor.tab.value(text)
            visitor.publish(host, server.server_port, configs)
            visitor.tab.load(address)
            assert "encrypted; who listens saw localhost" in visitor.tab.value(text)
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def test_puretls_serve(visitor: Browser, pki: Pki, tmp_path: Path) -> None:
    """With a key of `puretls ech make`, from the command line."""
    command, host, port = (sys.executable, "-m", "puretls"), "files.example", free_port()
    made = subprocess.run([*command, "ech", "make", PUBLIC, "--out", tmp_path / "ech.pem"], check=True, text=True,
                          capture_output=True, timeout=PATIENCE)  # fmt: skip
    identity, folder = pki.issuer.issue(host, PUBLIC), tmp_path / "public"
    folder.mkdir()
    (folder / "page.html").write_text('<link rel="icon" href="data:,"><title>a file</title>')
    (tmp_path / "cert.pem").write_bytes(identity.chain_pem + identity.key_pem)
    files = (folder, "--cert", tmp_path / "cert.pem", "--ech", tmp_path / "ech.pem")
    with running(tmp_path, *command, "serve", "--port", port, *files):
        dial(port).close()
        visitor.publish(host, port, base64.b64decode(made.stdout.rpartition("ech=")[2]))
        assert visitor.visit(f"https://{host}:{port}/page.html") == "a file"
        assert visitor.encrypted()
