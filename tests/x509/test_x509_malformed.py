"""Names and extensions that are not well-formed: what OpenSSL refuses is refused, and what is read can be asked."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from puretls._x509 import certificate, peercert
from puretls._x509.extensions import AS_NUMBERS, IP_BLOCKS
from support import libcrypto, pki
from support.pki import CDP, SAN, Issued, general, integer, oid, seq, tlv
from support.verifying import ours, theirs

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


# Changed at random, as trees


Node = list[Any]  # tag and content, which is octets or a list of nodes
TAGS = (*range(1, 7), 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1C, 0x1E, 0x30, 0x31, *range(0x80, 0x89), *range(0xA0, 0xA6))
ODD = (b"", b"\0", b"\x08a", b"\xff", b"a", b"\xff\xff")


def tree(data: bytes) -> list[Node]:
    found: list[Node] = []
    while data:
        size, start = data[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        content = data[start : start + size]
        found.append([data[0], tree(content) if data[0] & 0x20 else content])
        data = data[start + size :]
    return found


def encoded(nodes: list[Node]) -> bytes:
    return b"".join(tlv(tag, encoded(content) if isinstance(content, list) else content) for tag, content in nodes)


def places(nodes: list[Node]) -> Iterator[tuple[list[Node], Node]]:
    for node in nodes:
        yield nodes, node
        if isinstance(node[1], list):
            yield from places(node[1])


def mutated(chance: random.Random, der: bytes) -> bytes:
    """Values with other tags or contents, taken away, doubled, added, wrapped, emptied or in another order."""
    nodes = tree(der)
    for _ in range(chance.choice((1, 1, 2))):
        if not (all_places := list(places(nodes))):
            break
        siblings, node = chance.choice(all_places)
        inner = node[1] if isinstance(node[1], list) else None
        match chance.randrange(8):
            case 0:
                tag = chance.choice(TAGS)
                node[:] = [tag, inner if tag & 0x20 and inner is not None else encoded(inner) if inner else node[1]]
            case 1:
                siblings.remove(node)
            case 2:
                siblings.insert(chance.randrange(len(siblings) + 1), list(node))
            case 3:
                siblings.insert(chance.randrange(len(siblings) + 1), [chance.choice(TAGS), chance.choice(ODD)])
            case 4 if inner is None:
                node[1] = chance.choice((*ODD, node[1] + b"\0", node[1][1:], b"\x80" + node[1]))
            case 5:
                node[:] = [chance.choice((0x30, 0x31, 0xA0, 0xA1)), [list(node)]]
            case 6 if inner is not None:
                inner.clear()
            case 7:
                siblings.reverse()
    return encoded(nodes)


NAME = seq(
    tlv(0x31, seq(oid("2.5.4.6"), tlv(0x13, b"DE"))),
    tlv(0x31, seq(oid("2.5.4.3"), TEXT), seq(oid("2.5.4.45"), tlv(3, b"\0ab"))),
    tlv(0x31, seq(oid("1.2.840.113549.1.9.1"), tlv(0x16, b"a@b"))),
)
ALT = seq(
    general("DNS:example.test"), general("email:a@b"), general("URI:http://a/"), general("IP:1.2.3.4"),
    general("dir:CN=x"), tlv(0x88, b"\x2a\x03"), tlv(0xA0, oid("1.2.3"), tlv(0xA0, TEXT)),
    tlv(0xA5, tlv(0xA0, TEXT), EDI),
)  # fmt: skip
SOUND = {
    SAN: ALT,
    CDP: seq(seq(tlv(0xA0, FULL), tlv(0x81, b"\5\x60"), tlv(0xA2, general("dir:CN=x"))), seq(tlv(0xA0, RELATIVE))),
    pki.AKI: seq(tlv(0x80, b"key"), tlv(0xA1, general("dir:CN=root")), tlv(0x82, b"\5")),
    pki.BC: seq(tlv(1, b"\xff"), integer(3)),
    pki.EKU: seq(oid(pki.SERVER_AUTH), oid(pki.CLIENT_AUTH)),
    pki.KU: pki.bits(b"\x86", 1),
    pki.NC: seq(
        tlv(0xA0, seq(general("DNS:example.test")), seq(general("dir:CN=x"))), tlv(0xA1, seq(general("IP:1.2.0.0/16")))
    ),
    pki.PROXY: seq(integer(1), seq(oid("1.3.6.1.5.5.7.21.1"), tlv(4, b"x"))),
    pki.SKI: tlv(4, b"abcd"),
    IP_BLOCKS: seq(
        seq(tlv(4, b"\0\1"), seq(pki.bits(b"\x0a"), seq(pki.bits(b"\x0b"), pki.bits(b"\x0c")))),
        seq(tlv(4, b"\0\2"), tlv(5)),
    ),
    AS_NUMBERS: seq(tlv(0xA0, seq(integer(5), seq(integer(7), integer(9)))), tlv(0xA1, tlv(5))),
}


BLOCKS = {
    IP_BLOCKS: (seq(seq(tlv(4, b"\0\1"), seq(pki.bits(b"\x0a")))), seq(seq(tlv(4, b"\0\1"), tlv(5)))),
    AS_NUMBERS: (seq(tlv(0xA0, seq(integer(5)))), seq(tlv(0xA0, tlv(5)))),
}


@reference
@pytest.mark.parametrize("oid", BLOCKS)
def test_internet_numbers(oid: str) -> None:
    """RFC 3779: who has any has what everybody above has, and anchors inherit nothing."""
    own, inherited = BLOCKS[oid]
    for values in itertools.product((None, own, inherited), repeat=3):
        leaf, middle, top = ({"extensions": {oid: None if value is None else (True, value)}} for value in values)
        root = pki.ca("numbers", **top)
        issuer = pki.ca("middle", root, **middle)
        chain = [pki.leaf("example.test", issuer, **leaf), issuer]
        mine, other = (verify(chain, [root], flags=0x8000) for verify in (ours, theirs))
        assert mine == other, values
        if values[0] is None or values == (own, own, own):
            assert mine == (0, 0)


def changed(chance: random.Random) -> dict[str, Any]:
    """Arguments for a certificate with one thing changed: its name, or an extension."""
    what = chance.choice(("", "", *SOUND))
    if not what:
        return {"subject": mutated(chance, NAME)}
    return {"extensions": {what: (chance.random() < 0.3, mutated(chance, SOUND[what]))}}


@reference
@pytest.mark.parametrize("block", range(4))
def test_nothing_changed_is_better_than_openssl_finds_it(block: int) -> None:
    for seed in range(block * 200, block * 200 + 200):
        chance = random.Random(seed)
        given = changed(chance)
        if chance.random() < 0.5:
            chain = [pki.leaf("example.test", ROOT, **given)]
        else:
            middle = pki.ca(given.pop("subject", "middle"), ROOT, **given)
            chain = [pki.leaf("example.test", middle), middle]
        flags = chance.choice((0x8000, STRICT, 0x88020, 0x8040))
        mine, other = (verdict(verify, chain, [ROOT], flags=flags) for verify in (ours, theirs))
        assert mine != (0, 0) or other == (0, 0), (seed, given)


# Whatever has been read


RSA = pki.key("rsa2048", 5)
WHOLE = (
    pki.leaf("example.test", ROOT).der,
    pki.leaf("example.test", extensions=SOUND).der,
    pki.leaf("example.test", private=RSA).der,
    pki.leaf("a", private=RSA, key_info=pki.pss_key(RSA, pki.pss("sha256")), scheme=pki.pss_scheme(RSA, "sha256")).der,
    pki.leaf("a", private=pki.key("p256", 4), key_info=pki.explicit(pki.key("p256", 4))).der,
)


def test_what_has_been_read_answers_everything() -> None:
    """Octets changed at random: who gets through the parser raises nothing later, whatever it is asked."""
    chance, read = random.Random(1), 0
    for _ in range(3000):
        der = bytearray(chance.choice(WHOLE))
        for _ in range(chance.choice((1, 1, 2))):
            der[chance.randrange(len(der))] = chance.choice((chance.randrange(256), 0, 0xFF, 0x80, 1))
        try:
            x = certificate.load(bytes(der))
        except ValueError:
            continue
        read += 1
        for name in dir(x):
            if not name.startswith("_") and not callable(getattr(x, name)):
                getattr(x, name)
        x.public_key(), x.end_point(), x.signed_by(x), x.may_be_issued_by(x), repr(x)
        peercert.peercert(x), peercert.one_line(x.subject_rdns)
    assert read > 1000
