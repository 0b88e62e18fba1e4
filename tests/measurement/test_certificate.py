"""The certificate: it proves what is so, seldom what is not, and never more than its audits can say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from sievert.errors import InvalidField
from sievert.measurement.binomial import highest_share, lowest_share
from sievert.measurement.certificate import (
    FEWEST_AUDITS,
    Half,
    ReviewError,
    attempt_delta,
    prove,
    review_error,
)

PATH = (30.0, 10.0, 3.0, 1.0)


def half(rng, count, precision, *, shares=(0.4, 0.2, 0.2, 0.2)):
    """Draw audits: `precision` [K] of the posts that each further rule adds, `shares` [K] of them."""
    steps = rng.choice(len(PATH), size=count, p=shares)
    return Half(
        level=np.array(PATH)[steps],
        harmful=rng.random(count) < np.array(precision)[steps],
        mass=np.cumsum(shares),
    )


def proven(posts, views, **how):
    return prove(
        PATH, posts, views, **{"precision_posts": 0.95, "precision_views": 0.9, "delta": 0.05, **how}
    )


def test_a_precise_path_is_proven_to_its_end_and_says_so():
    rng = np.random.default_rng(1)
    finding = proven(half(rng, 800, [0.995] * 4), half(rng, 800, [0.99] * 4))
    assert (finding.proven, finding.untested, len(finding.tests)) == (3, 0, 4)
    assert finding.in_words == "rule 4 of the path keeps its precision, at an error rate of 0.05"


def test_testing_stops_at_the_first_rule_that_fails():
    rng = np.random.default_rng(2)
    good_then_bad = [0.999, 0.999, 0.5, 0.999]
    finding = proven(half(rng, 1500, good_then_bad), half(rng, 1500, good_then_bad))
    assert finding.proven == 1
    assert [test.passed for test in finding.tests] == [True, True, False]


@pytest.mark.parametrize("bad", ["posts", "views"])
def test_both_precisions_must_be_proven(bad):
    rng = np.random.default_rng(3)
    good, wrong = half(rng, 800, [0.995] * 4), half(rng, 800, [0.8] * 4)
    finding = proven(*((wrong, good) if bad == "posts" else (good, wrong)))
    assert finding.proven is None
    assert finding.in_words.startswith("not enough evidence: the first rule")


def test_rules_that_expect_too_few_audits_are_left_out_whatever_was_found():
    rng = np.random.default_rng(4)
    small = half(rng, 300, [1.0] * 4)
    finding = proven(small, small)
    assert finding.untested == 1  # 0.4 of 300 is 120
    assert finding.tests[0].level == PATH[1]
    few = half(rng, FEWEST_AUDITS - 1, [1.0] * 4)
    assert proven(few, few).in_words == "not enough evidence: no rule expects enough audits"


def test_a_p_value_is_the_exact_tail_of_the_worse_half():
    rng = np.random.default_rng(5)
    posts, views = half(rng, 700, [0.97] * 4), half(rng, 700, [0.95] * 4)
    for test in proven(posts, views).tests:
        wanted = max(
            binom.cdf(test.wrong_posts, test.audits_posts, 0.05),
            binom.cdf(test.wrong_views, test.audits_views, 0.10),
        )
        assert test.p_value == pytest.approx(wanted, abs=1e-9)


def test_what_does_not_hold_is_seldom_proven():
    # Exactly at the border, where a wrong proof is likeliest: both halves, every rule.
    rng = np.random.default_rng(6)
    wrong = [
        proven(half(rng, 500, [0.95] * 4), half(rng, 500, [0.999] * 4)).proven is not None
        for _ in range(1500)
    ]
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert np.mean(wrong) > 0.005  # and the test does not sleep


def test_people_who_miss_harm_hide_a_good_rule_unless_their_misses_are_known():
    rng = np.random.default_rng(7)
    seen = [0.98 * 0.97] * 4  # a true 0.98, of which 3 % are missed
    posts, views = half(rng, 1500, seen), half(rng, 1500, seen)
    assert proven(posts, views).proven is None or proven(posts, views).tests[-1].p_value > 0.001
    known = review_error(harmful=2000, called_harmless=60, harmless=2000, called_harmful=0, delta=0.01)
    assert 0.02 < known.miss_at_least < 0.03
    assert proven(posts, views, review=known).proven == 3


def test_what_was_called_harmless_is_judged_again_and_misses_cost_nothing():
    """Red when false alarms were forgotten as well: they alone make a rule look better than it is."""
    rng = np.random.default_rng(10)
    error = review_error(harmful=0, called_harmless=0, harmless=400, called_harmful=1, delta=0.005)
    assert error.miss_at_least == 0.0
    assert 0.95 < error.looks_like(0.95) < 0.9515

    def judged_twice(precision, false_alarms):
        audits = half(rng, 1500, [precision] * 4)
        called = np.where(audits.harmful, rng.random(1500) >= 0.03, rng.random(1500) < false_alarms)
        return Half(level=audits.level, harmful=called | audits.harmful, mass=audits.mass)

    assert proven(judged_twice(0.975, 0.002), judged_twice(0.975, 0.002), review=error).proven == 3
    wrong = [
        proven(judged_twice(0.95, 0.01), judged_twice(0.99, 0.01), review=error).proven is not None
        for _ in range(300)
    ]
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_people_who_see_harm_everywhere_prove_nothing():
    rng = np.random.default_rng(8)
    posts = half(rng, 1500, [0.97] * 4)
    strict = ReviewError(false_at_most=0.9, delta=0.01)
    assert strict.looks_like(0.95) == pytest.approx(0.995)
    assert proven(posts, posts, review=strict).proven is None
    assert review_error(
        harmful=0, called_harmless=0, harmless=0, called_harmful=0, delta=0.01
    ) == ReviewError(miss_at_least=0.0, false_at_most=1.0, delta=0.01)


@given(st.floats(0.001, 0.2), st.integers(1, 500))
def test_all_attempts_together_spend_no_more_than_the_budget(delta, attempts):
    spent = [attempt_delta(delta, attempt) for attempt in range(1, attempts + 1)]
    assert sum(spent) < delta
    assert spent == sorted(spent, reverse=True)


@given(st.integers(1, 400), st.floats(0, 1))
def test_the_two_bounds_are_mirror_images(of, part):
    seen = int(part * of)
    low, high = (bound(seen, of, confidence=0.95) for bound in (lowest_share, highest_share))
    assert 0 <= low <= seen / of <= high <= 1


def test_nonsense_is_refused():
    rng = np.random.default_rng(9)
    good = half(rng, 400, [1.0] * 4)
    outside = Half(level=np.append(good.level[:-1], 0.5), harmful=good.harmful, mass=good.mass)
    shrinking = Half(level=good.level, harmful=good.harmful, mass=good.mass[::-1])
    for path, posts, how in (
        (PATH[::-1], good, {}),
        ((), good, {}),
        (PATH, outside, {}),
        (PATH, shrinking, {}),
        (PATH, good, {"review": ReviewError(delta=0.05)}),
    ):
        with pytest.raises(InvalidField):
            prove(path, posts, good, precision_posts=0.95, precision_views=0.9, delta=0.05, **how)
    for wrong in ((0.05, 0), (0.0, 1), (1.0, 1)):
        with pytest.raises(InvalidField):
            attempt_delta(*wrong)
    with pytest.raises(InvalidField):
        review_error(harmful=3, called_harmless=4, harmless=0, called_harmful=0, delta=0.01)
