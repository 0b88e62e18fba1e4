"""Strata of views, what is drawn of them, what audits say, and how many it takes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from sievert.errors import InvalidField
from sievert.measurement.harmful_views import designed, draw_views, draws_for, seen_share

POSTS = 20_000
KEY = b"the key of a measurement"


@pytest.fixture(scope="module")
def frame():
    """Views, probabilities that are right, and the truth, of posts."""
    rng = np.random.default_rng(1)
    views = np.minimum(rng.pareto(1.3, POSTS) + 1, 1e4)
    score = rng.standard_normal(POSTS)
    harmful = rng.random(POSTS) < 0.01
    odds = 0.01 / 0.99 * np.exp(3 * (score + 3 * harmful) - 4.5)
    return views, odds / (1 + odds), harmful


def test_strata_make_up_all_views_and_rise_in_what_is_expected(frame):
    views, p, _ = frame
    found = designed(views, p, draws=2000)
    assert sum(one.weight for one in found.strata) == pytest.approx(1)
    expected = [one.expected for one in found.strata]
    assert expected == sorted(expected)
    assert sum(one.draws for one in found.strata) == pytest.approx(2000, abs=20)
    for place, one in enumerate(found.strata):
        assert views[found.stratum == place].sum() / views.sum() == pytest.approx(one.weight)


def test_a_floor_of_draws_lies_where_the_model_sees_nothing(frame):
    """Red when all draws went by Neyman's rule."""
    views, p, _ = frame
    least = designed(views, np.where(p > 0.01, p, 0.0), draws=2000, hidden=0.0).strata[0]
    assert least.draws >= 0.2 * 2000 * least.weight - 1


def test_within_a_stratum_each_view_is_drawn_alike(frame):
    views, p, _ = frame
    some = designed(views[:50], p[:50], draws=20_000)
    names = [f"p{n}" for n in range(50)]
    drawn = draw_views(names, views[:50], some, key=KEY)
    for place, one in enumerate(some.strata):
        rows = drawn.rows[drawn.stratum == place]
        assert len(rows) == one.draws
        assert (some.stratum[rows] == place).all()
        share = views[:50] * (some.stratum == place)
        share /= share.sum()
        counted = np.bincount(rows, minlength=50) / one.draws
        assert np.abs(counted - share).max() < 5 * math.sqrt(0.25 / one.draws)
        assert drawn.probability[drawn.stratum == place] == pytest.approx(share[rows])
    again = draw_views(names, views[:50], some, key=KEY)
    assert (again.rows == drawn.rows).all()


def test_pitfall_10_estimates_are_without_bias_over_every_possible_sample():
    """Red when strata were added up without their weights."""
    rates, draws, weight = (0.1, 0.6), (2, 3), (0.9, 0.1)
    mean = 0.0
    for found in itertools.product(range(3), range(4)):
        likely = math.prod(
            math.comb(n, k) * r**k * (1 - r) ** (n - k) for k, n, r in zip(found, draws, rates, strict=True)
        )
        mean += likely * seen_share(found, draws, weight).value
    assert mean == pytest.approx(0.9 * 0.1 + 0.1 * 0.6)


@given(draws=st.integers(1, 300), part=st.floats(0, 1))
def test_of_one_stratum_the_interval_is_clopper_and_pearsons(draws, part):
    found = round(draws * part)
    one = seen_share([found], [draws], [1.0])
    assert one.low == pytest.approx(beta.ppf(0.025, found, draws - found + 1) if found else 0.0, abs=1e-9)
    assert one.high == pytest.approx(
        beta.ppf(0.975, found + 1, draws - found) if found < draws else 1.0, abs=1e-9
    )


def test_where_nothing_was_found_harm_may_still_be():
    one = seen_share([0, 3], [400, 400], [0.97, 0.03])
    assert one.high > 0.97 * 3 / 400
    nothing = seen_share([0, 0], [0, 0], [0.97, 0.03])
    assert (nothing.value, nothing.low, nothing.high) == (None, 0.0, 1.0)
    unlooked = seen_share([0, 3], [0, 400], [0.97, 0.03])
    assert unlooked.high > 0.95


def test_a_plan_takes_fewer_labels_than_plain_views_and_keeps_its_word(frame):
    """The width that was planned is what audits of these views have."""
    views, p, harmful = frame
    plan = draws_for(views, p, half_width=0.2, hidden=0.0)
    assert plan.plain_draws > 2.5 * plan.draws
    some = designed(views, p, draws=plan.draws, hidden=0.0)
    rng = np.random.default_rng(2)
    true = [
        views[(some.stratum == place) & harmful].sum() / views[some.stratum == place].sum()
        for place in range(len(some.strata))
    ]
    draws, weight = [one.draws for one in some.strata], [one.weight for one in some.strata]
    audits = [seen_share(rng.binomial(draws, true).tolist(), draws, weight) for _ in range(200)]
    width = np.median([(one.high - one.low) / 2 for one in audits])
    assert width / (views @ harmful / views.sum()) == pytest.approx(0.2, rel=0.15)


def test_a_plan_says_that_hidden_harm_costs(frame):
    views, p, _ = frame
    blind, sharp = (draws_for(views, p, half_width=0.3, hidden=hidden).draws for hidden in (0.5, 0.0))
    assert blind > 1.5 * sharp


@pytest.mark.parametrize(
    ("views", "p"), [([1.0, -1.0], [0.1, 0.1]), ([1.0], [1.5]), ([1.0], [0.0]), ([], []), ([1.0], [math.nan])]
)
def test_frames_that_are_none_are_refused(views, p):
    with pytest.raises(InvalidField):
        designed(views, p, draws=100)


def test_counts_that_cannot_be_are_refused():
    for found, draws, weight in (([3], [2], [1.0]), ([1], [2], [0.7]), ([1, 1], [2], [1.0])):
        with pytest.raises(InvalidField):
            seen_share(found, draws, weight)
    with pytest.raises(InvalidField):
        draws_for([1.0, 2.0], [0.1, 0.2], half_width=0.0)
