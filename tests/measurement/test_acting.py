"""What came of a candidate that acts, from posts and draws that are made up."""

import numpy as np
import pytest

from sievert.measurement.acting import JudgedDraws, Watched, found_by_acting
from sievert.measurement.experiments import acts, arm_of
from sievert.schema.arm import Arm
from sievert.schema.experiment import ActingAnswer, StopRules

KEY = b"k" * 32
RULES = StopRules(days=10, labels=1000)


def watched(clusters=200, posts=10, **more):
    count = clusters * posts
    made = {
        "cluster": np.repeat(np.arange(clusters), posts),
        "treated": np.repeat(np.arange(clusters) % 2 == 0, posts),
        "weight": np.ones(count),
        "views": np.full(count, 10.0),
        "judged_views": np.full(count, 10.0),
        "reports": np.zeros(count),
        "acted_on": np.zeros(count, bool),
        "appeals": np.zeros(count),
        "heavy": np.zeros(count, bool),
        "expected": np.zeros(count),
        "by_candidate": np.zeros(count, bool),
        "by_control": np.zeros(count, bool),
    }
    return Watched(**{**made, **more})


def all_drawn(posts, harmful):
    """Every view is drawn once, so that nothing is left to chance but the arms."""
    count = len(posts.cluster)
    return JudgedDraws(
        post=np.arange(count), weight=posts.judged_views.copy(), harmful=harmful, day=np.zeros(count, int)
    )


def found(posts, harmful, **more):
    return found_by_acting(posts, all_drawn(posts, harmful), rules=RULES, precision_views=0.9, **more)


def test_a_creator_has_one_arm_and_shares_are_as_declared():
    names = [f"default c{n}" for n in range(20_000)]
    arms = [arm_of(one, key=KEY, share=0.2) for one in names]
    assert arms == [arm_of(one, key=KEY, share=0.2) for one in names]
    for arm in Arm:
        assert arms.count(arm) / len(arms) == pytest.approx(0.2, abs=0.01)
    # Nobody changes sides when the share grows, and other experiments draw otherwise.
    assert all(one in (None, arm_of(name, key=KEY, share=0.5)) for one, name in zip(arms, names, strict=True))
    assert arms != [arm_of(one, key=b"o" * 32, share=0.2) for one in names]
    assert None not in {arm_of(one, key=KEY, share=0.5) for one in names[:2000]}
    assert not acts(names[0], key=KEY, share=0.0)
    assert acts(names[0], key=KEY, share=1.0)


def test_harm_that_differs_between_arms_is_found_and_so_is_its_size():
    rng = np.random.default_rng(1)
    posts = watched()
    harmful = rng.random(len(posts.cluster)) < np.where(posts.treated, 0.4, 0.1)
    one = found(posts, harmful)
    assert one.answer is ActingAnswer.WORSE
    assert one.realised.value == pytest.approx(harmful[posts.treated].mean() - harmful[~posts.treated].mean())
    other = found(watched(treated=~posts.treated), harmful)
    assert other.answer is ActingAnswer.BETTER
    assert other.realised.value == pytest.approx(-one.realised.value)
    assert other.clusters == (100, 100)
    assert found(posts, rng.random(len(posts.cluster)) < 0.2).answer is ActingAnswer.UNDECIDED


@pytest.mark.parametrize("said", [0.0, 0.5, 1.0])
def test_what_bundles_expect_moves_no_estimate(said):
    """Red when what was expected was added and not taken off from the draws."""
    rng = np.random.default_rng(1)
    posts = watched(
        expected=np.full(2000, said),
        by_candidate=rng.random(2000) < 0.3,
        by_control=rng.random(2000) < 0.2,
    )
    harmful = rng.random(2000) < 0.3
    one = found(posts, harmful)
    plain = float(harmful[posts.treated].mean() - harmful[~posts.treated].mean())
    sign = posts.by_candidate.astype(float) - posts.by_control
    assert one.realised.value == pytest.approx(plain)
    assert one.prevented.value == pytest.approx((sign * harmful).mean())


def test_few_harmful_draws_claim_nothing():
    """Red when bounds were told of five harmful draws, all of one arm."""
    posts = watched()
    harmful = np.zeros(len(posts.cluster), bool)
    harmful[np.flatnonzero(posts.treated)[::200]] = True
    one = found(posts, harmful)
    assert (one.answer, one.realised.low) == (ActingAnswer.UNDECIDED, None)


def test_imprecision_and_fewer_prevented_views_stop_it():
    rng = np.random.default_rng(1)
    marks = rng.random(2000) < 0.3
    harmful = rng.random(2000) < np.where(marks, 0.6, 0.0)
    one = found(watched(by_candidate=marks), harmful)
    assert one.answer is ActingAnswer.TOO_IMPRECISE
    assert one.candidate.value == pytest.approx(harmful[marks].mean())
    fewer = found(watched(by_control=marks), harmful)
    assert (fewer.answer, fewer.prevented.value < 0) == (ActingAnswer.WORSE, True)


@pytest.mark.parametrize("guard", ["reports", "appeals", "heavy"])
def test_a_guard_metric_stops_it_only_beyond_what_was_declared(guard):
    rng = np.random.default_rng(1)
    treated = watched().treated
    counted = rng.random(2000) < np.where(treated, 0.6, 0.3)
    more = {"acted_on": np.ones(2000, bool), guard: counted if guard == "heavy" else counted.astype(float)}
    posts = watched(**more)
    nothing = np.zeros(2000, bool)
    assert found(posts, nothing).answer is ActingAnswer.GUARD
    loose = StopRules(days=10, labels=1000, **{f"more_{guard}": 2.0})
    one = found_by_acting(posts, all_drawn(posts, nothing), rules=loose, precision_views=0.9)
    assert one.answer is ActingAnswer.UNDECIDED


def test_more_looks_need_more():
    """Red when looks did not share delta."""
    rng = np.random.default_rng(1)
    posts = watched()
    harmful = rng.random(2000) < 0.2
    widths = [
        one.realised.high - one.realised.low
        for days in (2, 200)
        for one in [
            found_by_acting(posts, all_drawn(posts, harmful), rules=StopRules(days=days), precision_views=0.9)
        ]
    ]
    assert widths[1] > 1.3 * widths[0]


def test_without_anything_nothing_is_known():
    empty = watched(clusters=0)
    one = found(empty, np.zeros(0, bool))
    assert (one.answer, one.realised.value, one.prevented.value, one.clusters) == (
        ActingAnswer.UNDECIDED,
        None,
        None,
        (0, 0),
    )
