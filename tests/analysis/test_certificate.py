"""Certificates as fields: every byte in one of them, named as RFC 5280 names it, and noise that never raises."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from puretls._analysis.certificate import certificate_fields
from puretls._analysis.fields import About, Field, dissect
from puretls.cli.certs import KINDS, Authority
from support import Pki
from support.trees import tiles

LEAF = ["extendedKeyUsage", "subjectAltName"]
NAMES = [
    "version", "serialNumber", "signature", "issuer", "validity", "subject", "subjectPublicKeyInfo",
    "subjectKeyIdentifier", "authorityKeyIdentifier", "basicConstraints", "keyUsage", *LEAF,
    "signatureAlgorithm", "signatureValue",
]  # fmt: skip


def dissected(data: bytes) -> Field:
    root = dissect("cert_data", data, About(), certificate_fields)
    tiles(root, data)
    return root


def der(pki: Pki, name: str) -> bytes:
    return pki.identity(name).certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_of_every_kind(pki: Pki, kind: str) -> None:
    root = Authority("root", kind=kind).certificate.public_bytes(Encoding.DER)
    for data, expected in ((der(pki, kind), NAMES), (root, [name for name in NAMES if name not in LEAF])):
        fields = dissected(data)
        assert fields.faults() == []
        assert [child.name for child in fields.children[0].children if child.name != "encoding"] == expected


def test_what_a_certificate_says(pki: Pki) -> None:
    parsed = pki.identity("P-256").certificate
    data = der(pki, "P-256")
    said = {one.name: one.value for one in dissected(data).children[0].children}
    assert said["version"] == "v3"
    assert said["serialNumber"] == str(parsed.serial_number)
    assert said["issuer"] == "CN=Test intermediate"
    assert said["validity"].endswith(f"to {parsed.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    assert said["subjectPublicKeyInfo"] == "secp256r1"
    assert said["signatureAlgorithm"] == said["signature"] == "ecdsa-with-SHA256"
    assert said["subjectAltName"].endswith("localhost, 127.0.0.1")
    assert said["basicConstraints"] == "no CA"
    assert said["keyUsage"] == "digital_signature"
    assert said["extendedKeyUsage"] == "serverAuth"
    where = {one.name: data[one.start : one.end] for one in dissected(data).children[0].children}
    assert where["subject"] == parsed.subject.public_bytes()
    assert where["signatureValue"] == parsed.signature
    assert int.from_bytes(where["serialNumber"], "big") == parsed.serial_number


@given(st.binary(max_size=200))
def test_noise(data: bytes) -> None:
    root = dissected(data)
    assert root.faults() or not data


@given(st.data())
def test_damaged_certificates(pki: Pki, data: st.DataObject) -> None:
    damaged = bytearray(der(pki, data.draw(st.sampled_from(["P-256", "RSA"]))))
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    dissected(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@given(st.integers(0, 300), st.integers(1, 2**80))
def test_labels_are_where_the_bytes_are(pki: Pki, seed: int, number: int) -> None:
    """Small serial numbers are found elsewhere, too: each label is of its own element, whatever the bytes around it."""
    for serial in (2, 3, 0x30, number, seed + 1):
        issuer = pki.issuer
        key = pki.identity("P-256").key.public_key()
        builder = x509.CertificateBuilder().subject_name(issuer.name).issuer_name(issuer.name).public_key(key)
        builder = (
            builder.serial_number(serial)
            .not_valid_before(datetime(2026, 1, 1, tzinfo=timezone.utc))
            .not_valid_after(datetime(2027, 1, 1, tzinfo=timezone.utc))
        )
        parsed = builder.sign(issuer.key, hashes.SHA256())
        data = parsed.public_bytes(Encoding.DER)
        where = {one.name: data[one.start : one.end] for one in dissected(data).children[0].children}
        at = {one.name: one.start for one in dissected(data).children[0].children}
        assert int.from_bytes(where["serialNumber"], "big") == serial
        assert at["version"] < at["serialNumber"] < at["signature"] < at["issuer"] < at["validity"] < at["subject"]
        assert (where["version"], where["issuer"], where["subject"]) == (b"\x02", *2 * (issuer.name.public_bytes(),))


@given(st.data())
def test_malformed_certificates_have_every_byte_labelled_once(pki: Pki, data: st.DataObject) -> None:
    """Bytes changed, left out, put in: `dissected` looks whether the leaves tile the bytes."""
    good = der(pki, "P-256")
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    dissected(bytes(changed[: data.draw(st.integers(0, len(changed)))]))
    dissected(bytes(changed))
