"""A leaf that comes again: its last path is found again where nothing has changed, and only there."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from puretls._base.faults import VerifyAbort
from puretls._x509 import path
from puretls._x509.anchors import Limits
from puretls._x509.certificate import Certificate
from puretls._x509.checks import CLIENT, CRL_CHECK, NO_CHECK_TIME, PARTIAL_CHAIN, STRICT, TRUSTED_FIRST, Policy
from puretls._x509.store import Bundle, Store
from puretls._x509.webpki import WebPki
from support import pki
from support.pair import Pair, client_config, server_config
from support.pki import DAY, NOW
from support.verifying import store

ROOT = pki.ca("root", not_after=NOW + 900 * DAY)
MIDDLE = pki.ca("middle", ROOT, not_after=NOW + 100 * DAY)
LATER = pki.ca("middle", ROOT, not_before=NOW + 50 * DAY, not_after=NOW + 300 * DAY, private=MIDDLE.key)
LEAF = pki.leaf("a.test", MIDDLE, extensions={pki.EKU: pki.usages(pki.SERVER_AUTH)}, not_before=NOW - 10 * DAY)
LEAF2 = pki.leaf("*.test", MIDDLE)
ALONE = pki.leaf("a.test")
TRUSTED, NOTHING, REVOKING = store([ROOT]), Store(), store([ROOT], [pki.crl(ROOT), pki.crl(MIDDLE, (LEAF.serial,))])
LIMITED = Store()
LIMITED.add_limited(Certificate(ROOT.der), Limits(b"", None, lambda _: False, b"nothing"))

USUAL: dict[str, Any] = {"hostname": "a.test", "time": NOW, "flags": TRUSTED_FIRST}
QUESTIONS: dict[str, tuple[tuple[pki.Issued, ...], Store, dict[str, Any]]] = {
    "the usual": ((LEAF, MIDDLE), TRUSTED, {}),
    "before it begins": ((LEAF, MIDDLE), TRUSTED, {"time": NOW - 11 * DAY}),
    "after an issuer has ended": ((LEAF, MIDDLE), TRUSTED, {"time": NOW + 101 * DAY}),
    "with its successor": ((LEAF, MIDDLE, LATER), TRUSTED, {"time": NOW + 101 * DAY}),
    "with its successor, in time": ((LEAF, MIDDLE, LATER), TRUSTED, {}),
    "whatever the time": ((LEAF, MIDDLE), TRUSTED, {"flags": TRUSTED_FIRST | NO_CHECK_TIME, "time": NOW + 999 * DAY}),
    "without the issuer": ((LEAF,), TRUSTED, {}),
    "without anchors": ((LEAF, MIDDLE), NOTHING, {}),
    "with CRLs": ((LEAF, MIDDLE), REVOKING, {"flags": TRUSTED_FIRST | CRL_CHECK}),
    "with CRLs that are not asked": ((LEAF, MIDDLE), REVOKING, {}),
    "under an anchor with limits": ((LEAF, MIDDLE), LIMITED, {}),
    "of another host": ((LEAF, MIDDLE), TRUSTED, {"hostname": "b.test"}),
    "of an address": ((LEAF, MIDDLE), TRUSTED, {"hostname": "192.0.2.1", "ip": b"\xc0\0\2\1"}),
    "for clients": ((LEAF, MIDDLE), TRUSTED, {"purpose": CLIENT}),
    "strictly": ((LEAF, MIDDLE), TRUSTED, {"flags": TRUSTED_FIRST | STRICT}),
    "with stronger keys": ((LEAF, MIDDLE), TRUSTED, {"security_level": 4}),
    "with a shorter path": ((LEAF, MIDDLE), TRUSTED, {"depth": 0}),
    "under a profile": ((LEAF, MIDDLE), TRUSTED, {"profile": WebPki()}),
    "a leaf that is trusted": ((ALONE,), store([ALONE]), {}),
    "a leaf that is trusted with its issuer": ((LEAF, MIDDLE), store([LEAF, ROOT]), {"flags": PARTIAL_CHAIN}),
    "another leaf": ((LEAF2, MIDDLE), TRUSTED, {}),
    "another leaf without wildcards": ((LEAF2, MIDDLE), TRUSTED, {"host_flags": 2}),
}


def answer(name: str, known: dict[pki.Issued, Certificate]) -> list[bytes] | tuple[int, int]:
    """The path, or the error; `known` has the certificates that are used again."""
    chain, trusted, asked = QUESTIONS[name]
    found = [known.setdefault(one, Certificate(one.der)) for one in chain]
    try:
        return [x.der for x in path.verify(found, trusted, Policy(**USUAL | asked))]
    except VerifyAbort as refused:
        return refused.code, refused.depth


def test_what_came_before_changes_no_answer() -> None:
    fresh = {name: answer(name, {}) for name in QUESTIONS}
    assert len({str(found) for found in fresh.values()}) >= 12
    for first, second in permutations(QUESTIONS, 2):
        known: dict[pki.Issued, Certificate] = {}
        assert answer(first, known) == fresh[first]
        assert answer(second, known) == fresh[second], (first, second)
        assert answer(first, known) == fresh[first], (second, first)


def test_a_path_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    search = path._verify
    monkeypatch.setattr(path, "_verify", lambda *all_of_it: searched.append("") or search(*all_of_it))
    known: dict[pki.Issued, Certificate] = {}
    assert answer("the usual", known) == answer("the usual", known)
    assert len(searched) == 1
    for _ in range(2):  # what may change without the store is asked each time
        answer("with CRLs", known)
        answer("under an anchor with limits", known)
    assert len(searched) == 5


def test_what_nobody_needs_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    search = path._verify
    monkeypatch.setattr(path, "_verify", lambda *all_of_it: searched.append("") or search(*all_of_it))
    trusted, policy, leaf = Store(), Policy(**USUAL), Certificate(LEAF.der)
    trusted.add_passing(Bundle([Certificate(ROOT.der)]))
    most = path.LONGEST_REMEMBERED // len(MIDDLE.der)
    for copies, searches in (most + 1, 2), (most, 1):
        searched.clear()
        for _ in range(2):
            path.verify([leaf, *[Certificate(MIDDLE.der)] * copies], trusted, policy)
        assert len(searched) == searches


def test_a_handshake_searches_no_path_again(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    search = path._verify
    monkeypatch.setattr(path, "_verify", lambda *all_of_it: searched.append("") or search(*all_of_it))
    nobodys = client_config().policy.store.copy()  # under which the leaf remembers no path of another test
    both = client_config(store=nobodys), server_config()
    for _ in range(3):
        assert Pair(*both).handshake().client.peer.path
    assert len(searched) == 1


def test_a_store_that_trusts_more_or_less() -> None:
    chain, policy = [Certificate(LEAF.der), Certificate(MIDDLE.der)], Policy(**USUAL)
    first, passing = Certificate(ROOT.der), Store()
    bundle = Bundle([first])
    passing.add_passing(bundle)
    assert path.verify(chain, passing, policy)[-1] is first
    assert path.verify(chain, passing.copy(), policy)[-1] is first
    nothing = Bundle([])
    passing.replace_bundle(bundle, nothing)
    with pytest.raises(VerifyAbort):
        path.verify(chain, passing, policy)
    again = Certificate(ROOT.der)
    passing.add(again)
    assert path.verify(chain, passing, policy)[-1] is again
