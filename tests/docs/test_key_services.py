"""The recipes for key services of the clouds, as they stand in docs/recipes/keys-elsewhere.md, with stand-ins.

A stand-in holds the key and is as strict about what it is asked as the service's own documentation is: names of
algorithms, the length of the digest, how the signature comes back.
"""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

import puretls
from puretls.cli.certs import Authority
from puretls.keys import CallableKey, operation
from support.bios import join
from support.both import V12, V13, only
from support.run_page import blocks

PAGE = Path(__file__).parents[2] / "docs" / "recipes" / "keys-elsewhere.md"
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
OF_CURVES = {
    "P-256": "ecdsa_secp256r1_sha256",
    "P-384": "ecdsa_secp384r1_sha384",
    "P-521": "ecdsa_secp521r1_sha512",
}
ONLY = {kind: scheme for kind, scheme in OF_CURVES.items() if kind != "P-256"}  # as the page says
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Key services")


def recipe(service: str) -> str:
    """The block of the page that is about this service."""
    (found,) = (block.code for block in blocks(PAGE.read_text("utf-8")) if service in block.code)
    return found


class Service:
    """A private key behind a wall."""

    def __init__(self, root: Authority, kind: str) -> None:
        self.kind, self.identity, self.asked = kind, root.issue("localhost", kind=kind), list[str]()

    def signed(self, scheme: str, bits: str, digest: bytes) -> bytes:
        """By a scheme of RSA, or ECDSA."""
        key, how = self.identity.key, HASHES[bits]
        assert len(digest) == how.digest_size, "that is no digest of this hash"
        self.asked.append(f"{scheme} {bits}")
        if isinstance(key, rsa.RSAPrivateKey):
            salted: Any = padding.PSS(padding.MGF1(how), how.digest_size)
            return key.sign(digest, {"PSS": salted, "PKCS1": padding.PKCS1v15()}[scheme], Prehashed(how))
        assert (scheme, bits) == ("ECDSA", OF_CURVES[self.kind][-3:]), "this key has one algorithm"
        return bytes(key.sign(digest, ec.ECDSA(Prehashed(how))))

    def met(self, root: Authority, sign: Any, version: Any, **more: Any) -> str:
        """A handshake with this key as the server's; how it signed."""
        roles = (puretls.PROTOCOL_TLS_SERVER, puretls.PROTOCOL_TLS_CLIENT)
        server, client = map(puretls.SSLContext, roles)
        if scheme := ONLY.get(self.kind):
            more["signature_algorithms"] = [scheme]
        server.load_cert_chain(self.identity.chain_pem, CallableKey(self.identity.key.public_key(), sign, **more))
        client.load_verify_locations(cadata=root.pem.decode())
        only(version, client)
        if version == V12:
            client.set_server_sigalgs("rsa_pkcs1_sha384:" + ":".join(OF_CURVES.values()))
        return str(join(client, server).ok().client.obj.server_sigalg())


class Amazon(Service):
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html"""

    NAMES = {  # noqa: RUF012 - a table
        **{f"RSASSA_PSS_SHA_{bits}": ("PSS", bits) for bits in HASHES},
        **{f"RSASSA_PKCS1_V1_5_SHA_{bits}": ("PKCS1", bits) for bits in HASHES},
        **{f"ECDSA_SHA_{bits}": ("ECDSA", bits) for bits in HASHES},
    }

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, Any]:  # noqa: N803
        assert KeyId.startswith("alias/")
        assert MessageType == "DIGEST"
        signature = self.signed(*self.NAMES[SigningAlgorithm], Message)
        return {"KeyId": KeyId, "Signature": signature, "SigningAlgorithm": SigningAlgorithm}


EXPECTED = {
    ("RSA", V12): ("rsa_pkcs1_sha384", "PKCS1 384"),
    ("RSA", V13): ("rsa_pss_rsae_sha256", "PSS 256"),
    **{("P-256", version): ("ecdsa_secp256r1_sha256", "ECDSA 256") for version in (V12, V13)},
    **{("P-384", version): ("ecdsa_secp384r1_sha384", "ECDSA 384") for version in (V12, V13)},
    **{("P-521", version): ("ecdsa_secp521r1_sha512", "ECDSA 512") for version in (V12, V13)},
}
each_kind = pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])


@each_version
@each_kind
def test_amazon(root: Authority, kind: str, version: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Amazon(root, kind)
    monkeypatch.setitem(sys.modules, "boto3", module("boto3", client={"kms": service}.__getitem__))
    namespace: dict[str, Any] = {"operation": operation}
    exec(recipe("boto3"), namespace)
    scheme = service.met(root, namespace["sign"], version)
    assert (scheme, *service.asked) == EXPECTED[kind, version]


def module(name: str, **content: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(content)
    return made


class Google(Service):
    """https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.cryptoKeyVersions/asymmetricSign"""

    def asymmetric_sign(self, *, name: str, digest: dict[str, bytes]) -> Any:
        assert name.startswith("projects/")
        ((field, value),) = digest.items()
        assert field in ("sha256", "sha384", "sha512")
        return SimpleNamespace(name=name, signature=self.signed("ECDSA", field.removeprefix("sha"), value))


@each_version
def test_google(root: Authority, version: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Google(root, "P-256")
    kms = module("google.cloud.kms", KeyManagementServiceClient=lambda: service)
    for made in (module("google", cloud=None), module("google.cloud", kms=kms), kms):
        monkeypatch.setitem(sys.modules, made.__name__, made)
    namespace: dict[str, Any] = {
        "operation": operation, "CallableKey": CallableKey, "public": service.identity.key.public_key(),
    }  # fmt: skip
    exec(recipe("google.cloud"), namespace)
    assert isinstance(namespace["key"], CallableKey)
    only_one = namespace["key"].signature_algorithms
    assert service.met(root, namespace["sign"], version, signature_algorithms=only_one) == only_one[0]
    assert service.asked == ["ECDSA 256"]


class Azure(Service):
    """https://learn.microsoft.com/python/api/azure-keyvault-keys/azure.keyvault.keys.crypto.cryptographyclient"""

    def sign(self, algorithm: Any, digest: bytes) -> Any:
        assert type(algorithm).__name__ == "SignatureAlgorithm"
        letters, bits = algorithm.value[:2], algorithm.value[2:]
        signature = self.signed({"PS": "PSS", "RS": "PKCS1", "ES": "ECDSA"}[letters], bits, digest)
        if letters == "ES":
            size = (self.identity.key.curve.key_size + 7) // 8
            signature = b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))
        return SimpleNamespace(key_id="a key", algorithm=algorithm, signature=signature)


@each_version
@each_kind
def test_azure(root: Authority, kind: str, version: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Azure(root, kind)
    names = {f"{letters}{bits}": f"{letters}{bits}" for letters in ("PS", "RS", "ES") for bits in HASHES}
    crypto = module(
        "azure.keyvault.keys.crypto",
        CryptographyClient=lambda key, credential: (service, key, credential)[0],
        SignatureAlgorithm=enum.Enum("SignatureAlgorithm", names, type=str),
    )
    for made in (*map(module, ("azure", "azure.keyvault", "azure.keyvault.keys")), crypto):
        monkeypatch.setitem(sys.modules, made.__name__, made)
    namespace: dict[str, Any] = {"operation": operation, "key_id": "a key", "credential": object()}
    exec(recipe("azure.keyvault"), namespace)
    scheme = service.met(root, namespace["sign"], version)
    assert (scheme, *service.asked) == EXPECTED[kind, version]
