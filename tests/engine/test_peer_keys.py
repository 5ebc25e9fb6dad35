"""Keys of the peer: odd ones are refused and nothing else, and what a certificate says of its key binds signatures.

RFC 5246 7.4.2 and 7.4.8, RFC 8422 5.3 and 5.5, RFC 8446 4.2.3, RFC 4055.  Signatures in certificates are the business
of tests/x509/test_x509_keys.py.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import CERTIFICATE, TLS12, TLS13
from puretls._crypto import signatures
from puretls._crypto.groups import SECP256R1, SECP384R1, X25519
from puretls._engine import choose12
from puretls._engine.config import Credential
from puretls._engine.policy import CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED
from puretls._engine.requests import PskClientRequest, PskServerRequest
from puretls._wire.codec import vec16, vec24
from puretls._x509.store import Store
from support import pki
from support.joined12 import twelve
from support.pair import CLIENT, HOST, NOW, SERVER, Pair, client_config, identity, message, server_config, store, suite
from support.pki import bits, integer, oid, pss, rsa_numbers, seq, tlv

BOTH = pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])

# Odd keys

R = random.Random(1)
N = pki.key("rsa2048", 3).public_key().public_numbers().n
G = pki.P256_BASE
P256, EC = oid("1.2.840.10045.3.1.7"), oid("1.2.840.10045.2.1")
RSA = seq(oid("1.2.840.113549.1.1.1"), tlv(5))


def modulus(size: int) -> int:
    return R.getrandbits(size) | 1 | 1 << (size - 1)


def simple(number: str, key: bytes, *parameters: bytes) -> bytes:
    return seq(seq(oid(number), *parameters), bits(key))


ODD: dict[str, bytes] = {
    **{f"RSA, e = {e}": rsa_numbers(N, e) for e in (-3, 0, 1, 2, 3)},
    **{f"RSA, e = n + {more}": rsa_numbers(N, N + more) for more in (-2, -1, 0, 2)},
    **{f"RSA, n = {n}": rsa_numbers(n, 65537) for n in (0, 1, 15, 2**64)},
    "RSA, n negative": rsa_numbers(-N, 65537),
    "RSA, n even": rsa_numbers(N - 1, 65537),
    **{f"RSA, {size} bits": rsa_numbers(modulus(size), 65537)
       for size in (64, 256, 384, 400, 472, 512, 1023, 1024, 16384, 16400, 40000)},
    **{f"RSA, {size} bits, a great e": rsa_numbers(modulus(size), modulus(size - 10)) for size in (512, 3072, 4096)},
    "RSA, 16384 bits, e of 64": rsa_numbers(modulus(16384), 1 << 63 | 1),
    "RSA without parameters": rsa_numbers(N, 65537, algorithm=seq(oid("1.2.840.113549.1.1.1"))),
    "RSA for OAEP": rsa_numbers(N, 65537, algorithm=seq(oid("1.2.840.113549.1.1.7"))),
    "RSA for PSS": rsa_numbers(N, 65537, algorithm=seq(oid(pki.RSA_PSS))),
    "RSA for PSS, NULL": rsa_numbers(N, 65537, algorithm=seq(oid(pki.RSA_PSS), tlv(5))),
    "RSA for PSS, junk": rsa_numbers(N, 65537, algorithm=seq(oid(pki.RSA_PSS), seq(tlv(0xA0, seq())))),
    "RSA for PSS, a digest nobody has": rsa_numbers(
        N, 65537, algorithm=seq(oid(pki.RSA_PSS), seq(tlv(0xA0, seq(oid("1.2.3")))))),
    "RSA for PSS, endless salt": rsa_numbers(
        N, 65537, algorithm=seq(oid(pki.RSA_PSS), pss("sha256", salt=1 << 40))),
    "RSA for PSS, 512 bits": rsa_numbers(modulus(512), 65537, algorithm=seq(oid(pki.RSA_PSS))),
    "RSA and more": seq(RSA, bits(seq(integer(N), integer(65537)) + b"x")),
    "RSA junk": seq(RSA, bits(b"junk")),
    "RSA nothing": seq(RSA, bits(b"")),
    "RSA unused bits": seq(RSA, bits(seq(integer(N), integer(65537)), 3)),
    "EC": simple("1.2.840.10045.2.1", G, P256),
    "EC compressed": simple("1.2.840.10045.2.1", b"\x03" + G[1:33], P256),
    "EC infinity": simple("1.2.840.10045.2.1", b"\0", P256),
    "EC off the curve": simple("1.2.840.10045.2.1", G[:-1] + b"\0", P256),
    "EC nothing": simple("1.2.840.10045.2.1", b"", P256),
    "EC without curve": simple("1.2.840.10045.2.1", G),
    "EC NULL": simple("1.2.840.10045.2.1", G, tlv(5)),
    "EC of a curve nobody has": simple("1.2.840.10045.2.1", G, oid("1.2.3.4")),
    "EC spelled out": pki.explicit(pki.key("p256", 4)),
    "EC spelled out wrongly": simple("1.2.840.10045.2.1", G, seq(integer(1), seq(), seq(), tlv(4, G), integer(3))),
    "secp224r1": pki.spki(pki.key("p224", 4)),
    "secp192r1": pki.spki(pki.key("p192", 4)),
    "brainpoolP256r1": pki.spki(ec.generate_private_key(ec.BrainpoolP256R1())),
    "secp256k1": pki.spki(ec.generate_private_key(ec.SECP256K1())),
    "Ed25519 short": simple("1.3.101.112", bytes(31)),
    "Ed25519 of small order": simple("1.3.101.112", b"\1" + bytes(31)),
    "Ed25519 with parameters": simple("1.3.101.112", bytes(32), tlv(5)),
    "Ed448": simple("1.3.101.113", bytes(57)),
    "X25519": simple("1.3.101.110", bytes(32)),
    "X448": simple("1.3.101.111", bytes(56)),
    "ML-DSA-44": simple("2.16.840.1.101.3.4.3.17", bytes(1312)),
    "ML-DSA-44 short": simple("2.16.840.1.101.3.4.3.17", bytes(1311)),
    "ML-KEM-768": simple("2.16.840.1.101.3.4.4.2", bytes(1184)),
    "DSA": simple("1.2.840.10040.4.1", integer(4), seq(integer(23), integer(11), integer(2))),
    "DSA without parameters": simple("1.2.840.10040.4.1", integer(4)),
    "DH": simple("1.2.840.113549.1.3.1", integer(4), seq(integer(23), integer(5))),
    "SM2": simple("1.2.840.10045.2.1", G, oid("1.2.156.10197.1.301")),
    "nobody's": simple("1.2.3.4.5", b"whatever"),
}  # fmt: skip
SIGNED_BY = pki.algorithm(pki.key("rsa2048", 3), "sha256"), lambda _: bytes(256)


def lie(version: int, der: bytes) -> Any:
    """A Certificate message with this certificate in it."""
    entry = vec24(der) + (vec16(b"") if version == TLS13 else b"")
    return lambda _: message(CERTIFICATE, (b"\0" if version == TLS13 else b"") + vec24(entry))


def odd_certificate(key: bytes) -> bytes:
    times = {"not_before": NOW - 1000, "not_after": NOW + 1000}
    return pki.leaf(HOST, key_info=key, scheme=SIGNED_BY, **times).der


def odd_pairs() -> Any:
    """Clients and servers that get a certificate, with every way to use its key."""
    for mode in (CERT_NONE, CERT_REQUIRED):
        common = {"verify_mode": mode, "check_hostname": bool(mode), "store": store("RSA"), "security_level": 0}
        for kind in ("RSA", "EC", "ED25519"):
            pair = Pair(client_config(**common), server_config(credentials=(identity(kind),)))
            yield pair, pair.server, TLS13
        for name, kind in (
            ("ECDHE-RSA-AES128-GCM-SHA256", "RSA"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "EC"),
            ("AES128-GCM-SHA256", "RSA"), ("RSA-PSK-AES128-GCM-SHA256", "RSA"),
        ):  # fmt: skip
            more = {"versions": (TLS12,), "suites": (suite(name),), "security_level": 0}
            pair = Pair(
                client_config(**{**common, **more}, psk_client="PSK" in name),
                server_config(**more, psk_server="PSK" in name, credentials=(identity(kind),)),
                answers={PskClientRequest: (b"i", b"k"), PskServerRequest: b"k"},
            )
            yield pair, pair.server, TLS12
    for version in (TLS13, TLS12):
        for kind in ("RSA", "EC"):
            pair = Pair(
                client_config(versions=(version,), credentials=(identity(kind),)),
                server_config(verify_mode=CERT_OPTIONAL, store=store("RSA"), security_level=0),
            )
            yield pair, pair.client, version


@pytest.mark.parametrize("name", ODD)
def test_an_odd_key_is_refused_and_that_is_all(name: str) -> None:
    """Whatever the key of a certificate is, an Abort with an alert is the worst that comes of it."""
    der = odd_certificate(ODD[name])
    for pair, liar, version in odd_pairs():
        liar.lies["Certificate"] = lie(version, der)
        with pytest.raises(Abort) as caught:
            pair.run()
        assert caught.value.fault.alert is not None


# What a certificate says of its key


@cache
def issued(kind: str, usage: int | None = 0x80, **more: Any) -> Credential:
    """A leaf of this kind whose key usage is these bits, below `ROOT`."""
    private = pki.key(kind, 30)
    extensions = {pki.KU: None if usage is None else pki.key_usage(usage)}
    times = {"not_before": NOW - 1000, "not_after": NOW + 1000}
    leaf = pki.leaf(HOST, ROOT, private=private, extensions=extensions, **times, **more)
    kinds = {"p": "EC", "r": "RSA"}
    return Credential([leaf.der], private, private.public_key(), kinds.get(kind[0], kind.upper()))


ROOT = pki.ca("root", private=pki.key("p256", 31), not_before=NOW - 2000, not_after=NOW + 2000)
TRUST = Store()
TRUST.add_der(ROOT.der)
AGREEMENT, ENCIPHERMENT, SIGNATURE = 0x08, 0x20, 0x80
FAULTS = {"p256": "BAD_ECC_CERT", "ed25519": "BAD_ECC_CERT", "rsa2048": "MISSING_SIGNING_CERT"}
SUITES = {"p256": "ECDHE-ECDSA-AES128-GCM-SHA256", "ed25519": "ECDHE-ECDSA-AES128-GCM-SHA256",
          "rsa2048": "ECDHE-RSA-AES128-GCM-SHA256"}  # fmt: skip


def usage_pair(version: int, kind: str, usage: int | None, *, by: str, mode: int = CERT_REQUIRED) -> Pair:
    """A pair of which `by` shows a certificate with this key usage, though its own rules may forbid it."""
    odd, good = issued(kind, usage), issued("p256")
    return Pair(
        client_config(
            versions=(version,), store=TRUST, credentials=(odd if by == CLIENT else good,), verify_mode=mode,
            check_hostname=bool(mode),
        ),
        server_config(credentials=(odd if by == SERVER else good,), store=TRUST, verify_mode=mode),
    )  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("mode", [CERT_NONE, CERT_REQUIRED])
def test_a_server_key_that_may_not_sign(kind: str, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5246 7.4.2, RFC 8422 2.2: TLS 1.2 wants digitalSignature of who signs a key exchange."""
    monkeypatch.setattr(choose12, "may_sign", lambda _: True)  # of a server that does not ask itself
    pair = usage_pair(TLS12, kind, AGREEMENT, by=SERVER, mode=mode)
    refused = pair.refusal()
    assert (refused.by, refused.fault.reason, refused.fault.alert) == (CLIENT, FAULTS[kind], 40)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_client_key_that_may_not_sign(kind: str) -> None:
    """RFC 5246 7.4.6: nor may a client."""
    pair = usage_pair(TLS12, kind, AGREEMENT, by=CLIENT)
    refused = pair.refusal()
    assert (refused.by, refused.fault.reason, refused.fault.alert) == (SERVER, FAULTS[kind], 40)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("usage", [AGREEMENT, ENCIPHERMENT])
def test_a_server_does_not_sign_with_a_key_that_may_not(kind: str, usage: int) -> None:
    pair = Pair(client_config(versions=(TLS12,), store=TRUST), server_config(credentials=(issued(kind, usage),)))
    assert pair.refusal() == (SERVER, faults.NO_SHARED_CIPHER)
    both = (issued(kind, usage), issued("rsa2048" if kind != "rsa2048" else "p256"))
    pair = Pair(client_config(versions=(TLS12,), store=TRUST), server_config(credentials=both)).handshake()
    assert pair.server.own_credential is both[1]


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("usage", [SIGNATURE, SIGNATURE | AGREEMENT, None])
@BOTH
def test_keys_that_may_sign(kind: str, usage: int | None, version: int) -> None:
    for by in (CLIENT, SERVER):
        usage_pair(version, kind, usage, by=by).handshake().echo()


@pytest.mark.parametrize("kind", FAULTS)
def test_tls13_asks_as_openssl_does(kind: str) -> None:
    """Only the purpose of the certificate is looked at there."""
    for by in (CLIENT, SERVER):
        usage_pair(TLS13, kind, AGREEMENT, by=by).handshake().echo()


# Curves (RFC 8422 5.3)


def test_a_server_certificate_on_a_curve_that_was_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose12, "_curve_will_do", lambda *_: True)
    pair = twelve({"groups": (X25519, SECP256R1), "store": store("P-384")}, {"credentials": (identity("P-384"),)})
    assert pair.refusal() == (CLIENT, faults.WRONG_CURVE)
    assert faults.WRONG_CURVE.alert == 47


def test_a_client_certificate_on_a_curve_that_the_server_has_not() -> None:
    more = {"verify_mode": CERT_REQUIRED, "store": store("P-384")}
    client = {"credentials": (identity("P-384"),), "groups": (X25519, SECP256R1, SECP384R1)}
    twelve(client, {**more, "groups": (X25519, SECP256R1, SECP384R1)}).handshake()
    pair = twelve(client, {**more, "groups": (X25519, SECP256R1)})
    assert pair.refusal() == (SERVER, faults.WRONG_CURVE)


def test_tls13_binds_the_curve_by_the_scheme() -> None:
    for by in (CLIENT, SERVER):
        odd = (identity("P-384"),)
        Pair(
            client_config(groups=(X25519,), store=store("P-384", "EC"), credentials=odd if by == CLIENT else ()),
            server_config(
                groups=(X25519,), credentials=odd if by == SERVER else (identity(),), store=store("P-384"),
                verify_mode=CERT_REQUIRED if by == CLIENT else CERT_NONE,
            ),
        ).handshake()  # fmt: skip


# RSASSA-PSS (RFC 4055 1.2, RFC 8446 4.2.3): the parameters of a key bind what it signs, theirs and ours


@cache
def pss_identity(parameters: bytes | None) -> Credential:
    private = pki.key("rsa2048", 32)
    times = {"not_before": NOW - 1000, "not_after": NOW + 1000}
    leaf = pki.leaf(HOST, ROOT, private=private, key_info=pki.pss_key(private, parameters), **times)
    return Credential([leaf.der], private, private.public_key(), "RSA-PSS")


PSS = {digest: signatures.BY_NAME[f"rsa_pss_pss_{digest}"] for digest in ("sha256", "sha384", "sha512")}
ALLOWED: dict[str, tuple[bytes | None, set[str]]] = {
    "not restricted": (None, {"sha256", "sha384", "sha512"}),
    "SHA-256": (pss("sha256"), {"sha256"}),
    "SHA-384": (pss("sha384"), {"sha384"}),
    "SHA-512": (pss("sha512"), {"sha512"}),
    "SHA-256, little salt": (pss("sha256", salt=0), {"sha256"}),
    "SHA-256, much salt": (pss("sha256", salt=33), set()),
    "SHA-256, another mask": (pss("sha256", mgf="sha512"), set()),
    "SHA-1 by default": (seq(), set()),
    "a trailer that nobody has": (pss("sha256", trailer=2), set()),
}


@BOTH
@pytest.mark.parametrize("by", [CLIENT, SERVER])
@pytest.mark.parametrize("name", ALLOWED)
def test_a_restricted_key_signs_with_nothing_else(name: str, by: str, version: int) -> None:
    """Each scheme with each key: taken where the key allows it, else refused, though the signature is right."""
    parameters, allowed = ALLOWED[name]
    shown = pss_identity(parameters)
    for digest, scheme in PSS.items():
        pair = Pair(
            client_config(versions=(version,), store=TRUST, credentials=(shown if by == CLIENT else issued("p256"),)),
            server_config(
                credentials=(shown if by == SERVER else issued("p256"),), store=TRUST, verify_mode=CERT_REQUIRED
            ),
        )
        liar = pair.client if by == CLIENT else pair.server
        force(liar, shown, scheme, version)
        if digest in allowed:
            pair.handshake()
            assert pair.other(liar).peer_scheme is scheme
        else:
            refused = pair.refusal()
            assert refused.by == pair.other(liar).name
            assert refused.fault.alert is not None


def force(side: Any, credential: Credential, scheme: Any, version: int) -> None:
    """This side signs with this scheme, whatever it thinks of it."""
    name = "signers13" if version == TLS13 else "signers12"
    signers = getattr(side.config, name)
    rest = tuple(signer for signer in signers if signer[0] is not credential)
    object.__setattr__(side.config, name, ((credential, scheme), *rest))


@BOTH
@pytest.mark.parametrize("name", ALLOWED)
def test_we_choose_what_our_key_allows(name: str, version: int) -> None:
    parameters, allowed = ALLOWED[name]
    config = server_config(credentials=(pss_identity(parameters),))
    signers = config.signers13 if version == TLS13 else config.signers12
    assert {scheme for _, scheme in signers} == {PSS[digest] for digest in allowed}
    pair = Pair(client_config(versions=(version,), store=TRUST), config)
    if allowed:
        assert pair.handshake().client.peer_scheme in {PSS[digest] for digest in allowed}
    else:
        assert pair.refusal().by == SERVER


def test_a_scheme_of_another_kind_of_rsa_key_is_none_of_its() -> None:
    for credential, name in ((pss_identity(None), "rsa_pss_rsae_sha256"), (issued("rsa2048"), "rsa_pss_pss_sha256")):
        pair = Pair(client_config(store=TRUST), server_config(credentials=(credential,)))
        force(pair.server, credential, signatures.BY_NAME[name], TLS13)
        assert pair.refusal() == (CLIENT, faults.WRONG_SIGNATURE_TYPE)
