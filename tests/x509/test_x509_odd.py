"""Certificates that break the rules: nothing is forgiven that OpenSSL refuses, and it costs in proportion."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puretls._x509 import certificate, odd, peercert
from support import libcrypto, pki
from support import odd as shapes
from support.pki import oid, seq, tlv

ODD = {**shapes.READ, **shapes.UNDATED, **shapes.LEFT}
FORGIVEN = {**shapes.READ, **shapes.UNDATED}
MADE = [shapes.ca(name).der for name in FORGIVEN]


@pytest.mark.parametrize("name", ODD)
def test_what_is_said_of_it(name: str) -> None:
    der = shapes.ca(name).der
    x = certificate.listed(der)
    assert x.odd is not None
    assert x.readable == (name in FORGIVEN)
    assert f"CA with {name}" in str(x.odd)
    assert ODD[name].says in str(x.odd)
    assert x.der == der
    assert len(x.odd.faults) <= 4


def test_one_by_the_rules_is_never_looked_at() -> None:
    assert certificate.listed(shapes.ca("ordinary").der).odd is None


def test_what_it_says_is_what_it_said() -> None:
    """The twin is read; name, number, version and signed octets are the certificate's own."""
    for name in FORGIVEN:
        issued = shapes.leaf(name)
        x = certificate.listed(issued.der)
        assert (x.serial, x.version + 1) == (5, x.odd and x.odd.version + 1)
        assert x.key_der == pki.spki(issued.key)
        assert x.signed_by(x if hasattr(x, "limits") else x.public_key())
        assert x.fingerprint == certificate.listed(issued.der).fingerprint
        assert seq(issued.subject[2:]) == issued.subject
        assert [a.value for rdn in x.subject_rdns for a in rdn][-1] == b"localhost"


@pytest.mark.skipif(libcrypto.LIB is None, reason="no libcrypto to ask")
@settings(max_examples=1500, derandomize=True, deadline=None)
@given(st.data())
def test_nothing_is_forgiven_that_openssl_refuses(data: Any) -> None:
    """Odd certificates with an octet or three changed: what is read here is read there, and says the same."""
    der = bytearray(data.draw(st.sampled_from(MADE)))
    for _ in range(data.draw(st.integers(1, 3))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(
            st.one_of(
                st.integers(0, 255), st.sampled_from([0, 1, 2, 5, 6, 0x0C, 0x13, 0x14, 0x17, 0x18, 0x30, 0x31, 0xA0])
            )
        )
    try:
        x = certificate.listed(bytes(der))
    except ValueError:
        return
    if x.odd is None or not x.readable:
        return
    libcrypto.LIB.ERR_clear_error()  # what `ssl` left behind when it described the one before
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bytes(der))
    try:
        described = context.get_ca_certs()
    except ssl.SSLError:  # an attribute whose OID it cannot write
        return
    for known in described:
        found = peercert.peercert(x)
        for field in ("subject", "issuer", "serialNumber", "version", "notBefore"):
            assert found[field] == known[field]


def certified(subject: bytes, extensions: bytes = b"") -> bytes:
    """A certificate for a subject, with a signature that is none."""
    fields = (
        shapes.ORDINARY.version,
        tlv(2, b"\5"),
        shapes.ORDINARY.algorithm,
        subject,
        shapes.ORDINARY.validity,
        subject,
        pki.spki(pki.key()),
        tlv(0xA3, seq(extensions)) if extensions else b"",
    )
    return seq(seq(*fields), shapes.ORDINARY.algorithm, pki.bits(b"none"))


GROWING: dict[str, Callable[[int], bytes]] = {
    "RDNs": lambda n: certified(seq(*(shapes.rdn(b"&%d" % i, 0x13) for i in range(n)))),
    "attributes of one RDN": lambda n: certified(
        seq(tlv(0x31, *(seq(oid("2.5.4.10"), tlv(0x13, b"&%d" % i)) for i in range(n))))
    ),
    "characters": lambda n: certified(seq(shapes.rdn(b"&" * 20 * n, 0x13))),
    "extensions": lambda n: certified(
        pki.name("x"), b"".join(seq(oid(f"1.2.3.{i}"), tlv(1, b"\0"), tlv(4)) for i in range(n))
    ),
    "open lengths": lambda n: certified(seq(seq(b"\x30\x80" * 25 + b"\4\0" * 5 * n + b"\0\0" * 25))),
}


@pytest.mark.parametrize("what", GROWING)
def test_the_cost_grows_with_the_size(what: str) -> None:
    def cost(count: int) -> float:
        der = GROWING[what](count)
        assert len(der) <= odd.LARGEST
        least = float("inf")
        for _ in range(5):
            begun = time.process_time()
            with suppress(ValueError):
                certificate.oddly(certificate.Certificate(der))
            least = min(least, time.process_time() - begun)
        return least

    assert cost(400) < 5 * cost(200) + 0.002


def test_large_ones_are_left() -> None:
    """Larger than anybody's, and not by the rules: it stays where it is, unread."""
    x = certificate.listed(GROWING["RDNs"](2000))
    assert not x.readable
    assert "octets" in str(x.odd)
    regular = certified(seq(*(shapes.rdn(b"%d" % i, 0x13) for i in range(2000))))
    assert certificate.listed(regular).readable
