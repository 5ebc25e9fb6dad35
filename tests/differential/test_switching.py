"""sni_callback chooses another context, beside `ssl`: what comes from the new one and what stays."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest

import puretls
from support.bios import join
from support.both import V12, V13, client_of, compare, like_openssl_30, only, server_of

pytestmark = like_openssl_30
Prepare = Callable[[Any, Any, Any], None]  # client, the context that listens, the one that is chosen
CASES: dict[str, Prepare] = {
    "nothing": lambda _c, _old, _new: None,
    "old demands a certificate": lambda _c, old, _new: setattr(old, "verify_mode", ssl.CERT_REQUIRED),
    "old asks for a certificate": lambda _c, old, _new: setattr(old, "verify_mode", ssl.CERT_OPTIONAL),
    "old has TLS 1.2 only": lambda _c, old, _new: setattr(old, "maximum_version", V12),
    "new has TLS 1.2 only": lambda _c, _old, new: setattr(new, "maximum_version", V12),
    "old has TLS 1.3 only": lambda _c, old, _new: setattr(old, "minimum_version", V13),
    "new has TLS 1.3 only": lambda _c, _old, new: setattr(new, "minimum_version", V13),
    "old has ciphers": lambda _c, old, _new: old.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305"),
    "new has ciphers": lambda _c, _old, new: new.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305"),
    "old has protocols": lambda c, old, _new: (c.set_alpn_protocols(["x", "y"]), old.set_alpn_protocols(["x"])),
    "new has protocols": lambda c, _old, new: (c.set_alpn_protocols(["x", "y"]), new.set_alpn_protocols(["y"])),
    "old has a curve": lambda c, old, _new: (c.set_ecdh_curve("prime256v1"), old.set_ecdh_curve("secp384r1")),
    "new has a curve": lambda c, _old, new: (c.set_ecdh_curve("prime256v1"), new.set_ecdh_curve("secp384r1")),
    "old has no tickets": lambda _c, old, _new: setattr(old, "options", old.options | ssl.OP_NO_TICKET),
    "new has no tickets": lambda _c, _old, new: setattr(new, "options", new.options | ssl.OP_NO_TICKET),
    "new has a level": lambda _c, _old, new: new.set_ciphers("DEFAULT@SECLEVEL=5"),
}


def switched(c: Any, s: Any, version: Any, identity: str, prepare: Prepare, pki: Any) -> Any:
    client, old, new = client_of(c, pki, identity=identity), server_of(s, pki, "wrong"), server_of(s, pki)
    prepare(client, old, new)
    old.sni_callback = lambda obj, _name, _context: setattr(obj, "context", new)
    only(version, client)
    return join(client, old).shake(), old, new


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("identity", ["client", "", "stranger-client"])
@pytest.mark.parametrize("name", CASES)
def test_what_stays_and_what_comes(name, identity, version, pki):
    def run(c, s):
        pair, old, new = switched(c, s, version, identity, CASES[name], pki)
        found: list[Any] = [pair.errors, old.session_stats()["number"], new.session_stats()["number"]]
        if pair.errors == (None, None):
            obj = pair.server.obj
            found += [obj.cipher(), obj.version(), obj.selected_alpn_protocol(), obj.getpeercert(True)]
        return found

    compare(run, (ssl, puretls), (puretls, puretls))


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
def test_a_demand_of_the_new_context_is_heeded(version, pki):
    """`ssl` does not: whether a certificate is asked for was settled with the old one."""

    def demand(_client, _old, new):
        new.verify_mode = ssl.CERT_REQUIRED

    for identity, error in (("client", None), ("", "PEER_DID_NOT_RETURN_A_CERTIFICATE")):
        pair, _old, _new = switched(puretls, puretls, version, identity, demand, pki)
        assert (pair.server.error and pair.server.error.reason) == error


def test_the_new_context_may_have_a_key_log(tmp_path, pki):
    def log(_client, _old, new):
        new.keylog_filename = str(tmp_path / "keys")

    switched(puretls, puretls, V13, "", log, pki)[0].ok()
    assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys").read_text()
