"""load_verify_locations() with the files and directories that people really have, and calls that fail halfway."""

from __future__ import annotations

import os
import shutil
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._x509 import store
from support import pki

ROOT, OTHER = pki.ca("root"), pki.ca("other")
CRL = pki.crl(ROOT)
CRL_PEM = pki.pem(CRL, "X509 CRL")
BAD = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def context(module: Any = puretls) -> Any:
    return module.SSLContext(module.PROTOCOL_TLS_CLIENT)


def content(made: Any) -> Any:
    return made.cert_store_stats(), sorted(made.get_ca_certs(binary_form=True))


def outcome(module: Any, arguments: dict[str, Any]) -> Any:
    """What a call ends with: an error's class, number, reason and library, or what is loaded."""
    made = context(module)
    try:
        made.load_verify_locations(**arguments)
    except (OSError, ValueError, TypeError) as error:
        return type(error), error.args[0], getattr(error, "reason", 0), getattr(error, "library", 0)
    return content(made)


def hashed(issued: pki.Issued) -> str:
    return f"{store.name_hash(store.Certificate(issued.der).subject):08x}"


def trusted(made: Any, issued: pki.Issued) -> bool:
    """Whether a directory of it has this certificate."""
    return bool(made._settings.store.by_subject(store.Certificate(issued.der).subject))


# Paths


@pytest.mark.parametrize(
    "arguments",
    [
        {"cafile": ""},
        {"cafile": b""},
        {"cafile": "", "capath": ""},
        {"capath": ""},
        {"capath": b""},
        {"capath": "a\0b"},
        {"cafile": "a\0b"},
        {"cafile": "."},
        {"cafile": "missing"},
        {"capath": "missing"},
        {"capath": os.pathsep},
    ],
    ids=repr,
)
def test_paths_that_lead_nowhere_fail_as_with_ssl(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outcome(puretls, arguments) == outcome(ssl, arguments)


def test_no_directory_is_not_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / f"{hashed(ROOT)}.0").write_text(ROOT.pem)
    monkeypatch.chdir(tmp_path)
    made = context()
    with pytest.raises(puretls.SSLError) as caught:
        made.load_verify_locations(cadata=OTHER.pem, capath="")
    assert (caught.value.reason, caught.value.library) == ("INVALID_DIRECTORY", "X509")
    assert not trusted(made, ROOT)
    for path in (os.pathsep, f"{os.pathsep}missing{os.pathsep}"):
        made.load_verify_locations(capath=path)
        assert not trusted(made, ROOT)


def test_several_directories(tmp_path):
    for folder, issued in (("a", ROOT), ("b", OTHER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{hashed(issued)}.0").write_text(issued.pem)
    made = context()
    made.load_verify_locations(capath=os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b")]))
    assert trusted(made, ROOT)
    assert trusted(made, OTHER)


@pytest.mark.parametrize(
    "first",
    [
        "dangling",
        "directory",
        "loop",
        "empty",
        "broken",
    ],
)
def test_what_stands_first_hides_nothing(first, tmp_path):
    """A CA was removed, and the link to it was left in a directory of hashed names."""
    stem = tmp_path / hashed(ROOT)
    place = stem.with_suffix(".0")
    if first in ("dangling", "loop"):
        place.symlink_to("/nowhere/at/all" if first == "dangling" else place)
    elif first == "directory":
        place.mkdir()
    else:
        place.write_text("" if first == "empty" else BAD)
    stem.with_suffix(".1").write_text(ROOT.pem)
    made = context()
    made.load_verify_locations(capath=tmp_path)
    assert trusted(made, ROOT)


# Files that change


@pytest.mark.parametrize("how", ["copy2", "in place", "another file", "link"])
def test_a_file_that_was_replaced_is_read_again(how, tmp_path):
    """Size and time are kept: by `cp -p`, `rsync -t --inplace`, image layers, SOURCE_DATE_EPOCH."""
    one, two = (pki.ca("rotating", serial=2**150 + n, private=pki.key("ed25519", n)) for n in (1, 3))
    assert len(one.pem) == len(two.pem)
    files = [tmp_path / "one", tmp_path / "two"]
    for file, issued in zip(files, (one, two), strict=True):
        file.write_text(issued.pem)
        os.utime(file, (1_700_000_000, 1_700_000_000))
    place = tmp_path / "ca.pem"

    def put(number: int) -> None:
        if how == "copy2":
            shutil.copy2(files[number], place)
        elif how == "in place":
            place.write_text((one, two)[number].pem)
            os.utime(place, (1_700_000_000, 1_700_000_000))
        elif how == "another file":
            shutil.copy2(files[number], tmp_path / "new")
            (tmp_path / "new").replace(place)
        else:
            place.unlink(missing_ok=True)
            place.symlink_to(files[number])

    for round_ in range(10):
        for number, issued in enumerate((one, two)):
            put(number)
            made = context()
            made.load_verify_locations(place)
            assert made.get_ca_certs(binary_form=True) == [issued.der], round_


# CRLs


@pytest.mark.parametrize("data", [CRL_PEM, CRL_PEM.encode(), CRL, CRL + CRL], ids=["text", "PEM", "DER", "two"])
def test_cadata_needs_a_certificate(data):
    """ "At least one certificate must be present", say the documents of load_verify_locations()."""
    made = context()
    with pytest.raises(puretls.SSLError, match="cadata does not contain a certificate"):
        made.load_verify_locations(cadata=data)
    assert content(made)[0] == {"x509": 0, "crl": 0, "x509_ca": 0}


@pytest.mark.parametrize(
    "data",
    [ROOT.pem + CRL_PEM, CRL_PEM + ROOT.pem, ROOT.der + CRL, CRL + ROOT.der],
    ids=["PEM", "CRL first", "DER", "DER, CRL first"],
)
def test_crls_beside_a_certificate(data):
    made = context()
    made.load_verify_locations(cadata=data)
    assert made.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}


# All or nothing

INTEGER_NAME = pki.ca(pki.seq(pki.tlv(0x31, pki.seq(pki.oid("2.5.4.3"), pki.tlv(0x02, b"\1")))))  # no string at all


def half_good(folder: Path) -> dict[str, dict[str, Any]]:
    """Calls of which one part is good and another is not."""
    good, bad = folder / "good.pem", folder / "bad.pem"
    good.write_text(OTHER.pem)
    bad.write_text(OTHER.pem + BAD)
    (folder / "bad.der").write_bytes(OTHER.der + b"junk")
    return {
        "cadata, a missing cafile": {"cadata": ROOT.pem, "cafile": folder / "missing"},
        "cadata, a broken cafile": {"cadata": ROOT.pem, "cafile": bad},
        "cadata, no capath": {"cadata": ROOT.pem, "capath": ""},
        "cafile, no capath": {"cafile": good, "capath": ""},
        "a broken DER file": {"cafile": folder / "bad.der"},
        "a broken file": {"cafile": bad},
        "broken PEM at the end": {"cadata": ROOT.pem + BAD},
        "PEM that is cut off": {"cadata": ROOT.pem + OTHER.pem[:-40]},
        "a name that is none, as text": {"cadata": ROOT.pem + INTEGER_NAME.pem},
        "a name that is none, in PEM": {"cadata": (ROOT.pem + INTEGER_NAME.pem).encode()},
        "a name that is none, in DER": {"cadata": ROOT.der + INTEGER_NAME.der},
        "objects, one of which is none": {"cadata": [ROOT.x509, "text"]},
    }


HALF_GOOD = [
    "cadata, a missing cafile",
    "cadata, a broken cafile",
    "cadata, no capath",
    "cafile, no capath",
    "a broken DER file",
    "a broken file",
    "broken PEM at the end",
    "PEM that is cut off",
    "a name that is none, as text",
    "a name that is none, in PEM",
    "a name that is none, in DER",
    "objects, one of which is none",
]


@pytest.mark.parametrize("what", HALF_GOOD)
def test_a_call_that_fails_changes_nothing(what, tmp_path):
    arguments = half_good(tmp_path)[what]
    made = context()
    expected = TypeError if what.startswith("objects") else (puretls.SSLError, FileNotFoundError)
    with pytest.raises(expected):
        made.load_verify_locations(**arguments)
    assert content(made)[0] == {"x509": 0, "crl": 0, "x509_ca": 0}
    assert not made._settings.store._directories


def test_cadata_beyond_ssl(pki):
    """What `ssl` refuses and we take, and the reverse (docs/differences.md)."""
    pem = pki.root.pem
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    trusted = pem.replace(b" CERTIFICATE-", b" TRUSTED CERTIFICATE-")
    for data in (pem, trusted, trusted.decode(), [pki.root.certificate]):
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=data)
        assert context.get_ca_certs(True) == [der]
        with pytest.raises((ssl.SSLError, TypeError)):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data)
    if sys.version_info < (3, 12):  # from then on it refuses that, too
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der + b"x")
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.raises(puretls.SSLError) as caught:
        context.load_verify_locations(cadata=der + b"x")
    assert caught.value.reason == "HEADER_TOO_LONG"
    assert not context.get_ca_certs()
