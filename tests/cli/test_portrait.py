"""Certificates in words: whatever a peer sends as one is described, or is said not to be readable."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from puretls.cli import portrait
from puretls.cli.certs import Authority
from puretls.cli.text import printable

AUTHORITY = Authority("Some root")
NAMES = ("example.test", "*.example.test", "192.0.2.1", "2001:db8::1", "alice@example.test", "spiffe://example/x")
DER = AUTHORITY.issue(*NAMES).certificate.public_bytes(Encoding.DER)


def test_the_facts() -> None:
    facts = portrait.certificate(DER)
    assert (facts["subject"], facts["issuer"], facts["key"]) == ("CN=example.test", "CN=Some root", "P-256")
    assert facts["names"] == list(NAMES[:4])
    assert facts["days_left"] == 6
    assert "(6 days left)" in portrait.validity(facts)


@pytest.mark.parametrize(
    ("days", "said"), [((-9, -2), "(expired)"), ((1, 9), "(not yet valid)"), ((-1, 1.5), "(1 day left)")]
)
def test_validity(days: tuple[float, float], said: str) -> None:
    der = AUTHORITY.issue("x.test", days=days).certificate.public_bytes(Encoding.DER)
    assert portrait.validity(portrait.certificate(der)).endswith(said)


def test_many_names_are_cut_on_a_screen_only() -> None:
    der = AUTHORITY.issue(*(f"n{number}.test" for number in range(100))).certificate.public_bytes(Encoding.DER)
    facts = portrait.certificate(der)
    assert len(facts["names"]) == 100
    assert dict(portrait.lines(facts, leaf=True))["names"].endswith("n11.test and 88 more")


def test_where_more_is_to_be_had_and_the_pin() -> None:
    own, link = ec.generate_private_key(ec.SECP256R1()), x509.UniformResourceIdentifier
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x.test")])
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, link("http://ocsp.test/")),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, link("http://ca.test/1.der")),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.DNSName("not.an.address")),
    ]
    points = [
        x509.DistributionPoint([link("http://crl.test/1"), link("ldap://crl.test/\x1b[31m")], None, None, None),
        x509.DistributionPoint(None, name.rdns[0], None, None),
    ]
    start = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, own.public_key(), 1, start, start + timedelta(1))
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .add_extension(x509.CRLDistributionPoints(points), critical=False)
        .add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        .sign(own, hashes.SHA256())
    )
    facts = portrait.certificate(made.public_bytes(Encoding.DER))
    assert facts["urls"] == {
        "ocsp": ["http://ocsp.test/"],
        "issuer": ["http://ca.test/1.der"],
        "crl": ["http://crl.test/1", "ldap://crl.test/\x1b[31m"],
    }
    spki = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert facts["pin_sha256"] == b64encode(hashlib.sha256(spki).digest()).decode()
    shown = dict(portrait.lines(facts, leaf=True))
    assert (shown["OCSP at"], shown["issuer at"]) == ("http://ocsp.test/", "http://ca.test/1.der")
    assert shown["CRL at"].isprintable()
    assert (facts["must_staple"], shown["demands"]) == (True, "a stapled OCSP response (must-staple)")
    assert portrait.certificate(DER)["must_staple"] is False
    assert shown["key pin"] == f"sha256//{facts['pin_sha256']}"


@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_what_is_broken_is_described_as_far_as_it_goes(changes: list[tuple[int, int]]) -> None:
    der = bytearray(DER)
    for place, value in changes:
        der[place] = value
    facts = portrait.certificate(bytes(der))
    json.dumps(facts)
    for name, value in portrait.lines(facts, leaf=True):
        assert (name + value).isprintable()


@given(st.text())
def test_printable_is(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable() or len(text) > 400
