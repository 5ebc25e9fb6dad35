"""Handshakes that come out the same every time: nothing in here is drawn at random.

`SeededBytes` gives numbered bytes for a name.  `repeatable` puts it where the library draws: `urandom`, private keys of
groups, the secret that RSA encrypts.  `Signer` is a private key whose ECDSA is deterministic (RFC 6979); certificates
and their keys follow from the source too, but for an RSA key, which is in a file, as is one ML-KEM encapsulation: its
randomness cannot be given from outside.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from hashlib import shake_256
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import dh, ec, ed25519, mlkem, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import puretls
from puretls._crypto import finite_field, groups, hpke, signatures
from puretls._engine.config import Credential
from puretls._engine.requests import SignRequest
from puretls._x509.certificate import Certificate
from puretls._x509.store import Store
from support.pair import self_signed

for _, module, _ in pkgutil.walk_packages(puretls.__path__, "puretls."):
    if module.startswith("puretls._"):  # what loads later would not draw from the source
        import_module(module)

FOLDER = Path(__file__).parent.parent / "data" / "baseline"
KINDS = ("EC", "ED25519", "RSA")


class SeededBytes:
    """Bytes that depend on a name and on how often it has drawn."""

    def __init__(self) -> None:
        self.drawn: Counter[str] = Counter()

    def draw(self, name: str, size: int) -> bytes:
        self.drawn[name] += 1
        return shake_256(f"{name} {self.drawn[name]}".encode()).digest(size)

    def number(self, name: str, size: int) -> int:
        """With its highest bit clear: below the order of any curve of this size."""
        return int.from_bytes(self.draw(name, size), "big") >> 1 | 1

    def stream(self, name: str) -> Callable[[int], bytes]:
        return lambda size: self.draw(name, size)


class Signer:
    """A private key that signs the same data the same way."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    def sign(self, data: bytes, *parameters: Any) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            parameters = (ec.ECDSA(parameters[0].algorithm, deterministic_signing=True),)
        signature: bytes = self._key.sign(data, *parameters)
        return signature


def signed(request: SignRequest) -> bytes:
    """The answer to the request: `Signer` is not one of `cryptography`'s keys."""
    return signatures.sign(request.scheme, request.credential.key, request.data)


class Encrypting:
    """A public RSA key that encrypts with padding out of a source (RFC 8017 7.2.1)."""

    def __init__(self, key: rsa.RSAPublicKey, source: SeededBytes) -> None:
        self._key, self._source = key, source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    def encrypt(self, secret: bytes, _: Any) -> bytes:
        size = self._key.key_size // 8
        padding = bytes(byte or 1 for byte in self._source.draw("RSA padding", size - len(secret) - 3))
        numbers = self._key.public_numbers()
        block = int.from_bytes(b"\x00\x02" + padding + b"\x00" + secret, "big")
        return pow(block, numbers.e, numbers.n).to_bytes(size, "big")


rsa.RSAPublicKey.register(Encrypting)


@cache
def identity(kind: str, ocsp: bytes | None = None) -> Credential:
    """A self-signed certificate for a key of this kind, the key, and perhaps a stapled response."""
    source, key = SeededBytes(), None
    if kind == "EC":
        key = ec.derive_private_key(source.number("certificate", 32), ec.SECP256R1())
    elif kind == "ED25519":
        key = ed25519.Ed25519PrivateKey.from_private_bytes(source.draw("certificate", 32))
    else:
        key = load_pem_private_key((FOLDER / "rsa.pem").read_bytes(), None)
    ders = [self_signed(kind, key, ecdsa_deterministic=True if kind == "EC" else None)]
    return Credential(ders, Signer(key), key.public_key(), signatures.key_kind(key), ocsp)


@cache
def trusting() -> Store:
    found = Store()
    for kind in KINDS:
        found.add_der(identity(kind).ders[0])
    return found


class Seeded(NamedTuple):
    """What stands for the class of ML-KEM private keys."""

    source: SeededBytes

    def generate(self) -> Any:
        return mlkem.MLKEM768PrivateKey.from_seed_bytes(self.source.draw("ML-KEM", 64))


class Encapsulated:
    """What stands for the class of ML-KEM public keys: the one encapsulation that was recorded."""

    @staticmethod
    def from_public_bytes(share: bytes) -> Any:
        class Key:
            @staticmethod
            def encapsulate() -> tuple[bytes, bytes]:
                path = FOLDER / "mlkem768.hex"
                lines = [bytes.fromhex(line) for line in path.read_text("ascii").split()] if path.exists() else []
                if not lines or lines[0] != share:
                    lines = [share, *mlkem.MLKEM768PublicKey.from_public_bytes(share).encapsulate()]
                    path.write_text("".join(f"{line.hex()}\n" for line in lines), "ascii")
                return lines[1], lines[2]

        return Key


def repeatable(patch: pytest.MonkeyPatch) -> SeededBytes:
    """From here on the library draws from the source that is returned."""
    source = SeededBytes()
    real = os.urandom
    for name, module in list(sys.modules.items()):
        if name.startswith("puretls.") and getattr(module, "urandom", None) is real:
            patch.setattr(module, "urandom", source.stream(name.rpartition(".")[2]))

    def on_curve(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(source.number(curve.name, curve.key_size // 8), curve)

    def exponent(self: Any, field: Any) -> None:
        x = source.number("FFDHE", 32)
        y = pow(field.g, x, field.p)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cryptography will drop it some day
            numbers = dh.DHPrivateNumbers(x, dh.DHPublicNumbers(y, dh.DHParameterNumbers(field.p, field.g)))
        self._field, self._key, self.public = field, numbers.private_key(), y.to_bytes(field.size, "big")

    own_key = Certificate.public_key

    def public_key(self: Certificate) -> Any:
        key = own_key(self)
        return Encrypting(key, source) if isinstance(key, rsa.RSAPublicKey) else key

    patch.setattr(
        groups.X25519, "_generate", lambda: x25519.X25519PrivateKey.from_private_bytes(source.draw("x25519", 32))
    )
    patch.setattr(hpke.Kem, "generate", lambda _: x25519.X25519PrivateKey.from_private_bytes(source.draw("HPKE", 32)))
    patch.setattr(groups.X448, "_generate", lambda: x448.X448PrivateKey.from_private_bytes(source.draw("x448", 56)))
    patch.setattr(ec, "generate_private_key", on_curve)
    patch.setattr(finite_field.FiniteFieldOffer, "__init__", exponent)
    patch.setattr(Certificate, "public_key", public_key)
    hybrid = groups.X25519MLKEM768
    patch.setattr(hybrid, "kem", hybrid.kem._replace(private=Seeded(source), public=Encapsulated))
    return source
