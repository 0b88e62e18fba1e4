"""What moved is found, what did not is left alone, and whoever looks again and again is rarely told of a drift that is none."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from sievert.errors import InvalidField
from sievert.measurement.drift import calibration_drift, score_drift, share_drift


def test_the_distance_is_scipys():
    rng = np.random.default_rng(1)
    old, new = rng.beta(1, 9, 700), rng.beta(1.3, 9, 400).round(2)
    found, theirs = score_drift(old, new), ks_2samp(old, new)
    assert found.distance == pytest.approx(theirs.statistic)
    assert found.at == pytest.approx(theirs.statistic_location)


def test_chance_moves_scores_in_one_of_twenty_windows():
    rng = np.random.default_rng(2)
    moved = sum(
        one.distance > one.chance
        for one in (score_drift(rng.random(500), rng.random(300)) for _ in range(300))
    )
    assert moved <= 28
    assert score_drift(rng.beta(1, 9, 500), rng.beta(2, 9, 300)).moved


def test_a_distance_that_nobody_needs_to_look_at_is_none():
    old = np.linspace(0, 1, 200_001)
    found = score_drift(old, np.clip(old + 0.01, 0, 1))
    assert found.distance > found.chance
    assert not found.moved


def test_shares_from_a_line_on_are_compared_with_an_interval():
    found = share_drift([0.1] * 950 + [0.9] * 50, [0.1] * 880 + [0.9] * 120, 0.5)
    assert (found.before, found.now) == (0.05, 0.12)
    assert 0 < found.low < 0.07 < found.high
    assert found.moved
    assert not share_drift([0.1] * 950 + [0.9] * 50, [0.1] * 945 + [0.9] * 55, 0.5).moved


@pytest.mark.parametrize(("lift", "drifted"), [(0.0, False), (-0.15, True)])
def test_probabilities_that_stop_being_right_are_found_and_right_ones_are_not(lift, drifted):
    """Looked at after every tenth post, in 40 runs; red when the mean alone was compared, without a bound."""
    rng = np.random.default_rng(3)
    ever = 0
    for _ in range(40):
        p = rng.uniform(0.3, 0.95, 400)
        y = rng.random(400) < p + lift
        ever += any(calibration_drift(p[:k], y[:k]).moved for k in range(10, 401, 10))
    assert (ever >= 36) if drifted else (ever <= 3)


def test_without_posts_nothing_is_known():
    found = calibration_drift([], [])
    assert (found.judged, found.stated, found.low, found.high, found.moved) == (0, None, -1.0, 1.0, False)
    for call in (
        lambda: score_drift([], [0.1]),
        lambda: share_drift([0.1], [], 0.5),
        lambda: calibration_drift([1.2], [1]),
    ):
        with pytest.raises(InvalidField):
            call()
