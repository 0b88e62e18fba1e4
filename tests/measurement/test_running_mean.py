"""Bounds that hold at every look: against brute force, at their ends, and over many repetitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.errors import InvalidField
from sievert.measurement.running_mean import evidence_over, mean_bounds

LINE = math.log(2 / 0.05)


def test_no_stake_makes_wealth_grow_on_average_while_the_bound_is_the_mean():
    """Over every sequence of six outcomes; red when outcomes were scaled and the bound was not."""
    for share in (0.1, 0.5, 0.97):
        mean = sum(
            math.prod(share if one else 1 - share for one in outcomes)
            * math.exp(evidence_over([outcomes], share)[0, -1])
            for outcomes in itertools.product((0.0, 1.0), repeat=6)
        )
        assert mean == pytest.approx(1)


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=300))
def test_bounds_hold_the_mean_and_widen_with_confidence(outcomes):
    low, high = mean_bounds(outcomes, least=-1.0)
    surer = mean_bounds(outcomes, least=-1.0, delta=0.001)
    assert -1 <= surer[0] <= low + 1e-9
    assert high - 1e-9 <= surer[1] <= 1
    if outcomes:
        assert low - 1e-9 <= np.mean(outcomes) <= high + 1e-9


@pytest.mark.parametrize("ones", [50, 300, 950])
def test_at_its_ends_evidence_is_just_enough(ones):
    outcomes = np.repeat([1.0, 0.0], [ones, 1000 - ones])
    low, high = mean_bounds(outcomes)
    assert evidence_over([outcomes], low)[0, -1] == pytest.approx(LINE, abs=1e-3)
    assert evidence_over([1 - outcomes], 1 - high)[0, -1] == pytest.approx(LINE, abs=1e-3)


def test_without_outcomes_anything_may_be():
    assert mean_bounds([]) == (0.0, 1.0)
    assert mean_bounds([1.0] * 500)[1] == 1.0
    assert mean_bounds([0.0] * 500)[0] == 0.0


@pytest.mark.parametrize("share", [0.03, 0.5, 0.95])
def test_pitfall_12_whoever_looks_after_every_outcome_is_rarely_wrong(share):
    """Looked at as often, a Wald interval is wrong far more often; red when wealth was compared with 1, and not 2 / delta."""
    rng = np.random.default_rng(3)
    outcomes = (rng.random((800, 1000)) < share).astype(float)
    wrong = (evidence_over(outcomes, share) >= LINE) | (evidence_over(1 - outcomes, 1 - share) >= LINE)
    assert wrong.any(axis=1).mean() <= 0.05
    count = np.arange(1, 1001)
    mean = outcomes.cumsum(axis=1) / count
    wald = np.abs(mean - share) > 1.96 * np.sqrt(np.maximum(mean * (1 - mean), 1e-9) / count)
    assert wald[:, 100:].any(axis=1).mean() > 0.15


def test_what_is_no_outcome_is_refused():
    for outcomes, more in (([2.0], {}), ([math.nan], {}), ([0.5], {"delta": 0.0})):
        with pytest.raises(InvalidField):
            mean_bounds(outcomes, **more)
    with pytest.raises(InvalidField):
        evidence_over([0.5], 1.0)
