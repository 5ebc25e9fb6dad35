"""The small conversions of the module, beside the interpreter's own."""

from __future__ import annotations

import ipaddress
import random
import ssl

import pytest

import puretls


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001  # the class has to be the same
        return type(error)


DATES = [
    "Jan  5 09:34:43 2018 GMT", "jan 05 09:34:43 2018 GMT", "JAN  5 09:34:43 2018 GMT", "Feb 29 00:00:00 2024 GMT",
    "Feb 29 00:00:00 2023 GMT", "Dec 31 23:59:60 2008 GMT", "Jan  5 09:34:43 2018 UTC", "Jan  5 09:34:43 2018", "",
    "Mon  5 09:34:43 2018 GMT", "Jan  5 09:34:61 2018 GMT", "Jan  5 24:34:43 2018 GMT", " Jan  5 09:34:43 2018 GMT",
    "Jan  0 09:34:43 2018 GMT", "Jan  5 9:4:3 2018 GMT", "Dec 31 23:59:59 9999 GMT", "Jan  1 00:00:00 1950 GMT",
]  # fmt: skip


@pytest.mark.parametrize("text", DATES)
def test_dates(text):
    assert outcome(puretls.cert_time_to_seconds, text) == outcome(ssl.cert_time_to_seconds, text)


LABELS = ["a", "b", "*", "www", "w*", "*w", "xn--bcher-kva", "COM", "com", "", "*.a"]


@pytest.mark.parametrize("seed", range(20))
def test_host_names(seed):
    rng = random.Random(seed)
    for _ in range(100):
        pattern, name = (".".join(rng.choices(LABELS, k=rng.randint(1, 3))) for _ in range(2))
        assert outcome(puretls._dnsname_match, pattern, name) == outcome(ssl._dnsname_match, pattern, name)


ADDRESSES = [
    "127.0.0.1",
    "1.2.3.4",
    "127.1",
    "1",
    "1.2.3.4 ",
    "1.2.3.4\n",
    "::1",
    "2001:db8::1",
    "::ffff:1.2.3.4",
    "x",
    "",
    "256.1.1.1",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses(text):
    assert outcome(puretls._inet_paton, text) == outcome(ssl._inet_paton, text)
    packed = ipaddress.ip_address("::1").packed
    assert outcome(puretls._ipaddress_match, text, packed) == outcome(ssl._ipaddress_match, text, packed)


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 500])
def test_pem(size):
    der = random.Random(size).randbytes(size)
    pem = puretls.DER_cert_to_PEM_cert(der)
    assert pem == ssl.DER_cert_to_PEM_cert(der)
    assert puretls.PEM_cert_to_DER_cert(pem) == der
    for broken in (pem[1:], pem.strip()[:-1], " " + pem):
        assert outcome(puretls.PEM_cert_to_DER_cert, broken) is ValueError
        assert outcome(ssl.PEM_cert_to_DER_cert, broken) is ValueError


def test_objects():
    for oid in ("1.3.6.1.5.5.7.3.1", "serverAuth", "2.5.29.37.0", "1.2.3", "", "TLS Web Client Authentication"):
        assert outcome(puretls._txt2obj, oid) == outcome(ssl._txt2obj, oid)
        assert outcome(puretls._ASN1Object.fromname, oid) == outcome(ssl._ASN1Object.fromname, oid)
    for nid in (-1, 0, 1, 13, 129, 130, 10**6):
        assert outcome(puretls._nid2obj, nid) == outcome(ssl._nid2obj, nid)


def test_protocol_names():
    for number in range(-1, 20):
        assert puretls.get_protocol_name(number) == ssl.get_protocol_name(number)


def test_random():
    assert puretls.RAND_status() is True
    assert len({puretls.RAND_bytes(16) for _ in range(10)}) == 10
    assert puretls.RAND_bytes(0) == b""
    for bad in (-1, "x", None):
        assert outcome(puretls.RAND_bytes, bad) == outcome(ssl.RAND_bytes, bad)
    for data in (b"x", "x", bytearray(b"x")):
        assert puretls.RAND_add(data, 0.0) is None
    with pytest.raises(TypeError):
        puretls.RAND_add(None, 0.0)


def test_default_verify_paths(monkeypatch, tmp_path):
    assert puretls.get_default_verify_paths() == tuple(ssl.get_default_verify_paths())
    assert puretls.get_default_verify_paths()._fields == ssl.get_default_verify_paths()._fields
    file = tmp_path / "ca.pem"
    file.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    assert puretls.get_default_verify_paths() == tuple(ssl.get_default_verify_paths())


def test_group_and_scheme_lists():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    default = context.get_groups()
    assert default[0] == "X25519MLKEM768"
    context.set_groups("P-256:?nobody:*x25519/secp384r1")
    assert context.get_groups() == ["secp256r1", "x25519", "secp384r1"]
    assert "prime256v1" in context.get_groups(include_aliases=True)
    assert [group.name for group in context._config(server_side=False).key_shares] == ["x25519"]
    context.set_groups("DEFAULT:-X25519MLKEM768")
    assert context.get_groups() == default[1:]
    for bad in ("nobody", "", "x25519:nobody", "?nobody"):
        with pytest.raises(puretls.SSLError):
            context.set_groups(bad)
    context.maximum_version = puretls.TLSVersion.TLSv1_2
    assert "SecP256r1MLKEM768" not in context.get_groups()
    context.set_server_sigalgs("ECDSA+SHA256:rsa_pss_rsae_sha256:?nobody")
    assert [scheme.name for scheme in context._config(server_side=False).schemes] == [
        "ecdsa_secp256r1_sha256",
        "rsa_pss_rsae_sha256",
    ]
    for bad in ("nobody", "", "RSA+NOBODY"):
        with pytest.raises(puretls.SSLError):
            context.set_client_sigalgs(bad)
    assert {"ed25519", "rsa_pkcs1_sha256", "mldsa65"} <= set(puretls.get_sigalgs())


def test_ciphersuites():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256:TLS_NOBODY")
    assert [entry["name"] for entry in context.get_ciphers()][:2] == [
        "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ]
    with pytest.raises(puretls.SSLError):
        context.set_ciphersuites("AES128-SHA")
