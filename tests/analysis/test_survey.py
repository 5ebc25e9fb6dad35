"""Elimination finds all that a server accepts, in the order in which it picks, with no more questions than needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import puretls
from puretls._analysis.probe import Alert, Answer, Hello, Nonsense, Offer, Silence
from puretls._analysis.suites import suite
from puretls._analysis.survey import GROUPS12, GROUPS13, USUAL_GROUPS, Survey, all_suites
from puretls._base import registry
from puretls._base.registry import TLS10, TLS11, TLS12, TLS13
from support import Pki
from support.probing import Listed, ours, server

V12, V13 = puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3


@given(st.lists(st.sampled_from(all_suites(TLS12)), min_size=1, max_size=12, unique=True), st.booleans())
def test_everything_is_found_in_order(accepted: list[int], own_order: bool) -> None:
    listed = Listed(TLS12, accepted, own_order=own_order)
    found = Survey(listed.ask, "").suites(TLS12)
    assert found.picks == (accepted if own_order else sorted(accepted, key=all_suites(TLS12).index))
    assert listed.asked == len(accepted) + 1 + (len(accepted) > 1)
    assert found.order == ("" if len(accepted) == 1 else "server" if own_order else "client")


def test_another_version_is_no_answer() -> None:
    listed = Listed(TLS10, [0x2F], own_order=True)
    assert Survey(listed.ask, "").suites(TLS12).picks == []
    assert Survey(listed.ask, "").suites(TLS10).picks == [0x2F]
    assert Listed(TLS12, [0x2F], own_order=True).ask(Offer(TLS11, (0x2F,))) != Hello(TLS11, 0x2F)


@given(st.lists(st.sampled_from(GROUPS13), min_size=1, max_size=10, unique=True), st.booleans())
def test_groups_too(accepted: list[int], own_order: bool) -> None:
    listed = Listed(TLS13, [0x1301], accepted, own_order=own_order)
    found = Survey(listed.ask, "").groups(TLS13, [0x1301])
    assert found.picks == (accepted if own_order else sorted(accepted, key=GROUPS13.index))
    assert Survey(listed.ask, "").groups(TLS13, []).picks == []


def test_a_pick_that_was_not_offered_ends_it() -> None:
    """Or a hostile server would have us ask forever."""
    asked = []

    def ask(offer: Offer) -> Answer:
        asked.append(offer)
        return Hello(TLS12, 0xC02F)

    found = Survey(ask, "").suites(TLS12)
    assert found.picks == [0xC02F]
    assert "0xC02F" in found.odd
    assert len(asked) == 2


def test_an_old_server_that_cannot_read_long_hellos_is_asked_in_parts() -> None:
    accepted = [0xC014, 0x0035, 0x000A, 0x0005]
    listed = Listed(TLS10, accepted, own_order=True)

    def ask(offer: Offer) -> Answer:
        return listed.ask(offer) if len(offer.suites) <= 64 else Silence("the server closed the connection")

    found = Survey(ask, "").suites(TLS10)
    assert sorted(found.picks) == sorted(accepted)


@pytest.mark.parametrize("answer", [Silence("timed out"), Nonsense("this is HTTP, not TLS")])
def test_no_answer_costs_two_questions(answer: Answer) -> None:
    asked = []
    found = Survey(lambda offer: asked.append(offer) or answer, "").suites(TLS12)
    assert (found.picks, len(asked)) == ([], 2)
    assert found.last == answer


def test_our_own_server_of_tls_13(pki: Pki) -> None:
    context = server(pki, "P-256", version=V13)
    context.set_groups("X25519MLKEM768:X448:P-256")
    ask = ours(context)
    suites = Survey(ask, "localhost").suites(TLS13)
    ours13 = {one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.3"}
    assert {suite(code).name for code in suites.picks} == ours13
    assert Survey(ask, "localhost").groups(TLS13, suites.picks).picks == [0x11EC, 0x001E, 0x0017]
    assert Survey(ask, "localhost").tolerates_unknown(TLS13, suites.picks)


def test_our_own_server_of_tls_12(pki: Pki) -> None:
    context = server(pki, "P-256", "RSA", version=V12)
    context.set_groups("X25519:P-256:P-384")
    ask = ours(context)
    suites = Survey(ask, "localhost").suites(TLS12)
    assert {suite(code).auth for code in suites.picks} == {"RSA", "ECDSA"}
    assert len({hello.chain[0] for hello in suites.hellos}) == 2
    assert set(Survey(ask, "localhost").groups(TLS12, suites.picks).picks) == {0x001D, 0x0017, 0x0018} <= set(GROUPS12)
    schemes = Survey(ask, "localhost").schemes(suites.picks).picks
    assert {0x0403, 0x0804, 0x0401} <= set(schemes)
    assert 0x0201 not in schemes
    assert Survey(ask, "localhost").tolerates_unknown(TLS12, suites.picks)


@pytest.mark.parametrize("names", [["RSA"], ["P-256"], ["RSA", "P-256"]])
def test_groups_and_schemes_at_once(pki: Pki, names: list[str]) -> None:
    """The same as each on its own; with fewer questions where RSA signs."""
    context = server(pki, *names, version=puretls.TLSVersion.TLSv1_2)
    context.set_groups("X25519:P-256:P-384")
    answer, asked = ours(context), 0

    def ask(offer: Offer) -> Answer:
        nonlocal asked
        asked += 1
        return answer(offer)

    survey = Survey(ask, "localhost")
    picks = survey.suites(TLS12).picks
    before, asked = asked, 0
    groups, schemes = survey.groups(TLS12, picks), survey.schemes(picks)
    apart, asked = asked, 0
    both = survey.groups_and_schemes(picks)
    assert before > 1
    assert set(both[0].picks) == set(groups.picks)
    assert set(both[1].picks) == set(schemes.picks)
    assert len(both[1].picks) == len(set(both[1].picks))
    assert (asked < apart) is ("RSA" in names)
    assert not both[0].odd


def test_a_second_try_below_the_best_version_is_noticed(pki: Pki) -> None:
    context = server(pki, "P-256", version=V12)
    context.maximum_version = V13
    assert Survey(ours(context), "localhost").refuses_fallback(TLS12, all_suites(TLS12))
    assert not Survey(ours(server(pki, "P-256", version=V12)), "localhost").refuses_fallback(TLS12, all_suites(TLS12))


@pytest.mark.parametrize(("failures", "complete"), [(1, True), (2, False)])
def test_a_question_that_is_lost_is_asked_once_more(failures: int, complete: bool) -> None:
    """And if that is lost, too, the list is said to be incomplete."""
    accepted = [0xC02F, 0xC030, 0x009E]
    listed, left = Listed(TLS12, accepted, own_order=True), [failures]

    def ask(offer: Offer) -> Answer:
        if listed.asked == 2 and left[0]:
            left[0] -= 1
            return Silence("timed out", lost=True)
        return listed.ask(offer)

    found = Survey(ask, "").suites(TLS12)
    assert found.picks == (accepted if complete else accepted[:2])
    assert found.odd == ("" if complete else "not complete: timed out")


def test_a_lost_answer_tells_nothing() -> None:
    lost, closed = Silence("timed out", lost=True), Silence("the server closed the connection")
    for answer, told in ((lost, None), (closed, False)):
        survey = Survey(lambda _offer, answer=answer: answer, "")
        assert survey.refuses_fallback(TLS12, [0xC02F]) is told
        assert survey.tolerates_unknown(TLS12, [0xC02F]) is told


def test_a_server_that_cannot_bear_rare_values_is_asked_plainly() -> None:
    listed = Listed(TLS13, [0x1302, 0x1301], [0x0018, 0x001D], own_order=True)

    def ask(offer: Offer) -> Answer:
        return listed.ask(offer) if set(offer.groups) <= set(USUAL_GROUPS) else Alert(registry.ILLEGAL_PARAMETER)

    survey = Survey(ask, "")
    found = survey.suites(TLS13)
    assert (found.picks, found.order) == ([0x1302, 0x1301], "server")
    assert "illegal_parameter" in found.odd
    assert survey.groups(TLS13, found.picks).picks == [0x0018, 0x001D]


def test_tls_13_is_not_offered_with_groups_of_old() -> None:
    """Strict servers refuse that, as RFC 8446 4.2.7 has it."""
    assert not {0x0001, 0x0016, 0x001A, 0xFF01} & set(GROUPS13)
    assert {0x0001, 0x0016, 0x001A, 0xFF01} <= set(GROUPS12)
    assert not {0x11EC, 0x001F} & set(GROUPS12)
