"""What a hostile peer may send costs bounded time, and ends in the right error and nothing else."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from puretls._x509 import certificate, codes
from puretls._x509.crl import Crl
from puretls._x509.peercert import peercert
from support import pki
from support.pki import Issued
from support.verifying import ours

STRICT_PARTIAL = 0x88020
CALLS = 3_000_000  # of functions, those of C included: several times what the worst of these inputs takes


@contextmanager
def bounded(calls: int = CALLS) -> Iterator[None]:
    """The work within is bounded, counted in calls: the same on any machine, however busy it is."""
    made = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert made < calls


def verdict(chain: Sequence[Issued], roots: Sequence[Issued], **policy: object) -> int:
    with bounded():
        return ours(chain, roots, flags=STRICT_PARTIAL, **policy)[0]


def test_a_certificate_of_a_mebibyte() -> None:
    root = pki.ca("root")
    padding = {"1.2.3.4.5": (False, pki.tlv(4, bytes(1 << 20)))}
    assert verdict([pki.leaf("example.test", root, extensions=padding)], [root], host="example.test") == 0
    name = "CN=" + "a" * (1 << 20)
    assert verdict([pki.leaf("example.test", root, subject=name)], [root], host="example.test") == 0
    assert verdict([pki.leaf("example.test", pki.ca(name, root))], [root]) == codes.UNABLE_TO_GET_ISSUER_LOCALLY


def test_a_hundred_thousand_names() -> None:
    root = pki.ca("root")
    alt = tuple(f"DNS:{n}.example.test" for n in range(100_000))
    leaf = pki.leaf("example.test", root, alt=alt)
    assert verdict([leaf], [root], host="99999.example.test") == 0
    assert verdict([leaf], [root], host="example.test") == codes.HOSTNAME_MISMATCH
    with bounded():
        assert len(peercert(certificate.load(leaf.der))["subjectAltName"]) == 100_000


def test_fifty_thousand_extensions() -> None:
    root = pki.ca("root")
    different = b"".join(pki.extension(f"1.2.3.{n}", b"\5\0") for n in range(50_000))
    assert verdict([pki.leaf("example.test", root, extra=different)], [root], host="example.test") == 0
    again = pki.extension("1.2.3.4", b"\5\0") + pki.extension(pki.KU, pki.key_usage(0x80))
    leaf = pki.leaf("example.test", root, extra=different + again)
    assert verdict([leaf], [root]) == codes.UNABLE_TO_GET_ISSUER_LOCALLY


def test_a_deep_policy_tree() -> None:
    """Policies are not evaluated, so the tree that 2023's denial of service grew is never built."""
    issuer = root = pki.ca("root")
    policies = pki.seq(*(pki.seq(pki.oid(f"1.2.3.{n}")) for n in range(2000)))
    mappings = pki.seq(*(pki.seq(pki.oid(f"1.2.3.{n}"), pki.oid(f"1.2.3.{m}")) for n in range(40) for m in range(40)))
    extra = pki.extension("2.5.29.32", policies, critical=True) + pki.extension("2.5.29.33", mappings, critical=True)
    chain: list[Issued] = []
    for n in range(20):
        issuer = pki.ca(f"ca {n}", issuer, private=pki.key("p256", n % 7), extra=extra)
        chain.insert(0, issuer)
    assert verdict([pki.leaf("example.test", issuer, extra=extra), *chain], [root]) == 0


@pytest.mark.parametrize(
    "names",
    [
        tuple(f"DNS:{n}.example.test" for n in range(90)),
        tuple(f"email:{n}@example.test" for n in range(90)),
        tuple(f"IP:192.0.2.{n}" for n in range(90)),
        tuple(f"URI:http://{n}.example.test/" for n in range(90)),
        tuple(f"dir:CN={n}" for n in range(90)),
        ("DNS:" + "a." * 500_000 + "test",),
        ("DNS:" + "*." * 30_000 + "test",),
        ("email:" + "@" * 500_000,),
        ("URI:" + "http://" * 100_000,),
    ],
    ids=lambda names: f"{names[0][:12]} {len(names)}",
)
def test_ten_thousand_constraints(names: tuple[str, ...]) -> None:
    kinds = ("DNS:x{}.test", "email:x{}.test", "URI:.x{}.test", "dir:CN=x{}")
    bases = tuple(kind.format(n) for n in range(2500) for kind in kinds)
    bases += tuple(f"IP:10.{n >> 8}.{n & 255}.0/24" for n in range(400))
    root = pki.ca("root")
    middle = pki.ca("middle", root, extensions={pki.NC: pki.constraints((), bases)})
    result = verdict([pki.leaf("example.test", middle, alt=names), middle], [root])
    assert result in {0, codes.UNSUPPORTED_NAME_SYNTAX}


def test_constraints_times_names_beyond_the_limit() -> None:
    root = pki.ca("root")
    constrained = pki.constraints((), tuple(f"DNS:x{n}.test" for n in range(10_000)))
    middle = pki.ca("middle", root, extensions={pki.NC: constrained})
    leaf = pki.leaf("example.test", middle, alt=tuple(f"DNS:{n}.test" for n in range(10_000)))
    assert verdict([leaf, middle], [root]) == codes.UNSPECIFIED


def test_a_hundred_in_a_line() -> None:
    issuer = root = pki.ca("root")
    chain: list[Issued] = []
    for n in range(99):
        issuer = pki.ca(f"ca {n}", issuer, private=pki.key("p256", n % 7))
        chain.insert(0, issuer)
    chain.insert(0, pki.leaf("example.test", issuer))
    assert verdict(chain, [root]) == 0
    assert verdict(chain[:1] + chain[:0:-1], [root]) == 0
    assert verdict(chain, []) == codes.UNABLE_TO_GET_ISSUER_LOCALLY
    assert verdict(chain, [root], depth=50) == codes.CHAIN_TOO_LONG


def test_cycles() -> None:
    one, other = pki.key("p256", 1), pki.key("p256", 2)
    first = pki.ca("one", pki.ca("other", private=other), private=one)
    second = pki.ca("other", pki.ca("one", private=one), private=other)
    leaf = pki.leaf("example.test", first)
    root = pki.ca("root", private=pki.key("p256", 3))
    assert verdict([leaf, first, second], [root]) == codes.UNABLE_TO_GET_ISSUER_LOCALLY
    out = pki.ca("one", root, private=one)
    assert verdict([leaf, first, second, out], [root]) == 0


@pytest.mark.parametrize("same_key", [True, False])
def test_a_lattice_of_cross_signs(same_key: bool) -> None:
    """Ten layers of ten: 10**10 paths, none of which leads to the root."""
    layers: list[list[Issued]] = [[pki.ca("layer 0", private=pki.key("p256", 0))]]
    for n in range(1, 10):
        layers.append([
            pki.ca(f"layer {n}", above, private=pki.key("p256", 0 if same_key else n))
            for above in (layers[-1] * 10)[:10]
        ])  # fmt: skip
    sent = [x for layer in layers[:0:-1] for x in layer]
    leaf = pki.leaf("example.test", layers[-1][0])
    elsewhere = pki.ca("elsewhere", private=pki.key("p256", 9))
    assert verdict([leaf, *sent], [elsewhere]) == codes.UNABLE_TO_GET_ISSUER_LOCALLY
    assert verdict([leaf, *sent], [layers[0][0]]) == 0


def test_many_issuers_of_one_name_and_other_keys() -> None:
    """A hundred impostors before the one that signed: found while the budget lasts, refused as OpenSSL does after."""
    root = pki.ca("root", private=pki.key("p256", 9))
    plain = {pki.SKI: None}
    good = pki.ca("middle", root, private=pki.key("p256", 8), extensions=plain)
    leaf = pki.leaf("example.test", good, extensions={pki.AKI: (False, pki.seq())})
    impostors = [pki.ca("middle", root, private=pki.key("p256", 7), extensions=plain) for _ in range(300)]
    policy = {"flags": 0x8000}
    with bounded():
        assert ours([leaf, *impostors[:50], good], [root], **policy) == (0, 0)
        assert ours([leaf, *impostors, good], [root], **policy) == (codes.SIGNATURE_FAILURE, 0)


@pytest.mark.parametrize("size", [0, 1, 2, 10, 100, 300])
def test_truncated(size: int) -> None:
    der = pki.leaf("example.test").der
    with pytest.raises(ValueError):
        certificate.load(der[:size])


def test_what_fuzzing_found() -> None:
    broken = pki.seq(pki.tlv(0xA4, b"\x30\x05"))  # a directoryName that is none
    x = certificate.load(pki.leaf("example.test", extensions={pki.SAN: broken}).der)
    assert x.invalid
    assert "subjectAltName" not in peercert(x)
    with pytest.raises(ValueError, match="version"):
        Crl(pki.crl(pki.ca("root"), version=2))


def test_a_crl_whose_issuer_cannot_be_read() -> None:
    """Fuzzing found it: it was accepted, and failed when the first certificate was checked against it."""
    broken = base64.b64decode(
        "MIHdMIGDAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMxBHJvb3QXDTI1MDYxNDE1MDY0MFoXDTI1MDcxNTE1MDY0MFowKDASAgEB"
        "Fw0yNTA2MTQxNTA2NDBaMBICAQIXDTI1MDYxNDE1MDY0MFqgGTAXMAkGA1UdIwQCBAAwCgYDVR0UBAMCAQEwCgYIKoZIzj0EAwID"
        "SQAwRgIhAJO6UQ4raiELiuJiSxzQA8S9KpRds7xs6ApQbGUvgeXAAiEAhZ8rF6l+QZ1YRwTDYTWqGTDREF9CAaaq2cMG5979e9c="
    )
    with pytest.raises(ValueError, match="attribute"):
        Crl(broken)


@pytest.mark.parametrize("flags", [0x8000, STRICT_PARTIAL])
def test_an_anchor_whose_issuer_cannot_be_read(flags: int) -> None:
    """Fuzzing found it: the names of what is trusted were taken for good."""
    root = pki.ca("root")
    der = root.der.replace(b"root", b"\xd5oot", 1)  # the issuer comes first
    broken = pki.Issued(der, root.key, root.subject, root.serial)
    code, _ = ours([pki.leaf("example.test", root)], [broken], flags=flags)
    assert code == codes.UNABLE_TO_GET_ISSUER_LOCALLY


def test_every_octet_changed() -> None:
    """A changed certificate is unreadable or refused; nothing else is ever raised."""
    root = pki.ca("root")
    leaf = pki.leaf("example.test", root)
    for place in range(len(leaf.der)):
        changed = bytearray(leaf.der)
        changed[place] ^= 0x41
        broken = pki.Issued(bytes(changed), leaf.key, leaf.subject, leaf.serial)
        try:
            code, _ = ours([broken], [root], flags=STRICT_PARTIAL, host="example.test")
        except ValueError:
            continue
        assert code
