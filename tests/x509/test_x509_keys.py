"""Keys and the signatures in certificates: what a key is for binds what it signs, whoever made it."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from puretls._base.faults import VerifyAbort
from puretls._x509 import certificate, codes
from support import libcrypto, pki
from support.pki import Issued, oid, pss, pss_key, pss_scheme, seq, spelled_pss, tlv
from support.verifying import ours, path_of, theirs

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")

LEVELS = (0, 1, 2)


def verdicts(function: Any, chain: list[Issued], root: Issued, **policy: Any) -> list[Any]:
    """At the levels 0, 1 and 2."""
    return [function(chain, [root], level=level, **policy) for level in LEVELS]


# Explicit curve parameters (RFC 5480 2.1.1)


def explicit_chain(*where: str) -> list[Issued]:
    """Leaf, intermediate and root, of which these spell out their curve."""
    keys = {name: pki.key("p256", number) for number, name in enumerate(("leaf", "middle", "root"), 60)}
    info = {
        name: {"private": keys[name], "key_info": pki.explicit(keys[name]) if name in where else None} for name in keys
    }
    root = pki.ca("root", **info["root"])
    middle = pki.ca("middle", root, **info["middle"])
    return [pki.leaf("example.test", middle, **info["leaf"]), middle, root]


@pytest.mark.parametrize("where", [("leaf",), ("middle",), ("root",), ("leaf", "middle", "root")])
def test_a_curve_that_is_not_named(where: tuple[str, ...]) -> None:
    *chain, root = explicit_chain(*where)
    depth = min(("leaf", "middle", "root").index(name) for name in where)
    for flags in (0x8000, 0x88020):
        assert verdicts(ours, chain, root, flags=flags) == [(codes.EXPLICIT_CURVE, depth)] * 3
        if libcrypto.LIB is not None:
            assert verdicts(theirs, chain, root, flags=flags) == [(codes.EXPLICIT_CURVE, depth)] * 3


def test_a_curve_that_is_named() -> None:
    *chain, root = explicit_chain()
    assert verdicts(ours, chain, root, flags=0x88020) == [(0, 0)] * 3


# RSASSA-PSS (RFC 4055): the parameters of the key bind those of its signatures


def pss_chain(key: bytes | None, digest: str = "sha256", **scheme: Any) -> tuple[list[Issued], Issued]:
    private = pki.key("rsa2048", 5)
    info = {"key_info": pss_key(private, key)}
    root = pki.ca("root", private=private, scheme=pss_scheme(private, "sha256"), **info)
    return [pki.leaf("example.test", root, scheme=pss_scheme(private, digest, **scheme))], root


SHA256 = pss("sha256")
BOUND: dict[str, tuple[Any, ...]] = {
    "any key": (None, "sha256"),
    "any key, another salt": (None, "sha256", {"salt": 0}),
    "any key, another mask": (None, "sha256", {"mgf": "sha512"}),
    "the key's": (SHA256, "sha256"),
    "more salt than the key's": (pss("sha256", salt=16), "sha256"),
    "another digest": (SHA256, "sha384"),
    "a weaker digest": (pss("sha512"), "sha256"),
    "another mask": (SHA256, "sha256", {"mgf": "sha512"}),
    "less salt than the key's": (SHA256, "sha256", {"salt": 31}),
    "no salt": (SHA256, "sha256", {"salt": 0}),
    "not the salt that is said": (None, "sha256", {"said": pss("sha256", salt=0)}),
    "a trailer that nobody has": (None, "sha256", {"said": pss("sha256", trailer=2)}),
    "SHA-1 by default": (None, "sha1", {"said": seq()}),
}


@reference
@pytest.mark.parametrize("case", BOUND)
def test_the_key_binds_the_signature(case: str) -> None:
    key, digest, *scheme = BOUND[case]
    chain, root = pss_chain(key, digest, **(scheme[0] if scheme else {}))
    mine, other = verdicts(ours, chain, root), verdicts(theirs, chain, root)
    assert mine == other, case


# Defaults that are spelled out (X.690 11.5): OpenSSL reads them, and so do we

OLD = {"digest": "sha1", "mgf": "sha1", "salt": 20}
SPELLED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a salt of 20": (spelled_pss("sha256", "sha256", 20), {"digest": "sha256", "salt": 20}),
    "a salt of 20 and the trailer": (spelled_pss("sha256", "sha256", 20, 1), {"digest": "sha256", "salt": 20}),
    "the trailer": (spelled_pss("sha384", "sha384", 48, 1), {"digest": "sha384"}),
    "SHA-1 for a mask": (spelled_pss("sha256", "sha1", 32), {"digest": "sha256", "mgf": "sha1"}),
    "SHA-1 for a digest": (spelled_pss("sha1", "sha256", 20), {"digest": "sha1", "mgf": "sha256", "salt": 20}),
    "SHA-1 for a digest alone": (spelled_pss("sha1"), OLD),
    "SHA-1 for a mask alone": (spelled_pss(None, "sha1"), OLD),
    "a salt of 20 alone": (spelled_pss(None, None, 20), OLD),
    "all of them": (spelled_pss("sha1", "sha1", 20, 1), OLD),
}


@reference
@pytest.mark.parametrize("case", SPELLED)
def test_a_signature_with_a_default_spelled_out(case: str) -> None:
    said, made = SPELLED[case]
    for others in ({}, {"salt": 7}):  # as it is said, and otherwise
        chain, root = pss_chain(None, **{**made, **others}, said=said)
        mine = verdicts(ours, chain, root)
        assert mine == verdicts(theirs, chain, root)
        assert (mine[0] == (0, 0)) == (not others)


@reference
@pytest.mark.parametrize("case", SPELLED)
def test_a_key_with_a_default_spelled_out(case: str) -> None:
    """It binds what it signs as one by the rules does, and it is its own octets that are counted and hashed."""
    said, made = SPELLED[case]
    for others in ({}, {"digest": "sha512", "mgf": "sha512", "salt": 64}, {"salt": 7}):
        private = pki.key("rsa2048", 5)
        info = pss_key(private, said)
        root = pki.ca("root", private=private, key_info=info, scheme=pss_scheme(private, "sha256"))
        chain = [pki.leaf("example.test", root, scheme=pss_scheme(private, **{**made, **others}))]
        mine = verdicts(ours, chain, root)
        assert mine == verdicts(theirs, chain, root)
        assert (mine[0] == (0, 0)) == (not others)
        assert certificate.listed(root.der).key_der == info


@reference
@pytest.mark.parametrize("place", ["root", "leaf"])
@pytest.mark.parametrize("said", [spelled_pss("sha1"), spelled_pss("sha256", "sha256", 20, 1)])
def test_a_crl_or_a_root_with_a_default_spelled_out(place: str, said: bytes) -> None:
    private = pki.key("rsa2048", 5)
    digest = "sha1" if said == spelled_pss("sha1") else "sha256"
    scheme = pss_scheme(private, digest, salt=20, said=said)
    root = pki.ca("root", private=private, scheme=scheme)
    leaf = pki.leaf("example.test", root)
    revoked = (leaf.serial,) if place == "leaf" else ()
    policy = {"flags": 4, "crls": [pki.crl(root, revoked, scheme=scheme)]}
    mine = verdicts(ours, [leaf], root, **policy)
    assert mine == verdicts(theirs, [leaf], root, **policy)
    assert mine[0] == ((codes.REVOKED, 0) if revoked else (0, 0))


@reference
@pytest.mark.parametrize("digest", [None, "sha256"])
def test_a_mask_without_a_digest(digest: str | None) -> None:
    """And other parameters that say nothing: nobody's signature, as with OpenSSL, and the certificate is read."""
    for said in (tlv(5), seq(tlv(0xA1, seq(oid("1.2.840.113549.1.1.8")))), seq(tlv(0xA2, pki.integer(-1)))):
        chain, root = pss_chain(digest and pss(digest), said=said)
        assert verdicts(ours, chain, root) == verdicts(theirs, chain, root)
        assert verdicts(ours, chain, root)[0] != (0, 0)


BROKEN = {
    "none": b"",
    "NULL": tlv(5),
    "a negative salt": seq(pss("sha256")[2:-5], tlv(0xA2, pki.integer(-1))),
    "an endless salt": pss("sha256", salt=1 << 40),
    "an unknown digest": seq(tlv(0xA0, seq(oid("1.2.3"), tlv(5)))),
    "an unknown mask": seq(tlv(0xA1, seq(oid("1.2.3"), seq(oid(pki.HASHES["sha256"]))))),
    "junk": b"junk",
}


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
def test_broken_parameters_are_a_refusal(said: bytes) -> None:
    """A stranger's leaf whose signature is said to be RSASSA-PSS, however: refused, and nothing else is raised."""
    root = pki.ca("root", private=pki.key("rsa2048", 5))
    algorithm = seq(oid(pki.RSA_PSS), said)
    leaf = pki.leaf("example.test", root, scheme=(algorithm, lambda _: bytes(256)))
    try:
        certificate.load(leaf.der)
    except ValueError:  # PyCA does not read it, which is a refusal, too
        return
    assert all(code for code, _ in verdicts(ours, [leaf], root))


# RSA


@pytest.mark.parametrize("size", [65, 2047])
def test_an_exponent_that_costs(size: int) -> None:
    """Over 64 bits nobody's exponent is; the larger it is the dearer each signature (OpenSSL refuses them, too)."""
    numbers = pki.key("rsa2048", 6).public_key().public_numbers()
    info = pki.rsa_numbers(numbers.n, (1 << size) - 1)
    root = pki.ca("root", key_info=info, scheme=(pki.algorithm(pki.key("rsa2048", 6), "sha256"), lambda _: bytes(256)))
    assert all(one != (0, 0) for one in verdicts(ours, [pki.leaf("example.test", root)], root))
    leaf = pki.leaf("example.test", pki.ca("other"), key_info=info)
    assert verdicts(ours, [leaf], pki.ca("other"))[2] == (codes.LEAF_KEY_TOO_SMALL, 0)


def test_an_exponent_of_64_bits() -> None:
    private = rsa.generate_private_key(65537, 2048)
    root = pki.ca("root", private=private)
    assert verdicts(ours, [pki.leaf("example.test", root)], root) == [(0, 0)] * 3


# Signature algorithms, each at the levels where OpenSSL takes it


ALGORITHMS = {
    "RSA with MD5": ("rsa2048", "1.2.840.113549.1.1.4", "MD5"),
    "RSA with SHA-1": ("rsa2048", "1.2.840.113549.1.1.5", "SHA1"),
    "RSA with SHA-1, the other number": ("rsa2048", "1.3.14.3.2.29", "SHA1"),
    "RSA with SHA-224": ("rsa2048", "1.2.840.113549.1.1.14", "SHA224"),
    "RSA with SHA-512/224": ("rsa2048", "1.2.840.113549.1.1.15", "SHA512_224"),
    "RSA with SHA-512/256": ("rsa2048", "1.2.840.113549.1.1.16", "SHA512_256"),
    "RSA with SHA3-224": ("rsa2048", "2.16.840.1.101.3.4.3.13", "SHA3_224"),
    "RSA with SHA3-256": ("rsa2048", "2.16.840.1.101.3.4.3.14", "SHA3_256"),
    "RSA with SHA3-384": ("rsa2048", "2.16.840.1.101.3.4.3.15", "SHA3_384"),
    "RSA with SHA3-512": ("rsa2048", "2.16.840.1.101.3.4.3.16", "SHA3_512"),
    "ECDSA with SHA-1": ("p256", "1.2.840.10045.4.1", "SHA1"),
    "ECDSA with SHA-224": ("p256", "1.2.840.10045.4.3.1", "SHA224"),
    "ECDSA with SHA3-224": ("p256", "2.16.840.1.101.3.4.3.9", "SHA3_224"),
    "ECDSA with SHA3-256": ("p256", "2.16.840.1.101.3.4.3.10", "SHA3_256"),
    "ECDSA with SHA3-384": ("p256", "2.16.840.1.101.3.4.3.11", "SHA3_384"),
    "ECDSA with SHA3-512": ("p256", "2.16.840.1.101.3.4.3.12", "SHA3_512"),
    "DSA with SHA-1": ("dsa2048", "1.2.840.10040.4.3", "SHA1"),
    "DSA with SHA-224": ("dsa2048", "2.16.840.1.101.3.4.3.1", "SHA224"),
    "DSA with SHA-384": ("dsa2048", "2.16.840.1.101.3.4.3.3", "SHA384"),
    "DSA with SHA3-256": ("dsa2048", "2.16.840.1.101.3.4.3.6", "SHA3_256"),
}
NEWER = {name for name in ALGORITHMS if name.startswith("ECDSA with SHA3")}  # OpenSSL 3.0 knows their numbers only


@reference
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_that_openssl_takes(name: str) -> None:
    kind, number, digest = ALGORITHMS[name]
    private = pki.key(kind, 7)
    root = pki.ca("root", private=private)
    scheme = (seq(oid(number), tlv(5) if kind.startswith("rsa") else b""), pki.signer(private, digest))
    chain = [pki.leaf("example.test", root, scheme=scheme)]
    assert verdicts(ours, chain, root) == ([(0, 0)] * 3 if name in NEWER else verdicts(theirs, chain, root))
    forged = [pki.leaf("example.test", root, scheme=scheme, bad_signature=True)]
    assert all(code for code, _ in verdicts(ours, forged, root))


def test_what_cannot_be_checked_says_so() -> None:
    """RIPEMD-160, which PyCA's `cryptography` does not have."""
    root = pki.ca("root", private=pki.key("rsa2048", 7))
    scheme = (seq(oid("1.3.36.3.3.1.2"), tlv(5)), lambda _: bytes(256))
    chain = [pki.leaf("example.test", root, scheme=scheme)]
    assert verdicts(ours, chain, root)[:2] == [(codes.UNSUPPORTED_SIGNATURE_ALGORITHM, 0)] * 2
    assert verdicts(ours, chain, root)[2] == (codes.CA_DIGEST_TOO_WEAK, 0)
    with pytest.raises(VerifyAbort) as caught:
        path_of(chain, [root], level=0)
    assert "1.3.36.3.3.1.2" in caught.value.note
