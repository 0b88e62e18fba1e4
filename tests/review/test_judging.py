"""What verdicts come to: one judge, several who do not know of each other, and whoever adjudicates."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.reviews import case
from sievert.errors import CaseConflict, InvalidField
from sievert.review.judging import blinded, given_before, settled_by, settled_with, verdict_on
from sievert.schema.clock import SECOND
from sievert.schema.decision import Span
from sievert.schema.review import Claim
from sievert.stores.reviews.base import CaseFile
from sievert.testing import START


def file_of(asked, verdicts=(), holder="ann"):
    held = Claim(
        claim_id=1,
        case_id=asked.case_id,
        reviewer=holder,
        claimed_at=START,
        expires_at=START + 1,
        turn="order",
    )
    return CaseFile(case=asked, claim=held, verdicts=tuple(verdicts), settlement=None, gold=None, joined=())


def judged(asked, *said, policies=("hate",)):
    """Let one person after the other judge a case; return the verdicts and what it came to."""
    verdicts, settlement = [], None
    for number, violates in enumerate(said):
        file = file_of(asked, verdicts, holder=f"r{number}")
        one = verdict_on(file, reviewer=f"r{number}", violates=violates, judged=policies, now=START)
        settlement = settled_by(file, one, now=START)
        verdicts.append(one)
    return verdicts, settlement


def test_one_judge_settles():
    (verdict,), settlement = judged(case("a"), ("hate",))
    assert settlement.violates == ("hate",)
    assert settlement.verdicts == (verdict.verdict_id,)
    assert not verdict.adjudicates


@pytest.mark.parametrize(
    ("said", "violates", "adjudicated"),
    [
        ([("hate",), ("hate",)], ("hate",), False),
        ([(), ()], (), False),
        ([("hate",), (), ()], (), True),
        ([(), ("hate",), ("hate",)], ("hate",), True),
    ],
)
def test_two_judges_agree_or_a_third_one_decides(said, violates, adjudicated):
    asked = case("a", judges=2)
    verdicts, settlement = judged(asked, *said)
    assert judged(asked, *said[:-1])[1] is None
    assert settlement.violates == violates
    assert verdicts[-1].adjudicates is adjudicated
    assert settlement.reviewer == verdicts[-1].reviewer


@given(st.lists(st.sampled_from([(), ("hate",)]), min_size=1, max_size=9), st.integers(1, 9))
def test_a_case_takes_as_many_judges_as_it_says_and_one_more_if_they_differ(said, judges):
    asked = case("a", judges=judges)
    _, settlement = judged(asked, *said[: judges + 1])
    enough = len(said) > judges or (len(said) == judges and len(set(said)) == 1)
    differ = len(set(said[:judges])) > 1
    if len(said) <= judges or differ:
        assert (settlement is not None) == enough


def test_verdicts_differ_only_in_what_all_judged():
    asked = case("a", judges=2)
    file = file_of(asked, holder="ann")
    first = verdict_on(file, reviewer="ann", violates=("hate", "spam"), judged=("hate", "spam"), now=START)
    file = file_of(asked, (first,), holder="bob")
    second = verdict_on(file, reviewer="bob", violates=("hate",), judged=("hate",), now=START)
    settlement = settled_by(file, second, now=START)
    assert (settlement.violates, settlement.judged) == (("hate",), ("hate",))


def test_a_known_answer_is_never_settled():
    assert judged(case("a", kind="gold"), ("hate",))[1] is None


def test_the_time_of_a_look_is_that_of_the_claim_and_has_an_end():
    for after, seconds in ((7 * SECOND, 7.0), (-5, 0.0), (10**12, 1800.0)):
        file = file_of(case("a"))
        one = verdict_on(file, reviewer="ann", violates=(), judged=("hate",), now=START + after)
        assert one.seconds == seconds


def test_who_does_not_have_a_case_and_who_judges_something_else_is_told():
    file = file_of(case("a"))
    for who, violates, policies, error in (
        ("bob", (), ("hate",), CaseConflict),
        ("ann", (), ("spam",), InvalidField),
        ("ann", ("spam",), ("hate",), InvalidField),
    ):
        with pytest.raises(error):
            verdict_on(file, reviewer=who, violates=violates, judged=policies, now=START)


def test_the_same_again_is_known_and_another_is_a_conflict():
    verdicts, _ = judged(case("a", judges=2), ("hate",))
    file = file_of(case("a", judges=2), verdicts)
    assert given_before(file, "r0", ("hate",)) == verdicts[0]
    assert given_before(file, "r1", ()) is None
    with pytest.raises(CaseConflict):
        given_before(file, "r0", ())


def test_a_copy_is_settled_as_its_lead_and_says_so():
    _, lead = judged(case("a"), ("hate",))
    copy = settled_with(lead, case("b", revision=3))
    assert (copy.case_id, copy.post_id, copy.revision, copy.lead) == ("b", "pb", 3, "a")
    assert (copy.violates, copy.verdicts) == (lead.violates, lead.verdicts)


def test_of_a_blind_case_nothing_is_told_and_gold_looks_like_any_other():
    told = {"probability": 0.9, "spans": (Span(start=0, end=1, adds=1.0),), "about": "audit-1"}
    shown = blinded(case("a", kind="audit", blind=True, **told))
    assert (shown.probability, shown.priority, shown.spans) == (None, 0.0, ())
    plain, gold = case("a", state="claimed"), case("a", kind="gold", about="x")
    assert blinded(gold) == msgspec.structs.replace(plain, kind="decision")
