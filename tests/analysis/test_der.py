"""Certificates as fields: every byte in one of them, named as RFC 5280 names it, and noise that never raises."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from puretls._analysis.der import CERTIFICATE, DEEPEST, dotted_oid, element
from puretls._analysis.fields import About, Field, dissect
from puretls.cli.certs import KINDS, Authority
from support import Pki
from trees import tiles


def dissected(data: bytes) -> Field:
    root = dissect("cert_data", data, About(), element(CERTIFICATE))
    tiles(root, data)
    return root


def der(pki: Pki, name: str) -> bytes:
    return pki.identity(name).certificate.public_bytes(Encoding.DER)


def value(root: Field, *path: str) -> str:
    found = root.find("Certificate", *path)
    assert found is not None, path
    return found.value


@pytest.mark.parametrize("kind", KINDS)
def test_certificates_of_every_kind(pki: Pki, kind: str) -> None:
    for data in (der(pki, kind), Authority("root", kind=kind).certificate.public_bytes(Encoding.DER)):
        root = dissected(data)
        assert root.faults() == []
        inside = root.find("Certificate", "tbsCertificate")
        assert inside is not None
        assert [child.name for child in inside.children[2:]] == [
            "version", "serialNumber", "signature", "issuer", "validity", "subject", "subjectPublicKeyInfo",
            "extensions",
        ]  # fmt: skip


def test_what_a_certificate_says(pki: Pki) -> None:
    root = dissected(der(pki, "P-256"))
    parsed = pki.identity("P-256").certificate
    tbs = "tbsCertificate"
    assert value(root, tbs, "version") == "2"
    assert value(root, tbs, "issuer") == "commonName (2.5.4.3), Test intermediate"
    assert value(root, tbs, "validity", "notAfter") == f"{parsed.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    assert "secp256r1 (1.2.840.10045.3.1.7)" in value(root, tbs, "subjectPublicKeyInfo")
    assert value(root, "signatureAlgorithm") == "ECDSA-WITH-SHA256 (1.2.840.10045.4.3.2)"
    extensions = root.find("Certificate", tbs, "extensions", "Extensions")
    assert extensions is not None
    said = {one.children[2].value.partition(" ")[0]: one.value for one in extensions.children[2:]}
    assert said["subjectAltName"].endswith("localhost, 7f000001")
    assert said["basicConstraints"].startswith("basicConstraints (2.5.29.19), true")
    assert said["extendedKeyUsage"].endswith("serverAuth (1.3.6.1.5.5.7.3.1)")


@given(st.binary(max_size=200))
def test_noise(data: bytes) -> None:
    dissected(data)


@given(st.data())
def test_damaged_certificates(pki: Pki, data: st.DataObject) -> None:
    damaged = bytearray(der(pki, data.draw(st.sampled_from(["P-256", "RSA"]))))
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    dissected(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


def test_depth_is_bounded() -> None:
    data = b""
    for _ in range(3 * DEEPEST):
        size = len(data)
        data = b"\x30" + (bytes((size,)) if size < 128 else b"\x81" + bytes((size,))) + data
    assert max(depth for depth, _ in dissected(data).walk()) < 2 * DEEPEST


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x30\x05\x02\x01\x05", "Certificate: the length says 5 bytes, there are 3"),
        (b"\x30\x80\x00\x00", "length: an indefinite length, which is not DER"),
        (b"\x30\x00tail", "unexpected: 4 bytes too many here"),
        (b"\x30\x84\x01", "length: 3 bytes missing here"),
        (b"\x3f\x81\x01\x00", "identifier: an identifier of several octets: nothing in a certificate has one"),
    ],
)
def test_faults(data: bytes, fault: str) -> None:
    assert fault in dissected(data).faults()


@pytest.mark.parametrize(
    ("data", "dotted"),
    [
        ("550403", "2.5.4.3"),
        ("2a864886f70d01010b", "1.2.840.113549.1.1.11"),
        ("883703", "2.999.3"),
        ("00", "0.0"),
        ("", "(empty)"),
    ],
)
def test_object_identifiers(data: str, dotted: str) -> None:
    """X.690 8.19.5 and others."""
    assert dotted_oid(bytes.fromhex(data)) == dotted
