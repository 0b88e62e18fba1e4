"""Totals and shares against brute force over every possible sample, and against exact intervals."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, kurtosis, t, ttest_1samp

from sievert.errors import InvalidField
from sievert.measurement.binomial import highest_share
from sievert.measurement.designs import draw, views_sqrt_p
from sievert.measurement.totals import ratio, share, total

VIEWS = np.array([1.0, 40.0, 7.0, 300.0, 2.0])
HARM = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
P = np.array([0.9, 0.2, 0.05, 0.1, 0.4])


def samples(size, count):
    """Every ordered sample with replacement, and how likely it is."""
    q = size / size.sum()
    for rows in itertools.product(range(len(q)), repeat=count):
        picked = list(rows)
        yield picked, q[picked], float(np.prod(q[picked]))


@pytest.mark.parametrize(
    "size", [np.ones(5), VIEWS, views_sqrt_p(VIEWS, P)], ids=["uniform", "views", "root p"]
)
@pytest.mark.parametrize("values", [HARM, VIEWS * HARM, HARM - 0.5], ids=["posts", "views", "signed"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_pitfall_10_totals_are_without_bias_over_every_possible_sample(size, values, count):
    """Red when values were not divided by their probability."""
    mean = sum(likely * total(values[rows], q).value for rows, q, likely in samples(size, count))
    assert mean == pytest.approx(values.sum())


def test_the_spread_is_without_bias_as_well():
    """Over all samples, the squared half width over t's quantile is the variance of the total."""
    size, values, count = views_sqrt_p(VIEWS, P), VIEWS * HARM, 3
    found, square, told = 0.0, 0.0, 0.0
    quantile = 4.302652729911275  # SciPy's t.ppf(0.975, 2)
    for rows, q, likely in samples(size, count):
        one = total(values[rows], q)
        found += likely * one.value
        square += likely * one.value**2
        told += likely * ((one.high - one.value) / quantile) ** 2 if one.high is not None else 0.0
    assert told == pytest.approx(square - found**2)


def test_pitfall_10_an_audit_that_seeks_harm_does_not_report_more_of_it():
    rng = np.random.default_rng(3)
    views = np.minimum(rng.pareto(1.3, 4000) + 1, 1e4)
    p = rng.beta(0.05, 2, 4000)
    harmful = rng.random(4000) < p
    size = views_sqrt_p(views, p)
    drawn = draw([str(n) for n in range(4000)], size, key=bytes(32), count=3000)
    rows = drawn.rows
    true = views[harmful].sum() / views.sum()
    found = share(views[rows] * harmful[rows], views[rows], drawn.probability)
    assert found.low < true < found.high
    drawn_harmful = share(harmful[rows], np.ones(3000), np.ones(3000))
    assert drawn_harmful.low > 2 * true


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_of_equal_draws_a_share_has_the_exact_interval(count, part, confidence):
    seen = int(part * count)
    found = share(np.arange(count) < seen, np.ones(count), np.full(count, 1e-4), confidence=confidence)
    exact = binomtest(seen, count).proportion_ci(confidence)
    assert found.value == pytest.approx(seen / count)
    # The spread is estimated with one draw fewer, which makes the sample count for one less.
    fewer = count - 1 if 0 < seen < count else count
    value = seen / count
    low = beta.ppf((1 - confidence) / 2, fewer * value, fewer * (1 - value) + 1) if seen else 0.0
    high = beta.ppf((1 + confidence) / 2, fewer * value + 1, fewer * (1 - value)) if seen < count else 1.0
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))
    assert found.low <= exact.low + 1e-6
    assert found.high >= exact.high - 1e-6


def test_where_nothing_was_seen_the_bound_is_that_of_one_half():
    q = np.full(200, 1 / 5000)
    bound = highest_share(0, 200, confidence=0.975)
    none = share(np.zeros(200), np.ones(200), q)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(bound))
    every = share(np.ones(200), np.ones(200), q)
    assert (every.value, every.low, every.high) == (1.0, pytest.approx(1 - bound), 1.0)
    posts = total(np.zeros(200), q, ceiling=5000)
    assert (posts.low, posts.high) == (0.0, pytest.approx(5000 * bound))


def test_where_nothing_was_seen_the_heaviest_draw_bounds_a_share():
    """Red when draws counted alike: what is drawn rarely may hide more."""
    whole = np.ones(200)
    q = np.where(np.arange(200) < 20, 1e-5, 1e-4)
    found = share(np.zeros(200), whole, q)
    worst = highest_share(0, 200, confidence=0.975) * (1e5 / (whole / q).mean())
    assert found.high == pytest.approx(worst, rel=0.05)
    assert found.high > 3 * highest_share(0, 200, confidence=0.975)


def test_without_a_ceiling_nothing_is_said_of_what_was_not_seen():
    found = total(np.zeros(50), np.full(50, 0.01))
    assert (found.value, found.low, found.high, found.draws) == (0.0, None, None, 50)
    assert total([3.0], [0.5]).low is None
    assert ratio(np.zeros(9), np.ones(9), np.full(9, 0.1)).high is None


def test_a_total_has_students_interval():
    values, q = np.tile([2.0, 7.0], 20), np.full(40, 0.01)
    exact = ttest_1samp(values / q, 0).confidence_interval(0.9)
    found = total(values, q, confidence=0.9)
    assert (found.low, found.high) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert found.draws == 40


def test_a_variance_that_few_draws_carry_has_fewer_degrees_of_freedom():
    rng = np.random.default_rng(1)
    expanded = rng.lognormal(0, 1.5, 200)
    found = total(expanded * 0.01, np.full(200, 0.01))
    reach = (found.high - found.value) / (expanded.std(ddof=1) / np.sqrt(200))
    freedom = 2 * 200 / (kurtosis(expanded, fisher=False) - 1)
    assert freedom < 60
    assert reach == pytest.approx(t.ppf(0.975, freedom))


def test_few_heavy_draws_tell_less_than_many_alike():
    """Red when the spread was believed as it was found: both intervals then differ by the weights alone."""
    part = np.zeros(400)
    part[:12] = 1
    q = np.full(400, 1e-3)
    q[:2] = 1e-4
    heavy = share(part, np.ones(400), q)
    worth = (
        heavy.value
        * (1 - heavy.value)
        / (np.std((part - heavy.value) / q / (1 / q).mean(), ddof=1) ** 2 / 400)
    )
    believed = beta.ppf(0.975, worth * heavy.value + 1, worth * (1 - heavy.value))
    assert heavy.high > 1.02 * believed


def test_a_ratio_is_a_share_where_it_is_one():
    rng = np.random.default_rng(2)
    q = rng.uniform(0.0005, 0.001, 5000)
    views = rng.uniform(1, 9, 5000)
    part = views * (rng.random(5000) < 0.4)
    one, other = ratio(part, views, q), share(part, views, q)
    assert one.value == pytest.approx(other.value)
    assert (one.low, one.high) == (pytest.approx(other.low, rel=0.01), pytest.approx(other.high, rel=0.01))


def test_a_ratio_may_be_above_one_and_below_none():
    q = np.full(4, 0.1)
    found = ratio([10.0, 0.0, 30.0, 0.0], [1.0, 0.0, 1.0, 0.0], q)
    assert found.value == pytest.approx(20)
    assert found.low < 20 < found.high
    assert ratio([1.0] * 4, [0.0] * 4, q).value is None
    nothing = share([0.0] * 4, [0.0] * 4, q)
    assert (nothing.value, nothing.low, nothing.high) == (None, 0.0, 1.0)


posts = st.lists(
    st.tuples(st.just(0.0) | st.floats(1e-3, 100), st.booleans(), st.floats(1e-6, 1)), min_size=1, max_size=60
)


@given(posts, st.floats(1e-3, 1e3), st.randoms())
def test_intervals_hold_their_value_and_follow_scale_and_order(drawn, scale, random):
    whole, harmful, q = (np.array(column, float) for column in zip(*drawn, strict=True))
    part = whole * harmful
    ceiling = float((part / q).max()) * 2 + 1
    mixed = list(range(len(q)))
    random.shuffle(mixed)
    for measure, factor in (
        (lambda rows, times: share(times * part[rows], times * whole[rows], q[rows]), 1.0),
        (lambda rows, times: total(times * part[rows], q[rows], ceiling=times * ceiling), scale),
    ):
        one, other = measure(slice(None), 1.0), measure(mixed, scale)
        assert 0 <= one.low <= one.high
        if one.value is not None:
            assert one.low <= one.value * (1 + 1e-9)
            assert one.value <= one.high * (1 + 1e-9)
            assert other.value == pytest.approx(one.value * factor)
            assert other.high == pytest.approx(one.high * factor, rel=1e-4)


def test_of_very_many_draws_an_interval_is_narrow_and_quick():
    q = np.full(6_000_000, 1e-7)
    found = share(np.arange(6_000_000) % 2, np.ones(6_000_000), q)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(6e6), rel=1e-3)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("probability", lambda: total([], [])),
        ("probability", lambda: total([1.0], [0.0])),
        ("probability", lambda: total([1.0], [1.1])),
        ("probability", lambda: total([1.0], [np.nan])),
        ("values", lambda: total([np.nan], [0.5])),
        ("values", lambda: total([1.0, 2.0], [0.5])),
        ("ceiling", lambda: total([1.0], [0.5], ceiling=1.0)),
        ("ceiling", lambda: total([-1.0], [0.5], ceiling=9.0)),
        ("ceiling", lambda: total([1.0], [0.5], ceiling=np.nan)),
        ("confidence", lambda: total([1.0], [0.5], confidence=95)),
        ("confidence", lambda: share([1.0], [1.0], [0.5], confidence=0.0)),
        ("part", lambda: share([2.0], [1.0], [0.5])),
        ("part", lambda: share([-1.0], [1.0], [0.5])),
        ("part", lambda: share([np.inf], [1.0], [0.5])),
        ("whole", lambda: share([0.0], [np.nan], [0.5])),
        ("numerator", lambda: ratio([np.nan], [1.0], [0.5])),
        ("denominator", lambda: ratio([1.0], [np.nan], [0.5])),
    ],
)
def test_what_cannot_be_estimated_is_refused(field, call):
    with pytest.raises(InvalidField) as caught:
        call()
    assert caught.value.field == field
    assert caught.value.remedy
