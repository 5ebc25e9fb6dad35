"""Certificates as fields: every byte in one of them, named as RFC 5280 names it, and noise that never raises."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from puretls._analysis.certificate import certificate_fields
from puretls._analysis.fields import About, Field, dissect
from puretls.cli.certs import KINDS, Authority
from support import Pki
from trees import tiles

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
