"""What a peer can make verification cost: it grows no faster than what was sent, and no key of a stranger is used.

Costs are counted in calls of functions, so that no clock decides.  A Certificate message is at most 100 KiB, which has
room for some 450 small certificates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from puretls._base.faults import VerifyAbort
from puretls._x509 import certificate, path
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import Policy
from support import pki
from support.pki import AKI, BC, DAY, NC, NOW, SAN, SKI, Issued
from support.verifying import store

FLAGS = 0x88020  # trusted first, partial chains, strict: what create_default_context() sets
KEY = pki.key("ed25519", 1)
ROOT = pki.ca("root", private=pki.key("ed25519", 2))
MOST = 400


class Count:
    """How many calls there were."""

    calls = 0


@contextmanager
def counted() -> Iterator[Count]:
    found = Count()

    def profile(frame: Any, event: str, argument: Any) -> None:
        del frame, argument
        found.calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield found
    finally:
        sys.setprofile(before)


def small(subject: str, issuer: Issued | None = None, **others: Any) -> Issued:
    """The smallest CA certificate that does."""
    extensions = {BC: pki.basic_constraints(ca=True, critical=False)}
    return pki.certificate(subject, issuer, private=KEY, **{"extensions": extensions, **others})


def line(count: int) -> list[Issued]:
    """Each issued by the one before, the first by itself; the leaf first."""
    made = [small("0")]
    while len(made) < count:
        made.append(small(str(len(made)), made[-1]))
    return made[::-1]


def cross(names: int, **others: Any) -> Callable[[int], list[Issued]]:
    """So many names in a circle, each of which all of the next could have issued."""
    return lambda count: [
        small(str(n % names), issuer_name=pki.name(str((n + 1) % names)), **others) for n in range(count)
    ]


def under_the_root(count: int) -> list[Issued]:
    """All say that the root issued them, and it did not; each may have issued the leaf."""
    made = [small("middle", issuer_name=ROOT.subject, signer=KEY) for _ in range(count)]
    return [pki.leaf("example.test", made[0], extensions={AKI: None}, private=KEY), *made]


def line_under_the_root(count: int) -> list[Issued]:
    """A line at whose end the root's name stands, which signed nothing of it."""
    made = [small("0", issuer_name=ROOT.subject, signer=KEY)]
    while len(made) < count:
        made.append(small(str(len(made)), made[-1]))
    return made[::-1]


def constrained(count: int) -> list[Issued]:
    """A line of CAs with name constraints each, above a leaf with as many names."""
    limits = pki.constraints(tuple(f"DNS:{n}.test" for n in range(4)))
    made = [small("0", ROOT, extensions={BC: pki.basic_constraints(ca=True), NC: limits})]
    while len(made) < min(count // 4, 90):
        extensions = {BC: pki.basic_constraints(ca=True), NC: limits}
        made.append(small(str(len(made)), made[-1], extensions=extensions))
    names = tuple(f"DNS:a.{n % 4}.test" for n in range(count))
    leaf = pki.leaf("x", made[-1], extensions={SAN: (False, pki.names(*names)), AKI: None})
    return [leaf, *made[::-1]]


CHAINS: dict[str, Callable[[int], list[Issued]]] = {
    "a line": line,
    "a line, its end first": lambda count: [(made := line(count))[-1], *made[:-1]],
    "one certificate again and again": lambda count: line(1) * count,
    "all of one name": cross(1),
    "two names": cross(2),
    "a hundred names": cross(100),
    "two names, all of the past": cross(2, not_after=NOW - DAY),
    "under the root": under_the_root,
    "a line under the root": line_under_the_root,
    "constraints": constrained,
}  # fmt: skip


def verified(chain: Sequence[Issued], roots: Sequence[Issued], **policy: Any) -> tuple[Budget, int]:
    """What it cost: of the budget, and in calls.  Whether there is a path is not the question here."""
    anchors = store(roots)
    wanted = Policy(**{"time": NOW, "flags": FLAGS, "security_level": 2, **policy})
    for x in (found := certificate.presented([one.der for one in chain])):
        assert isinstance(x, Certificate)
        assert x.readable
    budget = Budget()
    with counted() as count, suppress(VerifyAbort):
        path.verify(found, anchors, wanted, budget)
    return budget, count.calls


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("roots", [[], [ROOT]], ids=["nothing trusted", "a root"])
def test_cost_grows_no_faster_than_what_was_sent(name: str, roots: list[Issued]) -> None:
    """As many as fit, and half of them; what is spent on each is bounded, too."""
    _, some = verified(CHAINS[name](MOST // 2), roots)
    _, more = verified(CHAINS[name](MOST), roots)
    assert more < 2.5 * some + 1000
    assert more < 1000 * MOST


@pytest.mark.parametrize("depth", [100, 1000])
def test_a_long_line_that_is_trusted(depth: int) -> None:
    chain = line(800)
    _, some = verified(chain[400:], [chain[-1]], depth=depth)
    _, more = verified(chain, [chain[-1]], depth=depth)
    assert more < 2.5 * some + 1000


# No signature before there is a reason


@pytest.mark.parametrize("name", CHAINS)
def test_no_signature_is_checked_where_no_anchor_is_in_sight(name: str) -> None:
    elsewhere = pki.ca("elsewhere", private=pki.key("ed25519", 3))
    for roots in ([], [elsewhere]):
        budget, _ = verified(CHAINS[name](MOST), roots)
        assert budget.signatures == Budget().signatures, len(roots)


def test_no_key_of_a_stranger_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signature is checked with an anchor's key, or with one that such a signature vouches for."""
    used: list[bytes] = []
    signed_by = Certificate.signed_by

    def spy(self: Certificate, issuer: Certificate) -> bool:
        used.append(issuer.key_der)
        return signed_by(self, issuer)

    monkeypatch.setattr(Certificate, "signed_by", spy)
    for name in ("under the root", "a line under the root"):
        verified(CHAINS[name](MOST), [ROOT])
    assert set(used) == {pki.spki(ROOT.key)}


def test_a_good_path_among_many_bad_ones() -> None:
    good = pki.ca("middle", ROOT, private=pki.key("ed25519", 4), extensions={SKI: None})
    leaf = pki.leaf("example.test", good, extensions={AKI: None})
    strangers = [small("middle", issuer_name=ROOT.subject, signer=KEY) for _ in range(60)]
    found = certificate.presented([one.der for one in (leaf, *strangers, good)])
    assert len(path.verify(found, store([ROOT]), Policy(time=NOW))) == 3
