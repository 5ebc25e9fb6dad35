"""Whatever a file holds: loading it succeeds, or raises SSLError and changes nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ed448, mldsa, mlkem, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import puretls
from support import odd, pki

KEYS = Path(__file__).parent.parent / "data" / "keys"
ROOT = pki.ca("root")
LEAF = pki.leaf("localhost", ROOT)
RSA, ED = (pki.leaf("localhost", ROOT, private=pki.key(kind)) for kind in ("rsa2048", "ed25519"))
CRL = pki.crl(ROOT, (1, 2))


def key_of(issued: pki.Issued, form: PrivateFormat, *, locked: bool = False) -> bytes:
    return issued.key.private_bytes(
        Encoding.DER, form, BestAvailableEncryption(b"secret") if locked else NoEncryption()
    )


CERTIFICATES = [ROOT.der, LEAF.der, RSA.der, ED.der, *(odd.ca(name).der for name in odd.SHAPES)]
PRIVATE = [
    ("PRIVATE KEY", key_of(LEAF, PrivateFormat.PKCS8)),
    ("PRIVATE KEY", key_of(RSA, PrivateFormat.PKCS8)),
    ("PRIVATE KEY", key_of(ED, PrivateFormat.PKCS8)),
    ("EC PRIVATE KEY", key_of(LEAF, PrivateFormat.TraditionalOpenSSL)),
    ("RSA PRIVATE KEY", key_of(RSA, PrivateFormat.TraditionalOpenSSL)),
    ("ENCRYPTED PRIVATE KEY", key_of(LEAF, PrivateFormat.PKCS8, locked=True)),
]
OTHERS = [  # keys of kinds that TLS has little or no use for
    x25519.X25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate(), x448.X448PrivateKey.generate(),
    dsa.generate_private_key(1024), mldsa.MLDSA44PrivateKey.generate(), mlkem.MLKEM768PrivateKey.generate(),
    pki.key("p521"), pki.key("p192"),
]  # fmt: skip
PRIVATE += [("PRIVATE KEY", one.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())) for one in OTHERS]
P12 = [
    pkcs12.serialize_key_and_certificates(b"", LEAF.key, LEAF.x509, [ROOT.x509], encryption)
    for encryption in (NoEncryption(), BestAvailableEncryption(b"secret"))
]
PARAMETERS = base64.b64decode("".join((KEYS / "dh512.pem").read_text().splitlines()[1:-1]))


@st.composite
def mutated(draw: Any, originals: list[bytes]) -> bytes:
    """DER with some octets changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["change", "cut", "insert", "shorten", "length"]))
        if what == "change" and place < len(data):
            data[place] = draw(st.integers(0, 255))
        elif what == "cut":
            del data[place : place + draw(st.integers(1, 4))]
        elif what == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=4))
        elif what == "shorten":
            del data[place:]
        elif place < len(data):
            data[place] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF, 2, 5, 6, 0x30, 0x31]))
    return bytes(data)


@st.composite
def text(draw: Any, content: bytes, label: str) -> str:
    """A PEM block, now and then broken as a text."""
    pem = pki.pem(content, label)
    what = draw(st.sampled_from(["as it is", "as it is", "as it is", "cut", "change", "swap"]))
    if what == "cut":
        return pem[: draw(st.integers(0, len(pem)))]
    if what == "change" and pem:
        place = draw(st.integers(0, len(pem) - 1))
        return pem[:place] + draw(st.sampled_from(["\n", " ", "-", "=", "\0", "A", "\r"])) + pem[place + 1 :]
    if what == "swap":
        return pem.replace("BEGIN", "END", 1)
    return pem


many = settings(
    max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def held(context: Any) -> Any:
    """All that a context has loaded."""
    s = context._settings
    return (
        context.cert_store_stats(),
        context.get_ca_certs(binary_form=True),
        list(s.store._directories),
        {kind: credential.ders for kind, credential in s.credentials.items()},
        s.dh,
    )


def attempt(context: Any, load: Callable[[], Any]) -> None:
    """Load; nothing but SSLError may be raised, and then everything is as before."""
    before = held(context)
    try:
        load()
    except puretls.SSLError as error:
        assert not re.search(r"secret|[0-9a-f]{40}", str(error))  # noqa: PT017 - what it says
        assert held(context) == before
    else:
        held(context)
    context._config(server_side=context.protocol == puretls.PROTOCOL_TLS_SERVER)  # nothing waits to be found out


@many
@given(st.data())
def test_trust(data):
    content = data.draw(mutated([*CERTIFICATES, CRL]))
    label = data.draw(st.sampled_from(["CERTIFICATE", "CERTIFICATE", "X509 CRL", "TRUSTED CERTIFICATE"]))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=LEAF.pem)
    pem = ROOT.pem + data.draw(text(content, label))
    for one in (pem, pem.encode(), content, ROOT.der + content):
        if one:
            attempt(context, lambda one=one: context.load_verify_locations(cadata=one))


@many
@given(st.data())
def test_trusted_files(tmp_path, data):
    content = data.draw(mutated([*CERTIFICATES, CRL]))
    label = data.draw(st.sampled_from(["CERTIFICATE", "CERTIFICATE", "X509 CRL", "TRUSTED CERTIFICATE"]))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    file = tmp_path / "ca"
    for one in ((ROOT.pem + data.draw(text(content, label))).encode(), content, ROOT.der + content):
        file.write_bytes(one)
        attempt(context, lambda: context.load_verify_locations(file))


@many
@given(st.data())
def test_own_chains(data):
    content = data.draw(mutated(CERTIFICATES))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT.pem, ROOT.key_pem)
    pem = data.draw(
        text(content, data.draw(st.sampled_from(["CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"])))
    )
    for one in (LEAF.pem + pem, pem + LEAF.pem, LEAF.der + content, content):
        source = one if isinstance(one, str) else b"\x30\x82" + one[2:]  # else it is the name of a file
        attempt(context, lambda source=source: context.load_cert_chain(source, LEAF.key_pem))


@many
@given(st.data())
def test_own_keys(data):
    label, original = data.draw(st.sampled_from(PRIVATE))
    content = data.draw(mutated([original]))
    label = data.draw(st.sampled_from([label, label, label, *(other for other, _ in PRIVATE)]))
    chain = data.draw(st.sampled_from([LEAF.pem, RSA.pem, ED.pem]))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for key in (data.draw(text(content, label)).encode(), b"\x30\x82" + content[2:]):
        attempt(context, lambda key=key: context.load_cert_chain(chain, b"-----BEGIN \n" + key, "secret"))


@many
@given(st.data())
def test_pkcs12(data):
    content = data.draw(mutated(P12))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    attempt(context, lambda: context.load_cert_chain(b"\x30\x82" + content[2:], None, "secret"))


@many
@given(st.data())
def test_own_parameters(tmp_path, data):
    label = data.draw(st.sampled_from(["DH PARAMETERS", "DH PARAMETERS", "X9.42 DH PARAMETERS", "DSA PARAMETERS"]))
    file = tmp_path / "dh"
    file.write_text(data.draw(text(data.draw(mutated([PARAMETERS])), label)))
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    attempt(context, lambda: context.load_dh_params(file))


@pytest.mark.parametrize("name", ["ed448-58-octets"])
def test_a_key_that_escaped(name):
    """An Ed448 key of 58 octets: `cryptography` raised InternalError."""
    data = (KEYS / f"{name}.bin").read_bytes()
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    attempt(context, lambda: context.load_cert_chain(LEAF.pem, pki.pem(data, "PRIVATE KEY")))
