"""getpeercert() says what `ssl` says, of every certificate that is at hand."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test as cpython_tests

from puretls._x509 import certificate
from puretls._x509.peercert import peercert
from support import pki, vectors

_ssl = pytest.importorskip("_ssl")

CERTDATA = Path(cpython_tests.__file__).parent
_PEM = re.compile(r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END")


def in_text(text: str) -> Iterator[bytes]:
    for body in _PEM.findall(text):
        try:
            der = base64.b64decode(body)
            certificate.load(der)
        except ValueError:
            continue
        yield der


def certdata() -> list[bytes]:
    """What CPython's own tests use; older ones keep it among the test modules."""
    folder = CERTDATA / "certdata" if (CERTDATA / "certdata").exists() else CERTDATA
    files = [*folder.rglob("*.pem"), *folder.rglob("*.crt")]
    return [der for file in sorted(files) for der in in_text(file.read_text("utf-8", "replace"))]


def theirs(der: bytes, folder: Path) -> dict[str, Any]:
    file = folder / "one.pem"
    file.write_text(pki.pem(der, "CERTIFICATE"))
    found: dict[str, Any] = _ssl._test_decode_cert(str(file))
    return found


def test_cpythons_certificates(tmp_path: Path) -> None:
    found = certdata()
    if not found:
        pytest.skip("this interpreter comes without its test certificates")
    for der in found:
        assert peercert(certificate.load(der)) == theirs(der, tmp_path)


def test_limbos_certificates(tmp_path: Path) -> None:
    for text in vectors.load("limbo/open")["certs"][::3]:
        der = base64.b64decode(text)
        assert peercert(certificate.load(der)) == theirs(der, tmp_path), text


def other_name(kind: str, tag: int, value: bytes) -> bytes:
    return pki.tlv(0xA0, pki.oid(kind), pki.tlv(0xA0, pki.tlv(tag, value)))


@pytest.mark.parametrize(
    "given",
    [
        {"serial": 0},
        {"serial": 127},
        {"serial": 128},
        {"serial": 1 << 279},
        {"serial": 1 << 400},
        {"not_before": 0, "not_after": 4102444800},
        {"subject": ""},
        {"subject": "C=XY,O=Größe,CN=a,CN=b,E=a@b.test"},
        {"subject": pki.seq(pki.tlv(0x31, *(pki.seq(pki.oid(f"2.5.4.{n}"), pki.tlv(0x0C, b"x")) for n in (3, 10))))},
        {"subject": pki.seq(pki.tlv(0x31, pki.seq(pki.oid("1.2.3.4"), pki.tlv(0x1E, "ä".encode("utf-16-be")))))},
        {"subject": pki.seq(pki.tlv(0x31, pki.seq(pki.oid("0.9.2342.19200300.100.1.25"), pki.tlv(0x16, b"test"))))},
        {"alt": ("IP:2001:db8::1", "IP:192.0.2.1", "URI:http://a/", "email:a@b.test", "dir:C=XY,CN=a")},
        {"extensions": {pki.SAN: pki.seq(pki.tlv(0x87, b"abc"))}},
        {"extensions": {pki.SAN: pki.seq(pki.tlv(0x88, pki.oid("1.2.3.4.5")[2:]))}},
        {"extensions": {pki.SAN: pki.seq(pki.tlv(0x88, pki.oid("2.5.4.3")[2:]))}},
        {"extensions": {pki.SAN: pki.seq(pki.tlv(0xA5, pki.tlv(0xA1, pki.tlv(0x0C, b"party"))))}},
        {"extensions": {pki.SAN: pki.seq(other_name("1.3.6.1.4.1.311.20.2.3", 0x0C, "ü@x".encode()))}},
        {"extensions": {pki.SAN: pki.seq(other_name("1.3.6.1.4.1.311.20.2.3", 0x16, b"u@x"))}},
        {"extensions": {pki.SAN: pki.seq(other_name("1.3.6.1.5.5.7.8.7", 0x16, b"_srv.x"))}},
        {"extensions": {pki.SAN: pki.seq(other_name("1.2.3.4", 0x0C, b"a"))}},
        {"extensions": {pki.SAN: b"\x30\x03\x82\x05a"}},
        {"extensions": {pki.CDP: pki.seq(pki.seq(
            pki.tlv(0xA0, pki.tlv(0xA0, pki.general("URI:http://a/"), pki.general("DNS:b"))),
        ))}},
        {"extensions": {pki.CDP: pki.seq(pki.seq(pki.tlv(0xA2, pki.general("dir:CN=a"))))}},
        {"extensions": {"1.3.6.1.5.5.7.1.1": pki.seq(
            pki.seq(pki.oid("1.3.6.1.5.5.7.48.1"), pki.general("URI:http://ocsp/")),
            pki.seq(pki.oid("1.3.6.1.5.5.7.48.2"), pki.general("URI:http://ca/")),
            pki.seq(pki.oid("1.3.6.1.5.5.7.48.2"), pki.general("DNS:ca")),
        )}},
        {"version": 0, "extensions": dict.fromkeys((pki.BC, pki.KU, pki.EKU, pki.SAN, pki.SKI, pki.AKI))},
    ],
)  # fmt: skip
def test_odd_ones(given: dict[str, Any], tmp_path: Path) -> None:
    der = pki.leaf("example.test", pki.ca("root"), **given).der
    assert peercert(certificate.load(der)) == theirs(der, tmp_path)
