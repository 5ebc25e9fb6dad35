"""What Python 3.14 and 3.15 add to `ssl`, here on every Python."""

from __future__ import annotations

import threading

import pytest

from support.bios import join
from support.both_ends import client, connected, echoing, server


@pytest.fixture(autouse=True)
def ours(tls):
    if tls.__name__ == "ssl":
        pytest.skip("newer than this Python")


def test_what_there_is(tls):
    assert tls.HAS_PHA is True
    assert tls.HAS_PSK_TLS13 is True


def test_get_sigalgs(tls):
    names = tls.get_sigalgs()
    assert len(set(names)) == len(names)
    assert {"ecdsa_secp256r1_sha256", "ed25519", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"} <= set(names)


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"])
def test_set_ciphersuites(tls, pki, suite):
    for which in ("client", "server"):
        contexts = {"client": client(tls, pki), "server": server(tls, pki)}
        contexts[which].set_ciphersuites(f"{suite}:TLS_AES_256_GCM_SHA384")
        assert [row["name"] for row in contexts[which].get_ciphers()][:2] == [suite, "TLS_AES_256_GCM_SHA384"]
        contexts[which].set_ciphersuites(suite)
        assert join(contexts["client"], contexts["server"]).ok().client.obj.cipher()[0] == suite
    context = client(tls, pki)
    before = [row["name"] for row in context.get_ciphers() if row["protocol"] != "TLSv1.3"]
    context.set_ciphersuites(suite)
    assert [row["name"] for row in context.get_ciphers() if row["protocol"] != "TLSv1.3"] == before
    with pytest.raises(tls.SSLError):
        context.set_ciphersuites("NOTHING")
    with pytest.raises(TypeError):
        context.set_ciphersuites(None)


def test_get_groups(tls):
    context = client(tls)
    names = context.get_groups()
    assert {"x25519", "secp256r1", "X25519MLKEM768"} <= set(names)
    aliases = context.get_groups(include_aliases=True)
    assert set(names) < set(aliases)
    assert {"prime256v1", "P-256"} & set(aliases)
    context.maximum_version = tls.TLSVersion.TLSv1_2
    assert "X25519MLKEM768" not in context.get_groups()


@pytest.mark.parametrize("group", ["x25519", "secp256r1", "X448", "P-384", "X25519MLKEM768", "SecP256r1MLKEM768"])
def test_set_groups(tls, pki, group):
    for which in ("client", "server"):
        contexts = {"client": client(tls, pki), "server": server(tls, pki)}
        contexts[which].set_groups(group)
        pair = join(contexts["client"], contexts["server"]).ok()
        assert pair.client.obj.group() == pair.server.obj.group()
        name = pair.client.obj.group().lower()
        assert name == {"p-384": "secp384r1"}.get(group.lower(), group.lower())


def test_group_lists(tls):
    context = client(tls)
    context.set_groups("?nonsense:*P-256:x25519")
    assert context.get_groups() == ["secp256r1", "x25519"]
    context.set_groups("DEFAULT:-x25519")
    assert "x25519" not in context.get_groups()
    context.set_groups("X25519/SECP256R1")
    assert context.get_groups() == ["x25519", "secp256r1"]
    with pytest.raises(TypeError):
        context.set_groups(None)
    for bad in ("nonsense", "", "x25519:nonsense"):
        with pytest.raises(tls.SSLError):
            context.set_groups(bad)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("scheme", ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha512"])
def test_signature_schemes(tls, pki, version, scheme):
    asks = {"asks": tls.CERT_REQUIRED}
    dialing = client(tls, pki, identity="client-RSA", version=tls.TLSVersion[version])
    listening = server(tls, pki, "RSA", **asks)
    listening.set_server_sigalgs(scheme)
    listening.set_client_sigalgs("rsa_pss_rsae_sha384")
    pair = join(dialing, listening)
    for side in (pair.client, pair.server):
        assert side.obj.server_sigalg() is side.obj.client_sigalg() is side.obj.group() is None
    pair.ok()
    for side in (pair.client, pair.server):
        assert side.obj.server_sigalg() == scheme
        assert side.obj.client_sigalg() == "rsa_pss_rsae_sha384"


def test_a_clients_wishes(tls, pki):
    dialing, listening = client(tls, pki, identity="client-RSA"), server(tls, pki, "RSA", asks=tls.CERT_REQUIRED)
    dialing.set_server_sigalgs("rsa_pss_rsae_sha512:rsa_pkcs1_sha256")
    dialing.set_client_sigalgs("RSA-PSS+SHA512")
    pair = join(dialing, listening).ok()
    assert pair.server.obj.server_sigalg() == pair.server.obj.client_sigalg() == "rsa_pss_rsae_sha512"


def test_no_signature_no_scheme(tls, pki):
    dialing, listening = client(tls, pki), server(tls, pki)
    pair = join(dialing, listening).ok()
    assert pair.client.obj.client_sigalg() is None
    assert pair.client.obj.server_sigalg() == "ecdsa_secp256r1_sha256"
    pair.send(pair.server, b"x")
    again = join(dialing, listening, session=pair.client.obj.session).ok()
    assert again.client.obj.server_sigalg() is None


def test_no_scheme_in_common(tls, pki):
    dialing, listening = client(tls, pki), server(tls, pki)
    dialing.set_server_sigalgs("rsa_pss_rsae_sha256:ecdsa_secp384r1_sha384")
    pair = join(dialing, listening).shake()
    assert pair.server.error.reason == "NO_SUITABLE_SIGNATURE_ALGORITHM"
    assert pair.client.error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize("setter", ["set_client_sigalgs", "set_server_sigalgs"])
def test_scheme_lists(tls, setter):
    change = getattr(client(tls), setter)
    change("?nonsense:ecdsa_secp256r1_sha256:RSA+SHA256:ed25519")
    with pytest.raises(TypeError):
        change(b"ed25519")
    for bad in ("nonsense", "", "ed25519:nonsense"):
        with pytest.raises(tls.SSLError):
            change(bad)


def test_options_take_whatever_is_an_index(tls):
    class Index:
        def __index__(self):
            return int(tls.OP_NO_COMPRESSION)

    context = client(tls)
    context.options = Index()
    assert context.options == tls.OP_NO_COMPRESSION


def test_kernel_tls_is_asked_for_and_not_used(tls, pki):
    obj = connected(tls, pki).client.obj._sslobj
    assert obj.uses_ktls_for_send() is False
    assert obj.uses_ktls_for_recv() is False


def test_an_unexpected_end_is_remembered(tls, pki):
    pair = connected(tls, pki)
    pair.end(pair.server)
    for _ in range(3):
        with pytest.raises(tls.SSLEOFError):
            pair.client.obj.read(1)


def test_two_threads_on_one_socket(tls, pki):
    """3.14: every operation is locked; one thread reads while another writes."""
    data = bytes(range(256)) * 4000
    with echoing(tls, pki) as conn:
        received = bytearray()

        def read():
            while len(received) < len(data):
                received.extend(conn.recv(5000))

        thread = threading.Thread(target=read)
        thread.start()
        for pos in range(0, len(data), 7000):
            conn.sendall(data[pos : pos + 7000])
        thread.join(20)
        assert received == data
