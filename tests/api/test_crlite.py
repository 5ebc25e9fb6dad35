"""CRLite through the public names and the command: a revoked certificate is refused, whatever else is said passes."""

from __future__ import annotations

import http.server
import json
import threading
import time
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls import CRLite, CRLiteStatus
from support import PATIENCE, commands
from support import filters as revoked
from support.bios import join
from support.both import V12, V13, client_of, only, server_of
from support.filters import ANOTHER, REVOKED, filters
from support.web import serving

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture(scope="session")
def stamped(pki: Any) -> Any:
    return revoked.stamped(pki)


@each_version
def test_a_revoked_certificate_is_refused(version, pki, stamped, tmp_path):
    client, server = client_of(puretls, pki), server_of(puretls, pki, "")
    only(version, client)
    server.load_cert_chain([stamped, pki.issuer.certificate], pki.identity("P-256").key)
    for known, refused in ((ANOTHER, False), (REVOKED, True)):
        client.crlite = CRLite(filters(tmp_path / str(refused), pki, known))
        pair = join(client, server).shake()
        assert (getattr(pair.client.error, "verify_code", None) == 23) is refused
        if refused:
            assert pair.server.error.reason == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    client.crlite = None
    assert join(client, server).shake().client.error is None


def test_what_else_is_said_passes(pki, stamped, tmp_path):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    for folder in (
        tmp_path / "nowhere",
        filters(tmp_path / "old", pki, REVOKED, made=time.time() - 11 * 86400),
        filters(tmp_path / "here", pki, REVOKED),  # but this certificate has no timestamp
    ):
        client.crlite = CRLite(folder)
        assert join(client, server).shake().client.error is None
    leaf, issuer = stamped, pki.issuer.certificate
    asked = CRLite(str(tmp_path / "here"))
    assert asked.path == tmp_path / "here"
    assert asked.check(leaf, issuer) is CRLiteStatus.REVOKED
    assert asked.check(leaf.public_bytes(Encoding.DER), issuer.public_bytes(Encoding.DER)) is CRLiteStatus.REVOKED
    assert asked.check(leaf, pki.root.certificate) is CRLiteStatus.NOT_ENROLLED
    assert asked.check(pki.identity("P-256").certificate, issuer) is CRLiteStatus.NOT_COVERED
    assert asked.check(leaf, issuer, time=time.time() + 11 * 86400) is CRLiteStatus.NOT_COVERED
    with pytest.raises(puretls.SSLError):
        asked.check(b"rubbish", issuer)


def test_settings(pki, tmp_path):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert client.crlite is None
    with pytest.raises(TypeError):
        client.crlite = str(tmp_path)
    with pytest.raises(ValueError, match="SERVER"):
        server.crlite = CRLite(tmp_path)
    assert puretls.HAS_CRLITE


@pytest.fixture
def site(pki, tmp_path):
    """A folder over HTTPS."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]  # partial's
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = server_of(puretls, pki).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}/"
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()


def test_the_command(pki, stamped, tmp_path, site):
    source, kept = filters(tmp_path / "site", pki, REVOKED), tmp_path / "kept"
    fetch = ("crlite", "fetch", "--url", site, "--to", kept, "--ca-file", pki.ca)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(stamped.public_bytes(Encoding.PEM) + pki.issuer.pem)
    assert commands.puretls(*fetch).status == 0
    assert {one.name for one in kept.iterdir()} == {one.name for one in source.iterdir()}
    (kept / "old.filter").write_bytes(b"x")
    done = commands.puretls(*fetch)
    assert (done.status, done.out) == (0, "20260101-0-default.filter: there already\n")
    assert not (kept / "old.filter").exists()
    done = commands.puretls("crlite", "check", chain, "--path", kept)
    assert done.status == 3
    assert ": revoked (" in done.out
    assert commands.puretls("crlite", "check", pki.ca, "--path", kept).status == 1
    filters(source, pki, ANOTHER)
    assert commands.puretls(*fetch).status == 0
    assert commands.puretls("crlite", "check", chain, "--path", kept).status == 0


def test_commands_that_look_at_servers_ask_them(pki, stamped, tmp_path):
    context = server_of(puretls, pki, "")
    context.load_cert_chain([stamped, pki.issuer.certificate], pki.identity("P-256").key)
    with serving(context) as server:
        where = f"localhost:{server.server_address[1]}"
        for known, word in ((ANOTHER, "good"), (REVOKED, "revoked")):
            folder = filters(tmp_path / word, pki, known)
            argv = (where, "--ca-file", pki.ca, "--crlite", folder)
            done = commands.puretls("connect", *argv, "--insecure", "--json")
            told = json.loads(done.out)
            assert (done.status, told["crlite"]) == (0, word)
            assert told["verified"] is (word == "good")
            assert commands.puretls("connect", *argv).status == (word == "revoked")
            assert commands.puretls("inspect", *argv).status == (word == "revoked")
            done = commands.puretls("scan", *argv, "--json", "--pause", 0)
            (certificate,) = json.loads(done.out)["certificates"]
            assert (certificate["crlite"], certificate["accepted"]) == (word, word == "good")
        done = commands.puretls("connect", where, "--crlite", tmp_path)
    assert done.status == 1
    assert "no manifest.json there; puretls crlite fetch gets the filters" in done.err


@pytest.mark.parametrize("wrong", ["hash", "size", "name", "manifest", "scheme"])
def test_what_is_not_fetched(wrong, pki, tmp_path, site):
    source, kept = filters(tmp_path / "site", pki, REVOKED), tmp_path / "kept"
    manifest = json.loads((source / "manifest.json").read_text())
    change = {"hash": "0" * 64, "size": 5, "name": "../x"}
    if wrong in change:
        manifest["files"][0]["filename" if wrong == "name" else wrong] = change[wrong]
    (source / "manifest.json").write_text("nonsense" if wrong == "manifest" else json.dumps(manifest))
    url = site.replace("https", "http") if wrong == "scheme" else site
    done = commands.puretls("crlite", "fetch", "--url", url, "--to", kept, "--ca-file", pki.ca)
    assert done.status == 1
    assert "puretls" in done.err
    assert not kept.exists() or list(kept.iterdir()) == []
