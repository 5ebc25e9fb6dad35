"""Who meets very many servers once each: what they have in common is kept, and what was kept is what would be read."""

from __future__ import annotations

import pytest
from cryptography.hazmat.asn1 import TLV

from puretls._base.recent import Recent
from puretls._x509 import budget, certificate, extensions, path, shapes
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import Policy
from support import pki
from support.pki import NOW, Issued
from support.verifying import store

ROOT = pki.ca("crawled root")
FREQUENT, RARE = pki.ca("frequent", ROOT), pki.ca("rare", ROOT)


def checked(chain: list[Issued]) -> int:
    """How many signatures a verification has checked."""
    spent = Budget()
    before = spent.signatures
    found = certificate.presented([one.der for one in chain])
    path.verify(found, store([ROOT]), Policy(time=NOW, security_level=1), spent)
    return before - spent.signatures


def test_many_leaves_do_not_displace_the_cas_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_verified", Recent(8))
    monkeypatch.setattr(budget, "_verified_cas", Recent(8))
    assert checked([pki.leaf("first.test", RARE), RARE]) == 2
    for n in range(40):
        assert checked([pki.leaf(f"{n}.test", FREQUENT), FREQUENT]) == 1 + (n == 0)
    assert checked([pki.leaf("last.test", RARE), RARE]) == 1
    assert len(budget._verified) <= 8
    assert len(budget._verified_cas) <= 8


def test_many_leaves_do_not_have_the_others_read_again() -> None:
    issuer = certificate.presented([pki.leaf("a.test", RARE).der, RARE.der])[1]
    size = certificate._leaf.cache_info().maxsize
    assert size is not None
    leaf = pki.leaf("b.test", FREQUENT).der
    for n in range(size + 10):
        with_its_number = leaf[:-2] + n.to_bytes(2, "big")  # the end of the signature
        certificate.presented([with_its_number, FREQUENT.der])
    assert certificate.presented([leaf, RARE.der])[1] is issuer


FIELDS = tuple(name for name, _ in certificate._MATTERING.values())


@pytest.mark.parametrize("issued", [pki.leaf("c.test", RARE), RARE, ROOT], ids=["leaf", "CA", "root"])
def test_what_is_kept_is_what_would_be_read(issued: Issued) -> None:
    """Another certificate of the kind has been read before; each field is as if it had not."""
    kept = Certificate(issued.der)
    again = Certificate(issued.der)
    found = [(getattr(kept, field), getattr(again, field)) for field in FIELDS]
    certificate._alike.cache_clear()
    certificate._issuer.cache_clear()
    shapes._algorithms.clear()
    fresh = Certificate(issued.der)
    assert kept.issuer == again.issuer == fresh.issuer
    assert kept.algorithm == again.algorithm == fresh.algorithm
    for field, (first, second) in zip(FIELDS, found, strict=True):
        value = getattr(fresh, field)
        if isinstance(value, shapes.Shape):
            assert [vars(one) for one in (first, second)] == [vars(value)] * 2
        else:
            assert first == second == value


SHA256_ECDSA = bytes.fromhex("06082a8648ce3d040302")


@pytest.mark.parametrize("tag", [b"\x30", b"\x31", b"\x04", b"\xa0"])
def test_an_algorithm_is_a_sequence_whatever_was_read_before(tag: bytes) -> None:
    def value(tag: bytes) -> TLV:
        return shapes.items(shapes.Values, shapes.sequence(shapes.tagged(tag, SHA256_ECDSA)))[0]

    shapes._algorithms.clear()
    for first in (tag, b"\x30", tag):
        if first == b"\x30":
            assert shapes.algorithm(value(first)).oid == "1.2.840.10045.4.3.2"
        else:
            with pytest.raises(ValueError, match=r".*"):
                shapes.algorithm(value(first))


def test_broken_values_are_never_kept() -> None:
    broken = b"\x30\x01"
    before = certificate._alike.cache_info().currsize
    for _ in range(2):
        with pytest.raises(ValueError, match=r".*"):
            certificate._alike(extensions.basic_constraints, broken)
    assert certificate._alike.cache_info().currsize == before
