"""Stores: what is loaded from where, when, and what is shared."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from puretls._base.faults import Abort
from puretls._x509 import store
from puretls._x509.certificate import Certificate
from puretls._x509.store import NOTHING_FOUND, Store
from support import pki

ROOT, OTHER = pki.ca("root"), pki.ca("other")
LEAF = pki.leaf("example.test", ROOT)
CRL = pki.crl(ROOT)


def subject(issued: pki.Issued) -> object:
    return Certificate(issued.der).subject


def test_from_memory() -> None:
    made = Store()
    assert made.add_pem("text before\n" + ROOT.pem + "between\n" + LEAF.pem + pki.pem(CRL, "X509 CRL")) == 3
    assert made.add_der(ROOT.der + OTHER.der) == 2
    assert made.stats() == {"x509": 3, "crl": 1, "x509_ca": 2}
    assert [x.der for x in made.by_subject(subject(ROOT))] == [ROOT.der]
    assert [crl.der for crl in made.crls_of(subject(ROOT))] == [CRL]
    assert {x.der for x in made.certificates()} == {ROOT.der, LEAF.der, OTHER.der}


@pytest.mark.parametrize("label", ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])
def test_labels_and_line_ends(label: str) -> None:
    made = Store()
    assert made.add_pem(pki.pem(ROOT.der, label).replace("\n", "\r\n")) == 1
    assert made.by_subject(subject(ROOT))


def test_other_blocks_are_passed_over() -> None:
    assert Store().add_pem(ROOT.key_pem) == 0
    assert Store().add_pem(ROOT.key_pem + ROOT.pem) == 1


BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
BODY = ROOT.pem.partition("\n")[2].partition("-----END")[0]
ONE_LINE = BODY.replace("\n", "")

# What a PEM file may look like, and how many certificates it holds; None: it is broken.
LAYOUTS: dict[str, tuple[str, int | None]] = {
    "plain": (ROOT.pem, 1),
    "twice": (ROOT.pem * 2, 1),
    "no newline at the end": (ROOT.pem.rstrip(), 1),
    "text around": ("x\n" + ROOT.pem + "y\n" + OTHER.pem + "z", 2),
    "byte order mark": ("\ufeff" + ROOT.pem, 1),
    "spaces before": (" " + ROOT.pem, 0),
    "text before": ("x" + ROOT.pem, 0),
    "spaces after": (ROOT.pem.replace("\n", " \t\n"), 1),
    "text after": (ROOT.pem.replace(BEGIN, BEGIN + "x"), 0),
    "spaces in front of base64": (f"{BEGIN}\n {BODY}{END}\n", 1),
    "one long line": (f"{BEGIN}\n{ONE_LINE}\n{END}\n", 1),
    "no line at all": (f"{BEGIN}{ONE_LINE}{END}", 0),
    "carriage returns": (ROOT.pem.replace("\n", "\r"), 0),
    "empty line first": (f"{BEGIN}\n\n{BODY}{END}\n", 1),
    "empty line amid": (f"{BEGIN}\n{BODY[:65]}\n{BODY[65:]}{END}\n", None),
    "empty line last": (f"{BEGIN}\n{BODY}\n{END}\n", None),
    "headers": (f"{BEGIN}\nFoo: bar\n\n{BODY}{END}\n", None),
    "no base64": (f"{BEGIN}\n{BODY[:10]}!{BODY[10:]}{END}\n", None),
    "minus": (f"{BEGIN}\n{BODY[:10]}-{BODY[10:]}{END}\n", None),
    "not ASCII": (f"{BEGIN}\n{BODY[:10]}é{BODY[10:]}{END}\n", None),
    "padding too much": (f"{BEGIN}\n{BODY.rstrip()}====\n{END}\n", None),
    "nothing inside": (f"{BEGIN}\n{END}\n", None),
    "no end": (f"{BEGIN}\n{BODY}", None),
    "another end": (ROOT.pem.replace("END CERT", "END X509 CERT"), None),
    "end after a space": (ROOT.pem.replace(END, " " + END), None),
    "small letters": (ROOT.pem.lower(), 0),
    "something else": (ROOT.pem.replace("CERTIFICATE", "FOO"), 0),
    "something else first": (ROOT.pem.replace("CERTIFICATE", "FOO") + OTHER.pem, 1),
    "something else without end": ("-----BEGIN FOO-----\nabc\n" + ROOT.pem, None),
    "a key first": (ROOT.key_pem + ROOT.pem, 1),
    "broken DER": (pki.pem(ROOT.der[:-1], "CERTIFICATE"), None),
    "broken DER later": (ROOT.pem + pki.pem(OTHER.der[:-1], "CERTIFICATE"), None),
    "a CRL as a certificate": (pki.pem(CRL, "CERTIFICATE"), None),
    "a certificate as a CRL": (pki.pem(ROOT.der, "X509 CRL"), None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_as_ssl_reads_them(layout: str, tmp_path: Path) -> None:
    ssl = pytest.importorskip("ssl")
    text, count = LAYOUTS[layout]
    file = tmp_path / "ca.pem"
    file.write_bytes(text.encode())
    made, reference = Store(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if count:
        made.add_file(file)
        reference.load_verify_locations(file)
        assert made.stats() == reference.cert_store_stats()
        assert made.stats()["x509"] == count
        return
    with pytest.raises(Abort) as caught:
        made.add_file(file)
    with pytest.raises(ssl.SSLError) as refused:
        reference.load_verify_locations(file)
    nothing = refused.value.reason == "NO_CERTIFICATE_OR_CRL_FOUND"
    assert (caught.value.fault is NOTHING_FOUND) == nothing == (count == 0)
    assert made.stats() == {"x509": 0, "crl": 0, "x509_ca": 0}


BROKEN = {"junk": b"junk", "cut": ROOT.der[:-1], "more behind": ROOT.der + b"junk", "empty": b"\x30\x00"}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_der(data: bytes) -> None:
    with pytest.raises(Abort):
        Store().add_der(data)


def test_trust_settings_are_kept() -> None:
    use = pki.seq(pki.oid(pki.SERVER_AUTH))
    made = Store()
    made.add_pem(pki.pem(ROOT.der + pki.seq(use, pki.tlv(0x0C, b"alias")), "TRUSTED CERTIFICATE"))
    (x,) = made.certificates()
    assert x.der == ROOT.der
    assert x.trust is not None
    assert x.trust.trust == {pki.SERVER_AUTH}
    assert not x.trust.reject


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(ROOT.pem)
    one, other = Store(), Store()
    assert one.add_file(file) == other.add_file(str(file)) == 1
    assert one._bundles[0] is other._bundles[0]
    file.write_text(ROOT.pem + OTHER.pem)
    os.utime(file, (1, 1))
    third = Store()
    assert third.add_file(file) == 2
    assert one.stats()["x509"] == 1


def test_files_that_are_no_use(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Store().add_file(tmp_path / "none.pem")
    (tmp_path / "key.pem").write_text(ROOT.key_pem)
    with pytest.raises(Abort) as caught:
        Store().add_file(tmp_path / "key.pem")
    assert caught.value.fault is NOTHING_FOUND


def test_many_files_do_not_fill_memory(tmp_path: Path) -> None:
    for number in range(store.CACHED_FILES + 10):
        file = tmp_path / f"{number}.pem"
        file.write_text(ROOT.pem)
        Store().add_file(file)
    assert len(store._cache) <= store.CACHED_FILES


def test_a_directory_is_looked_into_when_a_name_is_asked_for(tmp_path: Path) -> None:
    made = Store()
    made.add_directories(str(tmp_path))
    assert made.by_subject(subject(ROOT)) == []
    stem = f"{store.name_hash(subject(ROOT)):08x}"
    (tmp_path / f"{stem}.0").write_text(OTHER.pem)  # another name with the same hash
    (tmp_path / f"{stem}.1").write_text(ROOT.pem)
    assert made.stats()["x509"] == 0
    assert [x.der for x in made.by_subject(subject(ROOT))] == [ROOT.der]
    assert made.stats() == {"x509": 1, "crl": 0, "x509_ca": 1}
    assert made.crls_of(subject(ROOT)) == []
    (tmp_path / f"{stem}.r0").write_text(pki.pem(CRL, "X509 CRL"))
    assert len(made.crls_of(subject(ROOT))) == 1
    (tmp_path / f"{stem}.r1").write_text(pki.pem(pki.crl(ROOT, (1,)), "X509 CRL"))  # without a restart
    assert len(made.crls_of(subject(ROOT))) == 2


def test_a_broken_file_in_a_directory_hides_no_other(tmp_path: Path) -> None:
    stem = f"{store.name_hash(subject(ROOT)):08x}"
    (tmp_path / f"{stem}.0").write_text("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n")
    (tmp_path / f"{stem}.1").write_text(ROOT.pem)
    made = Store()
    made.add_directories(str(tmp_path))
    assert len(made.by_subject(subject(ROOT))) == 1


def test_what_is_added_later_is_seen_and_copies_are_apart() -> None:
    made = Store()
    copied = made.copy()
    made.add_pem(ROOT.pem)
    assert made.by_subject(subject(ROOT))
    assert not copied.by_subject(subject(ROOT))


def test_threads_may_add_and_look_at_once() -> None:
    made = Store()
    authorities = [pki.ca(f"root {n}", private=pki.key()) for n in range(40)]
    failed: list[Exception] = []

    def work(part: list[pki.Issued]) -> None:
        try:
            for issued in part:
                made.add_der(issued.der)
                assert made.by_subject(subject(issued))
                made.stats()
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(authorities[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert made.stats()["x509"] == 40
