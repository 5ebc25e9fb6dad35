"""The key schedule against the traces of RFC 8448."""

from __future__ import annotations

import pytest

from puretls._crypto import schedule
from puretls._crypto.kdf import SHA256, SHA384, expand_label
from puretls._crypto.schedule import EarlySecret, Resumption, without_psk

# RFC 8448 3, "Simple 1-RTT Handshake"
SHARED = bytes.fromhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
HELLOS = bytes.fromhex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
SERVER_FINISHED = bytes.fromhex("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13")
CLIENT_FINISHED = bytes.fromhex("209145a96ee8e2a122ff810047cc952684658d6049e86429426db87c54ad143d")

# RFC 8448 4, "Resumed 0-RTT Handshake"
PSK = bytes.fromhex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3")
TRUNCATED = bytes.fromhex("63224b2e4573f2d3454ca84b9d009a04f6be9e05711a8396473aefa01e924a14")
EARLY_HELLO = bytes.fromhex("08ad0fa05d7c7233b1775ba2ff9f4c5b8b59276b7f227f13a976245f5d960913")


def test_handshake_secrets():
    stage = without_psk(SHA256).mix(SHARED)
    client, server = stage.traffic(HELLOS)
    assert client.hex() == "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"
    assert server.hex() == "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"
    assert [part.hex() for part in schedule.traffic_keys(SHA256, server, 16)] == [
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    ]
    assert [part.hex() for part in schedule.traffic_keys(SHA256, client, 16)] == [
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    ]
    assert (
        schedule.TrafficSecret(SHA256, server, 16, handshake=True).finished.hex()
        == "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8"
    )


def test_application_secrets():
    stage = without_psk(SHA256).mix(SHARED).finish()
    client, server = stage.traffic(SERVER_FINISHED)
    assert client.hex() == "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
    assert server.hex() == "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
    assert [part.hex() for part in schedule.traffic_keys(SHA256, client, 16)] == [
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
    ]
    assert stage.exporter(SERVER_FINISHED).hex() == "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50"


def test_ticket():
    secret = without_psk(SHA256).mix(SHARED).finish().resumption(CLIENT_FINISHED)
    assert Resumption(SHA256, secret).psk(b"\x00\x00") == PSK


def test_psk_and_early_data():
    stage = EarlySecret(SHA256, PSK)
    binder_key = stage.binder_key(external=False)
    assert binder_key.hex() == "69fe131a3bbad5d63c64eebcc30e395b9d8107726a13d074e389dbc8a4e47256"
    assert (
        schedule.finished(SHA256, binder_key, TRUNCATED).hex()
        == "3add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d"
    )
    assert stage.client_traffic(EARLY_HELLO).hex() == "3fbbe6a60deb66c30a32795aba0eff7eaa10105586e7be5c09678d63b6caab62"
    assert stage.exporter(EARLY_HELLO).hex() == "b2026866610937d7423e5be90862ccf24c0e6091186d34f812089ff5be2ef7df"


@pytest.mark.parametrize("d", [SHA256, SHA384], ids=lambda d: d.name)
def test_the_precomputed_labels_are_those_of_expand_label(d):
    secret, digest, size = bytes(range(d.size)), d.hash(b"messages"), d.size
    for n in (16, 32):
        assert schedule.traffic_keys(d, secret, n) == (
            expand_label(d, secret, b"key", b"", n),
            expand_label(d, secret, b"iv", b"", 12),
        )
        for traffic in (schedule.TrafficSecret(d, secret, n), schedule.TrafficSecret(d, secret, n, handshake=True)):
            assert (traffic.key, traffic.iv) == schedule.traffic_keys(d, secret, n)
        assert traffic.finished == expand_label(d, secret, b"finished", b"", size)
    assert schedule.finished(d, secret, digest) == d.hmac(expand_label(d, secret, b"finished", b"", size), digest)
    assert schedule.next_traffic_secret(d, secret) == expand_label(d, secret, b"traffic upd", b"", size)

    early = d.hmac(d.zeros, secret)  # HKDF-Extract
    stage = EarlySecret(d, secret)
    assert stage.binder_key(external=True) == expand_label(d, early, b"ext binder", d.empty, size)
    handshake = d.hmac(expand_label(d, early, b"derived", d.empty, size), digest)
    assert stage.mix(digest).traffic(digest)[1] == expand_label(d, handshake, b"s hs traffic", digest, size)
    assert stage.mix(b"").traffic(digest) == stage.mix(d.zeros).traffic(digest)


def test_exporter_beyond_one_block():
    # RFC 8446 7.5: the label is part of the secret, the length is part of the label
    whole = schedule.export(SHA256, SHARED, b"EXPORTER-test", b"context", 100)
    assert len(whole) == 100
    assert whole[:32] != schedule.export(SHA256, SHARED, b"EXPORTER-test", b"context", 32)
    with pytest.raises(ValueError):
        schedule.export(SHA256, SHARED, b"x" * 250, b"", 32)


def test_stages_do_not_show_secrets():
    stage = EarlySecret(SHA256, PSK)
    for shown in (repr(stage), repr(stage.mix(SHARED)), repr(stage.mix(SHARED).finish())):
        assert PSK.hex() not in shown
        assert SHARED.hex() not in shown
        assert shown.startswith("<")
