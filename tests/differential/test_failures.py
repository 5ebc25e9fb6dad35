"""Handshakes that fail, beside `ssl`: the exception of either side, to the letter, whoever is on the other side."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import puretls
from support import Pki
from support.bios import ObjectSide, described, join
from support.both import PAIRS, V12, V13, client_of, compare, like_openssl_30, only, quiet, server_of

pytestmark = like_openssl_30
Case = Callable[[ModuleType, ModuleType, Pki], Any]
CASES: dict[str, Case] = {}
BOTH_VERSIONS = [V12, V13, None]


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def outcome(name: str, version: Any, pki: Pki) -> Callable[[ModuleType, ModuleType], Any]:
    def run(client_module: ModuleType, server_module: ModuleType) -> Any:
        client, server, *host = CASES[name](client_module, server_module, pki)
        if version:
            only(version, client, server)
        return join(client, server, *host).shake().errors

    return run


@case
def nothing_wrong(c, s, pki):
    return client_of(c, pki), server_of(s, pki)


@case
def no_anchors(c, s, pki):
    return client_of(c, pki, trusts=False), server_of(s, pki)


@case
def other_anchors(c, s, pki):
    return client_of(c, pki), server_of(s, pki, "stranger")


@case
def expired(c, s, pki):
    return client_of(c, pki), server_of(s, pki, "expired")


@case
def wrong_host(c, s, pki):
    return client_of(c, pki), server_of(s, pki, "wrong")


@case
def wrong_host_and_stranger(c, s, pki):
    return client_of(c, pki), server_of(s, pki, "stranger"), "elsewhere.test"


@case
def wrong_address(c, s, pki):
    return client_of(c, pki), server_of(s, pki), "127.0.0.2"


@case
def wrong_purpose(c, s, pki):
    return client_of(c, pki), server_of(s, pki, "client")


@case
def no_certificate(c, s, pki):
    return client_of(c, pki), server_of(s, pki, "")


@case
def no_shared_cipher(c, s, pki):
    client, server = client_of(c, pki), server_of(s, pki)
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    return client, server


@case
def no_cipher_for_the_key(c, s, pki):
    client = client_of(c, pki)
    client.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    return client, server_of(s, pki)


@case
def no_shared_group(c, s, pki):
    client, server = client_of(c, pki), server_of(s, pki)
    client.set_ecdh_curve("prime256v1")
    server.set_ecdh_curve("secp384r1")
    return client, server


@case
def certificate_on_another_curve(c, s, pki):
    client = client_of(c, pki)
    client.set_ecdh_curve("prime256v1")
    return client, server_of(s, pki, "P-384")


@case
def a_demanding_client(c, s, pki):
    client = client_of(c, pki)
    client.set_ciphers("DEFAULT@SECLEVEL=4")
    return client, server_of(s, pki)


@case
def a_demanding_server(c, s, pki):
    server = server_of(s, pki)
    server.set_ciphers("DEFAULT@SECLEVEL=5")  # more than its own certificate has
    return client_of(c, pki), server


@case
def no_revocation_list(c, s, pki):
    client = client_of(c, pki)
    client.verify_flags |= c.VERIFY_CRL_CHECK_LEAF
    return client, server_of(s, pki)


@case
def other_protocols(c, s, pki):
    client, server = client_of(c, pki), server_of(s, pki)
    client.set_alpn_protocols(["h2"])
    server.set_alpn_protocols(["spdy/3"])
    return client, server


def client_certificate(identity: str, mode: int) -> Case:
    def run(c, s, pki):
        return client_of(c, pki, identity=identity), server_of(s, pki, asks=mode)

    return run


for identity in ("", "client", "stranger-client", "P-256", "expired"):
    for mode in ssl.VerifyMode:
        CASES[f"client_certificate_{identity}_{mode.name}"] = client_certificate(identity, mode)


def name_callback(answer: Callable[[], Any]) -> Case:
    def run(c, s, pki):
        server = server_of(s, pki)
        server.sni_callback = lambda *_args: answer()
        return client_of(c, pki), server

    return run


ANSWERS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "unrecognized_name": lambda: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME,
    "access_denied": lambda: ssl.ALERT_DESCRIPTION_ACCESS_DENIED,
    "close_notify": lambda: ssl.ALERT_DESCRIPTION_CLOSE_NOTIFY,
    "user_cancelled": lambda: ssl.ALERT_DESCRIPTION_USER_CANCELLED,
    "number": lambda: 80,
    "text": lambda: "x",
    "list": list,
    "exception": lambda: 1 // 0,
}
CASES |= {f"name_callback_{name}": name_callback(answer) for name, answer in ANSWERS.items()}


@pytest.mark.parametrize("version", BOTH_VERSIONS, ids=["1.2", "1.3", "any"])
@pytest.mark.parametrize("name", CASES)
def test_both_sides_see_what_they_see_with_ssl(name, version, pki, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda _args: None)
    wanted = compare(outcome(name, version, pki))
    assert (wanted == (None, None)) == (name in FINE or (name, version) in FINE_IN)


FINE = {
    "nothing_wrong",
    "other_protocols",
    "client_certificate__CERT_NONE",
    "client_certificate__CERT_OPTIONAL",
    "name_callback_None",
    *(f"client_certificate_{mode}" for mode in ("client_CERT_NONE", "client_CERT_OPTIONAL", "client_CERT_REQUIRED")),
    *(f"client_certificate_{name}_CERT_NONE" for name in ("stranger-client", "P-256", "expired")),
}
OLDER_ONLY = ("no_shared_cipher", "no_cipher_for_the_key", "certificate_on_another_curve")
FINE_IN = {(name, version) for name in OLDER_ONLY for version in (V13, None)}


@pytest.mark.parametrize("versions", [(V13, V12), (V12, V13)])
def test_no_shared_version(versions, pki):
    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(versions[0], client)
        only(versions[1], server)
        return join(client, server).shake().errors

    client, server = compare(run)
    assert client[2]["reason"] == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert server[2]["reason"] == "UNSUPPORTED_PROTOCOL"


@pytest.mark.parametrize("side", ["client", "server"])
def test_no_version_at_all(side, pki):
    """A client says nothing and its server waits; OpenSSL's sends an alert of which its server makes little."""

    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        with quiet():
            broken = client if side == "client" else server
            broken.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
        errors = join(client, server).shake().errors
        return errors[:1] if side == "client" else errors

    assert compare(run)[side == "server"][2]["reason"] == "NO_PROTOCOLS_AVAILABLE"


FIRST_BYTES = {
    "GET": b"GET / HTTP/1.0\r\n\r\n",
    "POST": b"POST / HTTP/1.0\r\n\r\n",
    "HEAD": b"HEAD / HTTP/1.1\r\n",
    "PUT": b"PUT / HTTP/1.1\r\n",
    "OPTIONS": b"OPTIONS * HTTP/1.1\r\n",
    "CONNECT": b"CONNECT host:443 HTTP/1.1\r\n",
    "HTTP answer": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH\r\n",
    "SMTP": b"220 mail ESMTP\r\n",
    "zeros": bytes(20),
    "ones": b"\xff" * 20,
    "part of a header": b"\x16\x03",
    "nothing": b"",
    "major version 5": bytes.fromhex("16050100050000000000"),
    "65535 bytes": bytes.fromhex("160301ffff") + bytes(100),
    "ServerHelloDone": bytes.fromhex("16030100040e000000"),
    "Finished": bytes.fromhex("160301000414000000"),
    "unknown fatal alert": bytes.fromhex("150301000202c8"),
    "fatal handshake_failure": bytes.fromhex("15030100020228"),
    "fatal close_notify": bytes.fromhex("15030100020200"),
    "alert of level 9": bytes.fromhex("15030100020928"),
}
PUZZLING_FIRST = {name for name in FIRST_BYTES if "alert" in name or "fatal" in name}  # docs/differences.md
FROM_A_SERVER = {"GET", "POST", "HEAD", "PUT", "CONNECT"}


@pytest.mark.parametrize("ends", [False, True], ids=["open", "eof"])
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("name", FIRST_BYTES)
def test_first_bytes(name, role, ends, pki):
    if name in (PUZZLING_FIRST if role == "server" else FROM_A_SERVER):
        pytest.skip("docs/differences.md")
    found = []
    for tls in (ssl, puretls):
        if role == "server":
            side = ObjectSide(role, server_of(tls, pki))
        else:
            side = ObjectSide(role, client_of(tls, pki), server_hostname="localhost")
        side.shake()
        side.outgoing.read()
        side.incoming.write(FIRST_BYTES[name])
        if ends:
            side.incoming.write_eof()
        side.shake()
        error = described(side.error)
        alert = None if error and error[0] == "SSLEOFError" else side.outgoing.read()[5:]  # OpenSSL tells who is gone
        found.append((error, alert))
    assert found[0] == found[1]


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("sender", ["client", "server"])
def test_the_transport_ends_in_the_middle(sender, version, pki):
    def run(limit: int) -> Callable[[ModuleType, ModuleType], Any]:
        def outcome(c, s):
            passed = 0

            def carry(who: str, data: bytes) -> bytes:
                nonlocal passed
                if who != sender:
                    return data
                room = max(0, limit - passed)
                passed += len(data)
                return data[:room]

            client, server = client_of(c, pki), server_of(s, pki)
            only(version, client, server)
            pair = join(client, server, carry=carry).shake()
            if passed <= limit:
                return None
            end, other = (pair.client, pair.server) if sender == "client" else (pair.server, pair.client)
            pair.end(end)
            other.shake()
            for _ in range(2):
                if other.done:
                    other.step(lambda: other.obj.read(1))
            return pair.errors

        return outcome

    for limit in range(0, 700, 70):
        wanted = run(limit)(ssl, ssl)
        for pair in PAIRS:
            found = run(limit)(*pair)
            assert found == wanted or None in (found, wanted)  # one said more, and nothing was cut


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("place", [5, 20, -1])
def test_data_that_was_changed(sender, version, place, pki):
    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        pair = join(client, server).ok()
        end, other = (pair.client, pair.server) if sender == "client" else (pair.server, pair.client)
        end.obj.write(b"x" * 100)
        record = bytearray(end.outgoing.read())
        record[place] ^= 0x40
        other.incoming.write(record)
        other.read()
        pair.move()
        end.read()
        return pair.errors

    receiver = compare(run)[sender == "client"]
    assert receiver[2]["reason"] == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
