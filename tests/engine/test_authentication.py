"""Certificates and signatures of both roles: missing, empty, somebody else's, of the wrong scheme, for another use.

RFC 8446 4.4.2, 4.4.3, 4.6.2; RFC 5246 7.4.4, 7.4.6, 7.4.8.  Which path is good is `_x509`'s business and tested there.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    HANDSHAKE,
    POST_HANDSHAKE_AUTH,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
)
from puretls._crypto import signatures
from puretls._crypto.groups import SECP256R1, SECP384R1, X25519
from puretls._engine.authenticate import CLIENT_CONTEXT, SERVER_CONTEXT
from puretls._engine.config import Credential, Rules
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED
from puretls._engine.requests import SignRequest
from puretls._wire.codec import vec8, vec16, vec24
from support.pair import (
    CLIENT,
    KEYS,
    SERVER,
    Pair,
    Side,
    body,
    client_config,
    data,
    drop,
    hello,
    identity,
    inject,
    instead,
    message,
    remote_key,
    server_config,
    stays_dead,
    store,
    suite,
    twice,
)

BOTH = pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])
KINDS = pytest.mark.parametrize("kind", KEYS)
NONE_12, NONE_13 = message(CERTIFICATE, bytes(3)), message(CERTIFICATE, bytes(4))


def pair_of(version: int, kind: str = "EC", mode: int = CERT_REQUIRED, **more: Any) -> Pair:
    """Both sides have a key of this kind, and the server asks."""
    return Pair(
        client_config(
            versions=(version,),
            groups=(X25519, SECP256R1, SECP384R1),
            credentials=(identity(kind),),
            store=store(kind),
            **more.pop("client", {}),
        ),
        server_config(
            groups=(X25519, SECP256R1, SECP384R1),
            credentials=(identity(kind),),
            verify_mode=mode,
            store=store(kind),
            **more.pop("server", {}),
        ),
        **more,
    )


@BOTH
@KINDS
def test_both_sides_show_who_they_are(version, kind):
    pair = pair_of(version, kind).handshake().echo()
    for side in (pair.client, pair.server):
        assert side.peer.certificate.der == identity(kind).ders[0]
        assert side.peer.path
    assert pair.client.own_scheme is pair.server.peer_scheme


@BOTH
def test_keys_elsewhere(version):
    """Signing parks; a signature of the wrong key is refused by the peer."""
    remote = remote_key().with_rules(Rules(trusted=True))  # or we would find out ourselves
    pair = Pair(
        client_config(versions=(version,), credentials=(remote,)),
        server_config(credentials=(remote,), verify_mode=CERT_REQUIRED, store=store()),
    )
    pair.handshake().echo()
    for by in ("client", "server"):
        pair = Pair(
            client_config(versions=(version,), credentials=(remote if by == "client" else identity(),)),
            server_config(credentials=(remote if by == "server" else identity(),), verify_mode=2, store=store()),
            answers={SignRequest: b"not a signature"},
        )
        refused = pair.refusal()
        assert refused == ({"client": SERVER, "server": CLIENT}[by], faults.BAD_SIGNATURE)
        assert faults.BAD_SIGNATURE.alert == 51


# Nothing to show


@BOTH
def test_a_client_without_certificate(version):
    for mode in (CERT_OPTIONAL, CERT_REQUIRED):
        pair = Pair(client_config(versions=(version,)), server_config(verify_mode=mode, store=store()))
        if mode == CERT_OPTIONAL:
            pair.handshake().echo()
            assert pair.server.peer is None
        else:
            refused = pair.refusal()
            assert refused.by == SERVER
            assert refused.fault.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            assert refused.fault.alert == (116 if version == TLS13 else 40)


@BOTH
def test_an_empty_certificate_proves_nothing(version):
    """An empty list, and then a proof of whatever."""
    empty = NONE_13 if version == TLS13 else NONE_12
    pair = pair_of(version, mode=CERT_OPTIONAL)
    pair.client.wire["Certificate"] = instead(empty)
    assert pair.refusal() == (SERVER, faults.UNEXPECTED_HANDSHAKE_MESSAGE)
    pair = pair_of(version, mode=CERT_OPTIONAL)
    pair.client.lies["Certificate"] = instead(empty)
    pair.client.lies["CertificateVerify"] = drop
    pair.handshake().echo()
    assert pair.server.peer is None


@BOTH
@pytest.mark.parametrize("name", ["Certificate", "CertificateVerify"])
@pytest.mark.parametrize("edit", [drop, twice], ids=["missing", "twice"])
def test_a_clients_proof_is_whole(version, name, edit):
    pair = pair_of(version)
    pair.client.wire[name] = edit
    refused = pair.refusal()
    assert (refused.by, refused.fault.alert) == (SERVER, 10)


@BOTH
def test_a_certificate_that_nobody_asked_for(version):
    pair = Pair(client_config(versions=(version,)))
    where = "Finished" if version == TLS13 else "ClientKeyExchange"
    empty = NONE_13 if version == TLS13 else NONE_12
    pair.client.wire[where] = lambda raw: [empty, raw]
    assert pair.refusal() == (SERVER, faults.UNEXPECTED_HANDSHAKE_MESSAGE)


def test_extensions_of_a_clients_certificate():
    """RFC 8446 4.4.2: they answer the request, and ours asks for none."""
    pair = pair_of(TLS13)
    der = identity().ders[0]
    entry = vec24(der) + vec16(b"\x00\x05\x00\x05\x01\x00\x00\x01x")
    pair.client.wire["Certificate"] = instead(message(CERTIFICATE, b"\x00" + vec24(entry)))
    assert pair.refusal() == (SERVER, faults.UNSOLICITED_EXTENSION)
    pair = pair_of(TLS13)
    pair.client.wire["Certificate"] = body(lambda raw: b"\x01c" + raw[1:])
    assert pair.refusal().fault.alert == 47


# Somebody else's


@BOTH
@pytest.mark.parametrize("by", ["client", "server"])
def test_an_impostor_with_a_copied_certificate(version, by):
    """The certificate is public; only its key proves anything."""
    copied = identity()
    impostor = Credential(copied.ders, ec.generate_private_key(ec.SECP256R1()), copied.public_key, "EC")
    pair = Pair(
        client_config(versions=(version,), credentials=(impostor if by == "client" else copied,)),
        server_config(credentials=(impostor if by == "server" else copied,), verify_mode=CERT_REQUIRED, store=store()),
    )
    assert pair.refusal() == ({"client": SERVER, "server": CLIENT}[by], faults.BAD_SIGNATURE)


@BOTH
def test_a_proof_is_asked_for_even_if_the_path_is_not(version):
    """CERT_NONE skips the path, not the signature."""
    copied = identity()
    impostor = Credential(copied.ders, ec.generate_private_key(ec.SECP256R1()), copied.public_key, "EC")
    pair = Pair(
        client_config(versions=(version,), verify_mode=CERT_NONE, check_hostname=False),
        server_config(credentials=(impostor,)),
    )
    assert pair.refusal() == (CLIENT, faults.BAD_SIGNATURE)


@BOTH
@pytest.mark.parametrize("by", ["client", "server"])
def test_strangers(version, by):
    pair = Pair(
        client_config(
            versions=(version,), credentials=(identity("RSA"),), store=store("RSA" if by == "server" else "EC")
        ),
        server_config(verify_mode=CERT_REQUIRED, store=store("P-384" if by == "client" else "RSA")),
    )
    refused = pair.refusal()
    assert refused.by == {"client": SERVER, "server": CLIENT}[by]
    assert refused.fault.reason == "CERTIFICATE_VERIFY_FAILED"
    assert refused.fault.alert == 48


@BOTH
def test_another_host(version):
    pair = Pair(client_config(versions=(version,)), host="elsewhere.test")
    refused = pair.refusal()
    assert (refused.by, refused.fault.reason) == (CLIENT, "CERTIFICATE_VERIFY_FAILED")


@BOTH
@pytest.mark.parametrize("days", [-2, 31])
def test_another_time(version, days):
    from support.pair import NOW

    refused = Pair(client_config(versions=(version,)), now=NOW + 86400 * days).refusal()
    assert (refused.by, refused.fault.reason) == (CLIENT, "CERTIFICATE_VERIFY_FAILED")
    assert refused.fault.alert in {42, 45}


# Schemes


def signed(
    pair: Pair, side: Side, code: int, *, key: Any = None, prefix: bytes = b"", digest_only: bool = False
) -> Any:
    """Sign the right transcript with a scheme of our choice."""
    context = {"server": SERVER_CONTEXT, "client": CLIENT_CONTEXT}[side.name]

    def edit(_: bytes) -> bytes:
        scheme = signatures.BY_CODE[code]
        signer = key or side.own_credential.key
        covered = (b"" if digest_only else prefix or context) + side.transcript.digest()
        return message(CERTIFICATE_VERIFY, code.to_bytes(2, "big") + vec16(signatures.sign(scheme, signer, covered)))

    del pair
    return edit


RSA_PKCS1, RSA_PSS_RSAE, RSA_PSS_PSS = 0x0401, 0x0804, 0x0809


@pytest.mark.parametrize("by", ["client", "server"])
@pytest.mark.parametrize(
    ("kind", "code", "alert"),
    [
        ("RSA", RSA_PKCS1, 47),  # TLS 1.2 only (RFC 8446 4.2.3)
        ("RSA", RSA_PSS_PSS, 47),  # for keys of another OID
        ("P-384", 0x0403, 47),  # the curve belongs to the scheme
        ("EC", 0x0503, 47),
        ("EC", 0x0203, 47),  # SHA-1
    ],
)
def test_schemes_of_another_key_or_version(by, kind, code, alert):
    pair = pair_of(TLS13, kind)
    side = getattr(pair, by)
    side.lies["CertificateVerify"] = signed(pair, side, code)
    refused = pair.refusal()
    assert refused == ({"client": SERVER, "server": CLIENT}[by], faults.WRONG_SIGNATURE_TYPE)
    assert refused.fault.alert == alert


@pytest.mark.parametrize("code", [0x0000, 0x0A0A, 0x0301, 0x0905, 0xFFFF])
@BOTH
def test_schemes_that_do_not_exist_or_fit(version, code):
    pair = pair_of(version)
    pair.client.wire["CertificateVerify"] = body(lambda raw: code.to_bytes(2, "big") + raw[2:])
    assert pair.refusal() == (SERVER, faults.WRONG_SIGNATURE_TYPE)


@BOTH
def test_a_scheme_that_was_not_offered(version):
    only = (signatures.BY_CODE[0x0503], signatures.BY_CODE[0x0401], signatures.BY_CODE[0x0804])
    pair = pair_of(
        version,
        "RSA",
        client={"own_schemes": signatures.DEFAULT},
        server={"schemes": only, "own_schemes": signatures.DEFAULT},
    )
    pair.handshake()
    code = b"\x08\x05"
    pair = pair_of(version, "RSA", server={"schemes": only, "own_schemes": signatures.DEFAULT})
    pair.client.wire["CertificateVerify"] = body(lambda raw: code + raw[2:])
    assert pair.refusal() == (SERVER, faults.WRONG_SIGNATURE_TYPE)


@pytest.mark.parametrize("by", ["client", "server"])
def test_a_signature_says_what_it_is_for(by):
    """RFC 8446 4.4.3: a server's signature is none of a client, and the transcript alone is not what is signed."""
    other = {"client": SERVER, "server": CLIENT}[by]
    for change in ({"prefix": CLIENT_CONTEXT if by == "server" else SERVER_CONTEXT}, {"digest_only": True}):
        pair = pair_of(TLS13)
        side = getattr(pair, by)
        side.lies["CertificateVerify"] = signed(pair, side, 0x0403, **change)
        assert pair.refusal() == (other, faults.BAD_SIGNATURE)


@BOTH
@pytest.mark.parametrize("by", ["client", "server"])
def test_an_old_signature(version, by):
    """One of another handshake."""
    old = []

    def keep(raw: bytes) -> bytes:
        old.append(raw)
        return raw

    name = "CertificateVerify" if version == TLS13 or by == "client" else "ServerKeyExchange"
    pair = pair_of(version)
    getattr(pair, by).lies[name] = keep
    pair.handshake()
    pair = pair_of(version)
    getattr(pair, by).wire[name] = lambda _: [old[0]]
    assert pair.refusal() == ({"client": SERVER, "server": CLIENT}[by], faults.BAD_SIGNATURE)


@BOTH
@pytest.mark.parametrize(
    "signature", [b"", b"\x00", bytes(64), b"\x30\x06\x02\x01\x00\x02\x01\x00", bytes(600)], ids=len
)
@KINDS
def test_signatures_of_noise(version, kind, signature):
    pair = pair_of(version, kind)
    pair.client.wire["CertificateVerify"] = body(lambda raw: raw[:2] + vec16(signature))
    assert pair.refusal() == (SERVER, faults.BAD_SIGNATURE)


def test_no_scheme_for_our_key():
    pair = Pair(client_config(schemes=(signatures.BY_CODE[0x0804],)))
    assert pair.refusal() == (SERVER, faults.NO_SUITABLE_SIGNATURE_ALGORITHM)
    pair = Pair(client_config(versions=(TLS12,), schemes=(signatures.BY_CODE[0x0804],)))
    assert pair.refusal() == (SERVER, faults.NO_SHARED_CIPHER)
    pair = pair_of(
        TLS13, mode=CERT_OPTIONAL, server={"schemes": (signatures.BY_CODE[0x0804],), "own_schemes": signatures.DEFAULT}
    )
    assert pair.handshake().echo().server.peer is None  # the client has nothing that the server could check


@pytest.mark.parametrize("key", [x25519.X25519PrivateKey.generate, lambda: ec.generate_private_key(ec.SECP256K1())])
@BOTH
def test_certificates_of_keys_that_cannot_sign_here(version, key):
    """Of X25519, or a curve that TLS has no scheme for."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    from support.pair import NOW

    name = x509.Name([])
    day = dt.datetime.fromtimestamp(NOW, dt.timezone.utc)
    signer = identity()
    der = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key().public_key())
        .serial_number(5)
        .not_valid_before(day)
        .not_valid_after(day)
        .sign(signer.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    chain = vec24(der) + vec16(b"") if version == TLS13 else vec24(der)
    prefix = b"\x00" if version == TLS13 else b""
    pair = Pair(client_config(versions=(version,), verify_mode=CERT_NONE, check_hostname=False))
    pair.server.wire["Certificate"] = instead(message(CERTIFICATE, prefix + vec24(chain)))
    refused = pair.refusal()
    assert refused.by == CLIENT
    assert refused.fault.alert in {43, 47, 51}


# After the handshake


def post(mode: int = CERT_OPTIONAL, **client: Any) -> Pair:
    return Pair(
        client_config(**{"credentials": (identity("RSA"),), "post_handshake_auth": True, **client}),
        server_config(verify_mode=mode, store=store("RSA"), post_handshake_auth=True),
    ).handshake()


def ask(pair: Pair) -> None:
    pair.server.request_authentication()


def test_a_client_shows_itself_later():
    pair = post()
    assert pair.server.peer is None
    ask(pair)
    pair.run()
    assert pair.server.peer.certificate.der == identity("RSA").ders[0]
    pair.echo()
    ask(pair)  # and again
    pair.run()
    pair.echo()


def test_data_and_keys_may_change_in_between():
    pair = post()
    pair.client.write(memoryview(b"on its way"))
    pair.client.update_write_keys(1)
    ask(pair)
    early = pair.client.take()
    pair.deliver(pair.client, pair.server.take())
    pair.server.receive(early + pair.client.take())
    scratch = memoryview(bytearray(99))
    assert pair.server.read_into(scratch) == 10
    assert pair.server.read_into(scratch) == 0
    assert pair.server.peer
    pair.run()
    pair.echo()


def test_new_keys_before_the_answer():
    """RFC 8446 4.4: Finished belongs to the keys under which it is sent, also if they are changed just before."""
    pair = post()
    pair.server.update_write_keys(1)  # asks for an update of the client's keys, too
    ask(pair)
    pair.run()
    assert pair.server.peer
    pair.echo()
    pair = post()
    ask(pair)
    pair.deliver(pair.client, pair.server.take())
    pair.client.update_write_keys(0)  # the answer is ready, and somebody writes first
    pair.run()
    assert pair.server.peer
    pair.echo()


def test_a_client_with_nothing_to_show():
    pair = post(credentials=())
    ask(pair)
    pair.run()
    assert pair.server.peer is None
    pair.echo()
    pair = post(CERT_REQUIRED, credentials=())
    ask(pair)
    assert pair.refusal() == (SERVER, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13)


def test_who_may_ask_whom():
    pair = post(post_handshake_auth=False)
    with pytest.raises(Abort) as caught:
        ask(pair)
    assert caught.value.fault is faults.EXTENSION_NOT_RECEIVED
    pair = post()
    ask(pair)
    with pytest.raises(Abort) as caught:
        ask(pair)
    assert caught.value.fault is faults.REQUEST_PENDING
    request = message(CERTIFICATE_REQUEST, vec8(b"c") + vec16(b"\x00\x0d\x00\x04\x00\x02\x04\x03"))
    pair = Pair().handshake()  # a client that did not offer it
    with pytest.raises(Abort) as caught:
        inject(pair, pair.client, HANDSHAKE, request)
    assert caught.value.fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE
    pair = post()  # nor may a client ask
    with pytest.raises(Abort) as caught:
        inject(pair, pair.server, HANDSHAKE, request)
    assert caught.value.fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE


@pytest.mark.parametrize(
    ("request_body", "alert"),
    [
        (vec8(b"") + vec16(b"\x00\x0d\x00\x04\x00\x02\x04\x03"), None),
        (vec8(b"c") + vec16(b""), 109),
        (vec8(b"c") + vec16(b"\x00\x33\x00\x00"), 47),
        (vec8(b"c") + vec16(b"\x00\x0d\x00\x02\x00\x00"), 50),
        (vec8(b"c"), 50),
    ],
)
def test_malformed_requests(request_body, alert):
    pair = post()
    with pytest.raises(Abort) as caught:
        inject(pair, pair.client, HANDSHAKE, message(CERTIFICATE_REQUEST, request_body))
    assert alert in (None, caught.value.fault.alert)
    assert caught.value.fault.alert is not None


@pytest.mark.parametrize(
    ("what", "edit", "alert"),
    [
        ("another context", body(lambda raw: bytes((raw[0],)) + bytes(raw[0]) + raw[1 + raw[0] :]), 47),
        ("no context", body(lambda raw: b"\x00" + raw[1 + raw[0] :]), 47),
        ("half of it", body(lambda raw: raw[:-9]), 50),
        ("nothing", drop, 10),
        ("twice", twice, 10),
    ],
)
def test_malformed_answers(what, edit, alert):
    pair = post()
    ask(pair)
    pair.client.wire["Certificate"] = edit
    refused = refused_later(pair)
    assert refused.alert == alert, what


@pytest.mark.parametrize(
    ("name", "edit", "alert"),
    [
        ("CertificateVerify", drop, 10),
        ("CertificateVerify", twice, 10),
        ("CertificateVerify", body(lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,))), 51),
        ("CertificateVerify", body(lambda raw: b"\x04\x01" + raw[2:]), 47),
        ("CertificateVerify", lambda raw: [data(b"between"), raw], 10),
        ("Finished", twice, 10),
        ("Finished", body(lambda _: bytes(32)), 51),
        ("Finished", body(lambda raw: raw[:-1]), 50),
        ("Finished", lambda raw: [data(b"between"), raw], 10),
    ],
)
def test_what_follows_the_answer(name, edit, alert):
    """RFC 8446 4.6.2: the three messages come in a row; data between them is refused even where data flows fast."""
    pair = post()
    ask(pair)
    pair.client.wire[name] = edit
    assert refused_later(pair).alert == alert
    assert pair.server.peer is None or (name, edit) == ("Finished", twice)


def read_nothing(side: Side) -> None:
    for _ in range(4):
        assert not side.read_into(memoryview(bytearray(1000))), "data was accepted"


def refused_later(pair: Pair) -> faults.Fault:
    pair.deliver(pair.client, pair.server.take())
    pair.server.receive(pair.client.take())
    with pytest.raises(Abort) as caught:
        read_nothing(pair.server)
    stays_dead(pair.server, caught.value.fault)
    return caught.value.fault


def test_an_answer_without_a_question():
    pair = post()
    with pytest.raises(Abort) as caught:
        inject(pair, pair.server, HANDSHAKE, NONE_13)
    assert caught.value.fault is faults.UNEXPECTED_HANDSHAKE_MESSAGE


def test_an_offer_with_a_body():
    pair = post()
    other = Pair(pair.client.config, pair.server.config)
    other.client.wire["ClientHello"] = hello({POST_HANDSHAKE_AUTH: b"x"})
    assert other.refusal() == (SERVER, faults.POST_HANDSHAKE_AUTH_ENCODING_ERR)


@pytest.mark.parametrize("version", [TLS10, TLS11])
@pytest.mark.parametrize(("client_level", "server_level", "by"), [(0, 1, SERVER), (1, 0, CLIENT)])
def test_old_signatures_need_security_level_0(version: int, client_level: int, server_level: int, by: str) -> None:
    """MD5 and SHA-1 are all that TLS 1.0 and 1.1 sign with."""
    common: dict[str, Any] = {"versions": (version,), "suites": (suite("ECDHE-ECDSA-AES128-SHA"),)}
    refused = Pair(
        client_config(security_level=client_level, **common), server_config(security_level=server_level, **common)
    ).refusal()
    assert refused == (by, faults.NO_SUITABLE_SIGNATURE_ALGORITHM)
    Pair(client_config(security_level=0, **common), server_config(security_level=0, **common)).handshake()
