"""Logs of Certificate Transparency with keys of their own, and certificates that they have signed (RFC 6962)."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import puretls
from puretls import CTLogs
from puretls._x509 import transparency
from support import pki as ca
from support.both import only

DAY = 86400.0
EC_KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
RSA_KEY = rsa.generate_private_key(65537, 2048)


def spki(key: Any) -> bytes:
    der: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def described(spki: bytes, /, **about: Any) -> dict[str, Any]:
    return {
        "description": "a log",
        "log_id": base64.b64encode(hashlib.sha256(spki).digest()).decode(),
        "key": base64.b64encode(spki).decode(),
        "url": "https://log.test/",
        "mmd": 86400,
        "state": {"usable": {"timestamp": "2020-01-01T00:00:00Z"}},
        **about,
    }


def listed(*operators: list[dict[str, Any]], **about: Any) -> dict[str, Any]:
    made = dt.datetime.now(dt.timezone.utc).isoformat()
    named = [{"name": f"operator {n}", "email": [], "logs": logs} for n, logs in enumerate(operators)]
    return {"version": "1.0", "log_list_timestamp": made, "operators": named, **about}


LOGS = CTLogs.from_json(listed(*[[described(spki(key))] for key in (*EC_KEYS, RSA_KEY)]))


class LoggedCertificates:
    """A CA, and certificates that logs have signed."""

    def __init__(self) -> None:
        self.now = time.time()
        self.root = ca.ca("CN=CT Root", private=ca.key("p256", 1), **self.dates(300))

    def dates(self, days: float) -> dict[str, float]:
        return {"not_before": self.now - DAY, "not_after": self.now + (days - 1) * DAY}

    def leaf(self, *scts: bytes, days: float = 90, raw: bytes | None = None) -> Any:
        more: dict[str, Any] = {}
        if scts or raw is not None:
            block = b"".join(len(one).to_bytes(2, "big") + one for one in scts)
            block = len(block).to_bytes(2, "big") + block if raw is None else raw
            more = {transparency.EMBEDDED_LIST: (False, ca.tlv(4, block))}
        return ca.leaf("localhost", self.root, serial=4711, extensions=more, **self.dates(days))

    def logged(self, *keys: Any, days: float = 90, **about: Any) -> Any:
        """A leaf with timestamps of these logs."""
        return self.leaf(*(self.sct(key, days=days, **about) for key in keys), days=days)

    def sct(self, key: Any, *, leaf: Any = None, days: float = 90, when: float | None = None, **wrong: Any) -> bytes:
        """A timestamp: of the precertificate, or with `leaf` of the certificate itself."""
        moment = int((self.now - 60 if when is None else when) * 1000).to_bytes(8, "big")
        if leaf is None:
            plain = self.leaf(days=days).x509
            tbs = plain.tbs_certificate_bytes
            entry = hashlib.sha256(spki(self.root.key)).digest() + len(tbs).to_bytes(3, "big") + tbs
            kind = b"\x00\x01"
        else:
            entry, kind = len(leaf.der).to_bytes(3, "big") + leaf.der, b"\x00\x00"
        data = b"\x00\x00" + moment + kind + entry + b"\x00\x00"
        if isinstance(key, rsa.RSAPrivateKey):
            signature, algorithm = key.sign(data, padding.PKCS1v15(), hashes.SHA256()), b"\x04\x01"
        else:
            signature, algorithm = key.sign(data, ec.ECDSA(hashes.SHA256())), b"\x04\x03"
        head = wrong.get("version", b"\x00") + hashlib.sha256(spki(key)).digest() + moment + b"\x00\x00"
        algorithm = wrong.get("algorithm", algorithm)
        signature = wrong.get("signature", signature)
        return bytes(head + algorithm + len(signature).to_bytes(2, "big") + signature)

    def verify(self, leaf: Any, **options: Any) -> list[Any]:
        options.setdefault("logs", LOGS)
        return puretls.verify_scts(leaf.der, self.root.der, **options)

    def client(self, policy: Any = None, version: Any = None) -> Any:
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.root.der)
        context.ct_policy = policy
        if version is not None:
            only(version, context)
        return context

    def server(self, leaf: Any) -> Any:
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.pem, leaf.key_pem)
        return context
