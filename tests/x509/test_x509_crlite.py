"""CRLite's filters: what they say in both formats, what broken ones say (nothing), and which files count."""

from __future__ import annotations

import json
import logging
import os
import random
import struct
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._api.filter_files import Filters, folders
from puretls._x509 import certificate, crlite
from puretls._x509.crlite import CRLiteStatus, Filter
from support import pki
from support.clubcards import build
from support.pki import DAY, NOW

GOOD, REVOKED = CRLiteStatus.GOOD, CRLiteStatus.REVOKED
LOG = bytes(range(32))
ISSUER = b"i" * 32
TIME = [(LOG, 150)]
RNG = random.Random(4)
BAD = [RNG.randbytes(16) for _ in range(120)]
FINE = [RNG.randbytes(16) for _ in range(700)]
both_formats = pytest.mark.parametrize("version", [3, 4])


def opened(data: bytes) -> Filter:
    return Filter(memoryview(data))


@both_formats
@pytest.mark.parametrize("inverted", [False, True])
def test_all_that_were_built_in(version: int, inverted: bool) -> None:
    found = opened(build(ISSUER, BAD, FINE, [(LOG, 100, 200)], version=version, inverted=inverted))
    assert {found.status(ISSUER, one, TIME) for one in BAD} == {REVOKED}
    assert {found.status(ISSUER, one, TIME) for one in FINE} == {GOOD}


@both_formats
def test_what_it_does_not_know(version: int) -> None:
    found = opened(build(ISSUER, BAD, FINE, [(LOG, 100, 200)], version=version))
    for moments in ([], [(LOG, 99)], [(LOG, 201)], [(b"x" * 32, 150)]):
        assert found.status(ISSUER, BAD[0], moments) is CRLiteStatus.NOT_COVERED
    assert found.status(ISSUER, BAD[0], [(b"x" * 32, 150), (LOG, 200)]) is REVOKED
    assert found.status(b"x" * 32, BAD[0], TIME) is CRLiteStatus.NOT_ENROLLED


@both_formats
def test_exceptions(version: int) -> None:
    found = opened(build(ISSUER, BAD, FINE, [(LOG, 100, 200)], version=version, exceptions=BAD[:2]))
    assert [found.status(ISSUER, one, TIME) for one in BAD[:3]] == [GOOD, GOOD, REVOKED]


SMALL = {version: build(ISSUER, BAD[:6], FINE[:20], [(LOG, 100, 200)], version=version) for version in (3, 4)}


@both_formats
def test_cut_ones_are_refused(version: int) -> None:
    whole = SMALL[version]
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"cut short|unpack|not known"):
            opened(whole[:end])
    with pytest.raises(ValueError, match="behind"):
        opened(whole + b"x")


@given(st.data())
def test_changed_ones_crash_nothing(data: st.DataObject) -> None:
    changed = bytearray(SMALL[data.draw(st.sampled_from((3, 4)))])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = opened(bytes(changed))
    except ValueError:
        return
    for serial in (*BAD[:6], b"", b"x" * 100):
        assert isinstance(found.status(ISSUER, serial, TIME), CRLiteStatus)


def test_counts_that_are_claimed_cost_nothing() -> None:
    """Each number is followed by what it counts, or the file ends: nothing is made for a number alone."""
    for data in (b"\x04\x00\xff\xff", b"\x04\x00\x00\x00\xff\xff\xff\xff", b"\x03\x00" + b"\xff" * 8):
        with pytest.raises(ValueError, match="cut short"):
            opened(data)


# Certificates and folders

ROOT = pki.ca("root")
MIDDLE = pki.ca("middle", ROOT)


def stamped(milliseconds: int, serial: int) -> pki.Issued:
    """A leaf with an SCT of our log; nobody looks at its signature here."""
    sct = b"\x00" + LOG + struct.pack("!Q", milliseconds) + b"\x00\x00" + b"\x04\x03" + b"\x00\x02\x30\x00"
    listed = struct.pack("!H", len(sct)) + sct
    extension = pki.tlv(4, struct.pack("!H", len(listed)) + listed)
    return pki.leaf("example.test", MIDDLE, serial=serial, extensions={crlite.SCTS: (False, extension)})


LEAF, OTHER = stamped(NOW * 1000 + 7, 0x80FF), stamped(NOW * 1000, 5)
SPKI = sha256(certificate.load(MIDDLE.der).key_der).digest()
SERIAL = b"\x00\x80\xff"  # as it is encoded


def keep(folder: Path, held: dict[str, bytes], *, made: object = NOW, **manifest: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in held.items():
        (folder / name).write_bytes(data)
    listed = [{"filename": name, "size": len(data), "hash": sha256(data).hexdigest()} for name, data in held.items()]
    said = {"generated_at": made, "comment": "", "files": listed, **manifest}
    (folder / "manifest.json").write_text(json.dumps(said))
    return folder


def of(serials: list[bytes], others: tuple[bytes, ...] = tuple(FINE[:30])) -> bytes:
    return build(SPKI, serials, others, [(LOG, NOW * 1000, NOW * 1000 + 10)])


def said(folder: Path, leaf: pki.Issued = LEAF, now: float = NOW) -> CRLiteStatus:
    loaded = [certificate.load(one.der) for one in (leaf, MIDDLE)]
    return crlite.check(Filters(folder).current(now), *loaded)


def test_a_certificate_by_its_number_and_times(tmp_path: Path) -> None:
    assert crlite.timestamps(certificate.load(LEAF.der)) == [(LOG, NOW * 1000 + 7)]
    assert crlite.serial_octets(certificate.load(LEAF.der)) == SERIAL
    folder = keep(tmp_path, {"a.filter": of([SERIAL], (b"\x05",))})
    assert said(folder) is REVOKED
    assert said(folder, OTHER) is GOOD
    assert said(folder, stamped(NOW * 1000 + 11, 0x80FF)) is CRLiteStatus.NOT_COVERED
    assert said(folder, pki.leaf("example.test", MIDDLE)) is CRLiteStatus.NOT_COVERED


def test_of_several_files_one_is_enough(tmp_path: Path) -> None:
    first, second = of(FINE[:9], (SERIAL,)), of([SERIAL])
    assert said(keep(tmp_path, {"a.filter": first, "b.delta": second})) is REVOKED
    assert said(keep(tmp_path, {"b.delta": second, "a.filter": first})) is REVOKED


@pytest.mark.parametrize("made", [NOW - 11 * DAY, NOW + 2 * DAY, "2001-01-01T00:00:00Z", "nonsense", None, [1]])
def test_manifests_that_do_not_count(made: object, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filters = Filters(keep(tmp_path, {"a.filter": of([SERIAL])}, made=made))
    with caplog.at_level(logging.WARNING, "puretls"):
        for _ in range(3):
            assert filters.current(NOW) == ()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("made", [NOW - 9 * DAY, "2025-06-15T00:00:00Z", "2025-06-15T02:00:00+02:00"])
def test_manifests_that_count(made: object, tmp_path: Path) -> None:
    assert said(keep(tmp_path, {"a.filter": of([SERIAL])}, made=made)) is REVOKED


def test_files_that_do_not_count(tmp_path: Path) -> None:
    good = of([SERIAL])
    nothing = CRLiteStatus.NOT_COVERED
    assert said(tmp_path / "nowhere") is nothing
    assert said(keep(tmp_path / "a", {"a.filter": good[:-1]})) is nothing
    assert said(keep(tmp_path / "b", {"a.filter": b""})) is nothing
    assert said(keep(tmp_path / "c", {}, files=[{"filename": "../a/a.filter", "size": 1}])) is nothing
    assert said(keep(tmp_path / "d", {}, files=5)) is nothing
    folder = keep(tmp_path / "e", {"a.filter": good})
    (folder / "a.filter").write_bytes(good + b"x")
    assert said(folder) is nothing
    (folder / "manifest.json").write_text("[" * 100_000)
    assert said(folder) is nothing


def test_a_manifest_that_changes_is_read_again(tmp_path: Path) -> None:
    folder = keep(tmp_path, {"a.filter": of(FINE[:9], (SERIAL,))})
    filters = Filters(folder)
    before = filters.current(NOW)
    assert filters.current(NOW) is before
    keep(tmp_path, {"b.filter": of([SERIAL])})
    stat = (folder / "manifest.json").stat()
    os.utime(folder / "manifest.json", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    assert filters.current(NOW) is not before
    assert said(folder) is REVOKED


def test_where_upki_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert next(folders()) == tmp_path / "upki" / "revocation"
