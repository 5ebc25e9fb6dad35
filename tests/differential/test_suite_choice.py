"""Every cipher suite that OpenSSL's library and we both have, in every version that has it, both roles, data both ways.

The interpreter's `ssl` is the peer.  CBC suites are tried with encrypt-then-MAC (RFC 7366) and without.
"""

from __future__ import annotations

import ssl
from typing import Any

import pytest

import puretls
from support.bios import join
from support.both import client_of, only, server_of

NO_ETM = 0x80000
EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2}
KEY = b"\x01\x02\x03"


def names(tls: Any) -> dict[str, dict[str, Any]]:
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.set_ciphers(EVERYTHING)
    return {row["name"]: row for row in context.get_ciphers() if row["protocol"] != "TLSv1.3"}


OURS, THEIRS = names(puretls), names(ssl)
COMMON = [name for name in THEIRS if name in OURS]
HAS_PSK = hasattr(ssl.SSLContext, "set_psk_client_callback")


def versions_of(name: str) -> list[str]:
    return ["TLSv1.2"] if THEIRS[name]["protocol"] == "TLSv1.2" else list(VERSIONS)


def test_what_we_lack_is_what_cryptography_lacks():
    """Nor do we have DSS, which TLS 1.3 and browsers have dropped."""
    gone = ("ARIA", "CAMELLIA", "SRP", "SEED", "IDEA", "RC4", "DSS")
    assert [name for name in THEIRS if name not in OURS and not any(kind in name for kind in gone)] == []
    assert len(COMMON) > 80


def contexts(c: Any, s: Any, name: str, version: str, pki: Any, etm: bool) -> tuple[Any, Any]:
    psk = "PSK" in name
    client, server = client_of(c, pki), server_of(s, pki, "RSA")
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    if not THEIRS[name]["auth"].endswith(("rsa", "ecdsa")):
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
    server.load_dh_params(pki.dh)
    for context in (client, server):
        context.set_ciphers(f"{name}:@SECLEVEL=0")
        only(VERSIONS[version], context)
        if not etm:
            context.options |= NO_ETM
    if psk:
        client.set_psk_client_callback(lambda _hint: ("me", KEY))
        server.set_psk_server_callback(lambda _name: KEY)
    return client, server


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", COMMON)
def test_suite(name, role, pki):
    if "PSK" in name and not HAS_PSK:
        pytest.skip("new in Python 3.13")
    modules = (puretls, ssl) if role == "client" else (ssl, puretls)
    for version in versions_of(name):
        for etm in (True, False) if "CBC" in (THEIRS[name]["symmetric"] or "").upper() else (True,):
            client, server = contexts(*modules, name, version, pki, etm)
            pair = join(client, server).ok()
            ends = (pair.client, pair.server)
            assert [end.obj.version() for end in ends] == [version, version]
            assert pair.client.obj.cipher() == pair.server.obj.cipher()
            assert pair.client.obj.cipher()[0] == name
            for size in (1, 15, 16, 4095, 40000):
                data = bytes(range(256)) * (size // 256 + 1)
                assert pair.send(pair.client, data[:size]) == data[:size]
                assert pair.send(pair.server, data[:size]) == data[:size]
            assert pair.client.obj.get_channel_binding() == pair.server.obj.get_channel_binding()
            pair.goodbye()
            assert pair.errors == (None, None)
            if "PSK" not in name:
                again = join(client, server, session=pair.client.obj.session).ok()
                assert again.client.obj.session_reused
                assert again.server.obj.session_reused
                assert again.send(again.client, b"x") == b"x"


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_suite_of_tls13(name, role, pki):
    modules = (puretls, ssl) if role == "client" else (ssl, puretls)
    client, server = client_of(modules[0], pki), server_of(modules[1], pki)
    (client if role == "client" else server).set_ciphersuites(name)
    pair = join(client, server).ok()
    assert pair.client.obj.cipher()[0] == pair.server.obj.cipher()[0] == name
    assert pair.send(pair.client, b"x" * 70000) == b"x" * 70000
    assert pair.send(pair.server, b"x" * 70000) == b"x" * 70000
