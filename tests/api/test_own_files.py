"""load_cert_chain() with the files that people really have: what is behind the leaf, keys of all kinds, wrong ones."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

import puretls
from support import pki

KEYS = Path(__file__).parent.parent / "data" / "keys"
ROOT = pki.ca("root", not_after=pki.NOW + 3650 * pki.DAY)
LEAF = pki.leaf("localhost", ROOT, not_after=pki.NOW + 3650 * pki.DAY)
OTHER_KEY = pki.leaf("localhost", ROOT, private=pki.key("p256", 9)).key_pem


def told(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def server(module: Any = puretls) -> Any:
    return module.SSLContext(module.PROTOCOL_TLS_SERVER)


def loaded(context: Any) -> list[tuple[bytes, ...]]:
    return [credential.ders for credential in context._settings.credentials.values()]


def block(content: bytes, label: str = "CERTIFICATE") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"


# What is behind the first certificate: as a text, and what is sent besides the leaf; None: it is refused.
BEHIND: dict[str, tuple[str, list[bytes] | None]] = {
    "an issuer": (ROOT.pem, [ROOT.der]),
    "text": ("text\n" + ROOT.pem + "text\n", [ROOT.der]),
    "octets behind an issuer": (block(ROOT.der + b"\0\0"), [ROOT.der]),
    "another label": (block(ROOT.der, "PKCS7") + ROOT.pem, [ROOT.der]),
    "a second key": (OTHER_KEY + ROOT.pem, [ROOT.der]),
    "text that looks like a beginning": ("-----BEGIN NOTHING\n" + ROOT.pem, [ROOT.der]),
    "a certificate cut off within": (block(ROOT.der[:-40]), None),
    "no DER": (block(b"hello world, this is text"), None),
    "another SEQUENCE": (block(bytes.fromhex("3003020105")), None),
    "an empty block": (block(b""), None),
    "no base64": (ROOT.pem.replace("M", "!", 1), None),
    "a block cut off": (ROOT.pem[:-30], None),
    "a block cut off in its base64": (ROOT.pem[:200], None),
    "a block cut off, then another": (ROOT.pem[:200] + "\n" + ROOT.pem, None),
    "a block with another end": (ROOT.pem.replace("END CERT", "END X509 CERT"), None),
    "another label cut off": (block(ROOT.der, "PKCS7")[:-30], None),
    "a key cut off": (OTHER_KEY[:-30], None),
    "a trusted certificate cut off": (block(ROOT.der, "TRUSTED CERTIFICATE")[:-30], None),
}


def outcome(module: Any, *arguments: Any) -> Any:
    context = server(module)
    try:
        context.load_cert_chain(*arguments)
    except (OSError, ValueError, TypeError) as error:
        return type(error), error.args[0], str(error).partition("(_ssl")[0], error.reason, error.library
    return "loaded"


@pytest.mark.parametrize("what", BEHIND)
def test_what_is_behind_the_leaf(what, tmp_path):
    text, expected = BEHIND[what]
    file = tmp_path / "chain.pem"
    file.write_text(LEAF.key_pem + LEAF.pem + text)
    theirs = outcome(ssl, file)
    assert (theirs == "loaded") == (expected is not None)
    context = server()
    context.load_cert_chain(ROOT.pem, ROOT.key_pem)
    before = loaded(context)
    if expected is not None:
        context.load_cert_chain(file)
        assert loaded(context) == [(LEAF.der, *expected)]
        return
    for source in (file, file.read_text()):
        with pytest.raises(puretls.SSLError):
            context.load_cert_chain(source)
    assert loaded(context) == before


@pytest.mark.parametrize("what", [what for what in BEHIND if what != "an empty block"])  # to ssl an "unknown error"
def test_what_is_behind_the_leaf_fails_as_with_ssl(what, tmp_path):
    file = tmp_path / "chain.pem"
    file.write_text(LEAF.key_pem + LEAF.pem + BEHIND[what][0])
    assert outcome(puretls, file) == outcome(ssl, file)


# Keys


@pytest.mark.parametrize("name", ["ec", "des3", "pkcs8-scrypt"])
def test_keys_that_ssl_loads(name):
    server().load_cert_chain(KEYS / "ec-cert.pem", KEYS / f"{name}.pem", "secret")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("camellia128", "CAMELLIA-128-CBC"),
        ("aria128", "ARIA-128-CBC"),
        ("pkcs8-camellia256", "CAMELLIA-256-CBC"),
        ("pkcs8-aria256", "ARIA-256-CBC"),
    ],
)
def test_an_encryption_that_we_lack_is_named(name, says):
    for source in (KEYS / f"{name}.pem", (KEYS / f"{name}.pem").read_bytes()):
        with pytest.raises(puretls.SSLError) as caught:
            server().load_cert_chain(KEYS / "ec-cert.pem", source, lambda: pytest.fail("asked in vain"))
        assert says in told(caught.value)
        assert "password" not in told(caught.value)


@pytest.mark.parametrize("name", ["three-primes", "three-primes-pkcs1"])
def test_rsa_keys_of_three_primes_are_named(name):
    with pytest.raises(puretls.SSLError) as caught:
        server().load_cert_chain(KEYS / "three-primes-cert.pem", KEYS / f"{name}.pem")
    assert "primes" in told(caught.value)


def locked(private: Any, form: PrivateFormat = PrivateFormat.PKCS8, encoding: Encoding = Encoding.PEM) -> bytes:
    return private.private_bytes(encoding, form, BestAvailableEncryption(b"secret"))


P12 = pkcs12.serialize_key_and_certificates(b"", LEAF.key, LEAF.x509, None, BestAvailableEncryption(b"secret"))

# What is wrong, and the words that tell it from the others.
WRONG: dict[str, tuple[tuple[Any, ...], str]] = {
    "a wrong password": ((LEAF.pem, locked(LEAF.key), "wrong"), "password"),
    "a wrong password, traditional": (
        (LEAF.pem, locked(LEAF.key, PrivateFormat.TraditionalOpenSSL), "wrong"),
        "password",
    ),
    "a wrong password, DER": ((LEAF.pem, locked(LEAF.key, encoding=Encoding.DER), "wrong"), "password"),
    "no key in the one file": ((LEAF.pem,), "no private key"),
    "no key in the key's file": ((LEAF.pem, ROOT.pem), "no private key"),
    "a public key": (
        (LEAF.pem, block(pki.spki(LEAF.key), "PUBLIC KEY")),
        "no private key",
    ),
    "files that were swapped": ((LEAF.key_pem, LEAF.pem), "swapped"),
    "no certificate": ((LEAF.key_pem,), "no certificate"),
    "an empty file": ((b"-----BEGIN \n", LEAF.key_pem), "no certificate"),
    "the key of another certificate": ((LEAF.pem, OTHER_KEY), "another certificate"),
    "a key that is damaged": ((LEAF.pem, LEAF.key_pem.replace("M", "N", 1)), "damaged"),
    "a key cut off": ((LEAF.pem, LEAF.key_pem[:-30]), "cut off"),
    "a wrong password for PKCS #12": ((P12, None, "wrong"), "password"),
}


@pytest.mark.parametrize("what", WRONG)
def test_mistakes_are_told_apart(what):
    arguments, says = WRONG[what]
    with pytest.raises(puretls.SSLError) as caught:
        server().load_cert_chain(*arguments)
    assert says in told(caught.value)
    others = {words for _, words in WRONG.values()} - {says}
    assert not [words for words in others if words in told(caught.value)]
    assert "secret" not in told(caught.value)
    assert "wrong" not in told(caught.value).replace("wrong password", "").replace("password is wrong", "")


def test_der_keys_without_encryption_need_no_password():
    der = LEAF.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    server().load_cert_chain(LEAF.pem, der, lambda: pytest.fail("asked"))


# Diffie-Hellman parameters

GOOD_DH = (KEYS / "dh1024.pem").read_text()
DH = base64.b64decode("".join(GOOD_DH.splitlines()[1:-1]))
DH_FILES = {
    "good": GOOD_DH,
    "behind a certificate": ROOT.pem + GOOD_DH,
    "octets behind": block(DH + b"\0\0", "DH PARAMETERS"),
    "empty": "",
    "text": "text",
    "another label": GOOD_DH.replace("DH PARAMETERS", "DSA PARAMETERS"),
    "cut off": GOOD_DH[:-20],
    "behind a block cut off": ROOT.pem[:-20] + "\n" + GOOD_DH,
    "no base64": GOOD_DH.replace(GOOD_DH.splitlines()[1], "!" + GOOD_DH.splitlines()[1][1:]),
    "cut off within": block(DH[:-3], "DH PARAMETERS"),
    "one number": block(bytes.fromhex("3003020105"), "DH PARAMETERS"),
    "zero": block(bytes.fromhex("3006020100020102"), "DH PARAMETERS"),
    "negative": block(bytes.fromhex("30060201ff020102"), "DH PARAMETERS"),
}


@pytest.mark.parametrize("what", DH_FILES)
def test_dh_files_as_with_ssl(what, tmp_path):
    file = tmp_path / "dh.pem"
    file.write_text(DH_FILES[what])
    results = []
    for module in (ssl, puretls):
        context = server(module)
        context.set_ciphers("DEFAULT:@SECLEVEL=1")
        try:
            context.load_dh_params(file)
        except OSError as error:
            results.append((type(error), error.args[0], str(error).partition("(_ssl")[0], error.reason, error.library))
        else:
            results.append("loaded")
    assert results[0] == results[1]


INVALID = {
    "a repeated extension": {"extra": pki.extension(pki.KU, pki.key_usage(0x80))},
    "basic constraints that are none": {"extensions": {pki.BC: (True, b"\x05\0")}},
    "a name that is none": {"extensions": {pki.SAN: (False, b"\x05\0")}},
    "key usage for nothing": {"extensions": {pki.KU: (True, b"\x03\x01\0")}},
    "a path of negative length": {"extensions": {pki.BC: (True, pki.seq(pki.integer(-1)))}},
    "an unknown critical extension": {"extensions": {"1.2.3.4": (True, b"\x05\0")}},
}


@pytest.mark.parametrize("what", INVALID)
def test_certificates_with_broken_extensions_as_with_ssl(what, tmp_path):
    """The leaf is refused, what stands behind it is not."""
    odd = pki.leaf("localhost", ROOT, **INVALID[what])
    for chain in (odd.key_pem + odd.pem, LEAF.key_pem + LEAF.pem + odd.pem):
        file = tmp_path / "chain.pem"
        file.write_text(chain)
        assert outcome(puretls, file) == outcome(ssl, file)
