"""Keys that are elsewhere: what they sign is verified before it is sent; PKCS #1 in TLS 1.3 for those without PSS."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import puretls
import puretls.asyncio
from puretls._base.registry import SIGNATURE_ALGORITHMS
from puretls._crypto.signatures import OF_CLIENTS
from puretls._engine import authenticate
from puretls._wire import extensions
from puretls.cli.certs import Authority, Identity
from puretls.keys import CallableKey, operation
from support.bios import ObjectPair, join
from support.both import V12, V13, only

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
each_role = pytest.mark.parametrize("role", ["client", "server"])
LEGACY = [scheme.name for scheme in OF_CLIENTS]
NO_PSS = ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"]


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("a root")


def meeting(root: Authority, identity: Identity, key: Any, role: str, version: Any = None) -> tuple[Any, Any]:
    """Contexts of a client and a server who verify each other; one of them has this certificate."""
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    other = root.issue("localhost", client=role == "server")
    for context in (client, server):
        context.load_verify_locations(cadata=root.pem.decode())
        shown = (identity, key) if context is (client if role == "client" else server) else (other, other.key)
        context.load_cert_chain(shown[0].chain_pem, shown[1])
    server.verify_mode = puretls.CERT_REQUIRED
    if version is not None:
        only(version, client)
    return client, server


def issued(root: Authority, role: str, kind: str = "P-256") -> Identity:
    return root.issue("localhost", kind=kind, client=role == "client")


def sides(pair: ObjectPair, role: str) -> tuple[Any, Any]:
    return (pair.client, pair.server) if role == "client" else (pair.server, pair.client)


@each_version
@each_role
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("wrong", ["another key", "another digest", "nothing", "one bit", "garbage"])
def test_a_wrong_signature_is_never_sent(root: Authority, version: Any, role: str, later: bool, wrong: str) -> None:
    identity, stranger = issued(root, role), ec.generate_private_key(ec.SECP256R1())
    made: list[bytes] = []

    def sign(data: bytes, *how: Any) -> Any:
        good = identity.key.sign(data, *how)
        bad = {
            "another key": lambda: stranger.sign(data, *how),
            "another digest": lambda: identity.key.sign(data + b"!", *how),
            "nothing": lambda: b"",
            "one bit": lambda: good[:-1] + bytes([good[-1] ^ 1]),
            "garbage": lambda: b"\x30\x06\x02\x01\x00\x02\x01\x00",
        }[wrong]()
        made.append(bad)
        if not later:
            return bad
        promise: Future[bytes] = Future()
        promise.set_result(bad)
        return promise

    sent = bytearray()
    client, server = meeting(root, identity, CallableKey(identity.key.public_key(), sign), role, version)
    pair = join(
        client, server, carry=lambda sender, data: (sent.extend(data) if sender == role else None) or data
    ).shake()
    mine, other = sides(pair, role)
    assert not mine.done
    assert mine.error.reason == "INTERNAL_ERROR"
    assert other.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert made
    assert not made[0] or version is V13 or bytes(made[0]) not in sent  # TLS 1.3 has it encrypted
    made.clear()
    context = client if role == "client" else server
    assert context.check_own_signatures is True
    context.check_own_signatures = False
    pair = join(client, server).shake()
    mine, other = sides(pair, role)
    assert other.error.reason in ("BAD_SIGNATURE", "LENGTH_MISMATCH")


def test_keys_of_cryptography_are_taken_at_their_word(root: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is verified that was made here: it costs nothing."""
    from puretls._crypto import signatures

    identity, counted = issued(root, "server"), []
    verify = signatures.verify
    monkeypatch.setattr(signatures, "verify", lambda *args: counted.append(args[0].name) or verify(*args))
    for key, expected in ((identity.key, 1), (CallableKey(identity.key.public_key(), identity.key.sign), 2)):
        counted.clear()
        client, server = meeting(root, identity, key, "server")
        server.verify_mode = puretls.CERT_NONE
        join(client, server).ok()
        assert len(counted) == expected


@pytest.mark.parametrize("version", [V12, None], ids=["1.2", "either"])
@pytest.mark.parametrize("schemes", ["rsa_pkcs1_sha256_legacy", "mldsa65"])
def test_no_scheme_for_this_version_is_the_servers_fault(root: Authority, version: Any, schemes: str) -> None:
    """It has nothing to ask a client of TLS 1.2 for; an empty list would be no message."""
    identity = issued(root, "client")
    client, server = meeting(root, identity, identity.key, "client", version)
    server.set_client_sigalgs(schemes)
    pair = join(client, server).shake()
    if version is V12:
        assert pair.server.error.reason == "NO_SUITABLE_SIGNATURE_ALGORITHM"
        assert pair.client.error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    else:
        assert pair.server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_schemes_of_a_key_are_names(root: Authority) -> None:
    identity = issued(root, "server")
    key = CallableKey(identity.key.public_key(), identity.key.sign, signature_algorithms=[0x0403])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="signature_algorithms"):
        puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(identity.chain_pem, key)


@each_version
@each_role
@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "Ed25519"])
@pytest.mark.parametrize("given", ["key", "PEM", "DER", "text"])
def test_a_callable_key(root: Authority, version: Any, role: str, kind: str, given: str) -> None:
    identity = issued(root, role, kind)
    public = identity.key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    half = {
        "key": public,
        "PEM": pem,
        "text": pem.decode(),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    }[given]
    asked: list[Any] = []

    def sign(data: bytes, *how: Any) -> bytes:
        asked.append(operation(*how))
        return identity.key.sign(data, *how)  # type: ignore[no-any-return]

    client, server = meeting(root, identity, CallableKey(half, sign), role, version)
    join(client, server).ok()
    (one,) = asked
    wanted = {"RSA": ("RSA-PSS", "sha256"), "P-256": ("ECDSA", "sha256"), "P-384": ("ECDSA", "sha384")}
    assert one[:1] == wanted.get(kind, ("PURE", None))[:1]
    if version is V13:
        assert one == wanted.get(kind, ("PURE", None))
    assert "sign" not in repr(CallableKey(half, sign))


def test_what_a_callable_key_is_made_of(root: Authority) -> None:
    key = issued(root, "server").key
    assert not hasattr(CallableKey(key.public_key(), key.sign), "signature_algorithms")
    named = CallableKey(key.public_key(), key.sign, signature_algorithms=["ecdsa_secp256r1_sha256"])
    assert named.signature_algorithms == ("ecdsa_secp256r1_sha256",)
    assert not hasattr(named, "decrypt")
    with pytest.raises(TypeError):
        CallableKey(key.public_key(), b"no function")  # type: ignore[arg-type]
    with pytest.raises(ValueError):  # cryptography says it in its own words
        CallableKey(b"no key", key.sign)
    with pytest.raises(ValueError, match="no operation"):
        operation(object(), object())


@each_version
def test_over_asyncio(root: Authority, version: Any) -> None:
    identity = issued(root, "server", "RSA")

    async def sign(data: bytes, *how: Any) -> bytes:
        await asyncio.sleep(0)
        return identity.key.sign(data, *how)  # type: ignore[no-any-return]

    client, server = meeting(root, identity, CallableKey(identity.key.public_key(), sign), "server", version)
    server.verify_mode = puretls.CERT_NONE

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async def work() -> bytes:
        async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await puretls.asyncio.open_connection("localhost", port, ssl=client)
            found = await reader.read()
            writer.close()
            return found

    assert asyncio.run(work()) == b"hello"


def test_no_static_rsa_with_a_key_that_only_signs(root: Authority) -> None:
    identity = issued(root, "server", "RSA")
    for key, works in ((identity.key, True), (CallableKey(identity.key.public_key(), identity.key.sign), False)):
        client, server = meeting(root, identity, key, "server", V12)
        for context in (client, server):
            context.set_ciphers("AES128-GCM-SHA256")
        assert join(client, server).shake().server.done is works


# RFC 9963


class WithoutPss:
    """An RSA key whose token knows PKCS #1 only."""

    def __init__(self, key: Any, *schemes: str) -> None:
        self.inside, self.public_key = key, key.public_key
        self.signature_algorithms = schemes or NO_PSS

    def sign(self, data: bytes, pad: Any, *how: Any) -> bytes:
        assert isinstance(pad, padding.PKCS1v15)
        return self.inside.sign(data, pad, *how)  # type: ignore[no-any-return]


@pytest.mark.parametrize("scheme", LEGACY)
@pytest.mark.parametrize("post_handshake", [False, True])
def test_pkcs1_for_clients_if_the_server_asks(root: Authority, scheme: str, post_handshake: bool) -> None:
    identity = issued(root, "client", "RSA")
    client, server = meeting(root, identity, WithoutPss(identity.key), "client", V13)
    server.set_client_sigalgs(f"rsa_pss_rsae_sha256:{scheme}")
    if post_handshake:
        client.post_handshake_auth = server.post_handshake_auth = True
    pair = join(client, server).ok()
    if post_handshake:
        pair.server.obj.verify_client_post_handshake()
        pair.send(pair.server, b"?")
        pair.send(pair.client, b"!")
    assert pair.server.obj.getpeercert()["subject"]
    assert pair.server.obj.client_sigalg() == pair.client.obj.client_sigalg() == scheme


def test_not_if_the_server_does_not_ask(root: Authority) -> None:
    identity = issued(root, "client", "RSA")
    client, server = meeting(root, identity, WithoutPss(identity.key), "client", V13)
    pair = join(client, server).shake()
    assert pair.server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_not_for_a_key_that_knows_pss(root: Authority) -> None:
    identity = issued(root, "client", "RSA")
    for key in (identity.key, WithoutPss(identity.key, *NO_PSS, "rsa_pss_rsae_sha512")):
        client, server = meeting(root, identity, key, "client", V13)
        server.set_client_sigalgs(LEGACY[0])
        pair = join(client, server).shake()
        assert pair.server.error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


@pytest.mark.parametrize("scheme", LEGACY)
def test_never_of_servers_and_never_in_a_client_hello(root: Authority, scheme: str) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    with pytest.raises(puretls.SSLError, match="clients only"):
        context.set_server_sigalgs(f"rsa_pss_rsae_sha256:{scheme}")
    identity = issued(root, "server", "RSA")
    client, server = meeting(root, identity, WithoutPss(identity.key), "server", V13)
    client.set_client_sigalgs(f"{scheme}:rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256")
    hellos: list[Any] = []
    server.sni_callback = lambda sslobj, *_: hellos.append(sslobj.client_hello)
    pair = join(client, server).shake()
    assert pair.server.error.reason == "UNSUPPORTED_PROTOCOL"
    assert not {one.code for one in OF_CLIENTS} & set(hellos[0].signature_algorithms)
    assert scheme not in puretls.get_sigalgs()


def test_a_server_whose_key_has_no_pss_serves_tls_1_2(root: Authority) -> None:
    identity = issued(root, "server", "RSA")
    client, server = meeting(root, identity, WithoutPss(identity.key), "server")
    server.verify_mode = puretls.CERT_NONE
    pair = join(client, server).ok()
    assert (pair.client.obj.version(), pair.client.obj.server_sigalg()) == ("TLSv1.2", "rsa_pkcs1_sha256")


def test_the_request_names_them_only_if_they_were_named() -> None:
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for named, expected in ((None, set()), (f"ed25519:{LEGACY[1]}", {0x0520})):
        if named:
            server.set_client_sigalgs(named)
        block = server._config(server_side=True).request_extensions
        body = block[4 : 4 + int.from_bytes(block[2:4], "big")]
        assert int.from_bytes(block[:2], "big") == SIGNATURE_ALGORITHMS
        assert set(extensions.numbers(body)) & {0x0420, 0x0520, 0x0620} == expected


def test_tls_1_2_has_its_own_way(root: Authority) -> None:
    identity = issued(root, "client", "RSA")
    client, server = meeting(root, identity, WithoutPss(identity.key), "client", V12)
    server.set_client_sigalgs(f"{LEGACY[0]}:rsa_pkcs1_sha256")
    assert join(client, server).ok().server.obj.client_sigalg() == "rsa_pkcs1_sha256"


def test_who_uses_one_that_was_not_offered_is_refused(root: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of another make."""
    identity = issued(root, "client", "RSA")
    client, server = meeting(root, identity, WithoutPss(identity.key), "client", V13)
    server.set_client_sigalgs("rsa_pss_rsae_sha256")
    choose, pretended = authenticate.choose, OF_CLIENTS[0]

    def pretend(config: Any, *rest: Any, **more: Any) -> Any:
        mine = config.policy.check_hostname
        return (config.credentials[0], pretended) if mine else choose(config, *rest, **more)

    monkeypatch.setattr(authenticate, "choose", pretend)
    pair = join(client, server).shake()
    assert pair.server.error.reason == "WRONG_SIGNATURE_TYPE"
    assert pair.client.error.reason == "SSLV3_ALERT_ILLEGAL_PARAMETER"


def test_an_rsa_key_is_not_asked_for_what_it_cannot_do() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert WithoutPss(key).sign(b"x", padding.PKCS1v15(), SHA256())
