"""What a program has not asked for takes no part in a handshake: no function of it is called, on either side.

It is counted, so that a busy machine makes no difference.  A module that belongs to a feature alone is listed here with
it, and that each list is true is shown by a handshake that uses the feature.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import puretls
from support import filters as crlite
from support.bios import join, session_at
from support.both import V12, V13, client_of, only, server_of
from support.logged import EC_KEYS, LOGS, LoggedCertificates
from support.staples import response

PACKAGE = Path(puretls.__file__).parent
Prepare = Callable[[Any, Any, Any, Path], None]


def judging(_pki: Any, client: Any, _server: Any, _folder: Path) -> None:
    client.verify_callback = lambda *_: None


def judging_in_place(_pki: Any, client: Any, _server: Any, _folder: Path) -> None:
    client.set_cert_verify_callback(lambda *_: None)


def anchored(pki: Any, client: Any, _server: Any, _folder: Path) -> None:
    limited = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    limited.add_trust_anchor(pki.ca, accept=lambda _: True)
    client._settings.store = limited._settings.store


def stapling(pki: Any, client: Any, server: Any, _folder: Path) -> None:
    client.request_ocsp = True
    server.ocsp_response = response(pki)


def logged(_pki: Any, client: Any, server: Any, _folder: Path) -> None:
    world = LoggedCertificates()
    leaf = world.logged(*EC_KEYS[:2])
    client.load_verify_locations(cadata=world.root.der)
    client.ct_policy = puretls.CTPolicy(LOGS)
    server.load_cert_chain(leaf.pem, leaf.key_pem)


def filtered(pki: Any, client: Any, server: Any, folder: Path) -> None:
    server.load_cert_chain([crlite.stamped(pki), pki.issuer.certificate], pki.identity("P-256").key)
    client.crlite = puretls.CRLite(crlite.filters(folder / "filters", pki, crlite.ANOTHER))


def of_the_web(_pki: Any, client: Any, _server: Any, _folder: Path) -> None:
    client.verify_profile = "webpki"


def completing(pki: Any, client: Any, server: Any, _folder: Path) -> None:
    client.load_intermediates(cadata=pki.issuer.certificate)
    server.load_cert_chain(pki.identity("P-256").certificate, pki.identity("P-256").key)


def compressing(_pki: Any, client: Any, server: Any, _folder: Path) -> None:
    client.set_cert_compression(["zlib"])
    server.set_cert_compression(["zlib"])


def raw_key(pki: Any, client: Any, server: Any, _folder: Path) -> None:
    key = pki.identity("P-256").key
    client.check_hostname = False
    client.server_certificate_types = ["raw"]
    client.set_trusted_public_keys([key])
    server.load_raw_public_key(key)


def selecting(_pki: Any, client: Any, server: Any, _folder: Path) -> None:
    client.set_alpn_protocols(["h2"])
    server.set_alpn_select_callback(lambda _, offered: offered[0])


def caching(_pki: Any, client: Any, _server: Any, _folder: Path) -> None:
    client.client_session_cache = True


def listening(_pki: Any, _client: Any, server: Any, _folder: Path) -> None:
    server.sni_callback = lambda connection, *_: repr(connection.client_hello.ja4) and None


def reloading(pki: Any, _client: Any, server: Any, _folder: Path) -> None:
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"), reload=0)


def encrypting(_pki: Any, client: Any, server: Any, _folder: Path) -> None:
    config, key = puretls.make_ech_config("public.test")
    server.set_ech_keys([puretls.ECHKey(config, key)])
    client.set_ech_config((len(config)).to_bytes(2, "big") + config)


FEATURES: dict[str, tuple[Prepare, list[str]]] = {  # what uses it, and the modules that nothing else does
    "verify_callback": (judging, ["_api/judging", "_engine/admission"]),
    "set_cert_verify_callback": (judging_in_place, ["_api/judging", "_engine/admission"]),
    "add_trust_anchor": (anchored, ["_api/anchors", "_x509/anchors"]),
    "OCSP": (stapling, ["_engine/status", "_x509/ocsp"]),
    "Certificate Transparency": (logged, ["_x509/transparency"]),
    "CRLite": (filtered, ["_x509/crlite", "_api/filter_files"]),
    "webpki": (of_the_web, ["_x509/webpki"]),
    "load_intermediates": (completing, ["_x509/issuers"]),
    "certificate compression": (compressing, ["_engine/compression", "_wire/compression"]),
    "raw public keys": (raw_key, ["_engine/raw_keys", "_x509/raw_key"]),
    "set_alpn_select_callback": (selecting, ["_api/selecting"]),
    "client_session_cache": (caching, ["_api/client_sessions"]),
    "client_hello": (listening, ["_api/client_hello", "_wire/ja4"]),
    "reload": (reloading, ["_api/reloading"]),
    "Encrypted Client Hello": (encrypting, ["_engine/ech_client", "_engine/ech_confirmation", "_crypto/hpke"]),
}
NEVER = [  # what no handshake in memory without any setting calls, and has no row above
    "_api/answers", "_api/compression", "_api/crlite", "_api/early_data", "_api/fetcher", "_api/intermediates",
    "_api/ocsp", "_api/operations", "_api/pkcs11", "_api/profile", "_api/raw_keys", "_api/shared_sessions",
    "_api/status", "_api/tpm2", "_api/transparency", "_engine/early_data", "_engine/early_outcome", "_engine/replay",
    "_engine/session_bytes", "_x509/crl", "_x509/odd", "_x509/published", "_x509/revocation",
]  # fmt: skip


class Touched:
    """The modules of the package in which functions are called, within a `with` block."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.before: Any = None

    def __enter__(self) -> Touched:  # noqa: PYI034  # Self is new in 3.11
        self.before = sys.getprofile()
        sys.setprofile(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self.before)

    def _call(self, frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)) and frame.f_code.co_name != "<module>":
            self.found.add(Path(path).relative_to(PACKAGE).with_suffix("").as_posix())


def handshake(client: Any, server: Any, *, resumed: bool) -> set[str]:
    session = session_at(client, server) if resumed else None
    with Touched() as touched:
        pair = join(client, server, session=session).ok()
        assert pair.client.obj.session_reused is resumed
    return touched.found


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("mutual", [False, True])
def test_no_function_of_a_feature_is_called_that_nobody_has_asked_for(
    pki: Any, version: Any, resumed: bool, mutual: bool
) -> None:
    client = client_of(puretls, pki, identity="client" if mutual else "")
    server = server_of(puretls, pki, asks=2 if mutual else 0)
    only(version, client)
    found = handshake(client, server, resumed=resumed)
    assert "_engine/handshake" in found
    assert found.isdisjoint(NEVER)
    for name, (_, modules) in FEATURES.items():
        assert found.isdisjoint(modules), name


@pytest.mark.parametrize("name", FEATURES)
def test_these_are_the_modules_of_a_feature(pki: Any, tmp_path: Path, name: str) -> None:
    """Otherwise the test above would look in the wrong place."""
    prepare, modules = FEATURES[name]
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    with Touched() as touched:
        prepare(pki, client, server, tmp_path)
        join(client, server).ok()
    assert set(modules) <= touched.found


def test_every_module_is_one() -> None:
    for module in (*NEVER, *(one for _, modules in FEATURES.values() for one in modules)):
        assert (PACKAGE / module).with_suffix(".py").is_file(), module
