"""The bound on floods: exact, and as rarely wrong as it says."""

import numpy as np
import pytest
from scipy import stats

from sievert.measurement.surges import ALARM, PEAK, surge_at


@pytest.mark.parametrize(("before", "hours"), [(0, 24), (5, 24), (240, 24), (1680, 168), (50_000, 168)])
def test_the_bound_is_the_first_count_whose_exact_chance_is_small_enough(before, hours):
    p = PEAK / (hours + PEAK)
    bound = surge_at(before, hours, least=1)
    for count, surge in ((bound, True), (bound - 1, False)):
        assert (stats.binom.sf(count - 1, before + count, p) <= ALARM) == surge


def test_with_no_past_the_least_holds_and_it_always_holds_at_least():
    assert surge_at(0, 0, least=30) == 30
    assert surge_at(100, 0, least=30) == 30
    assert surge_at(0, 168, least=30) == 30
    assert surge_at(100_000, 168, least=30) > 30


def test_false_alarms_are_as_rare_as_stated_even_in_the_busiest_hour():
    """With a chance of 1 in 100, so that it can be counted: 20,000 weeks, each with an hour at its peak."""
    random = np.random.default_rng(7)
    for mean in (0.5, 10.0, 200.0):
        before = random.poisson(mean * 168, 20_000)
        peak = random.poisson(mean * PEAK, 20_000)
        bound = {one: surge_at(one, 168, least=1, alarm=0.01) for one in np.unique(before).tolist()}
        alarms = np.mean(
            [count >= bound[past] for past, count in zip(before.tolist(), peak.tolist(), strict=True)]
        )
        assert alarms <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 20_000)


def test_how_soon_a_policy_gone_mad_is_noticed():
    """The figures that the documents state: removals within the hour, the one that trips excluded."""
    assert {rate: surge_at(rate * 168, 168, least=30) - 1 for rate in (0, 1, 10, 100)} == {
        0: 29,
        1: 29,
        10: 56,
        100: 377,
    }
