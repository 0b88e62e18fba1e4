"""The lowest threshold that labels prove: the order of tests, and what each test says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from sievert.errors import InvalidField
from sievert.measurement.power import fewest_labels
from sievert.measurement.thresholds import MISTAKES_AT_STARTS, Claim, p_value_above, prove_threshold

PART = 0.05 / len(MISTAKES_AT_STARTS)


def plain(count, bound=0.95):
    return Claim(bound=bound, harmful=np.ones(count), harmless=np.ones(count))


def ranked(count, wrong=()):
    """Return scores that fall from 1 and labels of which those at `wrong` places are harmless."""
    y = np.ones(count, bool)
    y[list(wrong)] = False
    return y, 1 - np.arange(count) / (2 * count)


def test_plain_labels_are_tested_by_the_exact_binomial():
    y, score = ranked(400, wrong=[300])
    proof = prove_threshold(y, score, [plain(400)], delta=0.05)
    for test in proof.tests:
        assert test.p_value == pytest.approx(binom.cdf(test.wrong, test.posts, 0.05))
    assert proof.proven.posts > 350
    above = score >= proof.proven.threshold
    assert above.sum() == proof.proven.posts


def test_a_run_ends_with_the_first_threshold_that_fails():
    y, score = ranked(3000, wrong=range(500, 700))
    proof = prove_threshold(y, score, [plain(3000)], delta=0.05)
    # At the end 200 of 3,000 are wrong, 93 % right; nothing beyond the bad stretch is looked at.
    assert proof.proven.posts < 560
    assert max(test.posts for test in proof.tests) < 700
    assert not proof.tests[-1].passed


def test_the_second_start_forgives_mistakes_at_the_top():
    y, score = ranked(2000, wrong=[0, 1, 2])
    proof = prove_threshold(y, score, [plain(2000)], delta=0.05)
    first = fewest_labels(MISTAKES_AT_STARTS[0], precision=0.95, delta=PART)
    assert proof.start == first
    assert not proof.tests[0].passed
    assert proof.proven.posts > 1800


def test_too_few_labels_prove_nothing_and_say_how_many_were_there():
    y, score = ranked(100)
    proof = prove_threshold(y, score, [plain(100)], delta=0.05)
    assert proof.proven is None
    assert proof.nearest is None
    assert proof.reached == 99


def test_posts_of_the_same_score_stand_or_fall_together():
    y, score = ranked(1000)
    coarse = np.ceil(score * 20) / 20
    proof = prove_threshold(y, coarse, [plain(1000)], delta=0.05)
    assert {test.posts for test in proof.tests} <= {int((coarse >= one).sum()) for one in np.unique(coarse)}


def test_a_heavy_harmless_post_counts_for_what_it_stands_for():
    y, _score = ranked(1000, wrong=[400])
    even = p_value_above(y, plain(1000))
    weight = np.where(np.arange(1000) == 400, 60.0, 1.0)
    heavy = p_value_above(y, Claim(bound=0.95, harmful=weight, harmless=weight))
    assert even < 1e-6
    assert heavy > 0.5


def test_what_only_some_posts_count_for_rests_on_those():
    y, _ = ranked(1000)
    few = np.where(np.arange(1000) < 30, 1.0, 0.0)
    assert p_value_above(y, Claim(bound=0.95, harmful=few, harmless=few)) > 0.05


def test_two_claims_need_both():
    y, score = ranked(1000, wrong=[3])
    views = np.where(np.arange(1000) == 3, 500.0, 1.0)
    seen = Claim(bound=0.9, harmful=views, harmless=views)
    assert prove_threshold(y, score, [plain(1000)], delta=0.05).proven is not None
    assert prove_threshold(y, score, [plain(1000), seen], delta=0.05).proven is None


@given(st.integers(0, 2**32 - 1), st.floats(0.9, 1.0), st.sampled_from([0.8, 0.9, 0.95]))
def test_the_order_of_posts_and_the_unit_of_weights_make_no_difference(seed, share, bound):
    rng = np.random.default_rng(seed)
    y = rng.random(600) < share
    score = rng.random(600)
    weight = rng.uniform(1, 3, 600)
    proof = prove_threshold(y, score, [Claim(bound=bound, harmful=weight, harmless=weight)], delta=0.05)
    order = rng.permutation(600)
    moved = Claim(bound=bound, harmful=weight[order] * 8, harmless=weight[order] * 8)
    again = prove_threshold(y[order], score[order], [moved], delta=0.05)
    assert [test.posts for test in proof.tests] == [test.posts for test in again.tests]
    assert [test.p_value for test in proof.tests] == pytest.approx([test.p_value for test in again.tests])


@given(st.integers(0, 2**32 - 1))
def test_a_stricter_bound_never_gives_a_lower_threshold(seed):
    rng = np.random.default_rng(seed)
    score = rng.random(800)
    y = rng.random(800) < 0.9 + 0.1 * score
    found = [prove_threshold(y, score, [plain(800, bound)], delta=0.05).proven for bound in (0.8, 0.9)]
    if found[1] is not None and found[0] is not None:
        # Both walk other steps, so that they may differ by one of them.
        assert found[0].posts * 1.1 >= found[1].posts


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": np.full(5, np.nan)},
        {"claims": []},
        {"claims": [plain(4)]},
        {"claims": [plain(5, bound=1.0)]},
        {"claims": [Claim(bound=0.9, harmful=-np.ones(5), harmless=np.ones(5))]},
        {"delta": 0.0},
    ],
)
def test_nonsense_is_refused(wrong):
    y, score = ranked(5)
    given_ = {"score": score, "claims": [plain(5)], "delta": 0.05, **wrong}
    with pytest.raises(InvalidField):
        prove_threshold(y, given_.pop("score"), given_.pop("claims"), **given_)
