"""Pre-shared keys: the examples, identities and hints, refusals, TLS 1.3."""

from __future__ import annotations

import pytest

from support.bios import join

KEY = bytes.fromhex("c0ffee")


@pytest.fixture(autouse=True)
def available(tls):
    if not getattr(tls, "HAS_PSK", False):
        pytest.skip("new in Python 3.13")


def contexts(tls, version="TLSv1_2"):
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = tls.CERT_NONE
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    for context in (client, server):
        context.minimum_version = context.maximum_version = tls.TLSVersion[version]
        context.set_ciphers("PSK")
    return client, server


def test_a_simple_lambda(tls):
    client, server = contexts(tls)
    client.set_psk_client_callback(lambda _hint: (None, KEY))
    server.set_psk_server_callback(lambda _identity: KEY)
    pair = join(client, server, None).ok()
    assert pair.send(pair.client, b"hello") == b"hello"
    assert "PSK" in pair.server.obj.cipher()[0]


def test_tables_with_hint_and_identity(tls):
    client, server = contexts(tls)
    of_servers = {"ServerId_1": KEY, "ServerId_2": bytes.fromhex("facade")}
    of_clients = {"ClientId_1": KEY, "ClientId_2": bytes.fromhex("facade")}
    client.set_psk_client_callback(lambda hint: ("ClientId_1", of_servers.get(hint, b"")))
    server.set_psk_server_callback(lambda identity: of_clients.get(identity, b""), "ServerId_1")
    join(client, server, None).ok()
    client.set_psk_client_callback(lambda hint: ("ClientId_2", of_servers.get(hint, b"")))
    assert isinstance(join(client, server, None).shake().server.error, tls.SSLError)  # another key
    server.set_psk_server_callback(lambda identity: of_clients.get(identity, b""), "nobody")
    assert isinstance(join(client, server, None).shake().client.error, tls.SSLError)  # a zero-length key rejects


@pytest.mark.parametrize("given", [(), (None,), ("",)])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_without_a_hint_the_client_gets_none(tls, given, version):
    client, server = contexts(tls, version)
    hints = []
    client.set_psk_client_callback(lambda hint: (hints.append(hint), ("me", KEY))[1])
    server.set_psk_server_callback(lambda _identity: KEY, *given)
    join(client, server, None).ok()
    assert hints
    assert set(hints) == {None}


def test_the_server_rejects(tls):
    client, server = contexts(tls)
    client.set_psk_client_callback(lambda _hint: ("me", KEY))
    server.set_psk_server_callback(lambda _identity: b"")
    pair = join(client, server, None).shake()
    assert isinstance(pair.client.error, tls.SSLError)
    assert isinstance(pair.server.error, tls.SSLError)


def test_callbacks_can_be_removed(tls):
    client, server = contexts(tls)
    client.set_psk_client_callback(lambda _hint: ("me", KEY))
    server.set_psk_server_callback(lambda _identity: KEY)
    join(client, server, None).ok()
    server.set_psk_server_callback(None)
    assert isinstance(join(client, server, None).shake().client.error, tls.SSLError)
    client.set_psk_client_callback(None)
    assert join(client, server, None).shake().client.error.reason == "NO_CIPHERS_AVAILABLE"


def test_bytes_like_keys(tls):
    """As documented; `ssl` itself takes bytes only."""
    client, server = contexts(tls)
    kind = bytes if tls.__name__ == "ssl" else bytearray
    client.set_psk_client_callback(lambda _hint: ("me", kind(KEY)))
    server.set_psk_server_callback(lambda _identity: kind(KEY))
    join(client, server, None).ok()


def test_lengths_of_identity_and_hint(tls):
    """Up to 256 octets of UTF-8; OpenSSL 3.0 wants one octet less of an identity."""
    client, server = contexts(tls)
    size, seen = 255 if tls.__name__ == "ssl" else 256, []
    client.set_psk_client_callback(lambda hint: (seen.append(hint), ("é" * (size // 2), KEY))[1])
    server.set_psk_server_callback(lambda identity: (seen.append(identity), KEY)[1], "h" * 256)
    join(client, server, None).ok()
    assert seen == ["h" * 256, "é" * (size // 2)]
    with pytest.raises(ValueError):
        server.set_psk_server_callback(lambda _identity: KEY, "h" * 257)


def test_tls13(tls):
    """The hint is None and is not sent, the identity must not be empty."""
    client, server = contexts(tls, "TLSv1_3")
    hints = []
    client.set_psk_client_callback(lambda hint: (hints.append(hint), ("me", KEY))[1])
    server.set_psk_server_callback(lambda identity: {"me": KEY}.get(identity, b""), "never sent")
    pair = join(client, server, None).ok()
    assert pair.server.obj.version() == "TLSv1.3"
    assert set(hints) == {None}
    for identity in (None, ""):
        client.set_psk_client_callback(lambda _hint, identity=identity: (identity, KEY))
        assert isinstance(join(client, server, None).shake().client.error, tls.SSLError)


def test_wrong_roles_and_types(tls):
    client, server = contexts(tls)
    with pytest.raises(tls.SSLError):
        server.set_psk_client_callback(lambda _hint: ("me", KEY))
    with pytest.raises(tls.SSLError):
        client.set_psk_server_callback(lambda _identity: KEY)
    for context, name in ((client, "set_psk_client_callback"), (server, "set_psk_server_callback")):
        with pytest.raises(TypeError):
            getattr(context, name)(1)
