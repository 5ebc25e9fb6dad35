"""client_hello, add_cert_chain(), selected_cert_chain() and set_alpn_select_callback(): choices by a first message."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
import puretls.asyncio
from puretls._base import registry
from puretls._wire.codec import vec16
from puretls.cli.certs import Authority, Identity
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only, server_of
from support.encrypted import PUBLIC, SECRET, Site, listed, new_key

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """What was reported to sys.unraisablehook."""
    seen: list[type] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_type))
    return seen


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("a root")


# client_hello


def seen_by(client: Any, server: Any, host: str | None = "localhost") -> Any:
    found: list[Any] = []
    server.sni_callback = lambda sslobj, *_: found.append(sslobj.client_hello)
    pair = join(client, server, host=host).ok()
    (hello,) = found
    assert pair.server.obj.client_hello is hello  # as somebody has read it
    assert pair.client.obj.client_hello is None
    return hello


def test_what_a_client_has_said(pki: Any) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.set_alpn_protocols(["h2", "http/1.1"])
    client.client_ca_names = [pki.root.certificate]
    client.grease = False
    hello = seen_by(client, server)
    assert type(hello) is puretls.ClientHello
    assert hello.server_name == "localhost"
    assert hello.alpn_protocols == ("h2", "http/1.1")
    assert hello.versions == (puretls.TLSVersion.TLSv1_3, puretls.TLSVersion.TLSv1_2)
    assert all(type(version) is puretls.TLSVersion for version in hello.versions)
    assert hello.cipher_suites[0] == 0x1302
    assert hello.cipher_suites[0].name == "TLS_AES_256_GCM_SHA384"
    assert hello.groups[0] == 0x11EC
    assert hello.groups[0].name == "X25519MLKEM768"
    assert "x25519" in [group.name for group in hello.groups]
    assert {0x0403, 0x0804} <= set(hello.signature_algorithms)
    assert "ecdsa_secp256r1_sha256" in [scheme.name for scheme in hello.signature_algorithms]
    assert {0, 16, 43, 51} <= set(hello.extensions)
    assert hello.certificate_authorities == (pki.root.certificate.subject.public_bytes(),)
    assert (hello.early_data, hello.ech_accepted) == (False, False)
    assert hello.raw[0] == registry.CLIENT_HELLO
    assert int.from_bytes(hello.raw[1:4], "big") == len(hello.raw) - 4
    assert hello.ja4.startswith("t13d")
    assert puretls.HAS_CLIENT_HELLO


READ = {
    "server_name": registry.SERVER_NAME,
    "alpn_protocols": registry.ALPN,
    "versions": registry.SUPPORTED_VERSIONS,
    "groups": registry.SUPPORTED_GROUPS,
    "signature_algorithms": registry.SIGNATURE_ALGORITHMS,
    "certificate_authorities": registry.CERTIFICATE_AUTHORITIES,
}
SAID = [name for name in dir(puretls.ClientHello) if not name.startswith("_")]
UNREADABLE = [b"", b"\0", b"\0\0", b"\xff\xff", b"\0\1x", b"\0\3\0\0", b"\0\5\0\0\2x", b"\3\3\4\3"]


@pytest.mark.parametrize("what", [*READ, "cipher_suites"])
@pytest.mark.parametrize("body", UNREADABLE, ids=repr)
def test_what_cannot_be_read_is_as_if_it_were_not_there(pki: Any, what: str, body: bytes) -> None:
    """The program that logs whom it has refused, or asks in a callback, gets no exception that is ours alone."""
    extensions = {
        registry.SUPPORTED_VERSIONS: b"\2\3\4",
        registry.SUPPORTED_GROUPS: vec16(b"\0\x17"),
        registry.SIGNATURE_ALGORITHMS: vec16(b"\4\3"),
        registry.KEY_SHARE: vec16(b""),
        registry.SERVER_NAME: vec16(b"\0" + vec16(b"localhost")),
    }
    suites = body if what == "cipher_suites" else b"\x13\1"
    if what in READ:
        extensions[READ[what]] = body
    block = b"".join(number.to_bytes(2, "big") + vec16(content) for number, content in extensions.items())
    raw = b"\3\3" + bytes(32) + b"\0" + vec16(suites) + b"\1\0" + vec16(block)
    context = server_of(puretls, pki)
    seen: list[Any] = []
    context.sni_callback = lambda sslobj, *_: seen.append([getattr(sslobj.client_hello, name) for name in SAID])
    incoming = puretls.MemoryBIO()
    server = context.wrap_bio(incoming, puretls.MemoryBIO(), server_side=True)
    incoming.write(b"\x16\3\1" + vec16(b"\1\0" + vec16(raw)))
    with pytest.raises(puretls.SSLError) as caught:  # or it wants to read what comes next
        server.do_handshake()
    assert caught.value.reason != "CALLBACK_FAILED"
    hello = server.client_hello
    if hello is not None:
        assert all(getattr(hello, name) is not None for name in SAID if name != "server_name")


def test_grease_is_among_it_in_its_place(pki: Any) -> None:
    client = client_of(puretls, pki)
    client.check_hostname = False
    hello = seen_by(client, server_of(puretls, pki), None)
    assert hello.server_name is None
    assert hello.alpn_protocols == ()
    assert hello.cipher_suites[0] in registry.GREASE
    assert hello.cipher_suites[0].name == f"0x{hello.cipher_suites[0]:04x}"
    assert any(number in registry.GREASE for number in hello.extensions)


def test_versions_of_a_client_that_knows_no_extension_for_them(pki: Any) -> None:
    client = client_of(puretls, pki)
    only(V12, client)
    hello = seen_by(client, server_of(puretls, pki))
    assert hello.versions[0] is puretls.TLSVersion.TLSv1_2
    assert set(hello.versions) == {0x0303, 0x0302, 0x0301}


@each_version
def test_it_is_freed_unless_somebody_has_read_it(pki: Any, version: Any) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    pair = join(client, server).ok()
    assert pair.server.obj.client_hello is None
    assert pair.server.obj._sslobj._conn.handshake.draft.hello is None


def test_it_is_there_in_every_callback_of_a_server(pki: Any) -> None:
    client, server = client_of(puretls, pki, identity="client"), server_of(puretls, pki, asks=2)
    client.set_alpn_protocols(["h2"])
    found: list[Any] = []
    server.set_alpn_select_callback(lambda sslobj, _names: found.append(sslobj.client_hello) or None)
    server.verify_callback = lambda sslobj, _info: found.append(sslobj.client_hello)
    join(client, server).ok()
    assert len(found) == 2
    assert found[0] is found[1] is not None


@pytest.mark.parametrize("retried", [False, True])
def test_with_encrypted_client_hello_it_is_the_inner_one(pki: Any, retried: bool) -> None:
    site, key = Site(pki), new_key()
    client, server = site.client(listed(key)), site.server(key)
    if retried:
        client.set_groups("*X25519:P-256")
        server.set_groups("P-256")
    hello = seen_by(client, server, SECRET)
    assert hello.ech_accepted
    assert hello.server_name == SECRET
    other = seen_by(site.client(), site.server(key), PUBLIC)
    assert not other.ech_accepted


def test_the_first_of_two(pki: Any) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.set_groups("*X25519:P-384")
    server.set_groups("P-384")
    hello = seen_by(client, server)
    assert len([one for one in hello.extensions if one == registry.KEY_SHARE]) == 1


# Several certificates


def files(identity: Identity) -> tuple[bytes, bytes]:
    return identity.chain_pem, identity.key_pem


def serving(*added: tuple[Identity, dict[str, Any]], loaded: Identity | None = None) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    if loaded is not None:
        context.load_cert_chain(*files(loaded))
    for identity, options in added:
        context.add_cert_chain(*files(identity), **options)
    return context


def visiting(root: Authority, version: Any = None, **options: Any) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=root.pem.decode())
    context.check_hostname = False
    if version is not None:
        only(version, context)
    if sigalgs := options.get("sigalgs"):
        context.set_server_sigalgs(sigalgs)
    if authorities := options.get("authorities"):
        context.client_ca_names = authorities
    return context


def shown(client: Any, server: Any, host: str | None) -> Any:
    """The certificate that a server has shown."""
    pair = join(client, server, host=host).ok()
    chain = pair.client.obj.get_unverified_chain()
    assert pair.server.obj.selected_cert_chain() == chain
    assert pair.client.obj.selected_cert_chain() == []
    return chain[0]


def der(identity: Identity) -> bytes:
    return identity.certificate.public_bytes(Encoding.DER)


@each_version
@pytest.mark.parametrize("retry", [False, True])
def test_ten_names_in_one_context(root: Authority, version: Any, retry: bool) -> None:
    names = [f"host{number}.example" for number in range(10)]
    identities = [root.issue(name) for name in names]
    wild, other = root.issue("*.wild.example", "wild.example"), root.issue("renamed.example")
    server = serving(
        *((one, {}) for one in identities), (wild, {}), (other, {"names": ["a.named.example", "*.named.example"]})
    )
    client = visiting(root, version)
    if retry and version is V13:
        client.set_groups("*X25519:P-384")
        server.set_groups("P-384")
    for name, identity in zip(names, identities, strict=True):
        assert shown(client, server, name) == der(identity)
        assert shown(client, server, name.upper()) == der(identity)
    for name in ("x.wild.example", "wild.example"):
        assert shown(client, server, name) == der(wild)
    for name in ("a.named.example", "b.named.example"):
        assert shown(client, server, name) == der(other)
    for name in ("renamed.example", "nobody.example", "x.y.wild.example", "named.example", None):
        assert shown(client, server, name) == der(identities[0])  # for which there is none: the first


@each_version
@pytest.mark.parametrize("first", ["P-256", "RSA", "Ed25519"])
def test_the_first_with_a_scheme_that_the_client_accepts(root: Authority, version: Any, first: str) -> None:
    kinds = [first, *({"P-256", "RSA", "Ed25519"} - {first})]
    identities = {kind: root.issue("a.example", kind=kind) for kind in kinds}
    server = serving(*((identities[kind], {}) for kind in kinds))
    schemes = {"P-256": "ecdsa_secp256r1_sha256", "RSA": "rsa_pss_rsae_sha256", "Ed25519": "ed25519"}
    # the CA signs with ECDSA, so its scheme is needed for that; leaves are told apart by what they can sign with
    assert shown(visiting(root, version), server, "a.example") == der(identities[first])
    for kind in kinds:
        assert shown(visiting(root, version, sigalgs=schemes[kind]), server, "a.example") == der(identities[kind])


@each_version
def test_names_come_before_schemes(root: Authority, version: Any) -> None:
    here, there = root.issue("a.example", kind="RSA"), root.issue("b.example")
    server = serving((here, {}), (there, {}))
    pair = join(visiting(root, version, sigalgs="ecdsa_secp256r1_sha256"), server, host="a.example").shake()
    wanted = "NO_SUITABLE_SIGNATURE_ALGORITHM" if version is V13 else "NO_SHARED_CIPHER"
    assert pair.server.error.reason == wanted
    assert shown(visiting(root, version, sigalgs="ecdsa_secp256r1_sha256"), server, None) == der(there)


@each_version
def test_static_rsa_decrypts_with_the_one_that_was_shown(root: Authority, version: Any) -> None:
    if version is V13:
        pytest.skip("there is none")
    names = ("a.example", "b.example")
    identities = [root.issue(name, kind="RSA") for name in names]
    server, client = serving(*((one, {}) for one in identities)), visiting(root, version)
    for context in (client, server):
        context.set_ciphers("AES128-GCM-SHA256")
    for name, identity in zip(names, identities, strict=True):
        assert shown(client, server, name) == der(identity)


def test_a_curve_that_the_client_has(root: Authority) -> None:
    wide, narrow = root.issue("a.example", kind="P-521"), root.issue("a.example")
    server = serving((wide, {}), (narrow, {}))
    client = visiting(root, V12)
    client.set_groups("P-256")
    assert shown(client, server, "a.example") == der(narrow)
    assert shown(visiting(root, V12), server, "a.example") == der(wide)


@each_version
def test_what_was_loaded_comes_first_and_is_replaced_alone(root: Authority, version: Any) -> None:
    loaded, again = root.issue("a.example"), root.issue("a.example")
    added = root.issue("a.example")
    server = serving((added, {}), loaded=loaded)
    assert shown(visiting(root, version), server, "a.example") == der(loaded)
    server.load_cert_chain(*files(again))
    assert shown(visiting(root, version), server, "a.example") == der(again)
    assert len(server._config(server_side=True).credentials) == 2


@each_version
@pytest.mark.parametrize("role", ["client", "server"])
def test_must_match_issuer(version: Any, role: str) -> None:
    one, two = Authority("issuer one"), Authority("issuer two")
    client_side = role == "client"
    picky = one.issue("a.example", client=client_side)
    plain = two.issue("a.example", client=client_side)
    for wanted, authorities in (
        (plain, []),
        (plain, [two.certificate]),
        (picky, [one.certificate]),
        (picky, [two.certificate, one.certificate]),
    ):
        if role == "server" and version is V12 and authorities:
            continue  # certificate_authorities is an extension of TLS 1.3
        server, client = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), visiting(one, version)
        client.load_verify_locations(cadata=two.pem.decode())
        server.load_verify_locations(cadata=(one.pem + two.pem).decode())
        chooser, asker = (client, server) if client_side else (server, client)
        chooser.add_cert_chain(*files(picky), must_match_issuer=True)
        chooser.add_cert_chain(*files(plain))
        asker.client_ca_names = authorities
        if client_side:
            server.load_cert_chain(*files(one.issue("a.example")))
            server.verify_mode = puretls.CERT_REQUIRED
        pair = join(client, server, host="a.example").ok()
        side = pair.client if client_side else pair.server
        other = pair.server if client_side else pair.client
        assert side.obj.selected_cert_chain()[0] == der(wanted) == other.obj.getpeercert(True)


def test_nothing_matches(root: Authority) -> None:
    server = serving((root.issue("a.example"), {"must_match_issuer": True}))
    pair = join(visiting(root), server, host="a.example").shake()
    assert pair.server.error.reason == "NO_SUITABLE_SIGNATURE_ALGORITHM"


@each_version
def test_clients_choose_by_scheme(root: Authority, version: Any) -> None:
    first, second = root.issue("me", client=True, kind="RSA"), root.issue("me", client=True)
    client = visiting(root, version)
    client.add_cert_chain(*files(first))
    client.add_cert_chain(*files(second))
    server = serving(loaded=root.issue("a.example"))
    server.load_verify_locations(cadata=root.pem.decode())
    server.verify_mode = puretls.CERT_REQUIRED
    assert join(client, server, host="a.example").ok().server.obj.getpeercert(True) == der(first)
    server.set_client_sigalgs("ecdsa_secp256r1_sha256")
    assert join(client, server, host="a.example").ok().server.obj.getpeercert(True) == der(second)


def test_clients_choose_after_the_handshake_too() -> None:
    one, two = Authority("issuer one"), Authority("issuer two")
    client, server = visiting(one), serving(loaded=one.issue("a.example"))
    for authority in (one, two):
        client.add_cert_chain(*files(authority.issue("me", client=True)), must_match_issuer=True)
    server.load_verify_locations(cadata=(one.pem + two.pem).decode())
    server.verify_mode, server.client_ca_names = puretls.CERT_REQUIRED, [two.certificate]
    client.post_handshake_auth = server.post_handshake_auth = True
    pair = join(client, server, host="a.example").ok()
    pair.server.obj.verify_client_post_handshake()
    pair.send(pair.server, b"?")
    pair.send(pair.client, b"!")
    assert pair.server.obj.getpeercert()["issuer"] == ((("commonName", "issuer two"),),)


@each_version
def test_signature_algorithms_of_one(root: Authority, version: Any) -> None:
    identity = root.issue("a.example", kind="RSA")
    server = serving((identity, {"signature_algorithms": ["rsa_pss_rsae_sha384"]}))
    pair = join(visiting(root, version), server, host="a.example").ok()
    assert pair.server.obj.server_sigalg() == "rsa_pss_rsae_sha384"
    pair = join(visiting(root, version, sigalgs="rsa_pss_rsae_sha256"), server, host="a.example").shake()
    assert not pair.server.done


class PickyKey:
    """A key that says what it can do."""

    def __init__(self, identity: Identity, *schemes: str) -> None:
        self.public_key = identity.key.public_key
        self.sign = identity.key.sign
        self.signature_algorithms = schemes


@each_version
def test_signature_algorithms_of_a_key(root: Authority, version: Any) -> None:
    identity = root.issue("a.example", kind="RSA")
    for load in ("load_cert_chain", "add_cert_chain"):
        server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        key = PickyKey(identity, "rsa_pss_rsae_sha512", "of the future")
        getattr(server, load)(identity.chain_pem, key)
        assert join(visiting(root, version), server, host=None).ok().server.obj.server_sigalg() == "rsa_pss_rsae_sha512"


@each_version
def test_a_staple_and_timestamps_of_one(root: Authority, version: Any) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import ocsp

    identity, plain = root.issue("a.example"), root.issue("b.example")
    now = identity.certificate.not_valid_before_utc
    builder = ocsp.OCSPResponseBuilder().add_response(
        identity.certificate, root.certificate, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, now, None, None, None
    )
    response = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, root.certificate).sign(root.key, hashes.SHA256())
    staple, scts = response.public_bytes(Encoding.DER), [b"one", b"two"]
    del x509
    server = serving((identity, {"ocsp_response": staple, "sct_list": scts}), (plain, {}))
    client = visiting(root, version)
    client.request_ocsp, client.ocsp_policy = True, puretls.OCSPPolicy.IGNORE
    assert join(client, server, host="a.example").ok().client.obj.ocsp_response == staple
    assert join(client, server, host="b.example").ok().client.obj.ocsp_response is None
    # the timestamps, as OpenSSL's client sees them, are in tests/peers; here: only for who has asked
    config = server._config(server_side=True)
    first, second = config.credentials
    number = registry.SIGNED_CERTIFICATE_TIMESTAMP
    sealed = vec16(b"".join(map(vec16, scts)))
    assert sealed in first.shown13({number: b""})
    assert sealed not in first.shown13({})
    assert sealed not in second.shown13({number: b""})


WRONG: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"names": []}, ValueError),
    ({"names": [""]}, ValueError),
    ({"names": ["a..b"]}, ValueError),
    ({"names": ["a.*.b"]}, ValueError),
    ({"names": [1]}, TypeError),
    ({"signature_algorithms": ["no such scheme"]}, ValueError),
    ({"signature_algorithms": []}, ValueError),
    ({"ocsp_response": b"none"}, ValueError),
    ({"ocsp_response": "none"}, TypeError),
    ({"sct_list": b"none"}, ValueError),
    ({"sct_list": []}, ValueError),
    ({"sct_list": [b""]}, ValueError),
    ({"certfile": b"none"}, OSError),
    ({"keyfile": "other"}, puretls.SSLError),
]


@pytest.mark.parametrize(("arguments", "error"), WRONG, ids=str)
def test_what_is_refused_changes_nothing(root: Authority, arguments: Any, error: type[Exception]) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    chain, key = files(root.issue("a.example"))
    arguments = {"certfile": chain, "keyfile": key, **arguments}
    if arguments["keyfile"] == "other":
        arguments["keyfile"] = root.issue("b.example").key_pem
    with pytest.raises(error):
        context.add_cert_chain(**arguments)
    assert context._config(server_side=True).credentials == ()
    assert context.certificate_not_after is None


@each_version
def test_nothing_is_selected_when_a_session_is_resumed(root: Authority, version: Any) -> None:
    server, client = serving((root.issue("a.example"), {})), visiting(root, version)
    session = join(client, server, host="a.example").ok().client.obj.session
    pair = join(client, server, host="a.example", session=session).ok()
    assert pair.client.obj.session_reused
    assert pair.server.obj.selected_cert_chain() == []
    assert not join(client, server, host="b.example", session=session).ok().client.obj.session_reused


@each_version
@pytest.mark.parametrize("host", ["host0.example", "nobody.example", None])
def test_a_hello_that_nothing_suits_costs_as_much_as_there_are_certificates(
    root: Authority, version: Any, host: Any
) -> None:
    """Lines are counted: four times as many certificates, and not sixteen times the work."""
    identities = [root.issue("other.example", kind=kind) for kind in ("P-256", "RSA")]
    client = visiting(root, version, sigalgs="ed448")
    counts = []
    for many in (50, 200):
        server = serving(*((identities[n % 2], {"names": [f"host{n}.example"]}) for n in range(many)))
        assert not join(client, server, host=host).shake().server.done  # what is worked out once
        pair, lines = join(client, server, host=host), [0]

        def count(_frame: Any, event: str, _what: Any, lines: list[int] = lines) -> Any:
            lines[0] += event == "line"
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            pair.shake()
        finally:
            sys.settrace(before)
        counts.append(lines[0])
    assert counts[1] < 6 * counts[0]


# The choice of a protocol


def protocols(
    version: Any, pki: Any, choose: Any, offered: list[str], retry: bool = False
) -> tuple[ObjectPair, list[Any]]:
    client, server, told = client_of(puretls, pki), server_of(puretls, pki), []
    only(version, client)
    client.set_alpn_protocols(offered)
    server.set_alpn_protocols(["never"])
    if retry and version is V13:
        client.set_groups("*X25519:P-384")
        server.set_groups("P-384")

    def select(sslobj: Any, names: list[str]) -> Any:
        told.append((sslobj, names))
        if isinstance(choose, BaseException):
            raise choose
        return choose

    server.set_alpn_select_callback(select)
    return join(client, server).shake(), told


@each_version
@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("choice", ["h2", "http/1.1", None])
def test_the_protocol_is_chosen_once(pki: Any, version: Any, retry: bool, choice: Any) -> None:
    pair, told = protocols(version, pki, choice, ["h2", "http/1.1"], retry)
    assert (pair.client.error, pair.server.error) == (None, None)
    assert pair.client.obj.selected_alpn_protocol() == pair.server.obj.selected_alpn_protocol() == choice
    assert told == [(pair.server.obj, ["h2", "http/1.1"])]


@each_version
@pytest.mark.parametrize("error", [ValueError("x"), puretls.SSLError(1, "x"), KeyboardInterrupt()], ids=repr)
def test_an_exception_is_no_application_protocol(pki: Any, version: Any, error: Any, unraisable: Any) -> None:
    pair, _ = protocols(version, pki, error, ["h2"])
    assert pair.server.error.reason == "NO_APPLICATION_PROTOCOL"
    assert pair.server.error.__cause__ is error
    assert pair.client.error.reason == "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
    assert unraisable == []


@each_version
@pytest.mark.parametrize("choice", ["never", "", b"h2", 1, True, ["h2"]], ids=repr)
def test_what_was_not_offered_is_an_internal_error(pki: Any, version: Any, choice: Any, unraisable: Any) -> None:
    pair, _ = protocols(version, pki, choice, ["h2"])
    assert pair.server.error.reason == "CALLBACK_FAILED"
    assert pair.client.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert unraisable == [ValueError]


def test_who_offers_none_is_not_asked_about(pki: Any) -> None:
    client, server, told = client_of(puretls, pki), server_of(puretls, pki), []
    server.set_alpn_select_callback(lambda *said: told.append(said))
    join(client, server).ok()
    assert told == []
    assert puretls.HAS_ALPN_SELECT


def test_without_the_callback_it_is_as_it_was(pki: Any) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.set_alpn_protocols(["h2"])
    server.set_alpn_protocols(["h2"])
    server.set_alpn_select_callback(lambda *_: None)
    assert join(client, server).ok().client.obj.selected_alpn_protocol() is None
    server.set_alpn_select_callback(None)
    assert join(client, server).ok().client.obj.selected_alpn_protocol() == "h2"
    with pytest.raises(ValueError, match="for servers"):
        client.set_alpn_select_callback(lambda *_: None)
    with pytest.raises(TypeError):
        server.set_alpn_select_callback(1)


@each_version
def test_the_chosen_context_chooses_the_protocol(pki: Any, version: Any) -> None:
    client, first, second = client_of(puretls, pki), server_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    client.set_alpn_protocols(["h2", "http/1.1"])
    first.set_alpn_select_callback(lambda *_: "h2")
    second.set_alpn_select_callback(lambda *_: "http/1.1")
    first.sni_callback = lambda sslobj, *_: setattr(sslobj, "context", second)
    assert join(client, first).ok().client.obj.selected_alpn_protocol() == "http/1.1"


@each_version
def test_a_protocol_is_chosen_anew_when_a_session_is_resumed(pki: Any, version: Any) -> None:
    client, server, answers = client_of(puretls, pki), server_of(puretls, pki), ["h2", "http/1.1"]
    only(version, client)
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_select_callback(lambda *_: answers.pop(0))
    session = join(client, server).ok().client.obj.session
    pair = join(client, server, session=session).ok()
    assert pair.client.obj.session_reused
    assert pair.client.obj.selected_alpn_protocol() == "http/1.1"


@each_version
@pytest.mark.parametrize("how", ["at once", "a future", "an exception"])
def test_over_sockets(pki: Any, version: Any, how: str) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    client.set_alpn_protocols(["h2"])
    near, far = socket.socketpair()
    errors: list[Any] = []

    def serve() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as conn:
                conn.sendall(conn.selected_alpn_protocol().encode())
        except OSError as error:
            errors.append(error)

    with ThreadPoolExecutor(1) as pool:

        def failing() -> Any:
            raise LookupError("no such protocol")

        answer: Any = {
            "at once": lambda *_: "h2",
            "a future": lambda *_: pool.submit(lambda: "h2"),
            "an exception": lambda *_: pool.submit(failing),
        }[how]
        server.set_alpn_select_callback(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        if how == "an exception":
            with pytest.raises(puretls.SSLError) as caught:
                client.wrap_socket(near, server_hostname="localhost")
            assert caught.value.reason == "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
        else:
            with client.wrap_socket(near, server_hostname="localhost") as conn:
                assert conn.recv(10) == b"h2"
                assert conn.client_hello is None
                assert conn.selected_cert_chain() == []
        thread.join()
    if how == "an exception":
        assert type(errors[0].__cause__) is LookupError


@each_version
def test_over_asyncio(pki: Any, version: Any) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    client.set_alpn_protocols(["h2", "http/1.1"])
    hellos: list[Any] = []

    async def select(sslobj: Any, names: list[str]) -> str:
        hellos.append(sslobj.client_hello)
        await asyncio.sleep(0)
        return names[-1]

    server.set_alpn_select_callback(select)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sslobj = writer.get_extra_info("ssl_object")
        writer.write(sslobj.selected_alpn_protocol().encode())
        assert sslobj.selected_cert_chain()
        writer.close()

    async def work() -> bytes:
        async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await puretls.asyncio.open_connection("localhost", port, ssl=client)
            found = await reader.read()
            writer.close()
            return found

    assert asyncio.run(work()) == b"http/1.1"
    assert hellos[0].alpn_protocols == ("h2", "http/1.1")


def test_a_promise_that_nobody_keeps_ends_with_its_connection(pki: Any) -> None:
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.set_alpn_protocols(["h2"])
    server.set_alpn_select_callback(lambda *_: Future())
    pair = join(client, server)
    pair.server.obj.set_waker(lambda: None)
    pair.shake()
    gone = weakref.ref(pair.server.obj)
    del pair
    gc.collect()
    assert gone() is None
