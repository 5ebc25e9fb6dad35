"""A certificate with a timestamp, and folders of CRLite's filters that call it revoked or not."""

from __future__ import annotations

import hashlib
import json
import struct
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.clubcards import build

LOG = bytes(range(32))
SERIAL = 0x80FF
REVOKED, ANOTHER = [b"\x00\x80\xff"], [b"\x05"]  # serial numbers: the certificate's, and one that is not


class Scts(x509.UnrecognizedExtension):
    """An SCT of our log; nobody looks at its signature here."""

    def __init__(self, milliseconds: int) -> None:
        sct = b"\x00" + LOG + struct.pack("!Q", milliseconds) + b"\x00\x00\x04\x03\x00\x02\x30\x00"
        listed = struct.pack("!H", len(sct)) + sct
        whole = struct.pack("!H", len(listed)) + listed
        super().__init__(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), bytes((4, len(whole))) + whole)


def stamped(pki: Any, *more: x509.ExtensionType, logged: bool = True) -> x509.Certificate:
    """The certificate of "P-256" again, with a number of its own and a timestamp, or what else it shall have."""
    leaf, now = pki.identity("P-256").certificate, int(time.time()) * 1000
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(SERIAL)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
    )
    for extension in (Scts(now), *more) if logged else more:
        builder = builder.add_extension(extension, critical=False)
    for extension in leaf.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(pki.issuer.key, hashes.SHA256())


def filters(folder: Path, pki: Any, revoked: list[bytes], *, made: float | None = None) -> Path:
    """A folder as `puretls crlite fetch` leaves it."""
    key = pki.issuer.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    others = [*(bytes((9, n)) for n in range(20)), *(one for one in REVOKED if one not in revoked)]
    data = build(hashlib.sha256(key).digest(), revoked, others, [(LOG, 0, 1 << 62)])
    folder.mkdir(exist_ok=True)
    (folder / "20260101-0-default.filter").write_bytes(data)
    listed = {"filename": "20260101-0-default.filter", "size": len(data), "hash": hashlib.sha256(data).hexdigest()}
    manifest = {"generated_at": time.time() if made is None else made, "comment": "", "files": [listed]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
