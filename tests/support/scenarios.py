"""Chains that are wrong in one or two respects, made from a list of choices.

`draw(options)` picks one of several; a random generator or Hypothesis stands behind it.  What comes out is a
`Scenario`: the chain as a peer would send it, what is trusted, the CRLs, and the parameters of the verification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from support import pki
from support.pki import BC, DAY, NOW, SAN, Issued, integer, names, oid, seq, tlv

T = TypeVar("T")
Draw = Callable[[Sequence[Any]], Any]

UNKNOWN = "1.2.3.4.5"
NETSCAPE = "2.16.840.1.113730.1.1"
STRICT, TRUSTED_FIRST, PARTIAL_CHAIN = 0x20, 0x8000, 0x80000
CRL_LEAF, CRL_CHAIN, PROXIES, CHECK_SELF, IGNORE_CRITICAL = 0x4, 0xC, 0x40, 0x4000, 0x10


@dataclass
class Scenario:
    chain: list[Issued]
    roots: list[Issued | bytes]
    policy: dict[str, Any]
    crls: list[bytes] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def ext(**given: Any) -> dict[str, Any]:
    return {"extensions": {globals().get(name) or getattr(pki, name): value for name, value in given.items()}}


def aki(key: Any = None, issuer: bytes | None = None, serial: int | None = None) -> bytes:
    parts = (
        tlv(0x80, pki.key_id(key)) if key is not None else b"",
        tlv(0xA1, tlv(0xA4, issuer)) if issuer is not None else b"",
        tlv(0x82, integer(serial)[2:]) if serial is not None else b"",
    )
    return seq(*parts)


# What can be wrong with one certificate: keyword arguments for pki.ca and pki.leaf.
DEFECTS: dict[str, Callable[[], dict[str, Any]]] = {
    "expired": lambda: {"not_after": NOW - DAY},
    "ends now": lambda: {"not_after": NOW - 1},
    "begins now": lambda: {"not_before": NOW},
    "not yet valid": lambda: {"not_before": NOW + DAY},
    "bad signature": lambda: {"bad_signature": True},
    "other signer": lambda: {"signer": pki.key("p256", 77)},
    "signer of another kind": lambda: {"signer": pki.key("rsa2048", 77)},
    "no basic constraints": lambda: ext(BC=None),
    "not a CA": lambda: ext(BC=pki.basic_constraints(ca=False)),
    "a CA": lambda: ext(BC=pki.basic_constraints(ca=True)),
    "basic constraints not critical": lambda: ext(BC=pki.basic_constraints(ca=True, critical=False)),
    "path length 0": lambda: ext(BC=pki.basic_constraints(ca=True, path_length=0)),
    "path length, not a CA": lambda: ext(BC=pki.basic_constraints(ca=False, path_length=0)),
    "path length negative": lambda: ext(BC=pki.basic_constraints(ca=True, path_length=-1)),
    "basic constraints broken": lambda: ext(BC=(True, b"\x30\x05\x01")),
    "basic constraints twice": lambda: {"extra": pki.extension(BC, pki.basic_constraints(ca=True))},
    "no key usage": lambda: ext(KU=None),
    "key usage cert sign": lambda: ext(KU=pki.key_usage(0x04)),
    "key usage CRL sign": lambda: ext(KU=pki.key_usage(0x02)),
    "key usage both": lambda: ext(KU=pki.key_usage(0x86)),
    "key usage encipherment": lambda: ext(KU=pki.key_usage(0x20)),
    "key usage agreement": lambda: ext(KU=pki.key_usage(0x08)),
    "key usage signing": lambda: ext(KU=pki.key_usage(0x80)),
    "key usage empty": lambda: ext(KU=pki.key_usage(0)),
    "key usage broken": lambda: ext(KU=(True, b"\x05\x00")),
    "no extended key usage": lambda: ext(EKU=None),
    "extended server": lambda: ext(EKU=pki.usages(pki.SERVER_AUTH)),
    "extended client": lambda: ext(EKU=pki.usages(pki.CLIENT_AUTH)),
    "extended any": lambda: ext(EKU=pki.usages(pki.ANY_USAGE)),
    "extended code": lambda: ext(EKU=pki.usages("1.3.6.1.5.5.7.3.3")),
    "extended gated": lambda: ext(EKU=pki.usages("2.16.840.1.113730.4.1")),
    "extended broken": lambda: ext(EKU=(False, b"\x30\x02\x05\x00")),
    "no subject key": lambda: ext(SKI=None),
    "subject key critical": lambda: ext(SKI=(True, tlv(4, b"abc"))),
    "subject key other": lambda: ext(SKI=(False, tlv(4, b"abc"))),
    "no authority key": lambda: ext(AKI=None),
    "authority key critical": lambda: ext(AKI=(True, aki(pki.key("p256", 1)))),
    "authority key other": lambda: ext(AKI=(False, aki(pki.key("p256", 78)))),
    "authority serial only": lambda: ext(AKI=(False, aki(serial=5))),
    "authority broken": lambda: ext(AKI=(False, b"\x04\x00")),
    "unknown critical": lambda: ext(UNKNOWN=(True, b"\x05\x00")),
    "unknown": lambda: ext(UNKNOWN=(False, b"\x05\x00")),
    "unknown twice": lambda: {"extra": pki.extension(UNKNOWN, b"\x05\x00") * 2},
    "policies critical": lambda: {"extra": pki.extension("2.5.29.32", seq(seq(oid("2.5.29.32.0"))), critical=True)},
    "policy constraints": lambda: {"extra": pki.extension("2.5.29.36", seq(tlv(0x80, b"\0")), critical=True)},
    "policies broken": lambda: {"extra": pki.extension("2.5.29.32", b"\x04\x00", critical=True)},
    "access broken": lambda: {"extra": pki.extension("1.3.6.1.5.5.7.1.1", b"\x04\x00")},
    "issuer names": lambda: {"extra": pki.extension("2.5.29.18", names("DNS:x.test"))},
    "no names": lambda: ext(SAN=None),
    "names empty": lambda: ext(SAN=(False, seq())),
    "names critical": lambda: ext(SAN=(True, names("DNS:example.test"))),
    "names broken": lambda: ext(SAN=(False, b"\x30\x03\x82\x05a")),
    "names odd": lambda: ext(SAN=(False, seq(tlv(0x05)))),
    "names twice": lambda: {"extra": pki.extension(SAN, names("DNS:example.test"))},
    "names of mail": lambda: ext(SAN=(False, names("email:a@example.test"))),
    "names with NUL": lambda: ext(SAN=(False, names("DNS:example.test\0.evil"))),
    "wildcard": lambda: ext(SAN=(False, names("DNS:*.example.test"))),
    "partial wildcard": lambda: ext(SAN=(False, names("DNS:w*.example.test"))),
    "address": lambda: ext(SAN=(False, names("IP:192.0.2.1"))),
    "no subject": lambda: {"subject": ""},
    "no issuer": lambda: {"issuer_name": seq()},
    "other issuer": lambda: {"issuer_name": pki.name("someone else")},
    "version 1": lambda: {"version": 0},
    "version 1, no extensions": lambda: {"version": 0, **ext(BC=None, KU=None, EKU=None, SAN=None, SKI=None, AKI=None)},
    "algorithms differ": lambda: {"inner": seq(oid("1.2.840.10045.4.3.3"))},
    "small RSA key": lambda: {"private": pki.key("rsa1024", 1)},
    "RSA key": lambda: {"private": pki.key("rsa2048", 1)},
    "small curve": lambda: {"private": pki.key("p192", 1)},
    "P-224": lambda: {"private": pki.key("p224", 1)},
    "Ed25519": lambda: {"private": pki.key("ed25519", 1)},
    "SHA-1": lambda: {"digest": "sha1"},
    "SHA-224": lambda: {"digest": "sha224"},
    "netscape server": lambda: {"extra": pki.extension(NETSCAPE, pki.bits(b"\x40", 6))},
    "netscape client": lambda: {"extra": pki.extension(NETSCAPE, pki.bits(b"\x80", 7))},
    "netscape CA": lambda: {"extra": pki.extension(NETSCAPE, pki.bits(b"\x04", 2))},
    "netscape object CA": lambda: {"extra": pki.extension(NETSCAPE, pki.bits(b"\x01", 0)), **ext(BC=None, KU=None)},
    "permitted": lambda: ext(NC=pki.constraints(("DNS:example.test",))),
    "permitted other": lambda: ext(NC=pki.constraints(("DNS:other.test",))),
    "permitted dot": lambda: ext(NC=pki.constraints(("DNS:.example.test",))),
    "permitted address": lambda: ext(NC=pki.constraints(("IP:192.0.2.0/24",))),
    "permitted mail": lambda: ext(NC=pki.constraints(("email:example.test",))),
    "permitted directory": lambda: ext(NC=pki.constraints(("dir:CN=other",))),
    "permitted own directory": lambda: ext(NC=pki.constraints(("dir:CN=example.test",))),
    "permitted registered": lambda: ext(NC=pki.constraints(("RID:\x2a",))),
    "excluded": lambda: ext(NC=pki.constraints((), ("DNS:example.test",))),
    "excluded other": lambda: ext(NC=pki.constraints((), ("DNS:other.test",))),
    "excluded all": lambda: ext(NC=pki.constraints((), ("DNS:",))),
    "constraints minimum": lambda: ext(
        NC=(True, seq(tlv(0xA0, seq(pki.general("DNS:example.test"), tlv(0x80, b"\1")))))
    ),
    "constraints broken": lambda: ext(NC=(True, b"\x04\x00")),
    "proxy": lambda: ext(PROXY=(True, seq(seq(oid("1.3.6.1.5.5.7.21.1"))))),
    "proxy, no names": lambda: ext(PROXY=(True, seq(seq(oid("1.3.6.1.5.5.7.21.1")))), SAN=None),
    "proxy path 0": lambda: ext(PROXY=(True, seq(integer(0), seq(oid("1.3.6.1.5.5.7.21.1")))), SAN=None),
    "proxy broken": lambda: ext(PROXY=(True, seq())),
    "serial 0": lambda: {"serial": 0},
    "serial long": lambda: {"serial": 1 << 200},
    "CRL point": lambda: ext(CDP=(False, seq(seq(tlv(0xA0, tlv(0xA0, pki.general("URI:http://a/b"))))))),
    "CRL point reasons": lambda: ext(CDP=(False, seq(seq(tlv(0x81, b"\x05\x60"))))),
    "CRL point some reasons": lambda: ext(
        CDP=(False, seq(seq(tlv(0xA0, tlv(0xA0, pki.general("URI:http://a/b"))), tlv(0x81, b"\x05\x60"))))
    ),
    "CRL point two reasons": lambda: ext(
        CDP=(False, seq(*(
            seq(tlv(0xA0, tlv(0xA0, pki.general(f"URI:http://a/{name}"))), tlv(0x81, reasons))
            for name, reasons in (("b", b"\x05\x60"), ("c", b"\x07\x1f\x80"))
        )))
    ),
    "CRL point relative": lambda: ext(CDP=(False, seq(seq(tlv(0xA0, tlv(0xA1, pki.name("b")[4:])))))),
    "CRL point issuer": lambda: ext(CDP=(False, seq(seq(tlv(0xA2, pki.general("dir:CN=someone")))))),
    "CRL points broken": lambda: ext(CDP=(False, b"\x05\x00")),
}  # fmt: skip

# What can be wrong with a CRL: keyword arguments for pki.crl.
CRL_DEFECTS: dict[str, Callable[[], dict[str, Any]]] = {
    "good": dict,
    "expired list": lambda: {"next_update": NOW - DAY},
    "endless list": lambda: {"next_update": None},
    "future list": lambda: {"this_update": NOW + DAY},
    "bad list signature": lambda: {"bad_signature": True},
    "no list AKI": lambda: ext(AKI=None),
    "other list AKI": lambda: ext(AKI=(False, aki(pki.key("p256", 78)))),
    "broken list AKI": lambda: ext(AKI=(False, b"\x04\x00")),
    "list unknown critical": lambda: ext(UNKNOWN=(True, b"\x05\x00")),
    "list for users": lambda: ext(IDP=(True, seq(tlv(0x81, b"\xff")))),
    "list for CAs": lambda: ext(IDP=(True, seq(tlv(0x82, b"\xff")))),
    "list for both": lambda: ext(IDP=(True, seq(tlv(0x81, b"\xff"), tlv(0x82, b"\xff")))),
    "list for attributes": lambda: ext(IDP=(True, seq(tlv(0x85, b"\xff")))),
    "indirect list": lambda: ext(IDP=(True, seq(tlv(0x84, b"\xff")))),
    "list with reasons": lambda: ext(IDP=(True, seq(tlv(0x83, b"\x05\x60")))),
    "list at point": lambda: ext(IDP=(True, seq(tlv(0xA0, tlv(0xA0, pki.general("URI:http://a/b")))))),
    "list at other point": lambda: ext(IDP=(True, seq(tlv(0xA0, tlv(0xA0, pki.general("URI:http://a/c")))))),
    "critical entry": lambda: {"entry": pki.extension(UNKNOWN, (True, b"\x05\x00"))},
    "entry removed": lambda: {"entry": pki.extension("2.5.29.21", b"\x0a\x01\x08")},
    "entry key compromise": lambda: {"entry": pki.extension("2.5.29.21", b"\x0a\x01\x01")},
}


# What can be wrong with a proxy certificate (RFC 3820): its path length, its name beyond the issuer's, its key usage.
PROXIES_OF: dict[str, dict[str, Any]] = {
    "a proxy": {},
    "a proxy of path 0": {"path_length": 0},
    "a proxy of path 1": {"path_length": 1},
    "a proxy of another name": {"subject": "CN=another,CN=proxy"},
    "a proxy without a name": {"added": b""},
    "a proxy with two names": {"added": pki.name("a")[2:] + pki.name("b")[2:]},
    "a proxy with an organisation": {"added": pki.name("O=a")[2:]},
    "a proxy that is a CA": {"extensions": {BC: pki.basic_constraints(ca=True)}},
    "an expired proxy": {"not_after": NOW - DAY},
}


def proxy(
    issuer: Issued, *, path_length: int | None = None, added: bytes | None = None, extensions: Any = None, **given: Any
) -> Issued:
    """A certificate that an end entity has issued to itself."""
    private = pki.key("p256", 40)
    subject = given.pop("subject", seq(_content(issuer.subject), pki.name("proxy")[2:] if added is None else added))
    limit = b"" if path_length is None else integer(path_length)
    defaults = {
        pki.PROXY: (True, seq(limit, seq(oid("1.3.6.1.5.5.7.21.1")))),
        pki.KU: pki.key_usage(0x80),
        pki.SKI: (False, tlv(4, pki.key_id(private))),
        pki.AKI: (False, aki(issuer.key)),
    }
    return pki.certificate(subject, issuer, private=private, extensions=defaults | (extensions or {}), **given)


def _content(der: bytes) -> bytes:
    """The content of a value shorter than 64 KiB."""
    return der[2:] if der[1] < 128 else der[2 + (der[1] & 127) :]


def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = one | other
    if "extensions" in one and "extensions" in other:
        merged["extensions"] = one["extensions"] | other["extensions"]
    if "extra" in one and "extra" in other:
        merged["extra"] = one["extra"] + other["extra"]
    return merged


def scenario(draw: Draw) -> Scenario:
    """One chain with its surroundings."""
    count = draw((0, 1, 1, 1, 2))  # intermediates
    positions = ["root", *(f"ca{i}" for i in range(count)), "leaf"]
    changes: dict[str, dict[str, Any]] = {position: {} for position in positions}
    said = []
    for _ in range(draw((0, 1, 1, 1, 2, 2))):
        position, defect = draw(positions), draw(sorted(DEFECTS))
        changes[position] = merge(changes[position], DEFECTS[defect]())
        said.append(f"{position}: {defect}")
    chain: list[Issued] = []
    subjects = draw((("root", "ca0", "ca1"), ("root", "ca0", "ca1"), ("root", "root", "ca1"), ("root", "ca0", "ca0")))
    for i, position in enumerate(positions[:-1]):
        given = dict(changes[position])
        subject = given.pop("subject", subjects[i])
        given.setdefault("private", pki.key("p256", 11 + i))
        chain.insert(0, pki.ca(subject, chain[0] if chain else None, **given))
    given = dict(changes["leaf"])
    self_signed = draw((False,) * 9 + (True,))
    chain.insert(0, pki.leaf("example.test", None if self_signed else chain[0], **given))
    root = chain.pop()
    for _ in range(draw((0,) * 12 + (1, 2))):
        defect = draw(sorted(PROXIES_OF))
        chain.insert(0, proxy(chain[0], **PROXIES_OF[defect]))
        said.append(defect)
    said += [f"{count} between", "self-signed leaf"] if self_signed else [f"{count} between"]
    return surrounded(draw, chain, root, said)


# Extensions to be mutated, as their DER.
SOUND: dict[str, tuple[bytes, ...]] = {
    BC: (pki.basic_constraints(ca=True)[1], pki.basic_constraints(ca=True, path_length=1)[1], seq()),
    pki.KU: (pki.key_usage(0x06)[1], pki.key_usage(0x80)[1]),
    pki.EKU: (pki.usages(pki.SERVER_AUTH, pki.CLIENT_AUTH)[1],),
    SAN: (names("DNS:example.test", "IP:192.0.2.1", "dir:CN=a", "email:a@b.test", "URI:http://a/", "RID:\x2a"),),
    pki.SKI: (tlv(4, b"abcd"),),
    pki.AKI: (seq(tlv(0x80, b"abcd")), seq(tlv(0xA1, pki.general("dir:CN=root")), tlv(0x82, b"\5"))),
    pki.NC: (pki.constraints(("DNS:example.test", "IP:192.0.2.0/24"), ("dir:CN=q",))[1],),
    pki.CDP: (seq(seq(tlv(0xA0, tlv(0xA0, pki.general("URI:http://a/b"))), tlv(0xA2, pki.general("dir:CN=x")))),),
    "1.3.6.1.5.5.7.1.1": (seq(seq(oid("1.3.6.1.5.5.7.48.1"), pki.general("URI:http://a"))),),
    NETSCAPE: (pki.bits(b"\x40", 6),),
    pki.PROXY: (seq(integer(1), seq(oid("1.3.6.1.5.5.7.21.1"))),),
}


def mutated(random: Random) -> Scenario:
    """A chain in which up to two extensions have octets changed, added or taken away."""
    extensions = {}
    for dotted in random.choices(sorted(SOUND), k=2):
        value = bytearray(random.choice(SOUND[dotted]))
        for _ in range(random.randrange(4)):
            place = random.randrange(len(value) + 1)
            value[place : place + random.randrange(2)] = random.choice(
                (b"", b"\0", b"\x80", b"\xff", random.randbytes(1))
            )
        extensions[dotted] = random.random() < 0.5, bytes(value)
    root, at_leaf = pki.ca("root"), random.random() < 0.5
    middle = pki.ca("ca", root, extensions=None if at_leaf else extensions)
    leaf = pki.leaf("example.test", middle, extensions=extensions if at_leaf else None)
    policy = {
        "flags": random.choice((0x8000, 0x8020, 0x88020, 0x8040)),
        "host": random.choice((None, "example.test")),
        "purpose": random.choice(("serverAuth", "clientAuth")),
    }
    return Scenario(
        [leaf, middle], [root], policy, [], [f"{key} {value.hex()}" for key, (_, value) in extensions.items()]
    )


def surrounded(draw: Draw, chain: list[Issued], root: Issued, said: list[str]) -> Scenario:
    """Trust, CRLs and parameters for a chain."""
    everything = [*chain, root]
    trusted: list[Issued | bytes] = [root]
    match draw(("root",) * 12 + ("nothing", "first CA", "leaf", "all", "aux good", "aux bad", "aux reject", "aux any")):
        case "nothing":
            trusted = []
        case "first CA":
            trusted = [everything[min(1, len(everything) - 1)]]
        case "leaf":
            trusted = [chain[0]]
        case "all":
            trusted = list(everything)
        case aux if aux != "root":
            wanted = {"good": pki.SERVER_AUTH, "bad": pki.CLIENT_AUTH, "any": pki.ANY_USAGE, "reject": pki.SERVER_AUTH}
            use = seq(oid(wanted[aux[4:]]))
            trusted = [root.der + seq(tlv(0xA0, use[2:]) if aux == "aux reject" else use)]
            said.append(aux)
    sent = list(chain)
    match draw(("all",) * 8 + ("with root", "reversed", "leaf only", "doubled")):
        case "with root":
            sent.append(root)
        case "reversed":
            sent[1:] = sent[:0:-1]
        case "leaf only":
            sent = sent[:1]
        case "doubled":
            sent += sent[1:]
    flags = TRUSTED_FIRST
    chances = {
        STRICT: (0, 1), PARTIAL_CHAIN: (0, 1), CRL_LEAF: (0, 0, 0, 0, 1), CRL_CHAIN: (0, 0, 0, 1), PROXIES: (0, 0, 1),
        TRUSTED_FIRST: (0, 0, 0, 0, 1), CHECK_SELF: (0, 0, 0, 0, 0, 1), IGNORE_CRITICAL: (0, 0, 0, 0, 0, 0, 0, 1),
    }  # fmt: skip
    for flag, chance in chances.items():
        if draw(chance):
            flags ^= flag
    policy: dict[str, Any] = {
        "flags": flags,
        "host": draw(
            (None, None, "example.test", "example.test", "EXAMPLE.test", "www.example.test", "www.other.test")
        ),
        "ip": draw((None,) * 8 + (b"\xc0\0\2\1", b"\xc0\0\2\2")),
        "purpose": draw(("serverAuth",) * 3 + ("clientAuth",)),
        "level": draw((0, 1, 1, 2, 3)),
        "host_flags": draw((4, 4, 4, 0, 0x20, 0x24)),
    }
    if policy["ip"] is not None:
        policy["host"] = None
    if draw((0, 0, 0, 0, 0, 1)):
        policy["depth"] = draw((0, 1))
    made = Scenario(sent, trusted, policy, [], said)
    if flags & CRL_LEAF:
        lists(draw, made, everything)
    return made


def lists(draw: Draw, made: Scenario, everything: list[Issued]) -> None:
    for subject, issuer in zip(everything, [*everything[1:], everything[-1]], strict=True):
        for _ in range(draw((1,) * 8 + (0, 2))):
            defect = draw(("good",) * 20 + tuple(sorted(CRL_DEFECTS)))
            revoked = draw(((), (), (1,), (subject.serial,) if subject.serial >= 0 else ()))
            made.crls.append(pki.crl(issuer, revoked, **CRL_DEFECTS[defect]()))
            if defect != "good" or subject.serial in revoked:
                made.said.append(f"{defect} {'revoked' if subject.serial in revoked else ''}")
