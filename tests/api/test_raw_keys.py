"""Raw public keys (RFC 7250): both roles, both versions, and that no way leads past their verification.

OpenSSL's CVE-2024-12797 was a client that went on with a key it had not verified: each way here ends in refusal unless
the key is trusted, or the program has said that it accepts it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import puretls
import puretls.asyncio
from puretls._base import registry
from puretls._engine.config import RawCredential
from puretls._engine.policy import RAW, X509
from puretls._wire.codec import vec24
from puretls._x509.raw_key import RawKey
from support import PATIENCE, dial, free_port, need, running
from support.bios import join
from support.both import V12, V13, client_of, only, server_of
from support.joined12 import again
from support.pair import (
    CLIENT,
    SERVER,
    Pair,
    client_config,
    configured,
    extensions,
    hello,
    identity,
    message,
    server_config,
)

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
KEYS = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
KEY, OTHER = KEYS["P-256"], ec.generate_private_key(ec.SECP256R1())


def spki(key: Any) -> bytes:
    der: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def pem(key: Any) -> bytes:
    found: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return found


def client(*trusted: Any, version: Any = None, types: Any = ("raw",), own: Any = None) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.server_certificate_types = list(types)
    context.set_trusted_public_keys(trusted)
    if own is not None:
        context.load_raw_public_key(own)
    if version is not None:
        only(version, context)
    return context


def server(key: Any = KEY, *trusted: Any, types: Any = None) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    if key is not None:
        context.load_raw_public_key(key)
    if types is not None:
        context.client_certificate_types = list(types)
        context.verify_mode = puretls.CERT_REQUIRED
        context.set_trusted_public_keys(trusted)
    return context


@each_version
@pytest.mark.parametrize("kind", KEYS)
def test_the_servers_key(kind, version):
    key = KEYS[kind]
    pair = join(client(spki(key), version=version), server(key)).ok()
    obj = pair.client.obj
    assert obj.peer_public_key() == spki(key)
    assert (obj.getpeercert(), obj.getpeercert(True)) == (None, None)
    assert (obj.get_verified_chain(), obj.get_unverified_chain()) == ([], [])
    assert obj.get_channel_binding("tls-server-end-point") is None
    assert pair.server.obj.peer_public_key() is None
    assert pair.send(pair.client, b"hello") == b"hello"


@each_version
@pytest.mark.parametrize("kind", KEYS)
def test_the_clients_key(kind, version):
    own = KEYS[kind]
    pair = join(client(spki(KEY), version=version, own=own), server(KEY, own.public_key(), types=["raw"])).ok()
    assert pair.server.obj.peer_public_key() == spki(own)
    assert pair.client.obj.peer_public_key() == spki(KEY)
    assert pair.server.obj.getpeercert() is None


@each_version
def test_static_rsa(version):
    """Where Finished is the proof."""
    if version == V13:
        pytest.skip("TLS 1.3 has none")
    mine, theirs = client(spki(KEYS["RSA"]), version=version), server(KEYS["RSA"])
    mine.set_ciphers("AES128-SHA256:@SECLEVEL=1")
    theirs.set_ciphers("AES128-SHA256:@SECLEVEL=1")
    pair = join(mine, theirs).shake()
    if pair.client.error is None:  # else this `cryptography` may not decrypt
        assert pair.client.obj.peer_public_key() == spki(KEYS["RSA"])
    wrong = client(spki(OTHER), version=version)
    wrong.set_ciphers("AES128-SHA256:@SECLEVEL=1")
    assert join(wrong, theirs).shake().client.error is not None


# No way past verification


@each_version
@pytest.mark.parametrize("trusted", [(), (spki(OTHER),), (spki(OTHER), spki(KEYS["RSA"]))], ids=["none", "one", "two"])
def test_a_key_that_is_not_trusted_is_refused(trusted, version):
    pair = join(client(*trusted, version=version), server()).shake()
    error = pair.client.error
    assert type(error) is puretls.SSLCertVerificationError
    assert error.verify_code == 95
    assert "ALERT" in pair.server.error.reason
    assert pair.client.obj.peer_public_key() is None
    with pytest.raises(puretls.SSLCertVerificationError):
        pair.client.obj.write(b"secret")


@each_version
@pytest.mark.parametrize("mode", [puretls.CERT_OPTIONAL, puretls.CERT_REQUIRED])
def test_a_clients_key_that_is_not_trusted_is_refused(mode, version):
    theirs = server(KEY, spki(OTHER), types=["raw"])
    theirs.verify_mode = mode
    pair = join(client(spki(KEY), version=version, own=KEYS["Ed25519"]), theirs).shake()
    assert pair.server.error.verify_code == 95
    theirs.set_trusted_public_keys([])
    assert join(client(spki(KEY), version=version, own=OTHER), theirs).shake().server.error.verify_code == 95


@each_version
@pytest.mark.parametrize("verdict", [None, 42, True, 0, ValueError("no")])
def test_verify_callback_decides_where_nothing_is_trusted(verdict, version, monkeypatch):
    import sys

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    seen: list[Any] = []

    def judge(_obj: Any, info: Any) -> Any:
        seen.append((info.raw_public_key, info.chain, info.path))
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    context = client(version=version)
    context.verify_callback = judge
    pair = join(context, server()).shake()
    assert seen == [(spki(KEY), [], None)]
    assert (pair.client.error is None) is (verdict is None)
    if verdict is None:
        assert pair.client.obj.peer_public_key() == spki(KEY)
        again = join(context, server(), session=pair.client.obj.session).shake()
        assert (again.client.error, len(seen)) == (None, 2)


@each_version
def test_verify_callback_adds_nothing_to_keys_that_are_trusted(version):
    """It can only refuse: what is not in the set stays out, whatever it says."""
    asked: list[Any] = []
    context = client(spki(OTHER), version=version)
    context.verify_callback = lambda _obj, info: asked.append(info)
    assert join(context, server()).shake().client.error.verify_code == 95
    assert asked == []
    context.set_trusted_public_keys([KEY])
    join(context, server()).ok()
    assert [info.path for info in asked] == [[]]
    context.verify_callback = lambda _obj, _info: puretls.ALERT_DESCRIPTION_ACCESS_DENIED
    assert join(context, server()).shake().client.error.reason == "CALLBACK_FAILED"


@each_version
def test_a_function_in_place_of_path_building_has_no_say(version):
    """It judges certificates, and would be asked about none."""
    asked: list[Any] = []
    context = client(version=version)
    context.set_cert_verify_callback(lambda _obj, chain: asked.append(chain))
    assert join(context, server()).shake().client.error.verify_code == 95
    assert asked == []


@each_version
def test_without_verification_any_key_will_do(version):
    context = client(version=version)
    context.verify_mode = puretls.CERT_NONE
    assert join(context, server()).ok().client.obj.peer_public_key() == spki(KEY)


@each_version
@pytest.mark.parametrize("who", [CLIENT, SERVER])
def test_a_key_without_its_owner(who, version):
    """The signature is somebody else's: the key is known, which proves nothing."""

    class Thief:
        def public_key(self) -> Any:
            return KEY.public_key()

        def sign(self, data: bytes, *rest: Any) -> bytes:
            return OTHER.sign(data, *rest)

    if who == CLIENT:
        ours, theirs = client(spki(KEY), version=version), server(Thief())
        theirs.check_own_signatures = False
        error = join(ours, theirs).shake().client.error
    else:
        theirs, ours = client(spki(OTHER), version=version, own=Thief()), server(OTHER, spki(KEY), types=["raw"])
        theirs.check_own_signatures = False
        error = join(theirs, ours).shake().server.error
    assert error.reason == "BAD_SIGNATURE"


@each_version
def test_names_and_raw_keys_do_not_go_together(version):
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ValueError, match="check_hostname"):
        context.server_certificate_types = ["raw"]
    context.check_hostname = False
    context.server_certificate_types = ["x509", "raw"]
    with pytest.raises(ValueError, match="check_hostname"):
        context.check_hostname = True
    del version


# Sessions


@each_version
def test_sessions_keep_the_key(version):
    context, theirs = client(spki(KEY), version=version, own=OTHER), server(KEY, spki(OTHER), types=["raw"])
    pair = join(context, theirs).ok()
    session = pair.client.obj.session
    for kept in (session, context.load_session(session.to_bytes())):
        again = join(context, theirs, session=kept).ok()
        assert again.client.obj.session_reused
        assert again.client.obj.peer_public_key() == spki(KEY)
        assert again.server.obj.peer_public_key() == spki(OTHER)
        assert again.client.obj.getpeercert(True) is None


@each_version
@pytest.mark.parametrize("whose", ["client's", "server's"])
def test_a_session_ends_with_the_trust_in_its_key(whose, version):
    context, theirs = client(spki(KEY), version=version, own=OTHER), server(KEY, spki(OTHER), types=["raw"])
    session = join(context, theirs).ok().client.obj.session
    if whose == "client's":
        context.set_trusted_public_keys([OTHER])
        assert join(context, theirs, session=session).shake().client.error.verify_code == 95
    else:
        theirs.set_trusted_public_keys([KEYS["RSA"]])
        pair = join(context, theirs, session=session).shake()
        assert pair.server.error.verify_code == 95
        assert not pair.client.obj.session_reused


# Which type


@each_version
@pytest.mark.parametrize(
    ("accepted", "loaded", "raw"),
    [
        (["raw", "x509"], "both", True),
        (["x509", "raw"], "both", True),  # the server's order decides
        (["x509"], "both", False),
        (["raw", "x509"], "x509", False),
        (["raw"], "both", True),
    ],
)
def test_types(accepted, loaded, raw, version, pki):
    context = client(spki(KEY), version=version, types=accepted)
    context.load_verify_locations(pki.ca)
    theirs = server_of(puretls, pki)
    if loaded == "both":
        theirs.load_raw_public_key(KEY)
    pair = join(context, theirs).ok()
    assert (pair.client.obj.getpeercert(True) is None) is raw
    if not raw:
        assert pair.client.obj.peer_public_key() == spki(pki.identity("P-256").key)
    if loaded == "both":
        theirs.server_certificate_types = ["x509"]
        pair = join(context, theirs).shake()
        assert (pair.client.error is None) is ("x509" in accepted)


@each_version
def test_nothing_in_common(version, pki):
    context = client(spki(KEY), version=version)
    pair = join(context, server_of(puretls, pki)).shake()  # which knows nothing of raw keys
    assert pair.client.error.reason == "UNKNOWN_CERTIFICATE_TYPE"
    assert pair.server.error.reason == "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"
    usual = client_of(puretls, pki)
    only(version, usual)
    pair = join(usual, server()).shake()
    assert pair.client.error.reason == "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"
    both = server_of(puretls, pki)
    both.load_raw_public_key(KEY)
    both.server_certificate_types = ["x509"]
    both.client_certificate_types = ["raw"]
    pair = join(context, both).shake()
    assert pair.server.error.reason == "BAD_EXTENSION"
    assert pair.client.error.reason == "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"


@each_version
def test_a_client_without_a_key(version, pki):
    theirs = server(KEY, spki(OTHER), types=["raw", "x509"])
    theirs.load_verify_locations(pki.ca)
    pair = join(client(spki(KEY), version=version), theirs).shake()
    assert pair.server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    with_certificate = client(spki(KEY), version=version)
    with_certificate.load_cert_chain(pki.chain("client"), pki.key("client"))
    assert join(with_certificate, theirs).ok().server.obj.getpeercert()["subject"]
    theirs.client_certificate_types = ["raw"]
    assert join(with_certificate, theirs).shake().server.error.reason == "UNKNOWN_CERTIFICATE_TYPE"
    theirs.verify_mode = puretls.CERT_OPTIONAL
    assert join(client(spki(KEY), version=version), theirs).ok().server.obj.peer_public_key() is None


def test_after_the_handshake():
    context, theirs = client(spki(KEY), version=V13, own=OTHER), server(KEY, spki(OTHER), types=["raw"])
    context.post_handshake_auth = theirs.post_handshake_auth = True
    pair = join(context, theirs).ok()
    assert pair.server.obj.peer_public_key() is None
    pair.server.obj.verify_client_post_handshake()
    pair.send(pair.server, b"who?")
    pair.send(pair.client, b"me")
    assert pair.server.obj.peer_public_key() == spki(OTHER)


def test_with_hello_retry_request_and_compression():
    context, theirs = client(spki(KEY), own=OTHER), server(KEY, spki(OTHER), types=["raw"])
    for one in (context, theirs):
        one.set_cert_compression(["zlib"])
    theirs.set_groups("secp384r1")
    pair = join(context, theirs).ok()
    assert (pair.client.obj.cert_compression(), pair.server.obj.cert_compression()) == (None, None)


@each_version
def test_a_context_that_sni_callback_chooses(version, pki):
    first, chosen = server_of(puretls, pki), server()
    first.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", chosen)
    assert join(client(spki(KEY), version=version), first).ok().client.obj.peer_public_key() == spki(KEY)
    first.load_raw_public_key(OTHER)
    assert join(client(spki(KEY), version=version), first).ok().client.obj.peer_public_key() == spki(KEY)


@each_version
def test_ocsp_is_not_asked_of_a_key(version):
    context = client(spki(KEY), version=version)
    context.request_ocsp, context.ocsp_policy = True, puretls.OCSPPolicy.CHECK
    assert join(context, server()).ok().client.obj.ocsp_response is None


# What is refused on the wire


def raw(key: Any = KEY) -> RawCredential:
    from puretls._crypto import signatures

    return RawCredential([spki(key)], key, key.public_key(), signatures.key_kind(key))


def configs(version: int, *, mutual: bool = False) -> tuple[Any, Any]:
    trust = {"types": (RAW,), "trusted_keys": (spki(KEY),), "verify_mode": puretls.CERT_REQUIRED}
    mine = client_config(versions=(version,), check_hostname=False, raw_keys=(raw(),), own_types=(RAW,), **trust)
    theirs = server_config(versions=(version,), raw_keys=(raw(),), own_types=(RAW,), credentials=())
    return mine, configured(theirs, **trust) if mutual else theirs


VERSIONS = pytest.mark.parametrize("number", [registry.TLS12, registry.TLS13], ids=["1.2", "1.3"])


def shown(version: int, *ders: bytes, extension: bytes = b"") -> bytes:
    """A Certificate message."""
    if version == registry.TLS12:
        return message(registry.CERTIFICATE, vec24(b"".join(ders)))
    entries = b"".join(vec24(der) + len(extension).to_bytes(2, "big") + extension for der in ders)
    return message(registry.CERTIFICATE, b"\x00" + vec24(entries))


@VERSIONS
@pytest.mark.parametrize("who", [CLIENT, SERVER])
@pytest.mark.parametrize(
    "what", ["nothing", "an empty key", "two", "a certificate", "rubbish", "a key and more", "X25519"]
)
def test_messages_that_are_none(what, who, number):
    mine, theirs = configs(number, mutual=True)
    exchange = x25519.X25519PrivateKey.generate()
    ders = {
        "nothing": (),
        "an empty key": (b"",),
        "two": (spki(KEY), spki(KEY)),
        "a certificate": (identity().ders[0],),
        "rubbish": (b"rubbish",),
        "a key and more": (spki(KEY) + b"\x00",),
        "X25519": (spki(exchange),),
    }[what]
    pair = Pair(mine, theirs)
    (pair.server if who == CLIENT else pair.client).lies["Certificate"] = lambda _: shown(number, *ders)
    refusal = pair.refusal()
    assert refusal.by == who
    assert refusal.fault.alert in {
        registry.DECODE_ERROR,
        registry.UNSUPPORTED_CERTIFICATE,
        registry.CERTIFICATE_REQUIRED,
        registry.HANDSHAKE_FAILURE,
    }


@pytest.mark.parametrize("left_out", [(), (19,), (20,), (19, 20)], ids=str)
def test_a_renegotiation(left_out):
    """It shows the keys again; one that changes the types of certificates is refused, by whoever sees it first."""
    pair = Pair(*configs(registry.TLS12, mutual=True)).handshake()
    again(pair, left_out)
    if left_out:
        assert pair.refusal().fault.alert == registry.DECODE_ERROR
        return
    pair.handshake().echo()
    assert {pair.client.peer.raw, pair.server.peer.raw} == {spki(KEY)}


def test_an_entry_has_no_extensions():
    mine, theirs = configs(registry.TLS13)
    pair = Pair(configured(mine, request_ocsp=True), theirs)
    staple = b"\x00\x05\x00\x05\x01\x00\x00\x01x"
    pair.server.lies["Certificate"] = lambda _: shown(registry.TLS13, spki(KEY), extension=staple)
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.alert) == (CLIENT, registry.UNSUPPORTED_EXTENSION)


@VERSIONS
@pytest.mark.parametrize(
    ("body", "alert"),
    [
        (b"", registry.DECODE_ERROR),
        (b"\x00", registry.DECODE_ERROR),
        (b"\x02\x02", registry.DECODE_ERROR),
        (b"\x01\x02\x00", registry.DECODE_ERROR),
        (b"\x01\x00", registry.ILLEGAL_PARAMETER),
        (b"\x01\x01", registry.UNSUPPORTED_CERTIFICATE),
        (b"\x02\x01\x03", registry.UNSUPPORTED_CERTIFICATE),
    ],
)
@pytest.mark.parametrize("kind", [registry.CLIENT_CERTIFICATE_TYPE, registry.SERVER_CERTIFICATE_TYPE])
def test_offers_that_are_none(kind, body, alert, number):
    mine, theirs = configs(number, mutual=True)
    pair = Pair(mine, theirs)
    pair.client.lies["ClientHello"] = hello({kind: body})
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.alert) == (SERVER, alert)


@VERSIONS
@pytest.mark.parametrize("body", [b"", b"\x00", b"\x01", b"\x03", b"\x02\x02"])
@pytest.mark.parametrize("kind", [registry.CLIENT_CERTIFICATE_TYPE, registry.SERVER_CERTIFICATE_TYPE])
def test_answers_that_are_none(kind, body, number):
    """A type that was not offered, or no type: also the one that everybody has."""
    mine, theirs = configs(number, mutual=True)
    pair = Pair(mine, theirs)
    if number == registry.TLS13:
        pair.server.lies["EncryptedExtensions"] = extensions(**{f"x{kind}": body})
    else:
        pair.server.lies["ServerHello"] = hello({kind: body})
    refusal = pair.refusal()
    assert refusal.by == CLIENT
    assert refusal.fault.alert == (registry.ILLEGAL_PARAMETER if len(body) == 1 else registry.DECODE_ERROR)


@VERSIONS
def test_a_server_that_answers_what_was_not_asked(number):
    pair = Pair(client_config(versions=(number,)), server_config(versions=(number,)))
    body = {registry.SERVER_CERTIFICATE_TYPE: b"\x02"}
    if number == registry.TLS13:
        pair.server.lies["EncryptedExtensions"] = extensions(x20=b"\x02")
    else:
        pair.server.lies["ServerHello"] = hello(body)
    assert pair.refusal().fault.alert == registry.UNSUPPORTED_EXTENSION


def test_a_server_that_shows_a_key_to_who_takes_certificates(pki):
    """Without the extension a certificate is expected, and a key is none."""
    for number in (registry.TLS12, registry.TLS13):
        pair = Pair(client_config(versions=(number,)), server_config(versions=(number,)))
        pair.server.lies["Certificate"] = lambda _, number=number: shown(number, spki(KEY))
        refusal = pair.refusal()
        assert refusal.by == CLIENT
        assert refusal.fault.alert in {registry.BAD_CERTIFICATE, registry.DECODE_ERROR}
    del pki


def test_compressed_keys_are_refused():
    import zlib

    from puretls._wire import compression

    mine, theirs = configs(registry.TLS13)
    pair = Pair(configured(mine, compressions=(compression.by_name("zlib"),)), theirs)

    def squeeze(plain: bytes) -> bytes:
        body = b"\x00\x01" + (len(plain) - 4).to_bytes(3, "big") + vec24(zlib.compress(plain[4:]))
        return message(registry.COMPRESSED_CERTIFICATE, body)

    pair.server.lies["Certificate"] = squeeze
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.reason) == (CLIENT, "UNEXPECTED_MESSAGE")


@pytest.mark.parametrize(
    "der", [b"", b"\x30\x00", b"rubbish", spki(KEY)[:-1], spki(KEY) + b"x", os.urandom(91)], ids=range(6)
)
def test_keys_that_are_none(der):
    with pytest.raises(ValueError, match=r".*"):
        RawKey(der)
    with pytest.raises(ValueError, match=r".*"):
        client().set_trusted_public_keys([der])


# Settings, and over what


def test_forms_of_keys(tmp_path: Path):
    file = tmp_path / "key.pem"
    file.write_bytes(pem(KEY))
    for form in (file, str(file), pem(KEY), pem(KEY).decode(), KEY):
        assert join(client(KEY.public_key()), server(form)).ok().client.obj.peer_public_key() == spki(KEY)
    with pytest.raises(puretls.SSLError):
        server(b"-----BEGIN NOTHING-----\n")
    with pytest.raises(puretls.SSLError, match="unknown certificate type"):
        server(type("K", (), {"public_key": lambda _: x25519.X25519PrivateKey.generate().public_key(), "sign": 0})())
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(puretls.SSLError, match="too small"):
        server(weak)


def test_settings():
    context = client()
    assert puretls.HAS_RAW_PUBLIC_KEYS
    plain = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    assert (plain.server_certificate_types, plain.client_certificate_types) == (["x509"], ["x509"])
    assert context.server_certificate_types == ["raw"]
    for wrong in ([], ["raw", "raw"], ["RAW"], ["x509", "pgp"], [2]):
        for name in ("server_certificate_types", "client_certificate_types"):
            with pytest.raises(ValueError, match="raw"):
                setattr(context, name, wrong)
    for odd in ("raw", b"raw", 5):
        with pytest.raises(TypeError):
            context.server_certificate_types = odd
    for odd in (spki(KEY), "key", 5, [5], None):
        with pytest.raises(TypeError):
            context.set_trusted_public_keys(odd)


def test_over_sockets():
    ours, theirs = socket.socketpair()
    found: list[Any] = []
    context = server(KEY, spki(OTHER), types=["raw"])

    def serve() -> None:
        with context.wrap_socket(theirs, server_side=True) as tls:
            found.append(tls.peer_public_key())
            tls.sendall(tls.recv(10))

    thread = threading.Thread(target=serve)
    thread.start()
    with client(spki(KEY), own=OTHER).wrap_socket(ours) as tls:
        tls.sendall(b"ping")
        assert tls.recv(10) == b"ping"
        assert tls.peer_public_key() == spki(KEY)
    thread.join(PATIENCE)
    assert found == [spki(OTHER)]


def test_over_asyncio():
    async def main() -> None:
        async def echo(reader: Any, writer: Any) -> None:
            assert writer.get_extra_info("ssl_object").peer_public_key() == spki(OTHER)
            writer.write(await reader.readexactly(4))
            writer.close()

        context = server(KEY, spki(OTHER), types=["raw"])
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=context) as serving:
            port = serving.sockets[0].getsockname()[1]
            reader, writer = await puretls.asyncio.open_connection(
                "127.0.0.1", port, ssl=client(spki(KEY), own=OTHER), server_hostname=""
            )
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            assert writer.get_extra_info("ssl_object").peer_public_key() == spki(KEY)
            writer.close()
            with pytest.raises(puretls.SSLCertVerificationError):
                await puretls.asyncio.open_connection(
                    "127.0.0.1", port, ssl=client(spki(OTHER), own=OTHER), server_hostname=""
                )

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    gc.collect()


# GnuTLS

PRIORITY = "NORMAL:-CTYPE-ALL:+CTYPE-RAWPK:-VERS-ALL:+VERS-TLS{}"


@each_version
def test_gnutls_serves(version, tmp_path: Path):
    need("gnutls-serv")
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    key.write_bytes(pem(KEY))
    public.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    port = free_port()
    served = (
        "gnutls-serv", "--port", port, "--echo", "--rawpkkeyfile", key, "--rawpkfile", public, "--disable-client-cert",
        "--priority", PRIORITY.format("1.2" if version == V12 else "1.3"),
    )  # fmt: skip
    with running(tmp_path, *served):
        with dial(port) as sock, client(spki(KEY), version=version).wrap_socket(sock) as tls:
            assert tls.peer_public_key() == spki(KEY)
            tls.sendall(b"through\n")
            assert tls.recv(100) == b"through\n"
        with dial(port) as sock, pytest.raises(puretls.SSLCertVerificationError):
            client(spki(OTHER), version=version).wrap_socket(sock)


@each_version
def test_gnutls_connects(version, tmp_path: Path):
    need("gnutls-cli")
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    key.write_bytes(pem(OTHER))
    public.write_bytes(OTHER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    context = server(KEY, spki(OTHER), types=["raw"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        command = (
            "gnutls-cli", "--port", listener.getsockname()[1], "localhost", "--insecure", "--rawpkkeyfile", key,
            "--rawpkfile", public, "--priority", PRIORITY.format("1.2" if version == V12 else "1.3"),
        )  # fmt: skip
        with running(tmp_path, *command) as program:
            sock = listener.accept()[0]
            sock.settimeout(PATIENCE)
            with context.wrap_socket(sock, server_side=True) as tls:
                program.send(b"through\n")
                assert tls.recv(100) == b"through\n"
                assert tls.peer_public_key() == spki(OTHER)


def test_types_are_numbers_of_the_registry():
    assert tuple(registry.RAW_OR_X509) == (X509, RAW)
