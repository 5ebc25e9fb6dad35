"""Pre-shared keys beside `ssl` (Python 3.13 has them): who is asked for what, what is agreed on, how it fails."""

from __future__ import annotations

import ssl
import sys
from typing import Any

import pytest

from support.bios import join
from support.both import V12, V13, compare, like_openssl_30, only

pytestmark = [
    like_openssl_30,
    pytest.mark.skipif(not hasattr(ssl.SSLContext, "set_psk_client_callback"), reason="new in Python 3.13"),
]
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
KEY = bytes.fromhex("c0ffee")


def errors_of(pair: Any) -> list[Any]:
    """What is the same: CPython's table has no name for unknown_psk_identity, and OpenSSL's client, when it fails
    before its ClientHello, sends an alert all the same, of which its server makes little."""
    unknown = "tlsv1 alert unknown psk identity"
    errors = [(unknown, "", {"reason": ""}) if error and unknown in error[1] else error for error in pair.errors]
    little = ("UNEXPECTED_MESSAGE", "TLSV1_ALERT_INTERNAL_ERROR")
    return [None if error and error[2]["reason"] in little else error for error in errors]


def contexts(c: Any, s: Any, version: Any, ciphers: str = "PSK") -> tuple[Any, Any]:
    client, server = c.SSLContext(c.PROTOCOL_TLS_CLIENT), s.SSLContext(s.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    only(version, client, server)
    client.set_ciphers(ciphers)
    server.set_ciphers(ciphers)
    return client, server


CLIENTS: dict[str, Any] = {
    "right": lambda _hint: ("me", KEY),
    "wrong key": lambda _hint: ("me", b"other"),
    "unknown": lambda _hint: ("somebody", KEY),
    "no identity": lambda _hint: (None, KEY),
    "empty identity": lambda _hint: ("", KEY),
    "no key": lambda _hint: ("me", b""),
    "text for key": lambda _hint: ("me", "key"),
    "bytes for identity": lambda _hint: (b"me", KEY),
    "long identity": lambda _hint: ("x" * 255, KEY),
    "too long an identity": lambda _hint: ("x" * 257, KEY),
    "long key": lambda _hint: ("me", b"k" * 256),
    "not a pair": lambda _hint: KEY,
    "exception": lambda _hint: 1 // 0,
    "umlaut": lambda _hint: ("mü", KEY),
}
KEYS = {"me": KEY, "x" * 255: KEY, None: KEY, "mü": KEY, "": b"never asked"}


@each_version
@pytest.mark.parametrize("name", CLIENTS)
def test_what_a_client_may_answer(name, version, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda _args: None)

    def run(c, s):
        asked: list[Any] = []

        def answer(hint):
            asked.append(("client", hint))
            return CLIENTS[name](hint)

        def look_up(identity):
            asked.append(("server", identity))
            return KEYS.get(identity, b"")

        client, server = contexts(c, s, version)
        client.set_psk_client_callback(answer)
        server.set_psk_server_callback(look_up, "who are you?")
        pair = join(client, server, None).shake()
        return sorted(set(asked), key=repr), errors_of(pair), pair.client.obj.version(), pair.server.obj.version()

    compare(run)


SERVERS: dict[str, Any] = {
    "right": lambda _name: KEY,
    "wrong": lambda _name: b"other",
    "none": lambda _name: b"",
    "text": lambda _name: "key",
    "None": lambda _name: None,
    "exception": lambda _name: 1 // 0,
    "long": lambda _name: b"k" * 257,
}


@each_version
@pytest.mark.parametrize("name", SERVERS)
def test_what_a_server_may_answer(name, version, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda _args: None)

    def run(c, s):
        client, server = contexts(c, s, version)
        client.set_psk_client_callback(lambda _hint: ("me", KEY))
        server.set_psk_server_callback(SERVERS[name])
        return errors_of(join(client, server, None).shake())

    compare(run)


@pytest.mark.parametrize(
    "ciphers", ["kPSK", "kDHEPSK", "kECDHEPSK", "kRSAPSK", "PSK+CHACHA20", "PSK+AESCCM8", "PSK+AES"]
)
def test_every_kind_of_psk_suite(ciphers, pki):
    def run(c, s):
        client, server = contexts(c, s, V12, ciphers)
        server.load_cert_chain(pki.chain("RSA"), pki.key("RSA"))
        server.load_dh_params(pki.dh)
        client.set_psk_client_callback(lambda _hint: ("me", KEY))
        server.set_psk_server_callback(lambda _name: KEY)
        pair = join(client, server, None).ok()
        assert pair.send(pair.client, b"hello") == b"hello"
        assert pair.send(pair.server, b"hello") == b"hello"
        return pair.client.obj.cipher(), pair.server.obj.cipher(), pair.client.obj.getpeercert(True)

    compare(run)


def test_psk_and_certificate_together(pki):
    """A server that has both: with the key when the client knows it, else with its certificate."""

    def run(c, s):
        found = []
        for known in (True, False):
            client, server = contexts(c, s, V12, "PSK:DEFAULT" if known else "DEFAULT")
            client.load_verify_locations(pki.ca)
            server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
            if known:
                client.set_psk_client_callback(lambda _hint: ("me", KEY))
            server.set_psk_server_callback(lambda _name: KEY)
            pair = join(client, server, None).shake()
            found += [errors_of(pair), bool(pair.client.obj.getpeercert(True)), pair.client.obj.session_reused]
        return found

    compare(run)


@each_version
def test_only_one_side_has_a_key(version):
    def run(c, s):
        found = []
        for side in ("client", "server"):
            client, server = contexts(c, s, version)
            if side == "client":
                client.set_psk_client_callback(lambda _hint: ("me", KEY))
            else:
                server.set_psk_server_callback(lambda _name: KEY)
            found.append(errors_of(join(client, server, None).shake()))
        return found

    compare(run)
