"""What draws of disputed posts say of a candidate, and what chance makes of arms that do not differ."""

import msgspec
import numpy as np
import pytest

from sievert.errors import InvalidField
from sievert.measurement.experiments import (
    Dispute,
    ExperimentAnswer,
    Judgements,
    acts,
    arms_difference,
    disputes,
    judge,
)

BOTH = Judgements(views=0.004, judged=600, harmful=585)
MORE = Judgements(views=0.002, judged=700, harmful=670)
FEWER = Judgements(views=0.001, judged=350, harmful=330)


def told(both=BOTH, candidate=MORE, control=FEWER):
    return judge(both, candidate, control, precision_views=0.90)


def test_who_would_remove_what():
    masks = disputes([True, True, False, False], [True, False, True, False])
    assert [masks[one].tolist() for one in Dispute] == [
        [True, False, False, False],
        [False, True, False, False],
        [False, False, True, False],
    ]


def test_a_candidate_that_prevents_more_and_keeps_the_guardrail_is_better():
    found = told()
    assert found.answer is ExperimentAnswer.BETTER
    assert 0 < found.prevented.low < found.prevented.value < found.prevented.high <= MORE.views
    assert found.prevented.value == pytest.approx((670 - 330) / 1050 * 0.003)
    assert found.candidate.value == pytest.approx((0.004 * 585 / 600 + 0.002 * 670 / 700) / 0.006)


def test_the_other_way_round_it_is_worse():
    assert told(candidate=FEWER, control=MORE).answer is ExperimentAnswer.WORSE


def test_one_that_removes_much_that_is_harmless_is_refused_whatever_it_prevents():
    """Red when the harm that is prevented was all that was looked at."""
    bold = Judgements(views=0.02, judged=1000, harmful=600)
    found = told(candidate=bold, control=Judgements(views=0.001, judged=50, harmful=48))
    assert found.prevented.low > 0
    assert found.answer is ExperimentAnswer.TOO_IMPRECISE


def test_more_harm_prevented_without_proof_of_precision_is_not_better():
    doubtful = Judgements(views=0.004, judged=40, harmful=38)
    assert told(both=doubtful).answer is ExperimentAnswer.UNDECIDED


def test_what_is_not_worth_a_change_is_undecided():
    slim = Judgements(views=0.0011, judged=5000, harmful=4900)
    same = Judgements(views=0.0010, judged=4545, harmful=4450)
    found = told(candidate=slim, control=same)
    assert found.answer is ExperimentAnswer.UNDECIDED
    assert judge(BOTH, slim, same, precision_views=0.9, worth=-1.0).answer is ExperimentAnswer.BETTER


def test_what_one_window_may_bring_by_chance_is_neither_better_nor_worse():
    """Red when a window was taken for the long run."""
    for new, old, answer in ((MORE, FEWER, ExperimentAnswer.BETTER), (FEWER, MORE, ExperimentAnswer.WORSE)):
        assert told(candidate=new, control=old).answer is answer
        few = msgspec.structs.replace(new, spread=0.001)  # some posts have most of the views
        assert told(candidate=few, control=old).answer is ExperimentAnswer.UNDECIDED


def test_without_judgements_nothing_is_known():
    nothing = Judgements(views=0.001, judged=0, harmful=0)
    found = told(nothing, nothing, nothing)
    assert found.answer is ExperimentAnswer.UNDECIDED
    assert found.prevented.value is None
    assert (found.prevented.low, found.prevented.high) == (-0.001, 0.001)


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(InvalidField):
        told(both=Judgements(views=0.1, judged=1, harmful=2))
    with pytest.raises(InvalidField):
        told(both=Judgements(views=1.1, judged=1, harmful=1))


def test_clusters_are_drawn_once_and_by_their_share():
    key = b"k" * 32
    drawn = [acts(f"c{n}", key=key, share=0.2) for n in range(5000)]
    assert drawn == [acts(f"c{n}", key=key, share=0.2) for n in range(5000)]
    assert np.mean(drawn) == pytest.approx(0.2, abs=0.02)
    more = [acts(f"c{n}", key=key, share=0.4) for n in range(5000)]
    assert all(b for a, b in zip(drawn, more, strict=True) if a)
    assert drawn != [acts(f"c{n}", key=b"l" * 32, share=0.2) for n in range(5000)]


@pytest.mark.parametrize(("effect", "found_it"), [(1.0, False), (2.0, True)])
def test_arms_that_differ_are_told_from_those_that_do_not(effect, found_it):
    """Of 200 experiments; red when clusters of the smaller arm were not weighed by its share."""
    rng = np.random.default_rng(4)
    told_apart = 0
    for _ in range(200):
        size = rng.lognormal(3, 1, 400)
        treated = rng.random(400) < 0.3
        value = rng.poisson(size * rng.gamma(4, 0.01, 400) * np.where(treated, effect, 1.0))
        one = arms_difference(value, size, treated, share=0.3)
        told_apart += not one.low <= 0 <= one.high
    assert (told_apart > 150) if found_it else (told_apart <= 10)


def test_of_few_clusters_arms_say_nothing():
    found = arms_difference([1.0] * 10, [10.0] * 10, [True, False] * 5, share=0.5)
    assert (found.value, found.low, found.high) == (None, None, None)
    with pytest.raises(InvalidField):
        arms_difference([1.0], [1.0, 2.0], [True], share=0.5)
