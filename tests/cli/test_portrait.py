"""Certificates in words: whatever a peer sends as one is described, or is said not to be readable."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from puretls.cli import portrait
from puretls.cli.certs import Authority
from puretls.cli.text import printable

AUTHORITY = Authority("Some root")
NAMES = ("example.test", "*.example.test", "192.0.2.1", "2001:db8::1", "alice@example.test", "spiffe://example/x")
DER = AUTHORITY.issue(*NAMES).certificate.public_bytes(Encoding.DER)


def test_the_facts() -> None:
    facts = portrait.certificate(DER)
    assert (facts["subject"], facts["issuer"], facts["key"]) == ("CN=example.test", "CN=Some root", "P-256")
    assert facts["names"] == list(NAMES[:4])
    assert facts["days_left"] == 6
    assert "(6 days left)" in portrait.validity(facts)


@pytest.mark.parametrize(
    ("days", "said"), [((-9, -2), "(expired)"), ((1, 9), "(not yet valid)"), ((-1, 1.5), "(1 day left)")]
)
def test_validity(days: tuple[float, float], said: str) -> None:
    der = AUTHORITY.issue("x.test", days=days).certificate.public_bytes(Encoding.DER)
    assert portrait.validity(portrait.certificate(der)).endswith(said)


def test_many_names_are_cut_on_a_screen_only() -> None:
    der = AUTHORITY.issue(*(f"n{number}.test" for number in range(100))).certificate.public_bytes(Encoding.DER)
    facts = portrait.certificate(der)
    assert len(facts["names"]) == 100
    assert dict(portrait.lines(facts, leaf=True))["names"].endswith("n11.test and 88 more")


@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_what_is_broken_is_described_as_far_as_it_goes(changes: list[tuple[int, int]]) -> None:
    der = bytearray(DER)
    for place, value in changes:
        der[place] = value
    facts = portrait.certificate(bytes(der))
    json.dumps(facts)
    for name, value in portrait.lines(facts, leaf=True):
        assert (name + value).isprintable()


@given(st.text())
def test_printable_is(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable() or len(text) > 400
