"""Names and extensions that are not well-formed: what OpenSSL refuses is refused, wherever in a chain it stands."""

from __future__ import annotations

from typing import Any

import pytest

import libcrypto
import pki
from pki import CDP, SAN, Issued, general, integer, oid, seq, tlv
from puretls._x509 import certificate
from verifying import ours, theirs

reference = pytest.mark.skipif(libcrypto.LIB is None, reason="_ssl does not expose its libcrypto here")
ROOT = pki.ca("root")
STRICT = 0x8020
UNREADABLE = -1, 0


def verdict(verify: Any, chain: list[Issued], roots: list[Issued], **policy: Any) -> tuple[int, int]:
    """UNREADABLE if the leaf cannot be read at all."""
    if verify is ours:
        try:
            certificate.load(chain[0].der)
        except ValueError:
            return UNREADABLE
        return ours(chain, roots, **policy)
    try:
        return theirs(chain, roots, **policy)
    except ValueError:
        return UNREADABLE


def point(*name: bytes) -> dict[str, Any]:
    return {"extensions": {CDP: (False, seq(seq(*name)))}}


def alt(*names: bytes) -> dict[str, Any]:
    return {"extensions": {SAN: (False, seq(general("DNS:example.test"), *names))}}


EMPTY_RDN = seq(tlv(0x31))
FULL, RELATIVE = tlv(0xA0, general("URI:http://a/")), tlv(0xA1, pki.name("b")[4:])
TEXT = tlv(0x0C, b"x")
EDI = tlv(0xA1, TEXT)  # partyName


def bit_string(content: bytes) -> dict[str, Any]:
    return {"subject": seq(tlv(0x31, seq(oid("2.5.4.45"), tlv(3, content))))}


LEAVES: dict[str, dict[str, Any]] = {
    "a point whose name is an empty choice": point(tlv(0xA0)),
    "a point whose name is both": point(tlv(0xA0, FULL, RELATIVE)),
    "a point whose name is two": point(tlv(0xA0, FULL, FULL)),
    "a point whose name is none of them": point(tlv(0xA0, tlv(0xA2, TEXT))),
    "a point with a name": point(tlv(0xA0, FULL)),
    "a point with a relative name": point(tlv(0xA0, RELATIVE)),
    "a point with an empty relative name": point(tlv(0xA0, tlv(0xA1))),
    "a point with an empty full name": point(tlv(0xA0, tlv(0xA0))),
    "a point with reasons out of order": point(tlv(0x81, b"\5\x60"), tlv(0xA0, FULL)),
    "an ediPartyName that is none": alt(tlv(0xA5, tlv(0x13, b"x"))),
    "an ediPartyName": alt(tlv(0xA5, EDI)),
    "an ediPartyName with an assigner": alt(tlv(0xA5, tlv(0xA0, TEXT), EDI)),
    "an ediPartyName without a party": alt(tlv(0xA5, tlv(0xA0, TEXT))),
    "an ediPartyName that is a number": alt(tlv(0xA5, tlv(0xA1, integer(1)))),
    "an empty ediPartyName": alt(tlv(0xA5)),
    "an ediPartyName with more": alt(tlv(0xA5, EDI, TEXT)),
    "an x400Address that is none": alt(tlv(0xA3, b"zz")),
    "an otherName without value": alt(tlv(0xA0, oid("1.2.3"))),
    "an otherName with two values": alt(tlv(0xA0, oid("1.2.3"), tlv(0xA0, TEXT, TEXT))),
    "an empty otherName": alt(tlv(0xA0)),
    "a directoryName that is none": alt(tlv(0xA4, TEXT)),
    "a directoryName with two names": alt(tlv(0xA4, pki.name("a"), pki.name("b"))),
    "an empty directoryName": alt(tlv(0xA4)),
    "a registeredID that is none": alt(tlv(0x88, b"\x80")),
    "an empty registeredID": alt(tlv(0x88)),
    "a constructed dNSName": alt(tlv(0xA2, TEXT)),
    "an unknown name": alt(tlv(0x89, b"x")),
    "101 unused bits": bit_string(b"eab"),
    "eight unused bits": bit_string(b"\x08ab"),
    "seven unused bits": bit_string(b"\x07\x80"),
    "unused bits of nothing": bit_string(b"\x01"),
    "no bits": bit_string(b"\0"),
    "no unused bits": bit_string(b""),
    "broken UTF-8 in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x0C, b"\xff"))))},
    "half a character in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x1E, b"abc"))))},
    "a surrogate in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x1E, b"\xd8\0"))))},
    "a surrogate in UTF-8": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x0C, b"\xed\xa0\x80"))))},
    "beyond Unicode": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x1C, b"\0\x11\0\0"))))},
    "a number in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), integer(5))))},
    "a boolean in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(1, b"\xff"))))},
    "NULL in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(5))))},
    "an attribute without value": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"))))},
    "a set in a name": {"subject": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x31, TEXT))))},
    "an empty RDN": {"subject": seq(tlv(0x31), pki.name("a")[2:])},
    "a name in an RDN": {"subject": seq(seq(oid("2.5.4.3"), TEXT))},
}  # fmt: skip
BER = {"a constructed dNSName"}  # which OpenSSL reads, and which is broken here


@reference
@pytest.mark.parametrize("what", LEAVES)
def test_a_leaf_that_openssl_refuses(what: str) -> None:
    leaf = pki.leaf("example.test", ROOT, **LEAVES[what])
    for flags in (0x8000, STRICT):
        mine, other = (verdict(verify, [leaf], [ROOT], flags=flags, host="example.test") for verify in (ours, theirs))
        assert mine == other or (what in BER and mine[0])


@reference
def test_a_name_of_nothing_is_empty() -> None:
    """One relative distinguished name, and no attribute in it."""
    leaf = pki.leaf("example.test", ROOT, subject=EMPTY_RDN)
    root = pki.ca(EMPTY_RDN)
    for chain, anchor in (([leaf], ROOT), ([pki.leaf("example.test", root)], root)):
        for verify in (ours, theirs):
            code = 88 if anchor is ROOT else 83
            assert verify(chain, [anchor], flags=STRICT, host="example.test")[0] == code
