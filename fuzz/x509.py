"""Fuzz certificates, CRLs and PEM files: nothing but the documented exceptions may come out, in bounded time.

    make fuzz, or: pip install atheris
    python fuzz/x509.py -max_total_time=1200 CORPUS_FOLDER

Without a folder it starts from certificates that it makes itself; `python fuzz/x509.py --seeds FOLDER` writes those,
those of CPython's tests and some of limbo's, into a folder to start from.  Signatures all count as good, so that
what comes after them is reached; a certificate that is made to crash must not have to be signed first.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import sys
from pathlib import Path

import test as cpython_tests

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

import atheris  # noqa: E402 - after the path

with atheris.instrument_imports(include=["puretls._x509"]):
    from puretls._base.faults import Abort
    from puretls._x509 import certificate, path, store
    from puretls._x509.budget import Budget
    from puretls._x509.checks import Policy
    from puretls._x509.peercert import peercert

from support import pki  # noqa: E402 - found where the line above says

FLAGS = (0x8000, 0x88020, 0x8802C, 0x80040, 0x88034)
ROOT = pki.ca("root", extensions={pki.NC: pki.constraints(("DNS:example.test",), ("IP:192.0.2.0/24", "email:a.test"))})
MIDDLE = pki.ca("middle", ROOT)
LEAF = pki.leaf("example.test", MIDDLE)
STORE = store.Store()
STORE.add_pem(ROOT.pem + pki.pem(pki.crl(ROOT), "X509 CRL"))


class Trusting(Budget):
    """Every signature is good."""

    def signed(self, subject: object, issuer: object) -> bool:
        self.signatures -= 1
        return self.signatures >= 0


def read(x: certificate.Certificate) -> None:
    """Every field."""
    fields = (name for name in dir(certificate.Certificate) if not name.startswith("_"))
    for name in fields:
        getattr(x, name)
    repr(x)
    peercert(x)


def verify(chain: list[certificate.Certificate], flags: int, trusted: store.Store) -> None:
    for host, ip in (("example.test", None), (None, b"\xc0\0\2\1")):
        try:
            path.verify(chain, trusted, Policy("serverAuth", host, ip, flags, time=pki.NOW), Trusting())
        except Abort:
            continue


OIDS = (pki.BC, pki.KU, pki.EKU, pki.SAN, pki.SKI, pki.AKI, pki.NC, pki.PROXY, pki.CDP, "1.3.6.1.5.5.7.1.1", "1.2.3.4")


def composed(data: bytes) -> bytes:
    """A certificate that is whole outside, with extensions and names from the input."""
    source = atheris.FuzzedDataProvider(data)
    chosen = source.ConsumeIntInRange(0, 3)
    extensions = {}
    for _ in range(chosen):
        oid = OIDS[source.ConsumeIntInRange(0, len(OIDS) - 1)]
        critical = source.ConsumeBool()
        extensions[oid] = critical, source.ConsumeBytes(source.ConsumeIntInRange(0, 400))
    subject = pki.seq(source.ConsumeBytes(60)) if source.ConsumeBool() else "middle"
    maker = pki.ca if source.ConsumeBool() else pki.leaf
    return maker(subject, ROOT, extensions=extensions, version=source.ConsumeIntInRange(0, 2)).der


def one_input(data: bytes) -> None:
    """A byte that says what to do, and a certificate, CRL or file."""
    if not data:
        return
    what, data = data[0], data[1:]
    flags = FLAGS[what % len(FLAGS)]
    if what & 0xC0 == 0xC0:
        made = store.Store()
        try:
            made.add_pem(data)
            made.add_der(data)
        except (Abort, ValueError):
            return
        made.stats()
        verify([certificate.load(LEAF.der), certificate.load(MIDDLE.der)], flags, made)
        return
    if what & 0xC0 == 0x80:
        made = STORE.copy()
        try:
            made.add_pem(pki.pem(data, "X509 CRL"))
        except Abort:
            return
        verify([certificate.load(LEAF.der), certificate.load(MIDDLE.der)], 0x8802C, made)
        return
    try:
        x = certificate.load(composed(data) if what & 0x40 else data)
    except ValueError:
        return
    read(x)
    leaf, middle = certificate.load(LEAF.der), certificate.load(MIDDLE.der)
    verify([x, middle], flags, STORE)
    verify([leaf, x, middle], flags, STORE)
    trusting = store.Store()
    trusting.add(x)
    verify([leaf, middle], flags, trusting)
    verify([x], flags, trusting)


def seeds(folder: Path) -> None:
    """Something to start from."""
    from support import scenarios, vectors

    folder.mkdir(exist_ok=True)
    found = [ROOT.der, MIDDLE.der, LEAF.der]
    for changes in scenarios.DEFECTS.values():
        given = changes()
        found += [pki.leaf("example.test", MIDDLE, **given).der]
        given.setdefault("subject", "middle")
        found += [pki.ca(given.pop("subject"), ROOT, **given).der]
    for file in Path(cpython_tests.__file__).parent.rglob("*.pem"):
        for body in re.findall(r"-----BEGIN CERTIFICATE-----([^-]*)-----END", file.read_text("utf-8", "replace")):
            with contextlib.suppress(ValueError):
                found.append(base64.b64decode(body))
    found += [base64.b64decode(text) for text in vectors.load("limbo/open")["certs"][::40]]
    inputs = [b"\x00" + der for der in found]
    inputs += [b"\x40" + der for der in found]
    inputs += [b"\x80" + pki.crl(ROOT, (1, 2), **changes()) for changes in scenarios.CRL_DEFECTS.values()]
    inputs += [b"\xc0" + ROOT.pem.encode(), b"\xc0" + pki.pem(ROOT.der, "TRUSTED CERTIFICATE").encode()]
    for data in inputs:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(len(inputs), "inputs")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seeds"]:
        seeds(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
